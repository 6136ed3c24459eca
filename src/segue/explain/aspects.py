"""What a reason is about, and how it is said: which way both tracks lean, or how they differ."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import Reason

#: Name of the share that no aspect accounts for.
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Aspect:
    """Something in which tracks are alike or differ.

    Attributes
    ----------
    name : str
        "tempo".
    family : str
        What it belongs to: "rhythm". Small reasons are summed up by family.
    high, low : str
        What a track is that has much of it, and little: "fast", "slow"; "" where it has no
        direction, as timbre.
    more, less : str
        What a track is that has more of it than another, and less: "faster", "slower".
    """

    name: str
    family: str
    high: str = ""
    low: str = ""
    more: str = ""
    less: str = ""


def quality(name: str, family: str, none: str = "little") -> Aspect:
    """Return the aspect of a quality that there is much or little of: "metal", "strings"."""
    return Aspect(name, family, name, f"{none} {name}", f"more {name}", f"less {name}")


UNNAMED: Final = Aspect(OTHER, OTHER)


@dataclass(frozen=True, slots=True)
class Measures:
    """Which numbers of a vector belong to an aspect, and which of them tell its direction.

    Attributes
    ----------
    aspect : Aspect
    columns : ndarray, shape (n,), int64
    signs : ndarray, shape (n,), float64
        +1 for a number that grows with the aspect, -1 for one that falls, 0 for one that is only
        about it.
    """

    aspect: Aspect
    columns: NDArray[np.int64]
    signs: NDArray[np.float64]

    def level(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Tell how much of the aspect there is, from standard scores, shape (..., numbers)."""
        weight = self.signs / max(float(np.abs(self.signs).sum()), 1.0)
        return np.asarray(scores[..., self.columns] @ weight)


def measures(
    names: Sequence[str], table: Mapping[Aspect, str], rest: Mapping[str, Aspect]
) -> tuple[Measures, ...]:
    """Divide the numbers of a vector among aspects.

    Parameters
    ----------
    names : sequence of str
        One for each number.
    table : mapping of Aspect to str
        The numbers of each, separated by ";": "+" before one that grows with the aspect, "-"
        before one that falls. A name that ends in "*" stands for all that begin so and that are
        not named themselves.
    rest : mapping of str to Aspect
        By the beginning of a name, what a number is about that is in none of the table.
    """
    found: dict[Aspect, list[tuple[int, float]]] = {}
    exact = {part.strip(" +-") for parts in table.values() for part in parts.split(";")}
    taken: set[int] = set()
    for aspect, parts in table.items():
        for part in parts.split(";"):
            sign = {"+": 1.0, "-": -1.0}.get(part.strip()[0], 0.0)
            wanted = part.strip(" +-")
            for column, name in enumerate(names):
                family = wanted.endswith("*") and name.startswith(wanted[:-1])
                if name == wanted or (family and name not in exact):
                    found.setdefault(aspect, []).append((column, sign))
                    taken.add(column)
    for column, name in enumerate(names):
        if column not in taken:
            about = next(aspect for begins, aspect in rest.items() if name.startswith(begins))
            found.setdefault(about, []).append((column, 0.0))
    return tuple(
        Measures(
            aspect,
            np.array([column for column, _ in pairs], np.int64),
            np.array([sign for _, sign in pairs]),
        )
        for aspect, pairs in found.items()
    )


@dataclass(frozen=True, slots=True)
class Share:
    """What one aspect gives of a similarity, and how much of it both have; 0 is the average."""

    aspect: Aspect
    share: float
    first: float = 0.0
    second: float = 0.0


def say(shares: Iterable[Share]) -> tuple[Reason, ...]:
    """Turn shares into reasons, the largest first; shares of one aspect are added.

    Parameters
    ----------
    shares : iterable of Share
        `first` is of what was asked with, `second` of the answer.
    """
    total: dict[Aspect, float] = {}
    levels: dict[Aspect, tuple[float, float]] = {}
    for one in shares:
        total[one.aspect] = total.get(one.aspect, 0.0) + one.share
        levels.setdefault(one.aspect, (one.first, one.second))
    _leave_at_most_half(total)
    found = [
        Reason(aspect.name, share, said(aspect, share, *levels[aspect]), aspect.family)
        for aspect, share in total.items()
    ]
    return tuple(sorted(found, key=lambda reason: -reason.share))


def _leave_at_most_half(total: dict[Aspect, float]) -> None:
    """Divide what is left beyond half of a similarity among the aspects, by their size.

    That much is left only where aspects that speak for and against likeness outweigh each other,
    so that the similarity is about zero.
    """
    left, similarity = total.get(UNNAMED, 0.0), sum(total.values())
    named = sum(abs(share) for aspect, share in total.items() if aspect != UNNAMED)
    kept = max(-abs(similarity) / 2, min(left, abs(similarity) / 2))
    if kept != left and named > 0:
        for aspect, share in total.items():
            if aspect != UNNAMED:
                total[aspect] = share + (left - kept) * abs(share) / named
        total[UNNAMED] = kept


def said(aspect: Aspect, share: float, first: float, second: float) -> str:
    """Say which way a share goes.

    What speaks for likeness is what both are, where both are on one side of the average; what
    speaks against it is what the answer is more or less than what was asked with.
    """
    if share >= 0:
        if aspect.high and min(first, second) > 0:
            return f"both: {aspect.high}"
        if aspect.low and max(first, second) < 0:
            return f"both: {aspect.low}"
        return f"similar {aspect.name}"
    if aspect.more and first != second:
        return f"differs: {aspect.more if second > first else aspect.less}"
    return f"different {aspect.name}"
