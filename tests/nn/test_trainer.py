"""The training loop: learns, resumes to the bit, and stops kindly."""

import os
import signal
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segue.errors import BadCheckpoint, TrainingFailed
from segue.nn.trainer import (
    BEST,
    STATE,
    FitResult,
    Objective,
    Progress,
    ProgressCallback,
    TrainerConfig,
    fit,
)


def objective(*, breaks_at: float = float("inf")) -> Objective:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(6, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Dropout(0.1), nn.Linear(24, 6)
    )
    draws = 0

    def draw(rng: np.random.Generator) -> tuple[Tensor, ...]:
        nonlocal draws
        draws += 1
        x = torch.from_numpy(rng.standard_normal((16, 6)).astype(np.float32))
        return (x * (float("nan") if draws > breaks_at else 1),)

    def loss(net: nn.Module, x: Tensor) -> Tensor:
        error: Tensor = net(x) - x.tanh()
        return (error**2).mean()

    held_out = torch.from_numpy(
        np.random.default_rng(9).standard_normal((32, 6)).astype(np.float32)
    )
    return Objective(network, draw, lambda: [(held_out,)], loss)


CONFIG = TrainerConfig(epochs=3, steps_per_epoch=10, schedule="cosine", device="cpu")
ABOUT = {"sizes": (6, 24)}


def run(
    folder: Path,
    config: TrainerConfig = CONFIG,
    *,
    what: Objective | None = None,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> tuple[nn.Module, FitResult]:
    what = what or objective()
    return what.network, fit(what, config, folder, ABOUT, resume=resume, watch=watch)


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(first_, second_) for first_, second_ in pairs)


def losses(trained: FitResult) -> list[tuple[float, float]]:
    return [(epoch.loss, epoch.validation_loss) for epoch in trained.history]


def interrupt_at(step: int) -> ProgressCallback:
    steps_ = 0

    def watch(_progress: Progress) -> None:
        nonlocal steps_
        steps_ += 1
        if steps_ == step:
            os.kill(os.getpid(), signal.SIGINT)

    return watch


@pytest.mark.parametrize("optimiser", ["adam", "adamw", "adadelta"])
def test_an_interrupted_run_that_is_resumed_equals_one_that_was_not(
    tmp_path: Path, optimiser: str
) -> None:
    rate = 1.0 if optimiser == "adadelta" else 1e-2
    config = TrainerConfig(
        epochs=3, steps_per_epoch=10, learning_rate=rate, schedule="cosine",
        device="cpu", optimiser=optimiser,  # type: ignore[arg-type]
    )  # fmt: skip
    network, whole = run(tmp_path / "whole", config)
    for step in (4, 20):  # in the middle of an epoch, and at its end
        folder = tmp_path / f"cut-{step}"
        with pytest.raises(KeyboardInterrupt):
            run(folder, config, watch=interrupt_at(step))
        resumed_network, resumed = run(folder, config, resume=True)
        assert losses(resumed) == losses(whole)
        assert same_weights(network, resumed_network)


def test_a_few_steps_lower_the_loss_and_the_best_epoch_is_kept(tmp_path: Path) -> None:
    network, trained = run(
        tmp_path, TrainerConfig(epochs=4, steps_per_epoch=20, learning_rate=1e-2)
    )
    first, *_, last = trained.history
    assert last.loss < 0.7 * first.loss
    assert trained.best.validation_loss == min(e.validation_loss for e in trained.history)
    network.eval()
    (held_out,) = objective().validation()[0]
    with torch.no_grad():
        loss_ = float(((network(held_out) - held_out.tanh()) ** 2).mean())
    assert loss_ == pytest.approx(trained.best.validation_loss, rel=0.05)  # in bfloat16 maybe


def test_training_stops_early_without_improvement(tmp_path: Path) -> None:
    still = TrainerConfig(
        epochs=50, steps_per_epoch=2, learning_rate=1e-12, patience=3, device="cpu"
    )
    _, trained = run(tmp_path, still)
    assert len(trained.history) < 10
    assert "no better for 3 epochs" in trained.stopped


def test_training_stops_at_the_target_loss(tmp_path: Path) -> None:
    _, trained = run(tmp_path, TrainerConfig(epochs=9, steps_per_epoch=2, stop_below=100.0))
    assert len(trained.history) == 1


def test_a_loss_that_is_not_finite_keeps_the_last_good_state(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="became nan at step 15"):
        run(tmp_path, what=objective(breaks_at=14))
    _, trained = run(tmp_path, resume=True)
    assert len(trained.history) == 3
    assert np.isfinite(trained.best.loss)


def test_the_number_of_epochs_may_be_raised_when_resuming(tmp_path: Path) -> None:
    run(tmp_path, TrainerConfig(epochs=1, steps_per_epoch=5))
    _, trained = run(tmp_path, TrainerConfig(epochs=2, steps_per_epoch=5), resume=True)
    assert len(trained.history) == 2


@pytest.mark.parametrize(
    ("minutes", "epochs", "steps"),
    [
        (0.2, 10, 20),  # 8 steps a second and a second of validation: 12 s are 10 epochs of 2
        (0.01, 1, 1),  # not even a validation fits: one step, and what was learned is kept
    ],
)
def test_minutes_set_the_number_of_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes: float, epochs: int, steps: int
) -> None:
    ticks = count()  # a clock that goes on by a second whenever it is looked at
    monkeypatch.setattr("segue.nn.trainer.time.monotonic", lambda: float(next(ticks)))
    progress: list[Progress] = []
    config = TrainerConfig(epochs=1, steps_per_epoch=2, minutes=minutes, patience=99, device="cpu")
    _, trained = run(tmp_path, config, watch=progress.append)
    assert (len(trained.history), len(progress)) == (epochs, steps)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.unlink(), "there is no checkpoint"),
        (lambda file: file.write_bytes(file.read_bytes()[:-100]), "damaged"),
        (lambda file: file.write_bytes(b"not a checkpoint at all"), "damaged"),
    ],
)
def test_a_state_that_cannot_be_resumed_is_rejected(
    tmp_path: Path, damage: "object", message: str
) -> None:
    run(tmp_path, TrainerConfig(epochs=1, steps_per_epoch=2))
    damage(tmp_path / STATE)  # type: ignore[operator]
    with pytest.raises(BadCheckpoint, match=message):
        run(tmp_path, resume=True)
    assert (tmp_path / BEST).exists()


def test_another_runs_state_is_refused(tmp_path: Path) -> None:
    run(tmp_path, TrainerConfig(epochs=1, steps_per_epoch=2))
    with pytest.raises(BadCheckpoint, match="another seed"):
        run(tmp_path, TrainerConfig(epochs=2, steps_per_epoch=2, seed=5), resume=True)
    with pytest.raises(BadCheckpoint, match="number of tracks"):
        run(tmp_path, TrainerConfig(epochs=2, steps_per_epoch=3), resume=True)


def test_progress_is_reported_after_each_step(tmp_path: Path) -> None:
    reports: list[Progress] = []
    run(tmp_path, watch=reports.append)
    assert len(reports) == 30
    assert [report.epoch for report in reports] == [1] * 10 + [2] * 10 + [3] * 10
    assert np.isnan(reports[0].validation_loss)
    assert reports[-1].validation_loss > 0
    assert reports[-1].remaining_s == 0
    assert all(report.items_per_second > 0 for report in reports)
