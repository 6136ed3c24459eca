"""Normalisation and comparison of names: artists, titles, albums, genres.

`normalise` folds case, accents and punctuation. `title_key` also drops what services, shops and
file names add to the title of the same recording ("Remastered 2011", "Official Video"), but not
what names another recording: live, acoustic, remix, demo, radio edit.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

MAX_LENGTH: Final = 500  # characters of a name from a file

#: Separator of several artists or genres of one track.
BETWEEN_NAMES: Final = "; "

_GENRE_SEPARATOR: Final = re.compile(r"[;,/|]")
_JOINERS: Final = "\u200c\u200d"  # used in Persian words and in emoji


def normalise(text: str) -> str:
    """Fold case, accents and punctuation, for searching and comparing names."""
    # Twice, since a character may need decomposition before case folding (Unicode 3.13, D146).
    decomposed = unicodedata.normalize("NFD", text)
    for _ in range(2):
        decomposed = unicodedata.normalize("NFKD", decomposed.casefold())
    words = "".join(c if c.isalnum() else " " for c in decomposed if not unicodedata.combining(c))
    return " ".join(words.split())


def fold_name(name: str) -> str:
    """Fold case and Unicode normalisation of a file name, for comparing."""
    return unicodedata.normalize("NFC", name).casefold()


def clean(text: str) -> str:
    """Sanitise a text from a file: printable, one line, at most `MAX_LENGTH` characters.

    Otherwise control characters in a name would reach the user's terminal.
    """
    printable = text[: 4 * MAX_LENGTH].replace("\ufffd", "")  # undecodable bytes
    if not printable.isprintable():
        printable = "".join(c if c.isprintable() or c in _JOINERS else " " for c in printable)
    return " ".join(printable.split())[:MAX_LENGTH]


def split_names(text: str) -> list[str]:
    """Split an artist tag such as "Ann; Bob" into its names."""
    return [name.strip() for name in text.split(BETWEEN_NAMES.strip()) if name.strip()]


def name_keys(text: str) -> frozenset[str]:
    """Return the normalised names of an artist tag."""
    return frozenset(map(normalise, split_names(text))) - {""}


def split_genres(text: str) -> list[str]:
    """Split a genre tag such as "Ambient; Dub" into its genres."""
    parts = (part.strip() for part in _GENRE_SEPARATOR.split(text))
    return [part for part in parts if normalise(part)]


_YEAR: Final = r"(?:19|20)\d\d"
#: Asides in titles that name the same recording: remaster, edition, soundtrack.
_SAME_RECORDING: Final = re.compile(
    rf"(?:the )?(?:{_YEAR} )?(?:(?:digital(?:ly)?|newly|new|{_YEAR}) )*remaster(?:ed)?"
    rf"(?: (?:version|edition|{_YEAR}|in {_YEAR}))*|"
    r"(?:mono|stereo)(?: (?:version|mix))?|(?:album|lp|original|original album) version|"
    rf"single version|original(?: mix)?|(?:{_YEAR} )?(?:version|mix) ?{_YEAR}|"
    r"(?:hidden |bonus )track|explicit(?: version)?|clean(?: version)?|"
    rf"(?:deluxe|expanded|anniversary|special|\d+th anniversary)(?: (?:edition|version))?|"
    r"from .*(?:soundtrack|motion picture|film|series|musical|ost)\b.*|from [\"“'‘].+|"
    r"(?:original )?(?:motion picture )?soundtrack|ost",
    re.IGNORECASE,
)
_GUESTS: Final = r"(?:feat(?:uring)?|ft|w/)(?:\.|\b) ?.+"
_WITH: Final = r"(?:with|con|avec|mit) .+"
_BRACKETED: Final = re.compile(r" ?[(\[]([^()\[\]]*)[)\]]")
_AFTER_DASH: Final = re.compile(r" [-–—] ([^-–—]+)$")
_GUESTS_OPEN: Final = re.compile(rf" {_GUESTS}$", re.IGNORECASE)
#: Asides in file names about the file: bit rate, format, source.
_ABOUT_FILE: Final = re.compile(
    r"\d{2,4} ?k(?:b(?:ps|/s|it|it/s)?)?|(?:mp3|flac|aac|ogg|wav|m4a|cbr|vbr|v0|v2)(?: \d{2,4})?|"
    r"(?:mp3 )?\d{2,4} ?kbps(?: mp3)?|h[qd]|4k|1080p|720p|(?:full )?(?:hq|hd)(?: (?:audio|video))?|"
    r"(?:the )?(?:official|original|new|full)?(?: ?(?:music|lyrics?|hd|hq|4k|album))* ?"
    r"(?:video ?clip|video|audio|clip|visuali[sz]er|lyrics?|mv|m/v)(?: (?:hd|hq|4k|version))?|"
    r"official|offizielles (?:musik)?video|clip officiel|video oficial|vídeo oficial|letra|"
    r"free (?:download|dl)|download|youtube|soundcloud|vevo|topic|copy|\d",
    re.IGNORECASE,
)
#: The id of a video, which downloaders append to a title.
_VIDEO_ID: Final = re.compile(r"(?=.*[\d_-]|.+[A-Z])[\w-]{11}", re.ASCII)
_BETWEEN_ARTISTS: Final = re.compile(
    r" (?:&|and|und|et|y|e|x|vs\.?|with|feat\.?|ft\.?|featuring) |, | / ", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class FileTitle:
    """A title from a file name, without asides about the file."""

    title: str
    year: int | None


def title_key(title: str) -> str:
    """Return a key that all titles of one recording share: "Song - Remastered 2011" as "song".

    Case, accents, punctuation, spaces and featured artists are ignored: "T.N.T." equals "TNT".
    """
    text = _BRACKETED.sub(lambda aside: "" if _is_same(aside[1], guests=True) else aside[0], title)
    while (match := _AFTER_DASH.search(text)) and _is_same(match[1], guests=False):
        text = text[: match.start()]
    text = _GUESTS_OPEN.sub("", text)
    return _compact(text) or _compact(title) or title.strip()


def artist_keys(artist: str) -> frozenset[str]:
    """Return the keys by which an artist may be known: all names, each one, and without guests.

    "Cid & Dee feat. Eve" has the keys of itself, "Cid & Dee", "Cid", "Dee" and "Eve".
    """
    keys = {_compact(artist)}
    for name in split_names(artist):
        keys |= {_compact(name), _compact(_GUESTS_OPEN.sub("", name))}
        keys |= {_compact(part) for part in _BETWEEN_ARTISTS.split(name)}
    return frozenset(keys) - {""}


def file_title(text: str) -> FileTitle:
    """Remove asides about the file from a title that was read from a file name.

    "Song (official video) [320 kbps] [2008]" is "Song" of 2008. A title that consists of asides
    is returned unchanged.
    """
    years = []

    def replacement(aside: re.Match[str]) -> str:
        inside = aside[1].strip()
        if re.fullmatch(_YEAR, inside):
            years.append(int(inside))
            return ""
        square = aside[0].lstrip().startswith("[") and aside.end() == len(aside.string)
        is_id = square and _VIDEO_ID.fullmatch(inside)
        return "" if not inside or _ABOUT_FILE.fullmatch(inside) or is_id else aside[0]

    title = " ".join(_BRACKETED.sub(replacement, text).split()).strip(" -–—")
    if not title:
        return FileTitle(text, None)
    return FileTitle(title, years[0] if years else None)


def _is_same(aside: str, *, guests: bool) -> bool:
    """Return whether an aside names the same recording, or featured artists."""
    featured = rf"{_GUESTS}|{_WITH}" if guests else _GUESTS
    text = aside.strip()
    return bool(_SAME_RECORDING.fullmatch(text) or re.fullmatch(featured, text, re.IGNORECASE))


def _compact(text: str) -> str:
    return normalise(text).replace(" ", "")
