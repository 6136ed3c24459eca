"""What note-lstm loses, on the music it learned from and on music it did not; what it learned.

The published losses are those of training: so a network of the published form is trained here
until it knows some pieces by heart, and asked for other pieces as well. Then one is trained on
all pieces but a tenth, for as long as told, and theory is held against it (docs/theory.md).

python bench/note_lstm.py --data ../shared/data --minutes 6 --write-weights
"""

import argparse
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch

from score_data import warped
from segue.errors import SegueError
from segue.generate.notes import training as note_lstm
from segue.generate.notes.network import PRETRAINED, STREAMS, NoteLSTM, NoteLSTMConfig, NoteModel
from segue.generate.notes.probing import Claim, evaluate_claims
from segue.generate.notes.tokens import Vocabulary, note_sequence
from segue.generate.notes.training import NoteTraining, Piece, WindowSampler, fit_notes, mean_losses
from segue.io.midi import read_midi
from segue.nn.trainer import Progress, train_validation_split
from tables import keep, table

PUBLISHED: Final = ("0.1027", "0.0870")
BY_HEART: Final = 20  # pieces
OTHERS: Final = 20
#: Of what is shipped: small enough to come along, and words that were met often enough to be known.
HIDDEN: Final = 128
FEWEST: Final = 20
RATE: Final = 4e-3
WINDOWS: Final = 512


def pieces(scores: Path) -> Iterator[Piece]:
    """Yield the multitrack MIDI, then POP909 on the grid of its beats."""
    for path in sorted((scores / "multitrack").glob("*.mid")):
        try:
            yield Piece(path.stem, note_sequence(read_midi(path.read_bytes())))
        except SegueError as error:
            print(f"{path.name}: {error}", flush=True)
    with zipfile.ZipFile(scores / "pop909.zip") as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".mid"):
                text = archive.read(f"{name.rpartition('/')[0]}/beat_midi.txt").decode()
                beats = np.array([line.split() for line in text.splitlines()], np.float64)
                score = warped(read_midi(archive.read(name)), beats)
                yield Piece(f"pop909-{Path(name).stem}", note_sequence(score))


def by_heart(learn: list[Piece], others: list[Piece], minutes: float) -> list[object]:
    """Train on a few pieces for some minutes, without stopping where others get worse."""
    vocabularies = {
        name: Vocabulary.build(getattr(piece.words, name) for piece in learn) for name in STREAMS
    }
    torch.manual_seed(0)
    network = NoteLSTM(NoteLSTMConfig(*map(len, vocabularies.values())))
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    windows, held = WindowSampler(learn, vocabularies), WindowSampler(others, vocabularies)
    began, step = time.monotonic(), 0
    while (passed := (time.monotonic() - began) / 60) < minutes:
        for group in optimiser.param_groups:
            group["lr"] = RATE * 0.5 * (1 + np.cos(np.pi * passed / minutes)) + 1e-5
        batch = windows.draw(np.random.default_rng([0, step]))
        with torch.autocast("cpu", torch.bfloat16):
            found = network.loss(*batch)
        optimiser.zero_grad()
        total = found.notes + found.durations
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        step += 1
        if step % 50 == 0:
            told = [float(each.detach()) for each in (found.notes, found.durations)]
            print(step, *told, flush=True)
    known, new = (mean_losses(network, each.fixed(WINDOWS, 1)) for each in (windows, held))
    size = sum(each.numel() for each in network.parameters())
    return [
        f"{len(learn)} pieces by heart, {step} steps, {size / 1e6:.1f} M numbers",
        *(value for name in STREAMS for value in (known[name], new[name])),
    ]


def unigrams(model: NoteModel, held: Sequence[Piece]) -> list[object]:
    """Guess each word by how often it was met in training, one added to each."""
    found: list[object] = ["how often each word was met, alone"]
    for name in STREAMS:
        known = model.vocabularies[name]
        share = (np.array(known.counts) + 1.0) / (sum(known.counts) + len(known))
        words = np.concatenate([known.ids(getattr(piece.words, name)) for piece in held])
        found += ["", float(-np.log(share[words]).mean())]
    return found


def trained(
    minutes: float, learn: Sequence[Piece], held: Sequence[Piece]
) -> tuple[NoteModel, list[object]]:
    """Train the model that is shipped."""
    training = NoteTraining(
        minutes=minutes, learning_rate=RATE, hidden=HIDDEN, fewest=FEWEST, device="cpu"
    )

    def watch(at: Progress) -> None:
        if at.step % 25 == 0:
            print(at.epoch, at.epochs, at.step, f"{at.loss:.3f} {at.loss_terms}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        model, run = fit_notes(training, learn, held, Path(folder), watch=watch)
    size = sum(each.numel() for each in model.network.parameters())
    steps = len(run.history) * note_lstm.STEPS_PER_EPOCH
    name = f"shipped: {len(learn)} pieces, {steps} steps, {size / 1e6:.1f} M numbers"
    return model, [name, *_four(model)]


def _four(model: NoteModel) -> list[object]:
    told = model.metadata["losses"]
    return [told[side][name] for name in STREAMS for side in ("training", "held_out")]


def theory_tables(model: NoteModel) -> list[str]:
    """Return what `segue explain --theory` tells, as Markdown."""
    told = evaluate_claims(model)
    columns = ("claim", "words", "pairs", "network", "p", "counts", "p", "95 % of shuffles below")
    lines = "\n".join(f"- **{c.name}** ({c.says}): {c.sentence}" for c in told.claims)
    near = [
        (n.stream, n.words, n.nearest, n.by_chance, n.published, n.published_by_chance)
        for n in told.nearness
    ]
    near_columns = (
        "nearest neighbours of", "words", "cosine", "of random vectors", "published",
        "of random vectors there",
    )  # fmt: skip
    return [
        table(columns, [_row(claim) for claim in told.claims]),
        lines + "\n",
        table(near_columns, near),
        "\n".join(f"- **{n.stream}**: {n.sentence}" for n in told.nearness) + "\n",
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
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--by-heart-minutes", type=float, default=4.0)
    parser.add_argument("--write-weights", action="store_true")
    options = parser.parse_args()
    every = [piece for piece in pieces(options.data / "scores") if len(piece.words) > 1]
    learn, held = train_validation_split(every)
    words = sum(len(piece.words) for piece in every)
    print(f"{len(every)} pieces, {words} words", flush=True)
    model, row = trained(options.minutes, learn, held)
    if options.write_weights:
        model.save(PRETRAINED, torch.float16)
        model = NoteModel.pretrained()
    native = [piece for piece in learn if not piece.name.startswith("pop909")]
    heart = by_heart(
        native[:BY_HEART], native[BY_HEART : BY_HEART + OTHERS], options.by_heart_minutes
    )
    unknown = model.metadata["unknown"]["held_out"]
    keep(
        "note_lstm",
        "What comes next: notes and durations",
        [
            f"{len(every)} pieces (multitrack and POP909), {words:,} words each of notes and "
            f"durations; {len(held)} pieces held out. Nats for each word, every one of a hundred "
            "guessed from those before it in the window. Versions of one piece were not looked "
            "for: some may be on both sides.\n",
            table(
                ("", "notes, training", "held out", "durations, training", "held out"),
                [
                    ["published", PUBLISHED[0], "not told", PUBLISHED[1], "not told"],
                    heart,
                    row,
                    unigrams(model, held),
                ],
            ),
            f"Unknown to the shipped one of the held-out pieces: {unknown['notes']:.2%} of notes, "
            f"{unknown['durations']:.2%} of durations; {len(model.vocabularies['notes']) - 1} and "
            f"{len(model.vocabularies['durations']) - 1} words are known.\n",
            "## What theory says, held against the shipped one\n",
            *theory_tables(model),
        ],
    )


if __name__ == "__main__":
    main()
