"""Composing: loss on the test set, and how far keys, instruments, chords and forms are followed.

    python -m bench.compose --data ../shared/data

Of the bundled model. Generated bars are kept in the cache, by what was requested. Continuations of
real pieces are measured by `bench.continuations`.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import torch

from bench import result_tables
from recipes.composer import Pieces, by_side
from recipes.datasets import pop909
from segue.generate.compose.biases import chord_fit
from segue.generate.compose.composition import Composition
from segue.generate.compose.grammar import encode_bar
from segue.generate.compose.model import Composer
from segue.generate.compose.options import CompositionOptions
from segue.generate.compose.plan import (
    BarChord,
    BarPlan,
    estimate_chords_key,
    parse_chords,
    parse_form,
)
from segue.generate.compose.sampler import BarSampler
from segue.generate.compose.tokens import (
    TIME_SIGNATURE_INDEX,
    Bar,
    Note,
    bars_to_score,
    score_to_bars,
    steps_per_bar,
    tempo_to_bpm,
)
from segue.generate.compose.training import ExampleSampler
from segue.generate.copying import fingerprint_parts, longest_shared_bars
from segue.nn.quantization import float_state_dict
from segue.nn.sampling import Sampling
from segue.nn.trainer import fixed_batches
from segue.score.harmony import estimate_key
from segue.theory.chords import parse_chord, spell_chord
from segue.theory.instruments import DRUMS, instrument_name

SEED: Final = 0
SOURCES: Final = ("pop909", "multitrack", "lieder", "folk")
BATCHES: Final = 3
SAMPLING: Final = Sampling(1.0, top_p=0.95)
FOUR_FOUR: Final = TIME_SIGNATURE_INDEX[4, 4]
KEYS: Final = range(24)
KEY_BARS: Final = 4
BANDS: Final = (
    (0, 33, DRUMS), (0, 40, 42), (24, 32, 73), (0, 56, 65, 33, DRUMS), (40, 41, 42, 43), (0, 73)
)  # fmt: skip
BAND_BARS: Final = 8
FORM: Final = "ABA"
FORM_BARS: Final = 12
FORM_SEEDS: Final = range(3)
BAND: Final = (0, 33, 73, DRUMS)
#: Songs whose chords are requested, their bars, and songs that are measured themselves.
CHORD_SONGS: Final = 4
CHORD_BARS: Final = 8
REAL_SONGS: Final = 40


@dataclass(frozen=True, slots=True)
class Generated:
    """Generated bars, and the processor time that they took."""

    bars: list[Bar]
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rolls", type=Path, default=Path(".bench-cache/rolls"))
    parser.add_argument("--cache", type=Path, default=Path(".bench-cache/compose"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    composer = Composer.pretrained()
    generate = Generator(composer, options.cache)
    sections = [
        chords(generate, options.data / "scores" / "pop909.zip"),
        form(generate),
        keys(generate),
        instruments(generate),
        speed(generate),
        losses(composer, by_side(options.data, options.rolls)),
    ]
    weights = sum(weight.numel() for weight in float_state_dict(composer.network).values())
    head = (
        f"{weights / 1e6:.2f} M weights, {composer.network.config.stack.context} tokens of "
        f"context; {len(composer.index.names)} pieces in the training set. Temperature 1, "
        "top-p 0.95.\n"
    )
    result_tables.write_table("compose", "Composing", [head, *sections])


class Generator:
    """Generates compositions, or reads them from the cache."""

    def __init__(self, composer: Composer, cache: Path) -> None:
        self.composer, self._cache = composer, cache
        self.generated: list[Generated] = []

    def __call__(self, name: str, sample: Callable[[], Sequence[Bar]]) -> list[Bar]:
        """Return the bars of a name, and sample them where they are not in the cache."""
        path = self._cache / f"{name}.json"
        if not path.exists():
            began = time.process_time()
            bars = list(sample())
            seconds = time.process_time() - began
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"bars": bars, "seconds": seconds}))
            print(f"{name}: {seconds:.1f} s", flush=True)
        fields = json.loads(path.read_text())
        bars = [
            Bar(signature, tempo, tuple(Note(*note) for note in notes))
            for signature, tempo, notes, _ in fields["bars"]
        ]
        self.generated.append(Generated(bars, fields["seconds"]))
        return bars

    def compose(self, name: str, bars: int | None, options: CompositionOptions) -> list[Bar]:
        """Return the bars of a composition."""
        return self(name, lambda: list(Composition(self.composer, options, bars)))


# ---- chords --------------------------------------------------------------------------------


def chords(generate: Generator, archive: Path) -> str:
    """Compare pieces for the chords of real songs with those without them, and with the songs."""
    songs = list(islice(pop909.songs(archive, "test"), REAL_SONGS))
    real = []
    for song in songs:
        bars = score_to_bars(song.score)
        real.append(chord_fit(bars, annotated_plans(song, len(bars))))
    constrained, free = [], []
    for song in songs[:CHORD_SONGS]:
        progression = requested_progression(song)
        plans = [BarPlan(own) for own in parse_chords(progression, FOUR_FOUR)]
        key = estimate_chords_key([plan.chords for plan in plans], FOUR_FOUR)
        options = CompositionOptions(
            SAMPLING, BAND, key, time_signature=FOUR_FOUR, chords=progression, seed=SEED
        )
        bars = generate.compose(f"chords-{song.name}", CHORD_BARS, options)
        constrained.append(chord_fit(bars, plans))
        sampler = BarSampler(generate.composer, options)
        bars = generate(f"free-{song.name}", lambda s=sampler: list(s.extend(CHORD_BARS)))  # type: ignore[misc]
        free.append(chord_fit(bars, plans))
    rows = [
        [
            name,
            len(fits),
            *(
                float(np.mean([fit[figure] for fit in fits if fit[figure] is not None]))
                for figure in ("chord_tones", "bass_on_beat_1")
            ),
        ]
        for name, fits in (
            ("with --chords", constrained),
            ("without, in the same key", free),
            ("POP909 with its annotated chords", real),
        )
    ]
    return "\n".join(
        [
            "## Requested chords\n",
            f"{CHORD_BARS} bars for piano, bass, flute and drums over progressions of test songs "
            "of POP909. Chord tones as a share of the sounding time; bars whose lowest note on the "
            "first beat is the bass of the chord.\n",
            result_tables.table(["", "pieces", "chord tones", "bass on beat 1"], rows),
        ]
    )


def annotated_plans(song: pop909.Song, count: int) -> list[BarPlan]:
    """Return the annotated chords of the bars of a song."""
    bars: list[list[BarChord]] = [[] for _ in range(count)]
    for first, last, label in song.chords:
        for bar in range(max(int(first // 4), 0), min(int(np.ceil(last / 4)), count)):
            step = max(round((first - 4 * bar) * 12), 0)
            if step < 48 and label != "N":
                bars[bar].append(BarChord.of(parse_chord(chord_name(label)), step))
            elif step < 48:
                bars[bar].append(BarChord(step, -1, -1, frozenset()))
    return [BarPlan(tuple(sorted(own, key=lambda chord: chord.step))) for own in bars]


def chord_name(label: str) -> str:
    """Return the chord symbol of a label of POP909, such as "Bb:maj7/5"."""
    symbol, _, degree = label.partition("/")
    root, _, quality = symbol.partition(":")
    name = f"{root}{pop909.CHORD_QUALITIES.get(quality, '')}"
    chord = parse_chord(name)
    intervals = {"3": 4, "b3": 3, "5": 7, "b5": 6, "#5": 8, "7": 11, "b7": 10, "2": 2, "4": 5}
    if degree in intervals:
        bass = (chord.root + intervals[degree]) % 12
        return f"{name}/{spell_chord(bass, '', bass, 0)}"
    return name


def requested_progression(song: pop909.Song) -> str:
    """Return the chord at each of the first barlines from the first chord on."""
    names = []
    for plan in annotated_plans(song, 400):
        if plan.chords and plan.chords[0].root >= 0:
            names.append(plan.chords[0].name)
        if len(names) == CHORD_BARS:
            break
    return " | ".join(names)


# ---- form ----------------------------------------------------------------------------------


def form(generate: Generator) -> str:
    """Compare sections that return with other sections."""
    rows: list[list[object]] = []
    length = FORM_BARS // len(FORM)
    for name, sections in (
        (f"--form {FORM}", parse_form(FORM, FORM_BARS)),
        ("without a form", ()),
    ):
        similarities: dict[str, list[float]] = {"A, A": [], "A, B": []}
        for seed in FORM_SEEDS:
            options = CompositionOptions(
                SAMPLING,
                BAND,
                2 * (seed + 3),
                time_signature=FOUR_FOUR,
                sections=sections,
                seed=seed,
            )
            label = "form" if sections else "formless"
            bars = generate.compose(f"{label}-{seed}", None if sections else FORM_BARS, options)
            for bar in range(length - 1):  # the last bars have a fill, or the ending
                similarities["A, A"].append(similarity(bars[bar], bars[bar + 2 * length]))
                similarities["A, B"].append(similarity(bars[bar], bars[bar + length]))
        rows.append([name, *(float(np.mean(values)) for values in similarities.values())])
    return "\n".join(
        [
            "\n## Form\n",
            f"{FORM_BARS} bars for piano, bass, flute and drums, {len(FORM_SEEDS)} pieces each: "
            f"mean Jaccard similarity of the pitched notes (sixteenth, instrument, pitch) of bars "
            f"that lie {2 * length} bars (A and A) and {length} bars (A and B) apart.\n",
            result_tables.table(["", "A, A", "A, B"], rows),
        ]
    )


def similarity(a: Bar, b: Bar) -> float:
    first, second = (
        {(round(n.onset / 3), n.instrument, n.pitch) for n in bar.notes if n.instrument != DRUMS}
        for bar in (a, b)
    )
    return len(first & second) / len(first | second) if first or second else 0.0


# ---- keys and instruments ------------------------------------------------------------------


def keys(generate: Generator) -> str:
    same = related = 0
    for key in KEYS:  # another seed for each, or all would be equal but for the transposition
        options = CompositionOptions(SAMPLING, (0, 33), key, seed=key)
        bars = generate.compose(f"key-{key}", KEY_BARS, options)
        estimated = estimate_key(bars_to_score(bars))
        index = 2 * estimated.tonic + (estimated.mode == "minor")
        same += index == key
        related += index in (key, relative_key(key))
    return (
        f"\n## Requested keys\n\n{KEY_BARS} bars without a prompt for piano and bass in each of "
        f"the 24 keys: Segue's key estimator finds the requested key in {same}, the key or its "
        f"relative in {related}.\n"
    )


def relative_key(key: int) -> int:
    """Return the minor key of a major one's notes, or the major one of a minor one's."""
    tonic, minor = divmod(key, 2)
    return (tonic + 3) % 12 * 2 if minor else (tonic + 9) % 12 * 2 + 1


def instruments(generate: Generator) -> str:
    rows: list[list[object]] = []
    for band in BANDS:
        name = "band-" + "-".join(map(str, band))
        bars = generate.compose(name, BAND_BARS, CompositionOptions(SAMPLING, band, seed=SEED))
        shares = [sum(each in bar.instruments for bar in bars) / len(bars) for each in band]
        rows.append(
            [
                "; ".join(
                    f"{instrument_name(each)} {share:.2f}"
                    for each, share in zip(band, shares, strict=True)
                )
            ]
        )
    return (
        f"\n## Requested instruments\n\n{BAND_BARS} bars without a prompt: the share of the "
        "bars in which each plays.\n\n" + result_tables.table(["band"], rows)
    )


# ---- speed, copying, loss ------------------------------------------------------------------


def speed(generate: Generator) -> str:
    seconds = sum(each.seconds for each in generate.generated)
    tokens = sum(len(encode_bar(bar)) for each in generate.generated for bar in each.bars)
    played = sum(
        steps_per_bar(bar.time_signature) / 12 * 60 / tempo_to_bpm(bar.tempo)
        for each in generate.generated
        for bar in each.bars
    )
    shared = [
        longest_shared_bars(generate.composer.index, fingerprint_parts(each.bars)).length
        for each in generate.generated
    ]
    return (
        "\n## Speed and copying\n\n"
        f"{len(generate.generated)} pieces, one thread, 8-bit weights, by processor time: "
        f"{tokens / seconds:.0f} tokens a second, {played / seconds:.2f} times real time. Longest "
        "passage shared with a piece of the training set, in distinct bars of a part: median "
        f"{np.median(shared):.0f}, at most {max(shared)}.\n"
    )


def losses(composer: Composer, sides: Pieces) -> str:
    """Measure the loss on windows as in training, untransposed."""
    rows: list[list[object]] = []
    for source in SOURCES:
        pieces = [one.piece for one in sides["test"] if one.source == source]
        context = composer.network.config.stack.context // 2
        batches = fixed_batches(ExampleSampler(pieces, context, 4).draw, BATCHES, SEED)
        with torch.inference_mode():
            values = [float(composer.network.loss(*batch)) for batch in batches]
        rows.append([source, float(np.mean(values))])
    return "\n".join(
        [
            "\n## Loss\n",
            "Nats per token on windows of 768 tokens of continuation, infilling and added parts of "
            f"the test set, {4 * BATCHES} of each source.\n",
            result_tables.table(["music", "test set"], rows),
        ]
    )


if __name__ == "__main__":
    main()
