"""Names and titles as people compare them: normalisation, and what services add to titles.

Names of artists, titles and albums as people compare them.

Titles as they vary: what services, shops and file names add to the name of a recording.

What is another recording stays in the title: live, acoustic, remix, demo, radio edit.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

# --- names ---

MAX_LENGTH: Final = 500  # characters kept of a foreign name

#: Between the names of several artists or genres of one track.
BETWEEN_NAMES: Final = "; "

_BETWEEN_GENRES: Final = re.compile(r"[;,/|]")
_JOINERS: Final = "\u200c\u200d"  # letters of Persian, parts of emoji


def normalise(text: str) -> str:
    """Fold case, accents and punctuation away, for finding and comparing names."""
    # Twice: a letter may only show its case once it is decomposed (Unicode 3.13, D146).
    decomposed = unicodedata.normalize("NFD", text)
    for _ in range(2):
        decomposed = unicodedata.normalize("NFKD", decomposed.casefold())
    kept = "".join(c if c.isalnum() else " " for c in decomposed if not unicodedata.combining(c))
    return " ".join(kept.split())


def clean(text: str) -> str:
    """Make a text of a foreign file fit to be shown: printable, one line, not too long.

    Control characters in a name would reach the user's terminal.
    """
    printable = text[: 4 * MAX_LENGTH].replace("\ufffd", "")  # what could not be decoded
    if not printable.isprintable():
        printable = "".join(c if c.isprintable() or c in _JOINERS else " " for c in printable)
    return " ".join(printable.split())[:MAX_LENGTH]


def split_names(text: str) -> list[str]:
    """List the artists of a tag, "Ann; Bob", as they are spelt."""
    return [name.strip() for name in text.split(BETWEEN_NAMES.strip()) if name.strip()]


def name_keys(text: str) -> frozenset[str]:
    """Return the artists of a tag as they are compared; empty where there is none."""
    return frozenset(map(normalise, split_names(text))) - {""}


def split_genres(text: str) -> list[str]:
    """Split a genre tag, ``Ambient; Dub`` say, into its genres as they are spelt."""
    parts = (part.strip() for part in _BETWEEN_GENRES.split(text))
    return [part for part in parts if normalise(part)]


# --- titles ---

_YEAR: Final = r"(?:19|20)\d\d"
#: What an aside may say of the same recording: how it was made ready, where it stands.
_SAME: Final = re.compile(
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
#: What a file's name says of the file: how it sounds, and where it was seen.
_ABOUT_FILE: Final = re.compile(
    r"\d{2,4} ?k(?:b(?:ps|/s|it|it/s)?)?|(?:mp3|flac|aac|ogg|wav|m4a|cbr|vbr|v0|v2)(?: \d{2,4})?|"
    r"(?:mp3 )?\d{2,4} ?kbps(?: mp3)?|h[qd]|4k|1080p|720p|(?:full )?(?:hq|hd)(?: (?:audio|video))?|"
    r"(?:the )?(?:official|original|new|full)?(?: ?(?:music|lyrics?|hd|hq|4k|album))* ?"
    r"(?:video ?clip|video|audio|clip|visuali[sz]er|lyrics?|mv|m/v)(?: (?:hd|hq|4k|version))?|"
    r"official|offizielles (?:musik)?video|clip officiel|video oficial|vídeo oficial|letra|"
    r"free (?:download|dl)|download|youtube|soundcloud|vevo|topic|copy|\d",
    re.IGNORECASE,
)
#: The mark of a video, as downloaders put it behind a title.
_VIDEO: Final = re.compile(r"(?=.*[\d_-]|.+[A-Z])[\w-]{11}", re.ASCII)
_BETWEEN_ARTISTS: Final = re.compile(
    r" (?:&|and|und|et|y|e|x|vs\.?|with|feat\.?|ft\.?|featuring) |, | / ", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class FileTitle:
    """A title from a file's name, without what it says of the file."""

    title: str
    year: int | None


def title_key(title: str) -> str:
    """Return a title as one recording is known by: "Song - Remastered 2011" as "Song".

    Case, accents, punctuation, spaces and guests do not count: "T.N.T." is "TNT".
    """
    text = _BRACKETED.sub(lambda aside: "" if _is_same(aside[1], guests=True) else aside[0], title)
    while (found := _AFTER_DASH.search(text)) and _is_same(found[1], guests=False):
        text = text[: found.start()]
    text = _GUESTS_OPEN.sub("", text)
    return _compact(text) or _compact(title) or title.strip()


def artist_keys(artist: str) -> frozenset[str]:
    """Return what an artist may be called: all together, each alone, and without guests.

    "Cid & Dee feat. Eve" is that, "Cid & Dee", "Cid", "Dee" and "Eve".
    """
    keys = {_compact(artist)}
    for name in split_names(artist):
        keys |= {_compact(name), _compact(_GUESTS_OPEN.sub("", name))}
        keys |= {_compact(part) for part in _BETWEEN_ARTISTS.split(name)}
    return frozenset(keys) - {""}


def file_title(text: str) -> FileTitle:
    """Take out of a title, read from a file's name, what it says of the file.

    "Song (official video) [320 kbps] [2008]" is "Song" of 2008; what would leave nothing stays.
    """
    years = []

    def kept(aside: re.Match[str]) -> str:
        inside = aside[1].strip()
        if re.fullmatch(_YEAR, inside):
            years.append(int(inside))
            return ""
        square = aside[0].lstrip().startswith("[") and aside.end() == len(aside.string)
        gone = not inside or _ABOUT_FILE.fullmatch(inside) or (square and _VIDEO.fullmatch(inside))
        return "" if gone else aside[0]

    title = " ".join(_BRACKETED.sub(kept, text).split()).strip(" -–—")
    if not title:
        return FileTitle(text, None)
    return FileTitle(title, years[0] if years else None)


def _is_same(aside: str, *, guests: bool) -> bool:
    """Tell whether an aside names the same recording, or guests."""
    more = rf"{_GUESTS}|{_WITH}" if guests else _GUESTS
    text = aside.strip()
    return bool(_SAME.fullmatch(text) or re.fullmatch(more, text, re.IGNORECASE))


def _compact(text: str) -> str:
    return normalise(text).replace(" ", "")
