"""Character vocabulary with byte fallback.

Each character of the western European alphabets is one token; any other character is encoded as
its UTF-8 bytes, one token per byte. Every model can therefore read and write every text, and all
models share one vocabulary.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument

#: Token at the beginning and at the end of a song (BOS and EOS in one).
SONG_BOUNDARY: Final = 0
#: Characters with a token of their own, in token order from 1 on.
CHARACTERS: Final = (
    "\n"
    + "".join(map(chr, range(0x20, 0x7F)))
    + "".join(chr(code) for code in range(0xA1, 0x100) if code != 0xAD)
    + "ŒœŸẞſ‘’‚“”„–—…‹›€"
)
_FIRST_BYTE: Final = 1 + len(CHARACTERS)
_MIN_BYTE: Final = 0x80
_MAX_BYTE: Final = 0xF4
VOCABULARY_SIZE: Final = _FIRST_BYTE + _MAX_BYTE - _MIN_BYTE + 1

Tokens = NDArray[np.int64]

_TOKEN_OF: Final = {character: token for token, character in enumerate(CHARACTERS, start=1)}
_UNKNOWN: Final = -1
_TOKEN_OF_CODE_POINT: Final = np.full(0x2200, _UNKNOWN, np.int64)
_TOKEN_OF_CODE_POINT[[ord(character) for character in CHARACTERS]] = np.arange(1, _FIRST_BYTE)
NEWLINE: Final = _TOKEN_OF["\n"]
SPACE: Final = _TOKEN_OF[" "]


def encode(text: str) -> Tokens:
    """Encode a text.

    Parameters
    ----------
    text : str
        As `segue.records.Lyrics.text`; control characters become spaces.

    Returns
    -------
    ndarray, shape (n,), int64
        Tokens from 1 to below `VOCABULARY_SIZE`, without the song boundaries.
    """
    code_points = np.frombuffer(text.encode("utf-32-le", "replace"), "<u4")
    known: Tokens = _TOKEN_OF_CODE_POINT[np.minimum(code_points, len(_TOKEN_OF_CODE_POINT) - 1)]
    if (known != _UNKNOWN).all():
        return known
    tokens: list[int] = []
    for character, token in zip(text, known.tolist(), strict=True):
        if token != _UNKNOWN:
            tokens.append(token)
        elif character < "\x80":
            tokens.append(SPACE)
        else:
            tokens += map(_byte_token, character.encode("utf-8", "replace"))
    return np.array(tokens, np.int64)


def encode_song(text: str) -> Tokens:
    """Encode a song, with a `SONG_BOUNDARY` at both ends."""
    return np.concatenate([[SONG_BOUNDARY], encode(text), [SONG_BOUNDARY]])


def decode(tokens: Sequence[int] | Tokens) -> str:
    """Decode tokens to text; song boundaries are skipped.

    Raises
    ------
    BadArgument
        A token is out of range, or byte tokens form no valid UTF-8.
    """
    encoded = bytearray()
    for token in map(int, tokens):
        if not 0 <= token < VOCABULARY_SIZE:
            raise BadArgument(f"token {token}; expected 0 to {VOCABULARY_SIZE - 1}")
        if token >= _FIRST_BYTE:
            encoded.append(token - _FIRST_BYTE + _MIN_BYTE)
        elif token != SONG_BOUNDARY:
            encoded += CHARACTERS[token - 1].encode()
    try:
        return encoded.decode()
    except UnicodeDecodeError as error:
        raise BadArgument(f"the tokens form no valid text: {error}") from None


def allowed_next(tokens: Sequence[int]) -> NDArray[np.bool_]:
    """Return a mask of the tokens that may come next, so that bytes form valid UTF-8.

    Parameters
    ----------
    tokens : sequence of int
        Preceding tokens, of which the last three count.

    Returns
    -------
    ndarray, shape (VOCABULARY_SIZE,), bool
    """
    return _ALLOWED_NEXT[_incomplete_character(tokens)]


def _incomplete_character(tokens: Sequence[int]) -> tuple[int, int]:
    """Return the number of missing bytes, and the lead byte if it restricts the next byte."""
    for back, token in enumerate(reversed(tokens[-3:])):
        byte = token - _FIRST_BYTE + _MIN_BYTE
        if token < _FIRST_BYTE:
            break
        if byte >= 0xC0:
            missing = (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) - 1 - back
            return max(missing, 0), (byte if back == 0 and missing > 0 else 0)
    return 0, 0


def _byte_token(byte: int) -> int:
    return byte - _MIN_BYTE + _FIRST_BYTE


def _byte_mask(first: int, last: int) -> NDArray[np.bool_]:
    mask = np.zeros(VOCABULARY_SIZE, np.bool_)
    mask[_byte_token(first) : _byte_token(last) + 1] = True
    return mask


def _next_token_masks() -> dict[tuple[int, int], NDArray[np.bool_]]:
    """Return the masks by incomplete character (The Unicode Standard, table 3-7)."""
    any_character = _byte_mask(0xC4, _MAX_BYTE)  # characters of C2 and C3 have their own tokens
    any_character[:_FIRST_BYTE] = True
    masks = {(0, 0): any_character}
    for missing in (1, 2, 3):
        masks[missing, 0] = _byte_mask(0x80, 0xBF)
    for byte in range(0xC4, _MAX_BYTE + 1):
        missing = 1 if byte < 0xE0 else 2 if byte < 0xF0 else 3
        first = {0xE0: 0xA0, 0xF0: 0x90}.get(byte, 0x80)
        last = {0xED: 0x9F, 0xF4: 0x8F}.get(byte, 0xBF)
        masks[missing, byte] = _byte_mask(first, last)
    return masks


_ALLOWED_NEXT: Final = _next_token_masks()
