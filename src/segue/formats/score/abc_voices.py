"""What the music of an ABC tune is while it is read: voices, their bars, the notes in them."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from segue.formats.score.jump_words import Said
from segue.formats.score.play_marks import Marks

SIGNS: Final = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
STEPS: Final = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


@dataclass(frozen=True, slots=True)
class Note:
    """When in its bar, for how long (quarters), what, and whether the next one belongs to it."""

    at: Fraction
    length: Fraction
    pitch: int
    tied: bool
    name: tuple[str, int] = ("", 0)  # letter and octave


@dataclass(slots=True)
class Written:
    """A bar as it is written.

    Attributes
    ----------
    metre, key : tuple of int
        Beats and unit; sharps, and 1 for minor.
    length : Fraction
        In quarters.
    opens, after_double : bool
        A repeat begins here, or may begin where none is marked.
    marks : Marks
        What else it says of the order of playing.
    coda_sign : bool
        The sign where one leaves for the coda, or where that begins.
    part : str
        The part that begins here.
    tempo_bpm : float
        Quarters a minute from here on; 0 says nothing.
    chords : list of (Fraction, str)
        When in the bar, in quarters, which chord symbol stands there.
    """

    metre: tuple[int, int]
    key: tuple[int, int]
    notes: list[Note] = field(default_factory=list)
    length: Fraction = Fraction(0)
    opens: bool = False
    after_double: bool = False
    marks: Marks = field(default_factory=Marks)
    coda_sign: bool = False
    part: str = ""
    tempo_bpm: float = 0.0
    chords: list[tuple[Fraction, str]] = field(default_factory=list)

    @property
    def full(self) -> Fraction:
        """Length that its metre gives it, in quarters."""
        return Fraction(4 * self.metre[0], self.metre[1])


@dataclass(slots=True)
class Sounds:
    """What is said of the sounds of a tune, whatever its voice: programs of MIDI's channels, drums.

    Attributes
    ----------
    programs : dict of int to int
        By channel, from 1.
    drum_map : dict of int to int
        The drums that written pitches stand for.
    """

    programs: dict[int, int] = field(default_factory=dict)
    drum_map: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Voice:
    """A voice, and where its reader stands.

    What is None is as the tune's header has it.
    """

    name: str = ""
    sounds: Sounds = field(default_factory=Sounds)
    program: int | None = None
    channel: int | None = None  # from 1
    bars: list[Written] = field(default_factory=list)
    metre: tuple[int, int] = (4, 4)
    unit: Fraction | None = None  # of a whole; else as the metre has it
    key: tuple[int, int] = (0, 0)
    signature: dict[str, int] = field(default_factory=dict)
    octave: int | None = None  # by how many octaves and semitones it sounds higher than written
    transpose: int | None = None
    moved: int | None = None  # by how many semitones players are told to
    bar: Written | None = None
    at: Fraction = Fraction(0)
    reached: Fraction = Fraction(0)  # by what an overlay lies under
    altered: dict[str, int] = field(default_factory=dict)  # in this bar, in all octaves
    held: dict[tuple[str, int], int] = field(default_factory=dict)  # tied: sounding as
    last: int = 0  # how many notes the last symbol has; they end the bar's list
    symbol: Fraction = Fraction(0)  # its length
    factor: Fraction = Fraction(1)  # of the next symbol, after a broken rhythm
    tuplet: Fraction = Fraction(1)
    tuplet_left: int = 0
    next_bar: dict[str, bool | int | str | float | frozenset[int]] = field(default_factory=dict)
    endings: frozenset[int] = frozenset()
    chord: str = ""  # of the next symbol
    said: list[Said] = field(default_factory=list)  # about the bar of the next symbol

    @property
    def shift(self) -> int:
        """By how many semitones it sounds higher than it is written."""
        return 12 * (self.octave or 0) + (self.transpose or 0) + (self.moved or 0)


@dataclass(slots=True)
class Tune:
    """The voices of a tune, and the order of its parts, "AABB" say."""

    voices: list[Voice]
    parts: str = ""
