"""Harmonisation of sopranos: agreement with Bach and voice-leading errors.

    python -m bench.harmonise --data ../shared/data

On the 77 chorales of the published test set, with the bundled network.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from bench import result_tables
from recipes.chorales import Piece, costs, read_chorales
from segue.errors import BadArgument
from segue.evaluation.generated import VoiceLeadingErrors, voice_leading_errors
from segue.generate.harmony import harmonise
from segue.generate.harmony.chorale_network import (
    LOWEST_PITCH,
    ChoraleTransformer,
    encode_pitches,
    load_chorale_network,
)
from segue.generate.harmony.particle_filter import VOICE_RANGES, ParticleFilterOptions
from segue.records import Part, Score
from segue.score.harmony import estimate_key

IntArray = NDArray[np.int64]
TICKS: Final = 4  # of a quarter: a tick is a frame
BEAT: Final = 4  # frames
TRIADS: Final = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 11)}

Below = Callable[[IntArray, int], IntArray]


@dataclass(frozen=True, slots=True)
class Held:
    """Comparison of generated voices with those of Bach.

    Attributes
    ----------
    same : float
        Share of frames with the same pitch classes.
    same_bass : float
        Share of frames with the same pitch class in the bass.
    vocabulary : float
        Overlap of the distributions of chords, each as pitch classes above its bass.
    nats : float
        Of a voice of a frame, to the network; without the soprano's.
    led : VoiceLeading
    seconds : float
        For a frame.
    """

    same: float
    same_bass: float
    vocabulary: float
    nats: float
    led: VoiceLeadingErrors
    seconds: float

    @property
    def row(self) -> list[object]:
        """Row of the table."""
        per = 100 / self.led.frames
        return [
            self.same, self.same_bass, self.vocabulary, self.nats, self.led.parallels_per_100,
            self.led.out_of_range * per, self.led.crossings * per, f"{1000 * self.seconds:.1f}",
        ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--most", type=int, default=77)
    options = parser.parse_args()
    network = load_chorale_network()
    own = [
        np.where(piece.tokens > 0, piece.tokens + LOWEST_PITCH - 1, -1)
        for piece in read_chorales(options.data)["test"][: options.most]
    ]
    rows: list[list[object]] = [["Bach", *held(own, own, 0.0, network).row]]
    usual = ParticleFilterOptions()
    for name, choir in (
        ("**Segue**", usual),
        ("without a particle filter (K = 1)", ParticleFilterOptions(usual.sampling, 1)),
        ("without rules", ParticleFilterOptions(usual.sampling, strict=False)),
        (
            "without particle filter and rules",
            ParticleFilterOptions(usual.sampling, 1, strict=False),
        ),
    ):
        rows.append([name, *written(own, _by(network, choir), network).row])
        print(rows[-1], flush=True)
    rows.append(["nearest voicing of a triad of the key", *written(own, triads, network).row])
    keep(rows, own)


def keep(rows: list[list[object]], own: Sequence[IntArray]) -> None:
    """Make the table."""
    frames = sum(map(len, own))
    low_high = ", ".join(f"{low} to {high}" for low, high in VOICE_RANGES)
    result_tables.write_table(
        "harmonise",
        "Harmonisation of the sopranos of the JSB Chorales test set",
        [
            f"{len(own)} chorales, {frames} frames of a sixteenth; each harmonised once, from its "
            "soprano alone. Bach's is one of many valid harmonisations: agreement is to be "
            "compared between rows. Chords as pitch classes above the bass. "
            "Parallels (fifths, octaves, unisons), notes out of a choir's range as textbooks have "
            f"it, and crossing neighbours for a hundred frames. With rules, pitches {low_high} "
            f"are sampled, without voice crossing and parallels. {usual()}\n",
            result_tables.table(
                [
                    "",
                    "pitch classes agree",
                    "bass agrees",
                    "overlap of chord distributions",
                    "NLL of three voices (nats)",
                    "parallels",
                    "out of range",
                    "crossings",
                    "ms per frame",
                ],
                rows,
            ),
        ],
    )


def usual() -> str:
    """Return the default sampling of voices in words."""
    choir = ParticleFilterOptions()
    return (
        f"K = {choir.particles} particles, temperature {choir.sampling.temperature:g}, top-p "
        f"{choir.sampling.top_p:g}."
    )


def written(own: Sequence[IntArray], below: Below, network: ChoraleTransformer) -> Held:
    """Harmonise all sopranos."""
    began = time.monotonic()
    found = [below(pitches[:, 0], number) for number, pitches in enumerate(own)]
    return held(own, found, (time.monotonic() - began) / sum(map(len, own)), network)


def held(
    own: Sequence[IntArray], found: Sequence[IntArray], seconds: float, network: ChoraleTransformer
) -> Held:
    """Compare generated voices with those of Bach."""
    one, other = np.concatenate(own), np.concatenate(found)
    same = np.mean([_classes(a) == _classes(b) for a, b in zip(one, other, strict=True)])
    bass = np.mean(one[:, 3] % 12 == other[:, 3] % 12)
    pieces = [Piece("", encode_pitches(torch.from_numpy(pitches)).numpy()) for pitches in found]
    nats = float(costs(network, pieces)[:, 1:].mean())
    led = [voice_leading_errors(pitches) for pitches in found]
    total = VoiceLeadingErrors(
        *(
            sum(getattr(each, name) for each in led)
            for name in ("frames", "parallels", "out_of_range", "crossings")
        )
    )
    return Held(float(same), float(bass), _overlap(one, other), nats, total, seconds)


def _classes(frame: IntArray) -> frozenset[int]:
    return frozenset(int(pitch) % 12 for pitch in frame if pitch >= 0)


def _overlap(one: IntArray, other: IntArray) -> float:
    shares = []
    for frames in (one, other):
        counted = Counter(
            frozenset(int(pitch - frame[3]) % 12 for pitch in frame if pitch >= 0)
            for frame in frames
        )
        shares.append({chord: count / len(frames) for chord, count in counted.items()})
    return sum(min(share, shares[1].get(chord, 0.0)) for chord, share in shares[0].items())


# ---- ways to harmonise -------------------------------------------------------------------


def _by(network: ChoraleTransformer, choir: ParticleFilterOptions) -> Below:
    def below(soprano: IntArray, number: int) -> IntArray:
        found = harmonise.harmonise_chorale(
            _score(soprano), options=choir, seed=number, network=network
        )
        return frames_of(found[0].score, len(soprano))

    return below


def triads(soprano: IntArray, number: int) -> IntArray:
    """Give each beat a triad of the key with its longest soprano, voiced near the one before."""
    del number
    key = estimate_key(_score(soprano))
    scale = [(key.tonic + step) % 12 for step in TRIADS[key.mode]]
    found = np.full((len(soprano), 4), -1)
    found[:, 0] = soprano
    before = np.array([65, 60, 50])
    for at in range(0, len(soprano), BEAT):
        beat = soprano[at : at + BEAT]
        pitch = int(np.bincount(beat[beat >= 0]).argmax()) if (beat >= 0).any() else -1
        if pitch < 0:
            continue
        places = [place for place in range(7) if pitch % 12 in _triad(scale, place)]
        voicings = [
            voicing for place in places for voicing in _voicings(_triad(scale, place), pitch)
        ]
        if not voicings:
            found[at : at + BEAT, 1:] = before
            continue
        before = min(voicings, key=lambda one: int(np.abs(one - before).sum()))
        found[at : at + BEAT, 1:] = before
    return found


def _triad(scale: Sequence[int], place: int) -> list[int]:
    return [scale[(place + third) % 7] for third in (0, 2, 4)]


def _voicings(triad: Sequence[int], soprano: int) -> list[IntArray]:
    """List the ways to voice a triad below a soprano, its root in the bass."""
    (_, alto), (_, tenor), (_, bass) = VOICE_RANGES[1:]
    lows = [low for low, _ in VOICE_RANGES[1:]]
    return [
        np.array([a, t, b])
        for a in range(lows[0], min(alto, soprano) + 1)
        if a % 12 in triad
        for t in range(lows[1], min(tenor, a) + 1)
        if t % 12 in triad
        for b in range(lows[2], min(bass, t) + 1)
        if b % 12 == triad[0] and {a % 12, t % 12, b % 12, soprano % 12} >= set(triad)
    ]


def _score(soprano: IntArray) -> Score:
    """Write the frames of a soprano as notes."""
    edges = [0, *(np.flatnonzero(np.diff(soprano)) + 1).tolist(), len(soprano)]
    notes = [
        [first, last - first, int(soprano[first]), 90]
        for first, last in pairwise(edges)
        if soprano[first] >= 0
    ]
    if not notes:
        raise BadArgument("the soprano is silent")
    part = Part("Soprano", 52, False, np.array(notes, np.int32))
    none = np.empty((0, 3), np.int32)
    return Score("", TICKS, (part,), np.array([[0, 72.0]]), none, none)


def frames_of(score: Score, count: int) -> IntArray:
    """Write four parts as frames, shape (count, 4), -1 for silence."""
    found = np.full((count, 4), -1, np.int64)
    names = [part.name for part in score.parts]
    for voice, name in enumerate(("Soprano", "Alto", "Tenor", "Bass")):
        if name in names:
            for onset, length, pitch, _ in score.parts[names.index(name)].notes.tolist():
                found[onset : onset + length, voice] = pitch
    return found


if __name__ == "__main__":
    main()
