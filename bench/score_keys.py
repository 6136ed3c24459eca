"""Key and chord estimation of scores: agreement with annotations and key signatures.

    python -m bench.score_keys --data ../shared/data

Ground truth: the keys and chords annotated in POP909 (estimated from the recordings, then partly
corrected, with errors of their own), and the key signatures of folk tunes. Constants were tuned on
the other half of the files.
"""

import argparse
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import mir_eval
import numpy as np

from bench.result_tables import table, write_table
from recipes.datasets.pop909 import TICKS, Song, half_of, pitch_class, songs
from segue.io.midi import read_midi, write_midi
from segue.records import Score
from segue.score.harmony import Chord, estimate_chords, estimate_key
from segue.theory.keys import PITCH_CLASSES

SAMPLE: Final = 60
SEED: Final = 0
#: Of POP909's qualities, without inversions and additions: the triad, and what Segue calls it.
QUALITIES: Final = {
    "maj": ("M", ""), "maj6": ("M", ""), "7": ("M", "7"), "9": ("M", "7"), "maj7": ("M", "maj7"),
    "maj9": ("M", "maj7"), "min": ("m", "m"), "min6": ("m", "m"), "minmaj7": ("m", "m"),
    "min7": ("m", "m7"), "min9": ("m", "m7"), "sus4": ("s", "sus4"), "sus2": ("2", "sus2"),
    "dim": ("d", "dim"), "dim7": ("d", "dim7"), "hdim7": ("d", "m7b5"), "aug": ("a", "aug"),
}  # fmt: skip
TRIADS: Final = {name: triad for triad, name in QUALITIES.values()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    scores = parser.parse_args().data / "scores"
    pop = list(songs(scores / "pop909.zip", "test"))
    with zipfile.ZipFile(scores / "folk_tunes.zip") as opened:
        names = [name for name in sorted(opened.namelist()) if name.endswith(".mid")]
        folk = [read_midi(opened.read(name)) for name in names if half_of(name) == "test"]
    folk = [score for score in folk if len(score.keys) == 1]
    write_table(
        "score_keys", "Key and chord estimation of scores", [_keys(pop), _folk(folk), _chords(pop)]
    )


def _keys(pop: list[Song]) -> str:
    known = [(song.score, _full(song.key)) for song in pop]
    sample = random.Random(SEED).sample(known, SAMPLE)
    rows = [
        _key_row("segue", known, lambda score: estimate_key(score).name),
        _key_row("segue", sample, lambda score: estimate_key(score).name),
        _key_row("music21 analyze('key')", sample, _music21),
        _key_row("the most frequent key", known, lambda _: "C major"),
    ]
    estimates = [estimate_key(score) for score, _ in known]
    right = [key.name == truth for key, (_, truth) in zip(estimates, known, strict=True)]
    sure = np.array([key.confidence for key in estimates])
    bands = [
        (f"{low:.1f} to {high:.1f}", int(is_sure.sum()), float(sure[is_sure].mean()),
         float(np.mean(np.array(right)[is_sure])))
        for low, high in ((0.0, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01))
        if (is_sure := (sure >= low) & (sure < high)).any()
    ]  # fmt: skip
    return (
        "## Keys of POP909, test half\n\n"
        + table(("", "songs", "MIREX weighted score", "exact"), rows)
        + "\n"
        + table(("confidence", "songs", "its mean", "exact"), bands)
    )


def _key_row(
    name: str, known: list[tuple[Score, str]], find: Callable[[Score], str]
) -> tuple[object, ...]:
    scores = [mir_eval.key.weighted_score(truth, find(score)) for score, truth in known]
    return name, len(known), float(np.mean(scores)), float(np.mean([x == 1 for x in scores]))


def _full(label: str) -> str:
    tonic, mode = label.split(":")
    return f"{PITCH_CLASSES[pitch_class(tonic)]} {'major' if mode == 'maj' else 'minor'}"


def _music21(score: Score) -> str:
    import music21

    key = music21.converter.parseData(write_midi(score), format="midi").analyze("key")
    return f"{PITCH_CLASSES[key.tonic.pitchClass]} {key.mode}"


def _folk(folk: list[Score]) -> str:
    agree = []
    for score in folk:
        key = estimate_key(score)
        major = key.tonic if key.mode == "major" else (key.tonic + 3) % 12
        agree.append(major == 7 * int(score.keys[0, 1]) % 12)
    return (
        "## Key signatures of folk tunes, test half\n\nThe estimated key has the key signature "
        "of the file in {np.mean(agree):.3f} of {len(folk)} tunes; many of the others "
        "are Dorian or Mixolydian, which have the signature of another key.\n"
    )


def _chords(pop: list[Song]) -> str:
    estimates = np.concatenate([_beats(song, estimate_chords(song.score)) for song in pop])
    always = np.concatenate([_beats(song, _tonic_chord(song)) for song in pop])
    per_bar = np.mean(
        [len(estimate_chords(song.score)) / estimate_chords(song.score)[-1].bar for song in pop]
    )
    rows = [
        (name, *(float(x) for x in each.mean(axis=0)))
        for name, each in (("segue", estimates), ("tonic chord throughout", always))
    ]
    return (
        f"## Chords of POP909, test half\n\nAt {len(estimates)} beats that have a chord in "
        f"the annotation; Segue names {per_bar:.2f} to the bar.\n\n"
        + table(("", "root", "root and triad", "root and full quality"), rows)
    )


def _beats(song: Song, named: tuple[Chord, ...]) -> np.ndarray:
    """Compare at each beat; shape (beats, 3): root, triad, quality."""
    starts = np.array([chord.start for chord in named]) / TICKS
    rows = []
    for first, last, label in song.chords:
        if label == "N":
            continue
        root, _, quality = label.partition(":")
        triad, name = QUALITIES.get(quality.split("/")[0].split("(")[0], ("?", "?"))
        for beat in range(round(first), round(last)):
            chord = named[max(int(np.searchsorted(starts, beat + 0.5, side="right")) - 1, 0)]
            same = chord.root == pitch_class(root)
            rows.append(
                (same, same and TRIADS.get(chord.quality) == triad, same and chord.quality == name)
            )
    return np.array(rows, np.float64).reshape(-1, 3)


def _tonic_chord(song: Song) -> tuple[Chord, ...]:
    key = estimate_key(song.score)
    quality = "" if key.mode == "major" else "m"
    return (Chord(0, 0, 1, "", key.tonic, key.tonic, quality),)


if __name__ == "__main__":
    main()
