"""Messages between the parent and its workers: JSON and raw arrays.

A worker decodes files that may be hostile, so its answers are taken for data only. Nothing is
made of them but plain values, arrays of numbers, and the frozen records of Segue that the
receiver has imported itself.
"""

import json
import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from typing import Any, Final

import numpy as np

from segue.errors import SegueError

#: A message may be this long. An answer as long as this has more in it than any music.
MAX_BYTES: Final = 1 << 30
_OWN: Final = "segue."  # records of other packages are not made
_NUMBERS: Final = "biuf"  # kinds of arrays that are sent
_LENGTH: Final = 8  # bytes that hold the length of the JSON


class BadMessage(SegueError):
    """A message that is no message of Segue's, or too long."""


def encode(value: object) -> bytes:
    """Turn a value into a message.

    Parameters
    ----------
    value : object
        Of None, numbers, text, bytes, tuples, lists, dicts, arrays of numbers, and frozen
        dataclasses of such.

    Raises
    ------
    BadMessage
        It is too long.
    TypeError
        It holds something else.
    """
    arrays: list[memoryview] = []
    text = json.dumps(_plain(value, arrays)).encode()
    length = _LENGTH + len(text) + sum(array.nbytes for array in arrays)
    if length > MAX_BYTES:
        raise BadMessage(f"holds more than Segue takes at once ({length >> 20} MiB)")
    return b"".join([len(text).to_bytes(_LENGTH, "little"), text, *arrays])


def decode(message: bytes) -> Any:
    """Turn a message into the value that it was made from; arrays are copies, and writable.

    Raises
    ------
    BadMessage
        It is damaged, or holds what is never sent.
    """
    try:
        start = _LENGTH + int.from_bytes(message[:_LENGTH], "little")
        return _Decoder(message, start).value(json.loads(message[_LENGTH:start]))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise BadMessage(f"a message that cannot be read ({error})") from None


def _plain(value: object, arrays: list[memoryview]) -> object:
    """Return what JSON takes. Whatever it would not give back as it was is a list with a tag."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        arrays.append(memoryview(value))
        return ["bytes", len(value)]
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in _NUMBERS:
            raise TypeError(f"arrays of {value.dtype} are not sent to or from workers")
        arrays.append(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
        return ["array", value.dtype.str, *value.shape]
    kind, parts = _divided(value)
    return [kind, *(_plain(part, arrays) for part in parts)]


def _divided(value: object) -> tuple[str, Iterable[object]]:
    """Return what a value is a kind of, and what it is made of."""
    if isinstance(value, tuple):
        return "tuple", value
    if isinstance(value, list):
        return "list", value
    if isinstance(value, dict):
        return "dict", value.items()
    kind = f"{type(value).__module__}:{type(value).__qualname__}"
    if not is_dataclass(value) or _record(kind) is not type(value):
        raise TypeError(f"{type(value)} is not sent to or from workers")
    return kind, (getattr(value, one.name) for one in fields(value))


def _record(name: str) -> Any:
    """Return a frozen record of Segue that is imported here, by module and name."""
    module, _, own = name.partition(":")
    found = getattr(sys.modules[module], own) if module.startswith(_OWN) else None
    if not isinstance(found, type) or not is_dataclass(found):
        raise TypeError(f"{name} is no record")
    if not found.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise TypeError(f"{name} is no frozen record")
    return found


_MADE: Final[dict[str, Callable[[list[Any]], Any]]] = {"tuple": tuple, "list": list, "dict": dict}


class _Decoder:
    def __init__(self, message: bytes, at: int) -> None:
        self._message = memoryview(message)
        self._at = at

    def value(self, plain: Any) -> Any:
        if not isinstance(plain, list):
            if isinstance(plain, dict):
                raise TypeError("an object without a tag")
            return plain
        kind, *rest = plain
        if kind == "bytes":
            return bytes(self._take(*rest))
        if kind == "array":
            return self._array(*rest)
        values = [self.value(part) for part in rest]
        return _MADE[kind](values) if kind in _MADE else _record(kind)(*values)

    def _array(self, kind: str, *shape: int) -> np.ndarray[Any, np.dtype[Any]]:
        dtype = np.dtype(kind)
        if dtype.kind not in _NUMBERS:
            raise TypeError(f"an array of {dtype}")
        taken = self._take(math.prod(shape) * dtype.itemsize)
        return np.frombuffer(taken, dtype).reshape(shape).copy()

    def _take(self, count: int) -> memoryview:
        start, self._at = self._at, self._at + count
        if count < 0 or self._at > len(self._message):
            raise ValueError("it ends too early")
        return self._message[start : self._at]
