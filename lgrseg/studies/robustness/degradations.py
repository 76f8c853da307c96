"""Degradations of known strength, for the input of a model.

Frames are degraded at the size that the model sees. The random parts are the same for all strengths
of one clip, so a stronger shadow covers a weaker one. Levels in dB assume that the grey levels from
black to white show 60 dB, as log-compressed pictures of ultrasound machines often do.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from lgrseg.data.mappers.clips import to_tensor
from lgrseg.data.phantom.beams import clouds, step
from lgrseg.data.prepare.fan_crop import find_fan
from lgrseg.data.transforms.resizing import resize_image
from lgrseg.structures import Clip, Geometry

DYNAMIC_RANGE = 60.0
"""Level of white over black in dB."""


@dataclass(frozen=True)
class Degradation:
    """One way in which pictures become worse."""

    name: str
    unit: str
    """Meaning of the strength."""
    strengths: tuple[float, ...]
    clean: float
    """The strength that changes nothing."""
    change: Callable[[Clip, float, np.random.Generator], Clip]

    def __call__(self, clip: Clip, strength: float) -> Clip:
        """Degrade a clip; the original is not changed.

        Args:
            clip: test clip with its geometry, without box prompts.
            strength: strength in `unit`; `clean` returns the clip itself.

        Raises:
            ValueError: the clip has box prompts of the ground truth.
        """
        if clip.boxes is not None:
            raise ValueError(
                f"{clip.video_id} has boxes of the ground truth, which hide how well the model "
                "finds structures; use a run that is tested without boxes"
            )
        if strength == self.clean:
            return clip
        seed = [zlib.crc32(text.encode()) for text in (clip.video_id, self.name)]
        return self.change(clip, strength, np.random.default_rng(seed))


def _on_frames(change: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]):
    """Make the change of a clip from that of its frames (T, H, W, C), 0 to 1."""

    def of_clip(clip: Clip, strength: float, rng: np.random.Generator) -> Clip:
        frames = clip.frames.cpu().numpy().transpose(0, 2, 3, 1)
        changed = np.clip(change(frames, strength, rng), 0, 1).astype(np.float32)
        return replace(clip, frames=to_tensor(changed.reshape(frames.shape)), key=None)

    return of_clip


def gain(frames: np.ndarray, decibel: float, rng: np.random.Generator) -> np.ndarray:
    """Make all echoes stronger or weaker; outside the fan, the picture stays as it is."""
    return np.where(_fan(frames), frames + decibel / DYNAMIC_RANGE, frames)


def speckle(frames: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Multiply by 1 + strength n; n is noise of deviation 1 with grains of 1/128 of the height.

    The noise differs between frames.
    """
    num_frames, height, width = frames.shape[:3]
    grain = max(1, height // 128)
    noise = rng.standard_normal((num_frames, height // grain, width // grain), dtype=np.float32)
    noise = np.stack([cv2.resize(n, (width, height)) for n in noise])[..., None]
    return frames * (1 + strength * noise / noise.std())


def haze(frames: np.ndarray, percent: float, rng: np.random.Generator) -> np.ndarray:
    """Add echoes in slow clouds, strongest at the probe, to the echoes that the picture shows.

    The powers of both are added. The amplitude of the haze at the probe is `percent` of white, and
    falls to a third over half of the depth.
    """
    num_frames, height, width = frames.shape[:3]
    size = (width, height)
    veil = cv2.resize(10 ** (3 * clouds(rng, 50, 25) / 20), size)
    depth = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height
    power = np.square(percent / 100 * veil * np.exp(-depth / 0.5))
    grains = rng.exponential(size=(num_frames, height // 2, width // 2)).astype(np.float32)
    power = power * np.stack([cv2.resize(grain, size) for grain in grains])
    shown = 10 ** (DYNAMIC_RANGE * (frames - 1) / 10)
    hazy = 1 + 10 * np.log10(shown + power[..., None]) / DYNAMIC_RANGE
    return np.where(_fan(frames), hazy, frames)


def shadows(frames: np.ndarray, percent: float, rng: np.random.Generator) -> np.ndarray:
    """Darken two sectors by 40 dB, as ribs and lungs do, one in each half of the fan.

    Together they cover `percent` of the fan's angle. The beams start at the middle of the upper
    edge.
    """
    height, width = frames.shape[1:3]
    x = np.arange(width)[None] + 0.5 - width / 2
    y = np.arange(height)[:, None] + 0.5
    angle = np.arctan2(x, y)
    fan = _fan(frames)[0, ..., 0] & (y > 0.2 * height)  # near the probe, angles are not precise
    angle = angle / np.abs(angle[fan]).max()
    loss = np.zeros_like(angle)
    for centre in rng.uniform((-0.7, 0.1), (-0.1, 0.7)):
        # Each shadow has half of the percentage; the angle from edge to edge is 2.
        inside = step((percent / 100 / 2 - np.abs(angle - centre)) / 0.02)
        loss = np.maximum(loss, 40 * inside)
    return frames - loss[None, ..., None] / DYNAMIC_RANGE


def low_resolution(frames: np.ndarray, factor: float, rng: np.random.Generator) -> np.ndarray:
    """Shrink the frames by a factor, and enlarge them again."""
    size = (frames.shape[1], frames.shape[2])
    small = (round(size[0] / factor), round(size[1] / factor))
    return np.stack([resize_image(resize_image(frame, small), size) for frame in frames]).reshape(
        frames.shape
    )


def compression(frames: np.ndarray, quality: float, rng: np.random.Generator) -> np.ndarray:
    """Compress every frame as JPEG of this quality, 1 to 100."""
    levels = np.rint(frames * 255).astype(np.uint8)
    how = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    coded = [cv2.imencode(".jpg", frame, how)[1] for frame in levels]
    decoded = np.stack([np.asarray(cv2.imdecode(code, cv2.IMREAD_UNCHANGED)) for code in coded])
    return decoded.reshape(frames.shape).astype(np.float32) / 255


def zoom_out(clip: Clip, factor: float, rng: np.random.Generator) -> Clip:
    """Show the fan smaller by a factor, as with a larger depth; the rest is black.

    The upper edge stays in its place. The clip gets a geometry with a larger crop box, partly
    outside the original frame. So predictions are pasted back to their true places, and the truth
    does not change.
    """
    assert clip.geometry is not None, "test clips are not augmented"
    top, left, bottom, right = clip.geometry.crop_box
    height, width = bottom - top, right - left
    below, beside = round((factor - 1) * height), round((factor - 1) * width / 2)
    box = (top, left - beside, bottom + below, right + beside)
    geometry: Geometry = replace(clip.geometry, crop_box=box)
    edges = ((0, below), (beside, beside), (0, 0))
    frames = []
    for frame in clip.frames.cpu().numpy().transpose(0, 2, 3, 1):
        # At the size of the crop, the added edges are whole pixels.
        picture = resize_image(frame, (height, width)).reshape(height, width, -1)
        shrunk = resize_image(np.pad(picture, edges), geometry.input_size)
        frames.append(shrunk.reshape(frame.shape))
    return replace(clip, frames=to_tensor(np.stack(frames)), geometry=geometry, key=None)


def _fan(frames: np.ndarray) -> np.ndarray:
    """(1, H, W, 1) bool: the fan of frames (T, H, W, C); all true if none is found."""
    levels = np.rint(frames * 255).astype(np.uint8)
    return find_fan(levels[..., 0] if levels.shape[-1] == 1 else levels).mask[None, ..., None]


def _unchanged(clip: Clip, strength: float, rng: np.random.Generator) -> Clip:
    return clip


CLEAN = Degradation("clean", "", (0,), 0, _unchanged)
"""Frames as they are."""
DEGRADATIONS = (
    Degradation("gain", "dB", (-20, -10, 10, 20), 0, _on_frames(gain)),
    Degradation("speckle", "deviation", (0.1, 0.2, 0.4, 0.6), 0, _on_frames(speckle)),
    Degradation("haze", "% of white", (0.5, 1, 2, 4), 0, _on_frames(haze)),
    Degradation("shadows", "% of the fan", (10, 20, 30, 40), 0, _on_frames(shadows)),
    Degradation("zoom out", "times smaller", (1.25, 1.5, 1.75, 2), 1, zoom_out),
    Degradation("low resolution", "times smaller", (2, 4, 6, 8), 1, _on_frames(low_resolution)),
    Degradation("compression", "JPEG quality", (40, 20, 10, 5), 100, _on_frames(compression)),
)
"""All degradations, each with four strengths in the order of the tables."""


def degradations_called(names: Sequence[str] | None) -> list[Degradation]:
    """The degradations of these names, in the order of DEGRADATIONS; None for all.

    Raises:
        ValueError: no degradation has this name.
    """
    known = [one.name for one in DEGRADATIONS]
    if unknown := set(names or ()) - set(known):
        raise ValueError(f"no degradation is called {min(unknown)!r}; there are {', '.join(known)}")
    return [one for one in DEGRADATIONS if names is None or one.name in names]
