"""Scores of every format are read as they are written; what is no score says why."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_scores import (
    CONTAINER,
    Read,
    melody,
    meta,
    midi,
    music_xml,
    note,
    quarter,
    reader,
    zipped,
)

from segue.errors import Unreadable
from segue.io import musicxml_read as music_xml_format
from segue.io.midi import read_midi, write_midi
from segue.io.scores import read_score_tags, read_scores
from segue.records import Score


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return reader(tmp_path)


# ---- MusicXML ----------------------------------------------------------------------------

BAR = note("C", 4, 1) + note("D", 4, 1) + note("E", 4, 1)
TITLE = (
    "<work><work-title>Six Songs</work-title></work><movement-title>Rose</movement-title>"
    '<identification><creator type="composer">A. Nonyma</creator></identification>'
)
REPEATED = '<barline location="right"><repeat direction="backward"/></barline>'


def test_music_xml_is_read_with_all_that_it_tells(read: Read) -> None:
    tempo = '<direction><direction-type/><sound tempo="90"/></direction>'
    score = read("a.musicxml", music_xml(tempo + BAR, BAR, title=TITLE))
    assert (score.title, score.composer) == ("Rose", "A. Nonyma")
    assert [(part.name, part.program) for part in score.parts] == [("Viola", 41)]
    assert melody(score)[:4] == [(0, 1, 60), (1, 1, 62), (2, 1, 64), (3, 1, 60)]
    assert score.tempos.tolist() == [[0, 90]]
    assert score.time_signatures.tolist() == [[0, 3, 4]]
    assert score.keys.tolist() == [[0, -1, 0]]


def harmony(step: str, kind: str, more: str = "", text: str = "") -> str:
    kind_element = f'<kind text="{text}">{kind}</kind>'
    return f"<harmony><root><root-step>{step}</root-step></root>{kind_element}{more}</harmony>"


def test_music_xml_tells_the_chords_above_its_notes(read: Read) -> None:
    degree = (
        "<degree><degree-value>{}</degree-value><degree-alter>{}</degree-alter>"
        "<degree-type>{}</degree-type></degree>"
    )
    bass = "<bass><bass-step>E</bass-step><bass-alter>-1</bass-alter></bass>"
    first = harmony("A", "minor-seventh") + note("C", 4, 1)
    later = "<offset>2</offset>"  # a quarter
    second = harmony("C", "dominant", degree.format(9, -1, "add") + later) + note("D", 4, 2)
    third = harmony("F", "other", text="7alt") + note("C", 4, 1) + harmony("G", "major", bass)
    fourth = note("C", 4, 1) + harmony("C", "none") + note("C", 4, 1)
    unknown = harmony("C", "other") + harmony("X", "major")
    score = read("a.musicxml", music_xml(first + second, third + fourth, unknown + BAR))
    assert [(tick / 480, name) for tick, name in score.chords] == [
        (0, "Am7"), (2, "C7addb9"), (3, "F7alt"), (4, "G/Eb"), (5, "N.C."),
    ]  # fmt: skip
    assert len(melody(score)) == 8


def test_music_xml_joins_ties_and_leaves_grace_notes_out(read: Read) -> None:
    grace = "<note><grace/><pitch><step>B</step><octave>4</octave></pitch></note>"
    first = note("C", 4, 1) + grace + note("D", 4, 2, tie="start")
    score = read("a.xml", music_xml(first, note("D", 4, 3, tie="stop start"),
                                    note("D", 4, 1, tie="stop") + note("D", 4, 2)))  # fmt: skip
    assert melody(score) == [(0, 1, 60), (1, 6, 62), (7, 2, 62)]


def test_music_xml_plays_repeats(read: Read) -> None:
    score = read("a.xml", music_xml(note("C", 4, 3), note("D", 4, 3) + REPEATED, note("E", 4, 3)))
    assert [pitch for *_, pitch in melody(score)] == [60, 62, 60, 62, 64]
    many = REPEATED.replace("/></b", ' times="1000000"/></b')
    assert len(melody(read("b.xml", music_xml(note("C", 4, 3) + many)))) <= 16


def test_a_pickup_of_music_xml_waits_for_its_bar_line(read: Read) -> None:
    score = read("a.xml", music_xml(note("C", 4, 1), BAR, note("D", 4, 2)))
    assert [on for on, *_ in melody(score)] == [2, 3, 4, 5, 6]
    assert score.time_signatures.tolist() == [[0, 3, 4]]


def test_transposing_instruments_sound_as_they_do(read: Read) -> None:
    clarinet = "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose>"
    score = read("a.xml", music_xml(BAR, part=clarinet))
    assert [pitch for *_, pitch in melody(score)] == [58, 60, 62]
    assert score.keys.tolist() == [[0, -3, 0]]


def test_notes_without_a_pitch_are_drums(read: Read) -> None:
    hit = "<note><unpitched/><duration>2</duration></note>"
    (part,) = read("a.xml", music_xml(hit * 3)).parts
    assert part.is_drum
    assert len(part.notes) == 3


def test_both_staves_of_a_piano_are_one_part(read: Read) -> None:
    upper = note("C", 5, 3, more="<voice>1</voice><staff>1</staff>")
    lower = note("C", 3, 3, more="<voice>5</voice><staff>2</staff>")
    bar = upper + "<backup><duration>6</duration></backup>" + lower
    score = read("a.xml", music_xml(bar, bar, part="<staves>2</staves>"))
    assert [sorted(part.notes[:, 2].tolist()) for part in score.parts] == [[48, 48, 72, 72]]


def test_music_xml_by_bars_is_read_as_by_parts(read: Read) -> None:
    plain = music_xml(BAR, note("F", 4, 3))
    by_bars = plain.replace("score-partwise", "score-timewise").replace('<part id="P1">', "")
    by_bars = by_bars.replace("</measure>", "</part></measure>").replace(
        "</part></score-", "</score-"
    )
    for number in "01":
        by_bars = by_bars.replace(
            f'<measure number="{number}">', f'<measure number="{number}"><part id="P1">'
        )
    assert melody(read("a.xml", by_bars)) == melody(read("b.xml", plain))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
def test_music_xml_in_other_encodings(read: Read, encoding: str) -> None:
    head = {"latin-1": "ISO-8859-1", "utf-8-sig": "UTF-8"}.get(encoding, encoding)
    text = music_xml(BAR, title=TITLE.replace("Rose", "Röslein"))
    text = text.replace('version="1.0"', f'version="1.0" encoding="{head}"', 1)
    assert read("a.xml", text.encode(encoding)).title == "Röslein"


DOCTYPE = (
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">'
)


def test_compressed_music_xml_is_read_by_its_container(read: Read) -> None:
    text = music_xml(BAR, head=DOCTYPE).encode()
    container = CONTAINER.format("a/b_xml").encode()
    content = zipped({"META-INF/container.xml": container, "a/b_xml": text})
    assert len(melody(read("a.mxl", content))) == 3


def boxed(name: str, content: bytes = b"") -> bytes:
    """Return an archive whose container points to a member."""
    return zipped({"META-INF/container.xml": CONTAINER.format(name).encode(), "a.xml": content})


KERN = (
    "!!!COM: Bach, Johann Sebastian\n!!!OTL@@DE: Choral\n**kern\t**kern\n*k[f#]\t*k[f#]\n"
    "*M3/4\t*M3/4\n4D\t4g\n=1\t=1\n2.G\t4b\n.\t2a\n=2\t=2\n2G\t2g\n==\t==\n*-\t*-\n"
)
SILENCE = "<note><rest/><duration>6</duration></note>"
LAUGHS = '<!DOCTYPE score-partwise [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
OUTSIDE = '<!DOCTYPE score-partwise [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xml", b"", "empty"),
        ("a.xml", b"\x00\xff" * 99, "damaged XML"),
        ("a.xml", b'<?xml version="1.0" encoding="UTF-127"?><a/>', "damaged XML"),
        ("a.xml", b"<svg/>", "no MusicXML"),
        ("a.xml", music_xml(BAR)[:400].encode(), "damaged XML"),
        ("a.xml", music_xml(SILENCE).encode(), "without a note"),
        ("a.xml", music_xml(BAR, head=LAUGHS).encode(), "declares entities"),
        ("a.xml", music_xml(BAR, head=OUTSIDE).encode(), "declares entities"),
        ("a.xml", music_xml(BAR, head=OUTSIDE.replace("a S", "% a S")).encode(), "entities"),
        ("a.xml", b"<score-partwise>" + b"<a>" * 99, "damaged XML"),
        ("a.xml", music_xml(BAR).replace("<beats>3", "<beats>1024").encode(), "at most 64"),
        ("a.krn", KERN.replace("*M3/4", "*M1025/4").encode(), "at most 64"),
        ("a.mxl", boxed("../../a.xml"), "out of itself"),
        ("a.mxl", boxed("/etc/passwd"), "out of itself"),
        ("a.mxl", boxed("b.xml").replace(b"a.xml", b"a.xyz"), "without b.xml"),
        ("a.mxl", zipped({"a.xyz": b""}), "without META-INF"),
        ("a.mxl", boxed("a.xml", b" " * (70 << 20)), "unpacks to more than"),
        ("a.mxl", boxed("a.xml", music_xml(BAR).encode())[:-40], "damaged or encrypted"),
        ("a.mxl", b"PK\3\4 no zip", "damaged or encrypted"),
        ("a.mid", b"\x8a\x01random" * 99, "no MIDI file"),
        ("a.krn", b"C D E", "spine"),
        ("a.krn", b"**kern\n4zz\n*-\n", "damaged|without a note"),
        ("a.krn", b"**kern\n" + b"".join(b"\t".join([b"*^"] * 2**n) + b"\n" for n in range(17)),
         "512 spines side by side, expected at most 256"),
        ("a.txt", b"C D E", "expected .abc"),
    ],
)  # fmt: skip
def test_bad_files_say_why(read: Read, name: str, content: bytes, message: str) -> None:
    with pytest.raises(Unreadable, match=message):
        read(name, content)


def test_too_many_notes_are_refused(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(music_xml_format, "MAX_NOTES", 5)
    with pytest.raises(Unreadable, match="more than 5 notes"):
        read("a.xml", music_xml(BAR, BAR))


def test_a_folder_named_as_a_score_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.mid").mkdir()
    with pytest.raises(Unreadable, match="cannot be opened"):
        read_scores(tmp_path / "a.mid")
    assert read_score_tags(tmp_path / "a.mid")[0].title == "a"


# ---- kern, tags --------------------------------------------------------------------------


def test_kern_is_read(read: Read) -> None:
    score = read("a.krn", KERN)
    assert (score.title, score.composer) == ("Choral", "Johann Sebastian Bach")
    assert sorted(melody(score, n)[0] for n in (0, 1)) == [(2, 1, 50), (2, 1, 67)]
    assert score.time_signatures.tolist() == [[0, 3, 4]]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("01 - Tune.mid", midi(0, meta(3, b"Gavotte"), quarter(0, 60)), ("Gavotte", "", None)),
        ("Someone - Tune.mid", b"MThd", ("Tune", "Someone", None)),
        ("01 Tune.mid", b"", ("Tune", "", 1)),
        ("a.xml", music_xml(BAR, title=TITLE).encode(), ("Rose", "A. Nonyma", None)),
        ("a.xml", music_xml(BAR, title=TITLE).encode()[:200], ("a", "", None)),
        ("a.krn", KERN.encode(), ("Choral", "Johann Sebastian Bach", None)),
        ("a.abc", b"nothing", ("a", "", None)),
    ],
)
def test_tags_come_from_the_score_else_from_the_name(
    tmp_path: Path, name: str, content: bytes, expected: tuple[str, str, int | None]
) -> None:
    path = tmp_path / "Album" / name
    path.parent.mkdir()
    path.write_bytes(content)
    (tags,) = read_score_tags(path)
    assert (tags.title, tags.artist, tags.track_number) == expected
    assert tags.album == ("Six Songs" if tags.title == "Rose" else "")


# ---- MIDI --------------------------------------------------------------------------------


def test_channels_and_programs_of_one_track_are_parts(read: Read) -> None:
    change = b"\0\xc0\x05", b"\0\xc0\x28"
    events = change[0] + quarter(0, 60) + quarter(9, 36) + change[1] + quarter(0, 62)
    parts = read("a.mid", midi(0, events)).parts
    assert {(p.program, p.is_drum, int(p.notes[0, 2])) for p in parts} == {
        (5, False, 60), (0, True, 36), (40, False, 62)
    }  # fmt: skip


def test_patterns_of_type_2_play_at_once(read: Read) -> None:
    score = read("a.midi", midi(2, quarter(0, 60), quarter(0, 62)))
    assert [melody(score, n) for n in (0, 1)] == [[(0, 1, 60)], [(0, 1, 62)]]


def test_karaoke_tells_its_title(read: Read) -> None:
    words = meta(3, b"Words") + meta(1, b"@LENGL") + meta(1, b"@TMy Way") + meta(1, b"@TF. S.")
    score = read("a.kar", midi(1, meta(3, b"Soft Karaoke"), words, quarter(0, 60)))
    assert score.title == "My Way"


@pytest.mark.parametrize(
    ("events", "notes"),
    [
        (quarter(0, 60) + b"\0\x90\x3e\x40", 2),  # a note that never ends
        (quarter(0, 60) * 100_000, 100_000),
        (b"\0\x90" + b"\x3c\x40\0" * 99_999 + b"\x3c\x40\x60\x80\x3c\0", 1),  # in one bar
        (quarter(0, 60) + b"\x83\xff\x00\xff\x01\x01x" + quarter(0, 60), 2),  # hours later
    ],
)
def test_odd_midi_is_read_as_far_as_it_sounds(read: Read, events: bytes, notes: int) -> None:
    assert len(read("a.mid", midi(0, events)).parts[0].notes) == notes


@pytest.mark.parametrize("cut", [1, 5, 9])
def test_midi_that_is_cut_off_is_damaged(cut: int) -> None:
    with pytest.raises(Unreadable, match="damaged"):
        read_midi(midi(0, quarter(0, 60))[:-cut])


# ---- whatever the bytes ------------------------------------------------------------------

SEEDS = {
    ".mid": midi(1, meta(3, b"A"), quarter(0, 60) + quarter(9, 36)),
    ".abc": b"X:1\nT:Try\nM:3/4\nL:1/4\nK:D\n|:(3ABc d>e|1[FA]2-A:|2F3|]",
    ".xml": music_xml(note("C", 4, 1) + note("D", 4, 2, tie="start"), BAR + REPEATED).encode(),
    ".krn": KERN.encode(),
}


@pytest.mark.parametrize("suffix", sorted(SEEDS))
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_whatever_is_in_a_file_it_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
) -> None:
    content = data.draw(st.one_of(st.binary(max_size=200), mutated(SEEDS[suffix])))
    path = tmp_path_factory.mktemp("any") / f"a{suffix}"
    path.write_bytes(content)
    tags = read_score_tags(path)
    assert all(tag.title for tag in tags)
    try:
        scores = read_scores(path)
    except Unreadable:
        return
    assert len(scores) == len(tags)
    for score in scores:
        if isinstance(score, Score):
            assert score.parts
            for part in score.parts:
                low, high = part.notes.min(axis=0), part.notes.max(axis=0)
                assert (low >= [0, 1, 0, 1]).all()
                assert (high[2:] <= 127).all()
            assert (score.time_signatures[:, 1:] > 0).all()
            read_midi(write_midi(score))


@st.composite
def mutated(draw: st.DrawFn, seed: bytes) -> bytes:
    """Draw a file of which some bytes are others, are missing or stand twice."""
    content = bytearray(seed)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(content)))
        long = draw(st.integers(0, 12))
        put = draw(st.one_of(st.binary(max_size=4), st.just(bytes(content[at : at + long]) * 2)))
        content[at : at + long] = put
    return bytes(content)
