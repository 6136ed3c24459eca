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
#: Separator of several values of one field, as in ID3.
SEPARATOR: Final = "\0"
#: Names of the fields by tag format. MP4 names with dashes are free-form atoms.
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
_UTF8: Final = 3  # encoding of an ID3 frame
_ONLY_ID3V1: Final = (1, 1)  # mutagen's version of tags without ID3v2
_ID3V1_BYTES: Final = 128


def read_fields(path: Path) -> dict[str, str]:
    """Read the fields in `FIELDS` from the tags of a file; "" for missing ones.

    Several values of a field are joined by `SEPARATOR`.

    Raises
    ------
    BadArgument
        The tags cannot be read, or the format has none.
    """
    file = _open(path)
    return {field: _read(file, field) for field in FIELDS}


def write_fields(path: Path, fields: dict[str, str]) -> None:
    """Write fields into the tags of a file; "" removes a field.

    The file is replaced atomically by a changed copy. All other tags are preserved, but ID3v2.2,
    which mutagen cannot write, becomes ID3v2.3.

    Parameters
    ----------
    path : Path
    fields : dict of str to str
        "bpm" as an integer, "key" as "Am" or "C", "mood" as a word; several values are joined by
        `SEPARATOR`.

    Raises
    ------
    BadArgument
        The file cannot be changed.
    """
    _open(path)
    try:
        with atomic_output(path) as partial:
            shutil.copy2(path, partial)
            partial.chmod(partial.stat().st_mode | stat.S_IWUSR)  # a copy of a read-only file
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
    """Return whether a value is a placeholder: some programs write 0 for an unknown tempo."""
    return field == "bpm" and _ZERO.fullmatch(value.replace(SEPARATOR, " ")) is not None


def short_key(key: str) -> str:
    """Return a key in the notation of tags: "A minor" as "Am", "C major" as "C"."""
    return key.removesuffix(_MINOR) + "m" if key.endswith(_MINOR) else key.removesuffix(" major")


def tag_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that mutagen raises at damaged tags, many of which are not its own."""
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
    """Reload ID3 tags without conversion to ID3v2.4, and without ID3v1 if there is ID3v2.

    Players ignore ID3v1 tags where there are ID3v2 tags.
    """
    file.load(path, translate=False, load_v1=file.tags.version == _ONLY_ID3V1)
    if file.tags.version[1] == 2:
        file.tags.update_to_v23()


def _save(file: Any) -> None:
    if _names(file) is _ID3:
        is_old = file.tags.version[1] in (2, 3)
        file.save(v2_version=3 if is_old else 4, v23_sep=None)  # None: do not join values
    else:
        file.save()


def _keep_id3v1(file: Any, before: BinaryIO, after: BinaryIO) -> None:
    """Restore the ID3v1 tag, which mutagen rewrites truncated and without comment."""
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
        value = file.tags[name]
    except KeyError:
        return ""
    values = getattr(value, "text", value)  # an ID3 frame or a list
    return SEPARATOR.join(
        item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in values
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
        free_form: Any = MP4FreeForm  # mutagen has no types
        file.tags[name] = [free_form(value.encode()) for value in values]
    else:
        file.tags[name] = values
