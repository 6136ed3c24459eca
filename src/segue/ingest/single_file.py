"""Analysis of a file that need not be in the library, in a worker process."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from segue.errors import BadArgument, Unreadable
from segue.ingest.analysis import (
    DECODE_LIMIT_S,
    TASK,
    Answer,
    Decode,
    DecodedFile,
    DecodedTrack,
    Identify,
    Identity,
    Job,
    ReadScore,
    ReadSidecars,
    SidecarLyrics,
)
from segue.ingest.workers import Fault, Workers
from segue.io.scan import FoundFile, scan
from segue.media import MEDIA, medium_of
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
    job = Decode(os.fsencode(path), medium, passage=passage)
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
    path : Path
    tune : int
        Its number in the file, from 1; 0 where the file has only one.

    Raises
    ------
    Unreadable
        With the reason.
    """
    return _run(ReadScore(os.fsencode(path), tune), Score, path)


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
