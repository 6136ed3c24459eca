"""Fingerprints: copies match, other music and empty sound do not."""

import io
import time
from dataclasses import replace
from typing import Any

import av
import numpy as np
import pytest
from make_golden_features import FILE, song

from conftest import little_score
from segue.audio.fingerprint import SAME_RECORDING_THRESHOLD, fingerprint, match, same_recording
from segue.audio.spectrogram import SAMPLE_RATE_HZ, spans_to_analyse
from segue.errors import BadArgument
from segue.records import FloatArray, Recording, Span
from segue.score.synthesis import synthesise

SONG_S = 20.0


def recording(samples: FloatArray) -> Recording:
    duration_s = len(samples) / SAMPLE_RATE_HZ
    spans = spans_to_analyse(duration_s)
    stretches = tuple(
        samples[round(span.start_s * SAMPLE_RATE_HZ) : round(span.end_s * SAMPLE_RATE_HZ)].astype(
            np.float32
        )
        for span in spans
    )
    return Recording(stretches, spans, duration_s, SAMPLE_RATE_HZ, 1, "none")


def through_mp3(samples: FloatArray) -> FloatArray:
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=SAMPLE_RATE_HZ, layout="mono")
        stream.bit_rate = 32_000
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.rate = SAMPLE_RATE_HZ
        resampler = av.AudioResampler("fltp", "mono", SAMPLE_RATE_HZ, stream.frame_size)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as copy:
        return np.concatenate([frame.to_ndarray()[0] for frame in copy.decode(audio=0)])


@pytest.fixture(scope="module")
def samples() -> FloatArray:
    return song(5, SONG_S).excerpts[0]


def test_a_copy_is_recognised(samples: FloatArray) -> None:
    copy = 0.3 * through_mp3(samples)
    assert same_recording(fingerprint(recording(samples)), fingerprint(recording(copy)))


@pytest.mark.parametrize(("start_s", "end_s"), [(0.53, 0.0), (0.0, 2.21), (3.04, 1.77)])
def test_a_trimmed_copy_is_recognised(samples: FloatArray, start_s: float, end_s: float) -> None:
    start, end = round(start_s * SAMPLE_RATE_HZ), round((SONG_S - end_s) * SAMPLE_RATE_HZ)
    alignment = match(fingerprint(recording(samples)), fingerprint(recording(samples[start:end])))
    assert alignment.similarity >= SAME_RECORDING_THRESHOLD
    # Of half a minute and less everything is compared.
    assert alignment.lag_s == pytest.approx(start_s, abs=0.06)


def test_a_long_track_is_recognised_although_its_excerpts_move() -> None:
    long = song(6, 120.0).excerpts[0]
    whole, cut = recording(long), recording(long[2 * SAMPLE_RATE_HZ :])
    assert len(whole.excerpts) > 1
    assert same_recording(fingerprint(whole), fingerprint(cut))


def test_other_songs_are_not_taken_for_one() -> None:
    prints = [fingerprint(song(seed, SONG_S)) for seed in range(6)]
    similarities = [match(a, b).similarity for i, a in enumerate(prints) for b in prints[:i]]
    assert max(similarities) < SAME_RECORDING_THRESHOLD - 0.1


def test_empty_sound_matches_nothing() -> None:
    count = round(SONG_S * SAMPLE_RATE_HZ)
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    rng = np.random.default_rng(0)
    sounds = [
        np.zeros(count),
        np.zeros(count),
        0.5 * np.sin(2 * np.pi * 440 * time_s),
        0.5 * np.sin(2 * np.pi * 440 * time_s + 1) + 1e-4 * rng.normal(size=count),
        0.2 * sum(np.sin(2 * np.pi * hz * time_s) for hz in (262, 330, 392)),
        rng.normal(0, 1e-4, count),
        rng.normal(0, 0.1, count),
        rng.normal(0, 0.1, count),
    ]
    prints = [fingerprint(recording(np.asarray(sound, np.float32))) for sound in sounds]
    assert not any(same_recording(a, b) for i, a in enumerate(prints) for b in prints[:i])


def test_too_little_sound_matches_nothing() -> None:
    for seconds in (0.001, 0.4, 1.0, 2.5):
        short = fingerprint(song(1, seconds))
        assert match(short, short).similarity == 0
    enough = fingerprint(song(1, 6.0))
    assert same_recording(enough, enough)


def test_order_does_not_matter(samples: FloatArray) -> None:
    a = fingerprint(recording(samples))
    b = fingerprint(recording(samples[SAMPLE_RATE_HZ:]))
    forward, backward = match(a, b), match(b, a)
    assert forward.similarity == pytest.approx(backward.similarity)
    assert forward.lag_s == -backward.lag_s


def test_a_fingerprint_is_small_and_compared_quickly() -> None:
    longest = fingerprint(song(1, 64.0))
    assert longest.nbytes <= 2600
    match(longest, longest)
    start = time.process_time()
    for _ in range(20):
        match(longest, longest)
    # 0.8 ms each; several times that on a slow and busy machine.
    assert time.process_time() - start < 20 * 0.008


def test_other_arrays_are_refused() -> None:
    good = fingerprint(song(1, 4.0))
    with pytest.raises(BadArgument, match="uint32"):
        match(good, np.zeros(5, np.int64))
    with pytest.raises(BadArgument, match="shape"):
        match(np.zeros((5, 2), np.uint32), good)


def test_golden_fingerprints() -> None:
    with np.load(FILE) as golden:
        for seed, expected in zip((1, 2), golden["fingerprints"], strict=True):
            assert match(fingerprint(song(seed, 12.0)), expected).similarity > 0.99


def test_the_longest_excerpt_counts() -> None:
    long, short = song(1, 10.0).excerpts[0], song(2, 5.0).excerpts[0]
    spans = (Span(0.0, 5.0), Span(10.0, 20.0))
    both = Recording((short, long), spans, 20.0, SAMPLE_RATE_HZ, 1, "none")
    assert same_recording(fingerprint(both), fingerprint(recording(long)))


def played(
    *, programs: tuple[int, int] = (40, 33), gains: tuple[float, ...] = (1, 1, 1)
) -> Recording:
    """Play one piece for a melody, a bass and drums, in a mix."""
    score = little_score(3)
    melody, bass, drums = score.parts
    parts = (replace(melody, program=programs[0]), replace(bass, program=programs[1]), drums)
    stems = [
        synthesise(replace(score, parts=(part,)), SAMPLE_RATE_HZ).mean(axis=0) for part in parts
    ]
    length = max(map(len, stems))
    mixed = sum(
        gain * np.pad(stem, (0, length - len(stem)))
        for gain, stem in zip(gains, stems, strict=True)
    )
    return recording(np.asarray(mixed, np.float32))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"gains": (0.6, 1, 1)}, True),  # the same mix, a little otherwise balanced
        ({"gains": (1, 1, 0.6)}, True),
        ({"gains": (1, 0, 1)}, False),  # another mix: the bass is gone
        ({"gains": (0, 1, 1)}, False),  # the playback to sing to
        ({"programs": (73, 38)}, False),  # played by others
    ],
)
def test_another_mix_is_another_recording(other: dict[str, Any], same: bool) -> None:
    assert same_recording(fingerprint(played()), fingerprint(played(**other))) is same
