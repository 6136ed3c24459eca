"""Scores as tokens: the grid, the vocabulary, and the encoding of bars.

The tokens of scores: what there is, and what each means.

Scores on a grid of twelve steps a quarter, bar by bar; and back.
"""

from collections.abc import Container, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import Part, Score
from segue.score.timing import bar_grid
from segue.theory.instruments import DRUM_NAMES, DRUMS, PROGRAM_NAMES

# --- vocabulary ---

STEPS_PER_QUARTER: Final = 12
#: Beats, and of what a beat is: 4 a quarter, 8 an eighth.
METRES: Final = (
    *((beats, 2) for beats in (1, 2, 3, 4)),
    *((beats, 4) for beats in range(1, 9)),
    *((beats, 8) for beats in range(1, 13)),
    *((beats, 16) for beats in range(1, 13)),
)
LOUDNESSES: Final = 8
USUAL_LOUDNESS: Final = 5
TEMPOS: Final = 31  # ninths of an octave, from 30 to 302 quarters a minute
USUAL_TEMPO: Final = 18
#: Lengths that one token tells; a longer note is told by so many times this, then the rest.
LENGTHS: Final = 48
LONGS: Final = 16
LONGEST: Final = LENGTHS * (LONGS + 1)
DRUM_LENGTH: Final = 1
#: Bars that are filled in at once at most.
FILLED: Final = 16

COUNTS: Final = {
    "begin": 1,
    "end": 1,
    "key": 24,
    "opening": 1,
    "fill": FILLED,
    "here": 1,
    "part": 1,
    "bar": len(METRES),
    "tempo": TEMPOS,
    "step": max(beats * 4 * STEPS_PER_QUARTER // unit for beats, unit in METRES),
    "instrument": DRUMS + 1,
    "pedal": 2,
    "loudness": LOUDNESSES,
    "pitch": 128,
    "drum": 128,
    "long": LONGS,
    "length": LENGTHS,
}
#: The first token of each kind, and how many tokens there are.
FIRST: Final = dict(zip(COUNTS, accumulate(COUNTS.values(), initial=0), strict=False))
VOCABULARY: Final = sum(COUNTS.values())
BEGIN: Final = FIRST["begin"]
END: Final = FIRST["end"]
#: What follows are a piece's first bars.
OPENING: Final = FIRST["opening"]
#: What stands after the bars to be filled in is over; now come those before them.
HERE: Final = FIRST["here"]
#: In a bar: now comes what the part to be added plays.
PART: Final = FIRST["part"]

KINDS: Final = tuple(kind for kind, count in COUNTS.items() for _ in range(count))
METRE_NUMBERS: Final = {metre: number for number, metre in enumerate(METRES)}

Tokens = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class Note(NamedTuple):
    """A note on the grid: step of its bar, program or `DRUMS`, pitch, steps, loudness."""

    onset: int
    instrument: int
    pitch: int
    length: int
    loudness: int


class Pedal(NamedTuple):
    """A pedal pressed or lifted: step of its bar, program, 1 for down or 0 for up."""

    step: int
    instrument: int
    down: int


class Bar(NamedTuple):
    """A bar on the grid.

    Attributes
    ----------
    metre, tempo : int
        Their numbers.
    notes : tuple of Note
        By onset; what an instrument plays at one onset, by pitch.
    pedals : tuple of Pedal
        By step and instrument.
    """

    metre: int
    tempo: int
    notes: tuple[Note, ...]
    pedals: tuple[Pedal, ...] = ()

    @property
    def instruments(self) -> frozenset[int]:
        """Who plays here."""
        return frozenset(note.instrument for note in self.notes)

    def only(self, instruments: Container[int]) -> "Bar":
        """Return what some instruments play."""
        return self._replace(
            notes=tuple(note for note in self.notes if note.instrument in instruments),
            pedals=tuple(pedal for pedal in self.pedals if pedal.instrument in instruments),
        )

    def moved(self, semitones: int) -> "Bar":
        """Transpose all but the drums; what would leave the range of MIDI moves by an octave."""
        notes = tuple(
            note
            if note.instrument == DRUMS
            else note._replace(pitch=_in_range(note.pitch + semitones))
            for note in self.notes
        )
        return self._replace(notes=notes)


def home(key: int) -> int:
    """Return by how many semitones, -6 to 5, music in a key is moved to C."""
    return (-(key // 2) + 6) % 12 - 6


def _in_range(pitch: int) -> int:
    return pitch + 12 if pitch < 0 else pitch - 12 if pitch > 127 else pitch


def told(token: int) -> str:
    """Return what a token means, in a word or two; "pedal 1" presses it, "pedal 0" lifts it."""
    kind, number = KINDS[token], token - FIRST[KINDS[token]]
    names = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
    match kind:
        case "key":
            name = f"{names[number // 2]} {'minor' if number % 2 else 'major'}"
        case "fill":
            name = f"fill {number + 1} bars"
        case "bar":
            name = "bar {}/{}".format(*METRES[number])
        case "tempo":
            name = f"{bpm_of(number):.0f} bpm"
        case "instrument":
            name = "drums" if number == DRUMS else PROGRAM_NAMES[number]
        case "loudness":
            name = f"velocity {velocity_of(number)}"
        case "pitch" | "drum":
            name = f"{names[number % 12]}{number // 12 - 1}"
            if kind == "drum":
                name = DRUM_NAMES.get(number, f"drum {number}")
        case "long":
            name = f"{LENGTHS * (number + 1)} steps and"
        case "length":
            name = f"{number + 1} steps"
        case "step" | "pedal":
            name = f"{kind} {number}"
        case _:
            name = kind
    return name


def steps_of(metre: int) -> int:
    """Return the steps of a bar, by its metre's number."""
    beats, unit = METRES[metre]
    return beats * 4 * STEPS_PER_QUARTER // unit


def metre_advice(beats: int, unit: int) -> str:
    """Say which metres are known, and as what shorter bars one that is not may be written.

    Beats that come in threes stay together, as 9/4 in bars of 3/4; what cannot be divided evenly
    is two bars, the longer one first.
    """
    known = "those known go up to 4/2, 8/4, 12/8 and 12/16"
    threes = 3 if beats > 3 and beats % 3 == 0 else 1
    for shorter in range(beats - 1, 1, -1):
        if beats % shorter == 0 and shorter % threes == 0 and (shorter, unit) in METRE_NUMBERS:
            return f"{known}; write {beats}/{unit} as {beats // shorter} bars of {shorter}/{unit}"
    halves = (beats + 1) // 2, beats // 2
    if all((half, unit) in METRE_NUMBERS for half in halves):
        one, other = (f"{half}/{unit}" for half in halves)
        return f"{known}; write {beats}/{unit} as a bar of {one} and one of {other}"
    return known


def bpm_of(tempo: int) -> float:
    """Return quarters a minute, by a tempo's number."""
    return float(120 * 2 ** ((tempo - USUAL_TEMPO) / 9))


def velocity_of(loudness: int) -> int:
    """Return the MIDI velocity of a loudness."""
    return loudness * 16 + 8


# --- grid ---


def bars_on_grid(score: Score) -> list[Bar]:
    """Put a score on the grid, bar by bar, to the last one with an onset.

    Onsets and ends move to the nearest step, lengths are at least a step and at most `LONGEST`;
    of notes that then are the same, the longest stays. A pedal moves at most twice in a step.

    Raises
    ------
    BadArgument
        It has no note, or a metre that is not in `METRES`.
    """
    if not score.parts:
        raise BadArgument("a score without a note; there is nothing to write as tokens")
    divided = bar_grid(score)
    metres = []
    for place, metre in enumerate(
        zip(divided.numerators.tolist(), divided.denominators.tolist(), strict=True)
    ):
        if metre not in METRE_NUMBERS:
            raise BadArgument(
                f"bar {place + 1} is in {metre[0]}/{metre[1]}: no such metre was learned; "
                f"{metre_advice(*metre)}"
            )
        metres.append(METRE_NUMBERS[metre])
    starts = np.cumsum([0, *(steps_of(number) for number in metres)])
    notes = _notes(score, divided.edges, starts)
    if notes[-1].onset >= starts[-1]:  # moved to where one more bar begins
        metres.append(metres[-1])
        starts = np.append(starts, starts[-1] + steps_of(metres[-1]))
    last = int(np.searchsorted(starts, notes[-1].onset, side="right"))
    in_bars: list[list[Note]] = [[] for _ in range(last)]
    for note in notes:
        bar = int(np.searchsorted(starts, note.onset, side="right")) - 1
        in_bars[bar].append(note._replace(onset=note.onset - int(starts[bar])))
    pedals = _pedals(score, divided.edges, starts[: last + 1])
    tempos = _tempos(score, divided.edges)
    tempos += tempos[-1:]  # of a bar that was added
    return [
        Bar(metre, tempo, tuple(sounding), tuple(moved))
        for metre, tempo, sounding, moved in zip(metres, tempos, in_bars, pedals, strict=False)
    ]


def score_of(found: Sequence[Bar], title: str = "") -> Score:
    """Return bars as a score, twelve ticks a quarter.

    Pedals are lifted at the end.

    Raises
    ------
    BadArgument
        There is no note.
    """
    if not any(bar.notes for bar in found):
        raise BadArgument("these bars hold no note; a score has at least one")
    starts = np.cumsum([0, *(steps_of(bar.metre) for bar in found)]).tolist()
    rows: dict[int, list[tuple[int, int, int, int]]] = {}
    moves: dict[int, list[tuple[int, int]]] = {}
    metres: list[tuple[int, int, int]] = []
    tempos: list[tuple[int, float]] = []
    for start, bar in zip(starts, found, strict=False):
        for note in bar.notes:
            row = (start + note.onset, note.length, note.pitch, velocity_of(note.loudness))
            rows.setdefault(note.instrument, []).append(row)
        for pedal in bar.pedals:
            pressed = moves.setdefault(pedal.instrument, [])
            if (pressed[-1][1] if pressed else 0) != pedal.down:
                pressed.append((start + pedal.step, pedal.down))
        if not metres or metres[-1][1:] != METRES[bar.metre]:
            metres.append((start, *METRES[bar.metre]))
        if not tempos or tempos[-1][1] != bpm_of(bar.tempo):
            tempos.append((start, bpm_of(bar.tempo)))
    parts = []
    for instrument in sorted(rows):
        drums = instrument == DRUMS
        pressed = moves.get(instrument, [])
        if pressed and pressed[-1][1]:
            pressed.append((starts[-1], 0))
        parts.append(
            Part(
                "drums" if drums else PROGRAM_NAMES[instrument],
                0 if drums else instrument,
                drums,
                np.array(sorted(rows[instrument], key=lambda row: (row[0], row[2])), np.int32),
                np.array(pressed, np.int32).reshape(-1, 2),
            )
        )
    return Score(
        title,
        STEPS_PER_QUARTER,
        tuple(parts),
        np.array(tempos, np.float64),
        np.array(metres, np.int32),
        np.empty((0, 3), np.int32),
    )


def _notes(score: Score, at: NDArray[np.int64], starts: NDArray[np.int64]) -> list[Note]:
    """Put all notes on the grid, each once, by onset from the beginning, instrument and pitch."""
    found: dict[tuple[int, int, int], Note] = {}
    for part in score.parts:
        notes = part.notes.astype(np.int64)
        on = _on_grid(notes[:, 0], at, starts, score.ticks_per_quarter)
        off = _on_grid(notes[:, 0] + notes[:, 1], at, starts, score.ticks_per_quarter)
        lengths = (off - on).clip(1, LONGEST)
        instrument = DRUMS if part.is_drum else part.program
        if part.is_drum:
            lengths[:] = DRUM_LENGTH
        rows = zip(
            on.tolist(), notes[:, 2].tolist(), lengths.tolist(), notes[:, 3].tolist(), strict=True
        )
        for onset, pitch, length, velocity in rows:
            key = onset, instrument, pitch
            if key not in found or found[key].length < length:
                found[key] = Note(onset, instrument, pitch, length, velocity // 16)
    return [found[key] for key in sorted(found)]


def _pedals(score: Score, at: NDArray[np.int64], starts: NDArray[np.int64]) -> list[list[Pedal]]:
    """Return what the pedals do in each bar: in a step only what it ends with, or up and down."""
    found: list[list[Pedal]] = [[] for _ in starts[:-1]]
    for instrument, moves in _moves_of_pedals(score).items():
        ticks, downs = np.array(moves, np.int64).T
        steps = _on_grid(ticks, at, starts, score.ticks_per_quarter)
        before = 0
        for step in np.unique(steps[(steps >= 0) & (steps < starts[-1])]).tolist():
            here = downs[steps == step]
            bar = int(np.searchsorted(starts, step, side="right")) - 1
            place, after = step - int(starts[bar]), int(here[-1])
            if before and after and not here.all():
                found[bar] += [Pedal(place, instrument, 0), Pedal(place, instrument, 1)]
            elif before != after:
                found[bar].append(Pedal(place, instrument, after))
            before = after
    return [sorted(moves, key=lambda one: one[:2]) for moves in found]


def _moves_of_pedals(score: Score) -> dict[int, list[tuple[int, int]]]:
    """Return tick and direction of each move, by program."""
    found: dict[int, list[tuple[int, int]]] = {}
    for part in score.parts:
        if not part.is_drum and len(part.pedals):
            found.setdefault(part.program, []).extend(map(tuple, part.pedals.tolist()))
    return {
        instrument: sorted(moves, key=lambda move: move[0]) for instrument, moves in found.items()
    }


def _on_grid(
    ticks: NDArray[np.int64],
    at: NDArray[np.int64],
    starts: NDArray[np.int64],
    ticks_per_quarter: int,
) -> NDArray[np.int64]:
    bar = np.clip(np.searchsorted(at, ticks, side="right") - 1, 0, min(len(at), len(starts)) - 2)
    steps = np.floor((ticks - at[bar]) * STEPS_PER_QUARTER / ticks_per_quarter + 0.5)
    return np.asarray(starts[bar] + steps, np.int64)


def _tempos(score: Score, at: NDArray[np.int64]) -> list[int]:
    """Return the tempo of each bar: the one in force where it begins."""
    if not len(score.tempos):
        return [USUAL_TEMPO] * len(at)
    here = np.searchsorted(score.tempos[:, 0], at, side="right") - 1
    bpm = np.where(here < 0, 120.0, score.tempos[here.clip(0), 1])
    numbers = np.rint(9 * np.log2(bpm.clip(1) / 120)) + USUAL_TEMPO
    return np.asarray(numbers.clip(0, TEMPOS - 1), np.int64).tolist()  # type: ignore[no-any-return]
