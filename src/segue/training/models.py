"""Trained models and spaces of a library: listed and removed."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from segue.deprecation import RenamedAttributes
from segue.errors import BadArgument, BadCheckpoint, NotFound
from segue.generate.compose.model import MODEL as COMPOSER_MODEL
from segue.generate.lyrics.language_model import MODEL_FILE as LYRICS_MODEL
from segue.generate.melody.model import MODEL_FILE as MELODY_MODEL
from segue.generate.notes.network import MODEL as NOTE_MODEL
from segue.nn.checkpoint import MODEL as SPACE_MODEL
from segue.nn.checkpoint import read_metadata
from segue.records import SpaceInfo
from segue.store import Store
from segue.training import composing, lyrics, melody, notes
from segue.training.listens import SPACE as LISTENS
from segue.training.spaces import SHIPPED, SHIPPED_NAMES, ModelFile, is_interrupted, model_folder


@dataclass(frozen=True, slots=True)
class ModelKind:
    """What a kind of model is for.

    Attributes
    ----------
    kind : str
    file : str
        What it is called on disk.
    shipped : str
        The name of the bundled one; "" for none.
    command : str
        What asks it.
    """

    kind: str
    file: str
    shipped: str
    command: str


MODEL_KINDS: Final = (
    ModelKind("notes", NOTE_MODEL, notes.NAME, "segue explain"),
    ModelKind("composing", COMPOSER_MODEL, SHIPPED, "segue compose"),
    ModelKind("melodies", MELODY_MODEL, melody.NAME, "segue melody"),
    ModelKind("lyrics", LYRICS_MODEL, lyrics.BASE, "segue lyrics write"),
)

#: What finds a model by its name, where one is named.
FINDERS: Final[dict[str, Callable[[Store, str], ModelFile]]] = {
    "notes": notes.find,
    "composing": composing.find,
    "melodies": melody.find,
}


@dataclass(frozen=True, slots=True)
class ModelInfo(RenamedAttributes):
    """A model, or a space, that was learned or comes with Segue.

    Attributes
    ----------
    name : str
    kind : str
        Of `PURPOSES`, or "space of sound", "space of score"; "" where no model is there.
    own : bool
        It was learned from this library.
    used_by : str
        The command that asks it, with the option that names it.
    note : str
        What is unusual about it: interrupted, damaged, in the way of one that comes with Segue.
    learned_at : datetime, optional
        When it was last written.
    size_bytes : int
        Of all its files.
    """

    _renamed: ClassVar[dict[str, str]] = {"own": "from_library"}

    name: str
    kind: str
    from_library: bool
    used_by: str
    note: str = ""
    learned_at: datetime | None = None
    size_bytes: int = 0


def models(store: Store) -> list[ModelInfo]:
    """List what comes with Segue and is no space, then all that was learned in this library."""
    found = [
        ModelInfo(purpose.shipped, purpose.kind, from_library=False, used_by=purpose.command)
        for purpose in MODEL_KINDS
    ]
    spaces = {info.space.name: info for info in store.spaces.known() if info.trained}
    folder = store.folder / "models"
    folders = {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}
    names = sorted({*spaces, *folders})
    return found + [_own(name, folders.get(name), spaces.get(name)) for name in names]


def remove(store: Store, name: str) -> ModelInfo:
    """Take out a model or a space that was learned in this library.

    Parameters
    ----------
    store : Store
        Database of the library.
    name : str

    Returns
    -------
    ModelInfo
        What was taken out.

    Raises
    ------
    NotFound
        Nothing of that name was learned here; what comes with Segue stays.
    BadArgument
        The folder cannot be removed.
    """
    own = {info.name: info for info in models(store) if info.from_library}
    if name not in own:
        there = f"there are: {', '.join(own)}" if own else "there are none yet"
        shipped = name in SHIPPED_NAMES or any(i.space.name == name for i in store.spaces.known())
        what = "comes with Segue and stays" if shipped else "was not learned in this library"
        raise NotFound(f"{name!r} {what}; only models of this library can be removed: {there}")
    folder = model_folder(store, name)
    with store.writing():
        with store.transaction():
            store.spaces.remove_trained(name)
        try:
            if folder.is_symlink() or folder.is_file():
                folder.unlink()
            elif folder.exists():
                shutil.rmtree(folder)
        except OSError as error:
            raise BadArgument(f"{folder} cannot be removed: {error.strerror}") from None
    return own[name]


def _own(name: str, folder: Path | None, space: SpaceInfo | None) -> ModelInfo:
    files = list(folder.iterdir()) if folder is not None and folder.is_dir() else []
    names = {file.name: file for file in files}
    purpose = next((one for one in MODEL_KINDS if one.file in names), None)
    model = names.get(purpose.file if purpose else SPACE_MODEL)
    if purpose:
        kind, used_by = purpose.kind, f"{purpose.command} --model {name}"
        if purpose.kind == "lyrics":
            used_by = _written_by(model, name)
    elif space:
        kind, used_by = f"space of {space.space.kind}", f"segue like --space {name}"
    else:
        kind = used_by = ""
    at = model.stat().st_mtime if model else None
    return ModelInfo(
        name,
        kind,
        from_library=True,
        used_by=used_by,
        note=_note(name, folder, model, purpose, space),
        learned_at=datetime.fromtimestamp(at, UTC) if at is not None else None,
        size_bytes=sum(file.stat().st_size for file in files if file.is_file()),
    )


def _written_by(model: Path | None, name: str) -> str:
    about = _told(model)
    artist = (about or {}).get("told", {}).get("artist", "")
    return (
        f'segue lyrics write --artist "{artist}"'
        if artist
        else f"segue lyrics write --model {name}"
    )


def _note(
    name: str,
    folder: Path | None,
    model: Path | None,
    purpose: ModelKind | None,
    space: SpaceInfo | None,
) -> str:
    """Say what is unusual about something learned."""
    removed = f"segue models remove {name}"
    if model is None:
        return _without_model(folder, space) or f"no model in it; {removed}"
    said = ""
    if _told(model) is None:
        said = f"damaged; {removed}"
    elif purpose is None and space is None:
        said = f"no track is placed in it; train it again, or {removed}"
    elif folder is not None and is_interrupted(folder, model.name):
        said = "a newer run was interrupted; the same command with --resume goes on"
    elif purpose and name == purpose.shipped:
        said = "answers in place of the one that comes with Segue, which is --model shipped"
    return said


def _without_model(folder: Path | None, space: SpaceInfo | None) -> str:
    if folder is not None and folder.is_dir() and is_interrupted(folder, SPACE_MODEL):
        return "interrupted before anything was learned; the same command with --resume goes on"
    if space and space.space.name == LISTENS:
        return "learned from listens; `segue listens import` learns it anew"
    if space:
        return f"its model is gone: new tracks get no place; segue models remove {space.space.name}"
    return ""


def _told(model: Path | None) -> Mapping[str, Any] | None:
    """Return what a checkpoint tells of itself; None where it is damaged."""
    try:
        return read_metadata(model) if model else None
    except BadCheckpoint:
        return None
