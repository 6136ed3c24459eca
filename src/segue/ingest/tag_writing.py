"""Writing analysis results into tags of the library's files, with undo."""

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
from segue.io.tag_writing import FIELDS, is_placeholder, read_fields, short_key, write_fields
from segue.records import Failure, FileState, Track
from segue.search.query import find_tracks
from segue.search.track_checks import non_music_type
from segue.store import Store
from segue.store.files import KnownFile, is_below
from segue.store.user_data import TagChange
from segue.theory.keys import camelot, open_key

#: Those of the tags that Segue hears which name a mood.
MOODS: Final = (
    "beautiful", "catchy", "chill", "easy listening", "happy", "mellow", "party", "sad",
)  # fmt: skip
#: A mood is written that stands out by so many standard deviations, among the library's music
#: and among all that Segue knows.
_STANDS_OUT: Final = 1.0
#: Tempos and keys below are left out: of those above nine of ten are right, see
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
    """What was written, or would be.

    Attributes
    ----------
    changes : tuple of Change
    kept : int
        Fields that a file had already.
    unsure : mapping of str to int
        How many were left out of each field, being too uncertain.
    not_music : int
        Tracks that were left out.
    failures : tuple of Failure
    """

    changes: tuple[TagChange, ...]
    kept: int
    failures: tuple[Failure, ...]
    unsure: Mapping[str, int] = field(default_factory=dict)
    not_music: int = 0


@dataclass(frozen=True, slots=True)
class _Form:
    """What is written, and how; see `FileTags.write`."""

    fields: Sequence[str]
    min_confidence: float | None
    key_notation: KeyNotation
    all_sounds: bool


class FileTags:
    """What the files of a library say of themselves; `segue.Library.file_tags`.

    Parameters
    ----------
    store : Store
    """

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
        """Write tempo, key or mood into the files' own tags; the sound stays as it is.

        Parameters
        ----------
        queries : str, int or Path
            Which tracks; none for all.
        fields : sequence of str
            Of "bpm", "key" and "mood", at least one.
        min_confidence : float, optional
            Tempos and keys less certain are left out, 0 to 1; else those below `MIN_CONFIDENCE`.
        key_notation : {"standard", "camelot", "openkey"}
            "Am", "8A" or "1m".
        all_sounds : bool
            Also into what is no music.
        overwrite : bool
            Also where a file says something else already.
        dry_run : bool
            Change nothing, only tell.
        """
        store, form = self._store, _Form(fields, min_confidence, key_notation, all_sounds)
        tracks = [track for query in queries for track in find_tracks(store, query)]
        tracks = tracks if queries else store.tracks()
        return _write(store, tracks, form, overwrite=overwrite, dry_run=dry_run)

    def undo(self) -> TagReport:
        """Put back what the last `write` that is not undone yet changed.

        A file that is gone is a failure, and forgotten, so that it bars no run before it; unless
        its folder is gone too, which may come back with its disk.

        Raises
        ------
        BadArgument
            There is nothing to undo.
        """
        return _undo(self._store)


def _write(
    store: Store, tracks: Sequence[Track], form: _Form, *, overwrite: bool, dry_run: bool
) -> TagReport:
    if not form.fields or not set(form.fields) <= set(FIELDS):
        raise BadArgument("say what to write: --bpm, --key, --mood")
    if form.key_notation not in KEY_NOTATIONS:
        raise BadArgument(
            f"{form.key_notation!r} is no notation of keys; choose {', '.join(KEY_NOTATIONS)}"
        )
    moods = _moods(store) if "mood" in form.fields else {}
    unsure: Counter[str] = Counter()
    passed_by = 0
    changes: list[TagChange] = []
    failures: list[Failure] = []
    kept = 0
    run = store.tag_log.next_run()
    files = store.known_files()
    for track in tracks:
        if track.missing or track.kind != "sound":
            continue
        if link := _link(store, track.path):
            failures.append(Failure(track.path, link))
            continue
        if not form.all_sounds and non_music_type(track):
            passed_by += 1
            continue
        if not _unchanged(files, track.path):
            why = f"{track.path} changed since it was added; first `segue add` it again"
            failures.append(Failure(track.path, why))
            continue
        try:
            known = read_fields(track.path)
            found = _found(track, moods, form)
            new = {name for name, value in found.items() if value and known[name] != value}
            free = {
                name
                for name in new
                if overwrite or not known[name] or is_placeholder(name, known[name])
            }
            kept += len(new) - len(free)
            doubtful = {name for name in free if _is_unsure(track, name, form.min_confidence)}
            unsure.update(doubtful)
            here = [
                TagChange(track.path, name, known[name], value)
                for name, value in found.items()
                if name in free - doubtful
            ]
            if here and not dry_run:
                _change(store, run, track, here)
            changes += here
        except BadArgument as error:
            failures.append(Failure(track.path, str(error)))
    return TagReport(tuple(changes), kept, tuple(failures), unsure, passed_by)


def _undo(store: Store) -> TagReport:
    run, changes = store.tag_log.last_run()
    if not changes:
        raise BadArgument("no tags were written that are not undone yet")
    done: list[TagChange] = []
    failures: list[Failure] = []
    files = store.known_files()
    for path in dict.fromkeys(change.path for change in changes):
        here = [change for change in changes if change.path == path]
        if not path.parent.is_dir():
            failures.append(Failure(path, f"{path.parent} is not there; is its disk connected?"))
            continue
        if _gone(path):
            with store.writing(), store.transaction():
                store.tag_log.forget(run, path)
            failures.append(Failure(path, f"{path} is gone: nothing is left to undo in it"))
            continue
        if link := _link(store, path):
            failures.append(Failure(path, link))
            continue
        try:
            ours = _unchanged(files, path)
            now = read_fields(path)
            # What somebody else wrote since then stays.
            back = [change for change in here if now[change.field] == change.written]
            if back:
                write_fields(path, {change.field: change.before for change in back})
            with store.writing(), store.transaction():
                store.tag_log.forget(run, path)
                if ours:
                    _keep_known(store, path)
            done += [TagChange(c.path, c.field, c.written, c.before) for c in back]
        except BadArgument as error:
            failures.append(Failure(path, str(error)))
    return TagReport(tuple(done), 0, tuple(failures))


def _change(store: Store, run: int, track: Track, changes: list[TagChange]) -> None:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    with store.writing():
        with store.transaction():  # on the disk before the file is touched
            store.tag_log.add(run, changes, at)
        try:
            write_fields(track.path, {change.field: change.written for change in changes})
        except BadArgument:
            with store.transaction():
                store.tag_log.forget(run, track.path)
            raise
        with store.transaction():
            _keep_known(store, track.path)


def _link(store: Store, path: Path) -> str:
    """Say why a file that is a link, or lies behind one that leads out of its root, stays as it is.

    An album from anywhere may hold links to what is none of its own. "" where a file may change.
    """
    place = os.path.realpath(path)
    root = os.path.realpath(os.fsdecode(store.files.root_of(os.fsencode(path))))
    if path.is_symlink():
        return f"{path} is a link to {place}; tags are written into files themselves alone"
    if not is_below(os.fsencode(place), os.fsencode(root)):
        return (
            f"{path} lies behind a link, in {os.path.dirname(place)}; to write tags there, "
            "`segue add` that folder itself"
        )
    return ""


def _gone(path: Path) -> bool:
    try:
        path.stat()
    except OSError as error:  # of others, whoever opens it says what is wrong
        return isinstance(error, FileNotFoundError | NotADirectoryError)
    return False


def _unchanged(files: Mapping[bytes, KnownFile], path: Path) -> bool:
    """Tell whether a file is what the library's description of it was made from."""
    try:
        now = path.stat()
    except OSError:
        return True  # whoever opens it says what is wrong
    known = files.get(os.fsencode(path))
    return known is not None and known.state == FileState(now.st_size, now.st_mtime_ns)


def _keep_known(store: Store, path: Path) -> None:
    """Record the file as it is now, so that it need not be decoded again."""
    state = path.stat()
    with path.open("rb") as file:
        content_hash = hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    store.rewritten(path, FileState(state.st_size, state.st_mtime_ns), content_hash)


def _is_unsure(track: Track, field: str, least: float | None) -> bool:
    """Tell whether what was found is too uncertain; older Segues did not tell of tempos."""
    if field not in _CONFIDENCE:
        return False
    confidence = float(track.facts.get(_CONFIDENCE[field]) or 0)
    return confidence < (MIN_CONFIDENCE[field] if least is None else least)


def _found(track: Track, moods: dict[int, str], form: _Form) -> dict[str, str]:
    tempo = float(track.facts.get("tempo_bpm") or 0)
    found = {
        "bpm": str(round(tempo)) if tempo else "",
        "key": KEY_NOTATIONS[form.key_notation](str(track.facts.get("key", ""))),
        "mood": moods.get(track.id, ""),
    }
    return {name: value for name, value in found.items() if name in form.fields}


def _moods(store: Store) -> dict[int, str]:
    """Name the mood that stands out most of each track that has one."""
    ids, strengths = store.spaces.vectors("tags")
    columns = [MUSICNN_TAGS.index(mood) for mood in MOODS]
    some = strengths[:, columns]
    some = np.minimum(some, (some - some.mean(axis=0)) / (some.std(axis=0) + 1e-6))
    return {
        track: MOODS[int(np.argmax(row))]
        for track, row in zip(ids.tolist(), some, strict=True)
        if row.max() >= _STANDS_OUT
    }
