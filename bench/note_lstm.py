"""Losses of the notes-and-durations LSTM on its training and validation sets, and music theory.

    python -m bench.note_lstm --data ../shared/data

The published losses are those of training: so a network of the published form is overfitted on some
pieces here, and evaluated on others. Then the bundled model, and the probing of its embeddings
(docs/explanation/theory.md).
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch

from bench.result_tables import table, write_table
from recipes.note_lstm import LEARNING_RATE, note_pieces
from segue.generate.notes.network import STREAMS, NoteLSTM, NoteLSTMConfig, NoteModel, Vocabulary
from segue.generate.notes.probing import Claim, evaluate_claims
from segue.generate.notes.training import Piece, WindowSampler, mean_losses
from segue.nn.split import train_validation_split
from segue.nn.trainer import fixed_batches

PUBLISHED: Final = ("0.1027", "0.0870")
BY_HEART: Final = 20  # pieces
OTHERS: Final = 20
BATCHES: Final = 8


def by_heart(train: list[Piece], others: list[Piece], minutes: float) -> list[object]:
    """Train on a few pieces for some minutes, without early stopping."""
    vocabularies = {
        name: Vocabulary.build(getattr(piece.words, name) for piece in train) for name in STREAMS
    }
    torch.manual_seed(0)
    network = NoteLSTM(NoteLSTMConfig(*map(len, vocabularies.values())))
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, fused=True)
    windows, held_out = WindowSampler(train, vocabularies), WindowSampler(others, vocabularies)
    began, step = time.monotonic(), 0
    while (passed := (time.monotonic() - began) / 60) < minutes:
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * passed / minutes)) + 1e-5
        batch = windows.draw(np.random.default_rng([0, step]))
        with torch.autocast("cpu", torch.bfloat16):
            losses_ = network.loss(*batch)
        optimiser.zero_grad()
        total = losses_.notes + losses_.durations
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        step += 1
        if step % 50 == 0:
            losses = [float(each.detach()) for each in (losses_.notes, losses_.durations)]
            print(step, *losses, flush=True)
    known, new = (
        mean_losses(network, fixed_batches(each.draw, BATCHES, 1)) for each in (windows, held_out)
    )
    size = sum(each.numel() for each in network.parameters())
    return [
        f"{len(train)} pieces, overfitted, {step} steps, {size / 1e6:.1f} M numbers",
        *(value for name in STREAMS for value in (known[name], new[name])),
    ]


def unigrams(model: NoteModel, held_out: Sequence[Piece]) -> list[object]:
    """Predict each token by its frequency in the training set, with add-one smoothing."""
    row: list[object] = ["unigram"]
    for name in STREAMS:
        known = model.vocabularies[name]
        share = (np.array(known.counts) + 1.0) / (sum(known.counts) + len(known))
        words = np.concatenate([known.ids(getattr(piece.words, name)) for piece in held_out])
        row += ["", float(-np.log(share[words]).mean())]
    return row


def _four(model: NoteModel) -> list[object]:
    losses = model.metadata["losses"]
    return [losses[side][name] for name in STREAMS for side in ("training", "held_out")]


def theory_tables(model: NoteModel) -> list[str]:
    """Return the output of `segue explain --theory` as Markdown."""
    report = evaluate_claims(model)
    columns = ("claim", "tokens", "pairs", "network", "p", "counts", "p", "95 % of shuffles below")
    lines = "\n".join(f"- **{c.name}** ({c.says}): {c.sentence}" for c in report.claims)
    near = [
        (n.stream, n.words, n.nearest, n.by_chance, n.published, n.published_by_chance)
        for n in report.nearness
    ]
    near_columns = (
        "nearest neighbours of", "tokens", "cosine", "of random vectors", "published",
        "of random vectors there",
    )  # fmt: skip
    return [
        table(columns, [_row(claim) for claim in report.claims]),
        lines + "\n",
        table(near_columns, near),
        "\n".join(f"- **{n.stream}**: {n.sentence}" for n in report.nearness) + "\n",
    ]


def _row(claim: Claim) -> tuple[object, ...]:
    network, cooccurrence = claim.network, claim.cooccurrence
    if network is None or cooccurrence is None:
        return (claim.name, claim.words, *[""] * 6)
    return (
        claim.name, claim.words, network.pairs, network.rho, f"{network.p:.4f}", cooccurrence.rho,
        f"{cooccurrence.p:.4f}", network.shuffled,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--by-heart-minutes", type=float, default=4.0)
    options = parser.parse_args()
    every = note_pieces(options.data / "scores")
    train, held_out = train_validation_split(every)
    words = sum(len(piece.words) for piece in every)
    print(f"{len(every)} pieces, {words} words", flush=True)
    model = NoteModel.pretrained()
    size = sum(each.numel() for each in model.network.parameters())
    row = [f"bundled: {len(train)} pieces, {size / 1e6:.1f} M numbers", *_four(model)]
    native = [piece for piece in train if not piece.name.startswith("pop909")]
    heart = by_heart(
        native[:BY_HEART], native[BY_HEART : BY_HEART + OTHERS], options.by_heart_minutes
    )
    unknown = model.metadata["unknown"]["held_out"]
    write_table(
        "note_lstm",
        "Losses of the notes-and-durations LSTM, and music theory",
        [
            f"{len(every)} pieces (multitrack and POP909), {words:,} tokens each of notes and "
            f"durations; {len(held_out)} pieces for validation. Nats per token, in windows of a "
            "hundred. "
            "Versions of one piece were not detected: some may be in both sets.\n",
            table(
                ("", "notes, training", "validation", "durations, training", "validation"),
                [
                    ["published", PUBLISHED[0], "–", PUBLISHED[1], "–"],
                    heart,
                    row,
                    unigrams(model, held_out),
                ],
            ),
            f"Out of vocabulary in the validation set: {unknown['notes']:.2%} of notes, "
            f"{unknown['durations']:.2%} of durations; {len(model.vocabularies['notes']) - 1} and "
            f"{len(model.vocabularies['durations']) - 1} tokens in the vocabulary.\n",
            "## Probing of the bundled model\n",
            *theory_tables(model),
        ],
    )


if __name__ == "__main__":
    main()
