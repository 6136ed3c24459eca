"""Training of the lyrics language model.

Songs as what is learned from: divided into those to learn from, to judge by and to test with.

Learns to write lyrics letter by letter: a base from everybody's, then one artist at a time.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from segue.errors import BadArgument, TrainingFailed, check_seed
from segue.generate.lyrics.language_model import (
    MODEL_FILE,
    LanguageModel,
    mix_log_linear,
    network_log_probs,
    token_nll,
)
from segue.generate.lyrics.network import UNCONDITIONAL, CharNetwork, CharNetworkConfig
from segue.generate.lyrics.vocabulary import Tokens, encode_song
from segue.nn.lm_training import NOTHING, WritingTraining, fit_writing
from segue.nn.trainer import Batch, Trained, Watcher
from segue.records import Lyrics

# --- songs ---

MIN_SONGS: Final = 3
MIN_CHARACTERS: Final = 2_000
#: Of the songs of each artist, so many judge while it learns, and as many test what came of it.
HELD_OUT_FRACTION: Final = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class TokenizedSong:
    """A song to learn from.

    Attributes
    ----------
    lyrics : Lyrics
    tokens : ndarray, shape (n,), int64
        From `SONG` to `SONG`.
    """

    lyrics: Lyrics
    tokens: Tokens


def tokenize_song(lyrics: Lyrics) -> TokenizedSong:
    """Make of a text what is learned from."""
    return TokenizedSong(lyrics, encode_song(lyrics.text))


@dataclass(frozen=True, slots=True)
class Split:
    """Songs divided: to learn from, to judge by while learning, to test with."""

    learn: list[TokenizedSong]
    validate: list[TokenizedSong]
    test: list[TokenizedSong]


def split_by_artist(songs: Sequence[TokenizedSong], known: Collection[str] = ()) -> Split:
    """Divide songs artist by artist, by the hash of their words, so that it is always alike.

    Parameters
    ----------
    songs : sequence of Song
    known : collection of str
        Texts that what is learned on from has learned already: where there are others, they
        neither judge nor test.

    Raises
    ------
    TrainingFailed
        There are too few, or too short ones.
    """
    seen = frozenset(known)
    characters = sum(len(one.lyrics.text) for one in songs)
    if len(songs) < MIN_SONGS or characters < MIN_CHARACTERS:
        raise TrainingFailed(
            f"{len(songs)} songs of {characters} characters to learn from; at least "
            f"{MIN_SONGS} songs and {MIN_CHARACTERS} characters are needed (and 30,000 for "
            "what is worth reading): add more with `segue add`"
        )
    parts = Split([], [], [])
    for artist in sorted({one.lyrics.tags.artist for one in songs}):
        own = [one for one in songs if one.lyrics.tags.artist == artist]
        own.sort(key=lambda one: (one.lyrics.text in seen, _digest(one.lyrics.text)))
        held = max(round(HELD_OUT_FRACTION * len(own)), 1) if len(own) >= MIN_SONGS else 0
        parts.validate.extend(own[:held])
        parts.test.extend(own[held : 2 * held])
        parts.learn.extend(own[2 * held :])
    if not parts.validate:
        raise TrainingFailed(
            f"no artist has {MIN_SONGS} songs; that many are needed, so that some judge what is "
            "learned from others: add more with `segue add`"
        )
    return parts


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


# --- lyrics ---

Preset = Literal["default", "transformer", "char-lstm", "char-lstm-4x256"]

#: Of the characters of an artist, as they count in a base: between all artists alike (0), who have
#: few then are learned by heart, and all characters alike (1), which makes the base the longest
#: artist's.
ARTIST_BALANCE: Final = 0.5
NO_ARTIST: Final = ""
#: Of an artist's runs of letters in what is foretold, those that are tried.
NGRAM_WEIGHTS: Final = tuple(tenths / 10 for tenths in range(10))
#: Of an artist's songs that judge these shares, at most so many.
MAX_TUNING_CHARACTERS: Final = 20_000
#: Characters of a song that are asked for at once: each takes four kilobytes.
MAX_EVALUATED_CHARACTERS: Final = 100_000


@dataclass(frozen=True, slots=True)
class _Recipe:
    """A network, and how it is trained.

    Attributes
    ----------
    config : LetterConfig
    context : int
        Letters of a window.
    last_only : bool
        The letter after a window is foretold, and none within it.
    mixed : bool
        With the runs of each artist's letters, see `segue.generate.lyrics.ngram`.
    """

    config: CharNetworkConfig
    context: int = 128
    batch: int = 16
    learning_rate: float = 4e-3
    weight_decay: float = 0.1
    averaging: float = 0.99
    last_only: bool = False
    mixed: bool = True


_CLASSIC: Final = {
    "context": 40,
    "batch": 128,
    "learning_rate": 2e-3,
    "weight_decay": 0.0,
    "averaging": 0.0,
    "last_only": True,
    "mixed": False,
}
RECIPES: Final[dict[Preset, _Recipe]] = {
    "default": _Recipe(CharNetworkConfig(256)),
    "transformer": _Recipe(CharNetworkConfig(256, 4, "transformer"), learning_rate=2e-3),
    "char-lstm": _Recipe(CharNetworkConfig(128, 1, runs=(), dropout=0.0), **_CLASSIC),  # type: ignore[arg-type]
    "char-lstm-4x256": _Recipe(CharNetworkConfig(256, 4, runs=(), dropout=0.0), **_CLASSIC),  # type: ignore[arg-type]
}
#: Characters up to which the default is made for few.
SMALL_CORPUS_CHARACTERS: Final = 200_000
_SMALL_CORPUS_RECIPE: Final = _Recipe(
    CharNetworkConfig(256, runs=(4096, 16384, 32768), dropout=0.4, run_dropout=0.2, backing_off=1.0)
)
STEPS_PER_EPOCH: Final = 100
#: Windows that judge after each epoch, at most.
MAX_VALIDATION_WINDOWS: Final = 512
#: Epochs of a network that begins anew, and of one that has learned already; and until it stops.
EPOCHS: Final = (100, 8)
PATIENCE: Final = (8, 3)
#: How much lower the learning rate is for a network that has learned already.
FINE_TUNING_RATE: Final = 0.1


@dataclass(frozen=True, slots=True)
class LyricsTraining:
    """What a user may choose.

    Attributes
    ----------
    preset : {"default", "transformer", "char-lstm", "char-lstm-4x256"}
        The last two as published, one layer of 128 and four of 256.
    artist : str
        Whose songs to learn; "" for everybody's.
    start : str
        "" to begin anew, "base" to go on from what comes with Segue, or the name of a model of
        the library.
    epochs : int, optional
        Of 100 steps; else until what is held out gets no better.
    minutes : float, optional
        The number of epochs is made to fit.
    learning_rate : float, optional
        The highest; else the preset's.
    device : str
    seed : int
    """

    preset: Preset = "default"
    artist: str = ""
    start: str = ""
    epochs: int | None = None
    minutes: float | None = None
    learning_rate: float | None = None
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        BadArgument
        """
        check_seed(self.seed)
        if self.learning_rate is not None and self.learning_rate <= 0:
            raise BadArgument(f"a learning rate of {self.learning_rate}; it is above 0")


class WindowSampler:
    """Draws windows that stay inside a song.

    Parameters
    ----------
    songs : sequence of Song
    voices : sequence of str
        Artists; the number of each is one more than its place.
    recipe
        Of which preset.
    """

    def __init__(
        self, songs: Sequence[TokenizedSong], voices: Sequence[str], recipe: _Recipe
    ) -> None:
        self._songs = songs
        self._recipe = recipe
        numbers = {artist: number for number, artist in enumerate(voices, start=1)}
        self._voices = np.array(
            [numbers.get(one.lyrics.tags.artist, UNCONDITIONAL) for one in songs]
        )
        lengths = np.array([len(one.tokens) for one in songs], np.float64)
        of_artist: Counter[str] = Counter()
        for one in songs:
            of_artist[one.lyrics.tags.artist] += len(one.tokens)
        counts = np.array([of_artist[one.lyrics.tags.artist] for one in songs], np.float64)
        weights = lengths * counts ** (ARTIST_BALANCE - 1)
        self._weights = weights / weights.sum()

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch: letters given, letters wanted, and the voice of each window."""
        context = self._recipe.context
        chosen = rng.choice(len(self._songs), self._recipe.batch, p=self._weights).tolist()
        windows = []
        for number in chosen:
            tokens = self._songs[number].tokens
            start = int(rng.integers(max(len(tokens) - context, 1)))
            windows.append(tokens[start : start + context + 1])
        return self._batch(windows, self._voices[chosen])

    def all(self) -> list[Batch]:
        """Return windows that are always the same: all, or `JUDGED` of them, evenly spread."""
        context = self._recipe.context
        windows = [
            (one.tokens[start : start + context + 1], voice)
            for one, voice in zip(self._songs, self._voices.tolist(), strict=True)
            for start in range(0, len(one.tokens) - 1, context)
        ]
        most = MAX_VALIDATION_WINDOWS * (8 if self._recipe.last_only else 1)
        windows = windows[:: -(-len(windows) // most)]
        size = 512 if self._recipe.last_only else 32
        return [
            self._batch([tokens for tokens, _ in some], np.array([voice for _, voice in some]))
            for some in (windows[at : at + size] for at in range(0, len(windows), size))
        ]

    def _batch(self, windows: Sequence[NDArray[np.int64]], voices: NDArray[np.int64]) -> Batch:
        given = np.full((len(windows), self._recipe.context + 1), NOTHING, np.int64)
        wanted = given.copy()
        for row, tokens in enumerate(windows):
            given[row, : len(tokens)] = tokens
            first = len(tokens) - 1 if self._recipe.last_only else 1
            wanted[row, first : len(tokens)] = tokens[first:]
        return torch.from_numpy(given), torch.from_numpy(wanted), torch.from_numpy(voices)


def train_lyrics(
    training: LyricsTraining,
    parts: Split,
    folder: Path,
    *,
    start: LanguageModel | None = None,
    resume: bool = False,
    watch: Watcher | None = None,
) -> tuple[LanguageModel, Trained]:
    """Learn to write.

    Parameters
    ----------
    training : LyricsTraining
    parts : Parts
        Different songs, from `divide`.
    folder : Path
        Where the run's state and, at the end, the model are kept.
    start : LanguageModel, optional
        What is learned on from. What that knows stays known, so that it is not copied either.
    resume : bool
    watch : callable, optional
        Told a `Progress` after each step.

    Raises
    ------
    TrainingFailed
        The loss is no number any more.
    BadCheckpoint
        The state to resume is not there, damaged, or of another run.
    """
    artists = sorted({one.lyrics.tags.artist for one in parts.learn} - {NO_ARTIST})
    characters = sum(len(one.lyrics.text) for one in parts.learn)
    recipe = RECIPES[training.preset]
    if training.preset == "default" and characters <= SMALL_CORPUS_CHARACTERS:
        recipe = _SMALL_CORPUS_RECIPE
    if start:
        recipe = replace(_recipe_of(start.network.config), config=start.network.config)
    if training.learning_rate:
        recipe = replace(recipe, learning_rate=training.learning_rate)
    elif start:
        recipe = replace(recipe, learning_rate=FINE_TUNING_RATE * recipe.learning_rate)
    network, voices = _network(recipe.config, artists, start, training.seed)
    windows = WindowSampler(parts.learn, voices, recipe)
    setting = WritingTraining(
        recipe.context,
        batch=recipe.batch,
        epochs=training.epochs or EPOCHS[start is not None],
        steps_per_epoch=STEPS_PER_EPOCH,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        transposed=0,
        averaging=recipe.averaging,
        patience=PATIENCE[start is not None],
        minutes=training.minutes,
        seed=training.seed,
        device=training.device,
    )
    about = {
        "songs": _fingerprint([*parts.learn, *parts.validate]),
        "start": start.fingerprint if start else "",
    }
    judged = WindowSampler(parts.validate, voices, recipe).all()
    trained = fit_writing(
        network, setting, windows.draw, judged, folder, about, resume=resume, watch=watch
    )
    told: dict[str, Any] = {
        "training": asdict(training),
        "artist": training.artist,
        "songs": len(parts.learn),
        "characters": characters,
        "epochs": len(trained.history),
        "best_epoch": trained.best.epoch,
        "bits_in_training": trained.best.loss / math.log(2),
        "seconds": trained.history[-1].seconds,
        "precision": trained.precision,
    }
    known = dict.fromkeys(one.lyrics for one in parts.learn)
    if start:
        known |= dict.fromkeys(start.known)
    network.eval()
    model = LanguageModel(network, tuple(voices), tuple(known), told)
    if recipe.mixed:
        shares = {**(start.shares if start else {}), **fit_ngram_weights(model, parts.validate)}
        model = replace(model, shares=shares)
    told["bits_held_out"] = bits_per_character(model, parts.validate)
    told["bits_of_test"] = bits_per_character(model, parts.test)
    fingerprint = model.save(folder / MODEL_FILE)
    return replace(model, fingerprint=fingerprint), trained


def bits_per_character(model: LanguageModel, songs: Sequence[TokenizedSong]) -> float | None:
    """Return what the letters of songs cost, and their ends; None without songs.

    Parameters
    ----------
    model : LanguageModel
        Reads each in the voice of its artist, where it knows it.
    songs : sequence of Song
        Each read from its beginning to its end, or to `LONGEST_JUDGED` characters.
    """
    if not songs:
        return None
    nats, characters = 0.0, 0
    for artist, own in _by_artist(songs).items():
        reader = model.reader(model.voice(artist) if artist in model.voices else UNCONDITIONAL)
        for one in own:
            text = one.lyrics.text[:MAX_EVALUATED_CHARACTERS]
            nats += float(reader.costs(encode_song(text)).sum())
            characters += len(text) + 1
    return nats / math.log(2) / characters


def fit_ngram_weights(model: LanguageModel, judges: Sequence[TokenizedSong]) -> dict[str, float]:
    """Return which share each artist's runs of letters best have in what is foretold.

    Parameters
    ----------
    model : LanguageModel
    judges : sequence of Song
        That it did not learn from.
    """
    shares = {}
    for artist, own in _by_artist(judges).items():
        if artist not in model.voices:
            continue
        reader = replace(model, shares={artist: max(NGRAM_WEIGHTS)}).reader(model.voice(artist))
        if reader.runs is None:
            continue
        totals = np.zeros(len(NGRAM_WEIGHTS))
        for one in own:
            tokens = one.tokens[: MAX_TUNING_CHARACTERS // len(own)]
            expected = network_log_probs(model.network, tokens, reader.voice)
            counted = torch.from_numpy(reader.runs.outlooks(tokens)).float().log()
            totals += [
                token_nll(mix_log_linear(expected, counted, share), tokens).sum()
                for share in NGRAM_WEIGHTS
            ]
        shares[artist] = NGRAM_WEIGHTS[int(totals.argmin())]
    return shares


def _by_artist(songs: Sequence[TokenizedSong]) -> dict[str, list[TokenizedSong]]:
    found: dict[str, list[TokenizedSong]] = {}
    for one in songs:
        found.setdefault(one.lyrics.tags.artist, []).append(one)
    return found


def _network(
    config: CharNetworkConfig, artists: Sequence[str], start: LanguageModel | None, seed: int
) -> tuple[CharNetwork, list[str]]:
    """Make a network that knows these artists; new voices begin as those known are on average."""
    torch.manual_seed(seed)
    voices = [*start.voices] if start else []
    voices += [artist for artist in artists if artist not in voices]
    network = CharNetwork(replace(config, voices=len(voices)))
    if start:
        weights = dict(start.network.state_dict())
        old = weights.pop("voices.weight")
        network.load_state_dict(weights, strict=False)
        with torch.no_grad():
            network.voices.weight[: len(old)] = old
            network.voices.weight[len(old) :] = old[UNCONDITIONAL]
    return network, voices


def _recipe_of(config: CharNetworkConfig) -> _Recipe:
    """Return the recipe of the preset that a network is of."""
    for recipe in RECIPES.values():
        if replace(recipe.config, voices=0) == replace(config, voices=0):
            return recipe
    return RECIPES["default"]


def _fingerprint(songs: Sequence[TokenizedSong]) -> str:
    digest = hashlib.sha256()
    for one in songs:
        digest.update(f"{one.lyrics.tags.artist}\n{one.lyrics.text}\n".encode())
    return digest.hexdigest()[:16]
