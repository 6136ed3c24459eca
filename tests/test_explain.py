import numpy as np
import pytest

from segue.explain import reasons, reasons_of_distance


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
