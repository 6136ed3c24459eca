import numpy as np
import pytest
from safetensors.numpy import load_file

from segue.explain import reasons, reasons_of_distance
from segue.explain.pairs import groups_of_traits, traits
from segue.model.sound.spaces import WEIGHTS
from segue.represent.features import FEATURE_NAMES, standard_scores, standardise
from segue.represent.score.feature_names import SCORE_FEATURE_NAMES
from segue.represent.score.features import standard_score_scores, standardise_score


@pytest.mark.parametrize(
    ("space", "dimension", "names"),
    [
        ("dual-axis", 256, {"along time", "along frequency"}),
        ("dual-axis", 300, {"learned likeness"}),
        ("conv", 64, {"learned likeness"}),
    ],
)
def test_reasons_of_trained_spaces(space: str, dimension: int, names: set[str]) -> None:
    a, b = np.random.default_rng(0).standard_normal((2, dimension)).astype(np.float32)
    told = reasons(space, a, b)
    assert {reason.name for reason in told} == names
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert sum(reason.share for reason in told) == pytest.approx(cosine, abs=1e-5)


def test_what_keeps_apart_comes_last() -> None:
    a = np.zeros(256, np.float32)
    b = np.concatenate([np.full(128, 0.1), np.full(128, 0.2)]).astype(np.float32)
    told = reasons_of_distance("dual-axis", a, b)
    assert [reason.name for reason in told] == ["along time", "along frequency"]
    distance = np.linalg.norm(b)
    assert [r.share for r in told] == pytest.approx([-0.2 * distance, -0.8 * distance])


def test_traits_sum_to_the_similarity_and_to_the_distance() -> None:
    a, b = np.random.default_rng(3).standard_normal((2, 6)).astype(np.float32)
    found = traits("uvwxyz", a, b, (a, b))
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert sum(trait.alike for trait in found) == pytest.approx(cosine, abs=1e-5)
    assert sum(trait.apart for trait in found) == pytest.approx(1, abs=1e-5)
    groups = groups_of_traits({"one": slice(0, 2), "other": slice(2, 6)}, a, b)
    named = {group.name: group for group in groups}
    assert named["one"].alike == pytest.approx(found[0].alike + found[1].alike)
    assert named["one"].first is None
    same = traits("uvwxyz", a, a, (a, a))
    assert all(trait.apart == 0 for trait in same)


def test_standard_scores_undo_what_spaces_do() -> None:
    rng = np.random.default_rng(4)
    for names, standardised, scores, weights in (
        (FEATURE_NAMES, standardise, standard_scores, "features"),
        (SCORE_FEATURE_NAMES, standardise_score, standard_score_scores, "score-features"),
    ):
        constants = load_file(WEIGHTS / f"{weights}.safetensors")
        wanted = rng.uniform(-3, 3, len(names)).astype(np.float32)
        vector = standardised(constants["mean"] + wanted * constants["scale"])
        assert np.allclose(scores(vector), wanted, atol=2e-3)
