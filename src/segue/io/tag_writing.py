"""Writing of tempo, key and mood into the tags of audio files."""

import contextlib
import os
import re
import shutil
import stat
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Final

from segue.errors import BadArgument
from segue.files import atomic_output

FIELDS: Final = ("bpm", "key", "mood")
#: Between the values of a field that has several, as ID3 has it.
SEPARATOR: Final = "\0"
#: What each kind of tags calls our fields. In MP4, names in dashes are free-form atoms.
_ID3: Final = {"bpm": "TBPM", "key": "TKEY", "mood": "TMOO"}
_VORBIS: Final = {"bpm": "BPM", "key": "INITIALKEY", "mood": "MOOD"}
_MP4: Final = {
    "bpm": "tmpo",
    "key": "----:com.apple.iTunes:initialkey",
    "mood": "----:com.apple.iTunes:MOOD",
}
_ASF: Final = {"bpm": "WM/BeatsPerMinute", "key": "WM/InitialKey", "mood": "WM/Mood"}
_MINOR: Final = " minor"
_ZERO: Final = re.compile(r"[\s0.,]*")
_UTF8: Final = 3  # of an ID3 frame
_ONLY_ID3V1: Final = (1, 1)  # what mutagen calls the version where there is no ID3v2
_ID3V1_BYTES: Final = 128


def read_fields(path: Path) -> dict[str, str]:
    """Read the fields that Segue may write; "" for those a file lacks.

    Where a field has several values, `BETWEEN` stands between them.

    Raises
    ------
    BadArgument
        Its tags cannot be read, or it is of a kind that has none.
    """
    file = _open(path)
    return {field: _read(file, field) for field in FIELDS}


def write_fields(path: Path, fields: dict[str, str]) -> None:
    """Write fields into a file's tags; "" takes one out.

    A copy is changed, brought to the disk, and takes the file's place: after an interruption
    the old or the new file is there, whole. Everything else that the tags say stays as it is,
    but that ID3v2.2, which mutagen cannot write, becomes ID3v2.3.

    Parameters
    ----------
    path : Path
    fields : dict of str to str
        "bpm" a whole number, "key" as "Am" or "C", "mood" a word; several with `BETWEEN`
        between them.

    Raises
    ------
    BadArgument
        The file cannot be changed; it is as it was.
    """
    _open(path)
    try:
        with atomic_output(path) as partial:
            shutil.copy2(path, partial)
            partial.chmod(partial.stat().st_mode | stat.S_IWUSR)  # that of a read-only file
            file = _open(partial)
            for field, value in fields.items():
                _write(file, field, value)
            _save(file)
            with path.open("rb") as before, partial.open("rb+") as after:
                _keep_id3v1(file, before, after)
                os.fsync(after.fileno())
            shutil.copymode(path, partial)
    except BadArgument:
        raise
    except tag_errors() as error:
        raise BadArgument(f"cannot write {path}: {error}") from None


def is_placeholder(field: str, value: str) -> bool:
    """Tell whether a value says nothing: programs write a tempo of 0 for one they do not know."""
    return field == "bpm" and _ZERO.fullmatch(value.replace(SEPARATOR, " ")) is not None


def short_key(key: str) -> str:
    """Write a key as tags have it: "A minor" as "Am", "C major" as "C"."""
    return key.removesuffix(_MINOR) + "m" if key.endswith(_MINOR) else key.removesuffix(" major")


def tag_errors() -> tuple[type[Exception], ...]:
    """Return what mutagen raises at tags that are broken: its own errors, and many others."""
    import mutagen

    return (
        mutagen.MutagenError, ValueError, OSError, LookupError, TypeError, AttributeError,
        ArithmeticError, EOFError, AssertionError, RuntimeError, MemoryError, struct.error,
        zlib.error,
    )  # fmt: skip


def _open(path: Path) -> Any:
    import mutagen

    try:
        file = mutagen.File(path)
        if file is not None and _names(file) is _ID3:
            _load_as_is(file, path)
    except tag_errors() as error:
        raise BadArgument(f"{path}: its tags cannot be read ({error})") from None
    if file is not None and file.tags is None:
        with contextlib.suppress(mutagen.MutagenError, NotImplementedError):
            file.add_tags()
    if file is None or _names(file) is None:
        raise BadArgument(f"{path} is of a kind whose tags Segue does not write")
    return file


def _load_as_is(file: Any, path: Path) -> None:
    """Read ID3 tags again, without making them ID3v2.4, and without those of ID3v1.

    These are read where there is nothing else: players that find ID3v2 pass over ID3v1.
    """
    file.load(path, translate=False, load_v1=file.tags.version == _ONLY_ID3V1)
    if file.tags.version[1] == 2:
        file.tags.update_to_v23()


def _save(file: Any) -> None:
    if _names(file) is _ID3:
        old = file.tags.version[1] in (2, 3)
        file.save(v2_version=3 if old else 4, v23_sep=None)  # None: several values stay several
    else:
        file.save()


def _keep_id3v1(file: Any, before: BinaryIO, after: BinaryIO) -> None:
    """Put back the tag at a file's end, which mutagen writes anew: cut, and without comment."""
    from mutagen.id3 import ID3FileType

    if isinstance(file, ID3FileType):
        before.seek(-_ID3V1_BYTES, os.SEEK_END)
        tag = before.read()
        if tag.startswith(b"TAG"):
            after.seek(-_ID3V1_BYTES, os.SEEK_END)
            after.write(tag)
            after.flush()


def _names(file: Any) -> dict[str, str] | None:
    from mutagen.asf import ASFTags
    from mutagen.id3 import ID3
    from mutagen.mp4 import MP4Tags

    if isinstance(file.tags, ID3):
        return _ID3
    if isinstance(file.tags, MP4Tags):
        return _MP4
    if isinstance(file.tags, ASFTags):
        return _ASF
    return _VORBIS if hasattr(file.tags, "as_dict") else None


def _read(file: Any, field: str) -> str:
    name = (_names(file) or {})[field]
    try:
        found = file.tags[name]
    except KeyError:
        return ""
    values = getattr(found, "text", found)  # an ID3 frame, or a list
    return SEPARATOR.join(
        value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        for value in values
    )


def _write(file: Any, field: str, value: str) -> None:
    from mutagen import id3
    from mutagen.mp4 import MP4FreeForm

    names = _names(file) or {}
    name = names[field]
    values = value.split(SEPARATOR)
    if not value:
        with contextlib.suppress(KeyError):
            del file.tags[name]
    elif names is _ID3:
        file.tags.setall(name, [getattr(id3, name)(encoding=_UTF8, text=values)])
    elif names is _MP4 and field == "bpm":
        file.tags[name] = [round(float(value)) for value in values]
    elif names is _MP4:
        free: Any = MP4FreeForm  # mutagen has no types
        file.tags[name] = [free(value.encode()) for value in values]
    else:
        file.tags[name] = values
