"""Training of spaces and models on a library, and what they encode."""

import os
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from segue.deprecation import renamed_arguments
from segue.search.filters import non_music_ids
from segue.search.query import find_track
from segue.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from segue.explore.comparison import Comparison, Reconstruction
    from segue.generate.melody.model import MelodyModel
    from segue.generate.notes.network import NoteModel
    from segue.nn.trainer import ProgressCallback, TrainingOptions
    from segue.records import Failure
    from segue.render.plots import Filter
    from segue.training.hub import HubSpace
    from segue.training.models import ModelInfo
    from segue.training.run import TrainingResult, Watcher


class Learning:
    """Spaces and models trained on a library; `segue.Library.learning`.

    The argument ``anew`` of `train` is now called ``restart``; the old name works for one more
    release.

    Parameters
    ----------
    store : Store
        Database of the library.
    duplicates : callable, optional
        Returns the ids of tracks that are duplicates of others, which `filters` leaves out.
    """

    def __init__(self, store: Store, duplicates: Callable[[], Collection[int]] = tuple) -> None:
        self._store = store
        self._duplicates = duplicates

    @renamed_arguments(anew="restart")
    def train(
        self,
        name: str,
        training: "TrainingOptions",
        *,
        resume: bool = False,
        restart: bool = False,
        workers: int | None = None,
        watch: "Watcher | None" = None,
        watch_training: "ProgressCallback | None" = None,
    ) -> "TrainingResult":
        """Train a space or a model on the recordings, scores or lyrics of the library.

        Parameters
        ----------
        name : str
            Name of a space, in which every track is then embedded, for ``like(…, space=name)``;
            or of a model, for `note_model` and `melody_model`.
        training : SoundTraining, ScoreTraining, NoteTraining, MelodyTraining, ComposerTraining or
            LyricsTraining
            Options. Their type selects what is trained: a space of recordings or scores, or a model
            of notes, of melodies, of whole scores or of lyrics.
        resume : bool
            Resume an interrupted run; the result is that of an uninterrupted one.
        restart : bool
            Discard an interrupted run.
        workers : int, optional
            Number of decoding processes; one per core by default.
        watch : callable, optional
            Called with a stage, the number of files read, and their total number.
        watch_training : callable, optional
            Called with a `segue.nn.trainer.Progress` after each training step.

        Raises
        ------
        BadArgument
            The name is taken, there is an interrupted run and neither `resume` nor `restart`, or
            the device is not available.
        NotFound
            There is no such model to fine-tune, or no such artist.
        TrainingFailed
            There are too few training examples, or the loss is not finite.
        BadCheckpoint
            There is no run to resume, or it is damaged.

        Examples
        --------
        >>> from segue.audio.training import SoundTraining
        >>> options = SoundTraining("dual-axis", minutes=20)
        >>> result = lib.learning.train("mine", options)  # doctest: +SKIP
        >>> result.tracks, result.fit.best.validation_loss  # doctest: +SKIP
        (1204, 0.0132)
        >>> hits = lib.like("Für Elise", space="mine")  # doctest: +SKIP
        """
        from segue.training.run import train_model  # imports torch

        return train_model(
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
        """Load a notes-and-durations model of this library, or the bundled one.

        Examples
        --------
        >>> lib.learning.note_model().embedding("notes").shape  # doctest: +SKIP
        (824, 512)
        """
        from segue.training.models import NOTES, load_model  # imports torch

        return load_model(self._store, NOTES, name)

    def melody_model(self, name: str = "melody") -> "MelodyModel":
        """Load a melody model of this library, or the bundled one.

        Examples
        --------
        >>> lib.learning.melody_model().styles  # doctest: +SKIP
        ('folk', 'pop', 'song', 'lied')
        """
        from segue.training.models import MELODIES, load_model  # imports torch

        return load_model(self._store, MELODIES, name)

    def source(self, kind: str, name: str) -> str:
        """Describe the origin of the model with a name: this library, or Segue.

        Parameters
        ----------
        kind : {"notes", "composing", "melodies", "lyrics"}
            Kind of model.
        name : str
            Name of the model.

        Raises
        ------
        NotFound
            There is no model of that name.

        Examples
        --------
        >>> lib.learning.source("melodies", "shipped")  # doctest: +SKIP
        'the model that comes with Segue'
        """
        from segue.training.models import MODEL_KINDS, find_model  # imports torch

        return find_model(self._store, MODEL_KINDS[kind], name).source

    def models(self) -> "list[ModelInfo]":
        """List the bundled models, and the models and spaces trained on this library.

        Examples
        --------
        >>> [info.name for info in lib.learning.models() if info.from_library]  # doctest: +SKIP
        ['mine', 'my-melodies']
        """
        from segue.training.models import list_models  # imports torch

        return list_models(self._store)

    def add_space(
        self,
        name: str,
        source: str,
        *,
        workers: int | None = None,
        watch: Callable[[int, int], None] | None = None,
    ) -> "HubSpace":
        """Add a space whose vectors an encoder in the format of `transformers` computes.

        Encoders of the type CLAP embed text, too: `like("calm piano", space=name)` then finds
        recordings by any text. What is done when it is stopped stays; the same call goes on.

        Parameters
        ----------
        name : str
            Name of the space.
        source : str
            "hf:OWNER/NAME", which is downloaded from the Hugging Face Hub if it is not there yet,
            or a folder; for a folder, nothing is downloaded.
        workers : int, optional
            Number of decoding processes; one per core by default.
        watch : callable, optional
            Called with the number of files done and in all.

        Raises
        ------
        BadArgument
            The model is no encoder of recordings, is incomplete, needs code of its own, or is not
            stored as safetensors; or the name is taken.
        NotFound
            There is no such model.

        Examples
        --------
        >>> lib.learning.add_space("clap", "hf:laion/clap-htsat-unfused").tracks  # doctest: +SKIP
        1204
        >>> hits = lib.like("rain on a tin roof", space="clap")  # doctest: +SKIP
        """
        from segue.training.hub import add_space  # imports torch

        count = workers or os.cpu_count() or 1
        return add_space(self._store, name, source, workers=count, watch=watch)

    def update_spaces(
        self, *, workers: int | None = None, watch: Callable[[int, int], None] | None = None
    ) -> "list[Failure]":
        """Embed new recordings in the spaces of `add_space`, as `segue.Library.add` does.

        Examples
        --------
        >>> lib.learning.update_spaces()  # doctest: +SKIP
        []
        """
        from segue.training.hub import is_hub_space, update_space  # imports torch

        count = workers or os.cpu_count() or 1
        names = [info.space.name for info in self._store.spaces.known() if info.trained]
        return [
            failure
            for name in names
            if is_hub_space(self._store, name)
            for failure in update_space(self._store, name, workers=count, watch=watch)
        ]

    def remove(self, name: str) -> "ModelInfo":
        """Remove a model or space that was trained on this library, and return what it was.

        Raises
        ------
        NotFound
            There is none of that name.

        Examples
        --------
        >>> lib.learning.remove("mine").kind  # doctest: +SKIP
        'space of sound'
        """
        from segue.training.models import remove_model  # imports torch

        return remove_model(self._store, name)

    def compare(
        self, first: "str | int | Path", second: "str | int | Path", n: int = 5
    ) -> "Comparison":
        """Compare two tracks of the library, of the same kind of music, feature by feature.

        Parameters
        ----------
        first, second : str, int or Path
            Queries that each name one track of the library.
        n : int
            Maximum number of pairs of similar bars, for scores.

        Examples
        --------
        >>> comparison = lib.learning.compare("Für Elise", "Ace of Spades")  # doctest: +SKIP
        """
        from segue.explore.comparison import compare

        tracks = find_track(self._store, first), find_track(self._store, second)
        return compare(self._store, *tracks, n)

    def reconstruct(self, query: "str | int | Path", space: str) -> "Reconstruction":
        """Encode a recording and decode it again with the network of a trained space.

        Examples
        --------
        >>> lib.learning.reconstruct("Für Elise", "mine").code.shape  # doctest: +SKIP
        (256, 11)
        """
        from segue.explore.comparison import reconstruct

        return reconstruct(self._store, space, find_track(self._store, query))

    def filters(self, space: str, *, tracks: int = 3) -> "list[Filter]":
        """Return the filters of a trained space's first layers.

        Parameters
        ----------
        space : str
            Name of the space.
        tracks : int
            Number of tracks that are named for each filter: those that activate it most.

        Examples
        --------
        >>> [filter.layer for filter in lib.learning.filters("mine")][:2]  # doctest: +SKIP
        ['along time, filter 1', 'along time, filter 2']
        """
        from segue.explore.comparison import first_layer_filters

        excluded = {*self._duplicates(), *non_music_ids(self._store)}
        recordings = [track for track in self._store.tracks() if track.id not in excluded]
        return first_layer_filters(self._store, space, recordings, tracks)
