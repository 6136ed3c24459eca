"""Chord estimation from melodies: agreement with the chords of pop songs and lead sheets.

    python -m bench.chords --data ../shared/data

On the test sets of `recipes.datasets.annotated_melodies`, with the bundled network.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from bench import result_tables
from bench.chord_hmm import ChordHMM, fit_chord_hmm
from recipes.chords import agreement
from recipes.datasets.annotated_melodies import AnnotatedMelody, read_melodies
from segue.generate.harmony.chord_network import (
    NO_CHORD_INDEX,
    ChordChain,
    ChordNetwork,
    load_chord_network,
)
from segue.generate.harmony.harmonise import relative_major
from segue.records import IntArray
from segue.score.harmony import estimate_chords, estimate_key
from segue.theory.chords import QUALITIES

Estimate = Callable[[AnnotatedMelody], IntArray]
#: Length in slots of the passages that recur within a song.
PASSAGE: Final = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    melodies = read_melodies(parser.parse_args().data, ("pop909", "openewld"))
    train = [melody for melody in melodies if melody.side == "train"]
    test = {
        source: [each for each in melodies if each.side == "test" and each.source == source]
        for source in ("pop909", "openewld")
    }
    hmm = fit_chord_hmm(train)
    rows = []
    for name, estimate in estimators(load_chord_network(), hmm).items():
        row: list[object] = [name]
        for songs in test.values():
            root, third, quarters, changes = np.sum(
                [agreement(song, estimate(song)) for song in songs], axis=0
            )
            row += [float(root / quarters), float(third / quarters), float(4 * changes / quarters)]
        rows.append(row)
        print(row, flush=True)
    write_table(rows, test)


def estimators(network: ChordNetwork, hmm: ChordHMM) -> dict[str, Estimate]:
    """Return the ways to estimate a chord for each slot, by name."""
    no_transitions = load_chord_network()
    no_transitions.transitions.zero_()
    unigram = replace(hmm, transitions=np.zeros_like(hmm.transitions) + hmm.initial)
    rng = np.random.default_rng(0)

    def chain(song: AnnotatedMelody, signature: int | None = None) -> ChordChain:
        return ChordChain(network, song.slots, _signature(song) if signature is None else signature)

    return {
        "chosen chords, by half bars or bars": lambda song: song.chords,
        "**Segue**": lambda song: chain(song).best().chords,
        "sampled, temperature 1": lambda song: chain(song).sample(1, 1.0, rng)[0].chords,
        "given the key signature": lambda song: chain(song, song.signature).best().chords,
        "without transitions": lambda song: (
            ChordChain(no_transitions, song.slots, _signature(song)).best().chords
        ),
        "hidden Markov model": lambda song: hmm.viterbi(song.slots, _signature(song)),
        "its emissions alone": lambda song: unigram.viterbi(song.slots, _signature(song)),
        "templates: `segue show` on the melody": templates,
        "the tonic's triad always": tonic,
    }


def _signature(song: AnnotatedMelody) -> int:
    return relative_major(estimate_key(song.score))


def templates(song: AnnotatedMelody) -> IntArray:
    """Name the chords of the melody itself, each lasting until the next."""
    chords = estimate_chords(song.score)
    qualities = list(QUALITIES)
    starts = np.array([chord.start for chord in chords])
    indices = np.array(
        [
            NO_CHORD_INDEX if chord.root < 0 else 12 * qualities.index(chord.quality) + chord.root
            for chord in chords
        ]
    )
    return indices[np.searchsorted(starts, song.slots.edges[:-1], side="right") - 1]


def tonic(song: AnnotatedMelody) -> IntArray:
    """Hold the triad of the tonic throughout."""
    return np.full(len(song.slots), 12 * song.mode + song.tonic)


def recurring_agreement(songs: Sequence[AnnotatedMelody]) -> float:
    """Return how often chords agree where four slots of melody recur within a song.

    Root and third, of the slots in passages whose cells are equal to those of an earlier passage.
    """
    agreeing = []
    for song in songs:
        first_at: dict[bytes, int] = {}
        for at in range(0, len(song.slots) - PASSAGE + 1, 2):
            cells = song.slots.pitch_classes[at : at + PASSAGE]
            if np.count_nonzero(song.slots.onsets[at : at + PASSAGE]) < PASSAGE:
                continue
            earlier = first_at.setdefault(np.rint(4 * cells).astype(np.int8).tobytes(), at)
            if earlier != at:
                pair = song.chords[earlier : earlier + PASSAGE], song.chords[at : at + PASSAGE]
                agreeing += [_same_triad(*each) for each in zip(*pair, strict=True)]
    return float(np.mean(agreeing))


def _same_triad(first: int, second: int) -> bool:
    if NO_CHORD_INDEX in (first, second):
        return first == second
    notes = [list(QUALITIES.values())[chord // 12] for chord in (first, second)]
    thirds = [(3 in each, 4 in each) for each in notes]
    return first % 12 == second % 12 and thirds[0] == thirds[1]


def write_table(rows: list[list[object]], test: dict[str, list[AnnotatedMelody]]) -> None:
    """Write the table."""
    keys = [(estimate_key(song.score), song) for song in test["pop909"]]
    same_key = np.mean(
        [(key.tonic, key.mode == "minor") == (song.tonic, song.mode == 1) for key, song in keys]
    )
    same_signature = np.mean([relative_major(key) == song.signature for key, song in keys])
    recurring = {source: recurring_agreement(songs) for source, songs in test.items()}
    result_tables.write_table(
        "chords",
        "Chord estimation from melodies",
        [
            f"{len(test['pop909'])} songs of POP909 and {len(test['openewld'])} lead sheets of "
            "OpenEWLD, from the melody alone: share of quarter notes with the chosen root, and "
            "with root and third; quarter notes without a chord are left out. The baselines are "
            "fitted on the training set of both; the network has learned from lieder too. A melody "
            "goes with many chords: where four slots of melody recur within a song, root and third "
            f"agree in {recurring['pop909']:.3f} (POP909) and {recurring['openewld']:.3f} "
            "(OpenEWLD) of the slots.\n",
            result_tables.table(
                [
                    "",
                    "POP909: root",
                    "root and third",
                    "changes in 4 quarter notes",
                    "OpenEWLD: root",
                    "root and third",
                    "changes in 4 quarter notes",
                ],
                rows,
            ),
            f"The estimated key is the annotated one in {same_key:.1%} of the songs of POP909, its "
            f"signature in {same_signature:.1%}.",
        ],
    )


if __name__ == "__main__":
    main()
