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


def decibel_map(
    outlines: Outlines, probe: Probe, tissue: Tissue, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Echo strength of every scatterer in dB, and the part of it that is blood (0 to 1)."""
    bent = clouds(rng, 5, 4), clouds(rng, 5, 4)

    def area(outline: np.ndarray) -> np.ndarray:
        return _uneven(_filled(outline, probe), bent, tissue.irregularity, probe)

    heart = np.maximum.reduce(
        [area(grown(o, 4.0)) for o in (outlines.right_ventricle, outlines.right_atrium)]
        + [area(o) for o in (outlines.septum, outlines.lateral, outlines.cavity)]
        + [area(grown(outlines.left_atrium, 3.0))]
    )
    patches = tissue.patchiness * (0.7 * clouds(rng, 26, 11) + 0.6 * clouds(rng, 7, 4))
    level = _surroundings(heart, outlines, probe, tissue, rng) + patches
    level = _over(level, heart, tissue.septum - 4 + 1.7 * patches)
    top = probe.beam_coordinates(outlines.cavity[len(outlines.cavity) // 2][None])[0, 1]
    near_apex = np.exp(-((np.maximum(SAMPLES - top, 0) / (0.1 * NUM_SAMPLES)) ** 2))
    for wall, outline in ((tissue.septum, outlines.septum), (tissue.lateral, outlines.lateral)):
        strength = wall + near_apex * (tissue.apex - wall)
        level = _over(level, area(outline), strength + patches)
    blood = np.zeros_like(level)
    chambers = (
        (outlines.right_ventricle, tissue.right, 0.0),
        (outlines.right_atrium, tissue.atrium, 0.0),
        (outlines.left_atrium, tissue.atrium, 3.5),  # its wall divides it from the right one
        (outlines.cavity, tissue.blood, 0.0),
    )
    slow = 1.5 * clouds(rng, 40, 20)
    for outline, strength, wall in chambers:
        inside = area(outline)
        if wall:
            around = area(grown(outline, wall)) * (1 - area(outlines.cavity))
            level = _over(level, around, tissue.septum - 3 + 1.7 * patches)
            blood *= 1 - around
        level = _over(level, inside, strength + slow)
        blood = np.maximum(blood, inside)
    for lump in outlines.lumps:
        inside = _filled(lump, probe)
        level = np.maximum(level, _over(np.full_like(level, -90), inside, tissue.lump + patches))
        blood *= 1 - inside
    gaps = 6 * clouds(rng, 6, 5)
    for line in outlines.leaflets:
        drawn = np.zeros_like(level)
        points = np.rint(probe.beam_coordinates(line) * 16).astype(np.int32)
        cv2.polylines(drawn, [points], False, 1.0, int(rng.integers(1, 4)), cv2.LINE_8, 4)
        drawn = cv2.GaussianBlur(drawn, (0, 0), 0.7)
        level = np.maximum(level, level + drawn * (tissue.valve + patches + gaps - level))
    for hinge in outlines.hinges:
        beam, sample = probe.beam_coordinates(hinge[None])[0]
        wide, high = rng.uniform(1.5, 6), rng.uniform(3, 10)
        tail = np.where(SAMPLES > sample, rng.uniform(1, 7), 1)  # echoes between its layers
        away = ((SAMPLES - sample) / (high * tail)) ** 2 + ((BEAMS - beam) / wide) ** 2
        spot = np.exp(-(away**0.7)) * (1 - 0.9 * _filled(outlines.cavity, probe))
        level = np.maximum(level, level + spot * (tissue.hinge + patches - level))
    grain = 0.8 * clouds(rng, 1.2, 1.5, factor=1) + 0.6 * clouds(rng, 2.5, 4, factor=2)
    return level + (1 - blood) * (0.5 + 0.5 * heart) * tissue.grain * grain, blood


def _surroundings(heart, outlines: Outlines, probe: Probe, tissue: Tissue, rng) -> np.ndarray:
    """Levels outside the heart: darker beside the lateral wall, a bright border, more behind."""
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


def _filled(outline: np.ndarray, probe: Probe) -> np.ndarray:
    mask = np.zeros((NUM_SAMPLES, NUM_BEAMS), np.float32)
    points = np.clip(probe.beam_coordinates(outline), -500, 1500)
    cv2.fillPoly(mask, [np.rint(points * 16).astype(np.int32)], 1.0, cv2.LINE_8, 4)
    return mask


def _uneven(mask: np.ndarray, bent, strength: float, probe: Probe) -> np.ndarray:
    """The mask with a wavy and slightly soft border."""
    per_mm = np.float32(strength * NUM_SAMPLES / (probe.depth - probe.first))
    rows, columns = SAMPLES, BEAMS
    mask = cv2.remap(
        mask, columns + 0.6 * per_mm * bent[0], rows + per_mm * bent[1], cv2.INTER_LINEAR
    )
    return cv2.GaussianBlur(mask, (0, 0), 0.7)


def _over(level: np.ndarray, inside: np.ndarray, strength) -> np.ndarray:
    return level + inside * (strength - level)
