"""Synthetic drum patterns of known tempo: styles of dance music with random variations.

Every style has a range of tempos, and patterns in beats. Timbre, bass line, chords, swing,
loudness, fills and omissions are sampled for each.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from segue.audio.spectrogram import SAMPLE_RATE_HZ as RATE
from segue.records import FloatArray

Times = tuple[float, ...]


def every(step: float, first: float = 0.0, beats: float = 4.0) -> Times:
    """Return times in beats with a distance of `step`."""
    return tuple(np.round(np.arange(first, beats, step), 4).tolist())


@dataclass(frozen=True, slots=True)
class Style:
    """A kind of music: range of tempos, and in beats where its drums fall."""

    low_bpm: float
    high_bpm: float
    kick: tuple[Times, ...]
    snare: tuple[Times, ...]
    hat: tuple[Times, ...]
    bass: tuple[Times, ...] = ((),)
    beats: float = 4.0
    open_hat: tuple[Times, ...] = ((),)
    chord: tuple[Times, ...] = field(default=((0.0,), (0.0, 2.0), ()))


FLOOR: Final = every(1)
OFF: Final = every(1, 0.5)
EIGHTHS: Final = every(0.5)
SIXTEENTHS: Final = every(0.25)
BACKBEAT: Final = (1.0, 3.0)
SWUNG: Final = tuple(x + d for x in range(4) for d in (0.0, 0.66))
TRIPLETS: Final = tuple(round(x + d, 4) for x in range(4) for d in (0.0, 1 / 3, 2 / 3))
ROCK_KICKS: Final = (
    (0.0, 2.0), (0.0, 2.0, 2.5), (0.0, 1.5, 2.0), (0.0, 0.5, 2.0, 2.5), (0.0, 2.5), (0.0, 1.5, 2.5)
)  # fmt: skip

STYLES: Final[dict[str, Style]] = {
    "house": Style(112, 132, (FLOOR,), (BACKBEAT, ()), (EIGHTHS, OFF, SIXTEENTHS),
                   (OFF, (0.75, 1.5, 2.75, 3.5), (0.0, 0.75, 1.5)), open_hat=(OFF, ())),
    "techno": Style(122, 145, (FLOOR,), ((), BACKBEAT), (SIXTEENTHS, OFF),
                    (SIXTEENTHS, OFF, (0.25, 0.5, 1.25, 1.75)), open_hat=(OFF, ())),
    "trance": Style(130, 152, (FLOOR,), ((), BACKBEAT), (SIXTEENTHS, OFF, ()),
                    (tuple(x for x in SIXTEENTHS if x % 1), OFF), open_hat=(OFF,),
                    chord=((0.0, 0.75, 1.5, 2.25, 3.0), (0.0,), every(0.25))),
    "hardstyle": Style(148, 190, (FLOOR,), (BACKBEAT, ()), (OFF, EIGHTHS), (OFF, SIXTEENTHS, ()),
                       open_hat=(OFF, ())),
    "disco": Style(105, 128, (FLOOR,), (BACKBEAT,), (EIGHTHS, SIXTEENTHS),
                   (EIGHTHS, OFF, (0.0, 0.75, 1.5, 2.0, 2.75, 3.5)), open_hat=(OFF,)),
    "drum and bass": Style(160, 182, ((0.0, 2.5), (0.0, 1.5, 2.5), (0.0, 2.75)),
                           (BACKBEAT, (1.0, 1.75, 3.0), (1.0, 3.0, 3.75)),
                           (EIGHTHS, SIXTEENTHS, FLOOR),
                           ((0.0, 2.5), (0.0,), (0.0, 0.75, 1.5, 2.5, 3.25), (0.0, 1.5, 3.0))),
    "jungle": Style(152, 175, ((0.0, 0.5, 2.5), (0.0, 0.5, 2.5, 2.75)),
                    ((1.0, 1.75, 2.25, 3.0, 3.75), (1.0, 1.75, 2.25, 3.5)), (EIGHTHS, SIXTEENTHS),
                    ((0.0, 2.5), (0.0,), (0.0, 1.5))),
    "trap": Style(126, 160, ((0.0, 1.75, 2.5), (0.0, 1.5), (0.0, 0.75, 3.25), (0.0, 3.5)),
                  ((2.0,),), (SIXTEENTHS, EIGHTHS), ((0.0, 2.5), (0.0,), (0.0, 3.0)),
                  chord=((0.0,), ())),
    "dubstep": Style(136, 146, ((0.0,), (0.0, 0.75), (0.0, 3.5), (0.0, 1.5, 3.5)), ((2.0,),),
                     (EIGHTHS, SIXTEENTHS, every(1 / 3)), (every(0.5), every(1 / 3), (0.0, 1.5)),
                     chord=((0.0,), ())),
    "slow trap": Style(62, 82, ((0.0, 1.75, 2.5), (0.0, 1.5, 2.75), (0.0, 0.75, 2.25)), ((2.0,),),
                       (SIXTEENTHS,), ((0.0, 2.5), (0.0,))),
    "hip hop": Style(76, 104, ((0.0, 1.75, 2.5), (0.0, 2.5), (0.0, 0.75, 2.25), (0.0, 1.5, 2.75)),
                     (BACKBEAT,), (EIGHTHS, SIXTEENTHS, SWUNG), ((0.0, 2.5), (0.0, 0.75, 2.0))),
    "reggaeton": Style(86, 108, (FLOOR, (0.0, 2.0)), ((0.75, 1.5, 2.75, 3.5),), (EIGHTHS, ()),
                       ((0.0, 0.75, 1.5, 2.0, 2.75, 3.5), (0.0, 1.5), (0.0, 1.5, 2.0, 3.5))),
    "tresillo house": Style(108, 130, (FLOOR,), ((0.75, 1.5, 2.75, 3.5), (1.5, 3.5)),
                            (EIGHTHS, OFF), ((0.0, 0.75, 1.5, 2.0, 2.75, 3.5), (0.0, 1.5))),
    "reggae": Style(62, 92, ((2.0,), (0.0, 2.0), FLOOR), ((2.0,), BACKBEAT), (EIGHTHS, SWUNG),
                    ((0.0, 0.75, 1.5, 2.5), (0.0, 1.5)), chord=(BACKBEAT, OFF)),
    "ballad": Style(54, 95, ROCK_KICKS, (BACKBEAT,), (EIGHTHS, SIXTEENTHS, TRIPLETS),
                    ((0.0, 1.5, 2.0), (0.0, 2.0), (0.0,))),
    "rock": Style(96, 152, ROCK_KICKS, (BACKBEAT,), (EIGHTHS, FLOOR),
                  (EIGHTHS, (0.0, 1.5, 2.0), FLOOR)),
    "half-time rock": Style(120, 160, ((0.0,), (0.0, 3.5), (0.0, 0.5)), ((2.0,),),
                            (EIGHTHS, FLOOR), (EIGHTHS, (0.0,))),
    "punk": Style(158, 210, ((0.0, 2.0), (0.0, 1.5, 2.5), FLOOR), (BACKBEAT, OFF),
                  (EIGHTHS, FLOOR), (EIGHTHS,)),
    "funk": Style(88, 122, ((0.0, 0.5, 2.25, 2.75), (0.0, 1.75, 2.5), (0.0, 0.75, 2.5, 3.25)),
                  (BACKBEAT, (1.0, 1.75, 2.25, 3.0)), (SIXTEENTHS, EIGHTHS),
                  ((0.0, 0.75, 1.5, 2.25, 3.0), (0.0, 0.25, 1.5, 2.5, 2.75))),
    "swing": Style(90, 240, ((), FLOOR, (0.0, 2.0)), (BACKBEAT, ()),
                   ((0.0, 1.0, 1.66, 2.0, 3.0, 3.66), SWUNG), (FLOOR,),
                   chord=((0.66, 2.66), (0.0, 1.66), ())),
    "shuffle": Style(84, 140, ((0.0, 2.0), FLOOR), (BACKBEAT,), (SWUNG,), (FLOOR, SWUNG)),
    "bossa": Style(112, 150, ((0.0, 1.5, 2.0, 3.5),), ((0.0, 1.5, 3.0), (0.0, 1.0, 2.5)),
                   (EIGHTHS,), ((0.0, 1.5, 2.0, 3.5),)),
    "samba": Style(90, 112, ((0.0, 0.75, 1.0, 1.75, 2.0, 2.75, 3.0, 3.75),),
                   ((), (0.75, 1.5, 2.75)), (SIXTEENTHS,), ((0.0, 1.0, 2.0, 3.0),)),
    "waltz": Style(84, 196, ((0.0,),), ((1.0, 2.0),), (EIGHTHS[:6], (0.0, 1.0, 2.0), ()),
                   ((0.0,),), beats=3.0, chord=((1.0, 2.0),)),
    "slow waltz rock": Style(60, 110, ((0.0,), (0.0, 1.5)), ((2.0,), (1.0, 2.0)), (EIGHTHS[:6],),
                             ((0.0,), (0.0, 1.5)), beats=3.0),
    "six eight": Style(46, 92, ((0.0,), (0.0, 2 / 3)), ((1.0,),), (TRIPLETS[:6],),
                       ((0.0, 2 / 3, 1.0), (0.0, 1.0)), beats=2.0, chord=((0.0, 1.0), (0.0,))),
    "polka": Style(104, 140, ((0.0, 1.0),), ((0.5, 1.5),), ((),), ((0.0, 1.0),), beats=2.0,
                   chord=((0.5, 1.5),)),
    "march": Style(96, 128, ((0.0, 1.0),), ((0.0, 0.5, 1.0, 1.25, 1.5, 1.75), (0.5, 1.5)), ((),),
                   ((0.0, 1.0),), beats=2.0),
}  # fmt: skip


def pattern(seed: int, seconds: float = 60.0) -> tuple[str, float, FloatArray]:
    """Make one pattern: its style, its tempo, and mono samples at 22,050 Hz."""
    rng = np.random.default_rng([1917, seed])
    name = list(STYLES)[seed % len(STYLES)]
    style = STYLES[name]
    bpm = float(np.round(rng.uniform(style.low_bpm, style.high_bpm), 1))
    beat_s = 60 / bpm
    samples = np.zeros(round(seconds * RATE))
    layers = {
        "kick": (_pick(rng, style.kick), _kick(rng), rng.uniform(0.6, 1.0)),
        "snare": (_pick(rng, style.snare), _snare(rng), rng.uniform(0.35, 0.9)),
        "hat": (_pick(rng, style.hat), _hat(rng, rng.uniform(40, 110)), rng.uniform(0.1, 0.45)),
        "open": (_pick(rng, style.open_hat), _hat(rng, rng.uniform(8, 22)), rng.uniform(0.1, 0.4)),
    }
    bass, chords = _pick(rng, style.bass), _pick(rng, style.chord)
    bass_gain, chord_gain = rng.uniform(0.2, 0.9), rng.choice([0.0, 0.1, 0.25, 0.5])
    bass_s, partials = rng.choice([0.2, 0.4, 0.9]), rng.integers(1, 7)
    roots = rng.choice([0, 2, 3, 5, 7, 8, 10], 4)
    base_hz = rng.uniform(40, 75)
    late_s = rng.choice([0.0, 0.004, 0.009])
    fills = rng.random() < 0.5
    for bar in range(int(seconds / beat_s / style.beats)):
        start_s = bar * style.beats * beat_s
        root_hz = base_hz * 2 ** (roots[bar % 4] / 12)
        for layer, (times, sound, gain) in layers.items():
            for time in times:
                if fills and bar % 8 == 7 and time >= style.beats / 2 and layer != "snare":
                    continue
                loud = gain * rng.uniform(0.8, 1.0) * (1.0 if time % 1 == 0 else 0.85)
                _place(samples, sound, start_s + time * beat_s + rng.normal(0, late_s), loud)
        if fills and bar % 8 == 7:
            for time in every(0.25, style.beats / 2, style.beats):
                _place(samples, layers["snare"][1], start_s + time * beat_s, 0.4)
        for time in bass:
            tone = _tone(root_hz, bass_s * beat_s, int(partials))
            _place(samples, tone, start_s + time * beat_s, bass_gain)
        for i, time in enumerate(chords):
            until = chords[i + 1] if i + 1 < len(chords) else style.beats
            for interval in (0, 3 + seed % 2, 7):
                tone = _tone(root_hz * 4 * 2 ** (interval / 12), 0.9 * (until - time) * beat_s, 5)
                _place(samples, tone, start_s + time * beat_s, chord_gain * 0.4)
    samples += rng.normal(0, 10 ** rng.uniform(-4.5, -2.5), len(samples))
    return name, bpm, (0.9 * samples / np.abs(samples).max()).astype(np.float32)


def _pick(rng: np.random.Generator, choices: tuple[Times, ...]) -> Times:
    return choices[rng.integers(len(choices))]


def _time(seconds: float) -> np.ndarray:
    return np.arange(max(int(seconds * RATE), 2)) / RATE


def _kick(rng: np.random.Generator) -> np.ndarray:
    t = _time(rng.uniform(0.12, 0.4))
    low_hz, drop_hz, fall = rng.uniform(38, 60), rng.uniform(40, 260), rng.uniform(20, 60)
    body = np.sin(2 * np.pi * (low_hz * t + drop_hz / fall * (1 - np.exp(-fall * t))))
    click = rng.normal(0, rng.uniform(0, 0.3), len(t)) * np.exp(-t * 300)
    return np.asarray((body + click) * np.exp(-t * rng.uniform(8, 22)))


def _snare(rng: np.random.Generator) -> np.ndarray:
    t = _time(0.3)
    noise = (
        np.diff(rng.normal(0, 0.5, len(t) + 1))
        if rng.random() < 0.5
        else rng.normal(0, 0.5, len(t))
    )
    body = rng.uniform(0, 0.7) * np.sin(2 * np.pi * rng.uniform(160, 260) * t)
    return np.asarray((noise + body) * np.exp(-t * rng.uniform(12, 35)))


def _hat(rng: np.random.Generator, decay: float) -> np.ndarray:
    t = _time(min(6 / decay, 0.4))
    return np.asarray(np.diff(rng.normal(0, 0.6, len(t) + 1)) * np.exp(-t * decay))


def _tone(hz: float, seconds: float, partials: int) -> np.ndarray:
    t = _time(seconds)
    waves = [np.sin(2 * np.pi * hz * k * t) / k for k in range(1, partials + 1)]
    fade = np.minimum(1, t * 150) * np.minimum(1, (t[-1] - t) * 60 + 1e-3)
    return np.asarray(0.5 * np.sum(waves, axis=0) * np.exp(-t * 2) * fade)


def _place(samples: np.ndarray, sound: np.ndarray, at_s: float, gain: float) -> None:
    start = max(round(at_s * RATE), 0)
    if start < len(samples):
        part = sound[: len(samples) - start]
        samples[start : start + len(part)] += gain * part
