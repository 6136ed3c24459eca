"""What is made likelier, or less likely, than the network holds it: key, players, registers, roots.

All in nats, added to the logits of the next token. Nothing here forbids anything; what may come at
all says the grammar.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from segue.represent.score.instruments import register_of
from segue.represent.score.vocabulary import DRUMS, FIRST, STEPS_PER_QUARTER, Bar

if TYPE_CHECKING:
    from torch import Tensor

#: Instruments that were asked for, or play on both sides of bars to be filled in, become so much
#: likelier with each bar that they are silent in, the current one included, and three times that
#: before they play at all; at most so much, and less by so much with each bar that they play in.
_WANTED: Final = 2.0
_FIRST: Final = 3
_MOST_WANTED: Final = 15.0
_SATED: Final = 0.5
#: Where a key was asked for, what is outside its scale (in minor, all its scales) becomes so much
#: less likely. By mode, major and minor, in semitones above the tonic, C to the network.
_STRANGE: Final = 1.5
_OUTSIDE: Final = ((1, 3, 6, 8, 10), (1, 4, 6))
#: For each semitone outside the usual register of an instrument that does not play yet.
_UNUSUAL: Final = 1.0
#: What the root of a chord gets on a beat from an instrument that plays the bass.
_ROOT: Final = 2.5


class Leanings:
    """Leans the logits of a piece's tokens.

    Parameters
    ----------
    wanted : iterable of int
        Instruments that were asked for, each as often as it has parts.
    mode : int, optional
        0 for major, 1 for minor, where a key was asked for; the network writes in C.
    """

    def __init__(self, wanted: Iterable[int] = (), mode: int | None = None) -> None:
        self._parts = Counter(wanted)
        self._wanted = dict.fromkeys(self._parts, _FIRST * _WANTED)
        #: Of instruments with several parts: how much likelier notes at once are made.
        self._together = {
            one: _FIRST * _WANTED
            for one, count in self._parts.items()
            if count > 1 and one != DRUMS
        }
        self._outside = () if mode is None else _OUTSIDE[mode]
        self._registers: dict[int, NDArray[np.float32]] = {}
        self._roots: Sequence[tuple[int, int]] = ()
        self._never = set(self._parts)
        self._never_together = set(self._together)

    def want(self, instruments: Collection[int]) -> None:
        """Want these, too."""
        self._wanted |= dict.fromkeys(instruments, _WANTED)

    def keep_to_registers(self, instruments: Iterable[int], moved: int) -> None:
        """Lean these towards the registers that they usually play in.

        Parameters
        ----------
        instruments : iterable of int
        moved : int
            Semitones that the network's music is above what is meant.
        """
        pitches = np.arange(128)
        for instrument in instruments:
            low, high = register_of(instrument)
            beyond = np.maximum(low + moved - pitches, pitches - high - moved).clip(min=0)
            self._registers[instrument] = np.asarray(-_UNUSUAL * beyond, np.float32)

    def have_roots(self, roots: Sequence[tuple[int, int]]) -> None:
        """Tell the chords of the current bar: from which step on which pitch class is the root."""
        self._roots = roots

    @property
    def missing(self) -> bool:
        """Whether a part that was asked for has not played yet."""
        return bool(self._never or self._never_together)

    def insist(self) -> None:
        """Want who has not played yet as much as can be: no other bar comes."""
        self._wanted |= dict.fromkeys(self._never, _MOST_WANTED)
        self._together |= dict.fromkeys(self._never_together, _MOST_WANTED)

    def complete(self, bar: Bar) -> bool:
        """Tell whether with this bar everybody who was asked for has played."""
        together = {one for one in self._never_together if not self._plays_together(bar, one)}
        return not (self._never - bar.instruments or together)

    def heard(self, bar: Bar) -> None:
        """Note who played in a bar that stays."""
        self._never -= bar.instruments
        for asked, nats in self._wanted.items():
            self._wanted[asked] = _next(
                nats, played=asked in bar.instruments, never=asked in self._never
            )
        for asked, nats in self._together.items():
            played = self._plays_together(bar, asked)
            self._together[asked] = _next(nats, played=played, never=asked in self._never_together)
            if played:
                self._never_together.discard(asked)

    def applied(self, logits: "Tensor", bar: Bar, instrument: int, step: int) -> "Tensor":
        """Lean logits.

        Parameters
        ----------
        logits : Tensor, shape (…, VOCABULARY)
        bar : Bar
            As far as it is written.
        instrument : int
            Who is to play next; -1 for nobody yet.
        step : int
            Of the bar.
        """
        leaning = logits.clone()
        pitches = leaning[..., FIRST["pitch"] : FIRST["pitch"] + 128]
        for pitch_class in self._outside:
            pitches[..., pitch_class::12] -= _STRANGE
        for asked in self._wanted.keys() - bar.instruments:
            leaning[..., FIRST["instrument"] + asked] += self._wanted[asked]
        if 0 <= instrument < DRUMS:
            if instrument in self._registers:
                pitches += logits.new_tensor(self._registers[instrument])
            root = self._root_at(step)
            if root is not None:
                pitches[..., root::12] += _ROOT
            here = sum(n.instrument == instrument and n.onset == step for n in bar.notes)
            if 0 < here < self._parts[instrument] and not self._plays_together(bar, instrument):
                pitches += self._together[instrument]
        return leaning

    def _root_at(self, step: int) -> int | None:
        """Return the pitch class of the root on a beat, where chords were told."""
        if step % STEPS_PER_QUARTER:
            return None
        begun = [root for first, root in self._roots if first <= step]
        return begun[-1] if begun and begun[-1] >= 0 else None

    def _plays_together(self, bar: Bar, instrument: int) -> bool:
        """Tell whether an instrument begins as many notes at once as it has parts."""
        at = Counter(note.onset for note in bar.notes if note.instrument == instrument)
        return max(at.values(), default=0) >= self._parts[instrument]


def _next(nats: float, *, played: bool, never: bool) -> float:
    more = _FIRST * _WANTED if never else _WANTED
    return min(max(nats - _SATED if played else nats + more, _WANTED), _MOST_WANTED)
