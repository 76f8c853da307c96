"""What masked image modelling hides: blocks of the image, or bands of its spectrum.

Both are USFM's kinds of masking (Jiao et al., Medical Image Analysis 2024): "spatial noise
addition-recovery" and "frequency band-stop masking". Only its masking is public, and not with all
settings. The loss of its pretraining is unpublished: the losses here are those of SimMIM (Xie et
al., CVPR 2022) for blocks, and of MFM (Xie et al., ICLR 2023) for frequencies.

A masking has two methods. `hide(image, generator)` returns the image without the hidden part, and
a mask. `errors(predicted, images, masks)` returns the mean error on the hidden part of each image;
the part that the network sees has no influence.

Letters: N images, C channels, H and W pixels.
"""

import math
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from lgrseg.layers.map_size import map_size

LEAST, MOST = 0.02, 0.9
"""Smallest and largest share that may be hidden. Outside it there is nothing to learn."""


class Masking(Protocol):
    """A way to hide a part of an image, and the error on this part."""

    def hide(self, image: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Image (C, H, W) to the image without the hidden part, and the mask (H, W) bool."""
        ...

    def errors(self, predicted: Tensor, images: Tensor, masks: Tensor) -> Tensor:
        """Images (N, C, H, W) and masks (N, H, W) to the error of each image, (N,)."""
        ...


class SpatialMasking:
    """Replaces random square blocks by the mean of the image, channel by channel."""

    def __init__(self, *, block: int = 32, ratio: float = 0.6):
        """Set size and share; the defaults are SimMIM's.

        Args:
            block: side of a block in pixels; a multiple of the patch size of a transformer.
            ratio: share of the blocks that are hidden, 0.02 to 0.9, rounded up to whole blocks.

        Raises:
            ValueError: `block` is below 1, or `ratio` is out of range.
        """
        if block < 1:
            raise ValueError(f"block={block}: a block has a side of at least 1 px")
        check_share("ratio", ratio)
        self.block, self.ratio = block, ratio

    def hide(self, image: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """See `Masking.hide`; the mask is true at hidden pixels.

        Raises:
            ValueError: all blocks of the image would be hidden, as it has so few.
        """
        mask = block_mask(map_size(image), self.block, self.ratio, generator)
        mean = image.mean(dim=(-2, -1), keepdim=True)
        return torch.where(mask, mean, image), mask

    def errors(self, predicted: Tensor, images: Tensor, masks: Tensor) -> Tensor:
        """Mean of |predicted - image| over the hidden pixels of each image, (N,)."""
        return masked_mean((predicted - images).abs().mean(dim=1), masks)


class FrequencyMasking:
    """Removes random rings of the spectrum of an image (band-stop filters), equal in all channels.

    A ring from radius r to r + min(int(growth r), widest) is a band; `first` is the radius of the
    innermost. Lower frequencies, and those in the corners of the spectrum, are never removed.
    Radii are cycles over the shorter side of the image. At 224 px the defaults give 11 bands, with
    0.2 to 27% of the spectrum each.
    """

    def __init__(
        self, *, ratio: float = 0.5, first: int = 8, growth: float = 0.3, widest: int = 24
    ):
        """Set the bands. USFM's values are unpublished; these were chosen here.

        Args:
            ratio: share of the bands that are removed, 0.02 to 0.9, rounded down to whole bands,
                and at least one.
            first: radius of the innermost band.
            growth: width of a band as a share of its radius.
            widest: largest width of a band.

        Raises:
            ValueError: `ratio` is out of range, or a band would be empty.
        """
        check_share("ratio", ratio)
        if int(growth * first) < 1 or widest < 1:
            raise ValueError(
                f"first={first}, growth={growth}, widest={widest}: the innermost band has the "
                "width int(growth * first), and no band is wider than widest; both must be 1 or "
                "more"
            )
        self.ratio, self.first, self.growth, self.widest = ratio, first, growth, widest

    def bands(self, size: tuple[int, int]) -> list[Tensor]:
        """List the bands of an image of `size`, from low to high, each (H, W) bool.

        Raises:
            ValueError: the image is so small that it has no band.
        """
        border = min(size) / 2
        edges = [self.first]
        while edges[-1] < border:
            edges.append(edges[-1] + min(int(self.growth * edges[-1]), self.widest))
        if len(edges) < 2:
            raise ValueError(
                f"an image of {size[0]} x {size[1]} px has frequencies up to {border:g} cycles, "
                f"and bands begin at first={self.first}: use larger images or a smaller first"
            )
        radius = frequency_radius(size)
        within = radius <= border
        return [(radius >= low) & (radius < high) & within for low, high in pairwise(edges)]

    def hide(self, image: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """See `Masking.hide`; the mask is true at removed frequencies, in the order of fft2.

        Values may be outside of the range of the image. They are not clamped, as that would change
        the other frequencies.
        """
        bands = torch.stack(self.bands(map_size(image))).to(image.device)
        count = max(1, int(self.ratio * len(bands)))
        order = torch.randperm(len(bands), generator=generator, device=generator.device)
        removed = bands[order[:count].to(image.device)].any(dim=0)
        return without_frequencies(image, removed), removed

    def errors(self, predicted: Tensor, images: Tensor, masks: Tensor) -> Tensor:
        """Mean of |F(predicted) - F(image)| over the removed frequencies of each image, (N,).

        F is the orthonormal Fourier transform, and |.| the modulus of a complex number.
        """
        difference = torch.fft.fft2(predicted - images, norm="ortho")
        return masked_mean(difference.abs().mean(dim=1), masks)


def block_mask(
    size: tuple[int, int], block: int, ratio: float, generator: torch.Generator
) -> Tensor:
    """Draw ceil(ratio n) of the n blocks that cover an image.

    Args:
        size: (height, width) of the image in pixels; blocks at its right and lower rim may be cut.
        block: side of a block in pixels.
        ratio: share of the blocks.
        generator: source of the random numbers, on the device of the result.

    Returns:
        (H, W) bool, true in the drawn blocks.

    Raises:
        ValueError: all blocks would be drawn, as the image has so few of them.
    """
    rows, columns = (math.ceil(side / block) for side in size)
    count = math.ceil(ratio * rows * columns - 1e-9)
    if count == rows * columns:
        raise ValueError(
            f"{ratio:g} of the {count} blocks of {block} px of an image of {size[0]} x {size[1]} "
            "px are all of them: use larger images, smaller blocks, or a smaller ratio"
        )
    order = torch.randperm(rows * columns, generator=generator, device=generator.device)
    drawn = torch.zeros(rows * columns, dtype=torch.bool, device=generator.device)
    drawn[order[:count]] = True
    blocks = drawn.view(rows, columns)
    full = blocks.repeat_interleave(block, dim=0).repeat_interleave(block, dim=1)
    return full[: size[0], : size[1]]


def frequency_radius(size: tuple[int, int]) -> Tensor:
    """Frequency of each entry of fft2 of an image, in cycles over its shorter side, (H, W)."""
    vertical, horizontal = (torch.fft.fftfreq(side, d=1 / min(size)) for side in size)
    return torch.hypot(vertical[:, None], horizontal[None, :])


def without_frequencies(image: Tensor, removed: Tensor) -> Tensor:
    """Remove frequencies of an image.

    Args:
        image: (..., H, W) real values.
        removed: (H, W) bool in the order of fft2. A frequency and its negative must both be
            removed or both be kept; otherwise the result would not be real.
    """
    return torch.fft.ifft2(torch.fft.fft2(image) * ~removed).real


def masked_mean(values: Tensor, masks: Tensor) -> Tensor:
    """Mean of values (N, H, W) where masks (N, H, W) are true, for each image; 0 if nowhere."""
    sums = values.masked_fill(~masks, 0).sum(dim=(-2, -1))
    return sums / masks.sum(dim=(-2, -1)).clamp(min=1)


def check_share(name: str, share: float) -> None:
    """Raise an error if a share to hide is out of range.

    Raises:
        ValueError: the share is below 0.02 or above 0.9.
    """
    if not LEAST <= share <= MOST:
        raise ValueError(
            f"{name}={share}: a share of {LEAST} to {MOST} can be hidden. With less there is "
            "nothing to predict, with more nothing to predict it from"
        )
