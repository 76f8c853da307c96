"""lgrseg/data/transforms/scanner.py: gain by depth, shadows and low resolution."""

import numpy as np
import pytest

from lgrseg.config import instantiate, load_config
from lgrseg.data import RandomDepthGain, RandomLowResolution, RandomShadow

RNG = np.random.default_rng
ALL = [RandomDepthGain(prob=1.0), RandomShadow(prob=1.0), RandomLowResolution(prob=1.0)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("augment", ALL, ids=lambda a: type(a).__name__)
def test_frames_change_alike_and_masks_do_not(augment, channels):
    frames = np.tile(RNG(0).random((1, 32, 48, channels), dtype=np.float32), (3, 1, 1, 1))
    masks, before = np.ones((2, 32, 48), np.uint8), frames.copy()
    changed, same = augment(frames, masks, RNG(1))
    assert changed.shape == frames.shape and changed.dtype == np.float32
    assert same is masks and np.array_equal(frames, before)
    assert 0 <= changed.min() and changed.max() <= 1 and not np.array_equal(changed, frames)
    assert np.array_equal(changed[0], changed[2])
    augment = type(augment)(prob=0)
    assert augment(frames, masks, RNG(1))[0] is frames


@pytest.mark.parametrize("augment", ALL, ids=lambda a: type(a).__name__)
def test_black_stays_black(augment):
    frames = np.zeros((1, 32, 48, 1), np.float32)
    for seed in range(5):
        assert not augment(frames, None, RNG(seed))[0].any()


def test_gain_is_a_function_of_the_distance_from_the_apex():
    frames = np.full((1, 65, 129, 1), 0.5, np.float32)
    changed = RandomDepthGain(strength=0.2, prob=1.0)(frames, None, RNG(3))[0][0, ..., 0]
    assert np.allclose(changed, changed[:, ::-1])  # left and right are equally far
    assert abs(changed[30, 64] - changed[0, 64 + 30]) < 0.01  # 30 px below, 30 px beside
    assert np.ptp(changed[:, 64]) > 0.05
    # Cubic interpolation between the sliders may exceed their range a little.
    assert 0.04 < np.abs(changed - 0.5).max() < 0.2 * 1.3


def test_a_shadow_lies_along_a_beam_behind_its_first_depth():
    frames = np.ones((1, 200, 201, 1), np.float32)
    augment = RandomShadow(strength=0.5, width=0.1, max_shadows=1, prob=1.0)
    for seed in range(10):
        changed = augment(frames, None, RNG(seed))[0][0, ..., 0]
        rows, columns = np.nonzero(changed < 1 - 0.9 * (1 - changed.min()))
        angles = np.arctan2(columns - 100, rows + 0.5)
        assert np.ptp(angles) < 0.1 and np.abs(angles).max() < 0.75
        assert 0.5 / 3 - 0.01 < 1 - changed.min() <= 0.5
        depths = np.hypot(columns - 100, rows + 0.5)
        assert depths.min() > 0.05 * 200  # nothing is dark at the apex
        below = depths > depths.min() + 5
        assert np.allclose(changed[rows[below], columns[below]], changed.min(), atol=0.06)


def test_low_resolution_removes_a_chessboard_and_keeps_the_mean():
    rows, columns = np.indices((64, 64))
    frames = ((rows + columns) % 2).astype(np.float32)[None, :, :, None]
    deviations = []
    for seed in range(20):
        changed = RandomLowResolution(factor=2.0, prob=1.0)(frames, None, RNG(seed))[0]
        assert abs(changed.mean() - 0.5) < 0.01
        deviations.append(changed.std())
    assert min(deviations) < 0.02 and max(deviations) <= 0.5
    constant = np.full((2, 31, 17, 1), 0.3, np.float32)
    changed = RandomLowResolution(prob=1.0)(constant, None, RNG(0))[0]
    assert np.allclose(changed, 0.3)


def test_the_method_replaces_the_augmentations_of_training_only():
    cfg = load_config("configs/lgrnet/base.py", ["method=strong_augmentation"])
    chosen = [type(a).__name__ for a in instantiate(cfg.dataloader.train.mapper).augmentations]
    assert chosen[:3] == ["RandomDepthGain", "RandomShadow", "RandomAffine"]
    assert "RandomFlip" not in chosen and len(set(chosen)) == len(chosen)
    test = load_config("configs/lgrnet/base.py").dataloader.test
    assert cfg.dataloader.test == test
