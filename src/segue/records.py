"""The records that the packages share: frozen dataclasses without behaviour of their own."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

Medium = Literal["sound", "score", "lyrics"]


def _no_pedals() -> NDArray[np.int32]:
    return np.empty((0, 2), np.int32)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time within a recording."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Recording:
    """The analysed stretches of one recording, decoded.

    Attributes
    ----------
    excerpts : tuple of ndarray, each of shape (samples,), or (2, samples) in stereo, float32
        Mono unless stereo was asked for, at `segue.audio.spectrogram.SAMPLE_RATE_HZ`, full scale
        1.0; the longest is contiguous music of at least 30 s where the file has that much.
    spans : tuple of Span
        Where in the file each excerpt lies.
    duration_s : float
        Length of the whole recording.
    file_rate_hz, file_channels : int
        As stored in the file, before resampling and down-mixing.
    codec : str
        FFmpeg's name of the decoder.
    """

    excerpts: tuple[FloatArray, ...]
    spans: tuple[Span, ...]
    duration_s: float
    file_rate_hz: int
    file_channels: int
    codec: str


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What one instrument of a score plays.

    Attributes
    ----------
    name : str
    program : int
        General MIDI, 0 to 127.
    is_drum : bool
        The pitches are drums, see the General MIDI percussion key map.
    notes : ndarray, shape (n, 4), int32
        Onset and duration in ticks, MIDI pitch 0 to 127 (60 is middle C), velocity 1 to 127;
        by onset, then by pitch.
    pedals : ndarray, shape (p, 2), int32
        From which tick on the sustain pedal is down (1) or up (0), in turn; by tick. Before the
        first it is up.
    """

    name: str
    program: int
    is_drum: bool
    notes: NDArray[np.int32]
    pedals: NDArray[np.int32] = field(default_factory=_no_pedals)


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """Music as it is written: who plays what, when.

    Attributes
    ----------
    title : str
    ticks_per_quarter : int
        Ticks are counted from the start of the score.
    parts : tuple of Part
        Each has at least one note.
    tempos : ndarray, shape (t, 2), float64
        From which tick on, and how many quarters a minute; by tick. Before the first it is 120.
    metres : ndarray, shape (m, 3), int32
        From which tick on, how many beats are in a bar, and what a beat is: 4 for a quarter, 8
        for an eighth. Before the first it is 4/4.
    keys : ndarray, shape (k, 3), int32
        From which tick on, how many sharps (below 0: flats), and 1 for minor.
    composer : str
    genre : str
        What kind of music the file says it is: "jig", of an ABC tune.
    chords : tuple of (int, str)
        From which tick on a chord holds, and its symbol as it is written above the notes, "Am7";
        by tick. What somebody wrote down: none where nobody did.
    warnings : tuple of str
        What in the file contradicts itself, and how it was read: one line each.
    """

    title: str
    ticks_per_quarter: int
    parts: tuple[Part, ...]
    tempos: NDArray[np.float64]
    metres: NDArray[np.int32]
    keys: NDArray[np.int32]
    composer: str = ""
    genre: str = ""
    chords: tuple[tuple[int, str], ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tags:
    """What a file says about itself, else what its name says."""

    title: str = ""
    artist: str = ""
    album: str = ""
    album_artist: str = ""
    genre: str = ""
    year: int | None = None
    track_number: int | None = None


@dataclass(frozen=True, slots=True)
class Lyrics:
    """The words of a song.

    Attributes
    ----------
    text : str
        Its lines, one empty line between sections. No control characters but the ends of
        lines, no space at the ends of lines, none empty at either end; of any script.
    tags : Tags
        What the file says of the song; "" where it says nothing.
    """

    text: str
    tags: Tags = Tags()


@dataclass(frozen=True, slots=True)
class Space:
    """A vector space and everything that must agree before two vectors may be compared.

    Attributes
    ----------
    name : str
        What the user calls it, "sound" say.
    kind : str
        The column it belongs to.
    dimension : int
    metric : str
        "cosine": stored vectors are compared by the cosine of their angle.
    model : str
        Fingerprint of the weights that computed it.
    version : int
        Version of the representation that fed the model; it changes when a golden
        vector moves by more than 1e-3.
    """

    name: str
    kind: Medium
    dimension: int
    metric: str
    model: str
    version: int


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells, without reading it, that a file is what it was."""

    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be added, and why."""

    path: Path
    reason: str
    at: str = ""  # UTC, ISO 8601
    transient: bool = False  # of the moment, and not of what the file holds


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything computed from one recording, tune or text.

    Attributes
    ----------
    vectors : dict of str to ndarray, each of shape (dimension,), float32
        One per space name; of shape (0,) where it has no place in that space.
    facts : dict of str to float or str
        The named features shown to the user.
    fingerprint : ndarray of uint32, shape (frames,)
        For finding the same recording, tune or words in other files.
    duration_s : float
        Of the whole; 0 of words.
    words : str
        What is sung, as `Lyrics.text`; "" where nothing is known of it.
    """

    vectors: dict[str, FloatArray]
    facts: dict[str, float | str]
    fingerprint: NDArray[np.uint32]
    duration_s: float
    words: str = ""


@dataclass(frozen=True, slots=True)
class Track:
    """One item of a library: a row of its own even where its sound is known from another.

    `tune` says which it is of a file that holds many, from 1; 0 where it is the whole file.
    """

    id: int
    kind: Medium
    path: Path
    tags: Tags
    duration_s: float
    content_hash: str
    missing: bool = False
    facts: dict[str, float | str] = field(default_factory=dict)
    tune: int = 0


@dataclass(frozen=True, slots=True)
class Reason:
    """One additive share of a similarity.

    Attributes
    ----------
    name : str
        What it is about: "tempo".
    share : float
        Below 0 where it speaks against likeness.
    says : str
        Which way: "both: fast", "differs: slower"; as `name` where it has no direction.
    family : str
        What it belongs to, "rhythm" say; "" where that is nothing wider.
    """

    name: str
    share: float
    says: str = ""
    family: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer to "what is like this?".

    Attributes
    ----------
    rank : int
        From 1.
    similarity : float
        Cosine, -1 to 1; in a blend the weighted mean of its parts; with the Euclidean metric
        minus the distance. What is loved and skipped adds at most 0.15 either way.
    track : Track
    reasons : tuple of Reason
        Largest first; they sum to the similarity.
    asked_with : tuple of str, int or Path
        Where queries lie far apart, those that the similarity is to; else empty.
    """

    rank: int
    similarity: float
    track: Track
    reasons: tuple[Reason, ...]
    asked_with: tuple[str | int | Path, ...] = ()


@dataclass(frozen=True, slots=True)
class LineHit:
    """A song whose words come close to a line.

    Attributes
    ----------
    rank : int
        From 1.
    likeness : float
        0 to 1: 1 where all that was asked with is there, and nothing else in the line.
    track : Track
        Of whichever kind.
    line : str
        As it is written; two with " / " between where the question ran over both.
    """

    rank: int
    likeness: float
    track: Track
    line: str


@dataclass(frozen=True, slots=True)
class GroupHit:
    """One artist, album or genre that is like what was asked.

    Attributes
    ----------
    rank : int
        From 1.
    similarity : float
        Of the centroids: cosine, -1 to 1, or minus the Euclidean distance.
    name : str
        As most of its tracks spell it.
    tracks : int
        How many tracks it has.
    reasons : tuple of Reason
        Largest first; they sum to the similarity.
    """

    rank: int
    similarity: float
    name: str
    tracks: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of a track, or of a file that is none.

    Attributes
    ----------
    track : Track
        Its id is 0 where the file is not in the library.
    tags : dict of str to float
        The likeliest descriptions of a recording, tag to probability.
    words : str
        As `Lyrics.text`; "" where none are known.
    words_from : str
        Name of the text beside it that they come from; "" where it carries them along.
    """

    track: Track
    tags: dict[str, float]
    words: str = ""
    words_from: str = ""


@dataclass(frozen=True, slots=True)
class SpaceInfo:
    """A space of a library.

    Attributes
    ----------
    space : Space
    tracks : int
        How many have a vector in it.
    outdated : bool
        An older Segue made it.
    trained : bool
        It was learned from this library, with `segue train` or from listens.
    """

    space: Space
    tracks: int
    outdated: bool
    trained: bool = False


@dataclass(frozen=True, slots=True)
class Pruned:
    """The tracks that were taken out, and how many stay."""

    removed: list[Track]
    kept: int
