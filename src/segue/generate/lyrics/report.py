"""Generated lyrics and the report on them: real words, copied text, rhyme, and style.

Whose style a line has is decided by an authorship classifier: logistic regression on stylometric
features of single lines, trained on the known songs. The field names of the records below are those
of the JSON report.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from segue.errors import BadArgument, NotFound
from segue.generate.copying import KnownSong, SharedPassage, SongIndex
from segue.generate.lyrics.adapter import AdaptedModel, StyleModel
from segue.generate.lyrics.form_report import count_rhymes, count_syllables, form_figures
from segue.generate.lyrics.language_model import LanguageModel
from segue.generate.lyrics.network import UNCONDITIONAL
from segue.generate.lyrics.sampler import (
    ArtistStyle,
    BlendMode,
    LyricLine,
    LyricsOptions,
    TurnBy,
    blend_styles,
    language_of,
    sample_lyrics,
    take_turns,
)
from segue.generate.lyrics.vocabulary import encode_song
from segue.io.lyrics_text import sung_lines
from segue.lyrics.features import standardise_style, style_features
from segue.lyrics.phonetics import split_words
from segue.lyrics.spelling import Language, detect_language
from segue.records import DoubleArray, FloatArray, Lyrics

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

#: Training lines per artist of the authorship classifier; fitted in a few seconds.
MAX_LINES_PER_ARTIST: Final = 200
#: Artists that the classifier distinguishes at most: those required, then those with most lines.
MAX_ARTISTS: Final = 12
#: Inverse regularisation strength; results hardly depend on it from 0.02 to 0.1.
_C: Final = 0.05
_TOLERANCE: Final = 1e-3
_MAX_ITERATIONS: Final = 1000
_NOVEL_NGRAM: Final = 4  # words
_MAX_REFERENCE_LINES: Final = 2000  # of an artist's songs, in at least `_MIN_EXCERPTS` excerpts
_MIN_EXCERPTS: Final = 20
AUTHOR_LETTERS: Final = "AB"


class AuthorshipClassifier:
    """Attributes lines to artists; made by `fit_authorship`.

    Parameters
    ----------
    model : LogisticRegression
        Fitted on embeddings of single lines in the space `style`.

    Attributes
    ----------
    artists : tuple of str
        Sorted by name.
    """

    def __init__(self, model: "LogisticRegression") -> None:
        self._model = model
        self.artists: tuple[str, ...] = tuple(map(str, model.classes_))

    def predict(self, lines: Sequence[str], *, neighbours: int = 1) -> list[str]:
        """Attribute each line to an artist.

        Parameters
        ----------
        lines : sequence of str
            Lines by one author, in order. Lines without words are attributed by their neighbours.
        neighbours : int
            Number of lines before and after whose log-probabilities are added to a line's own. Of
            twelve authors, single lines (0) are attributed to the right one half of the time, with
            1 neighbour two times in three.

        Returns
        -------
        list of str
            One of `artists` per line.

        Raises
        ------
        BadArgument
            `neighbours` is negative.
        """
        if neighbours < 0:
            raise BadArgument(f"{neighbours} neighbours; expected 0 or more")
        if not lines:
            return []
        log_probs = self._log_probs(lines)
        smoothed = log_probs.copy()
        for distance in range(1, min(neighbours + 1, len(lines))):
            smoothed[distance:] += log_probs[:-distance]
            smoothed[:-distance] += log_probs[distance:]
        return [self.artists[at] for at in smoothed.argmax(axis=1)]

    def attributed_share(self, lines: Sequence[str], artist: str, *, neighbours: int = 1) -> float:
        """Return the share of lines attributed to an artist.

        Parameters
        ----------
        lines, neighbours
            See `predict`.
        artist : str
            One of `artists`.

        Returns
        -------
        float
            From 0 to 1; 0 for no lines.

        Raises
        ------
        BadArgument
            The artist is not one of `artists`, or `neighbours` is negative.
        """
        if artist not in self.artists:
            raise BadArgument(
                f"{artist!r} is not among the classifier's artists: {', '.join(self.artists)}"
            )
        predicted = self.predict(lines, neighbours=neighbours)
        return predicted.count(artist) / len(predicted) if predicted else 0.0

    def _log_probs(self, lines: Sequence[str]) -> DoubleArray:
        """Return log-probabilities, shape (lines, artists); 0 for lines without words."""
        with_words = [at for at, line in enumerate(lines) if split_words(line)]
        log_probs = np.zeros((len(lines), len(self.artists)))
        if with_words:
            features = _line_features([lines[at] for at in with_words])
            log_probs[with_words] = self._model.predict_log_proba(features)
        return log_probs


def fit_authorship(
    songs_by_artist: Mapping[str, Sequence[str]], *, max_lines: int = MAX_LINES_PER_ARTIST
) -> AuthorshipClassifier:
    """Fit an authorship classifier on single lines: class-balanced logistic regression.

    Parameters
    ----------
    songs_by_artist : mapping from str to sequence of str
        Texts of each artist's songs, as `segue.records.Lyrics.text`.
    max_lines : int
        Training lines per artist, 1 or more, spread evenly over all songs without duplicates.
        Takes about a millisecond per line.

    Raises
    ------
    BadArgument
        There are fewer than two artists, one has no words, or `max_lines` is below 1.
    """
    from sklearn.linear_model import LogisticRegression

    if len(songs_by_artist) < 2:
        raise BadArgument(
            f"authorship attribution needs two or more artists, got {len(songs_by_artist)}; "
            "add lyrics of others"
        )
    if max_lines < 1:
        raise BadArgument(f"{max_lines} lines of each artist; expected 1 or more")
    lines: list[str] = []
    labels: list[str] = []
    for artist in sorted(songs_by_artist):
        chosen = _evenly_spaced_lines(songs_by_artist[artist], max_lines)
        if not chosen:
            raise BadArgument(f"no lyrics of {artist!r}; expected songs with words")
        lines += chosen
        labels += [artist] * len(chosen)
    model = LogisticRegression(
        C=_C, class_weight="balanced", tol=_TOLERANCE, max_iter=_MAX_ITERATIONS
    )
    return AuthorshipClassifier(model.fit(_line_features(lines), labels))


def fit_authorship_for(index: SongIndex, artists: Iterable[str]) -> AuthorshipClassifier | None:
    """Fit an authorship classifier for some artists and those with most lyrics.

    Parameters
    ----------
    index : SongIndex
    artists : iterable of str
        Artists that must be among the classes.

    Returns
    -------
    AuthorshipClassifier or None
        None if there are lyrics of one artist only.
    """
    songs = _songs_by_artist(index)
    required = dict.fromkeys(artists)
    by_length = sorted(songs, key=lambda artist: (-sum(map(len, songs[artist])), artist))
    chosen = [*required, *(artist for artist in by_length if artist not in required)]
    chosen = chosen[: max(MAX_ARTISTS, len(required))]
    return fit_authorship({each: songs[each] for each in chosen}) if len(chosen) > 1 else None


def _evenly_spaced_lines(songs: Sequence[str], count: int) -> list[str]:
    lines = list(
        dict.fromkeys(line for song in songs for line in sung_lines(song) if split_words(line))
    )
    if len(lines) <= count:
        return lines
    return [lines[at * len(lines) // count] for at in range(count)]


def _line_features(lines: Sequence[str]) -> FloatArray:
    return standardise_style(np.stack([style_features(line) for line in lines]))


@dataclass(frozen=True, slots=True)
class LyricsStatistics:
    """Statistics of some lines.

    Attributes
    ----------
    repeated_lines : float
        Share of lines that occurred before, by their words.
    repeated_runs : float
        Share of word trigrams that occurred before.
    rhymed_lines : float
        Share of lines that rhyme with one of the next four, with another last word.
    words_of_line : float
        Mean number of words per line.
    syllables_of_line : float
        Mean number of syllables per line.
    spread_of_syllables : float
        Standard deviation of the number of syllables per line.
    """

    repeated_lines: float
    repeated_runs: float
    rhymed_lines: float
    words_of_line: float
    syllables_of_line: float
    spread_of_syllables: float


@dataclass(frozen=True, slots=True)
class CopiedPassage:
    """The longest passage that a text has copied.

    Attributes
    ----------
    length : int
        Number of words or characters; 0 if there is none.
    text : str
        The passage as it stands in the text; words are joined by spaces.
    artist, title : str
        The first song that has it; "" for none.
    """

    length: int
    text: str
    artist: str
    title: str


@dataclass(frozen=True, slots=True)
class AttributedLine:
    """A line and its attribution.

    Attributes
    ----------
    text : str
    voice : str
        Artist in whose style it was generated.
    taken_for : str
        Artist to whom it is attributed; "" if there is only one.
    """

    text: str
    voice: str
    taken_for: str


@dataclass(frozen=True, slots=True)
class LyricsReport:
    """Report on a text.

    Attributes
    ----------
    real_words : float
        Share of words that occur in a known song.
    new_runs : float or None
        Share of word 4-grams that occur in no known song; None for fewer than four words.
    copied_words, copied_characters : CopiedPassage
        Longest passages shared with a known song.
    figures : LyricsStatistics
        Statistics of the text.
    own : dict from str to LyricsStatistics
        For each artist of the text, mean statistics over excerpts of that artist's songs as long
        as the text; repetition grows with length.
    lines : tuple of AttributedLine
        All lines with words.
    taken : dict from str to float
        For each artist of the text, the share of the artist's lines that are attributed to that
        artist; empty if there is only one artist.
    """

    real_words: float
    new_runs: float | None
    copied_words: CopiedPassage
    copied_characters: CopiedPassage
    figures: LyricsStatistics
    own: dict[str, LyricsStatistics]
    lines: tuple[AttributedLine, ...]
    taken: dict[str, float]


def index_songs(lyrics: Iterable[Lyrics]) -> SongIndex:
    """Index songs for `lyrics_report`; section headers do not count as words."""
    return SongIndex(
        [
            KnownSong(song.tags.artist, song.tags.title, song.text, tuple(_words(song.text)))
            for song in lyrics
        ]
    )


def lyrics_report(
    text: str,
    index: SongIndex,
    *,
    artist: str,
    line_artists: Sequence[str] | None = None,
    authorship: AuthorshipClassifier | None = None,
) -> LyricsReport:
    """Report on the words, the novelty and the style of a text.

    Parameters
    ----------
    text : str
        As `segue.records.Lyrics.text`.
    index : SongIndex
        Training set of the model that generated the text, from `index_songs`.
    artist : str
        Artist in whose style it was generated; of several, one.
    line_artists : sequence of str, optional
        Artist of each line of `segue.io.lyrics_text.sung_lines`, if there are several.
    authorship : AuthorshipClassifier, optional
        From `fit_authorship_for`, if many texts are reported on; fitted on demand, which takes
        seconds.

    Returns
    -------
    LyricsReport
        `dataclasses.asdict` makes it JSON.

    Raises
    ------
    BadArgument
        The text has no words, or there is not one artist per line.
    NotFound
        There are no known lyrics of an artist.
    """
    lines = sung_lines(text)
    words = _words(text)
    if not words:
        raise BadArgument("expected a text with words, got one without")
    line_artists = [artist] * len(lines) if line_artists is None else list(line_artists)
    if len(line_artists) != len(lines):
        raise BadArgument(
            f"{len(line_artists)} artists for {len(lines)} lines; expected one for each"
        )
    songs = _songs_by_artist(index)
    artists = list(dict.fromkeys([artist, *line_artists]))
    for each in artists:
        if each not in songs:
            raise NotFound(f"no lyrics of {each!r} are known")
    authorship = authorship or fit_authorship_for(index, artists)
    if authorship and (missing := set(artists) - set(authorship.artists)):
        raise BadArgument(
            f"{', '.join(sorted(missing))}: not among the classifier's artists; expected "
            "fit_authorship_for with all artists of the text"
        )
    attributed = _attribute(lines, line_artists, authorship)
    return LyricsReport(
        real_words=index.known_words(words) or 0.0,
        new_runs=index.novel_ngrams(words, _NOVEL_NGRAM),
        copied_words=_copied_passage(index, index.longest_shared_words(words), words),
        copied_characters=_copied_passage(index, index.longest_shared_characters(text), text),
        figures=lyrics_statistics(lines),
        own={each: artist_statistics(songs[each], len(lines)) for each in artists},
        lines=tuple(map(AttributedLine, lines, line_artists, attributed)),
        taken={} if authorship is None else _correct_shares(line_artists, attributed),
    )


def lyrics_statistics(lines: Sequence[str]) -> LyricsStatistics:
    """Compute statistics of lines.

    Parameters
    ----------
    lines : sequence of str
        In order; those without words are ignored.

    Raises
    ------
    BadArgument
        No line has words.
    """
    lines = [line for line in lines if split_words(line)]
    if not lines:
        raise BadArgument("expected lines with words, got none")
    line_words = [tuple(map(str.lower, split_words(line))) for line in lines]
    language = detect_language("\n".join(lines))
    words = [word for line in line_words for word in line]
    counts = [count_syllables(line, language) for line in lines]
    return LyricsStatistics(
        repeated_lines=_repeated_share(line_words),
        repeated_runs=_repeated_share(list(zip(words, words[1:], words[2:], strict=False))),
        rhymed_lines=count_rhymes(lines, language) / len(lines),
        words_of_line=len(words) / len(line_words),
        syllables_of_line=float(np.mean(counts)),
        spread_of_syllables=float(np.std(counts)),
    )


def artist_statistics(songs: Sequence[str], lines: int) -> LyricsStatistics:
    """Return mean statistics over excerpts of an artist's songs, all of one length.

    Parameters
    ----------
    songs : sequence of str
        Texts.
    lines : int
        Lines per excerpt, 1 or more. If no song is as long, excerpts span several songs.
    """
    song_lines = [[line for line in sung_lines(song) if split_words(line)] for song in songs]
    excerpts = [excerpt for song in song_lines for excerpt in _cut(song, lines)]
    all_lines = [line for song in song_lines for line in song]
    excerpts = excerpts or _cut(all_lines, lines) or [all_lines]
    count = max(_MAX_REFERENCE_LINES // lines, _MIN_EXCERPTS)
    chosen = np.unique(np.linspace(0, len(excerpts) - 1, count).astype(np.int64))
    values = [list(asdict(lyrics_statistics(excerpts[at])).values()) for at in chosen.tolist()]
    return LyricsStatistics(*np.mean(values, axis=0).tolist())


def _songs_by_artist(index: SongIndex) -> dict[str, list[str]]:
    songs: dict[str, list[str]] = {}
    for song in index.songs:
        if song.words:
            songs.setdefault(song.artist, []).append(song.text)
    return songs


def _words(text: str) -> list[str]:
    return [word for line in sung_lines(text) for word in split_words(line)]


def _attribute(
    lines: Sequence[str], line_artists: Sequence[str], authorship: AuthorshipClassifier | None
) -> list[str]:
    """Attribute each line, with its neighbours among the lines by the same artist."""
    attributed = [""] * len(lines)
    if authorship is None:
        return attributed
    for artist in dict.fromkeys(line_artists):
        positions = [at for at, other in enumerate(line_artists) if other == artist]
        predicted = authorship.predict([lines[at] for at in positions])
        for at, prediction in zip(positions, predicted, strict=True):
            attributed[at] = prediction
    return attributed


def _correct_shares(line_artists: Sequence[str], attributed: Sequence[str]) -> dict[str, float]:
    correct = [each for each, other in zip(line_artists, attributed, strict=True) if each == other]
    return {
        artist: correct.count(artist) / line_artists.count(artist)
        for artist in dict.fromkeys(line_artists)
    }


def _copied_passage(
    index: SongIndex, shared: SharedPassage, items: str | list[str]
) -> CopiedPassage:
    if not shared.length:
        return CopiedPassage(0, "", "", "")
    song, passage = index.songs[shared.piece], items[shared.start : shared.end + 1]
    text = passage if isinstance(passage, str) else " ".join(passage)
    return CopiedPassage(shared.length, text, song.artist, song.title)


def _cut(lines: list[str], length: int) -> list[list[str]]:
    return [lines[at : at + length] for at in range(0, len(lines) - length + 1, length)]


def _repeated_share(items: Sequence[tuple[str, ...]]) -> float:
    return 1 - len(set(items)) / len(items) if items else 0.0


class GeneratedLyrics:
    """Lyrics generated while they are iterated over; then they have a text and a report.

    Parameters
    ----------
    styles : sequence of ArtistStyle
        One, or two.
    options : LyricsOptions
    by : {"line", "stanza", "word"}
        Unit of a turn of two artists.
    blend : float, optional
        Weight of the second style if both are combined into one; None for turns.
    blend_mode : {"mixture", "product", "contrast"}
        See `segue.generate.lyrics.sampler.blend_styles`.

    Attributes
    ----------
    lines : list of LyricLine
        Lines generated so far.
    """

    def __init__(
        self,
        styles: Sequence[ArtistStyle],
        options: LyricsOptions,
        *,
        by: TurnBy = "line",
        blend: float | None = None,
        blend_mode: BlendMode = "mixture",
    ) -> None:
        self.styles = tuple(styles)
        self.options = options
        self.lines: list[LyricLine] = []
        self._by, self._blend, self._blend_mode = by, blend, blend_mode
        combine = take_turns if blend is None else blend_styles(blend, blend_mode)
        inputs = [*styles]
        if blend is not None and blend_mode == "contrast":
            # The contrast with the base model takes the place of guidance.
            inputs = [replace(style, guidance_scale=0.0) for style in styles]
            inputs.append(ArtistStyle("", _base_model(styles), UNCONDITIONAL))
        self._lines = sample_lyrics(inputs, options, by=by, combine=combine)

    def __iter__(self) -> Iterator[LyricLine]:
        for line in self._lines:
            self.lines.append(line)
            yield line

    @property
    def text(self) -> str:
        """Text so far, as `segue.records.Lyrics.text`."""
        return "\n".join(line.text for line in self.lines).strip("\n")

    @property
    def text_with_authors(self) -> str:
        """Text so far, with the author before each line: "A", "B"; "ABAB" by words."""
        width = max((len(line.voices) for line in self.lines), default=0)
        return "\n".join(
            f"{line.voices:<{width}}  {line.text}".rstrip() for line in self.lines
        ).strip("\n")

    @cached_property
    def report(self) -> dict[str, Any]:
        """Report and reproduction data as JSON values; available when all lines are generated.

        Statistics leave out the seed line and repetitions of the chorus. A line with words by both
        artists counts as the first one's.
        """
        generated = [
            line
            for line in self.lines
            if line.voices and not line.repeated and sung_lines(line.text)
        ]
        text = "\n".join(line.text for line in generated)
        artists = [style.artist for style in self.styles]
        report: dict[str, Any] = {
            "artists": artists,
            "lines": [asdict(line) for line in self.lines],
            "seed": self.options.seed,
            "wishes": asdict(self.options),
            "by": self._by if len(artists) > 1 and self._blend is None else None,
            "blend": self._blend,
            "how": self._blend_mode if self._blend is not None else None,
            "models": [model.fingerprint for model in _models(self.styles)],
            "versions": {name: version(name) for name in ("segue", "torch")},
        }
        if self.options.is_formed:
            report["form"] = asdict(
                form_figures(self.stanzas, self.options.line_forms, self.language)
            )
        if any(map(str.isalpha, text)):
            report["bits_per_character"] = bits_per_character(self.styles[0], text)
            songs = [song for model in _models(self.styles) for song in model.training_songs]
            line_artists = [artists[AUTHOR_LETTERS.index(line.voices[0])] for line in generated]
            if {*artists} <= {song.tags.artist for song in songs}:  # not of verse in general
                report["figures"] = self._statistics(text, line_artists, index_songs(songs))
        return report

    @property
    def language(self) -> Language:
        """Language of the styles."""
        return language_of(self.styles)

    @property
    def stanzas(self) -> list[list[str]]:
        """Lines of each stanza, without repetitions."""
        stanzas: list[list[str]] = [[]]
        for line in self.lines:
            if not line.text:
                stanzas.append([])
            elif not line.repeated:
                stanzas[-1].append(line.text)
        return stanzas

    def _statistics(self, text: str, line_artists: list[str], index: SongIndex) -> dict[str, Any]:
        """Return `lyrics_report`; for a blend, each line is compared with both artists."""
        artists = [style.artist for style in self.styles]
        authorship = fit_authorship_for(index, artists)
        report = asdict(
            lyrics_report(
                text, index, artist=artists[0], line_artists=line_artists, authorship=authorship
            )
        )
        if self._blend is not None:
            attributed = [line["taken_for"] for line in report["lines"]]
            for artist in artists:
                songs = [song.text for song in index.songs if song.artist == artist]
                report["own"][artist] = asdict(artist_statistics(songs, len(attributed)))
                if authorship:
                    report["taken"][artist] = attributed.count(artist) / len(attributed)
        return report


def bits_per_character(style: ArtistStyle, text: str) -> float:
    """Return how unexpected a text is to the model of a style, in bits per character."""
    nll = style.model.ensemble(style.index).nll(encode_song(text))
    return float(nll.mean()) / math.log(2)


def _models(styles: Sequence[ArtistStyle]) -> list[StyleModel]:
    return list({id(style.model): style.model for style in styles}.values())


def _base_model(styles: Sequence[ArtistStyle]) -> StyleModel:
    """Return the base of the contrast: the model common to both styles, or the bundled one."""
    models = _models(styles)
    bases = {model.base if isinstance(model, AdaptedModel) else None for model in models}
    is_common = len(models) == 1 or (len(bases) == 1 and None not in bases)
    return models[0] if is_common else LanguageModel.pretrained()
