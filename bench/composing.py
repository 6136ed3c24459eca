"""Puts the weights that `segue compose` writes with into the package, and judges what they write.

    python bench/composing.py --data DATA --ship ../shared/pretrained/composer-384x8.safetensors
    python bench/composing.py --data DATA

The first packs the weights of a GPU run with an index of all pieces they learned from; the second
makes the table of what is shipped, on pieces that were never learned from.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors import safe_open

import composition_data
import tables
from segue.generate.compose.composition import Composition as Making
from segue.generate.compose.composition import statistics
from segue.generate.compose.grammar import encode_bar, header
from segue.generate.compose.known_bars import fingerprint_parts
from segue.generate.compose.model import PRETRAINED, Composer
from segue.generate.compose.options import CompositionOptions
from segue.generate.compose.tokens import (
    OPENING,
    VOCABULARY_SIZE,
    Bar,
    bars_to_score,
    score_to_bars,
    steps_per_bar,
    tempo_to_bpm,
)
from segue.generate.compose.training import ExampleSampler, TrainingPiece, index_bars
from segue.generate.notes.network import NoteModel
from segue.generate.notes.tokens import NoteSequence, note_sequence
from segue.generate.notes.training import Piece, WindowSampler
from segue.generate.notes.training import mean_losses as note_losses
from segue.io.midi import read_midi, write_midi
from segue.nn.checkpoint import rename_parameters
from segue.nn.quantization import load_transformer
from segue.nn.sampling import Sampling
from segue.nn.split import train_validation_split
from segue.nn.transformer import StackConfig, TransformerConfig
from segue.records import Score
from segue.score.harmony import estimate_key
from segue.theory.instruments import DRUMS, instrument_name

SEED: Final = 0
#: Prompts: so many of each source, of so many bars, gone on with for so many.
PROMPTS: Final = {"pop909": 18, "multitrack": 12, "lieder": 10, "folk": 10}
PROMPT_BARS: Final = 8
CONTINUED: Final = 16
#: A part of fewer notes is not said to be stuck.
FEWEST_NOTES: Final = 16
JUDGED: Final = 12  # batches
KEYS: Final = range(24)
SAMPLING: Final = Sampling(1.0, top_p=0.95)
BANDS: Final = (
    (0, 33, DRUMS), (0, 40, 42), (24, 32, 73), (0, 56, 65, 33, DRUMS), (40, 41, 42, 43), (0, 73)
)  # fmt: skip
BAND_SEEDS: Final = range(21, 24)
#: Pieces, and windows of them, on which two networks are held beside one another.
BESIDE: Final = 40
BESIDE_WINDOWS: Final = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rolls", type=Path, default=Path(".bench-cache/rolls"))
    parser.add_argument("--ship", type=Path, help="weights of a GPU run")
    parser.add_argument("--keep", type=Path, help="a folder for what is written, as MIDI")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = composition_data.pieces(options.data, options.rolls)
    sides = {
        side: [one for one in found if one.side == side] for side in ("train", "validation", "test")
    }
    bands = composition_data.bands(options.data, found)
    sides["train"] += [one for one in bands if one.side == "train"]
    if options.ship:
        ship(options.ship, sides["train"])
    else:
        judge(sides, options.keep)


Pieces = dict[str, list[composition_data.Piece]]


def ship(pretrained: Path, learned_from: Sequence[composition_data.Piece]) -> None:
    """Put the weights of a GPU run into the package, with an index of what they learned from."""
    with safe_open(pretrained, "pt") as file:
        about = json.loads(file.metadata()["about"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    weights = {
        name.removesuffix(".int8"): tensor.float() * arrays[name[:-5] + ".scale"].float()
        if name.endswith(".int8")
        else tensor.float()
        for name, tensor in arrays.items()
        if not name.endswith(".scale")
    }
    stack = StackConfig(about["width"], about["layers"], about["heads"], about["context"])
    network = load_transformer(
        TransformerConfig(VOCABULARY_SIZE, stack), rename_parameters(weights, "composer")
    )
    index = index_bars([one.piece for one in learned_from])
    metadata = {"trained by": pretrained.name, "history": about["history"]}
    Composer(network, index, metadata).save(PRETRAINED, torch.int8)
    print(f"{PRETRAINED}: {PRETRAINED.stat().st_size / 1e6:.1f} MB, index of {len(index.contents)}")


def judge(sides: Pieces, keep: Path | None) -> None:
    composer = Composer.pretrained()
    made = [gone_on(composer, one) for one in prompts(sides["test"])]
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        for number, one in enumerate(made):
            (keep / f"{number:02}-{one.source}.mid").write_bytes(write_midi(one.score))
    sections = [
        losses(composer, sides),
        beside(composer, sides),
        continuations(composer, made),
        speeds(made),
        keys(composer),
        asked(composer),
    ]
    weights = sum(weight.numel() for weight in composer.network.parameters())
    head = (
        f"{weights / 1e6:.2f} M weights, {composer.network.config.stack.context} tokens in view; "
        f"learned from {len(sides['train'])} pieces, never from those judged here.\n"
    )
    tables.keep("composing", "Composing", [head, *sections])


# ---- what it expects -----------------------------------------------------------------------


def losses(composer: Composer, sides: Pieces) -> str:
    """Judge by the same kinds of windows as in training, untransposed."""
    rows = []
    for source in PROMPTS:
        row: list[object] = [source]
        for side in ("train", "test"):
            pieces = [one.piece for one in sides[side] if one.source == source]
            context = composer.network.config.stack.context
            batches = ExampleSampler(pieces, context, 4).fixed(JUDGED, SEED)
            with torch.inference_mode():
                costs = [float(composer.network.loss(*batch)) for batch in batches]
            row.append(float(np.mean(costs)))
        rows.append(row)
    return "\n".join(
        [
            "## What it expects\n",
            "Nats a token, of windows gone on with, filled in and added to, "
            f"{4 * JUDGED} of each.\n",
            tables.table(["music", "learned from", "held out"], rows),
        ]
    )


def beside(composer: Composer, sides: Pieces) -> str:
    """Hold it beside note-lstm, on pieces that both learned from and that neither did."""
    model = NoteModel.pretrained()
    words = {
        one.piece.name: Piece(one.piece.name, note_sequence(bars_to_score(one.piece.bars)))
        for one in [*sides["train"], *sides["test"]]
        if one.source in ("multitrack", "pop909")
    }
    everything = [
        Piece(one.piece.name, NoteSequence((), ()))
        for one in [one for some in sides.values() for one in some]
        if one.source in ("multitrack", "pop909")
    ]
    held = {piece.name for piece in train_validation_split(everything)[1]}
    rows: list[list[object]] = []
    for kind, side, theirs in (("learned from", "train", False), ("held out", "test", True)):
        chosen = [
            one.piece
            for one in sides[side]
            if one.piece.name in words and (one.piece.name in held) == theirs
        ][:BESIDE]
        windows = WindowSampler([words[piece.name] for piece in chosen], model.vocabularies)
        found = note_losses(model.network, windows.fixed(BESIDE_WINDOWS, SEED))
        rows.append(
            [kind, len(chosen), found["notes"], found["durations"], *cost(composer, chosen)]
        )
    return "\n".join(
        [
            "\n## Beside note-lstm\n",
            "Pieces of multitrack MIDI and POP909 that both learned from, and that neither did. "
            "Published, in training: notes 0.1027, durations 0.0870; these know twenty pieces or "
            "so by heart. note-lstm guesses words of a slice each, the transformer tokens of all "
            "parts: compare rows, not columns.\n",
            tables.table(
                ["pieces", "number", "note-lstm: notes", "durations", "transformer: nats a token",
                 "nats a note"],
                rows,
            ),
        ]
    )  # fmt: skip


def cost(composer: Composer, pieces: Sequence[TrainingPiece]) -> tuple[float, float]:
    """Return nats a token and a note, of the first tokens of pieces that are in view."""
    nats = tokens = notes = 0.0
    for piece in pieces:
        playing = frozenset[int]().union(*(bar.instruments for bar in piece.bars))
        written = [*header(playing, piece.key), OPENING]
        heard = 0
        for bar in piece.bars:
            new = encode_bar(bar)
            if len(written) + len(new) > composer.network.config.stack.context:
                break
            written += new
            heard += len(bar.notes)
        given = torch.tensor([written])
        with torch.inference_mode():
            nats += float(composer.network.loss(given, given)) * (len(written) - 1)
        tokens += len(written) - 1
        notes += heard
    return nats / tokens, nats / notes


# ---- what it writes ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A prompt gone on with: what was written, what is really there, and how long it took."""

    source: str
    written: list[Bar]
    real: list[Bar]
    score: Score
    seconds: float
    rejected: int


def prompts(test: Sequence[composition_data.Piece]) -> list[composition_data.Piece]:
    """Choose pieces that are long enough, by chance."""
    rng = np.random.default_rng(SEED)
    found = []
    for source, count in PROMPTS.items():
        there = [
            one
            for one in test
            if one.source == source and len(one.piece.bars) >= PROMPT_BARS + CONTINUED
        ]
        found += [there[n] for n in rng.choice(len(there), min(count, len(there)), replace=False)]
    return found


def gone_on(composer: Composer, one: composition_data.Piece) -> Made:
    bars = list(one.piece.bars)
    first = next(n for n, bar in enumerate(bars) if bar.notes)
    first = min(first, len(bars) - PROMPT_BARS - CONTINUED)
    last = first + PROMPT_BARS
    prompt = bars_to_score(bars[first:last])
    making = Making(composer, CompositionOptions(SAMPLING, seed=SEED), CONTINUED, prompt)
    began = time.perf_counter()
    written = list(making)
    seconds = time.perf_counter() - began
    real = bars[last : last + CONTINUED]
    return Made(one.source, written, real, making.score, seconds, making.report["bars_rejected"])


def continuations(composer: Composer, made: Sequence[Made]) -> str:
    rows: list[list[object]] = []
    within = 0
    real = [statistics(one.real) for one in made]
    written = [statistics(one.written) for one in made]
    for name in real[0]:
        theirs, ours = (
            np.array([one[name] for one in some if one[name] is not None], float)
            for some in (real, written)
        )
        low, high = np.quantile(theirs, (0.25, 0.75))
        middle = float(np.median(ours))
        within += bool(low <= middle <= high)
        rows.append(
            [name.replace("_", " "), f"{low:.3f} … {high:.3f}", float(np.median(theirs)), middle,
             "yes" if low <= middle <= high else "no"]
        )  # fmt: skip
    valid = sum(same(one.score) for one in made)
    copied = [
        composer.index.longest_shared_passage(fingerprint_parts(one.written)).bars for one in made
    ]
    copied_by_people = [
        composer.index.longest_shared_passage(fingerprint_parts(one.real)).bars for one in made
    ]
    return "\n".join(
        [
            "\n## What it writes\n",
            f"{len(made)} prompts of {PROMPT_BARS} bars from pieces never learned from "
            f"({', '.join(f'{count} {source}' for source, count in PROMPTS.items())}), each gone "
            f"on with for {CONTINUED} bars; temperature 1, top-p 0.95. Beside them the bars that "
            "really follow: the middle half of the pieces, and their median.\n",
            tables.table(["statistic", "real", "median", "written, median", "within"], rows),
            f"\n{within} of {len(rows)} within. {valid} of {len(made)} come back from MIDI as "
            f"they were written; {sum(map(stuck, made))} parts stuck on one note; "
            f"{sum(one.rejected for one in made)} of {CONTINUED * len(made)} bars were written "
            f"anew. Longest passage shared with a piece learned from, different bars of a part: "
            f"median {np.median(copied):.0f}, at most {max(copied)}; the real bars: median "
            f"{np.median(copied_by_people):.0f}, at most {max(copied_by_people)}.\n",
        ]
    )


def same(score: Score) -> bool:
    again = read_midi(write_midi(score))
    return [part.notes.tolist() for part in again.parts] == [
        part.notes.tolist() for part in score.parts
    ] and bool(score_to_bars(again))


def stuck(made: Made) -> int:
    """Count parts that play one pitch only, and did not before."""
    found = 0
    for instrument in {note.instrument for bar in made.written for note in bar.notes} - {DRUMS}:
        pitches = [
            note.pitch
            for bar in made.written
            for note in bar.notes
            if note.instrument == instrument
        ]
        theirs = {n.pitch for bar in made.real for n in bar.notes if n.instrument == instrument}
        found += len(pitches) >= FEWEST_NOTES and len(set(pitches)) == 1 and len(theirs) != 1
    return found


def speeds(made: Sequence[Made]) -> str:
    rows: list[list[object]] = []
    kinds = {
        "all": list(made),
        "four parts or more": [one for one in made if len(one.score.parts) >= 4],
    }
    for kind, some in kinds.items():
        if not some:
            continue
        tokens = sum(len(encode_bar(bar)) for one in some for bar in one.written)
        played = sum(seconds_of(bar) for one in some for bar in one.written)
        took = sum(one.seconds for one in some)
        rows.append([kind, len(some), f"{tokens / took:.0f}", f"{played / took:.2f}"])
    return "\n".join(
        [
            "## How fast\n",
            "One piece at a time, one thread, weights in 8 bits; bars written anew count as "
            "time, not as tokens.\n",
            tables.table(["prompts", "pieces", "tokens/s", "times real time"], rows),
        ]
    )


def seconds_of(bar: Bar) -> float:
    return steps_per_bar(bar.time_signature) / 12 * 60 / tempo_to_bpm(bar.tempo)


def keys(composer: Composer) -> str:
    right = scale = 0
    for key in KEYS:  # another seed for each, or all would be the same but for the transposition
        making = Making(composer, CompositionOptions(SAMPLING, (0, 33), key, seed=key), 8)
        list(making)
        found = estimate_key(making.score)
        number = 2 * found.tonic + (found.mode == "minor")
        right += number == key
        scale += number in (key, relative(key))
    return (
        f"\n## In the key that was asked for\n\nEight bars from nothing for piano and bass in each "
        f"of the 24 keys: Segue's own key finder hears the key in {right}, it or its relative, of "
        f"the same notes, in {scale}.\n"
    )


def asked(composer: Composer) -> str:
    rows: list[list[object]] = []
    for band in BANDS:
        heard = [0] * len(band)
        for seed in BAND_SEEDS:
            making = Making(composer, CompositionOptions(SAMPLING, band, seed=seed), 12)
            bars = list(making)
            for place, number in enumerate(band):
                heard[place] += sum(number in bar.instruments for bar in bars)
        total = 12 * len(BAND_SEEDS)
        rows.append(
            ["; ".join(
                f"{instrument_name(number)} {bars / total:.2f}"
                for number, bars in zip(band, heard, strict=True)
            )]
        )  # fmt: skip
    return (
        "\n## Instruments that were asked for\n\n"
        f"Twelve bars from nothing, {len(BAND_SEEDS)} seeds "
        "each: the share of the bars in which each plays.\n\n" + tables.table(["band"], rows)
    )


def relative(key: int) -> int:
    """Return the minor key of a major one's notes, or the major one of a minor one's."""
    tonic, minor = divmod(key, 2)
    return (tonic + 3) % 12 * 2 if minor else (tonic + 9) % 12 * 2 + 1


if __name__ == "__main__":
    main()
