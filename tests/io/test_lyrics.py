import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.errors import Unreadable
from segue.io.lyrics import UnreadableSong, is_live_or_remix, read_lyrics, read_lyrics_tags
from segue.io.lyrics_text import (
    PLAIN_TEXT,
    TextOptions,
    decode_text,
    normalise_layout,
    section_name,
)
from segue.io.score_lyrics import lyrics_in_score, midi_lyrics, musicxml_lyrics
from segue.records import Lyrics, Tags

VERSE = "Röslein auf der Heiden,\nwar so jung und morgenschön,"


def only(path: Path, form: TextOptions = PLAIN_TEXT) -> Lyrics:
    (song,) = read_lyrics(path, form)
    assert isinstance(song, Lyrics)
    return song


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-32"]
)
def test_encodings_are_detected(tmp_path: Path, encoding: str) -> None:
    assert only(written(tmp_path / "a.txt", VERSE.encode(encoding))).text == VERSE


def test_lines_of_two_encodings_in_one_file(tmp_path: Path) -> None:
    first, second = VERSE.split("\n")
    mixed = first.encode() + b"\n" + second.encode("latin-1")
    assert only(written(tmp_path / "a.txt", mixed)).text == VERSE


@pytest.mark.parametrize(
    "text", ["مرحبا يا ليل\nيا عين", "שלום לך ארץ נהדרת", "静かな夜\n星が光る", "달빛 아래\n우리"]
)
def test_every_script_is_kept(tmp_path: Path, text: str) -> None:
    assert only(written(tmp_path / "a.txt", text)).text == text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"  \n\n", "no words"),
        (b"123 456\n--", "no words"),
        (b"[Chorus]\n[Verse 2]\n", "no words"),
        (bytes(range(256)) * 8, "a binary file"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(100), "a binary file"),
        (b"a" * 1_000_001, "1 million of a song"),
    ],
    ids=["empty", "blank", "numbers", "headers", "binary", "picture", "endless"],
)
def test_files_without_songs_are_reported(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(Unreadable, match=message):
        read_lyrics(written(tmp_path / "a.txt", content))


@pytest.mark.parametrize(("name", "message"), [("a.txt", "4 MB of lyrics"), ("a.csv", "100 MB")])
def test_a_hundred_megabytes_are_refused_unread(tmp_path: Path, name: str, message: str) -> None:
    with (tmp_path / name).open("wb") as file:
        file.truncate(101 << 20)  # takes no room on the disk
    with pytest.raises(Unreadable, match=message):
        read_lyrics(tmp_path / name)


def test_sections_are_removed_or_kept(tmp_path: Path) -> None:
    text = "[Verse 1: A. Singer]\nOne line\nChorus:\nAnother [softly] line\n\n(Chorus)\nLast"
    file = written(tmp_path / "a.txt", text)
    assert only(file).text == "One line\n\nAnother [softly] line\n\nLast"
    lyrics = only(file, TextOptions(keep_sections=True)).text
    assert lyrics == (
        "[Verse 1: A. Singer]\nOne line\n\n[Chorus]\nAnother [softly] line\n\n[Chorus]\nLast"
    )
    assert only(file, TextOptions(fold_case=True)).text.startswith("one line")


@pytest.mark.parametrize("line", ["Hook line and sinker", "(oh, oh)", "Bridge over water", "Solo"])
def test_what_is_sung_is_no_header(line: str) -> None:
    assert section_name(line) == ""


@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_a_tidied_text_stays_as_it_is(text: str) -> None:
    once = normalise_layout(text)
    assert normalise_layout(once) == once
    assert all(line == line.strip() for line in once.split("\n"))
    assert not any(c < " " and c != "\n" for c in once)


def test_time_stamps_are_removed_and_followed(tmp_path: Path) -> None:
    text = (
        "[ti:A Song]\n[ar:A. Singer]\n[al:An Album]\n[offset:+100]\n"
        "[00:12.50]First <00:13.00>line\n[00:30.00][00:18.25]Again\n[00:24.1]Third line\n"
    )
    file = written(tmp_path / "x.lrc", text)
    assert only(file).text == "First line\nAgain\nThird line\nAgain"
    assert read_lyrics_tags(file, tmp_path) == (Tags("A Song", "A. Singer", "An Album"),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[00:01.0000]One\n[00:02.123456]Two", "One\nTwo"),
        ("[00:01.00]F:One\n[00:02.00]M: Two\n[00:03.00]D: Three", "One\nTwo\nThree"),
        ("[00:01.00]v1: <00:01.00>One\n[00:02.00]v2: Two", "One\nTwo"),
        ("[00:01.00]v1: One\n[00:02.00]<00:02.00>M:Two", "One\nTwo"),
        ('{"t":0,"c":[{"tx":"A: "},{"tx":"B"}]}\n[00:01.00]One', "One"),
        ("[00:01.00]Ma: One\n[00:02.00]F: ", "Ma: One\nF:"),
    ],
)
def test_what_programs_write_into_timed_lines(tmp_path: Path, text: str, words: str) -> None:
    assert only(written(tmp_path / "x.lrc", text)).text == words


def test_markdown_holds_songs_under_titles(tmp_path: Path) -> None:
    text = (
        "---\nartist: A. Singer\n---\nAbout these.\n\n# One\n## Chorus\n**Loud** line\\\nnext\n\n"
        "***\n# Two\n> Quoted line\n"
    )
    file = written(tmp_path / "songs.md", text)
    songs = read_lyrics(file, TextOptions(keep_sections=True))
    assert [song.text for song in songs if isinstance(song, Lyrics)] == [
        "[Chorus]\nLoud line\nnext",
        "Quoted line",
    ]
    assert [(t.title, t.artist, t.album) for t in read_lyrics_tags(file, tmp_path)] == [
        ("One", "A. Singer", "songs"),
        ("Two", "A. Singer", "songs"),
    ]


@pytest.mark.parametrize("divider", [",", ";", "\t"])
def test_tables_of_any_divider(tmp_path: Path, divider: str) -> None:
    rows = [["Artist", "Song", "Lyrics"], ["A", "One", '"first\nsecond"'], ["B", "Two", "third"]]
    file = written(tmp_path / "a.csv", "\r\n".join(divider.join(row) for row in rows))
    songs = read_lyrics(file)
    assert [song.text for song in songs if isinstance(song, Lyrics)] == ["first\nsecond", "third"]
    assert [(t.title, t.artist) for t in read_lyrics_tags(file, tmp_path)] == [
        ("One", "A"),
        ("Two", "B"),
    ]


def test_a_row_without_lyrics_does_not_affect_others(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "artist,title,text\nA,One,la la\nA,Two,\nB,Three,oh\n")
    songs = read_lyrics(file)
    assert songs[1] == UnreadableSong("no words in it")
    assert len(songs) == len(read_lyrics_tags(file, tmp_path)) == 3


ONE = {"artist": "A", "title": "One", "lyrics": "first\nsecond"}
TWO = {"artist": {"name": "B"}, "title": "Two", "text": [["first"], ["second", "third"]]}


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([ONE, TWO]),
        json.dumps({"songs": [ONE, TWO]}),
        json.dumps(ONE) + "\n" + json.dumps(TWO) + "\n",
    ],
    ids=["list", "object", "lines"],
)
def test_json_of_any_shape(tmp_path: Path, content: str) -> None:
    file = written(tmp_path / "a.json", content)
    songs = read_lyrics(file)
    assert [song.text for song in songs if isinstance(song, Lyrics)] == [
        "first\nsecond",
        "first\n\nsecond\nthird",
    ]
    assert [(t.title, t.artist) for t in read_lyrics_tags(file, tmp_path)] == [
        ("One", "A"),
        ("Two", "B"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "artist,title\nA,One\n", "no column text or lyrics"),
        ("a.csv", "artist,title,text\n", "without a row"),
        ("a.csv", "artist,title,text\nA,One,\nB,Two,12\n", "none of its 2 songs"),
        ("a.json", "{not json", "damaged JSON"),
        ("a.json", '{"tempo": 3}', "JSON without lyrics"),
        ("a.json", "[" * 100_000, "nested too deep"),
        ("a.jsonl", '{"text": "a"}\n{"text"', "in line 2"),
    ],
)
def test_malformed_tables_are_reported(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    with pytest.raises(Unreadable, match=message):
        read_lyrics(written(tmp_path / name, content))


@pytest.mark.parametrize(
    ("path", "title", "artist"),
    [
        ("Singer/03 Song.txt", "Song", "Singer"),
        ("Singer/Album/Song.txt", "Song", "Singer"),
        ("Other/Singer - Song.txt", "Song", "Singer"),
        ("Song.txt", "Song", ""),
    ],
)
def test_names_tell_artist_and_title(tmp_path: Path, path: str, title: str, artist: str) -> None:
    root = tmp_path / "root"
    (root / path).parent.mkdir(parents=True)
    (tags,) = read_lyrics_tags(written(root / path, "la la"), root)
    assert (tags.title, tags.artist) == (title, artist)


@pytest.mark.parametrize(
    "title",
    ["Song (Live)", "Song - Live", "Song (Live at Home)", "Song [Remix 2011]", "Song (X Remix)",
     "Song - Live 1999", "Song (Recorded Live in Rome)"],
)  # fmt: skip
def test_versions_are_known_by_their_titles(title: str) -> None:
    assert is_live_or_remix(title)


@pytest.mark.parametrize(
    "title", ["Live and Learn", "Long Live", "Song (I Live for You)", "Remixed Feelings", "Alive"]
)
def test_what_only_sounds_so_is_no_version(title: str) -> None:
    assert not is_live_or_remix(title)


# ---- words that music carries along ---------------------------------------------------------


def midi(*events: tuple[int, bytes], notes: bool = True) -> bytes:
    """Write a MIDI file of one track: meta events a quarter apart, a note under each."""
    track = b""
    for kind, text in events:
        track += b"\0\xff" + bytes([kind, len(text)]) + text
        # The second event has no status of its own: it runs on.
        track += b"\0\x90\x3c\x40\x60\x3c\0" if notes else b"\x60\xf0\x02\x01\xf7"
    track += b"\0\xff\x2f\0"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96) + b"MTrk" + struct.pack(
        ">I", len(track)
    ) + track  # fmt: skip


def test_lyric_events_of_midi() -> None:
    syllables = [b"Ros", b"a ", b"bianca\r", b"nel ", b"giardi", b"no\n", b"dor", b"me"]
    assert midi_lyrics(midi(*((5, s) for s in syllables))) == "Rosa bianca\nnel giardino\ndorme"
    hyphened = [b"Twin-", b"kle", b"lit-", b"tle", b"star"]
    assert midi_lyrics(midi(*((5, s) for s in hyphened), notes=False)) == "Twinkle little star"


def test_texts_of_karaoke_files() -> None:
    texts = ["@KMIDI KARAOKE FILE", "@TA Title", "\\Frère ", "Jac", "ques,", "/dor", "mez ", "vous"]
    lyrics = midi_lyrics(midi(*((1, t.encode("latin-1")) for t in texts)))
    assert lyrics == "\n\nFrère Jacques,\ndormez vous"


@pytest.mark.parametrize("cut", [30, 40, 60])
def test_a_midi_file_cut_short_is_refused_as_its_notes_are(cut: int) -> None:
    whole = midi(*((5, s) for s in [b"One ", b"two ", b"three ", b"four ", b"five ", b"six "]))
    with pytest.raises(Unreadable, match="cut off"):
        midi_lyrics(whole[:cut])


def music_xml(*syllables: tuple[str, str, str]) -> bytes:
    """Write syllables as (verse, syllabic, text), a note each."""
    notes = "".join(
        f'<note><lyric number="{verse}"><syllabic>{kind}</syllabic><text>{text}</text>'
        "</lyric></note>"
        for verse, kind, text in syllables
    )
    return (
        f'<score-partwise><part id="P1"><measure>{notes}</measure></part></score-partwise>'.encode()
    )


def test_musicxml_syllables_are_joined_to_lines() -> None:
    notes = [
        ("1", "begin", "Rös"), ("1", "end", "lein"), ("1", "single", "rot,"),
        ("2", "single", "Und"), ("1", "single", "Sah"), ("1", "single", "ein"),
        ("1", "single", "Knab"), ("2", "begin", "sprach"), ("2", "end", "en"),
        ("1", "single", "ein."), ("1", "single", "Und"), ("1", "single", "so"),
    ]  # fmt: skip
    assert (
        musicxml_lyrics(music_xml(*notes))
        == "Röslein rot, Sah ein Knab ein.\nUnd so\n\nUnd sprachen"
    )


def test_unsafe_xml_has_no_words(tmp_path: Path) -> None:
    evil = b'<!DOCTYPE a [<!ENTITY x "y">]>' + music_xml(("1", "single", "&x;"))
    with pytest.raises(Unreadable, match="entities"):
        musicxml_lyrics(evil)
    assert lyrics_in_score(written(tmp_path / "a.xml", evil)) == ()


def test_binary_masks_as_text() -> None:
    with pytest.raises(Unreadable):
        decode_text(bytes(range(1, 32)) * 10)
