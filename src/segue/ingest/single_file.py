"""Analysis of a file that is not in the library."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from segue.errors import BadArgument, Unreadable
from segue.ingest.add import DECODE_LIMIT_S, TASK
from segue.ingest.analysis import (
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
    """Compute the vectors of a file that need not be in the library.

    Parameters
    ----------
    path : Path
    passage : Span, optional
        Only this stretch of it; of recordings.

    Raises
    ------
    Unreadable
        With the reason.
    BadArgument
        It is a score of many tunes, or a passage of one is meant.
    """
    if medium_of(path) == "score":
        if passage:
            raise BadArgument("--at goes with recordings; ask with the whole score")
        from segue.ingest.embedding import ScoreModel

        tune = decode_tune(path)
        return ScoreModel().embed(tune.bars, tune.features) | _of_words(tune.words)
    if medium_of(path) == "lyrics":
        if passage:
            raise BadArgument("--at goes with recordings; ask with the whole text")
        return _of_words(decode_song(path))
    from segue.audio.embedding import SoundModel

    decoded = decode_recording(path, passage)
    beside = _beside(path)
    words = beside.words if beside else decoded.words
    return SoundModel().embed(decoded.patches, decoded.features) | _of_words(words)


def describe_file(path: Path) -> Description:
    """Say what is known of a file that need not be in the library.

    Raises
    ------
    Unreadable
        With the reason.
    BadArgument
        It holds many tunes or songs.
    """
    kind = medium_of(path) or "sound"
    whole = os.fsencode(os.path.abspath(path))
    facts: dict[str, float | str]
    heard: dict[str, float] = {}
    words: DecodedText | None
    duration_s = 0.0
    if kind == "lyrics":
        song = words = decode_song(path)
        facts = song.facts
    elif kind == "score":
        tune = decode_tune(path)
        facts, duration_s, words = tune.facts, tune.duration_s, tune.words
    else:
        from segue.audio.embedding import SoundModel
        from segue.builtin_spaces import tag_probabilities

        decoded = decode_recording(path, None)
        facts, duration_s, words = decoded.facts, decoded.duration_s, decoded.words
        heard = tag_probabilities(SoundModel().embed(decoded.patches, decoded.features)["tags"])
    identity = _run(Identify(whole, os.path.dirname(whole), kind), Identity, path)
    beside = _beside(path)
    words = beside.words if beside else words
    tags = beside.tags if beside else identity.tags[0]
    track = Track(0, kind, path, tags, duration_s, identity.content_hash, facts=facts)
    source = os.fsdecode(os.path.basename(beside.source)) if beside else ""
    return Description(track, heard, words.text if words else "", source)


def _beside(path: Path) -> SidecarLyrics | None:
    """Read what a text beside some music says; None where there is none."""
    texts = [
        text.path for item in scan([path]) if isinstance(item, FoundFile) for text in item.texts
    ]
    if not texts:
        return None
    asked = ReadSidecars(os.fsencode(path), medium_of(path) or "sound", tuple(texts))
    return _run(asked, SidecarLyrics, path)


def _of_words(words: DecodedText | None) -> dict[str, FloatArray]:
    from segue.ingest.embedding import embed_lyrics

    return {} if words is None else embed_lyrics(words.text, words.features)


def decode_song(path: Path) -> DecodedText:
    """Read lyrics that need not be in the library, in a worker process.

    Raises
    ------
    Unreadable
        With the reason.
    BadArgument
        The file holds many songs.
    """
    songs = _run(DecodeLyrics(os.fsencode(path)), DecodedLyrics, path).songs
    if len(songs) > 1:
        raise BadArgument(
            f"{path} holds {len(songs)} songs; add it to a library, and ask with one of them"
        )
    if not isinstance(songs[0], DecodedText):
        raise Unreadable(f"{path}: {songs[0].reason}")
    return songs[0]


def decode_tune(path: Path) -> DecodedTune:
    """Read a score that need not be in the library, in a worker process.

    Raises
    ------
    Unreadable
        With the reason.
    BadArgument
        It holds many tunes.
    """
    tunes = _run(DecodeScore(os.fsencode(path)), DecodedScore, path).tunes
    if len(tunes) > 1:
        raise BadArgument(
            f"{path} holds {len(tunes)} tunes; add it to a library, and ask with one of them"
        )
    if not isinstance(tunes[0], DecodedTune):
        raise Unreadable(f"{path}: {tunes[0].reason}")
    return tunes[0]


def read_score(path: Path, tune: int = 0) -> Score:
    """Read a tune as it is written, in a worker process.

    Parameters
    ----------
    path : Path
    tune : int
        Which of the file's, from 1; 0 where it holds one.

    Raises
    ------
    Unreadable
        With the reason.
    """
    return _run(ReadScore(os.fsencode(path), tune), Score, path)


def decode_recording(path: Path, passage: Span | None) -> Decoded:
    """Decode a file that need not be in the library, in a worker process.

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
