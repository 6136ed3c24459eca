"""Learns to write melodies from a library's own: from lead sheets to a model of one style."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import torch

from segue.errors import TrainingFailed
from segue.model.score.melody import MelodyConfig, MelodyNetwork
from segue.model.score.melody_model import MODEL, MelodyModel
from segue.model.transformer import StackConfig
from segue.represent.score.lead_sheet import LeadSheet
from segue.train.loop import Trained, Watcher
from segue.train.melody import MelodyTraining, train_melody
from segue.train.melody_told import melody_model
from segue.train.splitting import FEWEST_PIECES, split

#: What the style of a library's own melodies is called.
STYLE: Final = "own"
_STYLE_TABLES: Final = ("style.weight", "chord_style.weight")
_WIDTH, _LAYERS, _HEADS, _DROPOUT = 160, 4, 5, 0.15


def train_own(
    training: MelodyTraining,
    sheets: Sequence[LeadSheet],
    folder: Path,
    *,
    start: MelodyModel | None = None,
    resume: bool = False,
    watch: Watcher | None = None,
) -> tuple[MelodyModel, Trained]:
    """Learn a model from a library's own melodies, all of one style.

    Parameters
    ----------
    training : MelodyTraining
    sheets : sequence of LeadSheet
        Of the style `STYLE`, of at least three groups.
    folder : Path
        Where the run's state and, at the end, the model are kept.
    start : MelodyModel, optional
        What is learned on from, all its styles as one. The melodies that it knows stay known, so
        that they are not copied either.
    resume : bool
    watch : callable, optional
        Told a `Progress` after each step.

    Returns
    -------
    MelodyModel
        Also written to `folder` as `MODEL`.
    Trained

    Raises
    ------
    TrainingFailed
        There are too few melodies, or the loss is no number any more.
    BadCheckpoint
        The state to resume is not there, damaged, or of another run.
    """
    groups = {sheet.group or sheet.name for sheet in sheets}
    if len(groups) < FEWEST_PIECES:
        raise TrainingFailed(
            f"there are melodies in {len(groups)} scores to learn from (at least four bars and "
            f"twelve notes in one metre), at least {FEWEST_PIECES} are needed, and some hundred "
            "for what is worth having; add more with `segue add`"
        )
    learn, validate = split(sheets)
    torch.manual_seed(training.seed)
    if start:
        network = _of_one_style(start.network)
        training = replace(training, context=network.config.stack.context)
    else:
        stack = StackConfig(_WIDTH, _LAYERS, _HEADS, training.context, _DROPOUT)
        network = MelodyNetwork(MelodyConfig(stack, (STYLE,)))
    from_what = {"start": start.fingerprint} if start else {}
    trained = train_melody(
        network, training, learn, validate, folder, about=from_what, resume=resume, watch=watch
    )
    about = {
        "training": asdict(training),
        "melodies": len(learn),
        "held_out_melodies": len(validate),
        "epochs": len(trained.history),
        "loss": trained.best.loss,
        "validation_loss": trained.best.validation_loss,
        "stopped": trained.stopped,
        "precision": trained.precision,
        **from_what,
    }
    model = melody_model(network, learn, validate, about)
    if start:
        model.taught = model.taught.joined(start.taught)
    model.save(folder / MODEL)
    return model, trained


def _of_one_style(network: MelodyNetwork) -> MelodyNetwork:
    """Return a copy whose one style is the mean of those that a network knows."""
    found = MelodyNetwork(replace(network.config, styles=(STYLE,)))
    weights = network.state_dict()
    for table in _STYLE_TABLES:
        weights[table] = weights[table].mean(dim=0, keepdim=True)
    found.load_state_dict(weights)
    return found
