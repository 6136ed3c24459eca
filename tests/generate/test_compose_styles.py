"""Accompaniments in a style: patterns follow the chords, and the melody stays as it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from conftest import little_score
from segue.errors import BadArgument
from segue.generate.compose.composition import Composition
from segue.generate.compose.model import Composer
from segue.generate.compose.options import CompositionOptions
from segue.generate.compose.plan import BarPlan, parse_chords
from segue.generate.compose.planning import plan_arrangement
from segue.generate.compose.styles import (
    STYLES,
    Style,
    check_time_signature,
    find_style,
    style_notes,
    suggest_style,
)
from segue.generate.compose.tokens import TIME_SIGNATURE_INDEX, VOCABULARY_SIZE
from segue.generate.copying import index_bars
from segue.nn.sampling import Sampling
from segue.nn.transformer import StackConfig, Transformer, TransformerConfig
from segue.records import Score
from segue.theory.instruments import DRUMS, is_bass, pitch_range


@pytest.fixture(scope="module")
def composer() -> Composer:
    """Make an untrained network."""
    torch.manual_seed(0)
    network = Transformer(TransformerConfig(VOCABULARY_SIZE, StackConfig(32, 2, 2, 512))).eval()
    return Composer(network, index_bars([]), {})


def tune(beats: int = 4) -> Score:
    """Return a score of a melody alone."""
    score = little_score(1, 6, beats)
    return replace(score, parts=score.parts[:1])


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES.keys())
def test_patterns_fit_their_bars_and_follow_the_chords(style: Style) -> None:
    assert is_bass(style.instruments[0])
    for patterns in (*style.drums.values(), style.bass, style.chords):
        assert {(style.beats * 12) % len(pattern) for pattern in patterns} == {0}
    signature = TIME_SIGNATURE_INDEX[style.beats, 4]
    chords = parse_chords("Dm7 | G7 | Cmaj7 A7b9 | F#m7b5/A | N.C. | Bb6", signature)
    instruments = (style.instruments[1], style.instruments[0], DRUMS)
    length = 12 * style.beats
    plans = [BarPlan(own) for own in chords]
    bars = style_notes(style, instruments, plans, [length] * 6)
    for own, bar in zip(chords, bars, strict=True):
        assert bar[DRUMS]
        for instrument, notes in bar.items():
            low, high = pitch_range(instrument)
            assert all(low <= note.pitch <= high for note in notes)
            assert all(0 <= note.onset < note.onset + note.duration <= length for note in notes)
        bass = bar[style.instruments[0]]
        if own[0].root < 0:
            assert not bass
            continue
        for chord in own:
            after = [note for note in bass if note.onset >= chord.step]
            assert after[0].pitch % 12 == chord.bass
        for note in bar[style.instruments[1]]:
            chord = [each for each in own if each.step <= note.onset][-1]
            assert note.pitch % 12 in chord.classes


@pytest.mark.parametrize(
    ("name", "found"), [("Bossa Nova", "bossa"), ("jazz", "swing"), ("jazz waltz", "jazz-waltz")]
)
def test_styles_by_their_common_names(name: str, found: str) -> None:
    assert find_style(name).name == found


def test_unknown_styles_and_time_signatures_are_refused() -> None:
    with pytest.raises(BadArgument, match="did you mean bossa"):
        find_style("bosa")
    with pytest.raises(BadArgument, match="there are bossa, country"):
        find_style("zzz")
    with pytest.raises(BadArgument, match="is in 4/4, not 3/4; those in 3/4 are waltz"):
        check_time_signature(STYLES["rock"], TIME_SIGNATURE_INDEX[3, 4])
    with pytest.raises(BadArgument, match="not 5/8; leave it out"):
        check_time_signature(STYLES["waltz"], TIME_SIGNATURE_INDEX[5, 8])


def test_arrangement_keeps_the_melody_and_adds_a_band(composer: Composer) -> None:
    melody = tune()
    options = CompositionOptions(Sampling(), seed=1, style="bossa", chords="G | Am D7")
    composition = Composition(composer, options, melody=melody)
    bars = list(composition)
    score = composition.score
    assert len(bars) == 6
    assert score.parts[0].notes.tolist() == melody.parts[0].notes.tolist()
    assert score.parts[0].name == melody.parts[0].name
    assert {part.program for part in score.parts[1:]} <= {24, 32, 0}
    assert score.tempos.tolist() == melody.tempos.tolist()
    assert [name for _, name in score.chords] == ["G", "Am", "D7"] * 3
    patterns = style_notes(
        STYLES["bossa"],
        (24, 32, DRUMS),
        composition._plans,
        [48] * 6,
    )
    kept = [
        len({note[:3] for note in bar.notes} & {note[:3] for note in pattern[32]})
        / len(pattern[32])
        for bar, pattern in zip(bars[:-1], patterns[:-1], strict=True)
    ]
    assert np.mean(kept) > 0.7


def test_chords_of_an_arrangement_are_those_written_or_found() -> None:
    written = replace(tune(), chords=((0, "Em"), (960, "nonsense"), (2880, "B7")))
    names = [
        [chord.name for chord in plan.chords]
        for plan in plan_arrangement(written, CompositionOptions(Sampling())).plans
    ]
    assert names == [["Em"], ["Em", "B7"], ["B7"], ["B7"], ["B7"], ["B7"]]
    found = plan_arrangement(tune(3), CompositionOptions(Sampling()))
    assert found.options.style == "waltz"
    assert any(plan.chords for plan in found.plans)


def test_melody_of_an_instrument_of_the_band_stays_apart(composer: Composer) -> None:
    options = CompositionOptions(Sampling(), (40, 33), seed=1, chords="C")
    arrangement = plan_arrangement(tune(), options)
    assert arrangement.instrument not in (40, 33)
    composition = Composition(composer, options, melody=tune())
    list(composition)
    assert composition.score.parts[0].notes.tolist() == tune().parts[0].notes.tolist()


def test_what_a_melody_decides_is_refused(composer: Composer) -> None:
    options = CompositionOptions(Sampling())
    with pytest.raises(BadArgument, match="leave out --bars"):
        Composition(composer, options, 8, melody=tune())
    with pytest.raises(BadArgument, match="leave out a score to continue"):
        Composition(composer, options, prompt=tune(), melody=tune())
    with pytest.raises(BadArgument, match="leave out --time-signature"):
        Composition(composer, replace(options, tempo=90.0), melody=tune())
    drums = replace(tune(), parts=little_score(1, 4).parts[2:])
    with pytest.raises(BadArgument, match="no note with a pitch"):
        Composition(composer, options, melody=drums)


def test_new_piece_in_a_style(composer: Composer) -> None:
    options = CompositionOptions(Sampling(), seed=1, style="jazz-waltz")
    composition = Composition(composer, options, 6)
    bars = list(composition)
    assert composition.score.time_signatures.tolist() == [[0, 3, 4]]
    assert composition.score.tempos[0, 1] == 144
    assert set().union(*(bar.instruments for bar in bars)) <= {0, 32, 73, DRUMS}


def test_bands_without_a_style_get_one_that_fits() -> None:
    rng = np.random.default_rng(0)
    found = [suggest_style(None, None, rng) for _ in range(20)]
    assert len({style.name for style in found if style}) > 3
    for _ in range(10):
        waltz = suggest_style(TIME_SIGNATURE_INDEX[3, 4], None, rng)
        assert waltz is not None
        assert waltz.beats == 3
        slow = suggest_style(None, 60.0, rng)
        assert slow is not None
        assert slow.tempo < 90
    assert suggest_style(TIME_SIGNATURE_INDEX[5, 8], None, rng) is None


def test_drums_are_louder_in_a_chorus_and_have_no_snare_in_an_introduction() -> None:
    plans = [BarPlan(level=level) for level in (-1.0, 0.0, 1.0)]
    intro, verse, chorus = style_notes(STYLES["rock"], (DRUMS,), plans, [48] * 3)
    assert {note.pitch for note in intro[DRUMS]} == {36, 42}
    assert {note.pitch for note in verse[DRUMS]} == {36, 38, 42}
    assert {note.pitch for note in chorus[DRUMS]} == {36, 38, 51}
