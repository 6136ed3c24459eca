"""The scores of a library: read, sampled, interpolated, reconstructed, composed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from segue.deprecation import RenamedAttributes
from segue.errors import BadArgument
from segue.media import MEDIA, medium_of
from segue.records import Score, Track
from segue.score.piano_roll import PianoRoll
from segue.search.query import resolve
from segue.store import Store

if TYPE_CHECKING:
    from segue.generate.compose.composition import Composition
    from segue.generate.compose.options import CompositionOptions
    from segue.score.vae.model import RollModel

ROLLS: Final = "roll-vae"
Query = str | int | Path
#: Descriptions of files and tracks that are not scores, by medium.
_DESCRIPTIONS: Final = {
    "lyrics": "is lyrics",
    "sound": "is a recording",
    None: "is not music known here",
}


class Scores(RenamedAttributes):
    """The scores of a library, available as `segue.Library.scores`.

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

        Raises
        ------
        BadArgument
            The query is a recording, or matches several scores.
        Unreadable
            The file cannot be read.
        """
        from segue.ingest.single_file import read_score  # imports the workers

        matches = resolve(self._store, query)
        kind = medium_of(matches) if isinstance(matches, Path) else matches[0].kind
        if kind != "score":
            name = matches if isinstance(matches, Path) else _name(matches, query)
            endings = ", ".join(sorted(MEDIA["score"].suffixes))
            raise BadArgument(
                f"{name} {_DESCRIPTIONS[kind]}, not a score; name a score: "
                f"a file that ends in {endings}, or a track that is one"
            )
        if isinstance(matches, Path):
            return read_score(matches)
        if len(matches) > 1:
            raise BadArgument(f"{str(query)!r} names {len(matches)} scores; give the id of one")
        return read_score(matches[0].path, matches[0].tune)

    def sample(self, n: int = 4, *, space: str = ROLLS, seed: int = 0) -> list[PianoRoll]:
        """Sample latent vectors of a space, and decode each to four bars.

        Parameters
        ----------
        n : int
            Number of samples.
        space : str
            The bundled space, or one trained with `segue train score`.
        seed : int
            Random seed.
        """
        from segue.score.vae.model import sample

        return sample(self._model(space), n, seed=seed)

    def interpolate(
        self, first: Query, last: Query, steps: int = 8, *, space: str = ROLLS
    ) -> list[PianoRoll]:
        """Interpolate between two scores in a latent space, by four bars per step.

        Parameters
        ----------
        first, last : str, int or Path
        steps : int
            Number of steps including both ends, at least 2.
        space : str
        """
        from segue.score.vae.model import interpolate

        model = self._model(space)
        return interpolate(model, self.read(first), self.read(last), steps)

    def reconstruct(self, query: Query, *, space: str = ROLLS) -> tuple[PianoRoll, PianoRoll]:
        """Return the piano roll of a score, and its reconstruction from the latent space."""
        from segue.score.vae.model import reconstruct

        return reconstruct(self._model(space), self.read(query))

    def compose(
        self,
        prompt: Query | None,
        options: "CompositionOptions",
        *,
        bars: int = 16,
        infill: tuple[int, int] | None = None,
        add: str | None = None,
        model: str | None = None,
    ) -> "Composition":
        """Return a composition, whose bars are generated while it is iterated over.

        Parameters
        ----------
        prompt : str, int or Path, optional
            Score to continue, to infill, or to add a part to.
        options : CompositionOptions
        bars : int
            Number of bars that continue the prompt.
        infill : (int, int), optional
            First and last bar to generate again, from 1.
        add : str, optional
            Instrument of a part to add, such as "bass".
        model : str, optional
            Name of a model trained on this library; by default the bundled one.
        """
        from segue.generate.compose.composition import Composition
        from segue.theory.instruments import parse_instrument
        from segue.training.models import BUNDLED, COMPOSING, load_model  # imports torch

        added = None if add is None else parse_instrument(add)
        score = None if prompt is None else self.read(prompt)
        composer = load_model(self._store, COMPOSING, model or BUNDLED)
        return Composition(composer, options, bars, score, infill, added)

    def _model(self, space: str) -> "RollModel":
        from segue.score.vae.model import RollModel
        from segue.training.scores import load  # imports torch

        return RollModel.shipped() if space == ROLLS else load(self._store, space)


def _name(tracks: Sequence[Track], query: Query) -> str:
    if len(tracks) > 1:
        return f"{str(query)!r}"
    return tracks[0].tags.title or tracks[0].path.name
