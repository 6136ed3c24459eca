"""Serialisation of messages between the parent process and its workers: JSON and raw arrays.

Workers decode untrusted files, so their results are treated as data (never unpickled): only plain
values, numeric arrays, and frozen dataclasses of Segue that the receiver has imported itself are
created from them.
"""

import json
import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from typing import Any, Final

import numpy as np

from segue.errors import SegueError

#: Maximum length of a message; no result of a music file is this long.
MAX_BYTES: Final = 1 << 30
_PACKAGE: Final = "segue."  # dataclasses of other packages are refused
_NUMERIC_KINDS: Final = "biuf"  # of NumPy's data types
_LENGTH: Final = 8  # bytes of the field with the length of the JSON


class BadMessage(SegueError):
    """A message that is malformed or too long."""


def encode(value: object) -> bytes:
    """Serialise a value.

    Parameters
    ----------
    value : object
        None, a number, str, bytes, tuple, list, dict, numeric array or frozen dataclass, nested
        in any way.

    Raises
    ------
    BadMessage
        The message is too long.
    TypeError
        The value holds an object of another type.
    """
    arrays: list[memoryview] = []
    text = json.dumps(_plain(value, arrays)).encode()
    length = _LENGTH + len(text) + sum(array.nbytes for array in arrays)
    if length > MAX_BYTES:
        raise BadMessage(f"holds more than Segue takes at once ({length >> 20} MiB)")
    return b"".join([len(text).to_bytes(_LENGTH, "little"), text, *arrays])


def decode(message: bytes) -> Any:
    """Deserialise a message; arrays are writable copies.

    Raises
    ------
    BadMessage
        The message is malformed, or holds an object of a type that is never sent.
    """
    try:
        start = _LENGTH + int.from_bytes(message[:_LENGTH], "little")
        return _Decoder(message, start).value(json.loads(message[_LENGTH:start]))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise BadMessage(f"a message that cannot be read ({error})") from None


def _plain(value: object, arrays: list[memoryview]) -> object:
    """Convert a value to JSON; all that JSON would not preserve becomes a list with a type tag."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        arrays.append(memoryview(value))
        return ["bytes", len(value)]
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in _NUMERIC_KINDS:
            raise TypeError(f"arrays of {value.dtype} are not sent to or from workers")
        arrays.append(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
        return ["array", value.dtype.str, *value.shape]
    tag, items = _tag_and_items(value)
    return [tag, *(_plain(item, arrays) for item in items)]


def _tag_and_items(value: object) -> tuple[str, Iterable[object]]:
    if isinstance(value, tuple):
        return "tuple", value
    if isinstance(value, list):
        return "list", value
    if isinstance(value, dict):
        return "dict", value.items()
    tag = f"{type(value).__module__}:{type(value).__qualname__}"
    if not is_dataclass(value) or _dataclass(tag) is not type(value):
        raise TypeError(f"{type(value)} is not sent to or from workers")
    return tag, (getattr(value, field.name) for field in fields(value))


def _dataclass(tag: str) -> Any:
    """Return a frozen dataclass of Segue that is already imported, by ``module:name``."""
    module, _, name = tag.partition(":")
    cls = getattr(sys.modules[module], name) if module.startswith(_PACKAGE) else None
    if not isinstance(cls, type) or not is_dataclass(cls):
        raise TypeError(f"{tag} is no dataclass")
    if not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise TypeError(f"{tag} is no frozen dataclass")
    return cls


_CONTAINERS: Final[dict[str, Callable[[list[Any]], Any]]] = {
    "tuple": tuple,
    "list": list,
    "dict": dict,
}


class _Decoder:
    def __init__(self, message: bytes, at: int) -> None:
        self._message = memoryview(message)
        self._at = at

    def value(self, plain: Any) -> Any:
        if not isinstance(plain, list):
            if isinstance(plain, dict):
                raise TypeError("an object without a tag")
            return plain
        tag, *rest = plain
        if tag == "bytes":
            return bytes(self._take(*rest))
        if tag == "array":
            return self._array(*rest)
        values = [self.value(item) for item in rest]
        return _CONTAINERS[tag](values) if tag in _CONTAINERS else _dataclass(tag)(*values)

    def _array(self, type_: str, *shape: int) -> np.ndarray[Any, np.dtype[Any]]:
        dtype = np.dtype(type_)
        if dtype.kind not in _NUMERIC_KINDS:
            raise TypeError(f"an array of {dtype}")
        data = self._take(math.prod(shape) * dtype.itemsize)
        return np.frombuffer(data, dtype).reshape(shape).copy()

    def _take(self, count: int) -> memoryview:
        start, self._at = self._at, self._at + count
        if count < 0 or self._at > len(self._message):
            raise ValueError("it ends too early")
        return self._message[start : self._at]
