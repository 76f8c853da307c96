"""lgrseg/data/orientation.py, and EXIF through prepare: image and mask are turned alike."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from lgrseg.data.datasets import RAW
from lgrseg.data.io.orientation import orientation, upright
from lgrseg.data.prepare import prepare, prepare_video
from lgrseg.data.store import open_frames, read_masks, read_records

EVERY = range(1, 9)


def scene():
    """(40, 60) without any symmetry: a bright box in a corner."""
    array = np.zeros((40, 60), np.uint8)
    array[2:12, 5:30] = 255
    return array


def save(path, array, number=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if number:
        exif[0x0112] = number
    Image.fromarray(array).save(path, exif=exif)


def prepared(name, raw, out):
    ((video,), problems) = RAW[name].find_videos(raw)
    notes = prepare_video(video, out).notes
    (record,) = read_records(out)
    assert not problems
    return open_frames(record)[0], read_masks(record)[0], notes


@pytest.mark.parametrize("number", EVERY)
def test_upright_is_what_pil_and_opencv_show(tmp_path, number):
    file = tmp_path / "a.png"
    save(file, scene(), number)
    assert orientation(file) == number
    turned = upright(scene(), number)
    assert np.array_equal(turned, np.asarray(ImageOps.exif_transpose(Image.open(file))))
    assert np.array_equal(turned, cv2.imread(str(file), cv2.IMREAD_GRAYSCALE))


@pytest.mark.parametrize("number", EVERY)
@pytest.mark.parametrize("own_exif", [False, True])
def test_a_mask_of_the_stored_size_is_turned_with_its_image(tmp_path, number, own_exif):
    raw = tmp_path / "raw" / "train"
    save(raw / "image" / "a.png", scene(), number)
    save(raw / "mask" / "a.png", scene(), number if own_exif else None)
    frame, mask, notes = prepared("image_folders", raw.parent, tmp_path / "out")
    assert np.array_equal(frame, upright(scene(), number))
    assert np.array_equal(mask, frame // 255)
    assert ("turned with its image" in str(notes)) == (number != 1 and not own_exif)


@pytest.mark.parametrize("number", [5, 6, 7, 8])
def test_a_mask_of_the_shown_size_is_right_already(tmp_path, number):
    raw = tmp_path / "raw" / "train"
    save(raw / "image" / "a.png", scene(), number)
    save(raw / "mask" / "a.png", upright(scene(), number))
    frame, mask, _ = prepared("image_folders", raw.parent, tmp_path / "out")
    assert np.array_equal(mask, frame // 255)


@pytest.mark.parametrize("number", [1, 3, 6])
@pytest.mark.parametrize("drawn", ["stored", "shown"])
def test_outlines_of_coco(tmp_path, number, drawn):
    if (number, drawn) == (3, "shown"):
        pytest.skip("a picture on its head has one size: outlines count as drawn on the stored one")
    raw = tmp_path / "raw" / "train"
    save(raw / "a.jpg", scene(), number)
    on = scene() if drawn == "stored" else upright(scene(), number)
    rows, columns = np.nonzero(on)
    top, left, bottom, right = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
    polygon = [left, top, right, top, right, bottom, left, bottom]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": len(on), "width": len(on[0])}],
        "categories": [{"id": 1, "name": "tumor"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "segmentation": [[int(value) for value in polygon]]}
        ],
    }
    (raw / "_annotations.coco.json").write_text(json.dumps(content))
    frame, mask, _ = prepared("brain_tumor_coco", raw.parent, tmp_path / "out")
    assert np.array_equal(mask, upright(scene(), number) // 255)
    assert frame[mask > 0].min() > 150 > 100 > frame[mask == 0].max()


def test_parts_of_a_picture_that_is_to_be_turned_are_refused(tmp_path):
    raw = tmp_path / "raw" / "train"
    save(raw / "images" / "a.jpg", scene(), 6)
    (raw / "labels").mkdir()
    (raw / "labels" / "a.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.3")
    report = prepare(*RAW["brain_tumor_yolo"].find_videos(raw.parent), tmp_path / "out")
    assert "EXIF (orientation 6) turns the image" in report.unusable["train/a"]


def test_frames_of_a_video_and_their_masks(tmp_path):
    part = tmp_path / "raw" / "TrainDataset"
    for name in ("1", "2"):
        save(part / "Frame" / "case" / f"{name}.jpg", scene(), 6)
    save(part / "GT" / "case" / "2.png", scene())
    report = prepare(*RAW["sun_seg"].find_videos(tmp_path / "raw"), tmp_path / "out")
    assert not report.unusable
    (record,) = read_records(tmp_path / "out")
    assert np.array_equal(read_masks(record)[1], upright(scene(), 6) // 255)
    assert open_frames(record).shape[:3] == (2, 60, 40)
