"""Language models learned from lyrics."""

import difflib
import hashlib
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

from segue.errors import BadArgument, NotFound
from segue.generate.lyrics.language_model import MODEL, LanguageModel
from segue.generate.lyrics.language_model import SHIPPED as SHIPPED_FILE
from segue.generate.lyrics.training import LyricsTraining, divide, song, train_lyrics
from segue.nn.checkpoint import told_by_checkpoint
from segue.nn.trainer import Watcher as TrainingWatcher
from segue.records import Lyrics, Tags
from segue.render.plots import draw_losses
from segue.store import Store
from segue.training.spaces import (
    CURVE,
    SHIPPED,
    ModelFile,
    TrainingResult,
    Watcher,
    check_model_run,
    find_model_file,
    model_folder,
    model_names,
)

NAME: Final = "lyrics"
#: The name of a model of everybody; a space that comes with Segue is called `lyrics`.
EVERYBODY: Final = "my-lyrics"
BASE: Final = "base"
_NEAREST: Final = 3


def songs(store: Store) -> list[Lyrics]:
    """Return the words of a library, each text once, with title and artist."""
    tags = {track.id: track.tags for track in store.tracks()}
    found: dict[str, Lyrics] = {}
    for track, text in store.lyrics.texts():
        if track in tags and text not in found:
            known = tags[track]
            found[text] = Lyrics(text, Tags(known.title, known.artist))
    return list(found.values())


def artist_named(name: str, known: Counter[str]) -> str:
    """Return the artist that is meant, whatever the case it is written in.

    Parameters
    ----------
    name : str
        The whole name, or a part that only one has.
    known : Counter of str
        Artists; "" counts songs that name none.

    Raises
    ------
    NotFound
        There is none, or several have it in their names; the nearest are told.
    """
    folded = {artist.casefold(): artist for artist in known if artist}
    wanted = name.strip().casefold()
    if wanted in folded:
        return folded[wanted]
    parts = [artist for other, artist in folded.items() if wanted and wanted in other]
    if len(parts) == 1:
        return parts[0]
    if len(parts) > 1:
        raise NotFound(f"{name!r} is in the names of {', '.join(sorted(parts)[:8])}; which one?")
    near = difflib.get_close_matches(wanted, folded, n=_NEAREST, cutoff=0.4)
    shown = ", ".join(folded[one] for one in near) or ", ".join(sorted(folded.values())[:8])
    nameless = (
        f"; {known['']} songs here name no artist: give them one with "
        '`segue add --artist "NAME" FILE`'
        if known[""]
        else ""
    )
    raise NotFound(
        f"there is no artist {name!r} with lyrics here; "
        + (f"the nearest: {shown}" if shown else "add some with `segue add`")
        + nameless
    )


def train(
    store: Store,
    name: str,
    training: LyricsTraining,
    *,
    resume: bool = False,
    restart: bool = False,
    workers: int = 1,  # noqa: ARG001  # words are in the library, no file is read
    watch: Watcher | None = None,
    watch_training: TrainingWatcher | None = None,
) -> TrainingResult:
    """Learn to write from the words of a library, of everybody or of one artist.

    Parameters
    ----------
    store : Store
    name : str
        A model of that name is replaced when the new one is done.
    training : LyricsTraining
        Its artist may be a part of a name, see `artist_named`.
    resume, restart, workers, watch, watch_training
        As of `segue.training.scores.train`.

    Returns
    -------
    Learned
        Its `tracks` are the songs learned from or judged by: the model is no space.

    Raises
    ------
    BadArgument
        There is a space of that name, or the model to start from is of another preset.
    NotFound
        There is no model to start from, or no such artist.
    TrainingFailed, BadCheckpoint
        As of `segue.training.scores.train`.
    """
    folder = check_model_run(store, name, MODEL, resume=resume, restart=restart)
    start = load(store, training.start) if training.start else None
    if start and start.about["training"]["preset"] != training.preset:
        raise BadArgument(
            f"the model {training.start!r} is of the preset "
            f"{start.about['training']['preset']!r}, not {training.preset!r}: give that with "
            "--preset, or leave --from out"
        )
    own = songs(store)
    if training.artist:
        artist = artist_named(training.artist, Counter(one.tags.artist for one in own))
        own = [one for one in own if one.tags.artist == artist]
        training = replace(training, artist=artist)
    if watch:
        watch("songs", len(own), len(own))
    parts = divide([song(one) for one in own], [one.text for one in start.known] if start else [])
    _, trained = train_lyrics(
        training, parts, folder, start=start, resume=resume, watch=watch_training
    )
    draw_losses(trained.history, folder / CURVE, f"{name}: {training.preset}")
    return TrainingResult(name, trained, len(own), (), 0, folder)


def load(store: Store, name: str) -> LanguageModel:
    """Load a model of the library, or the one that comes with Segue, named "base".

    Raises
    ------
    NotFound
        There is none of that name.
    BadCheckpoint
        The file is damaged or of another version.
    """
    return LanguageModel.load(find(store, name).path)


def find(store: Store, name: str) -> ModelFile:
    """Find a model of the library, or the one that comes with Segue, named "base".

    Raises
    ------
    NotFound
        There is none of that name.
    """
    return find_model_file(
        store, name, (BASE, SHIPPED_FILE), "that writes lyrics", "segue train lyrics"
    )


def model_name(store: Store, artist: str) -> str:
    """Name the model of an artist, "lyrics-robert-burns" say; of everybody it is "my-lyrics".

    Where another artist would have a model of that name, as AC/DC and AC DC, or an artist's name
    is in another alphabet, a hash of the name follows.
    """
    if not artist:
        return EVERYBODY
    words = _plain_words(artist)
    name = "-".join([NAME, *words])
    others = {one.tags.artist for one in songs(store)} - {artist}
    learned = model_folder(store, name) / MODEL
    if learned.exists():
        others |= {str(told_by_checkpoint(learned)["told"]["artist"])} - {artist}
    letters = sum(map(str.isalnum, artist))
    if sum(map(len, words)) < letters or any(_plain_words(other) == words for other in others):
        name += f"-{hashlib.sha256(artist.lower().encode()).hexdigest()[:8]}"
    return name


def _plain_words(name: str) -> list[str]:
    """Return the words of a name in plain lower-case letters and digits."""
    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return re.findall(r"[a-z0-9]+", plain)


@dataclass(frozen=True, slots=True)
class FoundVoice:
    """Who writes like an artist.

    Attributes
    ----------
    artist : str
        The whole name.
    model : LanguageModel
    number : int
        Of the voice in the model.
    file : ModelFile
    """

    artist: str
    model: LanguageModel
    number: int
    file: ModelFile


def voice_of(store: Store, artist: str, name: str = "") -> FoundVoice:
    """Find who writes like an artist: a model of that artist's, else one that knows the voice.

    Parameters
    ----------
    store : Store
    artist : str
    name : str
        Of a model; "" for whichever suits best: one learned from that artist alone, then
        the library's own of everybody, then the one that comes with Segue, and last what was
        learned on from these for another artist. Of several alike, the one learned last.

    Raises
    ------
    NotFound
        Nobody writes like that artist yet.
    """
    files = [find(store, one) for one in _names(store, name)]
    told = {file: told_by_checkpoint(file.path) for file in files}
    known = Counter(voice for about in told.values() for voice in about["voices"])
    try:
        found = artist_named(artist, known)
    except NotFound as error:
        own = Counter(one.tags.artist for one in songs(store))
        wanted = artist_named(artist, own + known)  # tells who is near, in the library too
        if wanted not in known:
            raise NotFound(
                f"nothing has learned to write like {wanted} yet; do that in a minute or two with "
                f'`segue train lyrics --artist "{wanted}"`'
            ) from None
        raise error from None
    file = min(
        (file for file, about in told.items() if found in about["voices"]),
        key=lambda file: _preference(file, str(told[file]["told"]["artist"]), found),
    )
    model = LanguageModel.load(file.path)
    return FoundVoice(found, model, model.voice(found), file)


def _names(store: Store, name: str) -> list[str]:
    return [name] if name else [*model_names(store, MODEL), SHIPPED]


def _preference(file: ModelFile, learned_for: str, artist: str) -> tuple[bool, bool, bool, float]:
    """Rank a model for that artist before one for everybody, that before others'; new first."""
    newest_first = -file.path.stat().st_mtime
    return learned_for != artist, bool(learned_for), not file.from_library, newest_first
