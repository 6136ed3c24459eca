"""Scores that tests make: of a few notes, and seeded pieces of several parts."""

import numpy as np

from segue.records import Part, Score

QUARTER = 24


def part_of(*notes: tuple[float, float, int], program: int = 0, drum: bool = False) -> Part:
    """Write notes of onset and length in quarters, and pitch."""
    rows = [[round(a * QUARTER), round(b * QUARTER), pitch, 90] for a, b, pitch in sorted(notes)]
    return Part("", program, drum, np.array(rows, np.int32).reshape(-1, 4))


def score_of(
    *parts: Part,
    time_signatures: list[list[int]] | None = None,
    tempos: list[list[float]] | None = None,
    title: str = "",
) -> Score:
    """Put parts together, with 24 ticks to the quarter."""
    return Score(
        title,
        QUARTER,
        parts,
        np.array(tempos or [], np.float64).reshape(-1, 2),
        np.array(time_signatures or [], np.int32).reshape(-1, 3),
        np.empty((0, 3), np.int32),
    )


def tune(*pitches: int, length: float = 1.0, program: int = 0) -> Part:
    """Write pitches one after the other."""
    return part_of(*((i * length, length, p) for i, p in enumerate(pitches)), program=program)


def chord_part(*chords: tuple[int, ...], length: float = 4.0, program: int = 0) -> Part:
    """Write chords one after the other."""
    notes = [(i * length, length, pitch) for i, each in enumerate(chords) for pitch in each]
    return part_of(*notes, program=program)


def piece(seed: int, *, up: int = 0) -> Score:
    """Make a piece of melody, chords, bass and drums, all drawn with the seed."""
    rng = np.random.default_rng(seed)
    scale = np.array([0, 2, 4, 5, 7, 9, 11])
    bars = 12
    melody: list[tuple[float, float, int]] = []
    degree, at = 7, 0.0
    while at < 4 * bars:
        length = float(rng.choice([0.5, 0.5, 1.0, 1.5]))
        degree = int(np.clip(degree + rng.integers(-2, 3), 0, 14))
        melody.append((at, length, 60 + int(scale[degree % 7]) + 12 * (degree // 7) + up))
        at += length
    roots = [int(root) for root in rng.choice([0, 3, 4, 5], bars - 1)] + [0]
    chords, bass = [], []
    for bar, root in enumerate(roots):
        for third in (0, 2, 4):
            step = root + third
            pitch = 48 + int(scale[step % 7]) + 12 * (step // 7) + up
            chords += [(4.0 * bar, 2.0, pitch), (4.0 * bar + 2, 2.0, pitch)]
        bass += [(4.0 * bar + beat, 1.0, 36 + int(scale[root]) + up) for beat in range(4)]
    drums = [(beat / 2, 0.25, 42) for beat in range(8 * bars)]
    drums += [(2.0 * beat, 0.25, 36 if beat % 2 == 0 else 38) for beat in range(2 * bars)]
    return score_of(
        part_of(*melody, program=73),
        part_of(*chords, program=24),
        part_of(*bass, program=33),
        part_of(*drums, drum=True),
        tempos=[[0, float(rng.integers(80, 150))]],
        time_signatures=[[0, 4, 4]],
        title=f"Piece {seed}",
    )
