"""Tokenization of scores: tokens and bits per note, compared with MidiTok.

    python -m bench.score_tokenization --data ../shared/data

Needs `pip install miditok`. All encode the same notes: multitrack MIDI and folk tunes, quantised to
twelve steps per quarter note. Bits per note are the cross-entropy of a Witten-Bell n-gram, trained
on four fifths of the files, on the others: a scheme with more tokens per note, or with several
encodings of one score, is penalised.
"""

import argparse
import hashlib
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench import result_tables, witten_bell
from segue.errors import SegueError
from segue.generate.compose.grammar import decode, encode
from segue.generate.compose.tokens import (
    STEPS_PER_QUARTER,
    TEMPO_BINS,
    VELOCITY_BINS,
    VOCABULARY_SIZE,
)
from segue.io.midi import read_midi, write_midi
from segue.records import Score

ORDER: Final = range(1, 9)  # tokens of a context
HELD_OUT: Final = 5  # one file of five is in the test set
FOLK: Final = 600

Streams = list[NDArray[np.int64]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    rows: list[list[object]] = []
    counts = []
    for source, encoded in (
        ("multitrack", multitrack(options.data / "scores")),
        ("folk tunes", folk(options.data / "scores")),
    ):
        names, scores = zip(*encoded, strict=True)
        in_test = np.array(
            [hashlib.sha256(name.encode()).digest()[0] % HELD_OUT == 0 for name in names]
        )
        notes = np.array([sum(len(part.notes) for part in score.parts) for score in scores])
        counts.append(
            f"{source}: {len(scores)} files, {notes.sum():,} notes, {in_test.sum()} in the test set"
        )
        ways = {"**Segue**": ([encode(score) for score in scores], VOCABULARY_SIZE)}
        ways |= {f"MidiTok {name}": streams(name, scores) for name in ("REMI", "TSD")}
        for name, (written, vocabulary) in ways.items():
            per_note = sum(map(len, written)) / notes.sum()
            bits, length = cost(written, vocabulary, in_test, notes)
            rows.append([source, name, vocabulary, float(per_note), bits, length])
    result_tables.write_table(
        "score_tokenization",
        "Tokenization of scores: length and entropy",
        [
            "; ".join(counts) + ". MidiTok: one stream of all programs (REMI so is REMI+), bars, "
            "metres, tempos and 8 velocities, twelve positions a quarter.\n",
            result_tables.table(
                ["music", "scheme", "vocabulary", "tokens per note", "bits per note", "context"],
                rows,
            ),
            "The length of the n-gram's context is the best for each scheme on the test set. An "
            "n-gram cannot infer a note's position in the bar from the last position and "
            "duration: TSD, which encodes time shifts only, gains by that.\n",
        ],
    )


def multitrack(scores: Path) -> Iterator[tuple[str, Score]]:
    """Yield the multitrack MIDI on the grid."""
    for path in sorted((scores / "multitrack").glob("*.mid")):
        yield from on_grid(path.stem, path.read_bytes())


def folk(scores: Path) -> Iterator[tuple[str, Score]]:
    """Yield the first tunes on the grid."""
    with zipfile.ZipFile(scores / "folk_tunes.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".mid"))
        for name in names[:FOLK]:
            yield from on_grid(name, archive.read(name))


def on_grid(name: str, content: bytes) -> Iterator[tuple[str, Score]]:
    try:
        yield name, decode(encode(read_midi(content)))
    except SegueError as error:
        print(f"{name} is left out: {error}")


def streams(name: str, scores: Sequence[Score]) -> tuple[Streams, int]:
    """Return the tokens of a scheme of MidiTok, and how many there are."""
    import miditok

    config = miditok.TokenizerConfig(
        pitch_range=(0, 127),
        beat_res={(0, 8): STEPS_PER_QUARTER, (8, 64): 1},
        num_velocities=VELOCITY_BINS,
        use_programs=True,
        one_token_stream_for_programs=True,
        use_tempos=True,
        num_tempos=TEMPO_BINS,
        tempo_range=(30, 302),
        use_time_signatures=True,
    )
    scheme: Any = getattr(miditok, name)(config)
    tokens = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "score.mid"
        for score in scores:
            path.write_bytes(write_midi(score))
            tokens.append(np.array(scheme(path).ids, np.int64))
    return tokens, len(scheme.vocab)


def cost(
    written: Streams, vocabulary: int, in_test: NDArray[np.bool_], notes: NDArray[np.int64]
) -> tuple[float, int]:
    """Return bits per note of the test set, and the context length at which they are fewest."""
    train = [stream for stream, out in zip(written, in_test, strict=True) if not out]
    test = [stream for stream, out in zip(written, in_test, strict=True) if out]
    bits = [
        float(nats.sum() / np.log(2) / notes[in_test].sum())
        for nats in witten_bell.costs(train, test, vocabulary, list(ORDER))
    ]
    return min(bits), int(np.argmin(bits))


if __name__ == "__main__":
    main()
