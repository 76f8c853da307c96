"""volumes.py and long_axis.py: solids of known volume, phantoms, real masks."""

import numpy as np
import pytest

from lgrseg.data.io import read_nifti
from lgrseg.data.phantom import presets
from lgrseg.evaluation.clinical.beats import find_beats
from lgrseg.evaluation.clinical.long_axis import find_long_axis
from lgrseg.evaluation.clinical.volumes import (
    biplane_volume,
    ejection_fraction,
    impossible_change,
    measure_chamber,
)

LENGTH, RADIUS = 45.0, 22.0  # half axes in mm


def truncated_ellipsoid(
    angle, *, cut=0.6, spacing=(0.4, 0.4), size=400, radius=RADIUS, slope=0.0, atrium=False
):
    """A cut through its long axis, turned; the base is at `cut` of the half axis.

    The base may slope; an atrium, 1 mm behind it, comes with the ventricle where it is asked for.
    """
    rows, columns = np.mgrid[:size, :size]
    x, y = (rows - size / 2) * spacing[0], (columns - size / 2) * spacing[1]
    v = np.cos(angle) * x + np.sin(angle) * y
    u = -np.sin(angle) * x + np.cos(angle) * y
    beyond = v - cut * LENGTH - slope * u
    ventricle = ((v / LENGTH) ** 2 + (u / radius) ** 2 < 1) & (beyond < 0)
    if not atrium:
        return ventricle
    valve = radius * np.sqrt(1 - cut**2)
    return ventricle, (beyond > 1) & ((u / valve) ** 2 + ((beyond - 1) / 25) ** 2 < 1)


def true_volume(cut=0.6, radius=RADIUS, slope=0.0):
    """Millilitres of an ellipsoid that is cut off by a plane, which may slope.

    Stretched to a unit sphere, it is the sphere without a cap of height 1 - d, where d is the
    distance of the plane from the middle: pi (2 + 3 d - d^3) / 3.
    """
    distance = cut / np.hypot(1, slope * radius / LENGTH)
    return LENGTH * radius**2 * np.pi * (2 + 3 * distance - distance**3) / 3000


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.8])
@pytest.mark.parametrize("angle", np.linspace(0, 2 * np.pi, 7)[:-1] + 0.1)
def test_a_truncated_ellipsoid_at_any_rotation(cut, angle):
    chamber = measure_chamber(truncated_ellipsoid(angle, cut=cut), (0.4, 0.4))
    assert chamber.volume_ml == pytest.approx(true_volume(cut), rel=0.03)
    assert chamber.axis.length == pytest.approx((1 + cut) * LENGTH, rel=0.02)
    assert chamber.problems == () and not chamber.axis.from_neighbour


def test_pixels_that_are_not_square():
    chamber = measure_chamber(truncated_ellipsoid(0.7, spacing=(0.3, 0.6)), (0.3, 0.6))
    assert chamber.volume_ml == pytest.approx(true_volume(), rel=0.03)


def test_two_views():
    # Radii of 22 and 15 mm at right angles: an ellipsoid with three axes.
    one = measure_chamber(truncated_ellipsoid(0.2), (0.4, 0.4))
    other = measure_chamber(truncated_ellipsoid(1.4, radius=15.0), (0.4, 0.4))
    wanted = true_volume() * 15 / 22
    assert biplane_volume(one, other) == pytest.approx(wanted, rel=0.03)
    assert biplane_volume(one, one) == pytest.approx(one.volume_ml)


def test_the_border_with_the_next_chamber_is_the_base():
    whole = truncated_ellipsoid(0.5, cut=1.0)  # closed: the shape alone has no base
    rows, columns = np.mgrid[:400, :400]
    along = (np.cos(0.5) * (rows - 200) + np.sin(0.5) * (columns - 200)) * 0.4
    ventricle, atrium = whole & (along < 20), whole & (along > 23)  # 3 mm of valve between them
    chamber = measure_chamber(ventricle, (0.4, 0.4), neighbour=atrium)
    assert chamber.axis.from_neighbour
    assert chamber.axis.length == pytest.approx(LENGTH + 20, abs=1.5)
    behind = measure_chamber(atrium, (0.4, 0.4), neighbour=ventricle)
    assert behind.axis.length == pytest.approx(LENGTH - 23, abs=1.5)


def test_a_chamber_far_away_is_no_neighbour():
    mask = truncated_ellipsoid(0.5)
    far = np.zeros_like(mask)
    far[:3, :3] = True
    assert not measure_chamber(mask, (0.4, 0.4), neighbour=far).axis.from_neighbour


def test_degenerate_shapes_are_named():
    assert measure_chamber(np.zeros((9, 9), bool), (1, 1)) is None
    dot = np.zeros((9, 9), bool)
    dot[4, 4] = True
    assert "only 1 pixels" in measure_chamber(dot, (1, 1)).problems
    torn = truncated_ellipsoid(0.5)
    torn[5:60, 5:60] = True
    assert any(
        "in other parts" in problem for problem in measure_chamber(torn, (0.4,) * 2).problems
    )
    bar = np.zeros((40, 90), bool)
    bar[30:, 5:85] = True
    problems = measure_chamber(bar, (1, 1), neighbour=np.roll(bar, -10, axis=0) & ~bar).problems
    assert "cut off by the edge of the picture" in problems


@pytest.mark.parametrize("angle", [0.1, 2.4])
@pytest.mark.parametrize("atrium", [True, False])
def test_a_volume_that_is_off_comes_with_a_doubt(angle, atrium):
    for radius in (15.0, 22.0, 28.0, 35.0, 40.0, 52.0):
        for cut in (0.0, 0.3, 0.6, 0.8):
            for slope in (0.0, 0.3, 0.6):
                facts = {"cut": cut, "radius": radius, "slope": slope}
                masks = truncated_ellipsoid(
                    angle, **facts, spacing=(0.6, 0.6), size=300, atrium=True
                )
                chamber = measure_chamber(
                    masks[0], (0.6, 0.6), neighbour=masks[1] if atrium else None
                )
                error = chamber.volume_ml / true_volume(**facts) - 1
                # The largest error without a doubt: a narrow chamber whose base is oblique.
                assert abs(error) < 0.08 or chamber.problems, (facts, error)
                if slope == 0 and (1 + cut) * LENGTH > 2.1 * radius:  # a heart as it should be
                    assert abs(error) < 0.03 and chamber.problems == (), (facts, error)


def test_of_two_ends_of_equal_width_the_flat_one_is_the_base():
    # The sign of the principal axis, which depends on the processor, must not decide.
    mask = truncated_ellipsoid(0.1, cut=0.0, radius=15.0, slope=0.3, spacing=(0.6, 0.6), size=300)
    points = np.argwhere(mask) * 0.6
    bases = [find_long_axis(m, (0.6, 0.6)).base for m in (mask, mask[::-1, ::-1])]
    turned = (np.array(mask.shape) - 1) * 0.6 - bases[1]
    np.testing.assert_allclose(turned, bases[0], atol=1e-6)
    assert bases[0][0] > points[:, 0].mean()  # the flat end is below


def test_a_hole_is_named():
    mask = truncated_ellipsoid(0.3)
    rows, columns = np.mgrid[:400, :400]
    hole = np.hypot(rows - 200, columns - 200) < 30
    chamber = measure_chamber(mask & ~hole, (0.4, 0.4))
    share = hole.sum() / mask.sum()
    assert chamber.problems == (f"holes of {share:.0%} of its area: volume too low",)
    assert chamber.volume_ml < (1 - share) * true_volume()
    # A hole that is open to the outside changes the outline instead.
    hole[:, 190:210] |= rows[:, 190:210] > 200
    assert not any("holes" in problem for problem in measure_chamber(mask & ~hole, (1, 1)).problems)


def test_doubts_tell_their_measure():
    def problems(*, neighbour=True, **facts):
        ventricle, atrium = truncated_ellipsoid(1.2, **facts, atrium=True)
        (problem,) = measure_chamber(
            ventricle, (0.4, 0.4), neighbour=atrium if neighbour else None
        ).problems
        return problem

    # 80 mm across and 45 * 1.3 = 58.5 mm long: 80 / 58.5 = 1.37.
    wide = {"cut": 0.3, "radius": 40.0}
    ratio, words = problems(**wide).split(" times ")
    assert float(ratio) == pytest.approx(1.37, abs=0.02)
    assert words == "as wide as long, the long axis may be wrong"
    assert problems(**wide, neighbour=False).startswith("no flat base (it bulges by ")
    askew = problems(cut=0.3, slope=np.tan(np.radians(30)))
    assert askew == "6% of it is beyond its base, which is tilted: volume too low"
    ventricle = truncated_ellipsoid(1.2)
    lost = measure_chamber(ventricle, (0.4, 0.4), neighbour=np.zeros_like(ventricle)).problems
    assert lost == ("the chamber behind its valve is missing, so its base is estimated",)


def test_ejection_fraction():
    assert ejection_fraction(120, 48) == pytest.approx(0.6)
    assert ejection_fraction(50, 50) == 0 and impossible_change(50, 50) == []
    assert np.isnan(ejection_fraction(0, 0)) and np.isnan(ejection_fraction(np.nan, 3))
    assert np.isnan(ejection_fraction(2, 70))  # -3400%
    assert impossible_change(2, 70) == ["35 times as large at ES as at ED, which is impossible"]
    assert impossible_change(np.nan, 70) == []


@pytest.mark.parametrize("tilt", [0.0, 0.8, 2.5, 4.0])
def test_the_phantoms_ejection_fraction_at_any_rotation(tilt):
    from dataclasses import replace

    rows, columns = np.mgrid[:220:2, :220:2].astype(float)  # pixels of 2 mm
    for scan in list(presets.scans("demo").values())[:4]:
        heart = replace(scan.heart, tilt=tilt, apex_depth=110.0, shift=0.0)
        volumes, areas = [], []
        for frame in range(heart.cycle + 1):
            labels, _, _ = heart.look(columns - 110, rows, frame)
            chamber = measure_chamber(labels == 1, (2, 2), neighbour=labels == 2)
            volumes.append(chamber.volume_ml)
            areas.append(chamber.area_mm2)
        (beat,) = find_beats(areas, ed_frame=0)
        diastole, systole = beat.ed, beat.es
        assert beat.problems == ()
        assert abs(diastole % heart.cycle) <= 1
        assert systole == pytest.approx(0.38 * heart.cycle, abs=1.5)
        found = ejection_fraction(volumes[diastole], volumes[systole])
        assert found == pytest.approx(heart.ejection_fraction(), abs=0.02)


def test_real_masks(shared):
    folder = shared / "data" / "camus" / "database_nifti"
    if not folder.is_dir():
        pytest.skip("no CAMUS beside the project")
    fractions = []
    for patient in sorted(folder.iterdir())[:30]:
        volumes = []
        for phase in ("ED", "ES"):
            file = patient / f"{patient.name}_4CH_{phase}_gt.nii.gz"
            if not file.is_file():
                break
            labels, zooms = read_nifti(file)
            labels = np.squeeze(labels).T
            chamber = measure_chamber(
                labels == 1, (float(zooms[1]), float(zooms[0])), neighbour=labels == 3
            )
            assert chamber.axis.from_neighbour and 20 < chamber.axis.length < 130
            assert chamber.axis.apex[0] < chamber.axis.base[0]  # the apex is above
            volumes.append(chamber.volume_ml)
        if len(volumes) == 2:
            fractions.append(ejection_fraction(*volumes))
    assert len(fractions) >= 25 and 0.4 < np.median(fractions) < 0.65
    assert min(fractions) > 0 and max(fractions) < 0.9
