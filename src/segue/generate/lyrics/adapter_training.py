"""Fine-tuning of language models of other makers by low-rank adaptation (LoRA).

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022. Songs are split as for
Segue's own models; early stopping goes by the validation set. Figures are in bits per character,
so that models with different tokenizers compare.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from segue.errors import BadArgument
from segue.generate.lyrics.adapter import AdaptedModel
from segue.generate.lyrics.language_model import MODEL_FILE
from segue.generate.lyrics.subword import SubwordLM, TokenLM
from segue.generate.lyrics.training import Split, TokenizedSong
from segue.generate.lyrics.transformers_lm import (
    LORA_ALPHA,
    LORA_RANK,
    Transformer,
    TransformerLM,
    encode,
    load_transformer,
)
from segue.nn.lm_training import IGNORED
from segue.nn.pretrained import fingerprint, locate, parse_base
from segue.nn.trainer import (
    Batch,
    Epoch,
    FitResult,
    Objective,
    ProgressCallback,
    TrainerConfig,
    TrainingOptions,
    data_fingerprint,
    fit,
)

#: Tokens of a window, and windows of a step.
CONTEXT: Final = 128
BATCH_SIZE: Final = 4
STEPS_PER_EPOCH: Final = 25
MAX_EPOCHS: Final = 40
PATIENCE: Final = 3
LEARNING_RATE: Final = 5e-4
_MAX_VALIDATION_WINDOWS: Final = 64
#: Characters of the songs of a set that are evaluated.
MAX_EVALUATED_CHARACTERS: Final = 20_000
_NEW_ADAPTER: Final = "new-adapter"
NOT_TRAINED: Final = "models of llama.cpp are not trained: it writes after a prompt of the songs"


@dataclass(frozen=True, slots=True)
class AdapterTraining(TrainingOptions):
    """Training options; an epoch has 25 steps, and early stopping applies in any case.

    Attributes
    ----------
    artist : str
        Artist on whose songs to train.
    base : str
        See `segue.nn.pretrained.parse_base`.
    """

    artist: str
    base: str

    def __post_init__(self) -> None:
        """Validate the options.

        Raises
        ------
        BadArgument
        """
        TrainingOptions.__post_init__(self)
        if not self.artist:
            raise BadArgument(
                f"--from {self.base} adapts a language model to one artist: name the artist with "
                "--artist"
            )


class _Adapted(nn.Module):
    """A network whose state is that of its adapter alone."""

    def __init__(self, transformer: Transformer) -> None:
        super().__init__()
        self.network = transformer.network
        self._size = len(transformer.trie.tokens)

    def loss(self, tokens: Tensor) -> Tensor:
        """Return the mean negative log-likelihood of the tokens of windows, in nats."""
        mask = (tokens != IGNORED).long()
        logits = self.network(
            input_ids=tokens.clamp(min=0), attention_mask=mask, use_cache=False
        ).logits[..., : self._size]
        return nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1).float(), tokens[:, 1:].flatten(), ignore_index=IGNORED
        )

    def state_dict(self, *_args: Any, **_options: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return the weights of the adapter."""
        return {name: weight.data for name, weight in self._trained()}

    def load_state_dict(self, state_dict: Mapping[str, Any], *_args: Any, **_options: Any) -> Any:
        """Set the weights of the adapter."""
        with torch.no_grad():
            for name, weight in self._trained():
                weight.copy_(state_dict[name])

    def _trained(self) -> Iterator[tuple[str, Tensor]]:
        for name, weight in self.network.named_parameters():
            if weight.requires_grad:
                yield name, weight


def train_adapter(
    training: AdapterTraining,
    split: Split,
    folder: Path,
    *,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> tuple[AdaptedModel, FitResult]:
    """Train an adapter of a language model, or prepare one that is not trained.

    Parameters
    ----------
    training : AdapterTraining
    split : Split
        From `segue.generate.lyrics.training.split_by_artist`.
    folder : Path
        Folder of the training state and, at the end, of the model.
    resume : bool
        Whether to resume an interrupted run.
    watch : callable, optional
        Called with a `Progress` after each step.

    Raises
    ------
    NotFound
        The base model is not on this computer.
    BadArgument
        It cannot be used.
    TrainingFailed
        The loss is not finite.
    BadCheckpoint
        The state to resume is missing, damaged, or of another run.
    """
    base = parse_base(training.base)
    if base is None:
        raise BadArgument(f"{training.base!r} is not the name of a language model")
    path = locate(base)
    found = fingerprint(path)
    songs = tuple(dict.fromkeys(song.lyrics for song in split.train))
    model = AdaptedModel(base, found, training.artist, songs, {})
    figures: dict[str, Any] = {}
    if base.kind == "gguf":
        trained = _untrained(model.ensemble(1), split)
        adapter: dict[str, Tensor] = {}
    else:
        transformer = load_transformer(path, found)
        figures["bits_before"] = bits_per_character(TransformerLM(transformer), split.validation)
        transformer.remove_adapter(_NEW_ADAPTER)
        torch.manual_seed(training.seed)
        transformer.add_adapter(_NEW_ADAPTER)
        trained = _fit(training, transformer, split, folder, found, resume, watch)
        adapter = transformer.adapter_weights(_NEW_ADAPTER)
        lm = TransformerLM(transformer, _NEW_ADAPTER)
        figures["bits_held_out"] = bits_per_character(lm, split.validation)
        figures["bits_of_test"] = bits_per_character(lm, split.test)
    metadata = {
        "training": asdict(training),
        "artist": training.artist,
        "songs": len(split.train),
        "characters": sum(len(song.lyrics.text) for song in split.train),
        "rank": LORA_RANK,
        "alpha": LORA_ALPHA,
        "seconds": trained.history[-1].seconds,
        **({"bits_held_out": trained.best.loss / math.log(2)} if base.kind == "gguf" else figures),
        **trained.summary(),
    }
    model = replace(model, metadata=metadata, adapter=adapter)
    return replace(model, fingerprint=model.save(folder / MODEL_FILE)), trained


def _fit(
    training: AdapterTraining,
    transformer: Transformer,
    split: Split,
    folder: Path,
    base_fingerprint: str,
    resume: bool,
    watch: ProgressCallback | None,
) -> FitResult:
    transformer.activate(_NEW_ADAPTER)
    for name, parameter in transformer.network.named_parameters():
        parameter.requires_grad_(f".{_NEW_ADAPTER}." in name)
    lm = TransformerLM(transformer, _NEW_ADAPTER)
    context = min(CONTEXT, lm.max_tokens - 1)  # and the target after it
    train = [_token_sequence(transformer, lm, song) for song in split.train]
    validation = _validation_windows(
        [_token_sequence(transformer, lm, song) for song in split.validation], context
    )
    config = TrainerConfig(
        training.epochs or MAX_EPOCHS,
        STEPS_PER_EPOCH,
        learning_rate=training.learning_rate or LEARNING_RATE,
        optimiser="adamw",
        weight_decay=0.0,
        schedule="cosine",
        clip=1.0,
        patience=PATIENCE,
        **training.run_settings(),
    )

    def draw(rng: np.random.Generator) -> Batch:
        lengths = np.array([len(tokens) for tokens in train], np.float64)
        windows = []
        for index in rng.choice(len(train), BATCH_SIZE, p=lengths / lengths.sum()).tolist():
            tokens = train[index]
            start = int(rng.integers(max(len(tokens) - context, 1)))
            windows.append(tokens[start : start + context + 1])
        return (_pad(windows),)

    network = _Adapted(transformer)
    run = {
        "songs": data_fingerprint(
            f"{song.lyrics.text}\n" for song in (*split.train, *split.validation)
        ),
        "start": base_fingerprint,
        "training": asdict(training) | {"epochs": None, "minutes": None},
    }
    objective = Objective(
        network, draw, lambda: validation, lambda wrapped, *batch: wrapped.loss(*batch),
        autocast=True,
    )  # fmt: skip
    result = fit(objective, config, folder, run, resume=resume, watch=watch)
    transformer.network.to("cpu").eval().requires_grad_(False)
    return result


def _token_sequence(transformer: Transformer, lm: TokenLM, song: TokenizedSong) -> list[int]:
    return [*lm.start, *encode(transformer.tokenizer, song.lyrics.text), *lm.ends[:1]]


def _validation_windows(songs: Sequence[list[int]], context: int) -> list[Batch]:
    windows = [
        tokens[start : start + context + 1]
        for tokens in songs
        for start in range(0, max(len(tokens) - 1, 1), context)
    ]
    windows = windows[:: -(-len(windows) // _MAX_VALIDATION_WINDOWS)]
    return [(_pad(windows[at : at + BATCH_SIZE]),) for at in range(0, len(windows), BATCH_SIZE)]


def _pad(windows: Sequence[list[int]]) -> Tensor:
    return nn.utils.rnn.pad_sequence(
        [torch.tensor(window) for window in windows], batch_first=True, padding_value=IGNORED
    )


def _untrained(lm: SubwordLM, split: Split) -> FitResult:
    """Return the result of no training: the validation loss, in nats per character."""
    bits = bits_per_character(lm.lm, split.validation[:1]) or 0.0
    epoch = Epoch(1, bits * math.log(2), bits * math.log(2), 0.0)
    return FitResult((epoch,), epoch, NOT_TRAINED, "32-true")


def bits_per_character(lm: TokenLM, songs: Sequence[TokenizedSong]) -> float | None:
    """Return the bits per character of songs, their ends included; None for no songs.

    Parameters
    ----------
    lm : TokenLM
    songs : sequence of TokenizedSong
        Evaluated up to `MAX_EVALUATED_CHARACTERS` in all.
    """
    nats, characters = 0.0, 0
    for song in songs:
        text = song.lyrics.text[: MAX_EVALUATED_CHARACTERS - characters]
        if text:
            nats += lm.token_nll([*lm.encode(text), *lm.ends[:1]])
            characters += len(text) + 1
    return nats / math.log(2) / characters if characters else None
