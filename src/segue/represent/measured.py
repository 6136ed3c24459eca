"""Everything measured of a recording, frame by frame and as a whole, before it is summed up."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from segue.records import FloatArray
from segue.represent.harmony import Harmony, find_harmony
from segue.represent.rhythm import Rhythm, at_tempo, find_rhythm, onset_strength
from segue.represent.tempo import Tempo, band_onsets, tapped_tempo
from segue.represent.timbre import (
    Frames,
    analyse_frames,
    join_frames,
    mel_frequency,
    mel_of_hz,
    mfcc,
)


@dataclass(frozen=True, slots=True)
class Measured:
    """All stretches of a recording, their frames one after the other.

    Only frames that sound are here: those not more than 60 dB below the loudest.

    Attributes
    ----------
    frames : Frames
    mfcc : ndarray, shape (frames, 20), float32
    mfcc_steps : ndarray, shape (steps, 20), float32
        Differences between successive frames of one stretch.
    onset : ndarray, shape (frames,), float32
        Onset strength, dB.
    mel_frequency : ndarray, shape (frames,), float32
        Mean frequency of each frame, mel.
    peak : float
        Largest sample, full scale 1.
    rhythm : Rhythm
        By the strongest pulse: what vectors are made of.
    tempo : Tempo
        That a listener taps.
    beats : Rhythm
        By that tempo: what people are told.
    harmony : Harmony
    """

    frames: Frames
    mfcc: FloatArray
    mfcc_steps: FloatArray
    onset: FloatArray
    mel_frequency: FloatArray
    peak: float
    rhythm: Rhythm
    tempo: Tempo
    beats: Rhythm
    harmony: Harmony


_SOUNDING_DB: Final = 60.0


def measure(excerpts: tuple[FloatArray, ...], genre: str = "") -> Measured:
    """Measure the stretches of a recording.

    Parameters
    ----------
    excerpts : tuple of ndarray, each of shape (n,), float32
        At least one, none empty; mono at `SAMPLE_RATE_HZ`.
    genre : str
        As in the file's tags: it has a say in the tempo, in nothing else.

    Returns
    -------
    Measured
    """
    stretches = [analyse_frames(excerpt) for excerpt in excerpts]
    strengths = [onset_strength(stretch.mel_db) for stretch in stretches]
    rhythm = find_rhythm(strengths)
    onsets = [band_onsets(one.mel_db) for one in stretches]
    tempo = tapped_tempo(onsets, rhythm.tempo_bpm, genre)
    starts = np.cumsum([0] + [len(strength) for strength in strengths[:-1]])
    frames = join_frames(stretches)
    coefficients = mfcc(frames.mel_db)
    sounding = frames.level_db > frames.level_db.max() - _SOUNDING_DB
    steps = np.diff(coefficients, axis=0, prepend=coefficients[:1])
    inside = sounding.copy()
    inside[starts] = False  # the step from one stretch to the next is no music
    return Measured(
        frames=frames.only(sounding),
        mfcc=coefficients[sounding],
        mfcc_steps=steps[inside] if inside.any() else np.zeros_like(steps[:1]),
        onset=np.concatenate(strengths)[sounding],
        mel_frequency=mel_frequency(frames.mel_db)[sounding],
        peak=max(float(np.abs(excerpt).max()) for excerpt in excerpts),
        rhythm=rhythm,
        tempo=tempo,
        beats=at_tempo(rhythm, strengths, tempo.bpm),
        harmony=find_harmony(excerpts),
    )


def beat_intervals_s(rhythm: Rhythm) -> FloatArray:
    """List the times between beats, none across two stretches; shape (intervals,), seconds."""
    return np.concatenate([np.diff(beats) for beats in rhythm.beats_s])


def tonic_distance_z(measured: Measured) -> float:
    """How far the mean frequency is from the tonic between middle C and the B above it.

    In standard deviations of the frames' mean frequency, all on the mel scale; cut off at 20.
    """
    tonic_hz = 440.0 * 2.0 ** ((measured.harmony.tonic - 9) / 12)
    distance = float(measured.mel_frequency.mean()) - mel_of_hz(tonic_hz)
    return float(np.clip(distance / max(float(measured.mel_frequency.std()), 1e-3), -20, 20))
