"""Paints the apical heart in beam coordinates, as echo strengths in dB against muscle."""

from dataclasses import dataclass

import cv2
import numpy as np

from lgrseg.data.phantom.apical_heart import Outlines
from lgrseg.data.phantom.beams import BEAMS, NUM_BEAMS, NUM_SAMPLES, SAMPLES, Probe, clouds, step
from lgrseg.data.phantom.outlines import grown


@dataclass(frozen=True)
class Tissue:
    """Echo strengths in dB against muscle, and the spread of their slow variation."""

    blood: float = -16.0
    atrium: float = -13.0
    """Blood of the atria, which more clutter reaches."""
    clutter: float = 3.0
    """Slow variation of the atria's blood, in dB."""
    right: float = -14.0
    septum: float = 0.0
    lateral: float = -3.0
    apex: float = -3.0
    around: float = -5.0
    lung: float = -10.0
    """Tissue beside the lateral wall."""
    pericardium: float = 7.0
    """Bright border around the heart, strongest at the base and behind the atria."""
    valve: float = 5.0
    hinge: float = 7.0
    """Fibrous ring at the hinge points of the valves."""
    posterior: float = 3.0
    """Tissue behind the atria."""
    lump: float = -3.0
    patchiness: float = 3.0
    """Slow variation within muscle and surroundings, in dB."""
    grain: float = 5.0
    """Fine variation of tissue, but not of blood, in dB: few strong scatterers among many weak."""
    irregularity: float = 1.0
    """Unevenness of the borders, in mm."""


class Canvas:
    """The echo strengths that are painted, layer over layer; later layers cover earlier ones."""

    def __init__(self, probe: Probe, tissue: Tissue, rng: np.random.Generator):
        """Begin with an empty picture and the random fields that all layers share."""
        self.probe, self.tissue, self.rng = probe, tissue, rng
        self.level: np.ndarray = np.zeros((NUM_SAMPLES, NUM_BEAMS), np.float32)
        self.blood: np.ndarray = np.zeros_like(self.level)
        """Blood's part of each scatterer, 0 to 1."""
        self._bent = clouds(rng, 5, 4), clouds(rng, 5, 4)
        self.patches = tissue.patchiness * (0.7 * clouds(rng, 26, 11) + 0.6 * clouds(rng, 7, 4))

    def area(self, outline: np.ndarray) -> np.ndarray:
        """The inside of an outline, 0 to 1, with a wavy and slightly soft border."""
        per_mm = NUM_SAMPLES / (self.probe.depth - self.probe.first)
        shift = np.float32(self.tissue.irregularity * per_mm)
        across, down = self._bent
        mask = cv2.remap(
            filled(outline, self.probe),
            BEAMS + 0.6 * shift * across,
            SAMPLES + shift * down,
            cv2.INTER_LINEAR,
        )
        return cv2.GaussianBlur(mask, (0, 0), 0.7)

    def cover(self, inside: np.ndarray, strength: np.ndarray | float) -> None:
        """Paint over the earlier layers."""
        self.level = self.level + inside * (strength - self.level)

    def add(self, inside: np.ndarray, strength: np.ndarray | float) -> None:
        """Paint only where this makes the echo stronger."""
        self.level = np.maximum(self.level, self.level + inside * (strength - self.level))

    def fill(self, inside: np.ndarray, strength: np.ndarray | float) -> None:
        """Paint blood."""
        self.cover(inside, strength)
        self.blood = np.maximum(self.blood, inside)


def decibel_map(
    outlines: Outlines, probe: Probe, tissue: Tissue, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Echo strength of every scatterer in dB, and the part of it that is blood (0 to 1)."""
    canvas = Canvas(probe, tissue, rng)
    heart = _paint_walls(canvas, outlines)
    _paint_chambers(canvas, outlines)
    _paint_details(canvas, outlines)
    grain = 0.8 * clouds(rng, 1.2, 1.5, factor=1) + 0.6 * clouds(rng, 2.5, 4, factor=2)
    rough = (1 - canvas.blood) * (0.5 + 0.5 * heart)
    return canvas.level + rough * tissue.grain * grain, canvas.blood


def _paint_walls(canvas: Canvas, outlines: Outlines) -> np.ndarray:
    """Surroundings and muscle; returns the inside of the whole heart."""
    tissue, probe, area = canvas.tissue, canvas.probe, canvas.area
    heart = np.maximum.reduce(
        [area(grown(o, 4.0)) for o in (outlines.right_ventricle, outlines.right_atrium)]
        + [area(o) for o in (outlines.septum, outlines.lateral, outlines.cavity)]
        + [area(grown(outlines.left_atrium, 3.0))]
    )
    canvas.level = _surroundings(heart, outlines, probe, tissue, canvas.rng) + canvas.patches
    canvas.cover(heart, tissue.septum - 4 + 1.7 * canvas.patches)
    top = probe.beam_coordinates(outlines.cavity[len(outlines.cavity) // 2][None])[0, 1]
    near_apex = np.exp(-((np.maximum(SAMPLES - top, 0) / (0.1 * NUM_SAMPLES)) ** 2))
    for wall, outline in ((tissue.septum, outlines.septum), (tissue.lateral, outlines.lateral)):
        strength = wall + near_apex * (tissue.apex - wall)
        canvas.cover(area(outline), strength + canvas.patches)
    return heart


def _paint_chambers(canvas: Canvas, outlines: Outlines) -> None:
    """Blood of the four chambers, and the wall between the atria."""
    tissue, area = canvas.tissue, canvas.area
    slow = 1.5 * clouds(canvas.rng, 40, 20)
    clutter = slow + tissue.clutter * clouds(canvas.rng, 24, 10)
    cavity = area(outlines.cavity)
    canvas.fill(area(outlines.right_ventricle), tissue.right + slow)
    canvas.fill(area(outlines.right_atrium), tissue.atrium + clutter)
    wall = area(grown(outlines.left_atrium, 3.5)) * (1 - cavity)
    canvas.cover(wall, tissue.septum - 3 + 1.7 * canvas.patches)
    canvas.blood *= 1 - wall
    canvas.fill(area(outlines.left_atrium), tissue.atrium + clutter)
    canvas.fill(cavity, tissue.blood + slow)


def _paint_details(canvas: Canvas, outlines: Outlines) -> None:
    """Trabeculae, leaflets and the fibrous rings of the valves."""
    tissue, probe, rng = canvas.tissue, canvas.probe, canvas.rng
    for lump in outlines.lumps:
        inside = filled(lump, probe)
        canvas.add(inside, tissue.lump + canvas.patches)
        canvas.blood *= 1 - inside
    gaps = 6 * clouds(rng, 6, 5)
    for line in outlines.leaflets:
        drawn = np.zeros_like(canvas.level)
        points = np.rint(probe.beam_coordinates(line) * 16).astype(np.int32)
        cv2.polylines(drawn, [points], False, 1.0, int(rng.integers(1, 4)), cv2.LINE_8, 4)
        canvas.add(cv2.GaussianBlur(drawn, (0, 0), 0.7), tissue.valve + canvas.patches + gaps)
    for hinge in outlines.hinges:
        beam, sample = probe.beam_coordinates(hinge[None])[0]
        wide, high = rng.uniform(1.5, 6), rng.uniform(3, 10)
        tail = np.where(SAMPLES > sample, rng.uniform(1, 7), 1)  # echoes between its layers
        away = ((SAMPLES - sample) / (high * tail)) ** 2 + ((BEAMS - beam) / wide) ** 2
        spot = np.exp(-(away**0.7)) * (1 - 0.9 * filled(outlines.cavity, probe))
        canvas.add(spot, tissue.hinge + canvas.patches)


def _surroundings(heart, outlines: Outlines, probe: Probe, tissue: Tissue, rng) -> np.ndarray:
    """Echo strengths outside the heart: low beside the lateral wall, high at its border."""
    roof = probe.beam_coordinates(outlines.left_atrium)[:, 1].max()
    valve = probe.beam_coordinates(outlines.cavity[-1:])[0]
    lung = step((BEAMS - valve[0]) / 8)
    behind = step((SAMPLES - roof) / 14)
    level = tissue.around + lung * (tissue.lung - tissue.around) * (1 - 0.5 * behind)
    level = level + behind * (tissue.posterior - level)
    outside = (heart < 0.5).astype(np.uint8)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, 3)
    low = step((SAMPLES - 0.8 * valve[1]) / 20)
    strength = tissue.pericardium * (0.25 + 0.75 * low) * (0.75 + 0.5 * clouds(rng, 16, 9))
    return level + np.maximum(strength, 0) * np.exp(-distance / rng.uniform(4, 12))


def filled(outline: np.ndarray, probe: Probe) -> np.ndarray:
    """The inside of an outline as a mask of 0 and 1, (NUM_SAMPLES, NUM_BEAMS)."""
    mask = np.zeros((NUM_SAMPLES, NUM_BEAMS), np.float32)
    points = np.clip(probe.beam_coordinates(outline), -500, 1500)
    cv2.fillPoly(mask, [np.rint(points * 16).astype(np.int32)], 1.0, cv2.LINE_8, 4)
    return mask
