"""Biases on the logits of tokens: requested instruments, registers and scale."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from segue.generate.compose.tokens import FIRST_TOKEN, Bar
from segue.theory.instruments import DRUMS, tessitura

if TYPE_CHECKING:
    from torch import Tensor

#: Bias of requested instruments in nats: increase with each bar of silence, factor of the increase
#: before the first note, upper limit, and decrease with each bar with notes.
_INSTRUMENT_BIAS: Final = 2.0
_UNHEARD_FACTOR: Final = 3
_MAX_INSTRUMENT_BIAS: Final = 15.0
_HEARD_DECREASE: Final = 0.5
#: Penalty of pitch classes outside the scale of a requested key (outside all minor scales in
#: minor), in nats, and these pitch classes in semitones above the tonic, for major and minor.
_OUT_OF_SCALE_PENALTY: Final = 1.5
OUT_OF_SCALE: Final = ((1, 3, 6, 8, 10), (1, 4, 6))
#: Penalty per semitone outside the usual register of an instrument, in nats.
_REGISTER_PENALTY: Final = 1.0


class LogitBiases:
    """Additive biases on the logits of a piece's tokens, in nats; the grammar alone forbids.

    Parameters
    ----------
    requested : iterable of int
        Requested instruments, each as often as it has parts.
    mode : int, optional
        0 for major, 1 for minor, where a key was requested; tokens are in C.
    """

    def __init__(self, requested: Iterable[int] = (), mode: int | None = None) -> None:
        self._parts = Counter(requested)
        initial = _UNHEARD_FACTOR * _INSTRUMENT_BIAS
        self._instrument_bias = dict.fromkeys(self._parts, initial)
        #: Bias of simultaneous notes, of instruments with several parts.
        self._chord_bias = {
            instrument: initial
            for instrument, count in self._parts.items()
            if count > 1 and instrument != DRUMS
        }
        self._out_of_scale = () if mode is None else OUT_OF_SCALE[mode]
        self._registers: dict[int, NDArray[np.float32]] = {}
        self._unheard = set(self._parts)
        self._unheard_chords = set(self._chord_bias)

    def request(self, instruments: Collection[int]) -> None:
        """Request more instruments."""
        self._instrument_bias |= dict.fromkeys(instruments, _INSTRUMENT_BIAS)

    def set_registers(self, instruments: Iterable[int], transposition: int) -> None:
        """Penalise pitches outside the usual registers of instruments.

        Parameters
        ----------
        instruments : iterable of int
            Programs.
        transposition : int
            Semitones from the sounding pitch to the tokens.
        """
        pitches = np.arange(128)
        for instrument in instruments:
            low, high = tessitura(instrument)
            below, above = low + transposition - pitches, pitches - high - transposition
            distance = np.maximum(below, above).clip(min=0)
            self._registers[instrument] = np.asarray(-_REGISTER_PENALTY * distance, np.float32)

    def open_scale(self) -> None:
        """No longer penalise pitch classes outside the key, where chords are planned."""
        self._out_of_scale = ()

    def maximize_unheard(self) -> None:
        """Give requested parts that have not played yet the largest bias, for the last bar."""
        self._instrument_bias |= dict.fromkeys(self._unheard, _MAX_INSTRUMENT_BIAS)
        self._chord_bias |= dict.fromkeys(self._unheard_chords, _MAX_INSTRUMENT_BIAS)

    def complete_with(self, bar: Bar) -> bool:
        """Return whether all requested parts have played after a bar."""
        chords = {each for each in self._unheard_chords if not self._plays_chord(bar, each)}
        return not (self._unheard - bar.instruments or chords)

    def update(self, bar: Bar) -> None:
        """Update the biases after an accepted bar."""
        self._unheard -= bar.instruments
        for instrument, bias in self._instrument_bias.items():
            self._instrument_bias[instrument] = _updated(
                bias, heard=instrument in bar.instruments, unheard=instrument in self._unheard
            )
        for instrument, bias in self._chord_bias.items():
            heard = self._plays_chord(bar, instrument)
            self._chord_bias[instrument] = _updated(
                bias, heard=heard, unheard=instrument in self._unheard_chords
            )
            if heard:
                self._unheard_chords.discard(instrument)

    def apply(self, logits: "Tensor", bar: Bar, instrument: int, step: int) -> "Tensor":
        """Return biased logits.

        Parameters
        ----------
        logits : Tensor, shape (…, VOCABULARY_SIZE)
            Logits of the network.
        bar : Bar
            The bar so far.
        instrument : int
            Current instrument; -1 for none yet.
        step : int
            Current step of the bar.
        """
        biased = logits.clone()
        pitches = biased[..., FIRST_TOKEN["pitch"] : FIRST_TOKEN["pitch"] + 128]
        for pitch_class in self._out_of_scale:
            pitches[..., pitch_class::12] -= _OUT_OF_SCALE_PENALTY
        for requested in self._instrument_bias.keys() - bar.instruments:
            biased[..., FIRST_TOKEN["instrument"] + requested] += self._instrument_bias[requested]
        if 0 <= instrument < DRUMS:
            if instrument in self._registers:
                pitches += logits.new_tensor(self._registers[instrument])
            onsets = sum(n.instrument == instrument and n.onset == step for n in bar.notes)
            if 0 < onsets < self._parts[instrument] and not self._plays_chord(bar, instrument):
                pitches += self._chord_bias[instrument]
        return biased

    def _plays_chord(self, bar: Bar, instrument: int) -> bool:
        """Return whether an instrument has as many simultaneous onsets as it has parts."""
        onsets = Counter(note.onset for note in bar.notes if note.instrument == instrument)
        return max(onsets.values(), default=0) >= self._parts[instrument]


def _updated(bias: float, *, heard: bool, unheard: bool) -> float:
    increase = _UNHEARD_FACTOR * _INSTRUMENT_BIAS if unheard else _INSTRUMENT_BIAS
    updated = bias - _HEARD_DECREASE if heard else bias + increase
    return min(max(updated, _INSTRUMENT_BIAS), _MAX_INSTRUMENT_BIAS)
