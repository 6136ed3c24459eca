"""Words of Humdrum files: the syllables of **text beside the notes of **kern."""

import html
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from segue.formats.encodings import decode
from segue.formats.lyrics.sung_lines import SungWord, divided
from segue.formats.names import clean
from segue.formats.score.kern import SpinePart, SpineReader
from segue.formats.score.kern_tokens import PER_QUARTER, read_data

_KINDS: Final = frozenset(["**text", "**silbe", "**lyrics"])
#: What says that a note is sung on the syllable before it.
_HELD: Final = frozenset(["_", "|", "-", ""])


def kern_words(content: bytes) -> str:
    """Read the words of a Humdrum file, of the part that has most; "" where it has none.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    str
        Verse by verse, an empty line between, in the lines that
        `segue.formats.lyrics.sung_lines` divides them into.

    Raises
    ------
    Unreadable
        Its lines have other numbers of columns than spines are open.
    """
    text = decode(content)
    if not any(kind in text for kind in _KINDS):
        return ""
    reader = _WordReader()
    reader.read_all(text)
    verses = reader.verses.values()
    most = max(verses, key=lambda part: sum(map(len, part.values())), default={})
    return "\n\n".join(divided(words) for _, words in sorted(most.items()) if words)


class _WordReader(SpineReader):
    """Reads syllables along with the notes: what holds these, and rests, say where lines end.

    A column of text belongs to the notes on its left; the second one there is a second verse.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sung: dict[int, tuple[SpinePart | None, int]] = {}  # part and verse, by column
        self.verses: dict[SpinePart | None, dict[int, list[SungWord]]] = defaultdict(
            lambda: defaultdict(list)
        )

    def begin(self, cells: Sequence[str]) -> None:
        """Open the spines."""
        super().begin(cells)
        part, verse = None, 0
        for spine, cell in zip(self.spines, cells, strict=True):
            if spine.part:
                part, verse = spine.part, 0
            elif cell in _KINDS:
                verse += 1
                self.sung[spine.column] = part, verse

    def sound(self, cells: Sequence[str]) -> None:
        """Read a line of notes and syllables."""
        super().sound(cells)
        lengths: dict[SpinePart | None, tuple[float, bool]] = {}  # and whether it is a rest
        for spine, cell in zip(self.spines, cells, strict=True):
            if spine.part and spine.part not in lengths and cell != ".":
                lasts, sounds = read_data(cell)
                if lasts:
                    lengths[spine.part] = lasts / PER_QUARTER, not sounds
        seen: set[int] = set()  # where a column of text splits, the first one counts
        for spine, cell in zip(self.spines, cells, strict=True):
            if spine.column in self.sung and spine.column not in seen:
                seen.add(spine.column)
                part, verse = self.sung[spine.column]
                words = self.verses[part][verse]
                length, is_rest = lengths.get(part, (0.0, False))
                syllable = "" if cell == "." else clean(html.unescape(cell))
                if syllable not in _HELD:
                    _add(words, syllable, length)
                elif words and is_rest:
                    words[-1].rest += length
                elif words and not words[-1].rest:
                    words[-1].length += length


def _add(words: list[SungWord], syllable: str, length: float) -> None:
    """Add a syllable; a hyphen at its start, or before it, makes it a part of the last word."""
    for number, text in enumerate(syllable.split()):
        goes_on = words and (text.startswith("-") or words[-1].text.endswith("-"))
        if number == 0 and goes_on:
            words[-1].text = words[-1].text.removesuffix("-") + text.removeprefix("-")
        else:
            words.append(SungWord(text))
        words[-1].length, words[-1].rest = length, 0.0
