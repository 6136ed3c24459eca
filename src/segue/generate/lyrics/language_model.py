"""The lyrics language model: neural network and n-gram model in an ensemble.

`LanguageModel` is what a checkpoint holds: the network, the artists whose styles it knows, and the
songs of its training set. `EnsembleLM` predicts characters in one artist's style: the network and,
where that helped on the validation set, an n-gram model of the artist's songs, interpolated
log-linearly; optionally with classifier-free guidance.
"""

import json
import lzma
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, Self, cast

import numpy as np
import torch
from torch import Tensor

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument
from segue.generate.copying import NgramFilter
from segue.generate.lyrics.network import (
    UNCONDITIONAL,
    CharDecoder,
    CharNetwork,
    CharNetworkConfig,
)
from segue.generate.lyrics.vocabulary import (
    CHARACTERS,
    SONG_BOUNDARY,
    VOCABULARY_SIZE,
    Tokens,
    encode_song,
)
from segue.lyrics.spelling import Language
from segue.nn.checkpoint import Checkpoint, SavedModel, save_model
from segue.nn.quantization import (
    dequantize_weights,
    float_state_dict,
    is_quantized,
    load_quantized,
    pack_linear_layers,
    quantize_weights,
)
from segue.records import DoubleArray, FloatArray, Lyrics, Tags

CHECKPOINT_KIND: Final = "lyrics"
#: Increased when the meaning of a token changes.
VERSION: Final = 1
MODEL_FILE: Final = "lyrics.safetensors"
PRETRAINED: Final = WEIGHTS / MODEL_FILE
#: The base of German, French, Spanish and Italian verse.
LANGUAGES_BASE: Final = WEIGHTS / "lyrics-languages.safetensors"
#: Names of the styles of verse in general, by language.
VERSE_STYLES: Final[Mapping[Language, str]] = {
    "en": "English verse", "de": "German verse", "es": "Spanish verse", "fr": "French verse",
    "it": "Italian verse",
}  # fmt: skip
#: Length of the longest n-gram, the predicted character included.
ORDER: Final = 6
#: Lower bound of the discounts, so that unseen characters keep some probability.
_MIN_DISCOUNT: Final = 0.1
#: Logarithm of the probability, relative to the most likely character's, from which on a character
#: is amplified by guidance.
_PLAUSIBLE: Final = math.log(0.1)
#: Characters that are drafted at most, and the logarithm of the n-gram probability of each.
_MAX_DRAFTS: Final = 6
_DRAFTED: Final = math.log(0.4)
#: Contexts whose distribution an n-gram model keeps; each takes a kilobyte.
_CACHED_CONTEXTS: Final = 1 << 14
SONGS_TENSOR: Final = "known.songs"
_CORPUS_TENSOR: Final = "known.corpus"
_MAX_SONG_BYTES: Final = 1 << 30  # uncompressed


class NgramLM:
    """Character n-gram model with interpolated modified Kneser-Ney smoothing.

    Chen & Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling", TR-10-98,
    Harvard 1998. On the songs of one artist (some 80,000 characters) it complements the neural
    network: the two interpolated predict better than either alone. Neubig & Dyer (EMNLP 2016) mix
    them inside the network, which overfits collections as small as these too soon for that.

    Parameters
    ----------
    songs : sequence of ndarray of int64
        At least one, each from `SONG_BOUNDARY` to `SONG_BOUNDARY`.
    order : int
        Length of the longest n-gram, the predicted token included.
    size : int
        Size of the vocabulary.

    Raises
    ------
    BadArgument
        N-grams of this order do not fit into 63 bits.
    """

    def __init__(
        self, songs: Sequence[Tokens], order: int = ORDER, size: int = VOCABULARY_SIZE
    ) -> None:
        if size**order >= 1 << 63:
            raise BadArgument(f"n-grams of order {order} over {size} tokens are more than 2^63")
        self.order = order
        self._size = size
        corpus, positions = self._concatenate(songs)
        self._levels: list[_Level] = []
        self._cached: dict[tuple[int, ...], FloatArray] = {}
        longer: Tokens = np.zeros(0, np.int64)
        for n in range(order, 0, -1):
            ngrams, counts = np.unique(self._ngram_codes(corpus, positions, n), return_counts=True)
            if n < order:
                # Continuation count: the number of distinct tokens before the n-gram. Nothing
                # comes before the beginning of a song, so its n-grams keep their raw counts.
                continuations = np.unique(longer % size**n, return_counts=True)[1]
                starts_song = ngrams // size ** (n - 1) == SONG_BOUNDARY
                counts = np.where(starts_song & (n > 1), counts, continuations)
            self._levels.insert(0, _Level(ngrams, counts, size))
            longer = ngrams

    def probabilities(self, tokens: Tokens) -> DoubleArray:
        """Return the next-token distribution at each position of a song but the first.

        Parameters
        ----------
        tokens : ndarray, shape (n,), int64
            Tokens from `SONG_BOUNDARY` on.

        Returns
        -------
        ndarray, shape (n - 1, size)
        """
        known = tokens.tolist()
        return np.stack(
            [
                self.next_probabilities(known[max(at - self.order + 1, 0) : at])
                for at in range(1, len(known))
            ]
        )

    def next_probabilities(self, context: Sequence[int]) -> DoubleArray:
        """Return the distribution of the next token, shape (size,).

        Parameters
        ----------
        context : sequence of int
            Preceding tokens, from `SONG_BOUNDARY` on if the song has just begun; the last
            ``order - 1`` count.
        """
        probabilities = np.full(self._size, 1 / self._size)
        known = [SONG_BOUNDARY] * (self.order - 1) + [*context]
        code = 0
        for n, level in enumerate(self._levels, start=1):
            if n > 1:
                code += known[1 - n] * self._size ** (n - 2)
            level.interpolate(code, probabilities)
        return probabilities

    def next_log_probs(self, context: tuple[int, ...]) -> FloatArray:
        """Return the log-probabilities of the next token, shape (size,), of a cached context.

        Parameters
        ----------
        context : tuple of int
            The last ``order - 1`` tokens, or all.
        """
        if context not in self._cached:
            if len(self._cached) >= _CACHED_CONTEXTS:
                self._cached.clear()
            probabilities = self.next_probabilities(context).astype(np.float32)
            self._cached[context] = np.log(probabilities)
        return self._cached[context]

    def _concatenate(self, songs: Sequence[Tokens]) -> tuple[Tokens, Tokens]:
        """Return all songs, each padded in front, and the positions of the predicted tokens."""
        padding = np.full(self.order - 1, SONG_BOUNDARY, np.int64)
        corpus = np.concatenate([part for song in songs for part in (padding, song[1:])])
        ends = np.cumsum([len(padding) + len(song) - 1 for song in songs])
        positions = [
            np.arange(end - len(song) + 1, end) for end, song in zip(ends, songs, strict=True)
        ]
        return corpus, np.concatenate(positions)

    def _ngram_codes(self, corpus: Tokens, positions: Tokens, n: int) -> Tokens:
        """Return the n-gram that ends at each position, as a number to the base `size`."""
        codes = np.zeros(len(positions), np.int64)
        for back in range(n - 1, -1, -1):
            codes = codes * self._size + corpus[positions - back]
        return codes


class _Level:
    """N-grams of one length: discounted probabilities and the mass left to the lower order."""

    def __init__(self, ngrams: Tokens, counts: Tokens, size: int) -> None:
        discounts = _discounts(counts)[np.minimum(counts, 3)]
        contexts, context_of = np.unique(ngrams // size, return_inverse=True)
        totals = np.bincount(context_of, counts)
        self._contexts = contexts
        self._bounds = np.append(np.searchsorted(ngrams, contexts * size), len(ngrams))
        self._tokens = ngrams % size
        self._probabilities = (counts - discounts) / totals[context_of]
        self._backoff = np.bincount(context_of, discounts) / totals

    def interpolate(self, context: int, lower: DoubleArray) -> None:
        """Interpolate with the lower-order distribution, in place."""
        at = int(np.searchsorted(self._contexts, context))
        if at < len(self._contexts) and self._contexts[at] == context:
            seen = slice(self._bounds[at], self._bounds[at + 1])
            lower *= self._backoff[at]
            lower[self._tokens[seen]] += self._probabilities[seen]


def _discounts(counts: Tokens) -> DoubleArray:
    """Return the discounts of counts 0, 1, 2, and 3 or more (Chen & Goodman, equation 26)."""
    n1, n2, n3, n4 = (int((counts == count).sum()) for count in (1, 2, 3, 4))
    if not (n1 and n2 and n3 and n4):  # too few n-grams for an estimate
        return np.array([0, 0.5, 1, 1.5])
    y = n1 / (n1 + 2 * n2)
    discounts = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
    return np.array([0, *np.clip(discounts, _MIN_DISCOUNT, [1, 2, 3])])


@dataclass(frozen=True, slots=True, eq=False)
class EnsembleLM:
    """Predicts characters in one style.

    Attributes
    ----------
    network : CharNetwork
    style : int
        Index of the artist's style, or `UNCONDITIONAL`.
    ngram : NgramLM, optional
        Model of the artist's songs.
    ngram_weight : float
        Weight of `ngram` in the log-linear interpolation, from 0 to below 1.
    guidance_scale : float
        Classifier-free guidance (Ho & Salimans 2021; for language models, Sanchez et al. 2023):
        how many times the difference between conditional and unconditional log-probabilities is
        added while decoding. 0 to evaluate, more to generate.
    """

    network: CharNetwork
    style: int
    ngram: NgramLM | None = None
    ngram_weight: float = 0.0
    guidance_scale: float = 0.0

    def decoder(self) -> "EnsembleDecoder":
        """Return a decoder of one text, at its beginning."""
        guided = self.guidance_scale and self.style != UNCONDITIONAL
        styles = [self.style, UNCONDITIONAL] if guided else [self.style]
        network = CharDecoder(_packed(self.network), torch.tensor(styles))
        decoder = EnsembleDecoder(self, network, [()])
        decoder.append(torch.tensor([[SONG_BOUNDARY]]))
        return decoder

    def nll(self, tokens: Tokens) -> DoubleArray:
        """Return the negative log-likelihood of each token but the first, unguided, in nats.

        Parameters
        ----------
        tokens : ndarray, shape (n,), int64
            A song, from `SONG_BOUNDARY` on.

        Returns
        -------
        ndarray, shape (n - 1,)
        """
        network = _packed(self.network) if is_quantized(self.network) else self.network
        log_probs = network_log_probs(network, tokens, self.style)
        if self.ngram is not None:
            ngram = torch.from_numpy(self.ngram.probabilities(tokens)).float().log()
            log_probs = mix_log_linear(log_probs, ngram, self.ngram_weight)
        return token_nll(log_probs, tokens)


class Decoder(Protocol):
    """Decodes several texts at once.

    Attributes
    ----------
    log_probs : Tensor, shape (B, V)
        Log-probabilities of the next token of each text.
    """

    log_probs: Tensor

    def append(self, tokens: Tensor) -> None:
        """Append tokens, shape (B, T), to the texts."""

    def branch(self, count: int) -> "Decoder":
        """Return a decoder of `count` continuations of the one text that is decoded so far."""

    def select(self, rows: Tensor) -> None:
        """Replace each text by the one at an index, in place."""


class EnsembleDecoder:
    """Decodes several texts at once with an `EnsembleLM`.

    Where a single text is decoded, the n-gram model drafts the next characters, and the network
    reads them together with the last one: as long as the characters that are appended are those of
    the draft, their distributions are known already (after speculative decoding, Leviathan et al.,
    ICML 2023). The distributions are the same as without.

    Attributes
    ----------
    log_probs : Tensor, shape (B, V)
        Log-probabilities of the next token of each text.
    """

    log_probs: Tensor

    def __init__(
        self, lm: EnsembleLM, network: CharDecoder, contexts: list[tuple[int, ...]]
    ) -> None:
        self._lm = lm
        self._network = network  # each text in the style and, if guided, in none
        self._contexts = contexts
        self._drafts: list[int] = []
        self._foreseen: list[Tensor] = []  # log-probabilities after each draft

    def append(self, tokens: Tensor) -> None:
        """Append tokens, shape (B, T), to the texts."""
        rows = tokens.tolist()
        ngram, styles = self._lm.ngram, len(self._network.styles) // len(rows)
        self._contexts = [
            (*context, *row)[1 - (ngram.order if ngram else 1) :]
            for context, row in zip(self._contexts, rows, strict=True)
        ]
        if self._drafts and rows == [self._drafts[:1]]:
            del self._drafts[0]
            self.log_probs = self._foreseen.pop(0)
            return
        self._drop_drafts()
        drafts, contexts = self._draft() if tokens.shape == (1, 1) else ([], [])
        logits = self._network.append_drafted(
            tokens.repeat_interleave(styles, dim=0),
            torch.tensor([drafts] * (styles * len(rows)), dtype=torch.int64),
        )
        by_style = logits.view(len(rows), styles, 1 + len(drafts), -1).transpose(1, 2)
        log_probs = self._combine(by_style.flatten(0, 1), [*self._contexts, *contexts])
        self.log_probs = log_probs[: len(rows)]
        self._drafts, self._foreseen = drafts, [*log_probs[len(rows) :, None]]

    def branch(self, count: int) -> "EnsembleDecoder":
        """Return a decoder of `count` continuations of the one text that is decoded so far."""
        self._drop_drafts()
        branch = EnsembleDecoder(self._lm, self._network.branch(count), self._contexts * count)
        branch.log_probs = self.log_probs.expand(count, -1)
        return branch

    def select(self, rows: Tensor) -> None:
        """Replace the texts by those at some indices, in place."""
        self._drop_drafts()
        styles = len(self._network.styles) // len(self._contexts)
        self._network.select((rows[:, None] * styles + torch.arange(styles)).flatten())
        self._contexts = [self._contexts[row] for row in rows.tolist()]
        self.log_probs = self.log_probs[rows]

    def _drop_drafts(self) -> None:
        if self._drafts:
            self._network.drop(len(self._drafts))
            self._drafts = []

    def _draft(self) -> tuple[list[int], list[tuple[int, ...]]]:
        """Return the characters that the n-gram model expects next, and the context after each."""
        ngram, core = self._lm.ngram, self._network.network.config.core
        drafts: list[int] = []
        contexts: list[tuple[int, ...]] = []
        if ngram is None or core != "transformer":
            return drafts, contexts
        context = self._contexts[0]
        while len(drafts) < _MAX_DRAFTS:
            log_probs = ngram.next_log_probs(context)
            token = int(log_probs.argmax())
            if log_probs[token] < _DRAFTED:
                break
            context = (*context, token)[1 - ngram.order :]
            drafts.append(token)
            contexts.append(context)
        return drafts, contexts

    def _combine(self, logits: Tensor, contexts: Sequence[tuple[int, ...]]) -> Tensor:
        """Return the log-probabilities from the logits of the styles, shape (B, S, V)."""
        by_style = logits.float().log_softmax(dim=-1)
        log_probs, ngram = by_style[:, 0], self._lm.ngram
        if ngram is not None:
            rows = np.stack([ngram.next_log_probs(context) for context in contexts])
            log_probs = mix_log_linear(log_probs, torch.from_numpy(rows), self._lm.ngram_weight)
        if by_style.shape[1] > 1:
            guidance = by_style[:, 0] - by_style[:, 1]
            # What the style makes implausible is not amplified ("adaptive plausibility", Li et al.,
            # "Contrastive Decoding", ACL 2023): else a misspelling is followed by others.
            best = by_style[:, 0].amax(dim=-1, keepdim=True)
            implausible = by_style[:, 0] < best + _PLAUSIBLE
            guidance = torch.where(implausible, guidance.clamp(max=0.0), guidance)
            log_probs = (log_probs + self._lm.guidance_scale * guidance).log_softmax(dim=-1)
        return log_probs


def _packed(network: CharNetwork) -> CharNetwork:
    """Return a transformer in bfloat16 for fast inference, which takes a twentieth of a second."""
    if network.config.core != "transformer":
        return network
    return cast("CharNetwork", pack_linear_layers(network))


def mix_log_linear(network: Tensor, ngram: Tensor, ngram_weight: float) -> Tensor:
    """Interpolate two language models log-linearly.

    Linear interpolation was worse by a hundredth of the perplexity for every artist (JOURNAL.md).

    Parameters
    ----------
    network, ngram : Tensor, shape (..., V)
        Log-probabilities.
    ngram_weight : float
        Weight of `ngram`.
    """
    return ((1 - ngram_weight) * network + ngram_weight * ngram).log_softmax(dim=-1)


def token_nll(log_probs: Tensor, tokens: Tokens) -> DoubleArray:
    """Return the negative log-likelihood of each token but the first, in nats, shape (n - 1,).

    Parameters
    ----------
    log_probs : Tensor, shape (n - 1, V)
    tokens : ndarray, shape (n,)
    """
    targets = torch.from_numpy(tokens[1:, None])
    nll: DoubleArray = -log_probs.gather(1, targets)[:, 0].double().numpy()
    return nll


@torch.inference_mode()
def network_log_probs(network: CharNetwork, tokens: Tokens, style: int) -> Tensor:
    """Return the log-probabilities at each token of a song but the first, shape (n - 1, V).

    A transformer reads windows that overlap by half, for context.
    """
    inputs, styles = torch.from_numpy(tokens[None, :-1]), torch.tensor([style])
    if network.config.core == "lstm":
        return network(inputs, styles)[0].float().log_softmax(dim=-1)  # type: ignore[no-any-return]
    context = network.config.context
    logits, half = [], context // 2
    for start in range(0, max(inputs.shape[1] - half, 1), half):
        window = network(inputs[:, start : start + context], styles)[0]
        logits.append(window[half if start else 0 :])
    return torch.cat(logits).float().log_softmax(dim=-1)


@dataclass(frozen=True, slots=True, eq=False)
class LanguageModel(SavedModel):
    """A lyrics language model of several artists.

    Attributes
    ----------
    network : CharNetwork
    artists : tuple of str
        Artists whose styles it knows; the style index of each is one more than its position.
    training_songs : tuple of Lyrics
        Training set, kept for n-gram models and for detecting copies.
    metadata : mapping
        JSON values: how it was trained, and validation figures.
    fingerprint : str
        "" until it is saved.
    ngram_weights : mapping
        Weight of the n-gram model by artist, from 0 to below 1; 0 for those not in it.
    corpus : NgramFilter, optional
        Words of the corpus that a base model was trained on, beside `training_songs`.
    """

    kind: ClassVar = CHECKPOINT_KIND
    version: ClassVar = VERSION
    bundled: ClassVar = PRETRAINED
    remedy: ClassVar = "train it again with `segue train lyrics`"

    network: CharNetwork
    artists: tuple[str, ...]
    training_songs: tuple[Lyrics, ...]
    metadata: Mapping[str, Any]
    fingerprint: str = ""
    ngram_weights: Mapping[str, float] = field(default_factory=dict)
    corpus: NgramFilter | None = None

    @classmethod
    def _build(cls, checkpoint: Checkpoint) -> Self:
        metadata, tensors = checkpoint.metadata, dict(checkpoint.tensors)
        if metadata["letters"] != len(CHARACTERS):
            raise ValueError(f"{metadata['letters']} characters, expected {len(CHARACTERS)}")
        songs = decompress_songs(tensors.pop(SONGS_TENSOR))
        corpus = tensors.pop(_CORPUS_TENSOR, None)
        config = metadata["config"]
        config = CharNetworkConfig(**config | {"ngram_sizes": tuple(config["ngram_sizes"])})
        network = _load_network(config, tensors)
        # Older checkpoints have no weights of n-gram models.
        weights = {artist: float(weight) for artist, weight in metadata.get("shares", {}).items()}
        if not all(0 <= weight < 1 for weight in weights.values()):
            raise ValueError(f"n-gram weights {weights}")
        return cls(
            network,
            tuple(metadata["voices"]),
            songs,
            metadata["told"],
            checkpoint.fingerprint,
            weights,
            None if corpus is None else NgramFilter.decompress(corpus.numpy()),
        )

    def save(self, path: Path, *, quantize: bool = False) -> str:
        """Write the model atomically; return its fingerprint.

        Parameters
        ----------
        path : Path
        quantize : bool
            Whether to store matrices in 8 bits with a scale per row: a quarter of the size. Of a
            transformer, only 6 bits are used, and 5 of the n-gram embeddings of a base, so that
            a wheel is smaller: that costs two thousandths of a bit per character.

        Raises
        ------
        DiskFull
        """
        tensors = float_state_dict(self.network)
        if quantize:
            is_base = self.corpus is not None
            ngrams = {name for name in tensors if name.startswith("ngrams.")}
            bits = 6 if self.network.config.core == "transformer" else 8
            tensors = {
                **quantize_weights({name: tensors[name] for name in tensors.keys() - ngrams}, bits),
                **quantize_weights(
                    {name: tensors[name] for name in ngrams}, 5 if is_base else bits
                ),
            }
        tensors[SONGS_TENSOR] = compress_songs(self.training_songs)
        if self.corpus is not None:
            tensors[_CORPUS_TENSOR] = torch.from_numpy(self.corpus.compress())
        about = {
            "config": asdict(self.network.config),
            "letters": len(CHARACTERS),
            "vocabulary": VOCABULARY_SIZE,
            "voices": list(self.artists),
            "shares": dict(self.ngram_weights),
            "told": dict(self.metadata),
        }
        return save_model(path, CHECKPOINT_KIND, VERSION, about, tensors)

    def style_index(self, artist: str) -> int:
        """Return the style index of an artist.

        Raises
        ------
        BadArgument
            The model does not know the artist.
        """
        if artist not in self.artists:
            raise BadArgument(f"the model knows no {artist!r}; it knows: {', '.join(self.artists)}")
        return self.artists.index(artist) + 1

    def ensemble(self, style: int, guidance_scale: float = 0.0) -> EnsembleLM:
        """Return the network and the n-gram model of one style, combined.

        Parameters
        ----------
        style : int
            From `style_index`, or `UNCONDITIONAL`.
        guidance_scale : float
            See `EnsembleLM`.
        """
        artist = self.artists[style - 1] if style != UNCONDITIONAL else ""
        weight = self.ngram_weights.get(artist, 0.0)
        texts = [song.text for song in self.training_songs if weight and song.tags.artist == artist]
        if not texts:
            return EnsembleLM(self.network, style, guidance_scale=guidance_scale)
        ngram = NgramLM([encode_song(text) for text in texts])
        return EnsembleLM(self.network, style, ngram, weight, guidance_scale)


def _load_network(config: CharNetworkConfig, tensors: dict[str, Tensor]) -> CharNetwork:
    """Build a network; the linear layers of a transformer in 8 bits stay so."""
    if config.core == "transformer":
        with torch.device("meta"):
            network = CharNetwork(config)
        load_quantized(network, tensors)
    else:
        network = CharNetwork(config)
        network.load_state_dict(dequantize_weights(tensors))
    return network.eval().requires_grad_(False)


def compress_songs(songs: tuple[Lyrics, ...]) -> Tensor:
    """Return songs with titles and artists as a tensor of bytes."""
    document = json.dumps(
        [[song.tags.title, song.tags.artist, song.text] for song in songs], ensure_ascii=False
    )
    compressed = lzma.compress(document.encode("utf-8", "replace"))
    return torch.from_numpy(np.frombuffer(compressed, np.uint8).copy())


def decompress_songs(compressed: Tensor) -> tuple[Lyrics, ...]:
    """Return the songs of `compress_songs`.

    Raises
    ------
    ValueError
        They are damaged, or too many.
    """
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=1 << 28)
    document = decompressor.decompress(compressed.numpy().tobytes(), max_length=_MAX_SONG_BYTES)
    if not decompressor.eof:
        raise ValueError("the songs are cut off, or too many")
    return tuple(Lyrics(text, Tags(title, artist)) for title, artist, text in json.loads(document))
