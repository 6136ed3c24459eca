"""What can be trained, by medium."""

from collections.abc import Callable
from typing import Any, Final

from segue.audio.training import SoundTraining
from segue.generate.compose.training import ComposerTraining
from segue.generate.lyrics.training import LyricsTraining
from segue.generate.melody.training import MelodyTraining
from segue.generate.notes.training import NoteTraining
from segue.score.vae.training import ScoreTraining
from segue.store import Store
from segue.training import composing, lyrics, melody, notes, scores, sound
from segue.training.spaces import TrainingResult

Training = (
    SoundTraining
    | ScoreTraining
    | NoteTraining
    | MelodyTraining
    | ComposerTraining
    | LyricsTraining
)

_TRAINED_BY: Final[dict[type[Training], Callable[..., TrainingResult]]] = {
    SoundTraining: sound.train,
    ScoreTraining: scores.train,
    NoteTraining: notes.train,
    MelodyTraining: melody.train,
    ComposerTraining: composing.train,
    LyricsTraining: lyrics.train,
}


def train(store: Store, name: str, training: Training, **how: Any) -> TrainingResult:
    """Learn what a training is for.

    Parameters
    ----------
    store : Store
    name : str
    training : SoundTraining, ScoreTraining, NoteTraining, MelodyTraining, ComposerTraining or
        LyricsTraining
    **how
        As of `segue.library.learning.Learning.train`, which tells more.
    """
    return _TRAINED_BY[type(training)](store, name, training, **how)
