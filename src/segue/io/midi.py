"""MIDI files to `Score` and back: what a General MIDI synthesiser would play, and their texts."""

import codecs
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import Unreadable
from segue.io.encodings import decode, decode_all
from segue.io.midi_events import (
    KEY_SIGNATURE,
    LYRIC,
    PORT,
    TEMPO,
    TEXT,
    TIME_SIGNATURE,
    TRACK_NAME,
    MidiTrack,
    meta_event,
    read_smf,
    text_event,
    write_smf,
)
from segue.records import Part, Score
from segue.text import clean

# ---- channels ----------------------------------------------------------------------------

N_CHANNELS: Final = 16  # of a port
DRUM_CHANNEL: Final = 9
#: The other channels of a port.
PITCHED_CHANNELS: Final = tuple(n for n in range(N_CHANNELS) if n != DRUM_CHANNEL)
_BANK: Final = 0  # the controller
#: All sound off, all notes off, and the changes of mode, which end all notes, too.
_SILENCE: Final = frozenset([120, 123, 124, 125, 126, 127])
#: System exclusive messages at the beginning of XG and General MIDI 2 files.
_XG_ON: Final = b"\x4c\x00\x00\x7e\x00"
_GM2_ON: Final = b"\x09\x03"
#: Banks of drum kits in XG and General MIDI 2.
_DRUM_BANKS: Final = frozenset([120, 126, 127])
_NEVER: Final = np.iinfo(np.int64).max
#: The channels of Roland GS parts, whose first is that of the drums.
_GS_PARTS: Final = (9, *range(9), *range(10, 16))

#: Tick, program, and whether it is a drum kit.
_Change = tuple[int, int, bool]


class Channels:
    """The programs of the channels of a file, and the messages that end all their notes.

    A track with program changes plays these programs, even where another track has the same
    channel: files with more tracks than channels rely on it. A track without any plays the
    programs that other tracks, such as a setup track, choose for its channel.
    """

    def __init__(self, tracks: Sequence[MidiTrack]) -> None:
        self._own: dict[tuple[int, int], list[_Change]] = defaultdict(list)
        self._all: dict[int, list[_Change]] = defaultdict(list)
        silences: dict[int, list[int]] = defaultdict(list)
        banks: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._drums = set(_drum_channels(tracks))
        for track in tracks:
            for tick, channel, controller, value in track.controls:
                if controller in _SILENCE:
                    silences[self.place(track, channel)].append(tick)
                elif controller == _BANK:
                    banks[self.place(track, channel)].append((tick, value))
        self._silences = {place: np.unique(ticks) for place, ticks in silences.items()}
        knows_banks = any(
            _XG_ON in message or _GM2_ON in message[:4]
            for track in tracks
            for message in track.exclusive
        )
        for number, track in enumerate(tracks):
            for tick, channel, program in track.programs:
                place = self.place(track, channel)
                bank = max(
                    (select for select in banks.get(place, ()) if select[0] <= tick),
                    key=lambda select: select[0],
                    default=(0, 0),
                )[1]
                change = tick, program, knows_banks and bank in _DRUM_BANKS
                self._own[number, place].append(change)
                self._all[place].append(change)
        for changes in self._all.values():
            changes.sort(key=lambda change: change[0])

    def place(self, track: MidiTrack, channel: int) -> int:
        """Return the number of a track's channel among those of all ports."""
        return track.port * N_CHANNELS + channel

    def silenced(
        self, place: int, onsets: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the ends of notes, which all-notes-off messages of their channel may cut."""
        ticks = self._silences.get(place)
        if ticks is None:
            return ends
        after = np.append(ticks, _NEVER)[np.searchsorted(ticks, onsets, side="right")]
        return np.asarray(np.minimum(ends, after))

    def programs_at(
        self, number: int, place: int, onsets: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the programs at some onsets, and whether they are drum kits."""
        own, of_channel = self._own.get((number, place), []), self._all.get(place, [])
        programs = np.zeros((len(onsets), 2), np.int64)
        for changes in (of_channel, own):
            if changes:
                ticks = np.array([tick for tick, _, _ in changes])
                row = np.searchsorted(ticks, onsets, side="right") - 1
                table = np.array([change[1:] for change in changes], np.int64)
                programs = np.where((row >= 0)[:, None], table[np.maximum(row, 0)], programs)
        is_drum = programs[:, 1] > 0
        if place % N_CHANNELS == DRUM_CHANNEL or place % N_CHANNELS in self._drums:
            is_drum = np.ones_like(is_drum)
        return programs[:, 0], is_drum


def _drum_channels(tracks: Sequence[MidiTrack]) -> Iterator[int]:
    """Yield the channels that system exclusive messages of GS or XG give to drums."""
    for message in (message for track in tracks for message in track.exclusive):
        match list(message[:8]):
            case [0x41, _, 0x42, 0x12, 0x40, part, 0x15, 1 | 2] if part >> 4 == 1:
                yield _GS_PARTS[part & 15]
            case [0x43, _, 0x4C, 0x08, channel, 0x07, mode, *_] if channel < N_CHANNELS and mode:
                yield channel


# ---- texts -------------------------------------------------------------------------------

#: Default names of a first track.
_NO_TITLE: Final = re.compile(
    r"(untitled|unnamed|tempo|conductor|"
    r"((control|tempo|conductor|master|midi|meta|new|empty) ?)?"
    r"(track|sequence|seq|song|staff|part|channel)) ?[#:]?[\d-]*",
    re.IGNORECASE,
)
#: Names of the lyrics track in karaoke files.
_LYRICS_TRACK: Final = re.compile(r"words|lyrics?|soft karaoke|karaoke|vocals?", re.IGNORECASE)
#: Tags of a text about itself (MIDI's recommended practice 26): "{@JP}", "{#Title=Sakura}".
_TAG: Final = re.compile(r"\{([@#])([^{}=]*)(?:=([^{}]*))?\}")
_MIN_SYLLABLES: Final = 4  # fewer are a remark
_IS_TEXT: Final = frozenset(range(1, 16))
#: The language of a karaoke file, "@LRUSS", and the encoding of a text, "{@JP}".
_LANGUAGE: Final = re.compile(rb"@L([A-Za-z]{2,})|\{@([\w-]+)\}")
#: Languages that are the default of programs.
_DEFAULT_LANGUAGES: Final = frozenset(["", "EN", "ENG", "ENGL", "ENGLISH"])
_MARKS: Final = (codecs.BOM_UTF8, codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a MIDI file, decoded.

    Attributes
    ----------
    title : str
        The first ``@T`` text of a karaoke file, or the tag ``{#Title=…}``; else the name of the
        first track, if it stands before any note and is not a default name.
    names : list of str
        Names of the tracks.
    syllables : list of str
        Lyric events of the track that has most, without tags; else the texts of a karaoke file.
    """

    title: str
    names: list[str]
    syllables: list[str]


def decode_texts(tracks: Sequence[MidiTrack]) -> Texts:
    """Decode the texts of a file together, since one word is too short to detect an encoding."""
    raw = [
        (number, kind, content, track.opening is None or place < track.opening)
        for number, track in enumerate(tracks)
        for place, (_, kind, content) in enumerate(track.metas)
        if kind in _IS_TEXT
    ]
    as_text = _decoded(content for _, _, content, _ in raw)
    texts: list[list[tuple[int, str]]] = [[] for _ in tracks]
    names = [""] * len(tracks)
    first_name = title = ""
    for number, kind, content, opens in raw:
        text = as_text[content]
        if kind == TRACK_NAME:
            names[number] = names[number] or clean(text)
            if number == 0 and opens:
                first_name = first_name or clean(text)
        elif kind in (TEXT, LYRIC):
            for sign, key, value in _TAG.findall(text):
                if sign == "#" and key.strip().lower() == "title":
                    title = title or clean(value)
            if kind == TEXT and text.startswith("@T"):
                title = title or clean(text[2:])
            texts[number].append((kind, _TAG.sub("", text)))
    syllables = _karaoke_syllables(texts)
    if not title and not _NO_TITLE.fullmatch(first_name):
        title = "" if syllables and _LYRICS_TRACK.fullmatch(first_name) else first_name
    return Texts(title, names, syllables)


def _karaoke_syllables(events_by_track: Sequence[Sequence[tuple[int, str]]]) -> list[str]:
    """Return the syllables of the track with the most of them."""
    best: list[str] = []
    best_kind = TEXT
    for events in events_by_track:
        for event_kind in (TEXT, LYRIC):
            texts = [text for kind, text in events if kind == event_kind and text]
            if event_kind == TEXT:
                texts = [text for text in texts if not text.startswith("@")]
                if not any(text.startswith(("/", "\\")) for text in texts):
                    continue  # remarks of a program
            if len(texts) >= _MIN_SYLLABLES and (event_kind, len(texts)) > (best_kind, len(best)):
                best_kind, best = event_kind, texts
    return best


def _decoded(texts: Iterable[bytes]) -> dict[bytes, str]:
    """Decode texts in the encoding that one of them declares, or else in the detected one."""
    unique = list(dict.fromkeys(texts))
    marked = {text: decode(text) for text in unique if text.startswith(_MARKS)}
    others = [text.replace(b"\0", b"") for text in unique if text not in marked]
    declared = next((match[1] or match[2] for match in map(_LANGUAGE.match, unique) if match), b"")
    name = declared.decode("latin-1").upper()
    decoded = decode_all(others, None if name in _DEFAULT_LANGUAGES else name)
    others_decoded = zip((text for text in unique if text not in marked), decoded, strict=True)
    return {raw: text.replace("\ufffd", "") for raw, text in (*marked.items(), *others_decoded)}


# ---- scores ------------------------------------------------------------------------------

MAX_NOTES: Final = 500_000
#: Other tempos are errors and are ignored.
TEMPO_RANGE_BPM: Final = (4.0, 1000.0)
_MICROSECONDS: Final = 60e6  # in a minute
_FINEST_BEAT: Final = 7  # of a time signature: 128ths, as a power of two
_MOST_SHARPS: Final = 7
_SUSTAIN: Final = 64  # the controller
_DOWN: Final = 64  # the pedal, from this value on
_MAX_QUARTER: Final = 0xFFFFFF  # microseconds in a tempo event
_RESET: Final = 121  # of all controllers: the pedal goes up
_NO_END: Final = 1 << 40  # ticks, after all others


def is_key(sharps: int, minor: int) -> bool:
    """Return whether a key signature is valid: up to seven sharps or flats, major or minor."""
    return -_MOST_SHARPS <= sharps <= _MOST_SHARPS and minor in (0, 1)


def read_midi(content: bytes) -> Score:
    """Read a MIDI file.

    Each channel and program of a track becomes a part; the patterns of a file of type 2, which
    may be played in any order, become parts that play at once. Of the controllers the sustain pedal
    and those that end all notes are read; bends are left out.

    A note ends where the next one of its pitch begins. One without an end sounds until all
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
        a note, or has SMPTE time without quarters.
    """
    ticks_per_quarter, tracks = read_smf(content)
    if sum(len(track.notes) for track in tracks) > 2 * MAX_NOTES:
        raise Unreadable(f"more than {MAX_NOTES} notes")
    channels = Channels(tracks)
    texts = decode_texts(tracks)
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
        _last_at_each_tick(list(_time_signatures(metas)), 3),
        _last_at_each_tick(list(_keys(metas)), 3),
    )


# ---- notes -------------------------------------------------------------------------------


def _parts(
    track: MidiTrack, number: int, name: str, channels: Channels, song_end: int, quarter: int
) -> Iterator[Part]:
    """Yield the parts of a track, by channel and program."""
    notes = _note_table(track)
    endless = notes[:, 1] == _NO_END
    for end in (track.end, song_end, notes[:, 0] + quarter):
        notes[:, 1] = np.where(endless, end, notes[:, 1])
        endless &= notes[:, 1] <= notes[:, 0]
    for channel in np.unique(notes[:, 2] >> 7).tolist():
        rows = notes[notes[:, 2] >> 7 == channel]
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


def _note_table(track: MidiTrack) -> NDArray[np.int64]:
    """Return onset, end, key (see `MidiTrack.notes`) and velocity; `_NO_END` without a note-off."""
    events = np.array(track.notes, np.int64).reshape(-1, 3)
    events = events[np.argsort(events[:, 1], kind="stable")]
    key, begins = events[:, 1], events[:, 2] > 0
    # Usually the note-ons and note-offs of a key alternate.
    goes_on = np.append(key[1:] == key[:-1], False)
    ended = begins & goes_on & ~np.append(begins[1:], False)
    follows = np.append(False, ended[:-1])
    irregular = np.isin(key, key[~(ended | follows)])
    first = np.flatnonzero(ended & ~irregular)
    regular = np.column_stack(
        [events[first, 0], events[first + 1, 0], key[first], events[first, 2]]
    )
    others = list(_irregular_notes(events[irregular].tolist()))
    return np.concatenate([regular, np.array(others, np.int64).reshape(-1, 4)])


def _irregular_notes(events: Sequence[tuple[int, int, int]]) -> Iterator[tuple[int, int, int, int]]:
    """Yield the notes of keys with a second note-on before a note-off, or without a note-off."""
    open_: dict[int, tuple[list[tuple[int, int]], list[int]]] = {}
    for tick, key, velocity in events:
        run = open_.get(key)
        if velocity:
            open_.setdefault(key, ([], []))[0].append((tick, velocity))
        elif run is not None:
            notes, ends = run
            ends.append(tick)
            if len(ends) == len(notes):  # the first to begin is the first to end
                del open_[key]
                yield from _end_at_next_onset(key, notes, ends)
    for key, (notes, ends) in open_.items():
        # A note-off is missing: each of the others ends the note that began last before it.
        last_at = dict(notes)  # velocity by onset; of simultaneous notes the last
        after = np.searchsorted(ends, list(last_at), side="right").tolist()
        marked = [ends[n] if n < len(ends) else _NO_END for n in after]
        yield from _end_at_next_onset(key, list(last_at.items()), marked)


def _end_at_next_onset(
    key: int, notes: Sequence[tuple[int, int]], ends: Sequence[int]
) -> Iterator[tuple[int, int, int, int]]:
    """Yield the notes of one key, each ended by the next one that begins later."""
    onsets = sorted({onset for onset, _ in notes})
    later = dict(pairwise(onsets))
    for (onset, velocity), end in zip(notes, ends, strict=True):
        yield onset, min(end, later.get(onset, _NO_END)), key, velocity


def _pedals(track: MidiTrack, channel: int) -> NDArray[np.int32]:
    """Return the changes of the sustain pedal."""
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
    """Return ticks and tempos in BPM; of several tempos at one tick, the last."""
    low, high = TEMPO_RANGE_BPM
    rows = [
        (tick, bpm)
        for tick, kind, content in metas
        if kind == TEMPO and len(content) == 3
        if low <= (bpm := _MICROSECONDS / max(int.from_bytes(content), 1)) <= high
    ]
    return _last_at_each_tick(rows, 2, np.float64)


def _time_signatures(metas: Sequence[tuple[int, int, bytes]]) -> Iterator[tuple[int, int, int]]:
    for tick, kind, content in metas:
        if kind == TIME_SIGNATURE and len(content) >= 2:
            beats, unit = content[:2]  # the unit as a power of two
            if beats and unit <= _FINEST_BEAT:
                yield tick, beats, 1 << unit


def _keys(metas: Sequence[tuple[int, int, bytes]]) -> Iterator[tuple[int, int, int]]:
    for tick, kind, content in metas:
        if kind == KEY_SIGNATURE and len(content) >= 2:
            sharps = int.from_bytes(content[:1], signed=True)
            if is_key(sharps, content[1]):
                yield tick, sharps, content[1]


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
        `read_midi` gives the same score if no two notes of one pitch and part overlap. Texts are
        UTF-8.
    """
    tracks: list[Iterable[tuple[int, bytes]]] = [_conductor(score)]
    places = (divmod(number, len(PITCHED_CHANNELS)) for number in count())
    for part in score.parts:
        # A port has fifteen channels besides the drums; further parts use further ports.
        port, channel = (0, DRUM_CHANNEL) if part.is_drum else next(places)
        tracks.append(
            _part_events(part, port, channel if part.is_drum else PITCHED_CHANNELS[channel])
        )
    return write_smf(score.ticks_per_quarter, tracks)


def _conductor(score: Score) -> list[tuple[int, bytes]]:
    """Return the events of the first track, which hold for all the others."""
    events = [(0, text_event(TRACK_NAME, score.title))] if score.title else []
    for tick, beats, unit in score.time_signatures.tolist():
        written = bytes([beats, unit.bit_length() - 1, 24, 8])
        events.append((tick, meta_event(TIME_SIGNATURE, written)))
    for tick, sharps, minor in score.keys.tolist():
        if is_key(sharps, minor):
            events.append((tick, meta_event(KEY_SIGNATURE, bytes([sharps % 256, minor]))))
    for tick, bpm in score.tempos.tolist():
        microseconds = min(round(_MICROSECONDS / bpm), _MAX_QUARTER)
        events.append((int(tick), meta_event(TEMPO, microseconds.to_bytes(3))))
    return sorted(events, key=lambda event: event[0])


def _part_events(part: Part, port: int, channel: int) -> Iterator[tuple[int, bytes]]:
    if part.name:
        yield 0, text_event(TRACK_NAME, part.name)
    if port:
        yield 0, meta_event(PORT, bytes([port]))
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
