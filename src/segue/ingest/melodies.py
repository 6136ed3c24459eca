"""Search by melody: the melodies of a library's tracks, those of queries, and what matches them.

Scores are read for their melodic lines when they are first searched, recordings are transcribed
when that is asked for, since it takes a third of their duration. Both are cached by content, and
collected in one index for each medium.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NotFound, Unreadable
from segue.ingest.analysis import (
    IMAGE_LIMIT_S,
    TASK,
    Answer,
    DecodedSamples,
    DecodeSamples,
    Job,
    Melodies,
    ReadMelodies,
    decode_samples,
    read_score,
)
from segue.ingest.cache import Cache
from segue.ingest.workers import Fault, Workers
from segue.media import ALL_SUFFIXES, MEDIA, medium_of
from segue.records import Failure, FloatArray, Medium, MelodyHit, Score, Span, Track
from segue.search.melody import MelodyIndex, match_melody, melody_table
from segue.store import Store

if TYPE_CHECKING:
    from segue.audio.note_events import NoteEvents

Watcher = Callable[[int, int], None]
Notes = NDArray[np.float64]

VERSION: Final = 1
INDEX: Final = "melodies"
#: Recordings are transcribed up to here.
MAX_RECORDING_S: Final = 600.0
#: Semitones of the harmonics 2 to 10, and the amplitude of one, as a share of its fundamental's.
_HARMONICS: Final = (12, 19, 24, 28, 31, 34, 36, 38, 40)
_HARMONIC_SHARE: Final = 0.75
_ONSET_TOLERANCE_S: Final = 0.05
#: A query is no longer, and has no fewer notes.
MAX_QUERY_S: Final = 60.0
MAX_QUERY_NOTES: Final = 150
MIN_QUERY_NOTES: Final = 4
#: Hits of a lower similarity are chance, see bench/humming.py.
MIN_SIMILARITY: Final = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class MelodyQuery:
    """A melody that is searched for.

    Attributes
    ----------
    notes : ndarray, shape (n, 2), float64
        Onset in seconds and MIDI pitch, no pitch twice in a row.
    rhythm : bool
        Whether its rhythm counts.
    """

    notes: Notes
    rhythm: bool = True


@dataclass(frozen=True, slots=True)
class MelodySearch:
    """Result of a search by melody.

    Attributes
    ----------
    hits : tuple of MelodyHit
        Best first, each track once.
    query_notes : int
        Number of notes that were found in the query, those of one pitch in a row as one.
    failures : tuple of Failure
        Files that could not be read.
    recordings, without_melody : int
        Number of recordings in the library, and of those that are not transcribed.
    """

    hits: tuple[MelodyHit, ...]
    query_notes: int
    failures: tuple[Failure, ...]
    recordings: int
    without_melody: int


def search_melody(
    store: Store,
    query: str | Path,
    n: int = 10,
    *,
    recordings: bool = False,
    workers: int = 1,
    watch: Watcher | None = None,
) -> MelodySearch:
    """Find the tracks that contain a melody; see `segue.library.scores.Scores.find_melody`."""
    if n < 1:
        raise BadArgument(f"{n} results: give a number of at least 1")
    melody = read_query(query)
    tracks = [track for track in store.tracks() if track.kind != "lyrics"]
    if not tracks:
        raise NotFound("this library has no scores or recordings; add some with `segue add FOLDER`")
    cache = Cache(store.folder / "cache" / f"melodies-v{VERSION}")
    failures: list[Failure] = []
    hits: list[tuple[float, int, float, float]] = []
    for medium in ("score", "sound"):
        of_medium = [track for track in tracks if track.kind == medium]
        if not of_medium:
            continue
        index, failed = _index(store, cache, medium, of_medium, recordings, workers, watch)
        failures += failed
        if len(index.tracks):
            found = match_melody(index, melody.notes, rhythm=melody.rhythm)
            columns = (found.cost, found.tracks, found.start_s, found.end_s)
            hits += zip(*(column.tolist() for column in columns), strict=True)
    hits.sort()
    missing = store.missing_tracks()
    kept = [hit for hit in hits if hit[1] not in missing and np.exp(-hit[0]) >= MIN_SIMILARITY][:n]
    named = store.tracks([track for _, track, _, _ in kept])
    sounds = [track for track in tracks if track.kind == "sound"]
    return MelodySearch(
        tuple(
            MelodyHit(rank, float(np.exp(-cost)), track, start_s, end_s)
            for rank, ((cost, _, start_s, end_s), track) in enumerate(
                zip(kept, named, strict=True), start=1
            )
        ),
        len(melody.notes),
        tuple(failures),
        len(sounds),
        sum(_key(track) not in cache for track in sounds),
    )


# --- melodies of tracks ---


def _index(
    store: Store,
    cache: Cache,
    medium: Medium,
    tracks: Sequence[Track],
    recordings: bool,
    workers: int,
    watch: Watcher | None,
) -> tuple[MelodyIndex, list[Failure]]:
    """Load the index of a medium, or build it if tracks or their melodies have changed since."""
    space = MEDIA[medium].default_spaces[-1]  # it holds every track
    is_complete = medium == "score" or not recordings
    if is_complete and (arrays := store.spaces.derived(space, INDEX)) is not None:
        with suppress(KeyError, TypeError):  # the index of another version
            return MelodyIndex.from_arrays(arrays), []
    missing = [track for track in tracks if not track.missing and _key(track) not in cache]
    failures = []
    if medium == "score":
        failures = _read_scores(cache, missing, workers, watch)
    elif recordings:
        failures = _transcribe(cache, missing, workers, watch)
    index = MelodyIndex.build(_cached(cache, tracks))
    store.spaces.save_derived(space, INDEX, index.arrays())
    return index, failures


def _key(track: Track) -> str:
    return f"{track.content_hash}t{track.tune}"


def _cached(cache: Cache, tracks: Sequence[Track]) -> Iterator[tuple[int, FloatArray]]:
    for track in tracks:
        table = cache.read(_key(track))
        if table is not None and table.ndim == 2 and table.shape[1] == 3 and len(table):
            yield track.id, np.asarray(table, np.float32)


def _read_scores(
    cache: Cache, tracks: Sequence[Track], workers: int, watch: Watcher | None
) -> list[Failure]:
    """Read the melodic lines of scores into the cache."""
    by_path: dict[bytes, list[Track]] = {}
    for track in tracks:
        by_path.setdefault(os.fsencode(track.path), []).append(track)
    failures = []
    jobs = [ReadMelodies(path) for path in by_path]
    for job, answer in Workers[Job, Answer].run(TASK, jobs, IMAGE_LIMIT_S, workers, watch):
        for track in by_path[job.path]:
            table: object = answer
            if isinstance(answer, Melodies):
                is_there = track.tune <= len(answer.tables)
                table = answer.tables[max(track.tune - 1, 0)] if is_there else Fault("it is gone")
            if isinstance(table, np.ndarray):
                cache.write(_key(track), table)
            else:
                failures.append(Failure(track.path, getattr(table, "reason", "unreadable")))
    return failures


def _transcribe(
    cache: Cache, tracks: Sequence[Track], workers: int, watch: Watcher | None
) -> list[Failure]:
    """Transcribe the melodies of recordings into the cache, each as soon as it is decoded."""
    from segue.audio.chroma import analyse_harmony
    from segue.ingest.transcription import split_parts, transcribe_samples  # imports torch

    by_path = {os.fsencode(track.path): track for track in tracks}
    jobs = [
        DecodeSamples(path, Span(0.0, min(track.duration_s, MAX_RECORDING_S)))
        for path, track in by_path.items()
    ]
    failures = []
    for job, answer in Workers[Job, Answer].run(TASK, jobs, IMAGE_LIMIT_S, workers, watch):
        track = by_path[job.path]
        if not isinstance(answer, DecodedSamples):
            failures.append(Failure(track.path, getattr(answer, "reason", "unreadable")))
            continue
        tuning = analyse_harmony((answer.samples,)).tuning
        events = without_harmonics(transcribe_samples(answer.samples, tuning))
        line = split_parts(events)[0] if len(events) else np.empty(0, np.int64)
        cache.write(_key(track), melody_table([(events.onset_s[line], events.pitch[line])]))
    return failures


def without_harmonics(events: "NoteEvents") -> "NoteEvents":
    """Leave out notes at a harmonic of a stronger note that sounds as they begin.

    A transcription tolerates them among its chords; above a melody they would take its place.
    """
    kept = np.ones(len(events), np.bool_)
    for row in range(len(events)):
        at_s = events.onset_s[row] + _ONSET_TOLERANCE_S
        near = slice(None, int(np.searchsorted(events.onset_s, at_s, side="right")))
        stronger = (
            (events.offset_s[near] > at_s)
            & np.isin(events.pitch[row] - events.pitch[near], _HARMONICS)
            & (events.amplitude[near] * _HARMONIC_SHARE > events.amplitude[row])
        )
        kept[row] = not stronger.any()
    fields = ("onset_s", "offset_s", "pitch", "amplitude")
    return replace(events, **{name: getattr(events, name)[kept] for name in fields})


# --- queries ---

_ADVICE: Final = "name a recording, a score, or notes as C D E F G2 c"


def read_query(query: str | Path) -> MelodyQuery:
    """Read a melody: of a recording of a voice, a score file, or notes in ABC notation.

    Raises
    ------
    BadArgument
        It has fewer than four notes, or is neither a file nor ABC notation.
    Unreadable
        The file cannot be read.
    """
    if not str(query).strip():
        raise BadArgument(f"an empty query; {_ADVICE}")
    path = Path(query)
    if os.path.lexists(path):
        medium = medium_of(path) or "sound"
        if medium == "lyrics":
            raise BadArgument(f"{path.name} is a text; name a recording or a score of the melody")
        if medium == "sound":
            return _checked(_sung_notes(path), f"{path.name}: ", hummed=True)
        return _checked(_score_notes(read_score(path)), f"{path.name}: ")
    if path.suffix.lower() in ALL_SUFFIXES:
        raise NotFound(f"there is no file {query}; {_ADVICE}")
    notes = _abc_notes(str(query))
    # Notes of one length are typed for their pitch.
    rhythm = bool(np.ptp(np.diff(notes[:, 0])) > 1e-6) if len(notes) > 2 else False
    return MelodyQuery(_checked(notes, f"{str(query)!r}: ").notes, rhythm)


def _checked(notes: Notes, name: str, *, hummed: bool = False) -> MelodyQuery:
    table = melody_table([(notes[:MAX_QUERY_NOTES, 0], notes[:MAX_QUERY_NOTES, 1])])
    if len(table) < MIN_QUERY_NOTES:
        advice = "hum a phrase of 5 to 20 s close to the microphone" if hummed else _ADVICE
        raise BadArgument(
            f"{name}{len(table)} notes of different pitch, at least {MIN_QUERY_NOTES} in a row are "
            f"needed; {advice}"
        )
    return MelodyQuery(table[:, :2].astype(np.float64))


def _sung_notes(path: Path) -> Notes:
    import soxr

    from segue.audio.spectrogram import SAMPLE_RATE_HZ
    from segue.audio.voice_pitch import SAMPLE_RATE_HZ as VOICE_RATE_HZ
    from segue.audio.voice_pitch import contour_notes, track_pitch

    samples = decode_samples(path, Span(0.0, MAX_QUERY_S)).samples
    samples = np.asarray(soxr.resample(samples, SAMPLE_RATE_HZ, VOICE_RATE_HZ), np.float32)
    return contour_notes(track_pitch(samples))[:, [0, 2]]


def _score_notes(score: Score) -> Notes:
    from segue.score.lines import extract_melody
    from segue.score.timing import ticks_to_seconds

    notes = extract_melody(score).notes
    pitch = notes[:, 2].astype(np.float64)
    return np.column_stack([ticks_to_seconds(score, notes[:, 0]), pitch])


def _abc_notes(text: str) -> Notes:
    from segue.io.abc_read import read_tune, split_tune_book

    tune = f"X:1\nL:1/8\nK:C\n{text.strip()}\n"
    try:
        return _score_notes(read_tune(split_tune_book(tune.encode())[0]))
    except (Unreadable, BadArgument, IndexError):
        raise BadArgument(f"{text!r} is neither a file nor notes; {_ADVICE}") from None
