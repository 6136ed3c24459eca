"""Training speed of the published dual-axis network, compared with Keras and TensorFlow.

    python -m bench.train_speed --work FOLDER

The same network, batch, loss and optimiser in both: forward, backward, Adam. TensorFlow is
installed into an environment of its own under FOLDER. Every row is a process of its own; they take
turns, so that other load of the machine affects all rows equally.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

TENSORFLOW = "tensorflow-cpu==2.21.0"
BATCH, SIZE, LATENT = 32, 128, 256
WARM_UP_STEPS = 2
#: Multiplications and additions of the convolutions and dense layers for one tile, forward
#: and backward; transposed convolutions give nearly all.
DECODER_SIZES = ((8, 256, 256), (16, 256, 128), (32, 128, 64), (64, 64, 32))
AXIS_SIZES = ((64, 128, 32), (32, 32, 64), (16, 64, 128), (8, 128, 256))
FORWARD = (
    sum(2 * 25 * size**2 * a * b for size, a, b in DECODER_SIZES)
    + 2 * 25 * SIZE**2 * 32
    + 2 * LATENT * 16384
    + 2 * sum(2 * 5 * size * a * b for size, a, b in AXIS_SIZES)
    + 2 * 2 * 2048 * 128
)  # fmt: skip
GFLOP_A_TILE = 3e-9 * FORWARD

Step = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Row:
    """A framework with its settings."""

    name: str
    framework: str
    precision: str
    compiled: bool = False


ROWS = (
    Row("Keras float32", "keras", "float32"),
    Row("Keras mixed_bfloat16", "keras", "bfloat16"),
    Row("Keras float32, XLA", "keras", "float32", compiled=True),
    Row("Keras mixed_bfloat16, XLA", "keras", "bfloat16", compiled=True),
    Row("plain PyTorch, float32", "plain", "float32"),
    Row("plain PyTorch, bfloat16", "plain", "bfloat16"),
    Row("**Segue float32**", "segue", "float32"),
    Row("**Segue bfloat16**", "segue", "bfloat16"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(Row(**json.loads(options.worker)), options.steps, options.threads)
    elif options.work is None:
        parser.error("--work FOLDER is needed: TensorFlow goes there")
    else:
        compare(options.work, options.rounds, options.steps, options.threads)


# ---- taking turns ------------------------------------------------------------------------


def compare(folder: Path, rounds: int, steps: int, threads: int) -> None:
    from bench.result_tables import table, write_table

    interpreters = {"keras": tensorflow_python(folder)}
    load_before = os.getloadavg()[0]
    workers = [
        Worker(row, interpreters.get(row.framework, Path(sys.executable)), steps, threads)
        for row in ROWS
    ]
    peak = Worker(Row("peak", "peak", ""), Path(sys.executable), steps, threads)
    times: list[list[Turn]] = [[] for _ in ROWS]
    peaks: list[dict[str, float]] = []
    for _ in range(rounds):
        peaks.append(peak.turn())
        for worker, of_row in zip(workers, times, strict=True):
            of_row.append(Turn(**worker.turn()))
    for worker in (*workers, peak):
        worker.end()
    peak_of = {
        precision: statistics.median(turn[precision] for turn in peaks)
        for precision in ("float32", "bfloat16")
    }
    speed = [[BATCH * steps / turn.wall_s for turn in of_row] for of_row in times]
    body = [
        (
            row.name,
            f"{statistics.median(rates):.1f}",
            f"{min(rates):.1f} … {max(rates):.1f}",
            f"{BATCH * steps / statistics.median(turn.processor_s for turn in of_row):.1f}",
            f"{ratio(rates, speed[0]):.2f}",
            f"{statistics.median(rates) * GFLOP_A_TILE / peak_of[row.precision]:.0%}",
        )
        for row, rates, of_row in zip(ROWS, speed, times, strict=True)
    ]
    keras = max(speed[:4], key=statistics.median)
    segue = max(speed[-2:], key=statistics.median)
    columns = (
        "", "tiles/s, median", "least … most", "tiles per processor second",
        "× Keras float32", "share of matrix-product peak",
    )  # fmt: skip
    write_table(
        "train_speed",
        "Training speed of the published dual-axis network",
        [
            f"Batch {BATCH}, tiles of {SIZE} × {SIZE}, forward, backward, Adam; {threads} threads; "
            f"{rounds} rounds of {steps} steps each, in turns. A ratio is the median over the "
            f"rounds of the ratio within a round. A tile takes {GFLOP_A_TILE:.2f} GFLOP. "
            f"Matrix-product peak measured between the rounds: {peak_of['float32']:.0f} GFLOP/s in "
            f"float32, {peak_of['bfloat16']:.0f} in bfloat16. Load average before: "
            f"{load_before:.1f}.\n",
            table(columns, body),
            f"Segue against Keras, both in float32: **{ratio(speed[-2], speed[0]):.2f}×**; each at "
            f"its best: **{ratio(segue, keras):.2f}×**.\n",
        ],
    )


def ratio(rates: list[float], others: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(rates, others, strict=True))


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn took."""

    wall_s: float
    processor_s: float


class Worker:
    """A process that runs training steps on request."""

    def __init__(self, row: Row, python: Path, steps: int, threads: int) -> None:
        fields = {
            name: getattr(row, name) for name in ("name", "framework", "precision", "compiled")
        }
        command = [
            str(python), "-m", __spec__.name, "--worker", json.dumps(fields),
            "--steps", str(steps), "--threads", str(threads),
        ]  # fmt: skip
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "TF_CPP_MIN_LOG_LEVEL": "2"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.turn()

    def turn(self) -> dict[str, float]:
        """Let it work, and return what it says about it."""
        pipe_in: IO[str] | None = self.process.stdin
        pipe_out: IO[str] | None = self.process.stdout
        assert pipe_in is not None
        assert pipe_out is not None
        pipe_in.write("go\n")
        pipe_in.flush()
        for line in pipe_out:
            if line.startswith("{"):
                answer: dict[str, float] = json.loads(line)
                return answer
        raise SystemExit(f"a worker ended with code {self.process.wait()}")

    def end(self) -> None:
        """Let it go."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def tensorflow_python(folder: Path) -> Path:
    python = folder / "tensorflow" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / "tensorflow"], check=True)
    installed = subprocess.run(
        [python, "-c", "import tensorflow"], capture_output=True, check=False
    )
    if installed.returncode:
        subprocess.run([python, "-m", "pip", "install", "--quiet", TENSORFLOW], check=True)
    return python


# ---- at work -----------------------------------------------------------------------------


def work(row: Row, steps: int, threads: int) -> None:
    if row.framework == "peak":
        import torch

        torch.set_num_threads(threads)
        for _ in sys.stdin:
            print(
                json.dumps({name: matrix_peak(name) for name in ("float32", "bfloat16")}),
                flush=True,
            )
        return
    step = keras_step(row, threads) if row.framework == "keras" else torch_step(row, threads)
    for _ in range(WARM_UP_STEPS):
        step()
    for _ in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        for _ in range(steps):
            step()
        turn = {
            "wall_s": time.perf_counter() - wall,
            "processor_s": time.process_time() - processor,
        }
        print(json.dumps(turn), flush=True)


def matrix_peak(precision: str) -> float:
    """Return GFLOP/s of the best of several products of large square matrices."""
    import torch

    best = 0.0
    for size in (1024, 2048):
        a, b = (torch.ones(size, size, dtype=getattr(torch, precision)) for _ in range(2))
        torch.mm(a, b)
        for _ in range(3):
            start = time.perf_counter()
            torch.mm(a, b)
            best = max(best, 2e-9 * size**3 / (time.perf_counter() - start))
    return best


def torch_step(row: Row, threads: int) -> Step:
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = torch_network(row.framework)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3, fused=row.framework == "segue")
    tiles = torch.rand(BATCH, 1, SIZE, SIZE)
    half = row.precision == "bfloat16"

    def precision() -> AbstractContextManager[object]:
        return torch.autocast("cpu", torch.bfloat16, enabled=half)

    def step() -> None:
        optimiser.zero_grad()
        with precision():
            loss = network.loss(tiles)
        loss.backward()
        optimiser.step()

    return step


def torch_network(kind: str) -> Any:
    from segue.audio.autoencoders import AutoencoderConfig, build

    network: Any = build(AutoencoderConfig("dual-axis"))
    if kind == "plain":
        plain_decoder(network)
    return network


def plain_decoder(network: Any) -> None:
    """Put the decoder's layers as they would be written at first: in PyTorch's own layout."""
    from torch import nn

    decoder = network.decoder
    layers = nn.Sequential(nn.Unflatten(1, decoder.small), *decoder.layers, nn.Sigmoid())
    network.decoder = nn.Sequential(decoder.dense, layers)


def keras_step(row: Row, threads: int) -> Step:
    tf: Any = import_module("tensorflow")
    keras: Any = import_module("keras")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    if row.precision == "bfloat16":
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    keras.utils.set_random_seed(0)
    layers = keras.layers

    def along_axis(x: Any) -> Any:
        for filters in (32, 64, 128, 256):
            x = layers.Conv1D(filters, 5, strides=2, padding="same", activation="relu")(x)
            x = layers.BatchNormalization()(x)
        return layers.Dense(LATENT // 2)(layers.Flatten()(x))

    tile = keras.Input((SIZE, SIZE))
    x = layers.Concatenate()([along_axis(layers.Permute((2, 1))(tile)), along_axis(tile)])
    x = layers.Reshape((8, 8, 256))(layers.Dense(16384)(x))
    for filters in (256, 128, 64, 32):
        x = layers.Conv2DTranspose(filters, 5, strides=2, padding="same", activation="relu")(x)
        x = layers.BatchNormalization()(x)
    x = layers.Conv2DTranspose(1, 5, padding="same", activation="sigmoid", dtype="float32")(x)
    network = keras.Model(tile, layers.Reshape((SIZE, SIZE))(x))
    network.compile(keras.optimizers.Adam(1e-3), "mse", jit_compile=row.compiled)
    data = tf.random.uniform((BATCH, SIZE, SIZE))
    return lambda: network.train_on_batch(data, data)


if __name__ == "__main__":
    main()
