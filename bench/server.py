"""Speed and memory of the OpenSubsonic server at 100,000 tracks, alone and with 50 clients.

    python -m bench.server [--tracks N] [--seconds S] [--data IGNORED]

The tracks have random vectors; fifty have the sound of a bundled recording, and are streamed.
"""

import argparse
import http.client
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from bench.result_tables import table, write_table
from bench.search_speed import make_library
from segue.web.accounts import Accounts

Parameters = Mapping[str, str | int]

CLIENTS = 50
STREAMED = 50
RUNS = 20
PAGES: dict[str, tuple[str, Parameters]] = {
    "getAlbumList2, 50 albums": ("getAlbumList2", {"type": "alphabeticalByName", "size": 50}),
    "getAlbumList2, 500 albums": ("getAlbumList2", {"type": "newest", "size": 500}),
    "getArtists, all": ("getArtists", {}),
    "getAlbum": ("getAlbum", {"id": "ALBUM"}),
    "search3, a word": ("search3", {"query": "77"}),
    "search3, two words": ("search3", {"query": "song numb"}),
    "search3, empty, page of 500": (
        "search3", {"query": "", "songCount": 500, "songOffset": 50_000},
    ),
    "getRandomSongs, 50": ("getRandomSongs", {"size": 50}),
    "getSonicSimilarTracks, 10": ("getSonicSimilarTracks", {"id": "tr-77"}),
    "getSimilarSongs2, 50": ("getSimilarSongs2", {"id": "tr-77"}),
    "findSonicPath, 25": ("findSonicPath", {"startSongId": "tr-7", "endSongId": "tr-77"}),
    "getStarred2": ("getStarred2", {}),
    "stream, 64 kB of a file": ("stream", {"id": "tr-1"}),
}  # fmt: skip
#: What a client of the load test does, in random order.
BROWSING = [
    "getAlbumList2, 50 albums", "getAlbum", "search3, a word", "getRandomSongs, 50",
    "stream, 64 kB of a file", "stream, 64 kB of a file",
]  # fmt: skip


class Client:
    """A player, with one connection."""

    def __init__(self, port: int, key: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.key = key

    def call(self, method: str, parameters: Parameters) -> bytes:
        """Return the body of a successful answer."""
        query = urlencode({"apiKey": self.key, "c": "bench", "f": "json", **parameters})
        headers = {"Range": "bytes=0-65535"} if method == "stream" else {}
        self.connection.request("GET", f"/rest/{method}?{query}", headers=headers)
        response = self.connection.getresponse()
        body = response.read()
        if method == "stream":
            if response.status != 206 or len(body) != 65_536:
                raise RuntimeError(f"{method}: {response.status}, {len(body)} bytes")
        elif json.loads(body)["subsonic-response"]["status"] != "ok":
            raise RuntimeError(f"{method}: {body[:200]!r}")
        return body


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="not used; every benchmark takes it")
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder, arguments.tracks)
        accounts = Accounts(folder / "library")
        accounts.add("anna", "correct horse")
        key = accounts.add_key("anna", "bench")
        port = 4999
        command = [sys.executable, "-m", "segue", "serve", "--port", str(port), "--library"]
        with subprocess.Popen(
            [*command, str(folder / "library")], stderr=subprocess.PIPE
        ) as server:
            try:
                assert server.stderr is not None
                server.stderr.readline()  # it says that it serves
                sections = measure(server.pid, port, key, arguments.tracks, arguments.seconds)
            finally:
                server.terminate()
    write_table("server", "Server", sections)


def fill(folder: Path, tracks: int) -> None:
    import segue

    collection = Path(segue.__file__).parent / "collection"
    sound = next(file for file in sorted(collection.rglob("*.ogg")) if file.stat().st_size > 70_000)
    music = make_library(folder, tracks)
    for number in range(STREAMED):
        (music / f"{number}.mp3").write_bytes(sound.read_bytes())


def measure(pid: int, port: int, key: str, tracks: int, seconds: float) -> list[str]:
    client = Client(port, key)
    start = time.perf_counter()
    first = client.call("getAlbumList2", {"type": "alphabeticalByName", "size": 1})
    first_s = time.perf_counter() - start
    album = json.loads(first)["subsonic-response"]["albumList2"]["album"][0]["id"]
    rows = []
    for name, (method, parameters) in PAGES.items():
        takes = []
        for _ in range(RUNS + 1):
            start = time.perf_counter()
            client.call(method, {each: album if value == "ALBUM" else value
                                 for each, value in parameters.items()})  # fmt: skip
            takes.append(1000 * (time.perf_counter() - start))
        ordered = sorted(takes[1:])
        rows.append((name, statistics.median(ordered), ordered[-2], takes[0]))
    before = resident_mb(pid)
    errors, counts = load(port, key, album, seconds)
    after = resident_mb(pid)
    loaded = [
        (name, len(takes), statistics.median(takes), sorted(takes)[int(0.95 * len(takes))])
        for name, takes in counts.items()
    ]
    return [
        f"{tracks:,} tracks; the first answer, with the catalogue read, after {first_s:.2f} s. "
        "One client, milliseconds:\n",
        table(("call", "median", "19th of 20", "first"), rows),
        f"{CLIENTS} clients at once for {seconds:.0f} s, milliseconds; {errors} errors. Memory of "
        f"the server {before} MB before, {after} MB after:\n",
        table(("call", "calls", "median", "95 %"), loaded),
    ]


def load(port: int, key: str, album: str, seconds: float) -> tuple[int, dict[str, list[float]]]:
    takes: defaultdict[str, list[float]] = defaultdict(list)
    errors: list[Exception] = []
    end = time.monotonic() + seconds

    def run(seed: int) -> None:
        rng = random.Random(seed)
        client = Client(port, key)
        while time.monotonic() < end:
            name = rng.choice(BROWSING)
            method, parameters = PAGES[name]
            changed: dict[str, str] = {
                "ALBUM": album, "77": str(rng.randrange(1000)),
                "tr-1": f"tr-{rng.randrange(1, STREAMED)}",
            }  # fmt: skip
            start = time.perf_counter()
            try:
                client.call(method, {each: changed.get(str(value), value)
                                     for each, value in parameters.items()})  # fmt: skip
            except (OSError, RuntimeError, http.client.HTTPException, ValueError) as error:
                errors.append(error)
                client = Client(port, key)
            takes[name].append(1000 * (time.perf_counter() - start))
            time.sleep(rng.uniform(0.2, 1.0))  # a person looks at the page

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(errors), dict(sorted(takes.items()))


def resident_mb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if "VmRSS" in line)) // 1024


if __name__ == "__main__":
    main()
