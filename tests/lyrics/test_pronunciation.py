"""Syllables, stress and rhyme of words, by dictionary, letter-to-sound network and rules."""

import pytest

from segue.lyrics.pronunciation import sound
from segue.lyrics.spelling import Language, detect_language


@pytest.mark.parametrize(
    ("first", "second", "language"),
    [
        ("moon", "June", "en"), ("love", "above", "en"), ("eight", "late", "en"),
        ("through", "true", "en"), ("flower", "hour", "en"), ("o'er", "before", "en"),
        ("pass'd", "last", "en"), ("seem'd", "dreamed", "en"), ("remember", "December", "en"),
        ("heav'n", "seven", "en"), ("heart's", "parts", "en"),
        ("Herz", "Schmerz", "de"), ("Mondenschein", "sein", "de"), ("Tag", "sprach", "other"),
        ("geboren", "verloren", "de"), ("Liebe", "Triebe", "de"), ("Hand", "bekannt", "de"),
        ("beauté", "chanter", "fr"), ("jour", "amour", "fr"), ("belle", "éternelle", "fr"),
        ("corazón", "canción", "es"), ("cielo", "velo", "es"), ("poesía", "alegría", "es"),
        ("città", "libertà", "it"), ("cuore", "amore", "it"), ("vita", "ferita", "it"),
    ],
)  # fmt: skip
def test_words_that_rhyme(first: str, second: str, language: Language) -> None:
    expected = language != "other"
    assert sound(first, language).rhymes_with(sound(second, language)) is expected


@pytest.mark.parametrize(
    ("first", "second", "language"),
    [
        ("love", "move", "en"), ("one", "crown", "en"), ("single", "free", "en"),
        ("step", "footstep", "en"), ("blood", "good", "en"), ("night", "night", "en"),
        ("Tag", "Nacht", "de"), ("amour", "amor", "fr"), ("casa", "cama", "es"),
        ("amore", "amaro", "it"),
    ],
)  # fmt: skip
def test_words_that_do_not(first: str, second: str, language: Language) -> None:
    assert not sound(first, language).rhymes_with(sound(second, language))


@pytest.mark.parametrize(
    ("word", "stress", "language"),
    [
        ("the", "0", "en"), ("river", "10", "en"), ("again", "01", "en"),
        ("imagination", "22010", "en"), ("walked", "1", "en"), ("o'er", "1", "en"),
        ("Himmel", "10", "de"), ("geboren", "010", "de"), ("studieren", "010", "de"),
        ("Melodie", "001", "de"), ("éternelle", "001", "fr"), ("lágrima", "100", "es"),
        ("canción", "01", "es"), ("ciudad", "01", "es"), ("virtù", "01", "it"),
        ("ferita", "010", "it"), ("gioia", "10", "it"), ("aiuto", "010", "it"), ("miei", "1", "it"),
        ("nuit", "1", "fr"), ("ruisseau", "01", "fr"), ("pluie", "1", "fr"), ("oui", "1", "fr"),
        ("jouir", "01", "fr"), ("aiguille", "01", "fr"), ("août", "1", "fr"),
    ],
)  # fmt: skip
def test_stress_of_syllables(word: str, stress: str, language: Language) -> None:
    assert sound(word, language).stress == stress


def test_words_that_no_dictionary_has_are_pronounced() -> None:
    assert len(sound("glimmerance").stress) == 3
    assert sound("snarkfight").rhymes_with(sound("delight"))
    assert sound("дождь").rhyme  # of another script, by its vowels
    assert sound("'").stress


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The sea is calm tonight, the tide is full, and it is not for thee", "en"),
        ("Ich weiß nicht, was soll es bedeuten, daß ich so traurig bin", "de"),
        ("Sous le pont Mirabeau coule la Seine et nos amours, vienne la nuit dans une", "fr"),
        ("En un lugar de la Mancha, de cuyo nombre no quiero acordarme, y el sol", "es"),
        ("Nel mezzo del cammin di nostra vita mi ritrovai che la diritta via", "it"),
        ("Пусть всегда будет солнце", "other"),
        ("", "other"),
    ],
)
def test_the_language_of_a_text(text: str, language: Language) -> None:
    assert detect_language(text) == language
