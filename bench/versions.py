"""Versions of a piece: transposed, faster, re-orchestrated, and tunes of two collections.

    python bench/versions.py --data ../shared/data

Each version asks once; average precision is over all recordings of its set, so with one right
answer it is one over that answer's rank. The signature alone is what finds candidates; the
alignment is what `segue twins` goes by.
"""

import argparse
import random
import re
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import symusic

import segue
from rendered import render
from segue.formats.sound import read_sound
from segue.measure.bootstrap import interval
from segue.measure.retrieval import retrieval
from segue.records import FloatArray, Span
from segue.represent.harmony import pitch_course
from segue.represent.sound import SAMPLE_RATE_HZ
from segue.represent.versions import likenesses, signature
from tables import keep, table

COLLECTION = Path(segue.__file__).parent / "collection"
SEED = 3
PIECES = 40
#: What a title says of the kind of tune, which the collections say differently.
KINDS = re.compile(
    r"--.*|\b(the|a|an|reel|jig|hornpipe|strathspey|fling|air|march|waltz|set|first|second)\b"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    sections = [clips(), orchestrated(options.data), tunes(options.data)]
    keep("versions", "Versions of a piece", sections)


def clips() -> str:
    """Change the bundled recordings in every way, and ask for the originals."""
    sounds = [read(path) for path in sorted(COLLECTION.rglob("*.ogg"))]
    originals = [pitch_course(sound) for sound in sounds]
    changes: dict[str, Callable[[FloatArray], FloatArray]] = {
        f"{steps:+d} semitones": partial(transposed, steps=steps) for steps in (-3, -2, -1, 1, 2, 3)
    }
    changes |= {f"tempo {rate:+.0%}": partial(faster, rate=rate) for rate in (-0.06, 0.06)}
    changes["+2 semitones, tempo +6%"] = lambda x: faster(transposed(x, 2), 0.06)
    changes["first 5 s missing"] = lambda x: x[5 * SAMPLE_RATE_HZ :]
    rows = [
        (name, *asked([pitch_course(change(sound)) for sound in sounds], originals))
        for name, change in changes.items()
    ]
    return (
        f"The {len(sounds)} recordings of the bundled collection, changed; one right answer of "
        f"{len(sounds)}:\n\n"
        + table(("change", "signature: mean AP", "alignment: mean AP", "first of all"), rows)
    )


def transposed(sound: FloatArray, steps: int) -> FloatArray:
    return np.asarray(librosa.effects.pitch_shift(sound, sr=SAMPLE_RATE_HZ, n_steps=steps))


def faster(sound: FloatArray, rate: float) -> FloatArray:
    return np.asarray(librosa.effects.time_stretch(sound, rate=1 + rate))


def orchestrated(data: Path) -> str:
    """Render multitrack MIDI with its own and with other instruments."""
    paths = sorted((data / "scores" / "multitrack").glob("*.mid"))
    random.Random(SEED).shuffle(paths)
    rng = np.random.default_rng(SEED)
    originals: list[FloatArray] = []
    others: list[FloatArray] = []
    for path in paths:
        score = symusic.Score.from_midi(path.read_bytes())
        if score.to("second").end() < 20 or len(originals) == PIECES:
            continue
        originals.append(pitch_course(render(score)))
        for track in score.tracks:
            track.program = int(rng.integers(0, 96))
        shift = int(rng.integers(-3, 4))
        for track in score.tracks:
            if not track.is_drum:
                track.shift_pitch(shift, inplace=True)
        others.append(pitch_course(render(score)))
    rows = [("other instruments, another key", *asked(others, originals))]
    return f"{len(originals)} multitrack MIDI files, rendered twice:\n\n" + table(
        ("change", "signature: mean AP", "alignment: mean AP", "first of all"), rows
    )


def asked(
    versions: Sequence[FloatArray], originals: Sequence[FloatArray]
) -> tuple[float, float, float]:
    """Rank the originals by each version; return two mean average precisions, and the hits."""
    known = np.stack([signature(one) for one in originals])
    rough, fine = [], []
    for number, version in enumerate(versions):
        rough.append(rank(known @ signature(version), number))
        fine.append(rank(likenesses(version, originals), number))
    return (
        float(np.mean([1 / r for r in rough])),
        float(np.mean([1 / r for r in fine])),
        float(np.mean([r == 1 for r in fine])),
    )


def rank(scores: np.ndarray, right: int) -> int:
    """Return the place of the right answer, from 1; of equals, the last."""
    return int(np.count_nonzero(scores >= scores[right]))


def tunes(data: Path) -> str:
    """Take the tunes that stand under one title in both collections."""
    found: dict[str, list[bytes]] = {}
    with zipfile.ZipFile(data / "scores" / "folk_tunes.zip") as archive:
        by_collection: dict[str, dict[str, bytes]] = {}
        for name in sorted(archive.namelist()):
            if name.endswith(".mid"):
                content = archive.read(name)
                key = bare(title(content))
                if len(key) >= 5:
                    by_collection.setdefault(name.split("/")[0], {}).setdefault(key, content)
    first, second = by_collection.values()
    for key in sorted(first.keys() & second.keys()):
        found[key] = [first[key], second[key]]
    courses, labels = [], []
    for key, contents in found.items():
        for content in contents:
            courses.append(pitch_course(render(symusic.Score.from_midi(content))))
            labels.append(key)
    signatures = np.stack([signature(course) for course in courses])
    aligned = np.stack([likenesses(course, courses) for course in courses])
    rows: list[tuple[object, ...]] = []
    for name, measured in (
        ("chance", None),
        ("signature", retrieval(signatures, labels, min_tracks=2)),
        ("alignment", retrieval(-aligned.astype(np.float32), labels, metric="precomputed",
                                min_tracks=2)),
    ):  # fmt: skip
        if measured is None:
            reference = retrieval(signatures, labels, min_tracks=2)
            rows.append((name, reference.chance_average_precision, "", ""))
            continue
        ranged = interval([measured], "mean_average_precision")
        rows.append((name, ranged.value, f"{ranged.low:.3f} … {ranged.high:.3f}",
                     measured.precision_at_1))  # fmt: skip
    return (
        f"{len(found)} tunes that stand under one title in O'Neill's and in Ryan's collection, "
        "rendered; many of a title are different tunes:\n\n"
        + table(("by", "mean AP", "95 %", "first of all"), rows)
    )


def title(content: bytes) -> str:
    at = content.find(b"\xff\x03")
    return content[at + 3 : at + 3 + content[at + 2]].decode("latin-1") if at >= 0 else ""


def bare(text: str) -> str:
    return re.sub(r"[^a-z]", "", KINDS.sub("", text.lower()))


def read(path: Path) -> FloatArray:
    whole = read_sound(path, SAMPLE_RATE_HZ, lambda s: (Span(0.0, s),))
    return whole.excerpts[0]


if __name__ == "__main__":
    main()
