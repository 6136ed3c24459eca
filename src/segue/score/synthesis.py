"""Synthesis of a score with the samples of a General MIDI sound font.

The General MIDI sound font: which recorded sample plays a note of a program, and how.

It is TimGM6mb, which the package pretty_midi carries; of the format (SoundFont Technical
Specification 2.01) there is read what this font uses.

A score played: samples of the General MIDI sound font, moved to pitch, shaped and added up.
"""

import importlib.util
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, Unreadable
from segue.records import FloatArray, Part, Score
from segue.score.timing import end_tick, ticks_to_seconds

# --- sound font ---

#: Bank of the drum kits.
DRUM_BANK: Final = 128

#: Generators by their numbers in the specification, and what holds where they are not given.
_GENERATORS: Final = {
    "vibrato_cents": (6, 0), "lfo_cents": (5, 0), "bend_cents": (7, 0),
    "cutoff_cents": (8, 13500), "resonance_cb": (9, 0), "opening_cents": (11, 0),
    "pan": (17, 0), "lfo_delay": (21, -12000), "lfo_rate": (22, 0), "vibrato_delay": (23, -12000),
    "vibrato_rate": (24, 0), "second_attack": (26, -12000), "second_hold": (27, -12000),
    "second_decay": (28, -12000), "second_sustain": (29, 0), "delay": (33, -12000),
    "attack": (34, -12000), "hold": (35, -12000), "decay": (36, -12000), "sustain_cb": (37, 0),
    "release": (38, -12000), "attenuation_cb": (48, 0), "coarse": (51, 0), "fine": (52, 0),
    "sample": (53, -1), "loop": (54, 0), "cents_per_key": (56, 100), "choke": (57, 0),
    "root": (58, -1),
}  # fmt: skip
_KEYS: Final = 43
_SAMPLE: Final = 53
_INSTRUMENT: Final = 41
#: Generators that are times, told as powers of two of a second, in 1,200ths.
_TIMES: Final = (
    "lfo_delay", "vibrato_delay", "second_attack", "second_hold", "second_decay", "delay",
    "attack", "hold", "decay", "release",
)  # fmt: skip
#: Half a semitone and so on: the frequency of the filter and of vibrato is told in cents above.
_LOWEST_HZ: Final = 8.176


@dataclass(frozen=True, slots=True, eq=False)
class Envelope:
    """How a note's level moves: up at once or slowly, down to where it stays.

    Attributes
    ----------
    delay_s, attack_s, hold_s, decay_s, release_s : float
        Decay and release are the times of the whole way down.
    sustain : float
        What is left where it stays: decibels below the top of the volume; of the second
        envelope, which moves filter and pitch, the share.
    """

    delay_s: float
    attack_s: float
    hold_s: float
    decay_s: float
    sustain: float
    release_s: float


@dataclass(frozen=True, slots=True, eq=False)
class SampleRegion:
    """How one sample plays a range of keys.

    Attributes
    ----------
    samples : ndarray, shape (n,), float32
        Within -1 to 1.
    loop : tuple of int, or None
        Which samples go round as long as the note lasts.
    ratio_at_root : float
        Samples a second, tuning counted in.
    root, cents_per_key : float
        The key at which it sounds as recorded, and how far the keys are apart.
    gain_db, pan : float
        Pan from -1, left, to 1.
    cutoff_hz, resonance_db, opening_cents : float
        A low-pass filter; how far the second envelope opens it.
    bend_cents, lfo_cents, vibrato_cents, lfo_hz, vibrato_hz, lfo_delay_s, vibrato_delay_s : float
        What moves the pitch.
    volume, second : Envelope
    choke : int
        Notes of one number end each other, as hi-hats do; 0 for none.
    """

    samples: NDArray[np.float32]
    loop: tuple[int, int] | None
    ratio_at_root: float
    root: float
    cents_per_key: float
    gain_db: float
    pan: float
    cutoff_hz: float
    resonance_db: float
    opening_cents: float
    bend_cents: float
    lfo_cents: float
    vibrato_cents: float
    lfo_hz: float
    vibrato_hz: float
    lfo_delay_s: float
    vibrato_delay_s: float
    volume: Envelope
    second: Envelope
    choke: int


@dataclass(frozen=True, slots=True, eq=False)
class SoundFont:
    """What plays each key of each program.

    Attributes
    ----------
    programs : dict of (int, int) to tuple of (int, int, Wave)
        By bank, 128 for drums, and program: first key, last key and what plays them; several
        may play at once.
    """

    programs: dict[tuple[int, int], tuple[tuple[int, int, SampleRegion], ...]]

    def waves(self, bank: int, program: int, key: int) -> list[SampleRegion]:
        """Return what plays a key; of programs that the font lacks, the first of the bank."""
        zones = self.programs.get((bank, program)) or self.programs[bank, 0]
        return [wave for low, high, wave in zones if low <= key <= high]


@cache
def general_midi_sound_font() -> SoundFont:
    """Read the sound font that comes with pretty_midi, once.

    Returns
    -------
    SoundFont

    Raises
    ------
    Unreadable
        The package is not installed, or its font is not the one known.
    """
    # The package itself is slow to import, and not needed.
    found = importlib.util.find_spec("pretty_midi")
    path = Path(found.origin).parent / "TimGM6mb.sf2" if found and found.origin else None
    if path is None or not path.is_file():
        raise Unreadable("the sound font is missing; install it with: pip install pretty_midi")
    return read_sound_font(path.read_bytes())


def read_sound_font(content: bytes) -> SoundFont:
    """Read a sound font.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    SoundFont

    Raises
    ------
    Unreadable
    """
    chunks = dict(_chunks(content))
    try:
        tables = {name: np.frombuffer(chunks[name], kind) for name, kind in _TABLES.items()}
        samples = np.frombuffer(chunks[b"smpl"], "<i2").astype(np.float32) / np.float32(32768)
        instruments = _instruments(tables, samples)
        return SoundFont(_programs(tables, instruments))
    except (KeyError, ValueError, IndexError) as error:
        raise Unreadable(f"a damaged sound font ({error}); install pretty_midi again") from None


_NAME: Final = ("name", "S20")
_GENERATOR: Final = np.dtype([("kind", "<u2"), ("low", "u1"), ("high", "u1")])
_BAG: Final = np.dtype([("first", "<u2"), ("modulator", "<u2")])
_TABLES: Final = {
    b"phdr": np.dtype(
        [_NAME, ("program", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("unused", "V12")]
    ),
    b"pbag": _BAG,
    b"pgen": _GENERATOR,
    b"inst": np.dtype([_NAME, ("bag", "<u2")]),
    b"ibag": _BAG,
    b"igen": _GENERATOR,
    b"shdr": np.dtype(
        [_NAME, *((name, "<u4") for name in ("start", "end", "loop", "loop_end", "rate")),
         ("root", "u1"), ("correction", "i1"), ("link", "<u2"), ("kind", "<u2")]
    ),
}  # fmt: skip

Zone = tuple[int, int, SampleRegion]
Tables = dict[bytes, NDArray[Any]]


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of each chunk within the lists of the file."""
    at = 12
    while at + 8 <= len(content):
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if name == b"LIST":
            at += 12
        else:
            yield name, content[at + 8 : at + 8 + size]
            at += 8 + size + size % 2


def _instruments(tables: Tables, samples: NDArray[np.float32]) -> list[list[Zone]]:
    bags = tables[b"inst"]["bag"]
    found = []
    for first, last in pairwise(bags.tolist()):
        common: dict[int, Any] = {}
        zones = []
        for bag in range(first, last):
            given = common | _given(tables[b"ibag"], tables[b"igen"], bag)
            if _SAMPLE not in given:
                common = given  # the first may hold for all
                continue
            low, high = given.get(_KEYS, (0, 127))
            zones.append((low, high, _wave(given, tables[b"shdr"], samples)))
        found.append(zones)
    return found


def _programs(
    tables: Tables, instruments: list[list[Zone]]
) -> dict[tuple[int, int], tuple[Zone, ...]]:
    """Join the instruments of each program; this font's programs say nothing else."""
    headers = tables[b"phdr"]
    found = {}
    for number in range(len(headers) - 1):
        zones: list[Zone] = []
        for bag in range(headers["bag"][number], headers["bag"][number + 1]):
            given = _given(tables[b"pbag"], tables[b"pgen"], bag)
            if _INSTRUMENT in given:
                zones += instruments[given[_INSTRUMENT]]
        found[int(headers["bank"][number]), int(headers["program"][number])] = tuple(zones)
    return found


def _given(bags: NDArray[Any], generators: NDArray[Any], bag: int) -> dict[int, Any]:
    """Return a zone's generators by number: a range of keys as two, others as one number."""
    some = generators[int(bags["first"][bag]) : int(bags["first"][bag + 1])]
    found: dict[int, Any] = {}
    for kind, low, high in some.tolist():
        signed = int.from_bytes(bytes([low, high]), "little", signed=True)
        found[kind] = (low, high) if kind == _KEYS else signed
    return found


def _wave(
    given: dict[int, Any], headers: NDArray[Any], samples: NDArray[np.float32]
) -> SampleRegion:
    value = {name: float(given.get(kind, usual)) for name, (kind, usual) in _GENERATORS.items()}
    value |= {name: 2 ** (value[name] / 1200) for name in _TIMES}
    header = headers[int(value["sample"])]
    start, end = int(header["start"]), int(header["end"])
    loop = (int(header["loop"]) - start, int(header["loop_end"]) - start)
    is_looped = int(value["loop"]) in {1, 3} and 0 <= loop[0] < loop[1] <= end - start
    cents = 100 * value["coarse"] + value["fine"] + float(header["correction"])
    return SampleRegion(
        samples=samples[start:end],
        loop=loop if is_looped else None,
        ratio_at_root=float(header["rate"]) * 2 ** (cents / 1200),
        root=value["root"] if value["root"] >= 0 else float(header["root"]),
        cents_per_key=value["cents_per_key"],
        # As the synthesizer that fonts were made for has it, and players since.
        gain_db=-0.4 * value["attenuation_cb"] / 10,
        pan=float(np.clip(value["pan"] / 500, -1, 1)),
        cutoff_hz=_LOWEST_HZ * 2 ** (value["cutoff_cents"] / 1200),
        resonance_db=value["resonance_cb"] / 10,
        opening_cents=value["opening_cents"],
        bend_cents=value["bend_cents"],
        lfo_cents=value["lfo_cents"],
        vibrato_cents=value["vibrato_cents"],
        lfo_hz=_LOWEST_HZ * 2 ** (value["lfo_rate"] / 1200),
        vibrato_hz=_LOWEST_HZ * 2 ** (value["vibrato_rate"] / 1200),
        lfo_delay_s=value["lfo_delay"],
        vibrato_delay_s=value["vibrato_delay"],
        volume=Envelope(
            delay_s=value["delay"],
            attack_s=value["attack"],
            hold_s=value["hold"],
            decay_s=value["decay"],
            sustain=value["sustain_cb"] / 10,
            release_s=value["release"],
        ),
        second=Envelope(
            delay_s=0.0,
            attack_s=value["second_attack"],
            hold_s=value["second_hold"],
            decay_s=value["second_decay"],
            sustain=1 - float(np.clip(value["second_sustain"] / 1000, 0, 1)),
            release_s=0.0,
        ),
        choke=int(value["choke"]),
    )


# --- rendering ---

#: What is played of a score, from its start.
MAX_DURATION_S: Final = 600.0
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


def synthesise(score: Score, sample_rate_hz: int = 44100) -> FloatArray:
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
    end_s = min(float(ticks_to_seconds(score, np.array([end_tick(score)]))[0]), MAX_DURATION_S)
    count = round((end_s + TAIL_S) * sample_rate_hz)
    sides = np.zeros((2, count), np.float32)
    for part in score.parts:
        _play(sides, score, part, general_midi_sound_font(), sample_rate_hz)
    loudest = max(float(np.abs(sides).max()), 1e-9)
    sides *= np.float32(_PEAK / loudest)
    return sides


def _play(
    sides: FloatArray, score: Score, part: Part, font: SoundFont, sample_rate_hz: int
) -> None:
    """Add a part to what is played; all notes of one key and wave at once."""
    onset, _, pitch, velocity = part.notes.astype(np.int64).T
    on_s, off_s = (
        ticks_to_seconds(score, onset),
        ticks_to_seconds(score, note_off_ticks(part, end_tick(score))),
    )
    start = np.rint(on_s * sample_rate_hz).astype(np.int64)
    held = np.rint(np.minimum(off_s - on_s, _LONGEST_NOTE_S) * sample_rate_hz).astype(np.int64)
    gain = (velocity / 127.0) ** 2
    notes: dict[int, list[int]] = defaultdict(list)
    for number in np.flatnonzero(on_s < MAX_DURATION_S).tolist():
        notes[int(pitch[number])].append(number)
    bank = DRUM_BANK if part.is_drum else 0
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


def note_off_ticks(part: Part, end: int) -> NDArray[np.int64]:
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


def _held(wave: SampleRegion, held: int, sample_rate_hz: int) -> int:
    """Return how long a note is held: until it has sounded at all."""
    return max(held, round(min(wave.volume.attack_s, 0.05) * sample_rate_hz))


def _choked(
    start: NDArray[np.int64], pitch: NDArray[np.int64], waves: dict[int, list[SampleRegion]]
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
    sides: FloatArray, wave: SampleRegion, key: int, notes: list[_Played], sample_rate_hz: int
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
    wave: SampleRegion, key: int, count: int, sample_rate_hz: int
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


def _cents(wave: SampleRegion, key: int, time_s: FloatArray, second: FloatArray) -> FloatArray:
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


def _second_level(wave: SampleRegion, time_s: FloatArray) -> FloatArray:
    """Return the envelope that moves filter and pitch, 0 to 1."""
    if not (wave.opening_cents or wave.bend_cents):
        return np.zeros(len(time_s), np.float32)
    shape = wave.second
    up = time_s / np.float32(shape.attack_s)
    falling_s = np.maximum(time_s - np.float32(shape.attack_s + shape.hold_s), 0)
    down = np.maximum(1 - falling_s / np.float32(shape.decay_s), np.float32(shape.sustain))
    return np.asarray(np.where(up < 1, up, down), np.float32)


def _level(wave: SampleRegion, time_s: FloatArray) -> FloatArray:
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


def _interpolated(wave: SampleRegion, place: NDArray[np.float64]) -> FloatArray:
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


def _filtered(
    wave: SampleRegion, sound: FloatArray, second: FloatArray, sample_rate_hz: int
) -> FloatArray:
    """Low-pass a sound; where the filter moves, between how it sounds closed and open."""
    closed = _low_passed(wave, sound, wave.cutoff_hz, sample_rate_hz)
    if not wave.opening_cents or not len(sound):
        return closed
    opened_hz = wave.cutoff_hz * 2 ** (wave.opening_cents / 1200)
    opened = _low_passed(wave, sound, opened_hz, sample_rate_hz)
    return np.asarray(closed + second * (opened - closed))


def _low_passed(
    wave: SampleRegion, sound: FloatArray, cutoff_hz: float, sample_rate_hz: int
) -> FloatArray:
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
