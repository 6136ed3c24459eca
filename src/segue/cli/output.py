"""Output: tables and lines of text for people, JSON for programs, progress without a terminal."""

import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final, TextIO
from urllib.parse import quote

from segue.text import split_genres, split_names

if TYPE_CHECKING:
    from rich.console import Console

    from segue.explore.playlist import PlaylistItem
    from segue.records import Failure, GroupHit, Hit, Reason, Track
    from segue.score.harmony import Chord

#: Version of the JSON documents, raised when a field changes its meaning or goes.
JSON_VERSION: Final = 1
PIPED_WIDTH: Final = 160
#: Below this confidence, the next likely tempo is shown as well.
CLEAR_CONFIDENCE: Final = 0.7
Facts = Mapping[str, float | str]
#: Facts that are shown in the row of another one.
FACTS_IN_OTHER_ROWS: Final = (
    "tempo_confidence", "tempo_other_bpm", "key_confidence", "tonic", "start_s",
)  # fmt: skip
_BARS_PER_ROW: Final = 8
#: Largest share of a similarity that reasons without a name may have, where there are others.
_LARGEST_UNNAMED: Final = 0.25
#: Weight of a reason that says what both tracks lack.
_WEIGHT_OF_LACKING: Final = 0.6
#: Control characters, other ends of lines, marks that turn the order of what follows, and bytes
#: that are no text. Spaces and joiners of all scripts are text.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
#: Seconds until the first line of progress; each next one comes after twice as many, at most
#: LONGEST_WAIT_S.
FIRST_LINE_AFTER_S: Final = 5.0
LONGEST_WAIT_S: Final = 60.0


def print_json(name: str, fields: dict[str, Any]) -> None:
    """Print one JSON object: its schema's name and version, then its fields."""
    document = {"schema": f"segue.{name}", "version": JSON_VERSION, **fields}
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; columns of numbers are aligned to the right."""
    from rich.table import Table
    from rich.text import Text

    if title:  # not the table's own, which is broken to the width of the columns
        console().print(Text(title, style="table.title"))
    table = Table(box=None, pad_edge=False)
    for i, column in enumerate(columns):
        numeric = all(isinstance(row[i], int | float) or row[i] == "" for row in rows)
        table.add_column(column, justify="right" if numeric and rows else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    console().print(table)


def say(text: str) -> None:
    """Print a line for people on the standard output."""
    sys.stdout.write(text + "\n")


@cache
def console() -> "Console":
    """Return the console of the standard output."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)


def sanitize(text: str) -> str:
    """Replace what would move the cursor of a terminal or reorder the text around it."""
    return _UNSAFE.sub("\ufffd", text)


def display_path(path: Path) -> str:
    """Return a path as text for a terminal; file names may hold any bytes."""
    return sanitize(os.fsencode(path).decode("utf-8", "replace"))


def track_fields(track: "Track") -> dict[str, Any]:
    """Return a track as JSON fields; `uri` is exact where a path is not UTF-8."""
    tags = track.tags
    return {
        "id": track.id,
        "kind": track.kind,
        "path": display_path(track.path),
        "uri": "file://" + quote(os.fsencode(track.path)),
        "title": tags.title,
        "artist": tags.artist,
        "artists": split_names(tags.artist),
        "album": tags.album,
        "album_artist": tags.album_artist,
        "genre": tags.genre,
        "genres": split_genres(tags.genre),
        "year": tags.year,
        "track_number": tags.track_number,
        "duration_s": track.duration_s,
        "missing": track.missing,
        "tune": track.tune,
        "start_s": track.passage.start_s if track.passage else None,
        "end_s": track.passage.end_s if track.passage else None,
    }


def matched_queries(result: "Hit | PlaylistItem") -> list[str]:
    """Return those of several distant queries that a result is similar to."""
    return [sanitize(str(query)) for query in result.asked_with]


def reason_fields(reason: "Reason") -> dict[str, Any]:
    """Return a reason as JSON fields."""
    return {
        "name": reason.name,
        "share": reason.share,
        "says": reason.description or reason.name,
        "family": reason.family,
    }


def format_reasons(hit: "Hit | GroupHit", count: int = 3) -> str:
    """Write the largest shares of a similarity, and the sums of the others by family.

    The remainder is "other": at most a quarter of the similarity if the families' sums get there,
    and at most half of it if there are any.
    """
    from segue.search.reasons import OTHER

    named = [reason for reason in hit.reasons if reason.name != OTHER]
    largest = sorted(named, key=_weight)[-count:][::-1]
    parts = [f"{reason.description or reason.name} {reason.share:+.2f}" for reason in largest]
    families: dict[str, float] = {}
    for reason in named:
        if reason not in largest:
            family = reason.family or reason.name
            families[family] = families.get(family, 0.0) + reason.share
    rest = hit.similarity - sum(reason.share for reason in largest)
    others = []
    for family, share in sorted(families.items(), key=lambda item: -abs(item[1])):
        if abs(rest) <= _LARGEST_UNNAMED * abs(hit.similarity):
            break
        others.append(f"{family} {share:+.2f}")
        rest -= share
    if len(others) < len(families) or len(named) < len(hit.reasons):
        others.append(f"{OTHER} {rest:+.2f}")
    return "; ".join(", ".join(texts) for texts in (parts, others) if texts)


def _weight(reason: "Reason") -> float:
    """Weigh a reason: that both tracks lack something says less than that both have it."""
    lacking = reason.description.startswith("both: ") and reason.description.endswith(
        f" {reason.name}"
    )
    alone = reason.description == f"both: {reason.name}"
    return abs(reason.share) * (1.0 if alone or not lacking else _WEIGHT_OF_LACKING)


def chord_rows(chords: "Sequence[Chord]") -> list[tuple[str, str]]:
    """Return chords as rows of a table, eight bars in each: the first bar's number, and chords."""
    by_bar: dict[int, list[str]] = {}
    for chord in chords:
        by_bar.setdefault(chord.bar, []).append(chord.name)
    bars = sorted(by_bar)
    return [
        (
            f"bar {bars[at] + 1}",
            " | ".join(" ".join(by_bar[bar]) for bar in bars[at : at + _BARS_PER_ROW]),
        )
        for at in range(0, len(bars), _BARS_PER_ROW)
    ]


def failure_fields(failures: "Iterable[Failure]") -> list[dict[str, str]]:
    """Return files that failed as JSON fields."""
    return [{"path": display_path(failure.path), "reason": failure.reason} for failure in failures]


def print_failures(title: str, failures: "Iterable[Failure]") -> None:
    """Print a table of files that failed, if there are any."""
    rows = [(display_path(failure.path), failure.reason) for failure in failures]
    if rows:
        print_table(title, ("file", "reason"), rows)


def count_of(number: int, noun: str) -> str:
    """Format a number of things: "1 track", "1,200 tracks"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_duration(seconds: float) -> str:
    """Format a duration as m:ss."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return "\n".join(sanitize(line) for line in str(value).split("\n"))


def track_label(track: "Track") -> str:
    """Return artist and title of a track as one line."""
    return " - ".join(part for part in (track.tags.artist, track.tags.title) if part)


def format_tempo(facts: Facts) -> str:
    """Format a tempo: "140 bpm", "140 or 70 bpm" if it is uncertain, "" without a pulse."""
    bpm, other = (float(facts.get(name) or 0) for name in ("tempo_bpm", "tempo_other_bpm"))
    if not bpm:
        return ""
    uncertain = other and float(facts.get("tempo_confidence") or 0) < CLEAR_CONFIDENCE
    return f"{bpm:.0f} or {other:.0f} bpm" if uncertain else f"{bpm:.0f} bpm"


def format_key(facts: Facts) -> str:
    """Format a key with its Camelot code: "F major (7B)"; "" without one."""
    from segue.theory.keys import camelot

    key = str(facts.get("key", ""))
    code = camelot(key)
    return f"{key} ({code})" if code else key


def skipped_bars_text(bars: int) -> str:
    """Say that bars in other time signatures were left out."""
    return f"{count_of(bars, 'bar')} in other time signatures than 4/4 left out"


def format_confidence(facts: Facts, fact: str) -> str:
    """Format the confidence in a fact: ", 86 % sure"; "" if there is none."""
    return f", {float(facts[fact]):.0%} sure" if fact in facts else ""


class ProgressLines:
    """Progress as lines of text, printed every so often, also while one step takes long.

    Parameters
    ----------
    text : str
        Text at the beginning; nothing is printed while this is "".
    stream : TextIO
        Stream that lines are written to.
    """

    def __init__(self, text: str, stream: TextIO) -> None:
        self._text, self._done, self._total = text, 0, 0
        self._stream = stream
        self._began = self._step_began = time.monotonic()
        self._finished = Event()

    def show(self, text: str, done: int, total: int) -> None:
        """Set the current step and its progress."""
        if done < self._done or total != self._total:
            self._step_began = time.monotonic()
        self._text, self._done, self._total = text, done, total

    def line(self) -> str:
        """Return the line that would be printed now; "" if there is nothing to show."""
        if not self._text:
            return ""
        now = time.monotonic()
        line = sanitize(self._text)
        if self._total:
            line += f" {self._done} of {self._total}"
        line += f", {format_duration(now - self._began)} so far"
        if 0 < self._done < self._total:
            left = (now - self._step_began) * (self._total - self._done) / self._done
            line += f", about {format_duration(left)} to go"
        return line

    @contextmanager
    def printed(self) -> "Iterator[ProgressLines]":
        """Print lines until the end of the block."""
        thread = Thread(target=self._print, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._finished.set()
            thread.join(timeout=1)

    def _print(self) -> None:
        wait = FIRST_LINE_AFTER_S
        while not self._finished.wait(wait):
            wait = min(2 * wait, LONGEST_WAIT_S)
            if line := self.line():
                with suppress(OSError, ValueError):  # nobody reads it any more
                    self._stream.write(f"{line}\n")
                    self._stream.flush()
