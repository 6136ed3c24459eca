"""Plans of a composition: which chords each bar has, and which bar it repeats.

A plan has an entry for each bar that is generated. Steps and pitches are those of
`segue.generate.compose.tokens`, pitches as they sound.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from segue.generate.compose.tokens import STEPS_PER_QUARTER, TIME_SIGNATURES, steps_per_bar
from segue.theory import chord_charts
from segue.theory.chord_charts import Chart, parse_chart
from segue.theory.chords import Chord
from segue.theory.keys import key_correlations

#: Weight of the root of a chord among its tones, and of the first and the last chord of a
#: progression among the others, where its key is estimated.
_ROOT_WEIGHT: Final = 2.0
_OUTER_WEIGHT: Final = 2.0
_STEP: Final = STEPS_PER_QUARTER // chord_charts.STEPS_PER_QUARTER


class BarChord(NamedTuple):
    """A chord of a bar.

    Attributes
    ----------
    step : int
        Step of the bar at which it begins.
    root, bass : int
        Pitch classes; -1 for no chord.
    classes : frozenset of int
        Pitch classes of its tones, with the bass.
    name : str
        Chord symbol.
    """

    step: int
    root: int
    bass: int
    classes: frozenset[int]
    name: str = ""

    @classmethod
    def of(cls, chord: Chord, step: int) -> "BarChord":
        """Return a chord that begins at a step."""
        classes = frozenset(chord.classes) | ({chord.bass} if chord.root >= 0 else set())
        return cls(step, chord.root, chord.bass, classes, chord.name)

    def transpose(self, semitones: int) -> "BarChord":
        """Transpose the chord; its name remains."""
        if self.root < 0:
            return self
        root, bass = ((each + semitones) % 12 for each in (self.root, self.bass))
        classes = frozenset((each + semitones) % 12 for each in self.classes)
        return self._replace(root=root, bass=bass, classes=classes)


@dataclass(frozen=True, slots=True)
class BarPlan:
    """What a bar is to be.

    Attributes
    ----------
    chords : tuple of BarChord
        By step, the first at step 0; () leaves the harmony open.
    """

    chords: tuple[BarChord, ...] = ()

    def transpose(self, semitones: int) -> "BarPlan":
        """Transpose the plan."""
        return replace(self, chords=tuple(chord.transpose(semitones) for chord in self.chords))

    def chord_at(self, step: int) -> BarChord | None:
        """Return the chord that holds at a step; None where the harmony is open."""
        return next((chord for chord in reversed(self.chords) if chord.step <= step), None)


#: A plan that leaves all open.
OPEN: Final = BarPlan()


def parse_chords(text: str, time_signature: int) -> list[tuple[BarChord, ...]]:
    """Return the chords of each bar of a progression; see `segue.theory.chord_charts`.

    Parameters
    ----------
    text : str
        Such as "Dm7 G7 | Cmaj7".
    time_signature : int
        Index in `tokens.TIME_SIGNATURES`.

    Raises
    ------
    BadArgument
        A word is no chord, or a bar has more chords than it has room for.
    """
    return chart_bars(parse_chart(text, TIME_SIGNATURES[time_signature]))


def chart_bars(chart: Chart) -> list[tuple[BarChord, ...]]:
    """Return the chords of each bar of a chord chart."""
    bars: list[list[BarChord]] = [[] for _ in range(chart.bars)]
    names = dict(zip(chart.chords[:, 0].tolist(), chart.names, strict=False))
    name = ""
    for start, root, bass, bits in chord_charts.split_at_barlines(chart).tolist():
        name = names.get(start, name)
        classes = frozenset(each for each in range(12) if bits >> each & 1)
        bar, step = divmod(start, chart.steps_per_bar)
        is_chord = root != chord_charts.NO_ROOT
        bars[bar].append(
            BarChord(
                step * _STEP,
                root if is_chord else -1,
                bass if is_chord else -1,
                classes | {bass} if is_chord else classes,
                name,
            )
        )
    return [tuple(bar) for bar in bars]


def estimate_chords_key(bars: Sequence[Sequence[BarChord]], time_signature: int) -> int:
    """Return the index of the key that a progression is in: C major, C minor, C♯ major and so on.

    The correlation of its tones, weighted by duration, with the key profiles; the first and the
    last chord count more.
    """
    chroma = np.zeros(12)
    sounding = [chord for bar in bars for chord in bar if chord.root >= 0]
    for bar in bars:
        ends = [chord.step for chord in bar[1:]] + [steps_per_bar(time_signature)]
        for chord, end in zip(bar, ends, strict=True):
            if chord.root < 0:
                continue
            is_outer = chord is sounding[0] or chord is sounding[-1]
            weight = (end - chord.step) * (_OUTER_WEIGHT if is_outer else 1.0)
            chroma[list(chord.classes)] += weight
            chroma[chord.root] += weight * (_ROOT_WEIGHT - 1)
    best = int(key_correlations(chroma.astype(np.float32)).argmax())
    return 2 * (best % 12) + best // 12
