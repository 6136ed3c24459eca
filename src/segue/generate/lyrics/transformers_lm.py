"""Causal language models of the `transformers` format, with LoRA adapters, as token models.

Several adapters share one network in memory. Contexts that differ in their last tokens only, as the
candidates of a line do, share the keys and values of what they have in common.
"""

import inspect
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from segue.errors import BadArgument
from segue.generate.lyrics.subword import Context, TokenTrie
from segue.nn.pretrained import (
    available_memory,
    check_causal,
    check_folder,
    choose_dtype,
    first_line,
    quiet_transformers,
    require_packages,
)

#: Length of contexts, beyond which texts are cut; longer ones take more memory.
MAX_CONTEXT: Final = 1024
#: Shortest context of a model: half of it is for the lines before, half for the line to write.
MIN_CONTEXT: Final = 128
#: Tokens after the shared context beyond which it is moved on.
_MAX_PATH: Final = 32
#: Largest difference of log-probabilities that a cache of keys and values may make.
_CACHE_TOLERANCE: Final = 0.05
#: Of a window that a text is evaluated in, tokens that are context alone.
_OVERLAP_SHARE: Final = 2
#: LoRA: rank of the matrices, and their scale times the rank.
LORA_RANK: Final = 16
LORA_ALPHA: Final = 32
_SPACE_MARK: Final = "▁"
_BYTE_TOKEN: Final = re.compile(r"<0x[0-9A-F]{2}>")


class Transformer:
    """A loaded network with its tokenizer, which adapters are added to.

    Parameters
    ----------
    network : transformers.PreTrainedModel
    tokenizer : transformers.PreTrainedTokenizerFast

    Attributes
    ----------
    trie : TokenTrie
    """

    def __init__(self, network: Any, tokenizer: Any) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.trie = TokenTrie(token_bytes(tokenizer))
        self._adapters: set[str] = set()
        self._active = ""
        parameters = inspect.signature(network.forward).parameters
        self._takes_positions = "position_ids" in parameters
        self._cache_argument = "cache" if "cache" in parameters else "past_key_values"
        self.can_cache = True
        self.can_cache = self._check_cache()

    @property
    def max_tokens(self) -> int:
        """Length of the longest context."""
        config = self.network.config
        limit = getattr(config, "max_position_embeddings", None) or MAX_CONTEXT
        return min(int(limit), MAX_CONTEXT)

    def add_adapter(self, name: str, weights: Mapping[str, Tensor] | None = None) -> None:
        """Add a LoRA adapter of all linear layers: one with these weights, or a new one.

        Raises
        ------
        BadArgument
            The weights are of another network.
        """
        if name in self._adapters:
            return
        from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict

        config = LoraConfig(
            r=LORA_RANK,
            lora_alpha=LORA_ALPHA,
            target_modules=self._linear_layers(),
            task_type="CAUSAL_LM",
        )
        with quiet_transformers():
            inject_adapter_in_model(config, self.network, name)
            self._adapters.add(name)
            self._active = "?"
            if weights is None:
                return
            set_peft_model_state_dict(self.network, dict(weights), name)
        if {*weights} != {*self.adapter_weights(name)}:
            raise BadArgument("the adapter is of another network; train it again")
        self.network.requires_grad_(False).eval()

    def remove_adapter(self, name: str) -> None:
        """Remove an adapter, if there is one of that name."""
        from peft.tuners.tuners_utils import BaseTunerLayer

        if name in self._adapters:
            self._adapters.remove(name)
            self._active = "?"
            layers = [each for each in self.network.modules() if isinstance(each, BaseTunerLayer)]
            with quiet_transformers():
                for layer in layers:
                    layer.delete_adapter(name)

    def adapter_weights(self, name: str) -> dict[str, Tensor]:
        """Return the weights of an adapter, by name."""
        from peft import get_peft_model_state_dict

        return {
            key: value.detach().cpu().float()
            for key, value in get_peft_model_state_dict(self.network, adapter_name=name).items()
        }

    def activate(self, name: str) -> None:
        """Let an adapter take part in predictions, or with "" none."""
        if name == self._active:
            return
        from peft.tuners.tuners_utils import BaseTunerLayer

        for module in self.network.modules():
            if isinstance(module, BaseTunerLayer):
                module.enable_adapters(bool(name))
                if name:
                    module.set_adapter(name)
        self._active = name

    def logits(self, tokens: Tensor, mask: Tensor, cache: Any = None) -> Tensor:
        """Return the logits of the next token at each of some tokens, shape (B, T, V).

        Parameters
        ----------
        tokens : Tensor, shape (B, T)
        mask : Tensor, shape (B, S + T)
            Of the S tokens in the cache, and these: 1, or 0 for padding.
        cache : transformers.Cache, optional
            Keys and values of the tokens before; those of these tokens are appended.
        """
        options: dict[str, Any] = {"use_cache": cache is not None}
        if cache is not None:
            options[self._cache_argument] = cache
        if self._takes_positions:
            positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
            options["position_ids"] = positions[:, -tokens.shape[1] :]
        logits = self.network(input_ids=tokens, attention_mask=mask, **options).logits
        # Some vocabularies are padded to a rounder size.
        return logits[..., : len(self.trie.tokens)].float()  # type: ignore[no-any-return]

    def _linear_layers(self) -> list[str]:
        """Return the names of the linear layers but the output, by their last components."""
        from transformers.pytorch_utils import Conv1D

        output = self.network.get_output_embeddings()
        names = {
            name.rpartition(".")[2] if not name.rpartition(".")[2].isdigit() else name
            for name, module in self.network.named_modules()
            if isinstance(module, torch.nn.Linear | Conv1D)
            and module is not output
            and "lora_" not in name
        }
        # A layer that is wrapped by an adapter holds the original as `base_layer`.
        return sorted(names - {"base_layer"} | self._wrapped_layers())

    def _wrapped_layers(self) -> set[str]:
        return {
            name.removesuffix(".base_layer").rpartition(".")[2]
            for name, _ in self.network.named_modules()
            if name.endswith(".base_layer")
        }

    @torch.inference_mode()
    def _check_cache(self) -> bool:
        """Return whether contexts that share keys and values are predicted as others are."""
        ids = self.trie.order[: 8 if len(self.trie.order) > 8 else 2].tolist()
        contexts = [(ids[0], ids[1], each) for each in ids]
        longer = [(*contexts[0], ids[1]), contexts[1]]
        lm = TransformerLM(self, "")
        try:
            lm.next_log_probs([contexts[0][:2]])
            lm.next_log_probs(contexts)
            cached = lm.next_log_probs(longer)
        except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
            return False
        difference = (cached - lm.log_probs_without_cache(longer)).abs().max()
        return bool(difference < _CACHE_TOLERANCE)


class TransformerLM:
    """A network with one of its adapters; a `segue.generate.lyrics.subword.TokenLM`.

    Parameters
    ----------
    transformer : Transformer
    adapter : str
        "" for none.
    """

    def __init__(self, transformer: Transformer, adapter: str = "") -> None:
        self._transformer = transformer
        self._adapter = adapter
        self._root: Context = ()
        self._root_log_probs = torch.zeros(0)
        self._root_states = torch.zeros(0)
        self._states: dict[Context, Tensor] = {}

    @property
    def trie(self) -> TokenTrie:
        """Tokens of the model."""
        return self._transformer.trie

    @property
    def start(self) -> Context:
        """Tokens before every text."""
        tokenizer = self._transformer.tokenizer
        for token in (tokenizer.bos_token_id, tokenizer.eos_token_id):
            if token is not None:
                return (int(token),)
        return tuple(self.encode("\n"))

    @property
    def ends(self) -> tuple[int, ...]:
        """Tokens that end a text."""
        end = self._transformer.tokenizer.eos_token_id
        return () if end is None else (int(end),)

    @property
    def max_tokens(self) -> int:
        """Length of the longest context."""
        return self._transformer.max_tokens

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, without special ones."""
        return encode(self._transformer.tokenizer, text)

    @torch.inference_mode()
    def next_log_probs(self, contexts: Sequence[Context]) -> Tensor:
        """Return the log-probabilities of the next token after each context, shape (B, V)."""
        self._transformer.activate(self._adapter)
        if not self._transformer.can_cache:
            return self.log_probs_without_cache(contexts)
        rows = {each: self._read(each) for each in contexts if not self._follows(each)}
        rest = [each for each in contexts if each not in rows]
        if all(map(self._follows, rest)):
            if rest:
                rows |= zip(rest, self._step(rest), strict=True)
        else:
            rows |= {each: self._read(each) for each in rest}
        return torch.stack([rows[each] for each in contexts])

    @torch.inference_mode()
    def log_probs_without_cache(self, contexts: Sequence[Context]) -> Tensor:
        """Return the same as `next_log_probs`, of networks whose states cannot be shared."""
        longest = max(map(len, contexts))
        tokens = torch.zeros(len(contexts), longest, dtype=torch.int64)
        mask = torch.zeros_like(tokens)
        for row, context in enumerate(contexts):
            tokens[row, : len(context)] = torch.tensor(context)
            mask[row, : len(context)] = 1
        logits = self._transformer.logits(tokens, mask)
        last = torch.tensor([len(context) - 1 for context in contexts])
        chosen: Tensor = logits[torch.arange(len(contexts)), last]
        return chosen.log_softmax(dim=-1)

    @torch.inference_mode()
    def token_nll(self, tokens: Sequence[int]) -> float:
        """Return the negative log-likelihood of tokens after the start, in nats."""
        self._transformer.activate(self._adapter)
        every = torch.tensor([*self.start, *tokens])
        size, done, total = self.max_tokens, len(self.start), 0.0
        while done < len(every):
            first = max(done - size // _OVERLAP_SHARE, 0)
            window = every[first : first + size][None]
            logits = self._transformer.logits(window, torch.ones_like(window))
            logits = logits[0, done - first - 1 : -1]
            targets = window[0, done - first :, None]
            total -= float(logits.log_softmax(dim=-1).gather(1, targets).sum())
            done = first + window.shape[1]
        return total

    def _follows(self, context: Context) -> bool:
        """Return whether the states of all tokens but the last are known."""
        size = len(self._root)
        return (
            0 < size < len(context)
            and context[:size] == self._root
            and (len(context) == size + 1 or context[:-1] in self._states)
        )

    def _read(self, context: Context) -> Tensor:
        """Return the log-probabilities after a context whose states are not all known."""
        size = len(self._root)
        if context == self._root:
            return self._root_log_probs
        if not size or context[:size] != self._root or len(context) > size + _MAX_PATH:
            return self._move_root(context)
        log_probs = self._root_log_probs
        for end in range(size + 1, len(context) + 1):
            if context[:end] not in self._states or end == len(context):
                log_probs = self._step([context[:end]])[0]
        return log_probs

    def _move_root(self, context: Context) -> Tensor:
        """Make a context the shared one."""
        common = 0
        limit = min(len(self._root), len(context) - 1)
        while common < limit and self._root[common] == context[common]:
            common += 1
        past = self._root_states[:, :, :, :, :common] if common else None
        mask = torch.ones(1, len(context), dtype=torch.int64)
        cache = _make_cache(past)
        logits = self._transformer.logits(torch.tensor([context[common:]]), mask, cache)
        self._root = context
        self._root_states = _states_of(cache)
        self._states = {}
        self._root_log_probs = logits[0, -1].log_softmax(dim=-1)
        return self._root_log_probs

    def _step(self, contexts: Sequence[Context]) -> Tensor:
        """Return the log-probabilities after contexts that `_follows` holds for."""
        size = len(self._root)
        longest = max(map(len, contexts)) - size - 1
        root = self._root_states
        past = root.new_zeros(*root.shape[:2], len(contexts), root.shape[3], size + longest,
                              root.shape[5])  # fmt: skip
        past[..., :size, :] = root
        mask = torch.zeros(len(contexts), size + longest + 1, dtype=torch.int64)
        mask[:, :size] = 1
        mask[:, -1] = 1
        for row, context in enumerate(contexts):
            path = [self._states[context[:end]] for end in range(size + 1, len(context))]
            if path:
                past[:, :, row, :, -len(path) :] = torch.cat(path, dim=3)
                mask[row, -len(path) - 1 :] = 1
        tokens = torch.tensor([[context[-1]] for context in contexts])
        cache = _make_cache(past)
        log_probs = self._transformer.logits(tokens, mask, cache)[:, -1].log_softmax(dim=-1)
        last = _states_of(cache, -1)
        for row, context in enumerate(contexts):
            self._states[context] = last[:, :, row].clone()
        return log_probs


def _make_cache(past: Tensor | None) -> Any:
    """Return a cache of keys and values, shape (layers, 2, B, heads, tokens, size)."""
    from transformers import DynamicCache

    cache = DynamicCache()
    if past is not None:
        for layer, (keys, values) in enumerate(past):
            cache.update(keys, values, layer)
    return cache


def _states_of(cache: Any, first: int = 0) -> Tensor:
    """Return the keys and values of a cache from a token on."""
    return torch.stack(
        [
            torch.stack((layer.keys[..., first:, :], layer.values[..., first:, :]))
            for layer in cache.layers
        ]
    )


@lru_cache(maxsize=1)
def load_transformer(folder: Path, version: str) -> Transformer:
    """Load a network with its tokenizer, without connecting and without code of the model's.

    Parameters
    ----------
    folder : Path
    version : str
        Its `segue.nn.pretrained.fingerprint`; a changed model is loaded again.

    Raises
    ------
    BadArgument
        It cannot be used, or does not fit into memory.
    """
    del version
    require_packages("transformers", "peft")
    with quiet_transformers():
        check_folder(folder)
        check_causal(folder)
        dtype = choose_dtype(folder, available_memory())
        from transformers import AutoModelForCausalLM, AutoTokenizer

        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, **local)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                use_safetensors=True,
                dtype=dtype,
                ignore_mismatched_sizes=True,  # reported below
                output_loading_info=True,
                **local,
            )
        except Exception as error:  # noqa: BLE001  # of many libraries
            raise BadArgument(
                f"the language model in {folder} cannot be loaded ({first_line(error)}); download "
                "it again, or give another"
            ) from None
        if not tokenizer.is_fast:
            raise BadArgument(f"the tokenizer in {folder} has no tokenizer.json; give another")
        network, loading = loaded
        _check_weights(folder, network, loading)
        transformer = Transformer(network.eval().requires_grad_(False), tokenizer)
    _check_sizes(folder, transformer)
    return transformer


def _check_weights(folder: Path, network: Any, loading: Mapping[str, Any]) -> None:
    """Check that the files have all weights of a network: transformers draws the others."""
    mismatched = [str(name) for name, *_ in loading["mismatched_keys"]]
    wrong = [*sorted(map(str, loading["missing_keys"])), *sorted(mismatched)]
    if wrong:
        raise BadArgument(
            f"the weights in {folder} are not those of its config.json, a "
            f"{type(network).__name__} ({wrong[0]} is missing or of another size); download the "
            "model again"
        )


def _check_sizes(folder: Path, transformer: Transformer) -> None:
    """Check that a network has all tokens of its tokenizer, and reads contexts of some lines."""
    known = transformer.network.get_input_embeddings().num_embeddings
    if len(transformer.trie.tokens) > known:
        raise BadArgument(
            f"the tokenizer in {folder} has {len(transformer.trie.tokens)} tokens, its network "
            f"{known}; give a folder with the tokenizer of the model"
        )
    if transformer.max_tokens < MIN_CONTEXT:
        raise BadArgument(
            f"the language model in {folder} reads {transformer.max_tokens} tokens at a time; "
            f"give one that reads at least {MIN_CONTEXT}"
        )


def encode(tokenizer: Any, text: str) -> list[int]:
    """Return the tokens of a text, without special ones."""
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)
    return [int(token) for token in ids["input_ids"]]


def token_bytes(tokenizer: Any) -> list[bytes]:
    """Return the bytes of each token of a tokenizer; b"" for special ones.

    Parameters
    ----------
    tokenizer : transformers.PreTrainedTokenizerFast
        Of byte-level BPE, as GPT-2's, or of SentencePiece, as Llama's.

    Raises
    ------
    BadArgument
        It is of another kind.
    """
    vocabulary = tokenizer.get_vocab()
    special = {*tokenizer.all_special_tokens}
    added = {token.content for token in tokenizer.added_tokens_decoder.values()}
    pieces = json.loads(tokenizer.backend_tokenizer.to_str())
    layout = json.dumps([pieces.get("decoder"), pieces.get("pre_tokenizer")])
    is_byte_level = '"ByteLevel"' in layout
    if not is_byte_level and not any(_SPACE_MARK in token for token in vocabulary):
        raise BadArgument(
            "the model's tokenizer is neither byte-level BPE nor SentencePiece; give another model"
        )
    alphabet = _byte_alphabet()
    result = [b""] * (max(vocabulary.values()) + 1)
    for token, index in vocabulary.items():
        if token in special:
            continue
        if not is_byte_level and _BYTE_TOKEN.fullmatch(token):
            result[index] = bytes([int(token[3:5], 16)])
        elif token in added:
            result[index] = token.encode()
        elif is_byte_level:
            result[index] = bytes(alphabet[letter] for letter in token if letter in alphabet)
        else:
            result[index] = token.replace(_SPACE_MARK, " ").encode()
    return result


def _byte_alphabet() -> dict[str, int]:
    """Return the bytes that the letters of byte-level BPE stand for.

    Printable bytes stand for themselves; the others have the letters from U+0100 on.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    letters = {chr(byte): byte for byte in printable}
    return letters | {chr(0x100 + at): byte for at, byte in enumerate(others)}
