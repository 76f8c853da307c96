"""Augmentations that imitate a scanner: its gain by depth, shadows, and low resolution.

They are called like those of video.py, with frames (T, H, W, C) float32 in 0 to 1, masks (N, H, W)
uint8 and a random generator. All frames of a clip get the same change, and masks do not change.

Beams start at the middle of the upper edge, where the fan of a cropped frame has its apex. So put
them before augmentations that move the fan. Pictures are log-compressed: a loss of echo amplitude
in dB lowers grey levels by loss / dynamic range.
"""

import cv2
import numpy as np

from lgrseg.data.transforms.resizing import resize_image


class RandomDepthGain:
    """Wrong settings of the time-gain compensation: a smooth change of brightness by depth."""

    def __init__(self, *, strength: float = 0.15, sliders: int = 4, prob: float = 0.3):
        """Set the strength of the change.

        Args:
            strength: largest change of the grey level at a slider, 0 to 1; in dB, it is this part
                of the dynamic range.
            sliders: number of independent depths between the apex and the farthest pixel, at least
                2.
            prob: probability of a change, 0 to 1.
        """
        self.strength, self.sliders, self.prob = strength, sliders, prob

    def __call__(self, frames, masks, rng):
        """Augment frames (T, H, W, C) and masks (N, H, W)."""
        if rng.random() >= self.prob:
            return frames, masks
        knots = rng.uniform(-self.strength, self.strength, (self.sliders, 1)).astype(np.float32)
        curve = cv2.resize(knots, (1, 256), interpolation=cv2.INTER_CUBIC)[:, 0]
        depth = np.hypot(*_from_apex(frames.shape[1:3]))
        gain = curve[(depth * (255 / depth.max())).astype(np.int16)]
        # Almost black pixels change less, so the black area outside the fan stays black.
        changed = frames + gain[..., None] * np.minimum(10 * frames, 1)
        return np.clip(changed, 0, 1), masks


class RandomShadow:
    """Acoustic shadows: dark wedges along the beams, as behind ribs or lung."""

    def __init__(
        self,
        *,
        strength: float = 0.5,
        width: float = 0.12,
        max_shadows: int = 2,
        prob: float = 0.25,
    ):
        """Set strength and size.

        Args:
            strength: largest loss of grey level in the middle of a shadow, 0 to 1; the smallest is
                a third of it.
            width: largest half width of a shadow in radians; the smallest is a quarter of it.
            max_shadows: largest number of shadows.
            prob: probability of any shadow, 0 to 1.
        """
        self.strength, self.width = strength, width
        self.max_shadows, self.prob = max_shadows, prob

    def __call__(self, frames, masks, rng):
        """Augment frames (T, H, W, C) and masks (N, H, W)."""
        if rng.random() >= self.prob:
            return frames, masks
        across, down = _from_apex(frames.shape[1:3])
        angle = np.arctan2(across, down)
        depth = np.hypot(across, down) / frames.shape[1]
        loss = np.zeros_like(depth)
        for _ in range(rng.integers(1, self.max_shadows + 1)):
            middle, first = np.float32(rng.uniform(-0.7, 0.7)), np.float32(rng.uniform(0, 0.5))
            width = np.float32(rng.uniform(self.width / 4, self.width))
            strength = np.float32(rng.uniform(self.strength / 3, self.strength))
            wedge = np.exp(-(((angle - middle) / width) ** 2))
            loss += strength * wedge * np.clip((depth - first) / np.float32(0.1), 0, 1)
        return np.maximum(frames - loss[..., None], 0), masks


class RandomLowResolution:
    """Frames are reduced and enlarged again, so that fine structure is lost.

    Source: Isensee et al., "nnU-Net", Nature Methods 18, 2021, supplementary note 4.
    """

    def __init__(self, *, factor: float = 2.0, prob: float = 0.25):
        """`factor` is the largest reduction of both sides; the smallest is 1."""
        self.factor, self.prob = factor, prob

    def __call__(self, frames, masks, rng):
        """Augment frames (T, H, W, C) and masks (N, H, W)."""
        if rng.random() >= self.prob:
            return frames, masks
        factor = rng.uniform(1, self.factor)
        height, width = frames.shape[1:3]
        small = (max(1, round(height / factor)), max(1, round(width / factor)))
        changed = [resize_image(resize_image(frame, small), (height, width)) for frame in frames]
        return np.stack(changed).reshape(frames.shape), masks


def _from_apex(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Distances of pixels from the apex in pixels: (1, W) to the right and (H, 1) downwards."""
    height, width = size
    across = np.arange(width, dtype=np.float32)[None] - np.float32((width - 1) / 2)
    return across, np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)
