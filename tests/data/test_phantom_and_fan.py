"""The phantom's truth, and the fan found in it and in real clips."""

import numpy as np
import pytest

from lgrseg.data.datasets import cardiac_udc
from lgrseg.data.io import read_video
from lgrseg.data.phantom import presets, raw_layouts
from lgrseg.data.phantom.heart import Heart, bullet
from lgrseg.data.prepare.fan_crop import find_fan


def box_iou(a, b):
    height = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    width = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    area = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return height * width / (sum(area) - height * width)


@pytest.mark.parametrize("preset", ["demo", "study"])
def test_fan_of_every_site(preset):
    chosen = {}
    for name, scan in presets.scans(preset).items():
        chosen.setdefault((name.split("/")[0], bool(scan.slide_mm), scan.black_first), scan)
    assert len(chosen) >= 9  # five sites; steady, sliding, with a black first frame
    for key, scan in chosen.items():
        scan.num_frames = 12
        fan = find_fan(scan.frames())
        assert fan.found and box_iou(fan.box, scan.scanner.fan_box()) >= 0.95, key
        inside = scan.scanner.points()[2]
        assert (fan.mask & inside).sum() / (fan.mask | inside).sum() > 0.9


def test_fan_of_a_single_frame():
    scan = presets.scans("demo")["Site_P_1/patient1-4"]
    scan.num_frames = 1
    fan = find_fan(scan.frames())
    assert fan.found and "brightness" in fan.reason
    assert box_iou(fan.box, scan.scanner.fan_box()) >= 0.9


def test_no_fan_is_said():
    black = find_fan(np.zeros((3, 40, 50), np.uint8))
    assert not black.found and black.box == (0, 0, 40, 50) and "black" in black.reason
    specks = np.zeros((3, 40, 50), np.uint8)
    specks[:, 5:9, 5:9] = 200
    assert not find_fan(specks).found


@pytest.mark.parametrize(
    ("name", "box"),
    [
        ("apical_a_1024x768.mp4", (0, 0, 768, 1024)),
        ("examples_ybr_color.dcm", (20, 75, 203, 252)),
        ("JPGLosslessP14SV1_1s_1f_8b.dcm", (165, 154, 655, 905)),
    ],
)
def test_fan_of_real_clips(shared_data, name, box):
    """Boxes were read off the pictures by eye."""
    file = shared_data / "echo_clips" / name
    if not file.is_file():
        pytest.skip(f"no {file}")
    fan = find_fan(read_video(file).frames)
    assert fan.found and box_iou(fan.box, box) > 0.95


def test_volume_by_hand():
    """The bullet's half width at three heights, and its volume by the trapezoid rule."""
    assert bullet(np.array([0.0, 0.5, 1.0]), 10.0) == pytest.approx(
        [0, 10 * 0.75**0.5 * (1 - 0.18 / 8), 10 * 0.82]
    )
    heart = Heart(lv_length=80, lv_half_width=20)
    s = np.linspace(0, 1, 20001)
    expected = np.pi * np.trapezoid(bullet(s, 20.0) ** 2, s * 80) / 1000
    assert heart.lv_volume(0) == pytest.approx(expected, rel=1e-3)


def test_the_heart_beats():
    heart = Heart(cycle=20)
    assert heart.contraction(0) == 0 and heart.contraction(0.38 * 20) == pytest.approx(1)
    assert heart.contraction(3) == heart.contraction(23)
    assert 0.4 < heart.ejection_fraction() < 0.7


def test_chambers_lie_where_they_should():
    scan = presets.scans("demo")["Site_P_1/patient1-4"]
    labels = scan.labels(0)
    centre = {v: np.argwhere(labels == v).mean(axis=0) for v in (1, 2, 3, 4)}
    lv, la, ra, rv = (centre[v] for v in (1, 2, 3, 4))
    assert lv[0] < la[0] and rv[0] < ra[0]  # ventricles above atria
    assert rv[1] < lv[1] and ra[1] < la[1]  # the left heart is on the right of the picture
    end_systole = round(0.38 * scan.heart.cycle)
    assert (labels == 1).sum() > 1.3 * (scan.labels(end_systole) == 1).sum()
    # The picture shows it: blood is darker than what surrounds it.
    picture = scan.frames()[0]
    inside = scan.scanner.points()[2]
    assert picture[labels == 1].mean() < 0.6 * picture[inside & (labels == 0)].mean()


def test_a_chamber_leaves_the_fan():
    """Somewhere in the demo, some annotated frame lacks a chamber and another has it."""
    wanted, missing = {"Site_P_1", "Site_P_4"}, set()
    for name, scan in presets.scans("demo").items():
        if name.split("/")[0] not in wanted - missing:
            continue
        values = [set(np.unique(scan.labels(i))) for i in raw_layouts.annotated_frames(scan)]
        if {0, 1, 2, 3, 4} in values and any(v != {0, 1, 2, 3, 4} for v in values):
            missing.add(name.split("/")[0])
    assert missing == wanted


def test_the_same_seed_gives_the_same_phantom():
    first, second = (presets.scans("demo", seed=5)["Site_P_2/patient2-4"] for _ in range(2))
    other = presets.scans("demo", seed=6)["Site_P_2/patient2-4"]
    for scan in (first, second, other):
        scan.num_frames = 2
    assert np.array_equal(first.frames(), second.frames())
    assert not np.array_equal(first.frames(), other.frames())


def test_outlines_are_filled_again():
    labels = presets.scans("demo")["Site_P_2/patient1-4"].labels(0)
    filled, count = cardiac_udc.fill_outlines(raw_layouts.outlines(labels))
    assert count == 4 and np.array_equal(filled, labels)
