"""Trained spaces and models of a library: names, folders, interrupted runs, results."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from segue.errors import BadArgument, NotFound
from segue.nn.checkpoint import MODEL
from segue.nn.trainer import BEST, STATE, FitResult
from segue.records import Failure
from segue.search.ranking import METADATA
from segue.store import Store
from segue.training.listens import SPACE as LISTENS

#: Told what is done, how much of it, and of how much.
Watcher = Callable[[str, int, int], None]

CURVE: Final = "loss.png"
#: Files of a run, whatever it learns.
_OF_RUNS: Final = (STATE, BEST)
#: Names that `--blend` knows already.
RESERVED: Final = (LISTENS, METADATA)
#: What the model that comes with Segue is called, whatever it does.
SHIPPED: Final = "shipped"
#: Names of models that come with Segue, and what `--from` calls a beginning without one; a
#: library's own models are called otherwise.
SHIPPED_NAMES: Final = (SHIPPED, "note-lstm", "melody", "composer", "base", "scratch")


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The result of training.

    Attributes
    ----------
    space : str
    trained : Trained
    tracks : int
        That have a vector in the space now.
    failures : tuple of Failure
        Files that could not be read.
    left_out : int
        Tracks that found no room in the cache.
    folder : Path
        Of the model.
    remark : str
        What else is to be known of the model, in a line; "" for nothing.
    """

    space: str
    trained: FitResult
    tracks: int
    failures: tuple[Failure, ...]
    left_out: int
    folder: Path
    remark: str = ""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model that is no space, by the name that was asked for.

    Attributes
    ----------
    name : str
    path : Path
    own : bool
        It was learned from this library; else it comes with Segue.
    """

    name: str
    path: Path
    from_library: bool

    @property
    def source(self) -> str:
        """Say in a few words whose model it is."""
        if self.from_library:
            return f"the model {self.name!r}, learned from this library"
        return "the model that comes with Segue"


def model_folder(store: Store, space: str) -> Path:
    """Name the folder of a space's model, inside the library."""
    if not space or os.sep in space or space.startswith("."):
        raise BadArgument(f"{space!r} cannot name a space; use letters, digits, '-' and '_'")
    return store.folder / "models" / space


def check_run(store: Store, space: str, *, resume: bool, restart: bool, model: str = MODEL) -> Path:
    """Refuse a name that cannot be, and a run that would throw away another.

    Parameters
    ----------
    store : Store
        Database of the library.
    space : str
    resume, anew : bool
    model : str
        The file that is there once the run is done.

    Returns
    -------
    Path
        The folder of the model.

    Raises
    ------
    BadArgument
    """
    store.spaces.check_trained_name(space)
    if space in RESERVED:
        raise BadArgument(f"{space!r} is a part of blends already; choose another name")
    if space in SHIPPED_NAMES:
        raise BadArgument(
            f"{space!r} is the name of a model that comes with Segue; choose another name"
        )
    folder = model_folder(store, space)
    others = [file for file in folder.glob("*.safetensors") if file.name not in {model, *_OF_RUNS}]
    if others:
        raise BadArgument(
            f"the name {space!r} is taken by a model of another kind ({others[0].stem}); choose "
            f"another name, or take that one out with `segue models remove {space}`"
        )
    if is_interrupted(folder, model) and not resume:
        if not restart:
            raise BadArgument(
                f"training of the space {space!r} was interrupted: go on with --resume, or start "
                "over with --restart"
            )
        (folder / STATE).unlink()  # a space in use stays until the new one is done
    return folder


def is_interrupted(folder: Path, model: str) -> bool:
    """Tell whether a run in a folder stopped before it wrote its model, the file of that name."""
    state = folder / STATE
    return state.exists() and not _is_newer(folder / model, state)


def check_model_run(store: Store, name: str, model: str, *, resume: bool, restart: bool) -> Path:
    """Do as `check_start` does, for a model that is no space.

    Raises
    ------
    BadArgument
        There is a space of that name, or as of `check_start`.
    """
    if any(info.space.name == name for info in store.spaces.known()):
        raise BadArgument(f"there is a space {name!r}; choose another name for the model")
    return check_run(store, name, resume=resume, restart=restart, model=model)


def model_names(store: Store, model: str) -> list[str]:
    """List the library's own models of a kind, by the name of their file."""
    return sorted(path.parent.name for path in (store.folder / "models").glob(f"*/{model}"))


def find_model_file(
    store: Store, name: str, shipped: tuple[str, Path], does: str, command: str
) -> ModelFile:
    """Find a model that is no space: the library's own of that name, or what comes with Segue.

    Parameters
    ----------
    store : Store
        Database of the library.
    name : str
        "shipped" is always what comes with Segue, also where a library of an older version holds
        a model of its own under the other name.
    shipped : tuple of str and Path
        The name and the file of what comes with Segue; the library's own are called as it is.
    does, command : str
        What such models do and what learns one, for those who ask for one that is not there.

    Raises
    ------
    NotFound
    """
    if name == SHIPPED:
        return ModelFile(name, shipped[1], from_library=False)
    own = model_folder(store, name) / shipped[1].name
    if own.exists():
        return ModelFile(name, own, from_library=True)
    if name == shipped[0]:
        return ModelFile(name, shipped[1], from_library=False)
    there = ", ".join(sorted({shipped[0], *model_names(store, shipped[1].name)}))
    raise NotFound(
        f"there is no model {name!r} {does}; there are: {there}. Learn one from your library with "
        f"`{command}`"
    )


def _is_newer(file: Path, other: Path) -> bool:
    return file.exists() and file.stat().st_mtime_ns >= other.stat().st_mtime_ns
