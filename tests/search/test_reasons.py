from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from segue.audio.features import standardise
from segue.builtin_spaces import MUSICNN_TAGS, WEIGHTS, builtin_spaces, feature_z_scores
from segue.cli.output import format_reasons
from segue.explore.comparison import feature_contributions, group_contributions
from segue.feature_names import SCORE_FEATURE_NAMES, SOUND_FEATURE_NAMES, STYLE_FEATURE_NAMES
from segue.records import Hit, Reason, Tags, Track
from segue.score.features import standardise_score
from segue.search.aspects import lyrics_aspects, score_aspects, sound_aspects, tag_aspects
from segue.search.reasons import (
    OTHER,
    AspectLevels,
    explain_cosine,
    explain_distance,
    fit_directions,
)


def test_a_space_of_which_nothing_is_known_has_one_reason() -> None:
    a, b = np.random.default_rng(0).standard_normal((2, 64)).astype(np.float32)
    (reason,) = explain_cosine("conv", a, b)
    assert reason.name == "learned likeness"
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert reason.share == pytest.approx(cosine, abs=1e-5)
    (heard,) = explain_cosine("listens", a, a)
    assert heard.description == "similar listeners"
    assert heard.share == pytest.approx(1)


@pytest.mark.parametrize("space", [*builtin_spaces()])
def test_reasons_sum_to_the_cosine_and_to_the_distance(space: str) -> None:
    spaces = builtin_spaces()
    dimension = spaces[space].dimension
    a, b = np.random.default_rng(1).standard_normal((2, dimension)).astype(np.float32)
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    reasons = explain_cosine(space, a, b)
    assert sum(reason.share for reason in reasons) == pytest.approx(cosine, abs=1e-5)
    assert [reason.description for reason in explain_cosine(space, 3 * a, b)] == [
        reason.description for reason in reasons
    ]
    assert len({reason.name for reason in reasons}) == len(reasons) > 5
    assert [reason.share for reason in reasons] == sorted((r.share for r in reasons), reverse=True)
    left = sum(reason.share for reason in reasons if reason.name == OTHER)
    assert abs(left) <= abs(cosine) / 2 + 1e-6
    apart = explain_distance(space, a, b)
    assert sum(reason.share for reason in apart) == pytest.approx(-np.linalg.norm(a - b), rel=1e-4)
    assert explain_distance(space, a, a) == ()


def features(**scores: float) -> np.ndarray:
    """Make a vector of the space `features` that is so many deviations from the average."""
    constants = load_file(WEIGHTS / "features.safetensors")
    raw = constants["mean"].copy()
    for name, score in scores.items():
        at = SOUND_FEATURE_NAMES.index(name)
        raw[at] += score * constants["scale"][at]
    return standardise(raw)


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ({"tempo_octaves": 2.0}, {"tempo_octaves": 1.5}, "both: fast"),
        ({"tempo_octaves": -2.0}, {"tempo_octaves": -1.5}, "both: slow"),
        ({"tempo_octaves": 2.0}, {"tempo_octaves": -1.5}, "differs: slower"),
        ({"tempo_octaves": -2.0}, {"tempo_octaves": 1.5}, "differs: faster"),
        ({"flatness_log_mean": 2.0}, {"flatness_log_mean": 3.0}, "both: noisy"),
        ({"loudness_lufs": -2.0}, {"loudness_lufs": -3.0}, "both: quiet"),
        ({"loudness_lufs": -2.0}, {"loudness_lufs": 3.0}, "differs: louder"),
        ({"mfcc_3_mean": 2.0}, {"mfcc_3_mean": 2.0}, "similar timbre"),
        ({"mfcc_3_mean": 2.0}, {"mfcc_3_mean": -2.0}, "different timbre"),
    ],
)
def test_reasons_say_which_way(
    first: dict[str, float], second: dict[str, float], says: str
) -> None:
    reasons = explain_cosine("features", features(**first), features(**second))
    assert max(reasons, key=lambda reason: abs(reason.share)).description == says
    if says.startswith("differ"):
        apart = explain_distance("features", features(**first), features(**second))
        assert apart[-1].description == says


def test_a_metal_track_is_told_to_be_metal() -> None:
    tags = np.zeros((2, len(MUSICNN_TAGS)), np.float32)
    for at, vector in enumerate(tags):
        for tag, strength in {"metal": 4, "heavy metal": 3, "hard rock": 3, "punk": 1}.items():
            vector[MUSICNN_TAGS.index(tag)] = strength + 0.1 * at
        for tag in ("easy listening", "jazz", "chill", "chillout", "mellow", "sad", "party"):
            vector[MUSICNN_TAGS.index(tag)] = -2.0
    reasons = explain_cosine("tags", *tags)
    assert (reasons[0].name, reasons[0].description, reasons[0].family) == (
        "metal",
        "both: metal",
        "genre",
    )
    says = {reason.name: reason.description for reason in reasons}
    assert says["jazz"] == "both: little jazz"
    assert says["party"] == "both: little party"


def test_people_read_at_most_half_as_other() -> None:
    reasons = tuple(
        Reason(name, share, name, family)
        for name, share, family in (
            ("a", 0.1, "x"),
            ("b", 0.09, "x"),
            ("c", -0.08, "y"),
            ("d", 0.07, "y"),
            ("e", 0.06, "z"),
            (OTHER, 0.05, OTHER),
        )
    )
    track = Track(1, "sound", Path("/m.ogg"), Tags(), 1.0, "")
    text = format_reasons(Hit(1, sum(reason.share for reason in reasons), track, reasons))
    assert text == "a +0.10, b +0.09, c -0.08; y +0.07, z +0.06, other +0.05"
    alone = (Reason(OTHER, 0.3, OTHER, OTHER),)
    assert format_reasons(Hit(1, 0.3, track, alone)) == "other +0.30"
    assert format_reasons(Hit(1, 0.3, track, (Reason("loved", 0.3),))) == "loved +0.30"


def test_directions_find_what_grows_along_them() -> None:
    rng = np.random.default_rng(2)
    levels = rng.standard_normal((300, 2))
    vectors = np.hstack([levels, rng.standard_normal((300, 6))]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    constant = np.hstack([levels, np.ones((300, 1))])
    result = fit_directions(vectors, AspectLevels(("tempo", "loudness", "dynamics"), constant))
    assert result.names == ("tempo", "loudness")  # the third does not vary
    assert result.rows @ result.rows.T == pytest.approx(np.eye(2), abs=1e-5)
    assert np.abs(result.rows[:, :2]) == pytest.approx(np.eye(2), abs=0.1)
    a, b = vectors[:2].astype(np.float64)
    shares = result.contributions(a, b)
    assert sum(share.share for share in shares) == pytest.approx(a @ b)
    # More dimensions than tracks: the same by the other way round.
    wide = np.hstack([vectors, np.zeros((300, 400), np.float32)])
    few = fit_directions(wide, AspectLevels(("tempo", "loudness"), levels))
    assert few.rows[:, :8] == pytest.approx(result.rows, abs=1e-4)


def test_every_number_is_about_something() -> None:
    for parts, names in (
        (tag_aspects(), MUSICNN_TAGS),
        (sound_aspects(), SOUND_FEATURE_NAMES),
        (score_aspects(), SCORE_FEATURE_NAMES),
        (lyrics_aspects(), STYLE_FEATURE_NAMES),
    ):
        columns = sorted(column for part in parts for column in part.columns.tolist())
        assert columns == list(range(len(names)))


def test_traits_sum_to_the_similarity_and_to_the_distance() -> None:
    a, b = np.random.default_rng(3).standard_normal((2, 6)).astype(np.float32)
    result = feature_contributions("uvwxyz", a, b, (a, b))
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert sum(trait.similarity_share for trait in result) == pytest.approx(cosine, abs=1e-5)
    assert sum(trait.distance_share for trait in result) == pytest.approx(1, abs=1e-5)
    groups = group_contributions({"one": slice(0, 2), "other": slice(2, 6)}, a, b)
    named = {group.name: group for group in groups}
    assert named["one"].similarity_share == pytest.approx(
        result[0].similarity_share + result[1].similarity_share
    )
    assert named["one"].first is None
    same = feature_contributions("uvwxyz", a, a, (a, a))
    assert all(trait.distance_share == 0 for trait in same)


def test_standard_scores_undo_what_spaces_do() -> None:
    rng = np.random.default_rng(4)
    for names, standardised, scores, weights in (
        (SOUND_FEATURE_NAMES, standardise, partial(feature_z_scores, "sound"), "features"),
        (
            SCORE_FEATURE_NAMES,
            standardise_score,
            partial(feature_z_scores, "score"),
            "score-features",
        ),
    ):
        constants = load_file(WEIGHTS / f"{weights}.safetensors")
        expected = rng.uniform(-3, 3, len(names)).astype(np.float32)
        vector = standardised(constants["mean"] + expected * constants["scale"])
        assert np.allclose(scores(vector), expected, atol=2e-3)
