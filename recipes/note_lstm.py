"""The notes-and-durations LSTM: weights/note-lstm.safetensors.

    python -m recipes.note_lstm --data ../shared/data --minutes 7

On nine tenths of the multitrack MIDI and POP909.
"""

import argparse
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import torch

from recipes import print_progress
from recipes.datasets.piano_rolls import warped
from segue.errors import SegueError
from segue.generate.notes.network import PRETRAINED, note_sequence
from segue.generate.notes.training import NoteTraining, Piece, fit_notes
from segue.io.midi import read_midi
from segue.nn.split import train_validation_split

#: Small enough to be bundled, and tokens that are frequent enough to be learned.
HIDDEN: Final = 128
MIN_COUNT: Final = 20
LEARNING_RATE: Final = 4e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=7.0)
    options = parser.parse_args()
    train, validation = train_validation_split(note_pieces(options.data / "scores"))
    training = NoteTraining(
        minutes=options.minutes,
        learning_rate=LEARNING_RATE,
        hidden=HIDDEN,
        fewest=MIN_COUNT,
        device="cpu",
    )
    with tempfile.TemporaryDirectory() as folder:
        model, _ = fit_notes(training, train, validation, Path(folder), watch=print_progress())
    model.save(PRETRAINED, torch.float16)


def note_pieces(scores: Path) -> list[Piece]:
    """Read the multitrack MIDI, then POP909 on the grid of its beats."""
    return [piece for piece in _pieces(scores) if len(piece.words) > 1]


def _pieces(scores: Path) -> Iterator[Piece]:
    for path in sorted((scores / "multitrack").glob("*.mid")):
        try:
            yield Piece(path.stem, note_sequence(read_midi(path.read_bytes())))
        except SegueError as error:
            print(f"{path.name}: {error}", flush=True)
    with zipfile.ZipFile(scores / "pop909.zip") as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".mid"):
                text = archive.read(f"{name.rpartition('/')[0]}/beat_midi.txt").decode()
                beats = np.array([line.split() for line in text.splitlines()], np.float64)
                score = warped(read_midi(archive.read(name)), beats)
                yield Piece(f"pop909-{Path(name).stem}", note_sequence(score))


if __name__ == "__main__":
    main()
