"""Chord estimation from melodies: agreement with the annotated chords of POP909.

    python -m bench.chords --data ../shared/data

On the half of the songs that the model was not fitted on.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench import result_tables
from recipes.chords import EMISSION_WEIGHT
from recipes.datasets import pop909
from recipes.datasets.pop909 import AnnotatedSong, annotated_songs, chords_by_quarter
from segue.generate.harmony.chord_hmm import (
    NO_CHORD_STATE,
    NUM_STATES,
    QUALITIES,
    ChordHMM,
    ChordSequence,
    ChordSlots,
    load_chord_hmm,
    most_likely_chords,
    sample_chords,
    viterbi,
)
from segue.generate.harmony.harmonise import key_prior
from segue.score.harmony import estimate_chords as named
from segue.score.lines import skyline

IntArray = NDArray[np.int64]
#: Thirds of the qualities: 0 major, 1 minor, 2 none.
THIRDS: Final = np.array(
    [0 if 4 in tones else 1 if 3 in tones else 2 for tones in QUALITIES.values()]
)
Song = tuple[pop909.Song, AnnotatedSong]
Finding = Callable[[Song], IntArray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    archive = options.data / "scores" / "pop909.zip"
    keep(list(annotated_songs(archive, "test")), load_chord_hmm())


def keep(songs: Sequence[Song], found: ChordHMM) -> None:
    """Make the table."""
    alone = replace(found, transitions=np.broadcast_to(_usual(found), found.transitions.shape))
    rng = np.random.default_rng(0)

    def usual(song: Song, by: ChordHMM = found) -> ChordSequence:
        melody = skyline(song[0].score.parts[0], pop909.TICKS)
        return most_likely_chords(by, song[1].slots, key_prior(song[0].score, melody))

    def drawn(song: Song) -> IntArray:
        best = usual(song)
        return sample_chords(found, song[1].slots, best.tonic, best.mode, 1.0, rng).chords

    ways: dict[str, Finding] = {
        "annotated chords, by half bars": lambda song: song[1].chords,
        "**Segue**": lambda song: usual(song).chords,
        "sampled, temperature 1": drawn,
        "given the annotated key": lambda song: (
            viterbi(found, song[1].slots, song[1].tonic, song[1].mode).chords
        ),
        "best chord of each half bar, without transitions": lambda song: usual(song, alone).chords,
        "templates: `segue show` on the melody": templates,
        "the annotated tonic's triad always": tonic,
    }
    rows: list[list[object]] = []
    for name, way in ways.items():
        root, triad, changes = np.sum([right(song, way(song)) for song in songs], axis=0)[
            [0, 1, 3]
        ] / np.sum([right(song, song[1].chords)[2] for song in songs])
        rows.append([name, float(root), float(triad), float(4 * changes)])
        print(rows[-1], flush=True)
    keys = [(usual(song), song[1]) for song in songs]
    same = np.mean([path.tonic == song.tonic and path.mode == song.mode for path, song in keys])
    result_tables.write_table(
        "chords",
        "Chord estimation from melodies",
        [
            f"{len(songs)} songs of POP909 of the test set, from the melody alone: share of "
            "quarter notes with the annotated root, and with root and third; quarter notes "
            "without a chord are left out. A melody goes with many chords: no figure here can be "
            "1.\n",
            result_tables.table(["", "root", "root and third", "changes in 4 quarter notes"], rows),
            f"The estimated key is the annotated one in {same:.1%} of the songs. "
            f"{NUM_STATES} chords of each mode; emission weight {EMISSION_WEIGHT:g}.",
        ],
    )


def right(song: Song, chords: IntArray) -> NDArray[np.float64]:
    """Return quarters with the right root, with the third too, all, and changes."""
    reference, slots = chords_by_quarter(*song), song[1].slots
    found = np.repeat(chords, np.diff(slots.edges) // pop909.TICKS)
    has = reference < NO_CHORD_STATE
    changes = np.count_nonzero(np.diff(found[has]))
    reference, found = reference[has], found[has]
    root = (reference % 12 == found % 12) & (found < NO_CHORD_STATE)
    thirds = np.append(THIRDS, -1)
    third = root & (thirds[reference // 12] == thirds[found // 12])
    return np.array([root.sum(), third.sum(), has.sum(), changes], np.float64)


def _usual(found: ChordHMM) -> NDArray[np.float64]:
    """Return how usual each chord is wherever it stands, in the shape of what follows what."""
    shares = np.exp(found.transitions[:, :, :NUM_STATES]).mean(axis=(1, 2), keepdims=True)
    return np.asarray(np.log(shares), np.float64)


def templates(song: Song) -> IntArray:
    """Name the chords of the melody itself, each lasting until the next."""
    melody = skyline(song[0].score.parts[0], pop909.TICKS)
    slots: ChordSlots = song[1].slots
    chords = named(replace(song[0].score, parts=(melody,)))
    qualities = list(QUALITIES)
    starts = np.array([chord.start for chord in chords])
    numbers = np.array(
        [NO_CHORD_STATE if c.root < 0 else 12 * qualities.index(c.quality) + c.root for c in chords]
    )
    return numbers[np.searchsorted(starts, slots.edges[:-1], side="right") - 1]


def tonic(song: Song) -> IntArray:
    """Hold the triad of the tonic throughout."""
    return np.full(len(song[1].slots), 12 * song[1].mode + song[1].tonic)


if __name__ == "__main__":
    main()
