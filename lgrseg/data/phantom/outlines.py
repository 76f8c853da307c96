"""Closed and open lines in the plane, (N, 2) arrays, of which the apical heart is made."""

import numpy as np


def outward(line: np.ndarray) -> np.ndarray:
    """Unit normals to the left of the direction of travel, where v grows downwards.

    For an outline that runs from the septum over the apex to the lateral wall they point outwards.
    """
    tangent = np.gradient(line, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
    return np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)


def grown(outline: np.ndarray, distance: float) -> np.ndarray:
    """A closed outline moved away from its centre by about `distance`."""
    offset = outline - outline.mean(axis=0)
    return outline + distance * offset / (np.linalg.norm(offset, axis=1, keepdims=True) + 1e-9)


def curve(start: np.ndarray, end: np.ndarray, height: float, *, num_points: int = 16) -> np.ndarray:
    """A parabola between two points; `height` is that of its top as part of the distance."""
    t = np.linspace(0, 1, num_points)[:, None]
    chord = np.asarray(end, float) - start
    normal = np.array([chord[1], -chord[0]])
    return start + t * chord + 4 * t * (1 - t) * height * normal


def smooth_noise(count: int, rng: np.random.Generator, *, knots: int = 7) -> np.ndarray:
    """`count` values of a smooth random function, of mean 0 and deviation about 1."""
    return np.interp(np.linspace(0, knots - 1, count), np.arange(knots), rng.standard_normal(knots))


def atrium(
    left: np.ndarray,
    right: np.ndarray,
    axis: np.ndarray,
    length: float,
    half_width: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """An ellipse cut off at the line between two hinge points, with a slightly uneven border.

    Args:
        left: first hinge point.
        right: second hinge point.
        axis: unit vector from the valve to the roof of the atrium.
        length: distance from the valve to the roof.
        half_width: half of the largest width; at least that of the valve.
        rng: generator of the irregularities.
    """
    opening = float(np.linalg.norm(right - left)) / 2
    half_width = max(half_width, 1.02 * opening)
    cut = np.sqrt(1 - (opening / half_width) ** 2)
    start = -np.arcsin(cut)  # of the angle on the ellipse, at the valve
    angle = np.linspace(start, np.pi / 2, 24)
    down = np.clip((np.sin(angle) + cut) / (1 + cut), 0, 1)
    across = half_width * np.cos(angle)
    chord = (right - left) / (2 * opening)
    normal = np.array([axis[1], -axis[0]])
    direction = chord + np.sqrt(down)[:, None] * (normal - chord)
    spine = (left + right) / 2 + (down * length)[:, None] * axis
    uneven = 1 + 0.05 * np.sqrt(down) * np.stack([smooth_noise(24, rng) for _ in range(2)])
    first = spine + (uneven[0] * across)[:, None] * direction
    second = spine - (uneven[1] * across)[:, None] * direction
    return np.concatenate([first, second[::-1][1:]])
