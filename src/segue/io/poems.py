"""Division of texts into poems or songs by their layout, and joining of hard-wrapped lines."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

from segue.io.lyrics_text import is_section_header
from segue.records import Lyrics, Tags
from segue.text import clean, normalise

# --- hard-wrapped lines ---

_MIN_PAGE_WIDTH: Final = 50  # characters; narrower texts are verse
_MIN_FULL_PAIRS: Final = 3
_MIN_FULL_SHARE: Final = 0.5
_MAX_LOWER_CASE: Final = 0.25  # share of the unwrapped lines that begin in lower case
_WIDTH_QUANTILE: Final = 0.995  # of the line lengths, since a few lines stick out


def unwrap_lines(lines: Sequence[str]) -> list[str]:
    """Join lines that were hard-wrapped to fit a page.

    Parameters
    ----------
    lines : sequence of str
        All lines of a text, with their indentation.

    Returns
    -------
    list of str
        A line is joined to the preceding one if its first word did not fit there, and it begins
        in lower case or is indented, provided that most such lines in the text did not fit. Verse
        with lower-case or indented lines is not changed.
    """
    lengths = sorted(len(line) for line in lines if line.strip())
    if not lengths:
        return list(lines)
    width = lengths[min(int(_WIDTH_QUANTILE * len(lengths)), len(lengths) - 1)]
    if width < _MIN_PAGE_WIDTH:
        return list(lines)
    pairs = [pair for pair in pairwise(lines) if pair[0].strip() and pair[1].strip()]
    lower_case = [pair for pair in pairs if pair[1].strip()[0].islower()]
    indented = [pair for pair in pairs if _indent(pair[1]) > _indent(pair[0])]
    heads = [line for before, line in pairs if not _is_full(before, line, width)]
    is_rare = sum(line.strip()[0].islower() for line in heads) <= _MAX_LOWER_CASE * len(heads)
    by_case = bool(heads) and is_rare and _mostly_full(lower_case, width)
    by_indent = _mostly_full(indented, width)
    joined: list[str] = []
    before = ""
    for line in lines:
        adjacent = bool(joined) and bool(before.strip()) and bool(line.strip())
        if (
            adjacent
            and _is_full(before, line, width)
            and (
                (by_case and line.strip()[0].islower())
                or (by_indent and _indent(line) > _indent(joined[-1]))
            )
        ):
            joined[-1] = f"{joined[-1]} {line.strip()}"
        else:
            joined.append(line)
        before = line
    return joined


def _mostly_full(pairs: Sequence[tuple[str, str]], width: int) -> bool:
    full = sum(_is_full(*pair, width) for pair in pairs)
    return full >= _MIN_FULL_PAIRS and full >= _MIN_FULL_SHARE * len(pairs)


def _is_full(before: str, line: str, width: int) -> bool:
    """Return whether the first word of a line did not fit in the preceding line."""
    return len(before.rstrip()) + 1 + len(line.split(maxsplit=1)[0]) > width


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


# --- division into poems ---

MIN_LINES: Final = 4  # mean per poem
_TWO: Final = 2
_THREE: Final = 3
#: Minimum mean length of numbered poems; numbered stanzas are shorter.
_LINES_OF_NUMBERED: Final = 9
_LINES_BETWEEN_BLANKS: Final = 8
_LINES_OF_LONG: Final = 12
_MAX_TITLE: Final = 70  # characters
#: A method is skipped if another one finds this many times as many poems.
_OVERRULED: Final = 1.5
#: Maximum number of parts of a song.
_MAX_PARTS: Final = 20
#: Texts of this many undivided lines are cut into blocks.
_UNDIVIDED_LINES: Final = 400
_BLOCK_LINES: Final = 40
_GUTENBERG: Final = re.compile(
    r"\*{3} ?(START|END) OF (THE|THIS) PROJECT GUTENBERG.*", re.IGNORECASE
)
_UNDERLINE: Final = re.compile("={3,}|-{3,}")
#: Not spaced dashes or dots, which mark an omission.
_RULE: Final = re.compile(r"([*~_=#•] ?){3,}|-{3,}|—{3,}")
_NUMBER: Final = re.compile(
    r"(?P<word>[^\W\d_]+\.? )?"
    r"(?P<number>[0-9]{1,4}|(?=[IVXLC])(C{0,3})(X[CL]|L?X{0,3})(I[XV]|V?I{0,3}))"
    r"[.):]?(?P<rest>[ :.–—-]+\S.*)?"
)
_NUMBERED: Final = re.compile(
    r"sonnet|psalm|hymn|canto|poem|song|no|nr|number|lied|ode|soneto|sonetto|psaume|salmo|canción|"
    r"chanson|gedicht|chant"
)
_NO_POEM: Final = re.compile(r"(table of )?contents|index|preface|introduction|(foot)?notes|finis")
_BY: Final = re.compile(r"by ([^\W\d_][^,;!?]{2,60})", re.IGNORECASE)
#: Lower-case words in names.
_NAME_PARTICLES: Final = re.compile(
    "and|of|de|del|della|de[rns]|d[aiou]|dos|e|l[ae]|los|van|vo[nm]|y|zu|&|a[fv]|te[nr]"
)
_TUNE: Final = re.compile("tune|air|chorus", re.IGNORECASE)
_ROMAN: Final = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}


@dataclass(frozen=True, slots=True)
class _Poem:
    title: str
    lines: list[str]

    @property
    def length(self) -> int:
        return sum(map(bool, self.lines))


def split_poems(lines: Sequence[str]) -> tuple[Lyrics, ...]:
    """Split a text into its poems or songs.

    Parameters
    ----------
    lines : sequence of str
        Lines without trailing whitespace.

    Returns
    -------
    tuple of Lyrics
        The poems with their titles or first lines; empty if the text is one poem or song. The
        methods of division are, in this order: Markdown headings, numbers, titles on lines of
        their own, horizontal rules, more empty lines than between stanzas, and titles in texts
        without empty lines. Long undivided texts are cut about every forty lines. Section headers
        such as ``[Chorus]`` and repeated stanzas indicate one song.
    """
    body, artist = _without_front([line.strip() for line in _between_marks(lines)])
    divisions = [
        [poem for poem in map(_trimmed, method(body)) if poem.length]
        for method in (_by_marks, _by_numbers, _by_titles, _by_rules, _by_blanks, _by_lines)
    ]
    most = max(map(len, divisions))
    whole = _trimmed(_Poem("", body))
    division = next(d for d in divisions if len(d) * _OVERRULED >= most) or [whole]
    parts = [part for poem in division for part in (_blocks(poem) or [_with_first_line(poem)])]
    return tuple(_song(part, artist) for part in parts) if len(parts) > 1 else ()


def _song(poem: _Poem, artist: str) -> Lyrics:
    lines = poem.lines
    if by := _author(lines[0]):
        artist, lines = by, _trimmed(_Poem("", lines[1:])).lines or lines
    return Lyrics("\n".join(lines), Tags(clean(poem.title), artist))


def _between_marks(lines: Sequence[str]) -> list[str]:
    """Leave out the header and footer of Project Gutenberg."""
    marks = [at for at, line in enumerate(lines) if _GUTENBERG.fullmatch(line.strip())]
    starts = [at for at in marks if "START" in lines[at].upper()]
    ends = [at for at in marks if at not in starts]
    return list(lines[starts[-1] + 1 if starts else 0 : ends[-1] if ends else len(lines)])


def _without_front(lines: list[str]) -> tuple[list[str], str]:
    """Remove the author's line from the title page; return the other lines and the author."""
    for at, line in enumerate(lines[:20]):
        if author := _author(line):
            return lines[:at] + lines[at + 1 :], author
    return lines, ""


def _author(line: str) -> str:
    """Return the name in a line "by A. E. Housman", but not in a verse "By Allan stream I go"."""
    match = _BY.fullmatch(line)
    words = match[1].split() if match else []
    is_name = all(_NAME_PARTICLES.fullmatch(word) or not word[0].islower() for word in words)
    return clean(match[1]) if match and is_name and not _NAME_PARTICLES.fullmatch(words[-1]) else ""


def _by_marks(lines: list[str]) -> list[_Poem]:
    """Divide at Markdown headings."""
    return _divided(lines, [at for at, line in enumerate(lines) if re.match(r"# *[^#\s]", line)])


def _by_numbers(lines: list[str]) -> list[_Poem]:
    """Divide at consecutive numbers such as I, II, III or "Sonnet 18"."""
    numbers = [
        (at, number) for at, line in enumerate(lines) if (number := _number(lines, at, line))
    ]
    chains = [_consecutive(numbers[start:]) for start in range(min(len(numbers), _THREE))]
    places = max(chains, key=len, default=[])
    if len(places) < _THREE:
        return []
    poems = _divided(lines, places)
    longest = max((poem.length for poem in poems if poem.title), default=0)
    if any(poem.length > _TWO * longest for poem in poems if not poem.title):
        return []  # only a few of many are numbered
    enough = _mean_length(poems) >= _LINES_OF_NUMBERED or any(
        "" in poem.lines for poem in poems[1:]
    )
    return [_numbered(poem) for poem in poems] if enough else []


def _consecutive(numbers: Sequence[tuple[int, int]]) -> list[int]:
    """List the lines of ascending numbers, with gaps of at most two, or restarting from 1."""
    places: list[int] = []
    last = 0
    for at, number in numbers:
        if not places or last < number <= last + _THREE or (number == 1 and last >= _THREE):
            places.append(at)
            last = number
    return places


def _number(lines: list[str], at: int, line: str) -> int:
    """Return the number that a line consists of; 0 if it is none, or not preceded by a blank."""
    match = _NUMBER.fullmatch(line)
    if not match or (at and lines[at - 1]):
        return 0
    word = (match["word"] or "").strip(" .").lower()
    if word and not _NUMBERED.fullmatch(word):
        return 0
    rest, below = (match["rest"] or "").strip(" .:–—-"), "".join(lines[at + 1 : at + 2])
    if rest and (below or not _is_title(rest)):
        return 0  # a first line that begins with "I" or a stanza number
    text = match["number"]
    if text.isdigit():
        return int(text)
    values = [_ROMAN[letter] for letter in text]
    return sum(-a if a < b else a for a, b in pairwise([*values, 0]))


def _numbered(poem: _Poem) -> _Poem:
    """Append the title or first line of a poem to its number."""
    match = _NUMBER.fullmatch(poem.title)
    titled = _with_title(_Poem("", poem.lines))
    if not match or match["rest"] or not poem.lines:
        return poem
    return _Poem(f"{poem.title.rstrip('.:)')}. {titled.title}", titled.lines)


def _by_titles(lines: list[str]) -> list[_Poem]:
    """Divide at separate lines in capitals, underlined, or capitalised like titles."""
    if _share(lines, _is_capitals) < 0.3:
        places = [at for at, line in enumerate(lines) if _alone(lines, at) and _is_capitals(line)]
        if poems := _titled(lines, places, above=_TWO):
            return poems
    underlined = [
        at
        for at, line in enumerate(lines[:-1])
        if _alone(lines, at) and _UNDERLINE.fullmatch(lines[at + 1])
    ]
    if poems := _titled(lines, underlined, above=_TWO):
        return poems
    places = [
        at for at, line in enumerate(lines) if _alone(lines, at, below=True) and _is_title(line)
    ]
    first = next((at for at, line in enumerate(lines) if line), 0)
    return _titled(lines, places, above=_THREE) if first in places else []


def _by_rules(lines: list[str]) -> list[_Poem]:
    """Divide at horizontal rules such as ``* * *``."""
    places = [at for at, line in enumerate(lines) if _RULE.fullmatch(line)]
    poems = _divided(lines, places, title_page=False)
    return poems if len(poems) >= _THREE and _are_poems(poems, _LINES_BETWEEN_BLANKS) else []


def _by_blanks(lines: list[str]) -> list[_Poem]:
    """Divide where there are more empty lines than between stanzas."""
    runs: list[tuple[int, int]] = []
    at = 0
    for empty, group in groupby(lines, key=lambda line: not line):
        length = len(list(group))
        if empty and at and at + length < len(lines):
            runs.append((at, length))
        at += length
    lengths = {length for _, length in runs}
    stanzas = min(lengths, default=0) if len(lengths) > 1 else 1
    places = [at for at, length in runs if length > stanzas]
    poems = [_with_title(poem) for poem in _divided(lines, places, title_page=False)]
    if len(poems) > _MAX_PARTS:
        return poems if _are_poems(poems, 1) else []
    if any(map(is_section_header, lines)) or _share_stanzas(poems):
        return []  # the sections of a song
    if len(poems) < _THREE and min((poem.length for poem in poems), default=0) < _LINES_OF_LONG:
        return []
    between = _LINES_BETWEEN_BLANKS if len(lengths) > 1 else _LINES_OF_LONG
    return poems if _are_poems(poems, between) else []


def _by_lines(lines: list[str]) -> list[_Poem]:
    """Divide a text without empty lines at titles that follow the end of a sentence."""
    if "" in _trimmed(_Poem("", lines)).lines:
        return []
    places = [
        at
        for at, line in enumerate(lines)
        if (_is_title(line) or _is_capitals(line))
        and len(line.split()) > 1
        and line[0].isalnum()
        and line[-1] not in "!?"
        and not _TUNE.match(line)
        and (not at or lines[at - 1][-1:] in ".!?\"')")
    ]
    return _titled(lines, places, above=_THREE)


def _blocks(poem: _Poem) -> list[_Poem]:
    """Cut a long undivided text into blocks at the ends of sentences."""
    if "" in poem.lines or len(poem.lines) < _UNDIVIDED_LINES:
        return []
    blocks: list[list[str]] = [[]]
    for line in poem.lines:
        if len(blocks[-1]) >= _BLOCK_LINES and blocks[-1][-1][-1:] in ".!?\"'":
            blocks.append([])
        blocks[-1].append(line)
    title = f"{poem.title}, part " if poem.title else ""
    return [
        _Poem(f"{title}{number}" if title else "", block)
        for number, block in enumerate(blocks, start=1)
    ]


def _divided(lines: list[str], places: Sequence[int], *, title_page: bool = True) -> list[_Poem]:
    """Divide at heading lines, which are not part of the poems."""
    places = [at for at in places if at - 1 not in places]  # a second heading line is a subtitle
    if not places:
        return []
    front = lines[: places[0]]
    listing = (at for at, line in enumerate(front) if _NO_POEM.fullmatch(normalise(line)))
    poems = [_Poem("", front[: next(listing, len(front))])]
    if title_page and poems[0].length < MIN_LINES:
        poems = []
    for at, end in pairwise([*places, len(lines)]):
        heading = "" if _RULE.fullmatch(lines[at]) else lines[at].lstrip("#").strip()
        if not _NO_POEM.fullmatch(normalise(heading)):
            poems.append(_trimmed(_Poem(heading, lines[at + 1 : end])))
    return poems


def _titled(lines: list[str], places: Sequence[int], *, above: int) -> list[_Poem]:
    """Divide at titles, if they differ and have poems below."""
    names = {normalise(lines[at]) for at in places}
    if len(names) < above or len(names) < 0.9 * len(places):
        return []
    poems = [poem for poem in _divided(lines, places) if poem.length]
    return poems if _are_poems(poems, MIN_LINES) else []


def _are_poems(poems: Sequence[_Poem], length: int) -> bool:
    """Return whether parts are long enough on average, with different first lines."""
    first = [normalise(poem.lines[0]) for poem in map(_trimmed, poems) if poem.lines]
    many = len(poems) >= _TWO and _mean_length(poems) >= length
    return many and len(set(first)) >= 0.9 * len(first)


def _share_stanzas(poems: Sequence[_Poem]) -> bool:
    """Return whether many of the parts share a stanza, such as a chorus."""
    stanzas = Counter(
        stanza
        for poem in poems
        for stanza in {
            normalise(each) for each in "\n".join(poem.lines).split("\n\n") if "\n" in each.strip()
        }
    )
    return max(stanzas.values(), default=0) >= max(_TWO, len(poems) / _THREE)


def _mean_length(poems: Sequence[_Poem]) -> float:
    return sum(poem.length for poem in poems) / max(len(poems), 1)


def _trimmed(poem: _Poem) -> _Poem:
    """Strip empty lines at both ends, and lines that underline a title."""
    lines = poem.lines
    first = next((at for at, line in enumerate(lines) if line and not _RULE.fullmatch(line)), None)
    if first is None:
        return _Poem(poem.title, [])
    last = max(at for at, line in enumerate(lines) if line)
    return _Poem(poem.title, lines[first : last + 1])


def _with_title(poem: _Poem) -> _Poem:
    """Take a separate first line as the title, else repeat the first line as title."""
    lines = _trimmed(poem).lines
    if len(lines) > _TWO and not lines[1] and _is_title(lines[0]):
        return _Poem(lines[0], lines[2:])
    return _with_first_line(_Poem(poem.title, lines))


def _with_first_line(poem: _Poem) -> _Poem:
    if poem.title or not poem.lines:
        return poem
    return _Poem(poem.lines[0].rstrip(" .,;:!?-–—"), poem.lines)


def _alone(lines: list[str], at: int, *, below: bool = False) -> bool:
    """Return whether there is no adjacent line above, nor, with `below`, below."""
    if not lines[at] or (at and lines[at - 1]):
        return False
    return not below or at + 1 >= len(lines) or not lines[at + 1]


def _is_capitals(line: str) -> bool:
    letters = [letter for letter in line if letter.isalpha()]
    return (
        len(letters) > 1 and line.upper() == line and line.lower() != line and _may_be_title(line)
    )


def _is_title(line: str) -> bool:
    """Return whether a line looks like a title: short, no sentence, with capitalised words."""
    words = [word.strip("'\"“”‘’()[]") for word in line.lstrip("#").split()]
    long_words = [word for word in words if len(word) > _THREE and word[0].isalpha()]
    return (
        _may_be_title(line)
        and line[-1:] not in ".,;:-–—"
        and (line[0].isupper() or line[0] in "\"'“‘#" or line[0].isdigit())
        and all(word[0].isupper() for word in long_words)
    )


def _may_be_title(line: str) -> bool:
    return 0 < len(line) <= _MAX_TITLE and not (
        is_section_header(line) or _RULE.fullmatch(line) or _is_number(line)
    )


def _is_number(line: str) -> bool:
    match = _NUMBER.fullmatch(line)
    return match is not None and not match["word"] and not match["rest"] and not line.isdigit()


def _share(lines: Sequence[str], condition: Callable[[str], bool]) -> float:
    filled = [line for line in lines if line]
    return sum(map(condition, filled)) / max(len(filled), 1)
