"""Chord symbols: what musicians write, and the pitch classes they mean."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.errors import BadArgument
from segue.theory.chords import NO_CHORD, is_chord, nearest_chord, parse_chord, pitch_set_name
from segue.theory.keys import pitch_class

#: By hand: what stands behind the root, and semitones above it.
KINDS = {
    "": "0 4 7", "maj": "0 4 7", "M": "0 4 7", "m": "0 3 7", "min": "0 3 7", "-": "0 3 7",
    "dim": "0 3 6", "o": "0 3 6", "°": "0 3 6", "aug": "0 4 8", "+": "0 4 8", "5": "0 7",
    "sus4": "0 5 7", "sus": "0 5 7", "sus2": "0 2 7", "2": "0 2 4 7", "4": "0 5 7",
    "6": "0 4 7 9", "m6": "0 3 7 9", "6/9": "0 2 4 7 9", "69": "0 2 4 7 9", "m6/9": "0 2 3 7 9",
    "7": "0 4 7 10", "dom7": "0 4 7 10", "maj7": "0 4 7 11", "M7": "0 4 7 11", "Δ": "0 4 7 11",
    "Δ7": "0 4 7 11", "^7": "0 4 7 11", "ma7": "0 4 7 11", "m7": "0 3 7 10", "min7": "0 3 7 10",
    "-7": "0 3 7 10", "m(maj7)": "0 3 7 11", "mM7": "0 3 7 11", "-Δ7": "0 3 7 11",
    "dim7": "0 3 6 9", "o7": "0 3 6 9", "°7": "0 3 6 9", "m7b5": "0 3 6 10", "ø": "0 3 6 10",
    "ø7": "0 3 6 10", "-7(♭5)": "0 3 6 10", "7b5": "0 4 6 10", "7-5": "0 4 6 10",
    "7#5": "0 4 8 10", "7+5": "0 4 8 10", "aug7": "0 4 8 10", "+7": "0 4 8 10",
    "maj7#5": "0 4 8 11", "7sus4": "0 5 7 10", "9sus4": "0 2 5 7 10", "9": "0 2 4 7 10",
    "maj9": "0 2 4 7 11", "m9": "0 2 3 7 10", "add9": "0 2 4 7", "madd9": "0 2 3 7",
    "(add9)": "0 2 4 7", "11": "0 2 4 5 7 10", "m11": "0 2 3 5 7 10", "13": "0 2 4 7 9 10",
    "maj13": "0 2 4 7 9 11", "7b9": "0 1 4 7 10", "7#9": "0 3 4 7 10", "7#11": "0 4 6 7 10",
    "maj7#11": "0 4 6 7 11", "7b13": "0 4 7 8 10", "13b9": "0 1 4 7 9 10",
    "7(b9,#11)": "0 1 4 6 7 10", "7b9#9": "0 1 3 4 7 10", "7alt": "0 1 3 4 6 8 10",
    "no3": "0 7", "maj7no5": "0 4 11", "7omit5": "0 4 10", "m7add11": "0 3 5 7 10",
}  # fmt: skip
ROOTS = {"C": 0, "C#": 1, "Db": 1, "D": 2, "E♭": 3, "E": 4, "F": 5, "F♯": 6, "Gb": 6, "B": 11}
WRONG = [
    "",
    "H7",
    "dm7",
    "Cmaj8",
    "Xyz",
    "C7x9",
    "C//",
    "Am7/",
    "Am7/H",
    "C#maj77",
    "sus4",
    "7",
    "I",
]


@pytest.mark.parametrize(("kind", "semitones"), KINDS.items(), ids=[*KINDS])
def test_symbols_mean_their_pitch_classes_on_every_root(kind: str, semitones: str) -> None:
    for root, number in ROOTS.items():
        chord = parse_chord(root + kind)
        assert {(each - number) % 12 for each in chord.classes} == set(map(int, semitones.split()))
        assert (chord.root, chord.bass, chord.name) == (number, number, root + kind)


def test_the_bass_stands_behind_the_slash() -> None:
    chord = parse_chord("Bb/D")
    assert (chord.root, chord.bass, set(chord.classes)) == (10, 2, {10, 2, 5})
    assert parse_chord("C6/9/E").bass == 4
    assert parse_chord("Am7/F♯").bass == 6


def test_no_chord_is_one_too() -> None:
    assert {parse_chord(each) for each in ("N.C.", "NC", "n.c.")} == {NO_CHORD}


@pytest.mark.parametrize("symbol", WRONG)
def test_what_is_no_chord_is_refused_with_the_nearest(symbol: str) -> None:
    with pytest.raises(BadArgument, match="did you mean"):
        parse_chord(symbol)
    assert not is_chord(symbol)


def test_the_nearest_chord_is_what_was_meant() -> None:
    meant = {"dm7": "Dm7", "Cmaj8": "Cmaj7", "H7": "B7", "G7al": "G7alt", "Fsus3": "Fsus4"}
    assert {wrong: nearest_chord(wrong) for wrong in meant} == meant


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=12))
def test_any_text_is_a_chord_or_refused_and_the_nearest_is_a_chord(text: str) -> None:
    try:
        chord = parse_chord(text)
    except BadArgument:
        assert is_chord(nearest_chord(text))
    else:
        assert chord == NO_CHORD or 0 <= chord.root < 12


@given(st.sets(st.integers(0, 11), min_size=3, max_size=5))
def test_names_that_segue_gives_are_read_back(classes: set[int]) -> None:
    name = pitch_set_name(classes)
    if name and " on " not in name:
        symbol = name.replace(", no fifth", "no5").replace(", no third", "no3")
        assert set(parse_chord(symbol).classes) == classes


def test_accidentals_may_be_doubled() -> None:
    assert [pitch_class(name) for name in ("Cb", "B#", "F##", "Bbb")] == [11, 0, 7, 9]
