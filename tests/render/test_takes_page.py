"""The page of takes: its sound and its notes are inside, and texts are data."""

import base64
import json
from pathlib import Path
from typing import Any

import av
import pytest

from conftest import little_score
from segue.render.pages import CONTEXT_BARS, MAX_BARS, TakeView, write_takes_page

HOSTILE = "</script><script>alert(1)</script>"


def write(target: Path, *, bars: int = 12, first: int = 8) -> dict[str, Any]:
    views = []
    for seed in (2, 1):
        score = little_score(seed, bars)
        views.append(
            TakeView(f"Take {seed}", HOSTILE, [HOSTILE], ["a%20b.mid"], score, first, bars)
        )
    write_takes_page(views, target, HOSTILE, "caption")
    text = target.read_text(encoding="utf-8")
    assert text.count("<script") == 2
    data: dict[str, Any] = json.loads(
        text.partition('<script type="application/json" id="data">')[2].partition("</script>")[0]
    )
    return data


def test_the_page_shows_the_bars_around_those_generated(tmp_path: Path) -> None:
    data = write(tmp_path / "more.html")
    take = data["takes"][0]
    assert [each["name"] for each in data["takes"]] == ["Take 2", "Take 1"]
    assert (take["number"], take["first"], take["last"]) == (8 - CONTEXT_BARS + 1, CONTEXT_BARS, 8)
    assert len(take["bars"]) == 8 + 1
    assert all(onset < take["bars"][-1] for _, onset, *_ in take["notes"])
    assert take["files"] == ["a%20b.mid"]
    assert HOSTILE in take["lines"]


def test_the_sound_is_as_long_as_the_bars(tmp_path: Path) -> None:
    take = write(tmp_path / "more.html")["takes"][0]
    sound = tmp_path / "take.ogg"
    sound.write_bytes(base64.b64decode(take["sound"]))
    with av.open(str(sound)) as container:
        (stream,) = container.streams.audio
        assert (stream.codec_context.name, stream.channels) == ("opus", 2)
        seconds = sum(frame.samples for frame in container.decode(audio=0)) / stream.rate
    assert seconds == pytest.approx(take["bars"][-1] + 2, abs=0.1)  # the last note dies away


def test_of_a_long_piece_the_first_bars_are_shown(tmp_path: Path) -> None:
    take = write(tmp_path / "more.html", bars=150, first=0)["takes"][0]
    assert (take["first"], take["last"], len(take["bars"])) == (0, MAX_BARS, MAX_BARS + 1)
