"""Characters of a subword language model: exact where nothing is pruned, whatever the tokenizer."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from language_models import (
    byte_level_tokenizer,
    gpt2,
    llama,
    sentencepiece_tokenizer,
)
from segue.generate.lyrics.subword import Context, SubwordDecoder, SubwordLM, TokenTrie
from segue.generate.lyrics.transformers_lm import (
    TransformerLM,
    encode,
    load_transformer,
    token_bytes,
)
from segue.generate.lyrics.vocabulary import (
    NEWLINE,
    SONG_BOUNDARY,
    encode_song,
)
from segue.generate.lyrics.vocabulary import encode as encode_characters
from segue.nn.pretrained import fingerprint

TEXT = "The sea, l'été d’Elise — naïve ſ\nЯ помню 海\n\nend"


class Toy:
    """A token model whose probabilities depend on the last token, without an end."""

    def __init__(self, tokens: Sequence[bytes], seed: int = 0) -> None:
        self.trie = TokenTrie(tokens)
        self.start: Context = (0,)
        self.ends: tuple[int, ...] = ()
        self.max_tokens = 64
        generator = torch.Generator().manual_seed(seed)
        logits = 2 * torch.randn(len(tokens), len(tokens), generator=generator)
        logits[:, 0] = -math.inf
        self.table = logits.double().log_softmax(dim=-1)

    def encode(self, text: str) -> list[int]:
        """Divide a text into the longest tokens from the left."""
        tokens, rest = [], text.encode()
        while rest:
            size = max(len(each) for each in self.trie.tokens if each and rest.startswith(each))
            tokens.append(self.trie.tokens.index(rest[:size]))
            rest = rest[size:]
        return tokens

    def next_log_probs(self, contexts: Sequence[Context]) -> Tensor:
        return self.table[[context[-1] for context in contexts]]

    def token_nll(self, tokens: Sequence[int]) -> float:
        pairs = zip([*self.start, *tokens], tokens, strict=False)
        return -sum(float(self.table[before, token]) for before, token in pairs)

    def probability(self, rest: bytes, last: int = 0) -> float:
        """Return the probability that a text begins with some bytes, over all divisions."""
        total = 0.0
        for token, spelling in enumerate(self.trie.tokens[1:], start=1):
            probability = float(self.table[last, token].exp())
            if spelling.startswith(rest):
                total += probability
            elif rest.startswith(spelling):
                total += probability * self.probability(rest[len(spelling) :], token)
        return total


@pytest.mark.parametrize("seed", range(3))
def test_next_characters_are_those_of_all_divisions(seed: int) -> None:
    toy = Toy([b"", b"a", b"b", b"ab", b"ba", b"aba", b"\n", b"b\n"], seed)
    decoder = SubwordDecoder(toy, 0.0)
    for end in range(7):
        text = b"ababb\n"[:end]
        expected = {each: toy.probability(text + each) for each in (b"a", b"b", b"\n")}
        total = sum(expected.values())
        for character, probability in expected.items():
            token = int(encode_characters(character.decode())[0])
            found = float(decoder.log_probs[0, token].exp())
            assert found == pytest.approx(probability / total, abs=2e-5)
        if end < 6:
            token = int(encode_characters(b"ababb\n"[end : end + 1].decode())[0])
            decoder.append(torch.tensor([[token]]))


def test_pruning_changes_little() -> None:
    toy = Toy([b"", b"a", b"b", b"ab", b"ba", b"\n"])
    exact, pruned = SubwordDecoder(toy, 0.0), SubwordDecoder(toy)
    for character in encode_characters("abbabaab\nab").tolist():
        difference = (exact.log_probs.exp() - pruned.log_probs.exp()).abs().max()
        assert float(difference) < 0.05
        for decoder in (exact, pruned):
            decoder.append(torch.tensor([[character]]))


def test_forks_do_not_change_the_original() -> None:
    toy = Toy([b"", b"a", b"b", b"ab", b"\n"])
    decoder = SubwordDecoder(toy)
    before = decoder.log_probs.clone()
    a, b = encode_characters("ab").tolist()
    fork = decoder.branch(2)
    fork.append(torch.tensor([[a], [b]]))
    assert torch.equal(decoder.log_probs, before)
    assert not torch.equal(fork.log_probs[0], fork.log_probs[1])
    second = fork.log_probs[1].clone()
    fork.select(torch.tensor([1, 1]))
    assert torch.equal(fork.log_probs[0], second)


def test_lines_that_are_complete_are_not_read_on() -> None:
    toy = Toy([b"", b"a", b"b", b"\n", b"\n\n"])
    decoder = SubwordDecoder(toy)
    decoder.append(torch.from_numpy(encode_characters("ab\n\n"))[None])
    before = decoder.log_probs.clone()
    decoder.append(torch.tensor([[NEWLINE]]))
    assert torch.equal(decoder.log_probs, before)


@pytest.mark.parametrize("make", [byte_level_tokenizer, sentencepiece_tokenizer])
def test_bytes_of_tokens_make_the_text(make: type) -> None:
    tokenizer = make()
    spellings = token_bytes(tokenizer)
    text = b"".join(spellings[token] for token in encode(tokenizer, TEXT)).decode()
    assert text.removeprefix(" ") == TEXT
    assert spellings[tokenizer.eos_token_id] == b""


def test_special_tokens_in_a_text_are_text() -> None:
    tokenizer = byte_level_tokenizer()
    assert tokenizer.eos_token_id not in encode(tokenizer, "the <|endoftext|> of it")


@pytest.mark.parametrize("make", [gpt2, llama])
def test_shared_states_predict_the_same(make: type, tmp_path: Path) -> None:
    folder = make(tmp_path)
    transformer = load_transformer(folder, fingerprint(folder))
    assert transformer.can_cache
    lm = TransformerLM(transformer)
    generator = torch.Generator().manual_seed(0)
    root = tuple(torch.randint(5, 200, (20,), generator=generator).tolist())
    for contexts in (
        [root],
        [(*root, 7), (*root, 9)],
        [(*root, 7, 8), (*root, 9, 11), (*root, 12)],
        [(*root, 7, 8, 3, 4, 5), (*root, 9, 11, 6)],
        [(*root, 7, 8, 3, *range(10, 60))],
        [(*root[:5], 9)],
        [root, (*root, 4)],
    ):
        expected = lm.log_probs_without_cache(contexts)
        assert torch.allclose(lm.next_log_probs(contexts), expected, atol=2e-3)


def test_likelihood_of_a_long_text_is_that_of_its_tokens(tmp_path: Path) -> None:
    folder = gpt2(tmp_path, steps=5)
    lm = TransformerLM(load_transformer(folder, fingerprint(folder)))
    tokens = lm.encode("the river and the moon " * 40)
    assert len(tokens) > lm.max_tokens
    whole = lm.token_nll(tokens)
    # The first half of a window is evaluated as any text; later parts with half of it as context.
    first = lm.token_nll(tokens[: lm.max_tokens - 1])
    assert 0 < first < whole < 2 * first * len(tokens) / lm.max_tokens
    song = encode_song("the river and the moon")
    assert song[0] == SONG_BOUNDARY
    nll = SubwordLM(lm).nll(song)
    assert nll.shape == (len(song) - 1,)
    assert nll.sum() == pytest.approx(
        lm.token_nll([*lm.encode("the river and the moon"), *lm.ends]), rel=1e-6
    )
