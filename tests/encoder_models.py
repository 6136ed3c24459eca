"""Tiny encoders of recordings in the format of transformers, made on the spot."""

from pathlib import Path

import torch

WORDS = ("[UNK]", "<s>", "</s>", "<pad>", "calm", "piano", "loud", "drums", "rain")


def make_clap(folder: Path) -> Path:
    """Save a CLAP of a few thousand weights, with extractor and tokenizer."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import (
        ClapConfig,
        ClapFeatureExtractor,
        ClapModel,
        PreTrainedTokenizerFast,
    )

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "projection_dim": 8}
    config = ClapConfig(
        text_config={**sizes, "vocab_size": len(WORDS), "intermediate_size": 16,
                     "num_hidden_layers": 1, "max_position_embeddings": 32, "pad_token_id": 3},
        audio_config={**sizes, "spec_size": 64, "num_mel_bins": 16, "patch_size": 4,
                      "patch_stride": [4, 4], "window_size": 4, "depths": [1, 1],
                      "num_attention_heads": [2, 2], "patch_embeds_hidden_size": 8,
                      "hidden_size": 16, "num_hidden_layers": 2, "enable_fusion": False},
        projection_dim=8,
    )  # fmt: skip
    ClapModel(config).save_pretrained(folder)
    ClapFeatureExtractor(
        feature_size=16, sampling_rate=16_000, hop_length=2_500, truncation="rand_trunc"
    ).save_pretrained(folder)
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, "[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="<pad>",
    ).save_pretrained(folder)
    return folder


def make_wav2vec(folder: Path) -> Path:
    """Save a wav2vec 2.0 of a few thousand weights, with its extractor."""
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    torch.manual_seed(1)
    config = Wav2Vec2Config(
        hidden_size=12, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        conv_dim=(8, 8), conv_stride=(10, 8), conv_kernel=(10, 8),
        num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    Wav2Vec2Model(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=16_000).save_pretrained(folder)
    return folder
