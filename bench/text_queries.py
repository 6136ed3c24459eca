"""Search in plain words: 60 queries written before any result was seen (text_queries.tsv).

    python -m bench.text_queries --data ../shared/data --work FOLDER

Three libraries, none of which the lexicon or the instruments were fitted to: game music as
recorded, judged by words of titles and file names; multitrack MIDI rendered with a sound font, and
scores, judged by what the files say of instruments, tempo, time signature and collection. Mean
average precision of all alternatives in one run; the lexicon and the queries have one author.
"""

import argparse
import csv
import random
import re
import wave
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from bench.result_tables import table, write_table
from segue.audio.spectrogram import SAMPLE_RATE_HZ
from segue.builtin_spaces import MUSICNN_TAGS, WEIGHTS
from segue.errors import BadArgument
from segue.io.scores import read_scores
from segue.library import Library
from segue.records import FloatArray, Medium, Score
from segue.search.descriptions import Concept
from segue.search.text_query import (
    TextDescription,
    parse_description,
    rank_by_description,
)
from segue.store import Store
from segue.text import normalise

QUERIES: Final = Path(__file__).with_suffix(".tsv")
#: Directions learned from rendered songs.
INSTRUMENTS: Final = frozenset(load_file(WEIGHTS / "instruments.safetensors"))
FAMILIES: Final[dict[str, range]] = {
    "piano": range(8),
    "organ": range(16, 20),
    "guitar": range(24, 32),
    "acoustic guitar": range(24, 26),
    "electric guitar": range(26, 32),
    "distortion": range(29, 31),
    "strings": range(40, 52),
    "brass": range(56, 64),
    "woodwinds": range(64, 80),
}
#: Share of the sounding time of pitched parts from which on an instrument is a label.
MIN_SHARE: Final = 0.15
SLOW_BPM, FAST_BPM = 80.0, 140.0
RANDOM_ORDERS: Final = 100
RENDERED, RENDERED_S = 150, 20.0
FOLK, LIEDER = 600, 120


#: Library, language, query, number of relevant tracks, and average precisions.
Row = tuple[str, str, str, int, list[float]]


@dataclass(frozen=True, slots=True)
class Collection:
    """A library, and the labels of its tracks in order of id."""

    store: Store
    medium: Medium
    titles: list[str]
    labels: list[set[str]]

    def relevant(self, expression: str) -> NDArray[np.bool_]:
        """Return which tracks a regular expression, or a conjunction of labels, fits."""
        if any(self.titles):
            return np.array([bool(re.search(expression, title)) for title in self.titles])
        parts = [part.strip() for part in expression.split("&")]
        return np.array(
            [
                all((part.lstrip("!") in labels) != part.startswith("!") for part in parts)
                for labels in self.labels
            ]
        )


def main() -> None:
    """Run all queries, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    collections = {
        "clips": clips(options.data / "audio", options.work),
        "rendered": rendered(options.data / "scores", options.work),
        "scores": library_of_scores(options.data / "scores", options.work),
    }
    with QUERIES.open(encoding="utf-8") as file:
        queries = list(csv.DictReader(file, delimiter="\t"))
    rows = []
    rng = np.random.default_rng(0)
    for query in queries:
        collection = collections[query["library"]]
        relevant = collection.relevant(query["relevant"])
        description = parse_description(query["query"])
        orders = rng.random((RANDOM_ORDERS, len(relevant)))
        chance = float(np.mean([average_precision(order, relevant) for order in orders]))
        precisions = [chance]
        for rank in RANKINGS.values():
            similarity = rank(collection, description)
            precisions.append(
                chance if similarity is None else average_precision(similarity, relevant)
            )
        n_relevant = int(relevant.sum())
        rows.append((query["library"], query["language"], query["query"], n_relevant, precisions))
    write_report(rows, collections)


def write_report(rows: list[Row], collections: dict[str, Collection]) -> None:
    """Write means by library and language, and every query."""
    groups: dict[str, list[Row]] = {"all": rows}
    for name, collection in collections.items():
        members = [row for row in rows if row[0] == name]
        groups[f"{name}, {len(collection.titles)} tracks"] = members
    groups["English"] = [row for row in rows if row[1] == "en"]
    groups["German, French, Spanish"] = [row for row in rows if row[1] != "en"]
    means = [
        (name, len(group), *np.mean([precisions for *_, precisions in group], axis=0).tolist())
        for name, group in groups.items()
    ]
    differences = np.array([precisions[-1] - precisions[1] for *_, precisions in rows])
    rng = np.random.default_rng(0)
    resampled = rng.choice(differences, (10_000, len(rows))).mean(axis=1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    write_table(
        "text_queries",
        "Search in plain words",
        [
            "Mean average precision. `chance`: the mean of random orders, also of queries "
            "that an alternative knows nothing of; `tags`: the tags of "
            "MusiCNN that are words of the query; `synonyms`: tags by words for them; "
            "`spread`: these, and the tags that they occur with; `features`: tags and named "
            "features; "
            "`lexicon`: with instruments learned from rendered songs, as `segue like` ranks. "
            f"Lexicon less tags: {differences.mean():+.3f}, 95 % interval {low:+.3f} to "
            f"{high:+.3f} (bootstrap over queries).\n",
            table(("queries", "number", "chance", *RANKINGS), means),
            table(
                ("library", "language", "query", "relevant", "chance", *RANKINGS),
                [(*row[:4], *row[4]) for row in rows],
            ),
        ],
    )


def average_precision(similarity: NDArray[np.floating], relevant: NDArray[np.bool_]) -> float:
    """Return the average precision of an order by falling score."""
    hits = relevant[np.argsort(-similarity, kind="stable")]
    return float((np.cumsum(hits)[hits] / (np.flatnonzero(hits) + 1)).mean())


# ---- alternatives ------------------------------------------------------------------------


def by_parts(
    collection: Collection,
    description: TextDescription,
    keep: Callable[[str], bool],
    spread: bool = False,
) -> FloatArray | None:
    """Rank by the parts of the concepts that are kept; None if none is."""
    terms = []
    for term in description.terms:
        recordings = tuple(part for part in term.concept.recordings if keep(part.lstrip("-")))
        scores = tuple(part for part in term.concept.scores if keep(part.lstrip("-")))
        terms.append(replace(term, concept=Concept(term.concept.name, recordings, scores)))
    restricted = replace(description, terms=tuple(terms))
    try:
        ranking = rank_by_description(collection.store, restricted, collection.medium)
    except BadArgument:
        return None
    return spread_tags(collection, restricted) if spread else ranking.scores


def by_tag_names(collection: Collection, description: TextDescription) -> FloatArray | None:
    """Rank by the tags whose names are words of the query."""
    text = f" {normalise(description.text)} "
    return by_parts(
        collection, description, lambda part: is_tag(part) and f" {normalise(part)} " in text
    )


def spread_tags(collection: Collection, description: TextDescription) -> FloatArray:
    """Rank by tags and by those that occur with them, in proportion to their correlations."""
    unit = collection.store.spaces.matrix("tags").unit
    standard = (unit - unit.mean(axis=0)) / unit.std(axis=0)
    direction = np.zeros(len(MUSICNN_TAGS))
    for term in description.terms:
        for part in term.concept.recordings:
            sign = -1 if part.startswith("-") else 1
            direction[MUSICNN_TAGS.index(part.lstrip("-"))] += sign * term.weight
    return np.asarray(standard @ (np.corrcoef(unit.T) @ direction), np.float32)


def is_tag(part: str) -> bool:
    return part in MUSICNN_TAGS


def is_instrument(part: str) -> bool:
    return part in INSTRUMENTS and not is_tag(part)


RANKINGS: Final[dict[str, Callable[[Collection, TextDescription], FloatArray | None]]] = {
    "tags": by_tag_names,
    "synonyms": partial(by_parts, keep=is_tag),
    "spread": partial(by_parts, keep=is_tag, spread=True),
    "features": partial(by_parts, keep=lambda part: not is_instrument(part)),
    "lexicon": partial(by_parts, keep=lambda _: True),
}

# ---- collections -------------------------------------------------------------------------


def clips(audio: Path, work: Path) -> Collection:
    """Add the game music; its labels are words of titles and file names."""
    with (audio / "tracks.csv").open(encoding="utf-8") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    lib = _library(work / "clips", audio)
    titles = []
    for track in lib.tracks():
        row = rows[str(track.path.relative_to(audio.resolve()))]
        titles.append(f"{row['title']} {Path(row['orig_file']).stem}".lower().replace("_", " "))
    return Collection(lib._store, "sound", titles, [set()] * len(titles))  # noqa: SLF001


def rendered(scores_folder: Path, work: Path) -> Collection:
    """Render multitrack MIDI, and add it."""
    import symusic

    from recipes.datasets.rendered_midi import render  # the extra `bench`

    sources = {path.stem: path for path in _games(scores_folder, work)}
    target = work / "rendered"
    target.mkdir(exist_ok=True)
    for path in random.Random(0).sample(list(sources.values()), RENDERED):
        wav = target / f"{path.parent.name}__{path.stem}.wav"
        if not wav.exists():
            samples = render(symusic.Score.from_midi(path.read_bytes()), most_s=RENDERED_S)
            if len(samples) >= 12 * SAMPLE_RATE_HZ:
                _write_wav(wav, samples)
    lib = _library(work / "rendered-library", target)
    paths = [sources[track.path.stem.split("__", 1)[1]] for track in lib.tracks()]
    labels = [labels_of_file(path) for path in paths]
    return Collection(lib._store, "sound", [""] * len(labels), labels)  # noqa: SLF001


def library_of_scores(scores_folder: Path, work: Path) -> Collection:
    """Add folk tunes, art songs, game music and freedoom's scores."""
    _games(scores_folder, work)
    _extract(scores_folder / "folk_tunes.zip", work / "scores" / "folk", FOLK)
    _extract(scores_folder / "lieder_mxl.zip", work / "scores" / "lieder", LIEDER)
    lib = _library(work / "scores-library", work / "scores")
    labels = [labels_of_file(track.path) | {track.path.parent.name} for track in lib.tracks()]
    return Collection(lib._store, "score", [""] * len(labels), labels)  # noqa: SLF001


def labels_of_file(path: Path) -> set[str]:
    """Return the labels of a score: instruments, tempo, time signature."""
    score = read_scores(path)[0]
    if not isinstance(score, Score):
        return set()
    pitched = [part for part in score.parts if not part.is_drum]
    durations = {part.program: 0 for part in pitched}
    for part in pitched:
        durations[part.program] += int(part.notes[:, 1].sum())
    total = max(sum(durations.values()), 1)
    labels = {
        family
        for family, programs in FAMILIES.items()
        if sum(durations.get(program, 0) for program in programs) >= MIN_SHARE * total
    }
    if len(pitched) < len(score.parts):
        labels.add("drums")
    if len(durations) == 1:
        labels.add("solo")
    onsets = [onset for part in pitched for onset in part.notes[:, 0].tolist()]
    if len(set(onsets)) < 0.9 * len(onsets):
        labels.add("chords")
    tempo_bpm = float(np.median(score.tempos[:, 1])) if len(score.tempos) else 120.0
    labels |= {"fast"} if tempo_bpm >= FAST_BPM else {"slow"} if tempo_bpm <= SLOW_BPM else set()
    if len(score.time_signatures):
        labels.add("{}/{}".format(*score.time_signatures[0, 1:]))
    return labels


def _games(scores_folder: Path, work: Path) -> list[Path]:
    target = work / "scores" / "games"
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted((scores_folder / "multitrack").glob("*.mid")):
        if not (target / path.name).exists():
            (target / path.name).write_bytes(path.read_bytes())
    doom = _extract(scores_folder / "freedoom_midi.zip", work / "scores" / "doom")
    return [*sorted(target.iterdir()), *doom]


def _extract(archive: Path, target: Path, count: int | None = None) -> list[Path]:
    """Extract files, or a random sample of them, into one folder."""
    target.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive) as file:
        names = sorted(
            n for n in file.namelist() if n.endswith((".mid", ".mxl")) and "dummy" not in n
        )
        for name in names if count is None else random.Random(0).sample(names, count):
            (target / name.replace("/", "_")[-120:]).write_bytes(file.read(name))
    return sorted(target.iterdir())


def _library(folder: Path, music: Path) -> Library:
    lib = Library.open(folder)
    lib.add([music], workers=1)
    return lib


def _write_wav(path: Path, samples: FloatArray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


if __name__ == "__main__":
    main()
