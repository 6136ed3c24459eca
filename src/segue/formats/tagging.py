"""Writes tempo, key and mood into a file's tags; the sound stays as it is."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any, Final

from segue.errors import BadArgument

FIELDS: Final = ("bpm", "key", "mood")
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
_UTF8: Final = 3  # of an ID3 frame


def read_fields(path: Path) -> dict[str, str]:
    """Read the fields that Segue may write; "" for those a file lacks.

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
    the old or the new file is there, whole.

    Parameters
    ----------
    path : Path
    fields : dict of str to str
        "bpm" a whole number, "key" as "Am" or "C", "mood" a word.

    Raises
    ------
    BadArgument
        The file cannot be changed; it is as it was.
    """
    _open(path)
    target = path.resolve()  # a link stays a link
    partial = target.with_name(f".{target.stem}.segue-partial{target.suffix}")
    try:
        shutil.copy2(target, partial)
        file = _open(partial)
        for field, value in fields.items():
            _write(file, field, value)
        file.save()
        with partial.open("rb+") as changed:
            os.fsync(changed.fileno())
        partial.replace(target)
    except OSError as error:
        raise BadArgument(f"{path} cannot be changed: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def short_key(key: str) -> str:
    """Write a key as tags have it: "A minor" as "Am", "C major" as "C"."""
    return key.removesuffix(_MINOR) + "m" if key.endswith(_MINOR) else key.removesuffix(" major")


def _open(path: Path) -> Any:
    import mutagen

    try:
        file = mutagen.File(path)
    except (mutagen.MutagenError, ValueError, OSError) as error:
        raise BadArgument(f"{path}: its tags cannot be read ({error})") from None
    if file is None or not hasattr(file, "add_tags"):
        raise BadArgument(f"{path} is of a kind whose tags Segue does not write")
    if file.tags is None:
        file.add_tags()
    if _names(file) is None:
        raise BadArgument(f"{path} is of a kind whose tags Segue does not write")
    return file


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
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(first, bytes):
        return first.decode("utf-8", "replace")
    return str(first)


def _write(file: Any, field: str, value: str) -> None:
    from mutagen import id3
    from mutagen.mp4 import MP4FreeForm

    names = _names(file) or {}
    name = names[field]
    if not value:
        with contextlib.suppress(KeyError):
            del file.tags[name]
    elif names is _ID3:
        file.tags.setall(name, [getattr(id3, name)(encoding=_UTF8, text=[value])])
    elif names is _MP4 and field == "bpm":
        file.tags[name] = [round(float(value))]
    elif names is _MP4:
        free: Any = MP4FreeForm  # mutagen has no types
        file.tags[name] = [free(value.encode())]
    else:
        file.tags[name] = [value]
