import dataclasses
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import segue
from segue.ingest import workers
from segue.ingest.analysis import (
    Decode,
    DecodedFile,
    DecodedText,
    DecodedTrack,
    DecodeImage,
    ReadSidecars,
    Representation,
)
from segue.ingest.workers import BadMessage, Fault, Workers, decode, encode
from segue.records import Part, Score, Span, Tags

PRINT = np.arange(4, dtype=np.uint32)
TEXT = DecodedText("Così\ud83d\n", np.zeros(3, np.float32))
SCORE = Score(
    "Ü",
    480,
    (Part("a", 0, False, np.arange(8, dtype=np.int32).reshape(2, 4)),),
    np.array([[0, 120.0]]),
    np.empty((0, 3), np.int32),
    np.empty((0, 3), np.int32),
    chords=((0, "Am"), (480, "G7")),
)


def same(first: Any, second: Any) -> bool:
    if dataclasses.is_dataclass(first):
        return type(first) is type(second) and all(
            same(getattr(first, f.name), getattr(second, f.name)) for f in dataclasses.fields(first)
        )
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and bool(np.array_equal(first, second, equal_nan=True))
    if isinstance(first, tuple | list):
        return (
            type(first) is type(second)
            and len(first) == len(second)
            and all(map(same, first, second))
        )  # fmt: skip
    return type(first) is type(second) and bool(first == second)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -3,
        1 << 70,
        0.1,
        float("inf"),
        "",
        "\x00 \ud83d ♪",
        b"",
        b"\xff/song.mp3",
        (),
        (1, ("a", b"b"), [None, [2.5]]),
        {"dict": 1, "b": ["array", "<f4", 3], 4: {}},
        np.empty((0, 5), np.uint8),
        np.array(3.5),
        np.array([np.nan, np.inf, -0.0], np.float32),
        np.arange(24, dtype=np.int16).reshape(2, 3, 4).T,
        np.array([True, False]),
        (Decode(b"/a\xff", "sound", passages=(Span(1.0, 2.5),)), 30.0),
        ReadSidecars(b"/a", "sound", (b"/b", b"/c"), given=Tags("t", year=1999)),
        DecodeImage(b"/a", Representation("mel", stereo=True)),
        Fault("gone", transient=True),
        TEXT,
        SCORE,
        DecodedFile((Fault("no notes"),)),
        DecodedTrack(
            "sound",
            np.ones((2, 3, 4), np.float32),
            np.ones(2, np.float32),
            {"x": 1.5, "y": "z"},
            PRINT,
            3.0,
            TEXT,
        ),
    ],
    ids=repr,
)
def test_messages_round_trip(value: object) -> None:
    assert same(value, decode(encode(value)))


def test_numbers_of_numpy_arrive_as_plain_ones() -> None:
    arrived = decode(encode((np.float32(0.5), np.int64(3), np.True_)))
    assert arrived == (0.5, 3, True)
    assert [type(value) for value in arrived] == [float, int, bool]


def test_arrays_may_be_written() -> None:
    decode(encode(np.zeros(3)))[0] = 1.0


class Foreign:
    pass


@dataclasses.dataclass(frozen=True)
class ForeignRecord:
    number: int


@pytest.mark.parametrize(
    "value", [Foreign(), ForeignRecord(1), {1}, np.array([object()]), Path("/a"), print, int, Fault]
)
def test_other_types_are_not_sent(value: object) -> None:
    with pytest.raises(TypeError):
        encode((1, value))


def raw(plain: object, rest: bytes = b"") -> bytes:
    text = json.dumps(plain).encode()
    return len(text).to_bytes(8, "little") + text + rest


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x00" * 8,
        pickle.dumps(Fault("x")),
        raw(["tuple", 1])[:-1],
        b"\xff" * 7 + b"\x7f" + b"[]",
        raw({"a": 1}),
        raw([]),
        raw(["os:system", "true"]),
        raw(["builtins:eval", "1"]),
        raw(["segue.ingest.workers:subprocess.Popen", "true"]),
        raw(["segue.ingest.workers:Workers", "os:system", 1]),
        raw(["segue.ingest.workers:_Worker", None, None]),
        raw(["segue.nowhere:Nothing"]),
        raw(["segue.records:Span", 1.0]),
        raw(["segue.records:Span", 1.0, 2.0, 3.0]),
        raw([["tuple"], 1]),
        raw(["array", "|O", 1], b"\x00" * 8),
        raw(["array", "<f4", 2], b"\x00" * 7),
        raw(["array", "<f4", 1 << 62], b"\x00" * 8),
        raw(["array", "<f4", -1], b"\x00" * 8),
        raw(["array", "<f4", -1, -2], b"\x00" * 8),
        raw(["array", "nonsense", 1], b"\x00" * 8),
        raw(["bytes", -1], b"abc"),
        raw(["bytes", 4], b"abc"),
        raw(["bytes", "4"], b"abc"),
        raw(["dict", 1]),
        raw(["dict", ["tuple", ["list"], 1]]),
        (200_008).to_bytes(8, "little") + b"[" * 200_008,
    ],
)
def test_malformed_messages_create_nothing(message: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(message)


def test_messages_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "MAX_BYTES", 1000)
    assert len(decode(encode(b"x" * 900))) == 900
    with pytest.raises(BadMessage, match="holds more than Segue takes at once"):
        encode(b"x" * 1000)


@pytest.mark.parametrize("job", ["babble", "babble-on"])
def test_a_worker_that_was_taken_over_costs_its_job(
    job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sends a pickle, or a message without end."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    with Workers[str, str]("tasks:misbehave", 1) as workers:
        for message in ("a", job, "b"):
            workers.submit(message, 60.0)
        reason = "its decoder gave an answer that cannot be read"
        assert dict(workers.results()) == {"a": "A", "b": "B", job: Fault(reason)}


def test_no_module_of_segue_reads_pickles() -> None:
    """Not by way of `Connection.recv` either."""
    package = Path(segue.__file__).parent
    for file in package.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert not any(each in text for each in ("import pickle", ".recv()", "pickle.load")), file
