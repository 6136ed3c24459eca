"""Tokens per second of generation, compared with GPT-2 of Hugging Face's transformers.

    python -m bench.generation_speed [--rounds 5] [--threads 2]

Needs `pip install transformers`. Networks of the same size with random weights, with a key-value
cache and top-p 0.95. Segue also with 8-bit weights; GPT-2 with its own `generate`, with a minimal
loop, and with both of its caches.
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch

from bench import result_tables
from segue.nn.quantization import PRECISIONS, Precision, for_inference
from segue.nn.sampling import Sampling, sample
from segue.nn.transformer import KVCache, Transformer, medium

VOCABULARY: Final = 512
PROMPT: Final = 16
BATCHES: Final = (1, 16)
SAMPLING: Final = Sampling(top_p=0.95)
PUBLISHED_PRECISIONS: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16}
#: Tokens that four parts need in a second, each a note on every sixteenth at 120 beats a minute,
#: three tokens to a note.
FOUR_PARTS: Final = 4 * 8 * 3

Writing = Callable[[int, int], None]  # rows, tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=192)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    load = os.getloadavg()[0]
    network, published = Transformer(medium(VOCABULARY)), gpt2()
    ways = {**segue(network), **hugging_face(published)}
    for way in ways.values():
        way(1, 4)
    rates = {
        (name, rows): np.array(of_way)
        for rows in BATCHES
        for name, of_way in measured(ways, rows, options).items()
    }
    best = {
        (side, rows): max(
            (name for name in ways if name.startswith(side)),
            key=lambda name: float(np.median(rates[name, rows])),
        )
        for side in ("Segue", "GPT-2")
        for rows in BATCHES
    }
    ratios = {
        rows: float(np.median(rates[best["Segue", rows], rows] / rates[best["GPT-2", rows], rows]))
        for rows in BATCHES
    }
    alone = float(np.median(rates[best["Segue", 1], 1]))
    result_tables.write_table(
        "generation_speed",
        "Generation speed",
        [
            f"Segue's `medium` ({weights(network)} weights) and GPT-2 ({weights(published)}), both "
            f"6 layers of 384 with 6 heads and a vocabulary of {VOCABULARY}; "
            f"{options.tokens} tokens after a prompt of {PROMPT}, sampled with top-p 0.95; "
            f"{options.threads} threads; "
            f"{options.rounds} rounds in turns, tokens of all rows counted. transformers "
            f"{version()}, torch {torch.__version__}. Load average before: {load:.1f}.\n",
            result_tables.table(
                ["", *(f"tokens/s, batch of {rows}: median (least … most)" for rows in BATCHES)],
                [
                    [name, *(spread(rates[name, rows]) for rows in BATCHES)]
                    for name in sorted(ways, reverse=True)
                ],
            ),
            "Each at its best, ratio within a round, median: "
            + ", ".join(f"**{ratio:.2f}×** for a batch of {rows}" for rows, ratio in ratios.items())
            + ". For four parts of sixteenth notes at 120 BPM and three tokens per note, that is "
            f"{alone / FOUR_PARTS:.1f} times real time; the table `compose` has the figures of "
            "actual music.\n",
        ],
    )


def measured(
    ways: dict[str, Writing], rows: int, options: argparse.Namespace
) -> dict[str, list[float]]:
    """Return tokens a second of each way in each round, shape (rounds,)."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            way(rows, options.tokens)
            rates[name].append(rows * options.tokens / (time.perf_counter() - began))
            print(f"{rows} {name}: {rates[name][-1]:.0f}", flush=True)
    return rates


def segue(network: Transformer) -> dict[str, Writing]:
    """Return Segue's ways of writing."""

    def way(precision: Precision) -> Writing:
        fast = for_inference(network, precision)

        @torch.inference_mode()
        def run(rows: int, count: int) -> None:
            cache = KVCache(fast.config.stack, rows, fast.tokens.weight.dtype)
            new = prompt(rows)
            for _ in range(count):
                new = sample(fast.next_logits(new, cache), SAMPLING)[:, None]

        return run

    return {f"Segue, {precision}": way(precision) for precision in PRECISIONS}


def gpt2() -> Any:
    """Make a GPT-2 of the same size."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=1024,
        n_embd=384,
        n_layer=6,
        n_head=6,
        bos_token_id=0,
        eos_token_id=None,
        pad_token_id=0,
    )
    model = GPT2LMHeadModel(config)
    model.train(False)
    return model


def hugging_face(model: Any) -> dict[str, Writing]:
    """Return GPT-2's ways of writing."""
    import copy

    from transformers import DynamicCache, StaticCache

    ways: dict[str, Writing] = {}
    for name, dtype in PUBLISHED_PRECISIONS.items():
        fast = copy.deepcopy(model).to(dtype)

        def generate(rows: int, count: int, fast: Any = fast) -> None:
            prompt_tokens = prompt(rows)
            with torch.inference_mode():
                fast.generate(
                    prompt_tokens,
                    attention_mask=torch.ones_like(prompt_tokens),
                    max_new_tokens=count,
                    min_new_tokens=count,
                    do_sample=True,
                    top_p=0.95,
                    top_k=0,
                    use_cache=True,
                )

        def loop(rows: int, count: int, fast: Any = fast, *, static: bool = False) -> None:
            tokens = prompt(rows)
            cache = (
                StaticCache(config=fast.config, max_cache_len=PROMPT + count)
                if static
                else DynamicCache(config=fast.config)
            )
            with torch.inference_mode():
                for _ in range(count):
                    logits = fast(tokens, past_key_values=cache, use_cache=True).logits[:, -1]
                    tokens = sample(logits, SAMPLING)[:, None]

        def fixed(rows: int, count: int, loop: Any = loop) -> None:
            loop(rows, count, static=True)

        ways[f"GPT-2, {name}, generate"] = generate
        ways[f"GPT-2, {name}, bare loop"] = loop
        ways[f"GPT-2, {name}, bare loop, static cache"] = fixed
    return ways


def prompt(rows: int) -> torch.Tensor:
    return torch.randint(VOCABULARY, (rows, PROMPT), generator=torch.Generator().manual_seed(rows))


def weights(network: Any) -> str:
    return f"{sum(parameter.numel() for parameter in network.parameters()) / 1e6:.1f} M"


def version() -> str:
    import transformers

    return str(transformers.__version__)


def spread(rates: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    return f"{np.median(rates):.0f} ({rates.min():.0f} … {rates.max():.0f})"


if __name__ == "__main__":
    main()
