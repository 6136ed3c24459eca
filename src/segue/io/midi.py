"""MIDI files to `Score` and back.

What MIDI's channels play, and when they are silenced: said in any track, true for all.

What a MIDI file says in words: its title, the names of its tracks, what is sung.

MIDI files ↔ `Score`: what a player of General MIDI would sound, as parts and their notes.
"""

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
from segue.io.midi_file import (
    KEY_SIGNATURE,
    LYRIC,
    PORT,
    TEMPO,
    TEXT,
    TIME_SIGNATURE,
    TRACK_NAME,
    Track,
    meta_event,
    read_smf,
    text_event,
    write_smf,
)
from segue.records import Part, Score
from segue.text import clean

# --- midi channels ---

N_CHANNELS: Final = 16  # of a port
DRUM_CHANNEL: Final = 9
#: Of a port, the others.
PITCHED_CHANNELS: Final = tuple(n for n in range(N_CHANNELS) if n != DRUM_CHANNEL)
_BANK: Final = 0  # the controller
#: All sound off, all notes off, and the changes of mode, which end all notes, too.
_SILENCE: Final = frozenset([120, 123, 124, 125, 126, 127])
#: System exclusive messages that a file for XG, and for General MIDI 2, begins with.
_XG_ON: Final = b"\x4c\x00\x00\x7e\x00"
_GM2_ON: Final = b"\x09\x03"
#: Banks of drum kits in such files.
_DRUM_BANKS: Final = frozenset([120, 126, 127])
_NEVER: Final = np.iinfo(np.int64).max
#: The channels of Roland's parts, which count the drums' first.
_GS_PARTS: Final = (9, *range(9), *range(10, 16))

#: Tick, program, and whether it is a drum kit.
_Change = tuple[int, int, bool]


class Channels:
    """The channels of a file: their programs and silences.

    A track that chooses programs itself plays them: files that give more tracks than there are
    channels to the same channel mean that. One that chooses none plays what another track chose
    for its channel, as a setup track does.
    """

    def __init__(self, tracks: Sequence[Track]) -> None:
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
                    (told for told in banks.get(place, ()) if told[0] <= tick),
                    key=lambda told: told[0],
                    default=(0, 0),
                )[1]
                change = tick, program, knows_banks and bank in _DRUM_BANKS
                self._own[number, place].append(change)
                self._all[place].append(change)
        for changes in self._all.values():
            changes.sort(key=lambda change: change[0])

    def place(self, track: Track, channel: int) -> int:
        """Return which channel of all ports a track's channel is."""
        return track.port * N_CHANNELS + channel

    def silenced(
        self, place: int, onsets: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return when notes end, where some may be ended before by what silences their channel."""
        ticks = self._silences.get(place)
        if ticks is None:
            return ends
        after = np.append(ticks, _NEVER)[np.searchsorted(ticks, onsets, side="right")]
        return np.asarray(np.minimum(ends, after))

    def programs_at(
        self, number: int, place: int, onsets: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return which program plays the notes that begin then, and whether it is drums."""
        own, of_channel = self._own.get((number, place), []), self._all.get(place, [])
        found = np.zeros((len(onsets), 2), np.int64)
        for changes in (of_channel, own):
            if changes:
                ticks = np.array([tick for tick, _, _ in changes])
                row = np.searchsorted(ticks, onsets, side="right") - 1
                table = np.array([change[1:] for change in changes], np.int64)
                found = np.where((row >= 0)[:, None], table[np.maximum(row, 0)], found)
        is_drum = found[:, 1] > 0
        if place % N_CHANNELS == DRUM_CHANNEL or place % N_CHANNELS in self._drums:
            is_drum = np.ones_like(is_drum)
        return found[:, 0], is_drum


def _drum_channels(tracks: Sequence[Track]) -> Iterator[int]:
    """Yield the channels that system exclusive messages of GS or XG give to drums."""
    for told in (message for track in tracks for message in track.exclusive):
        match list(told[:8]):
            case [0x41, _, 0x42, 0x12, 0x40, part, 0x15, 1 | 2] if part >> 4 == 1:
                yield _GS_PARTS[part & 15]
            case [0x43, _, 0x4C, 0x08, channel, 0x07, mode, *_] if channel < N_CHANNELS and mode:
                yield channel


# --- midi texts ---

#: What programs call a first track that nobody named.
_NO_TITLE: Final = re.compile(
    r"(untitled|unnamed|tempo|conductor|"
    r"((control|tempo|conductor|master|midi|meta|new|empty) ?)?"
    r"(track|sequence|seq|song|staff|part|channel)) ?[#:]?[\d-]*",
    re.IGNORECASE,
)
#: What karaoke programs call the tracks of the words.
_WORDS: Final = re.compile(r"words|lyrics?|soft karaoke|karaoke|vocals?", re.IGNORECASE)
#: Tags of a text about itself (MIDI's recommended practice 26): "{@JP}", "{#Title=Sakura}".
_TAG: Final = re.compile(r"\{([@#])([^{}=]*)(?:=([^{}]*))?\}")
_FEWEST: Final = 4  # syllables: less is a remark
_IS_TEXT: Final = frozenset(range(1, 16))
#: What karaoke files say of the language, "@LRUSS", and a text of its encoding, "{@JP}".
_LANGUAGE: Final = re.compile(rb"@L([A-Za-z]{2,})|\{@([\w-]+)\}")
#: Languages that programs write where nobody chose one.
_SAY_NOTHING: Final = frozenset(["", "EN", "ENG", "ENGL", "ENGLISH"])
_MARKS: Final = (codecs.BOM_UTF8, codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a MIDI file, decoded.

    Attributes
    ----------
    title : str
        What a karaoke file's first text of ``@T`` says, or the tag ``{#Title=…}``; else the name
        of the first track, where that stands before any note and is no program's placeholder.
    names : list of str
        Of each track.
    syllables : list of str
        What is sung, without tags: lyric events, of the track that has most; where there are
        none, the texts of a karaoke file.
    """

    title: str
    names: list[str]
    syllables: list[str]


def decode_texts(tracks: Sequence[Track]) -> Texts:
    """Decode the texts of a file, all together: one word is too little to tell an encoding by."""
    raw = [
        (number, kind, content, track.opening is None or place < track.opening)
        for number, track in enumerate(tracks)
        for place, (_, kind, content) in enumerate(track.metas)
        if kind in _IS_TEXT
    ]
    as_text = _decoded(content for _, _, content, _ in raw)
    told: list[list[tuple[int, str]]] = [[] for _ in tracks]
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
            told[number].append((kind, _TAG.sub("", text)))
    syllables = _sung(told)
    if not title and not _NO_TITLE.fullmatch(first_name):
        title = "" if syllables and _WORDS.fullmatch(first_name) else first_name
    return Texts(title, names, syllables)


def _sung(told: Sequence[Sequence[tuple[int, str]]]) -> list[str]:
    """Return the syllables of the track that has most of them."""
    best: list[str] = []
    best_kind = TEXT
    for events in told:
        for wanted in (TEXT, LYRIC):
            texts = [text for kind, text in events if kind == wanted and text]
            if wanted == TEXT:
                texts = [text for text in texts if not text.startswith("@")]
                if not any(text.startswith(("/", "\\")) for text in texts):
                    continue  # remarks of a program
            if len(texts) >= _FEWEST and (wanted, len(texts)) > (best_kind, len(best)):
                best_kind, best = wanted, texts
    return best


def _decoded(texts: Iterable[bytes]) -> dict[bytes, str]:
    """Decode texts, all in the encoding that one of them declares, or that they look like."""
    found = list(dict.fromkeys(texts))
    marked = {text: decode(text) for text in found if text.startswith(_MARKS)}
    others = [text.replace(b"\0", b"") for text in found if text not in marked]
    declared = next(
        (told.group(1) or told.group(2) for told in map(_LANGUAGE.match, found) if told), b""
    )
    name = declared.decode("latin-1").upper()
    decoded = decode_all(others, None if name in _SAY_NOTHING else name)
    whole = zip((text for text in found if text not in marked), decoded, strict=True)
    return {text: told.replace("\ufffd", "") for text, told in (*marked.items(), *whole)}


# --- midi ---

MAX_NOTES: Final = 500_000
#: Tempos beyond are leftovers or mistakes; the one before goes on.
TEMPO_RANGE_BPM: Final = (4.0, 1000.0)
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
    low, high = TEMPO_RANGE_BPM
    rows = [
        (tick, bpm)
        for tick, kind, told in metas
        if kind == TEMPO and len(told) == 3
        if low <= (bpm := _MICROSECONDS / max(int.from_bytes(told), 1)) <= high
    ]
    return _last_at_each_tick(rows, 2, np.float64)


def _time_signatures(metas: Sequence[tuple[int, int, bytes]]) -> Iterator[tuple[int, int, int]]:
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
    events = [(0, text_event(TRACK_NAME, score.title))] if score.title else []
    for tick, beats, unit in score.time_signatures.tolist():
        written = bytes([beats, unit.bit_length() - 1, 24, 8])
        events.append((tick, meta_event(TIME_SIGNATURE, written)))
    for tick, sharps, minor in score.keys.tolist():
        if is_key(sharps, minor):
            events.append((tick, meta_event(KEY_SIGNATURE, bytes([sharps % 256, minor]))))
    for tick, bpm in score.tempos.tolist():
        microseconds = min(round(_MICROSECONDS / bpm), _LONGEST_QUARTER)
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
