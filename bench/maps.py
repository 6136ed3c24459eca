"""Maps, clusters and paths: time, memory, trustworthiness, agreement with albums, optimality.

    python -m bench.maps --data ../shared/data [--chromium /usr/bin/chromium]

The large library is sampled from 500 clusters in 256 dimensions. The HTML page is panned and zoomed
in a headless Chromium with software rendering, and compared with one by plotly.
"""

import argparse
import http.server
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import numpy as np
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from bench.result_tables import table, write_table
from segue.builtin_spaces import builtin_spaces
from segue.explore.path import END_SLACK, minimax_path
from segue.explore.projection import METHODS, ProjectionOptions
from segue.library import Library
from segue.records import Analysis, FileState, FloatArray, Tags
from segue.search.neighbours import nearest_neighbours
from segue.store import Store

CLUSTERS = 500
MANY = 100_000
PATHS = 40
LENGTH = 20
FRAMES_S = 6

MOVE = """
<script>
addEventListener("load", () => setTimeout(() => {
  const frames = [], start = performance.now(); let last = start, k = 0;
  function frame(now) {
    if (k) frames.push(now - last);
    last = now; k++;
    if (now - start > SECONDS * 1000) {
      frames.sort((a, b) => a - b);
      fetch("/done?fps=" + (1000 * frames.length / frames.reduce((a, b) => a + b)) +
            "&slowest=" + frames[Math.floor(frames.length * 0.95)]);
      return;
    }
    STEP
    requestAnimationFrame(frame);
  }
  requestAnimationFrame(frame);
}, 1500));
</script>
"""
OURS = """
    const plane = document.getElementById("plane"), box = plane.getBoundingClientRect();
    const at = { clientX: box.left + 500 + 200 * Math.sin(k / 9), clientY: box.top + 400 +
                 150 * Math.cos(k / 7), pointerId: 1, bubbles: true };
    if (k === 1) plane.dispatchEvent(new PointerEvent("pointerdown", at));
    plane.dispatchEvent(new PointerEvent("pointermove", at));
    if (k % 4 === 0)
      plane.dispatchEvent(new WheelEvent("wheel", { ...at, deltaY: 60 * Math.sin(k / 25),
                                                    cancelable: true }));
"""
THEIRS = """
    const plot = document.getElementsByClassName("plotly-graph-div")[0];
    const wide = 70000 * (1 + 0.5 * Math.sin(k / 25)), x = 9000 * Math.sin(k / 9),
          y = 9000 * Math.cos(k / 7);
    Plotly.relayout(plot, { "xaxis.range": [x, x + wide], "yaxis.range": [y, y + wide] });
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--chromium", default=shutil.which("chromium") or "")
    parser.add_argument("--library", type=Path, help="of the clips, made where there is none")
    parser.add_argument("--many", type=Path, help="map this library alone, and tell the times")
    options = parser.parse_args()
    if options.many:
        many(options.many)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = options.library or folder / "clips"
        with Library.open(clips) as lib:
            if not lib.tracks():
                lib.add([options.data / "audio"])
            sections = [trusted(lib), grouped(lib)]
            sections += [paths(lib)]
        sections += [large(folder), cold(folder), pages(folder, options.chromium)]
    write_table("maps", "Maps, clusters and paths", sections)


# ---- of the clips ------------------------------------------------------------------------


def trusted(lib: Library) -> str:
    rows = []
    for space in ("sound", "musicnn", "features"):
        for method in METHODS:
            start = time.perf_counter()
            projection = lib.atlas.map(space, ProjectionOptions(method, seed=1))
            seconds = time.perf_counter() - start
            rows.append(
                (space, method, projection.trustworthiness, projection.continuity, f"{seconds:.1f}")
            )
    return (
        f"The {len(lib.tracks())} clips, ten neighbours, default settings (those of nerv were "
        "tuned in `sound`; the other spaces test them), seconds within a running program:\n\n"
        + table(("space", "method", "trustworthiness", "continuity", "seconds"), rows)
    )


def grouped(lib: Library) -> str:
    albums = {track.id: track.path.parent.name for track in lib.tracks()}  # packages
    count_albums = len(set(albums.values()))
    rows = []
    plane = lib.atlas.map(options=ProjectionOptions("tsne", perplexity=2.0, learning_rate=100.0))
    for k in (8, count_albums):
        published = KMeans(k, n_init=10, random_state=0).fit_predict(plane.points)
        truth = [albums[track] for track in plane.ids.tolist()]
        rows.append((f"k-means, k = {k}, on t-SNE as published",
                     adjusted_rand_score(truth, published)))  # fmt: skip
    for name, method, count in (
        ("kmeans, -k auto", "kmeans", None),
        ("kmeans, -k 8", "kmeans", 8),
        (f"kmeans, -k {count_albums}", "kmeans", count_albums),
        (f"agglomerative, -k {count_albums}", "agglomerative", count_albums),
        ("hdbscan", "hdbscan", None),
    ):
        clusters = lib.atlas.clusters(method=method, k=count)  # type: ignore[arg-type]
        number = {i: g for g, group in enumerate(clusters.clusters) for i in group.ids.tolist()}
        labels = [number.get(track, -1) for track in albums]
        rows.append(
            (f"`segue groups`, {name}: {len(clusters.clusters)} groups",
             adjusted_rand_score(list(albums.values()), labels))
        )  # fmt: skip
    return f"Clusters compared with the {count_albums} packages:\n\n" + table(
        ("", "adjusted Rand index"), rows
    )


def paths(lib: Library) -> str:
    """Compare the largest inner step of paths with the least that any path could have."""
    ids, vectors = lib.vectors()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    distance = np.sqrt(np.maximum(2 - 2 * unit @ unit.T, 0))
    artists = {track.id: track.tags.artist for track in lib.tracks()}
    named = np.array([artists[track] for track in ids.tolist()])
    is_same = (named[:, None] == named) & (named != "")
    rng = np.random.default_rng(0)
    ratios, free, agreed, seconds = [], [], [], []
    for _ in range(PATHS):
        a, b = rng.choice(len(ids), 2, replace=False)
        start = time.perf_counter()
        path = lib.journeys.path(int(ids[a]), int(ids[b]), LENGTH)
        seconds.append(time.perf_counter() - start)
        rows = np.searchsorted(ids, [track.id for track in path.tracks])
        inner = max(path.steps[1:-1])
        ratios.append(inner / bottleneck(distance + 9.0 * is_same, int(a), int(b)))
        free.append(inner / forward_bottleneck(distance, int(a), int(b)))
        progress = distance[a, rows] - distance[b, rows]
        agreed.append(spearmanr(np.arange(len(rows)), progress).statistic)
    table_rows = [
        ("largest inner step / minimum over all paths of at most as many tracks",
         *spread(ratios)),
        ("largest inner step / minimum over monotonic paths", *spread(free)),
        ("Spearman correlation of position and progress", *spread(agreed, lowest=True)),
        ("seconds", *spread(seconds)),
    ]  # fmt: skip
    return (
        f"{PATHS} paths of {LENGTH} between random clips. The first and the last step are left "
        f"out, in the optimum too: it may begin and end at any track at most {END_SLACK} times as "
        "far as the nearest.\n\n" + table(("", "median", "95th percentile", "maximum"), table_rows)
    )


def bottleneck(distance: FloatArray, a: int, b: int) -> float:
    """Find the least largest inner step of any path of at most `LENGTH` tracks, exactly."""
    entries, exits = ends(distance, a, b), ends(distance, b, a)
    steps = np.unique(distance[distance > 0])
    low, high = 0, len(steps) - 1
    while low < high:
        middle = (low + high) // 2
        if reaches(distance <= steps[middle], entries, exits, {a, b}):
            high = middle
        else:
            low = middle + 1
    return float(steps[low])


def ends(distance: FloatArray, a: int, b: int) -> set[int]:
    others = [row for row in range(len(distance)) if row not in (a, b)]
    least = min(distance[a, row] for row in others)
    return {row for row in others if distance[a, row] <= END_SLACK * least}


def reaches(near: np.ndarray, entries: set[int], exits: set[int], without: set[int]) -> bool:
    reached = np.zeros(len(near), bool)
    reached[list(entries)] = True
    for _ in range(LENGTH - 3):
        if reached[list(exits)].any():
            return True
        reached |= near[reached].any(axis=0)
        reached[list(without)] = False
    return bool(reached[list(exits)].any())


def forward_bottleneck(distance: FloatArray, a: int, b: int) -> float:
    """Find the least largest inner step of forward paths of `LENGTH`, artists not minded."""
    rows = np.array([row for row in range(len(distance)) if row not in (a, b)])
    order = np.argsort(distance[a, rows] - distance[b, rows], kind="stable")
    way = np.concatenate([[a], rows[order], [b]])
    chosen = minimax_path(distance[np.ix_(way, way)].astype(np.float32), LENGTH)
    return float(max(distance[way[i], way[j]] for i, j in list(pairwise(chosen))[1:-1]))


def spread(values: list[float], *, lowest: bool = False) -> tuple[float, float, float]:
    edge, worst = (5, min) if lowest else (95, max)
    return float(np.median(values)), float(np.percentile(values, edge)), float(worst(values))


# ---- of many tracks ----------------------------------------------------------------------


def fill(folder: Path, n: int) -> None:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLUSTERS, 256))
    store = Store(folder, builtin_spaces("sound").values())
    with store.transaction():
        store.spaces.register(["sound"])
        store.files.add_root(b"/music")
        other_vectors = {
            name: rng.standard_normal(space.dimension).astype(np.float32)
            for name, space in builtin_spaces("sound").items()
            if name != "sound"
        }
        tags = rng.standard_normal((n, 50)).astype(np.float32)
        for i in range(n):
            cluster = int(rng.integers(CLUSTERS))
            vector = (centres[cluster] + 0.6 * rng.standard_normal(256)).astype(np.float32)
            vectors = other_vectors | {"sound": vector, "tags": tags[i]}
            facts: dict[str, float | str] = {"tempo_bpm": float(rng.uniform(60, 180))}
            store.add_track(
                f"/music/artist {cluster}/album {cluster % 7}/{i:06d} a title.mp3".encode(),
                FileState(1, 1),
                f"{i:032x}",
                Tags(f"A title of some words {i}", f"Artist {cluster}", f"Album {cluster % 7}"),
                Analysis(vectors, facts, np.zeros(1, np.uint32), 200.0),
            )
    store.close()


def large(folder: Path) -> str:
    fill(folder / "many", MANY)
    done = subprocess.run(
        [sys.executable, "-m", __spec__.name, "--data", "none", "--many", folder / "many"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    near_s, map_s, path_s, trust, peak = (float(v) for v in done.stdout.split())
    rows = [
        ("ten nearest of each, exactly", f"{near_s:.0f} s"),
        ("UMAP, from these", f"{map_s:.0f} s"),
        ("trustworthiness", f"{trust:.3f}"),
        ("a path of 20, in a running program", f"{path_s:.2f} s"),
        ("peak memory of the process", f"{peak / 2**20:.2f} GB"),
    ]
    return f"{MANY:,} × 256 numbers from {CLUSTERS} clusters:\n\n" + table(("", ""), rows)


def cold(folder: Path) -> str:
    """Time the whole command as a user meets it first: coloured by group, nothing computed yet."""
    rows = []
    for n in (200, 1000, 5000):
        fill(folder / f"some-{n}", n)
        for more in ([], ["--method", "umap"]) if n == 5000 else ([],):
            library = str(folder / f"some-{n}")
            command = [sys.executable, "-m", "segue", "map", "--library", library, *more]
            before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(
                [*command, "-o", str(folder / "some.html")], check=True, capture_output=True
            )
            after, seconds = (
                resource.getrusage(resource.RUSAGE_CHILDREN),
                time.perf_counter() - start,
            )
            processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            command_line = " ".join(["segue map", *more])
            rows.append((f"{n:,}", command_line, f"{seconds:.1f}", f"{processor_s:.1f}"))
    return "The whole command, without cache:\n\n" + table(
        ("tracks", "command", "seconds", "processor seconds"), rows
    )


# ---- pages -------------------------------------------------------------------------------


def pages(folder: Path, chromium: str) -> str:
    rows = []
    for n in (20_000, MANY):
        library = folder / f"page-{n}"
        if n == MANY:
            library = folder / "many"
        else:
            fill(library, n)
        with Library.open(library) as lib:
            page = folder / f"{n}.html"
            points = lib.atlas.map(options=ProjectionOptions("umap" if n == MANY else "pca"))
            lib.atlas.draw(points, page, "artist")
            theirs = folder / f"{n}-plotly.html"
            by_plotly(points.points, lib, theirs)
        for name, file, step in (("segue", page, OURS), ("plotly", theirs, THEIRS)):
            fps, slowest = frames(file, step, chromium) if chromium else (0.0, 0.0)
            rows.append(
                (f"{n:,}", name, f"{file.stat().st_size / 2**20:.1f}", f"{fps:.0f}",
                 f"{slowest:.0f}")
            )  # fmt: skip
    return (
        "HTML pages, panned and zoomed for six seconds in headless Chromium of 1400 × 900, "
        "software rendering:\n\n"
        + table(("tracks", "page by", "MB", "frames a second", "ms, 95th percentile"), rows)
    )


def by_plotly(points: FloatArray, lib: Library, target: Path) -> None:
    import plotly.graph_objects as go

    tracks = lib.tracks()
    scaled = (points - points.min(axis=0)) / np.ptp(points) * 65535
    artists = np.unique([track.tags.artist for track in tracks], return_inverse=True)[1]
    labels = [f"{track.tags.title}<br>{track.tags.artist}" for track in tracks]
    marks = {"size": 5, "color": artists % 12, "colorscale": "Rainbow"}
    dots = go.Scattergl(x=scaled[:, 0], y=scaled[:, 1], mode="markers", text=labels, marker=marks)
    go.Figure(dots).write_html(target)


def frames(page: Path, step: str, chromium: str) -> tuple[float, float]:
    """Serve a page that moves itself; return its frames a second and its slowest frame in ms."""
    text = page.read_text(encoding="utf-8")
    move = MOVE.replace("STEP", step).replace("SECONDS", str(FRAMES_S))
    served = text.replace("</body>", move + "</body>").encode()
    measured: list[tuple[float, float]] = []
    done = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlparse(self.path).query)
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            if "fps" in query:
                measured.append((float(query["fps"][0]), float(query["slowest"][0])))
                done.set()
            elif self.path == "/":
                self.wfile.write(served)

        def log_message(self, *args: object) -> None:
            del args

    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server,
        tempfile.TemporaryDirectory() as profile,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = subprocess.Popen(
            [
                chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", f"--user-data-dir={profile}", "--window-size=1400,900",
                "--enable-unsafe-swiftshader", "--remote-debugging-port=0",
                f"http://127.0.0.1:{server.server_port}/",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        done.wait(120)
        browser.terminate()
        browser.wait()
        server.shutdown()
    return measured[0] if measured else (0.0, 0.0)


def many(folder: Path) -> None:
    """Map a large library, in a process of its own, and print seconds and kilobytes."""
    with Library.open(folder) as lib:
        store = lib._store  # noqa: SLF001 (to time its parts)
        start = time.perf_counter()
        nearest_neighbours(store, "sound", 32)
        near_s = time.perf_counter() - start
        start = time.perf_counter()
        map_ = lib.atlas.map()
        map_s = time.perf_counter() - start
        lib.journeys.path(1, 2, LENGTH)
        start = time.perf_counter()
        lib.journeys.path(3, 4, LENGTH)
        path_s = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(near_s, map_s, path_s, map_.trustworthiness, peak)


if __name__ == "__main__":
    main()
