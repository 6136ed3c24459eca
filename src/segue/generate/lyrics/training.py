"""Training of the lyrics language model.

A base model is trained on the songs of many artists; it is then fine-tuned on one artist's. Songs
are split into training, validation and test sets artist by artist. After training, the weight of
each artist's n-gram model in the ensemble is tuned on the validation set.
"""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from segue.errors import TrainingFailed
from segue.generate.lyrics.language_model import (
    MODEL_FILE,
    VERSE_STYLES,
    LanguageModel,
    mix_log_linear,
    network_log_probs,
    token_nll,
)
from segue.generate.lyrics.network import UNCONDITIONAL, CharNetwork, CharNetworkConfig
from segue.generate.lyrics.vocabulary import Tokens, encode_song
from segue.lyrics.spelling import Language, detect_language
from segue.nn.lm_training import IGNORED, LMTrainingConfig, fit_lm
from segue.nn.quantization import float_state_dict
from segue.nn.split import MIN_PIECES, train_validation_test_split
from segue.nn.trainer import (
    Batch,
    FitResult,
    ProgressCallback,
    TrainingOptions,
    data_fingerprint,
)
from segue.records import Lyrics

MIN_SONGS: Final = MIN_PIECES
MIN_CHARACTERS: Final = 2_000
NO_ARTIST: Final = ""
#: Exponent of an artist's number of characters in the sampling of training windows: 0 samples all
#: artists equally, so that small ones are overfitted; 1 all characters equally, so that the artist
#: with most dominates.
ARTIST_BALANCE: Final = 0.5
#: N-gram weights that are tried on the validation set.
NGRAM_WEIGHTS: Final = tuple(tenths / 10 for tenths in range(10))
#: Characters of an artist's validation songs on which the weight is tuned, at most.
MAX_TUNING_CHARACTERS: Final = 20_000
#: Characters of a song that are evaluated at once; each takes four kilobytes.
MAX_EVALUATED_CHARACTERS: Final = 100_000
STEPS_PER_EPOCH: Final = 100
MAX_VALIDATION_WINDOWS: Final = 512
#: Maximum number of epochs, and patience of early stopping: from scratch, and for fine-tuning.
EPOCHS: Final = (100, 8)
PATIENCE: Final = (8, 3)
#: Factor of the learning rate for fine-tuning.
FINE_TUNING_RATE: Final = 0.1

Preset = Literal["default", "transformer", "char-lstm", "char-lstm-4x256"]


@dataclass(frozen=True, slots=True, eq=False)
class TokenizedSong:
    """A song as text and as tokens.

    Attributes
    ----------
    lyrics : Lyrics
    tokens : ndarray, shape (n,), int64
        Tokens from `SONG_BOUNDARY` to `SONG_BOUNDARY`.
    """

    lyrics: Lyrics
    tokens: Tokens

    @property
    def artist(self) -> str:
        """Artist of the song."""
        return self.lyrics.tags.artist

    @property
    def name(self) -> str:
        """Text, in the order of whose hash songs are split."""
        return self.lyrics.text

    @property
    def group(self) -> str:
        """Artist, whose songs are in all sets."""
        return self.artist


def tokenize_song(lyrics: Lyrics) -> TokenizedSong:
    """Tokenize a song."""
    return TokenizedSong(lyrics, encode_song(lyrics.text))


@dataclass(frozen=True, slots=True)
class Split:
    """Training, validation and test set."""

    train: list[TokenizedSong]
    validation: list[TokenizedSong]
    test: list[TokenizedSong]


def split_by_artist(songs: Sequence[TokenizedSong], known: Collection[str] = ()) -> Split:
    """Split songs artist by artist, in the order of a hash of the text, hence reproducibly.

    Parameters
    ----------
    songs : sequence of TokenizedSong
    known : collection of str
        Texts that the model to be fine-tuned was trained on; they are held out last.

    Raises
    ------
    TrainingFailed
        There are too few songs, or too few characters.
    """
    characters = sum(len(song.lyrics.text) for song in songs)
    if len(songs) < MIN_SONGS or characters < MIN_CHARACTERS:
        raise TrainingFailed(
            f"{len(songs)} songs of {characters} characters to train on; at least "
            f"{MIN_SONGS} songs and {MIN_CHARACTERS} characters are needed (and 30,000 for "
            "readable texts): add more with `segue add`"
        )
    split = Split(*train_validation_test_split(songs, known))
    if not split.validation:
        raise TrainingFailed(
            f"no artist has {MIN_SONGS} songs; that many are needed for a validation set: add more "
            "with `segue add`"
        )
    return split


def _by_artist(songs: Sequence[TokenizedSong]) -> dict[str, list[TokenizedSong]]:
    groups: dict[str, list[TokenizedSong]] = {}
    for song in songs:
        groups.setdefault(song.artist, []).append(song)
    return groups


@dataclass(frozen=True, slots=True)
class _Recipe:
    """Architecture and training hyperparameters of a preset.

    Attributes
    ----------
    config : CharNetworkConfig
    context : int
        Characters per window.
    batch_size : int
        Windows per step.
    learning_rate, weight_decay, ema_decay : float
        See `segue.nn.lm_training.LMTrainingConfig`.
    last_only : bool
        Whether only the character after a window is predicted.
    use_ngrams : bool
        Whether each artist's n-gram model joins the ensemble.
    """

    config: CharNetworkConfig
    context: int = 128
    batch_size: int = 16
    learning_rate: float = 4e-3
    weight_decay: float = 0.1
    ema_decay: float = 0.99
    last_only: bool = False
    use_ngrams: bool = True


_CLASSIC: Final = {
    "context": 40,
    "batch_size": 128,
    "learning_rate": 2e-3,
    "weight_decay": 0.0,
    "ema_decay": 0.0,
    "last_only": True,
    "use_ngrams": False,
}
RECIPES: Final[dict[Preset, _Recipe]] = {
    "default": _Recipe(CharNetworkConfig(256)),
    "transformer": _Recipe(CharNetworkConfig(256, 4, "transformer"), learning_rate=2e-3),
    "char-lstm": _Recipe(CharNetworkConfig(128, 1, ngram_sizes=(), dropout=0.0), **_CLASSIC),  # type: ignore[arg-type]
    "char-lstm-4x256": _Recipe(CharNetworkConfig(256, 4, ngram_sizes=(), dropout=0.0), **_CLASSIC),  # type: ignore[arg-type]
}
#: Size of the training set up to which the default preset uses `_SMALL_CORPUS_RECIPE`.
SMALL_CORPUS_CHARACTERS: Final = 200_000
_SMALL_CORPUS_RECIPE: Final = _Recipe(
    CharNetworkConfig(
        256, ngram_sizes=(4096, 16384, 32768), dropout=0.4, ngram_dropout=0.2, backoff=1.0
    )
)


#: Of the fine-tuning of a transformer, whose steps take some ten times as long as an LSTM's: fewer
#: characters per step, and fewer steps per epoch.
_TRANSFORMER_FINE_TUNING: Final[dict[str, Any]] = {
    "context": 256,
    "batch_size": 8,
    "learning_rate": 3e-3,
}


@dataclass(frozen=True, slots=True)
class LyricsTraining(TrainingOptions):
    """Training options; an epoch has 100 steps, and early stopping applies in any case.

    Attributes
    ----------
    preset : {"default", "transformer", "char-lstm", "char-lstm-4x256"}
        Architecture. The last two are the classic character RNNs, with one layer of 128 units and
        with four of 256.
    artist : str
        Artist on whose songs to train; "" for all.
    start : str
        Model to fine-tune: "" for none, "base" for the bundled one, or a name in the library.
    """

    preset: Preset = "default"
    artist: str = ""
    start: str = ""


class WindowSampler:
    """Samples training windows that do not cross song boundaries.

    Parameters
    ----------
    songs : sequence of TokenizedSong
    artists : sequence of str
        Artists in the order of their style indices, which begin with 1.
    recipe
        Recipe of the preset.
    """

    def __init__(
        self, songs: Sequence[TokenizedSong], artists: Sequence[str], recipe: _Recipe
    ) -> None:
        self._songs = songs
        self._recipe = recipe
        index_of = {artist: index for index, artist in enumerate(artists, start=1)}
        self._styles = np.array([index_of.get(song.artist, UNCONDITIONAL) for song in songs])
        lengths = np.array([len(song.tokens) for song in songs], np.float64)
        of_artist: Counter[str] = Counter()
        for song in songs:
            of_artist[song.artist] += len(song.tokens)
        artist_lengths = np.array([of_artist[song.artist] for song in songs], np.float64)
        weights = lengths * artist_lengths ** (ARTIST_BALANCE - 1)
        self._weights = weights / weights.sum()

    def draw(self, rng: np.random.Generator) -> Batch:
        """Sample a batch: tokens, targets, and the style of each window."""
        context = self._recipe.context
        chosen = rng.choice(len(self._songs), self._recipe.batch_size, p=self._weights).tolist()
        windows = []
        for index in chosen:
            tokens = self._songs[index].tokens
            start = int(rng.integers(max(len(tokens) - context, 1)))
            windows.append(tokens[start : start + context + 1])
        return self._batch(windows, self._styles[chosen])

    def all(self) -> list[Batch]:
        """Return a fixed set of windows: all, or `MAX_VALIDATION_WINDOWS` evenly spaced ones."""
        context = self._recipe.context
        windows = [
            (song.tokens[start : start + context + 1], style)
            for song, style in zip(self._songs, self._styles.tolist(), strict=True)
            for start in range(0, len(song.tokens) - 1, context)
        ]
        limit = MAX_VALIDATION_WINDOWS * (8 if self._recipe.last_only else 1)
        windows = windows[:: -(-len(windows) // limit)]
        size = 512 if self._recipe.last_only else 32
        return [
            self._batch([tokens for tokens, _ in part], np.array([style for _, style in part]))
            for part in (windows[at : at + size] for at in range(0, len(windows), size))
        ]

    def _batch(self, windows: Sequence[NDArray[np.int64]], styles: NDArray[np.int64]) -> Batch:
        inputs = np.full((len(windows), self._recipe.context + 1), IGNORED, np.int64)
        targets = inputs.copy()
        for row, tokens in enumerate(windows):
            inputs[row, : len(tokens)] = tokens
            first = len(tokens) - 1 if self._recipe.last_only else 1
            targets[row, first : len(tokens)] = tokens[first:]
        return torch.from_numpy(inputs), torch.from_numpy(targets), torch.from_numpy(styles)


def train_lyrics(
    training: LyricsTraining,
    split: Split,
    folder: Path,
    *,
    start: LanguageModel | None = None,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> tuple[LanguageModel, FitResult]:
    """Train a lyrics language model.

    Parameters
    ----------
    training : LyricsTraining
    split : Split
        From `split_by_artist`.
    folder : Path
        Folder of the training state and, at the end, of the model.
    start : LanguageModel, optional
        Model to fine-tune. The new model keeps its training songs, too, to detect copies of them.
    resume : bool
        Whether to resume an interrupted run.
    watch : callable, optional
        Called with a `Progress` after each step.

    Raises
    ------
    TrainingFailed
        The loss is not finite.
    BadCheckpoint
        The state to resume is missing, damaged, or of another run.
    """
    artists = sorted({song.artist for song in split.train} - {NO_ARTIST})
    characters = sum(len(song.lyrics.text) for song in split.train)
    recipe = RECIPES[training.preset]
    if training.preset == "default" and characters <= SMALL_CORPUS_CHARACTERS:
        recipe = _SMALL_CORPUS_RECIPE
    if start:
        config = start.network.config
        recipe = replace(_recipe_of(config), config=config)
        if _is_transformer(start):
            recipe = replace(recipe, **_TRANSFORMER_FINE_TUNING)
    if training.learning_rate:
        recipe = replace(recipe, learning_rate=training.learning_rate)
    elif start:
        recipe = replace(recipe, learning_rate=FINE_TUNING_RATE * recipe.learning_rate)
    language = detect_language("\n".join(song.lyrics.text for song in split.train))
    network, styles = _initial_network(recipe.config, artists, start, training.seed, language)
    windows = WindowSampler(split.train, styles, recipe)
    settings = LMTrainingConfig(
        recipe.context,
        batch_size=recipe.batch_size,
        epochs=training.epochs or EPOCHS[start is not None],
        steps_per_epoch=STEPS_PER_EPOCH // (4 if start and _is_transformer(start) else 1),
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        max_transpose=0,
        ema_decay=recipe.ema_decay,
        patience=PATIENCE[start is not None],
        **training.run_settings(),
    )
    run = {
        "songs": data_fingerprint(
            f"{song.artist}\n{song.lyrics.text}\n" for song in (*split.train, *split.validation)
        ),
        "start": start.fingerprint if start else "",
    }
    validation = WindowSampler(split.validation, styles, recipe).all()
    trained = fit_lm(
        network, settings, windows.draw, validation, folder, run, resume=resume, watch=watch
    )
    metadata: dict[str, Any] = {
        "training": asdict(training),
        "artist": training.artist,
        "songs": len(split.train),
        "characters": characters,
        "bits_in_training": trained.best.loss / math.log(2),
        "seconds": trained.history[-1].seconds,
        **trained.summary(),
    }
    songs = dict.fromkeys(song.lyrics for song in split.train)
    if start:
        songs |= dict.fromkeys(start.training_songs)
    network.eval()
    corpus = start.corpus if start else None
    model = LanguageModel(network, tuple(styles), tuple(songs), metadata, corpus=corpus)
    if recipe.use_ngrams:
        weights = {
            **(start.ngram_weights if start else {}),
            **tune_ngram_weights(model, split.validation),
        }
        model = replace(model, ngram_weights=weights)
    metadata["bits_held_out"] = bits_per_character(model, split.validation)
    metadata["bits_of_test"] = bits_per_character(model, split.test)
    fingerprint = model.save(folder / MODEL_FILE)
    return replace(model, fingerprint=fingerprint), trained


def bits_per_character(model: LanguageModel, songs: Sequence[TokenizedSong]) -> float | None:
    """Return the bits per character of songs, their ends included; None for no songs.

    Parameters
    ----------
    model : LanguageModel
        Predicts each song in the style of its artist, if it knows the artist.
    songs : sequence of TokenizedSong
        Each evaluated up to `MAX_EVALUATED_CHARACTERS`.
    """
    if not songs:
        return None
    nats, characters = 0.0, 0
    for artist, own in _by_artist(songs).items():
        lm = model.ensemble(model.style_index(artist) if artist in model.artists else UNCONDITIONAL)
        for song in own:
            text = song.lyrics.text[:MAX_EVALUATED_CHARACTERS]
            nats += float(lm.nll(encode_song(text)).sum())
            characters += len(text) + 1
    return nats / math.log(2) / characters


def tune_ngram_weights(
    model: LanguageModel, validation: Sequence[TokenizedSong]
) -> dict[str, float]:
    """Return the n-gram weight with the lowest validation loss for each artist.

    Parameters
    ----------
    model : LanguageModel
    validation : sequence of TokenizedSong
        Songs that are not in its training set.
    """
    weights = {}
    for artist, own in _by_artist(validation).items():
        if artist not in model.artists:
            continue
        with_ngrams = replace(model, ngram_weights={artist: max(NGRAM_WEIGHTS)})
        lm = with_ngrams.ensemble(model.style_index(artist))
        if lm.ngram is None:
            continue
        totals = np.zeros(len(NGRAM_WEIGHTS))
        for song in own:
            tokens = song.tokens[: MAX_TUNING_CHARACTERS // len(own)]
            network = network_log_probs(model.network, tokens, lm.style)
            ngram = torch.from_numpy(lm.ngram.probabilities(tokens)).float().log()
            totals += [
                token_nll(mix_log_linear(network, ngram, weight), tokens).sum()
                for weight in NGRAM_WEIGHTS
            ]
        weights[artist] = NGRAM_WEIGHTS[int(totals.argmin())]
    return weights


def _initial_network(
    config: CharNetworkConfig,
    artists: Sequence[str],
    start: LanguageModel | None,
    seed: int,
    language: Language,
) -> tuple[CharNetwork, list[str]]:
    """Return a network for these artists.

    New styles begin as that of verse in their language, or as the unconditional one.
    """
    torch.manual_seed(seed)
    styles = [*start.artists] if start else []
    styles += [artist for artist in artists if artist not in styles]
    network = CharNetwork(replace(config, num_styles=len(styles)))
    if start:
        weights = float_state_dict(start.network)
        known = weights.pop("styles.weight")
        network.load_state_dict(weights, strict=False)
        with torch.no_grad():
            network.styles.weight[: len(known)] = known
            verse = VERSE_STYLES.get(language)
            first = start.style_index(verse) if verse and verse in start.artists else UNCONDITIONAL
            network.styles.weight[len(known) :] = known[first]
    return network, styles


def _is_transformer(model: LanguageModel) -> bool:
    return model.network.config.core == "transformer"


def _recipe_of(config: CharNetworkConfig) -> _Recipe:
    """Return the recipe of the preset that a network was made with."""
    for recipe in RECIPES.values():
        if replace(recipe.config, num_styles=0) == replace(config, num_styles=0):
            return recipe
    return RECIPES["default"]
