"""A beating four-chamber heart with known shape at any time.

All lengths are in millimetres. Heart coordinates: u across (0 in the septum; the left heart has u >
0 and is on the right of the picture), v along, from the apex down. The chambers' inner border at
the septum is fixed; their outer border and the valve plane move.

At height s (0 at its closed end, 1 at the valve) a chamber is a segment of length 2 half(s).
"""

from dataclasses import dataclass

import numpy as np

LV, LA, RA, RV = 1, 2, 3, 4
"""CardiacUDC's raw values in the apical four-chamber view."""
BLOOD, WALL, TISSUE, VALVE = 0.02, 1.0, 0.35, 1.6
"""Echo strength of blood, of the heart's walls, of the tissue around, and of valves."""


@dataclass(frozen=True)
class Heart:
    """One patient's heart at end-diastole, its contraction, and its position under the probe."""

    lv_length: float = 80.0
    lv_half_width: float = 24.0
    rv_half_width: float = 17.0
    la_length: float = 45.0
    la_half_width: float = 19.0
    ra_half_width: float = 18.0
    septum: float = 9.0
    wall: float = 9.0
    shortening: float = 0.12
    """Relative decrease of the LV's length at end-systole."""
    thinning: float = 0.28
    """Relative decrease of the LV's width at end-systole."""
    apex_depth: float = 28.0
    tilt: float = 0.0
    """Rotation in radians; positive values turn the base to the right."""
    shift: float = 0.0
    cycle: int = 24
    """Number of frames of one beat."""

    def contraction(self, frame: float) -> float:
        """Degree of contraction: 0 at end-diastole (frame 0), 1 at end-systole (38% of a beat)."""
        moment = (frame % self.cycle) / self.cycle
        if moment < 0.38:
            return 0.5 - 0.5 * np.cos(np.pi * moment / 0.38)
        return 0.5 + 0.5 * np.cos(np.pi * (moment - 0.38) / 0.62)

    def lv_volume(self, frame: float, *, num_discs: int = 200) -> float:
        """Volume in ml by discs: pi times the integral of half(s)^2 along the long axis."""
        amount = self.contraction(frame)
        length = self.lv_length * (1 - self.shortening * amount)
        half = self.lv_half_width * (1 - self.thinning * amount)
        s = (np.arange(num_discs) + 0.5) / num_discs
        return float(np.pi * (bullet(s, half) ** 2).mean() * length / 1000)

    def ejection_fraction(self) -> float:
        """(EDV - ESV) / EDV, 0 to 1."""
        end_systole = 0.38 * self.cycle
        return 1 - self.lv_volume(end_systole) / self.lv_volume(0)

    def look(
        self, x: np.ndarray, z: np.ndarray, frame: float, *, drift: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Find the structure at points under the probe.

        Args:
            x: positions to the right of the probe, in mm.
            z: depths below the probe, in mm.
            frame: time in frames.
            drift: displacement of the probe, in mm.

        Returns:
            Chamber values (0 to 4), a mask of the LV myocardium, and echo strength.
        """
        u, v = self._heart_coordinates(x, z, drift)
        amount = self.contraction(frame)
        base = self.lv_length * (1 - self.shortening * amount)
        back = self.lv_length + 3 + self.la_length
        shapes = self._shapes(amount, base, back)
        inside = {value: _inside(u, v, *shape) for value, shape in shapes.items()}
        labels = np.zeros(x.shape, np.uint8)
        for value, where in inside.items():
            labels[where & (labels == 0)] = value
        thick = self.wall * (1 + 0.35 * amount)  # the muscle gets thicker when it contracts
        outer = _inside(u, v, *_thicker(shapes[LV], thick, self.septum))
        muscle = outer & (v < base) & (labels == 0)
        heart = muscle.copy()
        for value, wall in ((RV, 5.0), (LA, 3.5), (RA, 3.5)):
            heart |= _inside(u, v, *_thicker(shapes[value], wall, self.septum)) & (labels == 0)
        echo = np.where(heart, WALL, TISSUE)
        echo = np.where(labels > 0, BLOOD, echo)
        valve = (v > base) & (v < base + 3) & (np.abs(u) < 2 * self.lv_half_width) & heart
        return labels, muscle, np.where(valve, VALVE, echo)

    def _heart_coordinates(self, x, z, drift):
        x, z = x - self.shift - drift, z - self.apex_depth
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        return cos * x - sin * z, sin * x + cos * z

    def _shapes(self, amount: float, base: float, back: float) -> dict:
        """All chambers as (side, inner border, closed end, valve end, half width)."""
        squeeze, fill = 1 - self.thinning * amount, 1 + 0.12 * amount
        edge, low = self.septum / 2, 0.16 * self.lv_length
        return {
            LV: (1, edge, 0.0, base, self.lv_half_width * squeeze),
            RV: (-1, edge, low, base, self.rv_half_width * squeeze),
            LA: (1, 2.0, back, base + 3, self.la_half_width * fill),
            RA: (-1, 2.0, back - 2, base + 3, self.ra_half_width * fill),
        }


def bullet(s: np.ndarray, half_width: float) -> np.ndarray:
    """Half width at height s: round at the closed end, widest near the middle, open at s = 1."""
    s = np.clip(s, 0, 1)
    return half_width * np.sqrt(1 - (1 - s) ** 2) * (1 - 0.18 * s**3)


def _inside(u, v, side, inner, closed, valve, half_width):
    s = (v - closed) / (valve - closed)
    reach = side * u - inner
    inside = (s > 0) & (s < 1) & (reach > 0)
    inside[inside] = reach[inside] < 2 * bullet(s[inside], half_width)
    return inside


def _thicker(shape: tuple, wall: float, septum: float) -> tuple:
    """A chamber with its wall: up to the middle of the septum, and `wall` mm on the other sides."""
    side, inner, closed, valve, half_width = shape
    end = closed - np.sign(valve - closed) * wall
    grown = half_width + (wall + inner + septum / 2) / 2
    return side, -septum / 2, end, valve + 3 * np.sign(valve - closed), grown
