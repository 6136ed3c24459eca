"""Retrieval of scores in their spaces, on songs of the test set.

    python -m bench.score_retrieval --data ../shared/data --work DIR [--minutes 30]

1. As published: items of four bars, sampled latents on both sides, Euclidean distance; the nearest
   should be the item itself. Baselines: the packed rolls, by Hamming and Jaccard distance.
2. Other bars of the song: queries of four bars, transposed by -5 to +6 semitones, among all songs.

Models that are not in --work are trained first, by `recipes/roll_vae.py`; the default is the
bundled one. Settings were tuned on the validation set.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.result_tables import table, write_table
from bench.score_queries import (
    FEWEST_BARS,
    QUERIES,
    Embed,
    RetrievalTask,
    Similar,
    compared,
    ranks,
    retrieval_task,
    similar,
    starts,
)
from recipes.datasets.piano_rolls import Side, Song, songs
from recipes.roll_vae import MODELS, tracks, trained_model
from segue.builtin_spaces import ROLL_VAE_WEIGHTS
from segue.records import BoolArray, FloatArray
from segue.score.features import score_features, standardise_score
from segue.score.piano_roll import (
    STEPS_PER_BAR,
    WINDOW_BARS,
    PianoRoll,
    RollNotes,
    drop_notes,
    extract_notes,
    pack_bars,
    unpack_bars,
)
from segue.score.vae.model import RollModel, l2_normalise
from segue.score.vae.training import STEPS_PER_EPOCH

ITEMS = 1086
DROPPED = 0.1
SEEDS = 3
DRAWS = 2000
CLASSES = 12
BLEND = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", choices=("test", "validation"), default="test")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    all_songs = songs(options.data, options.work)
    models = rows(all_songs, options)
    side: Side = options.side
    test_songs = [song for song in all_songs if song.side == side]
    task = retrieval_task(test_songs)
    sections = [itself(models, test_songs), others(models, task, options.work / f"placed-{side}")]
    write_table("score_retrieval", "Retrieval of scores", sections)


def rows(all_songs: Sequence[Song], options: argparse.Namespace) -> dict[str, RollModel]:
    train, validate = tracks(all_songs, "train"), tracks(all_songs, "validation")
    names = ("classic", "classic-3", "lstm")
    models = {
        name: trained_model(MODELS[name], train, validate, options.work / name, options.minutes)
        for name in names
    }
    return models | {"default": RollModel.load(ROLL_VAE_WEIGHTS)}


LABELS = {
    "classic": "classic, two convolutions",
    "classic-3": "classic, three convolutions",
    "lstm": "classic with an LSTM encoder",
    "default": "**default**",
}


# ---- as published ------------------------------------------------------------------------


def itself(models: dict[str, RollModel], test_songs: Sequence[Song]) -> str:
    items = drawn_items(test_songs)
    queries_ = drop_notes(items, DROPPED, np.random.default_rng(1))
    body = [
        (
            f"{LABELS[name]} ({model.metadata['epochs']} × {STEPS_PER_EPOCH} steps)",
            *sampled(model, items, queries_),
            *encoding(model, items),
        )
        for name, model in models.items()
    ]
    packs = {name: pack_bars(cells).reshape(len(cells), -1) for name, cells in
             (("items", items), ("asked", queries_))}  # fmt: skip
    rolls = [
        (name, "–", *(brute(how, packs[query], packs["items"]) for query in packs), "–")
        for name, how in (("Hamming, packed rolls", hamming), ("Jaccard, packed rolls", jaccard))
    ]
    figures = [(name, kl, same[0], drop[0], same[1], "–") for name, kl, same, drop, _ in rolls]
    columns = (
        "row", "KL, nats", "nearest is itself", "with 10 % of the query's notes dropped",
        "µs per comparison", "ms to encode four bars",
    )  # fmt: skip
    songs_asked = len({song.name for song in test_songs if song.source != "folk"})
    return "\n".join(
        [
            "## Retrieval of the item itself, as published\n",
            f"{len(items)} items of four bars, all different, of {songs_asked} held-out songs of "
            f"POP909 and multitrack MIDI; sampled latents for query and candidates (mean of "
            f"{SEEDS} "
            "runs), Euclidean distance over the whole latent. Published: 0.64. KL is that of "
            "the items' latents from the prior. Rolls are compared directly, so that the query "
            "equals the item, except with notes dropped. "
            "In brackets how long each was trained, here on a fraction of a core: the published "
            "one had 30 epochs of 100,000 items.\n",
            table(columns, [*body, *figures]),
        ]
    )


def drawn_items(test_songs: Sequence[Song]) -> BoolArray:
    """Draw windows, all different, as many of each song as of the others."""
    rng = np.random.default_rng(0)
    candidates = [
        song for song in test_songs if song.source != "folk" and len(song.bars) >= FEWEST_BARS
    ]
    places = {song.name: list(rng.permutation(starts(song))) for song in candidates}
    chosen: dict[bytes, NDArray[np.uint8]] = {}
    while len(chosen) < ITEMS and any(places.values()):
        for song in candidates:
            if places[song.name] and len(chosen) < ITEMS:
                start = int(places[song.name].pop())
                bars = song.bars[start : start + WINDOW_BARS]
                chosen[bars.tobytes()] = bars
    return unpack_bars(np.stack(list(chosen.values())))


def sampled(model: RollModel, items: BoolArray, queries_: BoolArray) -> tuple[float | str, ...]:
    (mean, spread), (mean_asked, spread_asked) = model.encode(items), model.encode(queries_)
    kl = 0.5 * (mean**2 + np.exp(spread) - 1 - spread).sum(axis=1).mean()
    same, dropped = [], []
    began, compared = 0.0, 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        stored = draw(mean, spread, rng)
        same.append(nearest_is_itself(draw(mean, spread, rng), stored))
        query = draw(mean_asked, spread_asked, rng)
        start = time.perf_counter()
        dropped.append(nearest_is_itself(query, stored))
        began += time.perf_counter() - start
        compared += len(query) * len(stored)
    return (
        f"{kl:.0f}",
        float(np.mean(same)),
        float(np.mean(dropped)),
        f"{began / compared * 1e6:.3f}",
    )


def draw(mean: FloatArray, log_variance: FloatArray, rng: np.random.Generator) -> FloatArray:
    noise = rng.standard_normal(mean.shape, np.float32)
    return np.asarray(mean + noise * np.exp(log_variance / 2))


def nearest_is_itself(query: FloatArray, stored: FloatArray) -> float:
    distance = (stored**2).sum(axis=1) - 2 * query @ stored.T
    return float((distance.argmin(axis=1) == np.arange(len(query))).mean())


def encoding(model: RollModel, items: BoolArray) -> tuple[str]:
    start = time.perf_counter()
    model.embed_windows(items)
    return (f"{(time.perf_counter() - start) / len(items) * 1e3:.2f}",)


def brute(
    distance: Callable[[NDArray[np.uint64], NDArray[np.uint64]], NDArray[np.float64]],
    query: NDArray[np.uint8],
    stored: NDArray[np.uint8],
) -> tuple[float, str]:
    """Compare each query with all; return how often the nearest is itself, and µs for one."""
    words, query_words = stored.view(np.uint64), query.view(np.uint64)
    start = time.perf_counter()
    nearest = [int(distance(word, words).argmin()) for word in query_words]
    each = (time.perf_counter() - start) / len(query_words) / len(words)
    return float(np.mean(np.array(nearest) == np.arange(len(query_words)))), f"{each * 1e6:.3f}"


def hamming(query: NDArray[np.uint64], items: NDArray[np.uint64]) -> NDArray[np.float64]:
    return np.asarray(np.bitwise_count(query ^ items).sum(axis=1), np.float64)


def jaccard(query: NDArray[np.uint64], items: NDArray[np.uint64]) -> NDArray[np.float64]:
    shared = np.bitwise_count(query & items).sum(axis=1)
    either = np.bitwise_count(query | items).sum(axis=1)
    return np.asarray(1 - shared / np.maximum(either, 1))


# ---- other bars of the song --------------------------------------------------------------


def rhythm_and_intervals(cells: BoolArray) -> FloatArray:
    """Count onsets by sixteenth of the bar and the interval from the note before."""
    notes: RollNotes = extract_notes(cells)
    same = (notes.window[1:] == notes.window[:-1]) & (notes.instrument[1:] == notes.instrument[:-1])
    interval = np.diff(notes.pitch).clip(-CLASSES, CLASSES) + CLASSES
    place = notes.step[1:] % STEPS_PER_BAR // 3
    keep_ = same & (notes.instrument[1:] > 0)
    size = 16 * (2 * CLASSES + 1)
    histogram = np.zeros((len(cells), size), np.float32)
    np.add.at(
        histogram, (notes.window[1:][keep_], (place * (2 * CLASSES + 1) + interval)[keep_]), 1
    )
    return histogram


def once(task: RetrievalTask, embed: Embed, cache: Path) -> Similar:
    """Compare as `compared` does, with cached embeddings, which may take minutes."""
    if not cache.exists():
        stored, query = task.embeddings(embed)
        cache.parent.mkdir(exist_ok=True)
        np.savez(cache, stored=stored, query=query)
    with np.load(cache) as arrays:
        return similar(task, arrays["stored"], arrays["query"])


def parts(task: RetrievalTask, model: RollModel, cache: Path) -> dict[str, Similar]:
    """Evaluate the trained and the histogram part of the embedding separately."""
    learned = model.config.invariant
    with np.load(cache) as arrays:
        stored, query = arrays["stored"], arrays["query"]
    return {
        "default, learned part only": similar(
            task, l2_normalise(stored[:, :learned]), l2_normalise(query[:, :learned])
        ),
        "default, histogram part only": similar(
            task, l2_normalise(stored[:, learned:]), l2_normalise(query[:, learned:])
        ),
    }


def described(cells: BoolArray) -> FloatArray:
    """Describe each window by the space `score-features`, as if it were a score."""
    scores = [PianoRoll(window).to_score() for window in cells]
    return standardise_score(np.stack([score_features(score) for score in scores]))


def both(one: Similar, other: Similar, weight: float) -> Similar:
    return Similar(
        weight * one.nearest + (1 - weight) * other.nearest,
        weight * one.mean + (1 - weight) * other.mean,
    )


def others(models: dict[str, RollModel], task: RetrievalTask, cache: Path) -> str:
    rng = np.random.default_rng(0)
    similarities: dict[str, Similar] = {
        "chance": compared(task, lambda c: rng.standard_normal((len(c), 64), np.float32)),
        "rhythm and interval histograms": compared(task, rhythm_and_intervals),
    }
    for name, model in models.items():
        similarities[LABELS[name]] = once(
            task, model.embed_windows, cache / f"{model.fingerprint}.npz"
        )
        if name == "default":
            similarities |= parts(task, model, cache / f"{model.fingerprint}.npz")
    similarities["`score-features`"] = once(task, described, cache / "score-features.npz")
    similarities[f"default and `score-features`, {BLEND:g} : {1 - BLEND:g}"] = both(
        similarities[LABELS["default"]], similarities["`score-features`"], BLEND
    )
    body = []
    reciprocal: dict[str, list[NDArray[np.float64]]] = {}
    for name, similarity in similarities.items():
        figures = []
        reciprocal[name] = []
        for how in (similarity.nearest, similarity.mean):
            rank = ranks(how, task)
            reciprocal[name].append(1 / rank)
            figures += [with_interval(np.equal(rank, 1).astype(float)), with_interval(1 / rank)]
        body.append((name, *figures))
    pairs = [
        (LABELS["default"], "rhythm and interval histograms"),
        (LABELS["default"], "`score-features`"),
        (list(similarities)[-1], LABELS["default"]),
        (list(similarities)[-1], "`score-features`"),
    ]
    differences = [
        (
            f"{first_} - {second_}",
            *(
                with_interval(a - b)
                for a, b in zip(reciprocal[first_], reciprocal[second_], strict=True)
            ),
        )
        for first_, second_ in pairs
    ]
    columns = ("space", "nearest: R@1", "nearest: MRR", "mean: R@1", "mean: MRR")
    return "\n".join(
        [
            "## Retrieval of the song from transposed bars\n",
            f"{len(task.query_song)} queries of four bars, transposed by -5 to +6 semitones, "
            f"{QUERIES} of each of {len(task.songs)} held-out songs (POP909, multitrack). A "
            "song is represented by all its windows of four bars that do not overlap the query. "
            '"Nearest": largest cosine similarity of these; "mean": similarity to the mean of '
            "their unit vectors. 95 % intervals over songs, by bootstrap.\n",
            table(columns, body),
            "`score-features` was weighted on half of the files, some of these songs among them. "
            "Paired differences of the MRR:\n",
            table(("difference", "nearest", "mean"), differences),
        ]
    )


def with_interval(values: NDArray[np.float64]) -> str:
    """Give a mean over queries with its bootstrap interval over songs."""
    each = values.reshape(-1, QUERIES).mean(axis=1)
    rng = np.random.default_rng(0)
    means = each[rng.integers(len(each), size=(DRAWS, len(each)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{each.mean():.3f} ({low:.3f} … {high:.3f})"


if __name__ == "__main__":
    main()
