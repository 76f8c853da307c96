"""A beating heart in the apical four-chamber view, as outlines in millimetres.

Heart coordinates: u across (0 on the long axis, positive towards the lateral wall), v along the
axis from the apex (0) down to the mitral plane. Outlines are (N, 2) arrays of x (to the right) and
z (depth) under the probe. The borders of the left heart follow the conventions of CAMUS: the cavity
ends at a straight line between the two hinge points of the mitral valve, the muscle is a U around
it, and the left atrium begins at the same line.
"""

from dataclasses import dataclass

import numpy as np

from lgrseg.data.phantom.outlines import atrium, curve, outward, smooth_noise

NUM_POINTS = 48
"""Points along each side of the ventricle."""
END_SYSTOLE = 0.38
"""Moment of end-systole as part of a beat."""


@dataclass(frozen=True)
class Wall:
    """One side of the left ventricle; `reach` and `thickness` are in mm at end-diastole."""

    reach: float = 22.0
    """Largest distance of the endocardium from the long axis."""
    widest: float = 0.6
    """Height of the largest reach: 0 at the apex, 1 at the base."""
    taper: float = 0.25
    """Relative decrease of the reach from there to the base."""
    roundness: float = 0.5
    """Exponent of the apical cap: 0.5 is an ellipse, more is more pointed."""
    thickness: float = 10.0
    basal: float = 0.9
    """Thickness at the base as part of the thickness at mid-height."""
    bulge: float = 0.0
    """Height of a bulge of the wall into the cavity, in mm, at two thirds of the length."""

    def distance(self, s: np.ndarray) -> np.ndarray:
        """Distance of the endocardium from the axis in mm at heights s, at end-diastole."""
        cap = np.clip(1 - (1 - s / self.widest) ** 2, 0, 1) ** self.roundness
        below = np.clip((s - self.widest) / (1 - self.widest), 0, 1)
        profile = np.where(s < self.widest, cap, 1 - self.taper * below**1.7)
        return self.reach * profile - self.bulge * np.exp(-(((s - 0.66) / 0.12) ** 2))


@dataclass(frozen=True)
class Outlines:
    """Outlines at one moment, in mm under the probe."""

    cavity: np.ndarray
    septum: np.ndarray
    """The septal half of the muscle; `lateral` is the other one, and they meet at the apex."""
    lateral: np.ndarray
    left_atrium: np.ndarray
    right_ventricle: np.ndarray
    right_atrium: np.ndarray
    leaflets: list[np.ndarray]
    """Open lines: mitral and tricuspid leaflets, and the moderator band."""
    hinges: list[np.ndarray]
    """Hinge points of the valves, each (2,): mitral septal, mitral lateral, tricuspid."""
    lumps: list[np.ndarray]
    """Papillary muscles and trabeculae inside the cavity, which is labelled as cavity."""


@dataclass(frozen=True)
class ApicalHeart:
    """One patient's heart at end-diastole, its contraction, and its position under the probe."""

    length: float = 80.0
    septum: Wall = Wall(reach=20.0, thickness=9.5)
    lateral: Wall = Wall(reach=23.0, thickness=11.0)
    apex_thickness: float = 10.0
    shortening: float = 0.13
    """Relative decrease of the length at end-systole."""
    thinning: float = 0.22
    """Relative decrease of the width at end-systole."""
    thickening: float = 0.3
    """Relative increase of the wall's thickness at end-systole."""
    base_slope: float = 0.0
    """Slope of the mitral plane against the axis's normal; positive: the lateral end is lower."""
    bend: float = 0.0
    """Curvature of the long axis: displacement of both ends against the middle, in mm."""
    foot: float = 4.0
    """Distance by which the outer border of the muscle ends below the mitral plane."""
    atrium_length: float = 38.0
    atrium_half_width: float = 20.0
    atrium_turn: float = 0.0
    """Direction of the left atrium against the ventricle's axis, in radians."""
    atrium_filling: float = 0.12
    right_width: float = 32.0
    right_apex: float = 0.25
    """Height at which the right ventricle begins."""
    valve_opening: float = 0.0
    """Opening of the mitral valve at end-diastole, 0 to 1."""
    tenting: float = 4.0
    """Height of the closed leaflets above the mitral plane, in mm."""
    num_lumps: int = 3
    apex: tuple[float, float] = (0.0, 30.0)
    """Position of the cavity's apex, (x, z) in mm."""
    tilt: float = 0.15
    """Rotation in radians; positive values turn the base to the right."""
    cycle: int = 24
    """Number of frames of one beat."""
    seed: int = 0
    """Seed of the small irregularities of the shape."""

    @property
    def end_systole(self) -> int:
        """Index of the end-systolic frame; end-diastole is frame 0."""
        return round(END_SYSTOLE * self.cycle)

    def contraction(self, frame: float) -> float:
        """Degree of contraction: 0 at end-diastole, 1 at end-systole, smooth and periodic."""
        last = self.end_systole
        moment = frame % self.cycle
        if moment < last:
            return float(0.5 - 0.5 * np.cos(np.pi * moment / last))
        return float(0.5 + 0.5 * np.cos(np.pi * (moment - last) / (self.cycle - last)))

    def volume(self, frame: float, *, num_discs: int = 400) -> float:
        """Volume of the left ventricle in ml, as a stack of round discs along the axis."""
        s = (np.arange(num_discs) + 0.5) / num_discs
        amount = self.contraction(frame)
        squeeze = 1 - self.thinning * amount
        width = squeeze * (self.septum.distance(s) + self.lateral.distance(s))
        length = self.length * (1 - self.shortening * amount)
        return float(np.pi / 4 * (width**2).mean() * length / 1000)

    def ejection_fraction(self) -> float:
        """(EDV - ESV) / EDV, 0 to 1."""
        return 1 - self.volume(self.end_systole) / self.volume(0)

    def outlines(self, frame: float) -> Outlines:
        """The outlines of all structures at this frame."""
        amount = self.contraction(frame)
        rng = np.random.default_rng([self.seed, 5])
        inner, outer = self._borders(amount, rng)
        apex = NUM_POINTS - 1
        left, right = inner[0], inner[-1]
        turn = self.atrium_turn
        axis = np.array([np.sin(turn), np.cos(turn)])
        base = self.length * (1 - self.shortening * amount)
        reach = self.atrium_length + 0.8 * (self.length - base)
        half_width = self.atrium_half_width * (1 + self.atrium_filling * amount)
        ventricle, hinge = self._right_ventricle(outer, rng)
        structures = {
            "cavity": inner,
            "septum": np.concatenate([outer[: apex + 1], inner[: apex + 1][::-1]]),
            "lateral": np.concatenate([outer[apex:], inner[apex:][::-1]]),
            "left_atrium": atrium(left, right, axis, reach, half_width, rng),
            "right_ventricle": ventricle,
            "right_atrium": atrium(
                hinge, left + [-4.0, 4.0], axis, reach * rng.uniform(0.8, 1.1), half_width, rng
            ),
        }
        lines = self._leaflets(left, right, amount, rng)
        lines.append(curve(hinge, outer[0], 0.08))
        lines.append(curve(ventricle[-26], ventricle[-9], 0.1))
        return Outlines(
            **{name: self._placed(outline) for name, outline in structures.items()},
            leaflets=[self._placed(line) for line in lines],
            hinges=list(self._placed(np.stack([outer[0], (right + outer[-1]) / 2, hinge]))),
            lumps=[self._placed(lump) for lump in self._lumps(inner, rng)],
        )

    def _borders(self, amount: float, rng) -> tuple[np.ndarray, np.ndarray]:
        """Endocardium and epicardium from the septal hinge point over the apex to the lateral."""
        s = 1 - np.cos(np.linspace(0, np.pi / 2, NUM_POINTS))
        s[-1] = 1.0
        heights = np.concatenate([s[::-1], s[1:]])
        length = self.length * (1 - self.shortening * amount)
        squeeze = 1 - self.thinning * amount
        u = squeeze * np.concatenate([-self.septum.distance(s)[::-1], self.lateral.distance(s)[1:]])
        v = heights * length + self.base_slope * u * heights**3
        inner = np.stack([u, v], axis=1)
        swelling = 1 + self.thickening * amount
        sides = [
            wall.thickness * (1 - (1 - wall.basal) * np.clip((s - 0.45) / 0.55, 0, 1))
            for wall in (self.septum, self.lateral)
        ]
        thickness = np.concatenate([sides[0][::-1], sides[1][1:]])
        near_apex = np.exp(-((heights / 0.13) ** 2))
        thickness += near_apex * (self.apex_thickness - thickness)
        thickness *= swelling * (1 + 0.06 * smooth_noise(len(u), rng))
        outer = inner + outward(inner) * thickness[:, None]
        outer[:, 1] += self.foot * np.clip((heights - 0.75) / 0.25, 0, 1) ** 2
        return inner, outer

    def _right_ventricle(self, outer: np.ndarray, rng) -> tuple[np.ndarray, np.ndarray]:
        """The right ventricle, and the outer hinge point of the tricuspid valve."""
        heights = outer[:NUM_POINTS, 1] / outer[0, 1]
        septal = outer[:NUM_POINTS][(heights > self.right_apex) & (heights < 0.97)]
        hinge = septal[0] + [-self.right_width, -rng.uniform(-2, 10)]
        free = curve(septal[-1], hinge, -rng.uniform(0.15, 0.4))
        return np.concatenate([septal, free]), hinge

    def _leaflets(self, left, right, amount: float, rng) -> list[np.ndarray]:
        """Two lines from the hinge points: to a common tip if closed, into the ventricle if not."""
        opening = self.valve_opening * max(0.0, 1 - 3 * amount)
        middle = left + rng.uniform(0.45, 0.65) * (right - left)
        lines = []
        for hinge, side in ((left, 1), (right, -1)):
            closed = middle - [0, self.tenting]
            opened = hinge + [side * 5.0, -0.5 * np.linalg.norm(right - left)]
            tip = (1 - opening) * closed + opening * opened
            lines.append(curve(hinge, tip, side * rng.uniform(0.05, 0.35)))
        return lines

    def _lumps(self, inner: np.ndarray, rng) -> list[np.ndarray]:
        """Papillary muscles at the lateral wall, and smaller trabeculae near the apex."""
        turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        lumps = []
        for number in range(self.num_lumps):
            position = rng.uniform(0.3, 0.8) if number % 4 == 0 else rng.uniform(-0.7, 0.9)
            place = inner[int((position + 1) / 2 * (len(inner) - 1))]
            centre = [place[0] * rng.uniform(0.5, 0.98), place[1] + rng.uniform(0, 5)]
            size = rng.uniform(2, 5) if number % 4 == 0 else rng.uniform(0.5, 1.8)
            lumps.append(centre + ring * [size * 0.7, size * rng.uniform(0.8, 2.0)])
        return lumps

    def _placed(self, points: np.ndarray) -> np.ndarray:
        """Heart coordinates to (x, z) under the probe."""
        u, v = points[:, 0], points[:, 1]
        u = u + self.bend * (4 * (v / self.length - 0.5) ** 2 - 1)
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        x = self.apex[0] + cos * u + sin * v
        return np.stack([x, self.apex[1] - sin * u + cos * v], axis=1)
