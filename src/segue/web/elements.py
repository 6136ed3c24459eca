"""Elements of Subsonic's answers: songs, albums and artists of the catalogue."""

import mimetypes
from typing import Any, Final

from segue.text import split_genres
from segue.web.calls import SONG_PREFIX, Call
from segue.web.catalog import Album, Artist, Song, iso_time

#: Media types of recordings that Python's table lacks, or has otherwise than players want.
_MEDIA_TYPES: Final = {
    "flac": "audio/flac", "m4a": "audio/mp4", "m4b": "audio/mp4", "mp3": "audio/mpeg",
    "oga": "audio/ogg", "ogg": "audio/ogg", "opus": "audio/ogg", "wav": "audio/wav",
    "wma": "audio/x-ms-wma", "wv": "audio/x-wavpack", "aif": "audio/aiff", "aiff": "audio/aiff",
    "mka": "audio/x-matroska",
}  # fmt: skip


#: How parts of divided files are sent, unless a player asks otherwise: form and kilobits a second.
PART_FORM: Final = "mp3"
_PART_BIT_RATE: Final = 192


def suffix_of(song: Song) -> str:
    """Return the file ending of what is sent of a song, without a dot."""
    if song.passage:
        return PART_FORM
    return song.path.rpartition(".")[2].lower() if "." in song.path else ""


def media_type(suffix: str) -> str:
    """Return the media type of a recording by its file ending."""
    guessed = mimetypes.guess_type(f"x.{suffix}")[0]
    return _MEDIA_TYPES.get(suffix) or guessed or "application/octet-stream"


def song_element(call: Call, song: Song) -> dict[str, Any]:
    """Return a song as a "Child"."""
    item = f"{SONG_PREFIX}{song.id}"
    suffix = suffix_of(song)
    size = round(song.duration_s * 125 * _PART_BIT_RATE) if song.passage else song.size
    element: dict[str, Any] = {
        "id": item,
        "parent": song.album.id,
        "isDir": False,
        "title": song.title,
        "album": song.album.name,
        "artist": song.artist,
        "coverArt": song.album.id,
        "size": size,
        "contentType": media_type(suffix),
        "suffix": suffix,
        "duration": round(song.duration_s),
        "bitRate": round(8 * size / song.duration_s / 1000) if song.duration_s > 0 else 0,
        "path": song.path,
        "created": iso_time(song.modified_s),
        "albumId": song.album.id,
        "artistId": song.performer.id,
        "type": "music",
        "mediaType": "song",
        "isVideo": False,
        "genres": [{"name": genre} for genre in split_genres(song.genre)],
        "artists": [_reference(song.performer)],
        "displayArtist": song.artist,
        "albumArtists": [_reference(song.album.artist)],
        "displayAlbumArtist": song.album.artist.name,
    }
    if song.track_number is not None:
        element["track"] = song.track_number
    if song.year is not None:
        element["year"] = song.year
    if song.genre:
        element["genre"] = song.genre
    plays = call.plays.get(song.id)
    if plays is not None:
        element["playCount"] = plays.plays
        if plays.last_s:
            element["played"] = iso_time(plays.last_s)
    return element | _marks(call, item)


def album_element(call: Call, album: Album) -> dict[str, Any]:
    """Return an album as an "AlbumID3", without its songs."""
    element: dict[str, Any] = {
        "id": album.id,
        "name": album.name,
        "artist": album.artist.name,
        "artistId": album.artist.id,
        "coverArt": album.id,
        "songCount": len(album.songs),
        "duration": round(album.duration_s),
        "created": iso_time(album.modified_s),
        "playCount": sum(
            call.plays[song.id].plays for song in album.songs if song.id in call.plays
        ),
        "genres": [{"name": genre} for genre in split_genres(album.genre)],
        "artists": [_reference(album.artist)],
        "displayArtist": album.artist.name,
    }
    if album.year:
        element["year"] = album.year
    if album.genre:
        element["genre"] = album.genre
    return element | _marks(call, album.id)


def album_folder(call: Call, album: Album) -> dict[str, Any]:
    """Return an album as a folder, a "Child", for players that browse folders."""
    element = album_element(call, album)
    dropped = ("name", "songCount", "artists")
    kept = {name: value for name, value in element.items() if name not in dropped}
    return kept | {
        "parent": album.artist.id,
        "isDir": True,
        "title": album.name,
        "album": album.name,
        "mediaType": "album",
    }


def artist_element(call: Call, artist: Artist) -> dict[str, Any]:
    """Return an artist as an "ArtistID3"."""
    element = {
        "id": artist.id,
        "name": artist.name,
        "albumCount": len(artist.albums),
        "coverArt": artist.id,
    }
    return element | _marks(call, artist.id)


def artist_folder(call: Call, artist: Artist) -> dict[str, Any]:
    """Return an artist as an "Artist", for players that browse folders."""
    return {"id": artist.id, "name": artist.name} | _marks(call, artist.id)


def _reference(artist: Artist) -> dict[str, Any]:
    return {"id": artist.id, "name": artist.name}


def _marks(call: Call, item: str) -> dict[str, Any]:
    marks: dict[str, Any] = {}
    if item in call.starred:
        marks["starred"] = call.starred[item]
    if item in call.ratings:
        marks["userRating"] = call.ratings[item]
    return marks
