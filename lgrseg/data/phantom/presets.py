"""The recordings of the two phantoms "demo" and "study": hearts, scanners and difficulty."""

from dataclasses import dataclass, replace

import numpy as np

from lgrseg.data.phantom.heart import Heart
from lgrseg.data.phantom.scan import Scan, Scanner


@dataclass(frozen=True)
class Preset:
    """Number of videos of a phantom, and their difficulty."""

    videos_per_site: tuple[int, int, int, int, int]
    num_frames: int
    variation: float
    """Spread of shapes and positions; 1 is that of the demo."""
    gain_db: tuple[float, ...]
    range_db: tuple[float, ...]
    noise: float
    shadow: float
    """Strength of the strongest shadows, 0 to 1."""
    dropout_db: float = 0.0
    """Median of the drop-out of a recording; see Scan."""
    haze: float = 0.0
    """Median of the haze of a recording; see Scan."""


PRESETS = {
    "demo": Preset(
        videos_per_site=(8, 8, 4, 6, 2),
        num_frames=36,
        variation=1.0,
        gain_db=(0, 3, -2, 1.5, 0),
        range_db=(48, 52, 46, 50, 48),
        noise=0.012,
        shadow=0.6,
    ),
    "study": Preset(
        videos_per_site=(40, 40, 20, 30, 30),
        num_frames=60,
        variation=2.2,
        gain_db=(-6, 2, -9, 4, 0),
        range_db=(34, 62, 38, 56, 48),
        noise=0.05,
        shadow=0.97,
        dropout_db=16.0,
        haze=0.08,
    ),
}


def scans(preset: str, *, seed: int = 0) -> dict[str, Scan]:
    """All recordings of a phantom: "Site_P_1/patient3-4" -> scan; equal for equal seeds."""
    settings = PRESETS[preset]
    recordings = {}
    for site, count in enumerate(settings.videos_per_site):
        for number in range(1, count + 1):
            rng = np.random.default_rng([seed, site, number])
            scan = _scan(settings, site, rng, seed=int(rng.integers(2**31)))
            if (site, number) == (0, 2):
                scan.black_first = True
            if number % 4 == 3:
                scan.slide_mm = float(rng.choice([-1, 1]) * 70)
            recordings[f"Site_P_{site + 1}/patient{number}-4"] = scan
    return recordings


def _scan(settings: Preset, site: int, rng: np.random.Generator, *, seed: int) -> Scan:
    spread = settings.variation

    def around(value: float, part: float) -> float:
        return float(value * (1 + part * spread * rng.uniform(-1, 1)))

    plain = Heart()
    heart = replace(
        plain,
        lv_length=around(plain.lv_length, 0.08),
        lv_half_width=around(plain.lv_half_width, 0.13),
        rv_half_width=around(plain.rv_half_width, 0.13),
        la_length=around(plain.la_length, 0.10),
        la_half_width=around(plain.la_half_width, 0.13),
        ra_half_width=around(plain.ra_half_width, 0.13),
        wall=around(plain.wall, 0.12),
        thinning=around(plain.thinning, 0.25),
        apex_depth=around(plain.apex_depth, 0.12),
        tilt=float(rng.uniform(-0.12, 0.12) * spread),
        shift=float(rng.uniform(-7, 7) * spread),
        cycle=int(rng.integers(18, 30)),
    )
    scanner = Scanner(
        size=((240, 320), (224, 288), (256, 320), (240, 304), (240, 320))[site],
        depth_mm=(165.0, 178.0, 170.0, 172.0, 165.0)[site],
        half_angle=(0.68, 0.74, 0.66, 0.70, 0.68)[site],
        gain_db=settings.gain_db[site],
        range_db=settings.range_db[site],
        noise=settings.noise,
        grain=((1.1, 1.3), (1.5, 1.1), (1.0, 1.6), (1.3, 1.3), (1.1, 1.3))[site],
        text=f"SITE {site + 1}",
    )
    angle = scanner.half_angle
    shadows = [
        (float(rng.uniform(-angle, angle)), float(rng.uniform(0.05, 0.14)), settings.shadow)
        for _ in range(rng.integers(0, 3))
    ]
    return Scan(
        heart,
        scanner,
        settings.num_frames,
        seed,
        shadows=shadows,
        dropout_db=settings.dropout_db * float(rng.uniform(0.6, 1.4)),
        haze=settings.haze * float(rng.uniform(0.5, 1.5)),
    )
