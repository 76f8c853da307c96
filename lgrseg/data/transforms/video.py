"""Augmentations, each the same for all frames of a clip.

An augmentation is called with frames (T, H, W, C) float32 in 0 to 1, masks (N, H, W) uint8 (label
maps of some frames) and a random generator, and returns frames and masks. It is applied with
probability `prob`.
"""

import cv2
import numpy as np


class RandomAffine:
    """Rotation, zoom and shift about the centre; pixels from outside are black and unlabelled.

    `flip` is the probability of a left-right flip. It should be 0 for hearts, because a mirrored
    heart has its ventricles exchanged.
    """

    def __init__(
        self,
        *,
        rotation: float = 15.0,
        scale: float = 0.15,
        shift: float = 0.1,
        flip: float = 0.0,
        prob: float = 1.0,
    ):
        """Up to `rotation` degrees, zoom from 1 - scale to 1 + scale, shift as part of the side."""
        self.rotation, self.scale, self.shift, self.flip = rotation, scale, shift, flip
        self.prob = prob

    def __call__(self, frames, masks, rng):
        """Augment frames (T, H, W, C) and masks (N, H, W)."""
        if rng.random() >= self.prob:
            return frames, masks
        height, width = frames.shape[1:3]
        centre = ((width - 1) / 2, (height - 1) / 2)
        angle = rng.uniform(-self.rotation, self.rotation)
        zoom = rng.uniform(1 - self.scale, 1 + self.scale)
        matrix = cv2.getRotationMatrix2D(centre, angle, zoom)
        matrix[0, 2] += rng.uniform(-self.shift, self.shift) * width
        matrix[1, 2] += rng.uniform(-self.shift, self.shift) * height
        if rng.random() < self.flip:
            matrix = matrix @ np.array([[-1, 0, width - 1], [0, 1, 0], [0, 0, 1.0]])
        frames = np.stack([_warp(frame, matrix, cv2.INTER_LINEAR) for frame in frames])
        warped = [_warp(mask, matrix, cv2.INTER_NEAREST) for mask in masks]
        return frames, np.stack(warped) if warped else masks


def _warp(image: np.ndarray, matrix: np.ndarray, interpolation: int) -> np.ndarray:
    height, width = image.shape[:2]
    warped = cv2.warpAffine(image, matrix, (width, height), flags=interpolation)
    return warped.reshape(image.shape)  # OpenCV removes a last axis of length 1


class RandomElastic:
    """A smooth random warp of the whole clip, which changes the shape of the heart.

    Displacements are drawn on a coarse grid and interpolated bicubically between its points, as in
    Ronneberger et al., "U-Net", MICCAI 2015, section 3.1.
    """

    def __init__(self, *, displacement: float = 0.03, grid: int = 4, prob: float = 0.5):
        """Set the strength of the warp.

        Args:
            displacement: largest standard deviation as part of the side; above 0.1 the warp may
                fold.
            grid: number of points of the coarse grid along each side, at least 2.
            prob: probability of a warp, 0 to 1.
        """
        self.displacement, self.grid, self.prob = displacement, grid, prob

    def __call__(self, frames, masks, rng):
        """Augment frames (T, H, W, C) and masks (N, H, W)."""
        if rng.random() >= self.prob:
            return frames, masks
        height, width = frames.shape[1:3]
        strength = rng.uniform(0, self.displacement)
        coarse = rng.standard_normal((self.grid, self.grid, 2)) * strength * (width, height)
        field = cv2.resize(
            coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
        )
        x = np.arange(width, dtype=np.float32) + field[..., 0]
        y = np.arange(height, dtype=np.float32)[:, None] + field[..., 1]
        warped = [cv2.remap(frame, x, y, cv2.INTER_LINEAR).reshape(frame.shape) for frame in frames]
        warped_masks = [cv2.remap(mask, x, y, cv2.INTER_NEAREST) for mask in masks]
        return np.stack(warped), np.stack(warped_masks) if warped_masks else masks


class RandomGamma:
    """Brightness curve: x becomes x ** g, g between 1 / gamma and gamma (uniform in its log)."""

    def __init__(self, *, gamma: float = 1.5, prob: float = 1.0):
        self.log_gamma, self.prob = np.log(gamma), prob

    def __call__(self, frames, masks, rng):
        """Augment frames (T, H, W, C) and masks (N, H, W)."""
        if rng.random() >= self.prob:
            return frames, masks
        exponent = np.exp(rng.uniform(-self.log_gamma, self.log_gamma))
        # A table of the few grey levels is five times faster than powers of every pixel.
        table = (np.arange(1025, dtype=np.float32) / 1024) ** np.float32(exponent)
        return table[np.clip(frames * 1024, 0, 1024).astype(np.int16)], masks


class RandomContrast:
    """Contrast about the middle, and brightness: x becomes 0.5 + c (x - 0.5) + b."""

    def __init__(self, *, contrast: float = 0.2, brightness: float = 0.1, prob: float = 1.0):
        self.contrast, self.brightness, self.prob = contrast, brightness, prob

    def __call__(self, frames, masks, rng):
        """(T, H, W, C), (N, H, W) -> the same shapes; black stays black."""
        if rng.random() >= self.prob:
            return frames, masks
        contrast = np.float32(rng.uniform(1 - self.contrast, 1 + self.contrast))
        brightness = np.float32(rng.uniform(-self.brightness, self.brightness))
        changed = np.clip(contrast * frames + (0.5 - 0.5 * contrast + brightness), 0, 1)
        # The black area outside the fan is not tissue, so brightness does not change it.
        return np.where(frames > 0, changed, frames), masks


class RandomSpeckle:
    """Multiplicative speckle noise with a random grain size, different in every frame."""

    def __init__(self, *, strength: float = 0.15, prob: float = 0.5):
        """`strength` is the largest standard deviation of the factor."""
        self.strength, self.prob = strength, prob

    def __call__(self, frames, masks, rng):
        """Augment frames (T, H, W, C) and masks (N, H, W)."""
        if rng.random() >= self.prob:
            return frames, masks
        height, width = frames.shape[1:3]
        grain = rng.integers(1, 4)
        strength = np.float32(rng.uniform(0, self.strength))
        size = (len(frames), -(-height // grain), -(-width // grain))
        noise = rng.standard_normal(size, dtype=np.float32)
        noise = np.stack([cv2.resize(n, (width, height)) for n in noise])[..., None]
        return np.clip(frames * (1 + strength * noise), 0, 1), masks
