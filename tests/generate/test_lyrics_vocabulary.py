"""Texts as tokens: whatever is written comes back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.errors import BadArgument
from segue.generate.lyrics.vocabulary import (
    CHARACTERS,
    NEWLINE,
    SONG_BOUNDARY,
    VOCABULARY_SIZE,
    allowed_next,
    decode,
    encode,
)

TEXTS = st.text(st.one_of(st.characters(exclude_categories=["Cs", "Cc"]), st.just("\n")))


@given(TEXTS)
def test_every_text_comes_back(text: str) -> None:
    tokens = encode(text)
    assert decode(tokens) == text
    assert ((tokens > SONG_BOUNDARY) & (tokens < VOCABULARY_SIZE)).all()


# No-break spaces and soft hyphens are read, and never written.
@given(TEXTS.filter(lambda text: not {"\xa0", "\xad"} & set(text)))
def test_what_is_written_might_have_been_drawn(text: str) -> None:
    tokens = encode(text).tolist()
    for place, token in enumerate(tokens):
        assert allowed_next(tokens[:place])[token]


@given(st.integers(0, 2**32))
def test_whatever_is_drawn_is_a_text(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tokens: list[int] = []
    while len(tokens) < 60 or not allowed_next(tokens)[NEWLINE]:
        tokens.append(int(rng.choice(np.flatnonzero(allowed_next(tokens)))))
    text = decode(tokens)
    assert decode(encode(text)) == text


@pytest.mark.parametrize("text", ["naïve „Ärger“ ¿qué? œuvre", "Where the bee sucks, there suck I"])
def test_letters_of_western_europe_are_one_token_each(text: str) -> None:
    assert len(encode(text)) == len(text)


@pytest.mark.parametrize(("text", "count"), [("שיר", 6), ("春眠", 6), ("песня", 10), ("🎵", 4)])
def test_other_letters_have_the_tokens_of_their_bytes(text: str, count: int) -> None:
    assert len(encode(text)) == count


def test_letters_differ() -> None:
    assert len(set(CHARACTERS)) == len(CHARACTERS)


def test_control_characters_are_spaces() -> None:
    assert decode(encode("a\tb")) == "a b"


@pytest.mark.parametrize("tokens", [[VOCABULARY_SIZE], [-1], [VOCABULARY_SIZE - 1]])
def test_what_makes_no_text_is_refused(tokens: list[int]) -> None:
    with pytest.raises(BadArgument):
        decode(tokens)
