"""The records that the packages share: frozen dataclasses without behaviour."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.deprecation import RenamedAttributes

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

Medium = Literal["sound", "score", "lyrics"]
Syllabic = Literal["single", "begin", "middle", "end"]


def _no_pedals() -> NDArray[np.int32]:
    return np.empty((0, 2), np.int32)


def _no_ticks() -> NDArray[np.int32]:
    return np.empty(0, np.int32)


@dataclass(frozen=True, slots=True)
class Span:
    """A time interval within a recording."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Recording:
    """The decoded excerpts of one recording.

    Attributes
    ----------
    excerpts : tuple of ndarray, each of shape (samples,), or (2, samples) in stereo, float32
        Samples at `segue.audio.spectrogram.SAMPLE_RATE_HZ`, full scale 1.0. The longest excerpt is
        contiguous and at least 30 s long where the file has that much.
    spans : tuple of Span
        Position of each excerpt in the file.
    duration_s : float
        Duration of the whole recording.
    file_rate_hz, file_channels : int
        Format of the file, before resampling and downmixing.
    codec : str
        FFmpeg's name of the decoder.
    """

    excerpts: tuple[FloatArray, ...]
    spans: tuple[Span, ...]
    duration_s: float
    file_rate_hz: int
    file_channels: int
    codec: str


@dataclass(frozen=True, slots=True)
class Syllable:
    """A sung syllable.

    Attributes
    ----------
    tick : int
        Onset of the note that it begins on.
    text : str
        With the punctuation of its word.
    syllabic : {"single", "begin", "middle", "end"}
        Its place in its word.
    verse : int
        From 1.
    """

    tick: int
    text: str
    syllabic: Syllabic = "single"
    verse: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The notes of one instrument of a score.

    Attributes
    ----------
    name : str
    program : int
        General MIDI program, 0 to 127.
    is_drum : bool
        Pitches are keys of the General MIDI percussion map.
    notes : ndarray, shape (n, 4), int32
        Onset and duration in ticks, MIDI pitch 0 to 127 (60 is middle C), and velocity 1 to 127,
        sorted by onset and pitch.
    pedals : ndarray, shape (p, 2), int32
        Tick and new state of the sustain pedal (1 down, 0 up), sorted by tick. It is up before
        the first row.
    syllables : tuple of Syllable
        Lyrics under the notes of a MusicXML file, verse by verse.
    slurred : ndarray, shape (s,), int32
        Onsets of notes that a slur joins to the note before; MIDI has none.
    phrase_ends : ndarray, shape (e,), int32
        Ends of notes after which the notation marks the end of a phrase: a breath, a fermata, the
        end of a line of ABC.
    """

    name: str
    program: int
    is_drum: bool
    notes: NDArray[np.int32]
    pedals: NDArray[np.int32] = field(default_factory=_no_pedals)
    syllables: tuple[Syllable, ...] = ()
    slurred: NDArray[np.int32] = field(default_factory=_no_ticks)
    phrase_ends: NDArray[np.int32] = field(default_factory=_no_ticks)


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """A piece of symbolic music.

    Attributes
    ----------
    title : str
    ticks_per_quarter : int
        Resolution; ticks are counted from the start of the score.
    parts : tuple of Part
        Each has at least one note.
    tempos : ndarray, shape (t, 2), float64
        Tick and tempo in quarter notes per minute, sorted by tick. It is 120 before the first row.
    metres : ndarray, shape (m, 3), int32
        Time signatures: tick, numerator and denominator, sorted by tick. It is 4/4 before the
        first row.
    keys : ndarray, shape (k, 3), int32
        Key signatures: tick, number of sharps (negative for flats), and 1 for minor.
    composer : str
    genre : str
        Genre named in the file, such as "jig" in ABC.
    chords : tuple of (int, str)
        Tick and chord symbol as written in the file, such as "Am7", sorted by tick.
    warnings : tuple of str
        Inconsistencies in the file and how they were resolved, one line each.
    """

    title: str
    ticks_per_quarter: int
    parts: tuple[Part, ...]
    tempos: NDArray[np.float64]
    time_signatures: NDArray[np.int32]
    keys: NDArray[np.int32]
    composer: str = ""
    genre: str = ""
    chords: tuple[tuple[int, str], ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of a track, completed from the file name."""

    title: str = ""
    artist: str = ""
    album: str = ""
    album_artist: str = ""
    genre: str = ""
    year: int | None = None
    track_number: int | None = None


#: Tags of a file that has none.
NO_TAGS: Final = Tags()


@dataclass(frozen=True, slots=True)
class Lyrics:
    """The lyrics of a song.

    Attributes
    ----------
    text : str
        Lines, with one empty line between sections and none at either end; without control
        characters other than line feeds, and without whitespace at the ends of lines.
    tags : Tags
        Tags of the song in the file.
    """

    text: str
    tags: Tags = Tags()


@dataclass(frozen=True, slots=True)
class Space:
    """An embedding space; two vectors are comparable only if all these fields agree.

    Attributes
    ----------
    name : str
        Such as "sound".
    kind : {"sound", "score", "lyrics"}
        Its medium.
    dimension : int
    metric : str
        "cosine": vectors are compared by cosine similarity.
    model : str
        Fingerprint of the model's weights.
    version : int
        Version of the model's input representation; it changes when a golden vector moves by more
        than 1e-3.
    """

    name: str
    kind: Medium
    dimension: int
    metric: str
    model: str
    version: int


@dataclass(frozen=True, slots=True)
class FileState:
    """Size and modification time of a file, by which changes are detected."""

    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be read, and the reason."""

    path: Path
    reason: str
    at: str = ""  # UTC, ISO 8601
    transient: bool = False  # caused by the state of the system, not by the file's content


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything computed from one recording, tune or text.

    Attributes
    ----------
    vectors : dict of str to ndarray, each of shape (dimension,), float32
        One per space name; of shape (0,) where the item has no vector in that space.
    facts : dict of str to float or str
        Named features that are shown to the user.
    fingerprint : ndarray of uint32, shape (frames,)
        Fingerprint for finding duplicates.
    duration_s : float
        0 for lyrics.
    words : str
        Lyrics, see `Lyrics.text`; "" if unknown.
    """

    vectors: dict[str, FloatArray]
    facts: dict[str, float | str]
    fingerprint: NDArray[np.uint32]
    duration_s: float
    words: str = ""


@dataclass(frozen=True, slots=True)
class Track:
    """One item of a library. Copies of a file are tracks of their own.

    `tune` is its number in a file of several tunes, songs or tracks of a cue sheet, from 1, or 0
    for a whole file.
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

    @property
    def content_key(self) -> str:
        """Key of its content: the hash of the file, with the number in a file of several."""
        return f"{self.content_hash}t{self.tune}" if self.tune else self.content_hash

    @property
    def passage(self) -> Span | None:
        """The part of its recording that the track is; None for a whole file."""
        if self.kind != "sound" or not self.tune:
            return None
        start_s = float(self.facts.get("start_s", 0.0))
        return Span(start_s, start_s + self.duration_s)


@dataclass(frozen=True, slots=True)
class Reason(RenamedAttributes):
    """One additive contribution to a similarity.

    Attributes
    ----------
    name : str
        Name of the property, such as "tempo".
    share : float
        Contribution; negative where the property differs.
    description : str
        Value or direction, such as "both: fast" or "differs: slower"; `name` if there is none.
    family : str
        Group of properties, such as "rhythm"; "" if there is none.
    """

    _renamed: ClassVar[dict[str, str]] = {"says": "description"}

    name: str
    share: float
    description: str = ""
    family: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """One result of a similarity search.

    Attributes
    ----------
    rank : int
        From 1, by the similarity corrected for hubness.
    similarity : float
        Cosine similarity, -1 to 1; in a mix of spaces their weighted mean; with the Euclidean
        metric the negative distance. Loved and skipped tracks change it by at most 0.15.
    track : Track
    reasons : tuple of Reason
        Contributions, largest first; they sum to the similarity.
    asked_with : tuple of str, int or Path
        If the queries are dissimilar, those that the track is similar to; else empty.
    """

    rank: int
    similarity: float
    track: Track
    reasons: tuple[Reason, ...]
    asked_with: tuple[str | int | Path, ...] = ()


@dataclass(frozen=True, slots=True)
class LineHit(RenamedAttributes):
    """One result of a search for a line of lyrics.

    Attributes
    ----------
    rank : int
        From 1.
    similarity : float
        0 to 1; 1 if the line consists of the query.
    track : Track
        Track of any medium.
    line : str
        The line as written, or two lines joined by " / " where the query spans both.
    """

    _renamed: ClassVar[dict[str, str]] = {"likeness": "similarity"}

    rank: int
    similarity: float
    track: Track
    line: str


@dataclass(frozen=True, slots=True)
class MelodyHit:
    """One result of a search for a melody.

    Attributes
    ----------
    rank : int
        From 1.
    similarity : float
        0 to 1; 1 if the track contains the very melody, in any key and at any tempo.
    track : Track
        A score or a recording.
    start_s, end_s : float
        Onsets of the first and the last note of the most similar passage, in seconds.
    """

    rank: int
    similarity: float
    track: Track
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class GroupHit:
    """One artist, album or genre in the result of a similarity search.

    Attributes
    ----------
    rank : int
        From 1.
    similarity : float
        Cosine similarity of the centroids, -1 to 1, or the negative Euclidean distance.
    name : str
        Its most frequent spelling.
    tracks : int
        Number of tracks.
    reasons : tuple of Reason
        Contributions, largest first; they sum to the similarity.
    """

    rank: int
    similarity: float
    name: str
    tracks: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Description:
    """Everything known of a track, or of a file outside the library.

    Attributes
    ----------
    track : Track
        Its id is 0 if the file is not in the library.
    tags : dict of str to float
        Probabilities of the MusiCNN tags of a recording.
    words : str
        Lyrics, see `Lyrics.text`; "" if unknown.
    words_from : str
        Name of the sidecar text with the lyrics; "" for embedded lyrics.
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
        Number of tracks with a vector.
    outdated : bool
        It was computed by an older version of Segue.
    trained : bool
        It was trained on this library, with `segue train` or from listens.
    """

    space: Space
    tracks: int
    outdated: bool
    trained: bool = False


@dataclass(frozen=True, slots=True)
class Pruned:
    """The tracks that were removed, and the number of tracks left."""

    removed: list[Track]
    kept: int
