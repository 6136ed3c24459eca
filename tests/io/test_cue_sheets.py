from pathlib import Path

import pytest

from segue.errors import Unreadable
from segue.io.cue_sheets import (
    format_position,
    match_cue_sheets,
    parse_cue_sheet,
    passages,
    read_cue_sheet,
    track_tags,
    write_cue_sheet,
)
from segue.records import Span, Tags

SHEET = """REM GENRE "Deep House"
REM DATE 2004-05-01
PERFORMER "Ann"
TITLE "Evening"
FILE "Evening.wav" WAVE
  TRACK 01 AUDIO
    TITLE "One"
    PERFORMER "Bob"
    INDEX 00 00:00:00
    INDEX 01 00:02:00
  TRACK 02 AUDIO
    TITLE "Two
    FLAGS DCP
    PREGAP 00:02:00
    INDEX 00 03:10:37
    INDEX 01 03:12:45
    INDEX 02 04:00:00
  TRACK 03 AUDIO
    INDEX 01 100:00:74
"""


def test_positions_titles_and_performers() -> None:
    sheet = parse_cue_sheet(SHEET)
    tracks = sheet.files["Evening.wav"]
    assert passages(tracks) == (
        Span(2.0, 192.6), Span(192.6, 6000 + 74 / 75), Span(6000 + 74 / 75, float("inf")),
    )  # fmt: skip
    assert track_tags(sheet, tracks[0], Tags(artist="Mixer")) == Tags(
        "One", "Bob", "Evening", "Ann", "Deep House", 2004, 1
    )
    assert track_tags(sheet, tracks[1], Tags()).title == "Two"
    assert track_tags(sheet, tracks[2], Tags()) == Tags(
        "Evening 3", "Ann", "Evening", "Ann", "Deep House", 2004, 3
    )


def test_several_recordings_with_a_pause_at_the_end_of_the_one_before() -> None:
    sheet = parse_cue_sheet(
        'FILE "D:\\rips\\a.wav" WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00\nTRACK 02 AUDIO\n'
        "INDEX 01 02:00:00\nTRACK 03 AUDIO\nINDEX 00 04:00:00\nFILE b c.wav WAVE\n"
        "INDEX 01 00:00:00\nTRACK 04 MODE1/2352\nINDEX 01 05:00:00\n"
    )
    numbers = {name: [track.number for track in tracks] for name, tracks in sheet.files.items()}
    assert numbers == {"a.wav": [1, 2], "b c.wav": [3]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("    INDEX 01 03:12:75", "line 16: .*frames up to 74"),
        ("    INDEX 01 03:60:00", "line 16: .*seconds up to 59"),
        ("    INDEX 01 3 minutes", "line 16: .*mm:ss:ff"),
        ("    INDEX 01 00:01:00", "line 16: track 2 begins at 00:01:00, not after track 1"),
        ("    INDEX 02 03:12:45", "track 2 has no INDEX 01"),
        ("  TRACK two", "line 16: expected TRACK 01 AUDIO"),
    ],
)
def test_damaged_sheets_are_named_by_line(line: str, reason: str) -> None:
    damaged = SHEET.replace("    INDEX 01 03:12:45", line)
    with pytest.raises(Unreadable, match=reason):
        parse_cue_sheet(damaged)


@pytest.mark.parametrize("text", ["", "TITLE x", 'FILE "a.wav" WAVE', "\0\1\2", "<html>"])
def test_what_is_no_sheet_is_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="without tracks"):
        parse_cue_sheet(text)


def test_positions_before_any_recording_are_refused() -> None:
    with pytest.raises(Unreadable, match="before any FILE"):
        parse_cue_sheet("TRACK 01 AUDIO\nINDEX 01 00:00:00")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "cp1251"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    title = "Вечерняя музыка" if encoding == "cp1251" else "Frühstück für élise"
    text = SHEET.replace('"Evening"', f'"{title}"').replace("\n", "\r\n")
    (tmp_path / "x.cue").write_bytes(text.encode(encoding))
    assert read_cue_sheet(tmp_path / "x.cue").title == title


def test_sheets_are_matched_with_the_recordings_they_divide() -> None:
    sheet = parse_cue_sheet(SHEET)
    one_each = parse_cue_sheet(
        "FILE a.wav WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00\n"
        "FILE b.wav WAVE\nTRACK 02 AUDIO\nINDEX 01 00:00:00\n"
    )
    for names, expected in (
        (["EVENING.WAV", "other.mp3"], {"EVENING.WAV": "x.cue"}),
        (["Evening.flac"], {"Evening.flac": "x.cue"}),  # encoded after the sheet was written
        (["x.mp3"], {"x.mp3": "x.cue"}),  # renamed together with the sheet
        (["y.mp3", "Evening 2.wav"], {}),
    ):
        assert match_cue_sheets({"x.cue": sheet}, names) == expected
    assert match_cue_sheets({"album.cue": one_each}, ["a.wav", "b.wav"]) == {}
    both = {"a.cue": sheet, "Evening.wav.cue": sheet}
    assert match_cue_sheets(both, ["Evening.wav"]) == {"Evening.wav": "Evening.wav.cue"}


def test_a_written_sheet_is_read_back(tmp_path: Path) -> None:
    target = tmp_path / "mix.cue"
    write_cue_sheet(target, 'My "best" mix.mp3', [0.0, 61.34, 6000.5], Tags("Mix", "Ann"))
    sheet = read_cue_sheet(target)
    (name,) = sheet.files
    assert name == "My 'best' mix.mp3"
    starts = [track.start_s for track in sheet.files[name]]
    assert starts == pytest.approx([0.0, 61.34, 6000.5], abs=1 / 75)
    assert (sheet.title, sheet.performer) == ("Mix", "Ann")
    assert format_position(59.999) == "01:00:00"
