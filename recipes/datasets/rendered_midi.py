"""MIDI files of known tempo and key, rendered to audio.

Three sources, each with a rule that keeps only what can be trusted:

- POP909 (Wang et al. 2020): beats and key are annotated. Songs with one key throughout; the
  tempo is the median interval between annotated beats within what is analysed.
- multitrack files of games and accompaniment programs: the tempo is the file's, where it is
  the same from the first note on, between 40 and 240, in a quarter metre, and nine of ten notes
  begin on the sixteenth or the triplet grid (so that it is no leftover default); the key is
  the signature's, where there is one only, 85 % of the sounding time lies in its scale, and the
  lowest last note is its tonic, major or minor.
- folk tunes (O'Neill, Ryan): the key alone, by the same rule with 95 %.

Which half a file belongs to is drawn by the SHA-256 of its name, so that tuning on "develop"
never sees "test".

Rendered with TinySoundFont: symusic's own synthesizer plays this sound font up to seven
semitones off, differently from key to key (its issue 55).
"""

import hashlib
import random
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pretty_midi
import symusic
import tinysoundfont

from recipes.datasets.excerpts import as_recording
from segue.audio.spectrogram import SAMPLE_RATE_HZ
from segue.records import FloatArray, Recording
from segue.theory.keys import PITCH_CLASSES

RENDERED_S: Final = 120.0
SHORTEST_S: Final = 20.0
FEWEST_NOTES: Final = 40
TEMPO_RANGE_BPM: Final = (40.0, 240.0)
SEED: Final = 2
SOUND_FONT: Final = Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"
MAJOR: Final = (0, 2, 4, 5, 7, 9, 11)
FLAT_NAMES: Final = dict(zip(("Db", "Gb"), ("C#", "F#"), strict=True))

Half = Literal["develop", "test"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A rendered file and what is known of it; `tempo_bpm` 0 or `key` empty: unknown."""

    name: str
    recording: Recording
    tempo_bpm: float
    key: str


def pieces(
    data: Path, half: Half, pop: int, multitrack: int, folk: int, most_s: float = RENDERED_S
) -> Iterator[Piece]:
    """Render a number of pieces of each source, drawn with `SEED`; fewer if a source has fewer.

    Parameters
    ----------
    data : Path
        The folder that holds `scores/`.
    half : str
    pop, multitrack, folk : int
    most_s : float
        How much of each is rendered.

    Yields
    ------
    Piece
    """
    scores = data / "scores"
    yield from _pop(scores / "pop909.zip", half, pop, most_s)
    yield from _multitrack(scores / "multitrack", half, multitrack, most_s)
    yield from _folk(scores / "folk_tunes.zip", half, folk, most_s)


def _pop(path: Path, half: Half, count: int, most_s: float) -> Iterator[Piece]:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith("key_audio.txt")]
        folders = [name.rsplit("/", 1)[0] for name in names if len(_rows(archive, name)) == 1]
        for folder in _drawn(folders, half, count):
            yield _song(archive, folder, most_s)


def more_pop(data: Path, without: int, most_s: float) -> Iterator[Piece]:
    """Render the songs of POP909 of the half "develop" that `pieces` leaves out.

    Those after the first `without`, and those that change their key, whose key is that of the
    beginning.
    """
    with zipfile.ZipFile(data / "scores" / "pop909.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith("key_audio.txt")]
        single = [name.rsplit("/", 1)[0] for name in names if len(_rows(archive, name)) == 1]
        used = set(_drawn(single, "develop", without))
        for folder in _drawn([name.rsplit("/", 1)[0] for name in names], "develop", len(names)):
            if folder not in used:
                yield _song(archive, folder, most_s)


def _song(archive: zipfile.ZipFile, folder: str, most_s: float) -> Piece:
    song = folder.rsplit("/", 1)[1]
    recording = _render(_score(archive.read(f"{folder}/{song}.mid")), most_s)
    beats_s = np.array([float(row[0]) for row in _rows(archive, f"{folder}/beat_midi.txt")])
    intervals_s = np.concatenate(
        [
            np.diff(beats_s[(beats_s >= span.start_s) & (beats_s <= span.end_s)])
            for span in recording.spans
        ]
    )
    tonic, mode = _rows(archive, f"{folder}/key_audio.txt")[0][2].split(":")
    key = f"{FLAT_NAMES.get(tonic, tonic)} {'major' if mode == 'maj' else 'minor'}"
    return Piece(f"pop909/{song}", recording, float(60 / np.median(intervals_s)), key)


def _multitrack(folder: Path, half: Half, count: int, most_s: float) -> Iterator[Piece]:
    known = {}
    for path in sorted(folder.glob("*.mid")):
        score = _score(path.read_bytes())
        if score.to("second").end() >= SHORTEST_S and (tempo := _tempo(score)):
            known[path.name] = (score, tempo)
    for name in _drawn(list(known), half, count):
        score, tempo_bpm = known[name]
        yield Piece(f"multitrack/{name}", _render(score, most_s), tempo_bpm, _key(score, 0.85))


def _folk(path: Path, half: Half, count: int, most_s: float) -> Iterator[Piece]:
    with zipfile.ZipFile(path) as archive:
        known = {}
        for name in sorted(name for name in archive.namelist() if name.endswith(".mid")):
            score = _score(archive.read(name))
            if score.to("second").end() >= SHORTEST_S and (key := _key(score, 0.95)):
                known[name] = (score, key)
        for name in _drawn(list(known), half, count):
            score, key = known[name]
            yield Piece(f"folk/{name}", _render(score, most_s), 0.0, key)


def _drawn(names: list[str], half: Half, count: int) -> list[str]:
    """Shuffle with the seed and take the first `count` of a half."""
    remainder = 0 if half == "develop" else 1
    mine = [
        name
        for name in sorted(names)
        if int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2 == remainder
    ]
    random.Random(SEED).shuffle(mine)
    return mine[:count]


def _rows(archive: zipfile.ZipFile, name: str) -> list[list[str]]:
    return [line.split() for line in archive.read(name).decode().splitlines() if line.strip()]


def _score(content: bytes) -> symusic.Score:
    return symusic.Score.from_midi(content)


def _render(score: symusic.Score, most_s: float) -> Recording:
    return as_recording(render(score, most_s=most_s))


def render(score: symusic.Score, *, stereo: bool = False, most_s: float = RENDERED_S) -> FloatArray:
    """Play the first `most_s` with the General MIDI sound font, a channel for each track.

    Shape (n,), or (2, n) in stereo.
    """
    synth = tinysoundfont.Synth(samplerate=SAMPLE_RATE_HZ)
    font = synth.sfload(str(SOUND_FONT))
    events: list[tuple[float, int, Callable[[], object]]] = []
    seconds = score.to("second")
    for channel, track in enumerate(seconds.tracks):
        synth.program_select(
            channel, font, 128 if track.is_drum else 0, track.program, track.is_drum
        )
        for note in track.notes:
            on = partial(synth.noteon, channel, note.pitch, note.velocity)
            events.append((note.time, 2, on))
            events.append((note.end, 0, partial(synth.noteoff, channel, note.pitch)))
        for control in track.controls:
            change = partial(synth.control_change, channel, control.number, control.value)
            events.append((control.time, 1, change))
        events += [
            (bend.time, 1, partial(synth.pitchbend, channel, bend.value + 8192))
            for bend in track.pitch_bends
        ]
    length_s = min(seconds.end() + 1.0, most_s)
    pieces = []
    done = 0
    for time_s, _, act in sorted(events, key=lambda event: event[:2]):
        due = round(min(time_s, length_s) * SAMPLE_RATE_HZ)
        if due > done:
            pieces.append(_generate(synth, due - done))
            done = due
        act()
    pieces.append(_generate(synth, round(length_s * SAMPLE_RATE_HZ) - done))
    sides = np.concatenate(pieces, axis=1)
    samples = sides if stereo else sides.mean(axis=0)
    return np.asarray(samples * np.float32(0.9 / max(float(np.abs(samples).max()), 1e-9)))


def _generate(synth: tinysoundfont.Synth, count: int) -> FloatArray:
    """Play on, shape (2, count)."""
    stereo = np.frombuffer(bytes(synth.generate(count)), np.float32).reshape(-1, 2)
    return np.asarray(stereo.T)


def _tempo(score: symusic.Score) -> float:
    """Read the tempo where it can be trusted, else 0."""
    starts = np.concatenate(
        [np.zeros(0, int), *(track.notes.numpy()["time"] for track in score.tracks if track.notes)]
    )
    if len(starts) < FEWEST_NOTES or not score.tempos:
        return 0.0
    ends = [tempo.time for tempo in score.tempos[1:]] + [np.inf]
    live = {
        round(tempo.qpm, 1)
        for tempo, end in zip(score.tempos, ends, strict=True)
        if end > starts.min()
    }
    quarters = starts / score.ticks_per_quarter
    on_grid = max(
        np.mean(np.abs(quarters - np.round(quarters * steps) / steps) < 0.03) for steps in (4, 3)
    )
    time_signatures = {signature.denominator for signature in score.time_signatures}
    if len(live) != 1 or on_grid < 0.9 or not time_signatures <= {4}:
        return 0.0
    tempo = live.pop()
    return tempo if TEMPO_RANGE_BPM[0] <= tempo <= TEMPO_RANGE_BPM[1] else 0.0


def _key(score: symusic.Score, least_share: float) -> str:
    """Read the key where it can be trusted, else empty."""
    signatures = {signature.key for signature in score.key_signatures}
    tracks = [track.notes.numpy() for track in score.tracks if track.notes and not track.is_drum]
    if len(signatures) != 1 or not tracks:
        return ""
    pitch, start, length = (
        np.concatenate([notes[name] for notes in tracks]) for name in ("pitch", "time", "duration")
    )
    major = 7 * signatures.pop() % 12
    in_scale = np.isin((pitch - major) % 12, MAJOR)
    end = start + length
    final = int(pitch[end > end.max() - score.ticks_per_quarter / 2].min()) % 12
    if len(pitch) < FEWEST_NOTES or np.average(in_scale, weights=length) < least_share:
        return ""
    if final == major:
        return f"{PITCH_CLASSES[final]} major"
    return f"{PITCH_CLASSES[final]} minor" if final == (major + 9) % 12 else ""
