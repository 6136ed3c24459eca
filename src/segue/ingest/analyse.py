"""What a worker does with one file: pure functions from a path to a record, without torch."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segue.errors import Unreadable
from segue.formats.sound import read_sound
from segue.formats.tags import read_tags
from segue.records import FloatArray, Span, Tags
from segue.represent.sound import SAMPLE_RATE_HZ, musicnn_patches, spans_to_analyse


@dataclass(frozen=True, slots=True)
class Identify:
    """Asks what a file is, without decoding it."""

    path: bytes
    root: bytes


@dataclass(frozen=True, slots=True)
class Decode:
    """Asks for a file's sound, or one passage of it, as the models take it."""

    path: bytes
    passage: Span | None = None


Job = Identify | Decode


@dataclass(frozen=True, slots=True)
class Identity:
    """The hash of a file's bytes, and its tags."""

    content_hash: str
    tags: Tags


@dataclass(frozen=True, slots=True)
class Decoded:
    """A recording as the models take it; see the functions of `segue.represent`."""

    patches: FloatArray  # (patches, 187, 96)
    features: FloatArray  # raw, in the order of FEATURE_NAMES
    facts: dict[str, float | str]
    fingerprint: NDArray[np.uint32]
    duration_s: float


def work(job: Job) -> Identity | Decoded:
    """Answer one job."""
    path = Path(os.fsdecode(job.path))
    if isinstance(job, Identify):
        return _identify(path, Path(os.fsdecode(job.root)))
    return _decode(path, job.passage)


def _identify(path: Path, root: Path) -> Identity:
    try:
        with path.open("rb") as file:
            content_hash = hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    except FileNotFoundError:
        raise Unreadable("the file is gone") from None
    except PermissionError:
        raise Unreadable("no permission to read it") from None
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror})") from None
    return Identity(content_hash, read_tags(path, root))


def _decode(path: Path, passage: Span | None) -> Decoded:
    # Here, for the parent only passes jobs on and need not wait for half of SciPy.
    from segue.represent.features import describe
    from segue.represent.fingerprint import fingerprint

    recording = read_sound(path, SAMPLE_RATE_HZ, spans_to_analyse, only=passage)
    description = describe(recording)
    return Decoded(
        patches=musicnn_patches(recording),
        features=description.vector,
        facts=description.facts,
        fingerprint=fingerprint(recording),
        duration_s=recording.duration_s,
    )
