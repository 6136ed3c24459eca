"""Learns to write melodies from a library's own: from lead sheets to a model of one style."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import torch

from segue.errors import TrainingFailed
from segue.model.score.melody import MelodyConfig, MelodyNetwork
from segue.model.score.melody_model import MODEL, MelodyModel
from segue.model.score.transformer import StackConfig
from segue.represent.score.lead_sheet import LeadSheet
from segue.train.loop import Trained, Watcher
from segue.train.melody import MelodyTraining, train_melody
from segue.train.melody_told import melody_model
from segue.train.splitting import FEWEST_PIECES, split

#: What the style of a library's own melodies is called.
STYLE: Final = "own"
_WIDTH, _LAYERS, _HEADS, _DROPOUT = 160, 4, 5, 0.15


def train_own(
    training: MelodyTraining,
    sheets: Sequence[LeadSheet],
    folder: Path,
    *,
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
    stack = StackConfig(_WIDTH, _LAYERS, _HEADS, training.context, _DROPOUT)
    network = MelodyNetwork(MelodyConfig(stack, (STYLE,)))
    trained = train_melody(network, training, learn, validate, folder, resume=resume, watch=watch)
    about = {
        "training": asdict(training),
        "melodies": len(learn),
        "held_out_melodies": len(validate),
        "epochs": len(trained.history),
        "loss": trained.best.loss,
        "validation_loss": trained.best.validation_loss,
        "stopped": trained.stopped,
        "precision": trained.precision,
    }
    model = melody_model(network, learn, validate, about)
    model.save(folder / MODEL)
    return model, trained
