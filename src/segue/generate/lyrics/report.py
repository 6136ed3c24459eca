"""The report on generated lyrics: real words, originality, style.

Tells whose lines some are, by their style: each for itself, or with those beside it.

What is said of every text that is written: whether it is real, its own, like its artist.

Lyrics made: line by line, then with a report, and as the text that goes into a file.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NotFound
from segue.generate.lyrics.copying import KnownSong, SharedText, SongIndex
from segue.generate.lyrics.language_model import LanguageModel
from segue.generate.lyrics.network import UNCONDITIONAL
from segue.generate.lyrics.sampler import (
    ArtistStyle,
    BlendMode,
    LyricLine,
    LyricsOptions,
    TurnBy,
    blend_styles,
    sample_lyrics,
    take_turns,
)
from segue.io.lyrics_text import sung_lines
from segue.lyrics.features import standardise_style, style_features
from segue.lyrics.phonetics import rhyme_sound, syllables, words_of
from segue.records import FloatArray, Lyrics

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression


# --- authorship ---

#: Lines of an artist that are learned from in a few seconds.
MAX_LINES_PER_ARTIST: Final = 200
#: From 0.02 to 0.1 hardly anything changes.
_C: Final = 0.05
_TOLERANCE: Final = 1e-3
_ITERATIONS: Final = 1000

Numbers = NDArray[np.float64]


class AuthorshipClassifier:
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


def fit_authorship(
    songs_by_artist: Mapping[str, Sequence[str]], *, most_lines: int = MAX_LINES_PER_ARTIST
) -> AuthorshipClassifier:
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
    return AuthorshipClassifier(model.fit(_vectors(lines), artists))


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


# --- verse report ---

#: So many artists at most are told apart: those that are asked for, then who has most lines.
MAX_ARTISTS: Final = 12
_REACH: Final = 4  # lines on in which a rhyme is looked for
_RUN: Final = 4  # words of a run that is new or not
_REPEATED_RUN: Final = 3
_MOST_LINES: Final = 2000  # of an artist's songs that a text is held against; at least:
_STRETCHES: Final = 20


@dataclass(frozen=True, slots=True)
class LyricsStatistics:
    """What verse is like in numbers.

    Attributes
    ----------
    repeated_lines : float
        Share of lines that stood before, by their words.
    repeated_runs : float
        Share of runs of three words that stood before.
    rhymed_lines : float
        Share of lines that rhyme with one of the next four, its last word another.
    words_of_line : float
        In the mean.
    syllables_of_line : float
        In the mean.
    spread_of_syllables : float
        Standard deviation of the syllables of a line.
    """

    repeated_lines: float
    repeated_runs: float
    rhymed_lines: float
    words_of_line: float
    syllables_of_line: float
    spread_of_syllables: float


@dataclass(frozen=True, slots=True)
class CopiedPassage:
    """The longest run that a text has copied.

    Attributes
    ----------
    length : int
        In words or in characters; 0 where there is none.
    text : str
        As it stands in the text; words are joined by spaces.
    artist, title : str
        Whose it is: of the first song that has it; "" for nobody.
    """

    length: int
    text: str
    artist: str
    title: str


@dataclass(frozen=True, slots=True)
class AttributedLine:
    """A line, and whose it seems to be.

    Attributes
    ----------
    text : str
    voice : str
        Which artist it was written as.
    taken_for : str
        Which artist it is taken for; "" where there is but one.
    """

    text: str
    voice: str
    taken_for: str


@dataclass(frozen=True, slots=True)
class LyricsReport:
    """What is said of a text.

    Attributes
    ----------
    real_words : float
        Share of words that a known song has.
    new_runs : float or None
        Share of runs of four words that no known song has; None of fewer than four words.
    copied_words, copied_characters : CopiedRun
        The longest runs that a known song has, too.
    figures : VerseFigures
        Of the text.
    own : dict from str to VerseFigures
        Of each artist that it was written as: in the mean over stretches of songs as long as
        the text, for the longer a text, the more is repeated.
    lines : tuple of ToldLine
        Those that are sung.
    taken : dict from str to float
        Of each artist that it was written as: the share of these lines that are taken for that
        artist; empty where there is but one artist.
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
    """Index songs, so that copies of them are found; headers of sections are no words."""
    return SongIndex(
        [
            KnownSong(song.tags.artist, song.tags.title, song.text, tuple(_words(song.text)))
            for song in lyrics
        ]
    )


def fit_authorship_for(known: SongIndex, artists: Iterable[str]) -> AuthorshipClassifier | None:
    """Learn to tell artists from one another, and from those who have most lines.

    Parameters
    ----------
    known : KnownSongs
    artists : iterable of str
        Who must be among them.

    Returns
    -------
    Authorship or None
        None where there are lyrics of one artist only.
    """
    songs = _songs_by_artist(known)
    asked = dict.fromkeys(artists)
    most = sorted(songs, key=lambda artist: (-sum(map(len, songs[artist])), artist))
    chosen = [*asked, *(artist for artist in most if artist not in asked)]
    chosen = chosen[: max(MAX_ARTISTS, len(asked))]
    return fit_authorship({artist: songs[artist] for artist in chosen}) if len(chosen) > 1 else None


def lyrics_report(
    text: str,
    known: SongIndex,
    *,
    artist: str,
    voices: Sequence[str] | None = None,
    authorship: AuthorshipClassifier | None = None,
) -> LyricsReport:
    """Say of a text how real, how new and how like its artist it is.

    Parameters
    ----------
    text : str
        As `segue.records.Lyrics.text`.
    known : KnownSongs
        From `known_songs`: all that what wrote the text has learned from.
    artist : str
        Who it was written as; of several, one.
    voices : sequence of str, optional
        Who each of its lines was written as, where there are several: one for each line that is
        sung (`segue.io.lyrics_text.sung_lines`).
    authorship : Authorship, optional
        From `fitted_authorship`, where many texts are reported on; otherwise learned here,
        which takes seconds.

    Returns
    -------
    VerseReport
        `dataclasses.asdict` makes JSON of it.

    Raises
    ------
    BadArgument
        The text has no words, or the voices are not one for each line.
    NotFound
        There are no known lyrics of an artist.
    """
    lines = sung_lines(text)
    words = _words(text)
    if not words:
        raise BadArgument("expected a text with words, got one without")
    voices = [artist] * len(lines) if voices is None else list(voices)
    if len(voices) != len(lines):
        raise BadArgument(
            f"{len(voices)} voices for {len(lines)} lines that are sung; expected one for each"
        )
    songs = _songs_by_artist(known)
    asked = list(dict.fromkeys([artist, *voices]))
    for voice in asked:
        if voice not in songs:
            raise NotFound(f"no lyrics of {voice!r} are known")
    authorship = authorship or fit_authorship_for(known, asked)
    if authorship and (missing := set(asked) - set(authorship.artists)):
        raise BadArgument(
            f"{', '.join(sorted(missing))}: not among those told apart; expected "
            "fitted_authorship of all who wrote"
        )
    taken_for = _taken_for(lines, voices, authorship)
    return LyricsReport(
        real_words=known.known_words(words) or 0.0,
        new_runs=known.new_runs(words, _RUN),
        copied_words=_told(known.longest_words(words), known),
        copied_characters=_told(known.longest_characters(text), known),
        figures=lyrics_statistics(lines),
        own={voice: artist_statistics(songs[voice], len(lines)) for voice in asked},
        lines=tuple(map(AttributedLine, lines, voices, taken_for)),
        taken={} if authorship is None else _shares(voices, taken_for),
    )


def lyrics_statistics(lines: Sequence[str]) -> LyricsStatistics:
    """Measure lines.

    Parameters
    ----------
    lines : sequence of str
        In their order; those without words are left out.

    Raises
    ------
    BadArgument
        None has words.
    """
    words = [tuple(map(str.lower, words_of(line))) for line in lines]
    words = [line for line in words if line]
    if not words:
        raise BadArgument("expected lines with words, got none")
    all_words = [word for line in words for word in line]
    counts = [sum(map(syllables, line)) for line in words]
    return LyricsStatistics(
        repeated_lines=_repeated(words),
        repeated_runs=_repeated(list(zip(all_words, all_words[1:], all_words[2:], strict=False))),
        rhymed_lines=_rhymed([line[-1] for line in words]),
        words_of_line=len(all_words) / len(words),
        syllables_of_line=float(np.mean(counts)),
        spread_of_syllables=float(np.std(counts)),
    )


def artist_statistics(songs: Sequence[str], lines: int) -> LyricsStatistics:
    """Measure stretches of an artist's songs, all of one length, and return their means.

    Parameters
    ----------
    songs : sequence of str
        Texts.
    lines : int
        How long each stretch is, 1 or more. Where no song is so long, they go over from one
        song into the next.
    """
    sung = [[line for line in sung_lines(song) if words_of(line)] for song in songs]
    stretches = [part for song in sung for part in _cut(song, lines)]
    everything = [line for song in sung for line in song]
    stretches = stretches or _cut(everything, lines) or [everything]
    most = max(_MOST_LINES // lines, _STRETCHES)
    some = np.unique(np.linspace(0, len(stretches) - 1, most).astype(np.int64))
    figures = [lyrics_statistics(stretches[at]) for at in some.tolist()]
    return LyricsStatistics(*np.mean([_numbers(each) for each in figures], axis=0).tolist())


def _songs_by_artist(known: SongIndex) -> dict[str, list[str]]:
    songs: dict[str, list[str]] = {}
    for song in known.songs:
        if song.words:
            songs.setdefault(song.artist, []).append(song.text)
    return songs


def _words(text: str) -> list[str]:
    return [word for line in sung_lines(text) for word in words_of(line)]


def _taken_for(
    lines: Sequence[str], voices: Sequence[str], authorship: AuthorshipClassifier | None
) -> list[str]:
    """Tell each line with those beside it that have its voice."""
    found = [""] * len(lines)
    if authorship is None:
        return found
    for voice in dict.fromkeys(voices):
        at = [number for number, other in enumerate(voices) if other == voice]
        told = authorship.takes([lines[number] for number in at])
        for number, artist in zip(at, told, strict=True):
            found[number] = artist
    return found


def _shares(voices: Sequence[str], taken_for: Sequence[str]) -> dict[str, float]:
    right = [voice for voice, artist in zip(voices, taken_for, strict=True) if voice == artist]
    return {voice: right.count(voice) / voices.count(voice) for voice in dict.fromkeys(voices)}


def _told(copied: SharedText, known: SongIndex) -> CopiedPassage:
    song = known.songs[copied.song] if copied.length else None
    artist, title = (song.artist, song.title) if song else ("", "")
    return CopiedPassage(copied.length, copied.text, artist, title)


def _cut(lines: list[str], length: int) -> list[list[str]]:
    return [lines[at : at + length] for at in range(0, len(lines) - length + 1, length)]


def _numbers(figures: LyricsStatistics) -> list[float]:
    return list(asdict(figures).values())


def _repeated(some: Sequence[tuple[str, ...]]) -> float:
    return 1 - len(set(some)) / len(some) if some else 0.0


def _rhymed(last: Sequence[str]) -> float:
    sounds = [rhyme_sound(word) for word in last]
    rhymes = [
        any(
            sounds[at] == sounds[other] and last[at] != last[other]
            for other in range(at + 1, min(at + 1 + _REACH, len(last)))
        )
        for at in range(len(last))
    ]
    return sum(rhymes) / len(rhymes)


# --- verse making ---

AUTHOR_LETTERS: Final = "AB"


class GeneratedLyrics:
    """Lyrics that are written while they are read: iterate, then ask for the text and the report.

    Parameters
    ----------
    voices : sequence of Voice
        One, or two.
    wishes : VerseWishes
    by : {"line", "stanza", "word"}
        When it is the other voice's turn.
    blend : float, optional
        The share of the second voice where both write as one; None for turns.
    how : {"mixture", "product", "contrast"}
        How they are blended.

    Attributes
    ----------
    lines : list of Line
        What is written so far.
    """

    def __init__(
        self,
        voices: Sequence[ArtistStyle],
        wishes: LyricsOptions,
        *,
        by: TurnBy = "line",
        blend: float | None = None,
        how: BlendMode = "mixture",
    ) -> None:
        self.voices = tuple(voices)
        self.wishes = wishes
        self.lines: list[LyricLine] = []
        self._by, self._blend, self._how = by, blend, how
        blending = take_turns if blend is None else blend_styles(blend, how)
        heard = [*voices]
        if blend is not None and how == "contrast":
            heard = [replace(voice, emphasis=0.0) for voice in voices]  # `blended` does that
            heard.append(ArtistStyle("", _base(voices), UNCONDITIONAL))
        self._written = sample_lyrics(heard, wishes, by=by, blending=blending)

    def __iter__(self) -> Iterator[LyricLine]:
        for line in self._written:
            self.lines.append(line)
            yield line

    @property
    def text(self) -> str:
        """What is written so far, as `segue.records.Lyrics.text`."""
        return "\n".join(line.text for line in self.lines).strip("\n")

    @property
    def marked(self) -> str:
        """What is written so far, each line after who wrote it: "A", "B", "ABAB" by words."""
        widest = max((len(line.voices) for line in self.lines), default=0)
        return "\n".join(
            f"{line.voices:<{widest}}  {line.text}".rstrip() for line in self.lines
        ).strip("\n")

    @cached_property
    def report(self) -> dict[str, Any]:
        """What is said of it, and what makes it again, as JSON values; ask when all is written.

        What is copied, real and new is said of what was written, not of a line that was given nor
        of a chorus that is repeated. A line of which both voices wrote words counts as the first
        one's.
        """
        own = [
            line
            for line in self.lines
            if line.voices and not line.repeated and sung_lines(line.text)
        ]
        text = "\n".join(line.text for line in own)
        artists = [voice.artist for voice in self.voices]
        songs = [song for model in _models(self.voices) for song in model.known]
        told: dict[str, Any] = {
            "artists": artists,
            "lines": [asdict(line) for line in self.lines],
            "seed": self.wishes.seed,
            "wishes": asdict(self.wishes),
            "by": self._by if len(artists) > 1 and self._blend is None else None,
            "blend": self._blend,
            "how": self._how if self._blend is not None else None,
            "models": [model.fingerprint for model in _models(self.voices)],
            "versions": {name: version(name) for name in ("segue", "torch")},
        }
        if any(map(str.isalpha, text)):
            who = [artists[AUTHOR_LETTERS.index(line.voices[0])] for line in own]
            told["figures"] = self._figures(text, who, index_songs(songs))
        return told

    def _figures(self, text: str, who: list[str], known: SongIndex) -> dict[str, Any]:
        """Return what `verse_report` says; of one voice made of two, how much it is of each."""
        artists = [voice.artist for voice in self.voices]
        authorship = fit_authorship_for(known, artists)
        figures = asdict(
            lyrics_report(text, known, artist=artists[0], voices=who, authorship=authorship)
        )
        if self._blend is not None:
            taken = [line["taken_for"] for line in figures["lines"]]
            for artist in artists:
                songs = [song.text for song in known.songs if song.artist == artist]
                figures["own"][artist] = asdict(artist_statistics(songs, len(taken)))
                if authorship:
                    figures["taken"][artist] = taken.count(artist) / len(taken)
        return figures


def _models(voices: Sequence[ArtistStyle]) -> list[LanguageModel]:
    return list({id(voice.model): voice.model for voice in voices}.values())


def _base(voices: Sequence[ArtistStyle]) -> LanguageModel:
    """Return what both voices differ from: the one model that knows both, or what is shipped."""
    models = _models(voices)
    return models[0] if len(models) == 1 else LanguageModel.shipped()


def check_seed_line(line: str | None) -> str:
    """Return a line that is to begin with.

    Raises
    ------
    BadArgument
        It is empty, or more than one.
    """
    if line is None:
        return ""
    told = line.strip()
    if not any(map(str.isalpha, told)) or "\n" in told:
        raise BadArgument(
            f"--seed-line {line!r}: one line with words to begin with; leave the option out to "
            "begin with nothing"
        )
    return told
