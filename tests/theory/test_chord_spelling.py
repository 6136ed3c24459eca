"""Chords are spelled as musicians write them in the key."""

import pytest

from segue.theory.chords import spell_chord
from segue.theory.keys import key_signature, spell_tonic

ROOTS = {"C": 0, "Db": 1, "D": 2, "Eb": 3, "E": 4, "F": 5, "F#": 6, "G": 7, "Ab": 8, "A": 9,
         "Bb": 10, "B": 11}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "names"),
    [
        # The chords of each key, and those it borrows: from the parallel key, secondary dominants.
        ((0, False), "C Dm Em F G7 Am Bdim Bb Eb Ab Fm A7 B7 D7 E7 Db7 G#dim7 C#dim7 F#dim7"),
        ((0, True), "Am Bdim C Dm E7 F G Bb B7 G#dim7 A7/C# E7/G#"),
        ((-1, True), "Dm Edim F Gm A7 Bb C Bb7 A7/C# F#7 F#7/A# Eb C#dim7 Gm/Bb"),
        ((-4, True), "Fm Gdim Ab Bbm C7 Db Eb7 Gb C7/E Edim7"),
        ((2, False), "D Em F#m G A7 Bm C#dim F#7 F#7/A# Bb E7 B7/D# A7/C# G/B"),
        ((4, False), "E F#m G#m A B7 C#m D#dim G#7 C C#7 F#7/A#"),
        ((4, True), "C#m D#dim E F#m G#7 A B G#7/B# D"),
        ((-3, False), "Eb Fm Gm Ab Bb7 Cm Ddim G7 F7/A Gb B"),
        ((-5, False), "Db Ebm Fm Gb Ab7 Bbm Cdim F7 Cb"),
        ((1, True), "Em F#dim G Am B7 C D B7/D# D#dim7 Bb"),
        ((6, False), "F# G#m A#m B C#7 D#m C#7/E#"),
    ],
)
def test_chords_have_their_usual_names_in_the_key(key: tuple[int, bool], names: str) -> None:
    sharps, is_minor = key
    for name in names.split():
        chord, _, bass = name.partition("/")
        letters = chord[:2] if chord[1:2] in ("#", "b") else chord[:1]
        quality = chord[len(letters) :]
        root = pitch_class(letters)
        below = pitch_class(bass) if bass else root
        assert spell_chord(root, quality, below, sharps, is_minor=is_minor) == name


def pitch_class(name: str) -> int:
    return ("C D EF G A B".index(name[0]) + name.count("#") - name[1:].count("b")) % 12


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize("is_minor", [False, True])
def test_a_key_has_at_most_six_signs_and_its_tonic_is_of_its_scale(
    tonic: int, is_minor: bool
) -> None:
    sharps = key_signature(tonic, is_minor=is_minor)
    assert -5 <= sharps <= 6
    name = spell_tonic(tonic, is_minor=is_minor)
    assert pitch_class(name) == tonic
    assert spell_chord(tonic, "m" * is_minor, tonic, sharps, is_minor=is_minor) == name + (
        "m" * is_minor
    )


@pytest.mark.parametrize("sharps", range(-7, 8))
@pytest.mark.parametrize("is_minor", [False, True])
@pytest.mark.parametrize("quality", ["", "m", "7", "maj7", "dim", "m7b5", "dim7", "aug"])
def test_no_root_has_a_double_sign(sharps: int, is_minor: bool, quality: str) -> None:
    for root in range(12):
        for bass in range(12):
            name = spell_chord(root, quality, bass, sharps, is_minor=is_minor)
            assert "##" not in name
            assert "bb" not in name
            head, _, tail = name.partition("/")
            assert pitch_class(head[:2] if head[1:2] in ("#", "b") else head[:1]) == root
            assert not tail or pitch_class(tail) == bass
