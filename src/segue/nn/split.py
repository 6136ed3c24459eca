"""Train/validation split by hash, grouped by album."""

import hashlib
from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from segue.errors import TrainingFailed
from segue.records import Track

MIN_PIECES: Final = 3
VALIDATION_SHARE: Final = 0.1


def split_group(track: Track) -> str:
    """Return the group of a track, which is never divided between training and validation.

    The album, or the folder for a track without one: tracks in a folder often belong together.
    """
    return track.tags.album or track.path.parent.name


class Piece(Protocol):
    """An item to split: `group` keeps items together, `name` identifies one without a group."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def group(self) -> str: ...  # noqa: D102


P = TypeVar("P", bound=Piece)


def train_validation_split(pieces: Sequence[P], what: str = "scores") -> tuple[list[P], list[P]]:
    """Split pieces into a training set and a validation set of a tenth of the groups.

    Groups are ordered by the SHA-256 of their names, so that the split is deterministic. Where
    there are fewer than `MIN_PIECES` groups, pieces are split instead.

    Parameters
    ----------
    pieces : sequence
        Items with a `name` and a `group`.
    what : str
        Plural name of the items for the error message.

    Returns
    -------
    train, validation : list

    Raises
    ------
    TrainingFailed
        There are fewer than `MIN_PIECES` pieces.
    """
    if len(pieces) < MIN_PIECES:
        raise TrainingFailed(
            f"there are {len(pieces)} {what} to train on, at least {MIN_PIECES} are needed (and "
            "some hundred for a useful model); add more with `segue add`"
        )
    grouped = len({piece.group or piece.name for piece in pieces}) >= MIN_PIECES
    keys = [piece.group or piece.name if grouped else piece.name for piece in pieces]
    ordered = sorted(set(keys), key=lambda name: hashlib.sha256(name.encode()).digest())
    validation_keys = set(ordered[: max(round(VALIDATION_SHARE * len(ordered)), 1)])
    train: list[P] = []
    validation: list[P] = []
    for piece, key in zip(pieces, keys, strict=True):
        (validation if key in validation_keys else train).append(piece)
    return train, validation
