"""Lyrics language models: bits per character of songs of the test set.

    python -m bench.lyrics_language_model --data ../shared/data --work .bench-cache/letters

Measures what is not measured yet (or one part of it, see `PARTS`) and makes the table; results stay
in the work folder. The part "keras" needs `pip install tensorflow-cpu`, and is left out of "all".
Artists of less than 110,000 characters start from the base "large" of `recipes/lyrics.py`.
"""

import argparse
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from bench import result_tables
from bench.lyrics_baselines import compressed_bits, kneser_ney_bits, nano_gpt_bits
from recipes.datasets.poems import LINES, verse
from recipes.lyrics import SMALL_ARTIST, small_artists, split_songs
from segue.generate.lyrics.language_model import MODEL_FILE, LanguageModel
from segue.generate.lyrics.training import (
    RECIPES,
    STEPS_PER_EPOCH,
    LyricsTraining,
    Preset,
    Split,
    bits_per_character,
    train_lyrics,
)
from segue.generate.lyrics.vocabulary import VOCABULARY_SIZE
from segue.nn.trainer import Progress
from segue.records import Lyrics, Tags

#: The text for three minutes of training: a million characters to learn from.
THREE: Final = ("Robert Burns", "Thomas Moore", "Walt Whitman")
MINUTES: Final = 3.0
NATS: Final = 0.6931472  # in a bit
#: For each author, at most so long.
AUTHOR_MINUTES: Final = 1.5
#: A base without one of the authors of more characters than `SMALL_ARTIST`, learned for this alone.
BASE_MINUTES: Final = 3.0
#: Of the voices, from scratch and from the bundled base.
VOICE_MINUTES: Final = 2.0
VOICES: Final = ("kneser-ney", "base as it is", "scratch", "base")
RACED: Final = "W. S. Gilbert"
RACE_EPOCHS: Final = 40
#: The published network as published: far from its minimum after that.
PUBLISHED_MINUTES: Final = 8.0
KERAS_ROUNDS: Final = 3
KERAS_STEPS: Final = 20
PUBLISHED: Final = RECIPES["char-lstm-4x256"]
ALL_LETTERS: Final = "char-lstm-4x256, all characters"
Results = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--run", choices=("all", *PARTS), default="all")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    songs = verse(options.data)
    for name, part in PARTS.items():
        if options.run == name or (options.run == "all" and name != "keras"):
            part([*songs, *held_verse(options.data)] if name == "voices" else songs, options.work)
    show(options.work)


def held_verse(data: Path) -> list[Lyrics]:
    """Return verse that the bundled base was not trained on, as songs of an author a stretch.

    A stretch is 2,000 lines in a row of a book, or of two; the base may know other lines of it.
    """
    text = (data / "lyrics" / "gutenberg_verse_held.txt").read_text("utf-8")
    return [
        Lyrics("\n".join(lines[at : at + LINES]), Tags(f"{at}", f"held-out verse {number}"))
        for number, stretch in enumerate(text.split("\0"), start=1)
        for lines in [stretch.split("\n")]
        for at in range(0, len(lines), LINES)
    ]


def voices(songs: Sequence[Lyrics], work: Path) -> None:
    """Learn each author's voice from the bundled base, and from scratch, in the same time."""
    base = LanguageModel.pretrained()
    for author in dict.fromkeys(song.tags.artist for song in songs):
        if author not in base.artists and not author.startswith("held-out"):
            continue
        parts = split_songs([song for song in songs if song.tags.artist == author])
        for name in VOICES:
            with _results(work) as found:
                if name in found.setdefault("voices", {}).setdefault(author, {}):
                    continue
            bits = _voice_bits(name, parts, base, work / "voice")
            with _results(work) as found:
                found["voices"][author][name] = bits
            print(author, name, bits, flush=True)


def _voice_bits(name: str, parts: Split, base: LanguageModel, folder: Path) -> float | None:
    if name == "kneser-ney":
        known, test = ([song.lyrics.text for song in some] for some in (parts.train, parts.test))
        return float(kneser_ney_bits(known, test))
    if name == "base as it is":
        return bits_per_character(base, parts.test)
    shutil.rmtree(folder, ignore_errors=True)
    start = base if name == "base" else None
    model, _ = train_lyrics(LyricsTraining(minutes=VOICE_MINUTES), parts, folder, start=start)
    return float(model.metadata["bits_of_test"])


def three_minutes(songs: Sequence[Lyrics], work: Path) -> None:
    """Compare the default with nanoGPT's recipe, on one text, for three minutes each."""
    parts = split_songs([one for one in songs if one.tags.artist in THREE])
    learned, test = (
        "".join(f"{one.lyrics.text}\n" for one in some) for some in (parts.train, parts.test)
    )
    with _results(work) as found:
        if "three" in found:
            return
        nano = nano_gpt_bits(learned, test, MINUTES * 60)
        began = time.monotonic()
        model = _learned(LyricsTraining(minutes=MINUTES), parts, work / "three")
        found["three"] = {
            "characters": len(learned),
            "threads": torch.get_num_threads(),
            "nano": nano._asdict(),
            "segue": {
                "bits": bits_per_character(model, parts.test),
                "seconds": time.monotonic() - began,
                "weights": _count(model),
            },
        }


def authors(songs: Sequence[Lyrics], work: Path) -> None:
    """Measure the test songs of each author, also from a base without the author."""
    small = small_artists(songs)
    RECIPES["char-lstm-4x256"] = replace(PUBLISHED, last_only=False)
    for author in dict.fromkeys([*small, *(one.tags.artist for one in songs)]):
        others = [
            one for one in songs if one.tags.artist not in (small if author in small else [author])
        ]
        parts = split_songs([one for one in songs if one.tags.artist == author])
        known, test = ([one.lyrics.text for one in some] for some in (parts.train, parts.test))
        with _results(work) as found:
            of_author = found.setdefault("authors", {}).setdefault(author, {})
            if "kneser-ney" not in of_author:
                of_author["characters"] = sum(map(len, known))
                of_author["new letters"] = _new_letters(known, others)
                of_author["compressed"] = compressed_bits(known, test)
                of_author["kneser-ney"] = kneser_ney_bits(known, test)
        presets: dict[str, Preset] = {
            "scratch": "default",
            "char-lstm": "char-lstm",
            "char-lstm-4x256": "char-lstm-4x256",
            "base": "default",
        }
        for name, preset in presets.items():
            if name in of_author:
                continue
            start = _base_without(author, others, work) if name == "base" else None
            training = LyricsTraining(preset, minutes=None if start else AUTHOR_MINUTES)
            judged = _judged(training, parts, work / "author", start)
            with _results(work) as found:
                found["authors"][author][name] = judged
            print(author, name, judged["bits"], flush=True)


def _base_without(author: str, others: Sequence[Lyrics], work: Path) -> LanguageModel:
    """Return a base that never saw an author: one for all small ones, and one for each other."""
    if author not in {one.tags.artist for one in others} and (work / "large" / MODEL_FILE).exists():
        large = LanguageModel.load(work / "large" / MODEL_FILE)
        if author not in large.artists:
            return large
    folder = work / f"without {author}"
    if not (folder / MODEL_FILE).exists():
        shutil.rmtree(folder, ignore_errors=True)
        train_lyrics(LyricsTraining(minutes=BASE_MINUTES), split_songs(others), folder)
    return LanguageModel.load(folder / MODEL_FILE)


def _new_letters(known: Sequence[str], others: Sequence[Lyrics]) -> str:
    """Return the characters of an author that no other has, the most frequent first."""
    seen = set().union(*(one.text for one in others))
    counts = Counter("".join(known))
    return "".join(letter for letter, _ in counts.most_common() if letter not in seen)


def race(songs: Sequence[Lyrics], work: Path) -> None:
    """Train the published network until it stops improving, and the default, on one author.

    As published, it is told one letter of each window of 40, which takes hours until it gets no
    better; told every letter, the same network is there in minutes: that is who is raced against.
    """
    parts = split_songs([one for one in songs if one.tags.artist == RACED])
    for name, recipe, minutes in (
        ("default", RECIPES["default"], None),
        (ALL_LETTERS, replace(PUBLISHED, last_only=False), None),
        ("char-lstm-4x256", PUBLISHED, PUBLISHED_MINUTES),
    ):
        preset: Preset = "default" if name == "default" else "char-lstm-4x256"
        with _results(work) as found:
            if name in found.setdefault("race", {}):
                continue
        RECIPES[preset] = recipe
        training = LyricsTraining(preset, epochs=RACE_EPOCHS, minutes=minutes)
        curve = _judged(training, parts, work / "race", None)
        with _results(work) as found:
            found["race"][name] = curve
        print(name, curve, flush=True)


def speed(_: Sequence[Lyrics], work: Path) -> None:
    """Time the writing of one text with what is shipped."""
    from segue.generate.lyrics.sampler import ArtistStyle, LyricsOptions, sample_lyrics

    model = LanguageModel.pretrained()
    voice = ArtistStyle(RACED, model, model.style_index(RACED))
    with _results(work) as found:
        for line in sample_lyrics([voice], LyricsOptions(4)):
            assert line.text or not line.voices
        began, written = time.perf_counter(), 0
        for line in sample_lyrics([voice], LyricsOptions(60, seed=1)):
            written += len(line.text) + 1
        took = time.perf_counter() - began
        found["speed"] = {"written": written / took, "threads": torch.get_num_threads()}


def keras(songs: Sequence[Lyrics], work: Path) -> None:
    """Time the training of the published network, and of the same in Keras, in turns."""
    from bench.lyrics_baselines import KerasTraining

    parts = split_songs([one for one in songs if one.tags.artist == RACED])
    recipe = RECIPES["char-lstm-4x256"] = PUBLISHED
    rival = KerasTraining(
        VOCABULARY_SIZE, recipe.context, recipe.batch_size, torch.get_num_threads()
    )
    rates: dict[str, list[float]] = {"segue": [], "keras": []}
    for _ in range(KERAS_ROUNDS):
        steps: list[Progress] = []
        training = LyricsTraining("char-lstm-4x256", epochs=1)
        shutil.rmtree(work / "keras", ignore_errors=True)
        train_lyrics(training, parts, work / "keras", watch=steps.append)
        rates["segue"].append(steps[-1].items_per_second)
        rates["keras"].append(rival.windows_per_second(KERAS_STEPS))
        print({name: found[-1] for name, found in rates.items()}, flush=True)
    with _results(work) as found:
        found["keras"] = {**rates, "version": rival.version, "threads": torch.get_num_threads()}


PARTS: Final[dict[str, Callable[[Sequence[Lyrics], Path], None]]] = {
    "three": three_minutes,
    "authors": authors,
    "voices": voices,
    "race": race,
    "speed": speed,
    "keras": keras,
}


def show(work: Path) -> None:
    """Make the table of what is measured so far."""
    found = json.loads((work / "results.json").read_text(encoding="utf-8"))
    sections = [
        "Bits per character of songs of the test set (a tenth of each author's songs, by hash), "
        "line ends and the end of a song included.\n"
    ]
    if "three" in found:
        sections.append(_shown_three(found["three"]))
    if "authors" in found:
        sections.append(_shown_authors(found["authors"]))
    if "voices" in found:
        sections.append(_shown_voices(found["voices"]))
    if "race" in found:
        sections.append(_shown_race(found["race"]))
        draw_race(found["race"])
    if "authors" in found:
        sections += _shown_new_letters(found["authors"])
    if "keras" in found:
        sections.append(_shown_keras(found["keras"]))
    if "speed" in found:
        one = found["speed"]
        sections.append(
            "## Speed\n\n"
            f"The bundled model generates {one['written']:.0f} characters a second, one text, "
            f"{one['threads']} thread(s), loading excluded, the search for copies included (bar "
            "400).\n"
        )
    result_tables.write_table(
        "lyrics_language_model", "Bits per character of lyrics language models", sections
    )


def _shown_three(one: Results) -> str:
    rows = [
        ("nanoGPT's recipe, trained here", one["nano"]["weights"] / 1e6, one["nano"]["seconds"],
         one["nano"]["bits"]),
        ("**Segue, default**", one["segue"]["weights"] / 1e6, one["segue"]["seconds"],
         one["segue"]["bits"]),
    ]  # fmt: skip
    fewer = 1 - one["segue"]["bits"] / one["nano"]["bits"]
    return (
        f"## Three minutes on {one['characters'] / 1e6:.2f} million characters\n\n"
        f"{', '.join(THREE)}, {one['threads']} thread(s), one after the other.\n\n"
        + result_tables.table(["", "weights (million)", "seconds", "bits per character"], rows)
        + f"\n\n{fewer:.0%} fewer bits (bar 10 %). Cited by the issue for tiny Shakespeare: 2.71 "
        "for that recipe, 2.12 for ten million weights on a large GPU.\n"
    )


def _shown_authors(found: Results) -> str:
    rows = [
        (
            author,
            f"{one['characters']:,}",
            one["compressed"]["gzip"],
            one["compressed"]["xz"],
            one["kneser-ney"],
            *(
                one[name]["bits"] if name in one else "–"
                for name in ("char-lstm", "char-lstm-4x256", "scratch", "base")
            ),
        )
        for author, one in found.items()
    ]
    return (
        "## Fine-tuning on authors outside the base's training set\n\n"
        f"Those of less than {SMALL_ARTIST:,} characters are fine-tuned from one base, trained "
        "on all the others; each of the rest from a base of its own, trained on all other "
        "authors for "
        f"{BASE_MINUTES:g} minutes. One network after the other, one thread; from scratch "
        f"{AUTHOR_MINUTES:g} minutes each, from the base until convergence.\n\n"
        + result_tables.table(
            ["author", "characters", "gzip", "xz", "Kneser–Ney, 5", "char-lstm 1×128",
             "4×256, all characters",
             "default, from scratch", "default, from base"],
            rows,
        )
        + "\n"
    )  # fmt: skip


def _shown_voices(found: Results) -> str:
    rows = [(author, *(one.get(name, "–") for name in VOICES)) for author, one in found.items()]
    return (
        f"## {VOICE_MINUTES:g} minutes from the bundled base\n\n"
        "The training songs of the authors with a name are in the training set of the base; of the "
        "held-out verse nothing is, though it may know other lines of the same books. Each is an "
        "author of its own here. With the n-gram model of the training songs, but for the base as "
        "it is, which has that of its own authors only.\n\n"
        + result_tables.table(
            ["author", "Kneser–Ney, 5", "base as it is", "from scratch", "from the base"], rows
        )
        + "\n"
    )


def _shown_new_letters(found: Results) -> list[str]:
    rows = [
        (author, one["new letters"], one["scratch"]["bits"] - one["base"]["bits"])
        for author, one in found.items()
        if one.get("new letters") and "base" in one
    ]
    if not rows:
        return []
    return [
        "## Characters outside the base's training set\n\n"
        "The published transfer failed for artists with characters that the base lacks. Bits per "
        "character saved by the base against training from scratch.\n\n"
        + result_tables.table(["author", "characters new to the base", "saved"], rows)
        + "\n"
    ]


def _shown_race(found: Results) -> str:
    rows: list[list[object]] = []
    best = min(bits for _, bits in found[ALL_LETTERS]["curve"])
    for name, one in found.items():
        when, lowest = min(one["curve"], key=lambda point: point[1])
        until = next((seconds for seconds, bits in one["curve"] if bits <= best), None)
        rows.append(
            [
                name,
                lowest,
                f"{when:.0f}",
                "–" if until is None else f"{until:.0f}",
                one["validation"],
                one["bits"],
            ]
        )
    epochs = found[ALL_LETTERS]
    curve = [
        (number, training * NATS, training, held_out)
        for number, (training, (_, held_out)) in enumerate(
            zip(epochs["training"], epochs["curve"], strict=True), start=1
        )
    ]
    return (
        f"## Comparison with the published network, on {RACED}\n\n"
        "Four layers of 256, windows of 40. As published, its loss is that of the last "
        f"character of each window; it is trained for {PUBLISHED_MINUTES:g} minutes, far from "
        "convergence. With the loss of all characters of a window, the same network converges "
        "within minutes: this is the baseline.\n\n"
        + result_tables.table(
            ["network", "best validation loss", "seconds until then",
             "seconds until the best of 4×256, all characters",
             "whole songs, validation", "whole songs, test"],
            rows,
        )
        + "\n\nWhole songs: the default is combined with a character n-gram, as in generation; "
        f"{_fewer(found)} on test.\n"
        + "\n![The curves](lyrics_language_model.png)\n\n"
        "Training loss of the published network, and its loss on held-out songs. Published, on "
        "songs that are not available: 3.04 nats in epoch 1, 0.0615 in epoch 30. An "
        f"epoch here is {STEPS_PER_EPOCH} batches of 128 windows, "
        f"{STEPS_PER_EPOCH * 128 * 40 / found[ALL_LETTERS]['characters']:.1f} times the "
        "training set.\n\n"
        + result_tables.table(
            ["epoch", "training, nats", "training, bits", "held-out, bits"], _thinned(curve)
        )
        + "\n"
    )  # fmt: skip


def _fewer(found: Results) -> str:
    share = 1 - found["default"]["bits"] / found[ALL_LETTERS]["bits"]
    return f"{100 * share:.1f} % fewer bits than 4×256 with all characters (bar 5 %)"


def _thinned(rows: Sequence[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Keep the first five rows, then every fifth, and the last."""
    return [
        row for number, row in enumerate(rows, 1)
        if number <= 5 or number % 5 == 0 or number == len(rows)
    ]  # fmt: skip


def _shown_keras(one: Results) -> str:
    ratio = np.median(np.array(one["segue"]) / np.array(one["keras"]))
    segue, rival = (np.median(one[name]) for name in ("segue", "keras"))
    return (
        "## Speed of training\n\n"
        f"The published network, 4×256, batches of 128 windows of 40 characters, {one['threads']} "
        f"thread(s), in turns, {len(one['segue'])} rounds: Segue reads {40 * segue:,.0f} "
        f"characters a second, {one['version']} {40 * rival:,.0f}; ratio, median: **{ratio:.2f}×** "
        "(bar 1.5).\n"
    )


def draw_race(found: Results) -> None:
    """Draw the validation losses of both networks during training."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, one in found.items():
        seconds, bits = zip(*one["curve"], strict=True)
        (line,) = axes.plot(seconds, bits, marker=".", label=name)
        if name == "default":
            best = one["validation"]
            axes.axhline(
                best, color=line.get_color(), ls=":", label="default, with runs of letters"
            )
    axes.set(xlabel="seconds of training", ylabel="bits per character, validation", xscale="log")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    figure.savefig(Path(__file__).parent / "tables" / "lyrics_language_model.png", dpi=120)


def _judged(
    training: LyricsTraining, parts: Split, folder: Path, start: LanguageModel | None
) -> Results:
    shutil.rmtree(folder, ignore_errors=True)
    model, trained = train_lyrics(training, parts, folder, start=start)
    return {
        "bits": model.metadata["bits_of_test"],
        "validation": model.metadata["bits_held_out"],
        "seconds": trained.history[-1].seconds,
        "weights": _count(model),
        "characters": model.metadata["characters"],
        "curve": [(one.seconds, one.validation_loss / NATS) for one in trained.history],
        "training": [one.loss / NATS for one in trained.history],
    }


def _learned(training: LyricsTraining, parts: Split, folder: Path) -> LanguageModel:
    shutil.rmtree(folder, ignore_errors=True)
    return train_lyrics(training, parts, folder)[0]


class _results:  # noqa: N801  # reads like a function
    """Results so far, read from the work folder and written back."""

    def __init__(self, work: Path) -> None:
        self._path = work / "results.json"

    def __enter__(self) -> Results:
        there = self._path.exists()
        self._found: Results = json.loads(self._path.read_text("utf-8")) if there else {}
        return self._found

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(self._found, indent=1), encoding="utf-8")


def _count(model: LanguageModel) -> int:
    return sum(parameter.numel() for parameter in model.network.parameters())


if __name__ == "__main__":
    main()
