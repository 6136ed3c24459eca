"""The Subsonic API with the extensions of OpenSubsonic: methods, authentication, dispatch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from segue.errors import SegueError
from segue.web import browsing, listening, media, similarity
from segue.web.accounts import Accounts, FailureLimit
from segue.web.answers import (
    CONFLICTING,
    GENERIC,
    MISSING,
    NOT_ALLOWED,
    NOT_FOUND,
    WRONG_KEY,
    WRONG_PASSWORD,
    ApiError,
)
from segue.web.calls import Call

Parameters = Mapping[str, Sequence[str]]
Method = Callable[[Call], dict[str, Any]]

EXTENSIONS: Final = {
    "apiKeyAuthentication": [1],
    "formPost": [1],
    "getPodcastEpisode": [1],
    "indexBasedQueue": [1],
    "playbackReport": [1],
    "songLyrics": [1],
    "sonicSimilarity": [1],
    "tokenInfo": [1],
    "topSongsByArtistId": [1],
    "transcodeOffset": [1],
}
#: Rights of every user: what this server does, and nothing that changes files.
_ROLES: Final = {
    "scrobblingEnabled": True, "adminRole": False, "settingsRole": False, "downloadRole": True,
    "uploadRole": False, "playlistRole": True, "coverArtRole": False, "commentRole": False,
    "podcastRole": False, "streamRole": True, "jukeboxRole": False, "shareRole": False,
    "videoConversionRole": False,
}  # fmt: skip


class NoMethod(ApiError):
    """There is no such method."""

    status = 404


class TooManyFailures(ApiError):
    """Too many wrong passwords came from one address."""

    status = 429


def _ping(_call: Call) -> dict[str, Any]:
    return {}


def _license(_call: Call) -> dict[str, Any]:
    return {"license": {"valid": True}}


def _user(call: Call) -> dict[str, Any]:
    name = call.text("username", call.user)
    if name != call.user:
        raise ApiError(NOT_ALLOWED, "users see only themselves")
    folders = list(range(1, len(call.catalog.roots) + 1))
    return {"user": {"username": call.user, **_ROLES, "folder": folders}}


def _users(call: Call) -> dict[str, Any]:
    return {"users": {"user": [_user(call)["user"]]}}


def _token_info(call: Call) -> dict[str, Any]:
    return {"tokenInfo": {"username": call.user}}


def _scan_status(call: Call) -> dict[str, Any]:
    return {"scanStatus": {"scanning": False, "count": len(call.catalog.songs)}}


def extensions() -> dict[str, Any]:
    """List the extensions of OpenSubsonic; asked without authentication."""
    known = [{"name": name, "versions": versions} for name, versions in EXTENSIONS.items()]
    return {"openSubsonicExtensions": known}


def _empty(name: str) -> Method:
    return lambda _call: {name: {}}


def _no_podcast(call: Call) -> dict[str, Any]:
    raise ApiError(NOT_FOUND, f"there is no podcast {call.text('id')[:40]!r}")


def _not_allowed(_call: Call) -> dict[str, Any]:
    raise ApiError(NOT_ALLOWED, "this server does not offer that")


METHODS: Final[dict[str, Method]] = {
    # system and users
    "ping": _ping,
    "getLicense": _license,
    "getOpenSubsonicExtensions": lambda _call: extensions(),
    "tokenInfo": _token_info,
    "getUser": _user,
    "getUsers": _users,
    "getScanStatus": _scan_status,
    "startScan": _scan_status,
    # browsing
    "getMusicFolders": browsing.music_folders,
    "getIndexes": browsing.indexes,
    "getMusicDirectory": browsing.music_directory,
    "getGenres": browsing.genres,
    "getArtists": browsing.artists,
    "getArtist": browsing.artist,
    "getAlbum": browsing.album,
    "getSong": browsing.song,
    "getAlbumList": browsing.album_list,
    "getAlbumList2": browsing.album_list2,
    "getRandomSongs": browsing.random_songs,
    "getSongsByGenre": browsing.songs_by_genre,
    "getStarred": browsing.starred,
    "getStarred2": browsing.starred2,
    "search": browsing.search,
    "search2": browsing.search2,
    "search3": browsing.search3,
    # similarity
    "getSonicSimilarTracks": similarity.sonic_similar_tracks,
    "findSonicPath": similarity.sonic_path,
    "getSimilarSongs": similarity.similar_songs_by_item,
    "getSimilarSongs2": similarity.similar_songs2,
    "getTopSongs": similarity.top_songs,
    "getArtistInfo": similarity.artist_info,
    "getArtistInfo2": similarity.artist_info2,
    "getAlbumInfo": similarity.album_info,
    "getAlbumInfo2": similarity.album_info,
    # listening
    "star": listening.star,
    "unstar": listening.unstar,
    "setRating": listening.set_rating,
    "scrobble": listening.scrobble,
    "reportPlayback": listening.report_playback,
    "getNowPlaying": listening.now_playing,
    "getPlaylists": listening.playlists,
    "getPlaylist": listening.playlist,
    "createPlaylist": listening.create_playlist,
    "updatePlaylist": listening.update_playlist,
    "deletePlaylist": listening.delete_playlist,
    "getPlayQueue": listening.play_queue,
    "getPlayQueueByIndex": listening.play_queue_by_index,
    "savePlayQueue": listening.save_play_queue,
    "savePlayQueueByIndex": listening.save_play_queue_by_index,
    "getBookmarks": listening.bookmarks,
    "createBookmark": listening.create_bookmark,
    "deleteBookmark": listening.delete_bookmark,
    "getLyrics": media.lyrics,
    "getLyricsBySongId": media.lyrics_by_song_id,
    # what players ask for and this server has none of
    "getInternetRadioStations": _empty("internetRadioStations"),
    "getPodcasts": _empty("podcasts"),
    "getNewestPodcasts": _empty("newestPodcasts"),
    "getPodcastEpisode": _no_podcast,
    "getShares": _empty("shares"),
    "getVideos": _empty("videos"),
    "getChatMessages": _empty("chatMessages"),
    # what would change files or users, or reach out to the network
    **dict.fromkeys(
        (
            "addChatMessage", "changePassword", "createInternetRadioStation",
            "createPodcastChannel", "createShare", "createUser", "deleteInternetRadioStation",
            "deletePodcastChannel", "deletePodcastEpisode", "deleteShare", "deleteUser",
            "downloadPodcastEpisode", "getAvatar", "getCaptions", "getVideoInfo", "hls",
            "jukeboxControl", "refreshPodcasts", "updateInternetRadioStation", "updateShare",
            "updateUser",
        ),
        _not_allowed,
    ),
}  # fmt: skip


def authenticate(
    accounts: Accounts, failures: FailureLimit, address: str, parameters: Parameters
) -> str:
    """Return the user that a call's parameters belong to.

    Raises
    ------
    ApiError
        Credentials are missing, wrong or conflicting.
    TooManyFailures
        The address has to wait.
    """

    def value(name: str) -> str:
        return parameters.get(name, ("",))[-1]

    given = [name for name in ("u", "p", "t", "s", "apiKey") if name in parameters]
    if failures.must_wait(address):
        raise TooManyFailures(WRONG_PASSWORD, "too many wrong passwords; wait a minute")
    if "apiKey" in given:
        if len(given) > 1:
            raise ApiError(CONFLICTING, "an API key comes without user, password and token")
        user = accounts.user_of_key(value("apiKey"))
        if user is None:
            failures.add(address)
            raise ApiError(WRONG_KEY, "the API key is unknown or was revoked")
        return user
    if "p" in given and "t" in given:
        raise ApiError(CONFLICTING, "a password and a token were given; one is enough")
    user = value("u")
    if not user:
        raise ApiError(MISSING, "the parameter u, the user's name, is missing")
    if "t" in given:
        if "s" not in given:
            raise ApiError(MISSING, "the parameter s, the salt of the token, is missing")
        right = accounts.is_token(user, value("t"), value("s"))
    elif "p" in given:
        right = accounts.is_password(user, _password(value("p")))
    else:
        raise ApiError(MISSING, "a password, a token or an API key is missing")
    if not right:
        failures.add(address)
        raise ApiError(
            WRONG_PASSWORD,
            "wrong user or password; apps that send tokens need the API key that `segue serve "
            "users key` makes",
        )
    return user


def answer(method: str, call: Call) -> dict[str, Any]:
    """Return the content of the answer to a call.

    Raises
    ------
    ApiError
        The method fails.
    NoMethod
        There is no such method.
    """
    function = METHODS.get(method)
    if function is None:
        raise NoMethod(GENERIC, f"there is no method {method[:40]!r}")
    try:
        return function(call)
    except SegueError as error:
        raise ApiError(GENERIC, str(error)) from None


def _password(text: str) -> str:
    """Decode a password that may be hexadecimal."""
    if not text.startswith("enc:"):
        return text
    try:
        return bytes.fromhex(text[4:]).decode()
    except ValueError:
        return text
