"""Takes of `segue compose`: kept in a file, ranked, and compared on a page."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from segue.cli.output import count_of, display_path, say
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.generate.compose.composition import Composition
    from segue.generate.compose.humanise import HumaniseOptions
    from segue.records import Score


@dataclass(frozen=True, slots=True)
class KeptTake:
    """The take that a composition goes on from.

    Attributes
    ----------
    path : Path
        File of the takes.
    score : Score
        The take.
    key : int, optional
        Key that was requested of it.
    output : Path
        Output file where none is named.
    """

    path: Path
    score: "Score"
    key: int | None
    output: Path


def kept_take(query: str | None, number: int | None) -> KeptTake | None:
    """Return the take to go on from, if `number` names one.

    Raises
    ------
    BadArgument
        There are no such takes, or no take of that number is named.
    """
    from segue.generate.compose.takes import SUFFIX, TakeSet, find_takes

    if number is None:
        if query is not None and query.endswith(SUFFIX):
            raise BadArgument(f"{query} holds takes; choose one of them, as --keep 2")
        return None
    path = find_takes(query, Path())
    takes = TakeSet.load(path)
    stem = path.name.removesuffix(SUFFIX)
    output = path.with_name(f"{stem}-{number}-more.mid")
    return KeptTake(path, takes[number].score, takes.key, output)


def default_outputs(kept: KeptTake | None) -> list[Path]:
    """Return the output files where none is named.

    Raises
    ------
    BadArgument
        No take is kept, after which they could be named.
    """
    if kept is None:
        raise BadArgument("no output file is named; name one, as -o new.mid")
    return [kept.output]


class TakesWriter:
    """Writes the file and the page of takes beside their output files.

    Parameters
    ----------
    outputs : sequence of Path
        Output files without numbers.
    kept : KeptTake, optional
        The take that the composition goes on from.

    Raises
    ------
    BadArgument
        The takes would replace those that they go on from.
    """

    def __init__(self, outputs: Sequence[Path], kept: KeptTake | None = None) -> None:
        from segue.generate.compose.takes import TakeSet, takes_path

        self.path = takes_path(outputs[0])
        self.page = outputs[0].with_suffix(".html")
        if kept and kept.path.resolve() == self.path.resolve():
            raise BadArgument(
                f"{display_path(self.path)} holds the takes you keep one of; name another output "
                "file"
            )
        self._takes = TakeSet(0)
        self._lines: list[Sequence[str]] = []

    def add(
        self,
        piece: "Composition",
        title: str | None,
        files: Sequence[Path],
        report: dict[str, Any],
        lines: Sequence[str],
    ) -> None:
        """Add a take with its report, as fields and in words, and save all.

        The report gets the probability that the bars are real.
        """
        from segue.generate.compose.takes import Take

        report["probability_real"] = piece.probability_real
        score = piece.score if title is None else replace(piece.score, title=title)
        folder = self.path.absolute().parent
        names = tuple(os.path.relpath(file.absolute(), folder) for file in files)
        last = piece.offset + len(piece.generated)
        self._takes.first, self._takes.key = piece.offset, piece.options.key
        self._takes.takes.append(Take(score, last, names, report))
        self._lines.append(lines)
        self._takes.save(self.path)

    def write_page(self, performance: "HumaniseOptions") -> None:
        """Write the page, the best take first."""
        from segue.generate.compose.humanise import humanise
        from segue.render.pages import TakeView, write_takes_page

        views = []
        for rank, number in enumerate(self._takes.ranking()):
            take = self._takes[number]
            seed = take.report["to_reproduce"]["seed"]
            views.append(
                TakeView(
                    f"Take {number}",
                    f"{'' if rank else 'first choice: '}{verdict(take.report)}",
                    self._lines[number - 1],
                    [quote(name) for name in take.files],
                    humanise(take.score, replace(performance, seed=seed)),
                    self._takes.first,
                    take.last,
                )
            )
        title = self._takes[1].score.title or "Composition"
        count = len(self._takes.takes)
        caption = (
            f"{count_of(count, 'take')}. Generated bars lie between the dashed lines. "
            f"To go on with one: segue compose {shlex.quote(self.path.name)} --keep "
            f"{views[0].name[5:]}"
        )
        write_takes_page(views, self.page, title, caption)

    def fields(self) -> dict[str, Any]:
        """Return the files and the ranking as JSON fields."""
        return {
            "takes": {
                "file": display_path(self.path),
                "page": display_path(self.page),
                "ranking": self._takes.ranking(),
            }
        }

    def say(self) -> None:
        """Print the ranking, where the takes are, and how to go on."""
        for number in self._takes.ranking():
            say(f"take {number}: {verdict(self._takes[number].report)}")
        say(f"wrote {display_path(self.page)}, a page to hear and compare them")
        best = self._takes.ranking()[0]
        path = shlex.quote(display_path(self.path))
        say(f"to go on with take {best}: segue compose {path} --keep {best}")


def verdict(report: dict[str, Any]) -> str:
    """Return what the critic makes of a take in words."""
    return f"the critic takes it for real with a probability of {report['probability_real']:.0%}"
