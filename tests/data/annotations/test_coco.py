"""COCO files of frames and of videos, with pycocotools' run lengths."""

import json

import numpy as np
import pytest
from annotated import ATRIUM, BOTH, SIZE, VENTRICLE, assert_same, masks_in, write_clip, write_frames
from pycocotools import mask as coco

from lgrseg.data.annotations import find_annotations
from lgrseg.data.raw_video import UnusableVideo

POLYGON = [[10, 5, 30, 5, 30, 20, 10, 20]]
CATEGORIES = [{"id": 7, "name": "LV"}, {"id": 2, "name": "left atrium"}]


def packed(mask):
    runs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": runs["size"], "counts": runs["counts"].decode()}


def stills(names, objects):
    height, width = SIZE
    images = [
        {"id": 100 + k, "file_name": name, "height": height, "width": width}
        for k, name in enumerate(names)
    ]
    annotations = [
        {"id": k, "image_id": 100 + image, "category_id": category, "segmentation": shape}
        for k, (image, category, shape) in enumerate(objects)
    ]
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}


def save(content, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


OBJECTS = [(1, 7, POLYGON), (1, 2, packed(ATRIUM)), (2, 7, POLYGON)]


@pytest.mark.parametrize("place", ["coco.json", "annotations/coco.json"])
def test_images_that_are_frames_of_folders(root, place):
    for name in ("a", "b"):
        write_frames(root / name, ["10.png", "20.png", "30.png"])
    names = ["a/10.png", "a/30.png", "b/20.png"]
    save(stills(names, OBJECTS), root / place)
    assert_same(masks_in(root, "a"), {2: BOTH})
    assert_same(masks_in(root, "b"), {1: VENTRICLE})


def test_images_whose_names_hold_a_clip_and_a_number(root):
    write_clip(root / "a.nii.gz")
    write_clip(root / "b.nii.gz")
    save(stills(["a_0.png", "a_frame_0004.png", "b/0002.png"], OBJECTS), root / "coco.json")
    assert_same(masks_in(root, "a"), {4: BOTH})
    assert_same(masks_in(root, "a", first_number=1), {3: BOTH})
    assert_same(masks_in(root, "b"), {2: VENTRICLE})


@pytest.mark.parametrize(
    ("clip", "image", "place"),
    [("p2", "p2.png", "coco.json"), ("case2/clip", "case2.png", "case2/coco.json")],
)
def test_a_number_in_the_name_of_the_clip_is_no_frame(root, clip, image, place):
    path = write_clip(root / f"{clip}.nii.gz")
    save(stills([image], [(0, 7, POLYGON)]), root / place)
    with pytest.raises(UnusableVideo, match=f"coco.json/{image} does not say which frame"):
        masks_in(root, clip)
    write_clip(path, num_frames=1)
    assert_same(masks_in(root, clip), {0: VENTRICLE})


def test_a_file_named_after_the_clip_needs_numbers_alone(root):
    write_clip(root / "a.nii.gz")
    save(stills(["frame_0.PNG", "frame_3.PNG", "frame_5.PNG"], OBJECTS), root / "a.json")
    assert_same(masks_in(root, "a"), {3: BOTH, 5: VENTRICLE})


def test_videos_have_a_segmentation_for_each_of_their_files(root):
    write_frames(root / "a", ["00.png", "01.png", "02.png", "03.png"])
    names = ["a/00.png", "a/02.png", "a/03.png"]
    video = {"id": 1, "file_names": names, "height": 40, "width": 60, "length": 3}
    tracks = [
        (7, [None, packed(VENTRICLE), packed(VENTRICLE)]),
        (2, [None, packed(ATRIUM), None]),
    ]
    annotations = [
        {"id": k, "video_id": 1, "category_id": category, "segmentations": shapes}
        for k, (category, shapes) in enumerate(tracks)
    ]
    content = {"videos": [video], "annotations": annotations, "categories": CATEGORIES}
    save(content, root / "instances.json")
    assert_same(masks_in(root, "a"), {2: BOTH, 3: VENTRICLE})


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([(0, 7, [])], "frame 0 holds a box"),
        ([(0, 7, [[1, 2, 3, 4]])], "fewer than three points"),
        ([(0, 7, packed(VENTRICLE[:20]))], r"run lengths for frames of \[20, 60\]"),
    ],
)
def test_objects_that_cannot_be_drawn_are_refused(root, objects, message):
    write_clip(root / "a.nii.gz")
    save(stills(["a_0.png"], objects), root / "coco.json")
    with pytest.raises(UnusableVideo, match=message):
        masks_in(root, "a")


def test_frames_of_no_clip_and_incomplete_files_are_named(root):
    write_clip(root / "a.nii.gz")
    write_clip(root / "b.nii.gz")
    names = ["c_0.png", "a_2.png", "", "."]
    save(stills(names, [(k, 7, POLYGON) for k in range(4)]), root / "coco.json")
    cut = stills(["a_0.png"], [(0, 9, POLYGON)])
    save(cut, root / "cut.json")
    problems = find_annotations(root).problems
    assert "is not a frame of a clip here" in problems["coco.json, c_0.png"]
    assert "is not a complete COCO file" in problems["cut.json"]
    assert_same(masks_in(root, "a"), {2: VENTRICLE})
