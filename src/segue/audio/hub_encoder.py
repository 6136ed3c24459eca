"""Encoders of recordings in the format of `transformers`: CLAP, wav2vec 2.0, HuBERT and the like.

A recording is cut into windows of 10 s, and its vector is the mean of theirs. That of CLAP (Wu et
al., "Large-scale contrastive language-audio pretraining", ICASSP 2023) is the projection into the
space that text is embedded in, too; that of other encoders the mean of their hidden states over
layers and time. Models are read from safetensors files, and code that comes with one is never run.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from segue.errors import BadArgument
from segue.nn.pretrained import (
    available_memory,
    check_folder,
    choose_dtype,
    first_line,
    quiet_transformers,
    read_config,
    require_packages,
)
from segue.records import FloatArray

WINDOW_S: Final = 10.0
#: Windows that are embedded at once.
BATCH_SIZE: Final = 8
#: The least that an encoder is given: shorter sounds are repeated.
_MIN_WINDOW_S: Final = 1.0
_RATE_RANGE_HZ: Final = (4_000, 192_000)
#: Parameters that checkpoints may lack, since only training uses them.
_UNUSED: Final = ("masked_spec_embed", "pooler", "position_ids", "logit_scale")
_CLAP: Final = "clap"


class HubEncoder:
    """An encoder of recordings, and of text if it is of the type CLAP.

    Parameters
    ----------
    folder : Path
        Of the `transformers` format.

    Attributes
    ----------
    rate_hz : int
        Sample rate of the recordings that it takes.
    dimension : int
        Of its vectors.
    embeds_text : bool

    Raises
    ------
    BadArgument
        The folder is incomplete, or the model is no encoder of sound, or too large.
    """

    def __init__(self, folder: Path) -> None:
        require_packages("transformers")
        check_folder(folder, tokenizer=False)
        config = read_config(folder)
        choose_dtype(folder, available_memory())  # raises if there is no room for it
        self.embeds_text = config.get("model_type") == _CLAP
        self._folder = folder
        with quiet_transformers():
            self._extractor = _load_extractor(folder)
            self._model = _load_model(folder, clap=self.embeds_text)
        self.rate_hz = int(self._extractor.sampling_rate)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model.to(self._device)
        probe = np.random.default_rng(0).normal(0, 0.1, self.rate_hz).astype(np.float32)
        self.dimension = len(self.embed([probe]))
        self._tokenizer: Any = None

    def embed(self, excerpts: Sequence[FloatArray]) -> FloatArray:
        """Embed a recording.

        Parameters
        ----------
        excerpts : sequence of ndarray, each of shape (n,), float32
            Mono at `rate_hz`; at least one, none empty.

        Returns
        -------
        ndarray, shape (dimension,), float32
        """
        by_length: dict[int, list[FloatArray]] = {}
        for excerpt in excerpts:
            for window in _windows(excerpt, self.rate_hz):
                by_length.setdefault(len(window), []).append(window)
        total, weight = 0.0, 0.0
        for length, windows in by_length.items():  # without padding, which encoders would hear
            for first in range(0, len(windows), BATCH_SIZE):
                vectors = self._embed_windows(windows[first : first + BATCH_SIZE])
                total = total + length * vectors.sum(axis=0, dtype=np.float64)
                weight += length * len(vectors)
        vector = np.asarray(total / weight, np.float32)
        if not np.isfinite(vector).all():
            raise BadArgument("the model gave numbers that are not finite")
        return vector

    def embed_text(self, text: str) -> FloatArray:
        """Embed a text, shape (dimension,), float32; only if `embeds_text`."""
        with quiet_transformers(), torch.inference_mode():
            if self._tokenizer is None:
                self._tokenizer = _load_tokenizer(self._folder)
            tokens = self._tokenizer(text, return_tensors="pt", truncation=True).to(self._device)
            output = self._model.get_text_features(**tokens)
        return np.asarray(_pooled(output)[0].float().cpu().numpy())

    @torch.inference_mode()
    def _embed_windows(self, windows: Sequence[FloatArray]) -> FloatArray:
        with quiet_transformers():
            inputs = self._extractor(list(windows), sampling_rate=self.rate_hz, return_tensors="pt")
            inputs = {name: value.to(self._device) for name, value in inputs.items()}
            if self.embeds_text:
                vectors = _pooled(self._model.get_audio_features(**inputs))
            else:
                states = self._model(**inputs, output_hidden_states=True).hidden_states
                # (layers, batch, time, width); some encoders have two axes instead of time.
                layers = [state.flatten(1, -2).mean(dim=1) for state in states]
                widest = layers[-1].shape[-1]
                same = [layer for layer in layers if layer.shape[-1] == widest]
                vectors = torch.stack(same).mean(dim=0)
        return np.asarray(vectors.float().cpu().numpy())


def _windows(excerpt: FloatArray, rate_hz: int) -> list[FloatArray]:
    """Cut an excerpt into as many windows as cover it; a very short one is repeated."""
    shortest = round(_MIN_WINDOW_S * rate_hz)
    if len(excerpt) < shortest:
        excerpt = np.tile(excerpt, -(-shortest // len(excerpt)))[:shortest]
    size = min(round(WINDOW_S * rate_hz), len(excerpt))
    starts = np.linspace(0, len(excerpt) - size, -(-len(excerpt) // size)).astype(np.int64)
    return [excerpt[start : start + size] for start in starts.tolist()]


def _pooled(output: Any) -> Tensor:
    vectors: Tensor = output if isinstance(output, Tensor) else output.pooler_output
    return torch.nn.functional.normalize(vectors, dim=-1)


def _load_extractor(folder: Path) -> Any:
    from transformers import AutoFeatureExtractor

    try:
        extractor = AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, ImportError, KeyError, TypeError, AttributeError):
        extractor = None
    rate_hz = getattr(extractor, "sampling_rate", None)
    low, high = _RATE_RANGE_HZ
    if not isinstance(rate_hz, int) or not low <= rate_hz <= high:
        found = read_config(folder).get("architectures") or [read_config(folder).get("model_type")]
        raise BadArgument(
            f"{folder} is {found[0]}, without a feature extractor for sound; give an encoder of "
            "recordings, such as CLAP or wav2vec 2.0, with its preprocessor_config.json"
        )
    return extractor


def _load_model(folder: Path, *, clap: bool) -> Any:
    from transformers import AutoModel, ClapModel

    loader: Any = ClapModel if clap else AutoModel
    try:
        model, info = loader.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except Exception as error:  # noqa: BLE001  # of whatever the model's class finds wrong
        raise BadArgument(f"{folder} cannot be loaded ({first_line(error)})") from None
    lacking = [name for name in info["missing_keys"] if not any(each in name for each in _UNUSED)]
    if lacking:
        raise BadArgument(f"{folder} lacks the weights {lacking[0]}; download the model again")
    encoder = model.get_encoder() if model.config.is_encoder_decoder else model
    if not clap and getattr(encoder, "main_input_name", "") not in {
        "input_values",
        "input_features",
    }:
        raise BadArgument(
            f"{folder} is {type(model).__name__}, not an encoder of recordings; give one such as "
            "CLAP or wav2vec 2.0"
        )
    return encoder.eval()


def _load_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # noqa: BLE001  # of whatever the tokenizer's class finds wrong
        raise BadArgument(
            f"{folder} has no tokenizer that can be read ({first_line(error)}), so that it embeds "
            "sound alone; download the model again"
        ) from None
