"""Files → analysed tracks in the library: incremental, resumable, one bad file at a time."""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from segue.formats.lyrics import is_version
from segue.formats.lyrics.text import PLAIN, TextForm
from segue.formats.names import normalise
from segue.formats.scan import Found, Obstacle, PassedOver, scan
from segue.ingest.analyse import (
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
)
from segue.ingest.same_words import KnownWords
from segue.ingest.workers import Fault, Workers
from segue.model.lyrics.embed import embed_lyrics
from segue.records import Analysis, Failure, FileState, Kind, Tags, Track
from segue.store import Store
from segue.store.files import KnownFile

if TYPE_CHECKING:
    from segue.model.score.embed import ScoreModel
    from segue.model.sound.embed import SoundModel

COMMIT_EVERY_S: Final = 1.0  # at most this much work is done again after a power cut
TASK: Final = "segue.ingest.analyse:work"
IDENTIFY_LIMIT_S: Final = 30.0
DECODE_LIMIT_S: Final = 60.0
SLOWEST_DISK_BYTES_PER_S: Final = 5e6
SLOWEST_TEXT_BYTES_PER_S: Final = 1e4  # of a text all is looked at; busy machines are slow
MOST_TOLD: Final = 5  # broken tunes of one file
UNSEEN: Final = FileState(0, 0)  # of what cannot even be looked at


@dataclass(slots=True)
class AddReport:
    """What one run did, as counts of files, and what failed."""

    added: int = 0
    changed: int = 0
    copied: int = 0
    moved: int = 0
    unchanged: int = 0
    missing: int = 0
    passed_over: int = 0
    failed_before: int = 0
    versions: int = 0  # songs left out: live, or a remix
    duplicates: int = 0  # songs left out: words that are there already
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come."""

    done: int
    total: int
    path: Path


Watcher = Callable[[Progress], None]


def add(
    store: Store,
    paths: Sequence[Path],
    *,
    workers: int,
    form: TextForm = PLAIN,
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
    form : TextForm
        What is kept of the words that are read in this run.
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
        run = _Run(store, workers, form, watch)
        run.survey(paths)
        run.analyse()
        return run.report


class _Run:
    def __init__(self, store: Store, workers: int, form: TextForm, watch: Watcher | None) -> None:
        self.report = AddReport()
        self._store = store
        self._worker_count = workers
        self._form = form
        self._watch = watch
        self._todo: list[tuple[Found, KnownFile | None]] = []
        self._identities: dict[bytes, Identity] = {}
        self._waiting: dict[str, list[bytes]] = defaultdict(list)  # by content: same, later
        self._stored: set[str] = set()  # contents whose track is stored or about to be
        self._found: dict[bytes, tuple[Found, KnownFile | None]] = {}
        self._pending: list[Callable[[], None]] = []
        self._last_commit = time.monotonic()
        self._done = 0
        self._model: SoundModel | None = None
        self._score_model: ScoreModel | None = None
        self._known_words = KnownWords(store.words)

    # ---- what is there -------------------------------------------------------------------

    def survey(self, paths: Sequence[Path]) -> None:
        known = self._store.known_files()
        missing = self._store.missing_tracks()
        met: set[bytes] = set()
        blocked: list[bytes] = []
        back: list[int] = []
        roots: set[bytes] = set()
        kinds: set[Kind] = set()
        for item in scan(paths):
            met.add(item.path)
            if isinstance(item, PassedOver):
                self.report.passed_over += 1
                continue
            roots.add(item.root)
            before = known.get(item.path)
            if isinstance(item, Found):
                kinds.add(item.kind)
            if isinstance(item, Obstacle):
                blocked.append(item.path)
                if before is not None and before.state == UNSEEN:
                    self.report.failed_before += 1
                else:
                    self._later_fail(item.path, UNSEEN, item.reason)
            elif before is None or before.state != item.state or not before.complete:
                self._todo.append((item, before))
            elif not before.tracks:
                self.report.failed_before += 1
            else:
                self.report.unchanged += 1
                back += missing.intersection(before.tracks)
        whole = [os.fsencode(os.path.abspath(path)) for path in paths]
        gone = {
            path: file
            for path, file in known.items()
            if path not in met and _below(path, whole) and not _below(path, blocked)
        }
        vanished = [track for file in gone.values() for track in file.tracks]
        self.report.missing = sum(
            not missing.issuperset(file.tracks) for file in gone.values() if file.tracks
        )
        with self._store.transaction():
            self._store.spaces.register(kinds)
            for root in roots:
                self._store.files.add_root(root)
            self._store.set_missing(vanished, missing=True)
            self._store.set_missing(back, missing=False)
            self._store.files.remove_failures(
                path for path, file in gone.items() if not file.tracks
            )

    # ---- what is new ---------------------------------------------------------------------

    def analyse(self) -> None:
        try:
            if self._todo:
                with Workers[Job, Answer](TASK, self._worker_count) as workers:
                    self._work(workers)
        finally:
            self._commit()
        with self._store.transaction():
            self._store.spaces.drop_outdated()

    def _work(self, workers: "Workers[Job, Answer]") -> None:
        for found, before in self._todo:
            self._found[found.path] = (found, before)
            asked = Identify(found.path, found.root, found.kind)
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
            if time.monotonic() - self._last_commit > COMMIT_EVERY_S:
                self._commit()

    def _identified(
        self, workers: "Workers[Job, Answer]", found: Found, identity: Identity
    ) -> None:
        self._identities[found.path] = identity
        same = self._waiting.get(identity.content_hash)
        if same is not None:
            same.append(found.path)
        elif identity.content_hash in self._stored or self._store.with_content(
            identity.content_hash
        ):
            self._finish(found, partial(self._place, found))
        else:
            self._waiting[identity.content_hash] = []
            limit_s = _limit_s(DECODE_LIMIT_S, found)
            workers.submit(_decoding(found, self._form), limit_s, first=True)

    def _decoded(self, found: Found, decoded: Decoded) -> None:
        if self._model is None:
            from segue.model.sound.embed import SoundModel  # where nothing is new, it is not needed

            self._model = SoundModel(threads=max(1, self._worker_count // 2))
        analysis = Analysis(
            vectors=self._model.embed(decoded.patches, decoded.features),
            facts=decoded.facts,
            fingerprint=decoded.fingerprint,
            duration_s=decoded.duration_s,
        )
        analysis = _with_words(analysis, decoded.words)
        self._store_tunes(found, {0: analysis})

    def _decoded_score(self, found: Found, decoded: DecodedScore) -> None:
        if self._score_model is None:
            from segue.model.score.embed import ScoreModel

            self._score_model = ScoreModel(threads=max(1, self._worker_count // 2))
        first = 0 if len(decoded.tunes) == 1 else 1
        analyses: dict[int, Analysis] = {}
        broken: list[str] = []
        for number, tune in enumerate(decoded.tunes, start=first):
            if isinstance(tune, DecodedTune):
                analyses[number] = _analysis(tune, self._score_model)
            else:
                broken.append(f"tune {number}: {tune.reason}" if number else tune.reason)
        if not analyses:
            self._lost(found, Fault("; ".join(broken)))
            return
        self._store_tunes(found, analyses)
        self._tell_broken(found, broken, len(analyses))

    def _decoded_lyrics(self, found: Found, decoded: DecodedLyrics) -> None:
        """Store the songs of a file, but live versions, remixes and what is there already."""
        identity = self._identities[found.path]
        first = 0 if len(decoded.songs) == 1 else 1
        analyses: dict[int, Analysis] = {}
        broken: list[str] = []
        self._known_words.forget(self._store.files.locate(found.path))
        for number, song in enumerate(decoded.songs, start=first):
            tags = _tags_of(identity, number)
            if not isinstance(song, DecodedText):
                broken.append(f"song {number}: {song.reason}" if number else song.reason)
            elif is_version(tags.title):
                self.report.versions += 1
            elif self._known_words.hold(tags.artist, song.shingles):
                self.report.duplicates += 1
            else:
                self._known_words.add(tags.artist, song.shingles)
                empty = Analysis({}, song.facts, song.shingles, 0.0)
                analyses[number] = _with_words(empty, song)
        if analyses:
            self._store_tunes(found, analyses)
        else:
            self._left_out(found)
        self._tell_broken(found, broken, len(analyses))

    def _left_out(self, found: Found) -> None:
        """Store nothing of a file, and take out what it held before."""
        self._finish(found, partial(self._store.keep_tunes, found.path, ()))
        for path in self._waiting.pop(self._identities[found.path].content_hash):
            twin = self._found[path][0]
            self._finish(twin, partial(self._store.keep_tunes, path, ()))

    def _tell_broken(self, found: Found, broken: list[str], rest: int) -> None:
        if broken:
            more = len(broken) - MOST_TOLD
            told = [*broken[:MOST_TOLD], *([f"and {more} more"] if more > 0 else [])]
            told.append(f"the other {rest} were added")
            self._later_fail(found.path, found.state, "; ".join(told))

    def _store_tunes(self, found: Found, analyses: Mapping[int, Analysis]) -> None:
        """Store what a file holds, in place of what it held before."""
        identity = self._identities[found.path]
        before = self._found[found.path][1]

        def store() -> None:
            if any(analysis.words for analysis in analyses.values()):
                self._store.spaces.register({"lyrics"})
            for tune, analysis in analyses.items():
                self._store.add_track(
                    found.path,
                    found.state,
                    identity.content_hash,
                    _tags_of(identity, tune),
                    analysis,
                    found.kind,
                    tune,
                )
            self._store.keep_tunes(found.path, analyses)
            if before is None or not before.tracks:
                self.report.added += 1
            else:
                self.report.changed += 1

        self._finish(found, store)
        self._stored.add(identity.content_hash)
        for path in self._waiting.pop(identity.content_hash):
            twin = self._found[path][0]
            self._finish(twin, partial(self._place, twin))

    def _place(self, found: Found) -> None:
        """Give a file whose content is known a row: its old one, a moved one, or a copy."""
        identity = self._identities[found.path]
        same: dict[Path, list[Track]] = defaultdict(list)
        for track in self._store.with_content(identity.content_hash):
            same[track.path].append(track)
        if here := same.get(Path(os.fsdecode(found.path))):
            for track in here:
                tags = _tags_of(identity, track.tune)
                self._store.touch_track(track.id, found.state, tags)
            self.report.unchanged += 1
            return
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
        if gone:
            self.report.moved += 1
        else:
            self.report.copied += 1

    def _is_same_artist(self, identity: Identity, same: Mapping[Path, list[Track]]) -> bool:
        """Tell whether a copy of a text is of the artist that has it already."""
        artists = {normalise(tags.artist) for tags in identity.tags}
        return any(
            artists <= {normalise(track.tags.artist) for track in tracks}
            for tracks in same.values()
        )

    def _lost(self, found: Found, fault: Fault) -> None:
        reason, transient = fault.reason, fault.transient
        self._later_fail(found.path, found.state, reason, transient=transient)
        self._told(found)
        identity = self._identities.get(found.path)
        for path in self._waiting.pop(identity.content_hash, []) if identity else []:
            state = self._found[path][0].state
            self._later_fail(path, state, reason, transient=transient)
            self._told(self._found[path][0])

    def _later_fail(
        self, path: bytes, state: FileState, reason: str, *, transient: bool = False
    ) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        failure = Failure(Path(os.fsdecode(path)), reason, at, transient)
        self.report.failures.append(failure)
        self._pending.append(lambda: self._store.files.add_failure(path, state, failure))

    def _finish(self, found: Found, store: Callable[[], None]) -> None:
        self._pending.append(store)
        self._told(found)

    def _told(self, found: Found) -> None:
        self._done += 1
        if self._watch:
            self._watch(Progress(self._done, len(self._todo), Path(os.fsdecode(found.path))))

    def _commit(self) -> None:
        pending, self._pending = self._pending, []
        if pending:
            with self._store.transaction():
                for store in pending:
                    store()
        self._last_commit = time.monotonic()


def _decoding(found: Found, form: TextForm) -> Job:
    if found.kind == "sound":
        return Decode(found.path, form=form)
    if found.kind == "score":
        return DecodeScore(found.path, form)
    return DecodeLyrics(found.path, form)


def _analysis(tune: DecodedTune, model: "ScoreModel") -> Analysis:
    analysis = Analysis(
        vectors=model.embed(tune.bars, tune.features),
        facts=tune.facts,
        fingerprint=tune.shingles,
        duration_s=tune.duration_s,
    )
    return _with_words(analysis, tune.words)


def _with_words(analysis: Analysis, words: DecodedText | None) -> Analysis:
    """Join words to what they belong to: a place among all words, and the text."""
    if words is None:
        return analysis
    vectors = analysis.vectors | embed_lyrics(words.text, words.features)
    return replace(analysis, vectors=vectors, words=words.text)


def _tags_of(identity: Identity, tune: int) -> Tags:
    """Return the tags of a tune, by its number; 0 is that of a file of one."""
    return identity.tags[min(max(tune - 1, 0), len(identity.tags) - 1)]


def _below(path: bytes, folders: Iterable[bytes]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip(b"/") + b"/") for folder in folders)


def _limit_s(base_s: float, found: Found) -> float:
    text = found.kind == "lyrics"
    return base_s + found.state.size / (
        SLOWEST_TEXT_BYTES_PER_S if text else SLOWEST_DISK_BYTES_PER_S
    )
