"""Augmentations that give a clip the style of unlabelled frames, such as those of another scanner.

They are called like those of video.py, with frames (T, H, W, C) float32 in 0 to 1, masks (N, H, W)
uint8 and a random generator. The style is that of one random frame for the whole clip. Pixels that
are 0, outside the fan, remain 0, and masks do not change. Put them before augmentations that change
grey levels.
"""

import functools

import numpy as np

from lgrseg.data.frame_sources import Frame, frames_of
from lgrseg.data.transforms.resizing import resize_image


class StyleFrames:
    """The frames of a source, listed when the first one is needed."""

    def __init__(self, source: str):
        """`source` is the name of a dataset, whose labels are not read, or a folder of images."""
        self.source = source

    @functools.cached_property
    def _frames(self) -> list[Frame]:
        return frames_of(self.source)

    def __call__(
        self, size: tuple[int, int], channels: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Read a random frame as (H, W, C) float32 in 0 to 1, at `size` and with C `channels`."""
        frame = self._frames[rng.integers(len(self._frames))].read()
        picture = resize_image(frame.astype(np.float32) / 255, size)
        if picture.ndim == 3 and picture.shape[-1] != channels:
            picture = picture.mean(axis=-1)
        picture = picture if picture.ndim == 3 else picture[..., None]
        return np.broadcast_to(picture, (*size, channels))


class RandomHistogramStyle:
    """Grey levels have the distribution of another frame: histogram matching inside the fans."""

    def __init__(self, *, source: str, prob: float = 0.5):
        """Name the frames with the style.

        Args:
            source: name of a dataset, whose labels are not read, or folder of images.
            prob: probability of a change, 0 to 1.
        """
        self.style, self.prob = StyleFrames(source), prob

    def __call__(self, frames, masks, rng):
        """Augment frames (T, H, W, C) and masks (N, H, W)."""
        if rng.random() >= self.prob:
            return frames, masks
        picture = self.style(frames.shape[1:3], frames.shape[-1], rng)
        strength = np.float32(rng.random())
        own, wanted = quantiles(frames[:, ::2, ::2]), quantiles(picture)
        if own is None or wanted is None:
            return frames, masks
        matched = np.interp(frames, own, wanted).astype(np.float32)
        changed = frames + strength * (matched - frames)
        return np.where(frames > 0, changed, 0), masks


def quantiles(pictures: np.ndarray) -> np.ndarray | None:
    """256 evenly spaced quantiles of all pixels that are not 0; None if all are 0."""
    inside = pictures[pictures > 0]
    return np.quantile(inside, np.linspace(0, 1, 256)) if inside.size else None


class RandomFourierStyle:
    """Low spatial frequencies have the amplitudes of another frame, and keep their phases.

    Source: Yang and Soatto, "FDA: Fourier Domain Adaptation", CVPR 2020, section 3.1. Amplitudes
    are replaced in part, by a random share, as in Liu et al., "FedDG", CVPR 2021.
    """

    def __init__(self, *, source: str, width: float = 0.05, prob: float = 0.5):
        """Name the frames with the style.

        Args:
            source: name of a dataset, whose labels are not read, or folder of images.
            width: highest frequency that changes, as a share of the sampling rate, 0 to 0.5. At
                0.05, structures of 20 pixels and more change.
            prob: probability of a change, 0 to 1.
        """
        self.style, self.width, self.prob = StyleFrames(source), width, prob

    def __call__(self, frames, masks, rng):
        """Augment frames (T, H, W, C) and masks (N, H, W)."""
        if rng.random() >= self.prob:
            return frames, masks
        size = frames.shape[1:3]
        picture = self.style(size, frames.shape[-1], rng)
        low = np.abs(np.fft.fftfreq(size[0]))[:, None] <= self.width
        low = low & (np.fft.rfftfreq(size[1]) <= self.width)
        share = (rng.random() * low)[..., None]
        spectrum = np.fft.rfft2(frames, axes=(1, 2))
        amplitude = np.abs(spectrum)
        wanted = np.abs(np.fft.rfft2(picture, axes=(0, 1)))
        factor = 1 + share * (wanted / np.maximum(amplitude, 1e-6) - 1)
        changed = np.fft.irfft2(spectrum * factor, s=size, axes=(1, 2)).astype(np.float32)
        return np.where(frames > 0, np.clip(changed, 0, 1), 0), masks
