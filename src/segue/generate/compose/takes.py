"""Takes: alternatives of one composition, kept in a file so that one of them can be gone on with.

The file is JSON. It holds each take as MIDI without performance, whatever files were written, so
that a take is continued from exactly the notes that were generated, and its chord symbols, which
MIDI has no place for.
"""

import base64
import binascii
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from segue.errors import BadArgument, Unreadable
from segue.files import write_text
from segue.io.midi import read_midi, write_midi
from segue.records import Score
from segue.theory.chords import is_chord

SUFFIX: Final = ".takes.json"
MAX_TAKES: Final = 20
_KIND: Final = "segue takes"
_VERSION: Final = 1
_MAX_BYTES: Final = 64 << 20
_MAX_TICK: Final = 1 << 31
#: Number of files that a message lists.
_MAX_LISTED: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """One of several alternatives.

    Attributes
    ----------
    score : Score
        The whole piece, with the prompt.
    last : int
        Index after that of the last generated bar.
    files : tuple of str
        Names of the files written of it, beside the takes file.
    report : dict
        See `segue.generate.compose.composition.Composition.report`.
    """

    score: Score
    last: int
    files: tuple[str, ...]
    report: dict[str, Any]

    @property
    def probability_real(self) -> float | None:
        """Probability that its bars are real, as the critic estimates it; None if unknown."""
        value = self.report.get("probability_real")
        return None if value is None else float(value)


@dataclass(slots=True, eq=False)
class TakeSet:
    """The takes of one composition, numbered from 1 in the order they were generated.

    Attributes
    ----------
    first : int
        Index of the first generated bar.
    key : int, optional
        Index of the key that was requested, which holds for continuations, too.
    takes : list of Take
    """

    first: int
    key: int | None = None
    takes: list[Take] = field(default_factory=list)

    def ranking(self) -> list[int]:
        """Return the numbers of the takes, the one that the critic finds most real first."""
        return sorted(
            range(1, len(self.takes) + 1),
            key=lambda number: -(self[number].probability_real or 0.0),
        )

    def __getitem__(self, number: int) -> Take:
        """Return a take by its number.

        Raises
        ------
        BadArgument
            There is no take of that number.
        """
        if not 1 <= number <= len(self.takes):
            raise BadArgument(f"there is no take {number}; there are takes 1 to {len(self.takes)}")
        return self.takes[number - 1]

    def save(self, path: Path) -> None:
        """Write the takes atomically.

        Raises
        ------
        BadArgument
            The file cannot be written.
        """
        takes = [
            {
                "midi": base64.b64encode(write_midi(take.score)).decode("ascii"),
                "chords": [list(each) for each in take.score.chords],
                "last": take.last,
                "files": list(take.files),
                "report": take.report,
            }
            for take in self.takes
        ]
        fields = {
            "kind": _KIND, "version": _VERSION, "first": self.first, "key": self.key,
            "takes": takes,
        }  # fmt: skip
        write_text(json.dumps(fields, ensure_ascii=False) + "\n", path)

    @classmethod
    def load(cls, path: Path) -> "TakeSet":
        """Read a file of takes.

        Raises
        ------
        BadArgument
            The file is missing, damaged, too large, or something else.
        """
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise BadArgument(f"{path} is larger than any file of takes")
            content = path.read_text(encoding="utf-8")
        except OSError as error:
            raise BadArgument(f"cannot read {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            content = ""
        try:
            return cls._parse(json.loads(content))
        except (ValueError, KeyError, TypeError, OverflowError, Unreadable, RecursionError):
            raise BadArgument(
                f"{path} is damaged, or no file of takes; make takes again with --takes"
            ) from None

    @classmethod
    def _parse(cls, fields: dict[str, Any]) -> "TakeSet":
        takes = [_parse_take(row) for row in fields["takes"][:MAX_TAKES]]
        first, key = int(fields["first"]), fields["key"]
        if (
            (fields["kind"], fields["version"]) != (_KIND, _VERSION)
            or not takes
            or not all(0 <= first < take.last for take in takes)
            or key not in (None, *range(24))
        ):
            raise ValueError("not the takes of a composition")
        return cls(first, key, takes)


def _parse_take(row: dict[str, Any]) -> Take:
    try:
        score = read_midi(base64.b64decode(row["midi"], validate=True))
    except binascii.Error as error:
        raise ValueError("no MIDI") from error
    chords = tuple((int(tick), str(symbol)) for tick, symbol in row.get("chords", ()))
    if not all(0 <= tick <= _MAX_TICK and is_chord(symbol) for tick, symbol in chords):
        raise ValueError("no chord symbols")
    score = replace(score, chords=tuple(sorted(chords)))
    files = tuple(str(name) for name in row["files"])
    return Take(score, int(row["last"]), files, dict(row["report"]))


def takes_path(output: Path) -> Path:
    """Return the path of the takes whose first output file has a given path."""
    return output.with_name(f"{output.stem}{SUFFIX}")


def find_takes(query: str | None, folder: Path) -> Path:
    """Return the file of takes that a query names; without one, the only file of a folder.

    Parameters
    ----------
    query : str, optional
        Path of the takes file, or of the output that the takes were written to.
    folder : Path
        Folder that is searched without a query.

    Raises
    ------
    BadArgument
        There is no such file; or, without a query, none or several.
    """
    if query is not None:
        path = Path(query).expanduser()
        path = path if path.name.endswith(SUFFIX) else takes_path(path)
        if not path.exists():
            raise BadArgument(f"there is no file {path} with takes to keep one of")
        return path
    files = sorted(folder.glob(f"*{SUFFIX}"))
    if len(files) != 1:
        raise BadArgument(_explain(files))
    return files[0]


def _explain(files: Sequence[Path]) -> str:
    """Return the message on which takes to name."""
    if not files:
        return (
            "there are no takes in this folder; name them, as `segue compose FOLDER/more"
            f"{SUFFIX} --keep 2`, or make some with --takes"
        )
    names = ", ".join(file.name for file in files[:_MAX_LISTED])
    return (
        f"{len(files)} compositions have takes in this folder ({names}"
        f"{' …' if len(files) > _MAX_LISTED else ''}); name one, as "
        f"`segue compose {shlex.quote(files[0].name)} --keep 2`"
    )
