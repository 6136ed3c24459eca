"""Samples in memory as the recording that `segue add` would analyse."""

from segue.audio.spectrogram import SAMPLE_RATE_HZ, spans_to_analyse
from segue.records import FloatArray, Recording


def as_recording(samples: FloatArray) -> Recording:
    """Cut what `segue add` would analyse of a file with these samples."""
    duration_s = len(samples) / SAMPLE_RATE_HZ
    spans = spans_to_analyse(duration_s)
    excerpts = tuple(
        samples[round(span.start_s * SAMPLE_RATE_HZ) : round(span.end_s * SAMPLE_RATE_HZ)]
        for span in spans
    )
    return Recording(excerpts, spans, duration_s, SAMPLE_RATE_HZ, 1, "pcm_f32le")
