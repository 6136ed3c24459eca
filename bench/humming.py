"""Search by humming: tunes of two collections, hummed by synthesis with the errors of people.

    python -m bench.humming --data ../shared/data

A hum is 8 to 15 s of a tune, from its beginning or from any of its notes, in any key. Tempo is
0.7 to 1.3 times that of the score, and varies within the hum; intonation drifts, notes are out of
tune, some are wrong, left out, doubled or slid into, and the singer breathes. A third is hummed
without consonants, a third sung on "da", a third whistled; noise and clicks lie over all of it.
Every tune of both collections is searched. The constants of `segue.audio.voice_pitch` and
`segue.search.melody` were tuned on hums of 60 other tunes, with other random numbers (`--tuning`).
"""

import argparse
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from bench.result_tables import table, write_table
from segue.audio.voice_pitch import SAMPLE_RATE_HZ, contour_notes, track_pitch
from segue.io.midi import read_midi
from segue.records import FloatArray, Score
from segue.score.lines import extract_melody, melodic_lines
from segue.score.timing import ticks_to_seconds
from segue.search.melody import MelodyIndex, match_melody, melody_table

TEST_SEED, TUNING_SEED = 7, 1007
TEST_TUNES, TUNING_TUNES = 100, 60
Array = NDArray[np.float64]


@dataclass(frozen=True)
class HumErrors:
    """Errors of a hummed query.

    Attributes
    ----------
    drift : float
        Standard deviation of the intonation's random walk after ten seconds, in semitones.
    mistuning : float
        Standard deviation of the pitch of each note, in semitones.
    wrong, missing, doubled : float
        Shares of notes that are one to three semitones off, left out, or sung twice.
    glide_s : float
        Mean time of the glide from one note to the next.
    tempo : float
        The tempo is between 1 - tempo and 1 + tempo of the score's.
    rubato : float
        Standard deviation of the local tempo, as a share.
    timing_s : float
        Standard deviation of onsets.
    snr_db : (float, float)
        Range of the ratio of hum to noise.
    clicks : float
        Mean number of clicks in ten seconds.
    """

    drift: float = 0.7
    mistuning: float = 0.3
    wrong: float = 0.06
    missing: float = 0.03
    doubled: float = 0.03
    glide_s: float = 0.06
    tempo: float = 0.3
    rubato: float = 0.1
    timing_s: float = 0.02
    snr_db: tuple[float, float] = (12.0, 35.0)
    clicks: float = 3.0


EXACT = HumErrors(0, 0, 0, 0, 0, 0.02, 0, 0, 0, (40.0, 40.0), 0)
HARD = HumErrors(1.2, 0.45, 0.12, 0.06, 0.06, 0.08, 0.3, 0.2, 0.03, (6.0, 20.0), 6.0)
VOICES = ("hum", "da", "whistle")


def melody_notes(score: Score) -> Array:
    """Return onset, offset (seconds) and pitch of the notes of a tune, shape (n, 3)."""
    notes = extract_melody(score).notes
    onset = ticks_to_seconds(score, notes[:, 0])
    offset = ticks_to_seconds(score, notes[:, 0] + notes[:, 1])
    return np.column_stack([onset, np.minimum(offset, np.append(onset[1:], np.inf)), notes[:, 2]])


def passage(notes: Array, rng: np.random.Generator, *, middle: bool) -> Array:
    """Choose 8 to 15 s of a tune."""
    length_s = rng.uniform(8, 15)
    latest = np.searchsorted(notes[:, 0], max(notes[-1, 1] - length_s, 0), side="right") - 1
    first = int(rng.integers(1, max(latest, 1) + 1)) if middle else 0
    chosen = notes[first:]
    return np.asarray(chosen[chosen[:, 0] < chosen[0, 0] + length_s])


def perform(notes: Array, errors: HumErrors, rng: np.random.Generator) -> Array:
    """Sing notes with errors of pitch and time."""
    notes = notes[(rng.random(len(notes)) >= errors.missing) | (np.arange(len(notes)) == 0)]
    onset, offset, pitch = notes.T
    n = len(notes)
    length_s = np.append(np.diff(onset), offset[-1] - onset[-1])
    share = np.clip((offset - onset) / np.maximum(length_s, 1e-3), 0.3, 1.0)
    walk = np.cumsum(rng.normal(0, 1, n))
    smooth = np.convolve(walk - walk.mean(), np.ones(5) / 5, mode="same")
    local = np.exp(errors.rubato * smooth / max(float(smooth.std()), 1e-9))
    length_s = length_s * local / rng.uniform(1 - errors.tempo, 1 + errors.tempo)
    # A breath after every few seconds stops the time.
    since = 0.0
    breath_s = np.zeros(n)
    for index, length in enumerate(length_s):
        since += length
        if errors.rubato and since > rng.uniform(3, 6):
            breath_s[index], since = rng.uniform(0.15, 0.5), 0.0
    starts = np.append(0.0, np.cumsum(length_s + breath_s)[:-1])
    starts = np.maximum.accumulate(starts + rng.normal(0, errors.timing_s, n))
    ends = np.maximum(starts + length_s * share, starts + 0.05)
    is_wrong = rng.random(n) < errors.wrong
    step = rng.integers(1, 4, n) * rng.choice([-1, 1], n)
    drift = np.cumsum(rng.normal(0, 1, n)) * errors.drift / np.sqrt(n * 10 / max(ends[-1], 1.0))
    sung = pitch + is_wrong * step + drift + rng.normal(0, errors.mistuning, n)
    table = np.column_stack([starts, np.minimum(ends, np.append(starts[1:], np.inf)), sung])
    doubled = np.flatnonzero(rng.random(n) < errors.doubled)
    halves = table[doubled].copy()
    middle = table[doubled, :2].mean(axis=1)
    table[doubled, 1] = middle - 0.02
    halves[:, 0] = middle
    table = np.concatenate([table, halves])
    return table[np.argsort(table[:, 0], kind="stable")]


def sing(notes: Array, voice: str, errors: HumErrors, rng: np.random.Generator) -> FloatArray:
    """Synthesise sung notes, mono at 16 kHz, with noise, breath and clicks."""
    before_s, after_s = rng.uniform(0.2, 1.0, 2)
    centre = {"hum": rng.uniform(45, 62), "da": rng.uniform(45, 66), "whistle": rng.uniform(78, 88)}
    pitch = notes[:, 2] + centre[voice] - np.median(notes[:, 2])
    n = int((notes[-1, 1] + before_s + after_s) * SAMPLE_RATE_HZ)
    hop = 80
    time_s = np.arange(n // hop + 1) * hop / SAMPLE_RATE_HZ - before_s
    index = np.clip(np.searchsorted(notes[:, 0], time_s, side="right") - 1, 0, None)
    contour = pitch[index]
    glide_s = np.maximum(rng.normal(errors.glide_s, errors.glide_s / 3, len(notes)), 0.01)
    previous = pitch[np.maximum(index - 1, 0)]
    since_s = time_s - notes[index, 0]
    share = np.clip(since_s / glide_s[index], 0, 1)
    contour = previous + (contour - previous) * (0.5 - 0.5 * np.cos(np.pi * share))
    # Some notes are slid into from below.
    scoop = (rng.random(len(notes)) < 0.15) * rng.uniform(0.5, 2.0, len(notes)) * (errors.drift > 0)
    contour -= scoop[index] * np.exp(-np.maximum(since_s, 0) / 0.05)
    vibrato = rng.uniform(0, 0.3) * np.clip(since_s / 0.4, 0, 1)
    contour += vibrato * np.sin(2 * np.pi * rng.uniform(4.5, 6.5) * time_s)
    jitter = np.convolve(rng.normal(0, 0.08, len(contour)), np.ones(4) / 4, mode="same")
    contour += jitter * (errors.drift > 0)
    ended = np.maximum(time_s - notes[index, 1], 0)
    legato = voice == "hum"
    dip = 0.35 if legato else 1.0
    attack_s = 0.05 if legato else 0.02
    level = (time_s >= notes[0, 0]) * np.where(ended > 0, np.exp(-ended / 0.03), 1.0)
    level *= 1 - dip * np.exp(-np.maximum(since_s, 0) / attack_s)
    level *= np.exp(rng.normal(0, 0.15, len(notes)))[index]
    at = np.arange(n) / hop
    f0 = 440 * 2 ** ((np.interp(at, np.arange(len(contour)), contour) - 69) / 12)
    phase = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE_HZ
    tone = _timbre(phase, f0, voice) * np.interp(at, np.arange(len(level)), level)
    return _disturb(tone, notes, before_s, errors, rng)


def _timbre(phase: Array, f0: Array, voice: str) -> Array:
    if voice == "whistle":
        return np.sin(phase) + 0.02 * np.sin(2 * phase)
    formants = ((250, 80), (1000, 300)) if voice == "hum" else ((700, 130), (1200, 150))
    tilt = 2.0 if voice == "hum" else 1.2
    total = np.zeros(len(phase))
    for harmonic in range(1, 31):
        frequency = harmonic * f0
        gain = sum(1 / (1 + ((frequency - centre) / width) ** 2) for centre, width in formants)
        audible = frequency < 0.45 * SAMPLE_RATE_HZ
        total += audible * (gain + 0.05) * harmonic**-tilt * np.sin(harmonic * phase)
    return total


def _disturb(
    tone: Array, notes: Array, before_s: float, errors: HumErrors, rng: np.random.Generator
) -> FloatArray:
    n = len(tone)
    power = float(np.mean(tone[np.abs(tone) > 0.01] ** 2))
    noise = sosfilt(butter(1, 2000, fs=SAMPLE_RATE_HZ, output="sos"), rng.normal(0, 1, n))
    snr_db = rng.uniform(*errors.snr_db)
    total = tone + noise / noise.std() * np.sqrt(power * 10 ** (-snr_db / 10))
    gaps = np.flatnonzero(notes[1:, 0] - notes[:-1, 1] > 0.12)
    band = butter(2, (500, 4000), btype="bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    for gap in gaps if errors.rubato else ():
        first = (notes[gap, 1] + before_s) * SAMPLE_RATE_HZ
        size = int((notes[gap + 1, 0] - notes[gap, 1]) * SAMPLE_RATE_HZ)
        breath = sosfilt(band, rng.normal(0, 1, size)) * np.hanning(size)
        total[int(first) : int(first) + size] += breath * np.sqrt(power) * rng.uniform(0.1, 0.5)
    for _ in range(rng.poisson(errors.clicks * n / SAMPLE_RATE_HZ / 10)):
        first = int(rng.integers(0, n - 200))
        click = rng.normal(0, 1, 160) * np.exp(-np.arange(160) / 20)
        total[first : first + 160] += click * np.sqrt(power) * rng.uniform(1, 4)
    level = 0.5 * rng.uniform(0.2, 1.0) / np.abs(total).max()
    return np.asarray(level * total, np.float32)


# --- search ---


@dataclass(frozen=True)
class Outcome:
    """A hum's ranks: strict, of equal passages, and by the baseline; its seconds of processor."""

    voice: str
    middle: bool
    rank: float
    passage_rank: float
    baseline_rank: float
    hearing_s: float
    search_s: float
    similarity: float
    runner_up: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tuning", action="store_true", help="hums of the tuning tunes")
    arguments = parser.parse_args()
    scores = read_tunes(arguments.data / "scores" / "folk_tunes.zip")
    index = MelodyIndex.build(
        (number, melody_table(score_lines(score))) for number, score in enumerate(scores)
    )
    grams = NgramIndex(index)
    order = np.random.default_rng(2).permutation(len(scores))
    test, tuning = order[:TEST_TUNES], order[TEST_TUNES : TEST_TUNES + TUNING_TUNES]
    chosen, seed = (tuning, TUNING_SEED) if arguments.tuning else (test, TEST_SEED)
    sections = []
    for name, errors, count in (
        ("Hums with errors", HumErrors(), len(chosen)),
        ("Hums with twice the errors", HARD, len(chosen) // 2),
        ("Hums without errors", EXACT, len(chosen) // 4),
    ):
        outcomes = [
            ask(scores[tune], int(tune), number, errors, seed, index, grams)
            for number, tune in enumerate(chosen[:count])
        ]
        sections.append(f"## {name}\n\n{ranks_table(outcomes)}")
    sections += [nothing_sung(index), speed(scores, index)]
    write_table(
        "humming_tuning" if arguments.tuning else "humming",
        f"Search by humming among {len(scores):,} tunes",
        sections,
    )


def read_tunes(path: Path) -> list[Score]:
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".mid"))
        return [read_midi(archive.read(name)) for name in names]


def score_lines(score: Score) -> list[tuple[Array, NDArray[np.int64]]]:
    ticks = score.ticks_per_quarter
    return [
        (ticks_to_seconds(score, np.rint(line.onset * ticks).astype(np.int64)), line.pitch)
        for line in melodic_lines(score)
    ]


def ask(
    score: Score,
    tune: int,
    number: int,
    errors: HumErrors,
    seed: int,
    index: MelodyIndex,
    grams: "NgramIndex",
) -> Outcome:
    """Hum a tune and look for it."""
    rng = np.random.default_rng([seed, number, int(1000 * errors.drift)])
    middle, voice = bool(number % 2), VOICES[number % 3]
    sung = perform(passage(melody_notes(score), rng, middle=middle), errors, rng)
    samples = sing(sung, voice, errors, rng)
    start_s = time.process_time()
    notes = contour_notes(track_pitch(samples))[:, [0, 2]]
    heard_s = time.process_time()
    found = match_melody(index, notes)
    end_s = time.process_time()
    at = np.flatnonzero(found.tracks == tune)
    rank = passage_rank = np.inf
    if len(at):
        rank = float(at[0] + 1)
        passage_rank = float(1 + (found.cost < found.cost[at[0]] - 1e-3).sum())
    scores = grams.scores(notes[:, 1])
    similarity = np.exp(-found.cost[:2])
    return Outcome(
        voice,
        middle,
        rank,
        passage_rank,
        float(1 + (scores > scores[tune]).sum() + ((scores == scores[tune]).sum() - 1) / 2),
        heard_s - start_s,
        end_s - heard_s,
        float(similarity[0]),
        float(similarity[1]),
    )


class NgramIndex:
    """The baseline: overlap of trigrams of intervals in semitones, weighted by rarity."""

    def __init__(self, index: MelodyIndex) -> None:
        self.grams: dict[tuple[int, ...], set[int]] = {}
        self.count = int(index.tracks.max()) + 1
        for line, track in enumerate(index.tracks.tolist()):
            pitch = index.pitch[index.starts[line] : index.starts[line + 1]]
            for gram in interval_trigrams(pitch[np.isfinite(pitch)]):
                self.grams.setdefault(gram, set()).add(track)

    def scores(self, pitch: Array) -> Array:
        """Return the score of each tune for a query."""
        total = np.zeros(self.count)
        for gram in set(interval_trigrams(pitch)):
            tracks = list(self.grams.get(gram, ()))
            if tracks:
                total[tracks] += np.log(self.count / len(tracks))
        return total


def interval_trigrams(pitch: NDArray[np.floating]) -> list[tuple[int, ...]]:
    intervals = np.rint(np.diff(pitch)).astype(int).tolist()
    return list(zip(intervals, intervals[1:], intervals[2:], strict=False))


def ranks_table(outcomes: list[Outcome]) -> str:
    groups = {"all": outcomes}
    groups |= {voice: [each for each in outcomes if each.voice == voice] for voice in VOICES}
    groups["from the beginning"] = [each for each in outcomes if not each.middle]
    groups["from the middle"] = [each for each in outcomes if each.middle]
    rows = []
    for name, group in groups.items():
        rank = np.array([each.rank for each in group])
        same = np.array([each.passage_rank for each in group])
        baseline = np.array([each.baseline_rank for each in group])
        rows.append((
            name, len(group), float((rank == 1).mean()), float((same == 1).mean()),
            float((rank <= 10).mean()), float((1 / rank).mean()),
            float((baseline == 1).mean()), float((baseline <= 10).mean()),
            float((1 / baseline).mean()),
        ))  # fmt: skip
    columns = (
        "hums", "number", "first", "first, or the same passage", "first ten", "MRR",
        "trigrams: first", "first ten", "MRR",
    )  # fmt: skip
    missed = [
        f"{number} ({each.voice}): rank {each.rank:.0f}"
        for number, each in enumerate(outcomes)
        if each.passage_rank > 1
    ]
    similarity = np.array([each.similarity for each in outcomes])
    runner_up = np.array([each.runner_up for each in outcomes])
    hearing = np.mean([each.hearing_s for each in outcomes])
    search = np.mean([each.search_s for each in outcomes])
    return (
        table(columns, rows)
        + f"\nSimilarity of the first hit: median {np.median(similarity):.2f}, lowest "
        f"{similarity.min():.2f}; of the second: median {np.median(runner_up):.2f}. Processor "
        f"seconds a query: {hearing:.2f} to hear it, {search:.2f} to search. Not found first: "
        f"{'; '.join(missed) or 'none'}.\n"
    )


def nothing_sung(index: MelodyIndex) -> str:
    """Search with sounds that are no melody."""
    rng = np.random.default_rng(5)
    n = 10 * SAMPLE_RATE_HZ
    time_s = np.arange(n) / SAMPLE_RATE_HZ
    # Speech: a falling contour in each phrase, syllables, and consonants between them.
    f0 = 120 * 2 ** (0.4 * np.cos(2 * np.pi * time_s / 2.2) + 0.25 * np.sin(9 * time_s))
    phase = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE_HZ
    syllables = np.clip(np.sin(2 * np.pi * 4 * time_s) + 0.3, 0, 1)
    sounds = {
        "silence": np.zeros(n),
        "white noise": 0.2 * rng.normal(0, 1, n),
        "intonation of speech": syllables * _timbre(phase, f0, "da") / 10
        + 0.01 * rng.normal(0, 1, n),
        "clicks": (rng.random(n) < 1e-3) * rng.normal(0, 1, n),
    }
    rows = []
    for name, samples in sounds.items():
        notes = contour_notes(track_pitch(samples.astype(np.float32)))[:, [0, 2]]
        similarity: object = "-"
        if len(notes) > 3:
            similarity = float(np.exp(-match_melody(index, notes[:150]).cost[0]))
        rows.append((name, len(notes), similarity))
    return "## No melody\n\n" + table(("sound", "notes heard", "similarity of the best"), rows)


def speed(scores: list[Score], index: MelodyIndex) -> str:
    """Processor seconds of a search in larger indices, of the tunes and their transpositions."""
    query = np.column_stack([each[:30] for each in score_lines(scores[5])[0]])
    rows = []
    for factor in (1, 4):
        larger = index.only(np.tile(np.arange(len(index.tracks)), factor))
        start_s = time.process_time()
        match_melody(larger, query)
        spent_s = time.process_time() - start_s
        rows.append((len(scores) * factor, len(larger.pitch), spent_s))
    return "## Growth\n\n" + table(("tunes", "notes", "processor seconds a search"), rows)


if __name__ == "__main__":
    main()
