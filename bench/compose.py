"""Composing: loss on the test set, statistics of continuations, speed, keys and instruments.

    python -m bench.compose --data ../shared/data

Of the bundled model, on pieces of the test set (`recipes/datasets/compositions.py`).
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from bench import result_tables
from recipes.composer import Pieces, by_side
from recipes.datasets import compositions
from segue.generate.compose.composition import Composition as Making
from segue.generate.compose.composition import statistics
from segue.generate.compose.grammar import encode_bar, header
from segue.generate.compose.model import Composer
from segue.generate.compose.options import CompositionOptions
from segue.generate.compose.tokens import (
    OPENING,
    Bar,
    bars_to_score,
    score_to_bars,
    steps_per_bar,
    tempo_to_bpm,
)
from segue.generate.compose.training import (
    ExampleSampler,
    TrainingPiece,
)
from segue.generate.copying import fingerprint_parts, longest_shared_bars
from segue.generate.notes.network import NoteModel
from segue.generate.notes.tokens import NoteSequence, note_sequence
from segue.generate.notes.training import Piece, WindowSampler
from segue.generate.notes.training import mean_losses as note_losses
from segue.io.midi import read_midi, write_midi
from segue.nn.sampling import Sampling
from segue.nn.split import train_validation_split
from segue.nn.trainer import fixed_batches
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
#: Pieces, and windows of them, on which two networks are compared.
BESIDE: Final = 40
BESIDE_BATCHES: Final = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rolls", type=Path, default=Path(".bench-cache/rolls"))
    parser.add_argument("--keep", type=Path, help="a folder for what is written, as MIDI")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sides = by_side(options.data, options.rolls)
    judge(sides, options.keep)


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
        f"{weights / 1e6:.2f} M weights, {composer.network.config.stack.context} tokens of "
        f"context; trained on {len(sides['train'])} pieces, none of them in the test set.\n"
    )
    result_tables.write_table("compose", "Composing", [head, *sections])


# ---- what it expects -----------------------------------------------------------------------


def losses(composer: Composer, sides: Pieces) -> str:
    """Judge by the same kinds of windows as in training, untransposed."""
    rows = []
    for source in PROMPTS:
        row: list[object] = [source]
        for side in ("train", "test"):
            pieces = [one.piece for one in sides[side] if one.source == source]
            context = composer.network.config.stack.context
            batches = fixed_batches(ExampleSampler(pieces, context, 4).draw, JUDGED, SEED)
            with torch.inference_mode():
                costs = [float(composer.network.loss(*batch)) for batch in batches]
            row.append(float(np.mean(costs)))
        rows.append(row)
    return "\n".join(
        [
            "## Loss\n",
            "Nats per token on windows of continuation, infilling and added parts, "
            f"{4 * JUDGED} of each.\n",
            result_tables.table(["music", "training set", "test set"], rows),
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
    for kind, side, theirs in (("training set", "train", False), ("test set", "test", True)):
        chosen = [
            one.piece
            for one in sides[side]
            if one.piece.name in words and (one.piece.name in held) == theirs
        ][:BESIDE]
        windows = WindowSampler([words[piece.name] for piece in chosen], model.vocabularies)
        found = note_losses(model.network, fixed_batches(windows.draw, BESIDE_BATCHES, SEED))
        rows.append(
            [kind, len(chosen), found["notes"], found["durations"], *cost(composer, chosen)]
        )
    return "\n".join(
        [
            "\n## Comparison with note-lstm\n",
            "Pieces of multitrack MIDI and POP909 in both training sets, and in neither. "
            "Published training loss: notes 0.1027, durations 0.0870, on some twenty pieces "
            "(overfitted). note-lstm predicts a token per slice, the transformer tokens of all "
            "parts: compare rows, not columns.\n",
            result_tables.table(
                ["pieces", "number", "note-lstm: notes", "durations", "transformer: nats per token",
                 "nats per note"],
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


def prompts(test: Sequence[compositions.Piece]) -> list[compositions.Piece]:
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


def gone_on(composer: Composer, one: compositions.Piece) -> Made:
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
        longest_shared_bars(composer.index, fingerprint_parts(one.written)).length for one in made
    ]
    copied_by_people = [
        longest_shared_bars(composer.index, fingerprint_parts(one.real)).length for one in made
    ]
    return "\n".join(
        [
            "\n## Continuations\n",
            f"{len(made)} prompts of {PROMPT_BARS} bars of pieces of the test set "
            f"({', '.join(f'{count} {source}' for source, count in PROMPTS.items())}), each "
            f"continued for {CONTINUED} bars; temperature 1, top-p 0.95. Compared with the "
            "actual continuations: interquartile range and median over pieces.\n",
            result_tables.table(
                ["statistic", "actual", "median", "generated, median", "within"], rows
            ),
            f"\n{within} of {len(rows)} within. {valid} of {len(made)} survive a round trip "
            f"through MIDI; {sum(map(stuck, made))} parts stuck on one note; "
            f"{sum(one.rejected for one in made)} of {CONTINUED * len(made)} bars were sampled "
            f"again. Longest passage shared with a piece of the training set, distinct bars of a "
            f"part: median {np.median(copied):.0f}, at most {max(copied)}; the actual bars: median "
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
            "## Speed\n",
            "One piece at a time, one thread, 8-bit weights; bars that are sampled again count "
            "as time, not as tokens.\n",
            result_tables.table(["prompts", "pieces", "tokens/s", "times real time"], rows),
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
        f"\n## Requested keys\n\nEight bars, unconditional, for piano and bass in each "
        f"of the 24 keys: Segue's key estimator finds the requested key in {right}, the key or "
        f"its relative in {scale}.\n"
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
        "\n## Requested instruments\n\n"
        f"Twelve bars without a prompt, {len(BAND_SEEDS)} seeds "
        "each: the share of the bars in which each plays.\n\n" + result_tables.table(["band"], rows)
    )


def relative(key: int) -> int:
    """Return the minor key of a major one's notes, or the major one of a minor one's."""
    tonic, minor = divmod(key, 2)
    return (tonic + 3) % 12 * 2 if minor else (tonic + 9) % 12 * 2 + 1


if __name__ == "__main__":
    main()
