"""The HTML page on which takes are heard and compared."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from segue.io.opus import encode_opus
from segue.records import Part, Score
from segue.render.pages import write_page
from segue.render.piano_roll_plots import DRUM_COLOUR, part_colours, part_name
from segue.score.harmony import NO_CHORD, estimate_chords, written_chords
from segue.score.synthesis import synthesise
from segue.score.timing import bar_grid, excerpt, ticks_to_seconds
from segue.theory.instruments import DRUM_NAMES

#: Bars shown before and after those generated, and maximum number of all.
CONTEXT_BARS: Final = 4
MAX_BARS: Final = 128
_RATE_HZ: Final = 48_000
_BIT_RATE: Final = 64_000


@dataclass(frozen=True, slots=True, eq=False)
class TakeView:
    """What the page shows of a take.

    Attributes
    ----------
    name : str
        Heading, such as "Take 2".
    note : str
        Text beside the heading.
    lines : sequence of str
        Texts below the piano roll.
    files : sequence of str
        Paths of its files relative to the page.
    score : Score
        The whole piece as it is to be played.
    first, last : int
        Range of indices of the generated bars, without `last`.
    """

    name: str
    note: str
    lines: Sequence[str]
    files: Sequence[str]
    score: Score
    first: int
    last: int


def write_takes_page(takes: Sequence[TakeView], target: Path, title: str, caption: str) -> None:
    """Write a page that plays takes and shows their piano rolls, the first one on top.

    The page holds the generated bars with `CONTEXT_BARS` around them, at most `MAX_BARS` of each
    take, as Ogg Opus.

    Parameters
    ----------
    takes : sequence of TakeView
        Takes in the order of the page.
    target : Path
        Path of the page, .html.
    title, caption : str
        Texts above the takes.

    Raises
    ------
    BadArgument
        The file cannot be written.
    """
    parts = {_part_key(part, take.score): part for take in takes for part in take.score.parts}
    names = list(parts)
    shown = [_show(take, names) for take in takes]
    pitches = [note[3] for take in shown for note in take["notes"] if not note[5]]
    drums = sorted({note[3] for take in shown for note in take["notes"] if note[5]})
    data = {
        "title": title,
        "caption": caption,
        "parts": names,
        "colours": [
            "" if colour == DRUM_COLOUR else colour for colour in part_colours([*parts.values()])
        ],
        "low": min(pitches, default=60) - 1,
        "high": max(pitches, default=72) + 1,
        "drums": drums,
        "drumNames": [DRUM_NAMES.get(pitch, f"drum {pitch}") for pitch in drums],
        "takes": shown,
    }
    write_page("takes.html", data, target)


def _part_key(part: Part, score: Score) -> str:
    return part_name(part, score.title)


def _show(take: TakeView, names: Sequence[str]) -> dict[str, Any]:
    """Return a take as the page's program reads it; times are in seconds."""
    start = max(take.first - CONTEXT_BARS, 0)
    last_onset = np.array([part.notes[-1, 0] for part in take.score.parts]).max()
    n_bars = max(int(bar_grid(take.score).index_of(last_onset)) + 1, take.last)
    end = min(take.last + CONTEXT_BARS, start + MAX_BARS, n_bars)
    score = excerpt(take.score, start, end - start)
    edges = bar_grid(score).edges[: end - start + 1]
    notes = []
    for part in score.parts:
        index = names.index(_part_key(part, score))
        onset, duration, pitch, velocity = part.notes.T
        begin_s = ticks_to_seconds(score, onset)
        end_s = ticks_to_seconds(score, onset + duration)
        rows = zip(begin_s.tolist(), end_s.tolist(), pitch.tolist(), velocity.tolist(), strict=True)
        notes += [
            [index, round(a, 3), round(b - a, 3), key, loudness, int(part.is_drum)]
            for a, b, key, loudness in rows
        ]
    sound = base64.b64encode(_render(score)).decode("ascii") if score.parts else ""
    return {
        "name": take.name,
        "note": take.note,
        "lines": list(take.lines),
        "files": list(take.files),
        "notes": notes,
        "bars": np.round(ticks_to_seconds(score, edges), 3).tolist(),
        "number": start + 1,
        "first": take.first - start,
        "last": min(take.last, end) - start,
        "chords": _chords(score) if score.parts else [],
        "sound": sound,
    }


def _render(score: Score) -> bytes:
    return encode_opus(synthesise(score, _RATE_HZ), _RATE_HZ, _BIT_RATE)


def _chords(score: Score) -> list[list[float | str]]:
    """Return onset and symbol of each chord that differs from the one before."""
    chords = written_chords(score) or estimate_chords(score)
    changes = [
        chord
        for before, chord in zip([None, *chords[:-1]], chords, strict=True)
        if (before is None or before.name != chord.name) and chord.name != NO_CHORD
    ]
    onsets = ticks_to_seconds(score, np.array([chord.start for chord in changes], np.int64))
    return [
        [round(onset, 3), chord.name] for onset, chord in zip(onsets.tolist(), changes, strict=True)
    ]
