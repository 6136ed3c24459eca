"""Cleaning of lyrics texts: decoding, removal of site notices, sections and lines.

Texts copied from lyrics sites have notices around and between the lines. On pages of Genius, these
are even glued to lines: ``27 ContributorsSong Lyrics[Verse 1]``, ``...againYou might also like``,
``...hill12Embed``. What might be sung as well, such as "You might also like" on a line of its own,
is removed only if there are other signs of the site.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from segue.errors import Unreadable
from segue.io.encodings import decode

# --- text added by lyrics sites ---

_SECTION: Final = (
    r"intro|outro|verse|pre-?chorus|post-?chorus|chorus|hook|bridge|refrain|interlude|break|"
    r"breakdown|drop|instrumental|solo|coda|skit|part|spoken|build|"
    r"strophe|teil|zwischenspiel|couplet|pr[ée]-?refrain|pont|strofa|ritornello|ponte|"
    r"estrofa|coro|pre-?coro|estribillo|puente|verso|parte|refr[ãa]o|pr[ée]-?refr[ãa]o|"
    r"zwrotka|refren|sloka|куплет|припев|бридж|интро|аутро|предприпев|"
    r"songtext|paroles|letra|testo|tekst|текст"
)
#: A section header within a line.
_GLUED_HEADER: Final = re.compile(rf" ?(\[(?:{_SECTION})\b[^\[\]\n]{{0,80}}\]) ?", re.IGNORECASE)
#: "27 ContributorsTranslationsEspañolDeutschMy Song Lyrics", and a description of the song.
_GENIUS_HEAD: Final = re.compile(
    r"\A\d+ Contributors?[^\[]{0,1500}?Lyrics(?:[^\n]*(?:\n[^\n\[]*){0,4}?Read More ?)?"
)
#: "My Song Lyrics[Verse 1]", and before a description.
_TITLE_HEAD: Final = re.compile(rf"\A[^\n\[]{{1,150}}? Lyrics(?=\[(?:{_SECTION})\b)", re.IGNORECASE)
_TICKETS: Final = re.compile(
    r"See (?:(?!See )[^\n]){1,80}? Live\s?Get tickets as low as [$£€]?\d+(?:\.\d+)?"
)
_EMBED: Final = re.compile(
    r"(?:(?<=\S)(?:\d+(?:\.\d+)?K?)?|^(?:\d+(?:\.\d+)?K?)?|(?<= )\d+(?:\.\d+)?K?)"
    r"Embed(?:Share ?URL ?Copy ?Embed ?Copy)?\Z",
    re.MULTILINE,
)
_ALSO: Final = "You might also like"
_ALSO_GLUED: Final = re.compile(
    rf"(?<=[^\s(\"“'‘]){_ALSO}(?= ?(?:$|\[))|(?:^|(?<= )){_ALSO}(?= ?\[)|"
    rf"(?<=[^\s(\"“'‘]){_ALSO}(?=[A-ZÀ-Þ\"“(])|^{_ALSO}(?=[A-ZÀ-Þ\"“(])",
    re.MULTILINE,
)
_ALSO_ALONE: Final = re.compile(rf"^{_ALSO}$\n?", re.MULTILINE)
#: Lines that only name the song: "[Songtext zu „Lied“]", "[Letra de "Canción"]".
_NAMES_SONG: Final = re.compile(
    r"\[(?:songtext (?:zu|von)|paroles de|letra de|testo di|tekst (?:piosenki|utworu)|"
    r"текст песни|lyrics (?:to|of|for)|.{0,60} 가사)[^\[\]]*\]",
    re.IGNORECASE,
)
#: Credits and copyright notices of East Asian sites: "作词 : 林夕", "作詞：秋元康", "작사: 김이나".
_ASIAN_CREDIT: Final = (
    r"(?:(?:作?[词詞曲]|作[词詞曲]作[词詞曲]|[词詞]曲|[编編]曲|原[词詞曲唱]|演唱|歌手|翻唱|和[声聲音]|合音|"
    r"制作|製作|制作人|製作人|[监監]制|監製|企划|企劃|策划|統籌|统筹|出品|出品人|出品方|發行|发行|"
    r"[录錄]音(?:[师師室棚])?|混音(?:[师師室])?|[母後后]期|母[带帶](?:[处處]理|工程[师師])?|"
    r"吉他|贝斯|貝斯|[键鍵][盘盤]|[钢鋼]琴|鼓|弦[乐樂]|歌[词詞][来來]源|作詞・作曲|歌手名|"
    r"작사|작곡|편곡|노래)(?:/\w+)* ?[:：].{0,120}"
    r"|.{0,40}(?:未[经經].{0,12}[许許]可|享有本.{0,8}著作[权權]).{0,40})"
)
#: Lines that no song contains, removed anywhere.
_NOTICE: Final = re.compile(
    r"\d+ contributors?|\*+ ?this lyrics is not for commercial use ?\*+|\(\d{9,}\)|"
    r"(?:https?://|www\.)\S+|(?:source|quelle|fuente|fonte): ?(?:https?://\S+|www\.\S+|lyricfind|"
    r"musixmatch|azlyrics(?:\.com)?|genius(?:\.com)?|letras(?:\.mus\.br)?|metrolyrics)|"
    r"lyrics (?:licensed|provided|powered)\b.*\b(?:by|from)\b.*|"
    r"(?:lyrics|paroles|songtext|letra) ?(?:©|\(c\)).*|.*\blyrics ©.*|"
    r"(?:find|get|see|read) more (?:lyrics|songs|song lyrics)\b.*(?:\.com|\.net|\.org|at|on) .*|"
    r"(?:find|get|read) more (?:lyrics )?at (?:https?://)?(?:www\.)?[\w.]+\.(?:com|net|org)\S*|"
    r"(?:submit|suggest) (?:corrections?|lyrics)|thanks to .{1,80} for (?:correcting|adding|"
    r"submitting|sending|the correction)\b.*|\[thanks to .*\]|usage of azlyrics\.com content.*|"
    r"(?:lyrics )?powered by (?:musixmatch|lyricfind|genius|gracenote)|"
    r"(?:(?:more )?lyrics(?: from)?|all about .{1,60}|from|via) ?: ?(?:https?://|www\.)\S+|"
    r"read more: .{1,100} lyrics\b.*|(?:az|song|metro|e)lyrics(?:\.com|\.net)?|"
    r"(?:paroles|letras|songtexte|musixmatch|genius)\.(?:net|com|mus\.br)|"
    r"viu algum erro\?.*|cancelhow to format lyrics:.*|aboutgenius annotation.*|"
    rf"{_ASIAN_CREDIT}|"
    r"how to format lyrics:?|if you (?:found|find) (?:a mistake|mistakes|an error) in .*lyrics.*|"
    r"(?:view|see) \d+ more explanations?|.{0,80}\b(?:az|metro|sing365|letras|elyrics)lyrics\.com.*"
    r"|enviad[ao] por .*(?:legendad|revis).*|legendado por .*|revis(?:ões|ão) por .*",
    re.IGNORECASE,
)
#: Lines removed only before and after the lyrics, since they might be sung.
_CREDIT: Final = re.compile(
    r"(?:[Ll]yrics|[Ww]ords|[Mm]usic|[Ww]ords and [Mm]usic|[Ll]yrics and [Mm]usic) "
    r"(?:[Bb]y|[Ff]rom):? (?:[A-ZÀ-Þ0-9][\w.'’&,/-]*|and|&|van|von|de|la|der)"
    r"(?: (?:[A-ZÀ-Þ0-9&][\w.'’&,/-]*|and|&|van|von|de|la|der|feat\.))*|"
    r"(?:Paroles (?:de|et musique)|Paroles ?:|Songtext von|Text ?:|Letra de|Letra:|Testo di|"
    r"Tekst:|Слова:|Музыка:|Автор:|Composição:|Compositor(?:es)?:|Autor(?:es)?:) ?.{1,100}|"
    r"(?:Song)?[Ww]riter(?:\(s\)|s|/s)? ?:.{0,200}|"
    r"Publisher(?:\(s\)|s)? ?:.{0,200}|(?:Written|Produced|Composed|Arranged) [Bb]y ?:.{0,100}|"
    r"(?:©|\(c\)|\(C\)|Copyright (?:©|\(c\)|\(C\)|by\b|\d{4})|Copyright:).{0,150}|"
    r".{1,80} Lyrics|[\"“].{1,80}[\"”] lyrics|"
    r"(?:Artist|Album|Title|Song) ?:.{1,80}"
)
#: Buttons, removed only if there are notices, since they might be sung.
_BUTTON: Final = re.compile(
    r"Print|Edit Lyrics|Correct|Translations?|Add translation|Share|Tweet|Embed|Advertisement"
)
_MUSIXMATCH: Final = re.compile(r"this lyrics is not for commercial use", re.IGNORECASE)
#: End of a text of which Musixmatch shows only a part.
_FREE_END: Final = re.compile(rf"\.\.\.|…|{_NOTICE.pattern}", re.IGNORECASE)
_EDGE_LINES: Final = 4  # non-empty lines at each end


def strip_site_text(text: str) -> str:
    """Remove what lyrics sites add to a text: counts, buttons, advertisements, notices.

    Parameters
    ----------
    text : str
        Result of `normalise_layout`.

    Returns
    -------
    str
        With section headers on lines of their own; the text itself if nothing else were left.
    """
    is_genius = _GENIUS_HEAD.match(text) is not None
    lyrics = _TITLE_HEAD.sub("", _GENIUS_HEAD.sub("\n", text)).strip("\n")
    lyrics, tickets = _TICKETS.subn(_line_end, lyrics)
    lyrics, embeds = _EMBED.subn("", lyrics.rstrip())
    lyrics, glued = _ALSO_GLUED.subn(_line_end, lyrics)
    if is_genius or tickets or embeds or glued:
        lyrics = _ALSO_ALONE.sub("", lyrics)
    lyrics = _GLUED_HEADER.sub(_own_line, lyrics)
    lines = [line.strip() for line in lyrics.split("\n") if not _NAMES_SONG.fullmatch(line.strip())]
    lyrics = "\n".join(_without_notices(lines)).strip("\n")
    return lyrics if any(map(str.isalpha, lyrics)) else text


def _line_end(match: re.Match[str]) -> str:
    """Replace a match by a line break, unless there is one next to it."""
    text = match.string
    has_break = text[: match.start()].endswith("\n") or text[match.end() :].startswith("\n")
    return "" if has_break else "\n"


def _own_line(match: re.Match[str]) -> str:
    """Put a section header on a line of its own, but not lower-case text in brackets."""
    if match[0].startswith(" ") and match[0].endswith(" ") and match[1][1].islower():
        return match[0]
    before, after = match.string[: match.start()], match.string[match.end() :]
    return (
        ("\n" if before and not before.endswith("\n") else "")
        + match[1]
        + ("\n" if after and not after.startswith("\n") else "")
    )


def _without_notices(lines: list[str]) -> list[str]:
    if any(_MUSIXMATCH.search(line) for line in lines):
        while lines and (not lines[-1] or _FREE_END.fullmatch(lines[-1])):
            lines = lines[:-1]
    remaining = [line for line in lines if not _NOTICE.fullmatch(line)]
    has_notices = len(remaining) < len(lines)
    filled = [row for row, line in enumerate(remaining) if line]
    edges = {*filled[:_EDGE_LINES], *filled[-_EDGE_LINES:]}
    credit_rows = {row for row in edges if _CREDIT.fullmatch(remaining[row])}
    if has_notices or credit_rows:
        credit_rows |= {row for row in edges if _BUTTON.fullmatch(remaining[row])}
    if not has_notices:  # only before the first and after the last sung line
        first = next((row for row in filled if row not in credit_rows), 0)
        last = next((row for row in reversed(filled) if row not in credit_rows), 0)
        credit_rows = {row for row in credit_rows if not first < row < last}
    return [line for row, line in enumerate(remaining) if row not in credit_rows]


# --- texts ---

MAX_CHARACTERS: Final = 1_000_000  # of a song: the whole Iliad has 700,000
_MAX_CONTROLS: Final = 0.005  # share of the characters of a text
_LINE_BREAK: Final = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
#: Control characters, byte order marks, and marks that override the text direction, which
#: right-to-left scripts do not need.
_CONTROLS: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ufeff\ufffe\u202a-\u202e\u2066-\u2069]")
#: Surrogates, and the replacement character.
_SURROGATES: Final = re.compile("[\ud800-\udfff\ufffd]")
_SPACES: Final = re.compile(r"[^\S\n]+")
_BLANKS: Final = re.compile(r"\n{3,}")
_PART: Final = (
    "intro|verse|pre-?chorus|chorus|post-?chorus|hook|bridge|refrain|outro|interlude|break|"
    "instrumental|solo|coda|strophe|strofa|estrofa|couplet|pont|coro|estribillo|puente|"
    "ritornello|kehrreim|refrão|refren|zwrotka|verso|estrofe|припев|куплет|후렴"
)
#: "[Verse 2: A. Singer]", "(Chorus)", "Refrain:", "Verse 2".
_BRACKETED: Final = re.compile(r"\[([^\[\]]{1,80})\]")
_NAMED: Final = re.compile(
    rf"[(<{{]({_PART})( ?(\d+|[ivx]+|x ?\d+))?:?[)>}}]|\*{{1,3}}({_PART})( \d+)?\*{{1,3}}|"
    rf"({_PART})( (\d+|[ivx]+))?:|"
    r"(verse|strophe|couplet) \d+|chorus|pre-?chorus|refrain",
    re.IGNORECASE,
)


_PART_ALONE: Final = re.compile(rf"({_PART})( ?(\d+|[ivx]+|x ?\d+))?", re.IGNORECASE)


class NoLyrics(Unreadable):
    """A text without lyrics, as of an instrumental piece."""

    def __init__(self, reason: str = "no words in it") -> None:
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class TextOptions:
    """Options of reading lyrics.

    Attributes
    ----------
    keep_sections : bool
        Keep section headers, as lines like ``[Chorus]``.
    fold_case : bool
        Convert the lyrics to lower case.
    """

    keep_sections: bool = False
    fold_case: bool = False


#: Without section headers, with case as written.
PLAIN_TEXT: Final = TextOptions()


def decode_text(content: bytes) -> str:
    """Decode a text in an unknown encoding.

    Parameters
    ----------
    content : bytes
        In any encoding that `segue.io.encodings.decode` detects.

    Raises
    ------
    Unreadable
        The content is not text.
    """
    text = decode(content)
    controls = sum(map(text.count, _RARE))
    if "\0" in text or controls > _MAX_CONTROLS * len(text):
        raise Unreadable(
            "a binary file, expected a text: UTF-8, or in an older encoding of its language"
        )
    return text


#: Characters that hardly occur in texts.
_RARE: Final = [*map(chr, range(1, 9)), *map(chr, range(14, 32)), "\x7f", "\ufffd"]


def normalise_layout(text: str) -> str:
    """Normalise Unicode, line breaks and whitespace as in `segue.records.Lyrics.text`."""
    text = unicodedata.normalize("NFC", _LINE_BREAK.sub("\n", strip_surrogates(text)))
    text = _CONTROLS.sub(" ", text)
    lines = [_SPACES.sub(" ", line).strip() for line in text.split("\n")]
    return _BLANKS.sub("\n\n", "\n".join(lines)).strip("\n")


def split_lines(text: str) -> list[str]:
    """Split a text at line breaks of any kind, and strip trailing whitespace."""
    return [line.rstrip() for line in _LINE_BREAK.sub("\n", text).split("\n")]


def strip_surrogates(text: str) -> str:
    """Join surrogate pairs, and remove lone surrogates, which cannot be encoded.

    They come from programs that cut texts within a character, and from JSON escapes.
    """
    if not _SURROGATES.search(text):
        return text
    return _SURROGATES.sub("", text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def section_name(line: str) -> str:
    """Return the name in a section header, such as "Chorus"; "" for other lines."""
    if match := _BRACKETED.fullmatch(line):
        return match[1].strip()
    if _NAMED.fullmatch(line):
        return line.strip("()<>{}*:")
    return ""


def is_section_header(line: str) -> bool:
    """Return whether a line is a section header, such as "[Verse 2: A. Singer]" or "CHORUS"."""
    return bool(section_name(line)) or _PART_ALONE.fullmatch(line.strip("()[]:. ")) is not None


def apply_options(text: str, options: TextOptions) -> str:
    """Clean a text with normalised layout, and apply options.

    Raises
    ------
    Unreadable
        The text has no words, or more than `MAX_CHARACTERS`.
    """
    lines = []
    for line in strip_site_text(text).split("\n"):
        section = section_name(line)
        if section:
            lines += ["", f"[{section}]"] if options.keep_sections else [""]
        else:
            lines.append(line.lower() if options.fold_case else line)
    normalised = normalise_layout("\n".join(lines))
    if not any(map(str.isalpha, normalised)):
        raise NoLyrics
    if len(normalised) > MAX_CHARACTERS:
        raise Unreadable(
            f"{len(normalised) / 1e6:.1f} million characters, expected at most 1 million of a "
            "song; put several into one file as CSV (artist, title, text) or as Markdown (# Title)"
        )
    return normalised


def sung_lines(text: str) -> list[str]:
    """List the lines of a text except empty lines and section headers."""
    return [line for line in text.split("\n") if line and not _BRACKETED.fullmatch(line)]
