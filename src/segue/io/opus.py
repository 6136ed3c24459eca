"""Encoding of audio as Ogg Opus, which browsers play: for pages with sound inside."""

import io

import av
import numpy as np

from segue.records import FloatArray


def encode_opus(samples: FloatArray, sample_rate_hz: int, bit_rate: int) -> bytes:
    """Encode audio as Ogg Opus.

    Parameters
    ----------
    samples : ndarray, shape (n,) or (2, n), float32
        Full scale 1.0.
    sample_rate_hz : int
        8,000, 12,000, 16,000, 24,000 or 48,000.
    bit_rate : int
        Bits a second.
    """
    layout = "stereo" if samples.ndim > 1 else "mono"
    # Interleaved, the only layout of samples that libopus takes as floats.
    interleaved = np.ascontiguousarray(np.atleast_2d(samples).T.reshape(1, -1))
    frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=layout)
    frame.sample_rate = sample_rate_hz
    target = io.BytesIO()
    with av.open(target, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=sample_rate_hz)
        stream.layout = layout
        stream.bit_rate = bit_rate
        resampler = av.AudioResampler(
            stream.format.name, layout, sample_rate_hz, stream.frame_size or None
        )
        for chunk in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(chunk))
        container.mux(stream.encode(None))
    return target.getvalue()
