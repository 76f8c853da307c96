"""Frames and label maps keep their place when they are resized: checked by where things lie."""

import cv2
import numpy as np
import pytest

from lgrseg.data.transforms.resizing import resize_image, resize_labels

EDGES = np.array([0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0], np.uint8)


def test_shrinking_by_three_reads_the_middle_not_the_corner():
    # Three native pixels a new one: columns 3 to 6 are new column 1 and a third of new column 2.
    labels = np.tile(EDGES, (6, 1))
    assert resize_labels(labels, (2, 4)).tolist() == [[0, 1, 0, 0]] * 2
    # What the project did before: floor(i s) is the first of three pixels, so column 2 is taken.
    nearest = cv2.resize(labels, (4, 2), interpolation=cv2.INTER_NEAREST)
    assert nearest.tolist() == [[0, 1, 1, 0]] * 2


def test_growing_by_three_repeats_every_pixel():
    labels = np.array([[1, 2], [0, 4]], np.uint8)
    grown = resize_labels(labels, (6, 6))
    assert np.array_equal(grown, labels.repeat(3, axis=0).repeat(3, axis=1))


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (64, 2)])
def test_one_class_everywhere_and_unchanged_sizes(size):
    assert (resize_labels(np.full((9, 11), 3, np.uint8), size) == 3).all()
    labels = np.random.default_rng(0).integers(0, 4, size).astype(np.uint8)
    assert resize_labels(labels, size) is labels


def test_equal_parts_neither_shrink_nor_move_a_structure():
    # Columns 1 to 6 of 8 end in the middle of new pixels: half of these pixels are the structure's.
    labels = np.zeros((8, 8), np.uint8)
    labels[:, 1:7] = 1
    halved = resize_labels(labels, (4, 4))
    assert halved[:, 1:3].all() and halved.sum() == labels.sum() / 4
    assert halved[:, 0].sum() == halved[:, 3].sum() == 2


def test_one_axis_may_grow_while_the_other_shrinks():
    # OpenCV's INTER_AREA interpolates both axes then, and reads the wrong rows of the other.
    ramp = np.tile(np.arange(40, dtype=np.float32)[:, None], (1, 10))
    assert np.allclose(resize_image(ramp, (10, 20)), (np.arange(10) * 4 + 1.5)[:, None])


def test_no_shift_over_many_sizes():
    rng = np.random.default_rng(0)
    shifts = []
    for _ in range(200):
        before, after = rng.integers(60, 400, 2), rng.integers(60, 300, 2)
        disc, centre = draw_disc(before, rng)
        resized = resize_labels(disc, tuple(after.tolist()))
        found = (np.argwhere(resized).mean(axis=0) + 0.5) * before / after
        shifts.append((found - centre) / np.maximum(1, before / after))
    shifts = np.array(shifts)  # in pixels of the coarser picture
    assert np.abs(shifts.mean(axis=0)).max() < 0.01
    assert np.abs(shifts).max() < 0.2


def draw_disc(size, rng) -> tuple[np.ndarray, np.ndarray]:
    """A disc and its centroid, with pixel i from i to i + 1."""
    rows, columns = np.indices(size)
    centre = rng.uniform(0.35, 0.65, 2) * size
    radius = rng.uniform(0.2, 0.33) * min(size)
    disc = (np.hypot(rows + 0.5 - centre[0], columns + 0.5 - centre[1]) < radius).astype(np.uint8)
    return disc, np.argwhere(disc).mean(axis=0) + 0.5
