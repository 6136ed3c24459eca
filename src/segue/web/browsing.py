"""Methods of the Subsonic API that browse and search the catalogue."""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from segue.web.answers import GENERIC, NOT_FOUND, ApiError
from segue.web.calls import MAX_RESULTS, Call
from segue.web.catalog import IGNORED_ARTICLES, Album, Artist, Song, index_letter
from segue.web.elements import (
    album_element,
    album_folder,
    artist_element,
    artist_folder,
    song_element,
)

_FOLDER_NAME: Final = "Music"
Item = TypeVar("Item")
ArtistElement = Callable[[Call, Artist], dict[str, Any]]
AlbumElement = Callable[[Call, Album], dict[str, Any]]


def music_folders(call: Call) -> dict[str, Any]:
    """List the folders that were added."""
    names = [root.rstrip("/").rpartition("/")[2] or _FOLDER_NAME for root in call.catalog.roots]
    folders = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    return {"musicFolders": {"musicFolder": folders}}


def artists(call: Call) -> dict[str, Any]:
    """List the album artists by letter."""
    return {"artists": _by_letter(call, artist_element)}


def indexes(call: Call) -> dict[str, Any]:
    """List the album artists by letter, for players that browse folders."""
    newest = max((song.modified_s for song in call.catalog.songs.values()), default=0)
    return {"indexes": {"lastModified": int(1000 * newest), **_by_letter(call, artist_folder)}}


def artist(call: Call) -> dict[str, Any]:
    """Show an artist with the albums."""
    found = call.artist()
    albums = [album_element(call, album) for album in _albums_of(found)]
    return {"artist": artist_element(call, found) | {"album": albums}}


def album(call: Call) -> dict[str, Any]:
    """Show an album with its songs."""
    found = call.album()
    songs = [song_element(call, song) for song in found.songs]
    return {"album": album_element(call, found) | {"song": songs}}


def song(call: Call) -> dict[str, Any]:
    """Show a song."""
    return {"song": song_element(call, call.song())}


def music_directory(call: Call) -> dict[str, Any]:
    """Show what is in an artist or album as in a folder."""
    item = call.text("id")
    if item in call.catalog.artists:
        found = call.catalog.artists[item]
        children = [album_folder(call, each) for each in _albums_of(found)]
        return {"directory": artist_folder(call, found) | {"child": children}}
    if item in call.catalog.albums:
        inside = call.catalog.albums[item]
        children = [song_element(call, each) for each in inside.songs]
        about = {"id": inside.id, "parent": inside.artist.id, "name": inside.name}
        return {"directory": about | {"child": children}}
    raise ApiError(NOT_FOUND, f"there is no folder {item[:40]!r}")


def genres(call: Call) -> dict[str, Any]:
    """List the genres with their numbers of songs and albums."""
    elements = [
        {
            "value": genre,
            "songCount": len(songs),
            "albumCount": len({each.album.id for each in songs}),
        }
        for genre, songs in call.catalog.genres.items()
    ]
    return {"genres": {"genre": elements}}


def songs_by_genre(call: Call) -> dict[str, Any]:
    """List the songs of a genre."""
    songs = _in_folder(call, call.catalog.genres.get(call.text("genre"), []))
    return {"songsByGenre": {"song": _songs(call, _page(call, songs, "count", 10))}}


def random_songs(call: Call) -> dict[str, Any]:
    """Draw songs at random, of a genre or of some years."""
    catalog = call.catalog
    songs: Sequence[Song] = list(catalog.songs.values())
    if genre := call.text("genre", ""):
        songs = catalog.genres.get(genre, [])
    low, high = call.number("fromYear", 0), call.number("toYear", 9999)
    if (low, high) != (0, 9999):
        songs = [each for each in songs if each.year is not None and low <= each.year <= high]
    drawn = catalog.random_songs(_in_folder(call, songs), call.number("size", 10, 0, MAX_RESULTS))
    return {"randomSongs": {"song": _songs(call, drawn)}}


def album_list(call: Call) -> dict[str, Any]:
    """List albums as folders."""
    return {"albumList": {"album": [album_folder(call, each) for each in _listed(call)]}}


def album_list2(call: Call) -> dict[str, Any]:
    """List albums."""
    return {"albumList2": {"album": [album_element(call, each) for each in _listed(call)]}}


def search(call: Call) -> dict[str, Any]:
    """Search songs, as the oldest players do."""
    text = " ".join(call.text(name, "") for name in ("any", "artist", "album", "title"))
    found = call.catalog.search(text, call.catalog.songs.values(), lambda each: each.words)
    page = _page(call, found, "count", 20)
    result = {"offset": call.number("offset", 0), "totalHits": len(found)}
    return {"searchResult": result | {"match": _songs(call, page)}}


def search2(call: Call) -> dict[str, Any]:
    """Search artists, albums and songs, as folders."""
    return {"searchResult2": _search(call, artist_folder, album_folder)}


def search3(call: Call) -> dict[str, Any]:
    """Search artists, albums and songs; an empty query lists all."""
    return {"searchResult3": _search(call, artist_element, album_element)}


def starred(call: Call) -> dict[str, Any]:
    """List starred items, as folders."""
    return {"starred": _starred(call, artist_folder, album_folder)}


def starred2(call: Call) -> dict[str, Any]:
    """List starred items."""
    return {"starred2": _starred(call, artist_element, album_element)}


def _by_letter(call: Call, element: ArtistElement) -> dict[str, Any]:
    by_letter: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in call.catalog.album_artists:
        if _in_folder(call, each.songs or [one for album in each.albums for one in album.songs]):
            by_letter[index_letter(each.name)].append(element(call, each))
    index = [{"name": name, "artist": found} for name, found in sorted(by_letter.items())]
    return {"ignoredArticles": IGNORED_ARTICLES, "index": index}


def _albums_of(found: Artist) -> list[Album]:
    """Return an artist's albums, then the albums of others in which the artist performs."""
    others = {each.album.id: each.album for each in found.songs if each.album.artist is not found}
    return [*found.albums, *others.values()]


def _in_folder(call: Call, songs: Sequence[Song]) -> Sequence[Song]:
    """Return the songs in the folder that the call names, or all of them."""
    text = call.text("musicFolderId", "")
    if not text:
        return songs
    number = call.number("musicFolderId")
    roots = call.catalog.roots
    if not 1 <= number <= len(roots):
        raise ApiError(NOT_FOUND, f"there is no folder {number}")
    return [each for each in songs if each.root == roots[number - 1]]


def _listed(call: Call) -> list[Album]:
    albums = list(call.catalog.albums.values())
    if call.text("musicFolderId", ""):
        albums = [each for each in albums if _in_folder(call, each.songs)]
    kind = call.text("type")
    match kind:
        case "random":
            return random.sample(albums, min(call.number("size", 10, 0, MAX_RESULTS), len(albums)))
        case "newest":
            albums.sort(key=lambda each: -each.modified_s)
        case "highest":
            albums = [each for each in albums if each.id in call.ratings]
            albums.sort(key=lambda each: -call.ratings[each.id])
        case "frequent" | "recent":
            figure = "plays" if kind == "frequent" else "last_s"
            values = {each.id: _most_played(call, each, figure) for each in albums}
            albums = [each for each in albums if values[each.id]]
            albums.sort(key=lambda each: -values[each.id])
        case "alphabeticalByName":
            pass
        case "alphabeticalByArtist":
            albums.sort(key=lambda each: (each.artist.words, each.words))
        case "starred":
            albums = [each for each in albums if each.id in call.starred]
        case "byYear":
            low, high = call.number("fromYear"), call.number("toYear")
            years = sorted((low, high))
            albums = [each for each in albums if each.year and years[0] <= each.year <= years[1]]
            albums.sort(key=lambda each: each.year or 0, reverse=low > high)
        case "byGenre":
            ids = {each.album.id for each in call.catalog.genres.get(call.text("genre"), [])}
            albums = [each for each in albums if each.id in ids]
        case _:
            raise ApiError(GENERIC, f"the type of an album list is {kind[:40]!r}")
    return _page(call, albums, "size", 10)


def _most_played(call: Call, found: Album, figure: str) -> int:
    plays = [call.plays[each.id] for each in found.songs if each.id in call.plays]
    if figure == "plays":
        return sum(each.plays for each in plays)
    return max((each.last_s for each in plays), default=0)


def _search(call: Call, artist_of: ArtistElement, album_of: AlbumElement) -> dict[str, Any]:
    query, catalog = call.text("query", ""), call.catalog
    found_artists = catalog.search(query, catalog.album_artists, lambda each: each.words)
    found_albums = catalog.search(query, catalog.albums.values(), lambda each: each.words)
    songs = catalog.search(query, catalog.songs.values(), lambda each: each.words)
    if call.text("musicFolderId", ""):
        songs = list(_in_folder(call, songs))
        found_albums = [each for each in found_albums if _in_folder(call, each.songs)]
    return {
        "artist": [
            artist_of(call, each)
            for each in _page(call, found_artists, "artistCount", 20, "artistOffset")
        ],
        "album": [
            album_of(call, each)
            for each in _page(call, found_albums, "albumCount", 20, "albumOffset")
        ],
        "song": _songs(call, _page(call, songs, "songCount", 20, "songOffset")),
    }


def _starred(call: Call, artist_of: ArtistElement, album_of: AlbumElement) -> dict[str, Any]:
    catalog = call.catalog
    numbers = [item.removeprefix("tr-") for item in call.starred if item.startswith("tr-")]
    songs = [catalog.songs[int(each)] for each in numbers if int(each) in catalog.songs]
    return {
        "artist": [
            artist_of(call, catalog.artists[item])
            for item in call.starred
            if item in catalog.artists
        ],
        "album": [
            album_of(call, catalog.albums[item]) for item in call.starred if item in catalog.albums
        ],
        "song": _songs(call, songs),
    }


def _songs(call: Call, songs: Sequence[Song]) -> list[dict[str, Any]]:
    return [song_element(call, each) for each in songs]


def _page(
    call: Call, items: Sequence[Item], count: str, default: int, offset: str = "offset"
) -> list[Item]:
    start = call.number(offset, 0)
    return list(items[start : start + call.number(count, default, 0, MAX_RESULTS)])
