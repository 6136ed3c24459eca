"""Humdrum **kern: spines split and merge, ties hold over that, sections are played as listed.

Compared with verovio 6.4.1 on files of the Polish Scores project, see `bench/kern.py`.
"""

import random
import time
from pathlib import Path

import pytest
from make_scores import Read, melody, reader

from segue.errors import Unreadable
from segue.io.kern_read import UNITS_PER_QUARTER, parse_token, read_kern
from segue.records import Score


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return reader(tmp_path)


def kern(*lines: str) -> str:
    """Write lines, of which columns are divided by spaces here and notes of a chord by a comma."""
    return "\n".join(line.replace(" ", "\t").replace(",", " ") for line in lines) + "\n"


def notes(score: Score, part: int = 0) -> list[tuple[float, float, int]]:
    return sorted(melody(score, part))


def part_notes(*lines: str) -> list[tuple[float, float, int]]:
    """Read the only part of a file: onset and length in quarters, pitch."""
    return notes(read_kern(kern("**kern", *lines).encode()))


def split_into(count: int) -> list[str]:
    """Split one spine into many, the last again each time."""
    return [" ".join(["*"] * n + ["*^"]) for n in range(count - 1)]


# ---- spines ------------------------------------------------------------------------------


@pytest.mark.parametrize("count", range(2, 9))
def test_a_spine_splits_into_any_number_and_merges(count: int) -> None:
    pitches = ["c", "e", "g", "b", "dd", "ff", "aa", "ccc"][:count]
    low = ["C", "E", "G", "B", "D", "F", "A", "BB"][:count]
    result = part_notes(
        "*M2/4", "=1", *split_into(count),
        " ".join(f"4{pitch}" for pitch in pitches),
        " ".join(f"4{pitch}" for pitch in low),
        " ".join(["*v"] * count),
        "=2", "2cc", "*-",
    )  # fmt: skip
    assert [at for at, *_ in result] == [0] * count + [1] * count + [2]
    assert result[-1] == (2, 2, 72)
    assert all(length == 1 for _, length, _ in result[:-1])


@pytest.mark.parametrize(
    ("lines", "result"),
    [
        # Split, split again, merged one by one.
        (["*^", "2c 4e", "* *^", ". 4f 4a", "* *v *v", "*v *v", "2g", "*-"],
         [(0, 2, 60), (0, 1, 64), (1, 1, 65), (1, 1, 69), (2, 2, 67)]),
        # The first of two splits again.
        (["*^", "*^ *", "2c 2e 2g", "*v *v *", "2c 2g", "*v *v", "2d", "*-"],
         [(0, 2, 60), (0, 2, 64), (0, 2, 67), (2, 2, 60), (2, 2, 67), (4, 2, 62)]),
        # Merged while others sound on.
        (["*^", "* *^", "4c 1e 4g", "4c . 4g", "* *v *v", "2d 2a", "*v *v", "4f", "*-"],
         [(0, 1, 60), (0, 4, 64), (0, 1, 67), (1, 1, 60), (1, 1, 67), (4, 2, 62), (4, 2, 69),
          (6, 1, 65)]),
        # Split within the bar, and the new one rests at first.
        (["4c", "*^", "2e 4r", ". 4g", "*v *v", "4c", "*-"],
         [(0, 1, 60), (1, 2, 64), (2, 1, 67), (3, 1, 60)]),
        # Exchanged: words of the other spine go on.
        (["*^", "2c 4e", "*x *x", "4f .", "*v *v", "4c", "*-"],
         [(0, 2, 60), (0, 1, 64), (1, 1, 65), (2, 1, 60)]),
        # Split, merged, split again in a row.
        (["*^", "4c 4e", "*v *v", "*^", "4d 4f", "*v *v", "4e", "*-"],
         [(0, 1, 60), (0, 1, 64), (1, 1, 62), (1, 1, 65), (2, 1, 64)]),
        # One of two ends.
        (["*^", "4c 4e", "* *-", "4d", "*-"], [(0, 1, 60), (0, 1, 64), (1, 1, 62)]),
        # A merge of one is none.
        (["4c", "*v", "4d", "*-"], [(0, 1, 60), (1, 1, 62)]),
    ],
)  # fmt: skip
def test_spines_split_again_and_merge(
    lines: list[str], result: list[tuple[float, float, int]]
) -> None:
    assert part_notes(*lines) == sorted(result)


@pytest.mark.parametrize(
    ("lines", "result"),
    [
        # Over the merge of four, a chord goes on.
        ([*split_into(4), "[4c [4e [4g [4cc", "*v *v *v *v", "4c],4e],4g],4cc]", "*-"],
         [(0, 2, 60), (0, 2, 64), (0, 2, 67), (0, 2, 72)]),
        # Over a split into four.
        (["[4c,[4e,[4g,[4cc", *split_into(4), "4c] 4e] 4g] 4cc]",
          "*- *- *- *-"],
         [(0, 2, 60), (0, 2, 64), (0, 2, 67), (0, 2, 72)]),
        # Over both, and the bar line between.
        (["*^", "[4c [4e", "*v *v", "=2", "4c_,4e_", "=3", "*^", "4e] 4c]", "*v *v", "*-"],
         [(0, 3, 60), (0, 3, 64)]),
        # In unison, each voice has its own.
        (["*^", "[4c [2c", "4c] .", "4d 4c]", "*- *-"], [(0, 2, 60), (0, 3, 60), (2, 1, 62)]),
        # Not tied: struck again.
        (["*^", "4c 4e", "*v *v", "4c,4e", "*-"],
         [(0, 1, 60), (0, 1, 64), (1, 1, 60), (1, 1, 64)]),
        # A slur is no tie, and a tie that begins nowhere is a note.
        (["(4c", "4c)", "4e]", "*-"], [(0, 1, 60), (1, 1, 60), (2, 1, 64)]),
    ],
)  # fmt: skip
def test_ties_hold_over_splits_and_merges(
    lines: list[str], result: list[tuple[float, float, int]]
) -> None:
    assert part_notes(*lines) == sorted(result)


def test_spines_of_other_parts_are_not_merged() -> None:
    score = read_kern(
        kern(
            "**kern **text **kern", "*I\"Bass * *I\"Flute", "*^ * *^", "4C 4E a 4c 4e",
            "*v *v * *v *v", "4D b 4d", "*- *- *-",
        ).encode()
    )  # fmt: skip
    assert [part.name for part in score.parts] == ["Flute", "Bass"]
    assert notes(score, 0) == [(0, 1, 60), (0, 1, 64), (1, 1, 62)]
    assert notes(score, 1) == [(0, 1, 48), (0, 1, 52), (1, 1, 50)]


def test_two_neighbours_that_both_merge_stay_two() -> None:
    score = read_kern(
        kern("**kern **kern", "*^ *^", "4C 4E 4c 4e", "*v *v *v *v", "4D 4d", "*- *-").encode()
    )
    assert [notes(score, n)[-1] for n in (0, 1)] == [(1, 1, 62), (1, 1, 50)]


def test_a_spine_is_added_and_movements_follow() -> None:
    score = read_kern(
        kern(
            "**kern", "4c", "*+", "* **kern", "4d 4f", "*- *-",
            "**kern **kern", "4e 4g", "*- *-",
        ).encode()
    )  # fmt: skip
    assert notes(score, 1) == [(0, 1, 60), (1, 1, 62), (2, 1, 64)]
    assert notes(score, 0) == [(1, 1, 65), (2, 1, 67)]


# ---- sections ----------------------------------------------------------------------------

SECTIONS = ("*>A", "4c", "=2", "*>B", "4d", "=3", "*>C", "4e", "*-")


@pytest.mark.parametrize(
    ("lists", "played"),
    [
        (["*>[A,A,B]"], "ccd"),
        (["*>[A,B,A,C]"], "cdce"),
        (["*>[A,B,C]"], "cde"),
        (["*>[C,B,A]"], "edc"),
        (["*>[A,A,B,B,]"], "ccdd"),
        (["*>[AABC]"], "ccde"),
        (["*>[A,X,B]"], "cd"),
        (["*>[A,A,B]", "*>norep[A,B]"], "ccd"),
        (["*>norep[A,B]", "*>[A,A,B]"], "ccd"),
        (["*>norep[A,B]"], "cde"),  # another way, which is not the usual one
        (["*>[X,Y]"], "cde"),
        (["*>[]"], "cde"),
        ([], "cde"),
    ],
)
def test_sections_are_played_as_listed(lists: list[str], played: str) -> None:
    bars = [line.replace(",", "\0") for line in lists]
    text = kern("**kern", "*M1/4", *bars, *SECTIONS).replace("\0", ",")
    result = notes(read_kern(text.encode()))
    assert "".join("cdefgab"[[60, 62, 64, 65].index(p)] for *_, p in result) == played
    assert [at for at, *_ in result] == list(range(len(played)))


def test_what_stands_before_the_first_section_is_played_once() -> None:
    text = kern("**kern", "*>[A\0A]", "4g", "=1", "*>A", "4c", "*-").replace("\0", ",")
    assert [pitch for *_, pitch in notes(read_kern(text.encode()))] == [67, 60, 60]


@pytest.mark.parametrize(
    ("lines", "played"),
    [
        (["=1", "4c", "=2:|!", "4d", "=3:|!", "*-"], "ccdd"),
        (["=1", "4c", "=2!|:", "4d", "=3:|!", "4e", "==", "*-"], "cdde"),
        (["=1", "4c", "=2:|!|:", "4d", "=3:|!", "*-"], "ccdd"),
        (["=1", "4c", "=:|!|:", "4d", "=:|!", "*-"], "ccdd"),
        (["=1", "4c", "=2", "4d", "==", "*-"], "cd"),
        (["=1", "4c", "=2||", "4d", "=!", "*-"], "cd"),
        (["*>[A]", "*>A", "=1", "4c", "=2:|!", "4d", "==", "*-"], "cd"),  # the list counts
    ],
)
def test_repeats_are_played(lines: list[str], played: str) -> None:
    result = part_notes("*M1/4", *lines)
    assert "".join("cde"[[60, 62, 64].index(pitch)] for *_, pitch in result) == played


def test_a_list_that_never_ends_is_not_followed() -> None:
    many = ",".join(["A"] * 30_000)
    score = read_kern(f"**kern\n*>[{many}]\n*>A\n4c\n=2\n4d\n*-\n".encode())
    assert len(score.parts[0].notes) == 2
    assert "as written" in score.warnings[0]


# ---- notes, time, signatures ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "quarters", "pitches"),
    [
        ("4c", 1, [60]), ("4C", 1, [48]), ("4cc", 1, [72]), ("4CC", 1, [36]), ("4b-", 1, [70]),
        ("4f##", 1, [67]), ("4e--L", 1, [62]), ("8.c#J", 0.75, [61]), ("2..gn", 3.5, [67]),
        ("0c", 8, [60]), ("00c", 16, [60]), ("000c", 32, [60]), ("0.c", 12, [60]),
        ("3%2c", 8 / 3, [60]), ("12c", 1 / 3, [60]), ("20c", 0.2, [60]), ("28c", 1 / 7, [60]),
        ("4r", 1, []), ("4ryy", 1, []), ("[4c", 1, [60]), ("(4c;", 1, [60]), ("{&(4c/L", 1, [60]),
        ("4c 4e 4g", 1, [60, 64, 67]), ("4c e g", 1, [60, 64, 67]), ("4cT", 1, [60]),
        ("qc", None, []), ("8qqc", None, []), ("16cq 16dq", None, []), ("c", None, []),
        (".", None, []), ("4", 1, []), ("4zz", 1, []), ("4cccccccccc", 1, []),
    ],
)  # fmt: skip
def test_data(cell: str, quarters: float | None, pitches: list[int]) -> None:
    lasts, sounds = parse_token(cell)
    assert lasts == (None if quarters is None else pytest.approx(quarters * UNITS_PER_QUARTER))
    assert [sound.pitch for sound in sounds] == pitches


def test_what_a_score_says(read: Read) -> None:
    score = read(
        "a.krn",
        "!!!OTL: F&uuml;r Elise\n!!!COM: Bach, Anna\n"
        + kern(
            "**kern **dynam **kern", "*I\"Cello * *Ivioln", "*k[b-e-] * *k[b-e-]", "*g: * *g:",
            "*M6/8 * *M6/8", "*MM90 * *MM90", "=1- =1- =1-", "2.G p 2.g", "=2 =2 =2",
            "*M2/4 * *M2/4", "*k[] * *k[]", "*MM60 * *MM60", "2C f 4c", ". . 4d", "== == ==",
            "*- *- *-",
        ),
    )  # fmt: skip
    assert (score.title, score.composer) == ("Für Elise", "Anna Bach")
    assert [(part.name, part.program) for part in score.parts] == [("", 40), ("Cello", 42)]
    assert score.time_signatures.tolist() == [[0, 6, 8], [1440, 2, 4]]
    assert score.keys.tolist() == [[0, -2, 1], [1440, 0, 0]]
    assert score.tempos.tolist() == [[0, 90], [1440, 60]]


@pytest.mark.parametrize(
    ("lines", "time_signatures"),
    [
        (["*M3/4", "4c", "=1", "2.d", "=2", "2.e", "*-"], [[0, 3, 4]]),  # a pickup
        (["*M4/4", "=1", "0c", "=2", "=3", "1d", "*-"], [[0, 4, 4]]),  # held over the bar line
        (["*M4/4", "=1", "1.c", "=2", "2d", "=3", "1e", "*-"], [[0, 4, 4]]),
        (["*M2+3/8", "=1", "8c", "2d", "=2", "8e", "2f", "*-"], [[0, 5, 8]]),
        (["*M3/0", "=1", "00.c", "=2", "00.d", "*-"], [[0, 6, 1]]),
        (["=1", "4c", "=2", "2d", "*-"], [[0, 1, 4], [480, 2, 4]]),  # no time signature
    ],
)
def test_bars_stand_where_they_are_written(
    lines: list[str], time_signatures: list[list[int]]
) -> None:
    text = kern("**kern", *lines)
    assert read_kern(text.encode()).time_signatures.tolist() == time_signatures


def test_what_stands_behind_the_columns_is_nothing() -> None:
    result = read_kern(b'**kern\t**kern\n*I""Coro\t*I"Violin\n4C\t4c\t\n4D\t4d \n*-\t*-\n')
    assert [(part.name, len(part.notes)) for part in result.parts] == [("Violin", 2), ("Coro", 2)]


def test_notes_without_a_pitch_are_drums() -> None:
    score = read_kern(kern("**kern", "4Ree", "[4Ra", "4Ra]", "4c", "*-").encode())
    assert [part.is_drum for part in score.parts] == [False, True]
    assert notes(score, 1) == [(0, 1, 38), (1, 2, 38)]


@pytest.mark.parametrize(
    ("interpretation", "pitch"),
    [("*ITrd1c2", 60), ("*ITrd-1c-2", 60), ("*Trd1c2", 58), ("*Trd-2c-3", 63), ("*Trd0c0", 60)],
)
def test_pitches_sound_as_they_are_unless_transposed(interpretation: str, pitch: int) -> None:
    assert [p for *_, p in part_notes(interpretation, "4c", "*-")] == [pitch]


def test_parts_meet_again_where_one_has_a_gap() -> None:
    score = read_kern(
        kern(
            "**kern **kern", "*M4/4 *M4/4", "=1 =1", "1C .", "=2 =2", "2D 2d", ". 2e", "=3 =3",
            "1E 1g", "*- *-",
        ).encode()
    )  # fmt: skip
    assert notes(score, 0) == [(4, 2, 62), (6, 2, 64), (8, 4, 67)]
    assert notes(score, 1) == [(0, 4, 48), (4, 2, 50), (8, 4, 52)]


def test_grace_notes_and_comments_take_no_time() -> None:
    lines = ["4c", "!a,remark", "16qd", "16qe", "4f", "!!all", "8gq", "4g", "*-"]
    assert part_notes(*lines) == [(0, 1, 60), (1, 1, 65), (2, 1, 67)]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_old_files_are_read(encoding: str, ends: str) -> None:
    text = f"!!!OTL: Prélude{ends}**kern{ends}4c{ends}*-{ends}{ends}"
    score = read_kern(text.encode(encoding))
    assert (score.title, len(score.parts[0].notes)) == ("Prélude", 1)


# ---- bad input ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["4c 4d", "*-"], r"line 2 has 2 columns, expected 1"),
        (["*^", "4c", "*-"], r"line 3 has 1 columns, expected 2"),
        (["4r", "*-"], "without a note"),
        (["*-", "**text", "la", "*-"], "without a note"),
        (["*-", "4c"], r"line 3 has 1 columns, expected 0"),
        (split_into(2) + [" ".join(["*^"] * 2**n) for n in range(1, 12)], "expected at most 256"),
    ],
)
def test_damage_is_reported_in_one_line(lines: list[str], message: str) -> None:
    with pytest.raises(Unreadable, match=message) as raised:
        part_notes(*lines)
    assert "\n" not in str(raised.value)


def test_a_file_of_other_spines_is_refused() -> None:
    with pytest.raises(Unreadable, match=r"without a \*\*kern spine"):
        read_kern(b"!!**kern\n**text\nla\n*-\n")


def test_a_file_that_only_splits_is_refused_soon() -> None:
    lines = ["**kern"] + ["\t".join(["*^"] * 2**n) for n in range(17)]
    started = time.process_time()
    with pytest.raises(Unreadable, match="at most 256"):
        read_kern("\n".join(lines).encode())
    assert time.process_time() - started < 2


def outcome(content: bytes) -> str:
    try:
        return "" if read_kern(content) else "nothing"
    except Unreadable as error:
        return str(error)


def test_mutations_are_read_or_refused_in_a_line() -> None:
    rng = random.Random(17)
    whole = kern(
        "**kern **text **kern", "*I\"Bass * *Iflt", "*k[f#] * *k[f#]", "*G: * *G:", "*MM90 * *",
        "*M3/4 * *M3/4", "*>[A\0A\0B] *>[A\0A\0B] *>[A\0A\0B]", "*>A *>A *>A", "=1 =1 =1:|!|:",
        "2.C la 4c", "*^ * *^", "* * * *^", "* * * * *", "[4C 4E la 8c 12e [4.g", ". . . 8d 12f .",
        "4C_ 4F . 4e. 12g .", "* * * *v *v *v", "*v *v * *", "=2 =2 =2", "*>B *>B *>B",
        "2.C] x 0r", "== == ==", "*- *- *-",
    ).replace("\0", ",").encode()  # fmt: skip
    started = time.process_time()
    for _ in range(1000):
        mutated = bytearray(whole[: rng.randrange(len(whole))] if rng.random() < 0.2 else whole)
        for _ in range(rng.randrange(5) if mutated else 0):
            byte = rng.choice(whole) if rng.random() < 0.7 else rng.randrange(256)
            mutated[rng.randrange(len(mutated))] = byte
        assert "\n" not in outcome(bytes(mutated))
    assert time.process_time() - started < 20
