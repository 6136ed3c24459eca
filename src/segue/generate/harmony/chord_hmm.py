"""A hidden Markov model of chords for a melody.

A melody cut into the stretches that a chord lasts at least: half bars, or bars.

Bars of four beats or more that have a middle are halved; those of 2/4, 3/4, 6/8 are not.

Chords for a melody: which follow each other, and which notes are sung over each.

A hidden Markov model (Rabiner 1989): the chords, told from the tonic, are what is hidden, the
melody is what is heard. Both tables are counted in songs whose chords are known, all moved to one
tonic. What was never met is not impossible: rare contexts lean on wider ones as Witten & Bell
(1991) have it. The key is not given either: of all 24 the likeliest is taken.

Shape legend: M modes (major, minor), S chords of a mode, T stretches, 12 pitch classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument, BadCheckpoint
from segue.records import Part, Score
from segue.score.timing import BarGrid, bar_grid

# --- chord slots ---

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_BARS: Final = 20_000
#: Longer notes count as so long in each stretch: one that was never ended must not drown others.
_LONGEST_BARS: Final = 8
WEAK, STRONG = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """What a melody sings in each stretch.

    Attributes
    ----------
    edges : ndarray, shape (S + 1,), int64
        Ticks.
    bar : ndarray, shape (S,), int64
        From 0.
    place : ndarray, shape (S,), int64
        0 for the first half of a bar, 1 for the second, 2 for a whole bar.
    sung : ndarray, shape (S, 2, 12), float64
        Quarters that each pitch class sounds: of notes between the beats, and of those that begin
        on one, or are held from before.
    """

    edges: IntArray
    bar: IntArray
    place: IntArray
    sung: FloatArray

    def __len__(self) -> int:
        return len(self.place)


def slots_of(melody: Part, score: Score) -> Slots:
    """Cut a melody into stretches for chords, by the metres of its score.

    Parameters
    ----------
    melody : Part
    score : Score

    Returns
    -------
    Slots
        From the bar of the melody's first note to that of its last one.

    Raises
    ------
    BadArgument
        There are more than 20,000 bars.
    """
    divided = bar_grid(replace(score, parts=(melody,)))
    onset = melody.notes[:, 0].astype(np.int64)
    first = int(divided.index_of(onset[:1])[0])
    if len(divided) - first > MOST_BARS:
        raise BadArgument(f"{len(divided) - first} bars; at most {MOST_BARS} get chords at a time")
    edges, bar, place = _edges(divided, first)
    return Slots(edges, bar, place, _sung(melody, divided, edges, score.ticks_per_quarter))


def _edges(divided: BarGrid, first: int) -> tuple[IntArray, IntArray, IntArray]:
    edges, bar, place = [], [], []
    for number in range(first, len(divided)):
        start, end = int(divided.edges[number]), int(divided.edges[number + 1])
        if _is_halved(int(divided.numerators[number]), int(divided.denominators[number])):
            edges += [start, (start + end) // 2]
            place += [0, 1]
            bar += [number, number]
        else:
            edges.append(start)
            place.append(2)
            bar.append(number)
    edges.append(int(divided.edges[-1]))
    return np.array(edges), np.array(bar), np.array(place)


def _is_halved(beats: int, unit: int) -> bool:
    beats_felt = beats // 3 if unit >= 8 and beats % 3 == 0 else beats
    return beats_felt % 2 == 0 and beats / unit >= 1


def _sung(melody: Part, divided: BarGrid, edges: IntArray, ticks_per_quarter: int) -> FloatArray:
    count = len(edges) - 1
    onset = melody.notes[:, 0].astype(np.int64)
    bar = divided.index_of(onset)
    length = np.diff(divided.edges)[bar]
    end = onset + np.minimum(melody.notes[:, 1], _LONGEST_BARS * length)
    first = np.clip(np.searchsorted(edges, onset, side="right") - 1, 0, count - 1)
    last = np.clip(np.searchsorted(edges, end, side="left") - 1, first, count - 1)
    is_strong = _on_beat(onset - divided.edges[bar], divided, bar, ticks_per_quarter)
    found = np.zeros((count, 2, 12))
    rows = zip(*(array.tolist() for array in (onset, end, first, last, is_strong)), strict=True)
    for (start, until, low, high, strong), pitch in zip(
        rows, melody.notes[:, 2].tolist(), strict=True
    ):
        for slot in range(low, high + 1):
            sounds = min(until, int(edges[slot + 1])) - max(start, int(edges[slot]))
            kind = STRONG if strong or slot > low else WEAK
            found[slot, kind, pitch % 12] += max(sounds, 0) / ticks_per_quarter
    return found


def _on_beat(since: IntArray, divided: BarGrid, bar: IntArray, ticks_per_quarter: int) -> IntArray:
    """Tell which onsets, in ticks of their bar, lie within a 32nd of a beat."""
    beats, units = divided.numerators[bar], divided.denominators[bar]
    compound = (units >= 8) & (beats % 3 == 0)
    beat = 4 * ticks_per_quarter * np.where(compound, 3, 1) // units
    beat = np.maximum(beat, 1)
    off = since % beat
    near = np.minimum(off, beat - off) <= ticks_per_quarter / 8
    return np.asarray(near, np.int64)


# --- chord paths ---

KIND: Final = "chord paths"
#: Raised when a number comes to mean another chord.
VERSION: Final = 1
SHIPPED: Final = WEIGHTS / "chords.safetensors"

#: What follows the root, and the pitch classes above it.
QUALITIES: Final[dict[str, tuple[int, ...]]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11),
    "sus4": (0, 5, 7),
    "sus2": (0, 2, 7),
    "7sus4": (0, 5, 7, 10),
    "6": (0, 4, 7, 9),
    "dim": (0, 3, 6),
    "m7b5": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
    "aug": (0, 4, 8),
}
MODES: Final = ("major", "minor")
#: A chord's number is 12 times its quality's, plus its root. This one is none.
NONE: Final = 12 * len(QUALITIES)
#: So many of the commonest chords of each mode are ever proposed.
KEPT: Final = 40
HOTTEST: Final = 10.0
_PLACES: Final = 3  # first half, second half, whole bar
#: Of what was never met at all.
_TINY: Final = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A song to count.

    Attributes
    ----------
    tonic : int
        Pitch class.
    mode : int
        0 major, 1 minor.
    chords : ndarray, shape (T,), int64
        Of each stretch, as it sounds; `NONE` for no chord.
    slots : Slots
    """

    tonic: int
    mode: int
    chords: IntArray
    slots: Slots


@dataclass(frozen=True, slots=True, eq=False)
class ChordTables:
    """Logarithms of what was counted; chords and pitch classes are told from the tonic.

    Attributes
    ----------
    chords : ndarray, shape (M, S), int64
        The number of each chord.
    follows : ndarray, shape (M, 2, S + 1, S), float64
        By the half of the bar in which the second begins, and by the first; its last is none.
    ends : ndarray, shape (M, S), float64
        That a song ends with it.
    sung : ndarray, shape (M, S, 2, 12), float64
        Over each, in notes between the beats and on them.
    trust : float
        What a quarter of melody weighs.
    """

    chords: IntArray
    follows: FloatArray
    ends: FloatArray
    sung: FloatArray
    trust: float


@dataclass(frozen=True, slots=True, eq=False)
class ChordPath:
    """A chord for each stretch of a melody.

    Attributes
    ----------
    tonic : int
        Pitch class.
    mode : int
        0 major, 1 minor.
    chords : ndarray, shape (T,), int64
        As they sound.
    likelihood : float
        Logarithm, with the melody's; for comparing paths of one melody.
    """

    tonic: int
    mode: int
    chords: IntArray
    likelihood: float


# ---- counting ----------------------------------------------------------------------------


def count(songs: Sequence[Learned], trust: float) -> ChordTables:
    """Count which chords follow each other, and what is sung over them.

    Parameters
    ----------
    songs : sequence of Learned
    trust : float
        What a quarter of melody weighs.

    Raises
    ------
    BadArgument
        There is no song in one of the modes.
    """
    chords, follows, ends, sung = [], [], [], []
    for mode, name in enumerate(MODES):
        some = [song for song in songs if song.mode == mode]
        if not some:
            raise BadArgument(f"no song in {name} to count; there must be some in each mode")
        told = [from_tonic(song.chords, song.tonic) for song in some]
        met = np.bincount(np.concatenate(told), minlength=NONE + 1)[:NONE]
        kept = np.argsort(-met, kind="stable")[:KEPT]
        place = np.full(NONE + 1, -1)
        place[kept] = np.arange(KEPT)
        chords.append(kept)
        usual = (met[kept] + _TINY) / (met[kept] + _TINY).sum()
        follows.append(_follows([place[each] for each in told], some, usual))
        last = place[[each[each < NONE][-1] for each in told if (each < NONE).any()]]
        ends.append(_leaning(np.bincount(last[last >= 0], minlength=KEPT), usual))
        sung.append(_sung_pitches(kept, told, some))
    return ChordTables(
        np.stack(chords), np.log(np.stack(follows)), np.log(np.stack(ends)),
        np.log(np.stack(sung)), trust,
    )  # fmt: skip


def from_tonic(chords: IntArray, tonic: int, *, back: bool = False) -> IntArray:
    """Tell chords from a tonic, or turn what was told so into what sounds."""
    shift = tonic if back else -tonic
    moved = chords // 12 * 12 + (chords + shift) % 12
    return np.where(chords == NONE, NONE, moved)


def _follows(told: Sequence[IntArray], songs: Sequence[Learned], usual: FloatArray) -> FloatArray:
    counts = np.zeros((2, KEPT + 1, KEPT))
    for chords, song in zip(told, songs, strict=True):
        before = np.append(KEPT, chords[:-1])
        before = np.where(before < 0, KEPT, before)
        counted = (chords >= 0) & (song.slots.place < 2)
        halves = song.slots.place[counted]
        np.add.at(counts, (halves, before[counted], chords[counted]), 1)
    found = np.empty_like(counts)
    for half in range(2):
        wider = _leaning(counts[half].sum(axis=0), usual)
        found[half] = [_leaning(row, wider) for row in counts[half]]
    return found


def _sung_pitches(kept: IntArray, told: Sequence[IntArray], songs: Sequence[Learned]) -> FloatArray:
    heard = np.zeros((NONE + 1, 2, 12))
    for chords, song in zip(told, songs, strict=True):
        np.add.at(heard, chords, np.roll(song.slots.sung, -song.tonic, axis=2))
    in_key = heard[:NONE].sum(axis=0) + _TINY
    above = np.zeros((len(QUALITIES), 2, 12))  # the root
    for chord in range(NONE):
        above[chord // 12] += np.roll(heard[chord], -(chord % 12), axis=1)
    above += _TINY * above.sum(axis=2, keepdims=True) + _TINY
    found = np.empty((len(kept), 2, 12))
    for row, chord in enumerate(kept.tolist()):
        # What goes with such a chord, and with the key: both at once.
        both = np.sqrt(np.roll(above[chord // 12], chord % 12, axis=1) * in_key)
        both /= both.sum(axis=1, keepdims=True)
        for kind in range(2):
            found[row, kind] = _leaning(heard[chord, kind], both[kind])
    return found


def _leaning(counts: NDArray[np.number], wider: FloatArray) -> FloatArray:
    """Share out what was met, and as much as different things were met by a wider table."""
    different = max(int((counts > 0).sum()), 1)
    return np.asarray((counts + different * wider) / (counts.sum() + different), np.float64)


# ---- paths -------------------------------------------------------------------------------


def best_path(tables: ChordTables, slots: Slots, prior: FloatArray) -> ChordPath:
    """Return the likeliest chords, in the likeliest key.

    Parameters
    ----------
    tables : ChordTables
    slots : Slots
    prior : ndarray, shape (24,), float64
        Logarithms of the chances of the keys, twelve major and twelve minor.
    """
    found = []
    for key in np.argsort(-prior, kind="stable").tolist():
        if prior[key] > -np.inf:
            path = path_in(tables, slots, key % 12, key // 12)
            found.append((path.likelihood + prior[key], path))
    return max(found, key=lambda one: one[0])[1]


def path_in(tables: ChordTables, slots: Slots, tonic: int, mode: int) -> ChordPath:
    """Return the likeliest chords in a key (Viterbi 1967)."""
    moves, heard = _moves(tables, mode), _heard(tables, slots, tonic, mode)
    places = slots.place.tolist()
    reached = moves[places[0], KEPT] + heard[0]
    came = np.zeros(heard.shape, np.int16)
    for at in range(1, len(slots)):
        ways = reached[:, None] + moves[places[at], :KEPT]
        came[at] = ways.argmax(axis=0)
        reached = ways.max(axis=0) + heard[at]
    reached = reached + tables.ends[mode]
    chosen = [int(reached.argmax())]
    for at in range(len(slots) - 1, 0, -1):
        chosen.append(int(came[at, chosen[-1]]))
    states = np.array(chosen[::-1])
    chords = from_tonic(tables.chords[mode][states], tonic, back=True)
    return ChordPath(tonic, mode, chords, float(reached.max()))


def check_temperature(temperature: float) -> None:
    """Refuse a temperature at which nothing can be drawn.

    Raises
    ------
    BadArgument
        It is not above 0, or above 10.
    """
    if not 0 < temperature <= HOTTEST:
        raise BadArgument(f"a temperature of {temperature}: above 0, at most {HOTTEST:g}")


def drawn_path(
    tables: ChordTables,
    slots: Slots,
    tonic: int,
    mode: int,
    temperature: float,
    rng: np.random.Generator,
) -> ChordPath:
    """Draw chords in a key, as likely as they are given the whole melody.

    Parameters
    ----------
    tables : ChordTables
    slots : Slots
    tonic, mode : int
    temperature : float
        1 draws them as likely as they are, less the likelier ones more often.
    rng : Generator

    Raises
    ------
    BadArgument
        The temperature is not above 0, or above 10.
    """
    check_temperature(temperature)
    moves = _moves(tables, mode) / temperature
    heard = _heard(tables, slots, tonic, mode) / temperature
    ends = tables.ends[mode] / temperature
    places = slots.place.tolist()
    reached = np.empty_like(heard)
    reached[0] = moves[places[0], KEPT] + heard[0]
    for at in range(1, len(slots)):
        ways = reached[at - 1][:, None] + moves[places[at], :KEPT]
        reached[at] = np.logaddexp.reduce(ways, axis=0) + heard[at]
    chosen = [_draw(reached[-1] + ends, rng)]
    for at in range(len(slots) - 1, 0, -1):
        chosen.append(_draw(reached[at - 1] + moves[places[at], :KEPT, chosen[-1]], rng))
    states = np.array(chosen[::-1])
    steps = moves[slots.place, np.append(KEPT, states[:-1]), states]
    total = steps.sum() + heard[np.arange(len(slots)), states].sum() + ends[states[-1]]
    chords = from_tonic(tables.chords[mode][states], tonic, back=True)
    return ChordPath(tonic, mode, chords, float(total * temperature))


def _draw(logits: FloatArray, rng: np.random.Generator) -> int:
    shares = np.exp(logits - logits.max())
    return int(rng.choice(len(shares), p=shares / shares.sum()))


def _moves(tables: ChordTables, mode: int) -> FloatArray:
    """Return what a step costs, shape (3, S + 1, S): to a first half, a second, a whole bar."""
    first, second = tables.follows[mode]
    # From bar to bar: through whatever may stand in the middle.
    middle = np.exp(second[:KEPT]) @ np.exp(first[:KEPT])
    bar = np.concatenate([np.log(middle), first[KEPT:]])
    return np.stack([first, second, bar])


def _heard(tables: ChordTables, slots: Slots, tonic: int, mode: int) -> FloatArray:
    """Return how likely each stretch's notes are over each chord, shape (T, S)."""
    from_here = np.roll(slots.sung, -tonic, axis=2).reshape(len(slots), 24)
    likely = tables.sung[mode].reshape(KEPT, 24)
    return np.asarray(tables.trust * from_here @ likely.T, np.float64)


# ---- on disk -----------------------------------------------------------------------------


def save_tables(tables: ChordTables, path: Path) -> str:
    """Write tables; return their fingerprint.

    Raises
    ------
    DiskFull
    """
    import torch

    from segue.nn.checkpoint import save_checkpoint

    about = {"version": VERSION, "trust": tables.trust, "qualities": list(QUALITIES)}
    tensors = {
        name: torch.from_numpy(getattr(tables, name)).float()
        for name in ("follows", "ends", "sung")
    }
    tensors["chords"] = torch.from_numpy(tables.chords).to(torch.int16)
    return save_checkpoint(path, KIND, about, tensors)


def load_tables(path: Path = SHIPPED) -> ChordTables:
    """Read tables; else those that come with Segue.

    Raises
    ------
    BadCheckpoint
        The file is not there, damaged, or of another version.
    """
    from segue.nn.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(path, KIND)
    about, tensors = checkpoint.about, checkpoint.tensors
    if about.get("version") != VERSION or about.get("qualities") != list(QUALITIES):
        raise BadCheckpoint(f"{path} knows other chords than this Segue; count them anew")
    try:
        chords, follows, ends, sung = (
            tensors[name].numpy() for name in ("chords", "follows", "ends", "sung")
        )
        trust = float(about["trust"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadCheckpoint(f"{path} holds no whole tables of chords ({error})") from None
    shapes = [table.shape for table in (chords, follows, ends, sung)]
    wanted = [(2, KEPT), (2, 2, KEPT + 1, KEPT), (2, KEPT), (2, KEPT, 2, 12)]
    if shapes != wanted:
        raise BadCheckpoint(f"{path} holds tables of shapes {shapes}, expected {wanted}")
    return ChordTables(
        chords.astype(np.int64),
        follows.astype(np.float64),
        ends.astype(np.float64),
        sung.astype(np.float64),
        trust,
    )
