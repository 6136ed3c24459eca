"""The scores of a library: read, sampled, interpolated, reconstructed, composed."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from segue.deprecation import RenamedAttributes
from segue.errors import BadArgument
from segue.media import MEDIA, medium_of
from segue.records import Medium, Score, Span, Track
from segue.score.piano_roll import PianoRoll
from segue.search.query import resolve
from segue.store import Store

if TYPE_CHECKING:
    from segue.generate.compose.composition import Composition
    from segue.generate.compose.options import CompositionOptions
    from segue.generate.compose.sketches import ComposedSketch
    from segue.ingest.melodies import MelodySearch
    from segue.score.vae.model import RollModel

Query = str | int | Path

#: The bundled space of piano rolls.
ROLL_VAE: Final = "roll-vae"
_SAMPLES_TOP_P: Final = 0.95


class Scores(RenamedAttributes):
    """The scores of a library; `segue.Library.scores`.

    The methods `between` and `given_back` of version 0.1 are now called `interpolate` and
    `reconstruct`; the old names work for one more release.

    Parameters
    ----------
    store : Store
        Database of the library.
    """

    _renamed: ClassVar[dict[str, str]] = {"between": "interpolate", "given_back": "reconstruct"}

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, query: Query) -> Score:
        """Read a score of the library, or a file that need not be in it.

        A recording is transcribed, see `transcribe`, and quantised to its beats.

        Raises
        ------
        BadArgument
            The query names lyrics, or several scores.
        Unreadable
            The file cannot be read.

        Examples
        --------
        >>> score = lib.scores.read("sonata.mid")  # doctest: +SKIP
        >>> len(score.parts)  # doctest: +SKIP
        2
        """
        from segue.ingest.analysis import read_score  # imports the decoders

        path, tune, medium, passage = self._file(query)
        if medium == "score":
            return read_score(path, tune)
        from segue.ingest.transcription import notated, transcribe  # imports torch

        return notated(transcribe(path, passage))

    def transcribe(
        self,
        query: Query,
        passage: Span | None = None,
        watch: Callable[[int, int], None] | None = None,
    ) -> Score:
        """Transcribe a recording to melody, chords and bass, with its beats, key and chord symbols.

        Parameters
        ----------
        query : str, int or Path
            A recording of the library, or a file that need not be in it.
        passage : Span, optional
            Part of the recording; by default all of it.
        watch : callable, optional
            Called with the number of windows of 2 s done and in all.

        Raises
        ------
        BadArgument
            The query names no recording, or one that is too short, too long or without notes.
        Unreadable
            The file cannot be decoded.

        Examples
        --------
        >>> score = lib.scores.transcribe("song.mp3")  # doctest: +SKIP
        >>> [part.name for part in score.parts]  # doctest: +SKIP
        ['Melody', 'Chords', 'Bass']
        """
        from segue.ingest.transcription import transcribe  # imports torch

        path, _, medium, track_passage = self._file(query)
        if medium != "sound":
            raise BadArgument(f"{path.name} is a score already; name a recording")
        if passage and track_passage:
            start_s = track_passage.start_s
            passage = Span(start_s + passage.start_s, start_s + passage.end_s)
        return transcribe(path, passage or track_passage, watch)

    def _file(self, query: Query) -> tuple[Path, int, Medium, Span | None]:
        """Return file, number of the tune, medium and passage of a score or recording."""
        resolved = resolve(self._store, query)
        passage = None
        if isinstance(resolved, Path):
            path, tune, medium = resolved, 0, medium_of(resolved)
        else:
            track = resolved[0]
            path, tune, medium, passage = track.path, track.tune, track.kind, track.passage
        if medium is None or medium == "lyrics":
            name = resolved if isinstance(resolved, Path) else _name(resolved, query)
            what = "is lyrics" if medium else "is not music known here"
            endings = ", ".join(sorted(MEDIA["score"].suffixes))
            raise BadArgument(
                f"{name} {what}, not a score; name a score or a recording: "
                f"a file that ends in {endings}, an audio file, or a track that is one"
            )
        if not isinstance(resolved, Path) and len(resolved) > 1:
            nouns = {"score": "scores", "sound": "recordings"}
            raise BadArgument(
                f"{str(query)!r} names {len(resolved)} {nouns[medium]}; give the id of one"
            )
        return path, tune, medium, passage

    def find_melody(
        self,
        query: str | Path,
        n: int = 10,
        *,
        recordings: bool = False,
        workers: int | None = None,
        watch: Callable[[int, int], None] | None = None,
    ) -> "MelodySearch":
        """Find the scores and recordings that contain a melody, in any key and at any tempo.

        Parameters
        ----------
        query : str or Path
            A recording of a voice or whistle, of which the first minute is used; a score file; or
            notes in ABC notation, as "C D E F".
        n : int
            Maximum number of hits.
        recordings : bool
            Transcribe the recordings of the library that are not transcribed yet. Without it,
            those that are not are left out.
        workers : int, optional
            Number of decoding processes; one per core by default.
        watch : callable, optional
            Called with the number of files read, and the total number: scores are read when they
            are first searched.

        Raises
        ------
        BadArgument
            The query has fewer than four notes, or is neither a file nor notes.
        Unreadable
            The file cannot be read.

        Examples
        --------
        >>> found = lib.scores.find_melody("hum.wav")  # doctest: +SKIP
        >>> found.hits[0].track.tags.title, found.hits[0].start_s  # doctest: +SKIP
        ('Für Elise', 0.0)
        """
        from segue.ingest.melodies import search_melody  # imports the decoders

        return search_melody(
            self._store,
            query,
            n,
            recordings=recordings,
            workers=workers or os.cpu_count() or 1,
            watch=watch,
        )

    def sample(self, n: int = 4, *, space: str = ROLL_VAE, seed: int = 0) -> list[PianoRoll]:
        """Sample piano rolls of four bars from the autoencoder of a space.

        Parameters
        ----------
        n : int
            Number of piano rolls.
        space : str
            "roll-vae", or a space trained with `segue train score`.
        seed : int
            Random seed.

        Examples
        --------
        >>> rolls = lib.scores.sample(2, seed=3)  # doctest: +SKIP
        """
        from segue.score.vae.model import sample

        return sample(self._model(space), n, seed=seed)

    def compose_samples(
        self, n: int = 4, *, space: str = ROLL_VAE, seed: int = 0
    ) -> "Iterator[ComposedSketch]":
        """Sample piano rolls, see `sample`, and compose four bars from each.

        Parameters
        ----------
        n : int
            Number of piano rolls.
        space : str
            See `sample`.
        seed : int
            Random seed.

        Yields
        ------
        ComposedSketch

        Examples
        --------
        >>> for each in lib.scores.compose_samples(2, seed=3):  # doctest: +SKIP
        ...     print(each.score.parts, each.similarity)
        """
        from segue.generate.compose.model import Composer
        from segue.generate.compose.sketches import compose_sketch
        from segue.nn.sampling import Sampling
        from segue.score.vae.model import sample

        model = self._model(space)
        composer, sampling = Composer.pretrained(), Sampling(top_p=_SAMPLES_TOP_P)
        for index, roll in enumerate(sample(model, n, seed=seed)):
            yield compose_sketch(composer, model, roll, sampling, seed=seed + index)

    def interpolate(
        self, first: Query, last: Query, steps: int = 8, *, space: str = ROLL_VAE
    ) -> list[PianoRoll]:
        """Interpolate between two scores in the latent space, four bars at each step.

        Parameters
        ----------
        first, last : str, int or Path
            Scores, see `read`.
        steps : int
            Number of steps, including both ends; at least 2.
        space : str
            See `sample`.

        Examples
        --------
        >>> rolls = lib.scores.interpolate("sonata.mid", "rag.mid", steps=5)  # doctest: +SKIP
        >>> len(rolls)  # doctest: +SKIP
        5
        """
        from segue.score.vae.model import interpolate

        model = self._model(space)
        return interpolate(model, self.read(first), self.read(last), steps)

    def reconstruct(self, query: Query, *, space: str = ROLL_VAE) -> tuple[PianoRoll, PianoRoll]:
        """Encode a score and decode it again; return the original and the reconstruction.

        Examples
        --------
        >>> original, reconstruction = lib.scores.reconstruct("sonata.mid")  # doctest: +SKIP
        """
        from segue.score.vae.model import reconstruct

        return reconstruct(self._model(space), self.read(query))

    def compose(
        self,
        prompt: Query | Score | None,
        options: "CompositionOptions",
        *,
        bars: int | None = None,
        infill: tuple[int, int] | None = None,
        add: str | None = None,
        lock: str | None = None,
        melody: Query | None = None,
        motif: Query | None = None,
        model: str | None = None,
    ) -> "Composition":
        """Start a composition, which is generated bar by bar while it is iterated over.

        Parameters
        ----------
        prompt : str, int, Path or Score, optional
            A score to continue, to fill bars in, or to add a part to.
        options : CompositionOptions
            Key, time signature, instruments, style and sampling.
        bars : int, optional
            Number of bars to generate, after the prompt if there is one; by default 16, or as many
            as the sections of the options have.
        infill : (int, int), optional
            First and last bar to replace, from 1.
        add : str, optional
            Instrument of a part to add, such as "bass".
        lock : str, optional
            Parts and bars that stay while the others are generated again, as "drums,1-4".
        melody : str, int or Path, optional
            A score whose melody gets an accompaniment, in the style of the options.
        motif : str, int or Path, optional
            A score whose melody, or its first bars, is developed in a new piece.
        model : str, optional
            Name of a model trained on this library; by default the bundled one.

        Raises
        ------
        NotFound
            There is no model of that name.

        Examples
        --------
        >>> from segue.generate.compose.options import CompositionOptions
        >>> from segue.nn.sampling import Sampling
        >>> options = CompositionOptions(Sampling(temperature=0.9), seed=1)
        >>> composition = lib.scores.compose(None, options, bars=8)  # doctest: +SKIP
        >>> for bar in composition:  # doctest: +SKIP
        ...     print(len(bar.notes))
        """
        from segue.generate.compose.composition import Composition
        from segue.theory.instruments import parse_instrument
        from segue.training.models import BUNDLED, COMPOSING, load_model  # imports torch

        added = None if add is None else parse_instrument(add)
        score = prompt if prompt is None or isinstance(prompt, Score) else self.read(prompt)
        composer = load_model(self._store, COMPOSING, model or BUNDLED)
        tune = None if melody is None else self.read(melody)
        theme = None if motif is None else self.read(motif)
        return Composition(composer, options, bars, score, infill, added, tune, theme, lock)

    def _model(self, space: str) -> "RollModel":
        from segue.score.vae.model import RollModel
        from segue.training.scores import load  # imports torch

        return RollModel.pretrained() if space == ROLL_VAE else load(self._store, space)


def _name(tracks: Sequence[Track], query: Query) -> str:
    if len(tracks) > 1:
        return f"{str(query)!r}"
    return tracks[0].tags.title or tracks[0].path.name
