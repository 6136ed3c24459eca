"""Forms of verse: parsed, and kept by every line that a constraint lets through."""

import numpy as np
import pytest

from segue.errors import BadArgument
from segue.generate.copying import NgramFilter
from segue.generate.lyrics.form import LineForm, parse_meter, parse_sections, parse_syllables
from segue.generate.lyrics.form_report import form_figures, meter_agreement
from segue.generate.lyrics.lexicon import Lexicon
from segue.generate.lyrics.line_search import FormedLine, LineState
from segue.generate.lyrics.sampler import LyricsOptions
from segue.generate.lyrics.theme import Theme
from segue.generate.lyrics.vocabulary import NEWLINE, decode
from segue.lyrics.phonetics import split_words, word_list
from segue.lyrics.pronunciation import sound

WORDS = word_list(
    "the a of and sea moon soon river never again before shore o'er tis light night "
    "delight morning remember december over upon love above wild child quiet bright "
    "forever heaven "
)


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon(dict.fromkeys(WORDS, 60), "en")


def random_line(line: FormedLine, rng: np.random.Generator) -> str:
    tokens: list[int] = []
    state = LineState()
    while not tokens or tokens[-1] != NEWLINE:
        allowed = np.flatnonzero(line.mask(tokens, state))
        assert len(allowed), decode(tokens)
        tokens.append(int(rng.choice(allowed)))
        state = line.advance(state, tokens[-1])
    return decode(tokens).strip()


@pytest.mark.parametrize("meter", ["wswswsws", "wswsws", "swsw", "wswwswws", "x", "xxxxxxx"])
def test_every_line_keeps_the_metre_and_has_no_dead_end(lexicon: Lexicon, meter: str) -> None:
    rng = np.random.default_rng(0)
    line = FormedLine(lexicon, meter, lexicon.endings())
    for _ in range(40):
        text = random_line(line, rng)
        words = [word.lower() for word in split_words(text)]
        assert set(words) <= set(lexicon.words)
        assert sum(len(sound(word).stress) for word in words) == len(meter)
        assert all(meter_agreement(text, meter, "en"))


def test_a_line_ends_on_a_word_that_rhymes(lexicon: Lexicon) -> None:
    rng = np.random.default_rng(1)
    line = FormedLine(lexicon, "wswswsws", lexicon.rhyming(["night"]))
    ends = {split_words(random_line(line, rng))[-1].lower() for _ in range(60)}
    assert ends == {"light", "delight", "bright"}


def test_a_rhyme_that_no_word_has(lexicon: Lexicon) -> None:
    with pytest.raises(BadArgument, match="no known words"):
        FormedLine(lexicon, "ws", lexicon.rhyming(["orange"]))


def test_favoured_words_add_up_to_their_value(lexicon: Lexicon) -> None:
    values = np.zeros(len(lexicon.words), np.float32)
    values[lexicon.words.index("river")] = 3
    line = FormedLine(lexicon, "xxxx", lexicon.endings(), values)
    state, total = LineState(), 0.0
    for character in "river":
        bias = line.bias(state)
        assert bias is not None
        token = ord(character) - ord(" ") + 2
        total += float(bias[token])
        state = line.advance(state, token)
    end = line.bias(state)
    assert end is not None
    assert total + float(end[NEWLINE]) == pytest.approx(3)


def test_forms_are_parsed() -> None:
    assert parse_meter("iambic-4,iambic-3") == ("wswswsws", "wswsws")
    assert parse_syllables("8, 6") == ("x" * 8, "x" * 6)
    assert parse_sections("verse-chorus-Bridge") == ("verse", "chorus", "bridge")
    sonnet = LyricsOptions(form="sonnet")
    assert (sonnet.total_lines, sonnet.lines_per_stanza) == (14, 14)
    song = LyricsOptions(100, form="verse-chorus-verse-chorus-bridge-chorus", rhyme="ABAB")
    assert song.total_lines == 24
    assert [song.section(at) for at in (1, 4)] == ["chorus", "bridge"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"meter": "iambic"}, "iambic-4"),
        ({"meter": "iambic-9"}, "feet"),
        ({"syllables": "8,x"}, "8,6,8,6"),
        ({"syllables": "99"}, "from 1 to"),
        ({"form": "villanelle"}, "sonnet"),
        ({"form": "sonnet", "rhyme": "AA"}, "leave"),
        ({"meter": "iambic-4", "syllables": "8"}, "one of them"),
        ({"locked": ((99, "x"),)}, "locked"),
        ({"locked": ((4, "x"),), "form": "haiku"}, "locked line is not among the 3"),
        ({"locked": ((12, "x"),), "form": "verse-chorus-verse-chorus"}, "lock line 5"),
        ({"locked": ((0, "x"),), "seed_line": "y"}, "both give the first line"),
    ],
)
def test_forms_that_cannot_be(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        LyricsOptions(**wrong)  # type: ignore[arg-type]


def test_a_chorus_may_be_locked_where_it_begins_and_where_it_is_repeated() -> None:
    options = LyricsOptions(locked=((4, "x"), (12, "x")), form="verse-chorus-verse-chorus")
    assert options.total_lines == 16


def test_figures_say_what_is_kept() -> None:
    forms = [LineForm("wsws", "A"), LineForm("wsws", "A")]
    figures = form_figures([["Upon the shore", "Again before"]], forms, "en")
    assert (figures.rhymes_asked, figures.rhymes_kept) == (1, 1)
    assert (figures.syllables_asked, figures.syllables_kept) == (2, 2)
    figures = form_figures([["Upon the shore", "River again"]], forms, "en")
    assert (figures.rhymes_kept, figures.syllables_kept) == (0, 2)
    assert figures.stresses_kept < figures.stresses_asked


def test_lines_without_words_do_not_shift_rhymes() -> None:
    forms = [LineForm("", letter) for letter in "ABAB"]
    figures = form_figures([["Upon the shore", "---", "Again before", "The moon"]], forms, "en")
    assert (figures.rhymes_asked, figures.rhymes_kept) == (1, 1)


def test_a_theme_has_the_words_that_stand_near_it() -> None:
    songs = ["The sea was wild\nThe waves were high\nThe ship went down\n" * 5] * 3
    songs += ["The meadow green\nThe lambs at play\nThe sun was high\n" * 5] * 3
    theme = Theme.of("the sea", songs)
    assert {"sea", "waves", "ship"} <= theme.words.keys()
    assert not theme.words.keys() & {"the", "lambs", "meadow"}
    before = theme.bonus("waves upon the sea")
    theme.use("waves upon the sea")
    assert before > theme.bonus("waves upon the sea") > theme.bonus("lambs at play") == 0
    with pytest.raises(BadArgument, match="theme"):
        Theme.of("of the", songs)


def test_nine_words_in_a_row_of_a_corpus_are_always_found() -> None:
    rng = np.random.default_rng(0)
    words = [f"word{number}" for number in rng.integers(500, size=4000)]
    members = NgramFilter.build([words])
    assert members.longest_copy == 8
    for start in range(0, 3900, 7):
        assert members.contains(words[start : start + 9]).any()
    others = [f"other{number}" for number in range(2000)]
    assert members.contains(others).mean() < 0.01
    again = NgramFilter.decompress(members.compress())
    assert again.contains(words).tolist() == members.contains(words).tolist()
    assert not NgramFilter.build([["too", "few"]]).contains(words).any()
