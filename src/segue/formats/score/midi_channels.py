"""What MIDI's channels play, and when they are silenced: said in any track, true for all."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.formats.score.smf import Track

CHANNELS: Final = 16  # of a port
DRUM_CHANNEL: Final = 9
#: Of a port, the others.
PITCHED_CHANNELS: Final = tuple(n for n in range(CHANNELS) if n != DRUM_CHANNEL)
_BANK: Final = 0  # the controller
#: All sound off, all notes off, and the changes of mode, which end all notes, too.
_SILENCE: Final = frozenset([120, 123, 124, 125, 126, 127])
#: System exclusive messages that a file for XG, and for General MIDI 2, begins with.
_XG_ON: Final = b"\x4c\x00\x00\x7e\x00"
_GM2_ON: Final = b"\x09\x03"
#: Banks of drum kits in such files.
_DRUM_BANKS: Final = frozenset([120, 126, 127])
_NEVER: Final = np.iinfo(np.int64).max
#: The channels of Roland's parts, which count the drums' first.
_GS_PARTS: Final = (9, *range(9), *range(10, 16))

#: Tick, program, and whether it is a drum kit.
_Change = tuple[int, int, bool]


class Channels:
    """The channels of a file: their programs and silences.

    A track that chooses programs itself plays them: files that give more tracks than there are
    channels to the same channel mean that. One that chooses none plays what another track chose
    for its channel, as a setup track does.
    """

    def __init__(self, tracks: Sequence[Track]) -> None:
        self._own: dict[tuple[int, int], list[_Change]] = defaultdict(list)
        self._all: dict[int, list[_Change]] = defaultdict(list)
        silences: dict[int, list[int]] = defaultdict(list)
        banks: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._drums = set(_drum_channels(tracks))
        for track in tracks:
            for tick, channel, controller, value in track.controls:
                if controller in _SILENCE:
                    silences[self.place(track, channel)].append(tick)
                elif controller == _BANK:
                    banks[self.place(track, channel)].append((tick, value))
        self._silences = {place: np.unique(ticks) for place, ticks in silences.items()}
        knows_banks = any(
            _XG_ON in message or _GM2_ON in message[:4]
            for track in tracks
            for message in track.exclusive
        )
        for number, track in enumerate(tracks):
            for tick, channel, program in track.programs:
                place = self.place(track, channel)
                bank = max(
                    (told for told in banks.get(place, ()) if told[0] <= tick),
                    key=lambda told: told[0],
                    default=(0, 0),
                )[1]
                change = tick, program, knows_banks and bank in _DRUM_BANKS
                self._own[number, place].append(change)
                self._all[place].append(change)
        for changes in self._all.values():
            changes.sort(key=lambda change: change[0])

    def place(self, track: Track, channel: int) -> int:
        """Return which channel of all ports a track's channel is."""
        return track.port * CHANNELS + channel

    def silenced(
        self, place: int, onsets: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return when notes end, where some may be ended before by what silences their channel."""
        ticks = self._silences.get(place)
        if ticks is None:
            return ends
        after = np.append(ticks, _NEVER)[np.searchsorted(ticks, onsets, side="right")]
        return np.asarray(np.minimum(ends, after))

    def programs_at(
        self, number: int, place: int, onsets: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return which program plays the notes that begin then, and whether it is drums."""
        own, of_channel = self._own.get((number, place), []), self._all.get(place, [])
        found = np.zeros((len(onsets), 2), np.int64)
        for changes in (of_channel, own):
            if changes:
                ticks = np.array([tick for tick, _, _ in changes])
                row = np.searchsorted(ticks, onsets, side="right") - 1
                table = np.array([change[1:] for change in changes], np.int64)
                found = np.where((row >= 0)[:, None], table[np.maximum(row, 0)], found)
        is_drum = found[:, 1] > 0
        if place % CHANNELS == DRUM_CHANNEL or place % CHANNELS in self._drums:
            is_drum = np.ones_like(is_drum)
        return found[:, 0], is_drum


def _drum_channels(tracks: Sequence[Track]) -> Iterator[int]:
    """Yield the channels that system exclusive messages of GS or XG give to drums."""
    for told in (message for track in tracks for message in track.exclusive):
        match list(told[:8]):
            case [0x41, _, 0x42, 0x12, 0x40, part, 0x15, 1 | 2] if part >> 4 == 1:
                yield _GS_PARTS[part & 15]
            case [0x43, _, 0x4C, 0x08, channel, 0x07, mode, *_] if channel < CHANNELS and mode:
                yield channel
