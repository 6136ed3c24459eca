"""What can be learned from a library: which training goes to whom."""

from collections.abc import Callable
from typing import Any, Final

from segue.learning import composers, lyrics, melody, notes, scores, sounds
from segue.learning.places import Learned
from segue.store import Store
from segue.train.composer import ComposerTraining
from segue.train.lyrics import LyricsTraining
from segue.train.melody import MelodyTraining
from segue.train.note_lstm import NoteTraining
from segue.train.score_options import ScoreTraining
from segue.train.sound_options import SoundTraining

Training = (
    SoundTraining
    | ScoreTraining
    | NoteTraining
    | MelodyTraining
    | ComposerTraining
    | LyricsTraining
)

_TRAINED_BY: Final[dict[type[Training], Callable[..., Learned]]] = {
    SoundTraining: sounds.train,
    ScoreTraining: scores.train,
    NoteTraining: notes.train,
    MelodyTraining: melody.train,
    ComposerTraining: composers.train,
    LyricsTraining: lyrics.train,
}


def train(store: Store, name: str, training: Training, **how: Any) -> Learned:
    """Learn what a training is for.

    Parameters
    ----------
    store : Store
    name : str
    training : SoundTraining, ScoreTraining, NoteTraining, MelodyTraining, ComposerTraining or
        LyricsTraining
    **how
        As of `segue.learning.Learning.train`, which tells more.
    """
    return _TRAINED_BY[type(training)](store, name, training, **how)
