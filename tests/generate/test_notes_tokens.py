"""Scores as words, held to music21; chords by name."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scores import chord_part, part_of, piece, score_of, tune
from segue.generate.notes.network import (
    UNKNOWN,
    NoteSequence,
    Vocabulary,
    cooccurrence_vectors,
    count_cooccurrences,
    duration_token,
    note_sequence,
    note_token,
    parse_duration,
    parse_pitch,
    pitch_classes_of,
)
from segue.theory.chords import keys_containing, normal_order, pitch_class_names, pitch_set_name


def test_a_tune_and_its_chords_become_one_sequence() -> None:
    score = score_of(
        tune(60, 62, length=2.0), part_of((0, 1, 52), (1, 1.5, 55)), part_of((0, 4, 36), drum=True)
    )
    assert note_sequence(score) == NoteSequence(
        ("0.4", "7.0", "2.7", "D4"), ("1.0", "1.0", "0.5", "1.5")
    )


def test_silence_and_drums_are_left_out() -> None:
    assert not len(note_sequence(score_of(part_of((0, 1, 36), drum=True))))
    late = score_of(part_of((3, 1 / 3, 45), (8, 0.25, 45), (8, 0.25, 57)))
    assert note_sequence(late) == NoteSequence(("A2", "9"), ("1/3", "0.25"))


def test_what_is_shorter_than_the_grid_is_heard() -> None:
    assert note_sequence(score_of(part_of((0, 1 / 24, 60)))).durations == ("0.25",)


@pytest.mark.parametrize("seed", range(3))
def test_the_sequence_is_music21s(seed: int) -> None:
    from music21 import chord, note, stream

    score = piece(seed)
    whole = stream.Score()
    for part in score.parts:
        if not part.is_drum:
            line = stream.Part()  # type: ignore[no-untyped-call]
            for onset, length, pitch, _ in part.notes.tolist():
                one = note.Note(pitch, quarterLength=Fraction(length, 24))
                line.insert(Fraction(onset, 24), one)
            whole.insert(0, line)
    words, lengths = [], []
    for found in whole.chordify().flatten().notes:  # type: ignore[no-untyped-call]
        assert isinstance(found, chord.Chord)
        words.append(note_token(each.midi for each in found.pitches))
        if len(set(found.pitches)) > 1:
            assert words[-1] == ".".join(map(str, found.normalOrder))
        lengths.append(str(found.quarterLength))
    assert note_sequence(score) == NoteSequence(tuple(words), tuple(lengths))


def test_normal_order_is_music21s() -> None:
    from music21 import chord

    every = [
        classes
        for size in (1, 2, 3, 4, 5, 6)
        for classes in itertools.combinations(range(12), size)
    ]
    for classes in every[::9]:
        assert list(normal_order(classes)) == chord.Chord(list(classes)).normalOrder


def test_words_are_read_in_other_spellings() -> None:
    assert [parse_pitch(each) for each in ("A2", "Bb2", "B-2", "a#2", "C-1", "C#-1", "G9")] == [
        45, 46, 46, 46, 0, 1, 127,
    ]  # fmt: skip
    assert [parse_pitch(each) for each in ("", "H2", "A", "9.11.1", "G#9", "A2.", "A²")] == [
        None
    ] * 7
    assert pitch_classes_of("1.9.11") == (9, 11, 1)
    assert pitch_classes_of("A2") == (9,)
    assert pitch_classes_of("9.12") == pitch_classes_of("unkw") == ()
    assert parse_duration("1/3") == Fraction(1, 3)
    assert parse_duration("0") is parse_duration("x") is parse_duration("1/0") is None


@given(st.sets(st.integers(0, 127), min_size=1, max_size=7))
def test_words_name_the_pitch_classes_they_were_made_of(pitches: set[int]) -> None:
    word = note_token(pitches)
    assert set(pitch_classes_of(word)) == {pitch % 12 for pitch in pitches}
    assert (parse_pitch(word) is not None) == (len(pitches) == 1)


@given(st.integers(1, 400))
def test_durations_are_read_back(steps: int) -> None:
    assert parse_duration(duration_token(steps)) == Fraction(steps, 12)


@pytest.mark.parametrize(
    ("classes", "name"),
    [
        ((9, 11, 1), "Aadd2, no fifth"),
        ((0, 4, 7), "C"),
        ((4, 7, 11), "Em"),
        ((9, 0, 4, 7), "Am7"),
        ((7, 2), "G5"),
        ((9, 0), "minor third on A"),
        ((5, 11), "tritone on F"),
        ((7, 0, 2), "Gsus4"),
        ((0, 1, 2, 3), ""),
        ((4,), ""),
    ],
)
def test_chords_have_names(classes: tuple[int, ...], name: str) -> None:
    assert pitch_set_name(classes) == name


def test_keys_that_hold_notes() -> None:
    assert pitch_class_names((9, 11, 1)) == ("A", "B", "C#")
    assert keys_containing((0, 2, 4, 5, 7, 9, 11)) == ("C major", "A minor")
    assert len(keys_containing((0,))) == 14
    assert keys_containing((0, 1, 2)) == ()


def test_a_vocabulary_counts_what_is_unknown() -> None:
    words = Vocabulary.build([["A2", "A2", "B2"], ["A2", "C3", "B2"]], min_count=2)
    assert words.tokens == (UNKNOWN, "A2", "B2")
    assert words.counts == (1, 3, 2)
    assert words.ids(["B2", "C3", "x", "A2"]).tolist() == [2, 0, 0, 1]
    assert Vocabulary.build([["A2", "A2", "B2"]], max_size=2).counts == (1, 2)


def test_words_in_like_company_have_like_vectors() -> None:
    # 0 and 1 stand between 2 and 3, 4 and 5 between 6 and 7.
    rng = np.random.default_rng(0)
    first = [w for _ in range(300) for w in (2, int(rng.integers(0, 2)), 3)]
    second = [w for _ in range(300) for w in (6, int(rng.integers(4, 6)), 7)]
    counts = count_cooccurrences([np.array(first), np.array(second)], 9, window=1)
    assert np.array_equal(counts, counts.T)
    vectors = cooccurrence_vectors(counts, 4)
    assert vectors.shape == (9, 4)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    assert unit[0] @ unit[1] > 0.9
    assert abs(unit[0] @ unit[4]) < 0.1
    assert not vectors[8].any()


def test_chords_are_words_in_any_inversion() -> None:
    score = score_of(chord_part((48, 52, 55), (52, 55, 60), (55, 60, 64, 72)))
    assert set(note_sequence(score).notes) == {"0.4.7"}
