"""CardiacUDC: its raw layout, with all that is odd in it."""

import cv2
import nibabel
import numpy as np
import pytest

from lgrseg.data import DatasetCatalog
from lgrseg.data.datasets import cardiac_udc
from lgrseg.data.prepare import prepare
from lgrseg.data.store import read_masks


def frames(num_frames=4):
    """Something that the fan finder takes for a fan: a large flickering square."""
    rng = np.random.default_rng(0)
    video = np.zeros((num_frames, 60, 80), np.uint8)
    video[:, 5:55, 10:70] = rng.integers(40, 255, (num_frames, 50, 60))
    return video


def write(root, name, image=None, label=None):
    """(T, H, W) arrays as the release has them, with axes (x, y, t)."""
    for kind, array in (("image", image), ("label", label)):
        if array is not None:
            file = root / "cardiacUDC_dataset" / f"{name}_{kind}.nii.gz"
            file.parent.mkdir(parents=True, exist_ok=True)
            nifti = nibabel.Nifti1Image(array.transpose(2, 1, 0), np.diag([0.3, 0.4, 1, 1]))
            nibabel.save(nifti, file)


def labels(value=1, *, frame=1):
    array = np.zeros((4, 60, 80), np.int8)
    array[frame, 20:30, 30:50] = value
    return array


def prepared(raw, out, monkeypatch):
    videos, problems = cardiac_udc.find_videos(raw)
    report = prepare(videos, problems, out / "cardiac_udc")
    monkeypatch.setenv("LGRSEG_DATASETS", str(out))
    return report


def test_sites_patients_views_and_splits(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    for site in ("Site_G_100", "Site_G_20", "Site_G_29"):
        write(raw, f"{site}/patient7-4", frames(), labels())
    write(raw, "Site_G_100/patient8-1", frames(), labels(2))
    write(raw, "Site_R_73/patient7-4", frames())
    write(raw, "label_all_frame/normal-1-4", frames(), labels())
    prepared(raw, tmp_path, monkeypatch)
    (record,) = DatasetCatalog.get("cardiac_udc_train")
    assert record.video_id == "Site_G_100/patient7-4" and record.view == "4"
    assert record.patient == "Site_G_100/7" and record.annotated_frames == (1,)
    assert record.spacing_mm == pytest.approx([0.4, 0.3])  # (row, column)
    assert np.array_equal(read_masks(record)[1], labels()[1])
    names = {s: DatasetCatalog.get(f"cardiac_udc_{s}")[0].site for s in ("val", "test")}
    assert names == {"val": "Site_G_20", "test": "Site_G_29"}
    assert [r.site for r in DatasetCatalog.get("cardiac_udc_unlabelled")] == ["Site_R_73"]


def test_the_order_of_chambers():
    assert cardiac_udc.CHAMBERS == (
        "left_ventricle",
        "left_atrium",
        "right_atrium",
        "right_ventricle",
    )


def test_random_split_keeps_patients_and_is_about_80_percent():
    patients = [f"Site_G_20/{number}" for number in range(500)]
    parts = [cardiac_udc.random_split(patient) for patient in patients]
    assert 0.75 < parts.count("train") / 500 < 0.85
    assert parts == [cardiac_udc.random_split(patient) for patient in patients]
    # Written down, because it must never change:
    assert parts[:8] == ["val", "train", "train", "train", "train", "train", "val", "train"]


def test_outlines_are_filled_class_by_class():
    picture = np.zeros((20, 30), np.int8)
    picture[2:18, 2:14] = 1
    picture[3:17, 3:13] = 0  # an outline
    picture[2:18, 16:28] = 2
    picture[8:10, 20:22] = 0  # an area with a small hole, left as it is
    filled, count = cardiac_udc.fill_outlines(picture)
    assert count == 1
    assert (filled[2:18, 2:14] == 1).all() and (filled == 1).sum() == 16 * 12
    assert (filled[8:10, 20:22] == 0).all()


def test_filling_one_chamber_keeps_another_inside_it():
    picture = np.zeros((20, 20), np.int8)
    picture[2:18, 2:18] = 1
    picture[3:17, 3:17] = 0
    picture[8:12, 8:12] = 2
    filled, _ = cardiac_udc.fill_outlines(picture)
    assert (filled[8:12, 8:12] == 2).all() and filled[5, 5] == 1


def test_further_labels_are_handled_and_told(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    both = labels(6) + labels(5, frame=2)
    write(raw, "Site_G_20/patient1-4", frames(), both)
    report = prepared(raw, tmp_path, monkeypatch)
    (record,) = DatasetCatalog.get("cardiac_udc_val")
    masks = read_masks(record)
    assert list(masks) == [1] and set(np.unique(masks[1])) == {0, 1}
    told = " ".join(report.notes["Site_G_20/patient1-4"])
    assert "label 5 (epicardium) dropped: 200 pixels" in told
    assert "label 6 joined to 1: 200 pixels" in told


def test_what_cannot_be_used_is_told_and_the_rest_goes_on(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    write(raw, "Site_G_20/patient1-4", frames(), labels())
    write(raw, "Site_G_20/patient2-4", frames(), labels()[:, :-1])
    write(raw, "Site_G_20/patient3-4", frames(), labels(9))
    write(raw, "Site_G_20/patient4-4", frames(), labels(0))
    write(raw, "Site_G_20/patient5-4", frames(), labels())
    cut = raw / "cardiacUDC_dataset" / "Site_G_20" / "patient5-4_image.nii.gz"
    cut.write_bytes(cut.read_bytes()[:300])
    write(raw, "Site_G_20/patient6-4", None, labels())
    write(raw, "Site_G_20/someone", frames())
    report = prepared(raw, tmp_path, monkeypatch)
    assert report.prepared == ["Site_G_20/patient1-4", "Site_G_20/patient4-4"]
    reasons = report.unusable
    assert "(4, 59, 80), the image is (4, 60, 80)" in reasons["Site_G_20/patient2-4"]
    assert "holds labels [9]; known in view 4 are 1 to 4" in reasons["Site_G_20/patient3-4"]
    assert "cut short" in reasons["Site_G_20/patient5-4"]
    assert "expected patient<n>-<view>_image" in reasons["Site_G_20/patient6-4_label.nii.gz"]
    assert "expected patient<n>-<view>_image" in reasons["Site_G_20/someone_image.nii.gz"]
    assert "label file is empty" in report.notes["Site_G_20/patient4-4"][0]
    assert len(DatasetCatalog.get("cardiac_udc_val")) == 1


def test_an_empty_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder Site_\*.*kaggle"):
        cardiac_udc.find_videos(tmp_path)


def ring(*, gap=0, thickness=2):
    """(60, 80): an ellipse drawn as a line, with a gap at its right end."""
    picture = np.zeros((60, 80), np.uint8)
    cv2.ellipse(picture, (40, 30), (24, 18), 0, gap, 360 - gap, 1, thickness)
    return picture


def test_outlines_with_a_small_gap_are_filled_and_others_are_told():
    whole = cv2.ellipse(np.zeros((60, 80), np.uint8), (40, 30), (24, 18), 0, 0, 360, 1, -1)
    filled, count = cardiac_udc.fill_outlines(ring(gap=6))
    assert count == 1 and cardiac_udc.open_outlines(filled) == []
    # Within the line's own width.
    assert np.count_nonzero((filled > 0) & (cv2.dilate(whole, np.ones((3, 3))) == 0)) == 0
    assert np.count_nonzero((filled == 0) & (whole > 0)) == 0
    filled, count = cardiac_udc.fill_outlines(ring(gap=40))
    assert count == 0 and np.array_equal(filled, ring(gap=40))
    assert cardiac_udc.open_outlines(filled) == [1]


def test_chambers_are_not_taken_for_outlines():
    crescent = cv2.ellipse(np.zeros((60, 80), np.uint8), (40, 30), (30, 24), 0, 20, 340, 1, 9)
    two_parts = np.zeros((60, 80), np.uint8)
    two_parts[5:15, 5:15] = two_parts[45:55, 65:75] = 1
    dot = np.zeros((60, 80), np.uint8)
    dot[30, 30] = 1
    for picture in (crescent, two_parts, dot, labels()[1], np.zeros((60, 80), np.uint8)):
        filled, count = cardiac_udc.fill_outlines(picture)
        assert count == 0 and np.array_equal(filled, picture)
        assert cardiac_udc.open_outlines(filled) == []


def test_filled_and_open_outlines_are_in_the_report(tmp_path, monkeypatch):
    array = np.zeros((4, 60, 80), np.int8)
    array[1], array[2] = ring(), ring(gap=40)
    write(tmp_path / "raw", "Site_G_20/patient1-4", frames(), array)
    report = prepared(tmp_path / "raw", tmp_path, monkeypatch)
    assert report.notes["Site_G_20/patient1-4"][:2] == [
        "1 outlines were filled",
        "1 outlines are not closed, and remain lines",
    ]


def test_labels_stored_as_floating_point(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    write(raw, "Site_G_20/patient1-4", frames(), labels(4).astype(np.float32))
    write(raw, "Site_G_20/patient2-4", frames(), labels(4) * np.float32(0.4))
    report = prepared(raw, tmp_path, monkeypatch)
    (record,) = DatasetCatalog.get("cardiac_udc_val")
    assert np.array_equal(read_masks(record)[1], labels(4)[1])
    assert "holds labels [1.6" in report.unusable["Site_G_20/patient2-4"]


def test_unlabelled_videos_of_val_and_test_sites_are_kept_apart(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    for site in ("Site_R_73", "Site_G_100", "Site_G_20", "Site_G_29"):
        write(raw, f"{site}/patient1-4", frames())
    prepared(raw, tmp_path, monkeypatch)
    found = [record.site for record in DatasetCatalog.get("cardiac_udc_unlabelled")]
    assert found == ["Site_G_100", "Site_R_73"]


def test_what_lies_outside_the_sites_is_told(tmp_path):
    raw = tmp_path / "cardiacUDC_dataset" / "unpacked"
    twice = raw / "cardiacUDC_dataset"
    write(twice, "Site_G_20/patient1-4", frames())
    write(twice, "label_all_frame/normal-1-4", frames(), labels())
    write(twice, "patient2-4", frames())
    write(twice, "Site_G_20/patient3-7", frames())
    (twice / "cardiacUDC_dataset" / "Site_G_29").mkdir()
    videos, problems = cardiac_udc.find_videos(raw)
    assert [video.video_id for video in videos] == ["Site_G_20/patient1-4"]
    assert problems["label_all_frame"].startswith("2 files left out")
    assert problems["patient2-4_image.nii.gz"] == "expected inside a folder Site_*"
    assert "view 1 to 4" in problems["Site_G_20/patient3-7_image.nii.gz"]
    assert problems["Site_G_29"].startswith("the folder is empty")
