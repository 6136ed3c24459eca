import numpy as np
import pytest

from segue.audio.contrastive_training import Augmentation, augment, two_crops
from segue.errors import BadArgument

NOTHING = Augmentation(
    gain_db=0, tilt_db=0, wave_db=0, low_pass_bands=0, shift_bands=0, stretch=0, mask_bands=0,
    mask_frames=0, mix_probability=0,
)  # fmt: skip


def ramp(length: int) -> np.ndarray:
    """An image whose columns tell their place."""
    return np.broadcast_to(np.arange(length, dtype=np.uint8), (1, 32, length))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_excerpts_lie_apart_where_there_is_room() -> None:
    for seed in range(20):
        first, second = two_crops(ramp(100), 40, rng(seed), None)
        places = {round(x * 255) for x in first[0, 0]}, {round(x * 255) for x in second[0, 0]}
        assert not places[0] & places[1]
        assert all(len(place) == 40 for place in places)


def test_excerpts_of_a_short_image_overlap_and_of_a_shorter_one_repeat_it() -> None:
    first, second = two_crops(ramp(60), 40, rng(), None)
    assert {first[0, 0, 0], second[0, 0, 0]} == {0, np.float32(20 / 255)}
    first, _ = two_crops(ramp(10), 40, rng(), None)
    assert np.array_equal(np.round(first[0, 0] * 255), np.arange(40) % 10)


def test_stretching_and_shifting_stay_inside_the_image() -> None:
    changes = Augmentation(shift_bands=3, stretch=0.3)
    for seed in range(50):
        for excerpt in two_crops(ramp(90), 40, rng(seed), changes):
            assert excerpt.shape == (1, 32, 40)
            assert (np.diff(excerpt[0, 0]) >= 0).all()  # never wraps round
            assert excerpt.max() <= 89 / 255 + 1e-6


def test_a_shift_moves_rows() -> None:
    image = np.zeros((1, 32, 40), np.uint8)
    image[:, 16] = 255
    changes = Augmentation(shift_bands=4, stretch=0)
    centres = {
        round(float(two_crops(image, 40, rng(seed), changes)[0][0, :, 0] @ np.arange(32)))
        for seed in range(20)
    }
    assert min(centres) < 15
    assert max(centres) > 17


def test_no_change_changes_nothing() -> None:
    excerpt = rng().random((2, 32, 40)).astype(np.float32)
    augmented = augment(excerpt, [excerpt], rng(), NOTHING)
    assert augmented == pytest.approx(excerpt, abs=1e-6)
    assert augmented.dtype == np.float32


def test_changes_stay_in_range_and_leave_their_input_alone() -> None:
    excerpt = rng().random((1, 32, 40)).astype(np.float32)
    before = excerpt.copy()
    augmented = [augment(excerpt, [before], rng(seed), Augmentation()) for seed in range(20)]
    assert np.array_equal(excerpt, before)
    assert min(x.min() for x in augmented) >= 0
    assert max(x.max() for x in augmented) <= 1
    assert len({x.tobytes() for x in augmented}) == 20


def test_mixing_adds_powers() -> None:
    loud, soft = np.full((1, 32, 40), 0.9, np.float32), np.full((1, 32, 40), 0.5, np.float32)
    always = {"mix_probability": 1.0, "mix_db": (0.0, 0.0)}
    changes = Augmentation(**{**{f: getattr(NOTHING, f) for f in NOTHING.__slots__}, **always})
    # 72 dB above the floor twice is 75.01 dB.
    assert augment(loud, [loud], rng(), changes) == pytest.approx(75.0103 / 80, abs=1e-5)
    assert augment(loud, [soft], rng(), changes) == pytest.approx(0.9, abs=1e-4)


def test_a_low_pass_takes_the_highest_bands() -> None:
    excerpt = np.ones((1, 128, 40), np.float32)
    fields = {f: getattr(NOTHING, f) for f in NOTHING.__slots__} | {"low_pass_bands": 40}
    mean = np.mean([augment(excerpt, [], rng(s), Augmentation(**fields)) for s in range(50)], 0)
    assert mean[0, 0].mean() < 0.8
    assert mean[0, 40:] == pytest.approx(1)


def test_an_image_of_one_band_is_refused() -> None:
    with pytest.raises(BadArgument, match="2 bands"):
        two_crops(np.zeros((1, 1, 40), np.uint8), 40, rng(), None)
