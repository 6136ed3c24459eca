"""What DJs call keys: all 24, as printed on the Camelot wheel and in the Open Key chart."""

import pytest

from segue.theory.keys import camelot, open_key

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
