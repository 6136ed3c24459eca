"""Texts of many poems are divided, and songs are not; lines broken for a page are joined."""

import pytest

from segue.io.lyrics import read_plain, read_single_text
from segue.io.poems import unwrap_lines

STANZAS = [
    "Loveliest of trees, the cherry now\nIs hung with bloom along the bough,\n"
    "And stands about the woodland ride\nWearing white for Eastertide.\n",
    "Now, of my threescore years and ten,\nTwenty will not come again,\n"
    "And take from seventy springs a score,\nIt only leaves me fifty more.\n",
    "Leave your home behind, lad,\nAnd reach your friends your hand,\n"
    "And go, and luck go with you\nWhile Ludlow tower shall stand.\n",
    "When the lad for longing sighs,\nMute and dull of cheer and pale,\n"
    "If at death's own door he lies,\nMaiden, you can heal his ail.\n",
    "The street sounds to the soldiers' tread,\nAnd out we troop to see:\n"
    "A single redcoat turns his head,\nHe turns and looks at me.\n",
    "With rue my heart is laden\nFor golden friends I had,\n"
    "For many a rose-lipt maiden\nAnd many a lightfoot lad.\n",
]
ONE, TWO, THREE = ("\n".join(STANZAS[at : at + 2]) for at in (0, 2, 4))


def titles(text: str) -> list[str]:
    return [song.tags.title for song in read_plain(text)]


def first_lines(text: str) -> list[str]:
    return [song.text.partition("\n")[0] for song in read_plain(text)]


FIRST = [
    "Loveliest of trees, the cherry now",
    "Leave your home behind, lad,",
    "The street sounds to the soldiers' tread,",
]


@pytest.mark.parametrize(
    "headings",
    [
        ("I", "II", "III"),
        ("XXXIX", "XL", "XLI"),
        ("1.", "2.", "3."),
        ("7", "8", "10"),
        ("Sonnet 1", "Sonnet 2", "Sonnet 3"),
        ("Psalm 23.", "Psalm 24.", "Psalm 25."),
        ("THE CHERRY", "THE RECRUIT", "THE STREET"),
        ("LOVELIEST", "ÜBER LAND", "ПЕСНЯ"),
        ("The Cherry", "The Recruit", "A Street in the Town"),
        ("# The Cherry", "# The Recruit", "# The Street"),
        ("The cherry\n======", "The recruit\n======", "The street\n======"),
        ("I. The Cherry", "II. The Recruit", "III. The Street"),
    ],
    ids=lambda headings: headings[1].partition("\n")[0],
)
@pytest.mark.parametrize("above", [1, 3])
def test_headings_divide(headings: tuple[str, ...], above: int) -> None:
    poems = zip(headings, (ONE, TWO, THREE), strict=True)
    text = ("\n" * above).join(f"{heading}\n\n{poem}" for heading, poem in poems)
    assert first_lines(text) == FIRST
    assert all(name.partition("\n")[0].lstrip("# ").rstrip(".") in title
               for name, title in zip(headings, titles(text), strict=True))  # fmt: skip
    assert first_lines(text.replace("\n", "\r\n")) == FIRST


@pytest.mark.parametrize("rule", ["* * *", "***", "-----", "~~~~", "• • •", "========"])
def test_rules_divide(rule: str) -> None:
    assert first_lines(f"\n{rule}\n\n".join([ONE, TWO, THREE])) == FIRST


def test_more_empty_lines_than_between_stanzas_divide() -> None:
    text = "\n\n".join([ONE, "The Recruit\n\n" + TWO, THREE])
    assert first_lines(text) == FIRST
    assert titles(text)[:2] == ["Loveliest of trees, the cherry now", "The Recruit"]
    assert first_lines("\n\n\n".join([ONE, TWO, THREE])) == FIRST


def test_poems_without_stanzas_and_many_of_two_lines() -> None:
    sonnets = [(STANZAS[at] + STANZAS[at + 1] + STANZAS[at + 2]) for at in (0, 1, 3)]
    assert len(read_plain("\n\n".join(sonnets))) == 3
    two = ["\n".join(STANZAS[:3]), "\n".join(STANZAS[3:])]
    assert len(read_plain("\n\n".join(two))) == 2
    couplets = [
        f"This is the line that has number {n}\nAnd this is another one\n" for n in range(25)
    ]
    assert len(read_plain("\n\n".join(couplets))) == 25


def test_titles_between_lines_without_any_empty_one() -> None:
    parts = [("One's-Self I Sing", ONE), ("The Cabin'd Ships at Sea", TWO), ("To a Street", THREE)]
    text = "".join(f"{title}\n{poem}" for title, poem in parts).replace("\n\n", "\n")
    assert titles(text) == [title for title, _ in parts]


def test_a_long_text_that_nothing_divides_is_cut_after_sentences() -> None:
    text = "".join(
        f"This is the line of number {n}\nand it goes on, here with {n}.\n" for n in range(250)
    )
    poems = read_plain(text)
    assert len(poems) > 10
    assert all(song.text.endswith(".") and song.text.count("\n") < 50 for song in poems)
    assert "\n".join(song.text for song in poems) == text.strip()


def test_a_book_of_gutenberg_with_contents_and_an_author() -> None:
    text = (
        "Licence\n*** START OF THE PROJECT GUTENBERG EBOOK A LAD ***\n\nA LAD\n\nBy A. E. Housman\n"
        "\n\nCONTENTS\n\n I. The Cherry\n II. The Recruit\n III. The Street\n IV. Another\n\n\n"
        f"I\n\n1887\n\n{ONE}\n\nII\n\n{TWO}\n\nIII\n\nTHE STREET\n\n{THREE}\n\n"
        "*** END OF THE PROJECT GUTENBERG EBOOK A LAD ***\nMore licence\n"
    )
    assert first_lines(text) == FIRST
    assert titles(text) == ["I. 1887", f"II. {FIRST[1].rstrip(',')}", "III. THE STREET"]
    assert {song.tags.artist for song in read_plain(text)} == {"A. E. Housman"}


def test_each_poem_may_name_its_author() -> None:
    text = f"THE CHERRY\nby A. E. Housman\n\n{ONE}\nTHE RECRUIT\nby Somebody Else\n\n{TWO}"
    assert [(song.tags.title, song.tags.artist) for song in read_plain(text)] == [
        ("THE CHERRY", "A. E. Housman"),
        ("THE RECRUIT", "Somebody Else"),
    ]
    assert first_lines(text) == FIRST[:2]


@pytest.mark.parametrize(
    ("line", "artist"),
    [("by Walter de la Mare", "Walter de la Mare"), ("BY DU FU", "DU FU"),
     ("by 李白 Li Bai", "李白 Li Bai"),
     ("By which heroic Tam was able", ""), ("By cool Siloam's shady rill", ""),
     ("By the rivers of Babylon", "")],
)  # fmt: skip
def test_a_verse_that_begins_with_by_names_nobody(line: str, artist: str) -> None:
    text = f"THE CHERRY\n\n{line}\n{ONE}\nTHE RECRUIT\n\n{TWO}"
    assert read_plain(text)[0].tags.artist == artist


CHORUS = "Hey hey, the sun is gone away\nHey hey, and I am here to stay\n"


@pytest.mark.parametrize(
    "text",
    [
        ONE,
        "\n".join(STANZAS),
        "\n\n".join(STANZAS),  # always two empty lines
        f"Title of It\n\n{ONE}",
        f"MY SONG\n\n{ONE}\n{TWO}",
        f"[Verse 1]\n{ONE}\n\n[Chorus]\n{CHORUS}\n\n[Verse 2]\n{TWO}\n\n[Chorus]\n{CHORUS}",
        f"VERSE 1\n\n{ONE}\nCHORUS\n\n{CHORUS}\nVERSE 2\n\n{TWO}\nBRIDGE\n\n{THREE}\nOUTRO\n\nHey",
        f"{ONE}\n{CHORUS}\n{TWO}\n{CHORUS}\n\n{THREE}\n{CHORUS}\n{CHORUS}\n{CHORUS}",
        f"{ONE}\n\n{CHORUS}\n\n{TWO}\n\n{CHORUS}\n\n{THREE}\n\n{CHORUS}",
        "\n".join(f"{n}.\n{stanza}" for n, stanza in enumerate(STANZAS, start=1)),
        "\n".join(f"{n}. {stanza}" for n, stanza in enumerate(STANZAS, start=1)),
        f"{ONE}\n– – – – –\n{TWO}\n. . . . .\n{THREE}",
        f"{ONE}\nNevermore\n\n{TWO}\nNevermore\n\n{THREE}\nNevermore\n",
        f"{ONE}\n* * *\n{TWO}",
        "HEY\n\nHEY HEY HEY\n\nHEY HEY\n\nSTOP\n",
        "I\n\nWill be here\n\nI\n\nWill be there\n",
    ],
    ids=["two-stanzas", "stanzas", "two-empty", "titled", "capital-title", "sections",
         "sections-in-capitals", "chorus", "sung-again", "numbered-stanzas", "numbers-in-line",
         "left-out", "refrain", "one-rule", "shouted", "no-number"],
)  # fmt: skip
def test_one_song_stays_one(text: str) -> None:
    assert len(read_plain(text)) == 1


def test_words_of_one_recording_are_never_divided() -> None:
    text = f"I\n\n{ONE}\n\nII\n\n{TWO}\n\nIII\n\n{THREE}"
    assert len(read_plain(text)) == 3
    assert read_single_text(text).text == text


# ---- lines broken for a page -------------------------------------------------------------------

LONG = [
    "Out of the cradle endlessly rocking, out of the mocking-bird's throat, the musical shuttle,",
    "Out of the Ninth-month midnight, over the sterile sands and fields beyond, where the child",
    "Down from the shower'd halo, up from the mystic play of shadows and twisting as if alive,",
    "From the memories of the bird that chanted to me, from your memories sad brother, from fitful",
    "Short is this line,",
    "From under that yellow half-moon late-risen and swollen as with tears, from those beginning",
]


def wrapped(line: str, indent: str) -> list[str]:
    broken, rest = [], line
    while len(rest) > 65:
        at = rest.rindex(" ", 0, 66)
        broken.append(rest[:at])
        rest = indent + rest[at + 1 :]
    return [*broken, rest]


@pytest.mark.parametrize("indent", ["", "  ", "      "])
def test_hard_wrapped_lines_are_joined(indent: str) -> None:
    page = [part for line in LONG for part in wrapped(line, indent)]
    assert len(page) == 11
    assert unwrap_lines(page) == LONG
    assert unwrap_lines(["", *page, "", *page]) == ["", *LONG, "", *LONG]


@pytest.mark.parametrize(
    "lines",
    [
        [line for stanza in STANZAS for line in stanza.split("\n")],
        [("  " if n % 2 else "") + line for n, line in enumerate(ONE.split("\n"))],
        [line.lower() for line in LONG],  # all begin small: nothing tells what was broken
        ["      " * (n % 3) + line.lower() for n, line in enumerate(ONE.split("\n"))],
        LONG,
        [],
    ],
    ids=["short", "every-other-inward", "small-letters", "staggered", "long", "nothing"],
)
def test_lines_of_verse_stay(lines: list[str]) -> None:
    assert unwrap_lines(lines) == lines
