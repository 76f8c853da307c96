"""Draws patients, machines and artefacts at random, with broad rather than exact ranges.

Every number of a patient comes from a seed. The ranges are those of adult anatomy and of scans from
good to poor; they are wider than those of one hospital, so that real scans lie within the range
that a network has learnt from.
"""

from dataclasses import replace

import numpy as np

from lgrseg.data.phantom.apical_heart import ApicalHeart, Wall
from lgrseg.data.phantom.apical_scan import ApicalScan, Display
from lgrseg.data.phantom.artefacts import Artefacts
from lgrseg.data.phantom.beams import Probe
from lgrseg.data.phantom.tissue import Tissue


class Draw:
    """A random generator with the distributions that are used here."""

    def __init__(self, seed: list[int]):
        self.rng = np.random.default_rng(seed)

    def normal(self, mean: float, spread: float, low: float, high: float) -> float:
        """Normal, clipped to low ... high."""
        return float(np.clip(self.rng.normal(mean, spread), low, high))

    def uniform(self, low: float, high: float) -> float:
        """Uniform between low and high."""
        return float(self.rng.uniform(low, high))

    def margins(self, low: float, high: float) -> tuple[int, int, int, int]:
        """Four whole numbers between low and high."""
        top, bottom, left, right = self.rng.uniform(low, high, 4).astype(int).tolist()
        return top, bottom, left, right

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < probability)


def apical_scan(seed: int, number: int) -> ApicalScan:
    """The recording of one patient."""
    draw = Draw([seed, number])
    heart = _heart(draw)
    tissue, artefacts = _tissue(draw), _artefacts(draw)
    return ApicalScan(
        heart,
        tissue,
        _probe(draw, heart),
        artefacts,
        _display(draw),
        seed=int(draw.rng.integers(2**31)),
    )


def _heart(draw: Draw) -> ApicalHeart:
    length = draw.normal(79, 9, 60, 110)
    width = length * draw.normal(0.57, 0.08, 0.4, 0.82)
    foreshortened = draw.chance(0.25)
    if foreshortened:
        length = max(60.0, length * draw.uniform(0.8, 0.95))
    share = draw.uniform(0.4, 0.52)
    fraction = draw.normal(0.5, 0.14, 0.15, 0.75)
    shortening = fraction * draw.uniform(0.18, 0.36)
    septum = Wall(
        reach=share * width,
        widest=draw.uniform(0.35, 0.8),
        taper=draw.uniform(0.05, 0.5),
        roundness=draw.uniform(0.36, 0.6),
        thickness=draw.normal(11.5, 2, 6, 16),
        basal=draw.uniform(0.6, 1.05),
        bulge=draw.uniform(1, 5) if draw.chance(0.3) else 0.0,
    )
    lateral = Wall(
        reach=(1 - share) * width,
        widest=draw.uniform(0.4, 0.8),
        taper=draw.uniform(0.1, 0.55),
        roundness=draw.uniform(0.38, 0.62),
        thickness=draw.normal(12.2, 2, 6, 16),
        basal=draw.uniform(0.75, 1.1),
    )
    tilt = np.radians(draw.normal(10, 9, -25, 25))
    middle = draw.normal(5, 9, -22, 28)
    apex_thickness = draw.normal(10.5, 2.5, 6, 16) + 2 * foreshortened
    depth = apex_thickness + draw.normal(22, 6, 8, 42)
    return ApicalHeart(
        length=length,
        septum=septum,
        lateral=lateral,
        apex_thickness=apex_thickness,
        shortening=shortening,
        thinning=float(1 - np.sqrt((1 - fraction) / (1 - shortening))),
        thickening=fraction * draw.uniform(0.2, 0.7),
        base_slope=draw.uniform(-0.15, 0.15),
        bend=draw.normal(0, 2, -5, 5),
        foot=draw.uniform(0, 4),
        atrium_length=draw.normal(40, 11, 18, 70),
        atrium_half_width=draw.normal(18.5, 5, 8, 34),
        atrium_turn=np.radians(draw.normal(-11, 12, -38, 25)),
        atrium_filling=draw.uniform(0.0, 0.35),
        right_width=draw.uniform(18, 48),
        right_apex=draw.uniform(0.05, 0.5),
        valve_opening=draw.uniform(0, 1) if draw.chance(0.4) else 0.0,
        tenting=draw.uniform(-1, 9),
        num_lumps=int(draw.rng.integers(0, 16)),
        apex=(middle - length / 2 * float(np.sin(tilt)), depth),
        tilt=float(tilt),
        cycle=int(draw.rng.integers(18, 34)),
        seed=int(draw.rng.integers(2**31)),
    )


def _probe(draw: Draw, heart: ApicalHeart) -> Probe:
    """Draw a probe whose depth shows the ventricle, and in most cases the atria."""
    base = heart.apex[1] + heart.length * np.cos(heart.tilt)
    # A quarter of the recordings show the ventricle alone, with a slit of the atrium.
    part = draw.uniform(0.76, 0.97) if draw.chance(0.25) else draw.normal(0.67, 0.08, 0.5, 0.9)
    angle = draw.normal(75, 3, 60, 95) if draw.chance(0.6) else draw.uniform(60, 95)
    width = draw.uniform(0.6, 1.2)
    return Probe(
        depth=float(np.clip(base / part, 95, 205)),
        half_angle=float(np.radians(angle / 2)),
        first=draw.uniform(3, 14) if draw.chance(0.2) else 0.0,
        axial=draw.uniform(0.6, 1.3),
        lateral=(width, width * draw.uniform(1.2, 2.6)),
        looks=int(draw.rng.choice([1, 2, 2, 3, 3, 4])),
    )


def _tissue(draw: Draw) -> Tissue:
    contrast = draw.uniform(8, 18)
    return Tissue(
        blood=-contrast + draw.normal(0, 1, -3, 3),
        atrium=-contrast + draw.normal(6, 4, -3, 16),
        clutter=draw.uniform(1, 7),
        right=-contrast + draw.normal(1.5, 2.5, -3, 8),
        septum=draw.normal(2, 3, -5, 9),
        lateral=draw.normal(-4, 4.5, -16, 6),
        apex=draw.normal(-5, 3.5, -14, 3),
        around=draw.normal(-6, 3, -16, 2),
        lung=draw.normal(-8, 4, -20, 2),
        pericardium=draw.uniform(4, 18),
        valve=draw.normal(2, 4, -6, 10),
        hinge=draw.normal(5, 4, -4, 14),
        posterior=draw.normal(5, 5, -8, 15),
        lump=draw.normal(-4, 5, -14, 6),
        patchiness=draw.uniform(2.5, 8),
        grain=draw.uniform(2, 8),
        irregularity=draw.uniform(0.3, 1.6),
    )


def _artefacts(draw: Draw) -> Artefacts:
    shadows = tuple(
        (draw.uniform(-1, 1), draw.uniform(0.04, 0.2), draw.uniform(4, 22), draw.uniform(3, 35))
        for _ in range(int(draw.rng.choice([0, 0, 1, 1, 2, 3])))
    )
    arcs = tuple(
        (draw.uniform(3, 45), draw.uniform(-18, -4)) for _ in range(int(draw.rng.integers(0, 4)))
    )
    return Artefacts(
        near_haze=draw.normal(-2, 5, -16, 8),
        near_reach=draw.uniform(7, 32),
        haze=draw.uniform(-28, -12),
        rings=(draw.uniform(-18, 6), draw.uniform(2, 7)),
        reverberations=arcs,
        shadows=shadows,
        edge_loss=(draw.uniform(0, 10), draw.uniform(0, 14)),
        dropout=draw.uniform(0, 8),
        side_lobes=draw.uniform(-36, -18),
        tgc=tuple(draw.normal(0, 2.5, -6, 6) for _ in range(5)),
        noise=draw.uniform(-42, -18),
    )


def _display(draw: Draw) -> Display:
    height = int(draw.rng.integers(256, 361))
    margins, text = (0, 0, 0, 0), ""
    layout = draw.rng.random()
    if layout < 0.25:
        margins = draw.margins(2, 0.09 * height)
        text = str(draw.rng.choice(["ADULT ECHO", "4CH", "TTE S5", "A4C"]))
    elif layout < 0.37:  # zoomed: the sides of the fan are cut off
        margins = (
            -int(draw.uniform(0, 0.12 * height)),
            -int(draw.uniform(0, 0.06 * height)),
            -int(draw.uniform(0, 0.2 * height)),
            -int(draw.uniform(0, 0.2 * height)),
        )
    elif layout < 0.6:
        margins = draw.margins(0, 0.04 * height)
    plain = Display(
        height=height,
        margins=margins,
        muscle=draw.normal(0.47, 0.07, 0.3, 0.68),
        range_db=draw.uniform(38, 62),
        curve=float(np.exp(draw.normal(0, 0.22, -0.5, 0.5))),
        smooth=draw.uniform(0, 0.9),
        text=text,
    )
    return replace(
        plain,
        sharpen=draw.uniform(0.2, 1.0) if draw.chance(0.3) else 0.0,
        persistence=draw.uniform(0.1, 0.45) if draw.chance(0.25) else 0.0,
    )
