"""Output: tables for people, JSON for programs, progress.

Tempo, key and kind of a track, as people read them.

What the commands print: tables for people, JSON for programs.

Progress as lines, for where no bar can be drawn: a log, a pipe.
"""

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
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
    from segue.records import GroupHit, Hit, Reason, Track


# --- musical ---

#: Below this confidence the next likely tempo is told, too.
CLEAR: Final = 0.7
Facts = Mapping[str, float | str]
#: Facts that are told together with others.
TOLD_ELSEWHERE: Final = ("tempo_confidence", "tempo_other_bpm", "key_confidence", "tonic")


def tempo_told(facts: Facts) -> str:
    """Write a tempo: "140 bpm", or "140 or 70 bpm" where it is unclear; "" without a pulse."""
    bpm, other = (float(facts.get(name) or 0) for name in ("tempo_bpm", "tempo_other_bpm"))
    if not bpm:
        return ""
    unclear = other and float(facts.get("tempo_confidence") or 0) < CLEAR
    return f"{bpm:.0f} or {other:.0f} bpm" if unclear else f"{bpm:.0f} bpm"


def key_told(facts: Facts) -> str:
    """Write a key and its place on the Camelot wheel: "F major (7B)"; "" without one."""
    from segue.theory.keys import camelot

    key = str(facts.get("key", ""))
    place = camelot(key)
    return f"{key} ({place})" if place else key


def not_in_four(bars: int) -> str:
    """Say that bars in other time signatures were left out."""
    return f"{counted(bars, 'bar')} in other time signatures than 4/4 left out"


def sure(facts: Facts, fact: str) -> str:
    """Write a confidence: ", 86 % sure"; "" where none is known."""
    return f", {float(facts[fact]):.0%} sure" if fact in facts else ""


# --- output ---

#: Raised when a field changes its meaning or goes; new fields do not count.
JSON_VERSION: Final = 1
PIPED_WIDTH: Final = 160
#: As a share of a similarity, so much may stand for all that is not named.
_FEW_OTHERS: Final = 0.25
_LACKING: Final = 0.6
#: Control characters, other ends of lines, marks that turn the order of what follows, and bytes
#: that are no text. Spaces and joiners of all scripts are text.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def print_json(name: str, fields: dict[str, Any]) -> None:
    """Print one JSON object: its schema's name and version, then its fields."""
    document = {"schema": f"segue.{name}", "version": JSON_VERSION, **fields}
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; columns of numbers are set to the right."""
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


def safe(text: str) -> str:
    """Make a text fit for a terminal: nothing in it moves the cursor or the words around it."""
    return _UNSAFE.sub("\ufffd", text)


def shown(path: Path) -> str:
    """Make a path fit for a terminal: names may hold any bytes."""
    return safe(os.fsencode(path).decode("utf-8", "replace"))


def track_fields(track: "Track") -> dict[str, Any]:
    """Return a track as JSON fields; `uri` is exact where a path is not UTF-8."""
    tags = track.tags
    return {
        "id": track.id,
        "kind": track.kind,
        "path": shown(track.path),
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
    }


def hit_fields(hit: "Hit") -> dict[str, Any]:
    """Return a hit as JSON fields."""
    return {
        "rank": hit.rank,
        "similarity": hit.similarity,
        "track": track_fields(hit.track),
        "reasons": [reason_fields(reason) for reason in hit.reasons],
        "asked_with": asked_with(hit),
    }


def asked_with(answer: "Hit | PlaylistItem") -> list[str]:
    """Name those of several queries far apart that an answer is like."""
    return [safe(str(query)) for query in answer.asked_with]


def group_fields(hit: "GroupHit") -> dict[str, Any]:
    """Return an artist, album or genre as JSON fields."""
    return {
        "rank": hit.rank,
        "similarity": hit.similarity,
        "name": hit.name,
        "tracks": hit.tracks,
        "reasons": [reason_fields(reason) for reason in hit.reasons],
    }


def reason_fields(reason: "Reason") -> dict[str, Any]:
    """Return a reason as JSON fields."""
    return {
        "name": reason.name,
        "share": reason.share,
        "says": reason.description or reason.name,
        "family": reason.family,
    }


def why(hit: "Hit | GroupHit", most: int = 3) -> str:
    """Name the largest shares of a similarity, and sum up the others by what they belong to.

    What is left in the end is "other": at most a quarter of the similarity where the reasons
    can say as much, and at most half where there are any to say it.
    """
    from segue.search.reasons import OTHER

    named = [reason for reason in hit.reasons if reason.name != OTHER]
    largest = sorted(named, key=_weight)[-most:][::-1]
    told = [f"{reason.description or reason.name} {reason.share:+.2f}" for reason in largest]
    families: dict[str, float] = {}
    for reason in named:
        if reason not in largest:
            family = reason.family or reason.name
            families[family] = families.get(family, 0.0) + reason.share
    rest = hit.similarity - sum(reason.share for reason in largest)
    others = []
    for family, share in sorted(families.items(), key=lambda one: -abs(one[1])):
        if abs(rest) <= _FEW_OTHERS * abs(hit.similarity):
            break
        others.append(f"{family} {share:+.2f}")
        rest -= share
    if len(others) < len(families) or len(named) < len(hit.reasons):
        others.append(f"{OTHER} {rest:+.2f}")
    return "; ".join(", ".join(some) for some in (told, others) if some)


def _weight(reason: "Reason") -> float:
    """Weigh a reason: that both lack something tells less than that both have something."""
    lacking = reason.description.startswith("both: ") and reason.description.endswith(
        f" {reason.name}"
    )
    alone = reason.description == f"both: {reason.name}"
    return abs(reason.share) * (1.0 if alone or not lacking else _LACKING)


def print_hits(title: str, hits: "Sequence[Hit]", like: Sequence[str] = ()) -> None:
    """Print hits as a table, with what each is like in a column where that is told."""
    print_table(
        title,
        ("", "similarity", *_told("like", like), "title", "artist", "album", "why"),
        [
            (
                hit.rank,
                hit.similarity,
                *like[at : at + 1],
                hit.track.tags.title,
                hit.track.tags.artist,
                hit.track.tags.album,
                why(hit),
            )
            for at, hit in enumerate(hits)
        ],
    )


def print_blended(
    title: str, hits: "Sequence[Hit]", parts: Sequence[str], like: Sequence[str] = ()
) -> None:
    """Print hits as a table of what each part of a blend gave, and say which knew nothing."""
    gave = [{reason.name: reason.share for reason in hit.reasons} for hit in hits]
    print_table(
        title,
        ("", "similarity", *parts, *_told("like", like), "title", "artist", "album"),
        [
            (
                hit.rank,
                hit.similarity,
                *(shares.get(part, "") for part in parts),
                *like[at : at + 1],
                hit.track.tags.title,
                hit.track.tags.artist,
                hit.track.tags.album,
            )
            for at, (hit, shares) in enumerate(zip(hits, gave, strict=True))
        ],
    )
    for part in parts:
        if not any(part in shares for shares in gave):
            say(f"{part} knows nothing of what was asked with, or of these; the rest weighs more")


def _told(column: str, values: Sequence[str]) -> list[str]:
    return [column] if values else []


def counted(number: int, noun: str) -> str:
    """Write a number of things: "1 track", "1,200 tracks"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def minutes(seconds: float) -> str:
    """Write a duration as m:ss."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return "\n".join(safe(line) for line in str(value).split("\n"))


def label(track: "Track") -> str:
    """Name a track in one line: artist and title."""
    return " - ".join(part for part in (track.tags.artist, track.tags.title) if part)


# --- progress ---

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
