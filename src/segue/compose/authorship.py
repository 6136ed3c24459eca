"""Tells whose lines some are, by their style: each for itself, or with those beside it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.formats.lyrics.text import sung_lines
from segue.records import FloatArray
from segue.represent.lyrics.features import standardise_style, style_features
from segue.represent.lyrics.words import words_of

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

#: Lines of an artist that are learned from in a few seconds.
MOST_LINES: Final = 200
#: From 0.02 to 0.1 hardly anything changes.
_C: Final = 0.05
_TOLERANCE: Final = 1e-3
_ITERATIONS: Final = 1000

Numbers = NDArray[np.float64]


class Authorship:
    """What tells some artists' lines from one another; made by `fit`.

    Parameters
    ----------
    model : LogisticRegression
        Fitted on vectors of the space `style`, of single lines.

    Attributes
    ----------
    artists : tuple of str
        By name.
    """

    def __init__(self, model: "LogisticRegression") -> None:
        self._model = model
        self.artists: tuple[str, ...] = tuple(map(str, model.classes_))

    def takes(self, lines: Sequence[str], *, neighbours: int = 1) -> list[str]:
        """Tell which artist each line is taken for.

        Parameters
        ----------
        lines : sequence of str
            Of one voice, in their order. One without words counts as those beside it.
        neighbours : int
            How many lines before and after a line have a say as it has itself. One line alone
            says little: of twelve authors, 0 finds the right one half of the time, 1 two times
            in three.

        Returns
        -------
        list of str
            For each line one of `artists`; the first of those that are as likely.

        Raises
        ------
        BadArgument
            `neighbours` is negative.
        """
        if neighbours < 0:
            raise BadArgument(f"{neighbours} neighbours; expected 0 or more")
        if not lines:
            return []
        own = self._likelihoods(lines)
        together = own.copy()
        for away in range(1, min(neighbours + 1, len(lines))):
            together[away:] += own[:-away]
            together[:-away] += own[away:]
        return [self.artists[at] for at in together.argmax(axis=1)]

    def share_of(self, lines: Sequence[str], artist: str, *, neighbours: int = 1) -> float:
        """Return the share of lines that are taken for an artist.

        Parameters
        ----------
        lines, neighbours
            As for `takes`.
        artist : str
            One of `artists`.

        Returns
        -------
        float
            From 0 to 1; 0 of no lines.

        Raises
        ------
        BadArgument
            The artist is none of `artists`, or `neighbours` is negative.
        """
        if artist not in self.artists:
            raise BadArgument(f"{artist!r} is none of those told apart: {', '.join(self.artists)}")
        taken = self.takes(lines, neighbours=neighbours)
        return taken.count(artist) / len(taken) if taken else 0.0

    def _likelihoods(self, lines: Sequence[str]) -> Numbers:
        """Return the logarithms of how likely each artist is for each line."""
        told = [at for at, line in enumerate(lines) if words_of(line)]
        found = np.zeros((len(lines), len(self.artists)))
        if told:
            vectors = _vectors([lines[at] for at in told])
            found[told] = self._model.predict_log_proba(vectors)
        return found


def fit(
    songs_by_artist: Mapping[str, Sequence[str]], *, most_lines: int = MOST_LINES
) -> Authorship:
    """Learn to tell artists apart by the style of single lines.

    Multinomial logistic regression, each artist counting alike; always with the same result.

    Parameters
    ----------
    songs_by_artist : mapping from str to sequence of str
        The texts of each artist's songs, as `segue.records.Lyrics.text`.
    most_lines : int
        Of each artist that are learned from, 1 or more: spread over all songs, each once. Takes
        about a millisecond a line.

    Returns
    -------
    Authorship

    Raises
    ------
    BadArgument
        There are fewer than two artists, one has no words, or no line is to be learned from.
    """
    from sklearn.linear_model import LogisticRegression

    if len(songs_by_artist) < 2:
        raise BadArgument(
            f"telling artists apart needs two or more, got {len(songs_by_artist)}; "
            "add lyrics of others"
        )
    if most_lines < 1:
        raise BadArgument(f"{most_lines} lines of each artist; expected 1 or more")
    lines: list[str] = []
    artists: list[str] = []
    for artist in sorted(songs_by_artist):
        own = _spread(songs_by_artist[artist], most_lines)
        if not own:
            raise BadArgument(f"no lyrics of {artist!r}; expected songs with words")
        lines += own
        artists += [artist] * len(own)
    model = LogisticRegression(C=_C, class_weight="balanced", tol=_TOLERANCE, max_iter=_ITERATIONS)
    return Authorship(model.fit(_vectors(lines), artists))


def _spread(songs: Sequence[str], most: int) -> list[str]:
    """Return lines that differ, from the first song to the last."""
    lines = list(
        dict.fromkeys(line for song in songs for line in sung_lines(song) if words_of(line))
    )
    if len(lines) <= most:
        return lines
    return [lines[at * len(lines) // most] for at in range(most)]


def _vectors(lines: Sequence[str]) -> FloatArray:
    return standardise_style(np.stack([style_features(line) for line in lines]))
