"""Melodies learned: the chords are used, windows are drawn, a library's own make a model."""

from pathlib import Path

import numpy as np
import pytest
import torch

from melody_models import model, network, sheet
from segue.errors import BadArgument, TrainingFailed
from segue.generate.copying import longest_shared_notes
from segue.generate.melody.lead_sheet import CHORD_INDEX, CHORD_ROOT
from segue.generate.melody.model import MODEL_FILE, MelodyModel
from segue.generate.melody.training import (
    STYLE,
    MelodyTraining,
    WindowSampler,
    chord_tone_ratio,
    note_onsets,
    train_library_melodies,
    train_melody,
    with_styles,
)
from segue.nn.sampling import Sampling
from segue.nn.split import train_validation_split
from segue.nn.trainer import Progress
from segue.theory.chord_charts import parse_chart

SHEETS = [sheet(seed) for seed in range(10)]
TRAINING = MelodyTraining(
    context=16, batch_size=8, epochs=1, steps_per_epoch=40, learning_rate=1e-2, ema_decay=0.9,
    device="cpu",
)  # fmt: skip


def test_it_learns_to_use_the_chords(tmp_path: Path) -> None:
    progress: list[Progress] = []
    net = network(context=16)
    trained = train_melody(net, TRAINING, SHEETS[2:], SHEETS[:2], tmp_path, watch=progress.append)
    assert len(progress) == 40
    assert set(progress[-1].loss_terms) == {"symbols", "lengths"}
    # One of two tones is log 2 = 0.69 nats, a length that never changes none; 7.3 untaught.
    assert trained.best.validation_loss < 2.0


def test_new_styles_begin_as_the_mean_of_the_known_ones() -> None:
    net = network()
    before, after = net.style_embedding.weight, with_styles(net, ("pop", "lied"))
    assert after.config.styles == ("pop", "lied")
    assert torch.equal(after.style_embedding.weight[0], before[1])
    assert torch.allclose(after.style_embedding.weight[1], before.mean(dim=0))
    assert torch.equal(after.symbol_head.weight, net.symbol_head.weight)


def test_windows_have_their_own_chords() -> None:
    windows = WindowSampler(SHEETS, ("folk", "pop"), MelodyTraining(context=16, batch_size=4))
    rows, wanted, chords, count, style = windows.draw(np.random.default_rng(0))
    assert rows.shape[:2] == wanted.shape[:2] == (4, 16)
    assert style.tolist() == [0] * 4
    for row in range(4):
        number = rows[row, :, CHORD_INDEX]
        assert int(number.max()) < int(count[row])
        assert torch.equal(chords[row, number, 0], rows[row, :, CHORD_ROOT])


def test_all_windows_hold_each_event_once() -> None:
    batches = WindowSampler(SHEETS[:3], ("folk",), MelodyTraining(context=10, batch_size=2)).all()
    events = sum(int((batch[1][..., 0] >= 0).sum()) for batch in batches)
    assert events == sum(len(sheet.melody) for sheet in SHEETS[:3])


def test_a_model_is_trained_on_the_melodies_of_a_library(tmp_path: Path) -> None:
    own = [sheet(seed, STYLE) for seed in range(6)]
    found, _ = train_library_melodies(
        MelodyTraining(context=16, batch_size=4, epochs=1, steps_per_epoch=2, device="cpu"),
        own, tmp_path,
    )  # fmt: skip
    assert found.metadata["melodies"] == 5
    again = MelodyModel.load(tmp_path / MODEL_FILE)
    assert again.styles == (STYLE,)
    chart = parse_chart("C | F | G | C")
    (melody,) = again.sample(chart, STYLE, 1, Sampling(), torch.Generator().manual_seed(0))
    assert 0 <= chord_tone_ratio(chart, melody) <= 1


def test_a_fine_tuned_model_keeps_the_melodies_of_its_base(tmp_path: Path) -> None:
    start = model(context=16)
    start.save(tmp_path / "start")
    start = MelodyModel.load(tmp_path / "start")
    own = [sheet(seed, STYLE) for seed in range(6)]
    training = MelodyTraining(
        context=99, batch_size=4, epochs=1, steps_per_epoch=2, learning_rate=1e-9, device="cpu"
    )
    found, _ = train_library_melodies(training, own, tmp_path, start=start)
    assert found.styles == (STYLE,)
    assert found.network.config.stack == start.network.config.stack
    learned, taught = found.network.state_dict(), start.network.state_dict()
    torch.testing.assert_close(learned["symbol_head.weight"], taught["symbol_head.weight"])
    torch.testing.assert_close(
        learned["style_embedding.weight"][0], taught["style_embedding.weight"].mean(dim=0)
    )
    assert found.metadata["start"] == start.fingerprint
    again = MelodyModel.load(tmp_path / MODEL_FILE).training_melodies
    assert again.names[-len(start.training_melodies.names) :] == start.training_melodies.names
    assert len(again.names) == 5 + len(start.training_melodies.names)
    known = sheet(0)
    onset, symbol = note_onsets(known.melody)
    notes = np.column_stack([symbol, onset])
    assert longest_shared_notes(again, notes).length == len(notes)


def test_versions_stay_on_one_side() -> None:
    learn, held = train_validation_split([*SHEETS, *SHEETS])
    assert len(held) == 2
    assert not {each.group for each in learn} & {each.group for each in held}


def test_too_little_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="at least 3 are needed"):
        train_library_melodies(TRAINING, SHEETS[:2], tmp_path)
    with pytest.raises(TrainingFailed, match="0 for validation"):
        train_melody(network(), TRAINING, SHEETS, [], tmp_path)
    for wrong in ({"batch_size": 0}, {"learning_rate": 0.0}, {"ema_decay": 1.0}, {"seed": -1}):
        with pytest.raises(BadArgument):
            MelodyTraining(**wrong)
