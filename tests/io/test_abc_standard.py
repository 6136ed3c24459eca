"""ABC by its standard (2.1): all keys, tuplets, fields that go on, directives, escapes of texts.

What abc2midi (4.84) plays was compared on each kind; where it leaves the standard, the standard
counts.
"""

import html
import random
import time
from pathlib import Path

import pytest
from make_scores import Read, melody, reader

from segue.errors import Unreadable
from segue.io.abc_elements import decode_text, parse_key_field
from segue.io.abc_write import write_abc
from segue.io.scores import UnreadableTune, read_score_tags, read_scores
from segue.records import Score


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return reader(tmp_path)


HEAD = "X:1\nT:Try\nM:4/4\nL:1/4\n"


def pitches(score: Score, part: int = 0) -> list[int]:
    return [int(pitch) for pitch in score.parts[part].notes[:, 2]]


# ---- keys --------------------------------------------------------------------------------

#: From seven sharps to seven flats, as the standard's table has them (3.1.14).
KEYS = {
    "": "C# F# B E A D G C F Bb Eb Ab Db Gb Cb",
    "m": "A# D# G# C# F# B E A D G C F Bb Eb Ab",
    "Mix": "G# C# F# B E A D G C F Bb Eb Ab Db Gb",
    "Dor": "D# G# C# F# B E A D G C F Bb Eb Ab Db",
    "Phr": "E# A# D# G# C# F# B E A D G C F Bb Eb",
    "Lyd": "F# B E A D G C F Bb Eb Ab Db Gb Cb Fb",
    "Loc": "B# E# A# D# G# C# F# B E A D G C F Bb",
}
SPELLINGS = {
    "": ["", "maj", " Major", "ion", " IONIAN"],
    "m": ["m", " m", "min", "Minor", "aeo", " Aeolian"],
    "Mix": ["Mix", " mix", "mixolydian", " Mixolydian"],
    "Dor": ["Dor", " dorian", "DORIAN"],
    "Phr": ["Phr", " phrygian"],
    "Lyd": ["Lyd", " lydian"],
    "Loc": ["Loc", " locrian", "LOCrian"],
}
SHARPS, FLATS = "FCGDAEB", "BEADGCF"


@pytest.mark.parametrize("mode", KEYS)
def test_seven_modes_in_fifteen_keys(mode: str) -> None:
    for number, tonic in enumerate(KEYS[mode].split()):
        sharps = 7 - number
        signature = dict.fromkeys(SHARPS[:sharps], 1) if sharps > 0 else {}
        signature |= dict.fromkeys(FLATS[: max(-sharps, 0)], -1)
        for spelling in SPELLINGS[mode]:
            parsed = parse_key_field(tonic + spelling)
            assert parsed == ((sharps, int(mode == "m")), signature), tonic + spelling


@pytest.mark.parametrize("mode", KEYS)
def test_the_keys_sound(read: Read, mode: str) -> None:
    steps = {"C": 60, "D": 62, "E": 64, "F": 65, "G": 67, "A": 69, "B": 71}
    for number, tonic in enumerate(KEYS[mode].split()):
        sharps = 7 - number
        played = [
            pitch + (letter in SHARPS[: max(sharps, 0)]) - (letter in FLATS[: max(-sharps, 0)])
            for letter, pitch in steps.items()
        ]
        score = read("a.abc", f"{HEAD}K:{tonic}{mode}\nCDEF GAB|\n")
        assert pitches(score) == played
        assert score.keys.tolist() == [[0, sharps, int(mode == "m")]]


@pytest.mark.parametrize(
    ("key", "altered"),
    [
        ("HP", {"F": 1, "C": 1}),
        ("Hp", {"F": 1, "C": 1}),
        ("D exp _b _e ^f", {"B": -1, "E": -1, "F": 1}),
        ("D Phr ^f", {"B": -1, "E": -1, "F": 1}),
        ("D maj =c", {"F": 1, "C": 0}),
        ("D =c", {"F": 1, "C": 0}),
        ("C ^^f __b", {"F": 2, "B": -2}),
        ("none", {}),
        ("C clef=bass", {}),
        ("G treble-8", {"F": 1}),
        ("Em octave=-1", {"F": 1}),
        ("A transpose=-2", {"F": 1, "C": 1, "G": 1}),
    ],
)
def test_other_keys(key: str, altered: dict[str, int]) -> None:
    parsed = parse_key_field(key)
    assert parsed
    assert parsed[1] == altered


@pytest.mark.parametrize("text", ["clef=bass", "bass", "treble-8", "octave=1", "transpose=2"])
def test_a_clef_alone_leaves_the_key(text: str) -> None:
    assert parse_key_field(text) is None


# ---- tuplets -----------------------------------------------------------------------------

#: Of how many notes, in the time of how many: in simple metres, in compound ones.
TUPLETS = {2: (3, 3), 3: (2, 2), 4: (3, 3), 5: (2, 3), 6: (2, 2), 7: (2, 3), 8: (3, 3), 9: (2, 3)}


@pytest.mark.parametrize("time_signature", ["2/4", "3/4", "4/4", "C|", "5/8", "6/8", "9/8", "12/8"])
@pytest.mark.parametrize("count", TUPLETS)
def test_tuplets(read: Read, time_signature: str, count: int) -> None:
    compound = time_signature in {"6/8", "9/8", "12/8"}
    lasts = TUPLETS[count][compound] / count
    notes = "CDEFGABcd"[:count]
    score = read("a.abc", f"X:1\nT:t\nM:{time_signature}\nL:1/4\nK:C\n({count}{notes} e2|\n")
    lengths = [length for _, length, _ in melody(score)]
    assert lengths == pytest.approx([lasts] * count + [2], abs=1 / 240)


@pytest.mark.parametrize(
    ("music", "lengths"),
    [
        ("(3:2 CDE F", [2 / 3] * 3 + [1]),
        ("(3:2:2 CD F", [2 / 3] * 2 + [1]),
        ("(3:2:4 CDEF G", [2 / 3] * 4 + [1]),
        ("(3::4 CDEF G", [2 / 3] * 4 + [1]),
        ("(3:: CDE F", [2 / 3] * 3 + [1]),
        ("(5:4 CDEFG A", [0.8] * 5 + [1]),
        ("(5::3 CDE F", [0.4] * 3 + [1]),
        ("(7:8:7 CDEFGAB c", [8 / 7] * 7 + [1]),
        ("(3:4:3 CDE F", [4 / 3] * 3 + [1]),
        ("(3 C2D2E2 F", [4 / 3] * 3 + [1]),
        ("(3 [CE]DE F", [2 / 3] * 4 + [1]),
        ("(3 CzE F", [2 / 3] * 2 + [1]),
        ("(3 C{d}DE F", [2 / 3] * 3 + [1]),
        ("((3CDE) F", [2 / 3] * 3 + [1]),
        ("(CDE) F", [1, 1, 1, 1]),
        ("(3C>DE F", [1, 1 / 3, 2 / 3, 1]),
    ],
)
def test_tuplets_of_other_numbers(read: Read, music: str, lengths: list[float]) -> None:
    durations = [length for _, length, _ in melody(read("a.abc", f"{HEAD}K:C\n{music}|\n"))]
    assert durations == pytest.approx(lengths, abs=1 / 240)


# ---- fields that go on -------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        "CDEF|\nw: do re mi fa\n+: and a bad face\nGABc|\n",
        "CDEF|\nw: do re mi fa\n% a remark\n%%vocalfont Times 12\n+: and a bad face\nGABc|\n",
        "CDEF|\nW: do re\n+: a bad\n+:face\nGABc|\n",
        "CDEF|\nN: do re\n+:\n+: bed\nGABc|\n",
        "CDEF|\ns: !f!\n+: abc\nGABc|\n",
        "CDEF|\n+: dead bed\nGABc|\n",  # goes on from no field
        "+: dead bed\nCDEF|\nGABc|\n",
        "CDEF|\nr: remark\n+: abc\nGABc|\n",
    ],
)
def test_fields_that_go_on_are_not_played(read: Read, lines: str) -> None:
    assert pitches(read("a.abc", f"{HEAD}K:C\n{lines}")) == [60, 62, 64, 65, 67, 69, 71, 72]


def test_fields_that_go_on_are_read(tmp_path: Path, read: Read) -> None:
    book = (
        "X:1\nT:The Long % remark\n+:Title\nC:Anna\n% between\n+: Maria\n+:Bach\nM:4/4\nL:1/4\n"
        "K:C\n+:octave=-1\nCDEF|\n"
    )
    assert pitches(read("a.abc", book)) == [48, 50, 52, 53]
    (tags,) = read_score_tags(tmp_path / "a.abc")
    assert (tags.title, tags.artist) == ("The Long Title", "Anna Maria Bach")


# ---- octaves, transposition, directives ---------------------------------------------------


@pytest.mark.parametrize(
    ("head", "music", "played"),
    [
        ("K:C octave=-1", "CDEF|", [48, 50, 52, 53]),
        ("K:C octave=1", "CDEF|", [72, 74, 76, 77]),
        ("K:C octave=+2", "CDEF|", [84, 86, 88, 89]),
        ("K:C octave = -1", "CDEF|", [48, 50, 52, 53]),
        ("K:C clef=bass octave=-2", "CDEF|", [36, 38, 40, 41]),
        ("K:C octave=-1 transpose=-2", "CDEF|", [46, 48, 50, 51]),
        ("K:C treble-8", "CDEF|", [48, 50, 52, 53]),
        ("K:C clef=treble+8", "CDEF|", [72, 74, 76, 77]),
        ("K:C treble-15", "CDEF|", [36, 38, 40, 41]),
        ("K:C octave=-1", "CD|[K:octave=0]EF|[K:D]CD|", [48, 50, 64, 65, 61, 62]),
        ("K:C octave=-1", "CD|\nK:G\nEF|", [48, 50, 52, 54]),
        ("V:1 octave=-1\nK:C", "CDEF|", [48, 50, 52, 53]),
        ("K:C", "[V:1 octave=-1]CD|[V:1]EF|[V:1 octave=1]CD|", [48, 50, 52, 53, 72, 74]),
        ("V:1 octave=-1\nK:C octave=1", "CDEF|", [48, 50, 52, 53]),  # a voice's own goes before
        ("V:1 clef=treble-8\nK:C", "[V:1 clef=treble-8]CD|[V:1 clef=treble-8]EF|",
         [48, 50, 52, 53]),
        ("%%MIDI transpose 5\nK:C", "CD|", [65, 67]),
        ("I:MIDI transpose 5\nK:C", "CD|", [65, 67]),
        ("I: MIDI transpose -5\nK:C", "CD|", [55, 57]),
        ("K:C", "CD|[I:MIDI transpose 3]EF|", [60, 62, 67, 68]),
        ("K:C", "\n%%MIDI transpose 2\nCD|\n%%MIDI rtranspose 3\nEF|\n%%MIDI transpose 0\nG|",
         [62, 64, 69, 70, 67]),
        ("%%MIDI transpose 5\nV:1\nV:2 transpose=-2\nK:C", "[V:2]CD|", [63, 65]),
        ("K:C", "%%MIDI transpose much\nCD|", [60, 62]),
        ("K:C", "%%MIDI\nCD|\n%%MIDI foo 5\nEF|\nI:\nG|", [60, 62, 64, 65, 67]),
        ("K:C", "\n%%begintext\n%%MIDI transpose 2\n%%endtext\nCD|", [60, 62]),
        ("K:C middle=d", "CD|", [60, 62]),  # of the staff's look only
        ("K:C stafflines=1 octavex=3", "CD|", [60, 62]),
    ],
)  # fmt: skip
def test_notes_are_moved(read: Read, head: str, music: str, played: list[int]) -> None:
    score = read("a.abc", f"{HEAD}{head}\n{music}\n".replace("\n\n", "\n"))
    assert pitches(score) == played


@pytest.mark.parametrize(
    ("head", "music", "programs"),
    [
        ("%%MIDI program 40\nK:C", "CD|", [40]),
        ("I:MIDI program 40\nK:C", "CD|", [40]),
        ("K:C", "[I:MIDI program 40]CD|", [40]),
        ("K:C", "[I:MIDI=program 40]CD|", [40]),  # as abc2midi's manual has it
        ("I:MIDI = program 40\nK:C", "CD|", [40]),
        ("K:C", "\n%%MIDI program 2 40\nV:1\nCD|\nV:2\nEF|", [0, 40]),
        ("%%MIDI program 1 75\n%%MIDI program 2 70\nV:1\nV:2\nK:C", "[V:1]CD|\n[V:2]EF|",
         [75, 70]),
        ("V:1\nV:2\nK:C", "V:1\n%%MIDI program 40\nCD|\nV:2\nI:MIDI program 41\nEF|", [40, 41]),
        ("K:C", "\n%%MIDI channel 3\n%%MIDI program 3 55\nCD|", [55]),
        ("K:C", "\n%%MIDI program 200\nCD|", [0]),
        ("%%MIDI program 40\nV:1\nV:2\nK:C", "V:1\nCD|\nV:2\n%%MIDI program 41\nEF|", [40, 41]),
    ],
)  # fmt: skip
def test_instruments_are_chosen(read: Read, head: str, music: str, programs: list[int]) -> None:
    score = read("a.abc", f"{HEAD}{head}\n{music}\n".replace("\n\n", "\n"))
    assert [part.program for part in score.parts] == programs


def test_what_a_book_says_of_all_tunes_holds_for_each(tmp_path: Path) -> None:
    book = f"%%MIDI program 73\nI:MIDI transpose 2\nC:Trad.\n\n{HEAD}K:C\nCD|\n\n{HEAD}K:C\nEF|\n"
    (tmp_path / "a.abc").write_text(book)
    scores = read_scores(tmp_path / "a.abc")
    assert [pitches(s) for s in scores if isinstance(s, Score)] == [[62, 64], [66, 67]]
    assert {s.parts[0].program for s in scores if isinstance(s, Score)} == {73}


@pytest.mark.parametrize(
    ("directives", "music", "played"),
    [
        ("%%MIDI drummap C 36", "CD", [36, 62]),
        ("%%MIDI drummap C, 36", "CC,", [60, 36]),
        ("%%MIDI drummap ^c 38\n%%MIDI drummap _B, 42", "c^c_B,", [72, 38, 42]),
        ("I:MIDI drummap c' 49", "c'c", [49, 72]),
        ("%%MIDI drummap C 200", "C", [60]),
        ("%%MIDI drummap H 36", "C", [60]),
    ],
)
def test_drums_are_mapped(read: Read, directives: str, music: str, played: list[int]) -> None:
    head = f"{HEAD}{directives}\nK:C\n"
    score = read("a.abc", f"{head}%%MIDI channel 10\n{music}|\n")
    assert (pitches(score), score.parts[0].is_drum) == (played, True)
    tonal = read("b.abc", f"{head}{music}|\n")  # not in a voice of notes
    assert not tonal.parts[0].is_drum
    assert pitches(tonal) != played or 36 not in played


def test_a_key_moves_a_drum_as_it_does_a_note(read: Read) -> None:
    tune = f"{HEAD}%%MIDI drummap ^c 38\nK:D\n%%MIDI channel 10\nc=c|\n"
    assert pitches(read("a.abc", tune)) == [38, 72]


@pytest.mark.parametrize(
    ("directives", "music", "count"),
    [
        ("I:linebreak !", "CDEF!GABc!|", 8),
        ("I:linebreak $", "CDEF$GABc|", 8),
        ("%%linebreak !", "CD!EF!|", 4),
        ("I:linebreak <EOL>", "!trill!CDEF|", 4),
        ("N:none", "!trill!CDEF|", 4),
        ("N:none", "CDEF!|GABc|!", 8),
        ("N:none", "CDEF!GABc|de!", 10),
        ("I:decoration +", "+trill+CDEF|", 4),
    ],
)
def test_marks_between_notes_are_decorations_or_ends_of_lines(
    read: Read, directives: str, music: str, count: int
) -> None:
    assert len(pitches(read("a.abc", f"{HEAD}{directives}\nK:C\n{music}\n"))) == count


# ---- the order of playing ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("music", "played"),
    [
        ("C4|D4!D.C.!|", "CDCD"),
        ("C4|D4!D.C.!|]", "CDCD"),
        ("C4|D4|!D.C.!", "CDCD"),
        ("C4|!D.C.!D4|", "CDCD"),
        ("C4|D4!dacapo!|", "CDCD"),
        ("C4!fine!|D4!D.C.!|", "CDC"),
        ("!fine!C4|D4!D.C.alfine!|", "CDC"),
        ("C4|!segno!D4|E4!D.S.!|", "CDEDE"),
        ("C4|!segno!D4!fine!|E4!D.S.alfine!|", "CDED"),
        # the standard's letters for the signs, and a tune's own
        ("C4|SD4O|E4!D.S.!|OF4|", "CDEDF"),
        ("C4|D4\nU:W = !fine!\nW|E4!D.C.!|", "CDECD"),
        ("C4|\nU:S = !fermata!\nSD4|E4|", "CDE"),
        ("C4!dacoda!|D4!D.C.alcoda!|!coda!E4|", "CDCE"),
        ("C4|!segno!D4!coda!|E4!D.S.alcoda!|!coda!F4|", "CDEDF"),
        ("|:C4:|D4!D.C.!|", "CCDCD"),
        ("|:C4!fine!:|D4!D.C.!|", "CCDC"),
        ("|:C4|1D4:|2E4|]F4!D.C.!|", "CDCEFCEF"),
        ('C4"^Fine"|D4"_D.C. al Fine"|', "CDC"),
        ('C4"Fine"|D4"D.C."|', "CDC"),
        ("+fine+C4|D4+D.C.+|", "CDC"),
        # Near: nothing to go back to, other words and marks.
        ("!segno!C4|D4!fine!|E4|", "CDE"),
        ('"^Fine tune"C4|"^Dances"D4|', "CD"),
        ("!f!C4|!D.C!D4|", "CD"),
        ("C4|!D.S.!D4|", "CD"),
    ],
)
def test_da_capo_and_dal_segno_are_followed(read: Read, music: str, played: str) -> None:
    sounding = pitches(read("a.abc", f"{HEAD}K:C\n{music}\n"))
    assert "".join("CDEF"[[60, 62, 64, 65].index(pitch)] for pitch in sounding) == played


def test_an_order_of_parts_counts_before_da_capo(read: Read) -> None:
    tune = "X:1\nT:t\nM:4/4\nL:1/4\nP:AB\nK:C\nP:A\nC4!fine!|\nP:B\nD4!D.C.!|\n"
    assert pitches(read("a.abc", tune)) == [60, 62]


def test_a_repeat_within_a_voice_counts_for_all(read: Read) -> None:
    tune = f"{HEAD}V:1\nV:2\nK:C\n[V:1]C4!fine!|D4!D.C.!|\n[V:2]E4|F4|\n"
    score = read("a.abc", tune)
    assert [pitches(score, n) for n in (0, 1)] == [[60, 62, 60], [64, 65, 64]]


# ---- texts -------------------------------------------------------------------------------

#: Section 14.1 of the standard: mnemonics, and the names of the same letters.
LETTERS = {
    "À": "`A", "à": "`a", "È": "`E", "è": "`e", "Ì": "`I", "ì": "`i", "Ò": "`O", "ò": "`o",
    "Ù": "`U", "ù": "`u", "Á": "'A", "á": "'a", "É": "'E", "é": "'e", "Í": "'I", "í": "'i",
    "Ó": "'O", "ó": "'o", "Ú": "'U", "ú": "'u", "Ý": "'Y", "ý": "'y", "Â": "^A", "â": "^a",
    "Ê": "^E", "ê": "^e", "Î": "^I", "î": "^i", "Ô": "^O", "ô": "^o", "Û": "^U", "û": "^u",
    "Ŷ": "^Y", "ŷ": "^y", "Ã": "~A", "ã": "~a", "Ñ": "~N", "ñ": "~n", "Õ": "~O", "õ": "~o",
    "Ä": '"A', "ä": '"a', "Ë": '"E', "ë": '"e', "Ï": '"I', "ï": '"i', "Ö": '"O', "ö": '"o',
    "Ü": '"U', "ü": '"u', "Ÿ": '"Y', "ÿ": '"y', "Ç": "cC", "ç": "cc", "Å": "AA", "å": "aa",
    "Ø": "/O", "ø": "/o", "Ă": "uA", "ă": "ua", "Ĕ": "uE", "ĕ": "ue", "Š": "vS", "š": "vs",
    "Ž": "vZ", "ž": "vz", "Ő": "HO", "ő": "Ho", "Ű": "HU", "ű": "Hu", "Æ": "AE", "æ": "ae",
    "Œ": "OE", "œ": "oe", "ß": "ss", "Ð": "DH", "ð": "dh", "Þ": "TH", "þ": "th",
}  # fmt: skip


@pytest.mark.parametrize("letter", LETTERS)
def test_every_letter_of_the_standard(letter: str) -> None:
    code = f"{ord(letter):04x}"
    written = [rf"\{LETTERS[letter]}", rf"\u{code}", rf"\U0000{code.upper()}"]
    names = [
        name for name, char in html.entities.html5.items() if char == letter and name[-1] == ";"
    ]
    written += [f"&{name}" for name in names if name.endswith(";")] + [
        f"&#{ord(letter)};",
        f"&#x{code};",
    ]
    assert {decode_text(f"x{escape}y") for escape in written} == {f"x{letter}y"}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (r"Dvo\vr\'ak", "Dvořák"),
        (r"Caf\'e", "Café"),
        (r"F\"ur \'Elise", "Für Élise"),
        (r"Gar\c{c}on \'{E}t\'{e}", "Garçon Été"),
        (r"{\'e}t{\'e} stra{\ss}e", "été straße"),
        (r"Stra\ss{}e", "Straße"),
        (r"\oA \,c \rA", "Å ç Å"),
        (r"Bart\'ok B\'ela, Erd\Ho", "Bartók Béla, Erdő"),
        (r"Sm\/orgen, \/L\'od\'z", "Smørgen, Łódź"),
        ("&copy; 2001 A &amp; B", "© 2001 A & B"),
        ("gin & tonic; R&B; AT&T", "gin & tonic; R&B; AT&T"),
        (r"G\&T 100\% back\\slash", r"G&T 100% back\slash"),
        (r"\&eacute; \\'e", r"&eacute; \'e"),
        (r"B\u266d, \u266F", "B♭, ♯"),
        (r"\ufoo \uab", r"\ufoo ăb"),
        (r"C:\home \xyz \ud800 \U00ffffff", r"C:\home \xyz \ud800 \U00ffffff"),
        ("&nosuchthing; &#0;", "&nosuchthing; "),
        ("Plain", "Plain"),
    ],
)
def test_escapes(written: str, text: str) -> None:
    assert decode_text(written).rstrip("\ufffd") == text.rstrip()


def test_escapes_in_titles_composers_and_names(tmp_path: Path) -> None:
    (tmp_path / "a.abc").write_text(
        "X:1\nT:F\\\"ur \\'Elise 100\\% % remark\nC:Dvo\\vr\\'ak &copy;\nR:m&eacute;nuet\n"
        'V:1 name="Fl\\^ote"\nM:4/4\nL:1/4\nK:C\n"B\\u266d"CDEF|\n'
    )
    (score,) = read_scores(tmp_path / "a.abc")
    assert isinstance(score, Score)
    assert (score.title, score.composer, score.genre) == ("Für Élise 100%", "Dvořák ©", "ménuet")
    assert score.parts[0].name == "Flôte"
    assert score.chords == ((0, "B♭"),)
    (tags,) = read_score_tags(tmp_path / "a.abc")
    assert (tags.title, tags.artist) == ("Für Élise 100%", "Dvořák ©")


@pytest.mark.parametrize("title", [r"50% of \'e & co", "R&eacute;", "a & b &c", r"back\\slash"])
def test_titles_come_back_as_they_were(read: Read, title: str) -> None:
    score = read("a.abc", f"{HEAD}K:C\nCDEF|\n")
    titled = Score(title, *(getattr(score, name) for name in Score.__slots__[1:]))
    assert read("b.abc", write_abc(titled)).title == title


@pytest.mark.parametrize(
    ("title", "charset"),
    [("Łąka", "iso-8859-2"), ("Žirgas ąžuolas", "iso-8859-4"), ("Été", "utf-8")],
)
def test_a_declared_charset_counts(tmp_path: Path, title: str, charset: str) -> None:
    for line in (f"I:abc-charset {charset}", f"%%abc-charset {charset}"):
        text = f"{line}\n\nX:1\nT:{title}\nM:4/4\nL:1/4\nK:C\nCDEF|\n"
        (tmp_path / "a.abc").write_bytes(text.encode(charset))
        assert [tags.title for tags in read_score_tags(tmp_path / "a.abc")] == [title]


# ---- bad input ---------------------------------------------------------------------------


def outcomes(path: Path) -> list[str]:
    try:
        return [tune.reason for tune in read_scores(path) if isinstance(tune, UnreadableTune)]
    except Unreadable as error:
        return [str(error)]


def test_mutations_are_read_or_refused_in_a_line(tmp_path: Path) -> None:
    rng = random.Random(17)
    whole = (
        b"I:abc-charset utf-8\n%%MIDI program 2 40\n\nX:1\nT:F\\\"ur {\\'E}lise\n+:more\nP:A(BA)2\n"
        b'M:6/8\nL:1/8\nK:D Mix octave=-1\n%%MIDI drummap ^c 38\nP:A\n(3:2:3ABc [V:2]"Am"d>e|1 f:|2'
        b" g|]\nP:B\n[I:MIDI transpose 2][K:HP]{g}A&B ::(9ABcdefgab|\nw: la-la\n+: la\n"
    )
    started = time.process_time()
    for _ in range(200):
        mutated = bytearray(whole[: rng.randrange(len(whole))] if rng.random() < 0.2 else whole)
        for _ in range(rng.randrange(6) if mutated else 0):
            at = rng.randrange(len(mutated))
            mutated[at : at + rng.randrange(3)] = bytes([rng.choice(whole) if rng.random() < 0.7
                                                       else rng.randrange(256)])  # fmt: skip
        (tmp_path / "a.abc").write_bytes(mutated)
        assert not any("\n" in message for message in outcomes(tmp_path / "a.abc"))
    assert time.process_time() - started < 30
