"""The bundled collection of recordings, src/segue/collection, with its attribution.

    python -m recipes.collection --data ../shared/data

Takes recordings whose licence permits redistribution (CC0, CC-BY, CC-BY-SA, public domain) and
whose author is known, at most four of an album, writes tags into the copies, and lists them in
ATTRIBUTION.md.
"""

import argparse
import csv
import shutil
from collections import Counter
from pathlib import Path

import mutagen

TARGET = Path(__file__).parent.parent / "src" / "segue" / "collection"
MOST_PER_ALBUM = 4
FREE = {
    "CC-BY-SA-3.0": ("CC-BY-SA-3.0", "https://creativecommons.org/licenses/by-sa/3.0/"),
    "CC-BY-SA-3.0+": ("CC-BY-SA-3.0", "https://creativecommons.org/licenses/by-sa/3.0/"),
    "CC-BY-SA-3.0+ or GPL-2+": ("CC-BY-SA-3.0", "https://creativecommons.org/licenses/by-sa/3.0/"),
    "CC-BY-SA-4.0": ("CC-BY-SA-4.0", "https://creativecommons.org/licenses/by-sa/4.0/"),
    "CC-BY-3.0": ("CC-BY-3.0", "https://creativecommons.org/licenses/by/3.0/"),
    "GPL-3 or CC-BY-3.0": ("CC-BY-3.0", "https://creativecommons.org/licenses/by/3.0/"),
    "CC0-1.0": ("CC0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "public-domain": ("public domain", ""),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    source = parser.parse_args().data / "audio"
    with (source / "tracks.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["licence"] in FREE and _author(row)]
    chosen = _choose(rows)
    shutil.rmtree(TARGET, ignore_errors=True)
    lines = []
    for row in chosen:
        copy = TARGET / row["source_package"] / Path(row["path"]).name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / row["path"], copy)
        _write_tags(copy, row)
        lines.append(_line(copy, row))
    (TARGET / "ATTRIBUTION.md").write_text(_HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    size = sum(file.stat().st_size for file in TARGET.rglob("*.ogg"))
    albums = len({row["source_package"] for row in chosen})
    print(f"{len(chosen)} recordings of {albums} albums, {size / 1e6:.1f} MB")


def _author(row: dict[str, str]) -> str:
    """Name the author where the source names one, not a list of everybody in the game."""
    known = row["artist_source"] in ("tag", "album.json", "debian/copyright")
    return (
        row["artist"] if known and not any(mark in row["artist"] for mark in (";", "www.")) else ""
    )


def _choose(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    taken: Counter[str] = Counter()
    chosen = []
    for row in sorted(rows, key=lambda row: (row["source_package"], row["path"])):
        if taken[row["source_package"]] < MOST_PER_ALBUM:
            taken[row["source_package"]] += 1
            chosen.append(row)
    return chosen


def _write_tags(copy: Path, row: dict[str, str]) -> None:
    file = mutagen.File(copy, easy=True)
    name, url = FREE[row["licence"]]
    file["title"] = row["title"]
    file["artist"] = _author(row)
    file["album"] = row["album"]
    file["license"] = f"{name} {url}".strip()
    file.save()


def _line(copy: Path, row: dict[str, str]) -> str:
    name, url = FREE[row["licence"]]
    licence = f"[{name}]({url})" if url else name
    where = copy.relative_to(TARGET).as_posix()
    return f"| {where} | {row['title']} | {_author(row)} | {row['source_package']} | {licence} |"


_HEADER = """# Attribution

Thirty seconds, from a quarter of each track on, mono at 22,050 Hz, of music from free games.
Nothing else was changed but the tags. The origin is the Debian package of the game, where the
whole track and the full text of its licence are found. Where the origin offers several
licences, the one named here was chosen.

| file | title | author | origin | licence |
|---|---|---|---|---|
"""

if __name__ == "__main__":
    main()
