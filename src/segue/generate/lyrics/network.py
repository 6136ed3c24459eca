"""Character-level neural language model with n-gram embeddings and a style embedding.

The input at each position is the sum of a character embedding, a style embedding of the artist, and
hash-table embeddings of the 2- to 6-grams that end there: the idea of fastText (Bojanowski et al.
2017), used for bytes by the Byte Latent Transformer (Pagnoni et al. 2024). The most predictive
evidence, the last few characters, is thereby available without many training steps. The core is an
LSTM (Hochreiter & Schmidhuber 1997) or a transformer; an LSTM without n-gram embeddings is the
classic character RNN.

Shape legend: B sequences, T positions, D width, V tokens.
"""

from dataclasses import dataclass
from typing import Final, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segue.errors import BadArgument
from segue.generate.lyrics.vocabulary import VOCABULARY_SIZE
from segue.nn.transformer import INIT_STD, KVCache, Stack, StackConfig, dropout

#: Odd multipliers of the n-gram hash, by distance from the last character.
_HASH_MULTIPLIERS: Final = (1, 31_337, 2_654_435, 12_582_917, 805_459, 6_291_469, 3_145_739)
_HASH_MIX: Final = 0x2C1B3C6D
#: Standard deviation of the n-gram embeddings at initialisation.
_NGRAM_INIT_STD: Final = 0.1
#: Share of training windows whose style is hidden, for classifier-free guidance.
_STYLE_DROPOUT: Final = 0.1
#: Index of the unconditional style.
UNCONDITIONAL: Final = 0
#: Characters that must still fit into the context of a transformer when a line begins, at most.
_LINE_ROOM: Final = 64
Core = Literal["lstm", "transformer"]


@dataclass(frozen=True, slots=True)
class CharNetworkConfig:
    """Hyperparameters of the network.

    Attributes
    ----------
    width : int
        Width of the hidden layers, D.
    layers : int
        Number of layers of the core.
    core : {"lstm", "transformer"}
        Sequence model.
    ngram_sizes : tuple of int
        Sizes of the n-gram hash tables: of bigrams, trigrams, and so on; at most six.
    ngram_width : int
        Width of an n-gram embedding.
    num_styles : int
        Number of styles, beside `UNCONDITIONAL`.
    dropout : float
        Dropout probability.
    ngram_dropout : float
        Dropout probability of the n-gram embeddings; long n-grams are soon memorised.
    backoff : float
        Backoff in training: at each position n-grams from a random order on are treated as
        unseen, as n-gram models back off (Katz 1987), so that shorter ones are trained, too. 0
        disables it; 1 draws the order uniformly, more draws shorter ones oftener.
    heads : int
        Number of attention heads of a transformer core.
    context : int
        Context length of a transformer core, in characters.
    """

    width: int
    layers: int = 1
    core: Core = "lstm"
    ngram_sizes: tuple[int, ...] = (4096, 16384, 32768, 32768, 32768)
    ngram_width: int = 32
    num_styles: int = 0
    dropout: float = 0.2
    ngram_dropout: float = 0.5
    backoff: float = 0.0
    heads: int = 4
    context: int = 256

    def __post_init__(self) -> None:
        """Validate the hyperparameters.

        Raises
        ------
        BadArgument
        """
        for name in ("width", "layers", "ngram_width"):
            if getattr(self, name) < 1:
                raise BadArgument(f"{name} is {getattr(self, name)}; it is at least 1")
        if len(self.ngram_sizes) >= len(_HASH_MULTIPLIERS) or any(
            size < 1 for size in self.ngram_sizes
        ):
            raise BadArgument(
                f"n-gram tables {self.ngram_sizes}: at most {len(_HASH_MULTIPLIERS) - 1} tables of "
                "size 1 or more"
            )
        dropouts = (self.dropout, self.ngram_dropout)
        if self.num_styles < 0 or not all(0 <= p < 1 for p in dropouts) or self.backoff < 0:
            raise BadArgument(
                f"{self.num_styles} styles, dropouts of {self.dropout} and {self.ngram_dropout}, "
                f"backoff {self.backoff}"
            )


class CharNetwork(nn.Module):
    """Predicts the next character from those before it."""

    def __init__(self, config: CharNetworkConfig) -> None:
        super().__init__()
        self.config = config
        width, tables = config.width, len(config.ngram_sizes)
        self.tokens = nn.Embedding(VOCABULARY_SIZE, width)
        nn.init.normal_(self.tokens.weight, std=INIT_STD)
        self.ngrams = nn.ModuleList(
            nn.Embedding(size, config.ngram_width) for size in config.ngram_sizes
        )
        for weight in self.ngrams.parameters():
            # With backoff, unseen n-grams contribute nothing.
            nn.init.normal_(weight, std=0 if config.backoff else _NGRAM_INIT_STD)
        self.ngram_projection = nn.Linear(tables * config.ngram_width, width) if tables else None
        self.styles = nn.Embedding(1 + config.num_styles, width)
        nn.init.zeros_(self.styles.weight)
        self.core: nn.LSTM | Stack
        if config.core == "lstm":
            self.core = nn.LSTM(width, width, config.layers, batch_first=True)
        else:
            self.core = Stack(
                StackConfig(width, config.layers, config.heads, config.context, config.dropout)
            )
        self.norm = nn.LayerNorm(width)
        self.output_bias = nn.Parameter(torch.zeros(VOCABULARY_SIZE))

    def forward(self, tokens: Tensor, styles: Tensor) -> Tensor:
        """Return the logits after each position of texts read from their beginnings.

        Parameters
        ----------
        tokens : Tensor, shape (B, T), int64
            At most the context length per sequence with a transformer core.
        styles : Tensor, shape (B,), int64

        Returns
        -------
        Tensor, shape (B, T, V)
        """
        x = self.embed(tokens, styles, tokens[:, :0])
        return self.logits(x, self._core_output(x))

    def hidden_states(self, tokens: Tensor) -> Tensor:
        """Return the hidden states of texts in the unconditional style, shape (B, T, D)."""
        styles = torch.full((len(tokens),), UNCONDITIONAL, device=tokens.device)
        return self._core_output(self.embed(tokens, styles, tokens[:, :0]))

    def loss(self, tokens: Tensor, targets: Tensor, styles: Tensor) -> Tensor:
        """Return the mean cross-entropy of the target tokens, in nats.

        Parameters
        ----------
        tokens : Tensor, shape (B, T), int64
            -1 after the end.
        targets : Tensor, shape (B, T), int64
            The same tokens, or -1 where a token is ignored. The first is always ignored.
        styles : Tensor, shape (B,), int64
        """
        if self.training:
            styles = styles * (torch.rand(styles.shape, device=styles.device) >= _STYLE_DROPOUT)
        x = self.embed(tokens[:, :-1].clamp(min=0), styles, tokens[:, :0])
        y = self._core_output(x)
        counted = targets[:, 1:] >= 0
        logits = self.logits(x[counted], y[counted])
        return F.cross_entropy(logits.float(), targets[:, 1:][counted])

    def embed(self, tokens: Tensor, styles: Tensor, context: Tensor) -> Tensor:
        """Return the input of the core; missing context is padded with song boundaries."""
        x: Tensor = self.tokens(tokens) + self.styles(styles)[:, None]
        if self.ngram_projection is not None:
            reach = len(self.config.ngram_sizes)
            context = context[:, -reach:]
            known = F.pad(torch.cat([context, tokens], dim=1), (reach - context.shape[1], 0))
            code, embeddings = tokens, []
            for back, table in enumerate(self.ngrams, start=1):
                earlier = known[:, reach - back : known.shape[1] - back]
                code = code + earlier * _HASH_MULTIPLIERS[back]
                mixed = (code ^ (code >> 15)) * _HASH_MIX
                embeddings.append(
                    table((mixed ^ (mixed >> 12)) % self.config.ngram_sizes[back - 1])
                )
            if self.training and self.config.backoff:
                uniform = torch.rand(tokens.shape, device=tokens.device)
                order = uniform**self.config.backoff * (reach + 1)
                embeddings = [
                    embedding * (order > back)[..., None]
                    for back, embedding in enumerate(embeddings, 1)
                ]
            ngrams = torch.cat(embeddings, dim=-1)
            if self.training:
                ngrams = dropout(ngrams, self.config.ngram_dropout)
            x = x + self.ngram_projection(ngrams)
        return self._dropout(x)

    def _core_output(self, x: Tensor) -> Tensor:
        y = self.core(x)
        return y if isinstance(self.core, Stack) else y[0]  # type: ignore[no-any-return]

    def logits(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the logits from input and output of the core; the embedding is tied."""
        hidden = self.norm(x + y if self.ngram_projection is not None else y)
        return F.linear(self._dropout(hidden), self.tokens.weight, self.output_bias)

    def _dropout(self, x: Tensor) -> Tensor:
        return dropout(x, self.config.dropout) if self.training else x


class CharDecoder:
    """Decodes several texts at once, character by character, in styles of their own.

    Parameters
    ----------
    network : CharNetwork
    styles : Tensor, shape (B,), int64
        Style index of each text.
    """

    def __init__(self, network: CharNetwork, styles: Tensor) -> None:
        self.network = network
        self.styles = styles
        self._tokens = torch.zeros(len(styles), 0, dtype=torch.int64)
        self._cache: KVCache | None = None
        self._memory: tuple[Tensor, Tensor] | None = None
        self._reset()

    def _reset(self) -> None:
        config = self.network.config
        if isinstance(self.network.core, Stack):
            # Keys and values are float32, whatever the type of the weights.
            self._cache = KVCache(self.network.core.config, len(self.styles))
        else:
            zeros = torch.zeros(config.layers, len(self.styles), config.width)
            self._memory = zeros, zeros

    @torch.inference_mode()
    def append(self, tokens: Tensor) -> Tensor:
        """Append tokens to each text; return the logits of the next.

        A transformer drops the older half of its context when no more fits in.

        Parameters
        ----------
        tokens : Tensor, shape (B, T), int64
            At least one per text.

        Returns
        -------
        Tensor, shape (B, V)
        """
        return self.append_drafted(tokens, tokens[:, :0])[:, 0]

    @torch.inference_mode()
    def append_drafted(self, tokens: Tensor, drafts: Tensor) -> Tensor:
        """Append tokens and, after them, drafts; return the logits after the tokens and each draft.

        Parameters
        ----------
        tokens : Tensor, shape (B, T), int64
        drafts : Tensor, shape (B, K), int64
            See `drop`.

        Returns
        -------
        Tensor, shape (B, 1 + K, V)
        """
        last = -1 - drafts.shape[1]
        tokens = torch.cat([tokens, drafts], dim=1)
        context = self._tokens
        self._tokens = torch.cat([context, tokens], dim=1)
        if self._cache is None:
            kept = len(self.network.config.ngram_sizes)
            self._tokens = self._tokens[:, max(self._tokens.shape[1] - kept, 0) :]
        elif self._tokens.shape[1] > self.network.config.context:
            self._tokens = tokens = self._tokens[:, -self.network.config.context // 2 :]
            context = tokens[:, :0]
            self._reset()
        x = self.network.embed(tokens, self.styles, context)
        y = self._advance(x)
        return self.network.logits(x[:, last:], y[:, last:])

    def drop(self, count: int) -> None:
        """Drop the last tokens of each text; only a transformer can."""
        assert self._cache is not None  # noqa: S101
        self._tokens = self._tokens[:, : self._tokens.shape[1] - count]
        self._cache.truncate(self._cache.length - count)

    @torch.inference_mode()
    def branch(self, count: int) -> "CharDecoder":
        """Return a decoder of `count` continuations of each text: the first of each, and so on.

        They share the keys and values of the texts. A transformer first drops the older half of
        its context when hardly a line fits in, so that continuations need not do so.
        """
        context = self.network.config.context
        if self._cache is not None and self._tokens.shape[1] > context - min(
            _LINE_ROOM, context // 4
        ):
            self._tokens = self._tokens[:, -context // 2 :]
            self._reset()
            self._advance(self.network.embed(self._tokens, self.styles, self._tokens[:, :0]))
        rows = torch.arange(len(self.styles)).repeat(count)
        branch = CharDecoder(self.network, self.styles[rows])
        branch._tokens = self._tokens[rows]
        if isinstance(self.network.core, Stack) and self._cache is not None:
            branch._cache = self._cache.branch(self.network.core.config, count)
        elif self._memory is not None:
            branch._memory = self._memory[0][:, rows], self._memory[1][:, rows]
        return branch

    @torch.inference_mode()
    def select(self, rows: Tensor) -> None:
        """Replace the texts by those at some indices, in place; see `KVCache.select`."""
        self.styles, self._tokens = self.styles[rows], self._tokens[rows]
        if self._cache is not None:
            self._cache.select(rows)
        elif self._memory is not None:
            self._memory = self._memory[0][:, rows], self._memory[1][:, rows]

    def _advance(self, x: Tensor) -> Tensor:
        core = self.network.core
        if isinstance(core, Stack):
            return core(x, self._cache)  # type: ignore[no-any-return]
        assert self._memory is not None  # noqa: S101
        if x.shape[1] > 1:
            y, self._memory = core(x, self._memory)
            return cast("Tensor", y)
        # One position, five times as fast as `nn.LSTM` does it.
        y, hidden, cell = x[:, 0], [], []
        for weights, state in zip(core.all_weights, zip(*self._memory, strict=True), strict=True):
            y, c = torch.lstm_cell(y, state, *weights)
            hidden.append(y)
            cell.append(c)
        self._memory = torch.stack(hidden), torch.stack(cell)
        return y[:, None]
