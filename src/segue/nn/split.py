"""Splits into training, validation and test sets, in the order of a hash of names.

A split depends on the names alone, so that it is the same whenever a run is repeated or resumed.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
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


class Item(Protocol):
    """An item to split: `group` keeps items together, `name` identifies one without a group."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def group(self) -> str: ...  # noqa: D102


T = TypeVar("T", bound=Item)


def train_validation_split(
    items: Sequence[T],
    what: str = "scores",
    *,
    share: float = VALIDATION_SHARE,
    minimum: int = MIN_PIECES,
    max_share: float | None = None,
) -> tuple[list[T], list[T]]:
    """Split items into a training and a validation set that have no group in common.

    Groups go to the validation set in the order of the hash of their names. Where there are too few
    groups, or all are too large, items are split instead.

    Parameters
    ----------
    items : sequence
        Items with a `name` and a `group`.
    what : str
        Plural name of the items for the error message.
    share : float
        Share of the groups in the validation set, or with `max_share` of the items.
    minimum : int
        Minimum number of items, and of groups to split by.
    max_share : float, optional
        Greatest share of the items in the validation set; larger groups are passed over.

    Returns
    -------
    train, validation : list

    Raises
    ------
    TrainingFailed
        There are fewer than `minimum` items.
    """
    if len(items) < minimum:
        raise TrainingFailed(
            f"there are {len(items)} {what} to train on, at least {minimum} are needed (and some "
            "hundred for a useful model); add more with `segue add`"
        )
    sizes = Counter(_group_or_name(item) for item in items)
    if max_share is None:
        is_grouped = len(sizes) >= minimum
    else:
        is_grouped = min(sizes.values()) <= max_share * len(items)
    key: Callable[[T], str] = _group_or_name if is_grouped else _name
    sizes = Counter(key(item) for item in items)
    ordered = sorted(sizes, key=_hash)
    if max_share is None:
        chosen = set(ordered[: max(round(share * len(ordered)), 1)])
    else:
        chosen = _fill(ordered, sizes, share * len(items), max_share * len(items))
    train = [item for item in items if key(item) not in chosen]
    validation = [item for item in items if key(item) in chosen]
    if max_share is not None:  # in the order of version 0.1, whose runs can be resumed
        validation.sort(key=lambda item: (_hash(key(item)), item.name))
    return train, validation


def train_validation_test_split(
    items: Sequence[T],
    last: Collection[str] = (),
    *,
    share: float = VALIDATION_SHARE,
    minimum: int = MIN_PIECES,
) -> tuple[list[T], list[T], list[T]]:
    """Split each group into a training, a validation and a test set.

    Parameters
    ----------
    items : sequence
        Items with a `name` and a `group`.
    last : collection of str
        Names of items that are held out only after all others of their group.
    share : float
        Share of each group in the validation set, and as much in the test set, but at least one
        item each.
    minimum : int
        Smaller groups are in the training set.

    Returns
    -------
    train, validation, test : list
    """
    groups: dict[str, list[T]] = {}
    for item in items:
        groups.setdefault(item.group, []).append(item)
    train: list[T] = []
    validation: list[T] = []
    test: list[T] = []
    held_out_last = frozenset(last)
    for _, group in sorted(groups.items()):
        group.sort(key=lambda item: (item.name in held_out_last, _hash(item.name)))
        count = max(round(share * len(group)), 1) if len(group) >= minimum else 0
        validation += group[:count]
        test += group[count : 2 * count]
        train += group[2 * count :]
    return train, validation, test


def _fill(ordered: Sequence[str], sizes: Counter[str], target: float, limit: float) -> set[str]:
    """Choose groups until they have `target` items, passing over those that exceed `limit`."""
    chosen: set[str] = set()
    count = 0
    for name in ordered:
        if count >= target:
            break
        if count + sizes[name] <= limit:
            chosen.add(name)
            count += sizes[name]
    return chosen


def _group_or_name(item: Item) -> str:
    return item.group or item.name


def _name(item: Item) -> str:
    return item.name


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
