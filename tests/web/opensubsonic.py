"""The types of OpenSubsonic's answers, and a check of answers against them.

Each type lists its fields: text, integer, number, boolean, date, another type, or a list of one;
"!" marks a field that has to be there. Facts of https://opensubsonic.netlify.app/docs/.
"""

from typing import Any

import jsonschema

TYPES = {
    "Child": "id:text! isDir:boolean! title:text! parent:text album:text artist:text track:integer "
    "year:integer genre:text coverArt:text size:integer contentType:text suffix:text "
    "duration:integer bitRate:integer path:text playCount:integer played:date discNumber:integer "
    "created:date albumId:text artistId:text type:text mediaType:text isVideo:boolean starred:date "
    "userRating:integer averageRating:number bookmarkPosition:integer genres:[ItemGenre] "
    "artists:[ArtistID3] displayArtist:text albumArtists:[ArtistID3] displayAlbumArtist:text "
    "artistId:text sortName:text",
    "ItemGenre": "name:text!",
    "ArtistID3": "id:text! name:text! coverArt:text albumCount:integer starred:date "
    "userRating:integer album:[AlbumID3]",
    "Artist": "id:text! name:text! starred:date userRating:integer",
    "AlbumID3": "id:text! name:text! songCount:integer! duration:integer! created:date! "
    "artist:text artistId:text coverArt:text playCount:integer starred:date year:integer "
    "genre:text userRating:integer genres:[ItemGenre] artists:[ArtistID3] "
    "displayArtist:text song:[Child]",
    "IndexID3": "name:text! artist:[ArtistID3]",
    "Index": "name:text! artist:[Artist]",
    "ArtistsID3": "ignoredArticles:text! index:[IndexID3]",
    "Indexes": "ignoredArticles:text! lastModified:integer! index:[Index]",
    "Directory": "id:text! name:text! parent:text starred:date userRating:integer child:[Child]",
    "Genre": "value:text! songCount:integer! albumCount:integer!",
    "Genres": "genre:[Genre]",
    "MusicFolder": "id:integer! name:text",
    "MusicFolders": "musicFolder:[MusicFolder]",
    "Songs": "song:[Child]",
    "AlbumList": "album:[Child]",
    "AlbumList2": "album:[AlbumID3]",
    "SearchResult": "offset:integer! totalHits:integer! match:[Child]",
    "SearchResult2": "artist:[Artist] album:[Child] song:[Child]",
    "SearchResult3": "artist:[ArtistID3] album:[AlbumID3] song:[Child]",
    "SonicMatch": "entry:Child! similarity:number!",
    "ArtistInfo": "similarArtist:[Artist]",
    "ArtistInfo2": "similarArtist:[ArtistID3]",
    "Playlist": "id:text! name:text! songCount:integer! duration:integer! created:date! "
    "changed:date! comment:text owner:text public:boolean coverArt:text readonly:boolean "
    "entry:[Child]",
    "Playlists": "playlist:[Playlist]",
    "PlayQueue": "username:text! changed:date! changedBy:text! current:text position:integer "
    "entry:[Child]",
    "PlayQueueByIndex": "username:text! changed:date! changedBy:text! currentIndex:integer "
    "position:integer entry:[Child]",
    "Bookmark": "position:integer! username:text! comment:text created:date! changed:date! "
    "entry:Child!",
    "Bookmarks": "bookmark:[Bookmark]",
    "NowPlayingEntry": "username:text! minutesAgo:integer! playerId:integer! playerName:text "
    "id:text! title:text! isDir:boolean!",
    "NowPlaying": "entry:[NowPlayingEntry]!",
    "Lyrics": "value:text! artist:text title:text",
    "Line": "value:text! start:number",
    "StructuredLyrics": "lang:text! synced:boolean! line:[Line]! displayArtist:text "
    "displayTitle:text offset:number",
    "LyricsList": "structuredLyrics:[StructuredLyrics]",
    "License": "valid:boolean!",
    "TokenInfo": "username:text!",
    "ScanStatus": "scanning:boolean! count:integer",
    "User": "username:text! scrobblingEnabled:boolean! adminRole:boolean! settingsRole:boolean! "
    "downloadRole:boolean! uploadRole:boolean! playlistRole:boolean! coverArtRole:boolean! "
    "commentRole:boolean! podcastRole:boolean! streamRole:boolean! jukeboxRole:boolean! "
    "shareRole:boolean! videoConversionRole:boolean! folder:[integer]",
    "Users": "user:[User]",
    "Extension": "name:text! versions:[integer]!",
    "Error": "code:integer! message:text!",
    "Nothing": "",
}
#: Field and type of what a method answers with; "" for nothing.
ANSWERS = {
    "ping": "", "getLicense": "license:License", "tokenInfo": "tokenInfo:TokenInfo",
    "getOpenSubsonicExtensions": "openSubsonicExtensions:[Extension]", "getUser": "user:User",
    "getUsers": "users:Users", "getScanStatus": "scanStatus:ScanStatus",
    "startScan": "scanStatus:ScanStatus", "getMusicFolders": "musicFolders:MusicFolders",
    "getIndexes": "indexes:Indexes", "getMusicDirectory": "directory:Directory",
    "getGenres": "genres:Genres", "getArtists": "artists:ArtistsID3",
    "getArtist": "artist:ArtistID3",
    "getAlbum": "album:AlbumID3", "getSong": "song:Child", "getAlbumList": "albumList:AlbumList",
    "getAlbumList2": "albumList2:AlbumList2", "getRandomSongs": "randomSongs:Songs",
    "getSongsByGenre": "songsByGenre:Songs", "getStarred": "starred:SearchResult2",
    "getStarred2": "starred2:SearchResult3", "search": "searchResult:SearchResult",
    "search2": "searchResult2:SearchResult2", "search3": "searchResult3:SearchResult3",
    "getSonicSimilarTracks": "sonicMatch:[SonicMatch]", "findSonicPath": "sonicMatch:[SonicMatch]",
    "getSimilarSongs": "similarSongs:Songs", "getSimilarSongs2": "similarSongs2:Songs",
    "getTopSongs": "topSongs:Songs", "getArtistInfo": "artistInfo:ArtistInfo",
    "getArtistInfo2": "artistInfo2:ArtistInfo2", "getAlbumInfo": "albumInfo:Nothing",
    "getAlbumInfo2": "albumInfo:Nothing", "star": "", "unstar": "", "setRating": "",
    "scrobble": "", "reportPlayback": "", "getNowPlaying": "nowPlaying:NowPlaying",
    "getPlaylists": "playlists:Playlists", "getPlaylist": "playlist:Playlist",
    "createPlaylist": "playlist:Playlist", "updatePlaylist": "", "deletePlaylist": "",
    "getPlayQueue": "playQueue:PlayQueue",
    "getPlayQueueByIndex": "playQueueByIndex:PlayQueueByIndex",
    "savePlayQueue": "", "savePlayQueueByIndex": "", "getBookmarks": "bookmarks:Bookmarks",
    "createBookmark": "", "deleteBookmark": "", "getLyrics": "lyrics:Lyrics",
    "getLyricsBySongId": "lyricsList:LyricsList",
    "getInternetRadioStations": "internetRadioStations:Nothing", "getPodcasts": "podcasts:Nothing",
    "getNewestPodcasts": "newestPodcasts:Nothing", "getShares": "shares:Nothing",
    "getVideos": "videos:Nothing", "getChatMessages": "chatMessages:Nothing",
}  # fmt: skip
_SCALARS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"},
}
_HEADER = "status:text! version:text! type:text! serverVersion:text! openSubsonic:boolean!"


def check(method: str, answer: dict[str, Any]) -> None:
    """Fail unless an answer, read from JSON, is what the specification says of a method."""
    content = ANSWERS[method] + "!" if ANSWERS[method] else ""
    schema = _object(f"{_HEADER} {content}")
    schema["$defs"] = {name: _object(fields) for name, fields in TYPES.items()}
    assert answer["status"] == "ok", answer
    jsonschema.validate(answer, schema)


def _object(fields: str) -> dict[str, Any]:
    properties, required = {}, []
    for field in fields.split():
        name, _, kind = field.partition(":")
        if kind.endswith("!"):
            required.append(name)
        properties[name] = _schema(kind.rstrip("!"))
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": fields.startswith("username:text! minutesAgo"),
    }


def _schema(kind: str) -> dict[str, Any]:
    if kind.startswith("["):
        return {"type": "array", "items": _schema(kind[1:-1])}
    return _SCALARS.get(kind) or {"$ref": f"#/$defs/{kind}"}
