"""Implementations of MusiCNN's front end: seconds, and error of the logits.

    python -m bench.musicnn_variants --data ../shared/data [--retrieval]

With `--retrieval` also retrieval on all clips, compared with the plain network (about ten minutes).
ONNX Runtime is measured if onnx and onnxruntime are installed.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from bench.result_tables import table, write_table
from segue.audio.musicnn import BATCH_NORM_EPSILON, MIN_WEIGHT, Musicnn, load_musicnn
from segue.audio.spectrogram import SAMPLE_RATE_HZ, musicnn_patches, spans_to_analyse
from segue.builtin_spaces import WEIGHTS
from segue.evaluation.retrieval import evaluate_retrieval
from segue.io.audio import read_recording
from segue.records import FloatArray

TIMED_PATCHES = 20
#: Multiplications and additions of the plain convolutions, per patch.
GFLOP = 2e-9 * 187 * (59 * 7 * 38 * 204 + 30 * 7 * 67 * 204 + 96 * (128 + 64 + 32) * 51)
COLUMNS = (
    "implementation",
    "patches per call",
    "seconds, minimum",
    "median",
    "processor seconds, minimum",
    "GFLOP/s of all filters",
    "largest logit error",
)

Convolve = Callable[[Tensor, Tensor], Tensor]  # (B, 1, T, M), (C, 1, t, m) -> (B, C, T', M')
Network = Callable[[Tensor], Tensor]  # log-mel (B, 187, 96) -> logits (B, 50)


def forms() -> dict[str, tuple[Network, int, torch.dtype]]:
    """Name → network, patches a call, precision."""
    path = WEIGHTS / "musicnn.safetensors"
    weights = load_file(path)
    single, half = torch.float32, torch.bfloat16
    variants: dict[str, tuple[Network, int, torch.dtype]] = {}
    for living in (False, True):
        filters = "living filters" if living else "all filters"
        convolutions: list[tuple[str, Convolve, torch.dtype]] = [
            ("convolution, float32", _plain, single),
            ("convolution channels last, float32", _channels_last, single),
            ("unfold and product, float32", _unfolded, single),
            ("convolution, bfloat16", _in_bfloat16(_plain), half),
            ("convolution channels last, bfloat16", _in_bfloat16(_channels_last), half),
            ("unfold and product, bfloat16", _in_bfloat16(_unfolded), half),
        ]
        if find_spec("onnx") and find_spec("onnxruntime"):
            convolutions.append(("ONNX Runtime, float32", _OnnxRuntime(), single))
        if not living:
            convolutions.append(("low rank 32, float32", _low_rank(32), single))
        for name, convolve, dtype in convolutions:
            variants[f"{filters}, {name}"] = (_network(weights, convolve, living), 4, dtype)
    for at_once in (1, 2, 4, 10, 20):
        variants[f"**segue**, {at_once} a call"] = (_logits_of(load_musicnn(path)), at_once, single)
    return variants


def _logits_of(network: Musicnn) -> Network:
    return lambda log_mel: network(log_mel).logits


def _network(weights: dict[str, Tensor], convolve: Convolve, living: bool) -> Network:
    """Build the network as published, on any convolution of one channel."""

    def norm(x: Tensor, i: int, keep: Tensor | slice = slice(None)) -> Tensor:
        name = f"batch_normalization_{i}" if i else "batch_normalization"
        mean, variance, gamma, beta = (
            weights[f"{name}.{part}"][keep]
            for part in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return F.batch_norm(x, mean, variance, gamma, beta, eps=BATCH_NORM_EPSILON)

    def filters(x: Tensor, i: int) -> Tensor:
        name = f"conv2d_{i}" if i else "conv2d"
        kernel, bias = weights[f"{name}.kernel"].permute(3, 2, 0, 1), weights[f"{name}.bias"]
        keep = kernel.abs().amax((1, 2, 3)) >= (MIN_WEIGHT if living else 0)
        taps = kernel.shape[2]
        padded = F.pad(x, (0, 0, (taps - 1) // 2, taps // 2))
        y = convolve(padded, kernel[keep].contiguous()).float() + bias[keep, None, None]
        features = norm(bias.relu()[None], i + 1)[..., None].repeat(len(x), 1, y.shape[2])
        features[:, keep] = norm(y.relu(), i + 1, keep).amax(3)
        return features

    def middle(x: Tensor, i: int) -> Tensor:
        kernel = weights[f"conv2d_{i}.kernel"][:, :, 0, :].permute(2, 1, 0)
        y = F.conv1d(x, kernel, weights[f"conv2d_{i}.bias"], padding=3)
        return norm(y.relu(), i + 1)

    def run(log_mel: Tensor) -> Tensor:
        x = norm(log_mel[:, None], 0)
        front = torch.cat([filters(x, i) for i in range(5)], dim=1)
        first = middle(front, 5)
        second = middle(first, 6) + first
        third = middle(second, 7) + second
        frames = torch.cat([front, first, second, third], dim=1)
        pooled = torch.stack([frames.amax(2), frames.mean(2)], dim=2).flatten(1)
        hidden = norm(pooled, 9) @ weights["dense.kernel"] + weights["dense.bias"]
        return norm(hidden.relu(), 10) @ weights["dense_1.kernel"] + weights["dense_1.bias"]

    return run


def _plain(x: Tensor, kernel: Tensor) -> Tensor:
    return F.conv2d(x, kernel)


def _channels_last(x: Tensor, kernel: Tensor) -> Tensor:
    last = torch.channels_last
    return F.conv2d(x.to(memory_format=last), kernel.to(memory_format=last))


def _unfolded(x: Tensor, kernel: Tensor) -> Tensor:
    _, _, duration, height = kernel.shape
    windows = x[:, 0].unfold(1, duration, 1).unfold(2, height, 1)  # B, T', M', t, m
    product = windows.reshape(-1, duration * height) @ kernel.flatten(1).T
    return product.view(*windows.shape[:3], -1).permute(0, 3, 1, 2)


def _in_bfloat16(convolve: Convolve) -> Convolve:
    return lambda x, kernel: convolve(x.bfloat16(), kernel.bfloat16())


def _low_rank(rank: int) -> Convolve:
    """Truncate the singular values of each layer's kernels: fewer filters, then a mixture."""
    factors: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}

    def convolve(x: Tensor, kernel: Tensor) -> Tensor:
        shape = tuple(kernel.shape)
        if shape not in factors:
            u, s, v = torch.linalg.svd(kernel.flatten(1), full_matrices=False)
            factors[shape] = (v[:rank].view(-1, *shape[1:]), (u[:, :rank] * s[:rank]).T)
        shared, mixture = factors[shape]
        product: Tensor = _unfolded(x, shared).permute(0, 2, 3, 1) @ mixture
        return product.permute(0, 3, 1, 2)

    return convolve


class _OnnxRuntime:
    """A session for each kernel, on one thread."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[int, ...], Callable[[Tensor], Tensor]] = {}

    def __call__(self, x: Tensor, kernel: Tensor) -> Tensor:
        shape = tuple(kernel.shape)
        if shape not in self._sessions:
            self._sessions[shape] = _onnx_session(kernel)
        return self._sessions[shape](x)


def _onnx_session(kernel: Tensor) -> Callable[[Tensor], Tensor]:
    onnxruntime, onnx = import_module("onnxruntime"), import_module("onnx")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "kernel"], ["y"])],
        "convolution",
        [helper.make_tensor_value_info("x", floats, ["b", 1, "t", "m"])],
        [helper.make_tensor_value_info("y", floats, None)],
        [onnx.numpy_helper.from_array(kernel.numpy(), "kernel")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda x: torch.from_numpy(session.run(None, {"x": x.contiguous().numpy()})[0])


def measured(patches: Tensor, repeats: int, *, slow_bfloat16: bool) -> list[list[object]]:
    """Time every form over 20 patches; one patch where bfloat16 is emulated."""
    weights = load_file(WEIGHTS / "musicnn.safetensors")
    with torch.inference_mode():
        exact = _network(weights, _plain, living=False)(patches)
    rows: list[list[object]] = []
    for name, (network, at_once, dtype) in forms().items():
        slow = slow_bfloat16 and dtype == torch.bfloat16
        batch = patches[:1] if slow else patches
        seconds, processor = [], []
        logits = torch.empty(0)
        for _ in range(1 if slow else repeats + 1):  # the first prepares
            start, start_processor = time.perf_counter(), time.process_time()
            with torch.inference_mode():
                logits = torch.cat([network(part) for part in torch.split(batch, at_once)])
            scale = len(patches) / len(batch)
            seconds.append((time.perf_counter() - start) * scale)
            processor.append((time.process_time() - start_processor) * scale)
        wall_times, busy = seconds[1:] or seconds, processor[1:] or processor
        error = float((logits - exact[: len(batch)]).abs().max())
        rate = GFLOP * len(patches) / min(busy)
        median = statistics.median(wall_times)
        rows.append(
            [name, at_once, min(wall_times), median, min(busy), f"{rate:.0f}", f"{error:.5f}"]
        )
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def patches_of(data: Path, every: int) -> tuple[FloatArray, list[int], list[str]]:
    """Patches of every n-th clip, how many each has, and its package."""
    with (data / "audio" / "tracks.csv").open(encoding="utf-8", newline="") as file:
        tracks = list(csv.DictReader(file))[::every]
    patches = [
        musicnn_patches(
            read_recording(data / "audio" / track["path"], SAMPLE_RATE_HZ, spans_to_analyse)
        )
        for track in tracks
    ]
    packages = [track["source_package"] for track in tracks]
    return np.concatenate(patches), [len(part) for part in patches], packages


def compared(patches: FloatArray, counts: list[int], packages: list[str]) -> str:
    """Compare with the plain network: logits of every patch, and retrieval by package."""
    path = WEIGHTS / "musicnn.safetensors"
    network = load_musicnn(path)
    with torch.inference_mode():
        plain = _network(load_file(path), _plain, living=False)
        expected = torch.cat([plain(part) for part in torch.split(torch.from_numpy(patches), 4)])
    parts = [network(part) for part in torch.split(torch.from_numpy(patches), 4)]
    rows: list[list[object]] = []
    logits = torch.cat([part.logits for part in parts])
    spaces = {
        "plain network, logits": expected,
        "segue, logits": logits,
        "segue, pooled": torch.cat([part.pooled for part in parts]),
    }
    for name, values in spaces.items():
        means = np.stack(
            [part.mean(0) for part in np.split(values.numpy(), np.cumsum(counts)[:-1])]
        )
        metrics = evaluate_retrieval((means - means.mean(0)) / (means.std(0) + 1e-8), packages)
        figures = (metrics.precision_at_1, metrics.precision_at_5, metrics.mean_average_precision)
        rows.append([name, *figures])
    error = float((logits - expected).abs().max())
    return (
        f"{len(counts)} clips, {len(patches)} patches; largest logit error {error:.6f}; mean of "
        "each clip, z-scored, by package:\n\n" + table(("space", "P@1", "P@5", "mAP"), rows)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--retrieval", action="store_true", help="of all clips")
    parser.add_argument("--rows-only", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    patches, _, _ = patches_of(arguments.data, 60)
    spread = np.linspace(0, len(patches) - 1, TIMED_PATCHES).astype(int)
    timed = torch.from_numpy(patches[spread])
    if arguments.rows_only:
        print(json.dumps(measured(timed, arguments.repeats, slow_bfloat16=True)))
        return
    threads = f"{arguments.threads} thread(s), {TIMED_PATCHES} patches"
    sections = [
        f"{threads}:\n",
        table(COLUMNS, measured(timed, arguments.repeats, slow_bfloat16=False)),
    ]
    with_avx2 = subprocess.run(
        [sys.executable, "-m", "bench.musicnn_variants", *sys.argv[1:], "--rows-only"],
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"},
        stdout=subprocess.PIPE,
        check=True,
    )
    sections += [
        f"{threads}, ONEDNN_MAX_CPU_ISA=AVX2 (bfloat16: one patch, times {TIMED_PATCHES}):\n",
        table(COLUMNS, json.loads(with_avx2.stdout)),
    ]
    if arguments.retrieval:
        sections.append(compared(*patches_of(arguments.data, 1)))
    write_table(
        "musicnn_variants", "Speed and accuracy of implementations of MusiCNN's front end", sections
    )


if __name__ == "__main__":
    main()
