"""Training of spaces and models from a library, and what they encode."""

import os
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from segue.deprecation import renamed_arguments
from segue.search.query import find_track
from segue.search.track_checks import non_music_ids
from segue.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from segue.explore.comparison import Comparison, Reconstruction
    from segue.generate.melody.model import MelodyModel
    from segue.generate.notes.network import NoteModel
    from segue.nn.trainer import ProgressCallback as TrainingWatcher
    from segue.render.plots import Filter
    from segue.training.kinds import Training
    from segue.training.models import ModelInfo
    from segue.training.spaces import TrainingResult, Watcher


class Learning:
    """Spaces learned from a library; `segue.Library.learning`.

    Parameters
    ----------
    store : Store
        Database of the library.
    copies : callable, optional
        Lists the tracks that are copies of others, which name no filter a second time.
    """

    def __init__(self, store: Store, copies: Callable[[], Collection[int]] = tuple) -> None:
        self._store = store
        self._copies = copies

    @renamed_arguments(anew="restart")
    def train(
        self,
        name: str,
        training: "Training",
        *,
        resume: bool = False,
        restart: bool = False,
        workers: int | None = None,
        watch: "Watcher | None" = None,
        watch_training: "TrainingWatcher | None" = None,
    ) -> "TrainingResult":
        """Learn from the recordings, or the scores, of this library.

        Parameters
        ----------
        name : str
            Of the space, which is then asked as ``like(…, space=…)`` and holds every track; or of
            the model, which `note_model` and `melody_model` give back.
        training : SoundTraining, ScoreTraining, NoteTraining, MelodyTraining or ComposerTraining
            Its kind says what is learned: a space of recordings or of scores, what note follows
            what, melodies to chords, composing. It holds what shall be otherwise than usual.
        resume : bool
            Go on with a run that was interrupted.
        restart : bool
            Restart, even if an interrupted run could be resumed.
        workers : int, optional
            Decoding processes; else one per core.
        watch, watch_training : callable, optional
            Told of the files that are read, and of the training steps.
        """
        from segue.training.kinds import train  # brings in torch

        return train(
            self._store,
            name,
            training,
            resume=resume,
            restart=restart,
            workers=workers or os.cpu_count() or 1,
            watch=watch,
            watch_training=watch_training,
        )

    def note_model(self, name: str = "note-lstm") -> "NoteModel":
        """Load a model of notes of this library, else the bundled one."""
        from segue.training.notes import load  # brings in torch

        return load(self._store, name)

    def melody_model(self, name: str = "melody") -> "MelodyModel":
        """Load a model that writes melodies of this library, else the bundled one."""
        from segue.training.melody import load  # brings in torch

        return load(self._store, name)

    def source(self, kind: str, name: str) -> str:
        """Say whose model answers to a name: this library's, or the bundled one.

        Parameters
        ----------
        kind : {"notes", "composing", "melodies"}
        name : str

        Raises
        ------
        NotFound
            There is no model of that name.
        """
        from segue.training.models import FINDERS  # brings in torch

        return FINDERS[kind](self._store, name).source

    def models(self) -> "list[ModelInfo]":
        """List models that come with Segue, and the models and spaces learned in this library."""
        from segue.training.models import models  # brings in torch

        return models(self._store)

    def remove(self, name: str) -> "ModelInfo":
        """Take out a model or a space learned in this library, and say what it was.

        Raises
        ------
        NotFound
            Nothing of that name was learned here.
        """
        from segue.training.models import remove  # brings in torch

        return remove(self._store, name)

    def compare(
        self, first: "str | int | Path", second: "str | int | Path", n: int = 5
    ) -> "Comparison":
        """Tell what makes two tracks of one kind alike, and what sets them apart.

        Parameters
        ----------
        first, second : str, int or Path
            Of this library.
        n : int
            How many pairs of bars, of scores.
        """
        from segue.explore.comparison import compare

        one, other = (find_track(self._store, query) for query in (first, second))
        return compare(self._store, one, other, n)

    def reconstruct(self, query: "str | int | Path", space: str) -> "Reconstruction":
        """Encode a recording and decode it again with a learned space's network."""
        from segue.explore.comparison import reconstruct

        return reconstruct(self._store, space, find_track(self._store, query))

    def filters(self, space: str, *, tracks: int = 3) -> "list[Filter]":
        """Return the first filters of a learned space, each with the tracks it answers to."""
        from segue.explore.comparison import first_layer_filters

        left_out = {*self._copies(), *non_music_ids(self._store)}
        recordings = [track for track in self._store.tracks() if track.id not in left_out]
        return first_layer_filters(self._store, space, recordings, tracks)
