"""lgrseg/data/datasets/stills.py: folders, COCO and YOLO; a still is a clip of one frame."""

import json

import cv2
import numpy as np
import pytest

from lgrseg.data import ClipMapper, WholeVideoSampler
from lgrseg.data.catalog import DatasetCatalog
from lgrseg.data.datasets import RAW
from lgrseg.data.prepare import prepare
from lgrseg.data.store import open_frames, read_masks


def picture(path, value=90, size=(40, 60)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size, 3), value, np.uint8))


def box_mask(path, value, size=(40, 60)):
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(size, np.uint8)
    mask[10:20, 30:50] = value
    cv2.imwrite(str(path), mask)


def prepared(name, raw, tmp_path, monkeypatch):
    report = prepare(*RAW[name].find_videos(raw), tmp_path / "store" / name)
    monkeypatch.setenv("LGRSEG_DATASETS", str(tmp_path / "store"))
    return report


@pytest.mark.parametrize("folder", ["training_set", "trainning_set", "train"])
def test_folders(tmp_path, monkeypatch, folder):
    raw = tmp_path / "raw"
    picture(raw / folder / "image" / "a.png")
    box_mask(raw / folder / "mask" / "a.png", 255)
    picture(raw / folder / "image" / "alone.png")
    box_mask(raw / folder / "mask" / "lost.png", 1)
    picture(raw / "val_set" / "image" / "b.png")
    box_mask(raw / "val_set" / "mask" / "b.png", 1, size=(9, 9))
    report = prepared("image_folders", raw, tmp_path, monkeypatch)
    assert report.unusable["train/alone"] == "alone.png: has no mask of the same name"
    assert report.unusable[f"{folder}/mask/lost.png"] == "has no image of the same name"
    assert "mask/b.png is (9, 9), its image (40, 60)" in report.unusable["val/b"]
    (record,) = DatasetCatalog.get("image_folders_train")
    assert read_masks(record)[0].sum() == 200
    mapper = ClipMapper(frame_sampler=WholeVideoSampler(), input_size=(40, 60))
    clip, targets = mapper(record, 0, np.random.default_rng(0))
    assert clip.frames.shape == (1, 1, 40, 60) and targets.masks.sum() == 200


def coco(folder, annotations, categories=("none", "Tumor")):
    folder.mkdir(parents=True, exist_ok=True)
    picture(folder / "a.jpg")
    content = {
        "images": [
            {"id": 7, "file_name": "a.jpg", "height": 40, "width": 60},
            {"id": 8, "file_name": "gone.jpg", "height": 40, "width": 60},
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(categories)],
        "annotations": [{"image_id": 7} | annotation for annotation in annotations],
    }
    (folder / "_annotations.coco.json").write_text(json.dumps(content))


def test_coco_polygons_and_runs(tmp_path, monkeypatch):
    from pycocotools import mask as tools

    box = np.zeros((40, 60), np.uint8, order="F")
    box[30:35, 5:10] = 1
    packed = tools.encode(box)
    runs = {"size": [40, 60], "counts": packed["counts"].decode()}
    plain_runs = {"size": [40, 60], "counts": [0, 3, 40 * 60 - 3]}  # the first three of column 0
    polygon = [[30, 10, 50, 10, 50, 20, 30, 20]]
    raw = tmp_path / "raw"
    coco(
        raw / "valid",
        [{"category_id": 1, "segmentation": shape} for shape in (polygon, runs, plain_runs)]
        + [{"category_id": 0, "segmentation": polygon}, {"category_id": 1, "segmentation": []}],
    )
    report = prepared("brain_tumor_coco", raw, tmp_path, monkeypatch)
    assert "names it, but none" in report.unusable["valid/gone.jpg"]
    assert "category 0 is none of ('tumor',)" in report.unusable["valid/a.jpg"]
    (record,) = DatasetCatalog.get("brain_tumor_coco_val")
    mask = read_masks(record)[0]
    assert mask[10:20, 30:50].all() and mask[30:35, 5:10].all() and mask[:3, 0].all()
    assert mask.sum() == 200 + 25 + 3


def test_real_coco(shared, tmp_path, monkeypatch):
    raw = shared / "data" / "brain_tumor_coco"
    if not raw.is_dir():
        pytest.skip("no brain_tumor_coco beside the project")
    report = prepared("brain_tumor_coco", raw, tmp_path, monkeypatch)
    # 36 images show a tumour that nobody outlined.
    assert report.num_usable == 114 and len(report.unusable) == 36
    reasons = {reason.split(": ")[1] for reason in report.unusable.values()}
    assert reasons == {"shows an object, but has no outline"}
    sizes = [len(DatasetCatalog.get(f"brain_tumor_coco_{s}")) for s in ("train", "val", "test")]
    assert sizes == [81, 15, 18]
    content = json.loads((raw / "train" / "_annotations.coco.json").read_text())
    areas = {}
    for annotation in content["annotations"]:
        areas.setdefault(annotation["image_id"], []).append(annotation["area"])
    single = {
        image["file_name"].rsplit(".", 1)[0]: areas[image["id"]][0]
        for image in content["images"]
        if len(areas.get(image["id"], ())) == 1
    }
    found = {
        record["video_id"].removeprefix("train/"): read_masks(record)[0].sum()
        for record in DatasetCatalog.get("brain_tumor_coco_train")
    }
    # The file's areas are those of boxes: a mask fills part of one, and never more.
    shares = [found[name] / area for name, area in single.items()]
    assert len(shares) > 50 and 0.3 < np.median(shares) <= 1.01 and max(shares) < 1.1
    assert open_frames(DatasetCatalog.get("brain_tumor_coco_test")[0]).shape[:3] == (1, 640, 640)


def test_yolo(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    for name in ("a", "b", "c"):
        picture(raw / "train" / "images" / f"{name}.jpg")
    labels = raw / "train" / "labels"
    labels.mkdir()
    corners = "0.5 0.25 0.8333333 0.25 0.8333333 0.5 0.5 0.5"  # columns 30 to 50, rows 10 to 20
    (labels / "a.txt").write_text(f"2 {corners}\n\n7 {corners}\n0 0.1 0.1 0.2 0.2\n1 x\n")
    (labels / "lost.txt").write_text("")
    (labels / "b.txt").write_text("")
    report = prepared("brain_tumor_yolo", raw, tmp_path, monkeypatch)
    told = "is not a class of 0 to 2 and three points or more"
    assert report.unusable == {
        "train/labels/a.txt, line 3": told,
        "train/labels/a.txt, line 4": "is a box (class, centre, size), not an outline",
        "train/labels/a.txt, line 5": told,
        "train/labels/lost.txt": "has no image of the same name",
    }
    assert report.notes["train/a"][0] == f"labels/a.txt, line 3 {told}: left out"
    a, b, c = DatasetCatalog.get("brain_tumor_yolo_train")
    mask = read_masks(a)[0]
    assert (mask[10:20, 30:50] == 3).all() and (mask > 0).sum() == 200
    assert not read_masks(b)[0].any() and not read_masks(c)[0].any()


def test_nothing_there(tmp_path):
    for name in ("image_folders", "brain_tumor_coco", "brain_tumor_yolo"):
        with pytest.raises(FileNotFoundError, match="no folder train, val, test with images"):
            RAW[name].find_videos(tmp_path)


def test_class_folders(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    for name in ("benign/a", "malignant/a", "strange/b"):
        picture(raw / "training_set" / f"{name}.png")
    report = prepared("class_folders", raw, tmp_path, monkeypatch)
    assert "is none of the classes benign" in report.unusable["training_set/strange"]
    records = DatasetCatalog.get("class_folders_train")
    labels = {record["video_id"]: record["label"] for record in records}
    assert labels == {"train/benign/a": 0, "train/malignant/a": 1}
    assert records[0]["annotated_frames"] == [] and open_frames(records[0]).shape == (1, 40, 60)
