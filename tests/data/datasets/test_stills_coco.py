"""lgrseg/data/datasets/stills_coco.py: outlines and run lengths, right or refused."""

import json

import numpy as np
import pytest
from still_images import again, picture, prepared

from lgrseg.data.catalog import DatasetCatalog
from lgrseg.data.datasets import RAW
from lgrseg.data.raw_video import UnusableVideo
from lgrseg.data.store import open_frames, read_masks


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
    assert "but missing" in report.unusable["valid/gone.jpg"]
    assert report.notes["val/a"][:2] == [
        "an object of category 0 is none of ('tumor',): left out",
        "1 of 5 objects have no outline: left out",
    ]
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
        record.video_id.removeprefix("train/"): read_masks(record)[0].sum()
        for record in DatasetCatalog.get("brain_tumor_coco_train")
    }
    # The file's areas are those of boxes: a mask fills part of one, and never more.
    shares = [found[name] / area for name, area in single.items()]
    assert len(shares) > 50 and 0.3 < np.median(shares) <= 1.01 and max(shares) < 1.1
    assert open_frames(DatasetCatalog.get("brain_tumor_coco_test")[0]).shape[:3] == (1, 640, 640)


POLYGON = [[30, 10, 50, 10, 50, 20, 30, 20]]  # columns 30 to 50, rows 10 to 20
TUMOR = {"category_id": 1, "segmentation": POLYGON}


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
    assert "the video prepared earlier was removed from the store" in report.unusable["train/a"]
    assert not list((tmp_path / "store").glob("**/meta.json"))


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
            "object 1 has a coordinate that is not a finite",
        ),
        ([[30, 10, 50, 10, 50]], "object 1 is not a list of x and y"),
        ([[30, 10, 50, 10]], "object 1 has fewer than three points"),
        ([[0.2, 0.2, 0.8, 0.2, 0.8, 0.9]], "object 1 has only coordinates of 0 to 1"),
        ([[0, 0, 600, 0, 600, 400]], "reaches from (0, 0) to (600, 400), beyond the picture of 60"),
        ([[3.1, 3.1, 3.2, 3.1, 3.2, 3.2]], "object 1 covers no pixel"),
        ({"size": [60, 40], "counts": [0, 2400]}, "has run lengths for (H, W) = [60, 40]"),
        ({"size": [40, 60], "counts": [0, 24]}, "do not add up to 40 x 60 pixels"),
        ({"size": [40, 60], "counts": "zzzz~~"}, "has damaged run lengths"),
        ([["POLYGON"]], "object 1 is not a list of x and y"),
        ("POLYGON", "object 1 is 'POLYGON', neither a list of polygons nor run lengths"),
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
        (None, "is not JSON, or is truncated (Expecting"),
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


JUNK = (None, -1, float("nan"), "x", [[]], 0.5, {"size": [40, 60]}, KeyError)
"""KeyError: left out."""


def test_a_coco_file_with_anything_anywhere_gives_masks_or_sentences(tmp_path):
    """Every value of a file replaced or left out: no traceback, no empty mask."""
    raw = tmp_path / "raw"
    runs = {"size": [40, 60], "counts": [10, 20, 2370]}
    coco(raw / "train", [TUMOR, {"category_id": 1, "segmentation": runs}])
    file = raw / "train" / "_annotations.coco.json"
    whole, outcomes = json.loads(file.read_text()), {"drawn": 0, "refused": 0}
    for place in _places(whole):
        for junk in JUNK:
            file.write_text(json.dumps(_replaced(whole, place, junk)))
            for video in RAW["brain_tumor_coco"].find_videos(raw)[0]:
                try:
                    assert video.load(video).masks[0].any(), (place, junk)
                    outcomes["drawn"] += 1
                except UnusableVideo:
                    outcomes["refused"] += 1
    assert min(outcomes.values()) >= 5


def _places(content, above=()):
    entries = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in entries:
        yield (*above, key)
        if isinstance(value, (dict, list)):
            yield from _places(value, (*above, key))


def _replaced(content, place, value):
    """A copy with another value in one place; without that place for KeyError."""
    content = inner = json.loads(json.dumps(content))
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    if value is KeyError:
        del inner[place[-1]]
    return content
