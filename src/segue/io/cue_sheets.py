"""Cue sheets: the tracks of one long recording, such as a mix or a ripped album.

A sheet names one or several recordings (``FILE``), and in each the positions of tracks in minutes,
seconds and frames of 1/75 s. A track begins at its ``INDEX 01`` and ends where that of the next one
in the same recording begins, as players have it: the pause before a track, from ``INDEX 00``, goes
with the track before. ``PREGAP`` and ``POSTGAP``, silence that is in no file, change no position.
(CDRWIN user's guide, appendix A.)
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from segue.errors import Unreadable, unreadable
from segue.files import write_text
from segue.io.encodings import decode
from segue.records import Span, Tags
from segue.text import clean, fold_name

SUFFIX: Final = ".cue"
MAX_BYTES: Final = 1 << 20
MAX_TRACKS: Final = 999
FRAMES_PER_S: Final = 75
_LINE: Final = re.compile(r"\s*(?P<command>[A-Za-z]+)\s+(?P<rest>.*?)\s*")
_POSITION: Final = re.compile(r"(\d{1,4}):(\d{1,2}):(\d{1,2})")
_TRACK: Final = re.compile(r"(\d{1,3})\s+(\S+)")
_INDEX: Final = re.compile(r"(\d{1,2})\s+(\S+)")
_YEAR: Final = re.compile(r"\d{4}")
#: Types of files that programs of the format's time know; all others are WAVE.
_KINDS: Final = {".mp3": "MP3", ".aif": "AIFF", ".aiff": "AIFF"}
_AUDIO: Final = "AUDIO"


@dataclass(slots=True)
class CueTrack:
    """One track of a cue sheet.

    Attributes
    ----------
    number : int
        As in the sheet, usually from 1 and on through all of its recordings.
    start_s : float
        Position of ``INDEX 01`` in its recording, in seconds.
    title, performer : str
        "" where the sheet does not say.
    """

    number: int
    start_s: float = -1.0
    title: str = ""
    performer: str = ""


@dataclass(slots=True)
class CueSheet:
    """A cue sheet.

    Attributes
    ----------
    title, performer, genre : str
        Of the whole; "" where the sheet does not say.
    year : int, optional
    files : dict of str to list of CueTrack
        Tracks by the name of their recording, in order of position.
    """

    title: str = ""
    performer: str = ""
    genre: str = ""
    year: int | None = None
    files: dict[str, list[CueTrack]] = field(default_factory=dict)


def read_cue_sheet(path: Path) -> CueSheet:
    """Read a cue sheet in any encoding.

    Raises
    ------
    Unreadable
        It is no cue sheet, or is damaged: with the line and the reason.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise unreadable(error) from None
    if len(data) > MAX_BYTES:
        raise Unreadable("a cue sheet of more than 1 MB; is it one?")
    return parse_cue_sheet(decode(data))


def parse_cue_sheet(text: str) -> CueSheet:
    """Parse the text of a cue sheet, which may also be a tag of a recording.

    Commands that say nothing of tracks and positions are ignored, as are data tracks.

    Raises
    ------
    Unreadable
        See `read_cue_sheet`.
    """
    parser = _Parser()
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _LINE.fullmatch(line):
            try:
                parser.read(match["command"].upper(), match["rest"])
            except ValueError as error:
                raise Unreadable(f"cue sheet, line {number}: {error}") from None
    sheet = parser.sheet
    for track in parser.tracks:
        if track.start_s < 0:
            raise Unreadable(f"cue sheet: track {track.number} has no INDEX 01")
    if not any(sheet.files.values()):
        raise Unreadable("cue sheet without tracks; it needs FILE, TRACK and INDEX 01 lines")
    return sheet


class _Parser:
    """Reads the commands of a cue sheet one by one."""

    def __init__(self) -> None:
        self.sheet = CueSheet()
        self.tracks: list[CueTrack] = []
        self._file = ""
        self._in_data_track = False

    def read(self, command: str, rest: str) -> None:
        if command == "FILE":
            self._file = _file_name(rest)
            self.sheet.files.setdefault(self._file, [])
        elif command == "TRACK":
            self._begin_track(rest)
        elif command == "INDEX" and self.tracks and not self._in_data_track:
            self._index(self.tracks[-1], rest)
        elif command in ("TITLE", "PERFORMER") and not self._in_data_track:
            target = self.tracks[-1] if self.tracks else self.sheet
            setattr(target, command.lower(), clean(_unquoted(rest)))
        elif command == "REM":
            self._remark(rest)

    def _begin_track(self, rest: str) -> None:
        match = _TRACK.fullmatch(rest)
        if match is None:
            raise ValueError(f"expected TRACK 01 AUDIO, found TRACK {rest[:40]}")
        self._in_data_track = match[2].upper() != _AUDIO
        if not self._in_data_track:
            self.tracks.append(CueTrack(int(match[1])))
        if len(self.tracks) > MAX_TRACKS:
            raise ValueError(f"more than {MAX_TRACKS} tracks")

    def _index(self, track: CueTrack, rest: str) -> None:
        match = _INDEX.fullmatch(rest)
        if match is None:
            raise ValueError(f"expected INDEX 01 mm:ss:ff, found INDEX {rest[:40]}")
        if int(match[1]) != 1:
            return
        if not self._file:
            raise ValueError("INDEX 01 before any FILE")
        # The pause of a track may lie at the end of the recording before: INDEX 01 decides.
        of_file = self.sheet.files[self._file]
        track.start_s = _seconds(match[2])
        if of_file and track.start_s <= of_file[-1].start_s:
            raise ValueError(
                f"track {track.number} begins at {match[2]}, not after track {of_file[-1].number}"
            )
        of_file.append(track)

    def _remark(self, rest: str) -> None:
        name, _, value = rest.partition(" ")
        if name.upper() == "GENRE":
            self.sheet.genre = clean(_unquoted(value))
        elif name.upper() == "DATE" and (year := _YEAR.search(value)):
            self.sheet.year = int(year[0])


def _seconds(text: str) -> float:
    match = _POSITION.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a position as mm:ss:ff, found {text[:40]}")
    minutes, seconds, frames = map(int, match.groups())
    if seconds >= 60 or frames >= FRAMES_PER_S:
        raise ValueError(
            f"expected seconds up to 59 and frames up to {FRAMES_PER_S - 1}, found {text}"
        )
    return 60 * minutes + seconds + frames / FRAMES_PER_S


def _unquoted(text: str) -> str:
    """Return the contents of quotation marks; the last one may be missing."""
    text = text.strip()
    return text[1:].removesuffix('"') if text.startswith('"') else text


def _file_name(rest: str) -> str:
    """Return the name of a recording without folders, which may be those of another computer."""
    is_quoted = rest.startswith('"')
    path = rest[1:].partition('"')[0] if is_quoted else rest.rpartition(" ")[0] or rest
    name = re.split(r"[/\\]", path.strip())[-1]
    if not name:
        raise ValueError('expected FILE "name" WAVE, found no name')
    return name


# --- recordings of a sheet ---


def match_cue_sheets(sheets: Mapping[str, CueSheet], recordings: Iterable[str]) -> dict[str, str]:
    """Match recordings with the cue sheets that divide them into several tracks.

    Parameters
    ----------
    sheets : mapping of str to CueSheet
        By file name.
    recordings : iterable of str
        File names in the same folder.

    Returns
    -------
    dict of str to str
        Name of the sheet by that of the recording. Of several sheets that divide a recording, the
        one of the same name precedes, then the first.
    """
    matched = {}
    for recording in recordings:
        dividing = [
            name
            for name, sheet in sheets.items()
            if len(tracks_of_recording(sheet, name, recording)) > 1
        ]
        if dividing:
            matched[recording] = min(dividing, key=lambda name: (not _same(name, recording), name))
    return matched


def tracks_of_recording(sheet: CueSheet, sheet_name: str, recording: str) -> Sequence[CueTrack]:
    """Return the tracks of one recording of a sheet; none if the sheet is of others.

    A recording is the one that the sheet names, also in another format (``Mix.wav`` that became
    ``Mix.flac``), or the only one of a sheet of its own name.
    """
    for key in (fold_name, _stem):
        for name, tracks in sheet.files.items():
            if key(name) == key(recording):
                return tracks
    with_tracks = [tracks for tracks in sheet.files.values() if tracks]
    return with_tracks[0] if len(with_tracks) == 1 and _same(sheet_name, recording) else ()


def _same(sheet_name: str, recording: str) -> bool:
    """Return whether a sheet is named as ``Mix.cue`` or ``Mix.flac.cue`` beside ``Mix.flac``."""
    return _stem(sheet_name) in (_stem(recording), fold_name(recording))


def _stem(name: str) -> str:
    return fold_name(PurePosixPath(name).stem)


def passages(tracks: Sequence[CueTrack]) -> tuple[Span, ...]:
    """Return the time span of each track; the last one ends at infinity."""
    starts = [track.start_s for track in tracks]
    return tuple(map(Span, starts, [*starts[1:], float("inf")]))


def track_tags(sheet: CueSheet, track: CueTrack, whole: Tags) -> Tags:
    """Return the tags of a track of a sheet, completed from those of the whole recording."""
    return Tags(
        title=track.title or f"{sheet.title or whole.title} {track.number}",
        artist=track.performer or sheet.performer or whole.artist,
        album=sheet.title or whole.album or whole.title,
        album_artist=sheet.performer or whole.album_artist,
        genre=sheet.genre or whole.genre,
        year=sheet.year or whole.year,
        track_number=track.number,
    )


# --- writing ---


def write_cue_sheet(target: Path, recording: str, starts_s: Sequence[float], whole: Tags) -> None:
    """Write a cue sheet of one recording in UTF-8.

    Parameters
    ----------
    target : Path
    recording : str
        File name of the recording, in the same folder.
    starts_s : sequence of float
        Positions at which tracks begin, in seconds, ascending.
    whole : Tags
        Tags of the recording.

    Raises
    ------
    BadArgument
        The file cannot be written.
    """
    lines = [f"PERFORMER {_quoted(whole.artist)}"] if whole.artist else []
    kind = _KINDS.get(PurePosixPath(recording).suffix.lower(), "WAVE")
    lines += [f"TITLE {_quoted(whole.title)}", f"FILE {_quoted(recording)} {kind}"]
    for number, start_s in enumerate(starts_s, start=1):
        lines += [
            f"  TRACK {number:02} {_AUDIO}",
            f"    TITLE {_quoted(f'{whole.title} {number}')}",
            f"    INDEX 01 {format_position(start_s)}",
        ]
    write_text("\n".join(lines) + "\n", target)


def format_position(seconds: float) -> str:
    """Return a position as minutes, seconds and frames, ``mm:ss:ff``."""
    frames = round(seconds * FRAMES_PER_S)
    return f"{frames // 4500:02}:{frames // FRAMES_PER_S % 60:02}:{frames % FRAMES_PER_S:02}"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', "'") + '"'
