"""Lyrics made: line by line, then with a report, and as the text that goes into a file."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from importlib.metadata import version
from typing import Any, Final

from segue.compose.verse_report import (
    fitted_authorship,
    known_songs,
    own_figures,
    verse_report,
)
from segue.compose.verses import write_verse
from segue.compose.voices import By, How, Line, VerseWishes, Voice, blended, in_turn
from segue.errors import BadArgument
from segue.formats.lyrics.text import sung_lines
from segue.measure.verbatim import KnownSongs
from segue.model.lyrics.language import LanguageModel
from segue.model.lyrics.letters import ANYBODY

NAMES: Final = "AB"


class Verse:
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
        voices: Sequence[Voice],
        wishes: VerseWishes,
        *,
        by: By = "line",
        blend: float | None = None,
        how: How = "mixture",
    ) -> None:
        self.voices = tuple(voices)
        self.wishes = wishes
        self.lines: list[Line] = []
        self._by, self._blend, self._how = by, blend, how
        blending = in_turn if blend is None else blended(blend, how)
        heard = [*voices]
        if blend is not None and how == "contrast":
            heard = [replace(voice, emphasis=0.0) for voice in voices]  # `blended` does that
            heard.append(Voice("", _base(voices), ANYBODY))
        self._written = write_verse(heard, wishes, by=by, blending=blending)

    def __iter__(self) -> Iterator[Line]:
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
            who = [artists[NAMES.index(line.voices[0])] for line in own]
            told["figures"] = self._figures(text, who, known_songs(songs))
        return told

    def _figures(self, text: str, who: list[str], known: KnownSongs) -> dict[str, Any]:
        """Return what `verse_report` says; of one voice made of two, how much it is of each."""
        artists = [voice.artist for voice in self.voices]
        authorship = fitted_authorship(known, artists)
        figures = asdict(
            verse_report(text, known, artist=artists[0], voices=who, authorship=authorship)
        )
        if self._blend is not None:
            taken = [line["taken_for"] for line in figures["lines"]]
            for artist in artists:
                songs = [song.text for song in known.songs if song.artist == artist]
                figures["own"][artist] = asdict(own_figures(songs, len(taken)))
                if authorship:
                    figures["taken"][artist] = taken.count(artist) / len(taken)
        return figures


def _models(voices: Sequence[Voice]) -> list[LanguageModel]:
    return list({id(voice.model): voice.model for voice in voices}.values())


def _base(voices: Sequence[Voice]) -> LanguageModel:
    """Return what both voices differ from: the one model that knows both, or what is shipped."""
    models = _models(voices)
    return models[0] if len(models) == 1 else LanguageModel.shipped()


def check_line(line: str | None) -> str:
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
