"""Further augmentations, with strengths that are usual for still images.

They are called like those of video.py, with frames (T, H, W, C) float32 in 0 to 1, masks (N, H, W)
uint8 and a random generator, and treat all frames of a clip equally (except for noise). Names
follow Albumentations (Buslaev et al., Information 11(2), 2020).
"""

import cv2
import numpy as np


class RandomFlip:
    """Left-right and upside-down mirroring with separate probabilities.

    Only for images whose content has no orientation; a heart has one.
    """

    def __init__(self, *, horizontal: float = 0.5, vertical: float = 0.0):
        """Set the probabilities of both flips."""
        self.horizontal, self.vertical = horizontal, vertical

    def __call__(self, frames, masks, rng):
        """Augment frames (T, H, W, C) and masks (N, H, W)."""
        # Both numbers are always drawn, so later random numbers do not depend on the first.
        mirrored, overturned = rng.random(2) < (self.horizontal, self.vertical)
        if mirrored:
            frames, masks = frames[:, :, ::-1], masks[:, :, ::-1]
        if overturned:
            frames, masks = frames[:, ::-1], masks[:, ::-1]
        return np.ascontiguousarray(frames), np.ascontiguousarray(masks)


class RandomQuarterTurn:
    """Rotation by 90, 180 or 270 degrees; only 180 if height and width differ."""

    def __init__(self, *, prob: float = 0.5):
        """`prob` is the probability of any rotation."""
        self.prob = prob

    def __call__(self, frames, masks, rng):
        """Augment frames (T, H, W, C) and masks (N, H, W)."""
        if rng.random() >= self.prob:
            return frames, masks
        turns = int(rng.integers(1, 4)) if frames.shape[1] == frames.shape[2] else 2
        turned = [np.rot90(images, turns, axes=(1, 2)) for images in (frames, masks)]
        return np.ascontiguousarray(turned[0]), np.ascontiguousarray(turned[1])


class RandomGridDistortion:
    """Random widths of columns and rows of a grid; the border is fixed."""

    def __init__(self, *, cells: int = 5, limit: float = 0.3, prob: float = 0.5):
        """Make a grid of `cells` x `cells`.

        Args:
            cells: number of columns, and of rows.
            limit: largest relative change of a width, below 1; widths are 1 - limit to 1 + limit
                before they are normalised to fill the side.
            prob: probability of a distortion, 0 to 1.
        """
        self.cells, self.limit, self.prob = cells, limit, prob

    def __call__(self, frames, masks, rng):
        """Augment frames (T, H, W, C) and masks (N, H, W)."""
        if rng.random() >= self.prob:
            return frames, masks
        size = frames.shape[1:3]
        y, x = (self._sources(side, rng) for side in size)
        x = np.ascontiguousarray(np.broadcast_to(x, size))
        y = np.ascontiguousarray(np.broadcast_to(y[:, None], size))
        edge = cv2.BORDER_REPLICATE
        warped = [cv2.remap(f, x, y, cv2.INTER_LINEAR, borderMode=edge) for f in frames]
        warped_masks = [cv2.remap(m, x, y, cv2.INTER_NEAREST, borderMode=edge) for m in masks]
        return np.stack(warped).reshape(frames.shape), np.stack(
            warped_masks
        ) if warped_masks else masks

    def _sources(self, side: int, rng) -> np.ndarray:
        """(side,) source positions of the pixels of a row."""
        edges = np.cumsum([0, *rng.uniform(1 - self.limit, 1 + self.limit, self.cells)])
        even = np.linspace(0, side, self.cells + 1)
        source = np.interp(np.arange(side) + 0.5, even, side * edges / edges[-1]) - 0.5
        return source.astype(np.float32)


class RandomBlur:
    """Gaussian blur."""

    def __init__(self, *, sigma: float = 1.5, prob: float = 0.3):
        """`sigma` is the largest one in pixels of the input; the smallest is 0.3."""
        self.sigma, self.prob = sigma, prob

    def __call__(self, frames, masks, rng):
        """Augment frames (T, H, W, C) and masks (N, H, W)."""
        if rng.random() >= self.prob:
            return frames, masks
        sigma = rng.uniform(min(0.3, self.sigma), self.sigma)
        blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames])
        return np.clip(blurred.reshape(frames.shape), 0, 1), masks


class RandomNoise:
    """Gaussian noise for every pixel and channel, different in every frame."""

    def __init__(self, *, strength: float = 0.05, prob: float = 0.3):
        """`strength` is the largest standard deviation; the range of grey levels is 1."""
        self.strength, self.prob = strength, prob

    def __call__(self, frames, masks, rng):
        """Augment frames (T, H, W, C) and masks (N, H, W)."""
        if rng.random() >= self.prob:
            return frames, masks
        strength = np.float32(rng.uniform(0, self.strength))
        noise = rng.standard_normal(frames.shape, dtype=np.float32)
        return np.clip(frames + strength * noise, 0, 1), masks


class RandomClahe:
    """Contrast-limited adaptive histogram equalisation of the lightness, on 256 levels.

    Source: Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994;
    by OpenCV.
    """

    def __init__(self, *, clip_limit: float = 4.0, cells: int = 8, prob: float = 0.3):
        """`clip_limit` is the largest limit, the smallest is 1; `cells` is the tiles per side."""
        self.clip_limit, self.cells, self.prob = clip_limit, cells, prob

    def __call__(self, frames, masks, rng):
        """Augment frames (T, H, W, C) and masks (N, H, W)."""
        if rng.random() >= self.prob:
            return frames, masks
        limit = rng.uniform(1, self.clip_limit)
        equalise = cv2.createCLAHE(clipLimit=limit, tileGridSize=(self.cells, self.cells)).apply
        levels = np.rint(frames * 255).astype(np.uint8)
        changed = np.stack([_of_lightness(equalise, frame) for frame in levels])
        return changed.astype(np.float32) / 255, masks


def _of_lightness(function, image: np.ndarray) -> np.ndarray:
    if image.shape[-1] == 1:
        return function(image[..., 0])[..., None]
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab[..., 0] = function(np.ascontiguousarray(lab[..., 0]))
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


class RandomCoarseDropout:
    """Black rectangles, the same in all frames; masks are unchanged.

    Source: DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with
    Cutout", arXiv 1708.04552; several holes.
    """

    def __init__(self, *, max_holes: int = 6, size: float = 0.15, prob: float = 0.3):
        """1 to `max_holes` rectangles; their sides are 0.3 `size` to `size` of the image sides."""
        self.max_holes, self.size, self.prob = max_holes, size, prob

    def __call__(self, frames, masks, rng):
        """Augment frames (T, H, W, C) and masks (N, H, W)."""
        if rng.random() >= self.prob:
            return frames, masks
        frames, sides = frames.copy(), np.array(frames.shape[1:3])
        for _ in range(rng.integers(1, self.max_holes + 1)):
            extent = np.maximum(1, np.rint(sides * rng.uniform(0.3 * self.size, self.size, 2)))
            top, left = (rng.random(2) * (sides - extent + 1)).astype(int)
            height, width = extent.astype(int)
            frames[:, top : top + height, left : left + width] = 0
        return frames, masks
