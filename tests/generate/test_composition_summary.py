"""What is said of bars, in words that musicians use."""

from dataclasses import replace

import numpy as np
import pytest

from scores import chord_part, part_of, score_of
from segue.generate.compose.composition import summarize
from segue.records import Score

#: Kick and snare in each quarter of a bar.
BEAT = [(float(beat), 0.25, pitch) for beat, pitch in enumerate((36, 38, 36, 38))]


def drums(*bars: list[tuple[float, float, int]]) -> Score:
    notes = [(4 * bar + at, n, p) for bar, some in enumerate(bars) for at, n, p in some]
    return score_of(part_of(*notes, drum=True))


def test_drums_that_keep_a_pattern_are_counted() -> None:
    other = [(at + 0.5, n, 42) for at, n, _ in BEAT]
    nearly = [*BEAT, (3.5, 0.25, 36)]
    score = drums(BEAT, BEAT, other, other, [*BEAT], nearly)
    found = summarize(score, 0, 6)
    assert (found.drum_bars, found.drum_bars_kept) == (5, 3)
    assert summarize(score, 2, 4).drum_bars_kept == 1  # the bar before is looked at, too


def test_parts_key_and_end_are_said() -> None:
    notes = [(at, 0.9, pitch) for at, pitch in enumerate((62, 65, 69, 65, 67, 64, 61, 64))]
    tune = part_of(*notes, (8, 4, 62), program=73)
    chords = [part_of((8, 4, 50), (8, 4, 57), (8, 4, 65), program=0), part_of((0, 1, 40))]
    score = score_of(tune, *chords)
    found = summarize(score, 0, 3)
    assert found.key == "D minor"
    assert found.last_chord == "Dm"
    assert found.ends_on_tonic
    assert [part.bars for part in found.parts] == [3, 1, 1]
    assert [part.name for part in found.parts] == ["flute", "grand piano", "grand piano"]
    assert (found.parts[0].lowest, found.parts[0].highest) == ("C#4", "A4")
    assert found.sentence == "3 bars, 3 of 3 parts play, in D minor, ends on Dm, the tonic"
    assert summarize(score, 1, 3).sentence.startswith("2 bars, 2 of 3 parts play")


def test_drums_alone_have_no_key_and_no_chord() -> None:
    found = summarize(drums(BEAT, BEAT), 0, 2)
    assert found.key == ""
    assert found.last_chord == ""
    assert "one part plays" in found.sentence
    assert "keep the pattern of the bar before in 1 of 1" in found.sentence


def test_silence_at_the_end_is_no_chord() -> None:
    score = score_of(chord_part((60, 64, 67)))
    assert summarize(score, 0, 1).last_chord == "C"
    silent = summarize(score, 0, 3)
    assert (silent.bars, silent.last_chord, silent.parts[0].bars) == (3, "", 1)
    behind = summarize(score, 1, 2)
    assert (behind.bars, behind.key, behind.parts[0].bars) == (1, "", 0)


def test_parts_of_one_name_are_told_apart_and_flat_keys_have_flats() -> None:
    tune = replace(chord_part((61, 65, 68), (66, 70, 73), (68, 72, 75), (61, 65, 68)), name="Song")
    found = summarize(score_of(tune, replace(tune, program=40)), 0, 4)
    assert [part.name for part in found.parts] == ["Song (grand piano)", "Song (violin)"]
    assert (found.key, found.last_chord) == ("Db major", "Db")
    assert (found.parts[0].lowest, found.parts[0].highest) == ("Db4", "Eb5")


@pytest.mark.parametrize(
    ("signed", "key", "last", "lowest"),
    [(-5, "Gb major", "Gb", "Gb4"), (-6, "Gb major", "Gb", "Gb4"), (3, "F# major", "F#", "F#4")],
)
def test_a_key_is_named_as_the_piece_is_signed(
    signed: int, key: str, last: str, lowest: str
) -> None:
    tune = chord_part((66, 70, 73), (71, 75, 78), (73, 77, 80), (66, 70, 73))
    score = replace(score_of(tune), keys=np.array([[0, signed, 0]], np.int32))
    found = summarize(score, 0, 4)
    assert (found.key, found.last_chord, found.parts[0].lowest) == (key, last, lowest)


def test_without_a_clear_key_pitches_are_spelled_as_the_piece_is_signed() -> None:
    score = score_of(chord_part((61, 62, 63), (64, 65, 68)))
    flat = replace(score, keys=np.array([[0, -4, 1]], np.int32))
    assert summarize(flat, 0, 2).key == ""
    assert [summarize(one, 0, 2).parts[0].lowest for one in (score, flat)] == ["C#4", "Db4"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "grand piano"), ("untitled", "grand piano"), ("Track 3", "grand piano"),
        ("MIDI Channel #10", "grand piano"), ("MIDI 2", "grand piano"), ("12", "grand piano"),
        ("Tracker", "Tracker"), ("Part song", "Part song"), ("Violin 2", "Violin 2"),
    ],
)  # fmt: skip
def test_names_of_parts_that_say_nothing_give_way_to_instruments(name: str, said: str) -> None:
    score = score_of(replace(chord_part((60, 64, 67)), name=name))
    assert [part.name for part in summarize(score, 0, 1).parts] == [said]
