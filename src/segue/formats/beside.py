"""Which texts in a folder are the words of which recordings or scores: by their names alone."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import PurePath
from typing import Final

from segue.formats.kinds import kind_of

#: Endings of texts that may belong to music, the better first: with time stamps, then without.
_ENDINGS: Final = (".lrc", ".txt")
#: Of a book of tunes no text is the words of one.
_BOOKS: Final = frozenset([".abc"])
#: "Song.en.lrc", "Song.pt-BR.lrc": the language that the words are in.
_LANGUAGE: Final = re.compile(r"\.[a-z]{2,3}(-[a-z0-9]{2,8})?$")


def words_beside(names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Match texts with the music of the same name in one folder.

    Parameters
    ----------
    names : iterable of str
        All files of the folder.

    Returns
    -------
    mapping of str to tuple of str
        Music → its texts, the best first: ``Song.lrc``, ``Song.mp3.lrc``, ``Song.en.lrc``, and
        the same in ``.txt``. Neither case nor the form of accents counts. Recordings come before
        scores: a score has words only where there is no recording of its name. Several
        recordings of one name share them.
    """
    texts: dict[str, list[str]] = defaultdict(list)
    music: list[str] = []
    for name in names:
        path = PurePath(name)
        if path.suffix.lower() in _ENDINGS:
            texts[_folded(path.stem)].append(name)
        elif kind_of(path) in {"sound", "score"} and path.suffix.lower() not in _BOOKS:
            music.append(name)
    if not texts:
        return {}
    stems = {name: _folded(PurePath(name).stem) for name in music}
    recordings = {stem for name, stem in stems.items() if kind_of(PurePath(name)) == "sound"}
    by_language: dict[str, list[str]] = defaultdict(list)
    for text, found in texts.items():
        match = _LANGUAGE.search(text)
        if match and text not in stems.values():
            by_language[text[: match.start()]] += sorted(found)
    matched: dict[str, tuple[str, ...]] = {}
    for name, stem in stems.items():
        if kind_of(PurePath(name)) == "score" and stem in recordings:
            continue
        own = [*texts.get(stem, ()), *texts.get(_folded(name), ()), *by_language.get(stem, ())]
        if own:
            matched[name] = tuple(sorted(own, key=partial(_rank, PurePath(name).stem)))
    return matched


def _rank(stem: str, text: str) -> tuple[int, bool]:
    path = PurePath(text)
    return _ENDINGS.index(path.suffix.lower()), path.stem != stem


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
