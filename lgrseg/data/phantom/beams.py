"""Echoes of the apical heart in beam coordinates: rows are samples in depth, columns are beams.

Tissues are painted as echo strengths in dB against the heart's muscle. Every pixel is a scatterer
with a random complex amplitude, and the scatterers are blurred by the point spread function of the
probe. What makes real scans hard to read is added in the same coordinates: shadows and drop-out
follow the beams, haze and reverberations lie over blood and muscle alike.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from lgrseg.data.phantom.apical_heart import Outlines
from lgrseg.data.phantom.outlines import grown

NUM_SAMPLES, NUM_BEAMS = 352, 160


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


@dataclass(frozen=True)
class Artefacts:
    """What hides the heart; strengths in dB against muscle unless said otherwise."""

    near_haze: float = -6.0
    near_reach: float = 20.0
    """Depth in mm at which the near haze has fallen to a third."""
    haze: float = -20.0
    """Haze over the whole fan, in slow patches."""
    rings: tuple[float, float] = (-6.0, 3.0)
    """Strength in dB, and distance in mm, of the rings that the probe's face repeats."""
    reverberations: tuple[tuple[float, float], ...] = ()
    """(depth in mm, strength in dB) of bright arcs at constant depth."""
    shadows: tuple[tuple[float, float, float, float], ...] = ()
    """(angle, width, loss in dB, first depth in mm) of dark beams; angle and width as part of the
    half angle."""
    edge_loss: tuple[float, float] = (4.0, 6.0)
    """Loss in dB at the left and the right edge of the fan."""
    dropout: float = 4.0
    """Spread of the loss in slow patches, in dB."""
    side_lobes: float = -24.0
    """Strength of bright structures in the beams beside them."""
    tgc: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    """Error of the time-gain compensation in dB, from the top to the bottom."""
    noise: float = -30.0
    """Electronic noise at the bottom; it falls towards the probe."""


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
        step = (np.arange(NUM_SAMPLES, dtype=np.float32) + 0.5) / NUM_SAMPLES
        return (self.first + step * (self.depth - self.first))[:, None]


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
    near_apex = np.exp(-((np.maximum(_samples() - top, 0) / (0.1 * NUM_SAMPLES)) ** 2))
    for wall, outline in ((tissue.septum, outlines.septum), (tissue.lateral, outlines.lateral)):
        strength = wall + near_apex * (tissue.apex - wall)
        level = _over(level, area(outline), strength + patches)
    blood = np.zeros_like(level)
    chambers = (
        (outlines.right_ventricle, tissue.right),
        (outlines.right_atrium, tissue.atrium),
        (outlines.left_atrium, tissue.atrium),
        (outlines.cavity, tissue.blood),
    )
    slow = 1.5 * clouds(rng, 40, 20)
    for outline, strength in chambers:
        inside = area(outline)
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
        away = ((_samples() - sample) / high) ** 2 + ((_beams() - beam) / wide) ** 2
        spot = np.exp(-(away**0.7)) * (1 - 0.9 * _filled(outlines.cavity, probe))
        level = np.maximum(level, level + spot * (tissue.hinge + patches - level))
    grain = 0.8 * clouds(rng, 1.2, 1.5, factor=1) + 0.6 * clouds(rng, 2.5, 4, factor=2)
    return level + (1 - blood) * (0.5 + 0.5 * heart) * tissue.grain * grain, blood


def _surroundings(heart, outlines: Outlines, probe: Probe, tissue: Tissue, rng) -> np.ndarray:
    """Levels outside the heart: darker beside the lateral wall, a bright border, more behind."""
    roof = probe.beam_coordinates(outlines.left_atrium)[:, 1].max()
    valve = probe.beam_coordinates(outlines.cavity[-1:])[0]
    lung = _step((_beams() - valve[0]) / 8)
    behind = _step((_samples() - roof) / 14)
    level = tissue.around + lung * (tissue.lung - tissue.around) * (1 - 0.5 * behind)
    level = level + behind * (tissue.posterior - level)
    outside = (heart < 0.5).astype(np.uint8)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, 3)
    low = _step((_samples() - 0.8 * valve[1]) / 20)
    strength = tissue.pericardium * (0.25 + 0.75 * low) * (0.75 + 0.5 * clouds(rng, 16, 9))
    return level + np.maximum(strength, 0) * np.exp(-distance / rng.uniform(4, 12))


def amplitudes(
    level: np.ndarray,
    blood: np.ndarray,
    probe: Probe,
    artefacts: Artefacts,
    still: np.random.Generator,
    moving: np.random.Generator,
) -> np.ndarray:
    """Received amplitude of every sample, in dB against muscle.

    Args:
        level: strength of the scatterers in dB.
        blood: blood's part of each scatterer.
        probe: the fan.
        artefacts: what hides the heart.
        still: generator of what is equal in all frames.
        moving: generator of what differs between frames.
    """
    strength = 10 ** (level / 20)
    loss = _losses(probe, artefacts, still)
    veil = _veil(probe, artefacts, still)
    if artefacts.side_lobes > -40:
        power = cv2.blur(strength**2, (41, 1)) * 10 ** (artefacts.side_lobes / 10)
        veil = np.sqrt(veil**2 + power)
    depth = np.linspace(-12, 0, NUM_SAMPLES, dtype=np.float32)[:, None]
    noise = 10 ** ((artefacts.noise + depth) / 20)
    total = np.zeros_like(strength)
    for _ in range(probe.looks):
        tissue = scatterers(still)
        fresh = scatterers(moving)
        tissue = 0.8 * tissue + 0.6 * fresh
        mixed = tissue + blood[..., None] * (fresh - tissue)
        field = (strength * loss)[..., None] * mixed
        field += (veil * np.sqrt(loss))[..., None] * scatterers(still)
        field += noise[..., None] * scatterers(moving)
        total += np.square(spread(field, probe)).sum(axis=2)
    return 10 * np.log10(total / probe.looks + 1e-7)


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
    coarse = rng.standard_normal((NUM_SAMPLES // factor, NUM_BEAMS // factor), dtype=np.float32)
    coarse = cv2.GaussianBlur(coarse, (0, 0), beams / factor, sigmaY=samples / factor)
    coarse = (coarse - coarse.mean()) / coarse.std()
    return cv2.resize(coarse, (NUM_BEAMS, NUM_SAMPLES), interpolation=cv2.INTER_LINEAR)


def _losses(probe: Probe, artefacts: Artefacts, rng: np.random.Generator) -> np.ndarray:
    """Factor of the amplitude: shadows, the fan's edges, patches of drop-out, wrong TGC."""
    angle = ((np.arange(NUM_BEAMS, dtype=np.float32) + 0.5) / NUM_BEAMS * 2 - 1)[None]
    radius = probe.radius()
    left, right = artefacts.edge_loss
    edge = np.maximum(np.abs(angle) - 0.5, 0) ** 2 * 4
    decibel = -edge * np.where(angle < 0, left, right)
    for where, width, loss, first in artefacts.shadows:
        beam = np.exp(-(((angle - where) / width) ** 2))
        decibel = decibel - loss * beam * _step((radius - first) / 5)
    decibel = decibel - artefacts.dropout * np.maximum(clouds(rng, 40, 14), 0)
    knots = np.linspace(0, 1, len(artefacts.tgc))
    tgc = np.interp(np.linspace(0, 1, NUM_SAMPLES), knots, artefacts.tgc)[:, None]
    return (10 ** ((decibel + tgc) / 20)).astype(np.float32)


def _veil(probe: Probe, artefacts: Artefacts, rng: np.random.Generator) -> np.ndarray:
    """Amplitude of haze and reverberations."""
    radius = probe.radius()
    near = 10 ** ((artefacts.near_haze + 3 * clouds(rng, 20, 20)) / 20)
    veil = near * np.exp(-radius / artefacts.near_reach)
    strength, distance = artefacts.rings
    rings = 0.5 + 0.5 * np.cos(2 * np.pi * radius / distance)
    veil = veil + 10 ** (strength / 20) * rings**3 * np.exp(-radius / (3 * distance))
    veil = veil + 10 ** ((artefacts.haze + 4 * clouds(rng, 50, 25)) / 20)
    for depth, strength in artefacts.reverberations:
        arc = np.exp(-(((radius - depth) / 1.5) ** 2)) * (0.6 + 0.4 * clouds(rng, 60, 12))
        veil = veil + 10 ** (strength / 20) * np.maximum(arc, 0)
    return veil.astype(np.float32)


def _filled(outline: np.ndarray, probe: Probe) -> np.ndarray:
    mask = np.zeros((NUM_SAMPLES, NUM_BEAMS), np.float32)
    points = np.clip(probe.beam_coordinates(outline), -500, 1500)
    cv2.fillPoly(mask, [np.rint(points * 16).astype(np.int32)], 1.0, cv2.LINE_8, 4)
    return mask


def _uneven(mask: np.ndarray, bent, strength: float, probe: Probe) -> np.ndarray:
    """The mask with a wavy and slightly soft border."""
    per_mm = np.float32(strength * NUM_SAMPLES / (probe.depth - probe.first))
    rows, columns = _samples(), _beams()
    mask = cv2.remap(
        mask, columns + 0.6 * per_mm * bent[0], rows + per_mm * bent[1], cv2.INTER_LINEAR
    )
    return cv2.GaussianBlur(mask, (0, 0), 0.7)


def _over(level: np.ndarray, inside: np.ndarray, strength) -> np.ndarray:
    return level + inside * (strength - level)


def _samples() -> np.ndarray:
    return np.arange(NUM_SAMPLES, dtype=np.float32)[:, None]


def _beams() -> np.ndarray:
    return np.arange(NUM_BEAMS, dtype=np.float32)[None]


def _step(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))
