"""LabelMe's files, as LabelMe 5 writes them."""

import base64
import io
import json

import pytest
from annotated import ATRIUM, BOTH, assert_same, masks_in, write_clip, write_frames
from PIL import Image

from lgrseg.data.annotations import find_annotations
from lgrseg.data.raw_video import UnusableVideo

LV = {"label": "LV", "shape_type": "polygon", "points": [[10, 5], [30, 5], [30, 20], [10, 20]]}


def mask_shape(mask, label):
    """Rows 22 to 29 and columns 12 to 27 of the atrium, both corners inside."""
    packed = io.BytesIO()
    Image.fromarray(mask[22:30, 12:28]).save(packed, "PNG")
    return {
        "label": label,
        "shape_type": "mask",
        "points": [[12.0, 22.0], [27.0, 29.0]],
        "mask": base64.b64encode(packed.getvalue()).decode(),
    }


def save(path, shapes, image_path="none.png", size=(40, 60)):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": image_path,
        "imageData": None, "imageHeight": size[0], "imageWidth": size[1],
    }  # fmt: skip
    path.write_text(json.dumps(content))


BOTH_SHAPES = [LV, mask_shape(ATRIUM, "Left Atrium")]


def test_files_beside_their_frames(root):
    write_frames(root / "a", ["x7.png", "x8.png", "x9.png"])
    save(root / "a" / "x8.json", BOTH_SHAPES, "x8.png")
    save(root / "a" / "x9.json", [])
    assert_same(masks_in(root, "a"), {1: BOTH, 2: 0 * BOTH})


def test_files_that_name_their_frame(root):
    write_frames(root / "a", ["x7.png", "x8.png"])
    save(root / "json" / "any.json", BOTH_SHAPES, "..\\a\\x8.png")
    assert_same(masks_in(root, "a"), {1: BOTH})


def test_files_with_a_number_for_another_clip(root):
    write_clip(root / "a.nii.gz")
    save(root / "a_labels" / "0004.json", BOTH_SHAPES)
    assert_same(masks_in(root, "a"), {4: BOTH})
    assert_same(masks_in(root, "a", first_number=1), {3: BOTH})


@pytest.mark.parametrize(
    ("shapes", "size", "message"),
    [
        ([LV | {"shape_type": "rectangle", "points": [[1, 1], [5, 5]]}], (40, 60), "a rectangle"),
        ([LV], (80, 60), r"drawn on frames of 80 x 60"),
        ([LV | {"label": "aorta"}], (40, 60), "draws 'aorta'"),
        ([mask_shape(ATRIUM, "LV") | {"points": [[0, 0], [5, 5]]}], (40, 60), "holds a mask of"),
        ([mask_shape(ATRIUM, "LV") | {"mask": "AAAA"}], (40, 60), "holds a damaged mask"),
    ],
)
def test_what_cannot_be_drawn_is_refused(root, shapes, size, message):
    write_clip(root / "a.nii.gz")
    save(root / "a_labels" / "0.json", shapes, size=size)
    with pytest.raises(UnusableVideo, match=message):
        masks_in(root, "a")


def test_a_file_of_no_frame_is_named(root):
    write_clip(root / "a.nii.gz")
    save(root / "other.json", [LV])
    assert "belongs to no frame here" in find_annotations(root).problems["other.json"]
