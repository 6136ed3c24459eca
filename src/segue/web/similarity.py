"""Methods that answer what sounds alike: songs, artists and paths between songs."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Final

from segue.errors import SegueError
from segue.text import normalise
from segue.web.answers import GENERIC, NOT_FOUND, ApiError
from segue.web.calls import MAX_RESULTS, Call
from segue.web.catalog import Album, Artist, Song
from segue.web.elements import artist_element, artist_folder, song_element

#: Songs of an album or artist that results are similar to.
_QUERIES: Final = 20
_MAX_SIMILAR_ARTISTS: Final = 20


def similar_songs(call: Call, songs: Sequence[Song], n: int) -> list[tuple[Song, float]]:
    """List the songs most similar to one or several, as `segue like` does, with similarities.

    Similarities are cosines, at least 0.
    """
    if not songs or n < 1:
        return []
    try:
        hits = call.library.like(*(song.id for song in songs[:_QUERIES]), n=n)
    except SegueError as error:
        raise ApiError(GENERIC, str(error)) from None
    catalog = call.catalog
    return [
        (catalog.songs[hit.track.id], min(max(float(hit.similarity), 0.0), 1.0))
        for hit in hits
        if hit.track.id in catalog.songs
    ]


def song_path(call: Call, start: Song, goal: Song, n: int) -> list[Song]:
    """Return a path in small steps from one song to another, both included, at most `n` songs."""
    if start is goal:
        return [start]
    try:
        tracks = call.library.journeys.path(start.id, goal.id, max(n, 2)).tracks
    except SegueError as error:
        raise ApiError(GENERIC, str(error)) from None
    return [call.catalog.songs[each.id] for each in tracks if each.id in call.catalog.songs]


def sonic_similar_tracks(call: Call) -> dict[str, Any]:
    """List the songs that sound most like a song."""
    n = call.number("count", 10, 0, MAX_RESULTS)
    matches = similar_songs(call, [call.song()], n)
    return {"sonicMatch": [_match(call, song, similarity) for song, similarity in matches]}


def sonic_path(call: Call) -> dict[str, Any]:
    """Find a path from one song to another."""
    start, goal = call.song("startSongId"), call.song("endSongId")
    songs = song_path(call, start, goal, call.number("count", 25, 2, MAX_RESULTS))
    # Similarities are to the first song; the path does not know them, which the API writes as -1.
    return {"sonicMatch": [_match(call, song, 1.0 if song is start else -1.0) for song in songs]}


def similar_songs_by_item(call: Call) -> dict[str, Any]:
    """List songs similar to a song, album or artist."""
    return {"similarSongs": {"song": _similar_elements(call)}}


def similar_songs2(call: Call) -> dict[str, Any]:
    """List songs similar to an artist, or to a song or album."""
    return {"similarSongs2": {"song": _similar_elements(call)}}


def top_songs(call: Call) -> dict[str, Any]:
    """List the songs of an artist that were played most."""
    item = call.text("artistId", "") or call.text("id", "")
    name = "" if item else call.text("artist")
    found = call.catalog.artists.get(item)
    if found is None:
        key = normalise(name) or name
        found = next((each for each in call.catalog.artists.values() if each.words == key), None)
    songs = sorted(found.songs, key=lambda each: -_count(call, each)) if found else []
    kept = songs[: call.number("count", 50, 0, MAX_RESULTS)]
    return {"topSongs": {"song": [song_element(call, song) for song in kept]}}


def artist_info(call: Call) -> dict[str, Any]:
    """Show the artists similar to one, as folders."""
    similar = [artist_folder(call, each) for each in _similar_artists(call)]
    return {"artistInfo": {"similarArtist": similar} if similar else {}}


def artist_info2(call: Call) -> dict[str, Any]:
    """Show the artists similar to one."""
    similar = [artist_element(call, each) for each in _similar_artists(call)]
    return {"artistInfo2": {"similarArtist": similar} if similar else {}}


def album_info(call: Call) -> dict[str, Any]:
    """Show what is known of an album; there are no notes."""
    _songs_of(call, call.text("id"))
    return {"albumInfo": {}}


def similar_artists(call: Call, artist: Artist, n: int) -> list[Artist]:
    """List the artists that sound most like one."""
    songs = artist.songs or [song for album in artist.albums for song in album.songs]
    try:
        hits = call.library.similar_groups(songs[0].id, kind="artist", n=n, min_tracks=1)
    except SegueError:  # it has no vectors, or is the only artist
        return []
    by_words = {each.words: each for each in call.catalog.artists.values()}
    found = [by_words.get(normalise(hit.name)) for hit in hits]
    return [each for each in found if each is not None and each is not artist]


def _similar_artists(call: Call) -> list[Artist]:
    item = call.text("id")
    artist = call.catalog.artists.get(item)
    if artist is None:
        artist = _songs_of(call, item)[0].performer
    return similar_artists(call, artist, call.number("count", 20, 0, _MAX_SIMILAR_ARTISTS))


def _similar_elements(call: Call) -> list[dict[str, Any]]:
    songs = _songs_of(call, call.text("id"))
    matches = similar_songs(call, songs, call.number("count", 50, 0, MAX_RESULTS))
    return [song_element(call, song) for song, _ in matches]


def _songs_of(call: Call, item: str) -> list[Song]:
    """Return the songs of a song, album or artist; of an artist some of each album."""
    if item in call.catalog.albums:
        return call.catalog.albums[item].songs
    if item in call.catalog.artists:
        artist = call.catalog.artists[item]
        performed = {song.album.id: song.album for song in artist.songs}
        albums: list[Album] = artist.albums or list(performed.values())
        in_turn = zip_longest(*(album.songs for album in albums))
        return [song for songs in in_turn for song in songs if song is not None]
    return [call.song_of(item)]


def _match(call: Call, song: Song, similarity: float) -> dict[str, Any]:
    return {"entry": song_element(call, song), "similarity": similarity}


def _count(call: Call, song: Song) -> int:
    return call.plays[song.id].plays if song.id in call.plays else 0


def find_song(call: Call, title: str, artist: str) -> Song:
    """Return the song with a title and an artist."""
    wanted = normalise(title), normalise(artist)
    for song in call.catalog.songs.values():
        if (normalise(song.title), song.performer.words) == wanted:
            return song
    raise ApiError(NOT_FOUND, f"there is no song {title[:40]!r} by {artist[:40]!r}")
