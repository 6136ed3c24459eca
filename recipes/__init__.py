"""Recipes: what makes the bundled weights, one script for each."""

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segue.nn.trainer import Progress, ProgressCallback


def print_progress(every_s: float = 20.0) -> "ProgressCallback":
    """Return a callback that prints the progress of a run now and then."""
    last = time.monotonic()

    def watch(progress: "Progress") -> None:
        nonlocal last
        if time.monotonic() - last > every_s:
            last = time.monotonic()
            print(
                f"epoch {progress.epoch}/{progress.epochs}, step {progress.step}/{progress.steps}: "
                f"{progress.loss:.4f}, validation {progress.validation_loss:.4f}, "
                f"{progress.remaining_s / 60:.0f} minutes to go",
                flush=True,
            )

    return watch
