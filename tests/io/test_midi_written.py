"""MIDI files that are written: other programs read them without a warning, and rightly."""

from pathlib import Path

import numpy as np
import pytest

from midi_files import read_elsewhere
from segue.io.midi import read_midi, write_midi
from segue.io.midi_events import KEY_SIGNATURE, TEMPO, TIME_SIGNATURE, TRACK_NAME, read_smf
from segue.io.scores import read_scores, write_score
from segue.records import Part, Score

NOTES = np.array([[0, 480, 60, 90], [960, 480, 64, 90], [4800, 480, 67, 90]], np.int32)

#: Of seven flats to seven sharps.
MAJOR = ["Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#"]
MINOR = [f"{name}m" for name in [*MAJOR[3:], "G#", "D#", "A#"]]


def score_of(
    *parts: Part,
    title: str = "Tune",
    bpm: float = 60.0,
    time_signature: tuple[int, int] = (3, 4),
    key: tuple[int, int] = (1, 1),
) -> Score:
    return Score(
        title,
        480,
        parts or (Part("Flute", 73, False, NOTES),),
        np.array([[0, bpm], [2880, 90.0]]),
        np.array([[0, *time_signature], [1440, 2, 4]], np.int32),
        np.array([[0, *key]], np.int32),
    )


def test_tempo_time_signature_key_and_title_stand_in_the_first_track() -> None:
    written = write_midi(score_of())
    pretty, plain = read_elsewhere(written)
    assert plain.type == 1
    assert {message.type for message in plain.tracks[0]} == {
        "track_name", "time_signature", "key_signature", "set_tempo", "end_of_track",
    }  # fmt: skip
    ticks, bpm = pretty.get_tempo_changes()
    assert (ticks.tolist(), bpm.round(3).tolist()) == ([0, 6], [60, 90])
    assert [(m.numerator, m.denominator) for m in pretty.time_signature_changes] == [(3, 4), (2, 4)]
    assert [key.key_number for key in pretty.key_signature_changes] == [16]  # E minor
    assert pretty.get_end_time() == pytest.approx(6 + (5280 - 2880) / 480 * 60 / 90)
    assert [(i.name, i.program, len(i.notes)) for i in pretty.instruments] == [("Flute", 73, 3)]
    _, tracks = read_smf(written)
    first = {kind for _, kind, _ in tracks[0].metas}
    assert first == {TRACK_NAME, TEMPO, TIME_SIGNATURE, KEY_SIGNATURE}
    assert all(kind not in first - {TRACK_NAME} for _, kind, _ in tracks[1].metas)


@pytest.mark.parametrize("minor", [0, 1])
@pytest.mark.parametrize("sharps", range(-7, 8))
def test_every_key_comes_back(sharps: int, minor: int) -> None:
    written = write_midi(score_of(key=(sharps, minor)))
    assert read_midi(written).keys.tolist() == [[0, sharps, minor]]
    _, plain = read_elsewhere(written)
    keys = [message.key for message in plain.tracks[0] if message.type == "key_signature"]
    assert keys == [(MINOR if minor else MAJOR)[sharps + 7]]


@pytest.mark.parametrize("key", [(12, 0), (-8, 0), (8, 1), (0, 5), (3, 255)])
def test_a_key_that_cannot_be_is_never_written(key: tuple[int, int]) -> None:
    written = write_midi(score_of(key=key))
    read_elsewhere(written)
    assert read_midi(written).keys.tolist() == []


@pytest.mark.parametrize(
    "time_signature", [(1, 1), (2, 2), (3, 4), (6, 8), (12, 8), (5, 16), (7, 32), (255, 64)]
)
def test_time_signatures_come_back(time_signature: tuple[int, int]) -> None:
    written = write_midi(score_of(time_signature=time_signature))
    pretty, _ = read_elsewhere(written)
    first = pretty.time_signature_changes[0]
    assert (first.numerator, first.denominator) == time_signature
    assert read_midi(written).time_signatures.tolist() == [[0, *time_signature], [1440, 2, 4]]


@pytest.mark.parametrize("bpm", [4, 20.5, 60, 119.99, 1000])
def test_tempos_come_back(bpm: float) -> None:
    written = write_midi(score_of(bpm=bpm))
    assert read_elsewhere(written)[0].get_tempo_changes()[1][0] == pytest.approx(bpm, rel=1e-4)
    assert read_midi(written).tempos[0, 1] == pytest.approx(bpm, rel=1e-4)


@pytest.mark.parametrize("title", ["", "Für Élise", "Катюша", "さくら", "夜想曲 🎵", "é" * 300])
def test_titles_and_names_are_utf_8(title: str) -> None:
    written = write_midi(score_of(Part(title, 0, False, NOTES), title=title))
    _, plain = read_elsewhere(written)
    names = [
        m.name.encode("latin-1").decode() for t in plain.tracks for m in t if m.type == "track_name"
    ]
    assert names == ([title, title] if title else [])
    again = read_midi(written)
    assert (again.title, again.parts[0].name) == (title, title)


def test_a_text_that_is_too_long_is_cut_between_letters() -> None:
    again = read_midi(write_midi(score_of(title="ab" + "語" * 20_000)))
    assert again.title == "ab" + "語" * (len(again.title) - 2)
    assert len(again.title) > 400


def test_more_parts_than_channels_have_a_channel_each() -> None:
    parts = [Part(f"p{n}", n, n % 7 == 6, NOTES) for n in range(40)]
    written = write_midi(score_of(*parts))
    read_elsewhere(written)
    assert [(p.name, p.program, p.is_drum) for p in read_midi(written).parts] == [
        (p.name, p.program, p.is_drum) for p in parts
    ]
    _, tracks = read_smf(written)
    places = [(t.port, channel) for t in tracks for _, channel, _ in t.programs if channel != 9]
    assert len(set(places)) == len(places)


def test_notes_end_before_others_of_their_tick_begin() -> None:
    again = np.array([[0, 480, 60, 90], [480, 480, 60, 80], [960, 1, 60, 70]], np.int32)
    written = write_midi(score_of(Part("", 0, False, again)))
    assert read_midi(written).parts[0].notes.tolist() == again.tolist()
    assert [len(i.notes) for i in read_elsewhere(written)[0].instruments] == [3]


def test_an_abc_tune_keeps_its_tempo_as_midi(tmp_path: Path) -> None:
    (tmp_path / "slow.abc").write_text("X:1\nT:Slow\nM:3/4\nL:1/4\nQ:1/4=60\nK:Em\nEGB|e3|\n")
    (score,) = read_scores(tmp_path / "slow.abc")
    assert isinstance(score, Score)
    write_score(score, tmp_path / "slow.mid")
    pretty, _ = read_elsewhere((tmp_path / "slow.mid").read_bytes())
    assert pretty.get_tempo_changes()[1].tolist() == [60]
    assert [(m.numerator, m.denominator) for m in pretty.time_signature_changes] == [(3, 4)]
    assert pretty.get_end_time() == 6
