"""Artists of the lyrics of a library, and the language models that know their styles.

Artists are named by users, in any case and by a part of the name. Of several models that know an
artist's style, the most specific one is chosen.
"""

import difflib
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from segue.errors import NotFound
from segue.generate.lyrics.adapter import StyleModel, load_style_model
from segue.generate.lyrics.language_model import VERSE_STYLES, LanguageModel
from segue.generate.lyrics.network import UNCONDITIONAL
from segue.lyrics.spelling import Language, detect_language
from segue.nn.checkpoint import read_metadata
from segue.records import Lyrics, Tags
from segue.store import Store
from segue.training.models import (
    BUNDLED,
    LYRICS,
    ModelFile,
    find_model,
    model_folder,
    model_names,
)

#: Default name of a model of all artists; "lyrics" is the name of a bundled space.
ALL_ARTISTS_MODEL: Final = "my-lyrics"
_MAX_SUGGESTIONS: Final = 3
_LANGUAGE_CHARACTERS: Final = 100_000


def library_songs(store: Store) -> list[Lyrics]:
    """Return the lyrics of a library without duplicates, with title and artist."""
    tags = {track.id: track.tags for track in store.tracks()}
    songs: dict[str, Lyrics] = {}
    for track, text in store.lyrics.texts():
        if track in tags and text not in songs:
            songs[text] = Lyrics(text, Tags(tags[track].title, tags[track].artist))
    return list(songs.values())


def songs_by_artist(store: Store) -> Counter[str]:
    """Count the songs of each artist in a library; "" is for songs without an artist."""
    return Counter(song.tags.artist for song in library_songs(store))


def resolve_artist(name: str, songs_of: Counter[str]) -> str:
    """Return the artist with a name, ignoring case.

    Parameters
    ----------
    name : str
        Full name, or an unambiguous part of it.
    songs_of : Counter of str
        Number of songs by artist, as from `songs_by_artist`.

    Raises
    ------
    NotFound
        No artist, or several, have this name; the message suggests similar names.
    """
    by_folded = {artist.casefold(): artist for artist in songs_of if artist}
    folded = name.strip().casefold()
    if folded in by_folded:
        return by_folded[folded]
    matches = [artist for other, artist in by_folded.items() if folded and folded in other]
    if len(matches) == 1:
        return matches[0]
    if len(matches) > 1:
        raise NotFound(f"{name!r} is in the names of {', '.join(sorted(matches)[:8])}; which one?")
    similar = difflib.get_close_matches(folded, by_folded, n=_MAX_SUGGESTIONS, cutoff=0.4)
    suggestions = ", ".join(by_folded[each] for each in similar)
    suggestions = suggestions or ", ".join(sorted(by_folded.values())[:8])
    nameless = (
        f"; {songs_of['']} songs here name no artist: give them one with "
        '`segue add --artist "NAME" FILE`'
        if songs_of[""]
        else ""
    )
    raise NotFound(
        f"there is no artist {name!r} with lyrics here; "
        + (f"the nearest: {suggestions}" if suggestions else "add some with `segue add`")
        + nameless
    )


def base_of(store: Store, name: str, artist: str) -> str:
    """Return the name of a model to fine-tune: of the bundled bases, the one of the language.

    Parameters
    ----------
    store : Store
    name : str
        As a user gave it: "base" or "shipped" leaves the language to the artist's songs.
    artist : str
        See `resolve_artist`; "" for all.
    """
    if name not in (LYRICS.bundled_name, BUNDLED) or name in model_names(store, LYRICS):
        return name
    songs = library_songs(store)
    if artist:
        full = resolve_artist(artist, songs_by_artist(store))
        songs = [song for song in songs if song.tags.artist == full]
    language = detect_language("\n".join(song.text for song in songs)[:_LANGUAGE_CHARACTERS])
    return f"base-{language}" if language in VERSE_STYLES else name


def model_name(store: Store, artist: str) -> str:
    """Return the default name of an artist's model, such as "lyrics-robert-burns".

    A hash of the artist's name is appended if another artist, as AC/DC and AC DC, would have the
    same model name, or if the name is not in the Latin alphabet. The model of all artists, "", is
    "my-lyrics".
    """
    if not artist:
        return ALL_ARTISTS_MODEL
    words = _ascii_words(artist)
    name = "-".join(["lyrics", *words])
    others = songs_by_artist(store).keys() - {artist}
    path = model_folder(store, name) / LYRICS.file
    if path.exists():
        others |= {_artist_of(read_metadata(path))} - {artist}
    characters = sum(map(str.isalnum, artist))
    if sum(map(len, words)) < characters or any(_ascii_words(other) == words for other in others):
        name += f"-{hashlib.sha256(artist.lower().encode()).hexdigest()[:8]}"
    return name


def _ascii_words(name: str) -> list[str]:
    ascii_name = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return re.findall(r"[a-z0-9]+", ascii_name)


def _artist_of(metadata: Mapping[str, Any]) -> str:
    """Return the artist that a model was trained for, from its checkpoint's metadata."""
    return str(metadata["told"]["artist"])


@dataclass(frozen=True, slots=True)
class TrainedStyle:
    """An artist's style in a trained model.

    Attributes
    ----------
    artist : str
        Full name.
    model : LanguageModel or AdaptedModel
    index : int
        Style index in the model.
    file : ModelFile
        File of the model.
    language : str
        Language of a style of verse in general; else "".
    """

    artist: str
    model: StyleModel
    index: int
    file: ModelFile
    language: Language | Literal[""] = ""


def find_style(store: Store, artist: str, name: str = "") -> TrainedStyle:
    """Find a model that knows an artist's style.

    Parameters
    ----------
    store : Store
    artist : str
        See `resolve_artist`; or a style of verse in general, such as "German verse".
    name : str
        Name of a model; "" for the most specific one: a model of the artist, then the library's
        model of all artists, then the bundled one, and last those fine-tuned for other artists;
        among equals the newest.

    Raises
    ------
    NotFound
        No model knows the artist.
    """
    verse = next((lang for lang, each in VERSE_STYLES.items() if each == artist), None)
    if verse and not name:
        file = find_model(store, LYRICS, f"base-{verse}")
        base = LanguageModel.load(file.path)
        index = base.style_index(artist) if artist in base.artists else UNCONDITIONAL
        return TrainedStyle(artist, base, index, file, verse)
    names = [name] if name else [*model_names(store, LYRICS), BUNDLED]
    files = [find_model(store, LYRICS, each) for each in names]
    metadata = {file: read_metadata(file.path) for file in files}
    known = Counter(each for model in metadata.values() for each in model["voices"])
    try:
        resolved = resolve_artist(artist, known)
    except NotFound as error:
        in_library = songs_by_artist(store)
        untrained = resolve_artist(artist, in_library + known)  # its error suggests both
        if untrained not in known:
            raise NotFound(
                f"no model of {untrained} has been trained yet; do that in a minute or two with "
                f'`segue train lyrics --artist "{untrained}"`'
            ) from None
        raise error from None

    def preference(file: ModelFile) -> tuple[bool, bool, bool, float]:
        trained_for = _artist_of(metadata[file])
        newest_first = -file.path.stat().st_mtime
        return trained_for != resolved, bool(trained_for), not file.from_library, newest_first

    file = min((file for file in files if resolved in metadata[file]["voices"]), key=preference)
    model = load_style_model(file.path)
    return TrainedStyle(resolved, model, model.style_index(resolved), file)
