"""Baselines of lyrics language models: n-grams, compression, nanoGPT, the published network.

All return bits per character over the test songs and the end of each song. Compression and n-grams
are never updated on test songs.
"""

import gzip
import lzma
import math
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from segue.generate.lyrics.language_model import NgramLM
from segue.generate.lyrics.vocabulary import SONG_BOUNDARY

Numbers = NDArray[np.int64]


def compressed_bits(train_texts: Sequence[str], test_texts: Sequence[str]) -> dict[str, float]:
    """Return the bits that test songs add to the compressed size of the training songs.

    The window of gzip is 32 kB, so it uses little of the training set; that of xz holds all of it.
    """
    known, both = _joined(train_texts), _joined([*train_texts, *test_texts])
    sizes = {
        "gzip": [len(gzip.compress(text, 9, mtime=0)) for text in (known, both)],
        "xz": [len(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)) for text in (known, both)],
    }
    n_characters = _count_characters(test_texts)
    return {name: 8 * (after - before) / n_characters for name, (before, after) in sizes.items()}


def kneser_ney_bits(train_texts: Sequence[str], test_texts: Sequence[str], order: int = 5) -> float:
    """Return the bits per character of modified Kneser-Ney n-grams of characters.

    The vocabulary is that of all texts, as in the published figures.
    """
    letters = sorted(set().union(*train_texts, *test_texts))
    codes = {letter: code for code, letter in enumerate(letters, start=SONG_BOUNDARY + 1)}

    def coded(text: str) -> Numbers:
        return np.array([SONG_BOUNDARY, *(codes[letter] for letter in text), SONG_BOUNDARY])

    ngrams = NgramLM([coded(text) for text in train_texts], order, 1 + len(letters))
    costs = [
        -np.log2(np.take_along_axis(ngrams.probabilities(tokens), tokens[1:, None], axis=1))
        for tokens in map(coded, test_texts)
    ]
    return float(np.concatenate(costs).mean())


def _joined(texts: Sequence[str]) -> bytes:
    return "".join(text + "\0" for text in texts).encode()


def _count_characters(texts: Sequence[str]) -> int:
    return sum(map(len, texts)) + len(texts)


class NanoGpt(NamedTuple):
    """Result of a run of nanoGPT's recipe.

    Attributes
    ----------
    bits : float
        Per character, each predicted from 32 to 63 characters before it: half a block at a time.
    seconds : float
        Training time.
    weights : int
        Number of parameters without position embeddings, as nanoGPT counts them.
    bits_of_blocks : float
        Per character of whole blocks, the first of each without context: as nanoGPT measures.
    iterations : int
    """

    bits: float
    seconds: float
    weights: int
    bits_of_blocks: float
    iterations: int


_LAYERS: Final = 4
_HEADS: Final = 4
_WIDTH: Final = 128
_BLOCK: Final = 64
_BATCH: Final = 12
_ITERATIONS: Final = 2000
_WARM_UP: Final = 100
_RATES: Final = (1e-3, 1e-4)
_DECAY: Final = 0.1


def nano_gpt_bits(
    train_text: str, test_text: str, seconds: float | None = None, seed: int = 0
) -> NanoGpt:
    """Train nanoGPT's network of characters by its recipe for a laptop, and evaluate it on a text.

    Re-implemented from its description (github.com/karpathy/nanoGPT, "I only have a macbook"): 4
    layers of 4 heads, 128 wide, blocks of 64, 12 at a time, no dropout, no biases, 2,000
    iterations of AdamW, its rate by a cosine from 1e-3 to 1e-4. The vocabulary is that of both
    texts, as there.

    Parameters
    ----------
    train_text, test_text : str
        Concatenated songs, with separators.
    seconds : float, optional
        Training time, over which the learning rate decays; by default all iterations.
    seed : int
    """
    torch.manual_seed(seed)
    letters = {letter: code for code, letter in enumerate(sorted({*train_text, *test_text}))}
    known = torch.tensor([letters[letter] for letter in train_text])
    network = _Network(len(letters))
    decayed = [p for p in network.parameters() if p.dim() >= 2]
    others = [p for p in network.parameters() if p.dim() < 2]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": _DECAY}, {"params": others, "weight_decay": 0.0}],
        betas=(0.9, 0.99),
    )
    begun, iteration, took = time.perf_counter(), 0, 0.0
    while took < seconds if seconds is not None else iteration < _ITERATIONS:
        done = took / seconds if seconds is not None else iteration / _ITERATIONS
        for group in optimiser.param_groups:
            group["lr"] = _rate(iteration, done)
        starts = torch.randint(len(known) - _BLOCK, (_BATCH, 1)) + torch.arange(_BLOCK)
        optimiser.zero_grad(set_to_none=True)
        loss = F.cross_entropy(network(known[starts]).flatten(0, 1), known[starts + 1].flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        iteration, took = iteration + 1, time.perf_counter() - begun
    test = torch.tensor([letters[letter] for letter in test_text])
    weights = sum(p.numel() for p in network.parameters()) - network.positions.weight.numel()
    return NanoGpt(
        _network_bits(network, test, _BLOCK // 2),
        took,
        weights,
        _network_bits(network, test, _BLOCK),
        iteration,
    )


def _rate(iteration: int, done: float) -> float:
    highest, lowest = _RATES
    fallen = lowest + (highest - lowest) * (1 + math.cos(math.pi * done)) / 2
    return fallen * min(1.0, (iteration + 1) / (_WARM_UP + 1))


@torch.inference_mode()
def _network_bits(network: "_Network", codes: Tensor, step: int) -> float:
    """Return bits per character but the first: `step` of each block, its last."""
    total, ends = 0.0, 1
    while ends < len(codes):
        last = min(max(ends + step, _BLOCK + 1), len(codes))
        first = max(last - _BLOCK - 1, 0)
        logits = network(codes[None, first : last - 1])[0]
        costs = F.cross_entropy(logits, codes[first + 1 : last], reduction="none")
        total += float(costs[ends - first - 1 :].sum())
        ends = last
    return total / (len(codes) - 1) / math.log(2)


class _Network(nn.Module):
    """GPT-2's form, small: learned positions, pre-norm, tied embeddings."""

    def __init__(self, letters: int) -> None:
        super().__init__()
        self.letters = nn.Embedding(letters, _WIDTH)
        self.positions = nn.Embedding(_BLOCK, _WIDTH)
        self.layers = nn.Sequential(*(_Layer() for _ in range(_LAYERS)))
        self.norm = nn.LayerNorm(_WIDTH, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() >= 2:
                is_residual = name.endswith(("attn_out.weight", "down.weight"))
                spread = 0.02 / math.sqrt(2 * _LAYERS) if is_residual else 0.02
                nn.init.normal_(weight, std=spread)

    def forward(self, codes: Tensor) -> Tensor:
        """Return logits of shape (batch, length, letters)."""
        positions = self.positions(torch.arange(codes.shape[1]))
        hidden: Tensor = self.norm(self.layers(self.letters(codes) + positions))
        return hidden @ self.letters.weight.T


class _Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(_WIDTH, bias=False) for _ in range(2))
        self.qkv = nn.Linear(_WIDTH, 3 * _WIDTH, bias=False)
        self.attn_out = nn.Linear(_WIDTH, _WIDTH, bias=False)
        self.up = nn.Linear(_WIDTH, 4 * _WIDTH, bias=False)
        self.down = nn.Linear(4 * _WIDTH, _WIDTH, bias=False)

    def forward(self, stream: Tensor) -> Tensor:
        batch, length, _ = stream.shape
        parts = self.qkv(self.norms[0](stream)).view(batch, length, 3, _HEADS, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        stream = stream + self.attn_out(seen.transpose(1, 2).reshape(batch, length, _WIDTH))
        output: Tensor = stream + self.down(F.gelu(self.up(self.norms[1](stream))))
        return output


class KerasTraining:
    """The published network in Keras on TensorFlow, letters one-hot, on random letters.

    Parameters
    ----------
    letters : int
    context : int
        Letters of a window.
    batch : int
    threads : int
    """

    def __init__(self, letters: int, context: int, batch: int, threads: int) -> None:
        import keras
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        self.version = f"Keras {keras.__version__}, TensorFlow {tf.__version__}"
        self._letters, self._context, self._batch = letters, context, batch
        self._network = keras.Sequential(
            [
                keras.Input((context, letters)),
                *(keras.layers.LSTM(256, return_sequences=True) for _ in range(3)),
                keras.layers.LSTM(256),
                keras.layers.Dense(letters, activation="softmax"),
            ]
        )
        self._network.compile(loss="categorical_crossentropy", optimizer="adam")
        self.windows_per_second(1)  # excludes the compilation at the first step

    def windows_per_second(self, steps: int) -> float:
        """Train for a number of batches, which are drawn before timing starts."""
        rng = np.random.default_rng(0)
        letters = np.eye(self._letters, dtype=np.float32)
        drawn = rng.integers(0, self._letters, (steps * self._batch, self._context + 1))
        inputs, targets = letters[drawn[:, :-1]], letters[drawn[:, -1]]
        began = time.perf_counter()
        self._network.fit(inputs, targets, batch_size=self._batch, epochs=1, verbose=0)
        return len(drawn) / (time.perf_counter() - began)
