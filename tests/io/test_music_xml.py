"""MusicXML as it is written by many programs: what each element means for what sounds."""

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from make_scores import CONTAINER, melody, music_xml, note, zipped

from segue.errors import Unreadable
from segue.io.musicxml_elements import read_header
from segue.io.musicxml_read import read_music_xml
from segue.io.score_lyrics import musicxml_lyrics
from segue.records import Score
from segue.score.features import describe_score
from segue.theory.instruments import find_program

C, D, E, F, G, A = (note(letter, 4, 3) for letter in "CDEFGA")  # bars of 3/4
BACKWARD = '<barline location="right"><repeat direction="backward"/></barline>'
FORWARD = '<barline location="left"><repeat direction="forward"/></barline>'


def read(text: str | bytes) -> Score:
    return read_music_xml(text.encode() if isinstance(text, str) else text)


def pitches(text: str) -> str:
    """Return the letters of the notes of the first part, one after another."""
    names = {60: "C", 62: "D", 64: "E", 65: "F", 67: "G", 69: "A", 71: "B"}
    return "".join(names[pitch] for *_, pitch in melody(read(text)))


def words(text: str) -> str:
    return f"<direction><direction-type><words>{text}</words></direction-type></direction>"


def sound(attribute: str) -> str:
    return f"<direction><direction-type><words/></direction-type><sound {attribute}/></direction>"


def ending(number: str, kind: str, text: str = "") -> str:
    side = "left" if kind == "start" else "right"
    repeat = '<repeat direction="backward"/>' if kind == "stop" else ""
    return (
        f'<barline location="{side}"><ending number="{number}" type="{kind}">{text}</ending>'
        f"{repeat}</barline>"
    )


def bracket(bar: str, number: str, text: str = "", last: str = "stop") -> str:
    return ending(number, "start", text) + bar + ending(number, last)


# ---- notes ---------------------------------------------------------------------------------

HARMONY = "<harmony><root><root-step>C</root-step></root><kind>major</kind></harmony>"


@pytest.mark.parametrize(
    "between",
    [
        words("dolce"),
        HARMONY,
        '<sound tempo="90"/>',
        '<bookmark id="a"/>',
        "<attributes><clef><sign>F</sign><line>4</line></clef></attributes>",
        "<attributes><divisions>2</divisions></attributes>",
        "<print/>",
        "<figured-bass><figure><figure-number>6</figure-number></figure></figured-bass>",
        "<!-- nothing -->",
        '<direction><direction-type><pedal type="start"/></direction-type></direction>',
        "<grouping type='start'/>",
        "<note><grace/><pitch><step>B</step><octave>4</octave></pitch></note>",
    ],
)
def test_a_chord_stays_together_whatever_stands_in_it(between: str) -> None:
    chord = note("C", 4, 1) + between + note("E", 4, 1, more="").replace("<note>", "<note><chord/>")
    score = read(music_xml(chord + note("G", 4, 2)))
    assert melody(score) == [(0, 1, 60), (0, 1, 64), (1, 2, 67)]


def test_each_note_of_a_chord_has_its_own_tie() -> None:
    def chord(low: str, high: str) -> str:
        upper = note("E", 4, 3, tie=high).replace("<note>", "<note><chord/>")
        return note("C", 4, 3, tie=low) + upper

    score = read(music_xml(chord("start", ""), chord("stop", "")))
    assert melody(score) == [(0, 6, 60), (0, 3, 64), (3, 3, 64)]
    score = read(music_xml(chord("", "start"), chord("", "stop")))
    assert melody(score) == [(0, 3, 60), (0, 6, 64), (3, 3, 60)]


def test_a_tie_that_is_only_written_holds() -> None:
    tied = '<notations><tied type="{}"/></notations>'
    bars = (note("C", 4, 3, more=tied.format(kind)) for kind in ("start", "stop"))
    assert melody(read(music_xml(*bars))) == [(0, 6, 60)]


def test_cue_notes_are_silent() -> None:
    cue = note("B", 5, 1).replace("<note>", "<note><cue/>")
    chord = note("C", 4, 1) + cue.replace("<cue/>", "<cue/><chord/>") + note("D", 4, 2)
    small = note("E", 4, 3, more='<type size="cue">half</type>')
    back = "<backup><duration>6</duration></backup>"
    second = F + back + cue + cue + cue
    assert pitches(music_xml(cue * 3, chord, small, second)) == "CDEF"


def test_voices_go_back_and_forward() -> None:
    bar = (
        C + "<backup><duration>6</duration></backup><forward><duration>2</duration></forward>"
        + note("E", 4, 1) + "<backup><duration>100</duration></backup>" + note("G", 4, 1)
    )  # fmt: skip
    assert melody(read(music_xml(bar))) == [(0, 3, 60), (0, 1, 67), (1, 1, 64)]


def test_divisions_may_change_and_may_be_missing() -> None:
    finer = "<attributes><divisions>4</divisions></attributes>"
    score = read(music_xml(C, finer + note("D", 4, 3), E))
    assert melody(score) == [(0, 3, 60), (3, 1.5, 62), (4.5, 1.5, 64)]
    nothing = music_xml(note("C", 4, 1) + note("D", 4, 2)).replace("<divisions>2</divisions>", "")
    assert melody(read(nothing)) == [(0, 2, 60), (2, 4, 62)]  # one division is a quarter
    valued = nothing.replace("</duration>", "</duration><type>quarter</type>", 1)
    assert melody(read(valued)) == [(0, 1, 60), (1, 2, 62)]


@pytest.mark.parametrize(
    ("value", "length"),
    [
        ("<type>half</type>", 2),
        ("<type>half</type><dot/>", 3),
        ("<type>half</type><dot/><dot/>", 3.5),
        ("<type>eighth</type><time-modification><actual-notes>3</actual-notes>"
         "<normal-notes>2</normal-notes></time-modification>", 1 / 3),
        ("<type>eighth</type><time-modification/>", 0.5),
    ],
)  # fmt: skip
def test_a_note_without_a_duration_is_as_long_as_its_value(value: str, length: float) -> None:
    first = note("C", 4, 1).replace("<duration>2</duration>", value)
    assert melody(read(music_xml(first + D))) == [
        (0, pytest.approx(length), 60),
        (pytest.approx(length), 3, 62),
    ]


def test_triplets_do_not_drift() -> None:
    score = read(music_xml(*["<attributes><divisions>3</divisions></attributes>"
                             + "<note><pitch><step>C</step><octave>4</octave></pitch>"
                               "<duration>1</duration></note>" * 9] * 40))  # fmt: skip
    assert score.parts[0].notes[-1, :2].tolist() == [480 * 120 - 160, 160]


@pytest.mark.parametrize(
    ("transpose", "pitch", "sharps"),
    [
        ("<diatonic>-1</diatonic><chromatic>-2</chromatic>", 58, -3),
        ("<chromatic>-2</chromatic>", 58, -3),
        ("<chromatic>0</chromatic><octave-change>-1</octave-change>", 48, -1),
        ("<diatonic>0</diatonic><chromatic>0</chromatic><octave-change>-1</octave-change>", 48, -1),
        ("<chromatic>-9</chromatic>", 51, -4),
        ("<diatonic>-5</diatonic><chromatic>-9</chromatic>", 51, -4),
        ("<diatonic>-8</diatonic><chromatic>-14</chromatic>", 46, -3),
        ("<diatonic>4</diatonic><chromatic>7</chromatic>", 67, 0),
        ("<diatonic>-1</diatonic><chromatic>-2</chromatic><octave-change>-1</octave-change>",
         46, -3),
    ],
)  # fmt: skip
def test_transposing_instruments(transpose: str, pitch: int, sharps: int) -> None:
    score = read(music_xml(C, part=f"<transpose>{transpose}</transpose>"))
    assert melody(score) == [(0, 3, pitch)]
    # An alto saxophone's signature has three sharps more than what sounds.
    assert score.keys.tolist() == [[0, sharps, 0]]


@pytest.mark.parametrize(
    ("alter", "pitch"), [("1", 61), ("-1", 59), ("2", 62), ("0", 60), ("-2", 58), ("1.0", 61)]
)
def test_alterations(alter: str, pitch: int) -> None:
    text = music_xml(C.replace("</step>", f"</step><alter>{alter}</alter>"))
    assert melody(read(text)) == [(0, 3, pitch)]


# ---- tempo, metre, key -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mark", "bpm"),
    [
        ("<beat-unit>quarter</beat-unit><per-minute>60</per-minute>", 60),
        ("<beat-unit>quarter</beat-unit><per-minute>c. 60</per-minute>", 60),
        ("<beat-unit>quarter</beat-unit><per-minute>ca. 72.5</per-minute>", 72.5),
        ("<beat-unit>quarter</beat-unit><per-minute>60-80</per-minute>", 70),
        ("<beat-unit>quarter</beat-unit><per-minute>60 – 80</per-minute>", 70),
        ("<beat-unit>quarter</beat-unit><beat-unit-dot/><per-minute>60</per-minute>", 90),
        ("<beat-unit>half</beat-unit><per-minute>60</per-minute>", 120),
        ("<beat-unit>half</beat-unit><beat-unit-dot/><per-minute>40</per-minute>", 120),
        ("<beat-unit>eighth</beat-unit><per-minute>120</per-minute>", 60),
    ],
)
def test_metronome_marks(mark: str, bpm: float) -> None:
    kind = f"<direction-type><metronome>{mark}</metronome></direction-type>"
    assert read(music_xml(f"<direction>{kind}</direction>" + C)).tempos.tolist() == [[0, bpm]]
    both = f'<direction>{kind}<sound tempo="100"/></direction>'  # the sound attribute counts
    assert read(music_xml(both + C)).tempos.tolist() == [[0, 100]]


@pytest.mark.parametrize("per_minute", ["fast", "", "-5", "1e99"])
def test_a_mark_without_a_number_is_no_tempo(per_minute: str) -> None:
    mark = f"<beat-unit>quarter</beat-unit><per-minute>{per_minute}</per-minute>"
    kind = f"<metronome>{mark}</metronome>"
    text = f"<direction><direction-type>{kind}</direction-type></direction>" + C
    assert all(4 <= bpm <= 1000 for _, bpm in read(music_xml(text)).tempos.tolist())


def test_a_composite_time_signature_is_added_up() -> None:
    text = music_xml(C + D).replace("<beats>3</beats>", "<beats>3+2+1</beats>")
    assert read(text).time_signatures.tolist() == [[0, 6, 4]]
    two = "<beats>3</beats><beat-type>8</beat-type><beats>2</beats><beat-type>4</beat-type>"
    text = music_xml(note("C", 4, 1) * 3).replace("<beats>3</beats><beat-type>4</beat-type>", two)
    assert read(text).time_signatures.tolist()[-1][1:] == [7, 8] or read(
        text
    ).time_signatures.tolist()[0][1:] == [
        6,
        8,
    ]


def test_a_beat_that_no_note_value_is_gives_no_time_signature() -> None:
    text = music_xml(C + D).replace("<beat-type>4</beat-type>", "<beat-type>3</beat-type>")
    assert all(unit in {2, 4, 8} for _, _, unit in read(text).time_signatures.tolist())


def test_music_without_a_time_signature_has_bars_as_long_as_they_are() -> None:
    free = "<attributes><time><senza-misura/></time></attributes>"
    score = read(music_xml(C, free + note("D", 4, 5), note("E", 4, 2), note("F", 4, 2)))
    assert score.time_signatures.tolist() == [[0, 3, 4], [3 * 480, 5, 4], [8 * 480, 2, 4]]


# ---- parts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("Violin I", 40), ("Violine 2", 40), ("Viola", 41), ("Bratsche", 41), ("Violoncello", 42),
        ("Kontrabass", 43), ("Double Bass", 43), ("Contrabassoon", 70), ("Fagott", 70),
        ("Flöte", 73), ("Flauto piccolo", 72), ("Oboe", 68), ("English Horn", 69),
        ("Clarinet in Bb", 71), ("Klarinette", 71), ("Horn in F", 60), ("Corno", 60),
        ("Trompete", 56), ("Cornet", 56), ("Posaune", 57), ("Bass Trombone", 57), ("Tuba", 58),
        ("Alto Saxophone", 65), ("Tenor Sax", 66), ("Pauken", 47), ("Harfe", 46), ("Harp", 46),
        ("Harpsichord", 6), ("Cembalo", 6), ("Organ", 19), ("Orgel", 19), ("Piano", 0),
        ("Singstimme", 52), ("Soprano", 52), ("Alto", 52), ("Tenor", 52), ("Bass", 43),
        ("Guitar", 24), ("Electric Bass", 33), ("wind.flutes.flute", 73), ("strings.violin", 40),
        ("Voice", 52), ("Accordion", 21), ("Part 1", None), ("", None), ("Melody", None),
    ],
)  # fmt: skip
def test_instruments_are_known_by_their_names(name: str, program: int | None) -> None:
    assert find_program(name) == program


def test_a_part_without_a_program_is_what_it_is_called() -> None:
    text = music_xml(C).replace("<midi-program>42</midi-program>", "")
    assert read(text).parts[0].program == 41
    only_piano = music_xml(C).replace("<midi-program>42", "<midi-program>1")
    assert read(only_piano).parts[0].program == 41  # written by programs that know no other


def test_drums_are_those_of_their_instruments() -> None:
    drum = (
        '<score-instrument id="{0}"><instrument-name>a</instrument-name></score-instrument>'
        '<midi-instrument id="{0}"><midi-channel>10</midi-channel><midi-program>9</midi-program>'
        "<midi-unpitched>{1}</midi-unpitched></midi-instrument>"
    )
    hit = "<note><unpitched/><duration>2</duration>{}</note>"
    text = music_xml(hit.format('<instrument id="B"/>') + hit.format("") + hit.format(""))
    old = text[text.index("<score-instrument") : text.index("</score-part>")]
    (part,) = read(text.replace(old, drum.format("A", 37) + drum.format("B", 39))).parts
    assert (part.is_drum, part.program) == (True, 8)
    assert part.notes[:, 2].tolist() == [38, 36, 36]


def test_pedals() -> None:
    def pedal(kind: str) -> str:
        return f'<direction><direction-type><pedal type="{kind}"/></direction-type></direction>'

    bar = pedal("start") + note("C", 4, 1) + pedal("change") + note("D", 4, 2) + pedal("stop")
    (part,) = read(music_xml(bar, E)).parts
    assert part.pedals.tolist() == [[0, 1], [480, 0], [480, 1], [1440, 0]]


# ---- play order -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bars", "played"),
    [
        ((C, D, E + sound('dacapo="yes"')), "CDECDE"),
        ((C, D, E + '<sound dacapo="yes"/>'), "CDECDE"),
        ((C, sound('segno="1"') + D, E + sound('dalsegno="1"')), "CDEDE"),
        # two dal segno al coda, one after the other
        ((sound('segno="1"') + C, D + sound('tocoda="1"'), E + sound('dalsegno="1"'),
          sound('coda="1" segno="2"') + F, G + sound('tocoda="2"'), A + sound('dalsegno="2"'),
          sound('coda="2"') + C), "CDECDFGAFGC"),
        ((C, sound('segno="a"') + D, sound('segno="b"') + E, F + sound('dalsegno="a"')), "CDEFDEF"),
        ((C, D + sound('fine="yes"'), E + sound('dacapo="yes"')), "CDECD"),
        ((C + sound('tocoda="1"'), D + sound('dacapo="yes"'), sound('coda="1"') + E), "CDCE"),
        ((C, D + words("Fine"), E + words("D.C. al Fine")), "CDECD"),
        ((C, words("\ue047") + D, E + words("D.S.")), "CDEDE"),
        ((C + words("To Coda"), D + words("D.C. al Coda"), words("Coda") + E), "CDCE"),
        # a segno at the very end of a bar stands at the start of the next one
        ((C + words("Segno"), D, E + words("D.S.")), "CDEDE"),
        ((C + words("To \u2295"), D + words("D.C.") + words("al Coda"), words("\u2295") + E),
         "CDCE"),
        ((C + words("To Coda"), D + words("al Coda") + sound('dacapo="yes"'), words("Coda") + E),
         "CDCE"),
        # the coda's sign at both places
        ((C + words("\ue048"), D + words("D.C. al Coda"), words("\ue048") + E), "CDCE"),
        ((C, sound('forward-repeat="yes"') + D, E + BACKWARD), "CDEDE"),
        ((C, D + BACKWARD, E + BACKWARD), "CDCDEE"),
        ((C, FORWARD + D + BACKWARD, E), "CDDE"),
        ((C, bracket(D, "1"), bracket(E, "2", last="discontinue"), F), "CDCEF"),
        ((C, bracket(D, "1, 3"), bracket(E, "2, 4")), "CDCECDCE"),
        ((C, bracket(D, "1-3"), bracket(E, "4", last="discontinue")), "CDCDCDCE"),
        ((C, bracket(D, "1,2", "1. 2."), bracket(E, "3", "3.", "discontinue")), "CDCDCE"),
        ((C, bracket(D, "", "1. 2."), bracket(E, "", "3.", "discontinue")), "CDCDCE"),
        # the number counts, but not where it cannot be
        ((C, bracket(D, "1", "first time"), bracket(E, "2", "last", "discontinue")), "CDCE"),
        ((C, bracket(D, "1", "2."), bracket(E, "2", "3.", "discontinue")), "CDCE"),
        ((C, bracket(D, "1,2", "1.2"), bracket(E, "2", "3.", "discontinue")), "CDCDCE"),
        ((C, bracket(D, "1"), E), "CDCE"),
        ((C, D + BACKWARD.replace("/></b", ' times="3"/></b'), E), "CDCDCDE"),
        ((C, D + BACKWARD.replace("/></b", ' times="3"/></b'), bracket(E, "3", last="stop")),
         "CDCDCDE"),
    ],
)  # fmt: skip
def test_bars_are_played_in_order(bars: tuple[str, ...], played: str) -> None:
    assert pitches(music_xml(*bars)) == played


def test_only_one_part_need_say_it() -> None:
    text = music_xml(C, D + BACKWARD, E)
    part = text[text.index('<part id="P1">') : text.index("</score-partwise")]
    other = part.replace("P1", "P2").replace(BACKWARD, "")
    for both in (part + other, other + part):
        score = read(text.replace(part, both))
        assert [len(part.notes) for part in score.parts] == [5, 5]


def test_what_holds_where_one_goes_back_holds_again() -> None:
    def tempo(bpm: int) -> str:
        return f'<sound tempo="{bpm}"/>'

    key = "<attributes><key><fifths>2</fifths></key></attributes>"
    time_signature = (
        "<attributes><time><beats>6</beats><beat-type>4</beat-type></time></attributes>"
    )
    pedal = '<direction><direction-type><pedal type="start"/></direction-type></direction>'
    a_minor = HARMONY.replace("C</root", "A</root").replace("major", "minor")
    bars = (
        tempo(100) + HARMONY + C, D,
        tempo(50) + key + a_minor + pedal + E, time_signature + note("F", 4, 6) + BACKWARD,
    )  # fmt: skip
    score = read(music_xml(C, FORWARD + bars[1], *bars[2:]).replace(C, bars[0], 1))
    beats = 480
    assert [on for on, *_ in melody(score)] == [0, 3, 6, 9, 15, 18, 21]
    assert score.tempos.tolist() == [
        [0, 100], [6 * beats, 50], [15 * beats, 100], [18 * beats, 50],
    ]  # fmt: skip
    assert score.keys.tolist() == [
        [0, -1, 0], [6 * beats, 2, 0], [15 * beats, -1, 0], [18 * beats, 2, 0],
    ]  # fmt: skip
    assert score.time_signatures.tolist() == [
        [0, 3, 4], [9 * beats, 6, 4], [15 * beats, 3, 4], [21 * beats, 6, 4],
    ]  # fmt: skip
    assert score.chords == (
        (0, "C"), (6 * beats, "Am"), (15 * beats, "C"), (18 * beats, "Am"),
    )  # fmt: skip
    assert score.parts[0].pedals.tolist() == [
        [6 * beats, 1], [15 * beats, 0], [18 * beats, 1],
    ]  # fmt: skip


def test_a_tie_does_not_hold_over_a_jump() -> None:
    tied = note("D", 4, 3, tie="start"), note("D", 4, 3, tie="stop")
    score = read(music_xml(C, tied[0] + BACKWARD, tied[1]))
    assert melody(score) == [(0, 3, 60), (3, 3, 62), (6, 3, 60), (9, 6, 62)]


def test_what_contradicts_itself_is_told_among_the_facts() -> None:
    score = read(music_xml(C, D + words("D.S. al Coda")))
    assert score.warnings == ("contradicting repeats: bar 2 says D.S. without a segno;"
                              " that is not played",)  # fmt: skip
    assert describe_score(score).facts["warnings"] == score.warnings[0]
    assert "warnings" not in describe_score(read(music_xml(C))).facts


# ---- files ------------------------------------------------------------------------------------

LYRIC = "<lyric><syllabic>single</syllabic><text>Ljúfur</text></lyric>"
TITLE = "<movement-title>Ljúflingsljóð</movement-title>"


@pytest.mark.parametrize("prefix", ["", "mx:"])
def test_a_namespace_changes_nothing(prefix: str) -> None:
    text = music_xml(C.replace("</note>", LYRIC + "</note>"), D, title=TITLE)
    name = "xmlns:mx" if prefix else "xmlns"
    xml = text.replace("<score-partwise ", f'<score-partwise {name}="urn:a" ')
    if prefix:
        xml = xml.replace("<", f"<{prefix}").replace(f"<{prefix}/", f"</{prefix}")
        xml = xml.replace(f"<{prefix}?", "<?")
    score = read(xml)
    assert melody(score) == melody(read(text))
    assert [(part.name, part.program) for part in score.parts] == [("Viola", 41)]
    assert score.title == read_header(xml.encode()).title == "Ljúflingsljóð"
    assert musicxml_lyrics(xml.encode()) == "Ljúfur"


def test_elements_of_another_namespace_are_no_notes() -> None:
    strange = f'<x:note xmlns:x="urn:x">{C}</x:note>'
    assert pitches(music_xml(C + strange, D)) == "CD"


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", "UTF-8"), ("utf-8-sig", "utf-8"), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"), ("utf-16", "UTF-8"), ("utf-8", "UTF-16"), ("utf-32", "UTF-32"),
        ("cp1252", "windows-1252"), ("latin-1", "ISO-8859-1"), ("utf-16", ""), ("utf-16-le", ""),
    ],
)  # fmt: skip
def test_encodings(encoding: str, declared: str) -> None:
    declaration = f' encoding="{declared}"' if declared else ""
    text = music_xml(C.replace("</note>", LYRIC + "</note>"), title=TITLE)
    content = text.replace('version="1.0"', f'version="1.0"{declaration}', 1).encode(encoding)
    assert read_header(content).title == read(content).title == "Ljúflingsljóð"
    assert musicxml_lyrics(content) == "Ljúfur"


@pytest.mark.parametrize(
    ("encoding", "title"), [("shift_jis", "夜想曲"), ("gb18030", "夜曲"), ("euc-kr", "야상곡"),
                            ("koi8-r", "Ночь"), ("big5", "夜曲")],
)  # fmt: skip
def test_encodings_that_expat_does_not_know(encoding: str, title: str) -> None:
    text = music_xml(C, title=f"<movement-title>{title}</movement-title>")
    content = text.replace('version="1.0"', f'version="1.0" encoding="{encoding}"', 1)
    assert read(content.encode(encoding)).title == title


ROOTS = '<container><rootfiles>{}</rootfiles></container>'  # fmt: skip
PDF = '<rootfile full-path="a.pdf" media-type="application/pdf"/>'
MUSIC = '<rootfile full-path="{}" media-type="application/vnd.recordare.musicxml+xml"/>'
PLAIN = '<rootfile full-path="{}"/>'


@pytest.mark.parametrize(
    ("container", "member"),
    [
        (ROOTS.format(PDF + MUSIC.format("a.xml")), "a.xml"),
        (ROOTS.format(PDF + PLAIN.format("a.musicxml")), "a.musicxml"),
        (ROOTS.format('<rootfile full-path="a.pdf"/>' + PLAIN.format("a.xml")), "a.xml"),
        (ROOTS.format(PLAIN.format("My%20Song.xml")), "My Song.xml"),
        (ROOTS.format(PLAIN.format("Song.xml")), "SONG.XML"),
        (ROOTS.format(PLAIN.format("./a.xml")), "a.xml"),
        (ROOTS.format(PLAIN.format("a\\b.xml")), "a/b.xml"),
        (ROOTS.format(PLAIN.format("Für.xml")), "Für.xml"),
        (ROOTS.format(PLAIN.format("a.xml")).replace("<container", '<container xmlns="urn:a"'),
         "a.xml"),
        # what a program wrote of a name with an apostrophe
        ("<container><rootfiles><rootfile full-path='I'll.xml'/></rootfiles></container>",
         "I'll.xml"),
    ],
)  # fmt: skip
def test_archives_of_all_kinds(container: str, member: str) -> None:
    content = zipped(
        {"META-INF/container.xml": container.encode(), "a.pdf": b"%PDF", member: b""}
        | {member: music_xml(C, D).encode()}
    )
    assert pitches_of(content) == [60, 62]


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"META-INF/container.xml": ROOTS.format(PLAIN.format("b.xml"))},  # under its old name
        {"__MACOSX/._a.xml": "x", "cover.png": "x"},
    ],
)
def test_an_archive_without_a_right_container_has_one_score(files: dict[str, str]) -> None:
    members = {name: text.encode() for name, text in files.items()}
    assert pitches_of(zipped({**members, "a.xml": music_xml(C, D).encode()})) == [60, 62]
    with pytest.raises(Unreadable, match="an archive without"):
        read(zipped({**members, "a.xml": b"", "c.xml": b""}))


def test_a_line_before_the_declaration() -> None:
    text = music_xml(C, D)
    assert text.startswith("<?xml")
    assert pitches_of(("\r\n " + text).encode()) == [60, 62]


def pitches_of(content: bytes) -> list[int]:
    return [pitch for *_, pitch in melody(read(content))]


def test_a_name_in_utf_8_that_is_not_marked_as_such() -> None:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("META-INF/container.xml", CONTAINER.format("Für.xml"))
        archive.writestr("Fxxr.xml", music_xml(C))
    content = stream.getvalue().replace(b"Fxxr.xml", "Für.xml".encode())
    assert pitches_of(content) == [60]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("<step>C", "<step>H"), "bar 1 has a note of pitch 'H' '4'"),
        (("<octave>4", "<octave>four"), "bar 1 has a note of pitch 'C' 'four'"),
        (("<duration>6", "<duration>-6"), "bar 1 has a duration of '-6'"),
        (("<duration>6", "<duration>six"), "bar 1 has a duration of 'six'"),
        (("<duration>6", "<duration>1e300"), "bar 1 has a duration of '1e300'"),
        (("<duration>6", "<duration>nan"), "bar 1 has a duration of 'nan'"),
        (("<beats>3", "<beats>999"), "metre of 999"),
        (("score-partwise", "opus"), "no MusicXML"),
    ],
)
def test_damage_is_told_in_one_line(change: tuple[str, str], message: str) -> None:
    with pytest.raises(Unreadable, match=message.replace("'", ".")):
        read(music_xml(C).replace(*change))


@pytest.mark.parametrize("name", ["bomb", "deep", "attributes"])
def test_nothing_grows_without_end(name: str) -> None:
    content = {
        "bomb": '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
        "<score-partwise>&b;</score-partwise>",
        "deep": "<score-partwise>" + "<a>" * 100_000 + "</a>" * 100_000 + "</score-partwise>",
        "attributes": "<score-partwise " + 'a="1" ' * 3 + "/>",
    }[name]
    with pytest.raises(Unreadable):
        read(content)


# ---- as music21 reads it ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["bach/bwv66.6", "schoenberg/opus19/movement2", "corelli/opus3no1/1grave"]
)
def test_notes_are_those_of_music21(name: str) -> None:
    """In real scores, note for note; where there is no repeat, for music21 plays them otherwise."""
    from music21 import converter, corpus

    path = Path(str(corpus.getWork(name)))
    stream: Any = converter.parse(path, forceSource=True, storePickle=False)
    stream = stream.toSoundingPitch().stripTies()
    expected = sorted(
        (round(float(element.getOffsetInHierarchy(part)) * 480), pitch.midi)
        for part in stream.parts
        for element in part.recurse().notes
        if not element.duration.isGrace and "ChordSymbol" not in element.classes
        for pitch in element.pitches
    )
    score = read_music_xml(path.read_bytes())
    played = sorted((on, pitch) for part in score.parts for on, _, pitch, _ in part.notes.tolist())
    shift = played[0][0] - expected[0][0]  # a rest fills a pickup up
    assert [(on - shift, pitch) for on, pitch in played] == expected
