"""A composition while it is made: iterated bar by bar, and at any time a score with a report."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from segue.compose.editing import add_part, put_in
from segue.compose.pieces import Writing
from segue.compose.summary import summary_of
from segue.compose.wishes import Wishes
from segue.errors import BadArgument
from segue.formats.score.bars import beat_of
from segue.measure.generation import (
    empty_bar_rate,
    groove_consistency,
    pitch_class_entropy,
    scale_consistency,
)
from segue.records import Score
from segue.represent.score.bar_prints import part_prints
from segue.represent.score.chord_spelling import sharps_of
from segue.represent.score.grid import bars_on_grid
from segue.represent.score.harmony import chords, find_key, with_key
from segue.represent.score.instruments import instrument_name
from segue.represent.score.timing import Bars
from segue.represent.score.timing import bars as bars_of
from segue.represent.score.vocabulary import (
    DRUMS,
    STEPS_PER_QUARTER,
    Bar,
    steps_of,
)

if TYPE_CHECKING:
    from segue.model.score.composer import Composer


@dataclass(eq=False)
class Composition:
    """A composition; iterate it to write it.

    Attributes
    ----------
    composer : Composer
    wishes : Wishes
    bars : int
        How many to write; of a part to be added, or of bars to be filled in, as many as there are.
    prompt : Score, optional
        What is gone on with, filled in, or added to.
    infill : (int, int), optional
        First and last bar to be written anew, from 1, both included.
    added : int, optional
        The instrument whose part is to be added.
    written : list of Bar
        What is written so far.

    Raises
    ------
    BadArgument
        The wishes do not go together, or the prompt cannot be gone on with.
    """

    composer: "Composer"
    wishes: Wishes
    bars: int = 16
    prompt: Score | None = None
    infill: tuple[int, int] | None = None
    added: int | None = None
    written: list[Bar] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.prompt is None and (self.infill or self.added is not None):
            raise BadArgument("--infill and --add need a score to work on; name one")
        if self.infill and self.added is not None:
            raise BadArgument("--infill and --add at once; do one after the other")
        timed = self.wishes.metre is not None or self.wishes.tempo is not None
        if timed and (self.infill or self.added is not None):
            raise BadArgument("metre and tempo are those of the score; leave --metre, --tempo out")
        self._before = bars_on_grid(self.prompt) if self.prompt else []
        if self.infill:
            first, last = self.infill
            if not 1 <= first <= last <= len(self._before):
                raise BadArgument(
                    f"bars {first} to {last} cannot be filled in; the score has "
                    f"{len(self._before)} bars, counted from 1"
                )
            self.bars = last - first + 1
        if self.added is not None:
            self.bars = len(self._before)
        self._writing = Writing(self.composer, self._completed())

    def __iter__(self) -> Iterator[Bar]:
        if self.infill:
            bars = self._writing.fill(self._before, self.infill[0] - 1, self.infill[1])
        elif self.added is not None:
            bars = self._writing.add(self._before, self.added, self._roots())
        else:
            bars = self._writing.go_on(self.bars, self._before)
        for bar in bars:
            self.written.append(bar)
            yield bar

    @property
    def score(self) -> Score:
        """The prompt with what is written so far.

        Raises
        ------
        BadArgument
            There is no note yet.
        """
        parts = Counter(self.wishes.instruments or ())
        if self.prompt is None:
            return self._as_asked(put_in(None, self.written, 0, 0, parts), 0)
        if self.infill:
            first = self.infill[0] - 1
            return put_in(self.prompt, self.written, first, first + len(self.written))
        if self.added is not None:
            return add_part(self.prompt, self.written)
        behind = min(len(self._before), len(bars_of(self.prompt)))
        return self._as_asked(put_in(self.prompt, self.written, behind, behind, parts), behind)

    def _as_asked(self, score: Score, first: int) -> Score:
        """Say the tempo and the key from a bar on, of what is written."""
        divided = bars_of(score)
        if first >= len(divided):  # nothing is written yet
            return score
        return self._at_tempo(self._in_key(score, int(divided.at[first])), divided, first)

    def _in_key(self, score: Score, start: int) -> Score:
        """Say the key that was asked for: the notes alone may fit another as well."""
        if self.wishes.key is None:
            return score
        before = [] if self.prompt is None else with_key(self.prompt).keys.tolist()
        tonic, minor = divmod(self.wishes.key, 2)
        rows = [row for row in before if row[0] < start]
        rows.append([start, sharps_of(tonic, is_minor=bool(minor)), minor])
        return replace(score, keys=np.array(rows, np.int32))

    def _at_tempo(self, score: Score, divided: Bars, first: int) -> Score:
        """Say tempos from a bar on in whole beats a minute, and exactly the one asked for."""
        start, asked = int(divided.at[first]), self.wishes.tempo
        rows = [row for row in score.tempos.tolist() if row[0] < start]
        new = [row for row in score.tempos.tolist() if row[0] >= start]
        if asked is not None:
            new = [[float(start), 0.0]]
        for tick, bpm in new:
            bar = int(divided.of(np.array([tick]))[0])
            beat = float(beat_of(int(divided.beats[bar]), int(divided.units[bar])))
            exact = (round(bpm / beat) if asked is None else asked) * beat
            if not rows or rows[-1][1] != exact:
                rows.append([tick, exact])
        return replace(score, tempos=np.array(rows, np.float64).reshape(-1, 2))

    def _roots(self) -> list[list[tuple[int, int]]]:
        """Return, for each bar, from which step on which pitch class is the root of a chord."""
        if self.prompt is None:
            return []
        starts = bars_of(self.prompt).at
        found: list[list[tuple[int, int]]] = [[] for _ in starts[:-1]]
        for chord in chords(self.prompt):
            ticks = chord.start - int(starts[chord.bar])
            step = round(ticks * STEPS_PER_QUARTER / self.prompt.ticks_per_quarter)
            found[chord.bar].append((step, chord.root))
        return found

    @property
    def report(self) -> dict[str, Any]:
        """What is written, in figures; and what would write it again."""
        known = self.composer.known
        shared = known.longest(part_prints(self.written))
        longest = {
            "bars": shared.bars,
            "piece": shared.piece,
            "last_bar": shared.end + 1 + self._offset if shared.bars else None,
            "instrument": instrument_name(shared.instrument) if shared.bars else "",
        }
        wishes = asdict(self._writing.wishes)
        told = summary_of(self.score, self._offset, self._offset + len(self.written))
        return {
            "bars": len(self.written),
            "summary": asdict(told) | {"sentence": told.sentence},
            "longest_passage_shared": longest,
            "pieces_learned_from": len(known.names),
            "bars_rejected": self._writing.rejected,
            "statistics": statistics(self.written),
            "to_reproduce": {
                **wishes,
                "infill": self.infill,
                "added": self.added,
                "segue": version("segue"),
                "torch": version("torch"),
                "model": self.composer.fingerprint,
                "precision": self._writing.precision,
            },
        }

    @property
    def _offset(self) -> int:
        """Bars before the first one written."""
        if self.infill:
            return self.infill[0] - 1
        return 0 if self.added is not None else len(self._before)

    def _completed(self) -> Wishes:
        """Take from the prompt what was not wished otherwise."""
        if self.prompt is None or self.wishes.key is not None:
            return self.wishes
        key = find_key(self.prompt)
        return replace(self.wishes, key=2 * key.tonic + (key.mode == "minor"))


def statistics(bars: Sequence[Bar]) -> dict[str, float | None]:
    """Measure bars as generated music is measured; see `segue.measure.generation`.

    Returns
    -------
    dict
        "pitch_class_entropy" (bits), "scale_consistency", "groove_consistency",
        "empty_bar_rate" and "notes_per_bar"; None where it has no value. Grooves are compared
        between bars of the metre that most of them have; drums have no pitch.
    """
    pitch = np.array([n.pitch for bar in bars for n in bar.notes if n.instrument != DRUMS], int)
    starts = np.cumsum([0, *(steps_of(bar.metre) for bar in bars)])
    spans = [
        (place, int(np.searchsorted(starts, starts[place] + n.onset + n.length, side="left")) - 1)
        for place, bar in enumerate(bars)
        for n in bar.notes
    ]
    first, last = np.array(spans, int).reshape(-1, 2).T
    metres = [bar.metre for bar in bars]
    usual = max(set(metres), key=metres.count)
    alike = [bar for bar in bars if bar.metre == usual]
    onsets = np.zeros((len(alike), steps_of(usual)), np.bool_)
    for row, bar in zip(onsets, alike, strict=True):
        row[[note.onset for note in bar.notes]] = True
    found = {
        "pitch_class_entropy": pitch_class_entropy(pitch),
        "scale_consistency": scale_consistency(pitch),
        "groove_consistency": groove_consistency(onsets),
        "empty_bar_rate": empty_bar_rate(first, last.clip(max=len(bars) - 1), len(bars)),
        "notes_per_bar": sum(len(bar.notes) for bar in bars) / len(bars),
    }
    return {name: None if np.isnan(value) else float(value) for name, value in found.items()}
