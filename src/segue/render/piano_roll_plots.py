"""Figures of piano rolls."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import Part, Score
from segue.render.plots import TEXT_COLOUR, new_figure, save, shorten
from segue.score.features import pitch_name, time_signature_text
from segue.score.harmony import Chord, estimate_chords, estimate_key, written_chords
from segue.score.piano_roll import FAMILY_INSTRUMENTS, INSTRUMENTS, PianoRoll
from segue.score.timing import BarGrid, bar_grid, excerpt, main_beats_per_minute
from segue.theory.instruments import DRUM_NAMES, PROGRAM_NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

MAX_BARS: Final = 64
#: Length of a row in quarters (sixteen bars of 4/4), and maximum number of rows.
_ROW_QUARTERS: Final = 64
_MAX_ROWS: Final = 8
_WIDTH_INCHES: Final = 13.0
#: Colours for readers with and without colour vision (Okabe & Ito 2008), then lighter ones.
_COLOURS: Final = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#7f7f7f",
    "#6a3d9a", "#b2df8a", "#fb9a99", "#17becf",
)  # fmt: skip
DRUM_COLOUR: Final = "#333333"
#: Height of a drum's row, and space between the pitches and the drums, in semitones.
_DRUM_HEIGHT: Final = 2.8
_GAP: Final = 1.5
_MIN_SEMITONES: Final = 14
#: Maximum number of pieces in one figure.
_MAX_PIECES: Final = 64


@dataclass(frozen=True, slots=True)
class _Rows:
    """Vertical positions of pitches and drums, in semitones.

    Attributes
    ----------
    low, high : int
        Lowest and highest pitch that is shown.
    drums : dict of int to float
        Lower edge of each drum's row, by its pitch; all are below the pitches.
    drum_height : float
        Height of a drum's row.
    """

    low: int
    high: int
    drums: dict[int, float]
    drum_height: float

    @property
    def bottom(self) -> float:
        """Lower edge of all rows."""
        return min(self.drums.values(), default=self.low - 0.5) - 0.3


def draw_piano_roll(
    score: Score, target: Path, *, title: str = "", chords: Sequence[Chord] | None = None
) -> None:
    """Draw the piano roll of a score, in rows of several bars, with a colour for each part.

    Parameters
    ----------
    score : Score
        Score of which at most `MAX_BARS` bars are drawn.
    target : Path
        Path of the figure: .png, .svg or .pdf.
    title : str
        Title; by default title and composer of the score.
    chords : sequence of Chord, optional
        Chord symbols above the notes; by default estimated from the notes.

    Raises
    ------
    BadArgument
        The score has no notes, or the suffix is unknown.
    """
    if not score.parts:
        raise BadArgument("expected a score with notes, got one without")
    grid = bar_grid(score)
    n_bars = min(len(grid), MAX_BARS)
    edges = _row_edges(grid, n_bars)
    rows = _rows(excerpt(score, 0, int(edges[-1])).parts or score.parts, _DRUM_HEIGHT)
    if chords is None:
        chords = written_chords(score) or estimate_chords(score)
    colours = part_colours(score.parts)
    height = np.clip((rows.high - rows.bottom) * 0.042, 1.3, 4.8) + 0.35
    legend_lines = -(-len(score.parts) // 6)
    figure = new_figure(
        _WIDTH_INCHES, float(height * (len(edges) - 1) + 0.75 + 0.22 * legend_lines)
    )
    starts, ends = grid.edges[edges[:-1]], grid.edges[edges[1:]]
    widest = int((ends - starts).max())
    for row, (first, last) in enumerate(pairwise(edges.tolist())):
        axes = figure.add_subplot(len(edges) - 1, 1, row + 1)
        start = int(grid.edges[first])
        _draw_notes(axes, score.parts, rows, colours, (start, int(grid.edges[last])))
        _draw_bars(axes, grid, first, last, rows)
        _draw_chords(axes, [c for c in chords if first <= c.bar < last], rows, widest)
        _label_rows(axes, rows)
        axes.set_xlim(start, start + widest)
    heading = _heading(score, title, n_bars, len(grid))
    figure.suptitle(heading, fontsize=11, x=0.01, ha="left")
    handles = [
        _patch(colour, part_name(part, score.title))
        for colour, part in zip(colours, score.parts, strict=True)
    ]
    figure.legend(
        handles=handles[: 2 * len(_COLOURS)], loc="outside lower left", ncols=6, fontsize=8,
        frameon=False,
    )  # fmt: skip
    save(figure, target)


def draw_piano_rolls(
    pieces: Sequence[tuple[str, PianoRoll | Score]],
    target: Path,
    *,
    title: str = "",
    columns: int = 4,
) -> None:
    """Draw several short pieces side by side, with a colour for each family of instruments.

    Parameters
    ----------
    pieces : sequence of (str, PianoRoll or Score)
        Captions and pieces, at most 64.
    target : Path
        Path of the figure: .png, .svg or .pdf.
    columns : int
        Maximum number of pieces in a row.

    Raises
    ------
    BadArgument
        There is no piece, or more than 64, or the suffix is unknown.
    """
    if not 1 <= len(pieces) <= _MAX_PIECES:
        raise BadArgument(f"{len(pieces)} pieces to draw; from 1 to {_MAX_PIECES} fit")
    scores = [item.to_score() if isinstance(item, PianoRoll) else item for _, item in pieces]
    rows = _rows([part for score in scores for part in score.parts], _DRUM_HEIGHT / 3)
    columns = min(columns, len(pieces))
    lines = -(-len(pieces) // columns)
    height = float(np.clip((rows.high - rows.bottom) * 0.03, 1.2, 2.6)) + 0.3
    figure = new_figure(max(3.1 * columns, 5.0), height * lines + 0.7)
    families: set[int] = set()
    for index, ((caption, _), score) in enumerate(zip(pieces, scores, strict=True)):
        axes = figure.add_subplot(lines, columns, index + 1)
        axes.set_title(shorten(caption, 44), fontsize=8, loc="left")
        families |= _draw_piece(axes, score, rows)
        if index % columns:
            axes.set_yticklabels([])
    handles = [_patch(_family_colour(family), INSTRUMENTS[family]) for family in sorted(families)]
    figure.legend(
        handles=handles, loc="outside lower left", ncols=len(INSTRUMENTS), fontsize=8, frameon=False
    )
    if title:
        figure.suptitle(shorten(title, 110), fontsize=11, x=0.01, ha="left")
    save(figure, target)


def _draw_piece(axes: "Axes", score: Score, rows: _Rows) -> set[int]:
    """Draw a short piece, and return its families of instruments."""
    families: list[int] = []
    if score.parts:
        grid = bar_grid(score)
        last = min(len(grid), MAX_BARS)
        families = [
            0 if part.is_drum else FAMILY_INSTRUMENTS[part.program // 8] for part in score.parts
        ]
        colours = [_family_colour(family) for family in families]
        start, end = int(grid.edges[0]), int(grid.edges[last])
        _draw_notes(axes, score.parts, rows, colours, (start, end))
        _draw_bars(axes, grid, 0, last, rows)
        axes.set_xlim(start, end)
    else:
        axes.text(0.5, 0.5, "silence", ha="center", va="center", transform=axes.transAxes)
        axes.set_xticks([])
        for spine in axes.spines.values():
            spine.set_color("#999999")
    axes.set_ylim(rows.bottom, rows.high + 1)
    _label_rows(axes, rows, is_small=True)
    return set(families)


# ---- layout ------------------------------------------------------------------------------


def _row_edges(grid: BarGrid, n_bars: int) -> NDArray[np.int64]:
    """Return the first bar of each row, and the end of the last row."""
    quarters = 4 * float(np.median(grid.numerators[:n_bars] / grid.denominators[:n_bars]))
    row_bars = int(np.clip(4 * round(_ROW_QUARTERS / quarters / 4), 4, 32))
    row_bars = max(row_bars, -(-n_bars // _MAX_ROWS))
    full, rest = divmod(n_bars, row_bars)
    if full and rest <= row_bars // 4:
        row_bars = -(-n_bars // full)  # a few bars are no row of their own
    return np.append(np.arange(0, n_bars, row_bars), n_bars)


def _rows(parts: Sequence[Part], drum_height: float) -> _Rows:
    pitched = [part.notes[:, 2] for part in parts if not part.is_drum]
    low, high = 60, 60
    if pitched:
        pitches = np.concatenate(pitched)
        low, high = int(pitches.min()), int(pitches.max())
    lacking = max(_MIN_SEMITONES - (high - low), 0)
    low, high = max(low - 1 - lacking // 2, 0), min(high + 1 + lacking // 2, 127)
    drums = sorted({int(pitch) for part in parts if part.is_drum for pitch in part.notes[:, 2]})
    if drums and not pitched:
        low = high = 0
    bottom = low - 0.5 - _GAP - drum_height * len(drums)
    return _Rows(low, high, {p: bottom + drum_height * i for i, p in enumerate(drums)}, drum_height)


def part_colours(parts: Sequence[Part]) -> list[str]:
    """Return the colour of each part; drums have `DRUM_COLOUR`."""
    pitched = cycle(_COLOURS)
    return [DRUM_COLOUR if part.is_drum else next(pitched) for part in parts]


def _family_colour(family: int) -> str:
    return DRUM_COLOUR if family == 0 else _COLOURS[family - 1]


# ---- drawing -----------------------------------------------------------------------------


def _draw_notes(
    axes: "Axes",
    parts: Sequence[Part],
    rows: _Rows,
    colours: Sequence[str],
    span: tuple[int, int],
) -> None:
    """Draw the notes between two ticks."""
    from matplotlib.collections import PolyCollection

    start, end = span
    # The first part, often the melody, is drawn on top.
    for part, colour in reversed(list(zip(parts, colours, strict=True))):
        onset, duration, pitch, velocity = part.notes.astype(np.int64).T
        visible = (onset < end) & (onset + duration > start)
        if not visible.any():
            continue
        left = np.maximum(onset, start)[visible]
        right = np.minimum(onset + duration, end)[visible]
        if part.is_drum:
            # A drum hit has no duration: its onset is shown.
            thin = (end - start) / (500 if rows.drum_height > 1 else 150)
            right = left + np.clip(right - left, thin, 3 * thin)
            bottom = np.array(
                [rows.drums[p] + 0.1 * rows.drum_height for p in pitch[visible].tolist()]
            )
            top = bottom + 0.8 * rows.drum_height
        else:
            bottom, top = pitch[visible] - 0.45, pitch[visible] + 0.45
        corners = np.stack(
            [
                np.stack([left, bottom], 1), np.stack([right, bottom], 1),
                np.stack([right, top], 1), np.stack([left, top], 1),
            ],
            axis=1,
        )  # fmt: skip
        alpha = 0.45 + 0.5 * np.clip(velocity[visible] / 110, 0, 1)
        axes.add_collection(
            PolyCollection(
                list(corners), facecolors=colour, alpha=alpha, edgecolors="white",
                linewidths=0.25,
            )
        )  # fmt: skip


def _draw_bars(axes: "Axes", grid: BarGrid, first: int, last: int, rows: _Rows) -> None:
    # Bar numbers need room: of many bars, every second, fourth … is numbered.
    every = max(1, 2 ** int(np.ceil(np.log2(max((last - first) / 32, 1)))))
    axes.set_ylim(rows.bottom, rows.high + 1)
    axes.vlines(
        grid.edges[first : last + 1],
        rows.bottom,
        rows.high + 1,
        colors="#999999",
        linewidths=0.6,
        zorder=0,
    )
    beats = [
        grid.edges[bar] + (grid.edges[bar + 1] - grid.edges[bar]) * beat / grid.numerators[bar]
        for bar in range(first, last)
        for beat in range(1, min(int(grid.numerators[bar]), 16))
    ]
    axes.vlines(beats, rows.bottom, rows.high + 1, colors="#e4e4e4", linewidths=0.4, zorder=-1)
    if rows.drums:
        axes.axhline(rows.low - 0.5 - _GAP / 2, color="#999999", linewidth=0.6, zorder=0)
    numbered = range(first, last, every)
    axes.set_xticks(
        [int(grid.edges[bar]) for bar in numbered],
        [str(bar + 1) for bar in numbered],
        fontsize=7,
        ha="left",
    )
    axes.tick_params(axis="x", length=0, pad=1)
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(False)


def _draw_chords(axes: "Axes", chords: Sequence[Chord], rows: _Rows, widest: int) -> None:
    """Write each chord symbol at its onset, in a font size that fits before the next one."""
    previous = ["", *(chord.name for chord in chords)]
    changes = [chord for chord, name in zip(chords, previous, strict=False) if chord.name != name]
    points_per_tick = 72 * (_WIDTH_INCHES - 0.8) / widest
    for index, chord in enumerate(changes):
        end = changes[index + 1].start if index + 1 < len(changes) else chord.start + widest
        font_size = (end - chord.start) * points_per_tick / (0.7 * len(chord.name))
        if font_size >= 3.5:
            axes.text(
                chord.start, rows.high + 1.4, chord.name, fontsize=min(7.5, font_size), va="bottom",
                color=TEXT_COLOUR,
            )  # fmt: skip


def _label_rows(axes: "Axes", rows: _Rows, *, is_small: bool = False) -> None:
    pitch_classes = {0} if rows.high - rows.low > 30 else {0, 7}
    pitches = [pitch for pitch in range(rows.low, rows.high + 1) if pitch % 12 in pitch_classes]
    if rows.high == rows.low:
        pitches = []
    ticks = [float(pitch) for pitch in pitches]
    labels = [pitch_name(pitch) for pitch in pitches]
    if not is_small:
        ticks += [edge + rows.drum_height / 2 for edge in rows.drums.values()]
        labels += [DRUM_NAMES.get(pitch, f"drum {pitch}") for pitch in rows.drums]
    elif rows.drums:
        ticks.append((min(rows.drums.values()) + rows.low) / 2 - 0.5)
        labels.append("drums")
    axes.set_yticks(ticks, labels, fontsize=6.5)
    axes.tick_params(axis="y", length=0)
    axes.hlines(
        pitches, *axes.get_xlim(), colors="#cccccc", linewidths=0.4, linestyles=":", zorder=-1
    )


def _patch(colour: str, name: str) -> "Patch":
    from matplotlib.patches import Patch

    return Patch(color=colour, label=name)


def part_name(part: Part, title: str) -> str:
    """Return the name of a part and its instrument, or the instrument alone."""
    instrument = "drums" if part.is_drum else PROGRAM_NAMES[part.program]
    name = shorten(part.name, 24)
    has_name = name and part.name != title and name.lower() != instrument
    return f"{name} ({instrument})" if has_name else instrument


def _heading(score: Score, title: str, n_bars: int, total: int) -> str:
    title = title or " – ".join(text for text in (score.title, score.composer) if text)
    facts = [f"{main_beats_per_minute(score):.0f} bpm", time_signature_text(score)]
    if any(not part.is_drum for part in score.parts):
        facts.insert(0, estimate_key(score).name)
    if n_bars < total:
        facts.append(f"the first {n_bars} of {total} bars")
    return "\n".join(line for line in (shorten(title, 110), " · ".join(facts)) if line)
