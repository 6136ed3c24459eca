"""Tokens of scores: there and back, and nothing but scores from what may come."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.errors import BadArgument
from segue.generate.compose import tokens
from segue.generate.compose.grammar import GrammarState, decode, encode, encode_bar
from segue.generate.compose.tokens import (
    BEGIN,
    END,
    FIRST_TOKEN,
    VOCABULARY_SIZE,
    Bar,
    Note,
    score_to_bars,
    token_name,
)
from segue.records import Part, Score
from segue.theory.instruments import DRUMS

NOTES = st.lists(
    st.tuples(
        st.integers(0, 300),
        st.integers(1, tokens.MAX_DURATION),
        st.integers(0, 127),
        st.integers(0, 7).map(lambda loudness: 16 * loudness + 8),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda row: (row[0], row[2]),
)


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """Make scores on the grid, whose metres begin where a bar begins."""
    parts = []
    for program in draw(st.lists(st.integers(0, 128), min_size=1, max_size=4, unique=True)):
        rows = sorted(draw(NOTES), key=lambda row: (row[0], row[2]))
        notes = np.array(rows, np.int32)
        if program == DRUMS:
            notes[:, 1] = tokens.DRUM_DURATION
            parts.append(Part("drums", 0, True, notes))
        else:
            parts.append(Part("", program, False, notes))
    parts.sort(key=lambda part: (part.is_drum, part.program))
    time_signatures: list[tuple[int, int, int]] = []
    tempos, at = [(0, 120.0)], 0
    for _ in range(draw(st.integers(1, 3))):
        beats, unit = draw(st.sampled_from(tokens.TIME_SIGNATURES))
        if not time_signatures or time_signatures[-1][1:] != (beats, unit):
            time_signatures.append((at, beats, unit))
        if draw(st.booleans()):
            bpm = 120 * 2 ** ((draw(st.integers(0, 30)) - 18) / 9)
            tempos = [one for one in tempos if one[0] != at]
            if not tempos or tempos[-1][1] != bpm:
                tempos.append((at, bpm))
        at += beats * 48 // unit * draw(st.integers(1, 3))
    last = max(int((part.notes[:, 0]).max()) for part in parts)
    return Score(
        "",
        12,
        tuple(parts),
        np.array([one for one in tempos if one[0] <= last], np.float64),
        np.array([one for one in time_signatures if one[0] <= last], np.int32),
        np.empty((0, 3), np.int32),
    )


def same(one: Score, other: Score) -> bool:
    return len(one.parts) == len(other.parts) and all(
        (first.program, first.is_drum) == (second.program, second.is_drum)
        and np.array_equal(first.notes, second.notes)
        for first, second in zip(one.parts, other.parts, strict=True)
    )


def test_pedals_come_back() -> None:
    notes = np.array([[0, 12, 60, 88], [90, 6, 62, 88]], np.int32)
    pedals = np.array([[0, 1], [36, 0], [36, 1], [50, 0], [60, 1]], np.int32)
    nothing = np.empty((0, 3), np.int32)
    score = Score("", 12, (Part("", 0, False, notes, pedals),), np.empty((0, 2)), nothing, nothing)
    again = decode(encode(score)).parts[0].pedals.tolist()
    assert again == [*pedals.tolist(), [96, 0]]  # lifted where the last bar ends


@given(scores())
def test_a_score_on_the_grid_comes_back_exactly(score: Score) -> None:
    written = encode(score)
    again = decode(written)
    assert same(again, score)
    assert np.array_equal(again.time_signatures, score.time_signatures)
    assert np.allclose(again.tempos, score.tempos)
    assert np.array_equal(encode(again), written)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_whatever_may_come_is_a_score_and_the_only_way_to_write_it(
    seed: int, narrowed: bool
) -> None:
    rng = np.random.default_rng(seed)
    ranges = {0: (60, 62), 33: (28, 30), DRUMS: (35, 37)}
    reading = GrammarState(list(ranges), ranges) if narrowed else GrammarState()
    sampled: list[int] = []
    while not reading.ended and len(sampled) < 120:
        may = reading.allowed()
        # Kinds alike, or nearly all tokens would be instruments.
        kinds = sorted({tokens.TOKEN_KINDS[token] for token in np.flatnonzero(may).tolist()})
        kind = rng.choice(kinds)
        choices = [token for token in np.flatnonzero(may) if tokens.TOKEN_KINDS[token] == kind]
        sampled.append(int(rng.choice(choices)))
        reading.consume(sampled[-1])
    for note in [note for bar in reading.bars for note in bar.notes]:
        low, high = ranges.get(note.instrument, (0, 127)) if narrowed else (0, 127)
        assert low <= note.pitch <= high
        assert not narrowed or note.instrument in ranges
    if reading.ended:
        assert not reading.allowed().any()
        written = [token for bar in reading.bars for token in encode_bar(bar)]
        assert [*written, END] == sampled[-len(written) - 1 :]
        if any(bar.notes for bar in reading.bars):
            again = score_to_bars(decode(sampled))
            assert heard(again) == heard(reading.bars)


def heard(bars: list[Bar]) -> list[tuple[int, Note]]:
    return sorted((place, note) for place, bar in enumerate(bars) for note in bar.notes)


def test_a_melody_over_a_bass_reads_as_a_musician_would_say_it() -> None:
    melody = np.array([[0, 12, 72, 88], [12, 6, 74, 88], [18, 60, 76, 100]], np.int32)
    bass = np.array([[0, 24, 40, 88]], np.int32)
    kick = np.array([[0, 3, 36, 88]], np.int32)
    score = Score(
        "",
        12,
        (Part("", 73, False, melody), Part("", 33, False, bass), Part("", 0, True, kick)),
        np.array([[0, 120.0]]),
        np.array([[0, 3, 4]], np.int32),
        np.empty((0, 3), np.int32),
    )
    assert [token_name(token) for token in encode(score).tolist()] == [
        *("begin", "fingered bass", "flute", "drums", "bar 3/4", "120 bpm"),
        *("step 0", "fingered bass", "E2", "24 steps"),
        *("flute", "C5", "12 steps", "drums", "kick"),
        *("step 12", "flute", "D5", "6 steps"),
        *("step 18", "velocity 104", "E5", "48 steps and", "12 steps", "end"),
    ]


def test_notes_move_to_the_grid_and_those_alike_become_one() -> None:
    rows = np.array([[1, 100, 60, 90], [3, 400, 60, 90], [475, 20, 60, 90]], np.int32)
    score = Score(
        "",
        480,
        (Part("a", 5, False, rows), Part("b", 5, False, rows[:1])),
        np.array([[0, 119.0]]),
        np.array([[0, 4, 4]], np.int32),
        np.empty((0, 3), np.int32),
    )
    again = decode(encode(score))
    assert again.parts[0].notes.tolist() == [[0, 10, 60, 88], [12, 1, 60, 88]]
    assert again.tempos.tolist() == [[0, 120]]


def test_a_note_moved_to_the_end_of_the_last_bar_opens_another() -> None:
    rows = np.array([[0, 10, 60, 88], [1919, 1, 62, 88]], np.int32)
    nothing = np.empty((0, 3), np.int32)
    score = Score("", 480, (Part("a", 5, False, rows),), np.empty((0, 2)), nothing, nothing)
    assert decode(encode(score)).parts[0].notes[:, 0].tolist() == [0, 48]


def test_what_is_no_score_is_refused_by_its_place() -> None:
    with pytest.raises(BadArgument, match=r"token 1 \(end\) cannot come at the beginning"):
        decode([END])
    with pytest.raises(BadArgument, match=r"\(C-1\) cannot come after a bar"):
        decode([BEGIN, FIRST_TOKEN["bar"], FIRST_TOKEN["pitch"]])
    with pytest.raises(BadArgument, match="cannot come after a begin"):
        decode([BEGIN, VOCABULARY_SIZE])
    with pytest.raises(BadArgument, match="these bars hold no note"):
        decode([BEGIN, FIRST_TOKEN["bar"], FIRST_TOKEN["tempo"]])
    with pytest.raises(BadArgument, match="no instrument may play"):
        GrammarState([])
    with pytest.raises(BadArgument, match="a range from 60 to 50"):
        GrammarState(ranges={0: (60, 50)})
    rows = np.array([[0, 10, 60, 88]], np.int32)
    odd = Score(
        "",
        480,
        (Part("a", 5, False, rows),),
        np.empty((0, 2)),
        np.array([[0, 13, 4]], np.int32),
        np.empty((0, 3), np.int32),
    )
    with pytest.raises(BadArgument, match="bar 1 is in 13/4"):
        encode(odd)
