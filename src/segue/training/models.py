"""Trained models and spaces of a library: their names and files, listing and removal.

Each has a folder ``models/NAME`` in the library, which holds the model, its loss curve and the
state of an interrupted run.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, TypeVar

from segue.deprecation import RenamedAttributes
from segue.errors import BadArgument, BadCheckpoint, NotFound
from segue.generate.compose import model as composing
from segue.generate.lyrics import language_model as lyrics
from segue.generate.lyrics.adapter import load_style_model
from segue.generate.melody import model as melodies
from segue.generate.notes import network as notes
from segue.nn.checkpoint import MODEL as SPACE_FILE
from segue.nn.checkpoint import read_metadata
from segue.nn.trainer import BEST, STATE
from segue.records import SpaceInfo
from segue.search.ranking import METADATA
from segue.store import Store
from segue.training.listens import SPACE as LISTENS

#: Name of every pretrained model that comes with Segue, whatever its kind.
BUNDLED: Final = "shipped"
#: Names that users cannot give to models: those of bundled models, "scratch" for none of them to
#: start from, and those of the parts of a blend.
BUNDLED_NAMES: Final = (
    BUNDLED, "note-lstm", "melody", "composer", "base", "scratch",
    *(f"base-{language}" for language in lyrics.VERSE_STYLES),
)  # fmt: skip
BLEND_NAMES: Final = (LISTENS, METADATA)

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class ModelKind(Generic[M]):
    """A kind of generative model.

    Attributes
    ----------
    name : str
        Name of the kind.
    file : str
        File name of a model.
    load : callable
        Loads a model from its file.
    purpose : str
        What such a model is, for error messages: "of notes".
    train_command, use_command : str
        Commands that train and use one.
    bundled_name : str
        Name of the bundled model.
    bundled : Path
        Its file.
    more : mapping of str to Path
        Further bundled models by name.
    """

    name: str
    file: str
    load: Callable[[Path], M]
    purpose: str
    train_command: str
    use_command: str
    bundled_name: str
    bundled: Path
    more: Mapping[str, Path] = field(default_factory=dict)


NOTES: Final = ModelKind(
    "notes",
    notes.MODEL,
    notes.NoteModel.load,
    "of notes",
    "segue train score --preset note-lstm",
    "segue explain",
    "note-lstm",
    notes.PRETRAINED,
)
COMPOSING: Final = ModelKind(
    "composing",
    composing.MODEL,
    composing.Composer.load,
    "that composes",
    "segue train score --preset transformer",
    "segue compose",
    BUNDLED,
    composing.PRETRAINED,
)
MELODIES: Final = ModelKind(
    "melodies",
    melodies.MODEL_FILE,
    melodies.MelodyModel.load,
    "of melodies",
    "segue train score --preset melody",
    "segue melody",
    "melody",
    melodies.PRETRAINED,
)
LYRICS: Final = ModelKind(
    "lyrics",
    lyrics.MODEL_FILE,
    load_style_model,
    "that writes lyrics",
    "segue train lyrics",
    "segue lyrics write",
    "base",
    lyrics.PRETRAINED,
    {
        f"base-{language}": lyrics.PRETRAINED if language == "en" else lyrics.LANGUAGES_BASE
        for language in lyrics.VERSE_STYLES
    },
)
MODEL_KINDS: Final = {kind.name: kind for kind in (NOTES, COMPOSING, MELODIES, LYRICS)}


@dataclass(frozen=True, slots=True)
class ModelFile:
    """The file of a generative model.

    Attributes
    ----------
    name : str
        Name by which it was requested.
    path : Path
    from_library : bool
        Whether it was trained on this library; else it comes with Segue.
    """

    name: str
    path: Path
    from_library: bool

    @property
    def source(self) -> str:
        """Description of whose model it is."""
        if self.from_library:
            return f"the model {self.name!r}, trained on this library"
        return "the model that comes with Segue"


def model_folder(store: Store, name: str) -> Path:
    """Return the folder of a model or space in the library.

    Raises
    ------
    BadArgument
        It cannot be a name.
    """
    if not name or os.sep in name or name.startswith("."):
        raise BadArgument(f"{name!r} cannot name a space; use letters, digits, '-' and '_'")
    return store.folder / "models" / name


def model_names(store: Store, kind: ModelKind[Any]) -> list[str]:
    """List the models of a kind that were trained on the library."""
    return sorted(path.parent.name for path in (store.folder / "models").glob(f"*/{kind.file}"))


def find_model(store: Store, kind: ModelKind[Any], name: str) -> ModelFile:
    """Find a model of the library, or the bundled one.

    Parameters
    ----------
    store : Store
        Database of the library.
    kind : ModelKind
    name : str
        `BUNDLED` is always the bundled model. Its other name, `kind.bundled_name`, means a model
        of the library if there is one, as version 0.1 allowed.

    Raises
    ------
    NotFound
        There is no such model.
    """
    if name == BUNDLED:
        return ModelFile(name, kind.bundled, from_library=False)
    path = model_folder(store, name) / kind.file
    if path.exists():
        return ModelFile(name, path, from_library=True)
    if name == kind.bundled_name:
        return ModelFile(name, kind.bundled, from_library=False)
    if name in kind.more:
        return ModelFile(name, kind.more[name], from_library=False)
    existing = ", ".join(sorted({kind.bundled_name, *kind.more, *model_names(store, kind)}))
    raise NotFound(
        f"there is no model {name!r} {kind.purpose}; there are: {existing}. Train one on your "
        f"library with `{kind.train_command}`"
    )


def load_model(store: Store, kind: ModelKind[M], name: str) -> M:
    """Load the model that `find_model` finds.

    Raises
    ------
    NotFound
        There is no such model.
    BadCheckpoint
        The file is damaged, or of another version.
    """
    return kind.load(find_model(store, kind, name).path)


def existing_spaces(store: Store, medium: str = "") -> str:
    """Return a sentence that lists the trained spaces, of a medium or all, for error messages."""
    names = [
        info.space.name
        for info in store.spaces.known()
        if info.trained and medium in ("", info.space.kind)
    ]
    return f"there are: {', '.join(names)}" if names else "there are none yet"


def check_run(
    store: Store, name: str, file: str = SPACE_FILE, *, resume: bool, restart: bool
) -> Path:
    """Check the name of a model or space, and that training loses no interrupted run.

    Parameters
    ----------
    store : Store
        Database of the library.
    name : str
    file : str
        File name of the model when the run is complete; by default that of a space.
    resume : bool
        Whether an interrupted run is to be resumed.
    restart : bool
        Whether the state of an interrupted run is to be deleted.

    Returns
    -------
    Path
        Folder of the model.

    Raises
    ------
    BadArgument
        The name is taken or impossible, or there is an interrupted run and neither `resume` nor
        `restart`.
    """
    if file != SPACE_FILE and any(info.space.name == name for info in store.spaces.known()):
        raise BadArgument(f"there is a space {name!r}; choose another name for the model")
    store.spaces.check_trained_name(name)
    if name in BLEND_NAMES:
        raise BadArgument(f"{name!r} is a part of blends already; choose another name")
    if name in BUNDLED_NAMES:
        raise BadArgument(
            f"{name!r} is the name of a model that comes with Segue; choose another name"
        )
    folder = model_folder(store, name)
    others = [path for path in folder.glob("*.safetensors") if path.name not in {file, STATE, BEST}]
    if others:
        raise BadArgument(
            f"the name {name!r} is taken by a model of another kind ({others[0].stem}); choose "
            f"another name, or remove that model with `segue models remove {name}`"
        )
    if is_interrupted(folder, file) and not resume:
        if not restart:
            raise BadArgument(
                f"training of the space {name!r} was interrupted: go on with --resume, or start "
                "over with --restart"
            )
        (folder / STATE).unlink()  # an existing model stays until the new one is complete
    return folder


def is_interrupted(folder: Path, file: str) -> bool:
    """Return whether a run stopped before it wrote its model, the file of that name."""
    state, model = folder / STATE, folder / file
    if not state.exists():
        return False
    return not model.exists() or model.stat().st_mtime_ns < state.stat().st_mtime_ns


@dataclass(frozen=True, slots=True)
class ModelInfo(RenamedAttributes):
    """A model, or a space, that was trained on the library or comes with Segue.

    Attributes
    ----------
    name : str
    kind : str
        A key of `MODEL_KINDS`, "space of sound" or "space of score"; "" if there is no model.
    from_library : bool
        Whether it was trained on this library.
    used_by : str
        Command that uses it, with the option that names it.
    note : str
        Anything unusual: an interrupted run, a damaged file, a bundled model that it hides.
    learned_at : datetime, optional
        When it was last written.
    size_bytes : int
        Size of all its files.
    """

    _renamed: ClassVar[dict[str, str]] = {"own": "from_library"}

    name: str
    kind: str
    from_library: bool
    used_by: str
    note: str = ""
    learned_at: datetime | None = None
    size_bytes: int = 0


def list_models(store: Store) -> list[ModelInfo]:
    """List the bundled models, then the models and spaces that were trained on the library."""
    bundled = [
        ModelInfo(kind.bundled_name, kind.name, from_library=False, used_by=kind.use_command)
        for kind in MODEL_KINDS.values()
    ] + [
        ModelInfo(
            name, kind.name, from_library=False, used_by=kind.train_command + f" --from {name}"
        )
        for kind in MODEL_KINDS.values()
        for name in kind.more
    ]
    spaces = {info.space.name: info for info in store.spaces.known() if info.trained}
    folder = store.folder / "models"
    folders = {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}
    names = sorted({*spaces, *folders})
    return bundled + [_trained_model(name, folders.get(name), spaces.get(name)) for name in names]


def remove_model(store: Store, name: str) -> ModelInfo:
    """Remove a model or space that was trained on the library, and return what it was.

    Raises
    ------
    NotFound
        There is none of that name; bundled ones stay.
    BadArgument
        The folder cannot be removed.
    """
    trained = {info.name: info for info in list_models(store) if info.from_library}
    if name not in trained:
        existing = f"there are: {', '.join(trained)}" if trained else "there are none yet"
        is_bundled = name in BUNDLED_NAMES or any(
            info.space.name == name for info in store.spaces.known()
        )
        reason = "comes with Segue and stays" if is_bundled else "was not trained on this library"
        raise NotFound(f"{name!r} {reason}; only models of this library can be removed: {existing}")
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
    return trained[name]


def _trained_model(name: str, folder: Path | None, space: SpaceInfo | None) -> ModelInfo:
    paths = list(folder.iterdir()) if folder is not None and folder.is_dir() else []
    files = {path.name: path for path in paths}
    kind = next((kind for kind in MODEL_KINDS.values() if kind.file in files), None)
    model = files.get(kind.file if kind else SPACE_FILE)
    kind_name = used_by = ""
    if kind:
        kind_name, used_by = kind.name, f"{kind.use_command} --model {name}"
        artist = (_metadata(model) or {}).get("told", {}).get("artist", "")
        if kind is LYRICS and artist:
            used_by = f'{kind.use_command} --artist "{artist}"'
    elif space:
        kind_name, used_by = f"space of {space.space.kind}", f"segue like --space {name}"
    return ModelInfo(
        name,
        kind_name,
        from_library=True,
        used_by=used_by,
        note=_note(name, folder, model, kind, space),
        learned_at=datetime.fromtimestamp(model.stat().st_mtime, UTC) if model else None,
        size_bytes=sum(path.stat().st_size for path in paths if path.is_file()),
    )


def _note(
    name: str,
    folder: Path | None,
    model: Path | None,
    kind: ModelKind[Any] | None,
    space: SpaceInfo | None,
) -> str:
    """Return what is unusual about a trained model."""
    remove = f"segue models remove {name}"
    if model is None:
        return _note_without_model(folder, space) or f"no model in it; {remove}"
    note = ""
    if _metadata(model) is None:
        note = f"damaged; {remove}"
    elif kind is None and space is None:
        note = f"no track is placed in it; train it again, or {remove}"
    elif folder is not None and is_interrupted(folder, model.name):
        note = "a newer run was interrupted; the same command with --resume goes on"
    elif kind and name == kind.bundled_name:
        note = "answers in place of the one that comes with Segue, which is --model shipped"
    return note


def _note_without_model(folder: Path | None, space: SpaceInfo | None) -> str:
    if folder is not None and folder.is_dir() and is_interrupted(folder, SPACE_FILE):
        return "interrupted before anything was learned; the same command with --resume goes on"
    if space and space.space.name == LISTENS:
        return "learned from listens; `segue listens import` learns it anew"
    if space:
        return f"its model is gone: new tracks get no place; segue models remove {space.space.name}"
    return ""


def _metadata(model: Path | None) -> Mapping[str, Any] | None:
    """Return the metadata of a checkpoint; None if it is damaged."""
    try:
        return read_metadata(model) if model else None
    except BadCheckpoint:
        return None
