"""Phrases of a melody: where they end, how they end, and which return.

A form has a letter for each phrase, such as "AABA". A phrase whose letter was there before repeats
the rhythm of that phrase, and over the same chord its pitches, up to its last bar; there, all
phrases are free. A phrase ends with a cadence: a chord tone of at least a beat, and after it no
other note; the last phrase ends on the root. No note is held from one phrase to the next.

Positions and durations are in steps, pitches are symbols; see `segue.generate.melody.lead_sheet`.
"""

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.generate.melody.lead_sheet import LOWEST_PITCH, MAX_DURATION, NUM_PITCHES
from segue.io.unfolding import beat_duration
from segue.theory.chord_charts import NO_ROOT, STEPS_PER_QUARTER, Chart
from segue.theory.keys import ACCIDENTALS, LETTER_SEMITONES

#: Ranges of amateur choirs, as MIDI pitches.
VOICE_RANGES: Final = {"soprano": (60, 79), "alto": (55, 74), "tenor": (48, 67)}
#: Narrowest range that a melody can move in, in semitones: a fifth.
MIN_RANGE: Final = 7
#: Semitones that a note of a returning phrase may be moved by where the chord is another.
_MAX_SHIFT: Final = 2
_PITCH: Final = re.compile(r"([A-Ga-g])([#b♯♭]?)(-?\d)")
BoolArray = NDArray[np.bool_]


def parse_range(text: str) -> tuple[int, int]:
    """Parse a range, such as "C4-E5", or the name of a voice.

    Parameters
    ----------
    text : str

    Returns
    -------
    tuple of int
        Lowest and highest MIDI pitch.

    Raises
    ------
    BadArgument
        It is no range, narrower than a fifth, or partly out of the range of melodies.
    """
    name = text.strip().lower()
    if name in VOICE_RANGES:
        return VOICE_RANGES[name]
    pitches = [
        12 * (int(octave) + 1) + LETTER_SEMITONES[letter.upper()] + ACCIDENTALS.get(sign, 0)
        for letter, sign, octave in _PITCH.findall(text)
    ]
    rest = re.sub(r"[\s–-]|to", "", _PITCH.sub("", text))
    if len(pitches) != 2 or rest:
        raise BadArgument(
            f"{text!r} is not a range; write the lowest and the highest note, as C4-E5, or one of "
            f"{', '.join(VOICE_RANGES)}"
        )
    low, high = sorted(pitches)
    if high - low < MIN_RANGE:
        raise BadArgument(f"the range {text.strip()} is narrower than a fifth; name a wider one")
    if low < LOWEST_PITCH or high >= LOWEST_PITCH + NUM_PITCHES:
        raise BadArgument(f"the range {text.strip()} is out of reach: melodies lie from C3 to B6")
    return low, high


class PhrasePlan:
    """The phrases of a melody.

    Parameters
    ----------
    form : str
        A letter for each phrase; all phrases have the same length.
    chart : Chart

    Raises
    ------
    BadArgument
        The form has other characters than letters, or its phrases do not divide the bars evenly
        into phrases of two bars or more.
    """

    def __init__(self, form: str, chart: Chart) -> None:
        letters = "".join(form.split()).upper()
        if not letters.isalpha():
            raise BadArgument(f"{form!r} is not a form; write a letter for each phrase, as AABA")
        bars, rest = divmod(chart.bars, len(letters))
        if rest or bars < 2:
            raise BadArgument(
                f"the form {letters} needs chords for {2 * len(letters)} bars or a larger "
                f"multiple of {len(letters)}, as its phrases are equally long and at least two "
                f"bars; there are chords for {chart.bars}"
            )
        self._length = bars * chart.steps_per_bar
        self._bar = chart.steps_per_bar
        self._beat = round(STEPS_PER_QUARTER * float(beat_duration(*chart.time_signature)))
        self._source = [letters.index(letter) for letter in letters]
        row = np.searchsorted(chart.chords[:, 0], np.arange(chart.steps), side="right") - 1
        self._root, self._tones = chart.chords[row, 1], chart.chords[row, 3]
        self._steps = chart.steps

    def left(self, at: int) -> int:
        """Return the steps to the end of the phrase."""
        return self._length - at % self._length

    def until_last_bar(self, at: int) -> int:
        """Return the steps to the last bar of the phrase, which is not repeated."""
        return self.left(at) - self._bar

    def in_cadence(self, at: int) -> bool:
        """Return whether a note that sounds here is the last of its phrase."""
        return self.left(at) <= self._bar // 2

    def until_cadence(self, at: int) -> int:
        """Return the steps that a rest may last: to the cadence, or in it to the phrase's end."""
        left = self.left(at)
        return left if self.in_cadence(at) else left - self._bar // 2

    def source(self, at: int) -> int | None:
        """Return the position in an earlier phrase that is repeated here, if any."""
        phrase, offset = divmod(at, self._length)
        if self._source[phrase] == phrase or offset >= self._length - self._bar:
            return None
        return self._source[phrase] * self._length + offset

    def allowed_symbols(self, at: int, symbol: int, source: int) -> BoolArray:
        """Return which symbols may repeat one of an earlier phrase.

        Parameters
        ----------
        at : int
        symbol : int
            Symbol in the earlier phrase.
        source : int
            Its position.

        Returns
        -------
        ndarray, shape (symbols,), bool
            That one alone over the same chord, else those around it.
        """
        allowed = np.zeros(NUM_PITCHES + 1, np.bool_)
        same_chord = self._root[at] == self._root[source] and self._tones[at] == self._tones[source]
        shift = 0 if same_chord or not symbol else _MAX_SHIFT
        allowed[max(symbol - shift, min(symbol, 1)) : symbol + shift + 1] = True
        return allowed

    def chord_tones(self, at: int) -> BoolArray:
        """Return which symbols may end a phrase here: rests, and chord tones or the last root."""
        pitch_class = (np.arange(NUM_PITCHES) + LOWEST_PITCH) % 12
        root, tones = int(self._root[at]), int(self._tones[at])
        if root == NO_ROOT:
            is_tone = np.ones(NUM_PITCHES, np.bool_)
        elif self.left(at) == self._steps - at:
            is_tone = pitch_class == root
        else:
            is_tone = (tones >> pitch_class & 1).astype(np.bool_)
        return np.append(True, is_tone)

    def allowed_durations(self, at: int, *, is_chord_tone: bool) -> BoolArray:
        """Return which durations, from 1 step on, a note may have.

        Parameters
        ----------
        at : int
        is_chord_tone : bool
            Whether the note may end the phrase.
        """
        durations = np.arange(1, MAX_DURATION + 1)
        left = self.left(at)
        if self.in_cadence(at):
            return (durations <= left) & (durations >= min(self._beat, left))
        begins = self.until_cadence(at)
        # A note that is held into the cadence is its last.
        last = (durations <= left) & (durations >= begins + self._beat) & is_chord_tone
        return (durations <= begins) | last
