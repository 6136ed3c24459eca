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
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.audio.spectrogram import (
    LOG_MEL_SPECS,
    MUSICNN,
    SAMPLE_RATE_HZ,
    ByteArray,
    log_mel_image,
    musicnn_patches,
    spans_to_analyse,
    training_span,
)
from segue.errors import BadArgument, Unavailable, Unreadable, unreadable
from segue.ingest.workers import Fault
from segue.io.audio import RecordingFile, open_recording
from segue.io.embedded_lyrics import lyrics_in_recording, lyrics_in_score
from segue.io.lyrics import UnreadableSong, read_lyrics, read_lyrics_tags, read_sidecar
from segue.io.lyrics_text import PLAIN_TEXT, TextOptions
from segue.io.scores import UnreadableTune, read_score_tags, read_scores
from segue.io.tags import NO_TAGS, read_tags
from segue.lyrics.phonetics import split_words
from segue.records import FloatArray, Lyrics, Medium, Score, Span, Tags

TASK: Final = "segue.ingest.analysis:run_job"
DECODE_LIMIT_S: Final = 60.0
IMAGE_LIMIT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Identify:
    """Asks for the content hash and the tags of a file, without decoding it."""

    path: bytes
    root: bytes
    kind: Medium = "sound"
    given: Tags = NO_TAGS  # artist and album for files without these tags


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


CHROMA_SEQUENCE: Final = Representation("course")
ACTIVATIONS: Final = Representation(MUSICNN)
PIANO_ROLLS: Final = Representation("rolls")


@dataclass(frozen=True, slots=True)
class Decode:
    """Asks for the model inputs of a recording, or of one passage of it, and for its `images`."""

    path: bytes
    passage: Span | None = None
    form: TextOptions = PLAIN_TEXT
    images: tuple[Representation, ...] = ()


@dataclass(frozen=True, slots=True)
class DecodeImage:
    """Asks for an image or the chroma sequence of a recording, or of one passage of it."""

    path: bytes
    image: Representation
    passage: Span | None = None


@dataclass(frozen=True, slots=True)
class DecodeScore:
    """Asks for the model inputs of the tunes of a score file."""

    path: bytes
    form: TextOptions = PLAIN_TEXT


@dataclass(frozen=True, slots=True)
class DecodeLyrics:
    """Asks for the model inputs of the songs of a lyrics file."""

    path: bytes
    form: TextOptions = PLAIN_TEXT


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


Job = Identify | Decode | DecodeImage | DecodeScore | DecodeLyrics | ReadSidecars | ReadScore


@dataclass(frozen=True, slots=True)
class Identity:
    """The content hash of a file, and the tags of each tune in it (of a recording, one)."""

    content_hash: str
    tags: tuple[Tags, ...]


@dataclass(frozen=True, slots=True)
class DecodedText:
    """Lyrics with their features; see `segue.lyrics.features` and `segue.lyrics.matching`."""

    text: str
    features: FloatArray  # raw, in the order of STYLE_FEATURE_NAMES
    facts: dict[str, float | str]
    shingles: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Decoded:
    """Model inputs of a recording; see `segue.audio.features` and `segue.audio.spectrogram`."""

    patches: FloatArray  # (patches, 187, 96)
    features: FloatArray  # raw, in the order of FEATURE_NAMES
    facts: dict[str, float | str]
    fingerprint: NDArray[np.uint32]
    duration_s: float
    words: DecodedText | None = None  # embedded lyrics
    images: dict[Representation, ByteArray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DecodedTune:
    """Model inputs of a tune; see `segue.score.features` and `segue.score.piano_roll`."""

    bars: NDArray[np.uint8]  # packed piano roll
    features: FloatArray  # raw, in the order of SCORE_FEATURE_NAMES
    facts: dict[str, float | str]
    shingles: NDArray[np.uint32]
    duration_s: float
    words: DecodedText | None = None  # embedded lyrics


@dataclass(frozen=True, slots=True)
class DecodedScore:
    """The tunes of a file in order; `UnreadableTune` for one that cannot be read."""

    tunes: tuple[DecodedTune | UnreadableTune, ...]


@dataclass(frozen=True, slots=True)
class DecodedLyrics:
    """The songs of a file in order; `UnreadableSong` for one that cannot be read."""

    songs: tuple[DecodedText | UnreadableSong, ...]


@dataclass(frozen=True, slots=True)
class SidecarLyrics:
    """Lyrics of a recording or score.

    Attributes
    ----------
    words : DecodedText, optional
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


Answer = Identity | Decoded | ByteArray | DecodedScore | DecodedLyrics | SidecarLyrics | Score


def run_job(job: Job) -> Answer:  # noqa: PLR0911
    """Run one job; called in a worker process."""
    path = Path(os.fsdecode(job.path))
    if isinstance(job, Identify):
        return _identify(path, Path(os.fsdecode(job.root)), job)
    if isinstance(job, DecodeScore):
        tunes = [_tune(score) for score in read_scores(path)]
        for i, text in enumerate(lyrics_in_score(path, job.form)[: len(tunes)]):
            tune = tunes[i]
            if text and isinstance(tune, DecodedTune):
                tunes[i] = replace(tune, words=_describe_if_any(text))
        return DecodedScore(tuple(tunes))
    if isinstance(job, DecodeLyrics):
        return DecodedLyrics(tuple(map(_song, read_lyrics(path, job.form))))
    if isinstance(job, ReadSidecars):
        return _read_words(path, job)
    if isinstance(job, ReadScore):
        return _read_score(path, job.tune)
    if isinstance(job, DecodeImage):
        with open_recording(path) as file:
            return _image(file, job.image, job.passage)
    return _decode(path, job)


def _identify(path: Path, root: Path, job: Identify) -> Identity:
    try:
        with path.open("rb") as file:
            content_hash = hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    except OSError as error:
        raise unreadable(error) from None
    return Identity(content_hash, _READ_TAGS[job.kind](path, root, job.given))


_READ_TAGS: Final[dict[Medium, Callable[[Path, Path, Tags], tuple[Tags, ...]]]] = {
    "sound": lambda path, _, given: (read_tags(path, given),),
    "score": lambda path, _, given: read_score_tags(path, given),
    "lyrics": read_lyrics_tags,
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
        if job.kind == "sound":
            words = _describe_if_any(lyrics_in_recording(path, job.form))
        else:
            words = _describe_if_any("".join(lyrics_in_score(path, job.form)[:1]))
    fallback = Tags(
        sidecar_tags.title,
        sidecar_tags.artist or job.given.artist,
        sidecar_tags.album or job.given.album,
    )
    tags = _READ_TAGS[job.kind](path, path.parent, fallback)[0]
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


def _tune(score: Score | UnreadableTune) -> DecodedTune | UnreadableTune:
    # Imported here, as in `_decode`, since the parent does not need it.
    from segue.score.features import describe_score
    from segue.score.fingerprint import minhash
    from segue.score.piano_roll import BAR_BYTES, PianoRoll, pack_bars

    if isinstance(score, UnreadableTune):
        return score
    try:
        description = describe_score(score)
    except BadArgument as error:
        return UnreadableTune(str(error))
    try:
        bars = pack_bars(PianoRoll.from_score(score).cells)
    except BadArgument:  # too long for a piano roll: no vector in that space
        bars = np.empty((0, BAR_BYTES), np.uint8)
    facts = description.facts
    return DecodedTune(bars, description.vector, facts, minhash(score), float(facts["duration_s"]))


def _song(song: Lyrics | UnreadableSong) -> DecodedText | UnreadableSong:
    if isinstance(song, UnreadableSong):
        return song
    try:
        return _describe(song.text)
    except BadArgument as error:
        return UnreadableSong(str(error))


def _describe_if_any(text: str) -> DecodedText | None:
    return _describe(text) if split_words(text) else None


def _describe(text: str) -> DecodedText:
    from segue.lyrics.features import describe_text
    from segue.lyrics.matching import text_minhash

    description = describe_text(text)
    return DecodedText(text, description.vector, description.facts, text_minhash(text))


def _decode(path: Path, job: Decode) -> Decoded:
    # Imported here: the parent only passes jobs on and need not load SciPy.
    from segue.audio.features import describe
    from segue.audio.fingerprint import fingerprint

    with open_recording(path) as file:
        recording = file.read(SAMPLE_RATE_HZ, spans_to_analyse, only=job.passage)
        images = _images(file, job.images)
    description = describe(recording, read_tags(path).genre)
    return Decoded(
        patches=musicnn_patches(recording),
        features=description.vector,
        facts=description.facts,
        fingerprint=fingerprint(recording),
        duration_s=recording.duration_s,
        words=_describe_if_any(lyrics_in_recording(path, job.form)),
        images=images,
    )


def _images(
    file: RecordingFile, images: Sequence[Representation]
) -> dict[Representation, ByteArray]:
    """Compute images, without those whose excerpt, unlike the rest of the recording, has none."""
    arrays: dict[Representation, ByteArray] = {}
    for image in images:
        # Libraries raise anything at broken files.
        with contextlib.suppress(Exception):
            arrays[image] = _image(file, image, None)
    return arrays


def _image(file: RecordingFile, image: Representation, passage: Span | None) -> ByteArray:
    """Compute the image of a recording from its training excerpt.

    Returns
    -------
    ndarray, shape (channels, bands, frames), uint8
        Or a chroma sequence, see `segue.audio.cover_songs.quantised_chromagram`.
    """
    if image == CHROMA_SEQUENCE:
        from segue.audio.cover_songs import quantised_chromagram, span_to_compare

        return quantised_chromagram(file.read(SAMPLE_RATE_HZ, span_to_compare).excerpts[0])
    recording = file.read(SAMPLE_RATE_HZ, training_span, only=passage, stereo=image.stereo)
    samples = recording.excerpts[0]
    channels = samples if image.stereo else samples[None]
    return np.concatenate(
        [log_mel_image(channel, LOG_MEL_SPECS[image.kind]) for channel in channels]
    )
