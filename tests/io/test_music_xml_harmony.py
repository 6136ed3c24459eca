"""Chords of MusicXML: every kind of the standard, with degrees, as the pitches they are."""

from xml.etree import ElementTree as ET

import pytest

from segue.io.musicxml_elements import read_harmony, write_harmony
from segue.theory.chords import NO_CHORD, parse_chord

Degree = tuple[int, int, str]


def element(
    kind: str, degrees: tuple[Degree, ...] = (), *, root: str = "C", text: str = "", more: str = ""
) -> ET.Element:
    text_attribute = f' text="{text}"' if text else ""
    each = "".join(
        f"<degree><degree-value>{value}</degree-value><degree-alter>{alter}</degree-alter>"
        f"<degree-type>{how}</degree-type></degree>"
        for value, alter, how in degrees
    )
    return ET.fromstring(
        f"<harmony><root><root-step>{root}</root-step></root><kind{text_attribute}>{kind}</kind>{more}{each}"
        "</harmony>"
    )


def semitones(harmony: ET.Element) -> set[int]:
    """Return the pitch classes of a chord, counted from its root, which they contain or not."""
    chord = parse_chord(read_harmony(harmony))
    return {(pitch - chord.root) % 12 for pitch in chord.classes}


KINDS = {
    "major": {0, 4, 7}, "minor": {0, 3, 7}, "augmented": {0, 4, 8}, "diminished": {0, 3, 6},
    "dominant": {0, 4, 7, 10}, "major-seventh": {0, 4, 7, 11}, "minor-seventh": {0, 3, 7, 10},
    "diminished-seventh": {0, 3, 6, 9}, "augmented-seventh": {0, 4, 8, 10},
    "half-diminished": {0, 3, 6, 10}, "major-minor": {0, 3, 7, 11}, "major-sixth": {0, 4, 7, 9},
    "minor-sixth": {0, 3, 7, 9}, "dominant-ninth": {0, 4, 7, 10, 2},
    "major-ninth": {0, 4, 7, 11, 2},
    "minor-ninth": {0, 3, 7, 10, 2}, "dominant-11th": {0, 4, 7, 10, 2, 5},
    "major-11th": {0, 4, 7, 11, 2, 5}, "minor-11th": {0, 3, 7, 10, 2, 5},
    "dominant-13th": {0, 4, 7, 10, 2, 9}, "major-13th": {0, 4, 7, 11, 2, 9},
    "minor-13th": {0, 3, 7, 10, 2, 9}, "suspended-second": {0, 2, 7}, "suspended-fourth": {0, 5, 7},
    "Neapolitan": {0, 4, 7}, "Italian": {0, 4, 10}, "French": {0, 4, 6, 10},
    "German": {0, 4, 7, 10}, "pedal": {0}, "power": {0, 7}, "Tristan": {0, 3, 6, 10},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("root", list("CDEFGAB"))
def test_every_kind_of_the_standard(kind: str, root: str) -> None:
    harmony_element = element(kind, root=root)
    assert semitones(harmony_element) == KINDS[kind]
    assert parse_chord(read_harmony(harmony_element)).root == "C D EF G A B".index(root)


def test_no_chord_has_no_root_that_a_program_could_print() -> None:
    """MuseScore 3 prints a root even where its text is empty."""
    harmony = ET.fromstring(write_harmony("N.C."))
    assert [child.tag for child in harmony] == ["function", "kind"]
    assert harmony[1].get("text") == "N.C."


def test_there_is_none() -> None:
    assert parse_chord(read_harmony(element("none"))) == NO_CHORD
    assert read_harmony(element("other")) == ""
    assert read_harmony(element("major", root="X")) == ""


@pytest.mark.parametrize(
    ("kind", "degrees", "expected"),
    [
        ("major", [(5, -1, "alter")], {0, 4, 6}),
        ("major", [(5, 1, "alter")], {0, 4, 8}),
        ("major", [(3, -1, "alter")], {0, 3, 7}),
        ("major", [(9, 0, "add")], {0, 4, 7, 2}),
        ("major", [(9, -1, "add")], {0, 4, 7, 1}),
        ("major", [(11, 1, "add")], {0, 4, 7, 6}),
        ("major", [(6, 0, "add")], {0, 4, 7, 9}),
        ("major", [(2, 0, "add")], {0, 4, 7, 2}),
        ("major", [(7, 0, "add")], {0, 4, 7, 10}),
        ("major", [(7, -1, "add")], {0, 4, 7, 10}),
        ("major", [(7, 1, "add")], {0, 4, 7, 11}),
        ("major", [(3, 0, "subtract")], {0, 7}),
        ("major", [(5, 0, "subtract")], {0, 4}),
        ("diminished", [(7, -2, "add")], {0, 3, 6, 9}),
        ("minor", [(5, -1, "alter")], {0, 3, 6}),
        ("minor", [(5, 1, "alter")], {0, 3, 8}),
        ("minor", [(3, 1, "alter")], {0, 4, 7}),
        ("minor", [(9, 0, "add")], {0, 3, 7, 2}),
        ("dominant", [(5, -1, "alter")], {0, 4, 6, 10}),
        ("dominant", [(5, 1, "alter")], {0, 4, 8, 10}),
        ("dominant", [(7, 1, "alter")], {0, 4, 7, 11}),
        ("dominant", [(9, -1, "add")], {0, 4, 7, 10, 1}),
        ("dominant", [(9, 1, "add")], {0, 4, 7, 10, 3}),
        ("dominant", [(13, -1, "add")], {0, 4, 7, 10, 8}),
        ("dominant", [(5, -1, "alter"), (9, -1, "add")], {0, 4, 6, 10, 1}),
        ("dominant", [(9, 1, "add"), (5, 1, "alter")], {0, 4, 8, 10, 3}),
        ("dominant-ninth", [(9, -1, "alter")], {0, 4, 7, 10, 1}),
        ("dominant-13th", [(11, 1, "add")], {0, 4, 6, 7, 10, 2, 9}),
        ("major-seventh", [(5, -1, "alter")], {0, 4, 6, 11}),
        ("major-seventh", [(11, 1, "add")], {0, 4, 7, 11, 6}),
        ("major-seventh", [(7, -1, "alter")], {0, 4, 7, 10}),
        ("minor-seventh", [(5, -1, "alter")], {0, 3, 6, 10}),
        ("minor-seventh", [(11, 0, "add")], {0, 3, 7, 10, 5}),
        ("diminished", [(5, 1, "alter")], {0, 3, 7}),
        ("diminished", [(7, -1, "add")], {0, 3, 6, 10}),
        ("augmented", [(7, 0, "add")], {0, 4, 8, 10}),
        ("suspended-fourth", [(7, -1, "add")], {0, 5, 7, 10}),
        ("suspended-fourth", [(7, 0, "add")], {0, 5, 7, 10}),
        ("suspended-fourth", [(9, 0, "add")], {0, 5, 7, 2}),
        ("suspended-second", [(4, 0, "add")], {0, 2, 5, 7}),
        ("power", [(9, 0, "add")], {0, 7, 2}),
        ("major-sixth", [(9, 0, "add")], {0, 4, 7, 9, 2}),
        ("half-diminished", [(9, 0, "add")], {0, 3, 6, 10, 2}),
    ],
)
@pytest.mark.parametrize("root", ["C", "F", "B"])
def test_degrees_change_the_quality_and_never_the_root(
    kind: str, degrees: list[Degree], expected: set[int], root: str
) -> None:
    harmony_element = element(kind, tuple(degrees), root=root)
    assert parse_chord(read_harmony(harmony_element)).root == {"C": 0, "F": 5, "B": 11}[root]
    assert semitones(harmony_element) == expected


def test_symbols_are_as_musicians_write_them() -> None:
    assert read_harmony(element("major", ((5, -1, "alter"),))) == "C(b5)"
    assert read_harmony(element("suspended-fourth", ((7, -1, "add"),), root="G")) == "G7sus4"
    assert read_harmony(element("minor-seventh", ((5, -1, "alter"),))) == "Cm7b5"
    bass = "<bass><bass-step>E</bass-step><bass-alter>-1</bass-alter></bass>"
    assert read_harmony(element("major", more=bass)) == "C/Eb"


@pytest.mark.parametrize(
    ("text", "expected"), [("7alt", "C7alt"), ("7(9)", "C7(9)"), ("Δ9", "CΔ9")]
)
def test_what_no_kind_says_is_read_from_its_text(text: str, expected: str) -> None:
    assert read_harmony(element("other", ((9, 0, "add"),), text=text)) == expected


@pytest.mark.parametrize("symbol", ["C(b5)", "F(#5)", "G7sus4", "Am7", "Bb/D", "N.C.", "C7(9)"])
def test_symbols_come_back_as_they_were(symbol: str) -> None:
    assert read_harmony(ET.fromstring(write_harmony(symbol))) == symbol


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("C7(9)", {0, 4, 7, 10, 2}), ("C7(13)", {0, 4, 7, 10, 9}), ("Cmaj7(9)", {0, 4, 7, 11, 2}),
        ("Cm7(11)", {0, 3, 7, 10, 5}), ("C7+", {0, 4, 8, 10}), ("C%7", {0, 3, 6, 10}),
        ("C%", {0, 3, 6, 10}), ("C7(b9)", {0, 4, 7, 10, 1}), ("C7(9,13)", {0, 4, 7, 10, 2, 9}),
        ("C7 (b9, 13)", {0, 4, 7, 10, 1, 9}), ("C(9)", {0, 4, 7, 2}), ("Cm(9)", {0, 3, 7, 2}),
        ("C(6/9)", {0, 4, 7, 9, 2}), ("C6/9", {0, 4, 7, 9, 2}), ("Cm(maj7)", {0, 3, 7, 11}),
        ("C7(#9)", {0, 4, 7, 10, 3}), ("C+", {0, 4, 8}), ("C+7", {0, 4, 8, 10}),
        ("C7+5", {0, 4, 8, 10}), ("C7+9", {0, 4, 7, 10, 3}), ("Cmaj7+", {0, 4, 8, 11}),
        ("C(add9)", {0, 4, 7, 2}), ("C(b5)", {0, 4, 6}), ("C9(13)", {0, 4, 7, 10, 2, 9}),
    ],
)  # fmt: skip
def test_symbols_of_japanese_and_brazilian_charts(symbol: str, expected: set[int]) -> None:
    assert set(parse_chord(symbol).classes) == expected
