"""The simulated apical hearts: known volumes, labels, and the prepared dataset."""

import json

import numpy as np
import pytest

from lgrseg.config import instantiate, load_config
from lgrseg.data.catalog import DatasetCatalog, MetadataCatalog
from lgrseg.data.datasets import camus, phantom_apical, raw_dataset
from lgrseg.data.phantom.apical_heart import ApicalHeart, Wall
from lgrseg.data.phantom.apical_patients import apical_scan
from lgrseg.data.prepare import prepare
from lgrseg.data.prepare.check import check
from lgrseg.data.store import read_masks

UPRIGHT = ApicalHeart(
    length=80.0,
    septum=Wall(reach=20.0, widest=0.5, taper=0.0, roundness=0.5),
    lateral=Wall(reach=20.0, widest=0.5, taper=0.0, roundness=0.5),
    shortening=0.1,
    thinning=0.25,
    tilt=0.0,
)
"""Half an ellipsoid of semi-axes 20, 20, 40 mm on a cylinder of radius 20 and height 40 mm."""


def test_volume_of_half_an_ellipsoid_on_a_cylinder():
    by_hand = (2 / 3 * np.pi * 20**2 * 40 + np.pi * 20**2 * 40) / 1000
    assert UPRIGHT.volume(0) == pytest.approx(by_hand, rel=1e-3)
    # Length times 0.9 and both diameters times 0.75: 1 - 0.9 * 0.75^2
    assert UPRIGHT.ejection_fraction() == pytest.approx(0.49375, abs=1e-6)


def test_ejection_fraction_from_the_outlines():
    """Volumes of the drawn outlines, as discs of every row, within 3% of the known ones."""
    volumes = []
    for frame in (0, UPRIGHT.end_systole):
        x, z = UPRIGHT.outlines(frame).cavity.T
        middle = len(x) // 2
        rows = np.linspace(z.min(), z.max(), 401)[:-1] + (z.max() - z.min()) / 800
        left = np.interp(rows, z[: middle + 1][::-1], x[: middle + 1][::-1])
        right = np.interp(rows, z[middle:], x[middle:])
        volumes.append(np.pi / 4 * ((right - left) ** 2).mean() * (z.max() - z.min()) / 1000)
        assert volumes[-1] == pytest.approx(UPRIGHT.volume(frame), rel=0.03)
    assert 1 - volumes[1] / volumes[0] == pytest.approx(UPRIGHT.ejection_fraction(), abs=0.015)


def test_a_beat_is_periodic_and_largest_at_end_diastole():
    cycle = [UPRIGHT.volume(frame) for frame in range(UPRIGHT.cycle + 1)]
    assert np.argmax(cycle) == 0 and np.argmin(cycle) == UPRIGHT.end_systole
    assert cycle[-1] == pytest.approx(cycle[0])


@pytest.mark.parametrize("number", range(12))
def test_labels_of_random_patients(number):
    scan = apical_scan(0, number)
    ed, es = (scan.labels(frame) for frame in (0, scan.heart.end_systole))
    inside = scan.beam_maps()[2]
    assert ed.shape == es.shape == scan.size == inside.shape
    assert not ed[~inside].any() and not es[~inside].any()
    assert set(np.unique(ed)) <= {0, *map(int, camus.Label)}
    assert (ed == 1).sum() > (es == 1).sum() > 0.02 * inside.sum()
    assert (ed == 2).any() and 0.1499 <= scan.heart.ejection_fraction() <= 0.8


def test_the_muscle_is_a_u_around_the_cavity_and_the_atrium_is_below():
    scan = apical_scan(0, 4)
    labels = scan.labels(0)
    rows, columns = np.nonzero(labels == camus.Label.LEFT_VENTRICLE)
    row = int(np.median(rows))
    across = labels[row][labels[row] > 0]
    changes = across[np.flatnonzero(np.diff(across, prepend=0))]
    assert changes.tolist() == [2, 1, 2]  # septum, cavity, lateral wall
    top = labels[: rows.min() + 1, int(np.median(columns))]
    assert camus.Label.MYOCARDIUM in top
    assert np.nonzero(labels == camus.Label.LEFT_ATRIUM)[0].mean() > rows.max() - 5


def test_pictures_depend_on_the_seed_only():
    scan = apical_scan(3, 1)
    moments = [0, scan.heart.end_systole]
    frames = scan.frames(moments)
    assert frames.shape == (2, *scan.size) and frames.dtype == np.uint8
    assert np.array_equal(frames, apical_scan(3, 1).frames(moments))
    assert np.array_equal(frames[1], scan.frames(moments[1:])[0])
    assert not np.array_equal(frames[0], frames[1])
    assert apical_scan(4, 1).heart != scan.heart
    assert frames[0][scan.beam_maps()[2]].mean() > 20


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    raw, root = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("store")
    (raw / "patients.json").write_text(json.dumps({"seed": 1, "train": 2, "val": 1}))
    dataset = raw_dataset("phantom_apical")
    dataset.generate(raw)
    videos, problems = dataset.find_videos(raw)
    found = check(videos, problems, camus.METADATA.classes)
    assert found["splits"] == {"train": 2, "val": 1} and not found["leaks"]
    report = prepare(
        videos, problems, root / "phantom_apical", classes=camus.METADATA.classes, num_workers=2
    )
    assert len(report.prepared) == 3 and not report.unusable and not report.leaks
    return root


def test_prepared_dataset(store, monkeypatch):
    monkeypatch.setenv("LGRSEG_DATASETS", str(store))
    cfg = load_config("configs/baselines/pvt_fpn.py", ["dataset=phantom_apical"])
    assert list(cfg.dataloader.test) == ["phantom_apical_val"]
    assert MetadataCatalog.get("phantom_apical_val").classes == camus.METADATA.classes
    records = DatasetCatalog.get("phantom_apical_train")
    assert len(records) == 2 and len(DatasetCatalog.get("phantom_apical_val")) == 1
    for record in records:
        assert record.view == "4CH" and (record.ed_frame, record.es_frame) == (0, 1)
        masks = read_masks(record)
        volumes = record.facts["lv_volume_ml"]
        assert (masks[0] == 1).sum() > (masks[1] == 1).sum() and volumes[0] > volumes[1]
        fraction = 100 * (1 - volumes[1] / volumes[0])
        assert record.reference_ejection_fraction == pytest.approx(fraction)
    batch = next(iter(instantiate(cfg.dataloader.test.phantom_apical_val)))
    assert len(batch) == 1


@pytest.mark.parametrize("text", ['{"seed": 0, "train": 3}', '{"seed": 0, "train": 3, "val": -1}'])
def test_a_wrong_list_of_patients_is_refused(tmp_path, text):
    (tmp_path / "patients.json").write_text(text)
    with pytest.raises(ValueError, match="needs a number 'val'"):
        phantom_apical.find_videos(tmp_path)
