"""MIDI files sound as players play them: ends that are missing, setup tracks, odd containers."""

import random
import struct
import time
from pathlib import Path

import pytest

from midi_files import control, events, exclusive, midi, number, off, on, program, text
from segue.errors import Unreadable
from segue.io import midi as midi_format
from segue.io.midi import read_midi, write_midi
from segue.io.scores import read_score_tags, read_scores
from segue.media import medium_of
from segue.records import Score

SILENCES = [120, 123, 124, 125, 126, 127]
XG_ON = exclusive(b"\x43\x10\x4c\x00\x00\x7e\x00")
GM2_ON = exclusive(b"\x7e\x7f\x09\x03")
GS_DRUMS_ON_3 = exclusive(b"\x41\x10\x42\x12\x40\x13\x15\x01\x17")
XG_DRUMS_ON_3 = exclusive(b"\x43\x10\x4c\x08\x02\x07\x02")
SCALE = b"".join(number(0) + on(60 + n) + number(480) + off(60 + n) for n in range(4))


def notes_of(score: Score) -> list[list[list[int]]]:
    """Return of each part onset, duration and pitch."""
    return [part.notes[:, :3].tolist() for part in score.parts]


def notes_in(*messages: tuple[int, bytes], end: int | None = None) -> list[list[int]]:
    (notes,) = notes_of(read_midi(midi(events(*messages, end=end), kind=0)))
    return notes


@pytest.mark.parametrize(
    ("messages", "end", "notes"),
    [
        # No end: to the end of the track.
        ([(0, on(60)), (480, on(64)), (960, off(64))], None, [[0, 960, 60], [480, 480, 64]]),
        ([(0, on(60))], 1920, [[0, 1920, 60]]),
        ([(0, on(60)), (480, on(62)), (960, on(64))], 1440,
         [[0, 1440, 60], [480, 960, 62], [960, 480, 64]]),
        # Nor is there anything after it: a quarter.
        ([(0, on(60))], None, [[0, 480, 60]]),
        # Struck again: the first ends, both sound.
        ([(0, on(60)), (480, on(60)), (960, off(60))], None, [[0, 480, 60], [480, 480, 60]]),
        ([(0, on(60)), (480, on(60)), (960, on(60)), (1440, off(60))], None,
         [[0, 480, 60], [480, 480, 60], [960, 480, 60]]),
        ([(0, on(60)), (480, on(60))], 960, [[0, 480, 60], [480, 480, 60]]),
        # As keyboards leave them that overlap a little: all have an end of their own.
        ([(0, on(60)), (480, on(60)), (490, off(60)), (960, off(60))], None,
         [[0, 480, 60], [480, 480, 60]]),
        ([(0, on(60)), (480, on(60)), (490, off(60)), (960, on(60)), (970, off(60)),
          (1440, off(60))], None, [[0, 480, 60], [480, 480, 60], [960, 480, 60]]),
        # A velocity of 0 is an end, and a second end is none.
        ([(0, on(60)), (480, on(60, velocity=0)), (600, off(60)), (960, on(60)), (1440, off(60))],
         None, [[0, 480, 60], [960, 480, 60]]),
        # The same key in unison, begun at once: both as long as they are.
        ([(0, on(60)), (0, on(60)), (480, off(60)), (960, off(60))], None,
         [[0, 480, 60], [0, 960, 60]]),
        # Near: another channel's end, another key's end.
        ([(0, on(60)), (240, off(60, channel=1)), (240, off(61)), (480, off(60))], None,
         [[0, 480, 60]]),
        ([(0, on(60)), (480, off(60)), (480, on(60)), (960, off(60))], None,
         [[0, 480, 60], [480, 480, 60]]),
        ([(0, on(60)), (480, on(60)), (480, off(60)), (960, off(60))], None,
         [[0, 480, 60], [480, 480, 60]]),
    ],
)  # fmt: skip
def test_notes_end_where_they_are_heard_to(
    messages: list[tuple[int, bytes]], end: int | None, notes: list[list[int]]
) -> None:
    assert notes_in(*messages, end=end) == notes


@pytest.mark.parametrize("silence", SILENCES)
def test_all_notes_off_ends_notes(silence: int) -> None:
    played = ((0, on(60)), (0, on(64)), (480, control(silence)), (960, on(62)), (1440, off(62)))
    assert notes_in(*played) == [[0, 480, 60], [0, 480, 64], [960, 480, 62]]
    # Not those of another channel, which last until the end.
    other = ((0, on(60)), (480, control(silence, channel=1)), (960, control(7, 100)))
    assert notes_in(*other) == [[0, 960, 60]]
    # Said in another track, and before the note's own end.
    first = events((480, control(silence)))
    second = events((0, on(60)), (480, on(67)), (960, off(60)), (960, off(67)))
    assert notes_of(read_midi(midi(first, second))) == [[[0, 480, 60], [480, 480, 67]]]


def test_other_controllers_end_nothing() -> None:
    for controller in {*range(120), 121, 122} - {64}:
        played = ((0, on(60)), (480, control(controller)), (960, off(60)))
        assert notes_in(*played) == [[0, 960, 60]]


def test_a_reset_of_controllers_lifts_the_pedal() -> None:
    played = events((0, control(64, 127)), (0, on(60)), (480, off(60)), (960, control(121)))
    assert read_midi(midi(played)).parts[0].pedals.tolist() == [[0, 1], [960, 0]]


# ---- programs ----------------------------------------------------------------------------

LONG = (on(60), off(60))


def part_kinds(*tracks: bytes) -> list[tuple[int, bool]]:
    return [(part.program, part.is_drum) for part in read_midi(midi(*tracks)).parts]


def play(*messages: tuple[int, bytes], channel: int = 0, at: int = 0) -> bytes:
    played = [*messages, (at, on(60, channel)), (at + 480, off(60, channel))]
    return events(*sorted(played, key=lambda event: event[0]))


@pytest.mark.parametrize(
    ("tracks", "kinds"),
    [
        # A setup track, before or after the notes.
        ([events((0, program(73)), (0, program(32, 1))), play(), play(channel=1)],
         [(73, False), (32, False)]),
        ([play(), play(channel=1), events((0, program(73)), (0, program(32, 1)))],
         [(73, False), (32, False)]),
        ([events((0, GM2_ON), (10, control(0, 121)), (10, program(73))), play(at=480)],
         [(73, False)]),
        # It may change it later on.
        ([events((0, program(73)), (480, program(40))), play(), play(at=480)],
         [(73, False), (40, False)]),
        # A track's own goes before.
        ([events((0, program(73))), play((0, program(5)))], [(5, False)]),
        ([play((0, program(5))), play((0, program(6))), play((0, program(7)))],
         [(5, False), (6, False), (7, False)]),
        # Near: another channel, a later time, no program at all.
        ([events((0, program(73, 1))), play()], [(0, False)]),
        ([events((481, program(73))), play(at=480)], [(0, False)]),
        ([play()], [(0, False)]),
        # Drums: channel 10; a channel that GS, XG or GM2 gives to them.
        ([events((0, program(8, 9))), play(channel=9)], [(8, True)]),
        ([events((0, GS_DRUMS_ON_3)), play(channel=2), play(channel=3)], [(0, True), (0, False)]),
        ([events((0, XG_ON), (0, XG_DRUMS_ON_3)), play(channel=2)], [(0, True)]),
        ([events((0, XG_ON), (0, control(0, 127, 2)), (0, program(1, 2))), play(channel=2)],
         [(1, True)]),
        ([events((0, GM2_ON), (0, control(0, 120, 2)), (0, program(1, 2))), play(channel=2)],
         [(1, True)]),
        # Near: a bank of other sounds, and no word of XG.
        ([events((0, XG_ON), (0, control(0, 64, 2)), (0, program(1, 2))), play(channel=2)],
         [(1, False)]),
        ([events((0, control(0, 127, 2)), (0, program(1, 2))), play(channel=2)], [(1, False)]),
        # Ports: the same channel of two of them is two.
        ([events((0, text(0x21, b"\0")), (0, program(73))), play((0, text(0x21, b"\1"))), play()],
         [(0, False), (73, False)]),
    ],
)  # fmt: skip
def test_programs_hold_for_their_channel_whatever_track_they_stand_in(
    tracks: list[bytes], kinds: list[tuple[int, bool]]
) -> None:
    assert part_kinds(*tracks) == kinds


# ---- files as they come ------------------------------------------------------------------


def riff(content: bytes, *before: bytes, form: bytes = b"RMID") -> bytes:
    chunks = b"".join([*before, b"data" + struct.pack("<I", len(content)) + content])
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + form + chunks


PLAIN = midi(SCALE + b"\0\xff\x2f\0", kind=0)
LISTED = b"LIST" + struct.pack("<I", 5) + b"INFOx\0"


@pytest.mark.parametrize(
    "content",
    [
        riff(PLAIN),
        riff(PLAIN, LISTED),
        riff(PLAIN).replace(struct.pack("<I", len(PLAIN)), bytes(4), 1),  # a size nobody filled in
        b"\0\4tune".ljust(65, b"\0") + b"Midi".ljust(63, b"\0") + PLAIN,  # MacBinary
        midi(SCALE + b"\0\xff\x2f\0", track_count=0),
        midi(SCALE + b"\0\xff\x2f\0", track_count=5),
        midi(SCALE + b"\0\xff\x2f\0", track_count=65535),
        midi(SCALE, kind=0),  # no end of the track
        midi(SCALE + b"\0\xff\x2f\0" + SCALE, kind=0),  # more after its end
        midi(b"\0\xff\x2f\0", SCALE + b"\0\xff\x2f\0", track_count=1),
        PLAIN + b"\0" * 7,  # what is left of a longer file
        PLAIN.replace(b"MTrk", b"XFIH\0\0\0\x02abMTrk"),  # a chunk of somebody's own
        PLAIN.replace(b"\0\0\0\6", b"\0\0\0\10", 1).replace(b"\1\xe0MTrk", b"\1\xe0zzMTrk"),
        # Running status, also after a meta event and a system exclusive one.
        midi(
            b"\0\x90\x3c\x50\x83\x60\x3c\0\0\x3d\x50\x83\x60\x3d\0\0\xff\1\1x"
            b"\0\x3e\x50\x83\x60\x3e\0\0\xf0\2\x7e\xf7\0\x3f\x50\x83\x60\x3f\0\0\xff\x2f\0"
        ),
        # Bends, pressure, clocks, parts of system exclusive messages.
        midi(
            b"\0\xe0\0\x40\0\xd0\x40\0\xa0\x3c\x40\0\xf8\0\xf2\1\2\0\xf3\1\0\xf6\0\xf7\1\x41"
            + SCALE + b"\0\xff\x7f\3abc\0\xff\x2f\0"
        ),
        midi(b"\0\xff\x59\2\x0c\0\0\xff\x59\2\0\5" + SCALE + b"\0\xff\x2f\0"),  # no such keys
        midi(b"\0\xff\x51\2\x0c\0\0\xff\x58\1\4\0\xff\x59\0" + SCALE + b"\0\xff\x2f\0"),
    ],
)  # fmt: skip
def test_four_notes_are_read_whatever_is_around_them(content: bytes) -> None:
    score = read_midi(content)
    assert notes_of(score) == [[[480 * n, 480, 60 + n] for n in range(4)]]
    assert (len(score.keys), len(score.tempos), len(score.time_signatures)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (riff(PLAIN, form=b"WAVE"), "no MIDI file"),
        (riff(b""), "no MIDI file"),
        (b"RIFF\0\0\0\0RMID", "no MIDI file"),
        (PLAIN[:40], "cut off"),
        (midi(b"\0\x3c\x50"), "an event of no kind"),
        (midi(b"\0\x90\x3c\xc0\0\xff\x2f\0"), "above 127"),
        (midi(b"\x83\xff\xff\xff\xff\xff" + SCALE), "more than four bytes"),
        (midi(b"\0\xff\x01\x7fabc"), "cut off"),
        (PLAIN[:12] + b"\xe7\x28" + PLAIN[14:], "SMPTE"),
    ],
)
def test_damage_is_reported_in_one_line(content: bytes, message: str) -> None:
    with pytest.raises(Unreadable, match=message) as raised:
        read_midi(content)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("minor", [0, 1])
@pytest.mark.parametrize("sharps", range(-7, 8))
def test_keys_that_can_be_are_read(sharps: int, minor: int) -> None:
    key_signature = b"\0\xff\x59\2" + bytes([sharps % 256, minor])
    assert read_midi(midi(key_signature + SCALE)).keys.tolist() == [[0, sharps, minor]]


def test_patterns_of_type_2_sound_at_once() -> None:
    score = read_midi(midi(SCALE, events((0, on(40)), (480, off(40))), kind=2))
    assert notes_of(score)[1] == [[0, 480, 40]]


def outcome(content: bytes) -> str:
    """Return why it was refused, "" where it is read, and can be written again."""
    try:
        return "" if write_midi(read_midi(content)) else "nothing"
    except Unreadable as error:
        return str(error)


def test_mutations_are_read_or_refused_in_a_line() -> None:
    rng = random.Random(17)
    whole = midi(
        events((0, XG_ON), (0, text(3, "Für Élise".encode("cp1252"))), (0, program(73))),
        events((0, control(64, 90)), (0, on(60)), (480, on(60)), (960, control(123))),
        SCALE,
        track_count=3,
    )
    started = time.process_time()
    for _ in range(1000):
        mutated = bytearray(whole[: rng.randrange(len(whole))] if rng.random() < 0.3 else whole)
        for _ in range(rng.randrange(4) if mutated else 0):
            mutated[rng.randrange(len(mutated))] = rng.randrange(256)
        message = outcome(bytes(mutated))
        assert message.count("\n") == 0
    assert time.process_time() - started < 20


def test_a_file_of_hostile_size_is_refused_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    started = time.process_time()
    strokes = b"\0\x90\x3c\x40" + b"\0\x3c\x40" * 99_998
    assert len(read_midi(midi(strokes)).parts[0].notes) == 1
    monkeypatch.setattr(midi_format, "MAX_NOTES", 40_000)
    with pytest.raises(Unreadable, match="more than 40000 notes"):
        read_midi(midi(strokes))
    assert time.process_time() - started < 10


@pytest.mark.parametrize("name", ["song.mid", "song.rmi", "SONG.RMI"])
def test_a_titled_file_in_riff_has_its_tags(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(riff(midi(events((0, text(3, b"My Song"))), SCALE)))
    assert [tags.title for tags in read_score_tags(tmp_path / name)] == ["My Song"]
    assert len(read_scores(tmp_path / name)) == 1
    assert medium_of(tmp_path / name) == "score"
