"""A recording of the apical heart: the pictures of a machine, and their labels."""

from dataclasses import dataclass

import cv2
import numpy as np

from lgrseg.data.phantom.apical_heart import ApicalHeart
from lgrseg.data.phantom.artefacts import Artefacts, amplitudes
from lgrseg.data.phantom.beams import NUM_BEAMS, NUM_SAMPLES, Probe
from lgrseg.data.phantom.tissue import Tissue, decibel_map


@dataclass(frozen=True)
class Display:
    """From echoes to grey levels, and the layout of the picture."""

    height: int = 320
    """Height of the picture in pixels; the width follows from the fan."""
    margins: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Free pixels above, below, left and right of the fan; negative ones cut the fan (zoom)."""
    muscle: float = 0.45
    """Grey level of muscle, 0 to 1, before the curve."""
    range_db: float = 60.0
    """Dynamic range: decibels from black to white."""
    curve: float = 1.0
    """Exponent of the grey map: above 1 for a hard picture, below 1 for a soft one."""
    smooth: float = 0.5
    """Blur in pixels."""
    sharpen: float = 0.0
    """Strength of the edge enhancement."""
    persistence: float = 0.0
    """Part of the previous frame in a picture, 0 to 0.5."""
    text: str = ""
    """Text beside the fan; if it is empty, nothing is drawn outside of the fan."""


@dataclass(frozen=True)
class ApicalScan:
    """One recording: heart, tissues, machine and artefacts."""

    heart: ApicalHeart
    tissue: Tissue
    probe: Probe
    artefacts: Artefacts
    display: Display
    seed: int

    @property
    def mm_per_pixel(self) -> float:
        """Pixel size in mm, equal in both directions."""
        top, bottom = self.display.margins[:2]
        return self._extent()[0] / (self.display.height - top - bottom)

    def _extent(self) -> tuple[float, float]:
        """Height of the fan, and half of its width, in mm."""
        start = self.probe.first * np.cos(self.probe.half_angle)
        return self.probe.depth - start, self.probe.depth * np.sin(self.probe.half_angle)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the picture."""
        left, right = self.display.margins[2:]
        width = round(2 * self._extent()[1] / self.mm_per_pixel) + left + right
        return self.display.height, width

    def origin(self) -> tuple[float, float]:
        """(column, row) of the centre of the fan."""
        top, _, left, _ = self.display.margins
        start = self.probe.first * np.cos(self.probe.half_angle)
        return left + self._extent()[1] / self.mm_per_pixel - 0.5, top - start / self.mm_per_pixel

    def beam_maps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For every pixel, the beam and the sample to read, and a mask of the fan."""
        rows, columns = np.mgrid[: self.size[0], : self.size[1]].astype(np.float32)
        column, row = self.origin()
        points = np.stack([(columns - column).ravel(), (rows - row).ravel()], axis=1)
        beam, sample = self.probe.beam_coordinates(points * self.mm_per_pixel).T
        inside = (np.abs(beam - (NUM_BEAMS - 1) / 2) < NUM_BEAMS / 2) & (points[:, 1] > 0)
        inside &= (sample > -0.5) & (sample < NUM_SAMPLES - 0.5)
        maps = (a.reshape(self.size).astype(np.float32) for a in (beam, sample))
        return *maps, inside.reshape(self.size)

    def labels(self, frame: float) -> np.ndarray:
        """(H, W) uint8 in CAMUS's values: 1 LV, 2 its myocardium, 3 LA; 0 outside of the fan."""
        outlines = self.heart.outlines(frame)
        drawn = np.zeros(self.size, np.uint8)
        for value, outline in (
            (3, outlines.left_atrium),
            (2, outlines.septum),
            (2, outlines.lateral),
            (1, outlines.cavity),
        ):
            points = np.rint((outline / self.mm_per_pixel + self.origin()) * 16)
            cv2.fillPoly(drawn, [points.astype(np.int32)], value, cv2.LINE_8, 4)
        return np.where(self.beam_maps()[2], drawn, 0).astype(np.uint8)

    def frames(self, indices: list[int]) -> np.ndarray:
        """Simulate frames, (T, H, W) uint8; the same index gives the same picture."""
        beam, sample, inside = self.beam_maps()
        pictures = []
        for index in indices:
            grey = self._grey(index)
            if self.display.persistence:
                before = self._grey(index - 1)
                grey = grey + self.display.persistence * (before - grey)
            picture = cv2.remap(grey, beam, sample, cv2.INTER_LINEAR, borderMode=1)
            picture = self._filtered(picture) * inside
            pictures.append(self._with_text(np.rint(picture * 255).astype(np.uint8), inside))
        return np.stack(pictures)

    def _grey(self, index: int) -> np.ndarray:
        """(samples, beams) grey levels of one frame, 0 to 1."""
        look = np.random.default_rng([self.seed, 1])
        moving = np.random.default_rng([self.seed, 3, index % self.heart.cycle])
        level, blood = decibel_map(self.heart.outlines(index), self.probe, self.tissue, look)
        still = np.random.default_rng([self.seed, 2])
        decibel = amplitudes(level, blood, self.probe, self.artefacts, still, moving)
        grey = np.clip(self.display.muscle + decibel / self.display.range_db, 0, 1)
        return (grey**self.display.curve).astype(np.float32)

    def _filtered(self, picture: np.ndarray) -> np.ndarray:
        if self.display.smooth > 0.2:
            picture = cv2.GaussianBlur(picture, (0, 0), self.display.smooth)
        if self.display.sharpen:
            picture = picture + self.display.sharpen * (
                picture - cv2.GaussianBlur(picture, (0, 0), 2.0)
            )
        return np.clip(picture, 0, 1)

    def _with_text(self, picture: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """Draw text, a scale and a grey bar, all outside of the fan."""
        if not self.display.text:
            return picture
        height, width = picture.shape
        drawn = np.zeros_like(picture)
        for row, text in enumerate(
            (self.display.text, f"{self.probe.depth / 10:.0f} cm", "MI 1.2")
        ):
            cv2.putText(drawn, text, (4, 12 + 11 * row), cv2.FONT_HERSHEY_PLAIN, 0.7, 200, 1)
        bar = np.linspace(255, 0, height // 4).astype(np.uint8)
        drawn[10 : 10 + len(bar), width - 9 : width - 4] = bar[:, None]
        drawn[:: max(8, height // 16), width - 3 :] = 180
        line = height - 8 - 6 * np.abs(np.sin(np.arange(width) / 11)) ** 9
        drawn[line.astype(int), np.arange(width)] = 150
        return np.where(inside, picture, drawn)
