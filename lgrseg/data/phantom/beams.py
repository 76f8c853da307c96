"""The fan of beams, random scatterers, and their blur by the probe.

Beam coordinates: rows are samples in depth, columns are beams.
"""

from dataclasses import dataclass

import cv2
import numpy as np

NUM_SAMPLES, NUM_BEAMS = 352, 160
SAMPLES = np.arange(NUM_SAMPLES, dtype=np.float32)[:, None]
BEAMS = np.arange(NUM_BEAMS, dtype=np.float32)[None]


@dataclass(frozen=True)
class Probe:
    """The fan of beams and the point spread function."""

    depth: float = 150.0
    half_angle: float = 0.65
    first: float = 0.0
    """Radius at which the fan begins, in mm."""
    axial: float = 1.0
    """Width of the point spread function in samples."""
    lateral: tuple[float, float] = (0.9, 1.6)
    """Width in beams at the top and at the bottom."""
    looks: int = 1
    """Number of independent looks that are averaged; more make smoother speckle."""

    def beam_coordinates(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) points in mm as (beam, sample)."""
        angle = np.arctan2(points[:, 0], np.maximum(points[:, 1], 1e-3))
        radius = np.hypot(points[:, 0], points[:, 1])
        beam = (angle / self.half_angle + 1) / 2 * NUM_BEAMS - 0.5
        sample = (radius - self.first) / (self.depth - self.first) * NUM_SAMPLES - 0.5
        return np.stack([beam, sample], axis=1)

    def radius(self) -> np.ndarray:
        """(NUM_SAMPLES, 1) distances from the centre of the fan in mm."""
        part = (SAMPLES + 0.5) / NUM_SAMPLES
        return self.first + part * (self.depth - self.first)


def scatterers(rng: np.random.Generator) -> np.ndarray:
    """(NUM_SAMPLES, NUM_BEAMS, 2) complex Gaussian amplitudes of mean power 1."""
    drawn = rng.standard_normal((NUM_SAMPLES, NUM_BEAMS, 2), dtype=np.float32)
    return drawn * np.float32(np.sqrt(0.5))


def spread(field: np.ndarray, probe: Probe) -> np.ndarray:
    """Blur scatterers by the point spread function, at constant power; it widens with depth."""
    top, bottom = probe.lateral
    near, far = (
        cv2.GaussianBlur(field, (0, 0), width, sigmaY=probe.axial)
        * np.float32(np.sqrt(4 * np.pi * width * probe.axial))
        for width in (top, bottom)
    )
    part = np.linspace(0, 1, NUM_SAMPLES, dtype=np.float32)[:, None, None]
    return np.sqrt(1 - part) * near + np.sqrt(part) * far


def clouds(
    rng: np.random.Generator, samples: float, beams: float, *, factor: int = 4
) -> np.ndarray:
    """Smooth random numbers of mean 0 and deviation 1, of the given widths, drawn coarsely."""
    drawn = rng.standard_normal((NUM_SAMPLES // factor, NUM_BEAMS // factor), dtype=np.float32)
    coarse = cv2.GaussianBlur(drawn, (0, 0), beams / factor, sigmaY=samples / factor)
    even = (coarse - coarse.mean()) / coarse.std()
    return cv2.resize(even, (NUM_BEAMS, NUM_SAMPLES), interpolation=cv2.INTER_LINEAR)


def step(x: np.ndarray) -> np.ndarray:
    """A soft step from 0 to 1 about x = 0."""
    return 1 / (1 + np.exp(-x))
