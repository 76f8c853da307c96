"""What the probe receives: echoes of the tissue under shadows, drop-out, haze and noise.

Every pixel is a scatterer with a random complex amplitude, and the scatterers are blurred by the
point spread function of the probe. The artefacts of real scans are added in the same coordinates:
shadows and drop-out follow the beams, haze and reverberations lie over both blood and muscle.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from lgrseg.data.phantom.beams import (
    BEAMS,
    NUM_BEAMS,
    NUM_SAMPLES,
    Probe,
    clouds,
    scatterers,
    spread,
    step,
)


@dataclass(frozen=True)
class Artefacts:
    """Artefacts that hide the heart; strengths are in dB against muscle unless stated otherwise."""

    near_haze: float = -6.0
    near_reach: float = 20.0
    """Depth in mm at which the near haze has fallen to a third."""
    haze: float = -20.0
    """Haze over the whole fan, in slow patches."""
    rings: tuple[float, float] = (-6.0, 3.0)
    """Strength in dB, and distance in mm, of the rings that echoes of the probe's face make."""
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
        probe: the fan of beams.
        artefacts: artefacts and their strengths.
        still: generator of the random numbers that are equal in all frames.
        moving: generator of the random numbers that differ between frames.
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


def _losses(probe: Probe, artefacts: Artefacts, rng: np.random.Generator) -> np.ndarray:
    """Factor of the amplitude: shadows, the fan's edges, patches of drop-out, wrong TGC."""
    angle = (BEAMS + 0.5) / NUM_BEAMS * 2 - 1
    radius = probe.radius()
    left, right = artefacts.edge_loss
    edge = np.maximum(np.abs(angle) - 0.5, 0) ** 2 * 4
    decibel = -edge * np.where(angle < 0, left, right)
    for where, width, loss, first in artefacts.shadows:
        beam = np.exp(-(((angle - where) / width) ** 2))
        decibel = decibel - loss * beam * step((radius - first) / 5)
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
