"""Music of known tempo: onset strengths of rendered MIDI files and drum patterns.

- multitrack MIDI of games and accompaniment programs and songs of POP909, chosen and divided by
  `rendered_midi`; more songs of POP909 for training;
- Groove MIDI (Gillick et al. 2019): drummers played to a click whose tempo is in the name; a
  half has whole drummers;
- bands: songs of POP909 arranged in the styles of an accompaniment program; a band belongs to
  its song's half;
- patterns: `recipes/datasets/drum_patterns.py`, made for learning alone;
- report: what `make-drum-patterns.py` makes; for testing alone.

Rendering takes longer than learning, so onset strengths are kept in a folder.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import librosa
import numpy as np
import soundfile
import symusic

from recipes.datasets import drum_patterns, rendered_midi
from recipes.datasets.excerpts import as_recording
from segue.audio.rhythm import analyse_rhythm, band_onset_strength, onset_strength
from segue.audio.spectrogram import SAMPLE_RATE_HZ
from segue.audio.timbre import frame_features
from segue.generate.compose.tokens import Bar, Note, bars_to_score, tempo_to_bpm
from segue.io.midi import write_midi
from segue.records import FloatArray, Recording

RENDERED_S: Final = 45.0
SHORTEST_S: Final = 15.0
BANDS_EVERY: Final = 5
POP_SONGS: Final = 220  # of each half
PATTERNS: Final = 1800
PATTERN_S: Final = 25.0
GROOVES_EVERY: Final = 1
LIBROSA_EVERY: Final = 4  # of the test half: it is slow
FASTER: Final = 0.07
GAIN_OCTAVES: Final = 0.6
SHORTEST_PART: Final = 900  # frames, 21 s
_GROOVE: Final = re.compile(r"(drummer\d+)/.*_(\d+)_beat_[34]-4\.mid$")


@dataclass(frozen=True, slots=True)
class Timed:
    """Music and its tempo.

    Attributes
    ----------
    name : str
    source : str
    half : {"develop", "test"}
    tempo_bpm : float
        As written in the file.
    onsets : list of ndarray, each of shape (frames, bands), float32
        From `segue.audio.rhythm.band_onset_strength`, one of each stretch.
    today_bpm, librosa_bpm : float
        What the reported tempo was before, and librosa's.
    """

    name: str
    source: str
    half: str
    tempo_bpm: float
    onsets: list[FloatArray]
    today_bpm: float
    librosa_bpm: float


def timed(data: Path, cache: Path) -> list[Timed]:
    """Return all pieces, from the folder `cache` where they are cached."""
    cache.mkdir(parents=True, exist_ok=True)
    pieces = []
    for source, read in _SOURCES.items():
        path = cache / f"{source}.npz"
        if not path.exists():
            _keep([_measured(*row) for row in read(data / "scores")], path)
        pieces += _load(source, path)
    return pieces


def varied(piece: Timed, rng: np.random.Generator) -> Timed:
    """Play a piece up to 7 % faster or slower, its bands louder or softer, at times a part only."""
    faster = float(rng.uniform(1 - FASTER, 1 + FASTER))
    onsets = []
    for stretch in piece.onsets:
        part = stretch
        if rng.random() < 0.5 and len(stretch) > SHORTEST_PART:
            length = int(len(stretch) * rng.uniform(0.5, 0.9))
            start = int(rng.integers(0, len(stretch) - length))
            part = stretch[start : start + length]
        times = np.arange(0, len(part) - 1, faster)
        before = times.astype(int)
        share = (times - before)[:, None]
        gains = 2.0 ** rng.normal(0, GAIN_OCTAVES, part.shape[1])
        between = part[before] * (1 - share) + part[before + 1] * share
        onsets.append(np.asarray(between * gains, np.float32))
    return replace(
        piece,
        tempo_bpm=piece.tempo_bpm * faster,
        onsets=onsets,
        today_bpm=piece.today_bpm * faster,
    )


Rendered = tuple[str, str, float, Recording]  # name, half, tempo, sound


def _multitrack(scores: Path) -> Iterator[Rendered]:
    yield from _pieces(scores.parent, pop=0, multitrack=1000)


def _pop909(scores: Path) -> Iterator[Rendered]:
    yield from _pieces(scores.parent, pop=POP_SONGS, multitrack=0)


def _more_pop909(scores: Path) -> Iterator[Rendered]:
    for piece in rendered_midi.more_pop(scores.parent, POP_SONGS, RENDERED_S):
        yield piece.name, "develop", piece.tempo_bpm, piece.recording


def _pieces(data: Path, *, pop: int, multitrack: int) -> Iterator[Rendered]:
    halves: tuple[rendered_midi.Half, ...] = ("develop", "test")
    for half in halves:
        for piece in rendered_midi.pieces(data, half, pop, multitrack, 0, RENDERED_S):
            yield piece.name, half, piece.tempo_bpm, piece.recording


def _groove(scores: Path) -> Iterator[Rendered]:
    with zipfile.ZipFile(scores / "groove_midi.zip") as archive:
        names = [name for name in sorted(archive.namelist()) if _GROOVE.search(name)]
        for name in names[::GROOVES_EVERY]:
            match = _GROOVE.search(name)
            assert match
            score = symusic.Score.from_midi(archive.read(name))
            if score.to("second").end() >= SHORTEST_S:
                sound = as_recording(rendered_midi.render(score, most_s=RENDERED_S))
                yield name, _half(match[1]), float(match[2]), sound


def _bands(scores: Path) -> Iterator[Rendered]:
    with np.load(scores / "bands.npz") as packed:
        names, groups, bars, counts, notes = (
            packed[key] for key in ("names", "groups", "bars", "nb", "n")
        )
    first = np.searchsorted(bars[:, 0], np.arange(len(names) + 1))
    of_bar = np.cumsum(counts.astype(np.int64))
    for piece in range(0, len(names), BANDS_EVERY):
        if not groups[piece].startswith("pop909-"):
            continue
        indices = range(first[piece], first[piece + 1])
        written = []
        for bar in indices:
            low, high = np.searchsorted(of_bar, [bar, bar + 1])
            sounding = tuple(Note(*map(int, note)) for note in notes[:, low:high].T)
            written.append(Bar(int(bars[bar, 1]), int(bars[bar, 2]), sounding, ()))
        tempos = {bar.tempo for bar in written}
        if len(tempos) == 1:
            score = symusic.Score.from_midi(write_midi(bars_to_score(written)))
            sound = as_recording(rendered_midi.render(score, most_s=RENDERED_S))
            yield str(names[piece]), _half(str(groups[piece])), tempo_to_bpm(tempos.pop()), sound


def _patterns(_scores: Path) -> Iterator[Rendered]:
    for seed in range(PATTERNS):
        style, tempo_bpm, samples = drum_patterns.pattern(seed, PATTERN_S)
        yield f"{style} {seed}", "develop", tempo_bpm, as_recording(samples)


def _report(scores: Path) -> Iterator[Rendered]:
    script = scores.parent.parent / "cases" / "make-drum-patterns.py"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, str(script)], cwd=folder, check=True)
        for path in sorted(Path(folder).rglob("*.wav")):
            samples, _ = soundfile.read(path, dtype="float32")
            yield path.stem, "test", float(path.stem.rpartition("_")[2]), as_recording(samples)


_SOURCES: Final = {
    "multitrack": _multitrack,
    "groove": _groove,
    "patterns": _patterns,
    "pop909": _pop909,
    "more_pop909": _more_pop909,
    "bands": _bands,
    "report": _report,
}


def _half(group: str) -> str:
    return "test" if int(_digest(group), 16) % 2 else "develop"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _measured(name: str, half: str, tempo_bpm: float, recording: Recording) -> Timed:
    stretches = [frame_features(excerpt) for excerpt in recording.excerpts]
    today_bpm = analyse_rhythm([onset_strength(excerpt.mel_db) for excerpt in stretches]).tempo_bpm
    librosa_bpm = 0.0
    if half == "test" and int(_digest(name), 16) % LIBROSA_EVERY == 0:
        samples = np.concatenate(recording.excerpts)
        tempo = librosa.beat.beat_track(y=samples, sr=SAMPLE_RATE_HZ)[0]
        librosa_bpm = float(np.squeeze(tempo))
    onsets = [band_onset_strength(excerpt.mel_db) for excerpt in stretches]
    return Timed(name, "", half, tempo_bpm, onsets, today_bpm, librosa_bpm)


def _keep(pieces: list[Timed], path: Path) -> None:
    np.savez(
        path,
        names=[piece.name for piece in pieces],
        halves=[piece.half for piece in pieces],
        tempos=[(piece.tempo_bpm, piece.today_bpm, piece.librosa_bpm) for piece in pieces],
        frames=np.concatenate([np.concatenate(piece.onsets) for piece in pieces]).astype(
            np.float16
        ),
        lengths=[len(stretch) for piece in pieces for stretch in piece.onsets],
        stretches=[len(piece.onsets) for piece in pieces],
    )


def _load(source: str, path: Path) -> list[Timed]:
    with np.load(path) as arrays:
        names, halves, tempos = (arrays[key].tolist() for key in ("names", "halves", "tempos"))
        cut = np.split(arrays["frames"].astype(np.float32), np.cumsum(arrays["lengths"])[:-1])
        ends = np.cumsum(arrays["stretches"]).tolist()
    return [
        Timed(name, source, half, tempo, cut[start:end], today, librosa_)
        for name, half, (tempo, today, librosa_), start, end in zip(
            names, halves, tempos, [0, *ends[:-1]], ends, strict=True
        )
    ]
