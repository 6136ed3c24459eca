"""ABC is read as it is written: keys, lengths, repeats, parts, voices; what is none says why."""

from pathlib import Path

import pytest
from make_scores import Read, melody, reader

from segue.errors import Unreadable
from segue.io.scores import UnreadableTune, read_score_tags, read_scores
from segue.records import Score


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return reader(tmp_path)


HEAD = "X:1\nT:Try\nM:3/4\nL:1/4\nK:{}\n"


@pytest.mark.parametrize(
    ("key", "music", "pitches"),
    [
        ("D", "F C f' c,|", [66, 61, 90, 61]),
        ("Am", "G ^G G|G g3|", [67, 68, 68, 67, 79]),
        ("C", "^c C ^^F|__B =C2|", [73, 61, 67, 69, 60]),
        ("Bb", "B E|", [70, 63]),
        ("E dorian", "f c2|", [78, 73]),
        ("D exp _e", "e f2|", [75, 77]),
        ("none", "f c2|", [77, 72]),
        ("C", "^c3-|c c2|", [73, 72]),  # tied over the bar line, sharp; then it is natural
        ("C clef=treble-8", "c3|", [60]),
        ("C", "c [K:A] c [K:C] c|", [72, 73, 72]),
    ],
)
def test_abc_pitches_follow_key_bar_and_tie(
    read: Read, key: str, music: str, pitches: list[int]
) -> None:  # fmt: skip
    score = read("a.abc", HEAD.format(key) + music)
    assert [pitch for *_, pitch in melody(score)][: len(pitches)] == pitches


@pytest.mark.parametrize(
    ("music", "lengths"),
    [
        ("C/ C// C3/2 C3/4|", [0.5, 0.25, 1.5, 0.75]),
        ("C>D E<F|", [1.5, 0.5, 0.5, 1.5]),
        ("C>>D|", [1.75, 0.25]),
        ("(3CDE F2|", [2 / 3] * 3 + [2]),
        ("(3:2:2C2D E2|", [4 / 3, 2 / 3, 2]),
        ("C2-C|", [3]),
        ("C2 {de}D|", [2, 1]),
        ("[L:1/8]CD|", [0.5, 0.5]),
        ("[CEG]2 [C2E2]|", [2, 2, 2, 2, 2]),
        ('"Am7"!trill!C ~D "^slow"E|', [1, 1, 1]),
        ("[CE2 G|A B", [1, 2, 1, 1, 1]),  # brackets that nobody closes lose no note
        ('C|["first" D|', [1, 1]),
    ],
)
def test_abc_lengths(read: Read, music: str, lengths: list[float]) -> None:
    durations = [length for _, length, _ in melody(read("a.abc", HEAD.format("C") + music))]
    assert durations == pytest.approx(lengths, abs=1 / 480)


@pytest.mark.parametrize(
    ("music", "played"),
    [
        ("|:C3:|D3|", "CCD"),
        ("C3:|D3:|", "CCDD"),
        ("|:C3|1D3:|2E3||F3|]", "CDCEF"),
        ("C3|[1D3:|[2E3|]|:F3:|", "CDCEFF"),
        ("|:C3|1,3D3:|2E3:|F3", "CDCECDF"),
        ("|:C3::D3:|", "CCDD"),
        ("|:C3||D3:|", "CDCD"),
        ("C3||D3:|", "CDD"),
        ("|:C3::|", "CCC"),
        ("C3 [|]:|", "CC"),
    ],
)
def test_abc_repeats_are_played(read: Read, music: str, played: str) -> None:
    score = read("a.abc", HEAD.format("C") + music)
    assert "".join("C D EF".replace(" ", "#")[p - 60] for *_, p in melody(score)) == played
    assert [on for on, *_ in melody(score)] == [3 * n for n in range(len(played))]


def test_abc_parts_are_played_in_their_order(read: Read) -> None:
    score = read("a.abc", "X:1\nP:A(AB)2\nM:3/4\nL:1/4\nK:C\nP:A\nC3|\nP:B\nD3|\n")
    assert [pitch for *_, pitch in melody(score)] == [60, 60, 62, 60, 62]


def test_abc_voices_are_parts_with_their_names_and_instruments(read: Read) -> None:
    score = read(
        "a.abc",
        'X:1\nM:2/4\nL:1/4\nQ:1/8=120\nV:1 name="Flute"\nV:2 clef=bass\nK:G\n'
        "V:1\n%%MIDI program 73\nf2|g2|\nV:2\nG,2|[V:2]D,2 & z D,|\n",
    )
    assert [(part.name, part.program) for part in score.parts] == [("Flute", 73), ("", 0)]
    assert melody(score, 0) == [(0, 2, 78), (2, 2, 79)]
    assert melody(score, 1) == [(0, 2, 55), (2, 2, 50), (3, 1, 50)]
    assert score.tempos.tolist() == [[0, 60]]
    assert score.time_signatures.tolist() == [[0, 2, 4]]
    assert score.keys.tolist() == [[0, 1, 0]]


def test_a_pickup_waits_for_its_bar_line(read: Read) -> None:
    score = read("a.abc", HEAD.format("C") + "G|:c3|c2 G:|c2 G:|")
    assert [on for on, *_ in melody(score)] == [2, 3, 6, 8, 9, 12, 14, 15, 17, 18, 20]
    assert score.time_signatures.tolist() == [[0, 3, 4]]


def test_a_bar_that_is_divided_by_a_repeat_is_one(read: Read) -> None:
    score = read("a.abc", HEAD.format("C") + "G|:c2|c3|c2:|")
    assert [on for on, *_ in melody(score)] == [0, 1, 3, 6, 8, 10, 13]
    assert score.time_signatures.tolist()[0] == [0, 3, 4]


def test_bars_of_other_lengths_have_time_signatures_of_their_own(read: Read) -> None:
    score = read("a.abc", HEAD.format("C") + "c3|c3|c4|c3|")
    assert score.time_signatures.tolist() == [[0, 3, 4], [2880, 4, 4], [4800, 3, 4]]


BOOK = "\n".join(
    f"X:{n}\nT:Tune {n}\nC:Anon\nR:jig\nM:6/8\nK:{'' if n == 17 else 'D'}\nDFA {'d' * n}|\n"
    for n in range(1, 51)
).replace("K:\n", "")


def test_one_broken_tune_among_fifty_costs_one(tmp_path: Path) -> None:
    path = tmp_path / "Book.abc"
    path.write_text("% a book\n\n" + BOOK)
    tunes = read_scores(path)
    assert [n for n, tune in enumerate(tunes, 1) if isinstance(tune, UnreadableTune)] == [17]
    assert "without a key" in tunes[16].reason  # type: ignore[union-attr]
    tags = read_score_tags(path)
    assert len(tags) == len(tunes) == 50
    assert (tags[16].title, tags[16].artist, tags[16].genre) == ("Tune 17", "Anon", "jig")
    assert (tags[16].album, tags[16].track_number) == ("Book", 17)
    score = tunes[49]
    assert isinstance(score, Score)
    assert (score.title, score.composer, score.genre) == ("Tune 50", "Anon", "jig")


def test_chord_symbols_hold_from_the_note_behind_them(read: Read) -> None:
    music = 'G|:"Am/c"c>"D7"d "^slowly""Fine"e|"G(Em)"[GB]2 "Bb;F"z:|"n.c."[I:x]c3|'
    score = read("a.abc", HEAD.format("C") + music)
    placed = [(tick / 480, name) for tick, name in score.chords]
    again = [(3, "Am/C"), (4.5, "D7"), (6, "G"), (8, "Bb")]
    assert placed == [*again, *((at + 6, name) for at, name in again), (15, "N.C.")]


@pytest.mark.parametrize(
    ("quoted", "symbol"),
    [("F#m7b5", "F#m7b5"), ("D/f+", "D/F#"), ("Cm(maj7)", "Cm(maj7)"), ("D.C.", ""),
     ("Bbmaj7/d", "Bbmaj7/D"), ("_Am", ""), ("verse", ""), ("E", "E"), ("Dal segno", "")],
)  # fmt: skip
def test_what_is_quoted_is_a_chord_or_words(read: Read, quoted: str, symbol: str) -> None:
    score = read("a.abc", HEAD.format("C") + f'"{quoted}"c3|')
    assert [name for _, name in score.chords] == ([symbol] if symbol else [])


def test_abc_in_latin_1_and_with_comments_within(read: Read) -> None:
    text = HEAD.format("C").replace("Try", "Über Stock & Stein") + "% first\nCDE|\n%%sep\nF3|\n"
    score = read("a.abc", text.encode("latin-1"))
    assert score.title == "Über Stock & Stein"
    assert [pitch for *_, pitch in melody(score)] == [60, 62, 64, 65]


def test_abc_opens_no_other_file(read: Read, tmp_path: Path) -> None:
    (tmp_path / "other.abc").write_text("GGGG|")
    text = HEAD.format("C") + f"%%abc-include {tmp_path}/other.abc\nI:abc-include other.abc\nC3|"
    assert melody(read("a.abc", text)) == [(0, 3, 60)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no tune", "no ABC"),
        ("X:1\nT:Silence\nK:C\nz4|", "without a note"),
        ("X:1\nK:C\nC99999|", "length"),
        ("X:1\nK:C\n" + "C" * (1 << 21), "letters"),
        ("X:1\nP:((((A99)99)99)99)99\nK:C\nP:A\nC|", "in a row"),
        ("X:1\nK:C\nC" + "§" * 99, "unknown signs"),
        ("X:1\n" * 20_001, "divide it"),
        ("X:1\nK:C\n" + "".join(f"V:{n}\nC|\n" for n in range(99)), "voices"),
        ("X:1\nX:2\n", "none of its 2 tunes"),
    ],
)
def test_abc_that_is_no_music_says_why(read: Read, content: str, message: str) -> None:
    with pytest.raises(Unreadable, match=message):
        read("a.abc", content)
