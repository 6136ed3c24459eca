"""What DJs call keys: all 24, as printed on the Camelot wheel and in the Open Key chart."""

import pytest

from segue.theory.keys import (
    camelot,
    fifths_name,
    fifths_position,
    open_key,
    signature_accidentals,
)

#: Key, Camelot, Open Key.
KEYS = [
    ("C major", "8B", "1d"), ("A minor", "8A", "1m"),
    ("G major", "9B", "2d"), ("E minor", "9A", "2m"),
    ("D major", "10B", "3d"), ("B minor", "10A", "3m"),
    ("A major", "11B", "4d"), ("F# minor", "11A", "4m"),
    ("E major", "12B", "5d"), ("C# minor", "12A", "5m"),
    ("B major", "1B", "6d"), ("Ab minor", "1A", "6m"),
    ("F# major", "2B", "7d"), ("Eb minor", "2A", "7m"),
    ("Db major", "3B", "8d"), ("Bb minor", "3A", "8m"),
    ("Ab major", "4B", "9d"), ("F minor", "4A", "9m"),
    ("Eb major", "5B", "10d"), ("C minor", "5A", "10m"),
    ("Bb major", "6B", "11d"), ("G minor", "6A", "11m"),
    ("F major", "7B", "12d"), ("D minor", "7A", "12m"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "place", "code"), KEYS)
def test_every_key_has_its_place(key: str, place: str, code: str) -> None:
    assert camelot(key) == place
    assert open_key(key) == code


def test_the_table_is_whole() -> None:
    assert len({key for key, _, _ in KEYS}) == len({place for _, place, _ in KEYS}) == 24


@pytest.mark.parametrize(
    ("key", "same"),
    [("C# major", "Db major"), ("G# minor", "Ab minor"), ("D# minor", "Eb minor"),
     ("A# minor", "Bb minor"), ("Gb major", "F# major")],
)  # fmt: skip
def test_both_names_of_a_key_have_its_place(key: str, same: str) -> None:
    assert camelot(key) == camelot(same)


@pytest.mark.parametrize("key", ["", "H major", "C", "C dorian", "major"])
def test_what_is_no_key_has_none(key: str) -> None:
    assert camelot(key) == open_key(key) == ""


#: Key signature, its major and its minor key, and the letters that it alters.
SIGNATURES = [
    (-7, "Cb", "Ab", "BEADGCF"), (-6, "Gb", "Eb", "BEADGC"), (-5, "Db", "Bb", "BEADG"),
    (-4, "Ab", "F", "BEAD"), (-3, "Eb", "C", "BEA"), (-2, "Bb", "G", "BE"), (-1, "F", "D", "B"),
    (0, "C", "A", ""), (1, "G", "E", "F"), (2, "D", "B", "FC"), (3, "A", "F#", "FCG"),
    (4, "E", "C#", "FCGD"), (5, "B", "G#", "FCGDA"), (6, "F#", "D#", "FCGDAE"),
    (7, "C#", "A#", "FCGDAEB"),
]  # fmt: skip


@pytest.mark.parametrize(("sharps", "major", "minor", "letters"), SIGNATURES)
def test_key_signatures(sharps: int, major: str, minor: str, letters: str) -> None:
    assert (fifths_name(sharps), fifths_name(sharps + 3)) == (major, minor)
    assert (fifths_position(major), fifths_position(minor)) == (sharps, sharps + 3)
    step = 1 if sharps > 0 else -1
    assert signature_accidentals(sharps) == dict.fromkeys(letters, step)
