"""Scores are played like drummers play, and stay the music that is written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segue.cli.output_files import write_music
from segue.errors import BadArgument
from segue.generate.compose.humanise import (
    MAX_SWING,
    GrooveModel,
    HumaniseOptions,
    drum_groups,
    humanise,
)
from segue.io.midi import read_midi
from segue.records import Part, Score

TPQ = 12


def part(rows: list[tuple[int, int, int, int]], program: int = 0, *, drum: bool = False) -> Part:
    notes = np.array(sorted(rows, key=lambda row: (row[0], row[2])), np.int32)
    return Part("", program, drum, notes)


def band(bars: int = 8, signature: tuple[int, int] = (4, 4), *, drums: bool = True) -> Score:
    """Write hi-hats in eighths, a backbeat, a bass in quarters and chords in eighths."""
    length = TPQ * 4 * signature[0] // signature[1]
    ticks = range(0, bars * length, TPQ // 2)
    hats = [(tick, 3, 42, 100) for tick in ticks]
    hats += [(tick, 3, 38 if tick // TPQ % 2 else 36, 100) for tick in ticks[::2]]
    chords = [(tick, 6, pitch, 80) for tick in ticks for pitch in (60, 64, 67)]
    bass = [(tick, TPQ, 36, 90) for tick in ticks[::2]]
    parts = (part(chords), part(bass, 33), *([part(hats, drum=True)] if drums else []))
    empty = np.empty((0, 3), np.int32)
    return Score(
        "", TPQ, parts, np.array([[0.0, 120.0]]), np.array([[0, *signature]], np.int32), empty
    )


def onsets_in_beats(score: Score, index: int = 0) -> list[float]:
    return [float(tick / score.ticks_per_quarter) for tick in score.parts[index].notes[:, 0]]


def test_nothing_asked_for_changes_nothing() -> None:
    score = band()
    assert humanise(score, HumaniseOptions(seed=3)) is score


@pytest.mark.parametrize("ratio", [0.55, 2 / 3, MAX_SWING])
def test_swing_alone_is_exact(ratio: float) -> None:
    swung = humanise(band(1), HumaniseOptions(swing=ratio))
    tick = 1 / swung.ticks_per_quarter
    assert onsets_in_beats(swung, 1) == [0, 1, 2, 3]
    hats = swung.parts[2].notes[swung.parts[2].notes[:, 2] == 42]
    beats = hats[:, 0] / swung.ticks_per_quarter
    assert beats[::2].tolist() == [0, 1, 2, 3]
    assert np.abs(beats[1::2] % 1 - ratio).max() <= tick / 2
    assert swung.parts[0].notes[:, 3].tolist() == [80] * 24
    durations = swung.parts[0].notes[:, 1].reshape(-1, 3)[:, 0] / swung.ticks_per_quarter
    assert np.allclose(durations, [ratio, 1 - ratio] * 4, atol=tick)


def test_triplets_and_compound_metres_do_not_swing() -> None:
    triplets = [(tick, 4, 60, 80) for tick in (0, 4, 8, 12, 18)]
    score = replace(band(1), parts=(part(triplets),))
    swung = humanise(score, HumaniseOptions(swing=0.6))
    assert np.allclose(onsets_in_beats(swung), [0, 1 / 3, 2 / 3, 1, 1.6])
    jig = band(2, (6, 8))
    assert onsets_in_beats(humanise(jig, HumaniseOptions(swing=0.6))) == onsets_in_beats(jig)


def test_a_beat_that_the_next_bar_cuts_short_does_not_swing() -> None:
    cut = np.array([[0, 4, 4], [TPQ * 3 // 2, 4, 4]], np.int32)
    notes = part([(tick, 1, 60, 80) for tick in (0, 6, 12, 17, 18, 24)])
    swung = humanise(
        replace(band(), parts=(notes,), time_signatures=cut), HumaniseOptions(swing=0.75)
    )
    assert np.allclose(onsets_in_beats(swung), [0, 0.75, 1, 17 / 12, 1.5, 2.25])


@pytest.mark.parametrize("swing", [0.5, 0.7])
@pytest.mark.parametrize("amount", [0.3, 1.0])
def test_a_performance_is_playable_and_keeps_the_order(amount: float, swing: float) -> None:
    score = band(32)
    straight = humanise(score, HumaniseOptions(swing=swing))
    for seed in range(5):
        played = humanise(score, HumaniseOptions(amount, swing, seed))
        for before, after in zip(score.parts, played.parts, strict=True):
            notes = after.notes
            assert len(notes) == len(before.notes)
            assert notes[:, 0].min() >= 0
            assert notes[:, 1].min() >= 1
            assert ((notes[:, 3] >= 1) & (notes[:, 3] <= 127)).all()
            assert (np.diff(notes[:, 0]) >= 0).all()
            latest = -1
            for tick in np.unique(before.notes[:, 0]):  # all notes of an onset before the next
                count = int((before.notes[:, 0] == tick).sum())
                ticks, notes = notes[:count, 0], notes[count:]
                assert ticks.min() > latest
                latest = ticks.max()
            for pitch in np.unique(after.notes[:, 2]):
                same = after.notes[after.notes[:, 2] == pitch]
                assert (same[:-1, 0] + same[:-1, 1] <= same[1:, 0]).all()
        grid, hits = (np.array(onsets_in_beats(item, 2)) for item in (straight, played))
        shifts = np.abs(hits - grid) * 0.5  # seconds, at 120
        assert 0.002 * amount < shifts.mean() < 0.03


def test_the_seed_decides() -> None:
    first, again, other = (humanise(band(), HumaniseOptions(0.8, seed=s)) for s in (1, 1, 2))
    notes = [np.concatenate([p.notes for p in s.parts]).tolist() for s in (first, again, other)]
    assert notes[0] == notes[1] != notes[2]


def test_drummers_accent_the_backbeat_over_ghost_notes() -> None:
    ticks = range(0, 64 * TPQ * 4, TPQ // 4)
    score = replace(band(1), parts=(part([(tick, 1, 38, 80) for tick in ticks], drum=True),))
    played = [humanise(score, HumaniseOptions(1.0, seed=seed)) for seed in range(8)]
    velocities = np.stack([one.parts[0].notes[:, 3].reshape(-1, 16) for one in played])
    by_position = velocities.mean(axis=(0, 1))
    assert by_position[[4, 12]].min() > by_position[[1, 3, 5, 7, 9, 11, 13, 15]].max() + 15


def test_a_band_moves_together() -> None:
    score = band(200)
    played = humanise(score, HumaniseOptions(1.0, seed=4))
    ticks = np.arange(0, 800) * played.ticks_per_quarter
    bass = np.sort(played.parts[1].notes[:, 0]) - ticks
    hats = played.parts[2].notes[played.parts[2].notes[:, 2] == 42][::2, 0] - ticks
    assert np.corrcoef(bass, hats)[0, 1] > 0.2


def test_fewer_parts_free_rhythm_and_odd_metres_are_played() -> None:
    drums = replace(band(), parts=band().parts[2:])
    rng = np.random.default_rng(0)
    free = [(int(tick), 50, 60 + index % 3, 70) for index, tick in enumerate(np.sort(
        rng.integers(0, 9000, 50)))]  # fmt: skip
    no_metre = replace(
        band(),
        ticks_per_quarter=960,
        parts=(part(free),),
        time_signatures=np.empty((0, 3), np.int32),
        tempos=np.empty((0, 2)),
    )
    one = replace(band(), parts=(part([(0, 1, 60, 1)]),))
    percussion = replace(band(), parts=(part([(6, 1, 82, 127)], drum=True),))
    for score in (drums, band(drums=False), no_metre, one, percussion, band(3, (7, 8))):
        played = humanise(score, HumaniseOptions(1.0, 0.6))
        assert len(played.parts) == len(score.parts)
        assert all((p.notes[:, 0] >= 0).all() and (p.notes[:, 1] > 0).all() for p in played.parts)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"amount": 1.1}, "from 0 to 1"),
        ({"amount": float("nan")}, "from 0 to 1"),
        ({"swing": 0.4}, "triplet feel"),
        ({"swing": 0.8}, "from 0.5 .* to 0.75"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        HumaniseOptions(**values)  # type: ignore[arg-type]


def test_notation_stays_on_the_grid(tmp_path: Path) -> None:
    score, options = band(2), HumaniseOptions(1.0, 0.667, 5)
    for suffix in (".musicxml", ".abc"):
        plain, played = (tmp_path / f"{name}{suffix}" for name in ("plain", "played"))
        write_music(score, plain)
        write_music(score, played, performance=options)
        assert plain.read_bytes() == played.read_bytes()
    midi = tmp_path / "played.mid"
    write_music(score, midi, performance=options)
    assert read_midi(midi.read_bytes()).ticks_per_quarter == 480
    write_music(score, tmp_path / "played.wav", performance=options)
    assert (tmp_path / "played.wav").stat().st_size > 10_000


def test_the_bundled_model_is_one_of_probabilities() -> None:
    model = GrooveModel.pretrained()
    for deviations in (model.timing, model.velocity):
        assert np.allclose(deviations.weights.sum(axis=2), 1, atol=1e-5)
        assert (deviations.stds > 0).all()
        assert ((deviations.decays >= 0) & (deviations.decays < 1)).all()
    assert drum_groups(np.array([36, 38, 42, 82])).tolist() == [0, 1, 2, 2]
