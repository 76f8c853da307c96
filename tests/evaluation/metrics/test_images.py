"""Similarity of images, and distance of sets of images: by hand and against MONAI."""

import math

import pytest
import torch

from lgrseg.evaluation.metrics.frechet import frechet_distance
from lgrseg.layers.image_similarity import psnr, ssim


def test_constant_images_by_hand():
    # No variance: only the brightness differs, (2 * 0.5 * 0.3 + c) / (0.25 + 0.09 + c), c = 1e-4.
    images, others = torch.full((1, 1, 12, 15), 0.5), torch.full((1, 1, 12, 15), 0.3)
    wanted = (0.3 + 1e-4) / (0.34 + 1e-4)
    assert ssim(images.double(), others.double()).item() == pytest.approx(wanted, abs=1e-6)
    assert psnr(images, others).item() == pytest.approx(10 * math.log10(1 / 0.04), abs=1e-4)
    # 255 times the values and the range: the same.
    scaled = ssim(255 * images.double(), 255 * others.double(), value_range=255)
    assert scaled.item() == pytest.approx(wanted, abs=1e-6)
    assert psnr(255 * images, 255 * others, value_range=255).item() == pytest.approx(
        psnr(images, others).item(), abs=1e-4
    )


def test_equal_and_inverted_images():
    images = torch.rand(2, 3, 16, 20, dtype=torch.float64)
    assert torch.allclose(ssim(images, images), torch.ones(2, dtype=torch.float64))
    assert (ssim(images, 1 - images) < 0).all()
    assert psnr(images, images).isinf().all()


@pytest.mark.slow  # importing MONAI takes seconds
def test_monai():
    pytest.importorskip("monai", reason="MONAI is not installed")
    from monai.metrics.regression import PSNRMetric, SSIMMetric

    torch.manual_seed(0)
    images = torch.rand(3, 2, 24, 31)
    others = (images + 0.2 * torch.randn(3, 2, 24, 31)).clamp(0, 1)
    reference = SSIMMetric(spatial_dims=2, data_range=1.0, win_size=11, kernel_sigma=1.5)
    wanted = reference(images, others).flatten()
    assert torch.allclose(ssim(images, others), wanted, atol=1e-5)
    wanted = PSNRMetric(max_val=1.0)(images, others).flatten()
    assert torch.allclose(psnr(images, others), wanted, atol=1e-4)


def vectors(mean, covariance):
    """Vectors that have exactly this mean and this covariance."""
    torch.manual_seed(0)
    drawn = torch.randn(50, len(mean), dtype=torch.float64)
    drawn = drawn - drawn.mean(dim=0)
    white = drawn @ torch.linalg.inv(torch.linalg.cholesky(torch.atleast_2d(torch.cov(drawn.T)))).T
    root = torch.linalg.cholesky(torch.tensor(covariance, dtype=torch.float64))
    return white @ root.T + torch.tensor(mean, dtype=torch.float64)


def test_gaussians_by_hand():
    # Diagonal: |m1 - m2|^2 + sum (s1 - s2)^2 = 9 + 16 + (2 - 1)^2 + (3 - 5)^2 = 30.
    first = vectors([0.0, 0.0], [[4.0, 0.0], [0.0, 9.0]])
    second = vectors([3.0, 4.0], [[1.0, 0.0], [0.0, 25.0]])
    assert frechet_distance(first, second) == pytest.approx(30)
    assert frechet_distance(second, first) == pytest.approx(30)
    # Turned by 45 degrees together, nothing changes.
    turn = torch.tensor([[1.0, -1.0], [1.0, 1.0]], dtype=torch.float64) / 2**0.5
    assert frechet_distance(first @ turn, second @ turn) == pytest.approx(30)
    # Covariances that do not commute: for 2 x 2, tr(S^1/2) = sqrt(tr S + 2 sqrt(det S)), and the
    # product has trace 4 * 2 + 1 * 2 = 10 and determinant 4 * 3: 5 + 4 - 2 sqrt(10 + 2 sqrt(12)).
    one, other = vectors([0, 0], [[4.0, 0.0], [0.0, 1.0]]), vectors([0, 0], [[2.0, 1.0], [1, 2.0]])
    wanted = 9 - 2 * math.sqrt(10 + 2 * math.sqrt(12))
    assert frechet_distance(one, other) == pytest.approx(wanted)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    # One dimension.
    assert frechet_distance(vectors([0.0], [[4.0]]), vectors([1.0], [[9.0]])) == pytest.approx(2)


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match="smaller than a window of 11"):
        ssim(torch.zeros(1, 1, 8, 20), torch.zeros(1, 1, 8, 20))
    with pytest.raises(ValueError, match="of one shape are compared"):
        psnr(torch.zeros(1, 1, 8, 20), torch.zeros(1, 1, 8, 21))
    with pytest.raises(ValueError, match="at least 2 vectors of one length"):
        frechet_distance(torch.zeros(1, 3), torch.zeros(5, 3))
