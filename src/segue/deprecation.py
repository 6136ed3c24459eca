"""Old names of the public Python API, which still work for one release, with a warning."""

import functools
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def _warn(old: str, new: str) -> None:
    warnings.warn(f"{old!r} is now called {new!r}", DeprecationWarning, stacklevel=3)


class RenamedAttributes:
    """Base of classes whose methods or fields had other names in version 0.1.

    Attributes
    ----------
    _renamed : dict of str to str
        From old names to new ones.
    """

    __slots__ = ()
    _renamed: ClassVar[dict[str, str]] = {}

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            new = self._renamed.get(name)
            if new is None:
                raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
            _warn(name, new)
            return getattr(self, new)


def renamed_arguments(**renamed: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Accept keyword arguments under the names that they had in version 0.1.

    Parameters
    ----------
    **renamed : str
        From old names to new ones.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for old in renamed.keys() & kwargs.keys():
                _warn(old, renamed[old])
                kwargs[renamed[old]] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate
