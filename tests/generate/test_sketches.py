"""Music composed from sketches: who plays, and how near it is to the sketch."""

import pytest
import torch

from conftest import little_score
from scores import part_of, score_of
from segue.generate.compose.model import Composer
from segue.generate.compose.sketches import compose_sketch
from segue.generate.compose.tokens import VOCABULARY_SIZE
from segue.generate.copying import index_bars
from segue.nn.sampling import Sampling
from segue.nn.transformer import StackConfig, Transformer, TransformerConfig
from segue.score.piano_roll import PianoRoll
from segue.score.vae.model import RollModel

MODEL = RollModel.pretrained()
SAMPLING = Sampling(top_p=0.9)


@pytest.fixture(scope="module")
def composer() -> Composer:
    """Make a network that knows nothing."""
    torch.manual_seed(0)
    network = Transformer(TransformerConfig(VOCABULARY_SIZE, StackConfig(32, 2, 2, 192))).eval()
    return Composer(network, index_bars([]), {})


def test_the_nearest_of_several_attempts_is_kept(composer: Composer) -> None:
    sketch = PianoRoll.from_score(little_score(1, 4))
    one = compose_sketch(composer, MODEL, sketch, SAMPLING, attempts=1, seed=3)
    best = compose_sketch(composer, MODEL, sketch, SAMPLING, attempts=4, seed=3)
    again = compose_sketch(composer, MODEL, sketch, SAMPLING, attempts=4, seed=3)
    assert one.similarity <= best.similarity < 1
    assert best.similarity == again.similarity
    assert best.roll.cells.shape == sketch.cells.shape
    assert (best.roll.cells == again.roll.cells).all()


def test_instruments_of_a_single_bar_are_left_out(composer: Composer) -> None:
    piano = part_of(*((float(at), 1.0, 60 + at % 5) for at in range(16)))
    guitar = part_of((5, 1, 64), program=25)
    sketch = PianoRoll.from_score(score_of(piano, guitar))
    composed = compose_sketch(composer, MODEL, sketch, SAMPLING, attempts=1)
    assert {part.program for part in composed.score.parts} == {0}


def test_a_sketch_of_a_single_note_is_music(composer: Composer) -> None:
    sketch = PianoRoll.from_score(score_of(part_of((1, 1, 64))))
    composed = compose_sketch(composer, MODEL, sketch, SAMPLING, attempts=1)
    assert composed.score.parts
