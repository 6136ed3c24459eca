"""The OpenSubsonic server: every method, authentication, files, and what is refused."""

import hashlib
import http.client
import json
import os
import re
import shutil
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import av
import numpy as np
import pytest
import uvicorn
from opensubsonic import ANSWERS, check

from segue.errors import BadArgument
from segue.library import Library
from segue.web.accounts import Accounts, FailureLimit
from segue.web.answers import to_xml
from segue.web.catalog import index_letter, sort_name
from segue.web.server import Server, is_loopback, listen
from segue.web.subsonic import METHODS

PASSWORD = "correct horse"
BINARY = {"stream", "download", "getCoverArt"}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)["subsonic-response"]


@dataclass(frozen=True)
class Client:
    """Calls a running server as a player does."""

    port: int
    key: str
    folder: Path

    def get(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, found, response.read())
        finally:
            connection.close()

    def call(self, name: str, /, **parameters: Any) -> Any:
        """Call a method, and return its answer."""
        query = {"apiKey": self.key, "c": "test", "f": "json", **parameters}
        return self.get(f"/rest/{name}?{urlencode(query, doseq=True)}").json

    def ok(self, name: str, /, **parameters: Any) -> Any:
        """Call a method that has to succeed as specified."""
        answer = self.call(name, **parameters)
        check(name, answer)
        return answer

    def code(self, name: str, /, **parameters: Any) -> int:
        """Call a method that has to fail, and return the code."""
        answer = self.call(name, **parameters)
        assert answer["status"] == "failed"
        assert answer["error"]["message"]
        return int(answer["error"]["code"])


@pytest.fixture(scope="module")
def client(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server of a copy of the small library."""
    folder = tmp_path_factory.mktemp("served") / "library"
    shutil.copytree(filled, folder)
    accounts = Accounts(folder)
    accounts.add("anna", PASSWORD)
    accounts.add("ben", PASSWORD)
    key = accounts.add_key("anna", "test")
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(Server(folder).app, log_level="warning", access_log=False)
    config.lifespan = "off"
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield Client(listener.getsockname()[1], key, folder)
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def songs(client: Client) -> list[Any]:
    found = client.ok("search3", query="", songCount=500)["searchResult3"]["song"]
    assert len(found) == 6
    return list(found)


def parameters_of(method: str, songs: list[Any], playlist: str) -> dict[str, Any]:
    """Return parameters with which a method succeeds."""
    song, other = songs[0], songs[1]
    return {
        "getMusicDirectory": {"id": song["albumId"]},
        "getArtist": {"id": song["artistId"]},
        "getAlbum": {"id": song["albumId"]},
        "getSong": {"id": song["id"]},
        "getAlbumList": {"type": "alphabeticalByArtist"},
        "getAlbumList2": {"type": "newest"},
        "getSongsByGenre": {"genre": "rock"},
        "search": {"any": song["title"]},
        "search2": {"query": song["title"]},
        "search3": {"query": song["title"]},
        "getSonicSimilarTracks": {"id": song["id"]},
        "findSonicPath": {"startSongId": song["id"], "endSongId": other["id"]},
        "getSimilarSongs": {"id": song["id"]},
        "getSimilarSongs2": {"id": song["artistId"]},
        "getTopSongs": {"artist": song["artist"]},
        "getArtistInfo": {"id": song["artistId"]},
        "getArtistInfo2": {"id": song["artistId"]},
        "getAlbumInfo": {"id": song["albumId"]},
        "getAlbumInfo2": {"id": song["albumId"]},
        "star": {"id": song["id"], "albumId": song["albumId"], "artistId": song["artistId"]},
        "unstar": {"id": song["id"], "albumId": song["albumId"], "artistId": song["artistId"]},
        "setRating": {"id": song["id"], "rating": 4},
        "scrobble": {"id": song["id"], "time": 1_700_000_000_000},
        "reportPlayback": {"mediaId": song["id"], "state": "playing", "positionMs": 10},
        "getPlaylist": {"id": playlist},
        "createPlaylist": {"name": "Morning", "songId": [song["id"], other["id"]]},
        "updatePlaylist": {"playlistId": playlist, "songIdToAdd": other["id"]},
        "savePlayQueue": {"id": [song["id"], other["id"]], "current": other["id"]},
        "savePlayQueueByIndex": {"id": [song["id"], other["id"]], "currentIndex": 1},
        "createBookmark": {"id": song["id"], "position": 1500, "comment": "here"},
        "deleteBookmark": {"id": song["id"]},
        "getLyrics": {"artist": song["artist"], "title": song["title"]},
        "getLyricsBySongId": {"id": song["id"]},
    }.get(method, {})


def test_answers_as_specified_in_json_and_xml(client: Client, songs: list[Any]) -> None:
    made = client.ok("createPlaylist", name="Evening", songId=songs[2]["id"])
    playlist = made["playlist"]["id"]
    failing = {"getPodcastEpisode": 10, **dict.fromkeys(METHODS.keys() - ANSWERS.keys(), 50)}
    failing["getPodcastEpisode"] = 10
    assert len(ANSWERS) >= 60
    for method in METHODS:
        if method in failing:
            assert client.code(method) == failing[method]
            continue
        if method == "deletePlaylist":
            continue
        parameters = parameters_of(method, songs, playlist)
        answer = client.ok(method, **parameters)
        if method in ("createPlaylist", "getRandomSongs", "getNowPlaying"):
            continue  # another one with each call
        query = {"apiKey": client.key, "c": "test", **parameters}
        xml = client.get(f"/rest/{method}.view?{urlencode(query, doseq=True)}")
        assert xml.headers["content-type"].startswith("application/xml")
        assert same(ET.fromstring(xml.body), answer), method
    client.ok("deletePlaylist", id=playlist)
    assert client.code("getPlaylist", id=playlist) == 70


def same(element: ET.Element, value: Any) -> bool:
    """Return whether an XML element holds the same as a value read from JSON."""
    if not isinstance(value, dict):
        return (element.text or "") == to_xml("x", value)[3:-4]
    children: dict[str, list[ET.Element]] = {}
    for child in element:
        children.setdefault(child.tag.partition("}")[2], []).append(child)
    seen = set()
    for name, inner in value.items():
        if isinstance(inner, list | dict):
            nested = inner if isinstance(inner, list) else [inner]
            seen.add(name)
            if len(children.get(name, [])) != len(nested):
                return False
            if not all(map(same, children.get(name, []), nested)):
                return False
        elif name == "value":
            if (element.text or "") != inner:
                return False
        elif name not in ("changed", "played") and element.get(name) != str(inner).replace(
            "True", "true"
        ).replace("False", "false"):
            return False
    return children.keys() <= seen


def test_similar_songs_are_those_of_the_library(client: Client, songs: list[Any]) -> None:
    with Library.open(client.folder) as library:
        for song in songs[:3]:
            hits = library.like(int(song["id"].removeprefix("tr-")), n=4)
            expected = [(f"tr-{hit.track.id}", max(hit.similarity, 0)) for hit in hits]
            found = client.ok("getSonicSimilarTracks", id=song["id"], count=4)["sonicMatch"]
            assert [match["entry"]["id"] for match in found] == [item for item, _ in expected]
            np.testing.assert_allclose(
                [match["similarity"] for match in found], [each for _, each in expected], atol=1e-6
            )
            same_songs = client.ok("getSimilarSongs", id=song["id"], count=4)["similarSongs"]
            assert [each["id"] for each in same_songs["song"]] == [item for item, _ in expected]


def test_path_starts_and_ends_as_asked(client: Client, songs: list[Any]) -> None:
    start, goal = songs[0]["id"], songs[5]["id"]
    for count in (2, 4, 25):
        found = client.ok("findSonicPath", startSongId=start, endSongId=goal, count=count)
        path = [match["entry"]["id"] for match in found["sonicMatch"]]
        assert (path[0], path[-1]) == (start, goal)
        assert len(path) == len(set(path)) <= count
    alone = client.ok("findSonicPath", startSongId=start, endSongId=start)["sonicMatch"]
    assert [match["entry"]["id"] for match in alone] == [start]


def test_logging_in(client: Client) -> None:
    def code(**parameters: str) -> int:
        answer = client.get(f"/rest/ping?{urlencode({'f': 'json', **parameters})}").json
        return -1 if answer["status"] == "ok" else int(answer["error"]["code"])

    token = hashlib.md5(f"{client.key}salted".encode()).hexdigest()
    of_password = hashlib.md5(f"{PASSWORD}salted".encode()).hexdigest()
    assert code(u="anna", p=PASSWORD) == -1
    assert code(u="anna", p=f"enc:{PASSWORD.encode().hex()}") == -1
    assert code(u="anna", p=client.key) == -1
    assert code(u="anna", t=token, s="salted") == -1
    assert code(u="anna", t=token.upper(), s="salted") == -1
    assert code(apiKey=client.key) == -1
    assert code() == 10
    assert code(u="anna") == 10
    assert code(u="anna", t=token) == 10
    assert code(u="anna", apiKey=client.key) == 43
    assert code(u="anna", p=PASSWORD, t=token, s="salted") == 43
    assert code(u="anna", p="wrong") == 40
    assert code(u="ben", t=token, s="salted") == 40
    assert code(u="anna", t=of_password, s="salted") == 40
    assert code(u="nobody", p=PASSWORD) == 40
    assert code(apiKey="nonsense") == 44
    public = client.get("/rest/getOpenSubsonicExtensions?f=json").json
    assert {each["name"] for each in public["openSubsonicExtensions"]} >= {
        "apiKeyAuthentication", "formPost", "sonicSimilarity",
    }  # fmt: skip


def test_form_post_and_jsonp(client: Client) -> None:
    form = urlencode({"apiKey": client.key, "f": "json"}).encode()
    posted = client.get(
        "/rest/ping.view",
        method="POST",
        body=form,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert posted.json["status"] == "ok"
    jsonp = client.get(f"/rest/ping?apiKey={client.key}&f=jsonp&callback=cb_1")
    assert re.fullmatch(rb"cb_1\(\{.*\}\);", jsonp.body)
    evil = client.get(f"/rest/ping?apiKey={client.key}&f=jsonp&callback={quote('alert(1)//')}")
    assert b"alert" not in evil.body


def test_files_are_sent_in_ranges(client: Client, songs: list[Any]) -> None:
    song = songs[0]
    with Library.open(client.folder) as library:
        data = library.find(int(song["id"][3:]))[0].path.read_bytes()
    url = f"/rest/stream?id={song['id']}&apiKey={client.key}"
    whole = client.get(url)
    assert (whole.status, whole.body) == (200, data)
    part = client.get(url, headers={"Range": "bytes=100-199"})
    assert (part.status, part.body) == (206, data[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(data)}"
    assert client.get(url, headers={"Range": "bytes=-50"}).body == data[-50:]
    assert client.get(url, headers={"Range": f"bytes={len(data)}-"}).status == 416
    head = client.get(url, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(data))
    download = client.get(f"/rest/download?id={song['id']}&apiKey={client.key}")
    assert download.body == data
    assert "attachment" in download.headers["content-disposition"]


@pytest.mark.parametrize(("form", "magic"), [("mp3", (b"\xff", b"ID3")), ("opus", (b"OggS",))])
def test_transcoding(
    client: Client, songs: list[Any], tmp_path: Path, form: str, magic: tuple[bytes, ...]
) -> None:
    query = urlencode(
        {"id": songs[0]["id"], "format": form, "maxBitRate": 64, "apiKey": client.key}
    )
    sent = client.get(f"/rest/stream?{query}")
    assert sent.status == 200
    assert sent.body.startswith(magic)
    later = client.get(f"/rest/stream?{query}&timeOffset=20")
    assert 0.2 < len(later.body) / len(sent.body) < 0.6  # 10 of 30 s
    file = tmp_path / f"x.{form}"
    file.write_bytes(sent.body)
    with av.open(file) as container:
        frames = [frame.samples / frame.sample_rate for frame in container.decode(audio=0)]
    assert sum(frames) == pytest.approx(songs[0]["duration"], abs=1)
    head = client.get(f"/rest/stream?{query}", method="HEAD")
    assert head.body == b""
    assert "content-length" not in head.headers  # unknown, not 0


def test_stars_ratings_and_plays_reach_the_library(client: Client, songs: list[Any]) -> None:
    loved, skipped, played = (song["id"] for song in songs[3:6])
    client.ok("star", id=loved)
    client.ok("setRating", id=skipped, rating=1)
    before = client.ok("getSong", id=played)["song"].get("playCount", 0)
    client.ok("scrobble", id=played, time=1_700_000_000_000)
    client.ok("scrobble", id=played, time=1_700_000_000_000)  # sent again: one play
    with Library.open(client.folder) as library:
        assert loved in [f"tr-{track.id}" for track in library.taste.loved]
        assert skipped in [f"tr-{track.id}" for track in library.taste.skipped]
        assert library.listens().plays >= 1
    starred = client.ok("getStarred2")["starred2"]["song"]
    assert loved in [song["id"] for song in starred]
    assert client.ok("getSong", id=played)["song"]["playCount"] == before + 1
    similar = client.ok("getSimilarSongs", id=played)["similarSongs"]["song"]
    assert skipped not in [song["id"] for song in similar]
    client.ok("unstar", id=loved)
    client.ok("setRating", id=skipped, rating=0)
    with Library.open(client.folder) as library:
        assert not library.taste.loved
        assert not library.taste.skipped


def test_playlists_of_others(client: Client, songs: list[Any]) -> None:
    def as_ben(name: str, /, **parameters: Any) -> Any:
        query = {"u": "ben", "p": PASSWORD, "f": "json", **parameters}
        return client.get(f"/rest/{name}?{urlencode(query, doseq=True)}").json

    ids = [songs[0]["id"], songs[1]["id"], songs[0]["id"]]
    playlist = client.ok("createPlaylist", name="Tägliche <Liste>", songId=ids)["playlist"]
    assert [entry["id"] for entry in playlist["entry"]] == ids
    assert as_ben("getPlaylist", id=playlist["id"])["error"]["code"] == 70
    client.ok("updatePlaylist", playlistId=playlist["id"], public="true", songIndexToRemove=[0, 1])
    kept = as_ben("getPlaylist", id=playlist["id"])["playlist"]
    assert [entry["id"] for entry in kept["entry"]] == ids[2:]
    assert as_ben("deletePlaylist", id=playlist["id"])["error"]["code"] == 50
    replaced = client.ok("createPlaylist", playlistId=playlist["id"], songId=songs[4]["id"])
    assert replaced["playlist"]["name"] == "Tägliche <Liste>"
    assert replaced["playlist"]["songCount"] == 1
    assert client.code("updatePlaylist", playlistId=playlist["id"], songIndexToRemove=7) == 0
    client.ok("deletePlaylist", id=playlist["id"])


def test_two_apps_change_a_playlist_at_once(client: Client, songs: list[Any]) -> None:
    playlist = client.ok("createPlaylist", name="shared")["playlist"]["id"]

    def add(song: str) -> None:
        for _ in range(5):
            client.ok("updatePlaylist", playlistId=playlist, songIdToAdd=song)

    threads = [threading.Thread(target=add, args=[song["id"]]) for song in songs[:4]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.ok("getPlaylist", id=playlist)["playlist"]["songCount"] == 20
    client.ok("deletePlaylist", id=playlist)


def test_pages_cover_everything_once(client: Client, songs: list[Any]) -> None:
    seen = []
    for offset in range(0, 10, 2):
        page = client.ok("search3", query='""', songCount=2, songOffset=offset)["searchResult3"]
        seen += [song["id"] for song in page["song"]]
    assert seen == [song["id"] for song in songs]
    albums = client.ok("getAlbumList2", type="alphabeticalByName", size=500)["albumList2"]["album"]
    assert sum(album["songCount"] for album in albums) == len(songs)
    for kind in ("random", "newest", "highest", "frequent", "recent", "starred"):
        client.ok("getAlbumList2", type=kind)
    client.ok("getAlbumList2", type="byYear", fromYear=2000, toYear=1990)
    assert client.code("getAlbumList2", type="nonsense") == 0
    assert client.code("getAlbumList2") == 10


@pytest.mark.parametrize(
    ("method", "parameters", "code"),
    [
        ("getSong", {}, 10),
        ("getSong", {"id": "tr-999"}, 70),
        ("getSong", {"id": "../../etc/passwd"}, 70),
        ("getSong", {"id": "tr-" + "9" * 400}, 70),
        ("getSong", {"id": "tr-١"}, 70),
        ("stream", {"id": "/etc/passwd"}, 70),
        ("download", {"id": "tr-1/../../x"}, 70),
        ("getCoverArt", {"id": "al-none"}, 70),
        ("getAlbum", {"id": "tr-1"}, 70),
        ("getPlaylist", {"id": "pl-77"}, 70),
        ("getSonicSimilarTracks", {"id": "tr-1", "count": "many"}, 0),
        ("setRating", {"id": "tr-1", "rating": 9}, 0),
        ("scrobble", {"id": "tr-1", "time": "yesterday"}, 0),
        ("scrobble", {"id": "tr-1", "time": "0" * 5000}, 0),
        ("star", {}, 10),
        ("star", {"id": "tr-0"}, 70),
        ("createPlaylist", {"name": "  "}, 0),
        ("getSongsByGenre", {}, 10),
        ("getRandomSongs", {"musicFolderId": 9}, 70),
    ],
)
def test_refusals(client: Client, method: str, parameters: dict[str, Any], code: int) -> None:
    assert client.code(method, **parameters) == code


def test_limits_and_foreign_hosts(client: Client) -> None:
    assert client.get("/rest/ping", headers={"Host": "evil.example"}).status == 421
    assert client.get("/rest/ping", headers={"Host": f"localhost:{client.port}"}).status == 200
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    long = client.get("/rest/ping", method="POST", body=b"a" * (2 << 20), headers=form)
    assert long.status == 413
    many = client.get("/rest/ping", method="POST", body=b"&".join([b"a=1"] * 30_000), headers=form)
    assert many.status == 413
    unknown = client.get(f"/rest/nonsense?apiKey={client.key}&f=json")
    assert (unknown.status, unknown.json["error"]["code"]) == (404, 0)
    assert client.get("/etc/passwd").status == 404
    assert (
        client.get("/rest/ping", headers={"Origin": "https://evil.example"}).headers.get(
            "access-control-allow-origin"
        )
        is None
    )


def test_a_file_that_is_gone(client: Client, songs: list[Any], little_music: Path) -> None:
    with Library.open(client.folder) as library:
        file = library.find(int(songs[5]["id"][3:]))[0].path
    aside = file.with_suffix(".aside")
    os.rename(file, aside)
    try:
        assert client.code("stream", id=songs[5]["id"]) == 70
    finally:
        os.rename(aside, file)
    assert little_music.exists()


def test_audiomuse(client: Client, songs: list[Any]) -> None:
    bearer = {"Authorization": f"Bearer {client.key}"}

    def get(path: str, headers: Mapping[str, str] = bearer) -> tuple[int, Any]:
        reply = client.get(f"/api/{path}", headers=headers)
        return reply.status, json.loads(reply.body)

    item = songs[0]["id"]
    for n in (0, 1, 1000):
        status, found = get(f"similar_tracks?item_id={item}&n={n}&eliminate_duplicates=true")
        assert status == 200
        assert len(found) == min(n, 5)
        distances = [each["distance"] for each in found]
        assert distances == sorted(distances)
        assert all(
            each.keys() == {"item_id", "title", "author", "album", "distance"} for each in found
        )
    named = urlencode({"title": songs[0]["title"], "artist": songs[0]["artist"], "n": 1})
    assert get(f"similar_tracks?{named}")[0] == 200
    assert get("similar_tracks")[0] == 400
    assert get("similar_tracks?item_id=tr-99")[0] == 404
    query = f"start_song_id={item}&end_song_id={songs[4]['id']}&max_steps=5&path_fix_size=false"
    path = get(f"find_path?{query}&mood_pct=100")[1]
    assert path["path"][0]["item_id"] == item
    assert path["path"][-1]["item_id"] == songs[4]["id"]
    assert path["total_distance"] > 0
    artists = get(f"similar_artists?artist={quote(songs[0]['artist'])}&n=2")[1]
    assert artists[0]["component_matches"][0]["artist2_representative_songs"]
    assert get("health") == (200, {"status": "ok"})
    assert get("health", {})[0] == 401
    assert get("health", {"Authorization": "Bearer wrong"})[0] == 401
    assert get("nonsense")[0] == 404


def test_accounts(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path)
    accounts.add("Åsa", "long enough")
    assert os.stat(tmp_path / "server-users.json").st_mode & 0o777 == 0o600
    key = accounts.add_key("Åsa", "phone")
    again = Accounts(tmp_path)  # another program
    assert again.names() == ["Åsa"]
    assert again.is_password("Åsa", "long enough")
    assert again.is_password("Åsa", "long enough")  # by the digest that is remembered
    assert not again.is_password("Åsa", "long enougH")
    assert again.user_of_key(key) == "Åsa"
    newer = again.add_key("Åsa", "phone")
    assert accounts.user_of_key(key) is None
    assert accounts.user_of_key(newer) == "Åsa"
    again.add("Åsa", "quite another")
    assert not accounts.is_password("Åsa", "long enough")
    assert accounts.user_of_key(newer) == "Åsa"
    assert os.stat(tmp_path / "server-users.json").st_mode & 0o777 == 0o600
    stored = (tmp_path / "server-users.json").read_text()
    assert "quite another" not in stored
    for name, password in (("", "long enough"), ("a\nb", "long enough"), ("bea", "short")):
        with pytest.raises(BadArgument):
            accounts.add(name, password)


def test_wrong_passwords_are_limited() -> None:
    now = 0.0
    limit = FailureLimit(lambda: now)
    for _ in range(10):
        assert not limit.must_wait("a")
        limit.add("a")
    assert limit.must_wait("a")
    assert not limit.must_wait("b")
    now = 61.0
    assert not limit.must_wait("a")


def test_names_are_sorted_as_players_list_them() -> None:
    assert sort_name("The Élan") == "elan"
    assert sort_name("The The") == "the"
    assert sort_name("Die") == "die"
    assert index_letter("Ärzte") == "A"
    assert index_letter("10cc") == "#"
    assert index_letter("陳") == "陳"


def test_addresses() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("192.168.0.5")
    taken = listen("127.0.0.1", 0)
    with pytest.raises(BadArgument, match="choose another --port"):
        listen("127.0.0.1", taken.getsockname()[1])
    taken.close()
    with pytest.raises(BadArgument):
        listen("no.such.host.invalid", 0)


def test_control_characters_stay_out_of_xml() -> None:
    xml = to_xml("song", {"title": 'a\x00"<b>\ud800\n', "value": "]]>&"})
    element = ET.fromstring(xml)
    assert element.get("title") == 'a"<b>\n'
    assert element.text == "]]>&"
