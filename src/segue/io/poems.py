"""Texts of several poems or songs: division, and joining of hard-wrapped lines.

Lines that were broken to fit a page, joined again.

A text of many poems or songs: divided where its own layout says that another one begins.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

from segue.io.lyrics_text import is_section_header
from segue.records import Lyrics, Tags
from segue.text import clean, normalise

# --- wrapped ---

_NARROWEST_PAGE: Final = 50  # characters: shorter lines are lines of verse
_FEWEST: Final = 3
_MOST_OF: Final = 0.5
_FEW: Final = 0.25  # of the lines that had room begin in lower case
_LONGEST_OF: Final = 0.995  # of the lines: a few stick out


def unwrap_lines(lines: Sequence[str]) -> list[str]:
    """Join lines that go on only because the page was too narrow.

    Parameters
    ----------
    lines : sequence of str
        Of a whole text, with the spaces that they begin with.

    Returns
    -------
    list of str
        A line is joined to the one before where its first word had no room there, and it begins
        in lower case, or further in than the line that it goes on: if most that do so had no
        room. Verse whose lines begin in lower case, or further in, stays as it is.
    """
    lengths = sorted(len(line) for line in lines if line.strip())
    if not lengths:
        return list(lines)
    width = lengths[min(int(_LONGEST_OF * len(lengths)), len(lengths) - 1)]
    if width < _NARROWEST_PAGE:
        return list(lines)
    pairs = [pair for pair in pairwise(lines) if pair[0].strip() and pair[1].strip()]
    small = [pair for pair in pairs if pair[1].strip()[0].islower()]
    inward = [pair for pair in pairs if _indent(pair[1]) > _indent(pair[0])]
    heads = [line for before, line in pairs if not _is_full(before, line, width)]
    rare = sum(line.strip()[0].islower() for line in heads) <= _FEW * len(heads)
    by_case = bool(heads) and rare and _mostly_full(small, width)
    by_indent = _mostly_full(inward, width)
    joined: list[str] = []
    before = ""
    for line in lines:
        going_on = bool(joined) and bool(before.strip()) and bool(line.strip())
        if (
            going_on
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
    return full >= _FEWEST and full >= _MOST_OF * len(pairs)


def _is_full(before: str, line: str, width: int) -> bool:
    """Tell whether the first word of a line would have been too much for the one before."""
    return len(before.rstrip()) + 1 + len(line.split(maxsplit=1)[0]) > width


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


# --- poems ---

MIN_LINES: Final = 4  # of a poem, on average
_TWO: Final = 2
_THREE: Final = 3
#: A poem of numbered stanzas has shorter ones than these.
_LINES_OF_NUMBERED: Final = 9
_LINES_BETWEEN_BLANKS: Final = 8
_LINES_OF_LONG: Final = 12
_LONGEST_TITLE: Final = 70
#: A way to divide gives way to another that finds so many times as many poems.
_OVERRULED: Final = 1.5
#: A song has no more parts than this.
_MANY: Final = 20
#: What nobody divided is cut into blocks, so that a book is not one poem.
_UNDIVIDED_LINES: Final = 400
_BLOCK_LINES: Final = 40
_GUTENBERG: Final = re.compile(
    r"\*{3} ?(START|END) OF (THE|THIS) PROJECT GUTENBERG.*", re.IGNORECASE
)
_UNDERLINE: Final = re.compile("={3,}|-{3,}")
#: Not of dashes or dots with spaces between them: these say that something is left out.
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
#: Words of names without a capital.
_IN_NAMES: Final = re.compile(
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
    """Divide a text into its poems.

    Parameters
    ----------
    lines : sequence of str
        Without spaces at their ends.

    Returns
    -------
    tuple of Lyrics
        Each with its title, or the line that it begins with; empty where the text is one poem or
        song. What divides is, in this order: numbers or titles that stand alone, rules across
        the page, more empty lines than between stanzas, and titles between lines without any. A
        long text that nothing divides is cut after every forty lines or so. Headers such as
        ``[Chorus]``, and stanzas that are sung again, are signs of one song.
    """
    body, artist = _without_front([line.strip() for line in _between_marks(lines)])
    ways = [
        [poem for poem in map(_trimmed, way(body)) if poem.length]
        for way in (_by_marks, _by_numbers, _by_titles, _by_rules, _by_blanks, _by_lines)
    ]
    most = max(map(len, ways))
    whole = _trimmed(_Poem("", body))
    found = next(found for found in ways if len(found) * _OVERRULED >= most) or [whole]
    parts = [part for poem in found for part in (_blocks(poem) or [_with_first_line(poem)])]
    return tuple(_song(part, artist) for part in parts) if len(parts) > 1 else ()


def _song(poem: _Poem, artist: str) -> Lyrics:
    lines = poem.lines
    if by := _author(lines[0]):
        artist, lines = by, _trimmed(_Poem("", lines[1:])).lines or lines
    return Lyrics("\n".join(lines), Tags(clean(poem.title), artist))


def _between_marks(lines: Sequence[str]) -> list[str]:
    """Leave out what Project Gutenberg says before and after a book."""
    marks = [at for at, line in enumerate(lines) if _GUTENBERG.fullmatch(line.strip())]
    starts = [at for at in marks if "START" in lines[at].upper()]
    ends = [at for at in marks if at not in starts]
    return list(lines[starts[-1] + 1 if starts else 0 : ends[-1] if ends else len(lines)])


def _without_front(lines: list[str]) -> tuple[list[str], str]:
    """Take the author's name from the title page, where there is one."""
    for at, line in enumerate(lines[:20]):
        if found := _author(line):
            return lines[:at] + lines[at + 1 :], found
    return lines, ""


def _author(line: str) -> str:
    """Take the name from "by A. E. Housman"; verses such as "By Allan stream I go" have none."""
    found = _BY.fullmatch(line)
    words = found[1].split() if found else []
    named = all(_IN_NAMES.fullmatch(word) or not word[0].islower() for word in words)
    return clean(found[1]) if found and named and not _IN_NAMES.fullmatch(words[-1]) else ""


# ---- ways to divide ----------------------------------------------------------------------------


def _by_marks(lines: list[str]) -> list[_Poem]:
    """Divide at lines that begin with #, as titles in Markdown do."""
    return _divided(lines, [at for at, line in enumerate(lines) if re.match(r"# *[^#\s]", line)])


def _by_numbers(lines: list[str]) -> list[_Poem]:
    """Divide at I, II, III, or "Sonnet 18", that count on."""
    numbers = [
        (at, number) for at, line in enumerate(lines) if (number := _number(lines, at, line))
    ]
    chains = [_counting_on(numbers[start:]) for start in range(min(len(numbers), _THREE))]
    places = max(chains, key=len, default=[])
    if len(places) < _THREE:
        return []
    found = _divided(lines, places)
    longest = max((poem.length for poem in found if poem.title), default=0)
    if any(poem.length > _TWO * longest for poem in found if not poem.title):
        return []  # only a few of many are numbered
    enough = _mean_length(found) >= _LINES_OF_NUMBERED or any(
        "" in poem.lines for poem in found[1:]
    )
    return [_numbered(poem) for poem in found] if enough else []


def _counting_on(numbers: Sequence[tuple[int, int]]) -> list[int]:
    """List the places of numbers that count on, a few left out, again from 1 in a next part."""
    places: list[int] = []
    last = 0
    for at, number in numbers:
        if not places or last < number <= last + _THREE or (number == 1 and last >= _THREE):
            places.append(at)
            last = number
    return places


def _number(lines: list[str], at: int, line: str) -> int:
    """Read the number that a line consists of; 0 where it is none, or does not stand alone."""
    match = _NUMBER.fullmatch(line)
    if not match or (at and lines[at - 1]):
        return 0
    word = (match["word"] or "").strip(" .").lower()
    if word and not _NUMBERED.fullmatch(word):
        return 0
    rest, below = (match["rest"] or "").strip(" .:–—-"), "".join(lines[at + 1 : at + 2])
    if rest and (below or not _is_title(rest)):
        return 0  # a first line that begins with "I", or with the number of its stanza
    text = match["number"]
    if text.isdigit():
        return int(text)
    values = [_ROMAN[letter] for letter in text]
    return sum(-a if a < b else a for a, b in pairwise([*values, 0]))


def _numbered(poem: _Poem) -> _Poem:
    """Put a poem's own title, or its first line, behind its number."""
    match = _NUMBER.fullmatch(poem.title)
    own = _with_title(_Poem("", poem.lines))
    if not match or match["rest"] or not poem.lines:
        return poem
    return _Poem(f"{poem.title.rstrip('.:)')}. {own.title}", own.lines)


def _by_titles(lines: list[str]) -> list[_Poem]:
    """Divide at lines that stand alone, in capitals or underlined; or else as titles are spelt."""
    if _share(lines, _is_capitals) < 0.3:
        places = [at for at, line in enumerate(lines) if _alone(lines, at) and _is_capitals(line)]
        if found := _titled(lines, places, above=_TWO):
            return found
    underlined = [
        at
        for at, line in enumerate(lines[:-1])
        if _alone(lines, at) and _UNDERLINE.fullmatch(lines[at + 1])
    ]
    if found := _titled(lines, underlined, above=_TWO):
        return found
    places = [
        at for at, line in enumerate(lines) if _alone(lines, at, below=True) and _is_title(line)
    ]
    first = next((at for at, line in enumerate(lines) if line), 0)
    return _titled(lines, places, above=_THREE) if first in places else []


def _by_rules(lines: list[str]) -> list[_Poem]:
    """Divide at ``* * *`` and the like."""
    places = [at for at, line in enumerate(lines) if _RULE.fullmatch(line)]
    found = _divided(lines, places, title_page=False)
    return found if len(found) >= _THREE and _are_poems(found, _LINES_BETWEEN_BLANKS) else []


def _by_blanks(lines: list[str]) -> list[_Poem]:
    """Divide where more lines are empty than between stanzas, or always more than one."""
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
    found = [_with_title(poem) for poem in _divided(lines, places, title_page=False)]
    if len(found) > _MANY:
        return found if _are_poems(found, 1) else []
    if any(map(is_section_header, lines)) or _share_stanzas(found):
        return []  # the parts of a song
    if len(found) < _THREE and min((poem.length for poem in found), default=0) < _LINES_OF_LONG:
        return []
    between = _LINES_BETWEEN_BLANKS if len(lengths) > 1 else _LINES_OF_LONG
    return found if _are_poems(found, between) else []


def _by_lines(lines: list[str]) -> list[_Poem]:
    """Divide a text without empty lines at what is spelt as titles are, after the end of one."""
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
    """Cut a long text that nothing divides at the ends of sentences."""
    if "" in poem.lines or len(poem.lines) < _UNDIVIDED_LINES:
        return []
    found: list[list[str]] = [[]]
    for line in poem.lines:
        if len(found[-1]) >= _BLOCK_LINES and found[-1][-1][-1:] in ".!?\"'":
            found.append([])
        found[-1].append(line)
    title = f"{poem.title}, part " if poem.title else ""
    return [
        _Poem(f"{title}{number}" if title else "", block)
        for number, block in enumerate(found, start=1)
    ]


# ---- what the ways share -----------------------------------------------------------------------


def _divided(lines: list[str], places: Sequence[int], *, title_page: bool = True) -> list[_Poem]:
    """Divide before the lines at some places, which are no part of any poem."""
    places = [at for at in places if at - 1 not in places]  # a second line is a subtitle
    if not places:
        return []
    front = lines[: places[0]]
    listing = (at for at, line in enumerate(front) if _NO_POEM.fullmatch(normalise(line)))
    found = [_Poem("", front[: next(listing, len(front))])]
    if title_page and found[0].length < MIN_LINES:
        found = []
    for at, end in pairwise([*places, len(lines)]):
        heading = "" if _RULE.fullmatch(lines[at]) else lines[at].lstrip("#").strip()
        if not _NO_POEM.fullmatch(normalise(heading)):
            found.append(_trimmed(_Poem(heading, lines[at + 1 : end])))
    return found


def _titled(lines: list[str], places: Sequence[int], *, above: int) -> list[_Poem]:
    """Divide at titles, if they are titles: different ones, with poems below."""
    names = {normalise(lines[at]) for at in places}
    if len(names) < above or len(names) < 0.9 * len(places):
        return []
    found = [poem for poem in _divided(lines, places) if poem.length]
    return found if _are_poems(found, MIN_LINES) else []


def _are_poems(found: Sequence[_Poem], length: int) -> bool:
    """Tell whether parts are long enough on average, and none is sung again."""
    first = [normalise(poem.lines[0]) for poem in map(_trimmed, found) if poem.lines]
    many = len(found) >= _TWO and _mean_length(found) >= length
    return many and len(set(first)) >= 0.9 * len(first)


def _share_stanzas(found: Sequence[_Poem]) -> bool:
    """Tell whether a stanza comes in many of the parts, as a chorus does."""
    stanzas = Counter(
        stanza
        for poem in found
        for stanza in {
            normalise(each) for each in "\n".join(poem.lines).split("\n\n") if "\n" in each.strip()
        }
    )
    return max(stanzas.values(), default=0) >= max(_TWO, len(found) / _THREE)


def _mean_length(found: Sequence[_Poem]) -> float:
    return sum(poem.length for poem in found) / max(len(found), 1)


def _trimmed(poem: _Poem) -> _Poem:
    """Leave out empty lines at both ends, and lines that underline a title."""
    lines = poem.lines
    first = next((at for at, line in enumerate(lines) if line and not _RULE.fullmatch(line)), None)
    if first is None:
        return _Poem(poem.title, [])
    last = max(at for at, line in enumerate(lines) if line)
    return _Poem(poem.title, lines[first : last + 1])


def _with_title(poem: _Poem) -> _Poem:
    """Take a first line that stands alone for the title; else the first line is it as well."""
    lines = _trimmed(poem).lines
    if len(lines) > _TWO and not lines[1] and _is_title(lines[0]):
        return _Poem(lines[0], lines[2:])
    return _with_first_line(_Poem(poem.title, lines))


def _with_first_line(poem: _Poem) -> _Poem:
    if poem.title or not poem.lines:
        return poem
    return _Poem(poem.lines[0].rstrip(" .,;:!?-–—"), poem.lines)


def _alone(lines: list[str], at: int, *, below: bool = False) -> bool:
    """Tell whether a line has an empty one above, and `below`, or the page's end there."""
    if not lines[at] or (at and lines[at - 1]):
        return False
    return not below or at + 1 >= len(lines) or not lines[at + 1]


def _is_capitals(line: str) -> bool:
    letters = [letter for letter in line if letter.isalpha()]
    return len(letters) > 1 and line.upper() == line and line.lower() != line and _may_be(line)


def _is_title(line: str) -> bool:
    """Tell whether a line is spelt as titles are: short, no sentence, what matters in capitals."""
    words = [word.strip("'\"“”‘’()[]") for word in line.lstrip("#").split()]
    long = [word for word in words if len(word) > _THREE and word[0].isalpha()]
    return (
        _may_be(line)
        and line[-1:] not in ".,;:-–—"
        and (line[0].isupper() or line[0] in "\"'“‘#" or line[0].isdigit())
        and all(word[0].isupper() for word in long)
    )


def _may_be(line: str) -> bool:
    return 0 < len(line) <= _LONGEST_TITLE and not (
        is_section_header(line) or _RULE.fullmatch(line) or _is_number(line)
    )


def _is_number(line: str) -> bool:
    match = _NUMBER.fullmatch(line)
    return match is not None and not match["word"] and not match["rest"] and not line.isdigit()


def _share(lines: Sequence[str], what: Callable[[str], bool]) -> float:
    full = [line for line in lines if line]
    return sum(map(what, full)) / max(len(full), 1)
