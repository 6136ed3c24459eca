"""How well lyrics are foretold, letter by letter: bits per character of songs held out.

    python bench/letters.py --data ../shared/data --work .bench-cache/letters --learn
    python bench/letters.py --data ../shared/data --work .bench-cache/letters --ship

The first learns what comes with Segue, from all authors but those of the trecento (whose sources
reserve rights), or goes on where it was interrupted; the second writes it.
"""

import argparse
import time
from pathlib import Path
from typing import Final

import torch

from segue.model.lyrics.language import MODEL, SHIPPED, LanguageModel
from segue.train.loop import STATE, Progress, Watcher
from segue.train.lyrics import LyricsTraining, bits_per_character, divide, song, train_lyrics
from verse import verse

LEFT_OUT: Final = "14th-c. Italian/Latin/French poets"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--learn", action="store_true")
    parser.add_argument("--ship", action="store_true")
    parser.add_argument("--epochs", type=int, default=110)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.learn:
        learn(options.data, options.work / "base", options.epochs)
    if options.ship:
        ship(options.data, options.work / "base")


def learn(data: Path, work: Path, epochs: int) -> None:
    """Learn the base, going on where an earlier run stopped."""
    songs = [song(one) for one in verse(data) if one.tags.artist != LEFT_OUT]
    resume = (work / STATE).exists()
    training = LyricsTraining(epochs=epochs)
    model, _ = train_lyrics(training, divide(songs), work, resume=resume, watch=told())
    print(model.about)


def told() -> Watcher:
    """Return what tells of each epoch."""
    last = time.monotonic()

    def watch(at: Progress) -> None:
        nonlocal last
        if time.monotonic() - last > 20:
            last = time.monotonic()
            print(
                f"epoch {at.epoch}/{at.epochs}: {at.loss:.4f}, validation "
                f"{at.validation_loss:.4f}, {at.items_per_second * 128:.0f} characters/s, "
                f"{at.remaining_s / 60:.0f} minutes to go",
                flush=True,
            )

    return watch


def ship(data: Path, work: Path) -> None:
    """Write the weights that come with Segue, and say what their 8 bits cost."""
    model = LanguageModel.load(work / MODEL)
    model.save(SHIPPED, short=True)
    parts = divide([song(one) for one in verse(data) if one.tags.artist != LEFT_OUT])
    for name, one in (("learned", model), ("shipped", LanguageModel.shipped())):
        bits = bits_per_character(one.network, one.voices, parts.test)
        print(f"{name}: {bits:.4f} bits per character of the test songs")
    print(f"{SHIPPED}: {SHIPPED.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
