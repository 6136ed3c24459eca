"""Words divided into syllables, as they stand under notes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.lyrics.pronunciation import sound
from segue.lyrics.spelling import Language
from segue.lyrics.syllables import sung_syllables, syllabify

DIVIDED: dict[Language, str] = {
    "en": "beau-ti-ful li-on po-em lit-tle loved wan-ted pow-er moun-tains peo-ple world i-de-a "
    "walked ap-ple mas-ter nev-er bet-ter fa-ther no-thing qui-et play-er be-ing care-less riv-er "
    "king-dom thou-sand sor-row to-mor-row cre-a-tion yes-ter-day our fire queue",
    "de": "Ro-sen Früh-lings-ge-fühl Träu-me wan-dern Kö-ni-gin geht se-hen Treu-e e-wig "
    "Ge-lieb-te schön Fens-ter Was-ser sin-gen Him-mel Schmet-ter-ling",
    "fr": "belle pe-tite rose a-mour beau-té fleurs oi-seaux chante so-leil heu-reux ai-mer lune "
    "cam-pagne es-poir gui-tare l'a-mour nuit suis oui Lou-is",
    "es": "co-ra-zón cie-lo dí-a po-e-sí-a ciu-dad a-gua bue-no llu-via hom-bre es-tre-lla gue-rra "
    "ca-lle pe-rro vien-to",
    "it": "cuo-re a-mo-re cit-tà gior-no mio pau-ra bel-la fiu-me quan-do que-sto ve-sti-re so-gno "
    "fi-glia cie-lo dol-ce gio-ia",
}


@pytest.mark.parametrize(
    ("divided", "language"),
    [(word, language) for language, words in DIVIDED.items() for word in words.split()],
)
def test_words_are_divided_as_in_print(divided: str, language: Language) -> None:
    assert "-".join(syllabify(divided.replace("-", ""), language)) == divided


@given(st.from_regex(r"[A-Za-zäöüßéèêçœñíóàùì']{1,20}", fullmatch=True),
       st.sampled_from(["en", "de", "fr", "es", "it", "other"]))  # fmt: skip
def test_any_word_has_as_many_syllables_as_its_sound(word: str, language: Language) -> None:
    parts = syllabify(word, language)
    assert "".join(parts) == word
    assert len(parts) == len(sound(word, language).stress)


def test_punctuation_stays_with_its_word() -> None:
    sung = sung_syllables("“O new-chum, o’er the hills — never!”", "en")
    assert sung == [
        ("“O", "single"), ("new-", "single"), ("chum,", "single"), ("o’er", "single"),
        ("the", "single"), ("hills —", "single"), ("nev", "begin"), ("er!”", "end"),
    ]  # fmt: skip


def test_a_line_without_words_has_no_syllables() -> None:
    assert sung_syllables("— … 12", "en") == []
