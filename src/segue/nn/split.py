"""Training, validation and test sets."""

import hashlib
from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from segue.errors import TrainingFailed
from segue.records import Track

FEWEST_PIECES: Final = 3
#: Of the groups, or pieces, at least one.
VALIDATION_SHARE: Final = 0.1


def unit_of(track: Track) -> str:
    """Name what of a track's kin is never divided between learning and judging.

    Its album; of what names none, the folder that it lies in, which is no album but may well
    hold what belongs together.
    """
    return track.tags.album or track.path.parent.name


class Piece(Protocol):
    """What can be divided: by `group`, an album say, or by `name` where that is ""."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def group(self) -> str: ...  # noqa: D102


P = TypeVar("P", bound=Piece)


def split(pieces: Sequence[P], what: str = "scores") -> tuple[list[P], list[P]]:
    """Divide pieces: about a tenth judges, and no group is on both sides.

    By the SHA-256 of names, so that the same pieces are always divided alike.

    Parameters
    ----------
    pieces : sequence
    what : str
        What to call them where there are too few.

    Raises
    ------
    TrainingFailed
        There are too few.
    """
    if len(pieces) < FEWEST_PIECES:
        raise TrainingFailed(
            f"there are {len(pieces)} {what} to learn from, at least {FEWEST_PIECES} are needed "
            "(and some hundred for what is worth having); add more with `segue add`"
        )
    names = {piece.group or piece.name for piece in pieces}
    grouped = len(names) >= FEWEST_PIECES
    keys = [piece.group or piece.name if grouped else piece.name for piece in pieces]
    ordered = sorted(set(keys), key=lambda name: hashlib.sha256(name.encode()).digest())
    held = set(ordered[: max(round(VALIDATION_SHARE * len(ordered)), 1)])
    learn = [piece for piece, key in zip(pieces, keys, strict=True) if key not in held]
    return learn, [piece for piece, key in zip(pieces, keys, strict=True) if key in held]
