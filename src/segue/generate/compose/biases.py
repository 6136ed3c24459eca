"""Biases on the logits of tokens: requested instruments, registers, scale and planned chords.

Where the harmony is planned, pitches that are no chord tones are penalised in the logits, the more
so on a beat, and notes that would sound on into a chord that they do not belong to. Where a note
must follow, the probability that it has any pitch remains, so that the chords decide which notes
are played, not how many.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from segue.generate.compose.grammar import Position
from segue.generate.compose.plan import OPEN, BarChord, BarPlan
from segue.generate.compose.tokens import (
    FIRST_TOKEN,
    LONG_DURATIONS,
    SHORT_DURATIONS,
    STEPS_PER_QUARTER,
    Bar,
    Note,
    steps_per_bar,
)
from segue.theory.instruments import DRUMS, is_bass, is_monophonic, tessitura

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
#: Penalties of pitches in nats: outside of the scale; in the scale, but not in the chord, of
#: accompanying instruments and of those that play melodies, on a beat and off it.
_CHROMATIC_PENALTY: Final = 10.0
_SCALE_PENALTIES: Final = {False: (9.0, 4.0), True: (4.0, 1.0)}
#: Penalty of a pitch other than the bass of the chord where a chord begins.
_BASS_PENALTY: Final = 16.0
#: Penalty of a duration that ends within a chord to which the pitch does not belong.
_DURATION_PENALTY: Final = 9.0
#: Below this pitch, notes count as a bass where no bass instrument plays.
_BASS_REGISTER: Final = 52
_PITCHES: Final = np.arange(128)
_CLASSES: Final = _PITCHES % 12


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


class ChordGuide:
    """Biases the logits of a bar towards its chords.

    Parameters
    ----------
    scale : collection of int
        Pitch classes of the key.
    instruments : collection of int
        Instruments that may play.
    strength : float
        Factor of the penalties.
    """

    def __init__(
        self, scale: Collection[int], instruments: Collection[int], strength: float = 1.0
    ) -> None:
        self._strength = strength
        self._scale = np.isin(_CLASSES, list(scale))
        self._has_bass = any(is_bass(each) for each in instruments)
        self._plan, self._following = OPEN, OPEN

    def start_bar(self, plan: BarPlan, following: BarPlan) -> None:
        """Set the plans of the next bar and of the bar after it."""
        self._plan, self._following = plan, following

    def apply(self, logits: "Tensor", bar: Bar, position: Position) -> "Tensor":
        """Return biased logits, shape (VOCABULARY_SIZE,).

        Parameters
        ----------
        logits : Tensor, shape (VOCABULARY_SIZE,)
        bar : Bar
            The bar so far.
        position : Position
            End of the bar so far.
        """
        chord = self._plan.chord_at(position.step)
        if chord is None or not 0 <= position.instrument < DRUMS:
            return logits
        biased = logits.clone()
        if position.kind in ("pitch", "long"):
            self._bias_durations(biased, bar, position)
            return biased
        first = FIRST_TOKEN["pitch"]
        pitches = biased[first : first + 128]
        before = pitches.logsumexp(0)
        pitches -= logits.new_tensor(self._penalties(chord, bar, position))
        if position.pitch < 0:
            pitches += before - pitches.logsumexp(0)
        return biased

    def _penalties(self, chord: BarChord, bar: Bar, position: Position) -> NDArray[np.float32]:
        """Return the penalty of each pitch, shape (128,)."""
        penalties = np.zeros(128, np.float32)
        if chord.root < 0:
            return penalties
        plays_melody = is_monophonic(position.instrument) and not is_bass(position.instrument)
        on_beat = position.step % STEPS_PER_QUARTER == 0
        tones = np.isin(_CLASSES, list(chord.classes))
        penalties[~tones] = _SCALE_PENALTIES[plays_melody][0 if on_beat else 1]
        penalties[~tones & ~self._scale] = _CHROMATIC_PENALTY
        if self._begins_chord(chord, bar, position):
            is_low = is_bass(position.instrument) or (
                ~np.bool_(self._has_bass) & (_PITCHES < _BASS_REGISTER)
            )
            penalties[is_low & (chord.bass != _CLASSES)] += _BASS_PENALTY
        return penalties * np.float32(self._strength)

    def _begins_chord(self, chord: BarChord, bar: Bar, position: Position) -> bool:
        """Return whether the next note is the first of its instrument in a chord."""
        return not any(
            note.instrument == position.instrument and note.onset >= chord.step
            for note in bar.notes
        )

    def _bias_durations(self, biased: "Tensor", bar: Bar, position: Position) -> None:
        """Penalise durations beyond the chords that the pitch belongs to."""
        longest = self._chord_end(steps_per_bar(bar.time_signature), position)
        if longest is None:
            return
        room = longest - position.long
        durations = np.arange(1, SHORT_DURATIONS + 1)
        longs = SHORT_DURATIONS * np.arange(1, LONG_DURATIONS + 1)
        for kind, too_long in (("duration", durations > room), ("long", longs >= room)):
            first = FIRST_TOKEN[kind]
            penalties = np.where(too_long, _DURATION_PENALTY * self._strength, 0.0)
            biased[first : first + len(penalties)] -= biased.new_tensor(penalties)

    def _chord_end(self, bar_length: int, position: Position) -> int | None:
        """Return how many steps later the first chord begins that lacks a pitch class."""
        later = [chord for chord in self._plan.chords if chord.step > position.step]
        later += [chord._replace(step=chord.step + bar_length) for chord in self._following.chords]
        for chord in later:
            if chord.root >= 0 and position.pitch % 12 not in chord.classes:
                return chord.step - position.step
        return None


# ---- notes moved to other chords -----------------------------------------------------------


def adapt_notes(
    notes: Iterable[Note], source: Sequence[BarChord], target: Sequence[BarChord]
) -> tuple[Note, ...]:
    """Move the notes of a bar from its chords to others.

    A bass keeps its degrees: the root becomes the root. Other chord tones move to the nearest tone
    of the new chord, as few notes as possible to the same pitch. Notes that are not in their own
    chord stay.

    Parameters
    ----------
    notes : iterable of Note
    source, target : sequence of BarChord
        Chords of the bar that the notes are from, and of the bar that they are for.
    """
    before, after = BarPlan(tuple(source)), BarPlan(tuple(target))
    adapted: dict[tuple[int, int, int], Note] = {}
    for note in notes:
        own, new = before.chord_at(note.onset), after.chord_at(note.onset)
        pitch = note.pitch
        if (
            note.instrument != DRUMS
            and own is not None
            and new is not None
            and min(own.root, new.root) >= 0
            and (own.root, own.bass, own.classes) != (new.root, new.bass, new.classes)
        ):
            taken = {key[2] for key in adapted if key[:2] == (note.onset, note.instrument)}
            pitch = _adapt_pitch(note, own, new, taken)
        adapted.setdefault((note.onset, note.instrument, pitch), note._replace(pitch=pitch))
    return tuple(adapted[key] for key in sorted(adapted))


def _adapt_pitch(note: Note, own: BarChord, new: BarChord, taken: Collection[int]) -> int:
    degree = note.pitch % 12
    if is_bass(note.instrument):
        if degree == own.bass:
            return _nearest(note.pitch, {new.bass})
        interval = (degree - own.root) % 12
        if degree in own.classes:  # the same degree, or the fifth's neighbour that is in the chord
            same = {each for each in new.classes if abs((each - new.root) % 12 - interval) <= 1}
            return _nearest(note.pitch, same or new.classes)
        return note.pitch
    if degree not in own.classes or degree in new.classes:
        return note.pitch
    free = {each for each in new.classes if _nearest(note.pitch, {each}) not in taken}
    return _nearest(note.pitch, free or new.classes)


def _nearest(pitch: int, classes: Collection[int]) -> int:
    """Return the pitch of some classes that is nearest to a pitch, the lower of two."""
    candidates = [each for each in range(pitch - 6, pitch + 7) if each % 12 in classes]
    return min(candidates, key=lambda each: (abs(each - pitch), each)) if candidates else pitch


# ---- how well notes fit --------------------------------------------------------------------


def chord_fit(bars: Sequence[Bar], plans: Sequence[BarPlan]) -> dict[str, float | None]:
    """Return how well bars follow chords.

    Returns
    -------
    dict
        "chord_tones", the share of the duration of pitched notes, up to the next chord, that is
        of a tone of the chord; "bass_on_beat_1", the share of bars whose lowest note on the first
        beat is the bass of the chord, of those with a note and a chord there. None where undefined.
    """
    durations: Counter[bool] = Counter()
    basses: list[bool] = []
    for bar, plan in zip(bars, plans, strict=False):
        pitched = [note for note in bar.notes if note.instrument != DRUMS]
        first = plan.chord_at(0)
        downbeat = [note.pitch for note in pitched if note.onset == 0]
        if first is not None and first.root >= 0 and downbeat:
            basses.append(min(downbeat) % 12 == first.bass)
        ends = [*(chord.step for chord in plan.chords[1:]), steps_per_bar(bar.time_signature)]
        for chord, end in zip(plan.chords, ends, strict=False):
            if chord.root < 0:
                continue
            for note in pitched:
                overlap = min(note.onset + note.duration, end) - max(note.onset, chord.step)
                if overlap > 0:
                    durations[note.pitch % 12 in chord.classes] += overlap
    total = sum(durations.values())
    return {
        "chord_tones": durations[True] / total if total else None,
        "bass_on_beat_1": sum(basses) / len(basses) if basses else None,
    }
