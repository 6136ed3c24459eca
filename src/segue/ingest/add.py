"""Adding files to the library: incremental and resumable.

`survey` says which files are new or changed. Worker processes hash and decode these, the parent
embeds them, and the results are committed about once a second, so that an interrupted run goes on
where it stopped. A file whose content is in the library already is not decoded again: its track is
updated, moved or copied.

A text beside music of the same name (``Song.lrc`` beside ``Song.mp3``) holds the lyrics of that
music and is no track of its own. Lyrics files of their own are deduplicated by artist and
shingles, so that one song in several spellings counts once.
"""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import Unstorable
from segue.ingest.analysis import (
    DECODE_LIMIT_S,
    IMAGE_LIMIT_S,
    TASK,
    Answer,
    Decode,
    DecodedFile,
    DecodedTrack,
    Identify,
    Identity,
    Job,
    ReadSidecars,
    Representation,
    SidecarLyrics,
)
from segue.ingest.cache import CacheWriter
from segue.ingest.embedding import TrackEmbedder, embed_lyrics
from segue.ingest.survey import (
    DEFAULT_OPTIONS,
    UNKNOWN_STATE,
    AddOptions,
    AddReport,
    PendingFile,
    Progress,
    Survey,
    Watcher,
    needs_reading,
    survey,
)
from segue.ingest.workers import Fault, Workers
from segue.io.lyrics import is_live_or_remix
from segue.io.scan import FoundFile
from segue.lyrics.matching import N_HASHES, SAME_TEXT_THRESHOLD
from segue.media import MEDIA
from segue.records import NO_TAGS, Analysis, Failure, FileState, Tags, Track
from segue.store import Store
from segue.store.files import KnownFile, LyricsTable, StoredSidecar
from segue.text import normalise

COMMIT_EVERY_S: Final = 1.0  # of work, which is repeated after a power cut
IDENTIFY_LIMIT_S: Final = 30.0
MAX_LISTED: Final = 5  # unreadable tunes in the failure of one file


def add(
    store: Store,
    paths: Sequence[Path],
    *,
    workers: int,
    options: AddOptions = DEFAULT_OPTIONS,
    representations: Iterable[Representation] = (),
    watch: Watcher | None = None,
) -> AddReport:
    """Bring the library up to date with files and folders.

    Parameters
    ----------
    paths : sequence of Path
        Files and folders. Tracks below them whose files no longer exist are marked as missing.
    workers : int
        Number of decoding processes.
    options : AddOptions
    representations : iterable of Representation
        What the trained spaces of the library read: it is written into the cache.
    watch : callable, optional
        Called after each file.

    Returns
    -------
    AddReport

    Raises
    ------
    LibraryBusy
        Another process is adding to this library.
    DiskFull
        What was committed before stays.
    """
    with store.writing():
        cache = CacheWriter(store.folder, representations)
        run = _Run(store, survey(store, paths, options), workers, options, cache, watch)
        run.analyse()
        return run.report


class _Run:
    """One call of `add`.

    Results are collected as functions in `_pending`, which `_commit` calls in one transaction.
    """

    def __init__(
        self,
        store: Store,
        found: Survey,
        workers: int,
        options: AddOptions,
        cache: CacheWriter,
        watch: Watcher | None,
    ) -> None:
        self.report = found.report
        self._store = store
        self._worker_count = workers
        self._options = options
        self._cache = cache
        self._watch = watch
        self._survey = found
        self._removed_contents = store.removed.contents()
        self._given_tags = store.given_tags.known()
        self._files: dict[bytes, PendingFile] = {}  # by path
        self._identities: dict[bytes, Identity] = {}  # by path
        #: By content hash that is being decoded: paths of further files with this content.
        self._waiting_copies: dict[str, list[bytes]] = defaultdict(list)
        self._stored_contents: set[str] = set()  # hashes whose tracks are stored or pending
        self._failed_paths: set[bytes] = set()
        self._pending: list[Callable[[], None]] = []
        self._last_commit = time.monotonic()
        self._n_done = 0
        self._n_total = 0
        self._embedder = TrackEmbedder(threads=max(1, workers // 2))
        self._lyrics_index = LyricsIndex(store.lyrics)

    def analyse(self) -> None:
        """Read all pending files, then the lyrics in sidecar texts that changed."""
        for item in self._survey.unreadable:
            self._queue_failure(item.path, UNKNOWN_STATE, Fault(item.reason, item.transient))
        try:
            with Workers[Job, Answer](TASK, self._worker_count) as workers:
                self._process(workers, self._survey.pending)
                self._commit()
                self._process(workers, self._orphaned_texts())
                self._commit()
                self._read_sidecars(workers)
        finally:
            self._commit()
        with self._store.transaction():
            self._store.spaces.drop_outdated()

    def _process(self, workers: "Workers[Job, Answer]", pending: Sequence[PendingFile]) -> None:
        self._n_total += len(pending)
        for file, known in pending:
            self._files[file.path] = (file, known)
            root = self._store.files.outermost_root(file.path)
            given = self._given_tags_of(known)
            identify = Identify(file.path, root, file.kind, given, file.sheet)
            workers.submit(identify, _limit_s(IDENTIFY_LIMIT_S, file))
        for job, result in workers.results():
            file, _ = self._files[job.path]
            if isinstance(result, Identity):
                self._handle_identity(workers, file, result)
            elif isinstance(result, DecodedFile):
                handle = self._handle_songs if file.kind == "lyrics" else self._handle_music
                handle(file, result)
            elif isinstance(result, Fault):
                self._fail_file(file, result)
            self._commit_if_due()

    def _given_tags_of(self, known: KnownFile | None) -> Tags:
        """Return the artist and album that the user gives for a file, or gave before."""
        tracks = known.tracks if known else ()
        before = next((self._given_tags[t] for t in tracks if t in self._given_tags), NO_TAGS)
        now = self._options.given
        return Tags(artist=now.artist or before.artist, album=now.album or before.album)

    def _orphaned_texts(self) -> list[PendingFile]:
        """List the sidecar texts whose music is unreadable: they become tracks of their own."""
        return [
            (text, known)
            for text, known in self._survey.texts
            if not self._failed_paths.isdisjoint(text.music)
            and not any(self._store.files.tracks_at(path) for path in text.music)
            and needs_reading(text, known, self._options)
        ]

    def _read_sidecars(self, workers: "Workers[Job, Answer]") -> None:
        """Read the lyrics of music whose sidecar texts changed."""
        outdated = outdated_lyrics(self._store, self._survey.music, self._survey.known)
        by_path = {music.file.path: music for music in outdated}
        self._n_total += len(by_path)
        for path, music in by_path.items():
            texts = tuple(text.path for text in music.file.texts)
            given = self._given_tags_of(self._survey.known.get(path))
            read = ReadSidecars(path, music.file.kind, texts, self._options.form, given)
            workers.submit(read, DECODE_LIMIT_S)
        for job, result in workers.results():
            music = by_path[job.path]
            if isinstance(result, SidecarLyrics):
                self._finish(music.file, partial(store_lyrics, self._store, music, result))
                states = {text.path: text.state for text in music.file.texts}
                for path, fault in result.faults:
                    self._queue_failure(path, states[path], fault)
                self.report.words += bool(result.source)
            elif isinstance(result, Fault):
                self._queue_failure(job.path, music.file.state, result)
                self._report_progress(music.file)
            self._commit_if_due()

    def _handle_identity(
        self, workers: "Workers[Job, Answer]", file: FoundFile, identity: Identity
    ) -> None:
        self._identities[file.path] = identity
        content_hash = identity.content_hash
        copies = self._waiting_copies.get(content_hash)
        stored = self._store.with_content(content_hash)
        if copies is not None:
            copies.append(file.path)
        elif not stored and (original := self._removed_original(file, identity)):
            self.report.removed += 1
            self._finish(file, partial(self._store.removed.move, original, file.path))
        elif (content_hash in self._stored_contents or stored) and not self._needs_decoding(
            file, identity, stored
        ):
            self._finish(file, partial(self._store_known_content, file))
        else:
            self._waiting_copies[content_hash] = []
            images = self._cache.missing(file.kind, content_hash) if file.kind == "sound" else ()
            passages = identity.passages
            job = Decode(file.path, file.kind, self._options.form, passages, images)
            base_s = DECODE_LIMIT_S + IMAGE_LIMIT_S * bool(images)
            workers.submit(job, _limit_s(base_s * max(1, len(passages)), file), first=True)

    def _removed_original(self, file: FoundFile, identity: Identity) -> bytes:
        """Return the former path of a file that was removed from the library and then moved."""
        if file.asked_for or self._options.include_removed:
            return b""
        paths = self._removed_contents.get(identity.content_hash, [])
        gone = [path for path in paths if not os.path.lexists(path)]
        return gone[0] if gone and len(gone) == len(paths) else b""

    def _needs_decoding(self, file: FoundFile, identity: Identity, stored: Sequence[Track]) -> bool:
        """Return whether a known content is decoded again, because tunes of it are not stored."""
        path = Path(os.fsdecode(file.path))
        stored_as_one = len(identity.tags) > 1 and any(
            track.path == path and track.tune == 0 for track in stored
        )
        return stored_as_one or file.path in self._survey.returning

    def _handle_music(self, file: FoundFile, decoded: DecodedFile) -> None:
        """Store a recording, or the tunes of a score."""
        content_hash = self._identities[file.path].content_hash
        analyses: dict[int, Analysis] = {}
        reasons: list[str] = []
        for number, track in _numbered(decoded):
            if isinstance(track, Fault):
                reasons.append(_reason(file, number, track))
                continue
            analyses[number] = self._embedder.embed(track)
            for representation in self._cache.missing(file.kind, content_hash, number):
                array = self._embedder.represent(track, representation)
                if array is not None:
                    self._cache.write(representation, array, content_hash, number)
        if not analyses:
            self._fail_file(file, Fault("; ".join(reasons)))
            return
        self._store_tunes(file, analyses)
        self._queue_partial_failure(file, reasons, len(analyses))
        if fault := self._identities[file.path].fault:
            self._queue_failure(
                file.path, file.state, Fault(f"{fault}; the recording was added as one track")
            )

    def _handle_songs(self, file: FoundFile, decoded: DecodedFile) -> None:
        """Store the songs of a file, without live versions, remixes and duplicates.

        A file of thousands of songs takes minutes: songs are stored one by one with
        `UNKNOWN_STATE`, so that an interrupted run goes on with those that are not stored yet.
        """
        identity = self._identities[file.path]
        place = self._store.files.locate(file.path)
        removed = self._survey.removed.get(file.path, set())
        before = self._store.lyrics.texts_of_file(place)
        complete = self._store.spaces.complete_tracks([track for track, _ in before.values()])
        kept: list[int] = []
        reasons: list[str] = []
        self._lyrics_index.forget(place)
        self._n_total += len(decoded.tracks) - 1
        for number, song in _numbered(decoded):
            tags = _tune_tags(identity, number)
            if isinstance(song, Fault):
                reasons.append(_reason(file, number, song))
            elif is_live_or_remix(tags.title):
                self.report.versions += 1
            elif self._lyrics_index.contains(tags.artist, song.fingerprint):
                self.report.duplicates += 1
            elif number not in removed:
                self._lyrics_index.add(tags.artist, song.fingerprint)
                kept.append(number)
                track, text = before.get(number, (0, ""))
                if song.words and text == song.words.text and track in complete:
                    store = partial(self._store.touch_track, track, UNKNOWN_STATE, tags)
                else:
                    analysis = self._embedder.embed(song)
                    store = partial(self._add_song, file, tags, analysis, number)
                self._queue(file, store)
            if number > 1:
                self._report_progress(file)
            self._commit_if_due()
        if kept:
            self._store_and_copy(file, partial(self._finish_songs, file, kept))
        else:
            self._drop_file(file)
        self._queue_partial_failure(file, reasons, len(kept))

    def _add_song(self, file: FoundFile, tags: Tags, analysis: Analysis, number: int) -> None:
        self._store.spaces.register({"lyrics"})
        self._store.add_track(file.path, UNKNOWN_STATE, "", tags, analysis, "lyrics", number)

    def _finish_songs(self, file: FoundFile, kept: Sequence[int]) -> None:
        self._store.keep_tunes(file.path, kept)
        path, identity = Path(os.fsdecode(file.path)), self._identities[file.path]
        self._store.rewritten(path, file.state, identity.content_hash)
        self._count_stored(file)

    def _drop_file(self, file: FoundFile) -> None:
        """Store no track of a file and of its copies, and remove the former tracks."""
        self._finish(file, partial(self._store.keep_tunes, file.path, ()))
        for path in self._waiting_copies.pop(self._identities[file.path].content_hash):
            copy = self._files[path][0]
            self._finish(copy, partial(self._store.keep_tunes, path, ()))

    def _queue_partial_failure(self, file: FoundFile, reasons: list[str], n_added: int) -> None:
        if reasons:
            more = len(reasons) - MAX_LISTED
            listed = [*reasons[:MAX_LISTED], *([f"and {more} more"] if more > 0 else [])]
            listed.append(f"the other {n_added} were added")
            self._queue_failure(file.path, file.state, Fault("; ".join(listed)))

    def _store_tunes(self, file: FoundFile, analyses: Mapping[int, Analysis]) -> None:
        """Store the tunes of a file in place of its former ones."""
        identity = self._identities[file.path]

        def store() -> None:
            if any(analysis.words for analysis in analyses.values()):
                self._store.spaces.register({"lyrics"})
            removed = self._survey.removed.get(file.path, set())
            kept = {tune: each for tune, each in analyses.items() if tune not in removed}
            for tune, analysis in kept.items():
                self._store.add_track(
                    file.path,
                    file.state,
                    identity.content_hash,
                    _tune_tags(identity, tune),
                    analysis,
                    file.kind,
                    tune,
                )
            self._store.keep_tunes(file.path, kept)
            self._count_stored(file)

        self._store_and_copy(file, store)

    def _count_stored(self, file: FoundFile) -> None:
        known = self._files[file.path][1]
        self._store_given_tags(file)
        if known is None or not known.tracks:
            self.report.added += 1
        else:
            self.report.changed += 1

    def _store_and_copy(self, file: FoundFile, store: Callable[[], None]) -> None:
        """Store a file, and then its copies that were found meanwhile."""
        identity = self._identities[file.path]
        self._finish(file, store)
        self._stored_contents.add(identity.content_hash)
        for path in self._waiting_copies.pop(identity.content_hash):
            copy = self._files[path][0]
            self._finish(copy, partial(self._store_known_content, copy))

    def _store_known_content(self, file: FoundFile) -> None:
        """Update, move or copy the tracks of a file whose content is in the library."""
        identity = self._identities[file.path]
        by_path: dict[Path, list[Track]] = defaultdict(list)
        for track in self._store.with_content(identity.content_hash):
            by_path[track.path].append(track)
        if tracks := by_path.get(Path(os.fsdecode(file.path))):
            all_tags = [_tune_tags(identity, track.tune) for track in tracks]
            for track, tags in zip(tracks, all_tags, strict=True):
                self._store.touch_track(track.id, file.state, tags)
            self._store_given_tags(file)
            if self._options.given != NO_TAGS and [track.tags for track in tracks] != all_tags:
                self.report.changed += 1
            else:
                self.report.unchanged += 1
            return
        if not by_path:
            raise Unstorable("a file of the same content could not be stored")
        gone = [path for path in by_path if not os.path.lexists(path)]
        if file.kind == "lyrics" and not gone and self._has_same_artists(identity, by_path):
            self._store.keep_tunes(file.path, ())
            self.report.duplicates += len(next(iter(by_path.values())))
            return
        tracks = by_path[(gone or list(by_path))[0]]
        for track in tracks:
            if gone:
                self._store.move_track(track.id, file.path, file.state)
            else:
                tags = _tune_tags(identity, track.tune)
                self._store.copy_track(track.id, file.path, file.state, tags)
        self._store.keep_tunes(file.path, [track.tune for track in tracks])
        self._store_given_tags(file)
        if gone:
            self._store.removed.move(os.fsencode(gone[0]), file.path)  # its removed tunes
            self.report.moved += 1
            self._survey.vanished.discard(os.fsencode(gone[0]))
            self.report.missing = len(self._survey.vanished)
        else:
            self.report.copied += 1

    def _store_given_tags(self, file: FoundFile) -> None:
        """Store the artist and album that the user gave for a file."""
        given = self._given_tags_of(self._files[file.path][1])
        if given != NO_TAGS:
            self._store.given_tags.put(self._store.files.tracks_at(file.path), given)

    def _has_same_artists(self, identity: Identity, by_path: Mapping[Path, list[Track]]) -> bool:
        """Return whether the artists of a copied text are those of a stored file."""
        artists = {normalise(tags.artist) for tags in identity.tags}
        return any(
            artists <= {normalise(track.tags.artist) for track in tracks}
            for tracks in by_path.values()
        )

    def _fail_file(self, file: FoundFile, fault: Fault) -> None:
        self._queue_failure(file.path, file.state, fault)
        self._report_progress(file)
        identity = self._identities.get(file.path)
        for path in self._waiting_copies.pop(identity.content_hash, []) if identity else []:
            self._queue_failure(path, self._files[path][0].state, fault)
            self._report_progress(self._files[path][0])

    def _queue_failure(self, path: bytes, state: FileState, fault: Fault) -> None:
        self._pending.append(lambda: self._fail(path, state, fault))
        self._failed_paths.add(path)

    def _fail(self, path: bytes, state: FileState, fault: Fault) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        failure = Failure(Path(os.fsdecode(path)), fault.reason, at, fault.transient)
        self.report.failures.append(failure)
        self._store.files.add_failure(path, state, failure)

    def _finish(self, file: FoundFile, store: Callable[[], None]) -> None:
        self._queue(file, store)
        self._report_progress(file)

    def _queue(self, file: FoundFile, store: Callable[[], None]) -> None:
        self._pending.append(lambda: self._store_or_fail(file, store))

    def _store_or_fail(self, file: FoundFile, store: Callable[[], None]) -> None:
        """Store the result of a file; if that fails, only this file is a failure."""
        try:
            with self._store.part():
                store()
        except (Unstorable, ValueError) as error:
            self._fail(file.path, file.state, Fault(str(error)))

    def _report_progress(self, file: FoundFile) -> None:
        self._n_done += 1
        if self._watch:
            self._watch(Progress(self._n_done, self._n_total, Path(os.fsdecode(file.path))))

    def _commit_if_due(self) -> None:
        if time.monotonic() - self._last_commit > COMMIT_EVERY_S:
            self._commit()

    def _commit(self) -> None:
        pending, self._pending = self._pending, []
        if pending:
            with self._store.transaction():
                for store in pending:
                    store()
        self._last_commit = time.monotonic()


def _numbered(decoded: DecodedFile) -> Iterable[tuple[int, DecodedTrack | Fault]]:
    """Return the tracks of a file with their numbers, from 1; 0 in a file of one track."""
    return enumerate(decoded.tracks, start=int(len(decoded.tracks) > 1))


def _reason(file: FoundFile, number: int, fault: Fault) -> str:
    return f"{MEDIA[file.kind].part} {number}: {fault.reason}" if number else fault.reason


def _tune_tags(identity: Identity, tune: int) -> Tags:
    """Return the tags of a tune by its number from 1, or 0 in a file of one tune."""
    return identity.tags[min(max(tune - 1, 0), len(identity.tags) - 1)]


def _limit_s(base_s: float, file: FoundFile) -> float:
    """Return the time limit of a job on a file in seconds."""
    return base_s + file.state.size / MEDIA[file.kind].slowest_bytes_per_s


# --- lyrics ---

UInts = NDArray[np.uint32]


class LyricsIndex:
    """The shingle fingerprints of all lyrics of a library, by artist.

    The same lyrics by two artists are two songs, or one where the artist of one is unknown.

    Parameters
    ----------
    table : LyricsTable
        Read on the first call of `forget`.
    """

    def __init__(self, table: LyricsTable) -> None:
        self._table = table
        self._loaded = False
        self._by_artist: dict[str, _Fingerprints] = {}

    def forget(self, place: tuple[int, str]) -> None:
        """Leave out a file, given by root and encoded path, that is about to be read again."""
        if not self._loaded:
            self._loaded = True
            for stored in self._table.fingerprints():
                self.add(stored.artist, stored.shingles, stored.place)
        for fingerprints in self._by_artist.values():
            fingerprints.forget(place)

    def contains(self, artist: str, shingles: UInts) -> bool:
        """Return whether nearly the same lyrics are in the index."""
        name = normalise(artist)
        candidates = list(self._by_artist) if not name else [name, ""]
        return any(
            self._by_artist[candidate].contains(shingles)
            for candidate in candidates
            if candidate in self._by_artist
        )

    def add(self, artist: str, shingles: UInts, place: tuple[int, str] = (0, "")) -> None:
        """Add the lyrics of a song."""
        self._by_artist.setdefault(normalise(artist), _Fingerprints()).add(shingles, place)


class _Fingerprints:
    """Fingerprints in one growing array."""

    def __init__(self) -> None:
        self._rows = np.zeros((4, N_HASHES), np.uint32)
        self._places: list[tuple[int, str]] = []

    def add(self, shingles: UInts, place: tuple[int, str]) -> None:
        if len(self._places) == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[len(self._places)] = shingles
        self._places.append(place)

    def contains(self, shingles: UInts) -> bool:
        similarities = (self._rows[: len(self._places)] == shingles).mean(axis=1)
        return bool((similarities >= SAME_TEXT_THRESHOLD).any())

    def forget(self, place: tuple[int, str]) -> None:
        others = [row for row, other in enumerate(self._places) if other != place]
        if len(others) < len(self._places):
            self._rows = np.concatenate([self._rows[others], np.zeros((4, N_HASHES), np.uint32)])
            self._places = [self._places[row] for row in others]


@dataclass(frozen=True, slots=True)
class OutdatedLyrics:
    """A track whose sidecar texts changed, and its file with the present ones."""

    track: int
    file: FoundFile


def outdated_lyrics(
    store: Store, music: Iterable[FoundFile], known: Mapping[bytes, KnownFile]
) -> list[OutdatedLyrics]:
    """List the music whose sidecar texts were added, changed or removed since they were read.

    Parameters
    ----------
    music : iterable of FoundFile
        Existing recordings and scores.
    known : mapping of bytes to KnownFile
        Files of the library. A text that is a track of its own counts as added; one with a
        transient failure is read again.

    Returns
    -------
    list of OutdatedLyrics
        Without files of several tunes, which have no sidecar texts.
    """
    sidecars = store.lyrics.sidecars()
    changed: list[OutdatedLyrics] = []
    for file in music:
        before = {(sidecar.name, sidecar.state) for sidecar in sidecars.get(file.path, ())}
        now = {(os.path.basename(text.path), text.state) for text in file.texts}
        retry = any(
            text.path in known and (known[text.path].tracks or known[text.path].transient)
            for text in file.texts
        )
        if now == before and not retry:
            continue
        tracks = store.tracks(store.files.tracks_at(file.path))
        if len(tracks) == 1 and tracks[0].tune == 0:
            changed.append(OutdatedLyrics(tracks[0].id, file))
    return changed


def store_lyrics(store: Store, music: OutdatedLyrics, result: SidecarLyrics) -> None:
    """Store the lyrics and tags of music from its sidecar texts. Inside a transaction.

    The texts are no longer tracks of their own.
    """
    words = result.words
    store.spaces.register({"lyrics"})
    store.spaces.put_lyrics(
        music.track, {} if words is None else embed_lyrics(words.text, words.features)
    )
    texts = music.file.texts
    sidecars = [
        StoredSidecar(os.path.basename(text.path), text.state, text.path == result.source)
        for text in texts
    ]
    store.retag(music.track, result.tags)
    store.lyrics.put(music.track, "" if words is None else words.text, sidecars)
    for text in texts:
        tracks = store.files.tracks_at(text.path)
        for track in tracks:
            store.taste.move(track, music.track)
        store.remove_tracks(tracks)
    store.files.remove_failures([music.file.path, *(text.path for text in texts)])
