"""Texts of MIDI files: titles, names and words, in the encodings of their time."""

from pathlib import Path

import pytest

from midi_files import events, midi, off, on, text
from segue.io.abc_write import write_abc
from segue.io.midi import read_midi, write_midi
from segue.io.musicxml_write import write_music_xml
from segue.io.score_lyrics import midi_lyrics
from segue.io.scores import read_score_tags, read_scores, write_score
from segue.records import Score

NOTE = ((0, on(60)), (480, off(60)))
TEXT, NAME, LYRIC = 1, 3, 5


def sung(*syllables: bytes, kind: int = LYRIC, name: bytes = b"", before: bytes = b"") -> bytes:
    """Write a song of a syllable a note."""
    messages = [(0, text(NAME, name))] if name else []
    if before:
        messages.append((0, text(TEXT, before)))
    for n, syllable in enumerate(syllables):
        messages += [(480 * n, text(kind, syllable)), (480 * n, on(60)), (480 * n + 480, off(60))]
    return midi(events(*messages))


def words(*syllables: str, kind: int = LYRIC) -> str:
    return midi_lyrics(sung(*(s.encode() for s in syllables), kind=kind)).strip()


@pytest.mark.parametrize(
    ("title", "encoding"),
    [
        ("Für Élise", "cp1252"),
        ("Für Élise", "utf-8"),
        ("Señor, señora", "cp1252"),
        ("Катюша", "cp1251"),
        ("Катюша", "utf-8"),
        ("Подмосковные вечера", "koi8-r"),
        ("Czerwone Gitary – Nie zadzieraj nosa, bądź miły", "cp1250"),
        ("夜空ノムコウ", "shift_jis"),
        ("さくらさくら", "shift_jis"),
        ("月亮代表我的心", "gbk"),
        ("月亮代表我的心", "big5"),
        ("아리랑 고개로 넘어간다", "euc-kr"),
        ("Τα παιδιά του Πειραιά", "cp1253"),
    ],
)
def test_titles_and_names_are_one_text(title: str, encoding: str) -> None:
    raw = title.encode(encoding)
    score = read_midi(midi(events((0, text(NAME, raw)), *NOTE), kind=0))
    assert (score.title, score.parts[0].name) == (title, title)
    two = midi(events((0, text(NAME, raw))), events((0, text(NAME, raw)), *NOTE))
    assert [read_midi(two).title, read_midi(two).parts[0].name] == [title, title]
    again = read_midi(write_midi(score))
    assert (again.title, again.parts[0].name) == (title, title)


def test_short_names_profit_from_the_words() -> None:
    verse = ["Расцветали", "яблони", "и", "груши,", "поплыли", "туманы", "над", "рекой"]
    syllables = [f"{word} ".encode("koi8-r") for word in verse]
    content = sung(*syllables, name="Бас".encode("koi8-r"))
    assert read_midi(content).parts[0].name == "Бас"
    assert midi_lyrics(content).startswith("Расцветали яблони")


@pytest.mark.parametrize(
    ("declaration", "verse", "encoding"),
    [
        (b"@LRUSS", "Ой, то не вечер", "cp1251"),
        (b"{@JP}", "さくら さくら", "shift_jis"),
        (b"{@LATIN}", "Été à Nîmes où", "latin-1"),
        (b"@LPOLI", "Szła dzieweczka żółta", "cp1250"),
        (b"@LENGL", "Ой, то не вечер, то не вечер", "cp1251"),  # nobody chose a language
        (b"@LENGL", "Été à Nîmes où l'été", "cp1252"),
    ],
)
def test_what_is_declared_counts_first(declaration: bytes, verse: str, encoding: str) -> None:
    syllables = [f"{word} ".encode(encoding) for word in verse.split()] + [b"la ", b"la "]
    lyrics = midi_lyrics(sung(*syllables, before=declaration))
    assert lyrics == verse + " la la"


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_believed(mark: str) -> None:
    content = midi(events((0, text(NAME, "Été".encode(mark))), *NOTE))
    assert read_midi(content).title == "Été"


@pytest.mark.parametrize(
    ("syllables", "expected"),
    [
        (["Twin-", "kle ", "twin-", "kle ", "lit-", "tle ", "star"], "Twinkle twinkle little star"),
        (["Twin-", "kle", "twin-", "kle", "lit-", "tle", "star"], "Twinkle twinkle little star"),
        (["Twin", "kle ", "twin", "kle ", "lit", "tle ", "star"], "Twinkle twinkle little star"),
        # Hyphens of the language stay.
        (["Twin", "kle, ", "tra-", "la ", "lit", "tle ", "sto", "ry"],
         "Twinkle, tra-la little story"),
        (["Oh ", "- ", "my ", "love - ", "is ", "-gone"], "Oh - my love - is -gone"),
        (["{@JP}", "{#Title=Song}", "One ", "two ", "three ", "four{@LATIN} "],
         "One two three four"),
        (["One\r", "two\n", "three\r\n", "four"], "One\ntwo\nthree\nfour"),
        (["/One ", "\\two ", "/three ", "four"], "One \n\ntwo \nthree four"),
        (["さ", "く", "ら", "や", "よ", "い"], "さくらやよい"),
        (["月", "亮", "代", "表,", "我", "的", "心"], "月亮代表,我的心"),
    ],
)  # fmt: skip
def test_syllables_make_words(syllables: list[str], expected: str) -> None:
    assert [line.strip() for line in words(*syllables).split("\n")] == [
        line.strip() for line in expected.split("\n")
    ]


KARAOKE = [b"@KMIDI KARAOKE FILE", b"@V0100", b"@LENGL", b"\\Row ", b"row ", b"/row ", b"your boat"]


def karaoke(first: bytes, *texts: bytes, words_in: bytes = b"Words") -> bytes:
    """Write a karaoke file: tracks of a first name, of words, of notes."""
    return midi(
        events((0, text(NAME, first))),
        events((0, text(NAME, words_in)), *((0, text(TEXT, line)) for line in (*KARAOKE, *texts))),
        events((0, text(NAME, b"Melody")), *NOTE),
    )


@pytest.mark.parametrize("first", [b"Words", b"Soft Karaoke", b"words", b"Lyrics", b"untitled"])
def test_a_track_of_words_is_no_title(first: bytes, tmp_path: Path) -> None:
    (tmp_path / "Row Your Boat.kar").write_bytes(karaoke(first))
    (tags,) = read_score_tags(tmp_path / "Row Your Boat.kar")
    assert tags.title == "Row Your Boat"
    (score,) = read_scores(tmp_path / "Row Your Boat.kar")
    assert isinstance(score, Score)
    assert score.title == ""


def test_a_karaoke_file_tells_its_title() -> None:
    assert read_midi(karaoke(b"Words", b"@TRow, Row", b"@TSomebody")).title == "Row, Row"
    assert read_midi(karaoke(b"Words", b"{#Title=Row On}")).title == "Row On"
    assert read_midi(karaoke(b"Row It")).title == "Row It"
    # Near: without words a song may be called so.
    assert read_midi(midi(events((0, text(NAME, b"Words")), *NOTE))).title == "Words"


def test_a_name_behind_a_note_is_no_title() -> None:
    score = read_midi(midi(events((0, on(60)), (0, text(NAME, b"Flute")), (480, off(60)))))
    assert (score.title, score.parts[0].name) == ("", "Flute")


def test_what_cannot_be_decoded_is_in_no_export(tmp_path: Path) -> None:
    broken = "Für".encode() + b"\xff\xfe\x81" + "Élise née à Évian".encode()
    score = read_midi(midi(events((0, text(NAME, broken)), *NOTE)))
    assert score.title
    written = [write_midi(score), write_music_xml(score), write_abc(score).encode()]
    assert all("\ufffd".encode() not in content for content in written)
    write_score(score, tmp_path / "a.mid")
