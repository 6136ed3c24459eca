"""Compositions follow the chords that are asked for."""

import pytest
import torch

from conftest import little_score
from segue.errors import BadArgument
from segue.generate.compose.biases import adapt_notes, chord_fit
from segue.generate.compose.composition import Composition
from segue.generate.compose.model import Composer
from segue.generate.compose.options import CompositionOptions
from segue.generate.compose.plan import BarPlan, estimate_chords_key, parse_chords
from segue.generate.compose.tokens import TIME_SIGNATURE_INDEX, VOCABULARY_SIZE, Bar, Note
from segue.generate.copying import index_bars
from segue.nn.sampling import Sampling
from segue.nn.transformer import StackConfig, Transformer, TransformerConfig
from segue.score.timing import bar_grid

FOUR_FOUR = TIME_SIGNATURE_INDEX[4, 4]


@pytest.fixture(scope="module")
def composer() -> Composer:
    """Make an untrained network."""
    torch.manual_seed(0)
    network = Transformer(TransformerConfig(VOCABULARY_SIZE, StackConfig(32, 2, 2, 512))).eval()
    return Composer(network, index_bars([]), {})


def compose(composer: Composer, bars: int = 8, **options: object) -> Composition:
    given = {"sampling": Sampling(), "seed": 1, "instruments": (0, 33)} | options
    composition = Composition(composer, CompositionOptions(**given), bars)  # type: ignore[arg-type]
    list(composition)
    return composition


@pytest.mark.parametrize(
    ("progression", "key"),
    [
        ("Dm7 | G7 | Cmaj7", 0),
        ("Am | F | C | G", 0),
        ("Am | Dm | E7 | Am", 19),
        ("Bb | Eb F7 | Bb", 20),
        ("F#m | B7 | E", 8),
        ("Cm | Ab | G7 | Cm", 1),
    ],
)
def test_key_of_a_progression(progression: str, key: int) -> None:
    assert estimate_chords_key(parse_chords(progression, FOUR_FOUR), FOUR_FOUR) == key


def test_chords_hold_from_their_beat_and_into_the_next_bar() -> None:
    bars = parse_chords("Dm7 G7 | Cmaj7/E | % | N.C.", FOUR_FOUR)
    assert [[(chord.step, chord.name) for chord in bar] for bar in bars] == [
        [(0, "Dm7"), (24, "G7")],
        [(0, "Cmaj7/E")],
        [(0, "Cmaj7/E")],
        [(0, "N.C.")],
    ]
    assert (bars[1][0].root, bars[1][0].bass) == (0, 4)
    assert bars[3][0].transpose(3) == bars[3][0]
    assert BarPlan(bars[0]).transpose(2).chords[1].classes == {9, 1, 4, 7}


def test_notes_are_chord_tones_and_the_bass_begins_with_the_root(composer: Composer) -> None:
    chords = "Dm7 G7 | Cmaj7 | F/A | E7"
    progression = parse_chords(chords, FOUR_FOUR)
    plans = [BarPlan(progression[index % 4]) for index in range(8)]
    fitting, free = compose(composer, chords=chords), compose(composer)
    assert fitting.report["chords"] == chord_fit(fitting.generated, plans)
    assert fitting.report["chords"]["chord_tones"] > 0.85
    unplanned = chord_fit(free.generated, plans)["chord_tones"]
    assert unplanned is not None
    assert unplanned < 0.7
    played = 0
    for bar, plan in zip(fitting.generated, plans, strict=True):
        bass = [note for note in bar.notes if note.instrument == 33]
        if bass:
            chord = plan.chord_at(bass[0].onset)
            assert chord is not None
            assert bass[0].pitch % 12 == chord.bass
            played += 1
    assert played > 4


def test_symbols_are_written_where_chords_change(composer: Composer) -> None:
    score = compose(composer, 5, chords="Dm7 G7 | Cmaj7 | %").score
    edges = bar_grid(score).edges
    half = int(edges[1]) // 2
    assert score.chords == (
        (0, "Dm7"),
        (half, "G7"),
        (edges[1], "Cmaj7"),
        (edges[3], "Dm7"),
        (edges[3] + half, "G7"),
        (edges[4], "Cmaj7"),
    )
    assert score.keys.tolist() == [[0, 0, 0]]


def test_chords_continue_a_score_and_replace_bars(composer: Composer) -> None:
    options = CompositionOptions(Sampling(), seed=0, chords="Dm | G")
    for infill, first in ((None, 6), ((2, 3), 1)):
        composition = Composition(composer, options, 2, little_score(1, 6), infill)
        list(composition)
        score = composition.score
        edges = bar_grid(score).edges.tolist()
        assert score.chords == ((edges[first], "Dm"), (edges[first + 1], "G"))
        assert composition.report["chords"]["chord_tones"] > 0.6


def test_notes_move_to_another_chord() -> None:
    (before,), (after,) = (parse_chords(name, FOUR_FOUR) for name in ("C", "Am7"))
    notes = [Note(0, 33, 36, 24, 5), Note(24, 33, 43, 24, 5)]
    notes += [Note(0, 0, pitch, 48, 5) for pitch in (60, 64, 67)]
    moved = adapt_notes(notes, before, after)
    assert [note.pitch for note in moved if note.instrument == 33] == [33, 40]
    assert {note.pitch % 12 for note in moved if note.instrument == 0} <= {9, 0, 4, 7}
    assert len([note for note in moved if note.instrument == 0]) == 3
    assert adapt_notes(notes, before, before) == tuple(sorted(notes))


def test_fit_counts_the_time_that_notes_sound() -> None:
    (chords,) = parse_chords("C G |", FOUR_FOUR)
    notes = (Note(0, 0, 60, 48, 5), Note(24, 0, 69, 24, 5))
    fit = chord_fit([Bar(FOUR_FOUR, 18, notes)], [BarPlan(chords)])
    assert fit == {"chord_tones": pytest.approx(24 / 72), "bass_on_beat_1": 1.0}
    assert chord_fit([Bar(FOUR_FOUR, 18, ())], [BarPlan(chords)])["chord_tones"] is None


@pytest.mark.parametrize(
    ("chords", "message"),
    [("Dm7 | Hm", "is no chord"), (" | ", "no chord in the progression"), ("%", "no bar before")],
)
def test_chords_that_cannot_be_parsed_are_refused(
    composer: Composer, chords: str, message: str
) -> None:
    with pytest.raises(BadArgument, match=message):
        compose(composer, chords=chords)


def test_added_part_follows_the_chords(composer: Composer) -> None:
    options = CompositionOptions(Sampling(), seed=2, chords="Em | Am")
    composition = Composition(composer, options, prompt=little_score(1, 4), added=0)
    list(composition)
    assert composition.report["chords"]["chord_tones"] > 0.7
