"""Analysis of one file in a worker process, without torch.

The parent sends a job (`Identify`, `Decode`, `DecodeScore`, ...), `run_job` dispatches it, and the
result holds the inputs of the models: spectrogram patches, piano rolls, feature vectors. Vectors
are computed from these in the parent, where the models are loaded once.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from segue.audio.spectrogram import (
    LOG_MEL_SPECS,
    MUSICNN,
    SAMPLE_RATE_HZ,
    ByteArray,
    log_mel_image,
    musicnn_patches,
    overlapping_patches,
    spans_to_analyse,
    training_span,
)
from segue.errors import BadArgument, Unavailable, Unreadable, unreadable
from segue.ingest.workers import Fault, Workers
from segue.io.cue_sheets import (
    parse_cue_sheet,
    passages,
    read_cue_sheet,
    track_tags,
    tracks_of_recording,
)
from segue.io.lyrics import (
    UnreadableSong,
    lyrics_in_recording,
    read_lyrics,
    read_lyrics_tags,
    read_sidecar,
)
from segue.io.lyrics_text import PLAIN_TEXT, TextOptions
from segue.io.scan import FoundFile, scan
from segue.io.score_lyrics import lyrics_in_score
from segue.io.scores import UnreadableTune, read_score_tags, read_scores
from segue.io.tags import embedded_tags, read_tags
from segue.lyrics.phonetics import split_words
from segue.media import MEDIA, medium_of
from segue.records import NO_TAGS, Description, FloatArray, Lyrics, Medium, Score, Span, Tags, Track

if TYPE_CHECKING:
    from segue.io.audio import RecordingFile

_Result = TypeVar("_Result")

TASK: Final = "segue.ingest.analysis:run_job"
DECODE_LIMIT_S: Final = 60.0
IMAGE_LIMIT_S: Final = 120.0
#: Maximum duration of the samples that are sent to the parent.
MAX_SAMPLES_S: Final = 1800.0
#: Of a recording, from which a cue sheet divides it.
MIN_TRACKS: Final = 2


@dataclass(frozen=True, slots=True)
class Identify:
    """Asks for the content hash and the tags of a file, without decoding it.

    `sheet` is the path of the cue sheet of a recording; empty for the one in its tags, if any.
    """

    path: bytes
    root: bytes
    kind: Medium = "sound"
    given: Tags = NO_TAGS  # artist and album for files without these tags
    sheet: bytes = b""


@dataclass(frozen=True, slots=True)
class Representation:
    """A representation of tracks that trained spaces read, and that the cache holds.

    Attributes
    ----------
    kind : str
        For an image, a key of `segue.audio.spectrogram.LOG_MEL_SPECS`.
    stereo : bool
        One image per channel, stacked.
    """

    kind: str
    stereo: bool = False

    @property
    def medium(self) -> Medium:
        """Medium of the tracks that have it."""
        return "score" if self == PIANO_ROLLS else "sound"


CHROMA_SEQUENCE: Final = Representation("course")
ACTIVATIONS: Final = Representation(MUSICNN)
PIANO_ROLLS: Final = Representation("rolls")


@dataclass(frozen=True, slots=True)
class Decode:
    """Asks for the model inputs of all tracks of a file.

    `passages` are the tracks of a recording, by default the whole; `images` are further
    representations of a recording.
    """

    path: bytes
    kind: Medium
    form: TextOptions = PLAIN_TEXT
    passages: tuple[Span, ...] = ()
    images: tuple[Representation, ...] = ()


@dataclass(frozen=True, slots=True)
class DecodeImage:
    """Asks for an image or the chroma sequence of a recording, or of one passage of it."""

    path: bytes
    image: Representation
    passage: Span | None = None


@dataclass(frozen=True, slots=True)
class ReadSidecars:
    """Asks for the lyrics of a recording or score, without decoding it.

    They come from the first of its sidecar `texts` that has any, else from the file itself.
    """

    path: bytes
    kind: Medium
    texts: tuple[bytes, ...]
    form: TextOptions = PLAIN_TEXT
    given: Tags = NO_TAGS  # artist and album for files without these tags


@dataclass(frozen=True, slots=True)
class ReadScore:
    """Asks for one tune of a score file; 0 where the file has only one."""

    path: bytes
    tune: int = 0


@dataclass(frozen=True, slots=True)
class DecodeSamples:
    """Asks for the samples of a recording, or of one passage of it, and its tags."""

    path: bytes
    passage: Span | None = None


@dataclass(frozen=True, slots=True)
class DecodeExcerpts:
    """Asks for the patches that begin every `hop_s` seconds of a passage of a recording."""

    path: bytes
    passage: Span
    hop_s: float


@dataclass(frozen=True, slots=True)
class ReadMelodies:
    """Asks for the melodic lines of all tunes of a score file."""

    path: bytes


Job = (
    Identify
    | Decode
    | DecodeImage
    | ReadSidecars
    | ReadScore
    | ReadMelodies
    | DecodeSamples
    | DecodeExcerpts
)


@dataclass(frozen=True, slots=True)
class Identity:
    """The content hash of a file, and the tags of each tune in it.

    Attributes
    ----------
    content_hash : str
        Of the file, and of the cue sheet beside it that divides it into tracks.
    tags : tuple of Tags
    passages : tuple of Span
        Tracks of a recording with a cue sheet; empty for a whole recording.
    fault : str
        Why the cue sheet in its tags cannot be used; "" if it can, or if there is none.
    """

    content_hash: str
    tags: tuple[Tags, ...]
    passages: tuple[Span, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class DecodedText:
    """Lyrics with their raw features, in the order of STYLE_FEATURE_NAMES."""

    text: str
    features: FloatArray


@dataclass(frozen=True, slots=True)
class DecodedTrack:
    """Model inputs of a recording, of a tune of a score or of the lyrics of a song.

    Attributes
    ----------
    kind : {"sound", "score", "lyrics"}
    inputs : ndarray
        What the network reads: patches of a recording, shape (patches, 187, 96); the packed piano
        roll of a tune, uint8; of a song, whose `words` say all, shape (0,).
    features : ndarray
        Raw, in the order of FEATURE_NAMES or SCORE_FEATURE_NAMES; of a song, shape (0,).
    fingerprint : ndarray, uint32
    duration_s : float
        0 for a song.
    words : DecodedText, optional
        Embedded lyrics, or those of a song.
    images : dict
        Further representations of a recording.
    """

    kind: Medium
    inputs: NDArray[Any]
    features: FloatArray
    facts: dict[str, float | str]
    fingerprint: NDArray[np.uint32]
    duration_s: float
    words: DecodedText | None = None
    images: dict[Representation, ByteArray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DecodedFile:
    """The tracks of a file in order; `Fault` for one that cannot be read."""

    tracks: tuple[DecodedTrack | Fault, ...]

    def track(self, number: int) -> DecodedTrack | Fault:
        """Return a track by its number from 1, or 0 in a file of one track."""
        if number > len(self.tracks):
            return Fault(f"it has no tune {number} any more; run `segue add` on it again")
        return self.tracks[max(number - 1, 0)]


@dataclass(frozen=True, slots=True)
class SidecarLyrics:
    """Lyrics of a recording or score.

    Attributes
    ----------
    source : bytes
        Path of the sidecar text that they come from; empty for embedded lyrics.
    tags : Tags
        Tags of the music, completed from the sidecar text.
    faults : tuple of (bytes, Fault)
        Texts that cannot be read, and the reasons.
    """

    words: DecodedText | None
    source: bytes
    tags: Tags
    faults: tuple[tuple[bytes, Fault], ...]


@dataclass(frozen=True, slots=True)
class DecodedSamples:
    """Samples of a recording, shape (n,), float32, mono at `SAMPLE_RATE_HZ`, and its tags."""

    samples: FloatArray
    tags: Tags


@dataclass(frozen=True, slots=True)
class DecodedExcerpts:
    """Patches, shape (n, 187, 96), and the duration of the whole recording in seconds."""

    patches: FloatArray
    duration_s: float


@dataclass(frozen=True, slots=True)
class Melodies:
    """Melodic lines of each tune of a file, see `segue.search.melody.melody_table`."""

    tables: tuple[FloatArray | Fault, ...]


Answer = (
    Identity
    | DecodedFile
    | ByteArray
    | SidecarLyrics
    | Score
    | DecodedSamples
    | DecodedExcerpts
    | Melodies
)


def run_job(job: Job) -> Answer:
    """Run one job; called in a worker process."""
    path = Path(os.fsdecode(job.path))
    if isinstance(job, Identify):
        return _identify(path, Path(os.fsdecode(job.root)), job)
    if isinstance(job, Decode):
        return DecodedFile(tuple(_DECODE[job.kind](path, job)))
    if isinstance(job, DecodeImage):
        from segue.io.audio import open_recording  # training on scores and texts needs no decoder

        with open_recording(path) as file:
            return _image(file, job.image, job.passage)
    if isinstance(job, DecodeSamples | DecodeExcerpts):
        return _decode_all(path, job)
    if isinstance(job, ReadSidecars):
        return _read_words(path, job)
    return _read_score(path, job.tune) if isinstance(job, ReadScore) else _read_melodies(path)


def _identify(path: Path, root: Path, job: Identify) -> Identity:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "blake2b")
    except OSError as error:
        raise unreadable(error) from None
    if job.kind != "sound":
        return Identity(_shortened(digest), READ_TAGS[job.kind](path, root, job.given))
    embedded = embedded_tags(path)
    whole = read_tags(path, job.given, embedded)
    beside = Path(os.fsdecode(job.sheet))
    try:
        if job.sheet:
            sheet = read_cue_sheet(beside)
            tracks = tracks_of_recording(sheet, beside.name, path.name)
        elif texts := embedded.get("cue_sheet"):
            sheet = parse_cue_sheet(texts[0])
            tracks = max(sheet.files.values(), key=len)  # its name may be that of before
        else:
            return Identity(_shortened(digest), (whole,))
    except Unreadable as error:
        return Identity(_shortened(digest), (whole,), fault=str(error))
    if len(tracks) < MIN_TRACKS:
        return Identity(_shortened(digest), (whole,))
    tags = tuple(track_tags(sheet, track, whole) for track in tracks)
    if job.sheet:
        digest.update(repr((tags, tracks)).encode())
    return Identity(_shortened(digest), tags, passages(tracks))


def _shortened(digest: Any) -> str:
    return str(digest.hexdigest()[:32])


READ_TAGS: Final[dict[Medium, Callable[[Path, Path, Tags], tuple[Tags, ...]]]] = {
    "sound": lambda path, _, given: (read_tags(path, given),),
    "score": lambda path, _, given: read_score_tags(path, given),
    "lyrics": read_lyrics_tags,
}


_EMBEDDED_LYRICS: Final[dict[Medium, Callable[[Path, TextOptions], str]]] = {
    "sound": lyrics_in_recording,
    "score": lambda path, form: "".join(lyrics_in_score(path, form)[:1]),
}


def _read_words(path: Path, job: ReadSidecars) -> SidecarLyrics:
    faults: list[tuple[bytes, Fault]] = []
    sidecar_tags, words, source = NO_TAGS, None, b""
    for text in job.texts:
        try:
            lyrics = read_sidecar(Path(os.fsdecode(text)), job.form)
        except Unavailable:
            raise  # the job is tried again later
        except Unreadable as error:
            faults.append((text, Fault(str(error))))
            continue
        sidecar_tags = sidecar_tags if sidecar_tags != NO_TAGS else lyrics.tags
        if words := _describe_if_any(lyrics.text):
            source = text
            break
    if words is None:
        words = _describe_if_any(_EMBEDDED_LYRICS[job.kind](path, job.form))
    fallback = Tags(
        sidecar_tags.title,
        sidecar_tags.artist or job.given.artist,
        sidecar_tags.album or job.given.album,
    )
    tags = READ_TAGS[job.kind](path, path.parent, fallback)[0]
    return SidecarLyrics(words, source, tags, tuple(faults))


def _read_score(path: Path, tune: int) -> Score:
    tunes = read_scores(path)
    if tune == 0 and len(tunes) > 1:
        raise Unreadable(f"it holds {len(tunes)} tunes; add it to a library, and name one of them")
    if tune > len(tunes):
        raise Unreadable(f"it has no tune {tune} any more; run `segue add` on it again")
    score = tunes[max(tune - 1, 0)]
    if isinstance(score, UnreadableTune):
        raise Unreadable(score.reason)
    return score


def _describe_if_any(text: str) -> DecodedText | None:
    if not split_words(text):
        return None
    from segue.lyrics.features import describe_text

    return DecodedText(text, describe_text(text).vector)


def _decode_recording(path: Path, job: Decode) -> list[DecodedTrack | Fault]:
    # Imported here, as below: the parent only passes jobs on and need not load SciPy.
    from segue.io.audio import open_recording

    genre = read_tags(path).genre
    with open_recording(path) as file:
        if len(job.passages) <= 1:
            passage = job.passages[0] if job.passages else None
            whole = _decode_passage(file, job, genre, passage)
            return [replace(whole, words=_describe_if_any(lyrics_in_recording(path, job.form)))]
        tracks: list[DecodedTrack | Fault] = []
        for passage in job.passages:
            try:
                tracks.append(_decode_passage(file, job, genre, passage))
            except Unreadable as error:
                tracks.append(Fault(str(error)))
        return tracks


def _decode_passage(
    file: "RecordingFile", job: Decode, genre: str, passage: Span | None
) -> DecodedTrack:
    from segue.audio.features import describe
    from segue.audio.fingerprint import fingerprint

    recording = file.read(SAMPLE_RATE_HZ, spans_to_analyse, only=passage)
    description = describe(recording, genre)
    position: dict[str, float | str] = {}
    if passage and len(job.passages) >= MIN_TRACKS:
        position["start_s"] = passage.start_s
    return DecodedTrack(
        "sound",
        musicnn_patches(recording),
        description.vector,
        position | description.facts,
        fingerprint(recording),
        recording.duration_s,
        images=_images(file, job.images, passage),
    )


def _decode_all(
    path: Path, job: DecodeSamples | DecodeExcerpts
) -> DecodedSamples | DecodedExcerpts:
    """Decode all of a recording or passage, unlike the excerpts by which tracks are analysed."""
    from segue.io.audio import open_recording

    def whole(duration_s: float) -> tuple[Span, ...]:
        if duration_s > MAX_SAMPLES_S:
            raise BadArgument(
                f"it is {duration_s / 60:.0f} minutes long, and at most {MAX_SAMPLES_S / 60:.0f} "
                "minutes are transcribed at once; choose a passage with `segue transcribe --at`"
            )
        return (Span(0.0, duration_s),)

    with open_recording(path) as file:
        recording = file.read(SAMPLE_RATE_HZ, whole, only=job.passage)
        if isinstance(job, DecodeSamples):
            return DecodedSamples(recording.excerpts[0], read_tags(path))
        return DecodedExcerpts(overlapping_patches(recording, job.hop_s), file.duration_s)


def _decode_score(path: Path, job: Decode) -> list[DecodedTrack | Fault]:
    tunes = [_decode_tune(score) for score in read_scores(path)]
    for i, text in enumerate(lyrics_in_score(path, job.form)[: len(tunes)]):
        tune = tunes[i]
        if text and isinstance(tune, DecodedTrack):
            tunes[i] = replace(tune, words=_describe_if_any(text))
    return tunes


def _decode_tune(score: Score | UnreadableTune) -> DecodedTrack | Fault:
    from segue.score.features import describe_score
    from segue.score.fingerprint import minhash
    from segue.score.piano_roll import BAR_BYTES, PianoRoll, pack_bars

    if isinstance(score, UnreadableTune):
        return Fault(score.reason)
    try:
        description = describe_score(score)
    except BadArgument as error:
        return Fault(str(error))
    try:
        bars = pack_bars(PianoRoll.from_score(score).cells)
    except BadArgument:  # too long for a piano roll: no vector in that space
        bars = np.empty((0, BAR_BYTES), np.uint8)
    vector, facts = description.vector, description.facts
    return DecodedTrack("score", bars, vector, facts, minhash(score), float(facts["duration_s"]))


def _read_melodies(path: Path) -> Melodies:
    from segue.score.lines import melodic_lines
    from segue.score.timing import ticks_to_seconds
    from segue.search.melody import melody_table

    def table(score: Score) -> FloatArray:
        ticks = score.ticks_per_quarter
        return melody_table(
            (ticks_to_seconds(score, np.rint(line.onset * ticks).astype(np.int64)), line.pitch)
            for line in melodic_lines(score)
        )

    return Melodies(
        tuple(
            Fault(tune.reason) if isinstance(tune, UnreadableTune) else table(tune)
            for tune in read_scores(path)
        )
    )


def _decode_songs(path: Path, job: Decode) -> list[DecodedTrack | Fault]:
    return [_decode_song(song) for song in read_lyrics(path, job.form)]


def _decode_song(song: Lyrics | UnreadableSong) -> DecodedTrack | Fault:
    from segue.lyrics.features import describe_text
    from segue.lyrics.matching import text_minhash

    if isinstance(song, UnreadableSong):
        return Fault(song.reason)
    nothing = np.empty(0, np.float32)
    try:
        description = describe_text(song.text)
        fingerprint = text_minhash(song.text)
    except BadArgument as error:
        return Fault(str(error))
    words = DecodedText(song.text, description.vector)
    return DecodedTrack("lyrics", nothing, nothing, description.facts, fingerprint, 0.0, words)


_DECODE: Final[dict[Medium, Callable[[Path, Decode], list[DecodedTrack | Fault]]]] = {
    "sound": _decode_recording,
    "score": _decode_score,
    "lyrics": _decode_songs,
}


def _images(
    file: "RecordingFile", images: Sequence[Representation], passage: Span | None
) -> dict[Representation, ByteArray]:
    """Compute images, without those whose excerpt, unlike the rest of the recording, has none."""
    arrays: dict[Representation, ByteArray] = {}
    for image in images:
        # Libraries raise anything at broken files.
        with contextlib.suppress(Exception):
            arrays[image] = _image(file, image, passage)
    return arrays


def _image(file: "RecordingFile", image: Representation, passage: Span | None) -> ByteArray:
    """Compute the image of a recording from its training excerpt.

    Returns
    -------
    ndarray, shape (channels, bands, frames), uint8
        Or a chroma sequence, see `segue.audio.chroma.quantised_chromagram`.
    """
    if image == CHROMA_SEQUENCE:
        from segue.audio.chroma import quantised_chromagram, span_to_compare

        recording = file.read(SAMPLE_RATE_HZ, span_to_compare, only=passage)
        return quantised_chromagram(recording.excerpts[0])
    recording = file.read(SAMPLE_RATE_HZ, training_span, only=passage, stereo=image.stereo)
    samples = recording.excerpts[0]
    channels = samples if image.stereo else samples[None]
    return np.concatenate(
        [log_mel_image(channel, LOG_MEL_SPECS[image.kind]) for channel in channels]
    )


# --- files that need not be in the library ---


def embed_file(path: Path, passage: Span | None) -> dict[str, FloatArray]:
    """Compute the vectors of a file.

    Parameters
    ----------
    passage : Span, optional
        Excerpt of a recording to embed instead of the whole.

    Raises
    ------
    Unreadable
        With the reason.
    BadArgument
        The file holds several tunes or songs, or a passage of a score or text is asked for.
    """
    medium = medium_of(path) or "sound"
    if passage and medium != "sound":
        raise BadArgument(f"--at is for recordings; search with the whole {MEDIA[medium].noun}")
    from segue.ingest.embedding import TrackEmbedder

    track = decode_track(path, passage)
    if medium == "sound" and (sidecar := _read_sidecars(path)):
        track = replace(track, words=sidecar.words)
    return TrackEmbedder().embed(track).vectors


def describe_file(path: Path) -> Description:
    """Describe a file: its tags, facts, MusiCNN tags and lyrics.

    Raises
    ------
    Unreadable
        With the reason.
    BadArgument
        The file holds several tunes or songs.
    """
    medium = medium_of(path) or "sound"
    absolute = os.fsencode(os.path.abspath(path))
    decoded = decode_track(path)
    probabilities: dict[str, float] = {}
    if medium == "sound":
        from segue.builtin_spaces import tag_probabilities
        from segue.ingest.embedding import TrackEmbedder

        vectors = TrackEmbedder().embed(replace(decoded, words=None)).vectors
        probabilities = tag_probabilities(vectors["tags"])
    identity = _run(Identify(absolute, os.path.dirname(absolute), medium), Identity, path)
    sidecar = _read_sidecars(path)
    words = sidecar.words if sidecar else decoded.words
    tags = sidecar.tags if sidecar else identity.tags[0]
    track = Track(
        0, medium, path, tags, decoded.duration_s, identity.content_hash, facts=decoded.facts
    )
    source = os.fsdecode(os.path.basename(sidecar.source)) if sidecar else ""
    return Description(track, probabilities, words.text if words else "", source)


def _read_sidecars(path: Path) -> SidecarLyrics | None:
    """Read the lyrics of music from its sidecar texts; None where there is none."""
    texts = [
        text.path for item in scan([path]) if isinstance(item, FoundFile) for text in item.texts
    ]
    if not texts:
        return None
    job = ReadSidecars(os.fsencode(path), medium_of(path) or "sound", tuple(texts))
    return _run(job, SidecarLyrics, path)


def decode_track(path: Path, passage: Span | None = None) -> DecodedTrack:
    """Decode a file of one track, or a passage of a recording.

    Raises
    ------
    Unreadable
        With the reason.
    BadArgument
        The file holds several tracks.
    """
    medium = medium_of(path) or "sound"
    job = Decode(os.fsencode(path), medium, passages=(passage,) if passage else ())
    tracks = _run(job, DecodedFile, path).tracks
    if len(tracks) > 1:
        raise BadArgument(
            f"{path} holds {len(tracks)} {MEDIA[medium].part}s; add it to a library, and search "
            "with one of them"
        )
    if isinstance(tracks[0], Fault):
        raise Unreadable(f"{path}: {tracks[0].reason}")
    return tracks[0]


def read_score(path: Path, tune: int = 0) -> Score:
    """Read a tune of a score file.

    Parameters
    ----------
    tune : int
        Its number in the file, from 1; 0 where the file has only one.

    Raises
    ------
    Unreadable
        With the reason.
    """
    return _run(ReadScore(os.fsencode(path), tune), Score, path)


def decode_samples(path: Path, passage: Span | None = None) -> DecodedSamples:
    """Decode a recording, or a passage of it, of at most `MAX_SAMPLES_S`.

    Raises
    ------
    Unreadable
        With the reason.
    """
    return _run(DecodeSamples(os.fsencode(path), passage), DecodedSamples, path, IMAGE_LIMIT_S)


def _run(
    job: Job, result_type: type[_Result], path: Path, limit_s: float = DECODE_LIMIT_S
) -> _Result:
    """Return the result of a job that a worker runs."""
    ((_, result),) = Workers[Job, Answer].run(TASK, [job], limit_s, 1)
    if isinstance(result, Fault):
        raise Unreadable(f"{path}: {result.reason}")
    if not isinstance(result, result_type):
        raise TypeError(f"{job} gave {result}")
    return result
