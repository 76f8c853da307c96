"""Masks as NIfTI and MetaImage, written by nibabel and SimpleITK."""

import nibabel
import numpy as np
import pytest
import SimpleITK
from annotated import ATRIUM, BOTH, SIZE, VENTRICLE, assert_same, masks_in, write_clip
from PIL import Image

from lgrseg.data.raw_video import UnusableVideo

VALUES = np.where(ATRIUM, 3, VENTRICLE).astype(np.uint8)


def volume(frames, num_frames=6):
    array = np.zeros((num_frames, *SIZE), np.uint8)
    for frame in frames:
        array[frame] = VALUES
    return array


@pytest.mark.parametrize(
    "name",
    ["a_gt.nii.gz", "a_mask.nii.gz", "a_seg.nii", "masks/a.nii.gz", "a_label.mha", "labels/a.mhd"],
)
def test_frames_with_a_value_are_annotated(root, name):
    write_clip(root / "a.nii.gz")
    (root / name).parent.mkdir(exist_ok=True)
    if ".nii" in name:
        image = nibabel.Nifti1Image(volume([1, 4]).transpose(2, 1, 0), np.eye(4))
        nibabel.save(image, root / name)
    else:
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(volume([1, 4])), str(root / name))
    assert_same(masks_in(root, "a"), {1: BOTH, 4: BOTH})


def test_a_file_of_one_frame_has_its_number_in_the_name(root):
    write_clip(root / "case" / "a.nii.gz")
    for number in (2, 5):
        image = nibabel.Nifti1Image(VALUES.T[..., None], np.eye(4))
        nibabel.save(image, root / "case" / f"a_mask_{number:04}.nii.gz")
    assert_same(masks_in(root, "case/a"), {2: BOTH, 5: BOTH})
    assert_same(masks_in(root, "case/a", first_number=1), {1: BOTH, 4: BOTH})


def test_numbers_of_another_type_are_the_same_numbers(root):
    write_clip(root / "a.nii.gz")
    image = nibabel.Nifti1Image(volume([0]).transpose(2, 1, 0).astype(np.float32), np.eye(4))
    nibabel.save(image, root / "a_gt.nii.gz")
    assert_same(masks_in(root, "a"), {0: BOTH})


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (volume([0], num_frames=3), "holds 3 frames, the clip 6"),
        (volume([0]).transpose(0, 2, 1), r"frames of \(H, W\) = \(60, 40\), the clip \(40, 60\)"),
        (volume([0]) * np.float32(0.5), "holds the value 0.5"),
        (volume([0]) * 2, r"holds the value 2, 6; classes.yaml has 0 \(background\), 1"),
        (-volume([0]).astype(np.int16), "holds the value -3"),
    ],
)
def test_what_is_not_certain_is_refused(root, array, message):
    write_clip(root / "a.nii.gz")
    nibabel.save(nibabel.Nifti1Image(array.transpose(2, 1, 0), np.eye(4)), root / "a_gt.nii.gz")
    with pytest.raises(UnusableVideo, match=message):
        masks_in(root, "a")


def test_an_empty_file_annotates_nothing_and_says_so(root):
    write_clip(root / "a.nii.gz")
    image = nibabel.Nifti1Image(volume([]).transpose(2, 1, 0), np.eye(4))
    nibabel.save(image, root / "a_gt.nii.gz")
    notes = []
    assert masks_in(root, "a", notes=notes) == {}
    assert "no frame counts as annotated" in notes[0]


@pytest.mark.parametrize(
    ("of_clip", "of_masks", "is_noted"),
    [
        ((-1, -1), (-1, 1), True),  # rows run the other way
        ((-1, -1), (1, -1), True),
        ((-1, -1), (-1, -1), False),
        ((-1, -1), (1, 1), False),  # an affine that says nothing
        ((1, -1), (-1, -1), False),  # that of a picture without a position, as ours are written
    ],
)
def test_axes_that_disagree_with_the_clip_are_noted(root, of_clip, of_masks, is_noted):
    root.mkdir(exist_ok=True)
    for name, (x, y) in (("a.nii.gz", of_clip), ("a_gt.nii.gz", of_masks)):
        array = volume([1]).transpose(2, 1, 0)
        affine = np.diag([0.3 * x, 0.3 * y, 1, 1]).astype(float)
        affine[:3, 3] = 5
        nibabel.save(nibabel.Nifti1Image(array, affine), root / name)
    notes = []
    assert_same(masks_in(root, "a", notes=notes), {1: BOTH})
    assert [("other directions" in note) for note in notes] == [True] * is_noted


@pytest.mark.parametrize("axis", [0, 1])
def test_masks_stored_mirrored_lie_where_their_affine_says(root, axis):
    write_clip(root / "a.nii.gz")
    of_clip = nibabel.load(root / "a.nii.gz").affine
    flip = np.eye(4)
    flip[axis, axis], flip[axis, 3] = -1, SIZE[1 - axis] - 1
    array = np.flip(volume([1]).transpose(2, 1, 0), axis)
    nibabel.save(nibabel.Nifti1Image(array, of_clip @ flip), root / "a_gt.nii.gz")
    notes = []
    assert_same(masks_in(root, "a", notes=notes), {1: BOTH})
    assert "stored mirrored" in notes[0]


def test_pages_of_a_tiff_beside_other_clips(root):
    write_clip(root / "b.nii.gz")
    for name, pages in (("a.tif", volume([0, 1])), ("a_mask.TIF", volume([1, 4]))):
        first, *others = map(Image.fromarray, pages)
        first.save(root / name, save_all=True, append_images=others)
    assert_same(masks_in(root, "a"), {1: BOTH, 4: BOTH})
