"""Synthesis of a score with the samples of the General MIDI sound font TimGM6mb.

The font comes with the package pretty_midi. Of the format (SoundFont Technical Specification 2.01)
only what this font uses is read. A note plays each matching region: its sample is resampled to
pitch, low-pass filtered, shaped by envelopes and added to the mix.
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

#: Generators: number in the specification and default value.
_GENERATORS: Final = {
    "vibrato_cents": (6, 0), "lfo_cents": (5, 0), "pitch_envelope_cents": (7, 0),
    "cutoff_cents": (8, 13500), "resonance_cb": (9, 0), "filter_envelope_cents": (11, 0),
    "pan": (17, 0), "lfo_delay": (21, -12000), "lfo_rate": (22, 0), "vibrato_delay": (23, -12000),
    "vibrato_rate": (24, 0), "modulation_attack": (26, -12000), "modulation_hold": (27, -12000),
    "modulation_decay": (28, -12000), "modulation_sustain": (29, 0), "delay": (33, -12000),
    "attack": (34, -12000), "hold": (35, -12000), "decay": (36, -12000), "sustain_cb": (37, 0),
    "release": (38, -12000), "attenuation_cb": (48, 0), "coarse": (51, 0), "fine": (52, 0),
    "sample": (53, -1), "loop": (54, 0), "cents_per_key": (56, 100), "exclusive_class": (57, 0),
    "root": (58, -1),
}  # fmt: skip
_KEYS: Final = 43
_SAMPLE: Final = 53
_INSTRUMENT: Final = 41
#: Generators in timecents: 1,200 times the binary logarithm of seconds.
_TIMES: Final = (
    "lfo_delay", "vibrato_delay", "modulation_attack", "modulation_hold", "modulation_decay",
    "delay", "attack", "hold", "decay", "release",
)  # fmt: skip
#: Reference of frequencies in absolute cents: MIDI pitch 0.
_REFERENCE_HZ: Final = 8.176


@dataclass(frozen=True, slots=True, eq=False)
class Envelope:
    """A DAHDSR envelope.

    Attributes
    ----------
    delay_s, attack_s, hold_s, decay_s, release_s : float
        Decay and release are times for a full decay, by 100 dB.
    sustain : float
        Sustain level: attenuation in dB for the volume envelope, level for the modulation one.
    """

    delay_s: float
    attack_s: float
    hold_s: float
    decay_s: float
    sustain: float
    release_s: float


@dataclass(frozen=True, slots=True, eq=False)
class SampleRegion:
    """A sample with its parameters, as an instrument plays it on a range of keys.

    Attributes
    ----------
    samples : ndarray, shape (n,), float32
        Waveform, -1 to 1.
    loop : tuple of int, or None
        Start and end of the loop.
    rate_at_root_hz : float
        Sample rate at the root key, with tuning.
    root, cents_per_key : float
        MIDI pitch of the recording, and scale tuning.
    gain_db, pan : float
        Pan is -1 (left) to 1.
    cutoff_hz, resonance_db, filter_envelope_cents : float
        Low-pass filter, and its modulation by the envelope.
    pitch_envelope_cents : float
        Modulation of the pitch by the envelope.
    lfo_cents, vibrato_cents, lfo_hz, vibrato_hz, lfo_delay_s, vibrato_delay_s : float
        Modulation of the pitch by two oscillators.
    volume, modulation : Envelope
    exclusive_class : int
        Notes of one class cut each other off, as open and closed hi-hat do; 0 for none.
    """

    samples: NDArray[np.float32]
    loop: tuple[int, int] | None
    rate_at_root_hz: float
    root: float
    cents_per_key: float
    gain_db: float
    pan: float
    cutoff_hz: float
    resonance_db: float
    filter_envelope_cents: float
    pitch_envelope_cents: float
    lfo_cents: float
    vibrato_cents: float
    lfo_hz: float
    vibrato_hz: float
    lfo_delay_s: float
    vibrato_delay_s: float
    volume: Envelope
    modulation: Envelope
    exclusive_class: int


@dataclass(frozen=True, slots=True, eq=False)
class SoundFont:
    """The instruments of a sound font.

    Attributes
    ----------
    programs : dict of (int, int) to tuple of (int, int, SampleRegion)
        Zones by bank, 128 for drums, and program: lowest key, highest key and region. Several
        may play at once.
    """

    programs: dict[tuple[int, int], tuple[tuple[int, int, SampleRegion], ...]]

    def regions(self, bank: int, program: int, key: int) -> list[SampleRegion]:
        """Return the regions of a key; missing programs fall back to the first of the bank."""
        zones = self.programs.get((bank, program)) or self.programs[bank, 0]
        return [region for low, high, region in zones if low <= key <= high]


@cache
def general_midi_sound_font() -> SoundFont:
    """Read the sound font that comes with pretty_midi; it is cached.

    Raises
    ------
    Unreadable
        The package is not installed, or its font is damaged.
    """
    # Locates the package without importing it, which is slow.
    spec = importlib.util.find_spec("pretty_midi")
    path = Path(spec.origin).parent / "TimGM6mb.sf2" if spec and spec.origin else None
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
    """Yield name and content of each RIFF chunk within the lists of the file."""
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
    zones_by_instrument = []
    for first, last in pairwise(bags.tolist()):
        common: dict[int, Any] = {}
        zones = []
        for bag in range(first, last):
            given = common | _zone_generators(tables[b"ibag"], tables[b"igen"], bag)
            if _SAMPLE not in given:
                common = given  # global zone
                continue
            low, high = given.get(_KEYS, (0, 127))
            zones.append((low, high, _region(given, tables[b"shdr"], samples)))
        zones_by_instrument.append(zones)
    return zones_by_instrument


def _programs(
    tables: Tables, instruments: list[list[Zone]]
) -> dict[tuple[int, int], tuple[Zone, ...]]:
    """Collect the zones of the instruments of each program; this font has no preset generators."""
    headers = tables[b"phdr"]
    programs = {}
    for number in range(len(headers) - 1):
        zones: list[Zone] = []
        for bag in range(headers["bag"][number], headers["bag"][number + 1]):
            given = _zone_generators(tables[b"pbag"], tables[b"pgen"], bag)
            if _INSTRUMENT in given:
                zones += instruments[given[_INSTRUMENT]]
        programs[int(headers["bank"][number]), int(headers["program"][number])] = tuple(zones)
    return programs


def _zone_generators(bags: NDArray[Any], generators: NDArray[Any], bag: int) -> dict[int, Any]:
    """Return the generators of a zone by number; the key range is a pair."""
    rows = generators[int(bags["first"][bag]) : int(bags["first"][bag + 1])]
    values: dict[int, Any] = {}
    for kind, low, high in rows.tolist():
        signed = int.from_bytes(bytes([low, high]), "little", signed=True)
        values[kind] = (low, high) if kind == _KEYS else signed
    return values


def _region(
    given: dict[int, Any], headers: NDArray[Any], samples: NDArray[np.float32]
) -> SampleRegion:
    value = {name: float(given.get(kind, default)) for name, (kind, default) in _GENERATORS.items()}
    value |= {name: 2 ** (value[name] / 1200) for name in _TIMES}
    header = headers[int(value["sample"])]
    start, end = int(header["start"]), int(header["end"])
    loop = (int(header["loop"]) - start, int(header["loop_end"]) - start)
    is_looped = int(value["loop"]) in {1, 3} and 0 <= loop[0] < loop[1] <= end - start
    cents = 100 * value["coarse"] + value["fine"] + float(header["correction"])
    return SampleRegion(
        samples=samples[start:end],
        loop=loop if is_looped else None,
        rate_at_root_hz=float(header["rate"]) * 2 ** (cents / 1200),
        root=value["root"] if value["root"] >= 0 else float(header["root"]),
        cents_per_key=value["cents_per_key"],
        # As the E-mu hardware, and players since, scale attenuation.
        gain_db=-0.4 * value["attenuation_cb"] / 10,
        pan=float(np.clip(value["pan"] / 500, -1, 1)),
        cutoff_hz=_REFERENCE_HZ * 2 ** (value["cutoff_cents"] / 1200),
        resonance_db=value["resonance_cb"] / 10,
        filter_envelope_cents=value["filter_envelope_cents"],
        pitch_envelope_cents=value["pitch_envelope_cents"],
        lfo_cents=value["lfo_cents"],
        vibrato_cents=value["vibrato_cents"],
        lfo_hz=_REFERENCE_HZ * 2 ** (value["lfo_rate"] / 1200),
        vibrato_hz=_REFERENCE_HZ * 2 ** (value["vibrato_rate"] / 1200),
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
        modulation=Envelope(
            delay_s=0.0,
            attack_s=value["modulation_attack"],
            hold_s=value["modulation_hold"],
            decay_s=value["modulation_decay"],
            sustain=1 - float(np.clip(value["modulation_sustain"] / 1000, 0, 1)),
            release_s=0.0,
        ),
        exclusive_class=int(value["exclusive_class"]),
    )


# --- rendering ---

#: Longer scores are truncated.
MAX_DURATION_S: Final = 600.0
#: Time after the last note, for its release.
TAIL_S: Final = 2.0
#: Longer notes are truncated.
_MAX_NOTE_S: Final = 30.0
_PEAK: Final = 0.9
_FADE_DB: Final = 100.0  # attenuation of a full decay or release
#: Attenuation at which a release is cut off as inaudible.
_INAUDIBLE_DB: Final = 70.0
_RATES_HZ: Final = (8000, 192_000)


@dataclass(frozen=True, slots=True)
class _Voice:
    """A note of one region: first sample, number of samples it is held, and gain."""

    at: int
    held: int
    gain: float


def synthesise(score: Score, sample_rate_hz: int = 44100) -> FloatArray:
    """Synthesise a score with the General MIDI sound font.

    Parameters
    ----------
    score : Score
    sample_rate_hz : int
        8,000 to 192,000.

    Returns
    -------
    ndarray, shape (2, samples), float32
        Stereo audio with a peak of 0.9; at most the first ten minutes of the score, and 2 s for
        the release of the last note.

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
    stereo = np.zeros((2, count), np.float32)
    for part in score.parts:
        _play(stereo, score, part, general_midi_sound_font(), sample_rate_hz)
    loudest = max(float(np.abs(stereo).max()), 1e-9)
    stereo *= np.float32(_PEAK / loudest)
    return stereo


def _play(
    stereo: FloatArray, score: Score, part: Part, font: SoundFont, sample_rate_hz: int
) -> None:
    """Add a part to the mix, all notes of one key and region at once."""
    onset, _, pitch, velocity = part.notes.astype(np.int64).T
    on_s, off_s = (
        ticks_to_seconds(score, onset),
        ticks_to_seconds(score, note_off_ticks(part, end_tick(score))),
    )
    start = np.rint(on_s * sample_rate_hz).astype(np.int64)
    held = np.rint(np.minimum(off_s - on_s, _MAX_NOTE_S) * sample_rate_hz).astype(np.int64)
    gain = (velocity / 127.0) ** 2
    notes: dict[int, list[int]] = defaultdict(list)
    for number in np.flatnonzero(on_s < MAX_DURATION_S).tolist():
        notes[int(pitch[number])].append(number)
    bank = DRUM_BANK if part.is_drum else 0
    regions = {key: font.regions(bank, part.program, key) for key in notes}
    until = _cut_off(start, pitch, regions) if part.is_drum else None
    for key, numbers in notes.items():
        for region in regions[key]:
            voices = [
                _Voice(
                    int(start[number]),
                    _held(region, int(held[number]), sample_rate_hz)
                    if until is None
                    else int(until[number]),
                    float(gain[number]),
                )
                for number in numbers
            ]
            _add(stereo, region, key, voices, sample_rate_hz)


def note_off_ticks(part: Part, end: int) -> NDArray[np.int64]:
    """Return the note-off ticks of a part, prolonged by the sustain pedal.

    Parameters
    ----------
    part : Part
    end : int
        Tick at which a pedal that stays down is released.

    Returns
    -------
    ndarray, shape (n,), int64
        In ticks; a prolonged note ends at the latest with the next note of its pitch.
    """
    onset, duration, pitch, _ = part.notes.astype(np.int64).T
    off = onset + duration
    if not len(part.pedals) or part.is_drum:
        return np.asarray(off)
    at, down = part.pedals.astype(np.int64).T
    # A pedal pressed as a note ends does not prolong it.
    before = np.searchsorted(at, off, side="left") - 1
    is_prolonged = (before >= 0) & (down[before] > 0)
    ups = np.append(at[down == 0], max(end, int(off.max())))
    pedal_up = ups[np.searchsorted(ups[:-1], off, side="left")]
    next_onset = np.full(len(off), np.iinfo(np.int64).max)
    for key in np.unique(pitch):
        same = np.flatnonzero(pitch == key)
        later = np.searchsorted(onset[same], onset[same], side="right")
        has_next = later < len(same)
        next_onset[same[has_next]] = onset[same[later[has_next]]]
    return np.asarray(
        np.where(is_prolonged, np.maximum(np.minimum(pedal_up, next_onset), off), off)
    )


def _held(region: SampleRegion, held: int, sample_rate_hz: int) -> int:
    """Return the number of samples a note is held, at least its attack."""
    return max(held, round(min(region.volume.attack_s, 0.05) * sample_rate_hz))


def _cut_off(
    start: NDArray[np.int64], pitch: NDArray[np.int64], regions: dict[int, list[SampleRegion]]
) -> NDArray[np.int64]:
    """Return the number of samples of each drum until a note of its exclusive class, if any."""
    until = np.full(len(start), np.iinfo(np.int64).max // 2)
    exclusive_class = np.array(
        [
            max((region.exclusive_class for region in regions.get(int(p), [])), default=0)
            for p in pitch
        ]
    )
    for value in np.unique(exclusive_class[exclusive_class > 0]):
        same = np.flatnonzero(exclusive_class == value)
        until[same[:-1]] = np.diff(start[same])
    return until


def _add(
    stereo: FloatArray, region: SampleRegion, key: int, notes: list[_Voice], sample_rate_hz: int
) -> None:
    # The part of the release that is audible.
    whole = min(region.volume.release_s, 3.0) * sample_rate_hz
    release = round(whole * _INAUDIBLE_DB / _FADE_DB)
    most = min(max(note.held for note in notes) + release, stereo.shape[1])
    sound, level = _sounding(region, key, most, sample_rate_hz)
    fade = 10 ** (-_FADE_DB / 20 * np.arange(1, release + 1) / max(whole, 1))
    fade = fade.astype(np.float32)
    angle = (region.pan + 1) * np.pi / 4
    left, right = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    shaped = sound * level * np.float32(10 ** (region.gain_db / 20))
    for note in notes:
        held = min(note.held, len(shaped))
        total = min(held + release, len(shaped), stereo.shape[1] - note.at)
        if total <= 0:
            continue
        played = shaped[:total].copy()
        if total > held > 0:
            # The release starts from the level at the end of the note.
            ratio = level[held - 1] / np.maximum(level[held:total], 1e-6)
            played[held:] *= np.minimum(ratio, 1e6) * fade[: total - held]
        played *= np.float32(note.gain)
        stereo[0, note.at : note.at + total] += left * played
        stereo[1, note.at : note.at + total] += right * played


def _sounding(
    region: SampleRegion, key: int, count: int, sample_rate_hz: int
) -> tuple[FloatArray, FloatArray]:
    """Return the audio of a key and its volume envelope while held, of at most `count` samples."""
    if region.loop is None:
        # It ends by itself; modulation lowers the pitch by an octave at most.
        steady = region.cents_per_key * (key - region.root)
        slowest = region.rate_at_root_hz / sample_rate_hz * 2 ** (steady / 1200 - 1)
        count = min(count, int(len(region.samples) / slowest) + 1)
    time_s = np.arange(count, dtype=np.float32) / np.float32(sample_rate_hz)
    modulation = _modulation_level(region, time_s)
    cents = _cents(region, key, time_s, modulation)
    step = region.rate_at_root_hz / sample_rate_hz * 2 ** (cents / 1200)
    if step.ndim:
        position = np.concatenate([[0.0], np.cumsum(step, dtype=np.float64)[:-1]])
    else:
        position = np.arange(count) * float(step)
    sound = _interpolated(region, position)
    sound = _filtered(region, sound, modulation[: len(sound)], sample_rate_hz)
    return sound, _volume_level(region, time_s[: len(sound)])


def _cents(
    region: SampleRegion, key: int, time_s: FloatArray, modulation: FloatArray
) -> FloatArray:
    """Return the pitch offset from the sample in cents, over time or as a constant."""
    cents = np.asarray(region.cents_per_key * (key - region.root))
    if region.pitch_envelope_cents:
        cents = cents + region.pitch_envelope_cents * modulation
    for depth, rate_hz, delay_s in (
        (region.lfo_cents, region.lfo_hz, region.lfo_delay_s),
        (region.vibrato_cents, region.vibrato_hz, region.vibrato_delay_s),
    ):
        if depth:
            since = np.maximum(time_s - np.float32(delay_s), 0)
            cents = cents + depth * np.sin(np.float32(2 * np.pi * rate_hz) * since)
    return np.asarray(cents)


def _modulation_level(region: SampleRegion, time_s: FloatArray) -> FloatArray:
    """Return the modulation envelope, 0 to 1."""
    if not (region.filter_envelope_cents or region.pitch_envelope_cents):
        return np.zeros(len(time_s), np.float32)
    shape = region.modulation
    up = time_s / np.float32(shape.attack_s)
    falling_s = np.maximum(time_s - np.float32(shape.attack_s + shape.hold_s), 0)
    down = np.maximum(1 - falling_s / np.float32(shape.decay_s), np.float32(shape.sustain))
    return np.asarray(np.where(up < 1, up, down), np.float32)


def _volume_level(region: SampleRegion, time_s: FloatArray) -> FloatArray:
    shape = region.volume
    since = time_s - np.float32(shape.delay_s)
    level = np.clip(since / np.float32(shape.attack_s), 0, 1)
    begin_s = shape.delay_s + shape.attack_s + shape.hold_s
    fall_s = shape.decay_s * min(shape.sustain, _FADE_DB) / _FADE_DB
    first, last = np.searchsorted(time_s, [begin_s, begin_s + fall_s])
    falling_s = time_s[first:last] - np.float32(begin_s)
    level[first:last] = 10 ** (-_FADE_DB / 20 * falling_s / np.float32(shape.decay_s))
    level[last:] = 10 ** (-min(shape.sustain, _FADE_DB) / 20)
    return np.asarray(level, np.float32)


def _interpolated(region: SampleRegion, position: NDArray[np.float64]) -> FloatArray:
    """Resample a region at fractional positions by cubic Hermite splines, up to its end."""
    samples = region.samples
    if region.loop is None:
        position = position[position < len(samples) - 1]
    elif len(position) and position[-1] >= region.loop[1] - 2:
        first, end = region.loop
        repeats = int(np.ceil((position[-1] + 4 - first) / (end - first)))
        samples = np.concatenate([samples[:first], np.tile(samples[first:end], repeats)])
    padded = np.pad(samples, (1, 3))
    at = position.astype(np.int32)
    t = (position - at).astype(np.float32)
    p0, p1, p2, p3 = (padded[at + offset] for offset in range(4))
    slope, next_slope = (p2 - p0) / 2, (p3 - p1) / 2
    fall = p1 - p2
    cubic = (2 * fall + slope + next_slope) * t - (3 * fall + 2 * slope + next_slope)
    return np.asarray((cubic * t + slope) * t + p1, np.float32)


def _filtered(
    region: SampleRegion, sound: FloatArray, modulation: FloatArray, sample_rate_hz: int
) -> FloatArray:
    """Low-pass filter a sound, crossfading between closed and open filter by the envelope."""
    closed = _low_passed(region, sound, region.cutoff_hz, sample_rate_hz)
    if not region.filter_envelope_cents or not len(sound):
        return closed
    opened_hz = region.cutoff_hz * 2 ** (region.filter_envelope_cents / 1200)
    opened = _low_passed(region, sound, opened_hz, sample_rate_hz)
    return np.asarray(closed + modulation * (opened - closed))


def _low_passed(
    region: SampleRegion, sound: FloatArray, cutoff_hz: float, sample_rate_hz: int
) -> FloatArray:
    """Apply the second-order low-pass of Bristow-Johnson's cookbook."""
    from scipy.signal import lfilter

    if cutoff_hz >= 0.45 * sample_rate_hz or not len(sound):
        return sound
    # The specification's resonance counts from a filter without a peak, which has -3 dB.
    quality = 10 ** ((region.resonance_db - 3.01) / 20)
    angle = 2 * np.pi * cutoff_hz / sample_rate_hz
    alpha = np.sin(angle) / (2 * quality)
    numerator = np.array([0.5, 1.0, 0.5]) * (1 - np.cos(angle)) / (1 + alpha)
    denominator = np.array([1 + alpha, -2 * np.cos(angle), 1 - alpha]) / (1 + alpha)
    if quality > 1:
        numerator /= np.sqrt(quality)
    return np.asarray(lfilter(numerator, denominator, sound), np.float32)
