from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from conftest import FORMATS, tune, write_sound
from segue.audio.spectrogram import SAMPLE_RATE_HZ, spans_to_analyse
from segue.errors import Unreadable
from segue.io.audio import read_recording
from segue.records import Recording, Span


def read(path: Path, only: Span | None = None) -> Recording:
    return read_recording(path, SAMPLE_RATE_HZ, spans_to_analyse, only=only)


def reason(path: Path) -> str:
    with pytest.raises(Unreadable) as caught:
        read(path)
    return str(caught.value)


@pytest.mark.parametrize("ending", FORMATS)
def test_reads_every_format(tmp_path: Path, ending: str) -> None:
    original = tune(1, 4.0)
    recording = read(write_sound(tmp_path / f"song{ending}", original))
    assert recording.duration_s == pytest.approx(4.0, abs=0.15)
    decoded = recording.excerpts[0]
    assert len(decoded) == pytest.approx(4.0 * SAMPLE_RATE_HZ, rel=0.04)
    loudness = np.sqrt(np.mean(original**2))
    assert np.sqrt(np.mean(decoded**2)) == pytest.approx(loudness, rel=0.15)


@pytest.mark.parametrize(("rate_hz", "channels"), [(8_000, 1), (44_100, 2), (96_000, 6)])
def test_mixes_down_and_resamples(tmp_path: Path, rate_hz: int, channels: int) -> None:
    samples = tune(2, 3.0, rate_hz)
    path = write_sound(tmp_path / "song.flac", samples, rate_hz, channels=channels)
    recording = read(path)
    assert (recording.file_rate_hz, recording.file_channels) == (rate_hz, channels)
    assert np.abs(recording.excerpts[0]).max() == pytest.approx(np.abs(samples).max(), rel=0.2)


def test_a_long_file_is_read_in_stretches(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "long.wav", np.tile(tune(3, 10.0, 8_000), 20), 8_000)
    recording = read(path)
    assert recording.duration_s == pytest.approx(200.0, abs=0.1)
    lengths = [len(excerpt) / SAMPLE_RATE_HZ for excerpt in recording.excerpts]
    assert sum(lengths) >= 60
    assert max(lengths) == pytest.approx(30.0, abs=0.01)


@pytest.mark.parametrize("ending", [".flac", ".wav", ".m4a", ".ogg", ".mp3", ".opus"])
def test_a_passage_is_where_it_was_asked_for(tmp_path: Path, ending: str) -> None:
    rate_hz = 16_000
    silence_then_sound = np.concatenate([np.zeros(20 * rate_hz, np.float32), tune(4, 5, rate_hz)])
    path = write_sound(tmp_path / f"song{ending}", silence_then_sound, rate_hz)
    loud = read(path, Span(20.3, 22.3)).excerpts[0]
    assert len(loud) == pytest.approx(2 * SAMPLE_RATE_HZ, rel=0.01)
    assert np.abs(loud).max() > 0.1
    before = read(path, Span(17.0, 20.3)).excerpts[0]
    onset_s = np.flatnonzero(np.abs(before) > 0.05)[0] / SAMPLE_RATE_HZ
    assert onset_s == pytest.approx(3.0, abs=0.08)


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.touch()
    assert reason(path) == "empty file"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("random.mp3", np.random.default_rng(0).bytes(300_000)),
        ("text.flac", b"This is a text and no music. " * 1000),
        ("picture.ogg", b"\x89PNG\r\n\x1a\n" + np.random.default_rng(1).bytes(5000)),
    ],
)
def test_what_is_no_music_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert "cannot be decoded" in reason(path) or "damaged" in reason(path)


@pytest.mark.parametrize(
    "playlist",
    [
        "ffconcat version 1.0\nfile '{other}'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{other}\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
    ],
    ids=["ffconcat", "hls", "sdp"],
)
def test_a_playlist_in_disguise_opens_no_other_file(tmp_path: Path, playlist: str) -> None:
    other = write_sound(tmp_path / "other.wav", tune(5, 3.0))
    path = tmp_path / "song.mp3"
    path.write_text(playlist.format(other=other))
    assert "cannot be decoded" in reason(path)


@pytest.mark.parametrize("ending", [".mp3", ".flac", ".m4a"])
def test_a_truncated_file_is_reported(tmp_path: Path, ending: str) -> None:
    path = write_sound(tmp_path / f"song{ending}", tune(6, 30.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    assert "cut short" in reason(path) or "cannot be decoded" in reason(path)


def test_too_short(tmp_path: Path) -> None:
    assert "too short: 0.20 s" in reason(write_sound(tmp_path / "a.wav", tune(7, 0.2)))


def test_silence(tmp_path: Path) -> None:
    silence = np.zeros(3 * 44_100, np.float32)
    assert "silence" in reason(write_sound(tmp_path / "a.wav", silence))


def test_a_video_without_sound(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width = stream.height = 64
        for _ in range(30):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    assert reason(path) == "has no sound in it"


def test_gone_and_forbidden(tmp_path: Path) -> None:
    assert reason(tmp_path / "not-there.mp3") == "the file is gone"
    assert reason(tmp_path) == "a folder, not a file"


def test_channels_in_opposite_phase_do_not_cancel(tmp_path: Path) -> None:
    path = tmp_path / "phase.wav"
    mono = tune(0, 2.0)
    soundfile.write(path, np.stack([mono, -mono], axis=1), 44_100)
    expected = read(write_sound(tmp_path / "mono.wav", mono))
    assert read(path).excerpts[0] == pytest.approx(expected.excerpts[0], abs=1e-3)
    soundfile.write(path, np.zeros((88_200, 2)), 44_100)
    with pytest.raises(Unreadable, match="silence"):
        read(path)
