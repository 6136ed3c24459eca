"""Duplicates and version identification of recordings, on generated sets.

    python -m bench.version_identification --data ../shared/data

Duplicates: the bundled collection in other formats, at other bit rates, with its start cut off, in
one library with files a semitone higher and 6 % faster that are no copies.

Versions: transposed, faster, or rendered with other instruments; and tunes under one title in two
collections. Each version is a query for its original in its set: with one relevant item, average
precision is the reciprocal rank. "Listed" is what `segue duplicates` lists. The constants of
`segue.audio.chroma` were tuned on 60 other clips and on songs of POP909.
"""

import argparse
import random
import re
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import symusic
from threadpoolctl import threadpool_limits

import segue
from bench.result_tables import table, write_table
from recipes.datasets.degradation import Codec, encoded
from recipes.datasets.rendered_midi import render
from segue.audio.chroma import fourier_signature, qmax_similarities, quantised_chromagram
from segue.audio.spectrogram import SAMPLE_RATE_HZ, ByteArray
from segue.evaluation.retrieval import bootstrap_interval, evaluate_retrieval
from segue.explore.version_identification import version_pairs
from segue.io.audio import read_recording
from segue.records import FloatArray, Span

COLLECTION = Path(segue.__file__).parent / "collection"
SEED = 3
PIECES = 40
Change = Callable[[FloatArray], FloatArray]
MP3 = Codec("libmp3lame", "mp3", 44_100, "mono", ())
FLAC = Codec("flac", "flac", 22_050, "mono", ())
#: Of one recording: its codec, the ending, the bit rate, and what is cut from the start, seconds.
COPIES = {
    "mp3 64 kbit/s": (MP3, ".mp3", 64_000, 0),
    "mp3 128 kbit/s": (MP3, ".mp3", 128_000, 0),
    "mp3 192 kbit/s": (MP3, ".mp3", 192_000, 0),
    "aac 96 kbit/s": (Codec("aac", "mp4", 44_100, "mono", ()), ".m4a", 96_000, 0),
    "opus 48 kbit/s": (Codec("libopus", "ogg", 48_000, "mono", ()), ".opus", 48_000, 0),
    "flac": (FLAC, ".flac", 0, 0),
    "first 2 s cut": (FLAC, ".flac", 0, 2),
    "first 5 s cut": (FLAC, ".flac", 0, 5),
}
#: What a title says of the kind of tune, which the collections say differently.
KINDS = re.compile(
    r"--.*|\b(the|a|an|reel|jig|hornpipe|strathspey|fling|air|march|waltz|set|first|second)\b"
)
COLUMNS = ("change", "signature: mean AP", "alignment: mean AP", "rank 1", "listed", "wrong")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    sounds = [read(path) for path in sorted(COLLECTION.rglob("*.ogg"))]
    with threadpool_limits(1):
        sections = [copies(sounds), clips(sounds), orchestrated(data), tunes(data)]
    write_table("version_identification", "Duplicates and versions of recordings", sections)


def copies(sounds: Sequence[FloatArray]) -> str:
    """Fill a library with copies and with what is none, and list its twins."""
    with tempfile.TemporaryDirectory() as folder:
        music = Path(folder) / "music"
        for number, sound in enumerate(sounds):
            for name, (codec, ending, bit_rate, cut_s) in COPIES.items():
                content = encoded(sound[cut_s * SAMPLE_RATE_HZ :], codec, bit_rate)
                target = music / name.replace("/", " per ") / f"{number}{ending}"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            for name, change in (("higher", partial(transposed, steps=1)), ("faster", faster)):
                target = music / name / f"{number}.flac"
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(encoded(change(sound), FLAC, 0))
        with segue.Library.open(Path(folder) / "library") as library:
            library.add([music])
            scores_of = {
                frozenset((twin.first.path, twin.second.path))
                for twin in library.atlas.duplicates()
            }
            paths = [track.path for track in library.tracks()]
    by_name = {(path.parent.name, path.stem): path for path in paths}
    labels = [name.replace("/", " per ") for name in COPIES]
    rows = []
    for name in labels:
        pairs = [
            frozenset((by_name[name, str(n)], by_name[heading, str(n)]))
            for n in range(len(sounds))
            for heading in labels
            if heading != name
        ]
        share = float(np.mean([pair in scores_of for pair in pairs]))
        rows.append((name.replace(" per ", "/"), len(pairs), share))
    right = {
        frozenset((by_name[label, str(n)], by_name[heading, str(n)]))
        for n in range(len(sounds))
        for label in labels
        for heading in labels
        if label != heading
    }
    return (
        f"Same recordings: {len(paths)} files in one library; {len(scores_of)} pairs listed, "
        f"{len(scores_of - right)} of them wrong:\n\n"
        + table(("copy", "pairs with the other copies", "recall"), rows)
    )


def clips(sounds: Sequence[FloatArray]) -> str:
    """Change the bundled recordings in every way, and ask for the originals."""
    originals = [quantised_chromagram(sound) for sound in sounds]
    changes: dict[str, Change] = {
        f"{steps:+d} semitones": partial(transposed, steps=steps) for steps in (-3, -2, -1, 1, 2, 3)
    }
    changes |= {f"tempo {rate:+.0%}": partial(faster, rate=rate) for rate in (-0.06, 0.06)}
    changes["+2 semitones, tempo +6%"] = lambda x: faster(transposed(x, 2), 0.06)
    changes["first 5 s missing"] = lambda x: x[5 * SAMPLE_RATE_HZ :]
    rows = [
        (name, *asked([quantised_chromagram(change(sound)) for sound in sounds], originals))
        for name, change in changes.items()
    ]
    return (
        f"Versions: the {len(sounds)} recordings of the bundled collection, changed:\n\n"
        + table(COLUMNS, rows)
    )


def transposed(sound: FloatArray, steps: int) -> FloatArray:
    return np.asarray(librosa.effects.pitch_shift(sound, sr=SAMPLE_RATE_HZ, n_steps=steps))


def faster(sound: FloatArray, rate: float = 0.06) -> FloatArray:
    return np.asarray(librosa.effects.time_stretch(sound, rate=1 + rate))


def orchestrated(data: Path) -> str:
    """Render multitrack MIDI with its own and with other instruments."""
    paths = sorted((data / "scores" / "multitrack").glob("*.mid"))
    random.Random(SEED).shuffle(paths)
    rng = np.random.default_rng(SEED)
    originals: list[ByteArray] = []
    others: list[ByteArray] = []
    for path in paths:
        score = symusic.Score.from_midi(path.read_bytes())
        if score.to("second").end() < 20 or len(originals) == PIECES:
            continue
        originals.append(quantised_chromagram(render(score)))
        shift = int(rng.integers(-3, 4))
        for track in score.tracks:
            track.program = int(rng.integers(0, 96))
            if not track.is_drum:
                track.shift_pitch(shift, inplace=True)
        others.append(quantised_chromagram(render(score)))
    return f"Versions: {len(originals)} multitrack MIDI files, rendered twice:\n\n" + table(
        COLUMNS, [("other instruments, another key", *asked(others, originals))]
    )


def asked(
    versions: Sequence[ByteArray], originals: Sequence[ByteArray]
) -> tuple[float, float, float, float, int]:
    """Rank the originals by each version; and list what is likely one piece, among all."""
    known = np.stack([fourier_signature(tune) for tune in originals])
    rough, fine = [], []
    for number, version in enumerate(versions):
        rough.append(rank(known @ fourier_signature(version), number))
        fine.append(rank(qmax_similarities(version, originals), number))
    n = len(originals)
    pairs = set(version_pairs([*originals, *versions]))
    right = {(number, n + number) for number in range(n)}
    # Similarities among the originals themselves were not made by the change.
    wrong = {pair for pair in pairs - right if pair[0] < n <= pair[1]}
    known_alike = {pair for pair in pairs if pair[1] < n}
    wrong = {(tune, version) for tune, version in wrong
             if tuple(sorted((tune, version - n))) not in known_alike}  # fmt: skip
    return (
        float(np.mean([1 / r for r in rough])),
        float(np.mean([1 / r for r in fine])),
        float(np.mean([r == 1 for r in fine])),
        len(pairs & right) / n,
        len(wrong),
    )


def rank(scores: np.ndarray, right: int) -> int:
    """Return the place of the right answer, from 1; of equals, the last."""
    return int(np.count_nonzero(scores >= scores[right]))


def tunes(data: Path) -> str:
    """Take the tunes that stand under one title in both collections."""
    by_collection: dict[str, dict[str, bytes]] = {}
    with zipfile.ZipFile(data / "scores" / "folk_tunes.zip") as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".mid"):
                content = archive.read(name)
                key = bare(title(content))
                if len(key) >= 5:
                    by_collection.setdefault(name.split("/")[0], {}).setdefault(key, content)
    first, second = by_collection.values()
    labels = [key for key in sorted(first.keys() & second.keys()) for _ in range(2)]
    sequences = [
        quantised_chromagram(render(symusic.Score.from_midi(content)))
        for key in labels[::2]
        for content in (first[key], second[key])
    ]
    signatures = np.stack([fourier_signature(sequence) for sequence in sequences])
    aligned = np.stack([qmax_similarities(sequence, sequences) for sequence in sequences]).astype(
        np.float32
    )
    pairs = version_pairs(sequences)
    right = sum(labels[i] == labels[j] for i, j in pairs)
    rows: list[tuple[object, ...]] = []
    for name, measured in (
        ("signature", evaluate_retrieval(signatures, labels, min_tracks=2)),
        ("alignment", evaluate_retrieval(-aligned, labels, metric="precomputed", min_tracks=2)),
    ):
        ranged = bootstrap_interval([measured], "mean_average_precision")
        rows.append((name, ranged.value, f"{ranged.low:.3f} … {ranged.high:.3f}",
                     measured.precision_at_1))  # fmt: skip
        chance = measured.chance_average_precision
    rows.append(("chance", chance, "", ""))
    return (
        f"Versions: {len(labels) // 2} pairs of tunes that stand under one title in O'Neill's and "
        "in Ryan's collection, rendered; many of a title are different tunes. "
        f"`segue duplicates` would list {len(pairs)} pairs, {right} of one title:\n\n"
        + table(("by", "mean AP", "95 %", "rank 1"), rows)
    )


def title(content: bytes) -> str:
    start = content.find(b"\xff\x03")
    return (
        content[start + 3 : start + 3 + content[start + 2]].decode("latin-1") if start >= 0 else ""
    )


def bare(text: str) -> str:
    return re.sub(r"[^a-z]", "", KINDS.sub("", text.lower()))


def read(path: Path) -> FloatArray:
    return read_recording(path, SAMPLE_RATE_HZ, lambda s: (Span(0.0, s),)).excerpts[0]


if __name__ == "__main__":
    main()
