"""Models of llama.cpp: prompted, sharing what is computed, refused where it is not installed."""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segue.errors import BadArgument
from segue.generate.lyrics import gguf
from segue.generate.lyrics.gguf import GgufLM, load_gguf
from segue.generate.lyrics.subword import SubwordDecoder
from segue.generate.lyrics.vocabulary import encode

TOKENS = [b"<s>", b"</s>", b"\n", b" ", b"a", b"b", b"ab", b" a"]


class Llama:
    """Stands in for `llama_cpp.Llama`: a token's logits depend on the tokens so far.

    Like it, it keeps the tokens of the last evaluation, and the logits of the last token alone.
    """

    def __init__(self, n_ctx: int = 48) -> None:
        self._size = n_ctx
        self.n_tokens = 0
        self.input_ids = np.zeros(n_ctx, np.intc)
        self.evaluated: list[list[int]] = []
        self._ctx = self._model = self

    def n_ctx(self) -> int:
        return self._size

    def n_vocab(self) -> int:
        return len(TOKENS)

    def token_bos(self) -> int:
        return 0

    def token_eos(self) -> int:
        return 1

    def token_get_attr(self, token: int) -> int:
        return 0b1000 if token < 2 else 0b100

    def tokenize(self, text: bytes, *, add_bos: bool, special: bool) -> list[int]:
        assert not add_bos
        assert not special
        return [TOKENS.index(text[at : at + 1]) for at in range(len(text))]

    def detokenize(self, tokens: Sequence[int]) -> bytes:
        return b"".join(TOKENS[token] for token in tokens)

    def eval(self, tokens: Sequence[int]) -> None:
        assert self.n_tokens + len(tokens) <= self._size
        self.evaluated.append(list(tokens))
        self.input_ids[self.n_tokens : self.n_tokens + len(tokens)] = tokens
        self.n_tokens += len(tokens)

    def get_logits(self) -> Any:
        seed = hash(tuple(self.input_ids[: self.n_tokens].tolist())) % 2**31
        row = np.random.default_rng(seed).normal(size=len(TOKENS)).astype(np.float32)
        self._row = row  # keeps the memory alive
        return row.ctypes.data_as(ctypes.POINTER(ctypes.c_float))


def test_contexts_share_what_is_computed() -> None:
    llama = Llama()
    lm = GgufLM(llama, "")
    contexts = [(0, 4, 5), (0, 4, 6), (0, 4, 5, 2)]
    log_probs = lm.next_log_probs(contexts)
    assert llama.evaluated == [[0, 4, 5], [2], [6]]
    for row, context in zip(log_probs, contexts, strict=True):
        assert torch.equal(row, GgufLM(Llama(), "").next_log_probs([context])[0])
    assert torch.allclose(log_probs.exp().sum(dim=-1), torch.ones(3))


def test_the_prompt_is_the_end_of_the_songs() -> None:
    lm = GgufLM(Llama(48), "a a a a a a\n\nb b b b b b\n\nab ab\n\n")
    assert lm.start[0] == 0
    assert llama_text(lm.start[1:]) == b"b b b b b b\n\nab ab\n\n"
    assert GgufLM(Llama(), "").start == (0,)


def llama_text(tokens: Sequence[int]) -> bytes:
    return b"".join(TOKENS[token] for token in tokens)


def test_characters_are_predicted() -> None:
    decoder = SubwordDecoder(GgufLM(Llama(), "ab\n\n"))
    decoder.append(torch.from_numpy(encode("a b\n"))[None])
    probabilities = decoder.log_probs.exp()[0]
    assert float(probabilities.sum()) == pytest.approx(1, abs=1e-4)
    known = probabilities[torch.from_numpy(encode("ab \n"))]
    assert float(known.sum()) > 0.5


def test_a_text_longer_than_the_context() -> None:
    lm = GgufLM(Llama(16), "")
    assert lm.token_nll([4, 5, 3] * 20) > 0


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gguf, "find_spec", lambda _: None)
    with pytest.raises(BadArgument, match="pip install llama-cpp-python"):
        load_gguf(tmp_path, "none", "")


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF is not in here")
    with pytest.raises(BadArgument, match=r"cannot be loaded by llama\.cpp"):
        load_gguf(path, "broken", "")
