"""Write voice_pitch_reference.npz: what the published SwiftF0 says of a synthetic voice.

pip install swift-f0==0.3.0
python tests/audio/make_voice_pitch_reference.py
"""

from importlib import import_module
from pathlib import Path

import numpy as np

from segue.audio.voice_pitch import SAMPLE_RATE_HZ
from segue.records import FloatArray


def synthetic_voice(seconds: float = 20.0) -> FloatArray:
    """Sing a gliding voice with pauses and noise; longer than the network is run on at once."""
    rng = np.random.default_rng(0)
    time_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    octaves = 0.5 * np.sin(0.6 * np.pi * time_s) + 0.02 * np.sin(11 * np.pi * time_s)
    phase = 2 * np.pi * np.cumsum(200 * 2**octaves) / SAMPLE_RATE_HZ
    tone = sum(np.sin(harmonic * phase) / harmonic**1.5 for harmonic in range(1, 12))
    voice = 0.2 * tone * (np.sin(1.4 * np.pi * time_s) > -0.6)
    return np.asarray(voice + 0.01 * rng.standard_normal(len(time_s)), np.float32)


def main() -> None:
    result = import_module("swift_f0").SwiftF0(threads=1).detect(synthetic_voice(), SAMPLE_RATE_HZ)
    np.savez_compressed(
        Path(__file__).with_name("voice_pitch_reference.npz"),
        pitch=(69 + 12 * np.log2(result.pitch_hz / 440)).astype(np.float32),
        confidence=result.confidence.astype(np.float32),
        level_db=result.loudness_db.astype(np.float32),
    )


if __name__ == "__main__":
    main()
