"""Models of llama.cpp as token models, through llama-cpp-python.

They are not trained: they write after a prompt of an artist's songs (Brown et al., "Language Models
are Few-Shot Learners", 2020).
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from segue.errors import BadArgument
from segue.generate.lyrics.subword import Context, TokenTrie
from segue.nn.pretrained import first_line

MAX_CONTEXT: Final = 2048
#: Part of the context that the prompt may fill.
_PROMPT_SHARE: Final = 2
_CONTROL_ATTRIBUTES: Final = 0b1011  # unknown, unused and control tokens


class GgufLM:
    """A model of llama.cpp; a `segue.generate.lyrics.subword.TokenLM`.

    Parameters
    ----------
    llama : llama_cpp.Llama
    prompt : str
        Text before every text: of its end, as much as half the context holds.
    """

    def __init__(self, llama: Any, prompt: str) -> None:
        self._llama = llama
        self._prompt = prompt
        self.trie = _trie(llama)
        self.start = self._start()

    @property
    def ends(self) -> tuple[int, ...]:
        """Tokens that end a text."""
        return (int(self._llama.token_eos()),)

    @property
    def max_tokens(self) -> int:
        """Length of the longest context."""
        return int(self._llama.n_ctx()) - len(self.start)

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, without special ones."""
        return list(self._llama.tokenize(text.encode(), add_bos=False, special=False))

    def next_log_probs(self, contexts: Sequence[Context]) -> Tensor:
        """Return the log-probabilities of the next token after each context, shape (B, V)."""
        # In this order, contexts share as much as possible of what is computed already.
        rows = {context: self._logits(context) for context in sorted(contexts)}
        logits = torch.from_numpy(np.stack([rows[context] for context in contexts]))
        return logits.float().log_softmax(dim=-1)

    def token_nll(self, tokens: Sequence[int]) -> float:
        """Return the negative log-likelihood of tokens after the start, in nats."""
        every = (*self.start, *tokens)
        room = int(self._llama.n_ctx()) - 1
        total = 0.0
        for at in range(len(self.start), len(every)):
            # A long text goes on from its second half, so that most states are computed once.
            first = 0 if at <= room else at - room // 2 - (at - room) % (room // 2)
            context = (*self.start[:1], *every[first + 1 : at])
            total -= float(self.next_log_probs([context])[0, every[at]])
        return total

    def _start(self) -> Context:
        begin = self._llama.token_bos()
        bos = (int(begin),) if begin >= 0 else (int(self._llama.token_eos()),)
        room = self._llama.n_ctx() // _PROMPT_SHARE
        prompt = self._prompt
        tokens = self.encode(prompt) if prompt else []
        while len(tokens) > room and "\n\n" in prompt[:-2]:
            prompt = prompt[prompt.index("\n\n") + 2 :]
            tokens = self.encode(prompt)
        return (*bos, *tokens[-room:])

    def _logits(self, context: Context) -> np.ndarray[Any, np.dtype[np.float32]]:
        llama = self._llama
        known = llama.input_ids[: llama.n_tokens].tolist()
        common = 0
        limit = min(len(known), len(context) - 1)
        while common < limit and known[common] == context[common]:
            common += 1
        llama.n_tokens = common
        llama.eval(list(context[common:]))
        # `scores` is not filled unless the logits of all tokens are kept.
        logits = np.ctypeslib.as_array(llama._ctx.get_logits(), shape=(llama.n_vocab(),))  # noqa: SLF001
        return np.array(logits, np.float32)


def load_gguf(path: Path, version: str, prompt: str) -> GgufLM:
    """Load a model of llama.cpp.

    Parameters
    ----------
    path : Path
    version : str
        Its `segue.nn.pretrained.fingerprint`.
    prompt : str
        See `GgufLM`.

    Raises
    ------
    BadArgument
        llama-cpp-python is not installed, or the file is no model.
    """
    return GgufLM(_load(path, version), prompt)


@lru_cache(maxsize=1)
def _load(path: Path, version: str) -> Any:
    del version
    if find_spec("llama_cpp") is None:
        raise BadArgument(
            "models of llama.cpp need the package llama-cpp-python, which is not installed: "
            "pip install llama-cpp-python (it needs a C++ compiler)"
        )
    from llama_cpp import Llama

    try:
        return Llama(str(path), n_ctx=MAX_CONTEXT, verbose=False)
    except (ValueError, RuntimeError, OSError, AssertionError) as error:
        raise BadArgument(
            f"{path} cannot be loaded by llama.cpp ({first_line(error)}); give another model"
        ) from None


def _trie(llama: Any) -> TokenTrie:
    """Return the tokens of a model by their bytes; control tokens are in no text."""
    tokens = []
    for token in range(llama.n_vocab()):
        is_control = llama._model.token_get_attr(token) & _CONTROL_ATTRIBUTES  # noqa: SLF001
        tokens.append(b"" if is_control else llama.detokenize([token]))
    return TokenTrie(tokens)
