"""A melody found, cut into frames or stretches, and what is written below it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scores import QUARTER, chord_part, part_of, score_of, tune
from segue.errors import BadArgument
from segue.generate.harmony.chorale_frames import melody_frames, soprano_shift, voice_parts
from segue.generate.harmony.chord_network import melody_slots
from segue.generate.harmony.harmonise import accompaniment
from segue.records import Part, Score
from segue.score.harmony import Chord
from segue.score.lines import extract_melody
from segue.score.timing import bar_grid

LINE = tune(72, 74, 76, 77)
CHORDS = chord_part((48, 52, 55))


def named(part: Part, name: str) -> Part:
    return replace(part, name=name)


# ---- which part --------------------------------------------------------------------------


def test_the_only_part_is_the_melody_and_its_highest_notes_count() -> None:
    score = score_of(part_of((0, 1, 60), (0, 2, 72), (1, 1, 67)))
    assert extract_melody(score).notes[:, 2].tolist() == [72, 67]
    assert extract_melody(score).notes[:, 1].tolist() == [2 * QUARTER, QUARTER]


@pytest.mark.parametrize(
    ("parts", "pitch"),
    [
        ((CHORDS, LINE), 72),  # the one that is a line
        ((LINE, tune(48, 50, 52, 53)), 72),  # the higher of two
        ((LINE, named(tune(60, 62), "Vocals")), 60),  # the one that is called so
        ((part_of((0, 1, 99), drum=True), LINE), 72),
    ],
)
def test_the_melody_part_is_detected(parts: tuple[Part, ...], pitch: int) -> None:
    assert extract_melody(score_of(*parts)).notes[0, 2] == pitch


def test_a_part_is_named_by_its_number_or_by_words_of_its_name() -> None:
    score = score_of(LINE, named(tune(60, 62), "Flute 1"), named(tune(50), "Cello"))
    assert extract_melody(score, "3").notes[0, 2] == 50
    assert extract_melody(score, "flute").notes[0, 2] == 60


@pytest.mark.parametrize(
    ("score", "part", "said"),
    [
        (score_of(part_of((0, 1, 36), drum=True)), "", "no note with a pitch"),
        (score_of(), "", "no note with a pitch"),
        (score_of(named(CHORDS, "Left"), named(CHORDS, "Right")), "", "2 'Right'"),
        (score_of(LINE), "7", "no part with notes is called '7'"),
        (score_of(named(LINE, "a"), named(LINE, "ab")), "a", "2 parts are called 'a'"),
    ],
)
def test_scores_without_a_melody_are_refused(score: Score, part: str, said: str) -> None:
    with pytest.raises(BadArgument, match=said):
        extract_melody(score, part)


# ---- frames ------------------------------------------------------------------------------


def test_a_frame_is_a_sixteenth_from_the_first_notes_beat_to_the_end() -> None:
    part = part_of((5.5, 0.5, 72), (6, 1.5, 74))
    frames = melody_frames(part, score_of(part))
    assert frames.start[[0, -1]].tolist() == [5 * QUARTER, 7.25 * QUARTER]
    assert frames.end[-1] == 7.5 * QUARTER
    assert frames.is_sung.tolist() == [False] * 2 + [True] * 8
    assert (frames.pitch - frames.shift).tolist() == [72] * 4 + [74] * 6


def test_in_compound_time_a_beat_has_four_frames() -> None:
    part = part_of(*((at / 2, 0.5, 72 + at) for at in range(6)))
    frames = melody_frames(part, score_of(part, time_signatures=[[0, 6, 8]]))
    assert (frames.pitch - frames.shift - 72).tolist() == [0, 1, 2, 2, 3, 4, 5, 5]
    assert np.diff(frames.start).tolist() == [12, 12, 6, 6, 12, 12, 6]


def test_voices_hold_through_short_rests_only() -> None:
    part = part_of((0, 1, 72), (2, 1, 74), (8, 1, 76))
    frames = melody_frames(part, score_of(part))
    assert (frames.pitch - frames.shift).tolist() == [72] * 8 + [74] * 4 + [76] * 4
    voices = np.tile([65, 60, 53], (len(frames), 1))
    alto = voice_parts(frames, voices, part)[1]
    assert alto.notes[:, :2].tolist() == [[0, 3 * QUARTER], [8 * QUARTER, QUARTER]]


def test_equal_frames_are_tied_and_the_melody_is_unchanged() -> None:
    part = part_of((0.03, 0.9, 72), (1, 0.45, 74), (1.5, 0.5, 74))  # played, not on the grid
    frames = melody_frames(part, score_of(part))
    voices = np.array([[65, 60, -1]] * 4 + [[65, 62, 50]] * 4)
    soprano, alto, tenor, bass = voice_parts(frames, voices + frames.shift * (voices > 0), part)
    assert soprano.notes is part.notes
    assert [each.name for each in (soprano, alto, tenor, bass)] == [
        "Soprano", "Alto", "Tenor", "Bass",
    ]  # fmt: skip
    assert alto.notes[:, 2].tolist() == [65]
    assert tenor.notes[:, 2].tolist() == [60, 62]
    assert bass.notes[:, 0].tolist() == [QUARTER]
    assert alto.notes[0, 0] == part.notes[0, 0]  # nobody begins before the melody


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.sampled_from([3, 6, 8, 12, 20, 24, 36, 70]), min_size=1, max_size=30),
    gaps=st.lists(st.sampled_from([0, 0, 0, 1, 12, 24, 100]), min_size=30, max_size=30),
    time_signature=st.sampled_from(
        [[0, 4, 4], [0, 3, 4], [0, 6, 8], [0, 2, 2], [0, 5, 8], [0, 9, 8]]
    ),
    low=st.integers(50, 90),
)
def test_frames_are_contiguous_and_in_the_soprano_range(
    lengths: list[int], gaps: list[int], time_signature: list[int], low: int
) -> None:
    at, notes = 0, []
    for place, length in enumerate(lengths):
        at += gaps[place]
        notes.append([at, length, low + place % 12, 80])
        at += length
    part = Part("", 0, False, np.array(notes, np.int32))
    frames = melody_frames(part, score_of(part, time_signatures=[time_signature]))
    assert (frames.end > frames.start).all()
    assert (frames.start[1:] >= frames.end[:-1]).all()
    assert ((frames.pitch >= 57) & (frames.pitch <= 81)).all()
    assert frames.end[-1] == at
    assert frames.start[0] <= notes[0][0]


def test_invalid_chorale_melodies_are_refused() -> None:
    with pytest.raises(BadArgument, match="too low for three voices"):
        soprano_shift(np.array([30, 33]))
    with pytest.raises(BadArgument, match="bar 1 is in 3/32"):
        melody_frames(LINE, score_of(LINE, time_signatures=[[0, 3, 32]]))
    long = part_of((0, 1, 72), (40_000, 1, 72))
    with pytest.raises(BadArgument, match="10001 bars; at most 1000"):
        melody_frames(long, score_of(long))


# ---- stretches ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time_signature", "places"),
    [
        ([0, 4, 4], [0, 1, 0, 1]),
        ([0, 2, 2], [0, 1, 0, 1]),
        ([0, 12, 8], [0, 1, 0, 1]),
        ([0, 3, 4], [2, 2, 2]),
        ([0, 6, 8], [2, 2, 2]),
        ([0, 2, 4], [2, 2, 2, 2]),
    ],
)
def test_bars_that_have_a_middle_are_halved(time_signature: list[int], places: list[int]) -> None:
    part = tune(*[60] * 8) if time_signature != [0, 12, 8] else tune(*[60] * 12)
    assert (
        melody_slots(part, score_of(part, time_signatures=[time_signature])).position.tolist()
        == places
    )


def test_the_cells_of_a_slot_hold_what_sounds_in_them() -> None:
    part = part_of((4, 0.5, 60), (4.49, 1.01, 62), (5.5, 2, 64))
    slots = melody_slots(part, score_of(part))
    assert slots.bar.tolist() == [1, 1]  # a bar of rest before counts for nothing
    assert slots.pitch_classes[0, :, 0].tolist() == [1] * 3 + [0] * 9
    assert slots.pitch_classes[0, 3:9, 2].tolist() == [1] * 6
    assert slots.pitch_classes[1, :9, 4].tolist() == [1] * 9  # held from before
    assert slots.pitch_classes[1, 9:].sum() == 0
    # A note that begins a little early begins in the cell that it mostly sounds in.
    assert slots.onsets.nonzero()[1].tolist() == [0, 3, 9]
    assert slots.heights[1, [0, 11]].tolist() == pytest.approx([2 / 12, 0])


def test_a_note_that_never_ends_and_too_many_bars_cost_little() -> None:
    part = Part("", 0, False, np.array([[0, 2**30, 60, 90], [96, 24, 62, 90]], np.int32))
    with pytest.raises(BadArgument, match="bars"):
        melody_slots(part, score_of(part))


# ---- accompaniment -----------------------------------------------------------------------


def test_chords_move_little_below_the_melody_and_are_struck_each_bar() -> None:
    melody = tune(72, 74, 76, 77, 79, 77, 76, 74, 72, 71, 69, 71, 72, 72, 72, 72)
    roots, tones = (0, 5, 7, 0), ((0, 4, 7), (0, 4, 7), (0, 4, 7, 10), (0, 4, 7))
    chords = [
        Chord(bar, 96 * bar, 96 * (bar + 1), "", root, root, "") for bar, root in enumerate(roots)
    ]
    played = accompaniment(chords, tones, bar_grid(score_of(melody)).edges, melody)
    assert played.notes[:, 0].tolist() == sorted([0, 96, 192, 288] * 4)
    for number, (root, above) in enumerate(zip(roots, tones, strict=True)):
        bass, *others = played.notes[4 * number : 4 * number + 4, 2].tolist()
        assert bass % 12 == root
        assert {pitch % 12 for pitch in (bass, *others)} == {(root + tone) % 12 for tone in above}
        assert max(others) < 72
    upper = played.notes[:, 2].reshape(4, 4)[:, 1:]
    assert np.abs(np.diff(upper, axis=0)).max() <= 4
    assert played.notes[:, 3].max() < 90


@pytest.mark.parametrize("root", range(12))
def test_below_a_low_melody_no_note_is_struck_twice(root: int) -> None:
    chords = [Chord(0, 0, 96, "", root, root, ""), Chord(1, 96, 192, "", (root + 7) % 12, 0, "")]
    played = accompaniment(chords, [(0, 3, 7)] * 2, np.array([0, 96, 192]), tune(50, 52, 53, 55))
    for at in (0, 96):
        pitches = played.notes[played.notes[:, 0] == at, 2]
        assert (np.diff(pitches) > 0).all()
        assert pitches[0] <= pitches[1] - 3


def test_a_chord_over_several_bars_is_struck_in_each() -> None:
    chord = Chord(0, 0, 192, "C", 0, 0, "")
    silent = Chord(2, 192, 288, "N.C.", -1, -1, "")
    played = accompaniment([chord, silent], [(0, 4, 7), ()], np.array([0, 96, 192, 288]), LINE)
    assert sorted(set(played.notes[:, 0].tolist())) == [0, 96]
