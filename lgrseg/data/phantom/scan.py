"""Simulates ultrasound pictures of the phantom's heart.

Echoes are simulated in beam coordinates and then mapped to the picture. So speckle gets wider with
depth, shadows follow the beams, and text of the machine is outside of the fan.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

from lgrseg.data.phantom.heart import Heart

NUM_SAMPLES, NUM_BEAMS = 220, 112


@dataclass(frozen=True)
class Scanner:
    """The machine of a site and its settings."""

    size: tuple[int, int] = (240, 320)
    """(height, width) of the picture in pixels."""
    depth_mm: float = 165.0
    half_angle: float = 0.68
    """Half of the fan's opening angle, in radians."""
    gain_db: float = 0.0
    range_db: float = 48.0
    attenuation_db: float = 10.0
    """Attenuation from the top to the bottom, in dB."""
    noise: float = 0.015
    grain: tuple[float, float] = (1.1, 1.3)
    """Speckle size in samples along and across the beams."""
    text: str = "PHANTOM"
    margin: tuple[int, int] = (14, 24)
    """Number of free rows above and below the fan."""

    @property
    def mm_per_pixel(self) -> float:
        """Pixel size in mm, equal in both directions."""
        return self.depth_mm / (self.size[0] - sum(self.margin))

    def points(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """X and z in mm of every pixel, and a mask of the fan."""
        rows, columns = np.mgrid[: self.size[0], : self.size[1]].astype(np.float32)
        x = (columns - (self.size[1] - 1) / 2) * self.mm_per_pixel
        z = (rows - self.margin[0]) * self.mm_per_pixel
        radius = np.hypot(x, z)
        inside = (z > 0) & (np.abs(np.arctan2(x, z)) < self.half_angle) & (radius < self.depth_mm)
        return x, z, inside

    def fan_box(self) -> tuple[int, int, int, int]:
        """(top, left, bottom, right) of the fan, the last two exclusive."""
        inside = self.points()[2]
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


@dataclass
class Scan:
    """One recording: heart, machine and artefacts."""

    heart: Heart
    scanner: Scanner
    num_frames: int
    seed: int
    black_first: bool = False
    shadows: list[tuple[float, float, float]] = field(default_factory=list)
    """(angle, width, strength) of shadows: a beam at `angle` keeps 1 - strength of its echo."""
    slide_mm: float = 0.0
    """Distance that the probe slides out and back during the recording."""
    dropout_db: float = 0.0
    """Strength of drop-out in dB, in fixed random patches."""
    haze: float = 0.0
    """Strength of reverberations, in fixed random patches."""

    def drift(self, frame: int) -> float:
        """Displacement of the probe at this frame, in mm."""
        return self.slide_mm * np.sin(np.pi * frame / max(1, self.num_frames - 1))

    def labels(self, frame: int) -> np.ndarray:
        """(H, W) uint8 in CardiacUDC's values; chambers mostly outside the fan are not labelled."""
        x, z, inside = self.scanner.points()
        labels, _, _ = self.heart.look(x, z, frame, drift=self.drift(frame))
        visible = np.where(inside, labels, 0)
        for value in range(1, 5):
            if (visible == value).sum() < 0.25 * (labels == value).sum():
                visible[visible == value] = 0
        return visible.astype(np.uint8)

    def left_heart_labels(self, frame: int) -> np.ndarray:
        """(H, W) uint8 in CAMUS's values: 1 LV, 2 its myocardium, 3 LA."""
        x, z, inside = self.scanner.points()
        labels, muscle, _ = self.heart.look(x, z, frame, drift=self.drift(frame))
        left = np.select([labels == 1, muscle, labels == 2], [1, 2, 3], 0)
        return np.where(inside, left, 0).astype(np.uint8)

    def frames(self, end: int | None = None) -> np.ndarray:
        """Simulate the frames.

        Args:
            end: number T of frames, from the first; None for all.

        Returns:
            (T, H, W) uint8.
        """
        rng = np.random.default_rng([self.seed, 1])
        scanner = self.scanner
        radius = (np.arange(NUM_SAMPLES) + 0.5) / NUM_SAMPLES * scanner.depth_mm
        angle = ((np.arange(NUM_BEAMS) + 0.5) / NUM_BEAMS * 2 - 1) * scanner.half_angle
        radius, angle = np.meshgrid(radius, angle, indexing="ij")
        x, z = radius * np.sin(angle), radius * np.cos(angle)
        weaken = self._weakening(radius, angle)
        to_beams = _pixel_to_beam(scanner)
        still = _speckle(rng, scanner.grain)
        lost, veil, veil_speckle = self._patches()
        pictures = []
        for frame in range(self.num_frames if end is None else end):
            _, _, echo = self.heart.look(x, z, frame, drift=self.drift(frame))
            # The speckle of tissue changes little between frames, that of blood completely.
            speckle = np.abs(0.8 * still + 0.6 * _speckle(rng, scanner.grain))
            echo = cv2.GaussianBlur(echo.astype(np.float32), (0, 0), 0.8)
            amplitude = echo * speckle * weaken * lost + veil * veil_speckle
            amplitude += scanner.noise * np.abs(_speckle(rng, scanner.grain))
            level = 20 * np.log10(amplitude + 1e-6) + scanner.gain_db
            level = np.clip(1 + (level - 6) / scanner.range_db, 0, 1).astype(np.float32)
            picture = cv2.remap(level, *to_beams, cv2.INTER_LINEAR, borderValue=0) * 255
            picture = picture * scanner.points()[2]
            pictures.append(_with_overlays(picture.astype(np.uint8), scanner, frame, self))
        if self.black_first:
            pictures[0] = np.zeros_like(pictures[0])
        return np.stack(pictures)

    def _patches(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Factor of the drop-out, strength of the haze, and speckle of the haze."""
        rng = np.random.default_rng([self.seed, 2])
        lost = 10 ** (-self.dropout_db / 20 * np.maximum(_clouds(rng), 0))
        veil = self.haze * 10 ** (0.5 * _clouds(rng))
        return lost, veil, np.abs(_speckle(rng, self.scanner.grain))

    def _weakening(self, radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
        decibel = -self.scanner.attenuation_db * radius / self.scanner.depth_mm
        factor = 10 ** (decibel / 20)
        below = 1 / (1 + np.exp(-(radius - 25) / 4))
        for where, width, strength in self.shadows:
            factor *= 1 - strength * below * np.exp(-(((angle - where) / width) ** 2))
        return factor


def _speckle(rng: np.random.Generator, grain: tuple[float, float]) -> np.ndarray:
    """Complex echoes of many small scatterers, mean power 1; (NUM_SAMPLES, NUM_BEAMS)."""
    noise = rng.standard_normal((2, NUM_SAMPLES, NUM_BEAMS), dtype=np.float32)
    parts = [cv2.GaussianBlur(part, (0, 0), grain[1], sigmaY=grain[0]) for part in noise]
    field_ = parts[0] + 1j * parts[1]
    return field_ / np.sqrt((np.abs(field_) ** 2).mean())


def _clouds(rng: np.random.Generator) -> np.ndarray:
    """Smooth random numbers of mean 0 and deviation 1; (NUM_SAMPLES, NUM_BEAMS)."""
    field_ = cv2.GaussianBlur(rng.standard_normal((NUM_SAMPLES, NUM_BEAMS)), (0, 0), 9, sigmaY=14)
    return (field_ - field_.mean()) / field_.std()


def _pixel_to_beam(scanner: Scanner) -> tuple[np.ndarray, np.ndarray]:
    """For every pixel, the beam and the sample to read (float32 maps for cv2.remap)."""
    x, z, _ = scanner.points()
    beam = (np.arctan2(x, z) / scanner.half_angle + 1) / 2 * NUM_BEAMS - 0.5
    sample = np.hypot(x, z) / scanner.depth_mm * NUM_SAMPLES - 0.5
    return beam.astype(np.float32), sample.astype(np.float32)


def _with_overlays(picture: np.ndarray, scanner: Scanner, frame: int, scan: Scan) -> np.ndarray:
    """Draw the machine's overlays around the fan: text, a grey bar and an ECG."""
    height, width = picture.shape
    for row, text in enumerate((scanner.text, f"{scanner.depth_mm / 10:.0f} cm", "MI 1.2")):
        cv2.putText(picture, text, (4, 12 + 11 * row), cv2.FONT_HERSHEY_PLAIN, 0.65, 200, 1)
    bar = np.linspace(255, 0, height // 4).astype(np.uint8)
    picture[10 : 10 + len(bar), width - 8 : width - 3] = bar[:, None]
    now = (frame * 5) % (width - 20)
    for column in range(10, 10 + now):
        beat = ((column - 10) / 5 % scan.heart.cycle) / scan.heart.cycle
        spike = 9 * np.exp(-(((beat - 0.06) / 0.015) ** 2)) + 3 * np.exp(
            -(((beat - 0.4) / 0.05) ** 2)
        )
        picture[height - 4 - int(spike), column] = 220
    return picture
