"""Masks as image files, a file a frame: by number, by palette, by colour."""

import cv2
import numpy as np
import pytest
from annotated import ATRIUM, BOTH, VENTRICLE, assert_same, masks_in, write_clip, write_frames
from PIL import Image

from lgrseg.data.annotations import find_annotations
from lgrseg.data.class_list import class_list
from lgrseg.data.raw_video import UnusableVideo

VALUES = np.where(ATRIUM, 3, VENTRICLE).astype(np.uint8)
RED, BLUE = (200, 10, 10), (10, 10, 200)
COLORED = class_list({"ventricle": {"color": list(RED)}, "atrium": {"color": list(BLUE)}})
ONE = class_list({"ventricle": 1})


def save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    if values.ndim == 3:
        values = values[..., ::-1]
    assert cv2.imwrite(str(path), values)


@pytest.mark.parametrize(
    "name", ["a_masks/{:04}.png", "masks/a/frame_{}.png", "a_{:03}_mask.png", "a_mask_{}.png"]
)
def test_the_number_in_the_name_is_the_frame(root, name):
    write_clip(root / "a.nii.gz")
    for number in (1, 5):
        save(root / name.format(number), VALUES)
    assert_same(masks_in(root, "a"), {1: BOTH, 5: BOTH})
    assert_same(masks_in(root, "a", first_number=1), {0: BOTH, 4: BOTH})


@pytest.mark.parametrize("name", ["a4c_mask.png", "a4c_masks/a4c_ED.png", "a4c_masks/a4c.png"])
def test_a_number_in_the_name_of_the_clip_is_no_frame(root, name):
    clip = write_clip(root / "a4c.nii.gz")
    save(root / name, VALUES)
    with pytest.raises(UnusableVideo, match=r"which frame it belongs to.*such as a4c_mask_0012"):
        masks_in(root, "a4c")
    write_clip(clip, num_frames=1)
    assert_same(masks_in(root, "a4c"), {0: BOTH})


def test_the_number_of_a_clip_is_no_frame(root):
    write_clip(root / "p2.nii.gz")
    save(root / "p2_masks" / "p2.png", VALUES)
    with pytest.raises(UnusableVideo, match="which frame it belongs to"):
        masks_in(root, "p2")
    (root / "p2_masks" / "p2.png").rename(root / "p2_masks" / "p2_3.png")
    assert_same(masks_in(root, "p2"), {3: BOTH})


@pytest.mark.parametrize(
    ("clip", "mask"),
    [
        ("M\u00fcller2.nii.gz", "Mu\u0308ller2_masks/Mu\u0308ller2.png"),
        ("heart_003_0000.nii.gz", "heart_003_masks/heart_003.png"),
        ("case2/clip.nii.gz", "case2/masks/case2.png"),
    ],
)
def test_the_name_of_the_clip_may_be_written_in_another_way(root, clip, mask):
    write_clip(root / clip)
    save(root / mask, VALUES)
    with pytest.raises(UnusableVideo, match="which frame it belongs to"):
        masks_in(root, clip.removesuffix(".nii.gz"))


def test_a_file_that_names_a_clip_is_not_of_the_clip_that_its_folder_names(tmp_path):
    root = tmp_path / "a4c"
    for clip in ("a4c", "plax", "p2", "p2/other"):
        write_clip(root / f"{clip}.nii.gz")
    for mask in ("plax_3_mask.png", "p2/other_4_mask.png", "p2_5_mask.png"):
        save(root / mask, VALUES)
    for clip, frame in (("plax", 3), ("p2/other", 4), ("p2", 5)):
        assert_same(masks_in(root, clip), {frame: BOTH})
    assert find_annotations(root).clips["a4c"].annotation is None


def test_masks_of_a_case_in_its_folder(root):
    write_clip(root / "case" / "clip.nii.gz")
    save(root / "case" / "masks" / "3.png", VALUES)
    assert_same(masks_in(root, "case/clip"), {3: BOTH})


def test_masks_of_a_folder_of_frames_have_the_names_of_frames(root):
    write_frames(root / "a", ["t7.png", "t8.png", "t9.png"])
    save(root / "masks" / "a" / "t8.png", VALUES)
    save(root / "masks" / "a" / "t9_mask.png", np.zeros_like(VALUES))
    masks = masks_in(root, "a", first_number=1)  # which has no say where names are known
    assert_same(masks, {1: BOTH, 2: np.zeros_like(BOTH)})
    write_frames(root / "b" / "frames", ["1.png", "2.png"])
    save(root / "b" / "masks" / "2.png", VALUES)
    assert_same(masks_in(root, "b/frames"), {1: BOTH})


def test_frames_of_one_ending_have_the_names_before_it(root):
    write_frames(root / "a" / "frames", ["0001_image.png", "0002_image.png", "x3_image.png"])
    for name in ("0002_mask.png", "x3.png"):
        save(root / "a" / "masks" / name, VALUES)
    assert_same(masks_in(root, "a/frames"), {1: BOTH, 2: BOTH})
    write_frames(root / "b" / "frames", ["x_0000.png", "x_0001.png"])
    save(root / "b" / "masks" / "x.png", VALUES)  # not the first frame, whose number is 0
    with pytest.raises(UnusableVideo, match="does not have the name of a frame"):
        masks_in(root, "b/frames")


def test_a_folder_of_frames_alone_has_masks_in_it(tmp_path):
    root = tmp_path / "rest"
    write_frames(root, ["1.png", "2.png"])
    save(root / "masks" / "2.png", VALUES)
    assert_same(masks_in(root, "rest"), {1: BOTH})


def test_colours_are_those_of_classes_yaml(root):
    write_clip(root / "a.nii.gz")
    colors = np.zeros((*VALUES.shape, 3), np.uint8)
    colors[VENTRICLE], colors[ATRIUM] = RED, BLUE
    save(root / "a_masks" / "0.png", colors)
    assert_same(masks_in(root, "a", COLORED), {0: BOTH})
    colors[0, 0] = 1, 2, 3
    save(root / "a_masks" / "0.png", colors)
    with pytest.raises(UnusableVideo, match=r"holds the colour \[1, 2, 3\].*\[200, 10, 10\]"):
        masks_in(root, "a", COLORED)


def test_a_palette_goes_by_its_numbers(root):
    write_clip(root / "a.nii.gz")
    image = Image.fromarray(VALUES, mode="P")
    image.putpalette([0, 0, 0, *RED, 0, 255, 0, *BLUE])
    (root / "a_masks").mkdir()
    image.save(root / "a_masks" / "2.png")
    assert_same(masks_in(root, "a"), {2: BOTH})


def test_one_structure_may_be_white(root):
    write_clip(root / "a.nii.gz")
    save(root / "a_masks" / "2.png", 255 * VENTRICLE.astype(np.uint8))
    assert_same(masks_in(root, "a", ONE), {2: VENTRICLE})


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("6.png", VALUES, "belongs to frame 6, but the clip has the frames 0 to 5"),
        ("last.png", VALUES, "which frame it belongs to"),
        ("0.png", VALUES[:20], r"is \(20, 60\), the frames are \(40, 60\).*resize them"),
        ("0.png", 255 * VALUES, "holds the value 253, 255"),
        ("0.jpg", VALUES, "JPEG, whose values are not exact"),
    ],
)
def test_what_is_not_certain_is_refused(root, name, values, message):
    write_clip(root / "a.nii.gz")
    save(root / "a_masks" / name, values)
    with pytest.raises(UnusableVideo, match=message):
        masks_in(root, "a")


def test_masks_of_no_clip_are_named(root):
    write_clip(root / "a.nii.gz")
    save(root / "b_masks" / "0.png", VALUES)
    assert "is a mask, but of no clip here" in find_annotations(root).problems["b_masks/0.png"]
