"""MIDI files ↔ `Score`: what a player of General MIDI would sound, as parts and their notes."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count, pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import Unreadable
from segue.formats.score.midi_channels import DRUM_CHANNEL, PITCHED_CHANNELS, Channels
from segue.formats.score.midi_texts import texts_of
from segue.formats.score.smf import (
    KEY_SIGNATURE,
    PORT,
    TEMPO,
    TIME_SIGNATURE,
    TRACK_NAME,
    Track,
    meta,
    read_smf,
    text_meta,
    write_smf,
)
from segue.records import Part, Score

MIDI_SUFFIXES: Final = (".mid", ".midi")
MOST_NOTES: Final = 500_000
#: Tempos beyond are leftovers or mistakes; the one before goes on.
TEMPI_BPM: Final = (4.0, 1000.0)
_MICROSECONDS: Final = 60e6  # in a minute
_FINEST_BEAT: Final = 7  # of a time signature: 128ths, as a power of two
_MOST_SHARPS: Final = 7
_SUSTAIN: Final = 64  # the controller
_DOWN: Final = 64  # the pedal, from this value on
_LONGEST_QUARTER: Final = 0xFFFFFF  # microseconds that a file can tell
_RESET: Final = 121  # of all controllers: the pedal goes up
_NO_END: Final = 1 << 40  # ticks, after all others


def is_key(sharps: int, minor: int) -> bool:
    """Tell whether a key signature can be: up to seven sharps or flats, major or minor."""
    return -_MOST_SHARPS <= sharps <= _MOST_SHARPS and minor in (0, 1)


def read_midi(content: bytes) -> Score:
    """Read a MIDI file.

    Each channel and program of a track becomes a part; the patterns of a file of type 2, which
    may be played in any order, become parts that play at once. Of the controllers the sustain pedal
    and those that end all notes are read; bends are left out.

    A note that is struck again before its end ends there. One without an end sounds until all
    notes of its channel are ended, or its track ends.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    Score

    Raises
    ------
    Unreadable
        It is no MIDI file, damaged (one that is cut off may lack whole parts), too large, without
        a note, or counts time in a way that knows no quarters.
    """
    ticks_per_quarter, tracks = read_smf(content)
    if sum(len(track.notes) for track in tracks) > 2 * MOST_NOTES:
        raise Unreadable(f"more than {MOST_NOTES} notes")
    channels = Channels(tracks)
    texts = texts_of(tracks)
    song_end = max((track.end for track in tracks), default=0)
    parts = tuple(
        part
        for number, (track, name) in enumerate(zip(tracks, texts.names, strict=True))
        for part in _parts(track, number, name, channels, song_end, ticks_per_quarter)
    )
    if not parts:
        raise Unreadable("a MIDI file without a note")
    metas = [event for track in tracks for event in track.metas]
    return Score(
        texts.title,
        ticks_per_quarter,
        parts,
        _tempos(metas),
        _last_at_each_tick(list(_metres(metas)), 3),
        _last_at_each_tick(list(_keys(metas)), 3),
    )


# ---- notes -------------------------------------------------------------------------------


def _parts(
    track: Track, number: int, name: str, channels: Channels, song_end: int, quarter: int
) -> Iterator[Part]:
    """Yield what a track plays, by channel and program."""
    strokes = _strokes(track)
    endless = strokes[:, 1] == _NO_END
    for end in (track.end, song_end, strokes[:, 0] + quarter):
        strokes[:, 1] = np.where(endless, end, strokes[:, 1])
        endless &= strokes[:, 1] <= strokes[:, 0]
    for channel in np.unique(strokes[:, 2] >> 7).tolist():
        rows = strokes[strokes[:, 2] >> 7 == channel]
        place = channels.place(track, channel)
        rows[:, 1] = channels.silenced(place, rows[:, 0], rows[:, 1])
        rows[:, 1] -= rows[:, 0]
        rows[:, 2] &= 127
        rows = rows[rows[:, 1] > 0]
        programs, is_drum = channels.programs_at(number, place, rows[:, 0])
        pedals = _pedals(track, channel)
        for program, drum in sorted(set(zip(programs.tolist(), is_drum.tolist(), strict=True))):
            own = rows[(programs == program) & (is_drum == drum)].astype(np.int32)
            order = np.lexsort((own[:, 1], own[:, 2], own[:, 0]))
            yield Part(name, program, drum, own[order], pedals)


def _strokes(track: Track) -> NDArray[np.int64]:
    """Return onset, end, key (see `Track.notes`) and velocity; `_NO_END` where none is marked."""
    events = np.array(track.notes, np.int64).reshape(-1, 3)
    events = events[np.argsort(events[:, 1], kind="stable")]
    key, begins = events[:, 1], events[:, 2] > 0
    # As a rule, beginnings and ends of a key take turns.
    goes_on = np.append(key[1:] == key[:-1], False)
    ended = begins & goes_on & ~np.append(begins[1:], False)
    follows = np.append(False, ended[:-1])
    irregular = np.isin(key, key[~(ended | follows)])
    first = np.flatnonzero(ended & ~irregular)
    regular = np.column_stack(
        [events[first, 0], events[first + 1, 0], key[first], events[first, 2]]
    )
    others = list(_irregular(events[irregular].tolist()))
    return np.concatenate([regular, np.array(others, np.int64).reshape(-1, 4)])


def _irregular(events: Sequence[tuple[int, int, int]]) -> Iterator[tuple[int, int, int, int]]:
    """Yield the strokes of keys that are struck again before their end, or have none."""
    open_: dict[int, tuple[list[tuple[int, int]], list[int]]] = {}
    for tick, key, velocity in events:
        run = open_.get(key)
        if velocity:
            open_.setdefault(key, ([], []))[0].append((tick, velocity))
        elif run is not None:
            strokes, ends = run
            ends.append(tick)
            if len(ends) == len(strokes):  # the first to begin is the first to end
                del open_[key]
                yield from _cut(key, strokes, ends)
    for key, (strokes, ends) in open_.items():
        # An end is missing, nobody knows which: each ends what began last before it.
        told = dict(strokes)  # of those that begin together, the last
        after = np.searchsorted(ends, list(told), side="right").tolist()
        marked = [ends[n] if n < len(ends) else _NO_END for n in after]
        yield from _cut(key, list(told.items()), marked)


def _cut(
    key: int, strokes: Sequence[tuple[int, int]], ends: Sequence[int]
) -> Iterator[tuple[int, int, int, int]]:
    """Yield strokes of one key, each ended by the next that begins later."""
    onsets = sorted({onset for onset, _ in strokes})
    later = dict(pairwise(onsets))
    for (onset, velocity), end in zip(strokes, ends, strict=True):
        yield onset, min(end, later.get(onset, _NO_END)), key, velocity


def _pedals(track: Track, channel: int) -> NDArray[np.int32]:
    """Return when the sustain pedal goes down and up; what says what holds already is dropped."""
    rows = np.array(
        [
            (tick, number == _SUSTAIN and value >= _DOWN)
            for tick, of, number, value in track.controls
            if of == channel and number in (_SUSTAIN, _RESET)
        ],
        np.int32,
    ).reshape(-1, 2)
    return np.asarray(rows[np.diff(rows[:, 1], prepend=0) != 0])


# ---- tempo, time signature and key --------------------------------------------------------


def _tempos(metas: Sequence[tuple[int, int, bytes]]) -> Any:
    """Return tick and quarters a minute, the last where several stand at one tick."""
    low, high = TEMPI_BPM
    rows = [
        (tick, bpm)
        for tick, kind, told in metas
        if kind == TEMPO and len(told) == 3
        if low <= (bpm := _MICROSECONDS / max(int.from_bytes(told), 1)) <= high
    ]
    return _last_at_each_tick(rows, 2, np.float64)


def _metres(metas: Sequence[tuple[int, int, bytes]]) -> Iterator[tuple[int, int, int]]:
    for tick, kind, told in metas:
        if kind == TIME_SIGNATURE and len(told) >= 2 and told[0] and told[1] <= _FINEST_BEAT:
            yield tick, told[0], 1 << told[1]


def _keys(metas: Sequence[tuple[int, int, bytes]]) -> Iterator[tuple[int, int, int]]:
    for tick, kind, told in metas:
        if kind == KEY_SIGNATURE and len(told) >= 2:
            sharps = int.from_bytes(told[:1], signed=True)
            if is_key(sharps, told[1]):
                yield tick, sharps, told[1]


def _last_at_each_tick(rows: Sequence[tuple[Any, ...]], width: int, kind: Any = np.int32) -> Any:
    last = {row[0]: row for row in sorted(rows, key=lambda row: row[0])}
    return np.array(list(last.values()), kind).reshape(-1, width)


# ---- writing -----------------------------------------------------------------------------


def write_midi(score: Score) -> bytes:
    """Write a score as a MIDI file of type 1.

    Parameters
    ----------
    score : Score

    Returns
    -------
    bytes
        `read_midi` gives the same score, as long as no two notes of one
        pitch and part overlap. Texts are UTF-8.
    """
    tracks: list[Iterable[tuple[int, bytes]]] = [_conductor(score)]
    places = (divmod(number, len(PITCHED_CHANNELS)) for number in count())
    for part in score.parts:
        # A port has fifteen channels for other than drums; what goes beyond has a port of its own.
        port, channel = (0, DRUM_CHANNEL) if part.is_drum else next(places)
        tracks.append(
            _part_events(part, port, channel if part.is_drum else PITCHED_CHANNELS[channel])
        )
    return write_smf(score.ticks_per_quarter, tracks)


def _conductor(score: Score) -> list[tuple[int, bytes]]:
    """Return the events of the first track, which hold for all the others."""
    events = [(0, text_meta(TRACK_NAME, score.title))] if score.title else []
    for tick, beats, unit in score.metres.tolist():
        written = bytes([beats, unit.bit_length() - 1, 24, 8])
        events.append((tick, meta(TIME_SIGNATURE, written)))
    for tick, sharps, minor in score.keys.tolist():
        if is_key(sharps, minor):
            events.append((tick, meta(KEY_SIGNATURE, bytes([sharps % 256, minor]))))
    for tick, bpm in score.tempos.tolist():
        microseconds = min(round(_MICROSECONDS / bpm), _LONGEST_QUARTER)
        events.append((int(tick), meta(TEMPO, microseconds.to_bytes(3))))
    return sorted(events, key=lambda event: event[0])


def _part_events(part: Part, port: int, channel: int) -> Iterator[tuple[int, bytes]]:
    if part.name:
        yield 0, text_meta(TRACK_NAME, part.name)
    if port:
        yield 0, meta(PORT, bytes([port]))
    yield 0, bytes([0xC0 | channel, part.program])
    # At one tick notes end before others begin, and the pedal moves in between.
    events: list[tuple[int, int, bytes]] = []
    for onset, duration, pitch, velocity in part.notes.tolist():
        events.append((onset, 2, bytes([0x90 | channel, pitch, velocity])))
        events.append((onset + duration, 0, bytes([0x80 | channel, pitch, 0])))
    for tick, down in part.pedals.tolist():
        events.append((tick, 1, bytes([0xB0 | channel, _SUSTAIN, 127 if down else 0])))
    events.sort(key=lambda event: event[:2])
    for tick, _, event in events:
        yield tick, event
