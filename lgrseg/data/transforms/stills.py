"""Further augmentations, as strong as those that still images are usually trained with.

They are called as those of transforms.py are, with frames (T, H, W, C) float32 in 0 to 1, masks
(N, H, W) uint8 and a random generator, and treat all frames of a clip alike (noise apart). The
names of what they do are those of Albumentations (Buslaev et al., Information 11(2), 2020).
"""

import cv2
import numpy as np


class RandomFlip:
    """Left-right and upside-down mirroring, each by a probability of its own.

    For images whose content may lie either way; a heart may not.
    """

    def __init__(self, *, horizontal: float = 0.5, vertical: float = 0.0):
        """The probabilities."""
        self.horizontal, self.vertical = horizontal, vertical

    def __call__(self, frames, masks, rng):
        """(T, H, W, C), (N, H, W) -> the same shapes."""
        # Both are drawn always, so that what comes after them does not depend on the first.
        mirrored, overturned = rng.random(2) < (self.horizontal, self.vertical)
        if mirrored:
            frames, masks = frames[:, :, ::-1], masks[:, :, ::-1]
        if overturned:
            frames, masks = frames[:, ::-1], masks[:, ::-1]
        return np.ascontiguousarray(frames), np.ascontiguousarray(masks)


class RandomQuarterTurn:
    """A turn by 90, 180 or 270 degrees; by 180 where height and width differ, which stay."""

    def __init__(self, *, prob: float = 0.5):
        """`prob` is that of a turn at all."""
        self.prob = prob

    def __call__(self, frames, masks, rng):
        """(T, H, W, C), (N, H, W) -> the same shapes."""
        if rng.random() >= self.prob:
            return frames, masks
        turns = int(rng.integers(1, 4)) if frames.shape[1] == frames.shape[2] else 2
        turned = [np.rot90(images, turns, axes=(1, 2)) for images in (frames, masks)]
        return np.ascontiguousarray(turned[0]), np.ascontiguousarray(turned[1])


class RandomGridDistortion:
    """Columns and rows of a grid become wider or narrower; the border stays where it is."""

    def __init__(self, *, cells: int = 5, limit: float = 0.3, prob: float = 0.5):
        """A grid of `cells` x `cells`.

        Args:
            cells: columns, and rows.
            limit: widths are drawn from 1 - limit to 1 + limit of an even grid's, and then made to
                fill the side; below 1.
            prob: of a distortion at all.
        """
        self.cells, self.limit, self.prob = cells, limit, prob

    def __call__(self, frames, masks, rng):
        """(T, H, W, C), (N, H, W) -> the same shapes."""
        if rng.random() >= self.prob:
            return frames, masks
        size = frames.shape[1:3]
        y, x = (self._sources(side, rng) for side in size)
        x = np.ascontiguousarray(np.broadcast_to(x, size))
        y = np.ascontiguousarray(np.broadcast_to(y[:, None], size))
        edge = cv2.BORDER_REPLICATE
        bent = [cv2.remap(f, x, y, cv2.INTER_LINEAR, borderMode=edge) for f in frames]
        bent_masks = [cv2.remap(m, x, y, cv2.INTER_NEAREST, borderMode=edge) for m in masks]
        return np.stack(bent).reshape(frames.shape), np.stack(bent_masks) if bent_masks else masks

    def _sources(self, side: int, rng) -> np.ndarray:
        """(side,): where the pixels of a row come from."""
        edges = np.cumsum([0, *rng.uniform(1 - self.limit, 1 + self.limit, self.cells)])
        even = np.linspace(0, side, self.cells + 1)
        source = np.interp(np.arange(side) + 0.5, even, side * edges / edges[-1]) - 0.5
        return source.astype(np.float32)


class RandomBlur:
    """Gaussian blur."""

    def __init__(self, *, sigma: float = 1.5, prob: float = 0.3):
        """`sigma` is the largest, in pixels of the input; drawn from 0.3 on."""
        self.sigma, self.prob = sigma, prob

    def __call__(self, frames, masks, rng):
        """(T, H, W, C), (N, H, W) -> the same shapes."""
        if rng.random() >= self.prob:
            return frames, masks
        sigma = rng.uniform(min(0.3, self.sigma), self.sigma)
        blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames])
        return np.clip(blurred.reshape(frames.shape), 0, 1), masks


class RandomNoise:
    """Gaussian noise added to every pixel and channel, another in every frame."""

    def __init__(self, *, strength: float = 0.05, prob: float = 0.3):
        """`strength` is the largest standard deviation; the range of grey levels is 1."""
        self.strength, self.prob = strength, prob

    def __call__(self, frames, masks, rng):
        """(T, H, W, C), (N, H, W) -> the same shapes."""
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
        """`clip_limit` is the largest, drawn from 1 on; `cells` are the tiles along a side."""
        self.clip_limit, self.cells, self.prob = clip_limit, cells, prob

    def __call__(self, frames, masks, rng):
        """(T, H, W, C), (N, H, W) -> the same shapes."""
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
    """Black rectangles, the same in all frames. Masks stay: what is hidden is to be guessed.

    Source: DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with
    Cutout", arXiv 1708.04552; several holes.
    """

    def __init__(self, *, max_holes: int = 6, size: float = 0.15, prob: float = 0.3):
        """1 to `max_holes` rectangles, their sides 0.3 `size` to `size` parts of the image's."""
        self.max_holes, self.size, self.prob = max_holes, size, prob

    def __call__(self, frames, masks, rng):
        """(T, H, W, C), (N, H, W) -> the same shapes."""
        if rng.random() >= self.prob:
            return frames, masks
        frames, sides = frames.copy(), np.array(frames.shape[1:3])
        for _ in range(rng.integers(1, self.max_holes + 1)):
            extent = np.maximum(1, np.rint(sides * rng.uniform(0.3 * self.size, self.size, 2)))
            top, left = (rng.random(2) * (sides - extent + 1)).astype(int)
            height, width = extent.astype(int)
            frames[:, top : top + height, left : left + width] = 0
        return frames, masks
