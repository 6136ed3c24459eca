"""Search in plain words: what texts are read as, and which tracks they find."""

from pathlib import Path

import numpy as np
import pytest

from conftest import fill_library, little_score, write_score
from segue import Library
from segue.builtin_spaces import MUSICNN_TAGS, builtin_spaces
from segue.errors import BadArgument, NotFound
from segue.explore.playlist import PlaylistOptions
from segue.feature_names import SCORE_FEATURE_NAMES, SOUND_FEATURE_NAMES
from segue.records import Tags
from segue.search.aspects import score_aspects, sound_aspects
from segue.search.descriptions import find_concept, lexicon
from segue.search.text_query import (
    MAX_CHARACTERS,
    _directions,
    parse_description,
    split_comparison,
)
from segue.store import Store

#: Tags of each track, in standard deviations, and its title.
MUSIC: list[tuple[str, dict[str, float]]] = [
    ("Hammer", {"metal": 4, "heavy metal": 3, "hard rock": 3}),
    ("Anvil", {"metal": 4, "heavy metal": 3, "happy": -3}),
    ("Dusk", {"sad": 4, "mellow": 3, "beautiful": 3, "happy": -2}),
    ("Dawn", {"happy": 4, "party": 3, "catchy": 3}),
    ("Lake", {"chill": 4, "chillout": 4, "mellow": 3, "easy listening": 3}),
    ("Calm", {"female vocalists": 4, "female vocalist": 4, "pop": 3}),
]


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("described")
    fill_library(folder, [Tags(title, f"by {title}", "a") for title, _ in MUSIC])
    store = Store(folder, builtin_spaces("sound").values())
    with store.transaction():
        for number, (_, tags) in enumerate(MUSIC, start=1):
            vector = np.full(len(MUSICNN_TAGS), 0.1, np.float32)
            for tag, strength in tags.items():
                vector[MUSICNN_TAGS.index(tag)] = strength
            store.spaces.put("tags", number, vector)
            store.spaces.put("features", number, np.ones(len(SOUND_FEATURE_NAMES), np.float32))
    store.close()
    return Library.open(folder)


@pytest.mark.parametrize(
    ("text", "concepts"),
    [
        ("calm piano, rainy evening, no vocals", "calm piano rainy dreamy instrumental"),
        ("a very sad song with strings", "sad*1.5 strings"),
        ("no drums or vocals, please", "-drums -vocals"),
        ("-metal happy", "-metal happy"),
        ("less noisy, a bit faster", "-loud fast*0.5"),
        ("sadder, happier", "sad happy"),
        ("8-bit hip-hop", "chiptune hip-hop"),
        ("JAZZY! Guitars?", "jazz guitar"),
        ("ruhige Klaviermusik ohne Schlagzeug", "calm piano -drums"),
        ("dunkler, langsamer", "dark slow"),
        ("musique douce sans batterie", "calm -drums"),
        ("guitarras acústicas muy alegres", "acoustic guitar happy*1.5"),
        ("música tranquila y lenta", "calm slow"),
    ],
)
def test_texts_are_read_in_four_languages(text: str, concepts: str) -> None:
    read = [
        ("-" if term.weight < 0 else "")
        + term.concept.name
        + (f"*{abs(term.weight):g}" if abs(term.weight) != 1 else "")
        for term in parse_description(text).terms
    ]
    assert " ".join(read) == concepts


def test_unknown_words_are_named() -> None:
    description = parse_description("calm xylograph, sdaness")
    assert description.unknown == ("xylograph", "sdaness")
    assert "not known, and left out: xylograph" in description.remark
    assert "sdaness (did you mean sadness?)" in description.remark
    for text, message in (
        ("qwertz", "does not describe music"),
        ("pianno", "did you mean piano"),
        ("the, and", "no word in it"),
        ("", "no word in it"),
        ("calm, not calm", "cancel each other out"),
        ("x" * (MAX_CHARACTERS + 1), "at most"),
    ):
        with pytest.raises(BadArgument, match=message):
            parse_description(text)


def test_names_of_other_things_are_no_concepts() -> None:
    for word in ("heart", "minority", "rocket", "majority", "seafaring", "dancer's", "collider"):
        assert find_concept([word]) == (None, 0), word


def test_the_lexicon_names_tags_features_and_instruments() -> None:
    for concept in set(lexicon().values()):
        assert concept.recordings or concept.scores
        assert {part.removeprefix("-") for part in concept.recordings} <= _directions(
            "sound"
        ).keys()
        assert {part.removeprefix("-") for part in concept.scores} <= _directions("score").keys()
    assert {aspect.aspect.name for aspect in sound_aspects() if aspect.signs.any()} <= _directions(
        "sound"
    ).keys()
    assert {*SCORE_FEATURE_NAMES} <= _directions("score").keys()
    assert score_aspects()


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("aggressive metal", {1, 2}),
        ("sad", {3}),
        ("traurig", {3}),
        ("happy, no metal", {4}),
        ("text:calm", {5}),
        ("female vocals", {6}),
        ("metal, not happy", {2}),
    ],
)
def test_descriptions_find_tracks(lib: Library, text: str, first: set[int]) -> None:
    hits = lib.like(text, n=6)
    assert {hit.track.id for hit in hits[: len(first)]} == first
    for hit in hits:
        assert -1 <= hit.similarity <= 1
        assert sum(r.share for r in hit.reasons) == pytest.approx(hit.similarity, abs=1e-5)


def test_a_name_stays_a_name(lib: Library) -> None:
    reading = lib.read_queries("Calm")
    assert reading.names == ("Calm",)
    assert reading.description is None
    assert "text:Calm" in reading.remark
    assert 6 not in {hit.track.id for hit in lib.like("Calm")}
    assert lib.read_queries("text:Calm").names == ()
    assert not lib.read_queries("Hammer", 3).remark
    with pytest.raises(NotFound, match="did you mean"):
        lib.like("Hamer")
    for query in ("genre:ambient", "artist:sad", "sad.mid", "./sad"):
        with pytest.raises(NotFound, match=r"called|no file"):
            lib.like(query)


def test_results_differ_from_a_track_as_asked(lib: Library) -> None:
    assert split_comparison("Dusk but happier") == ("Dusk", "happier")
    assert split_comparison("nothing but piano") == ("", "nothing but piano")
    assert split_comparison("12 aber trauriger, schneller") == ("12", "trauriger, schneller")
    for queries in (("Dusk but happier",), ("Dusk", "happier"), (3, "text:happier")):
        reading = lib.read_queries(*queries)
        assert [str(name) for name in reading.names] in (["Dusk"], ["3"])
        assert reading.description
        hits = lib.like(*queries, n=6)
        shares = {
            hit.track.id: sum(r.share for r in hit.reasons if r.family == "description")
            for hit in hits
        }
        assert shares[4] > 0.2 > shares[2]
    assert lib.read_queries("sad but happy").names == ()
    with pytest.raises(NotFound, match="Nothing Such"):
        lib.like("Nothing Such but happier")


def test_a_description_alone_goes_with_filters(lib: Library) -> None:
    for options in ({"metric": "euclidean"}, {"blend": {"sound": 1}}, {"minus": [1]}):
        with pytest.raises(BadArgument, match="a description goes with"):
            lib.like("sad", **options)
    with pytest.raises(BadArgument, match="not known of recordings"):
        lib.like("waltz")


def test_playlists_are_made_of_descriptions(lib: Library) -> None:
    options = PlaylistOptions(2, surprise=0, versions=True)
    items = lib.journeys.playlist("aggressive metal", options=options)
    assert {item.track.id for item in items} == {1, 2}


def test_scores_are_described(tmp_path: Path) -> None:
    for seed in range(4):
        write_score(tmp_path / f"{seed}.mid", little_score(seed))
    with Library.open(tmp_path / "library") as scores:
        scores.add([tmp_path], workers=1)
        hits = scores.like("fast, many notes", n=4)
        assert len(hits) == 4
        assert {r.name for r in hits[0].reasons} == {"fast", "many notes"}
        assert scores.like("0", "slower", n=2)
        with pytest.raises(BadArgument, match="not known of scores"):
            scores.like("sexy")
