"""lgrseg/data/datasets/stills.py: folders, COCO and YOLO; a still is a clip of one frame."""

import json

import cv2
import numpy as np
import pytest

from lgrseg.data import ClipMapper, WholeVideoSampler
from lgrseg.data.catalog import DatasetCatalog
from lgrseg.data.datasets import RAW
from lgrseg.data.prepare import prepare, print_report
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


POLYGON = [[30, 10, 50, 10, 50, 20, 30, 20]]  # columns 30 to 50, rows 10 to 20
TUMOR = {"category_id": 1, "segmentation": POLYGON}


def again(name, raw, tmp_path):
    return prepare(*RAW[name].find_videos(raw), tmp_path / "store" / name)


def test_a_corrected_outline_of_coco_is_prepared_anew(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    coco(raw / "train", [TUMOR])
    prepared("brain_tumor_coco", raw, tmp_path, monkeypatch)
    assert again("brain_tumor_coco", raw, tmp_path).kept == ["train/a"]
    coco(raw / "train", [TUMOR | {"segmentation": [[0, 0, 6, 0, 6, 5, 0, 5]]}])
    assert again("brain_tumor_coco", raw, tmp_path).prepared == ["train/a"]
    (record,) = DatasetCatalog.get("brain_tumor_coco_train")
    mask = read_masks(record)[0]
    assert mask.sum() == 30 and mask[:5, :6].all()
    coco(raw / "train", [])  # the outline was wrong altogether
    report = again("brain_tumor_coco", raw, tmp_path)
    assert "its form prepared earlier was taken out of the store" in report.unusable["train/a"]
    assert not list((tmp_path / "store").glob("**/meta.json"))


def test_an_image_in_another_split_leaves_the_old_one(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    for name in ("a", "b"):
        picture(raw / "train" / "image" / f"{name}.png", value=ord(name))
        box_mask(raw / "train" / "mask" / f"{name}.png", 255)
    prepared("image_folders", raw, tmp_path, monkeypatch)
    for kind in ("image", "mask"):
        (raw / "val" / kind).mkdir(parents=True)
        (raw / "train" / kind / "b.png").rename(raw / "val" / kind / "b.png")
    report = again("image_folders", raw, tmp_path)
    assert report.removed == {"train/b": "the same pictures are val/b now"}
    for split, name in (("train", "train/a"), ("val", "val/b")):
        (record,) = DatasetCatalog.get(f"image_folders_{split}")
        assert record["video_id"] == name


def test_what_is_no_longer_in_the_raw_folder_stays_and_is_told(tmp_path, monkeypatch, capsys):
    raw = tmp_path / "raw"
    for name in ("a", "b"):
        picture(raw / "train" / "image" / f"{name}.png", value=ord(name))
        box_mask(raw / "train" / "mask" / f"{name}.png", 255)
    prepared("image_folders", raw, tmp_path, monkeypatch)
    for kind in ("image", "mask"):
        (raw / "train" / kind / "b.png").unlink()
    report = again("image_folders", raw, tmp_path)
    assert report.left_over == ["train/b"] and not report.removed
    print_report(report)
    assert "stay in the store: train/b" in " ".join(capsys.readouterr().out.split())
    assert len(DatasetCatalog.get("image_folders_train")) == 2


def reason(raw, tmp_path, annotations, **entry):
    """Why the one image of a COCO file is refused."""
    coco(raw / "train", annotations)
    file = raw / "train" / "_annotations.coco.json"
    content = json.loads(file.read_text())
    content["images"] = [content["images"][0] | entry]
    file.write_text(json.dumps(content))
    return again("brain_tumor_coco", raw, tmp_path).unusable["train/a"]


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        (
            [[30, 10, 50, float("nan"), 50, 20]],
            "object 1 has a coordinate that is no finite",
        ),
        ([[30, 10, 50, 10, 50]], "object 1 is no list of x and y"),
        ([[30, 10, 50, 10]], "object 1 has fewer than three points"),
        ([[0.2, 0.2, 0.8, 0.2, 0.8, 0.9]], "object 1 has coordinates of 0 to 1 alone"),
        ([[0, 0, 600, 0, 600, 400]], "reaches from (0, 0) to (600, 400), beyond the picture of 60"),
        ([[3.1, 3.1, 3.2, 3.1, 3.2, 3.2]], "object 1 covers no pixel"),
        ({"size": [60, 40], "counts": [0, 2400]}, "has run lengths for (H, W) = [60, 40]"),
        ({"size": [40, 60], "counts": [0, 24]}, "do not add up to 40 x 60 pixels"),
        ({"size": [40, 60], "counts": "zzzz~~"}, "has damaged run lengths"),
        ("POLYGON", "object 1 is no list of x and y"),
    ],
)
def test_outlines_of_coco_that_cannot_be_drawn_are_refused(tmp_path, shape, why):
    assert why in reason(tmp_path / "raw", tmp_path, [TUMOR | {"segmentation": shape}])


def test_images_of_coco_that_would_show_nothing_are_refused(tmp_path):
    raw = tmp_path / "raw"
    told = reason(raw, tmp_path, [TUMOR | {"category_id": 0}])
    assert "an object of category 0 is none of ('tumor',)" in told
    box_only = {"category_id": 1, "bbox": [1, 2, 3, 4]}
    assert "shows an object, but has no outline" in reason(raw, tmp_path, [box_only])
    told = reason(raw, tmp_path, [TUMOR], height=80, width=120)
    assert "drawn on a picture of 80 x 120 (rows x columns), the image is 40 x 60" in told


def test_one_object_without_an_outline_is_told(tmp_path):
    raw = tmp_path / "raw"
    coco(raw / "train", [TUMOR, {"category_id": 1, "bbox": [1, 2, 3, 4]}])
    report = again("brain_tumor_coco", raw, tmp_path)
    assert report.notes["train/a"] == ["1 of 2 objects have no outline: left out"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda content: content.pop("annotations"), "has no list 'annotations'"),
        (lambda content: content.pop("images"), "has no list 'images'"),
        (lambda content: content.update(categories={}), "has no list 'categories'"),
        (lambda content: content["annotations"][0].pop("image_id"), "annotations[0] has no 'imag"),
        (lambda content: content["images"][1].pop("file_name"), "images[1] has no 'file_name'"),
        (None, "is no JSON, or cut short (Expecting"),
    ],
)
def test_a_broken_coco_file_is_named_and_costs_its_own_split_alone(tmp_path, change, why):
    raw = tmp_path / "raw"
    coco(raw / "train", [TUMOR])
    coco(raw / "valid", [TUMOR])
    file = raw / "valid" / "_annotations.coco.json"
    content = json.loads(file.read_text())
    if change:
        change(content)
    file.write_text(json.dumps(content) if change else file.read_text()[:-9])
    report = again("brain_tumor_coco", raw, tmp_path)
    assert report.prepared == ["train/a"]
    assert why in report.unusable["valid/_annotations.coco.json"]


def test_entries_of_coco_that_belong_to_nothing_are_told(tmp_path):
    raw = tmp_path / "raw"
    coco(raw / "train", [TUMOR, TUMOR | {"image_id": 99}])
    picture(raw / "train" / "unnamed.jpg")
    report = again("brain_tumor_coco", raw, tmp_path)
    assert report.prepared == ["train/a"]
    place = "train/_annotations.coco.json, annotations[1]"
    assert report.unusable[place] == "belongs to image 99, which is not among its images"
    assert report.unusable["train/unnamed.jpg"] == "is not named in _annotations.coco.json"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0 0.31 0.36 0.31 0.31", "is a box (class, centre, size), not an outline"),
        ("0 30 10 50 10 50 20", "has coordinates of 10 to 50; wanted are parts of the picture"),
        ("0 0.1 0.1 nan 0.1 0.5 0.5", "has a coordinate that is no finite number"),
        ("0 0.1 0.1 0.10001 0.1 0.1 0.10001", "object 1 covers no pixel"),
        ("3 0.1 0.1 0.5 0.1 0.5 0.5", "is not a class of 0 to 2"),
    ],
)
def test_an_image_with_labels_of_yolo_is_never_one_that_shows_nothing(tmp_path, line, why):
    raw = tmp_path / "raw"
    picture(raw / "train" / "images" / "a.jpg")
    labels = raw / "train" / "labels"
    labels.mkdir()
    (labels / "a.txt").write_text(f"{line}\n")
    report = again("brain_tumor_yolo", raw, tmp_path)
    assert not report.prepared and why in report.unusable["train/a"]


def test_labels_of_yolo_in_other_files_or_none_at_all(tmp_path):
    raw = tmp_path / "raw"
    for split in ("train", "val"):
        picture(raw / split / "images" / "a.jpg")
    (raw / "train" / "labels").mkdir()
    (raw / "train" / "labels" / "a.json").write_text("{}")
    report = again("brain_tumor_yolo", raw, tmp_path)
    assert not report.prepared
    assert report.unusable["val"] == "has images/ but no labels/"
    assert "has labels in a.json; wanted is a.txt" in report.unusable["train/a"]


def test_two_masks_of_one_name_are_refused(tmp_path):
    raw = tmp_path / "raw"
    picture(raw / "train" / "image" / "a.png")
    for kind in ("png", "bmp"):
        box_mask(raw / "train" / "mask" / f"a.{kind}", 255)
    (raw / "train" / "mask" / "b.npy").touch()
    report = again("image_folders", raw, tmp_path)
    assert "has several masks: a.bmp, a.png" in report.unusable["train/a"]
    assert "is none of .png" in report.unusable["train/mask/b.npy"]


def test_an_image_of_16_bits_is_not_black(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    (raw / "train" / "image").mkdir(parents=True)
    ramp = np.linspace(0, 4095, 40 * 60).reshape(40, 60).astype(np.uint16)
    cv2.imwrite(str(raw / "train" / "image" / "a.png"), ramp)
    box_mask(raw / "train" / "mask" / "a.png", 255)
    prepared("image_folders", raw, tmp_path, monkeypatch)
    (record,) = DatasetCatalog.get("image_folders_train")
    frame = open_frames(record)[0]
    assert frame.min() == 0 and frame.max() >= 250


@pytest.mark.parametrize(
    ("case", "name", "pixels"),
    [("n07_palette", "image_folders", 1200), ("n09_coco_good", "brain_tumor_coco", 1200)],
)
def test_cases_from_the_field(shared, tmp_path, monkeypatch, case, name, pixels):
    raw = shared / "cases" / "io" / case
    if not raw.is_dir():
        pytest.skip(f"no {raw}")
    prepared(name, raw, tmp_path, monkeypatch)
    (record,) = DatasetCatalog.get(f"{name}_train")
    assert read_masks(record)[0].sum() == pixels
