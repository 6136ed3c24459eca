"""A recording is as long as its sound, wherever its time stamps begin, whatever its header."""

from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.packet import Packet

from conftest import tune, write_sound
from segue.audio.spectrogram import SAMPLE_RATE_HZ
from segue.errors import Unreadable
from segue.io.audio import read_recording
from segue.records import Recording, Span

RATE_HZ = 48_000


def whole(path: Path) -> Recording:
    return read_recording(path, SAMPLE_RATE_HZ, lambda duration_s: [Span(0.0, duration_s)])


def lasts(path: Path, right_s: float) -> bool:
    recording = whole(path)
    decoded_s = len(recording.excerpts[0]) / SAMPLE_RATE_HZ
    return abs(recording.duration_s - right_s) < 0.15 and abs(decoded_s - right_s) < 0.15


def written(
    path: Path,
    container_name: str,
    codec: str,
    *,
    length_s: float = 4.0,
    late_s: float = 0.0,
    bit_rate: int = 64_000,
    channels: int = 1,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a tune whose time stamps begin late."""
    layout = "mono" if channels == 1 else "stereo"
    with av.open(path, "w", format=container_name, options=options or {}) as container:
        stream = cast("AudioStream", container.add_stream(codec, rate=RATE_HZ, layout=layout))
        stream.bit_rate = bit_rate
        samples = np.tile(
            np.resize(tune(1, 4.0, RATE_HZ), round(length_s * RATE_HZ)), (channels, 1)
        )
        stream.codec_context.open()  # what FLAC has to say at the beginning of Ogg
        pieces = _pieces(stream, samples)
        for packet in (packet for piece in pieces for packet in stream.encode(piece)):
            _late(packet, late_s)
            container.mux(packet)
    return path


@pytest.mark.parametrize("late_s", [0.0, 0.5, 3600.0])
@pytest.mark.parametrize(
    ("ending", "container_name", "codec"),
    [
        (".opus", "ogg", "libopus"),
        (".webm", "webm", "libopus"),
        (".mkv", "matroska", "aac"),
        (".mka", "matroska", "libmp3lame"),
        (".mp4", "mp4", "aac"),
        (".ts", "mpegts", "aac"),
        (".ts", "mpegts", "mp2"),
        (".oga", "ogg", "flac"),
        (".mka", "matroska", "wavpack"),
    ],
)
def test_time_stamps_may_begin_late(
    tmp_path: Path, ending: str, container_name: str, codec: str, late_s: float
) -> None:
    path = written(tmp_path / f"a{ending}", container_name, codec, late_s=late_s)
    assert lasts(path, 4.0)


def test_sound_may_begin_late_in_avi(tmp_path: Path) -> None:
    assert lasts(written(tmp_path / "a.avi", "avi", "libmp3lame", late_s=7.5), 4.0)


@pytest.mark.parametrize("first_kbit", [24, 160])
@pytest.mark.parametrize(
    ("ending", "container_name", "codec"),
    [(".mp3", "mp3", "libmp3lame"), (".aac", "adts", "aac")],
)
def test_no_header_and_more_than_one_bit_rate(
    tmp_path: Path, ending: str, container_name: str, codec: str, first_kbit: int
) -> None:
    options = {"write_xing": "0", "id3v2_version": "0"} if codec == "libmp3lame" else None
    parts = [
        written(
            tmp_path / f"{kbit}{ending}",
            container_name,
            codec,
            bit_rate=kbit * 1000,
            options=options,
        ).read_bytes()
        for kbit in (first_kbit, 184 - first_kbit)
    ]
    path = tmp_path / f"whole{ending}"
    path.write_bytes(b"".join(parts))
    assert lasts(path, 8.0)


def test_mp3_with_a_header_that_knows_only_the_first_part(tmp_path: Path) -> None:
    part = written(tmp_path / "a.mp3", "mp3", "libmp3lame").read_bytes()
    path = tmp_path / "whole.mp3"
    path.write_bytes(part * 3)
    assert lasts(path, 12.2)  # of each, the encoder puts some silence around


@pytest.mark.parametrize("channels", [(1, 1), (1, 2), (2, 1, 2)])
@pytest.mark.parametrize("ending", [".opus", ".ogg"])
def test_links_of_an_ogg_file_follow_each_other(
    tmp_path: Path, ending: str, channels: tuple[int, ...]
) -> None:
    whole_file = b""
    for number, count in enumerate(channels):
        part = tmp_path / f"{number}{ending}"
        if ending == ".opus":
            written(part, "ogg", "libopus", channels=count, late_s=number * 7.0)
        else:
            write_sound(part, tune(1, 4.0, 32_000), 32_000 + 12_100 * number, channels=count)
        whole_file += part.read_bytes()
    path = tmp_path / f"whole{ending}"
    path.write_bytes(whole_file)
    # What is played faster is shorter.
    rates = [48_000 if ending == ".opus" else 32_000 + 12_100 * n for n in range(len(channels))]
    lengths_s = [4.0 if ending == ".opus" else 4.0 * 32_000 / rate for rate in rates]
    assert lasts(path, sum(lengths_s))


def test_a_link_that_is_cut_off_in_its_headers_is_left_out(tmp_path: Path) -> None:
    part = written(tmp_path / "a.opus", "ogg", "libopus").read_bytes()
    path = tmp_path / "whole.opus"
    path.write_bytes(part + part[:60])
    assert lasts(path, 4.0)


def test_a_live_stream_has_no_length(tmp_path: Path) -> None:
    path = written(tmp_path / "a.webm", "webm", "libopus", options={"live": "1"})
    assert lasts(path, 4.0)


@pytest.mark.parametrize("ending", [".opus", ".mp3", ".aac", ".mkv"])
def test_a_passage_lies_where_players_have_it(tmp_path: Path, ending: str) -> None:
    container_name, codec, options = {
        ".opus": ("ogg", "libopus", None),
        ".mp3": ("mp3", "libmp3lame", {"write_xing": "0", "id3v2_version": "0"}),
        ".aac": ("adts", "aac", None),
        ".mkv": ("matroska", "libopus", None),
    }[ending]
    loud = written(tmp_path / f"a{ending}", container_name, codec, late_s=50.0, options=options)
    # Of another bit rate, so that going to a place by bytes would miss it.
    path = tmp_path / f"b{ending}"
    if ending == ".mkv":
        path = loud
    else:
        quiet = written(
            tmp_path / f"c{ending}",
            container_name,
            codec,
            length_s=6.0,
            bit_rate=160_000,
            options=options,
        )
        path.write_bytes(quiet.read_bytes() + loud.read_bytes())
    before_s = 0.0 if ending == ".mkv" else 6.0
    spans = [Span(before_s + 1.0, before_s + 2.0), Span(before_s + 2.5, before_s + 3.5)]
    recording = read_recording(path, SAMPLE_RATE_HZ, lambda _: spans)
    original = tune(1, 4.0, RATE_HZ)
    for span, excerpt in zip(spans, recording.excerpts, strict=True):
        assert len(excerpt) == pytest.approx(SAMPLE_RATE_HZ, abs=800)
        assert _shift_s(original, excerpt, span.start_s - before_s) < 0.06


def _shift_s(original: np.ndarray, excerpt: np.ndarray, at_s: float) -> float:
    """Say by how much an excerpt is off from where it should lie in the original."""
    import soxr

    reference = soxr.resample(original, RATE_HZ, SAMPLE_RATE_HZ)
    scores = np.correlate(reference, excerpt[:8000], "valid")
    return abs(int(np.argmax(scores)) / SAMPLE_RATE_HZ - at_s)


@pytest.mark.parametrize(
    ("ending", "container_name", "codec"),
    [
        (".mp3", "mp3", "libmp3lame"),
        (".mkv", "matroska", "libopus"),
        (".wv", "wv", "wavpack"),
        (".webm", "webm", "libopus"),
    ],
)
@pytest.mark.parametrize("late_s", [0.0, 30.0])
def test_what_is_cut_short_is_still_refused(
    tmp_path: Path, ending: str, container_name: str, codec: str, late_s: float
) -> None:
    path = written(tmp_path / f"a{ending}", container_name, codec, length_s=6.0, late_s=late_s)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(Unreadable, match=r"cut short|cannot be decoded"):
        whole(path)


def test_wavpack_is_read(tmp_path: Path) -> None:
    assert lasts(written(tmp_path / "a.wv", "wv", "wavpack"), 4.0)


def test_packets_that_say_their_length_roughly_do_not_add_up_to_another_place(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "a.mka", "matroska", "ac3", length_s=60.0, late_s=7.5)
    recording = read_recording(path, SAMPLE_RATE_HZ, lambda end_s: [Span(end_s - 3.0, end_s)])
    assert len(recording.excerpts[0]) / SAMPLE_RATE_HZ == pytest.approx(3.0, abs=0.06)


@pytest.mark.parametrize("junk", [bytes(5_000), np.random.default_rng(0).bytes(3_000)])
def test_an_mp3_header_behind_something_else_is_not_what_is_believed(
    tmp_path: Path, junk: bytes
) -> None:
    loud, quiet = (
        written(tmp_path / f"{kbit}.mp3", "mp3", "libmp3lame", bit_rate=kbit * 1000).read_bytes()
        for kbit in (160, 32)
    )
    path = tmp_path / "whole.mp3"
    path.write_bytes(junk + loud + quiet)
    assert lasts(path, 8.1)


def test_a_little_is_appended_to_an_mp3(tmp_path: Path) -> None:
    long = written(tmp_path / "a.mp3", "mp3", "libmp3lame", length_s=40.0).read_bytes()
    short = written(tmp_path / "b.mp3", "mp3", "libmp3lame", length_s=1.5).read_bytes()
    path = tmp_path / "whole.mp3"
    path.write_bytes(long + short)
    assert lasts(path, 41.6)


def test_the_sample_rate_may_change_within_an_mp3(tmp_path: Path) -> None:
    whole_file = b""
    for rate_hz in (44_100, 22_050):
        part = tmp_path / f"{rate_hz}.mp3"
        write_sound(part, tune(1, 4.0, rate_hz), rate_hz)
        whole_file += part.read_bytes()
    path = tmp_path / "whole.mp3"
    path.write_bytes(whole_file)
    assert lasts(path, 8.1)


@pytest.mark.parametrize("between", [b"", b"TAG" + bytes(125), bytes(70_000)])
@pytest.mark.parametrize("in_front", [b"", b"ID3\x04\0\0\0\0\x07\x76" + bytes(1014)])
@pytest.mark.parametrize(("ending", "codec"), [(".opus", "libopus"), (".oga", "flac")])
def test_links_of_an_ogg_file_are_found_behind_something_else(
    tmp_path: Path, ending: str, codec: str, in_front: bytes, between: bytes
) -> None:
    part = written(tmp_path / f"a{ending}", "ogg", codec).read_bytes()
    path = tmp_path / f"whole{ending}"
    path.write_bytes(in_front + part + between + part + between)
    assert lasts(path, 8.0)


def test_wav_behind_an_id3_tag(tmp_path: Path) -> None:
    part = tmp_path / "a.wav"
    write_sound(part, tune(1, 4.0, 32_000), 32_000)
    path = tmp_path / "whole.wav"
    path.write_bytes(b"ID3\x04\0\0\0\0\x07\x76" + bytes(1014) + part.read_bytes())
    assert lasts(path, 4.0)


@pytest.mark.parametrize("late_s", [0.0, 20.0])
@pytest.mark.parametrize("ending", [".mkv", ".webm"])
def test_pictures_may_go_on_after_the_sound(tmp_path: Path, ending: str, late_s: float) -> None:
    path = tmp_path / f"a{ending}"
    with av.open(path, "w") as container:
        sound = container.add_stream("libopus", rate=RATE_HZ, layout="mono")
        pictures = container.add_stream("libvpx", rate=5)
        pictures.width = pictures.height = 32
        seen = []
        for number in range(40):
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            picture.pts = number
            seen += pictures.encode(picture)
        pieces = _pieces(sound, tune(1, 4.0, RATE_HZ)[None])
        heard = [packet for piece in pieces for packet in sound.encode(piece)]
        packets = [*seen, *pictures.encode(None), *heard]
        for packet in sorted(packets, key=lambda packet: (packet.pts or 0) * packet.time_base):
            _late(packet, late_s)
            container.mux(packet)
    assert lasts(path, 4.0)


def _pieces(stream: AudioStream, samples: np.ndarray) -> list[av.AudioFrame | None]:
    """Divide samples, shape (channels, n), into frames for an encoder."""
    layout = "mono" if len(samples) == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
    frame.sample_rate = RATE_HZ
    frame.pts, frame.time_base = 0, Fraction(1, RATE_HZ)
    size = stream.codec_context.frame_size or None
    resampler = av.AudioResampler(stream.format.name, layout, RATE_HZ, size)
    return [*resampler.resample(frame), *resampler.resample(None), None]


def _late(packet: "Packet[Any]", late_s: float) -> None:
    """Move the time stamps of a packet."""
    late = round(late_s / packet.time_base)
    packet.pts = None if packet.pts is None else packet.pts + late
    packet.dts = None if packet.dts is None else packet.dts + late
