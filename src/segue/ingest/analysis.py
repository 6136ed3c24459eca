"""The analysis of one file in a worker, without torch."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.audio.spectrogram import SAMPLE_RATE_HZ, musicnn_patches, spans_to_analyse
from segue.errors import BadArgument, Unavailable, Unreadable, unreadable
from segue.ingest.workers import Fault
from segue.io.audio import read_recording
from segue.io.embedded_lyrics import lyrics_in_recording, lyrics_in_score
from segue.io.lyrics import UnreadableSong, read_lyrics, read_lyrics_tags, read_sidecar
from segue.io.lyrics_text import PLAIN_TEXT, TextOptions
from segue.io.scores import Broken, read_score_tags, read_scores
from segue.io.tags import NO_TAGS, read_tags
from segue.lyrics.phonetics import words_of
from segue.records import FloatArray, Lyrics, Medium, Score, Span, Tags


@dataclass(frozen=True, slots=True)
class Identify:
    """Asks what a file is, without decoding it."""

    path: bytes
    root: bytes
    kind: Medium = "sound"
    given: Tags = NO_TAGS  # for what names no artist or album


@dataclass(frozen=True, slots=True)
class Decode:
    """Asks for a file's sound, or one passage of it, as the models take it."""

    path: bytes
    passage: Span | None = None
    form: TextOptions = PLAIN_TEXT


@dataclass(frozen=True, slots=True)
class DecodeScore:
    """Asks for the tunes of a file, as the models take them."""

    path: bytes
    form: TextOptions = PLAIN_TEXT


@dataclass(frozen=True, slots=True)
class DecodeLyrics:
    """Asks for the songs of a file of lyrics, as the models take them."""

    path: bytes
    form: TextOptions = PLAIN_TEXT


@dataclass(frozen=True, slots=True)
class ReadSidecars:
    """Asks for the words of some music, without its notes or its sound.

    Those of the first of the `texts` beside it that has any, else those that it carries along.
    """

    path: bytes
    kind: Medium
    texts: tuple[bytes, ...]
    form: TextOptions = PLAIN_TEXT
    given: Tags = NO_TAGS  # for what names no artist or album


@dataclass(frozen=True, slots=True)
class ReadScore:
    """Asks for one tune of a file as it is written; 0 for that of a file of one."""

    path: bytes
    tune: int = 0


Job = Identify | Decode | DecodeScore | DecodeLyrics | ReadSidecars | ReadScore


@dataclass(frozen=True, slots=True)
class Identity:
    """The hash of a file's bytes, and the tags of each tune in it: of a recording, one."""

    content_hash: str
    tags: tuple[Tags, ...]


@dataclass(frozen=True, slots=True)
class DecodedText:
    """The words of a song as the models take them; see the functions of `segue.audio`."""

    text: str
    features: FloatArray  # raw, in the order of STYLE_FEATURE_NAMES
    facts: dict[str, float | str]
    shingles: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A recording as the models take it; see the functions of `segue.audio`."""

    patches: FloatArray  # (patches, 187, 96)
    features: FloatArray  # raw, in the order of FEATURE_NAMES
    facts: dict[str, float | str]
    fingerprint: NDArray[np.uint32]
    duration_s: float
    words: DecodedText | None = None  # that the file carries along


@dataclass(frozen=True, slots=True)
class DecodedTune:
    """A tune as the models take it; see the functions of `segue.audio`."""

    bars: NDArray[np.uint8]  # a piano roll, packed
    features: FloatArray  # raw, in the order of SCORE_FEATURE_NAMES
    facts: dict[str, float | str]
    shingles: NDArray[np.uint32]
    duration_s: float
    words: DecodedText | None = None  # that the file carries along


@dataclass(frozen=True, slots=True)
class DecodedScore:
    """The tunes of a file, in order; `Broken` where one cannot be read."""

    tunes: tuple[DecodedTune | Broken, ...]


@dataclass(frozen=True, slots=True)
class DecodedLyrics:
    """The songs of a file, in order; `UnreadableSong` where one cannot be read."""

    songs: tuple[DecodedText | UnreadableSong, ...]


@dataclass(frozen=True, slots=True)
class SidecarLyrics:
    """The words of some music.

    Attributes
    ----------
    words : DecodedText, optional
    source : bytes
        The text beside it that they come from; empty where it carries them along.
    tags : Tags
        What the music says of itself, else what a text beside it says.
    faults : tuple of (bytes, Fault)
        Texts that cannot be read, and why.
    """

    words: DecodedText | None
    source: bytes
    tags: Tags
    faults: tuple[tuple[bytes, Fault], ...]


Answer = Identity | Decoded | DecodedScore | DecodedLyrics | SidecarLyrics | Score


def run_job(job: Job) -> Answer:
    """Answer one job."""
    path = Path(os.fsdecode(job.path))
    if isinstance(job, Identify):
        return _identify(path, Path(os.fsdecode(job.root)), job)
    if isinstance(job, DecodeScore):
        tunes = [_tune(found) for found in read_scores(path)]
        for number, words in enumerate(lyrics_in_score(path, job.form)[: len(tunes)]):
            tune = tunes[number]
            if words and isinstance(tune, DecodedTune):
                tunes[number] = replace(tune, words=_carried(words))
        return DecodedScore(tuple(tunes))
    if isinstance(job, DecodeLyrics):
        return DecodedLyrics(tuple(map(_song, read_lyrics(path, job.form))))
    if isinstance(job, ReadSidecars):
        return _read_words(path, job)
    if isinstance(job, ReadScore):
        return _read_score(path, job.tune)
    return _decode(path, job)


def _identify(path: Path, root: Path, job: Identify) -> Identity:
    try:
        with path.open("rb") as file:
            content_hash = hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    except OSError as error:
        raise unreadable(error) from None
    return Identity(content_hash, _TAGS[job.kind](path, root, job.given))


_TAGS: Final[dict[Medium, Callable[[Path, Path, Tags], tuple[Tags, ...]]]] = {
    "sound": lambda path, _, given: (read_tags(path, given),),
    "score": lambda path, _, given: read_score_tags(path, given),
    "lyrics": read_lyrics_tags,
}


def _read_words(path: Path, job: ReadSidecars) -> SidecarLyrics:
    faults: list[tuple[bytes, Fault]] = []
    said, words, source = NO_TAGS, None, b""
    for text in job.texts:
        try:
            lyrics = read_sidecar(Path(os.fsdecode(text)), job.form)
        except Unavailable:
            raise  # all of it is tried again
        except Unreadable as error:
            faults.append((text, Fault(str(error))))
            continue
        said = said if said != NO_TAGS else lyrics.tags
        if words := _carried(lyrics.text):
            source = text
            break
    if words is None:
        if job.kind == "sound":
            words = _carried(lyrics_in_recording(path, job.form))
        else:
            words = _carried("".join(lyrics_in_score(path, job.form)[:1]))
    known = Tags(said.title, said.artist or job.given.artist, said.album or job.given.album)
    tags = _TAGS[job.kind](path, path.parent, known)[0]
    return SidecarLyrics(words, source, tags, tuple(faults))


def _read_score(path: Path, tune: int) -> Score:
    tunes = read_scores(path)
    if tune == 0 and len(tunes) > 1:
        raise Unreadable(
            f"it holds {len(tunes)} tunes; add it to a library, and ask for one of them"
        )
    if tune > len(tunes):
        raise Unreadable(f"it has no tune {tune} any more; run `segue add` on it again")
    found = tunes[max(tune - 1, 0)]
    if isinstance(found, Broken):
        raise Unreadable(found.reason)
    return found


def _tune(score: Score | Broken) -> DecodedTune | Broken:
    # Here, as in `_decode`, since the parent needs none of it.
    from segue.score.features import describe_score
    from segue.score.fingerprint import shingles
    from segue.score.piano_roll import BAR_BYTES, PianoRoll, packed

    if isinstance(score, Broken):
        return score
    try:
        description = describe_score(score)
    except BadArgument as error:
        return Broken(str(error))
    try:
        bars = packed(PianoRoll.from_score(score).cells)
    except BadArgument:  # too long for a roll: it has no place in that space
        bars = np.empty((0, BAR_BYTES), np.uint8)
    facts = description.facts
    return DecodedTune(bars, description.vector, facts, shingles(score), float(facts["duration_s"]))


def _song(found: Lyrics | UnreadableSong) -> DecodedText | UnreadableSong:
    if isinstance(found, UnreadableSong):
        return found
    try:
        return _described(found.text)
    except BadArgument as error:
        return UnreadableSong(str(error))


def _carried(text: str) -> DecodedText | None:
    """Describe what a recording or a score carries along; too little of it is nothing."""
    return _described(text) if words_of(text) else None


def _described(text: str) -> DecodedText:
    from segue.lyrics.features import describe_text
    from segue.lyrics.matching import text_shingles

    described = describe_text(text)
    return DecodedText(text, described.vector, described.facts, text_shingles(text))


def _decode(path: Path, job: Decode) -> Decoded:
    # Here, for the parent only passes jobs on and need not wait for half of SciPy.
    from segue.audio.features import describe
    from segue.audio.fingerprint import fingerprint

    recording = read_recording(path, SAMPLE_RATE_HZ, spans_to_analyse, only=job.passage)
    description = describe(recording, read_tags(path).genre)
    return Decoded(
        patches=musicnn_patches(recording),
        features=description.vector,
        facts=description.facts,
        fingerprint=fingerprint(recording),
        duration_s=recording.duration_s,
        words=_carried(lyrics_in_recording(path, job.form)),
    )
