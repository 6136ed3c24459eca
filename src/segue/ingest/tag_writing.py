"""Writing of tempo, key and mood into the tags of the library's files, with undo.

Each change is logged in the library before a file is touched, so that it can be undone even after
an interruption.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import numpy as np

from segue.builtin_spaces import MUSICNN_TAGS
from segue.errors import BadArgument
from segue.io.tags import FIELDS, is_placeholder, read_fields, short_key, write_fields
from segue.records import Failure, FileState, Track
from segue.search.filters import non_music_type
from segue.search.query import find_tracks
from segue.store import Store
from segue.store.files import KnownFile, is_below
from segue.store.user_data import TagChange
from segue.theory.keys import camelot, open_key

#: The MusiCNN tags that name a mood.
MOODS: Final = (
    "beautiful", "catchy", "chill", "easy listening", "happy", "mellow", "party", "sad",
)  # fmt: skip
#: Minimum z-score of a mood that is written, in the library and in the calibration set.
_MIN_Z_SCORE: Final = 1.0
#: Default thresholds: nine of ten tempos and keys above them are right, see
#: bench/tables/tempo.md and bench/tables/features.md.
MIN_CONFIDENCE: Final = {"bpm": 0.7, "key": 0.7}
_CONFIDENCE: Final = {"bpm": "tempo_confidence", "key": "key_confidence"}
KeyNotation = Literal["standard", "camelot", "openkey"]
KEY_NOTATIONS: Final[dict[KeyNotation, Callable[[str], str]]] = {
    "standard": short_key,
    "camelot": camelot,
    "openkey": open_key,
}


@dataclass(frozen=True, slots=True)
class TagReport:
    """The changes that were made, or would be.

    Attributes
    ----------
    changes : tuple of TagChange
    kept : int
        Number of fields that had another value already.
    failures : tuple of Failure
    unsure : mapping of str to int
        Number of values left out because of their low confidence, by field.
    not_music : int
        Number of tracks left out because they are not music.
    """

    changes: tuple[TagChange, ...]
    kept: int
    failures: tuple[Failure, ...]
    unsure: Mapping[str, int] = field(default_factory=dict)
    not_music: int = 0


@dataclass(frozen=True, slots=True)
class _Options:
    """Options of `FileTags.write`."""

    fields: Sequence[str]
    min_confidence: float | None
    key_notation: KeyNotation
    all_sounds: bool


class FileTags:
    """Writing of tags into the files of a library; `segue.Library.file_tags`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(
        self,
        *queries: str | int | Path,
        fields: Sequence[str],
        min_confidence: float | None = None,
        key_notation: KeyNotation = "standard",
        all_sounds: bool = False,
        overwrite: bool = False,
        dry_run: bool = False,
    ) -> TagReport:
        """Write tempo, key or mood into the tags of files; the audio data stays as it is.

        Parameters
        ----------
        *queries : str, int or Path
            Tracks to write; all if none is given.
        fields : sequence of str
            At least one of "bpm", "key" and "mood".
        min_confidence : float, optional
            Minimum confidence of a tempo or key, 0 to 1. The default is `MIN_CONFIDENCE`.
        key_notation : {"standard", "camelot", "openkey"}
            "Am", "8A" or "1m".
        all_sounds : bool
            Write into files that are not music, too.
        overwrite : bool
            Replace values that are there already.
        dry_run : bool
            Only report the changes.

        Examples
        --------
        >>> report = lib.file_tags.write(fields=["bpm", "key"], dry_run=True)  # doctest: +SKIP
        >>> [(change.path.name, change.field, change.written) for change in report.changes]
        ... # doctest: +SKIP
        """
        store, form = self._store, _Options(fields, min_confidence, key_notation, all_sounds)
        tracks = [track for query in queries for track in find_tracks(store, query)]
        tracks = tracks if queries else store.tracks()
        return _write(store, tracks, form, overwrite=overwrite, dry_run=dry_run)

    def undo(self) -> TagReport:
        """Undo the last `write` that was not undone yet.

        A file that is gone is a failure, and dropped from the log so that earlier runs can be
        undone; unless its folder is gone, too, as when a disk is not connected.

        Raises
        ------
        BadArgument
            There is nothing to undo.

        Examples
        --------
        >>> len(lib.file_tags.undo().changes)  # doctest: +SKIP
        """
        return _undo(self._store)


def _write(
    store: Store, tracks: Sequence[Track], options: _Options, *, overwrite: bool, dry_run: bool
) -> TagReport:
    if not options.fields or not set(options.fields) <= set(FIELDS):
        raise BadArgument("say what to write: --bpm, --key, --mood")
    if options.key_notation not in KEY_NOTATIONS:
        raise BadArgument(
            f"{options.key_notation!r} is not a key notation; choose {', '.join(KEY_NOTATIONS)}"
        )
    moods = _moods(store) if "mood" in options.fields else {}
    unsure: Counter[str] = Counter()
    not_music = 0
    divided: set[Path] = set()
    changes: list[TagChange] = []
    failures: list[Failure] = []
    kept = 0
    run = store.tag_log.next_run()
    files = store.known_files()
    for track in tracks:
        if track.missing or track.kind != "sound":
            continue
        if track.tune:
            if track.path not in divided:
                reason = f"{track.path} holds several tracks, and its tags are of the whole"
                failures.append(Failure(track.path, reason))
                divided.add(track.path)
            continue
        if reason := _link_reason(store, track.path):
            failures.append(Failure(track.path, reason))
            continue
        if not options.all_sounds and non_music_type(track):
            not_music += 1
            continue
        if not _unchanged(files, track.path):
            reason = f"{track.path} changed since it was added; first `segue add` it again"
            failures.append(Failure(track.path, reason))
            continue
        try:
            current = read_fields(track.path)
            values = _values(track, moods, options)
            differing = {name for name, value in values.items() if value and current[name] != value}
            writable = {
                name
                for name in differing
                if overwrite or not current[name] or is_placeholder(name, current[name])
            }
            kept += len(differing) - len(writable)
            uncertain = {n for n in writable if _is_unsure(track, n, options.min_confidence)}
            unsure.update(uncertain)
            of_track = [
                TagChange(track.path, name, current[name], value)
                for name, value in values.items()
                if name in writable - uncertain
            ]
            if of_track and not dry_run:
                _write_track(store, run, track, of_track)
            changes += of_track
        except BadArgument as error:
            failures.append(Failure(track.path, str(error)))
    return TagReport(tuple(changes), kept, tuple(failures), unsure, not_music)


def _undo(store: Store) -> TagReport:
    run, changes = store.tag_log.last_run()
    if not changes:
        raise BadArgument("no tags were written that are not undone yet")
    done: list[TagChange] = []
    failures: list[Failure] = []
    files = store.known_files()
    for path in dict.fromkeys(change.path for change in changes):
        of_file = [change for change in changes if change.path == path]
        if not path.parent.is_dir():
            failures.append(Failure(path, f"{path.parent} is not there; is its disk connected?"))
            continue
        if _gone(path):
            with store.writing(), store.transaction():
                store.tag_log.forget(run, path)
            failures.append(Failure(path, f"{path} is gone: nothing is left to undo in it"))
            continue
        if reason := _link_reason(store, path):
            failures.append(Failure(path, reason))
            continue
        try:
            unchanged = _unchanged(files, path)
            current = read_fields(path)
            # Fields that another program has written since then are left alone.
            reverted = [change for change in of_file if current[change.field] == change.written]
            if reverted:
                write_fields(path, {change.field: change.before for change in reverted})
            with store.writing(), store.transaction():
                store.tag_log.forget(run, path)
                if unchanged:
                    _update_state(store, path)
            done += [TagChange(c.path, c.field, c.written, c.before) for c in reverted]
        except BadArgument as error:
            failures.append(Failure(path, str(error)))
    return TagReport(tuple(done), 0, tuple(failures))


def _write_track(store: Store, run: int, track: Track, changes: list[TagChange]) -> None:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    with store.writing():
        with store.transaction():  # committed before the file is touched
            store.tag_log.add(run, changes, at)
        try:
            write_fields(track.path, {change.field: change.written for change in changes})
        except BadArgument:
            with store.transaction():
                store.tag_log.forget(run, track.path)
            raise
        with store.transaction():
            _update_state(store, track.path)


def _link_reason(store: Store, path: Path) -> str:
    """Return why a file is not written because of a symbolic link; "" if it may be written.

    An untrusted folder may hold links to files elsewhere.
    """
    place = os.path.realpath(path)
    root = os.path.realpath(os.fsdecode(store.files.root_of(os.fsencode(path))))
    if path.is_symlink():
        return f"{path} is a link to {place}; tags are only written into the files themselves"
    if not is_below(os.fsencode(place), os.fsencode(root)):
        return (
            f"{path} lies behind a link, in {os.path.dirname(place)}; to write tags there, "
            "`segue add` that folder itself"
        )
    return ""


def _gone(path: Path) -> bool:
    try:
        path.stat()
    except OSError as error:  # other errors are reported when the file is opened
        return isinstance(error, FileNotFoundError | NotADirectoryError)
    return False


def _unchanged(files: Mapping[bytes, KnownFile], path: Path) -> bool:
    """Return whether a file is unchanged since it was analysed."""
    try:
        now = path.stat()
    except OSError:
        return True  # the error is reported when the file is opened
    known = files.get(os.fsencode(path))
    return known is not None and known.state == FileState(now.st_size, now.st_mtime_ns)


def _update_state(store: Store, path: Path) -> None:
    """Store the new state and hash of a file, so that it is not decoded again."""
    state = path.stat()
    with path.open("rb") as file:
        content_hash = hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    store.rewritten(path, FileState(state.st_size, state.st_mtime_ns), content_hash)


def _is_unsure(track: Track, field: str, min_confidence: float | None) -> bool:
    """Return whether a value is too uncertain; older libraries lack the tempo's confidence."""
    if field not in _CONFIDENCE:
        return False
    confidence = float(track.facts.get(_CONFIDENCE[field]) or 0)
    return confidence < (MIN_CONFIDENCE[field] if min_confidence is None else min_confidence)


def _values(track: Track, moods: dict[int, str], options: _Options) -> dict[str, str]:
    tempo = float(track.facts.get("tempo_bpm") or 0)
    values = {
        "bpm": str(round(tempo)) if tempo else "",
        "key": KEY_NOTATIONS[options.key_notation](str(track.facts.get("key", ""))),
        "mood": moods.get(track.id, ""),
    }
    return {name: value for name, value in values.items() if name in options.fields}


def _moods(store: Store) -> dict[int, str]:
    """Return the mood with the highest z-score of each track, where it is high enough."""
    ids, vectors = store.spaces.vectors("tags")
    scores = vectors[:, [MUSICNN_TAGS.index(mood) for mood in MOODS]]
    scores = np.minimum(scores, (scores - scores.mean(axis=0)) / (scores.std(axis=0) + 1e-6))
    return {
        track: MOODS[int(np.argmax(row))]
        for track, row in zip(ids.tolist(), scores, strict=True)
        if row.max() >= _MIN_Z_SCORE
    }
