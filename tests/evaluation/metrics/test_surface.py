"""surface.py: worked out by hand, and against medpy, MONAI, surface-distance."""

import itertools

import cv2
import numpy as np
import pytest

from lgrseg.evaluation.metrics import surface


def square(top, left, size=4, shape=(20, 24)):
    mask = np.zeros(shape, bool)
    mask[top : top + size, left : left + size] = True
    return mask


def blobs(seed, shape=(60, 80)):
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), rng.uniform(2, 6))
    return noise > np.quantile(noise, rng.uniform(0.6, 0.95))


def ellipse(seed, shape=(60, 80)):
    rng, mask = np.random.default_rng(seed), np.zeros(shape, np.uint8)
    centre, axes = rng.integers((32, 24), (48, 36)).tolist(), rng.integers(8, 20, 2).tolist()
    return cv2.ellipse(mask, centre, axes, rng.uniform(0, 180), 0, 360, 1, -1) > 0


def test_a_square_moved_by_three_columns():
    found = surface.border_distances(square(5, 5), square(5, 8), spacing=(0.5, 2.0))
    assert found.hd() == 6.0  # three columns of 2 mm
    # 12 border pixels each. Left column (4): 6 mm. Next two columns, top and bottom (4): to the
    # nearest of the other's left column, 4 and 2 mm. Right column (4): it is the other's left: 0.
    assert found.assd() == found.mad() == pytest.approx((4 * 6 + 2 * 4 + 2 * 2 + 0) / 12)
    assert found.nsd(1.9) == pytest.approx(4 / 12)
    assert found.nsd(2.0) == pytest.approx(6 / 12)


def test_border_of_a_mask_at_the_edge_of_the_picture():
    full = np.ones((4, 5), bool)
    assert len(surface.border(full)) == 4 * 5 - 2 * 3
    assert len(surface.border(square(0, 0, 1))) == 1


def test_directions_count_alike_in_mad_and_pixels_alike_in_assd():
    # A point 3 rows above a bar of 5: 3 back from the point; 3, and the hypotenuses, from the bar.
    point, bar = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    point[2, 4], bar[5, 2:7] = True, True
    back = [3, 10**0.5, 10**0.5, 13**0.5, 13**0.5]
    found = surface.border_distances(point, bar)
    assert found.assd() == pytest.approx((3 + sum(back)) / 6)
    assert found.mad() == pytest.approx((3 + sum(back) / 5) / 2)


def test_hd95_is_the_worse_direction_or_that_of_both_pooled():
    # A bar of 10, and the same with a pixel 5 rows below. From it: ten times 0, and 5, whose 95th
    # percentile lies half-way between the last two; back: ten times 0. Pooled: 0 twenty times, 5.
    bar = np.zeros((9, 12), bool)
    bar[2, 1:11] = True
    strayed = bar.copy()
    strayed[7, 1] = True
    for pair in ((bar, strayed), (strayed, bar)):
        found = surface.border_distances(*pair)
        assert (found.hd(), found.hd95(), found.hd95(pooled=True)) == (5, 2.5, 0)


def test_empty_masks():
    none, some = np.zeros((20, 24), bool), square(5, 5)
    for pair in ((none, some), (some, none)):
        found = surface.border_distances(*pair)
        assert found.hd() == found.hd95() == found.assd() == np.inf and found.nsd(1) == 0
    nothing = surface.border_distances(none, none)
    assert np.isnan([nothing.hd(), nothing.hd95(), nothing.assd(), nothing.nsd(1)]).all()
    same = surface.border_distances(some, some)
    assert (same.hd(), same.assd(), same.nsd(0)) == (0, 0, 1)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(20, 24\) and \(5, 5\)"):
        surface.border_distances(square(1, 1), np.ones((5, 5), bool))


def test_every_class_of_a_label_map():
    truth = square(5, 5) + 2 * square(12, 12)
    found = surface.measure(1 * square(5, 5), truth, 3, spacing=None, tolerance=1)
    assert found[0].tolist() == [0, 0, 0, 0, 1]
    assert found[1].tolist() == [np.inf, np.inf, np.inf, np.inf, 0]
    assert np.isnan(found[2]).all()


CASES = list(itertools.product(range(6), [(1.0, 1.0), (0.3, 0.7)]))


@pytest.mark.parametrize(("seed", "spacing"), CASES)
def test_medpy(seed, spacing):
    binary = pytest.importorskip("medpy.metric.binary")
    a, b = blobs(seed), blobs(seed + 100)
    found = surface.border_distances(a, b, spacing)
    assert found.hd() == pytest.approx(binary.hd(a, b, spacing))
    assert found.hd95(pooled=True) == pytest.approx(binary.hd95(a, b, spacing))
    assert found.assd() == pytest.approx(binary.assd(a, b, spacing))


@pytest.mark.slow  # importing MONAI takes seconds
@pytest.mark.parametrize(("seed", "spacing"), CASES[:6])
def test_monai(seed, spacing):
    metrics = pytest.importorskip("monai.metrics")
    torch = pytest.importorskip("torch")
    a, b = blobs(seed), blobs(seed + 100)
    found = surface.border_distances(a, b, spacing)
    one, two = (torch.from_numpy(mask)[None, None].float() for mask in (a, b))
    options = {"include_background": True, "spacing": list(spacing)}
    hd = metrics.compute_hausdorff_distance(one, two, **options).item()
    hd95 = metrics.compute_hausdorff_distance(one, two, percentile=95, **options).item()
    nsd = metrics.compute_surface_dice(one, two, [1.0], **options).item()
    assert found.hd() == pytest.approx(hd, rel=1e-5)
    assert found.hd95() == pytest.approx(hd95, rel=1e-5)
    assert found.nsd(1.0) == pytest.approx(nsd, rel=1e-5)
    assd = metrics.compute_average_surface_distance(one, two, symmetric=True, **options).item()
    assert found.assd() == pytest.approx(assd, rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_surface_distance_agrees_to_a_part_of_a_pixel(seed):
    """It measures between border pieces that lie half a pixel outside of ours, by length."""
    theirs = pytest.importorskip("surface_distance")
    a, b = ellipse(seed), ellipse(seed + 100)
    found = surface.border_distances(a, b)
    distances = theirs.compute_surface_distances(a, b, (1, 1))
    assert found.hd() == pytest.approx(theirs.compute_robust_hausdorff(distances, 100), abs=1)
    assert found.hd95() == pytest.approx(theirs.compute_robust_hausdorff(distances, 95), abs=1)
    average = np.mean(theirs.compute_average_surface_distance(distances))
    assert found.mad() == pytest.approx(average, abs=0.5)
    nsd = theirs.compute_surface_dice_at_tolerance(distances, 3)
    assert found.nsd(3) == pytest.approx(nsd, abs=0.06)
