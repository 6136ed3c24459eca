"""What a musician wants to know of bars that were written: who plays, what key, how it ends."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.formats.score.notation import spelled
from segue.records import Part, Score
from segue.represent.harmony import MODES
from segue.represent.score.chord_spelling import sharps_of, tonic_name
from segue.represent.score.harmony import NO_CHORD, chords, find_key
from segue.represent.score.instruments import instrument_name
from segue.represent.score.timing import Bars, bars, excerpt
from segue.represent.score.vocabulary import DRUMS

#: Share of drum strokes in common with the bar before from which on a bar keeps its pattern.
_KEPT: Final = 0.75
#: A key is said to be one only where it is likelier than all others together.
_SURE: Final = 0.5


#: Names of parts that say nothing.
_NAMELESS: Final = re.compile(
    r"(untitled|unnamed|(midi[ -]?)?(track|channel|part|staff|instrument)|midi)?[ -]*#?\d*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class PartSummary:
    """What a part plays.

    Attributes
    ----------
    name : str
        The part's, or its instrument's where that says nothing.
    bars : int
        In which it begins a note.
    lowest, highest : str
        As "C4", which is middle C; "" of drums, and of who is silent.
    """

    name: str
    bars: int
    lowest: str
    highest: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What some bars of a score are like.

    Attributes
    ----------
    bars : int
    parts : tuple of PartSummary
        All parts of the score.
    drum_bars : int
        Bars with drums that follow a bar with drums.
    drum_bars_kept : int
        Of these, how many keep the pattern of the bar before: three quarters of the strokes.
    key : str
        "D minor"; "" where none is clear.
    last_chord : str
        That it ends on, "Dm"; "" for none.
    ends_on_tonic : bool
    """

    bars: int
    parts: tuple[PartSummary, ...]
    drum_bars: int
    drum_bars_kept: int
    key: str
    last_chord: str
    ends_on_tonic: bool

    @property
    def sentence(self) -> str:
        """All of it in a line."""
        playing = [part for part in self.parts if part.bars]
        told = [f"{self.bars} bars" if self.bars != 1 else "1 bar"]
        told.append(
            f"{len(playing)} of {len(self.parts)} parts play"
            if len(self.parts) > 1
            else "one part plays"
        )
        if self.drum_bars:
            told.append(
                f"the drums keep the pattern of the bar before in {self.drum_bars_kept} of "
                f"{self.drum_bars}"
            )
        told.append(f"in {self.key}" if self.key else "in no clear key")
        if self.last_chord:
            tonic = ", the tonic" if self.ends_on_tonic else ""
            told.append(f"ends on {self.last_chord}{tonic}")
        return ", ".join(told)


def summary_of(score: Score, first: int, last: int) -> Summary:
    """Sum up some bars of a score.

    Parameters
    ----------
    score : Score
    first, last : int
        From 0; the last one is not counted.

    Returns
    -------
    Summary
    """
    divided, count = bars(score), last - first
    last = max(min(last, len(divided)), first)  # silence at the end is no bar of the score
    some = excerpt(score, min(first, len(divided)), last - first)
    drum_bars, kept = _drums(score, divided, first, last)
    key = find_key(some)
    clear = key.confidence > _SURE
    is_minor = key.mode == MODES[1]
    signed = _sharps_at(score, int(divided.at[min(first, len(divided) - 1)])) if divided else 0
    sharps = sharps_of(key.tonic, is_minor=is_minor, near=signed) if clear else signed
    tonic = tonic_name(key.tonic, is_minor=is_minor, near=signed)
    named = [chord for chord in chords(some) if chord.name != NO_CHORD] if some.parts else []
    final = named[-1] if named and named[-1].bar == count - 1 else None
    return Summary(
        count,
        tuple(
            _part(part, name, divided.of(part.notes[:, 0]), (first, last), sharps)
            for part, name in zip(score.parts, _names(score.parts), strict=True)
        ),
        drum_bars,
        kept,
        f"{tonic} {key.mode}" if clear else "",
        final.name if final else "",
        ends_on_tonic=bool(clear and final and final.root == key.tonic),
    )


def _sharps_at(score: Score, tick: int) -> int:
    """Return the sharps of the key signature that holds at a tick; 0 where there is none."""
    signed = score.keys[score.keys[:, 0] <= tick] if len(score.keys) else score.keys
    return int(signed[-1, 1]) if len(signed) else 0


def _names(parts: Sequence[Part]) -> list[str]:
    """Name parts; those of one name, such as the title, are told apart by their instruments."""
    names = [part.name.strip() for part in parts]
    names = ["" if _NAMELESS.fullmatch(name) else name for name in names]
    played = [instrument_name(DRUMS if part.is_drum else part.program) for part in parts]
    return [
        f"{name} ({instrument})" if name and names.count(name) > 1 else name or instrument
        for name, instrument in zip(names, played, strict=True)
    ]


def _part(
    part: Part, name: str, bar: NDArray[np.int64], span: tuple[int, int], sharps: int
) -> PartSummary:
    inside = (bar >= span[0]) & (bar < span[1])
    here = part.notes[inside]
    pitched = len(here) and not part.is_drum
    return PartSummary(
        name,
        len(np.unique(bar[inside])),
        _pitch_name(int(here[:, 2].min()), sharps) if pitched else "",
        _pitch_name(int(here[:, 2].max()), sharps) if pitched else "",
    )


def _pitch_name(pitch: int, sharps: int) -> str:
    letter, alteration, octave = spelled(pitch, sharps)
    return f"{letter}{'#' * alteration or 'b' * -alteration}{octave}"


def _drums(score: Score, divided: Bars, first: int, last: int) -> tuple[int, int]:
    """Return how many bars of drums follow one, and how many of these keep its pattern."""
    found: dict[int, set[tuple[int, int]]] = {}
    sixteenth = score.ticks_per_quarter / 4
    for part in score.parts:
        if part.is_drum:
            bar = divided.of(part.notes[:, 0])
            step = np.rint((part.notes[:, 0] - divided.at[bar]) / sixteenth).astype(int)
            strokes = zip(bar.tolist(), step.tolist(), part.notes[:, 2].tolist(), strict=True)
            for number, at, pitch in strokes:
                found.setdefault(number, set()).add((at, pitch))
    pairs = [(found[n - 1], found[n]) for n in range(max(first, 1), last) if {n - 1, n} <= {*found}]
    kept = sum(len(one & other) >= _KEPT * len(one | other) for one, other in pairs)
    return len(pairs), kept
