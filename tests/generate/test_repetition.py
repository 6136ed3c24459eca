"""Bars follow earlier bars of the piece, and only so far as is wanted."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import little_score
from segue.errors import BadArgument
from segue.generate.compose.grammar import GrammarState, encode_bar
from segue.generate.compose.model import Composer
from segue.generate.compose.options import CompositionOptions
from segue.generate.compose.repetition import RepetitionModel
from segue.generate.compose.sampler import BarSampler
from segue.generate.compose.tokens import (
    BEGIN,
    DEFAULT_VELOCITY,
    END,
    TIME_SIGNATURE_INDEX,
    VOCABULARY_SIZE,
    Bar,
    Note,
    score_to_bars,
)
from segue.generate.copying import index_bars
from segue.nn.sampling import Sampling
from segue.nn.transformer import StackConfig, Transformer, TransformerConfig
from segue.theory.instruments import DRUMS

FOUR_FOUR = TIME_SIGNATURE_INDEX[4, 4]


@pytest.fixture(scope="module")
def composer() -> Composer:
    """Make a network that knows nothing."""
    torch.manual_seed(0)
    network = Transformer(TransformerConfig(VOCABULARY_SIZE, StackConfig(32, 2, 2, 512))).eval()
    return Composer(network, index_bars([]), {})


def beat(bass: int = 36) -> Bar:
    """Return a bar of kick, snare, hi-hat and a bass note."""
    hits = [(step, 42) for step in range(0, 48, 6)] + [(0, 36), (24, 36), (12, 38), (36, 38)]
    drums = [Note(step, DRUMS, pitch, 1, DEFAULT_VELOCITY) for step, pitch in hits]
    notes = [*drums, Note(0, 33, bass, 24, DEFAULT_VELOCITY)]
    return Bar(FOUR_FOUR, 18, tuple(sorted(notes)))


@st.composite
def bars(draw: st.DrawFn) -> Bar:
    """Draw a bar of several instruments."""
    instruments = draw(st.sets(st.sampled_from([0, 33, 40, DRUMS]), min_size=1))
    notes = {
        (step, instrument, pitch): Note(step, instrument, pitch, duration, velocity)
        for instrument in instruments
        for step, pitch, duration, velocity in draw(
            st.lists(
                st.tuples(
                    st.integers(0, 47), st.integers(30, 90), st.integers(1, 120), st.integers(0, 7)
                ),
                min_size=1,
                max_size=8,
            )
        )
    }
    played = tuple(
        note._replace(duration=1) if note.instrument == DRUMS else note
        for _, note in sorted(notes.items())
    )
    return Bar(FOUR_FOUR, 18, played)


@settings(max_examples=60, deadline=None)
@given(bars())
def test_what_the_source_plays_is_never_penalised(bar: Bar) -> None:
    model = RepetitionModel(1.0, np.random.default_rng(0))
    model.start([bar])
    model.choose(FOUR_FOUR)
    state = GrammarState()
    tokens = encode_bar(bar)
    for token in (BEGIN, *tokens[:2]):
        state.consume(token)
    others = 0.0
    for token in [*tokens[2:], END]:
        penalties = model.penalties(state.bars[-1], state.position)
        assert penalties[token] == 0
        assert penalties.min() == 0
        others += float(penalties[state.allowed()].max(initial=0))
        state.consume(token)
    assert others > 0


def test_the_more_it_repeats_the_more_it_stays(composer: Composer) -> None:
    def kept(repetition: float) -> float:
        options = CompositionOptions(Sampling(), seed=1, repetition=repetition)
        written = list(BarSampler(composer, options).extend(8, [beat(), beat(41)] * 4))
        cells = {(note.onset, note.pitch) for note in beat().notes if note.instrument == DRUMS}
        played = [{(n.onset, n.pitch) for n in b.notes if n.instrument == DRUMS} for b in written]
        return float(np.mean([len(cells & each) / len(cells | each) for each in played]))

    alone, some, much = (kept(repetition) for repetition in (0.0, 1.0, 4.0))
    assert alone < some < much
    assert much > 0.9


def test_a_source_is_of_the_same_time_signature() -> None:
    model = RepetitionModel(1.0, np.random.default_rng(0))
    model.start([beat()])
    model.choose(TIME_SIGNATURE_INDEX[3, 4])
    state = GrammarState()
    for token in (BEGIN, *encode_bar(beat())[:3]):
        state.consume(token)
    pitched = model.penalties(state.bars[-1], state.position)[: END + 1]
    assert not pitched.any()


def chosen_lags(prompt: list[Bar], kind: int, count: int = 80) -> list[int]:
    """Return how many bars earlier the sources of the bar after a prompt lie."""
    lags = []
    for seed in range(count):
        model = RepetitionModel(1.0, np.random.default_rng(seed))
        model.start(prompt)
        model.choose(FOUR_FOUR)
        lags.append(len(prompt) - model._chosen[kind])
    return lags


@pytest.mark.parametrize("period", [2, 3])
def test_sources_follow_the_period_of_the_prompt(period: int) -> None:
    prompt = [beat(36 + 2 * (index % period)) for index in range(12)]
    lags = chosen_lags(prompt, 1)
    assert np.mean([lag % period == 0 for lag in lags]) > 0.95


@pytest.mark.parametrize(("silent_bars", "missing"), [(4, {73}), (3, set()), (20, set())])
def test_regular_instruments_are_missed_after_a_while(silent_bars: int, missing: set[int]) -> None:
    lead = Bar(FOUR_FOUR, 18, (*beat().notes, Note(0, 73, 72, 12, DEFAULT_VELOCITY)))
    model = RepetitionModel(1.0, np.random.default_rng(0))
    model.start([lead, beat()] * 4 + [beat()] * (silent_bars - 1))
    assert model._missing_instruments() == missing


def test_sources_advance_with_the_piece() -> None:
    model = RepetitionModel(1.0, np.random.default_rng(0))
    model.start([beat(pitch) for pitch in (36, 40, 43, 45, 36, 40, 43, 45)])
    sources = []
    for pitch in (36, 40, 43, 45):
        model.choose(FOUR_FOUR)
        source = model._bars[model._chosen[1]]
        sources.append(next(note.pitch for note in source.notes if note.instrument == 33))
        model.append(beat(pitch))
    assert len(set(sources)) == 4


def test_a_long_piece_takes_no_more_memory(composer: Composer) -> None:
    sampler = BarSampler(composer, CompositionOptions(Sampling(), seed=1))
    list(sampler.extend(3, score_to_bars(little_score(1, 4)) * 60))
    assert sampler._repetition is not None
    assert len(sampler._repetition._bars) == 128


@pytest.mark.parametrize("repetition", [-1.0, 4.1, float("nan")])
def test_a_repetition_out_of_range_is_refused(repetition: float) -> None:
    with pytest.raises(BadArgument, match="repetition"):
        CompositionOptions(Sampling(), repetition=repetition)
