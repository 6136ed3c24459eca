"""The General MIDI sound font: which recorded sample plays a note of a program, and how.

It is TimGM6mb, which the package pretty_midi carries; of the format (SoundFont Technical
Specification 2.01) there is read what this font uses.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import Unreadable

#: Bank of the drum kits.
DRUMS: Final = 128

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
class Wave:
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

    programs: dict[tuple[int, int], tuple[tuple[int, int, Wave], ...]]

    def waves(self, bank: int, program: int, key: int) -> list[Wave]:
        """Return what plays a key; of programs that the font lacks, the first of the bank."""
        zones = self.programs.get((bank, program)) or self.programs[bank, 0]
        return [wave for low, high, wave in zones if low <= key <= high]


@cache
def general_midi() -> SoundFont:
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

Zone = tuple[int, int, Wave]
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


def _wave(given: dict[int, Any], headers: NDArray[Any], samples: NDArray[np.float32]) -> Wave:
    value = {name: float(given.get(kind, usual)) for name, (kind, usual) in _GENERATORS.items()}
    value |= {name: 2 ** (value[name] / 1200) for name in _TIMES}
    header = headers[int(value["sample"])]
    start, end = int(header["start"]), int(header["end"])
    loop = (int(header["loop"]) - start, int(header["loop_end"]) - start)
    is_looped = int(value["loop"]) in {1, 3} and 0 <= loop[0] < loop[1] <= end - start
    cents = 100 * value["coarse"] + value["fine"] + float(header["correction"])
    return Wave(
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
