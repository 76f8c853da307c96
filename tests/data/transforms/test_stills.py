"""lgrseg/data/transforms/stills.py: what still images are augmented with."""

import numpy as np
import pytest

from lgrseg.data import (
    RandomBlur,
    RandomClahe,
    RandomCoarseDropout,
    RandomFlip,
    RandomGridDistortion,
    RandomNoise,
    RandomQuarterTurn,
)

RNG = np.random.default_rng
MOVING = [
    RandomFlip(horizontal=1.0, vertical=1.0),
    RandomQuarterTurn(prob=1.0),
    RandomGridDistortion(prob=1.0, limit=0.6),
]
LOOKS = [
    RandomBlur(prob=1.0),
    RandomNoise(prob=1.0),
    RandomClahe(prob=1.0),
    RandomCoarseDropout(prob=1.0),
]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("augment", [*MOVING, *LOOKS], ids=lambda a: type(a).__name__)
def test_shapes_and_ranges(augment, channels):
    frames = np.tile(RNG(0).random((1, 32, 48, channels), dtype=np.float32), (3, 1, 1, 1))
    masks = np.zeros((2, 32, 48), np.uint8)
    masks[:, 4:20, 10:30] = 2
    before = frames.copy(), masks.copy()
    changed, moved = augment(frames, masks, RNG(1))
    assert changed.shape == frames.shape and changed.dtype == np.float32
    assert moved.shape == masks.shape and moved.dtype == np.uint8
    assert set(np.unique(moved)) == {0, 2} and np.array_equal(moved[0], moved[1])
    assert 0 <= changed.min() and changed.max() <= 1
    assert not np.array_equal(changed, frames)
    assert np.array_equal(changed[0], changed[2]) != isinstance(augment, RandomNoise)
    assert np.array_equal(moved, masks) == (augment in LOOKS)
    assert np.array_equal(frames, before[0]) and np.array_equal(masks, before[1])
    # A clip without an annotated frame has no mask to move.
    assert augment(frames, masks[:0], RNG(1))[1].shape == (0, 32, 48)


@pytest.mark.parametrize("augment", MOVING, ids=lambda a: type(a).__name__)
def test_masks_move_with_the_frames(augment):
    frames = np.zeros((1, 64, 64, 1), np.float32)
    frames[0, 8:40, 24:58] = 1
    masks = (frames[..., 0] > 0).astype(np.uint8)
    for seed in range(5):
        changed, moved = augment(frames, masks, RNG(seed))
        assert not np.array_equal(moved, masks)
        assert ((changed[0, ..., 0] > 0.5) == (moved[0] == 1)).mean() > 0.99


def test_flips_and_turns_by_hand():
    frames = np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)[None, :, :, None]
    masks = np.array([[[1, 2], [3, 4]]], np.uint8)
    _, flipped = RandomFlip(horizontal=1.0)(frames, masks, RNG(0))
    assert flipped.tolist() == [[[2, 1], [4, 3]]]
    _, overturned = RandomFlip(horizontal=0.0, vertical=1.0)(frames, masks, RNG(0))
    assert overturned.tolist() == [[[3, 4], [1, 2]]]
    turned = {
        str(RandomQuarterTurn(prob=1.0)(frames, masks, RNG(s))[1].tolist()) for s in range(20)
    }
    assert turned == {"[[[2, 4], [1, 3]]]", "[[[4, 3], [2, 1]]]", "[[[3, 1], [4, 2]]]"}


def test_oblong_images_turn_by_half():
    masks = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    frames = (masks / 6).astype(np.float32)[..., None]
    _, turned = RandomQuarterTurn(prob=1.0)(frames, masks, RNG(0))
    assert turned.tolist() == [[[6, 5, 4], [3, 2, 1]]]


def test_an_even_grid_changes_nothing_and_any_grid_keeps_the_border():
    frames = RNG(0).random((1, 20, 30, 1), dtype=np.float32)
    masks = np.arange(600, dtype=np.uint16).reshape(1, 20, 30).astype(np.uint8)
    still, unmoved = RandomGridDistortion(limit=0.0, prob=1.0)(frames, masks, RNG(0))
    assert np.allclose(still, frames, atol=1e-4) and np.array_equal(unmoved, masks)
    _, moved = RandomGridDistortion(limit=0.5, prob=1.0)(frames, masks, RNG(0))
    corners = (slice(None), slice(None, None, 19), slice(None, None, 29))
    assert np.array_equal(moved[corners], masks[corners])


def test_clahe_spreads_the_grey_levels_of_colours_too():
    ramp = np.linspace(0.45, 0.55, 64, dtype=np.float32)
    frames = np.broadcast_to(ramp, (1, 64, 64))[..., None]
    for channels in (1, 3):
        changed, _ = RandomClahe(prob=1.0)(frames.repeat(channels, axis=-1), None, RNG(0))
        assert np.ptp(changed) > 1.3 * np.ptp(frames)
        if channels == 3:
            assert np.ptp(changed, axis=-1).max() < 0.02  # grey stays grey


def test_holes_are_of_the_size_that_is_asked_for():
    frames = np.ones((2, 100, 200, 1), np.float32)
    for seed in range(10):
        augment = RandomCoarseDropout(max_holes=1, size=0.2, prob=1.0)
        changed, _ = augment(frames, np.zeros((0, 100, 200), np.uint8), RNG(seed))
        rows, columns = np.nonzero(changed[0, ..., 0] == 0)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert height * width == len(rows) and 6 <= height <= 20 and 12 <= width <= 40


def test_probability_zero_changes_nothing():
    frames, masks = np.ones((1, 4, 4, 1), np.float32), np.zeros((0, 4, 4), np.uint8)
    for augment in (type(a)(prob=0) for a in [*MOVING, *LOOKS] if not isinstance(a, RandomFlip)):
        assert augment(frames, masks, RNG(0))[0] is frames
    assert np.array_equal(RandomFlip(horizontal=0)(frames, masks, RNG(0))[0], frames)
