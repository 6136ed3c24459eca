"""A score played: samples of the General MIDI sound font, moved to pitch, shaped and added up."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.formats.score.sound_font import DRUMS, SoundFont, Wave, general_midi
from segue.records import FloatArray, Part, Score
from segue.represent.score.timing import last_tick, seconds_at

#: What is played of a score, from its start.
MOST_S: Final = 600.0
#: After the last note, for it to fade.
TAIL_S: Final = 2.0
#: A note that lasts longer ends here.
_LONGEST_NOTE_S: Final = 30.0
_PEAK: Final = 0.9
_FADE_DB: Final = 100.0  # the way down that decay and release times are for
#: What is quieter than so much below the note is not played to its end.
_HEARD_DB: Final = 70.0
_RATES_HZ: Final = (8000, 192_000)


@dataclass(frozen=True, slots=True)
class _Played:
    """One note on one wave: sample it starts at, how many samples it is held, its gain."""

    at: int
    held: int
    gain: float


def render(score: Score, sample_rate_hz: int = 44100) -> FloatArray:
    """Play a score with the General MIDI sound font.

    Parameters
    ----------
    score : Score
    sample_rate_hz : int
        8,000 to 192,000.

    Returns
    -------
    ndarray, shape (2, samples), float32
        Left and right, the loudest sample 0.9 of full scale; the first ten minutes of what is
        longer, and 2 s for the last note to fade.

    Raises
    ------
    BadArgument
        The sample rate is out of range, or the score has no notes.
    Unreadable
        The sound font is missing.
    """
    low, high = _RATES_HZ
    if not low <= sample_rate_hz <= high:
        raise BadArgument(f"a sample rate of {sample_rate_hz} Hz; it must be {low} to {high}")
    if not score.parts:
        raise BadArgument("expected a score with notes, got one without")
    end_s = min(float(seconds_at(score, np.array([last_tick(score)]))[0]), MOST_S)
    count = round((end_s + TAIL_S) * sample_rate_hz)
    sides = np.zeros((2, count), np.float32)
    for part in score.parts:
        _play(sides, score, part, general_midi(), sample_rate_hz)
    loudest = max(float(np.abs(sides).max()), 1e-9)
    sides *= np.float32(_PEAK / loudest)
    return sides


def _play(
    sides: FloatArray, score: Score, part: Part, font: SoundFont, sample_rate_hz: int
) -> None:
    """Add a part to what is played; all notes of one key and wave at once."""
    onset, _, pitch, velocity = part.notes.astype(np.int64).T
    on_s, off_s = seconds_at(score, onset), seconds_at(score, released(part, last_tick(score)))
    start = np.rint(on_s * sample_rate_hz).astype(np.int64)
    held = np.rint(np.minimum(off_s - on_s, _LONGEST_NOTE_S) * sample_rate_hz).astype(np.int64)
    gain = (velocity / 127.0) ** 2
    notes: dict[int, list[int]] = defaultdict(list)
    for number in np.flatnonzero(on_s < MOST_S).tolist():
        notes[int(pitch[number])].append(number)
    bank = DRUMS if part.is_drum else 0
    waves = {key: font.waves(bank, part.program, key) for key in notes}
    until = _choked(start, pitch, waves) if part.is_drum else None
    for key, numbers in notes.items():
        for wave in waves[key]:
            some = [
                _Played(
                    int(start[number]),
                    _held(wave, int(held[number]), sample_rate_hz)
                    if until is None
                    else int(until[number]),
                    float(gain[number]),
                )
                for number in numbers
            ]
            _add(sides, wave, key, some, sample_rate_hz)


def released(part: Part, end: int) -> NDArray[np.int64]:
    """Tell when notes are let go: where the sustain pedal is down, only when that comes up.

    Parameters
    ----------
    part : Part
    end : int
        Tick at which a pedal that stays down comes up.

    Returns
    -------
    ndarray, shape (n,), int64
        Ticks; none before the note's own end, and past it none after its key is struck again.
    """
    onset, duration, pitch, _ = part.notes.astype(np.int64).T
    off = onset + duration
    if not len(part.pedals) or part.is_drum:
        return np.asarray(off)
    at, down = part.pedals.astype(np.int64).T
    # What happens as a note ends comes too late to catch it.
    before = np.searchsorted(at, off, side="left") - 1
    is_caught = (before >= 0) & (down[before] > 0)
    ups = np.append(at[down == 0], max(end, int(off.max())))
    rings_until = ups[np.searchsorted(ups[:-1], off, side="left")]
    again = np.full(len(off), np.iinfo(np.int64).max)
    for key in np.unique(pitch):
        same = np.flatnonzero(pitch == key)
        later = np.searchsorted(onset[same], onset[same], side="right")
        struck = later < len(same)
        again[same[struck]] = onset[same[later[struck]]]
    return np.asarray(np.where(is_caught, np.maximum(np.minimum(rings_until, again), off), off))


def _held(wave: Wave, held: int, sample_rate_hz: int) -> int:
    """Return how long a note is held: until it has sounded at all."""
    return max(held, round(min(wave.volume.attack_s, 0.05) * sample_rate_hz))


def _choked(
    start: NDArray[np.int64], pitch: NDArray[np.int64], waves: dict[int, list[Wave]]
) -> NDArray[np.int64]:
    """Return how long each drum sounds: to its end, or until one chokes it (hi-hats)."""
    until = np.full(len(start), np.iinfo(np.int64).max // 2)
    choke = np.array(
        [max((wave.choke for wave in waves.get(int(p), [])), default=0) for p in pitch]
    )
    for one in np.unique(choke[choke > 0]):
        same = np.flatnonzero(choke == one)
        until[same[:-1]] = np.diff(start[same])
    return until


def _add(
    sides: FloatArray, wave: Wave, key: int, notes: list[_Played], sample_rate_hz: int
) -> None:
    # So long it takes to become unheard, of the whole way down.
    whole = min(wave.volume.release_s, 3.0) * sample_rate_hz
    release = round(whole * _HEARD_DB / _FADE_DB)
    most = min(max(note.held for note in notes) + release, sides.shape[1])
    sound, level = _sounding(wave, key, most, sample_rate_hz)
    fade = 10 ** (-_FADE_DB / 20 * np.arange(1, release + 1) / max(whole, 1))
    fade = fade.astype(np.float32)
    angle = (wave.pan + 1) * np.pi / 4
    left, right = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    shaped = sound * level * np.float32(10 ** (wave.gain_db / 20))
    for note in notes:
        held = min(note.held, len(shaped))
        total = min(held + release, len(shaped), sides.shape[1] - note.at)
        if total <= 0:
            continue
        played = shaped[:total].copy()
        if total > held > 0:
            # What was the level when the note ended goes down from there.
            ratio = level[held - 1] / np.maximum(level[held:total], 1e-6)
            played[held:] *= np.minimum(ratio, 1e6) * fade[: total - held]
        played *= np.float32(note.gain)
        sides[0, note.at : note.at + total] += left * played
        sides[1, note.at : note.at + total] += right * played


def _sounding(
    wave: Wave, key: int, count: int, sample_rate_hz: int
) -> tuple[FloatArray, FloatArray]:
    """Return a key's sound, and the level it is to have as long as it is held, `count` each."""
    if wave.loop is None:
        # It ends by itself, at an octave below its pitch at the latest.
        steady = wave.cents_per_key * (key - wave.root)
        slowest = wave.ratio_at_root / sample_rate_hz * 2 ** (steady / 1200 - 1)
        count = min(count, int(len(wave.samples) / slowest) + 1)
    time_s = np.arange(count, dtype=np.float32) / np.float32(sample_rate_hz)
    second = _second_level(wave, time_s)
    cents = _cents(wave, key, time_s, second)
    step = wave.ratio_at_root / sample_rate_hz * 2 ** (cents / 1200)
    if step.ndim:
        place = np.concatenate([[0.0], np.cumsum(step, dtype=np.float64)[:-1]])
    else:
        place = np.arange(count) * float(step)
    sound = _interpolated(wave, place)
    sound = _filtered(wave, sound, second[: len(sound)], sample_rate_hz)
    return sound, _level(wave, time_s[: len(sound)])


def _cents(wave: Wave, key: int, time_s: FloatArray, second: FloatArray) -> FloatArray:
    """Return how far a key is from the sample's pitch: at all times, or one number for all."""
    cents = np.asarray(wave.cents_per_key * (key - wave.root))
    if wave.bend_cents:
        cents = cents + wave.bend_cents * second
    for depth, rate_hz, delay_s in (
        (wave.lfo_cents, wave.lfo_hz, wave.lfo_delay_s),
        (wave.vibrato_cents, wave.vibrato_hz, wave.vibrato_delay_s),
    ):
        if depth:
            since = np.maximum(time_s - np.float32(delay_s), 0)
            cents = cents + depth * np.sin(np.float32(2 * np.pi * rate_hz) * since)
    return np.asarray(cents)


def _second_level(wave: Wave, time_s: FloatArray) -> FloatArray:
    """Return the envelope that moves filter and pitch, 0 to 1."""
    if not (wave.opening_cents or wave.bend_cents):
        return np.zeros(len(time_s), np.float32)
    shape = wave.second
    up = time_s / np.float32(shape.attack_s)
    falling_s = np.maximum(time_s - np.float32(shape.attack_s + shape.hold_s), 0)
    down = np.maximum(1 - falling_s / np.float32(shape.decay_s), np.float32(shape.sustain))
    return np.asarray(np.where(up < 1, up, down), np.float32)


def _level(wave: Wave, time_s: FloatArray) -> FloatArray:
    shape = wave.volume
    since = time_s - np.float32(shape.delay_s)
    level = np.clip(since / np.float32(shape.attack_s), 0, 1)
    begin_s = shape.delay_s + shape.attack_s + shape.hold_s
    fall_s = shape.decay_s * min(shape.sustain, _FADE_DB) / _FADE_DB
    first, last = np.searchsorted(time_s, [begin_s, begin_s + fall_s])
    falling_s = time_s[first:last] - np.float32(begin_s)
    level[first:last] = 10 ** (-_FADE_DB / 20 * falling_s / np.float32(shape.decay_s))
    level[last:] = 10 ** (-min(shape.sustain, _FADE_DB) / 20)
    return np.asarray(level, np.float32)


def _interpolated(wave: Wave, place: NDArray[np.float64]) -> FloatArray:
    """Read a wave at places between its samples, by cubic Hermite splines; shorter if it ends."""
    samples = wave.samples
    if wave.loop is None:
        place = place[place < len(samples) - 1]
    elif len(place) and place[-1] >= wave.loop[1] - 2:
        first, end = wave.loop
        turns = int(np.ceil((place[-1] + 4 - first) / (end - first)))
        samples = np.concatenate([samples[:first], np.tile(samples[first:end], turns)])
    padded = np.pad(samples, (1, 3))
    at = place.astype(np.int32)
    share = (place - at).astype(np.float32)
    before, here, after, later = (padded[at + offset] for offset in range(4))
    slope, next_slope = (after - before) / 2, (later - here) / 2
    rise = here - after
    cubic = (2 * rise + slope + next_slope) * share - (3 * rise + 2 * slope + next_slope)
    return np.asarray((cubic * share + slope) * share + here, np.float32)


def _filtered(wave: Wave, sound: FloatArray, second: FloatArray, sample_rate_hz: int) -> FloatArray:
    """Low-pass a sound; where the filter moves, between how it sounds closed and open."""
    closed = _low_passed(wave, sound, wave.cutoff_hz, sample_rate_hz)
    if not wave.opening_cents or not len(sound):
        return closed
    opened_hz = wave.cutoff_hz * 2 ** (wave.opening_cents / 1200)
    opened = _low_passed(wave, sound, opened_hz, sample_rate_hz)
    return np.asarray(closed + second * (opened - closed))


def _low_passed(wave: Wave, sound: FloatArray, cutoff_hz: float, sample_rate_hz: int) -> FloatArray:
    """Filter by the second-order low-pass of Bristow-Johnson's cookbook."""
    from scipy.signal import lfilter

    if cutoff_hz >= 0.45 * sample_rate_hz or not len(sound):
        return sound
    # The specification's resonance counts from a filter without a peak, which has -3 dB.
    quality = 10 ** ((wave.resonance_db - 3.01) / 20)
    angle = 2 * np.pi * cutoff_hz / sample_rate_hz
    alpha = np.sin(angle) / (2 * quality)
    numerator = np.array([0.5, 1.0, 0.5]) * (1 - np.cos(angle)) / (1 + alpha)
    denominator = np.array([1 + alpha, -2 * np.cos(angle), 1 - alpha]) / (1 + alpha)
    if quality > 1:
        numerator /= np.sqrt(quality)
    return np.asarray(lfilter(numerator, denominator, sound), np.float32)
