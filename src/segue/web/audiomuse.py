"""The interface of an AudioMuse-AI server, which plugins of Navidrome and Jellyfin call.

Items have the ids of this server; titles and artists find songs, too.
"""

from collections.abc import Callable
from typing import Any, Final

from segue.web.answers import GENERIC, MISSING, ApiError
from segue.web.calls import MAX_RESULTS, SONG_PREFIX, Call
from segue.web.catalog import Artist, Song
from segue.web.similarity import find_song, similar_artists, similar_songs, song_path

_SHOWN: Final = 5  # representative songs of each artist


def similar_tracks(call: Call) -> list[dict[str, Any]]:
    """List similar songs with their distances, 0 for the same."""
    n = call.number("n", 10, 0, MAX_RESULTS)
    matches = similar_songs(call, [_song(call)], n)
    return [
        _item(song) | {"distance": round(1 - similarity, 6)}
        for song, similarity in sorted(matches, key=lambda match: -match[1])
    ]


def find_path(call: Call) -> dict[str, Any]:
    """Find a path between two songs."""
    start, goal = call.song("start_song_id"), call.song("end_song_id")
    n = call.number("max_steps", call.number("count", 25, 2, MAX_RESULTS), 2, MAX_RESULTS)
    songs = song_path(call, start, goal, n)
    return {"path": [_item(song) for song in songs], "total_distance": _length(call, songs)}


def similar_artist_list(call: Call) -> list[dict[str, Any]]:
    """List similar artists with songs of both."""
    name = call.text("artist")
    artist = call.catalog.artists.get(name)
    if artist is None:
        found = call.catalog.search(name, call.catalog.artists.values(), lambda each: each.words)
        if not found:
            raise ApiError(GENERIC, f"there is no artist {name[:40]!r}")
        artist = found[0]
    return [
        {
            "artist": each.name,
            "artist_id": each.id,
            "component_matches": [
                {
                    "artist1_representative_songs": _songs(artist),
                    "artist2_representative_songs": _songs(each),
                }
            ],
        }
        for each in similar_artists(call, artist, call.number("n", 10, 0, MAX_RESULTS))
    ]


def search_tracks(call: Call) -> list[dict[str, Any]]:
    """Search songs by title and artist."""
    query = " ".join(call.text(name, "") for name in ("search_query", "title", "artist"))
    found = call.catalog.search(query, call.catalog.songs.values(), lambda each: each.words)
    return [_item(song) for song in found[: call.number("limit", 20, 0, MAX_RESULTS)]]


def health(_call: Call) -> dict[str, Any]:
    """Say that the server works."""
    return {"status": "ok"}


#: Paths below /api, and what answers them.
METHODS: Final[dict[str, Callable[[Call], Any]]] = {
    "similar_tracks": similar_tracks,
    "find_path": find_path,
    "similar_artists": similar_artist_list,
    "search_tracks": search_tracks,
    "health": health,
}


def _song(call: Call) -> Song:
    if call.text("item_id", ""):
        return call.song("item_id")
    title, artist = call.text("title", ""), call.text("artist", "")
    if not title or not artist:
        raise ApiError(MISSING, "item_id is missing, or title and artist")
    return find_song(call, title, artist)


def _length(call: Call, songs: list[Song]) -> float:
    if len(songs) < 2:
        return 0.0
    path = call.library.journeys.path(songs[0].id, songs[-1].id, len(songs))
    return round(float(sum(path.steps)), 6)


def _item(song: Song) -> dict[str, Any]:
    return {
        "item_id": f"{SONG_PREFIX}{song.id}",
        "title": song.title,
        "author": song.artist,
        "album": song.album.name,
    }


def _songs(artist: Artist) -> list[dict[str, Any]]:
    songs = artist.songs or [song for album in artist.albums for song in album.songs]
    return [{"item_id": f"{SONG_PREFIX}{song.id}", "title": song.title} for song in songs[:_SHOWN]]
