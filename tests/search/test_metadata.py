import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.records import Tags
from segue.search.ranking import METADATA_WEIGHTS, metadata_similarities
from segue.store.files import Labels
from segue.text import split_genres


def compare(a: Tags, b: Tags) -> float:
    return float(metadata_similarities(a, [Labels(1, b.artist, b.album, "", b.genre, b.year)])[0])


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (Tags(artist="bjork", album="homogenic", genre="pop; electronic", year=1997), 1.0),
        (Tags(artist="Björk"), 0.4),
        (Tags(album="Homogenic", artist="Tribute Band"), 0.3),
        (Tags(genre="Pop"), 0.1),
        (Tags(genre="Pop/Rock/Folk"), 0.05),
        (Tags(year=2007), 0.05),
        (Tags(year=1950), 0.0),
        (Tags(artist="Adele", genre="Jazz"), 0.0),
    ],
)
def test_what_each_agreement_gives(other: Tags, expected: float) -> None:
    tags = Tags("Jóga", "Björk", "Homogenic", genre="Electronic, Pop", year=1997)
    assert compare(tags, other) == pytest.approx(expected)


def test_what_says_nothing_is_not_known() -> None:
    assert np.isnan(compare(Tags("Jóga"), Tags("Jóga", "Björk")))
    assert np.isnan(compare(Tags("Jóga", "Björk"), Tags("Jóga")))


def test_genres_are_split_as_people_write_them() -> None:
    assert split_genres("Hip-Hop; R&B / Soul,,|") == ["Hip-Hop", "R&B", "Soul"]


TAGS = st.builds(
    Tags,
    artist=st.sampled_from(["", "A", "B"]),
    album=st.sampled_from(["", "x", "y"]),
    genre=st.sampled_from(["", "pop", "pop;rock"]),
    year=st.none() | st.integers(1900, 2030),
)


@given(TAGS, TAGS)
def test_it_lies_within_0_and_1_either_way(a: Tags, b: Tags) -> None:
    forward, backward = compare(a, b), compare(b, a)
    assert forward == pytest.approx(backward, nan_ok=True)
    assert np.isnan(forward) or 0 <= forward <= 1 + 1e-6
    assert sum(METADATA_WEIGHTS.values()) == pytest.approx(1)
