import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from conftest import tune, write_sound
from segue.audio.segmentation import segment, segment_into
from segue.cli import load_program
from segue.io.cue_sheets import read_cue_sheet
from segue.records import FloatArray


def excerpts(lengths: list[int], seed: int = 0, noise: float = 0.4) -> FloatArray:
    """Noisy unit vectors around one direction for each segment."""
    rng = np.random.default_rng(seed)
    means = np.linalg.qr(rng.standard_normal((32, len(lengths))))[0].T
    vectors = np.repeat(means, lengths, axis=0)
    vectors = vectors + noise * rng.standard_normal(vectors.shape) / 32**0.5
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("lengths", [[60], [40, 50], [30, 80, 25, 41], [200, 30, 30]])
def test_changes_are_found_where_they_are(lengths: list[int]) -> None:
    unit, expected = excerpts(lengths), np.cumsum(lengths)[:-1].tolist()
    assert segment(unit, 8.0, 20, 1000) == expected
    assert segment_into(unit, len(lengths), 20, 1000) == expected


def test_no_segment_is_shorter_than_the_minimum() -> None:
    for minimum in (25, 50, 130, 1000):
        cuts = [0, *segment(excerpts([30, 10, 30, 45, 15]), 1.0, minimum, 1000), 130]
        assert min(np.diff(cuts)) >= min(minimum, 130)


def test_a_long_track_is_not_divided_by_the_maximum_length() -> None:
    assert segment(excerpts([300, 90]), 8.0, 20, 100) == [300]


def test_the_number_of_tracks_can_be_asked_for() -> None:
    unit = excerpts([40, 50, 60])
    for count in (1, 2, 3, 4, 6):
        assert len(segment_into(unit, count, 10, 1000)) == count - 1
    assert segment_into(unit, 1, 10, 1000) == []


def run(*arguments: object) -> str:
    result = CliRunner().invoke(load_program(), ["split", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_mix_is_divided_and_its_sheet_written(tmp_path: Path) -> None:
    rate_hz = 16_000
    time_s = np.arange(20 * rate_hz) / rate_hz
    hum = np.asarray(0.1 * np.sin(2 * np.pi * 60 * time_s), np.float32)
    mix = tmp_path / "mix.wav"
    write_sound(mix, np.concatenate([tune(1, 20.0, rate_hz), hum]), rate_hz)
    found = json.loads(run(mix, "--min-length", 10, "-o", tmp_path / "mix.cue", "--json"))
    (first, second) = found["tracks"]
    assert first["end_s"] == second["start_s"] == pytest.approx(20.0, abs=1.5)
    assert (first["start_s"], second["end_s"]) == (0.0, pytest.approx(40.0))
    (tracks,) = read_cue_sheet(tmp_path / "mix.cue").files.values()
    assert [track.start_s for track in tracks] == pytest.approx([0, second["start_s"]], abs=0.02)
