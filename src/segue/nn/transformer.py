"""A decoder-only transformer with rotary position embeddings and a KV cache.

Layers are pre-norm (LayerNorm without biases), with multi-head causal self-attention (Vaswani et
al. 2017), rotary position embeddings (RoPE, Su et al. 2021) and a SwiGLU MLP (Shazeer 2020). The
keys and values of earlier positions are kept in a `KVCache`, so that a decoding step costs one
token.

Shape legend: B sequences, T positions, D width, H heads, C width of a head, V vocabulary size.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segue.errors import BadArgument

ROPE_BASE: Final = 10_000.0
INIT_STD: Final = 0.02


@dataclass(frozen=True, slots=True)
class StackConfig:
    """Hyperparameters of the layers.

    Attributes
    ----------
    width : int
        Width of the hidden states, D.
    layers : int
        Number of layers.
    heads : int
        Number of attention heads; the width is divided evenly among them.
    context : int
        Context length in positions.
    dropout : float
        Dropout probability.
    """

    width: int
    layers: int
    heads: int
    context: int
    dropout: float = 0.1

    def __post_init__(self) -> None:
        """Validate the hyperparameters.

        Raises
        ------
        BadArgument
        """
        for name in ("width", "layers", "heads", "context"):
            if getattr(self, name) < 1:
                raise BadArgument(f"{name} is {getattr(self, name)}; it is at least 1")
        if self.width % (2 * self.heads):
            raise BadArgument(
                f"a width of {self.width} cannot be divided among {self.heads} heads: each needs "
                "an even width"
            )
        if not 0 <= self.dropout < 1:
            raise BadArgument(f"a dropout of {self.dropout}; it is from 0 to below 1")

    @property
    def mlp_width(self) -> int:
        """Width of the gated MLP: 8/3 of D, as many parameters as 4 D without gates."""
        return -(-8 * self.width // (3 * 32)) * 32


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """Hyperparameters of a transformer language model.

    Attributes
    ----------
    vocabulary : int
        Vocabulary size, V.
    stack : StackConfig
        The layers.
    """

    vocabulary: int
    stack: StackConfig

    def __post_init__(self) -> None:
        """Validate the hyperparameters.

        Raises
        ------
        BadArgument
        """
        if self.vocabulary < 1:
            raise BadArgument(f"a vocabulary of {self.vocabulary} tokens; there is at least 1")


def medium(vocabulary: int) -> TransformerConfig:
    """Return the preset for thousands of pieces: 6 layers of width 384, 11 million parameters."""
    return TransformerConfig(vocabulary, StackConfig(384, 6, 6, 1024, 0.1))


class KVCache:
    """Keys and values of the positions so far, in buffers of the context length.

    Parameters
    ----------
    config : StackConfig
        The layers.
    count : int
        Number of sequences, B.
    dtype : torch.dtype
        Type of keys and values, in which attention is computed. On a CPU, attention of one
        position is some seven times as fast in float32 as in bfloat16.
    """

    def __init__(self, config: StackConfig, count: int, dtype: torch.dtype = torch.float32) -> None:
        shape = (count, config.heads, config.context, config.width // config.heads)
        # Left uninitialised: memory pages that are never touched cost nothing.
        self.keys = [torch.empty(shape, dtype=dtype) for _ in range(config.layers)]
        self.values = [torch.empty(shape, dtype=dtype) for _ in range(config.layers)]
        self.length = 0
        self.prefix: list[tuple[Tensor, Tensor]] = []

    @property
    def free(self) -> int:
        """Number of positions that can still be appended."""
        return self.keys[0].shape[2] - self.length

    def branch(self, config: StackConfig, count: int) -> "KVCache":
        """Return a cache of `count` continuations of each sequence, which share its positions.

        The shared positions are not copied, and each step reads them once for all continuations
        ("bifurcated attention", Athiwaratkun et al., ICML 2024). Rows are the first continuation
        of each sequence, then the second, and so on. This cache must not change meanwhile.
        """
        branch = KVCache(config, len(self.keys[0]) * count, self.keys[0].dtype)
        branch.length = self.length
        branch.prefix = [
            (keys[:, :, : self.length], values[:, :, : self.length])
            for keys, values in zip(self.keys, self.values, strict=True)
        ]
        return branch

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store the keys and values of new positions; return all but those of the prefix."""
        first = self.prefix[layer][0].shape[2] if self.prefix else 0
        start, end = self.length - first, self.length - first + keys.shape[2]
        self.keys[layer][:, :, start:end] = keys
        self.values[layer][:, :, start:end] = values
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]

    def truncate(self, length: int) -> None:
        """Drop all but the first `length` positions.

        Raises
        ------
        BadArgument
            The cache holds fewer positions.
        """
        if not 0 <= length <= self.length:
            raise BadArgument(f"the cache holds {self.length} positions, not {length}")
        self.length = length

    def select(self, rows: Tensor) -> None:
        """Select sequences by index; one may be selected several times.

        Parameters
        ----------
        rows : Tensor, shape (any,), int64
            Of a branch, one continuation of each sequence after the other.
        """
        length = self.length - (self.prefix[0][0].shape[2] if self.prefix else 0)
        kept = min(len(rows), len(self.keys[0]))
        moved = (rows[:kept] != torch.arange(kept)).nonzero()[:, 0]
        for buffers in (self.keys, self.values):
            for layer, buffer in enumerate(buffers):
                if len(rows) > len(buffer):
                    buffers[layer] = buffer[rows]
                else:
                    buffer[moved, :, :length] = buffer[rows[moved], :, :length]
                    buffers[layer] = buffer[: len(rows)]


class Stack(nn.Module):
    """The layers of a transformer and a final LayerNorm, without embedding and output head."""

    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, bias=False)
        cos, sin = _rope_tables(config)
        self.cos: Tensor
        self.sin: Tensor
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, x: Tensor, kv_cache: KVCache | None = None) -> Tensor:
        """Return the hidden states of positions, which follow those of the cache.

        Parameters
        ----------
        x : Tensor, shape (B, T, D)
            Embeddings.
        kv_cache : KVCache, optional
            The positions are appended to it.

        Returns
        -------
        Tensor, shape (B, T, D)

        Raises
        ------
        BadArgument
            The positions exceed the context length.
        """
        start = kv_cache.length if kv_cache else 0
        end = start + x.shape[1]
        if end > self.config.context:
            raise BadArgument(
                f"{end} positions exceed the context length of {self.config.context}; drop the "
                "oldest"
            )
        rope = self.cos[start:end], self.sin[start:end]
        for index, layer in enumerate(self.layers):
            x = layer(x, rope, kv_cache, index)
        if kv_cache:
            kv_cache.length = end
        return self.norm(x)  # type: ignore[no-any-return]


class _Layer(nn.Module):
    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        width = config.width
        self.heads, self.p = config.heads, config.dropout
        # The optimiser's state in a checkpoint is by index of the parameter: keep their order.
        self.attn_norm = nn.LayerNorm(width, bias=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.attn_out = nn.Linear(width, width, bias=False)
        self.mlp_norm = nn.LayerNorm(width, bias=False)
        self.gate_up = nn.Linear(width, 2 * config.mlp_width, bias=False)
        self.down = nn.Linear(config.mlp_width, width, bias=False)
        for linear in (self.qkv, self.gate_up):
            nn.init.normal_(linear.weight, std=INIT_STD)
        for linear in (self.attn_out, self.down):  # scaled for the residual stream, as in GPT-2
            nn.init.normal_(linear.weight, std=INIT_STD / (2 * config.layers) ** 0.5)

    def forward(
        self, x: Tensor, rope: tuple[Tensor, Tensor], kv_cache: KVCache | None, index: int
    ) -> Tensor:
        x = x + self._dropout(self._attention(self.attn_norm(x), rope, kv_cache, index))
        return x + self._dropout(self._mlp(self.mlp_norm(x)))

    def _attention(
        self, x: Tensor, rope: tuple[Tensor, Tensor], kv_cache: KVCache | None, index: int
    ) -> Tensor:
        B, T, D = x.shape
        qkv = self.qkv(x).view(B, T, 3, self.heads, D // self.heads)
        qk = _apply_rope(qkv[:, :, :2], *rope)
        q, k = qk[:, :, 0].transpose(1, 2), qk[:, :, 1].transpose(1, 2)
        v = qkv[:, :, 2].transpose(1, 2)  # (B, H, T, C)
        mask = None
        if kv_cache:
            k, v = kv_cache.append(index, k, v)
            q = q.to(k.dtype)
            if T > 1 and kv_cache.length:  # `is_causal` aligns the mask to the first position
                shape = T, kv_cache.length + T
                mask = torch.ones(shape, dtype=torch.bool, device=x.device).tril(kv_cache.length)
        if kv_cache and kv_cache.prefix:
            y = _branched_attention(q, k, v, *kv_cache.prefix[index])
        else:
            y = F.scaled_dot_product_attention(
                q, k, v, attn_mask=mask, is_causal=mask is None and T > 1
            )
        y = y.transpose(1, 2).reshape(B, T, D).to(x.dtype)
        return self.attn_out(y)  # type: ignore[no-any-return]

    def _mlp(self, x: Tensor) -> Tensor:
        up, gate = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)  # type: ignore[no-any-return]

    def _dropout(self, x: Tensor) -> Tensor:
        return dropout(x, self.p) if self.training else x


class Transformer(nn.Module):
    """A language model: predicts the next token after each position.

    Input and output embeddings are tied (Press & Wolf 2017).
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = normal_embedding(config.vocabulary, config.stack.width)
        self.stack = Stack(config.stack)

    def forward(self, tokens: Tensor, kv_cache: KVCache | None = None) -> Tensor:
        """Return the logits of the token after each position.

        Parameters
        ----------
        tokens : Tensor, shape (B, T), int64
        kv_cache : KVCache, optional
            The tokens follow those of the cache and are appended to it.

        Returns
        -------
        Tensor, shape (B, T, V)
        """
        x = self.tokens(tokens)
        if self.training:
            x = dropout(x, self.config.stack.dropout)
        return F.linear(self.stack(x, kv_cache), self.tokens.weight)

    def next_logits(self, tokens: Tensor, kv_cache: KVCache) -> Tensor:
        """Return the logits of the token after the last position alone, shape (B, V)."""
        last = self.stack(self.tokens(tokens), kv_cache)[:, -1]
        return F.linear(last, self.tokens.weight)

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy of the target tokens, in nats.

        Parameters
        ----------
        tokens : Tensor, shape (B, T), int64
            -1 after the end.
        targets : Tensor, shape (B, T), int64
            The same tokens, or -1 where a token is ignored. The first is always ignored.
        """
        logits = self(tokens[:, :-1].clamp(min=0)).float()
        return F.cross_entropy(logits.flatten(0, 1), targets[:, 1:].flatten(), ignore_index=-1)


def _branched_attention(
    q: Tensor, k: Tensor, v: Tensor, prefix_k: Tensor, prefix_v: Tensor
) -> Tensor:
    """Return the attention of the last T positions of each branch, shape (B, H, T, C).

    Parameters
    ----------
    q : Tensor, shape (B, H, T, C)
    k, v : Tensor, shape (B, H, L, C)
        Keys and values of the branches, of the last T positions, too.
    prefix_k, prefix_v : Tensor, shape (S, H, P, C)
        Those of the S sequences that B / S branches each continue.
    """
    (B, H, T, C), (S, _, P, _), L = q.shape, prefix_k.shape, k.shape[2]
    N = B // S
    q = q * C**-0.5
    grouped = q.view(N, S, H, T, C).permute(1, 2, 0, 3, 4).reshape(S, H, N * T, C)
    shared = (grouped @ prefix_k.transpose(2, 3)).view(S, H, N, T, P)
    shared = shared.permute(2, 0, 1, 3, 4).reshape(B, H, T, P)
    own = q @ k.transpose(2, 3)
    if T > 1:
        own.masked_fill_(torch.ones(T, L, dtype=torch.bool).triu(L - T + 1), float("-inf"))
    weights = torch.cat([shared, own], dim=-1).softmax(dim=-1)
    grouped = weights[..., :P].view(N, S, H, T, P).permute(1, 2, 0, 3, 4).reshape(S, H, N * T, P)
    of_prefix = (grouped @ prefix_v).view(S, H, N, T, C).permute(2, 0, 1, 3, 4)
    y: Tensor = of_prefix.reshape(B, H, T, C) + weights[..., P:] @ v
    return y


def normal_embedding(count: int, width: int) -> nn.Embedding:
    """Return an embedding table, initialised as in GPT-2."""
    embedding = nn.Embedding(count, width)
    nn.init.normal_(embedding.weight, std=INIT_STD)
    return embedding


def dropout(x: Tensor, p: float) -> Tensor:
    """Zero elements with probability `p`, rounded to a 256th, and rescale the others.

    torch's dropout draws a random number per element, a quarter of a training step on a CPU; here
    one 64-bit draw serves eight elements.
    """
    threshold = round(p * 256)
    if not threshold:
        return x
    random = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device)
    random.random_(-(2**63), None)
    mask = random.view(torch.uint8)[: x.numel()].view(x.shape) >= threshold
    return x * mask * (256 / (256 - threshold))


def _rope_tables(config: StackConfig) -> tuple[Tensor, Tensor]:
    """Return cosines and signed sines of the angles, shape (context, 1, 1, C) each."""
    half = config.width // config.heads // 2
    # No parameters, and so not on the meta device where the network is built without weights.
    positions = torch.arange(max(config.context, half), dtype=torch.float64, device="cpu")
    frequencies = ROPE_BASE ** -(positions[:half] / half)
    angles = positions[: config.context, None] * frequencies
    cos = angles.cos().float().repeat(1, 2)
    sin = angles.sin().float()
    return cos[:, None, None], torch.cat([-sin, sin], dim=-1)[:, None, None]


def _apply_rope(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate pairs of an element of the first half and one of the second."""
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin)
