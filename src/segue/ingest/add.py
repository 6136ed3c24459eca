"""Adding files to the library: incremental and resumable."""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from segue.errors import Unstorable
from segue.ingest.analysis import (
    Answer,
    Decode,
    Decoded,
    DecodedLyrics,
    DecodedScore,
    DecodedText,
    DecodedTune,
    DecodeLyrics,
    DecodeScore,
    Identify,
    Identity,
    Job,
    ReadSidecars,
    SidecarLyrics,
)
from segue.ingest.embedding import embed_tune, with_lyrics
from segue.ingest.lyrics import LyricsIndex, outdated_lyrics, store_lyrics
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
from segue.io.lyrics_text import TextOptions
from segue.io.scan import FoundFile
from segue.io.tags import NO_TAGS
from segue.records import Analysis, Failure, FileState, Tags, Track
from segue.store import Store
from segue.store.files import KnownFile
from segue.text import normalise

if TYPE_CHECKING:
    from segue.audio.embedding import SoundModel
    from segue.ingest.embedding import ScoreModel

COMMIT_EVERY_S: Final = 1.0  # at most this much work is done again after a power cut
TASK: Final = "segue.ingest.analysis:run_job"
IDENTIFY_LIMIT_S: Final = 30.0
DECODE_LIMIT_S: Final = 60.0
SLOWEST_DISK_BYTES_PER_S: Final = 5e6
SLOWEST_TEXT_BYTES_PER_S: Final = 1e4  # of a text all is looked at; busy machines are slow
MAX_LISTED: Final = 5  # broken tunes of one file


def add(
    store: Store,
    paths: Sequence[Path],
    *,
    workers: int,
    options: AddOptions = DEFAULT_OPTIONS,
    watch: Watcher | None = None,
) -> AddReport:
    """Bring the library up to date with files and folders.

    Parameters
    ----------
    store : Store
    paths : sequence of Path
        Everything below them is added; what the library knows below them and is no longer
        there is marked missing.
    workers : int
        Decoding processes.
    options : Options
    watch : callable, optional
        Told after each file.

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
        there = survey(store, paths, options)
        run = _Run(store, there, workers, options, watch)
        run.analyse()
        return run.report


class _Run:
    def __init__(
        self, store: Store, there: Survey, workers: int, options: AddOptions, watch: Watcher | None
    ) -> None:
        self.report = there.report
        self._store = store
        self._worker_count = workers
        self._options = options
        self._watch = watch
        self._there = there
        self._removed_contents = store.removed.contents()
        self._given = store.given.known()
        self._identities: dict[bytes, Identity] = {}
        self._waiting: dict[str, list[bytes]] = defaultdict(list)  # by content: same, later
        self._stored: set[str] = set()  # contents whose track is stored or about to be
        self._found: dict[bytes, PendingFile] = {}
        self._failed: set[bytes] = set()
        self._pending: list[Callable[[], None]] = []
        self._last_commit = time.monotonic()
        self._done = 0
        self._total = 0
        self._model: SoundModel | None = None
        self._score_model: ScoreModel | None = None
        self._known_words = LyricsIndex(store.words)

    # ---- what is new ---------------------------------------------------------------------

    def analyse(self) -> None:
        for obstacle in self._there.obstacles:
            fault = Fault(obstacle.reason, obstacle.transient)
            self._later_fail(obstacle.path, UNKNOWN_STATE, fault)
        try:
            with Workers[Job, Answer](TASK, self._worker_count) as workers:
                self._work(workers, self._there.todo)
                self._commit()
                self._work(workers, self._left_behind())
                self._commit()
                self._read_words(workers)
        finally:
            self._commit()
        with self._store.transaction():
            self._store.spaces.drop_outdated()

    def _work(self, workers: "Workers[Job, Answer]", todo: Sequence[PendingFile]) -> None:
        self._total += len(todo)
        for found, before in todo:
            self._found[found.path] = (found, before)
            root = self._store.files.outermost_root(found.path)
            asked = Identify(found.path, root, found.kind, self._given_for(before))
            workers.submit(asked, _limit_s(IDENTIFY_LIMIT_S, found))
        for job, result in workers.results():
            found, _ = self._found[job.path]
            if isinstance(result, Identity):
                self._identified(workers, found, result)
            elif isinstance(result, Decoded):
                self._decoded(found, result)
            elif isinstance(result, DecodedScore):
                self._decoded_score(found, result)
            elif isinstance(result, DecodedLyrics):
                self._decoded_lyrics(found, result)
            elif isinstance(result, Fault):
                self._lost(found, result)
            self._commit_in_time()

    def _given_for(self, before: KnownFile | None) -> Tags:
        """Return the artist and album that were given for a file, now or when it was added."""
        known = [self._given[t] for t in (before.tracks if before else ()) if t in self._given]
        earlier, now = known[0] if known else NO_TAGS, self._options.given
        return Tags(artist=now.artist or earlier.artist, album=now.album or earlier.album)

    def _left_behind(self) -> list[PendingFile]:
        """List the texts whose music turned out to be unreadable: they stand for themselves."""
        return [
            (text, before)
            for text, before in self._there.texts
            if not self._failed.isdisjoint(text.music)
            and not any(self._store.files.tracks_at(path) for path in text.music)
            and needs_reading(text, before, self._options)
        ]

    def _read_words(self, workers: "Workers[Job, Answer]") -> None:
        """Give music the words of the texts beside it, where any of these is not what it was."""
        there = self._there
        found = outdated_lyrics(self._store, there.music, there.known)
        changed = {one.found.path: one for one in found}
        self._total += len(changed)
        for path, one in changed.items():
            texts = tuple(text.path for text in one.found.texts)
            given = self._given_for(self._there.known.get(path))
            asked = ReadSidecars(path, one.found.kind, texts, self._options.form, given)
            workers.submit(asked, DECODE_LIMIT_S)
        for job, result in workers.results():
            one = changed[job.path]
            if isinstance(result, SidecarLyrics):
                self._finish(one.found, partial(store_lyrics, self._store, one, result))
                states = {text.path: text.state for text in one.found.texts}
                for path, fault in result.faults:
                    self._later_fail(path, states[path], fault)
                self.report.words += bool(result.source)
            elif isinstance(result, Fault):
                self._later_fail(job.path, one.found.state, result)
                self._told(one.found)
            self._commit_in_time()

    def _identified(
        self, workers: "Workers[Job, Answer]", found: FoundFile, identity: Identity
    ) -> None:
        self._identities[found.path] = identity
        same = self._waiting.get(identity.content_hash)
        stored = self._store.with_content(identity.content_hash)
        if same is not None:
            same.append(found.path)
        elif not stored and (taken_out := self._moved_from(found, identity)):
            self.report.removed += 1
            self._finish(found, partial(self._store.removed.move, taken_out, found.path))
        elif (identity.content_hash in self._stored or stored) and not self._is_to_decode(
            found, identity, stored
        ):
            self._finish(found, partial(self._place, found))
        else:
            self._waiting[identity.content_hash] = []
            limit_s = _limit_s(DECODE_LIMIT_S, found)
            workers.submit(_decoding(found, self._options.form), limit_s, first=True)

    def _moved_from(self, found: FoundFile, identity: Identity) -> bytes:
        """Return where a file lay that the user took out before it was moved; else nothing."""
        if found.asked_for or self._options.include_removed:
            return b""
        before = self._removed_contents.get(identity.content_hash, [])
        gone = [path for path in before if not os.path.lexists(path)]
        return gone[0] if gone and len(gone) == len(before) else b""

    def _is_to_decode(self, found: FoundFile, identity: Identity, stored: Sequence[Track]) -> bool:
        """Tell whether a known content is to be read again: for tunes that it lacks."""
        path = Path(os.fsdecode(found.path))
        divided = len(identity.tags) > 1 and any(
            track.path == path and track.tune == 0 for track in stored
        )
        return divided or found.path in self._there.returning

    def _decoded(self, found: FoundFile, decoded: Decoded) -> None:
        if self._model is None:
            from segue.audio.embedding import SoundModel  # where nothing is new, it is not needed

            self._model = SoundModel(threads=max(1, self._worker_count // 2))
        analysis = Analysis(
            vectors=self._model.embed(decoded.patches, decoded.features),
            facts=decoded.facts,
            fingerprint=decoded.fingerprint,
            duration_s=decoded.duration_s,
        )
        analysis = with_lyrics(analysis, decoded.words)
        self._store_tunes(found, {0: analysis})

    def _decoded_score(self, found: FoundFile, decoded: DecodedScore) -> None:
        if self._score_model is None:
            from segue.ingest.embedding import ScoreModel

            self._score_model = ScoreModel(threads=max(1, self._worker_count // 2))
        first = 0 if len(decoded.tunes) == 1 else 1
        analyses: dict[int, Analysis] = {}
        broken: list[str] = []
        for number, tune in enumerate(decoded.tunes, start=first):
            if isinstance(tune, DecodedTune):
                analyses[number] = embed_tune(tune, self._score_model)
            else:
                broken.append(f"tune {number}: {tune.reason}" if number else tune.reason)
        if not analyses:
            self._lost(found, Fault("; ".join(broken)))
            return
        self._store_tunes(found, analyses)
        self._tell_broken(found, broken, len(analyses))

    def _decoded_lyrics(self, found: FoundFile, decoded: DecodedLyrics) -> None:
        """Store the songs of a file, but live versions, remixes and what is there already.

        A book of thousands takes minutes: its songs are stored as they come, under a state that
        no file has, so that a run that is interrupted goes on with those that are not there yet.
        """
        identity = self._identities[found.path]
        out = self._there.removed.get(found.path, set())
        there = self._store.words.of_file(self._store.files.locate(found.path))
        complete = self._store.spaces.complete_tracks([track for track, _ in there.values()])
        first = 0 if len(decoded.songs) == 1 else 1
        kept: list[int] = []
        broken: list[str] = []
        self._known_words.forget(self._store.files.locate(found.path))
        self._total += len(decoded.songs) - 1
        for number, song in enumerate(decoded.songs, start=first):
            tags = _tags_of(identity, number)
            if not isinstance(song, DecodedText):
                broken.append(f"song {number}: {song.reason}" if number else song.reason)
            elif is_live_or_remix(tags.title):
                self.report.versions += 1
            elif self._known_words.hold(tags.artist, song.shingles):
                self.report.duplicates += 1
            elif number not in out:
                self._known_words.add(tags.artist, song.shingles)
                kept.append(number)
                track, text = there.get(number, (0, ""))
                if text == song.text and track in complete:
                    store = partial(self._store.touch_track, track, UNKNOWN_STATE, tags)
                else:
                    analysis = with_lyrics(Analysis({}, song.facts, song.shingles, 0.0), song)
                    store = partial(self._add_song, found, tags, analysis, number)
                self._later(found, store)
            if number > first:
                self._told(found)
            self._commit_in_time()
        if kept:
            self._store_kept(found, partial(self._finish_songs, found, kept))
        else:
            self._left_out(found)
        self._tell_broken(found, broken, len(kept))

    def _add_song(self, found: FoundFile, tags: Tags, analysis: Analysis, number: int) -> None:
        self._store.spaces.register({"lyrics"})
        self._store.add_track(found.path, UNKNOWN_STATE, "", tags, analysis, "lyrics", number)

    def _finish_songs(self, found: FoundFile, kept: Sequence[int]) -> None:
        self._store.keep_tunes(found.path, kept)
        path, identity = Path(os.fsdecode(found.path)), self._identities[found.path]
        self._store.rewritten(path, found.state, identity.content_hash)
        self._note_stored(found)

    def _left_out(self, found: FoundFile) -> None:
        """Store nothing of a file, and take out what it held before."""
        self._finish(found, partial(self._store.keep_tunes, found.path, ()))
        for path in self._waiting.pop(self._identities[found.path].content_hash):
            twin = self._found[path][0]
            self._finish(twin, partial(self._store.keep_tunes, path, ()))

    def _tell_broken(self, found: FoundFile, broken: list[str], rest: int) -> None:
        if broken:
            more = len(broken) - MAX_LISTED
            told = [*broken[:MAX_LISTED], *([f"and {more} more"] if more > 0 else [])]
            told.append(f"the other {rest} were added")
            self._later_fail(found.path, found.state, Fault("; ".join(told)))

    def _store_tunes(self, found: FoundFile, analyses: Mapping[int, Analysis]) -> None:
        """Store what a file holds, in place of what it held before."""
        identity = self._identities[found.path]

        def store() -> None:
            if any(analysis.words for analysis in analyses.values()):
                self._store.spaces.register({"lyrics"})
            out = self._there.removed.get(found.path, set())
            kept = {tune: each for tune, each in analyses.items() if tune not in out}
            for tune, analysis in kept.items():
                self._store.add_track(
                    found.path,
                    found.state,
                    identity.content_hash,
                    _tags_of(identity, tune),
                    analysis,
                    found.kind,
                    tune,
                )
            self._store.keep_tunes(found.path, kept)
            self._note_stored(found)

        self._store_kept(found, store)

    def _note_stored(self, found: FoundFile) -> None:
        before = self._found[found.path][1]
        self._keep_given(found)
        if before is None or not before.tracks:
            self.report.added += 1
        else:
            self.report.changed += 1

    def _store_kept(self, found: FoundFile, store: Callable[[], None]) -> None:
        """Store what is kept of a file, and then those of the same content."""
        identity = self._identities[found.path]
        self._finish(found, store)
        self._stored.add(identity.content_hash)
        for path in self._waiting.pop(identity.content_hash):
            twin = self._found[path][0]
            self._finish(twin, partial(self._place, twin))

    def _place(self, found: FoundFile) -> None:
        """Give a file whose content is known a row: its old one, a moved one, or a copy."""
        identity = self._identities[found.path]
        same: dict[Path, list[Track]] = defaultdict(list)
        for track in self._store.with_content(identity.content_hash):
            same[track.path].append(track)
        if here := same.get(Path(os.fsdecode(found.path))):
            all_now = [_tags_of(identity, track.tune) for track in here]
            for track, now in zip(here, all_now, strict=True):
                self._store.touch_track(track.id, found.state, now)
            self._keep_given(found)
            if self._options.given != NO_TAGS and [track.tags for track in here] != all_now:
                self.report.changed += 1
            else:
                self.report.unchanged += 1
            return
        if not same:
            raise Unstorable("a file of the same content could not be stored")
        gone = [path for path in same if not os.path.lexists(path)]
        if found.kind == "lyrics" and not gone and self._is_same_artist(identity, same):
            self._store.keep_tunes(found.path, ())
            self.report.duplicates += len(next(iter(same.values())))
            return
        tracks = same[(gone or list(same))[0]]
        for track in tracks:
            if gone:
                self._store.move_track(track.id, found.path, found.state)
            else:
                tags = _tags_of(identity, track.tune)
                self._store.copy_track(track.id, found.path, found.state, tags)
        self._store.keep_tunes(found.path, [track.tune for track in tracks])
        self._keep_given(found)
        if gone:
            self._store.removed.move(os.fsencode(gone[0]), found.path)  # some of its tunes
            self.report.moved += 1
        else:
            self.report.copied += 1

    def _keep_given(self, found: FoundFile) -> None:
        """Remember the artist and album that were given for a file."""
        given = self._given_for(self._found[found.path][1])
        if given != NO_TAGS:
            self._store.given.put(self._store.files.tracks_at(found.path), given)

    def _is_same_artist(self, identity: Identity, same: Mapping[Path, list[Track]]) -> bool:
        """Tell whether a copy of a text is of the artist that has it already."""
        artists = {normalise(tags.artist) for tags in identity.tags}
        return any(
            artists <= {normalise(track.tags.artist) for track in tracks}
            for tracks in same.values()
        )

    def _lost(self, found: FoundFile, fault: Fault) -> None:
        self._later_fail(found.path, found.state, fault)
        self._told(found)
        identity = self._identities.get(found.path)
        for path in self._waiting.pop(identity.content_hash, []) if identity else []:
            self._later_fail(path, self._found[path][0].state, fault)
            self._told(self._found[path][0])

    def _later_fail(self, path: bytes, state: FileState, fault: Fault) -> None:
        self._pending.append(lambda: self._fail(path, state, fault))
        self._failed.add(path)

    def _fail(self, path: bytes, state: FileState, fault: Fault) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        failure = Failure(Path(os.fsdecode(path)), fault.reason, at, fault.transient)
        self.report.failures.append(failure)
        self._store.files.add_failure(path, state, failure)

    def _finish(self, found: FoundFile, store: Callable[[], None]) -> None:
        self._later(found, store)
        self._told(found)

    def _later(self, found: FoundFile, store: Callable[[], None]) -> None:
        self._pending.append(lambda: self._store_or_fail(found, store))

    def _store_or_fail(self, found: FoundFile, store: Callable[[], None]) -> None:
        """Store what came of a file; what cannot be stored is its own failure alone."""
        try:
            with self._store.part():
                store()
        except (Unstorable, ValueError) as error:
            self._fail(found.path, found.state, Fault(str(error)))

    def _told(self, found: FoundFile) -> None:
        self._done += 1
        if self._watch:
            self._watch(Progress(self._done, self._total, Path(os.fsdecode(found.path))))

    def _commit_in_time(self) -> None:
        if time.monotonic() - self._last_commit > COMMIT_EVERY_S:
            self._commit()

    def _commit(self) -> None:
        pending, self._pending = self._pending, []
        if pending:
            with self._store.transaction():
                for store in pending:
                    store()
        self._last_commit = time.monotonic()


def _decoding(found: FoundFile, form: TextOptions) -> Job:
    if found.kind == "sound":
        return Decode(found.path, form=form)
    if found.kind == "score":
        return DecodeScore(found.path, form)
    return DecodeLyrics(found.path, form)


def _tags_of(identity: Identity, tune: int) -> Tags:
    """Return the tags of a tune, by its number; 0 is that of a file of one."""
    return identity.tags[min(max(tune - 1, 0), len(identity.tags) - 1)]


def _limit_s(base_s: float, found: FoundFile) -> float:
    text = found.kind == "lyrics"
    return base_s + found.state.size / (
        SLOWEST_TEXT_BYTES_PER_S if text else SLOWEST_DISK_BYTES_PER_S
    )
