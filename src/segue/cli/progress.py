"""Progress as lines, for where no bar can be drawn: a log, a pipe."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Final, TextIO

from segue.cli.output import minutes, safe

#: The first line comes after so many seconds, each next one after twice as many, up to the last.
FIRST_S: Final = 5.0
MOST_S: Final = 60.0


class Lines:
    """What is going on, printed every so often, also while one step takes long.

    Parameters
    ----------
    what : str
        What it begins with; nothing is printed while this is "".
    stream : TextIO
    """

    def __init__(self, what: str, stream: TextIO) -> None:
        self._what, self._done, self._total = what, 0, 0
        self._stream = stream
        self._began = time.monotonic()
        self._of_what = self._began  # when this kind of step began
        self._over = Event()

    def show(self, what: str, done: int, total: int) -> None:
        """Note what is being done, and how much of how much is done."""
        if done < self._done or total != self._total:
            self._of_what = time.monotonic()
        self._what, self._done, self._total = what, done, total

    def line(self) -> str:
        """Return the line that would be printed now; "" where there is nothing to tell."""
        if not self._what:
            return ""
        now = time.monotonic()
        text = f"{safe(self._what)}"
        if self._total:
            text += f" {self._done} of {self._total}"
        text += f", {minutes(now - self._began)} so far"
        if 0 < self._done < self._total:
            left = (now - self._of_what) * (self._total - self._done) / self._done
            text += f", about {minutes(left)} to go"
        return text

    @contextmanager
    def printed(self) -> "Iterator[Lines]":
        """Print lines until the end of the block."""
        thread = Thread(target=self._print, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join(timeout=1)

    def _print(self) -> None:
        wait = FIRST_S
        while not self._over.wait(wait):
            wait = min(2 * wait, MOST_S)
            if text := self.line():
                with suppress(OSError, ValueError):  # nobody reads it any more
                    self._stream.write(f"{text}\n")
                    self._stream.flush()
