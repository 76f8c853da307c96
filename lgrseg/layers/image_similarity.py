"""Similarity of two images of one scene: SSIM and PSNR.

Letters: N pairs of images, C channels, H and W pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

K1, K2 = 0.01, 0.03
"""Constants of SSIM, as shares of the range of values."""


def ssim(
    images: Tensor,
    others: Tensor,
    *,
    value_range: float = 1.0,
    window: int = 11,
    sigma: float = 1.5,
) -> Tensor:
    """Structural similarity of each pair, the mean over all windows inside the images.

    Means, variances and the covariance are weighted by a Gaussian window and divided by the number
    of pixels, not by one less, as in the paper.

    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity",
    IEEE TIP 2004, section III-B.

    Args:
        images: (N, C, H, W) images.
        others: (N, C, H, W) images to compare with.
        value_range: largest minus smallest possible value: 1 for images of 0 to 1.
        window: side of the window in pixels, odd.
        sigma: standard deviation of the window in pixels.

    Returns:
        (N) similarities, -1 to 1; 1 for equal images.

    Raises:
        ValueError: the shapes differ, or images are smaller than the window.
    """
    _check_shapes(images, others)
    if min(images.shape[-2:]) < window:
        raise ValueError(
            f"images of {tuple(images.shape[-2:])} px are smaller than a window of {window} px"
        )
    distances = torch.arange(window, dtype=torch.float64) - window // 2
    weights = torch.exp(-((distances / sigma) ** 2) / 2)
    weights = (weights / weights.sum()).to(images)

    def blurred(values: Tensor) -> Tensor:
        flat = values.reshape(-1, 1, *values.shape[-2:])
        rows = F.conv2d(flat, weights[None, None, :, None])
        return F.conv2d(rows, weights[None, None, None, :]).reshape(*values.shape[:2], -1)

    mean_x, mean_y = blurred(images), blurred(others)
    var_x = blurred(images**2) - mean_x**2
    var_y = blurred(others**2) - mean_y**2
    covariance = blurred(images * others) - mean_x * mean_y
    c1, c2 = (K1 * value_range) ** 2, (K2 * value_range) ** 2
    brightness = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    return (brightness * structure).mean(dim=(1, 2))


LARGEST_PSNR = 100.0
"""dB that two equal images count in a mean; rounding to 8 bits gives 59 dB."""


def psnr(images: Tensor, others: Tensor, *, value_range: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio of each pair in dB: 10 log10(range^2 / mean squared error).

    Args:
        images: (N, C, H, W) images.
        others: (N, C, H, W) images to compare with.
        value_range: largest minus smallest possible value.

    Returns:
        (N) ratios; infinite for equal images.

    Raises:
        ValueError: the shapes differ.
    """
    _check_shapes(images, others)
    errors = (images - others).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(value_range**2 / errors)


def _check_shapes(images: Tensor, others: Tensor) -> None:
    if images.shape != others.shape or images.dim() != 4:
        raise ValueError(
            f"two sets of images (N, C, H, W) of one shape are compared, not {tuple(images.shape)} "
            f"and {tuple(others.shape)}"
        )
