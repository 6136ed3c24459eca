"""The character vocabulary with byte fallback.

What is written in the alphabets of western Europe has a token for each letter; any other letter
has those of its bytes in UTF-8. So every model can read and write every text, and what one has
learned fits all others.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument

#: Where a song begins, and where it ends.
SONG_BOUNDARY: Final = 0
#: Letters with a token of their own, in the order of their tokens, from 1 on.
CHARACTERS: Final = (
    "\n"
    + "".join(map(chr, range(0x20, 0x7F)))
    + "".join(chr(code) for code in range(0xA1, 0x100) if code != 0xAD)
    + "ŒœŸẞſ‘’‚“”„–—…‹›€"
)
_FIRST_BYTE: Final = 1 + len(CHARACTERS)
_LOWEST_BYTE: Final = 0x80
_HIGHEST_BYTE: Final = 0xF4
#: How many tokens there are.
VOCABULARY_SIZE: Final = _FIRST_BYTE + _HIGHEST_BYTE - _LOWEST_BYTE + 1

Tokens = NDArray[np.int64]

_CODES: Final = {letter: number for number, letter in enumerate(CHARACTERS, start=1)}
_UNKNOWN: Final = -1
_TABLE: Final = np.full(0x2200, _UNKNOWN, np.int64)
_TABLE[[ord(letter) for letter in CHARACTERS]] = np.arange(1, _FIRST_BYTE)
NEWLINE: Final = _CODES["\n"]
SPACE: Final = _CODES[" "]


def encode(text: str) -> Tokens:
    """Return the tokens of a text.

    Parameters
    ----------
    text : str
        As `segue.records.Lyrics.text`; control characters become spaces.

    Returns
    -------
    ndarray, shape (n,), int64
        From 1 to below `VOCABULARY`: the beginning and the end of a song are not told.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), "<u4")
    found: Tokens = _TABLE[np.minimum(codes, len(_TABLE) - 1)]
    if (found != _UNKNOWN).all():
        return found
    tokens: list[int] = []
    for letter, number in zip(text, found.tolist(), strict=True):
        if number != _UNKNOWN:
            tokens.append(number)
        elif letter < "\x80":
            tokens.append(SPACE)
        else:
            tokens += [_byte(one) for one in letter.encode("utf-8", "replace")]
    return np.array(tokens, np.int64)


def encode_song(text: str) -> Tokens:
    """Return the tokens of a song, from `SONG` to `SONG`."""
    return np.concatenate([[SONG_BOUNDARY], encode(text), [SONG_BOUNDARY]])


def decode(tokens: Sequence[int] | Tokens) -> str:
    """Return the text of some tokens; what is the beginning or the end of a song is left out.

    Raises
    ------
    BadArgument
        There is no such token, or bytes that make no letter.
    """
    found = bytearray()
    for token in map(int, tokens):
        if not 0 <= token < VOCABULARY_SIZE:
            raise BadArgument(f"token {token}; there are those from 0 to {VOCABULARY_SIZE - 1}")
        if token >= _FIRST_BYTE:
            found.append(token - _FIRST_BYTE + _LOWEST_BYTE)
        elif token != SONG_BOUNDARY:
            found += CHARACTERS[token - 1].encode()
    try:
        return found.decode()
    except UnicodeDecodeError as error:
        raise BadArgument(f"tokens that make no text: {error}") from None


def allowed_next(tokens: Sequence[int]) -> NDArray[np.bool_]:
    """Tell which tokens may come next, so that bytes make letters.

    Parameters
    ----------
    tokens : sequence of int
        What comes before; the last three count.

    Returns
    -------
    ndarray, shape (VOCABULARY,), bool
    """
    return _FOLLOWING[_unfinished(tokens)]


def _unfinished(tokens: Sequence[int]) -> tuple[int, int]:
    """Return the bytes still to come of a letter, and its first byte where that bounds the next."""
    for back, token in enumerate(reversed(tokens[-3:])):
        byte = token - _FIRST_BYTE + _LOWEST_BYTE
        if token < _FIRST_BYTE:
            break
        if byte >= 0xC0:
            left = (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) - 1 - back
            return max(left, 0), (byte if back == 0 and left > 0 else 0)
    return 0, 0


def _byte(byte: int) -> int:
    return byte - _LOWEST_BYTE + _FIRST_BYTE


def _allowed(first: int, last: int) -> NDArray[np.bool_]:
    allowed = np.zeros(VOCABULARY_SIZE, np.bool_)
    allowed[_byte(first) : _byte(last) + 1] = True
    return allowed


def _following() -> dict[tuple[int, int], NDArray[np.bool_]]:
    """Return which tokens may come, by what is unfinished (The Unicode Standard, table 3-7)."""
    any_letter = _allowed(0xC4, _HIGHEST_BYTE)  # letters of C2 and C3 have tokens of their own
    any_letter[:_FIRST_BYTE] = True
    found = {(0, 0): any_letter}
    for left in (1, 2, 3):
        found[left, 0] = _allowed(0x80, 0xBF)
    for byte in range(0xC4, _HIGHEST_BYTE + 1):
        left = 1 if byte < 0xE0 else 2 if byte < 0xF0 else 3
        lowest = {0xE0: 0xA0, 0xF0: 0x90}.get(byte, 0x80)
        highest = {0xED: 0x9F, 0xF4: 0x8F}.get(byte, 0xBF)
        found[left, byte] = _allowed(lowest, highest)
    return found


_FOLLOWING: Final = _following()
