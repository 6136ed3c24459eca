"""Directions of aspects in spaces without named dimensions: weights/directions.safetensors.

    python -m recipes.directions --data ../shared/data [--keep FOLDER]

Fitted on libraries of the free recordings, of scores and of verse, which are made in a folder; with
`--keep`, they are there again the next time.
"""

import argparse
import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import save

from segue.audio.embedding import load_head
from segue.builtin_spaces import WEIGHTS, builtin_spaces
from segue.library import Library
from segue.records import FloatArray, Medium
from segue.search.reasons import AspectLevels, Directions, aspect_levels, fit_directions
from segue.store import Store

SPACES: Final[dict[Medium, tuple[str, ...]]] = {
    "sound": ("sound", "musicnn", "features", "tags"),
    "score": ("score-features", "roll-vae"),
    "lyrics": ("style", "lyrics"),
}


#: Spaces whose dimensions have no meaning by themselves.
FITTED_SPACES: Final = ("sound", "musicnn", "roll-vae", "lyrics")


POEM_LINES = 40


AUTHORS = ("burns", "dickinson", "gilbert", "kipling", "longfellow", "moore", "paterson", "whitman")


def fit(libraries: dict[Medium, Library]) -> dict[str, Directions]:
    """Fit the directions of each space of `FITTED_SPACES`."""
    return {
        space: fit_directions(*examples_of(lib, kind, space)[:2])
        for kind, lib in libraries.items()
        for space in SPACES[kind]
        if space in FITTED_SPACES
    }


def examples_of(
    lib: Library, kind: Medium, space: str
) -> tuple[FloatArray, AspectLevels, list[str]]:
    """Return unit vectors of tracks, levels of their aspects, and albums, folders or authors."""
    ids, vectors = lib.vectors(space)
    store = Store(lib.folder, [*builtin_spaces().values()])
    known, levels = aspect_levels(store, kind, ids)
    store.close()
    vectors = vectors[np.searchsorted(ids, known)]
    if space == "sound":
        vectors = vectors[:, : load_head().pooled_map.shape[1]]
    tracks = [lib.find(int(track))[0] for track in known]
    albums = [
        str(t.path.parent) if kind == "sound" else t.tags.artist or t.path.name[:4] for t in tracks
    ]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), levels, albums


def levels_of(lib: Library, kind: Medium, ids: np.ndarray) -> tuple[np.ndarray, AspectLevels]:
    """Return track ids and the levels of their aspects."""
    spaces = builtin_spaces()
    store = Store(lib.folder, spaces.values())
    try:
        return aspect_levels(store, kind, ids)
    finally:
        store.close()


def library_of(kind: Medium, data: Path, folder: Path) -> Library:
    """Open a library of a medium, and fill it if it is empty."""
    lib = Library.open(folder / "library")
    if not lib.tracks():
        music = data / "audio" if kind == "sound" else folder / "music"
        music.mkdir(parents=True, exist_ok=True)
        if kind == "score":
            for file in sorted((data / "scores" / "multitrack").iterdir()):
                (music / file.name).write_bytes(file.read_bytes())
            for archive, every in (("folk_tunes.zip", 10), ("pop909.zip", 8)):
                _unpack(data / "scores" / archive, music, every)
        elif kind == "lyrics":
            for author in AUTHORS:
                _poems(data / "lyrics" / f"{author}.txt", music / author)
        lib.add([music], workers=1)
    return lib


def _unpack(archive: Path, music: Path, every: int) -> None:
    with zipfile.ZipFile(archive) as file:
        names = [name for name in sorted(file.namelist()) if name.endswith(".mid")]
        for number, name in enumerate(names[::every]):
            (music / f"{archive.stem} {number}.mid").write_bytes(file.read(name))


def _poems(file: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = file.read_text(encoding="utf-8").splitlines()
    for start in range(0, min(len(lines), 60 * POEM_LINES), POEM_LINES):
        text = "\n".join(lines[start : start + POEM_LINES])
        (folder / f"{file.stem} - {start}.txt").write_text(text, encoding="utf-8")


def directions_to_bytes(directions: Mapping[str, Directions]) -> bytes:
    """Serialise directions by space as safetensors, with their names in the metadata."""
    rows = {space: np.ascontiguousarray(d.rows, np.float16) for space, d in directions.items()}
    return save(rows, {space: json.dumps(d.names) for space, d in directions.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        libraries = {kind: library_of(kind, options.data, folder / kind) for kind in SPACES}
        (WEIGHTS / "directions.safetensors").write_bytes(directions_to_bytes(fit(libraries)))


if __name__ == "__main__":
    main()
