"""3D Slicer's segmentations, written with the header that Slicer writes."""

import gzip

import numpy as np
import pytest
from annotated import (
    ATRIUM,
    BOTH,
    CLASSES,
    SIZE,
    VENTRICLE,
    assert_same,
    masks_in,
    rectangle,
    write_clip,
)

from lgrseg.data.raw_video import UnusableVideo

H, W = SIZE


def write_nrrd(path, array, header, *, kinds, space=None):
    """A NRRD file: `array` with its slowest axis first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    vectors = {"domain": iter(["(1,0,0)", "(0,1,0)", "(0,0,1)"]), "list": iter(["none"] * 2)}
    lines = [
        "NRRD0004",
        "type: unsigned char",
        f"dimension: {array.ndim}",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, array.shape[::-1]))}",
        f"space directions: {' '.join(next(vectors[kind]) for kind in kinds)}",
        f"kinds: {' '.join(kinds)}",
        "encoding: gzip",
        "space origin: (0,0,0)",
        *(f"{key}:={value}" for key, value in header.items()),
    ]
    content = gzip.compress(np.ascontiguousarray(array, np.uint8).tobytes())
    path.write_bytes("\n".join(lines).encode() + b"\n\n" + content)


def segment(number, name, value, layer=0):
    return {
        f"Segment{number}_ID": f"Segment_{number}",
        f"Segment{number}_Name": name,
        f"Segment{number}_LabelValue": value,
        f"Segment{number}_Layer": layer,
    }


SPACE = ["domain"] * 3
TWO = segment(0, "LV", 5) | segment(1, "Left Atrium", 9)


def test_segments_go_by_their_names_not_by_their_values(root):
    write_clip(root / "a.nii.gz")
    array = np.zeros((6, H, W), np.uint8)
    array[2] = np.where(ATRIUM, 9, 5 * VENTRICLE)
    array[5] = 5 * VENTRICLE
    write_nrrd(root / "a.seg.nrrd", array, TWO, kinds=SPACE)
    assert_same(masks_in(root, "a"), {2: BOTH, 5: VENTRICLE})


def test_a_file_cut_to_its_segments_is_put_where_it_lies(root):
    write_clip(root / "case" / "a.nii.gz")
    array = np.zeros((2, 25, 20), np.uint8)  # frames 3 and 4, rows 5 to 29, columns 10 to 29
    array[0, :15] = 5
    array[1, :15] = 5
    array[1, 17:25, 2:18] = 9
    header = TWO | {"Segmentation_ReferenceImageExtentOffset": "10 5 3"}
    write_nrrd(root / "case" / "Segmentation.seg.nrrd", array, header, kinds=SPACE)
    assert_same(masks_in(root, "case/a"), {3: VENTRICLE, 4: BOTH})


def test_layers_of_segments_that_overlap(root):
    write_clip(root / "a.nii.gz")
    array = np.zeros((6, H, W, 2), np.uint8)
    array[1, ..., 0] = rectangle(0, 0, 30, 30)
    array[1, ..., 1] = rectangle(20, 0, 40, 30)
    header = segment(0, "ventricle", 1, layer=0) | segment(1, "left_atrium", 1, layer=1)
    write_nrrd(root / "a.seg.nrrd", array, header, kinds=["list", *SPACE])
    notes = []
    masks = masks_in(root, "a", notes=notes)
    expected = rectangle(0, 0, 30, 30).astype(np.uint8)
    expected[20:40, :30] = 2
    assert_same(masks, {1: expected})
    assert "300 pixels lie in two structures" in notes[0]


def test_a_sequence_is_a_frame_for_each_entry_of_its_list(root):
    write_clip(root / "a.nii.gz")
    array = np.zeros((1, H, W, 6), np.uint8)
    array[0, ..., 4] = np.where(ATRIUM, 9, 5 * VENTRICLE)
    write_nrrd(root / "a.seg.nrrd", array, TWO, kinds=["list", *SPACE])
    assert_same(masks_in(root, "a"), {4: BOTH})


def test_files_before_version_4_11_have_a_layer_for_each_segment(root):
    write_clip(root / "a.nii.gz")
    array = np.zeros((6, H, W, 2), np.uint8)
    array[0, ..., 0], array[0, ..., 1] = VENTRICLE, ATRIUM
    header = {"Segment0_Name": "LV", "Segment1_Name": "left atrium"}
    write_nrrd(root / "a.seg.nrrd", array, header, kinds=["list", *SPACE])
    assert_same(masks_in(root, "a"), {0: BOTH})


def test_without_segments_values_are_those_of_classes_yaml(root):
    write_clip(root / "a.nii.gz")
    array = np.zeros((6, H, W), np.uint8)
    array[0] = np.where(ATRIUM, 3, VENTRICLE)
    write_nrrd(root / "a_mask.nrrd", array, {}, kinds=SPACE)
    assert_same(masks_in(root, "a"), {0: BOTH})


def test_a_single_voxel_says_that_nothing_is_drawn(root):
    write_clip(root / "a.nii.gz")
    write_nrrd(root / "a.seg.nrrd", np.zeros((1, 1, 1)), segment(0, "LV", 1), kinds=SPACE)
    assert masks_in(root, "a") == {}


@pytest.mark.parametrize(
    ("shape", "header", "message"),
    [
        ((6, H, W), segment(0, "aorta", 7), "draws 'aorta'; classes.yaml has ventricle, left"),
        ((6, H, W), segment(0, "LV", 6), r"holds values of no segment: \[7\]"),
        ((3, H, W), segment(0, "LV", 7), r"\(3, 40, 60\), the clip \(6, 40, 60\)"),
        (
            (6, H, W - 1),
            segment(0, "LV", 7) | {"Segmentation_ReferenceImageExtentOffset": "5 0 0"},
            "reaches beyond the clip",
        ),
    ],
)
def test_what_cannot_be_placed_or_named_is_refused(root, shape, header, message):
    write_clip(root / "a.nii.gz")
    write_nrrd(root / "a.seg.nrrd", np.full(shape, 7), header, kinds=SPACE)
    with pytest.raises(UnusableVideo, match=message):
        masks_in(root, "a", CLASSES)
