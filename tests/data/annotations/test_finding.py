"""Which files of a folder are clips, and which belong to them."""

import cv2
import nibabel
import numpy as np
import pytest
from annotated import VENTRICLE, write_clip, write_frames

from lgrseg.data.annotations import find_annotations
from lgrseg.data.annotations.clip import Clips


def test_what_two_files_say_is_not_chosen_from(root):
    write_clip(root / "a.nii.gz")
    image = nibabel.Nifti1Image(np.zeros((60, 40, 6), np.uint8), np.eye(4))
    nibabel.save(image, root / "a_gt.nii.gz")
    (root / "a_masks").mkdir()
    cv2.imwrite(str(root / "a_masks" / "0.png"), VENTRICLE.astype(np.uint8))
    refused = find_annotations(root).clips["a"].refused
    assert "a_gt.nii.gz" in refused and "0.png" in refused and "keep one" in refused


def test_masks_are_no_clips_and_every_other_file_is_named(root):
    write_clip(root / "images" / "a.nii.gz")
    write_clip(root / "annotations" / "b.nii.gz")
    write_frames(root / "c_annotations", ["0.png"])
    (root / "list.txt").write_text("a")
    (root / ".hidden.txt").write_text("a")
    found = find_annotations(root)
    assert list(found.clips) == ["images/a"]
    assert set(found.problems) == {"annotations/b.nii.gz", "c_annotations/0.png", "list.txt"}


def test_masks_in_a_linked_folder_are_found(root, tmp_path):
    write_clip(tmp_path / "store" / "a.nii.gz")
    write_clip(tmp_path / "store" / "a_gt.nii.gz")
    root.mkdir()
    (root / "anna").symlink_to(tmp_path / "store")
    (root / "again").symlink_to(root)  # without end
    found = find_annotations(root)
    assert [clip.annotation.source for clip in found.clips.values()] == ["a_gt.nii.gz"]
    assert list(found.clips) == ["anna/a"] and not found.problems


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("s/a_gt.nii.gz", ("s/a", None)),
        ("masks/s/a.nii.gz", ("s/a", None)),
        ("s/masks/a_mask.nii.gz", ("s/a", None)),
        ("s/A_Mask.nii.gz", ("s/a", None)),
        ("s/a_gt_012.nii.gz", ("s/a", 12)),
        ("s/a_012_gt.nii.gz", ("s/a", 12)),
        ("a_gt.nii.gz", None),
        ("s/ab_gt.nii.gz", None),
        ("labelsTr/heart_003.nii.gz", ("imagesTr/heart_003_0000", None)),
    ],
)
def test_a_mask_is_named_after_its_clip(root, file, expected):
    paths = {
        "s/a": write_clip(root / "s" / "a.nii.gz"),
        "imagesTr/heart_003_0000": write_clip(root / "imagesTr" / "heart_003_0000.nii.gz"),
    }
    assert Clips(root, paths).named_as(root / file) == expected


def test_letters_of_macos_are_the_same_letters(root):
    write_clip(root / "M\u00fcller.nii.gz")
    write_clip(root / "Mu\u0308ller_gt.nii.gz")
    found = find_annotations(root)
    assert found.clips["M\u00fcller"].annotation and not found.problems


def test_masks_of_two_clips_with_one_name_say_so(root):
    write_clip(root / "a.nii.gz")
    write_clip(root / "a.nii")
    write_frames(root / "a_masks", ["0.png"])
    write_clip(root / "a_gt.nii.gz")
    found = find_annotations(root)
    for file in ("a_masks/0.png", "a_gt.nii.gz"):
        assert "one of a.nii and a.nii.gz, which have the same name" in found.problems[file]


def test_another_problem_of_a_file_in_a_folder_of_one_name_is_not_hidden(root):
    for clip in ("a.nii.gz", "a.nii", "a/b.nii.gz"):
        write_clip(root / clip)
    (root / "a" / "b.json").write_text('{"images": [], "categories": [], "annotations": [{}]}')
    assert "is not a complete COCO file" in find_annotations(root).problems["a/b.json"]


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("a.json", '{"images": [], "categories": [], "annotations": [{}]}', "complete COCO file"),
        ("a.xml", "<annotations><track", "is not XML, or is truncated"),
        ("a.xml", "<annotations/>", "one of a.nii and a.nii.gz, which have the same name"),
    ],
)
def test_a_damaged_file_of_two_clips_with_one_name_is_called_damaged(root, file, content, reason):
    write_clip(root / "a.nii.gz")
    write_clip(root / "a.nii")
    (root / file).write_text(content)
    assert reason in find_annotations(root).problems[file]
