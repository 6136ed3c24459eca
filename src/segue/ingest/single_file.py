"""Analysis of a file that need not be in the library, in a worker process."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from segue.errors import BadArgument, Unreadable
from segue.ingest.analysis import (
    DECODE_LIMIT_S,
    TASK,
    Answer,
    Decode,
    Decoded,
    DecodedLyrics,
    DecodedScore,
    DecodedText,
    DecodedTune,
    DecodeLyrics,
    DecodeScore,
    Identify,
    Identity,
    Job,
    ReadScore,
    ReadSidecars,
    SidecarLyrics,
)
from segue.ingest.workers import Fault, Workers
from segue.io.scan import FoundFile, scan
from segue.media import medium_of
from segue.records import Description, FloatArray, Score, Span, Track

_Result = TypeVar("_Result")


def embed_file(path: Path, passage: Span | None) -> dict[str, FloatArray]:
    """Compute the vectors of a file.

    Parameters
    ----------
    path : Path
    passage : Span, optional
        Excerpt of a recording to embed instead of the whole.

    Raises
    ------
    Unreadable
        With the reason.
    BadArgument
        The file holds several tunes or songs, or a passage of a score or text is asked for.
    """
    if medium_of(path) == "score":
        if passage:
            raise BadArgument("--at is for recordings; search with the whole score")
        from segue.ingest.embedding import ScoreModel

        tune = decode_tune(path)
        return ScoreModel().embed(tune.bars, tune.features) | _embed_words(tune.words)
    if medium_of(path) == "lyrics":
        if passage:
            raise BadArgument("--at is for recordings; search with the whole text")
        return _embed_words(decode_song(path))
    from segue.audio.embedding import SoundModel

    decoded = decode_recording(path, passage)
    sidecar = _read_sidecars(path)
    words = sidecar.words if sidecar else decoded.words
    return SoundModel().embed(decoded.patches, decoded.features) | _embed_words(words)


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
    facts: dict[str, float | str]
    probabilities: dict[str, float] = {}
    words: DecodedText | None
    duration_s = 0.0
    if medium == "lyrics":
        song = words = decode_song(path)
        facts = song.facts
    elif medium == "score":
        tune = decode_tune(path)
        facts, duration_s, words = tune.facts, tune.duration_s, tune.words
    else:
        from segue.audio.embedding import SoundModel
        from segue.builtin_spaces import tag_probabilities

        decoded = decode_recording(path, None)
        facts, duration_s, words = decoded.facts, decoded.duration_s, decoded.words
        vectors = SoundModel().embed(decoded.patches, decoded.features)
        probabilities = tag_probabilities(vectors["tags"])
    identity = _run(Identify(absolute, os.path.dirname(absolute), medium), Identity, path)
    sidecar = _read_sidecars(path)
    words = sidecar.words if sidecar else words
    tags = sidecar.tags if sidecar else identity.tags[0]
    track = Track(0, medium, path, tags, duration_s, identity.content_hash, facts=facts)
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


def _embed_words(words: DecodedText | None) -> dict[str, FloatArray]:
    from segue.ingest.embedding import embed_lyrics

    return {} if words is None else embed_lyrics(words.text, words.features)


def decode_song(path: Path) -> DecodedText:
    """Read and analyse the lyrics of a file of one song.

    Raises
    ------
    Unreadable
        With the reason.
    BadArgument
        The file holds several songs.
    """
    songs = _run(DecodeLyrics(os.fsencode(path)), DecodedLyrics, path).songs
    if len(songs) > 1:
        raise BadArgument(
            f"{path} holds {len(songs)} songs; add it to a library, and search with one of them"
        )
    if not isinstance(songs[0], DecodedText):
        raise Unreadable(f"{path}: {songs[0].reason}")
    return songs[0]


def decode_tune(path: Path) -> DecodedTune:
    """Read and analyse a score file of one tune.

    Raises
    ------
    Unreadable
        With the reason.
    BadArgument
        The file holds several tunes.
    """
    tunes = _run(DecodeScore(os.fsencode(path)), DecodedScore, path).tunes
    if len(tunes) > 1:
        raise BadArgument(
            f"{path} holds {len(tunes)} tunes; add it to a library, and search with one of them"
        )
    if not isinstance(tunes[0], DecodedTune):
        raise Unreadable(f"{path}: {tunes[0].reason}")
    return tunes[0]


def read_score(path: Path, tune: int = 0) -> Score:
    """Read a tune of a score file.

    Parameters
    ----------
    path : Path
    tune : int
        Its number in the file, from 1; 0 where the file has only one.

    Raises
    ------
    Unreadable
        With the reason.
    """
    return _run(ReadScore(os.fsencode(path), tune), Score, path)


def decode_recording(path: Path, passage: Span | None) -> Decoded:
    """Decode a recording, or an excerpt of it.

    Raises
    ------
    Unreadable
        With the reason.
    """
    return _run(Decode(os.fsencode(path), passage), Decoded, path)


def run_one(results: Iterator[tuple[object, _Result | Fault]], path: Path) -> _Result:
    """Return the result of the only job of `Workers.run`.

    Raises
    ------
    Unreadable
        With the reason.
    """
    _, result = next(results)
    if isinstance(result, Fault):
        raise Unreadable(f"{path}: {result.reason}")
    return result


def _run(job: Job, result_type: type[_Result], path: Path) -> _Result:
    result = run_one(Workers[Job, Answer].run(TASK, [job], DECODE_LIMIT_S, 1), path)
    if not isinstance(result, result_type):
        raise TypeError(f"{job} gave {result}")
    return result
