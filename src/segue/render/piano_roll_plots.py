"""Figures of piano rolls."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import Part, Score
from segue.render.plots import new_figure, save, shorten
from segue.score.features import pitch_name, time_signature_text
from segue.score.harmony import Chord, estimate_chords, estimate_key
from segue.score.piano_roll import FAMILY_INSTRUMENTS, INSTRUMENTS, PianoRoll
from segue.score.timing import BarGrid, bar_grid, excerpt, main_beats_per_minute
from segue.theory.instruments import DRUM_NAMES, PROGRAM_NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

MAX_BARS: Final = 64
_ROW_QUARTERS: Final = 64  # sixteen bars of 4/4 in a row
_MOST_ROWS: Final = 8
_WIDTH: Final = 13.0
#: Told apart by people with and without colour vision (Okabe & Ito 2008), then lighter ones.
_COLOURS: Final = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#7f7f7f",
    "#6a3d9a", "#b2df8a", "#fb9a99", "#17becf",
)  # fmt: skip
_DRUM_COLOUR: Final = "#333333"
_DRUM_HEIGHT: Final = 2.8  # semitones
_GAP: Final = 1.5  # semitones between what has pitch and the drums
_FEWEST_SEMITONES: Final = 14
_MOST_SMALL: Final = 64


@dataclass(frozen=True, slots=True)
class _Rows:
    """Where pitches and drums lie on the vertical axis.

    Attributes
    ----------
    low, high : int
        The lowest pitch shown and the highest.
    drums : dict of int to float
        By pitch, the place of the lower edge of its row, below what has pitch.
    drum_height : float
        Of such a row, semitones.
    """

    low: int
    high: int
    drums: dict[int, float]
    drum_height: float

    @property
    def bottom(self) -> float:
        """Return the lowest place of all."""
        return min(self.drums.values(), default=self.low - 0.5) - 0.3


def draw_piano_roll(
    score: Score, target: Path, *, title: str = "", named: Sequence[Chord] | None = None
) -> None:
    """Draw what a score plays: a row for some bars, a colour for each part.

    Parameters
    ----------
    score : Score
    target : Path
        Ends in .png, .svg or .pdf.
    title : str
        Else the score's own title and composer.
    named : sequence of Chord, optional
        The chords that are written above it; else those that are found.

    Raises
    ------
    BadArgument
        It has no notes, or the ending is unknown.
    """
    if not score.parts:
        raise BadArgument("expected a score with notes, got one without")
    divided = bar_grid(score)
    shown = min(len(divided), MAX_BARS)
    firsts = _rows_of(divided, shown)
    rows = _rows(excerpt(score, 0, int(firsts[-1])).parts or score.parts, _DRUM_HEIGHT)
    names = estimate_chords(score) if named is None else named
    colours = _colours(score.parts)
    height = np.clip((rows.high - rows.bottom) * 0.042, 1.3, 4.8) + 0.35
    legend_lines = -(-len(score.parts) // 6)
    figure = new_figure(_WIDTH, float(height * (len(firsts) - 1) + 0.75 + 0.22 * legend_lines))
    starts, ends = divided.edges[firsts[:-1]], divided.edges[firsts[1:]]
    widest = int((ends - starts).max())
    for row, (first, last) in enumerate(pairwise(firsts.tolist())):
        axes = figure.add_subplot(len(firsts) - 1, 1, row + 1)
        start = int(divided.edges[first])
        _draw_notes(axes, score.parts, rows, colours, (start, int(divided.edges[last])))
        _draw_bars(axes, divided, first, last, rows)
        _draw_chords(axes, [c for c in names if first <= c.bar < last], rows, widest)
        _label_rows(axes, rows)
        axes.set_xlim(start, start + widest)
    figure.suptitle(_heading(score, title, shown, len(divided)), fontsize=11, x=0.01, ha="left")
    handles = [
        _patch(colours[number], _part_name(part, score.title))
        for number, part in enumerate(score.parts)
    ]
    most = len(_COLOURS) * 2
    figure.legend(
        handles=handles[:most], loc="outside lower left", ncols=6, fontsize=8, frameon=False
    )
    save(figure, target)


def draw_piano_rolls(
    shown: Sequence[tuple[str, PianoRoll | Score]],
    target: Path,
    *,
    title: str = "",
    columns: int = 4,
) -> None:
    """Draw several short pieces side by side, the same instruments in the same colours.

    Parameters
    ----------
    shown : sequence of (str, PianoRoll or Score)
        What is written above each, and what it plays; at most 64.
    target : Path
        Ends in .png, .svg or .pdf.
    title : str
    columns : int

    Raises
    ------
    BadArgument
        There are none, or more than 64, or the ending is unknown.
    """
    if not 1 <= len(shown) <= _MOST_SMALL:
        raise BadArgument(f"{len(shown)} pieces to draw; from 1 to {_MOST_SMALL} fit")
    scores = [item.to_score() if isinstance(item, PianoRoll) else item for _, item in shown]
    rows = _rows([part for score in scores for part in score.parts], _DRUM_HEIGHT / 3)
    columns = min(columns, len(shown))
    lines = -(-len(shown) // columns)
    height = float(np.clip((rows.high - rows.bottom) * 0.03, 1.2, 2.6)) + 0.3
    figure = new_figure(max(3.1 * columns, 5.0), height * lines + 0.7)
    used = set()
    for number, ((caption, _), score) in enumerate(zip(shown, scores, strict=True)):
        axes = figure.add_subplot(lines, columns, number + 1)
        axes.set_title(shorten(caption, 44), fontsize=8, loc="left")
        if score.parts:
            divided = bar_grid(score)
            last = min(len(divided), MAX_BARS)
            kinds = [
                0 if part.is_drum else FAMILY_INSTRUMENTS[part.program // 8] for part in score.parts
            ]
            used |= set(kinds)
            start, end = int(divided.edges[0]), int(divided.edges[last])
            _draw_notes(axes, score.parts, rows, [_family(kind) for kind in kinds], (start, end))
            _draw_bars(axes, divided, 0, last, rows)
            axes.set_xlim(start, end)
        else:
            axes.text(0.5, 0.5, "silence", ha="center", va="center", transform=axes.transAxes)
            axes.set_xticks([])
            for spine in axes.spines.values():
                spine.set_color("#999999")
        axes.set_ylim(rows.bottom, rows.high + 1)
        _label_rows(axes, rows, is_small=True)
        if number % columns:
            axes.set_yticklabels([])
    handles = [_patch(_family(kind), INSTRUMENTS[kind]) for kind in sorted(used)]
    figure.legend(
        handles=handles, loc="outside lower left", ncols=len(INSTRUMENTS), fontsize=8, frameon=False
    )
    if title:
        figure.suptitle(shorten(title, 110), fontsize=11, x=0.01, ha="left")
    save(figure, target)


# ---- what lies where ---------------------------------------------------------------------


def _rows_of(divided: BarGrid, shown: int) -> NDArray[np.int64]:
    """Return the first bar of each row, and the one after the last."""
    quarters = 4 * float(np.median(divided.numerators[:shown] / divided.denominators[:shown]))
    each = int(np.clip(4 * round(_ROW_QUARTERS / quarters / 4), 4, 32))
    each = max(each, -(-shown // _MOST_ROWS))
    full, rest = divmod(shown, each)
    if full and rest <= each // 4:
        each = -(-shown // full)  # a few bars are no row of their own
    return np.append(np.arange(0, shown, each), shown)


def _rows(parts: Sequence[Part], drum_height: float) -> _Rows:
    pitched = [part.notes[:, 2] for part in parts if not part.is_drum]
    low, high = 60, 60
    if pitched:
        every = np.concatenate(pitched)
        low, high = int(every.min()), int(every.max())
    lacking = max(_FEWEST_SEMITONES - (high - low), 0)
    low, high = max(low - 1 - lacking // 2, 0), min(high + 1 + lacking // 2, 127)
    drums = sorted({int(pitch) for part in parts if part.is_drum for pitch in part.notes[:, 2]})
    if drums and not pitched:
        low = high = 0
    below = low - 0.5 - _GAP - drum_height * len(drums)
    places = {pitch: below + drum_height * row for row, pitch in enumerate(drums)}
    return _Rows(low, high, places, drum_height)


def _colours(parts: Sequence[Part]) -> list[str]:
    pitched = 0
    found = []
    for part in parts:
        found.append(_DRUM_COLOUR if part.is_drum else _COLOURS[pitched % len(_COLOURS)])
        pitched += not part.is_drum
    return found


def _family(kind: int) -> str:
    return _DRUM_COLOUR if kind == 0 else _COLOURS[kind - 1]


# ---- drawing -----------------------------------------------------------------------------


def _draw_notes(
    axes: "Axes",
    parts: Sequence[Part],
    rows: _Rows,
    colours: Sequence[str],
    span: tuple[int, int],
) -> None:
    """Draw what sounds between two ticks."""
    from matplotlib.collections import PolyCollection

    start, end = span

    # The first part, often the voice, lies on top.
    for part, colour in reversed(list(zip(parts, colours, strict=True))):
        onset, duration, pitch, velocity = part.notes.astype(np.int64).T
        here = (onset < end) & (onset + duration > start)
        if not here.any():
            continue
        left = np.maximum(onset, start)[here]
        right = np.minimum(onset + duration, end)[here]
        if part.is_drum:
            # A stroke has no length: what is seen is when it falls.
            thin = (end - start) / (500 if rows.drum_height > 1 else 150)
            right = left + np.clip(right - left, thin, 3 * thin)
            bottom = np.array(
                [rows.drums[p] + 0.1 * rows.drum_height for p in pitch[here].tolist()]
            )
            top = bottom + 0.8 * rows.drum_height
        else:
            bottom, top = pitch[here] - 0.45, pitch[here] + 0.45
        corners = np.stack(
            [
                np.stack([left, bottom], 1), np.stack([right, bottom], 1),
                np.stack([right, top], 1), np.stack([left, top], 1),
            ],
            axis=1,
        )  # fmt: skip
        strength = 0.45 + 0.5 * np.clip(velocity[here] / 110, 0, 1)
        axes.add_collection(
            PolyCollection(
                list(corners), facecolors=colour, alpha=strength, edgecolors="white",
                linewidths=0.25,
            )
        )  # fmt: skip


def _draw_bars(axes: "Axes", divided: BarGrid, first: int, last: int, rows: _Rows) -> None:
    at = divided.edges[first : last + 1]
    # Numbers need room: so many bars of a row are numbered.
    every = max(1, 2 ** int(np.ceil(np.log2(max((last - first) / 32, 1)))))
    axes.set_ylim(rows.bottom, rows.high + 1)
    axes.vlines(at, rows.bottom, rows.high + 1, colors="#999999", linewidths=0.6, zorder=0)
    beats = [
        divided.edges[bar]
        + (divided.edges[bar + 1] - divided.edges[bar]) * beat / divided.numerators[bar]
        for bar in range(first, last)
        for beat in range(1, min(int(divided.numerators[bar]), 16))
    ]
    axes.vlines(beats, rows.bottom, rows.high + 1, colors="#e4e4e4", linewidths=0.4, zorder=-1)
    if rows.drums:
        axes.axhline(rows.low - 0.5 - _GAP / 2, color="#999999", linewidth=0.6, zorder=0)
    numbered = range(first, last, every)
    axes.set_xticks(
        [int(divided.edges[bar]) for bar in numbered],
        [str(bar + 1) for bar in numbered],
        fontsize=7,
        ha="left",
    )
    axes.tick_params(axis="x", length=0, pad=1)
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(False)


def _draw_chords(axes: "Axes", names: Sequence[Chord], rows: _Rows, widest: int) -> None:
    """Write each chord where it begins, in letters that fit before the next."""
    befores = ["", *(chord.name for chord in names[:-1])]
    changes = [chord for chord, before in zip(names, befores, strict=True) if chord.name != before]
    points = 72 * (_WIDTH - 0.8) / widest
    for number, chord in enumerate(changes):
        until = changes[number + 1].start if number + 1 < len(changes) else chord.start + widest
        room = (until - chord.start) * points / (0.7 * len(chord.name))
        if room >= 3.5:
            axes.text(
                chord.start, rows.high + 1.4, chord.name, fontsize=min(7.5, room), va="bottom",
                color="#222222",
            )  # fmt: skip


def _label_rows(axes: "Axes", rows: _Rows, *, is_small: bool = False) -> None:
    marks = {0} if rows.high - rows.low > 30 else {0, 7}
    marked = [pitch for pitch in range(rows.low, rows.high + 1) if pitch % 12 in marks]
    if rows.high == rows.low:
        marked = []
    places: list[float] = [float(pitch) for pitch in marked]
    labels = [pitch_name(pitch) for pitch in marked]
    if not is_small:
        places += [place + rows.drum_height / 2 for place in rows.drums.values()]
        labels += [DRUM_NAMES.get(pitch, f"drum {pitch}") for pitch in rows.drums]
    elif rows.drums:
        places.append((min(rows.drums.values()) + rows.low) / 2 - 0.5)
        labels.append("drums")
    axes.set_yticks(places, labels, fontsize=6.5)
    axes.tick_params(axis="y", length=0)
    axes.hlines(
        marked, *axes.get_xlim(), colors="#cccccc", linewidths=0.4, linestyles=":", zorder=-1
    )


def _patch(colour: str, name: str) -> "Patch":
    from matplotlib.patches import Patch

    return Patch(color=colour, label=name)


def _part_name(part: Part, title: str) -> str:
    sound = "drums" if part.is_drum else PROGRAM_NAMES[part.program]
    name = shorten(part.name, 24)
    return f"{name} ({sound})" if name and part.name != title and name.lower() != sound else sound


def _heading(score: Score, title: str, shown: int, count: int) -> str:
    named = title or " – ".join(text for text in (score.title, score.composer) if text)
    told = [f"{main_beats_per_minute(score):.0f} bpm", time_signature_text(score)]
    if any(not part.is_drum for part in score.parts):
        told.insert(0, estimate_key(score).name)
    if shown < count:
        told.append(f"the first {shown} of {count} bars")
    return "\n".join(line for line in (shorten(named, 110), " · ".join(told)) if line)
