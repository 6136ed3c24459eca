"""Methods of the Subsonic API that keep what listeners do: stars, plays, playlists, queues."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from segue.store.players import Bookmark, Playlist, PlayQueue
from segue.text import clean
from segue.web.answers import GENERIC, MISSING, NOT_ALLOWED, NOT_FOUND, ApiError
from segue.web.calls import MAX_DIGITS, SONG_PREFIX, Call, NowPlaying
from segue.web.catalog import Song
from segue.web.elements import song_element

PLAYLIST_PREFIX: Final = "pl-"
_MAX_TRACKS: Final = 50_000
_MAX_TEXT: Final = 10_000
_NOW_PLAYING_S: Final = 600
#: Ratings that mark a song as skipped.
_LOW_RATINGS: Final = (1, 2)


# ---- stars and ratings -------------------------------------------------------------------


def star(call: Call) -> dict[str, Any]:
    """Star items: songs become loved tracks."""
    songs, others = _items(call)
    with call.store.transaction():
        call.store.taste.set(dict.fromkeys(songs, True), call.now)
        call.store.marks.star(call.user, others, call.now)
    return {}


def unstar(call: Call) -> dict[str, Any]:
    """Remove stars."""
    songs, others = _items(call)
    loved = call.store.taste.loved()
    with call.store.transaction():
        call.store.taste.forget([track for track in songs if track in loved])
        call.store.marks.unstar(call.user, others)
    return {}


def set_rating(call: Call) -> dict[str, Any]:
    """Rate an item from 1 to 5, or remove its rating with 0; songs rated 1 or 2 are skipped."""
    item, rating = call.text("id"), call.number("rating", None)
    if rating > 5:
        raise ApiError(GENERIC, "a rating is 1 to 5, or 0 for none")
    song = None
    if item not in call.catalog.albums and item not in call.catalog.artists:
        song = call.song_of(item)
        item = f"{SONG_PREFIX}{song.id}"
    with call.store.transaction():
        call.store.marks.rate(call.user, item, rating)
        if song is not None:
            _rate_song(call, song.id, rating)
    return {}


def _rate_song(call: Call, track: int, rating: int) -> None:
    if rating in _LOW_RATINGS:
        call.store.taste.set({track: False}, call.now)
    elif call.store.taste.known().get(track) is False:
        call.store.taste.forget([track])


def _items(call: Call) -> tuple[list[int], list[str]]:
    """Return the songs that the call names, and the albums and artists."""
    songs, others = [], []
    named = call.all("id") + call.all("albumId") + call.all("artistId")
    if not named:
        raise ApiError(MISSING, "the parameter id, albumId or artistId is missing")
    for item in named:
        if item in call.catalog.albums or item in call.catalog.artists:
            others.append(item)
        else:
            songs.append(call.song_of(item).id)
    return songs, others


# ---- plays -------------------------------------------------------------------------------


def scrobble(call: Call) -> dict[str, Any]:
    """Store plays, or say what is playing now."""
    songs, times = call.songs("id"), call.all("time")
    if not songs:
        raise ApiError(MISSING, "the parameter id is missing")
    if times and len(times) != len(songs):
        raise ApiError(GENERIC, "the parameter time comes as often as id, or not at all")
    if not call.flag("submission", default=True):
        _playing(call, songs[-1].id)
        return {}
    now = int(time.time())
    moments = [_seconds(each, now) for each in times] or [now] * len(songs)
    _store_plays(call, zip(songs, moments, strict=True))
    return {}


def report_playback(call: Call) -> dict[str, Any]:
    """Say what is playing; a stopped song was played if most of it was heard."""
    song, state = call.song("mediaId"), call.text("state")
    if state not in ("starting", "playing", "paused", "stopped"):
        raise ApiError(GENERIC, f"the state of a playback is {state[:40]!r}")
    position_s = call.number("positionMs") / 1000
    if state != "stopped":
        _playing(call, song.id)
        return {}
    call.session.now_playing.pop((call.user, call.app), None)
    ignored = call.flag("ignoreScrobble", default=False)
    if not ignored and position_s >= min(0.5 * song.duration_s, 240):
        _store_plays(call, [(song, int(time.time()))])
    return {}


def _store_plays(call: Call, plays: Iterable[tuple[Song, int]]) -> None:
    """Store songs that were played, with the times in seconds since 1970."""
    with call.store.transaction():
        run = call.store.listens.begin_import()
        for song, at_s in plays:
            call.store.listens.put(run, call.user, song.listened, 1, at_s)
    call.session.plays.forget()


def now_playing(call: Call) -> dict[str, Any]:
    """List what all users play."""
    now = time.time()
    entries = []
    for number, playing in enumerate(list(call.session.now_playing.values())):
        song = call.catalog.songs.get(playing.track)
        if song is None or now - playing.at_s > max(song.duration_s, _NOW_PLAYING_S):
            continue
        about = {
            "username": playing.user,
            "minutesAgo": int((now - playing.at_s) / 60),
            "playerId": number,
            "playerName": playing.app,
        }
        entries.append(song_element(call, song) | about)
    return {"nowPlaying": {"entry": entries}}


def _playing(call: Call, track: int) -> None:
    playing = NowPlaying(call.user, call.app, track, time.time())
    call.session.now_playing[call.user, call.app] = playing
    while len(call.session.now_playing) > 100:
        call.session.now_playing.pop(next(iter(call.session.now_playing)))


def _seconds(text: str, now: int) -> int:
    digits = text.strip()
    if digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS:
        seconds = int(digits) // 1000
        if seconds <= now + 86400:
            return seconds
    raise ApiError(GENERIC, f"the time {text[:40]!r} is not in milliseconds since 1970")


# ---- playlists ---------------------------------------------------------------------------


def playlists(call: Call) -> dict[str, Any]:
    """List the playlists of the user and the public ones."""
    found = call.store.playlists.visible_to(call.user)
    return {"playlists": {"playlist": [_playlist(call, each) for each in found]}}


def playlist(call: Call) -> dict[str, Any]:
    """Show a playlist with its songs."""
    return {"playlist": _with_songs(call, _named(call, "id"))}


def create_playlist(call: Call) -> dict[str, Any]:
    """Make a playlist, or replace the songs of one."""
    songs = _tracks(call, "songId")
    if call.all("playlistId"):
        with call.store.transaction():  # reads inside, or else two apps undo each other's changes
            before = _own(call, "playlistId")
            name = clean(call.text("name", before.name)) or before.name
            call.store.playlists.replace(replace(before, name=name, tracks=songs), call.now)
        number = before.id
    else:
        name = clean(call.text("name"))
        if not name:
            raise ApiError(GENERIC, "a playlist needs a name")
        with call.store.transaction():
            number = call.store.playlists.create(name, call.user, songs, call.now)
    made = call.store.playlists.get(number)
    if made is None:
        raise ApiError(NOT_FOUND, "the playlist was deleted meanwhile")
    return {"playlist": _with_songs(call, made)}


def update_playlist(call: Call) -> dict[str, Any]:
    """Change the name, comment, visibility or songs of a playlist."""
    added = _tracks(call, "songIdToAdd")
    with call.store.transaction():
        before = _own(call, "playlistId")
        after = _updated(call, before, added)
        call.store.playlists.replace(after, call.now)
    return {}


def _updated(call: Call, before: Playlist, added: tuple[int, ...]) -> Playlist:
    removed = set()
    for text in call.all("songIndexToRemove"):
        if not (text.isascii() and text.isdigit() and int(text[:9]) < len(before.tracks)):
            raise ApiError(GENERIC, f"the playlist has no song at {text[:40]!r}")
        removed.add(int(text[:9]))
    kept = tuple(track for i, track in enumerate(before.tracks) if i not in removed)
    return replace(
        before,
        name=clean(call.text("name", before.name)) or before.name,
        comment=call.text("comment", before.comment)[:_MAX_TEXT],
        public=call.flag("public", default=before.public),
        tracks=kept + added,
    )


def delete_playlist(call: Call) -> dict[str, Any]:
    """Delete a playlist."""
    with call.store.transaction():
        call.store.playlists.delete(_own(call, "id").id)
    return {}


def _named(call: Call, name: str) -> Playlist:
    item = call.text(name)
    number = item.removeprefix(PLAYLIST_PREFIX)
    found = None
    if number.isascii() and number.isdigit() and len(number) < 18:
        found = call.store.playlists.get(int(number))
    if found is None or (found.owner != call.user and not found.public):
        raise ApiError(NOT_FOUND, f"there is no playlist {item[:40]!r}")
    return found


def _own(call: Call, name: str) -> Playlist:
    found = _named(call, name)
    if found.owner != call.user:
        raise ApiError(NOT_ALLOWED, f"the playlist {found.name!r} belongs to {found.owner}")
    return found


def _playlist(call: Call, found: Playlist) -> dict[str, Any]:
    songs = [call.catalog.songs[track] for track in found.tracks if track in call.catalog.songs]
    element: dict[str, Any] = {
        "id": f"{PLAYLIST_PREFIX}{found.id}",
        "name": found.name,
        "comment": found.comment,
        "owner": found.owner,
        "public": found.public,
        "songCount": len(songs),
        "duration": round(sum(song.duration_s for song in songs)),
        "created": found.created_at,
        "changed": found.changed_at,
        "readonly": found.owner != call.user,
    }
    if songs:
        element["coverArt"] = songs[0].album.id
    return element


def _with_songs(call: Call, found: Playlist) -> dict[str, Any]:
    songs = [call.catalog.songs[track] for track in found.tracks if track in call.catalog.songs]
    return _playlist(call, found) | {"entry": [song_element(call, song) for song in songs]}


def _tracks(call: Call, name: str) -> tuple[int, ...]:
    songs = tuple(song.id for song in call.songs(name))
    if len(songs) > _MAX_TRACKS:
        raise ApiError(GENERIC, f"a playlist holds at most {_MAX_TRACKS} songs")
    return songs


# ---- play queues and bookmarks -----------------------------------------------------------


def play_queue(call: Call) -> dict[str, Any]:
    """Show the saved play queue."""
    queue = _saved_queue(call)
    element = _queue(call, queue)
    if queue.tracks and queue.tracks[queue.index] in call.catalog.songs:
        element["current"] = f"{SONG_PREFIX}{queue.tracks[queue.index]}"
    return {"playQueue": element}


def play_queue_by_index(call: Call) -> dict[str, Any]:
    """Show the saved play queue, its current song by position."""
    queue = _saved_queue(call)
    element = _queue(call, queue)
    if element["entry"]:
        before = queue.tracks[: queue.index]
        element["currentIndex"] = sum(track in call.catalog.songs for track in before)
    return {"playQueueByIndex": element}


def save_play_queue(call: Call) -> dict[str, Any]:
    """Save the play queue, its current song by id."""
    tracks = _tracks(call, "id")
    index = 0
    if call.all("current"):
        current = call.song("current").id
        if current not in tracks:
            raise ApiError(GENERIC, "the current song is not in the queue")
        index = tracks.index(current)
    return _save_queue(call, tracks, index)


def save_play_queue_by_index(call: Call) -> dict[str, Any]:
    """Save the play queue, its current song by position."""
    tracks = _tracks(call, "id")
    index = call.number("currentIndex", 0 if not tracks else None)
    if tracks and index >= len(tracks):
        raise ApiError(MISSING, f"the queue has no song at {index}")
    return _save_queue(call, tracks, index)


def _save_queue(call: Call, tracks: Sequence[int], index: int) -> dict[str, Any]:
    position_ms = call.number("position", 0)
    queue = PlayQueue(tuple(tracks), index if tracks else 0, position_ms, call.now, call.app)
    with call.store.transaction():
        call.store.players.save_queue(call.user, queue)
    return {}


def _saved_queue(call: Call) -> PlayQueue:
    return call.store.players.queue(call.user) or PlayQueue((), 0, 0, call.now, call.app)


def _queue(call: Call, queue: PlayQueue) -> dict[str, Any]:
    songs = [call.catalog.songs[track] for track in queue.tracks if track in call.catalog.songs]
    return {
        "position": queue.position_ms,
        "username": call.user,
        "changed": queue.changed_at,
        "changedBy": queue.changed_by,
        "entry": [song_element(call, song) for song in songs],
    }


def bookmarks(call: Call) -> dict[str, Any]:
    """List the bookmarks."""
    elements = [
        {
            "position": each.position_ms,
            "username": call.user,
            "comment": each.comment,
            "created": each.created_at,
            "changed": each.changed_at,
            "entry": song_element(call, call.catalog.songs[each.track]),
        }
        for each in call.store.players.bookmarks(call.user)
        if each.track in call.catalog.songs
    ]
    return {"bookmarks": {"bookmark": elements}}


def create_bookmark(call: Call) -> dict[str, Any]:
    """Keep a position within a song."""
    song, position_ms = call.song(), call.number("position")
    comment = call.text("comment", "")[:_MAX_TEXT]
    with call.store.transaction():
        call.store.players.save_bookmark(
            call.user, Bookmark(song.id, position_ms, comment, call.now, call.now)
        )
    return {}


def delete_bookmark(call: Call) -> dict[str, Any]:
    """Delete a bookmark."""
    song = call.song()
    with call.store.transaction():
        call.store.players.delete_bookmark(call.user, song.id)
    return {}
