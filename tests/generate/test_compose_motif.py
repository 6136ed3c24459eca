"""A motif is stated, developed within its scale, and returns."""

from dataclasses import replace

import pytest
import torch

from conftest import little_score
from segue.errors import BadArgument
from segue.generate.compose.composition import Composition
from segue.generate.compose.lead import develop, read_motif
from segue.generate.compose.model import Composer
from segue.generate.compose.options import CompositionOptions
from segue.generate.compose.plan import parse_form
from segue.generate.compose.tokens import (
    TIME_SIGNATURE_INDEX,
    VOCABULARY_SIZE,
    Bar,
    Note,
    bars_to_score,
)
from segue.generate.copying import index_bars
from segue.nn.sampling import Sampling
from segue.nn.transformer import StackConfig, Transformer, TransformerConfig
from segue.records import Score
from segue.theory.instruments import DRUMS

FOUR_FOUR = TIME_SIGNATURE_INDEX[4, 4]


@pytest.fixture(scope="module")
def composer() -> Composer:
    """Make an untrained network."""
    torch.manual_seed(0)
    network = Transformer(TransformerConfig(VOCABULARY_SIZE, StackConfig(32, 2, 2, 512))).eval()
    return Composer(network, index_bars([]), {})


def motif(*pitches: int, instrument: int = 73, bars: int = 1) -> list[Bar]:
    notes = tuple(Note(12 * at, instrument, pitch, 12, 5) for at, pitch in enumerate(pitches))
    return [Bar(FOUR_FOUR, 18, notes)] * bars


def score(*pitches: int, instrument: int = 73, bars: int = 1) -> Score:
    return bars_to_score(motif(*pitches, instrument=instrument, bars=bars))


def test_transformations_stay_in_the_scale() -> None:
    developed = develop(motif(60, 64, 67, 65), 9, 0, 73)
    pitches = {
        index: [note.pitch for note in bar.notes]
        for index, bar in enumerate(developed)
        if bar.notes
    }
    assert [bar.transformation for bar in developed] == [
        "statement", "sequence", "open", "statement", "inversion", "sequence", "fragment",
        "statement", "open",
    ]  # fmt: skip
    assert pitches[0] == pitches[3] == pitches[7] == [60, 64, 67, 65]
    assert pitches[1] == [62, 65, 69, 67]  # a degree higher
    assert pitches[4] == [60, 57, 53, 55]  # inverted
    assert pitches[5] == [57, 60, 64, 62]  # two degrees lower
    assert pitches[6] == [60, 64, 62, 65]  # its first half, and that a degree higher


def test_minor_scale_and_alterations_are_kept() -> None:
    developed = develop(motif(57, 60, 64, 68), 3, 19, 73)  # A minor, with a raised seventh
    assert [note.pitch for note in developed[1].notes] == [59, 62, 65, 70]


def test_long_scores_are_motifs_by_their_first_bars() -> None:
    assert len(read_motif(score(60, bars=4))) == 4
    assert len(read_motif(score(60, bars=5))) == 2
    with pytest.raises(BadArgument, match="no note with a pitch"):
        read_motif(score(38, instrument=DRUMS))


def test_piece_develops_the_motif(composer: Composer) -> None:
    options = CompositionOptions(Sampling(), (73, 33, DRUMS), seed=1, chords="C | Dm | G7 | C")
    composition = Composition(composer, options, 9, motif=score(60, 64, 67, 65))
    bars = list(composition)
    played = [{(n.onset, n.pitch) for n in bar.notes if n.instrument == 73} for bar in bars]
    stated = {(0, 60), (12, 64), (24, 67), (36, 65)}
    for index in (0, 3, 7):
        assert len(stated & played[index]) >= 3
    assert len({(0, 62), (12, 65), (24, 69), (36, 67)} & played[1]) >= 2
    assert composition.options.key == 0
    assert composition.score.tempos[0, 1] == 120


def test_motif_is_developed_within_sections_that_return(composer: Composer) -> None:
    options = CompositionOptions(Sampling(), (73, 33, DRUMS), seed=1, sections=parse_form("AA", 8))
    bars = list(Composition(composer, options, motif=score(60, 64, 67, 65)))
    played = [{(n.onset, n.pitch) for n in bar.notes if n.instrument == 73} for bar in bars]
    stated = {(0, 60), (12, 64), (24, 67), (36, 65)}
    assert len(stated & played[0]) >= 3
    assert len({(0, 62), (12, 65), (24, 69), (36, 67)} & played[1]) >= 2  # not the first bar again
    assert len(stated & played[4]) >= 3


def test_motif_moves_to_the_requested_key(composer: Composer) -> None:
    options = CompositionOptions(Sampling(), (73, 33), 4, seed=1, chords="D")
    composition = Composition(composer, options, 4, motif=score(60, 64, 67, 72))
    first = next(iter(composition))
    pitches = {note.pitch for note in first.notes if note.instrument == 73}
    assert len({62, 66, 69, 74} & pitches) >= 3


def test_a_melody_of_piano_gets_a_band_with_a_flute(composer: Composer) -> None:
    options = CompositionOptions(Sampling(), seed=1, style="pop")
    composition = Composition(composer, options, 4, motif=score(60, 64, 67, 65, instrument=0))
    assert composition.options.instruments == (0, 33, 73, DRUMS)
    assert all(plan.chords for plan in composition._plans[:-1])


def test_what_leaves_no_room_is_refused(composer: Composer) -> None:
    options = CompositionOptions(Sampling())
    tune = score(60, 64, 67, 65)
    with pytest.raises(BadArgument, match="--bars 1 leaves no room for a motif"):
        Composition(composer, options, 1, motif=tune)
    with pytest.raises(BadArgument, match="--motif is developed in a new piece"):
        Composition(composer, options, motif=tune, prompt=little_score(1, 4))
    with pytest.raises(BadArgument, match="no instrument of the band can play the motif"):
        Composition(composer, replace(options, instruments=(33, DRUMS)), motif=tune)
    with pytest.raises(BadArgument, match="leave --time-signature out"):
        Composition(
            composer, replace(options, time_signature=TIME_SIGNATURE_INDEX[3, 4]), motif=tune
        )
    changing = [*motif(60, 62), Bar(TIME_SIGNATURE_INDEX[3, 4], 18, motif(60)[0].notes)]
    with pytest.raises(BadArgument, match="changes within the motif"):
        Composition(composer, options, motif=bars_to_score(changing))


def test_pitches_stay_in_the_range_of_midi() -> None:
    low = develop(motif(0, 2, 1, 0), 17, 0, 73)
    high = develop(motif(127, 120, 126, 127), 17, 0, 73)
    assert all(0 <= note.pitch <= 127 for bar in [*low, *high] for note in bar.notes)
