"""Melodies learned: the chords are used, windows are drawn, a library's own make a model."""

from pathlib import Path

import numpy as np
import pytest
import torch

from melody_models import network, sheet
from segue.errors import BadArgument, TrainingFailed
from segue.model.score.melody_model import MODEL, MelodyModel
from segue.model.score.sampling import Sampling
from segue.represent.score.chord_charts import parse_chart
from segue.represent.score.lead_sheet import CHORD, ROOT
from segue.represent.score.melody_figures import chord_tone_share
from segue.train.loop import Progress
from segue.train.melody import MelodyTraining, Windows, train_melody
from segue.train.own_melodies import STYLE, train_own
from segue.train.splitting import split

SHEETS = [sheet(seed) for seed in range(10)]
TRAINING = MelodyTraining(
    context=16, batch=8, epochs=1, steps_per_epoch=40, learning_rate=1e-2, averaging=0.9,
    device="cpu",
)  # fmt: skip


def test_it_learns_to_use_the_chords(tmp_path: Path) -> None:
    told: list[Progress] = []
    net = network(context=16)
    trained = train_melody(net, TRAINING, SHEETS[2:], SHEETS[:2], tmp_path, watch=told.append)
    assert len(told) == 40
    assert set(told[-1].parts) == {"symbols", "lengths"}
    # One of two tones is log 2 = 0.69 nats, a length that never changes none; 7.3 untaught.
    assert trained.best.validation_loss < 2.0


def test_windows_have_their_own_chords() -> None:
    windows = Windows(SHEETS, ("folk", "pop"), MelodyTraining(context=16, batch=4))
    rows, wanted, chords, count, style = windows.draw(np.random.default_rng(0))
    assert rows.shape[:2] == wanted.shape[:2] == (4, 16)
    assert style.tolist() == [0] * 4
    for row in range(4):
        number = rows[row, :, CHORD]
        assert int(number.max()) < int(count[row])
        assert torch.equal(chords[row, number, 0], rows[row, :, ROOT])


def test_all_windows_hold_each_event_once() -> None:
    batches = Windows(SHEETS[:3], ("folk",), MelodyTraining(context=10, batch=2)).all()
    events = sum(int((batch[1][..., 0] >= 0).sum()) for batch in batches)
    assert events == sum(len(sheet.melody) for sheet in SHEETS[:3])


def test_a_library_s_own_melodies_make_a_model(tmp_path: Path) -> None:
    own = [sheet(seed, STYLE) for seed in range(6)]
    model, _ = train_own(
        MelodyTraining(context=16, batch=4, epochs=1, steps_per_epoch=2, device="cpu"),
        own, tmp_path,
    )  # fmt: skip
    assert model.about["melodies"] == 5
    again = MelodyModel.load(tmp_path / MODEL)
    assert again.styles == (STYLE,)
    chart = parse_chart("C | F | G | C")
    (melody,) = again.sample(chart, STYLE, 1, Sampling(), torch.Generator().manual_seed(0))
    assert 0 <= chord_tone_share(chart, melody) <= 1


def test_versions_stay_on_one_side() -> None:
    learn, held = split([*SHEETS, *SHEETS])
    assert len(held) == 2
    assert not {each.group for each in learn} & {each.group for each in held}


def test_too_little_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="at least 3 are needed"):
        train_own(TRAINING, SHEETS[:2], tmp_path)
    with pytest.raises(TrainingFailed, match="0 to judge by"):
        train_melody(network(), TRAINING, SHEETS, [], tmp_path)
    for wrong in ({"batch": 0}, {"learning_rate": 0.0}, {"averaging": 1.0}, {"seed": -1}):
        with pytest.raises(BadArgument):
            MelodyTraining(**wrong)
