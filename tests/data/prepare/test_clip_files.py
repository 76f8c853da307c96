"""lgrseg/data/prepare/clip_files.py: what a folder holds; nothing is left out in silence."""

import pytest

from lgrseg.data.prepare.clip_files import find_clips


@pytest.fixture
def put(tmp_path):
    """`put("a/b.mp4", ...)`: files, which are empty; the folder they lie in."""

    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


def left_out(found, root):
    """Reason -> names within the folder."""
    return {
        reason: [str(path.relative_to(root)) for path in paths]
        for reason, paths in found.left_out.items()
    }


def test_folders_are_searched_and_names_keep_them(put):
    root = put("a/clip.mp4", "b/clip.mp4", "b/deep/er/x.nii.gz", "b/frames/1.png", "b/frames/2.png")
    assert find_clips(root).clips == {
        "a/clip": root / "a/clip.mp4",
        "b/clip": root / "b/clip.mp4",
        "b/deep/er/x": root / "b/deep/er/x.nii.gz",
        "b/frames": root / "b/frames",
    }


def test_names_never_collide(put):
    root = put("a.dcm", "a.mp4", "a.mp4.avi", "a_mp4.avi", "b.nii.gz", "b.nii", "c.v2.mp4", "c.mp4")
    (root / "a").mkdir()
    put("a/1.png")  # a clip that is a folder: its name has no suffix to tell it by
    found = find_clips(root).clips
    assert len(found) == 9 and sorted(found) == sorted(
        ["a", "a.dcm", "a.mp4", "a.mp4.avi", "a_mp4", "b.nii", "b.nii.gz", "c", "c.v2"]
    )
    assert found["a"] == root / "a" and found["a.mp4.avi"] == root / "a.mp4.avi"


def test_pictures_beside_clips_are_previews(put):
    root = put("preview.png", "a.mp4", "p1/thumb.jpg", "p1/b.mp4", "top.bmp")
    found = find_clips(root)
    assert set(found.clips) == {"a", "p1/b"}
    (names,) = left_out(found, root).values()
    assert sorted(names) == ["p1/thumb.jpg", "preview.png", "top.bmp"]
    # The folder of one clip alone is a folder still: its thumbnail is not the clip.
    assert list(find_clips(root / "p1").clips) == ["b"]


def test_masks_hidden_files_and_other_kinds_are_named(put):
    root = put(
        "x.mp4", "x_gt.nii.gz", "x_mask.nii.gz", "y-label.mha", "labelsTr/y.nii.gz", "GT/1.png",
        "label_all_frame/z.nii", ".hidden/a.mp4", "._x.mp4", "notes.txt", "DICOMDIR", "readme",
    )  # fmt: skip
    found = find_clips(root)
    assert list(found.clips) == ["x"]
    reasons = left_out(found, root)
    assert reasons.pop("hidden") == ["._x.mp4", ".hidden"]
    assert reasons.pop("no known kind of clip (.txt)") == ["notes.txt"]
    assert reasons.pop("no known kind of clip (no suffix)") == ["readme"]
    assert reasons.pop("a list of DICOM files, which are used directly") == ["DICOMDIR"]
    ((reason, masks),) = reasons.items()
    assert "named like a mask" in reason and len(masks) == 6
    # Who names one means it.
    assert find_clips(root / "x_gt.nii.gz").clips == {"x_gt": root / "x_gt.nii.gz"}
    lines = found.describe_left_out(shown=2)
    assert any(line.startswith(f"{root / 'GT'}, ") and " and 4 more: " in line for line in lines)


def test_a_folder_of_frames(put):
    root = put("f/1.png", "f/2.png", "f/Thumbs.db", "g/1.png", "g/1_gt.png")
    found = find_clips(root)
    assert found.clips == {"f": root / "f"}
    assert left_out(found, root)["masks among the frames; they need a folder of their own"] == ["g"]
    itself = find_clips(root / "f")
    assert itself.clips == {"f": root / "f"} and itself.describe_left_out()


def test_results_and_links_are_not_searched(put):
    root = put("p/a.mp4", "out/a_masks.nii.gz", "out/a_overlay.mp4", "out/b.mp4", "p/a_overlay.mp4")
    (root / "p" / "up").symlink_to(root)
    (root / "q").symlink_to(root / "p")
    found = find_clips(root, output=root / "out")
    assert list(found.clips) == ["p/a"]
    reasons = left_out(found, root)
    assert reasons["the folder of the results"] == ["out"]
    assert reasons["a link to a folder that was searched"] == ["p/up", "q"]
    assert "out/b" in find_clips(root).clips  # where it is not the folder of the results


def test_the_pixels_of_a_metaimage_are_part_of_it(put):
    found = find_clips(put("a.mhd", "a.raw", "b.raw"))
    assert list(found.clips) == ["a"] and "b.raw: no known" in found.describe_left_out()[0]
    assert len(found.left_out) == 1


def test_nothing_to_take(put):
    root = put("notes.txt")
    with pytest.raises(FileNotFoundError, match=r"has no clip; .*notes.txt: no known kind"):
        find_clips(root)
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        find_clips(root / "nowhere")
