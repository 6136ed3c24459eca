"""Little language models of the transformers format, made on the spot."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from verses import song

TEXTS = [song(artist, seed) for artist in ("Ada Long", "Bob Short") for seed in range(6)]


def byte_level_tokenizer(size: int = 360, texts: Sequence[str] = TEXTS) -> PreTrainedTokenizerFast:
    """Train a tokenizer as GPT-2 has: BPE over bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>"
    )


def sentencepiece_tokenizer(size: int = 420) -> PreTrainedTokenizerFast:
    """Train a tokenizer as Llama has: spaces are a part of words, and unknown letters bytes."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def gpt2(folder: Path, seed: int = 0, *, steps: int = 60) -> Path:
    """Write a GPT-2 that was trained for some steps; its vocabulary is padded."""
    tokenizer = byte_level_tokenizer()
    torch.manual_seed(seed)
    network = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer) + 3, n_positions=128, n_embd=32, n_layer=2, n_head=2,
            bos_token_id=0, eos_token_id=0, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        )
    )  # fmt: skip
    _train(network, tokenizer, steps)
    return _save(folder, network, tokenizer)


def llama(folder: Path, seed: int = 0) -> Path:
    """Write a Llama that was not trained."""
    tokenizer = sentencepiece_tokenizer()
    torch.manual_seed(seed)
    network = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
            bos_token_id=1, eos_token_id=2,
        )
    )  # fmt: skip
    return _save(folder, network, tokenizer)


def bert(folder: Path) -> Path:
    """Write an encoder that was not trained."""
    tokenizer = sentencepiece_tokenizer()
    torch.manual_seed(0)
    network = BertModel(
        BertConfig(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=1,
            num_attention_heads=2, max_position_embeddings=128,
        )
    )  # fmt: skip
    return _save(folder, network, tokenizer)


def _train(network: Any, tokenizer: PreTrainedTokenizerFast, steps: int) -> None:
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    ids = [tokenizer(f"<|endoftext|>{text}")["input_ids"][:96] for text in TEXTS[:8]]
    tokens = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(each) for each in ids], batch_first=True, padding_value=0
    )
    for _ in range(steps):
        optimiser.zero_grad()
        network(input_ids=tokens, labels=tokens).loss.backward()
        optimiser.step()


def _save(folder: Path, network: Any, tokenizer: PreTrainedTokenizerFast) -> Path:
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
