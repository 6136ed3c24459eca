"""Vocabulary of score tokens, and scores as bars on a grid of twelve steps a quarter.

`score_to_bars` quantises a score to bars of notes and pedals, `bars_to_score` inverts it;
`segue.generate.compose.grammar` turns bars into tokens.
"""

from collections import Counter
from collections.abc import Container, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import Part, Score
from segue.score.timing import bar_grid
from segue.theory.instruments import DRUM_NAMES, DRUMS, PROGRAM_NAMES
from segue.theory.keys import PITCH_CLASSES

STEPS_PER_QUARTER: Final = 12
#: Supported time signatures, numerator and denominator.
TIME_SIGNATURES: Final = (
    *((beats, 2) for beats in (1, 2, 3, 4)),
    *((beats, 4) for beats in range(1, 9)),
    *((beats, 8) for beats in range(1, 13)),
    *((beats, 16) for beats in range(1, 13)),
)
TIME_SIGNATURE_INDEX: Final = {signature: i for i, signature in enumerate(TIME_SIGNATURES)}
VELOCITY_BINS: Final = 8
DEFAULT_VELOCITY: Final = 5
TEMPO_BINS: Final = 31  # nine per octave, from 30 to 302 quarters a minute
DEFAULT_TEMPO: Final = 18
#: Durations of one token, in steps; a longer one is a multiple of this and the rest.
SHORT_DURATIONS: Final = 48
LONG_DURATIONS: Final = 16
MAX_DURATION: Final = SHORT_DURATIONS * (LONG_DURATIONS + 1)
DRUM_DURATION: Final = 1
MAX_INFILL_BARS: Final = 16

#: Number of tokens of each kind, in the order of their ids.
TOKEN_COUNTS: Final = {
    "begin": 1,
    "end": 1,
    "key": 24,
    "opening": 1,
    "fill": MAX_INFILL_BARS,
    "suffix end": 1,
    "part": 1,
    "bar": len(TIME_SIGNATURES),
    "tempo": TEMPO_BINS,
    "step": max(beats * 4 * STEPS_PER_QUARTER // unit for beats, unit in TIME_SIGNATURES),
    "instrument": DRUMS + 1,
    "pedal": 2,
    "velocity": VELOCITY_BINS,
    "pitch": 128,
    "drum": 128,
    "long": LONG_DURATIONS,
    "duration": SHORT_DURATIONS,
}
#: The first token of each kind.
FIRST_TOKEN: Final = dict(
    zip(TOKEN_COUNTS, accumulate(TOKEN_COUNTS.values(), initial=0), strict=False)
)
VOCABULARY_SIZE: Final = sum(TOKEN_COUNTS.values())
BEGIN: Final = FIRST_TOKEN["begin"]
END: Final = FIRST_TOKEN["end"]
#: Precedes the first bars of a piece, where an excerpt has none.
OPENING: Final = FIRST_TOKEN["opening"]
#: In infilling: ends the bars after the gap (suffix); those before it (prefix) follow.
SUFFIX_END: Final = FIRST_TOKEN["suffix end"]
#: In a bar: precedes the notes of the part to add.
PART: Final = FIRST_TOKEN["part"]
#: Kind of each token.
TOKEN_KINDS: Final = tuple(kind for kind, count in TOKEN_COUNTS.items() for _ in range(count))

Tokens = NDArray[np.int64]


class Note(NamedTuple):
    """A note on the grid.

    Attributes
    ----------
    onset : int
        Step in its bar.
    instrument : int
        Program, or `DRUMS`.
    pitch : int
        MIDI pitch.
    duration : int
        Steps.
    velocity : int
        Velocity bin.
    """

    onset: int
    instrument: int
    pitch: int
    duration: int
    velocity: int


class Pedal(NamedTuple):
    """A pedal pressed (`down` is 1) or released (0) at a step of its bar."""

    step: int
    instrument: int
    down: int


class Bar(NamedTuple):
    """A bar on the grid.

    Attributes
    ----------
    time_signature : int
        Index in `TIME_SIGNATURES`.
    tempo : int
        Tempo bin.
    notes : tuple of Note
        By onset; simultaneous notes of an instrument by pitch.
    pedals : tuple of Pedal
        By step and instrument.
    """

    time_signature: int
    tempo: int
    notes: tuple[Note, ...]
    pedals: tuple[Pedal, ...] = ()

    @property
    def instruments(self) -> frozenset[int]:
        """Instruments with an onset."""
        return frozenset(note.instrument for note in self.notes)

    def select(self, instruments: Container[int]) -> "Bar":
        """Return the notes and pedals of some instruments."""
        return self._replace(
            notes=tuple(note for note in self.notes if note.instrument in instruments),
            pedals=tuple(pedal for pedal in self.pedals if pedal.instrument in instruments),
        )

    def transpose(self, semitones: int) -> "Bar":
        """Transpose all but the drums; pitches outside the MIDI range move by an octave."""
        notes = tuple(
            note
            if note.instrument == DRUMS
            else note._replace(pitch=_fold_pitch(note.pitch + semitones))
            for note in self.notes
        )
        return self._replace(notes=notes)


def read_instruments(bars: Sequence[Bar]) -> frozenset[int]:
    """Return the instruments of bars."""
    return frozenset[int]().union(*(bar.instruments for bar in bars))


def drums_of(bars: Sequence[Bar]) -> frozenset[int]:
    """Return the drum pitches of bars."""
    return frozenset(note.pitch for bar in bars for note in bar.notes if note.instrument == DRUMS)


def chordal_instruments(bar: Bar) -> frozenset[int]:
    """Return the instruments with simultaneous onsets."""
    onsets = Counter((note.onset, note.instrument) for note in bar.notes)
    return frozenset(instrument for (_, instrument), count in onsets.items() if count > 1)


def make_monophonic(bar: Bar, instruments: frozenset[int]) -> Bar:
    """Shorten notes of some instruments to end at the instrument's next onset."""
    next_onset: dict[int, int] = {}
    notes = []
    for note in reversed(bar.notes):
        duration = note.duration
        if note.instrument in instruments and note.instrument in next_onset:
            duration = min(duration, next_onset[note.instrument] - note.onset)
        next_onset[note.instrument] = note.onset
        notes.append(note._replace(duration=duration))
    return bar._replace(notes=tuple(notes[::-1]))


def semitones_to_c(key: int) -> int:
    """Return the transposition of a key to C, from -6 to 5 semitones."""
    return (-(key // 2) + 6) % 12 - 6


def _fold_pitch(pitch: int) -> int:
    return pitch + 12 if pitch < 0 else pitch - 12 if pitch > 127 else pitch


def token_name(token: int) -> str:
    """Return a readable name of a token; "pedal 1" is pressed, "pedal 0" released."""
    kind = TOKEN_KINDS[token]
    value = token - FIRST_TOKEN[kind]
    match kind:
        case "key":
            name = f"{PITCH_CLASSES[value // 2]} {'minor' if value % 2 else 'major'}"
        case "fill":
            name = f"fill {value + 1} bars"
        case "bar":
            name = "bar {}/{}".format(*TIME_SIGNATURES[value])
        case "tempo":
            name = f"{tempo_to_bpm(value):.0f} bpm"
        case "instrument":
            name = "drums" if value == DRUMS else PROGRAM_NAMES[value]
        case "velocity":
            name = f"velocity {velocity_to_midi(value)}"
        case "drum":
            name = DRUM_NAMES.get(value, f"drum {value}")
        case "pitch":
            name = f"{PITCH_CLASSES[value % 12]}{value // 12 - 1}"
        case "long":
            name = f"{SHORT_DURATIONS * (value + 1)} steps and"
        case "duration":
            name = f"{value + 1} steps"
        case "step" | "pedal":
            name = f"{kind} {value}"
        case _:
            name = kind
    return name


def steps_per_bar(time_signature: int) -> int:
    """Return the number of steps of a bar, by the index of its time signature."""
    beats, unit = TIME_SIGNATURES[time_signature]
    return beats * 4 * STEPS_PER_QUARTER // unit


def suggest_time_signature(beats: int, unit: int) -> str:
    """Return a message on how to notate an unsupported time signature in shorter bars.

    Compound beats stay together, as 9/4 in bars of 3/4; an uneven bar is divided in two, the
    longer one first.
    """
    known = "those supported go up to 4/2, 8/4, 12/8 and 12/16"
    threes = 3 if beats > 3 and beats % 3 == 0 else 1
    for shorter in range(beats - 1, 1, -1):
        if (
            beats % shorter == 0
            and shorter % threes == 0
            and (shorter, unit) in TIME_SIGNATURE_INDEX
        ):
            return f"{known}; write {beats}/{unit} as {beats // shorter} bars of {shorter}/{unit}"
    halves = (beats + 1) // 2, beats // 2
    if all((half, unit) in TIME_SIGNATURE_INDEX for half in halves):
        first, second = (f"{half}/{unit}" for half in halves)
        return f"{known}; write {beats}/{unit} as a bar of {first} and one of {second}"
    return known


def tempo_to_bpm(tempo: int) -> float:
    """Return the tempo of a bin in quarters a minute."""
    return float(120 * 2 ** ((tempo - DEFAULT_TEMPO) / 9))


def velocity_to_midi(velocity: int) -> int:
    """Return the MIDI velocity of a bin."""
    return velocity * 16 + 8


def score_to_bars(score: Score) -> list[Bar]:
    """Quantise a score to bars on the grid, up to the last bar with an onset.

    Onsets and offsets are rounded to the nearest step; durations are from 1 to `MAX_DURATION`
    steps. Of notes that coincide, the longest is kept. A pedal changes at most twice in a step.

    Raises
    ------
    BadArgument
        The score has no notes, or a time signature that is not in `TIME_SIGNATURES`.
    """
    if not score.parts:
        raise BadArgument("a score without a note; there is nothing to encode as tokens")
    grid = bar_grid(score)
    signatures = []
    for index, signature in enumerate(
        zip(grid.numerators.tolist(), grid.denominators.tolist(), strict=True)
    ):
        if signature not in TIME_SIGNATURE_INDEX:
            raise BadArgument(
                f"bar {index + 1} is in {signature[0]}/{signature[1]}, a time signature that the "
                f"model does not support; {suggest_time_signature(*signature)}"
            )
        signatures.append(TIME_SIGNATURE_INDEX[signature])
    starts = np.cumsum([0, *(steps_per_bar(signature) for signature in signatures)])
    notes = _quantise_notes(score, grid.edges, starts)
    if notes[-1].onset >= starts[-1]:  # rounded up to one more bar
        signatures.append(signatures[-1])
        starts = np.append(starts, starts[-1] + steps_per_bar(signatures[-1]))
    count = int(np.searchsorted(starts, notes[-1].onset, side="right"))
    notes_by_bar: list[list[Note]] = [[] for _ in range(count)]
    for note in notes:
        bar = int(np.searchsorted(starts, note.onset, side="right")) - 1
        notes_by_bar[bar].append(note._replace(onset=note.onset - int(starts[bar])))
    pedals = _quantise_pedals(score, grid.edges, starts[: count + 1])
    tempos = _tempo_bins(score, grid.edges)
    tempos += tempos[-1:]  # of a bar that was appended
    return [
        Bar(signature, tempo, tuple(bar_notes), tuple(bar_pedals))
        for signature, tempo, bar_notes, bar_pedals in zip(
            signatures, tempos, notes_by_bar, pedals, strict=False
        )
    ]


def bars_to_score(sequence: Sequence[Bar], title: str = "") -> Score:
    """Return bars as a score of twelve ticks a quarter, with pedals released at the end.

    Raises
    ------
    BadArgument
        The bars have no notes.
    """
    if not any(bar.notes for bar in sequence):
        raise BadArgument("these bars hold no note; a score has at least one")
    starts = np.cumsum([0, *(steps_per_bar(bar.time_signature) for bar in sequence)]).tolist()
    notes: dict[int, list[tuple[int, int, int, int]]] = {}
    pedals: dict[int, list[tuple[int, int]]] = {}
    signatures: list[tuple[int, int, int]] = []
    tempos: list[tuple[int, float]] = []
    for start, bar in zip(starts, sequence, strict=False):
        for note in bar.notes:
            row = (start + note.onset, note.duration, note.pitch, velocity_to_midi(note.velocity))
            notes.setdefault(note.instrument, []).append(row)
        for pedal in bar.pedals:
            changes = pedals.setdefault(pedal.instrument, [])
            if (changes[-1][1] if changes else 0) != pedal.down:
                changes.append((start + pedal.step, pedal.down))
        if not signatures or signatures[-1][1:] != TIME_SIGNATURES[bar.time_signature]:
            signatures.append((start, *TIME_SIGNATURES[bar.time_signature]))
        if not tempos or tempos[-1][1] != tempo_to_bpm(bar.tempo):
            tempos.append((start, tempo_to_bpm(bar.tempo)))
    parts = []
    for instrument in sorted(notes):
        is_drum = instrument == DRUMS
        changes = pedals.get(instrument, [])
        if changes and changes[-1][1]:
            changes.append((starts[-1], 0))
        parts.append(
            Part(
                "drums" if is_drum else PROGRAM_NAMES[instrument],
                0 if is_drum else instrument,
                is_drum,
                np.array(sorted(notes[instrument], key=lambda row: (row[0], row[2])), np.int32),
                np.array(changes, np.int32).reshape(-1, 2),
            )
        )
    return Score(
        title,
        STEPS_PER_QUARTER,
        tuple(parts),
        np.array(tempos, np.float64),
        np.array(signatures, np.int32),
        np.empty((0, 3), np.int32),
    )


def _quantise_notes(score: Score, at: NDArray[np.int64], starts: NDArray[np.int64]) -> list[Note]:
    """Return distinct notes, with onsets from the beginning, by onset, instrument and pitch."""
    longest: dict[tuple[int, int, int], Note] = {}
    for part in score.parts:
        notes = part.notes.astype(np.int64)
        on = _ticks_to_steps(notes[:, 0], at, starts, score.ticks_per_quarter)
        off = _ticks_to_steps(notes[:, 0] + notes[:, 1], at, starts, score.ticks_per_quarter)
        durations = (off - on).clip(1, MAX_DURATION)
        instrument = DRUMS if part.is_drum else part.program
        if part.is_drum:
            durations[:] = DRUM_DURATION
        columns = on.tolist(), notes[:, 2].tolist(), durations.tolist(), notes[:, 3].tolist()
        for onset, pitch, duration, velocity in zip(*columns, strict=True):
            key = onset, instrument, pitch
            if key not in longest or longest[key].duration < duration:
                longest[key] = Note(onset, instrument, pitch, duration, velocity // 16)
    return [longest[key] for key in sorted(longest)]


def _quantise_pedals(
    score: Score, at: NDArray[np.int64], starts: NDArray[np.int64]
) -> list[list[Pedal]]:
    """Return the pedal changes of each bar: per step the last one, or a release and a press."""
    by_bar: list[list[Pedal]] = [[] for _ in starts[:-1]]
    for instrument, changes in _pedal_changes(score).items():
        ticks, downs = np.array(changes, np.int64).T
        steps = _ticks_to_steps(ticks, at, starts, score.ticks_per_quarter)
        before = 0
        for step in np.unique(steps[(steps >= 0) & (steps < starts[-1])]).tolist():
            at_step = downs[steps == step]
            bar = int(np.searchsorted(starts, step, side="right")) - 1
            bar_step, after = step - int(starts[bar]), int(at_step[-1])
            if before and after and not at_step.all():
                by_bar[bar] += [Pedal(bar_step, instrument, 0), Pedal(bar_step, instrument, 1)]
            elif before != after:
                by_bar[bar].append(Pedal(bar_step, instrument, after))
            before = after
    return [sorted(pedals, key=lambda pedal: pedal[:2]) for pedals in by_bar]


def _pedal_changes(score: Score) -> dict[int, list[tuple[int, int]]]:
    """Return tick and direction of each pedal change, by program."""
    changes: dict[int, list[tuple[int, int]]] = {}
    for part in score.parts:
        if not part.is_drum and len(part.pedals):
            changes.setdefault(part.program, []).extend(map(tuple, part.pedals.tolist()))
    return {program: sorted(rows, key=lambda row: row[0]) for program, rows in changes.items()}


def _ticks_to_steps(
    ticks: NDArray[np.int64],
    at: NDArray[np.int64],
    starts: NDArray[np.int64],
    ticks_per_quarter: int,
) -> NDArray[np.int64]:
    """Round ticks to steps; `at` and `starts` are the ticks and the steps of the bar lines."""
    bar = np.clip(np.searchsorted(at, ticks, side="right") - 1, 0, min(len(at), len(starts)) - 2)
    steps = np.floor((ticks - at[bar]) * STEPS_PER_QUARTER / ticks_per_quarter + 0.5)
    return np.asarray(starts[bar] + steps, np.int64)


def _tempo_bins(score: Score, at: NDArray[np.int64]) -> list[int]:
    """Return the tempo bin at each bar line."""
    if not len(score.tempos):
        return [DEFAULT_TEMPO] * len(at)
    index = np.searchsorted(score.tempos[:, 0], at, side="right") - 1
    bpm = np.where(index < 0, 120.0, score.tempos[index.clip(0), 1])
    bins = np.rint(9 * np.log2(bpm.clip(1) / 120)) + DEFAULT_TEMPO
    return np.asarray(bins.clip(0, TEMPO_BINS - 1), np.int64).tolist()  # type: ignore[no-any-return]
