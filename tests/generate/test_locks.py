"""Locked parts stay note by note whatever the network predicts, and the rest is sampled."""

from dataclasses import replace

import pytest
import torch

from conftest import little_score
from segue.errors import BadArgument
from segue.generate.compose.composition import Composition
from segue.generate.compose.locks import parse_locks
from segue.generate.compose.model import Composer
from segue.generate.compose.options import CompositionOptions
from segue.generate.compose.tokens import VOCABULARY_SIZE, score_to_bars
from segue.generate.copying import index_bars
from segue.nn.sampling import Sampling
from segue.nn.transformer import StackConfig, Transformer, TransformerConfig
from segue.theory.instruments import DRUMS, pitch_range

PARTS = [("Violin", 40), ("Bass", 32), ("Kit", DRUMS), ("Lead", 80), ("Echo", 80)]


@pytest.fixture(scope="module")
def composer() -> Composer:
    """A network that knows nothing."""
    torch.manual_seed(0)
    network = Transformer(TransformerConfig(VOCABULARY_SIZE, StackConfig(32, 2, 2, 192))).eval()
    return Composer(network, index_bars([]), {})


def compose(composer: Composer, lock: str, seed: int = 0, **fields: object) -> Composition:
    score = little_score(1, 4)
    options = CompositionOptions(Sampling(), seed=seed)
    piece = Composition(composer, options, prompt=score, lock=lock, **fields)  # type: ignore[arg-type]
    list(piece)
    return piece


@pytest.mark.parametrize("lock", ["violin", "bass", "drums", "violin,drums", "1-2,drums"])
@pytest.mark.parametrize("seed", range(2))
def test_locked_parts_stay_and_the_others_change(composer: Composer, lock: str, seed: int) -> None:
    score = little_score(1, 4)
    piece = compose(composer, lock, seed)
    names = {"violin": 40, "bass": 33, "drums": DRUMS}
    locked = {names[word] for word in lock.split(",") if word in names}
    first = 2 if "1-2" in lock else 0
    for before, sampled in zip(score_to_bars(score)[first:], piece.generated, strict=True):
        assert before.select(locked).notes == sampled.select(locked).notes
    after = {DRUMS if part.is_drum else part.program: part for part in piece.score.parts}
    for part in score.parts:
        program = DRUMS if part.is_drum else part.program
        scale = piece.score.ticks_per_quarter // score.ticks_per_quarter
        notes = part.notes * [scale, scale, 1, 1]
        if program in locked:
            assert after[program].notes.tolist() == notes.tolist()
        else:
            others = after[program].notes.tolist() if program in after else []
            assert others != notes.tolist()


def test_locked_notes_out_of_range_are_sampled_too(composer: Composer) -> None:
    score = little_score(1, 2)
    violin = score.parts[0]
    low = violin.notes.copy()
    low[:, 2] -= 30
    score = replace(score, parts=(replace(violin, notes=low), *score.parts[1:]))
    piece = Composition(composer, CompositionOptions(Sampling()), prompt=score, lock="violin")
    list(piece)
    assert piece.score.parts[0].notes[:, 2].tolist() == low[:, 2].tolist()
    sampled = [note.pitch for bar in piece.generated for note in bar.notes if note.instrument == 40]
    assert max(sampled) < pitch_range(40)[0]


def test_what_is_locked_is_understood() -> None:
    assert parse_locks("drums,1-4", PARTS, 16) == (frozenset({DRUMS}), (5, 16))
    assert parse_locks("kit, Violin", PARTS, 16) == (frozenset({40, DRUMS}), (1, 16))
    assert parse_locks("9-16", PARTS, 16) == (frozenset(), (1, 8))
    assert parse_locks("1-4,9-16", PARTS, 16) == (frozenset(), (5, 8))
    assert parse_locks("lead,echo", PARTS, 16)[0] == {80}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kazoo", "it has Violin, Bass, Kit, Lead, Echo"),
        (" ,", "nothing is locked; name parts or bars"),
        ("flute", "no part 'flute' to lock"),
        ("1-16", "all bars are locked"),
        ("9-20", "bars 9-20 cannot be locked; the score has 16 bars"),
        ("0-3", "cannot be locked"),
        ("5-8", "leave several ranges open"),
        ("lead", "like another part"),
    ],
)
def test_impossible_locks_are_explained(text: str, message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        parse_locks(text, PARTS, 16)


def test_something_has_to_be_open(composer: Composer) -> None:
    with pytest.raises(BadArgument, match="all parts are locked"):
        compose(composer, "violin,bass,drums")
    with pytest.raises(BadArgument, match="--infill and locked bars at once"):
        compose(composer, "1-2", infill=(3, 4))
    with pytest.raises(BadArgument, match="--lock needs a score"):
        Composition(composer, CompositionOptions(Sampling()), lock="drums")
