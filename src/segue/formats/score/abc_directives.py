"""What a tune says to players, ``%%MIDI program 40`` or ``I:MIDI program 40``, as abc2midi has it.

Where it stands in a tune's header it holds for all voices, else for the one that it stands in.
"""

import re
from collections.abc import Sequence
from typing import Final

from segue.formats.score.abc_voices import SIGNS, STEPS, Voice

_DRUM_CHANNEL: Final = 10
_NUMBER: Final = re.compile(r"[+-]?\d{1,3}")
_PITCH: Final = re.compile(r"(\^{1,2}|_{1,2}|=)?([A-Ga-g])([,']*)")


def play_as(voice: Voice, words: Sequence[str]) -> None:
    """Follow what is said after ``%%MIDI``; what is unknown is left.

    Parameters
    ----------
    voice : Voice
        The one that it is said to.
    words : sequence of str
        "program", "40", say.
    """
    kind, *said = words or [""]
    numbers = [int(word) for word in said if _NUMBER.fullmatch(word)]
    if kind == "drummap" and len(said) > 1 and numbers and 0 <= numbers[-1] < 128:
        if match := _PITCH.fullmatch(said[0]):
            voice.sounds.drum_map[pitch_of(*match.groups())] = numbers[-1]
    elif not numbers:
        return
    elif kind == "program" and 0 <= numbers[-1] < 128:
        if len(numbers) > 1:
            voice.sounds.programs[numbers[0]] = numbers[1]
        else:
            voice.program = numbers[0]
    elif kind == "channel":
        voice.channel = numbers[0]
    elif kind == "transpose":
        voice.moved = numbers[0]
    elif kind == "rtranspose":
        voice.moved = (voice.moved or 0) + numbers[0]


def is_drum(voice: Voice) -> bool:
    """Tell whether a voice is on the channel of drums."""
    return voice.channel == _DRUM_CHANNEL


def pitch_of(sign: str | None, letter: str, octave: str) -> int:
    """Return the MIDI pitch of a note as it is written, without key or transposition."""
    higher = letter.islower() + octave.count("'") - octave.count(",")
    return 60 + STEPS[letter.upper()] + 12 * higher + (SIGNS[sign] if sign else 0)


def program_of(voice: Voice, number: int) -> int:
    """Return the program that plays the voice that is the `number`th of its tune, from 0.

    Where no channel is chosen, voices have one after the other, without that of drums.
    """
    if voice.program is not None:
        return voice.program
    own = number + 1 if number + 1 < _DRUM_CHANNEL else number + 2
    return voice.sounds.programs.get(voice.channel or own, 0)
