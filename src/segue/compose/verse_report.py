"""What is said of every text that is written: whether it is real, its own, like its artist."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from segue.compose.authorship import Authorship, fit
from segue.errors import BadArgument, NotFound
from segue.formats.lyrics.text import sung_lines
from segue.measure.verbatim import Copied, KnownSong, KnownSongs
from segue.records import Lyrics
from segue.represent.lyrics.words import rhyme_sound, syllables, words_of

#: So many artists at most are told apart: those that are asked for, then who has most lines.
MOST_ARTISTS: Final = 12
_REACH: Final = 4  # lines on in which a rhyme is looked for
_RUN: Final = 4  # words of a run that is new or not
_REPEATED_RUN: Final = 3
_MOST_LINES: Final = 2000  # of an artist's songs that a text is held against; at least:
_STRETCHES: Final = 20


@dataclass(frozen=True, slots=True)
class VerseFigures:
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
class CopiedRun:
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
class ToldLine:
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
class VerseReport:
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
    copied_words: CopiedRun
    copied_characters: CopiedRun
    figures: VerseFigures
    own: dict[str, VerseFigures]
    lines: tuple[ToldLine, ...]
    taken: dict[str, float]


def known_songs(lyrics: Iterable[Lyrics]) -> KnownSongs:
    """Index songs, so that copies of them are found; headers of sections are no words."""
    return KnownSongs(
        [
            KnownSong(song.tags.artist, song.tags.title, song.text, tuple(_words(song.text)))
            for song in lyrics
        ]
    )


def fitted_authorship(known: KnownSongs, artists: Iterable[str]) -> Authorship | None:
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
    chosen = chosen[: max(MOST_ARTISTS, len(asked))]
    return fit({artist: songs[artist] for artist in chosen}) if len(chosen) > 1 else None


def verse_report(
    text: str,
    known: KnownSongs,
    *,
    artist: str,
    voices: Sequence[str] | None = None,
    authorship: Authorship | None = None,
) -> VerseReport:
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
        sung (`segue.formats.lyrics.text.sung_lines`).
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
    authorship = authorship or fitted_authorship(known, asked)
    if authorship and (missing := set(asked) - set(authorship.artists)):
        raise BadArgument(
            f"{', '.join(sorted(missing))}: not among those told apart; expected "
            "fitted_authorship of all who wrote"
        )
    taken_for = _taken_for(lines, voices, authorship)
    return VerseReport(
        real_words=known.known_words(words) or 0.0,
        new_runs=known.new_runs(words, _RUN),
        copied_words=_told(known.longest_words(words), known),
        copied_characters=_told(known.longest_characters(text), known),
        figures=verse_figures(lines),
        own={voice: own_figures(songs[voice], len(lines)) for voice in asked},
        lines=tuple(map(ToldLine, lines, voices, taken_for)),
        taken={} if authorship is None else _shares(voices, taken_for),
    )


def verse_figures(lines: Sequence[str]) -> VerseFigures:
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
    return VerseFigures(
        repeated_lines=_repeated(words),
        repeated_runs=_repeated(list(zip(all_words, all_words[1:], all_words[2:], strict=False))),
        rhymed_lines=_rhymed([line[-1] for line in words]),
        words_of_line=len(all_words) / len(words),
        syllables_of_line=float(np.mean(counts)),
        spread_of_syllables=float(np.std(counts)),
    )


def own_figures(songs: Sequence[str], lines: int) -> VerseFigures:
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
    figures = [verse_figures(stretches[at]) for at in some.tolist()]
    return VerseFigures(*np.mean([_numbers(each) for each in figures], axis=0).tolist())


def _songs_by_artist(known: KnownSongs) -> dict[str, list[str]]:
    songs: dict[str, list[str]] = {}
    for song in known.songs:
        if song.words:
            songs.setdefault(song.artist, []).append(song.text)
    return songs


def _words(text: str) -> list[str]:
    return [word for line in sung_lines(text) for word in words_of(line)]


def _taken_for(
    lines: Sequence[str], voices: Sequence[str], authorship: Authorship | None
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


def _told(copied: Copied, known: KnownSongs) -> CopiedRun:
    song = known.songs[copied.song] if copied.length else None
    artist, title = (song.artist, song.title) if song else ("", "")
    return CopiedRun(copied.length, copied.text, artist, title)


def _cut(lines: list[str], length: int) -> list[list[str]]:
    return [lines[at : at + length] for at in range(0, len(lines) - length + 1, length)]


def _numbers(figures: VerseFigures) -> list[float]:
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
