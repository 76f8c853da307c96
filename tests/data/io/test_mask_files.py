"""mask_files.py: what is written comes back, frame by frame; a file is whole or absent."""

import nibabel
import numpy as np
import pytest

from lgrseg.checkpoint.whole_files import appears_whole
from lgrseg.data.io.mask_files import MaskFile, write_masks


def numbered(num_frames, height=3, width=4):
    """A mask for each frame, no two alike: pixel (t % height, t % width) has t % 5."""
    for t in range(num_frames):
        labels = np.zeros((height, width), np.uint8)
        labels[t % height, t % width] = t % 5
        yield labels


def test_axes_spacing_and_mark(tmp_path):
    file = tmp_path / "new" / "a_masks.nii.gz"
    how = {"shape": (7, 3, 4), "spacing_mm": (0.5, 0.25), "made_by": "lgrseg " + "f" * 64}
    write_masks(file, numbered(7), **how)
    image = nibabel.load(file)
    assert image.shape == (4, 3, 7) and image.header.get_zooms() == (0.25, 0.5, 1)
    assert image.get_data_dtype() == np.uint8 and image.header.get_xyzt_units()[0] == "mm"
    whole = np.stack(list(numbered(7)))
    assert np.array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), whole)
    with MaskFile(file) as masks:
        assert masks.shape == (7, 3, 4) and masks.made_by == "lgrseg " + "f" * 64
        assert all(np.array_equal(masks[t], whole[t]) for t in (3, 6, 0, -1))  # back and forth
        assert np.array_equal(np.stack(list(masks)), whole)
        assert np.array_equal(np.stack(masks[1:6:2]), whole[1:6:2])
        with pytest.raises(IndexError):
            masks[7]
    before = file.read_bytes()
    write_masks(file, numbered(7), **how)
    assert file.read_bytes() == before  # no time of writing in it


@pytest.mark.parametrize(("num_frames", "kind"), [(32767, "Nifti1Image"), (32768, "Nifti2Image")])
def test_more_frames_than_nifti_1_can_count(tmp_path, num_frames, kind):
    file = tmp_path / "a_masks.nii.gz"
    write_masks(file, numbered(num_frames), shape=(num_frames, 3, 4))
    image = nibabel.load(file)
    assert type(image).__name__ == kind and image.shape == (4, 3, num_frames)
    *_, last = numbered(num_frames)
    assert np.array_equal(image.dataobj[..., num_frames - 1].T, last)
    with MaskFile(file) as masks:
        assert np.array_equal(masks[-1], last)


@pytest.mark.parametrize(
    ("shape", "told"),
    [((3, 3, 4), "the video"), ((5, 3, 4), "only 4 masks for 5 frames"), ((4, 3, 3), "the video")],
)
def test_what_is_not_whole_does_not_appear(tmp_path, shape, told):
    with pytest.raises(ValueError, match=told):
        write_masks(tmp_path / "a.nii.gz", numbered(4), shape=shape)
    assert not list(tmp_path.iterdir())


def test_no_mask_at_all_is_too_few(tmp_path):
    with pytest.raises(ValueError, match="only 0 masks for 2 frames"):
        write_masks(tmp_path / "a.nii.gz", iter(()), shape=(2, 3, 4))


def test_an_error_leaves_the_file_as_it_was(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(KeyboardInterrupt), appears_whole(tmp_path / "a") as half_done:
        half_done.write_text("half")
        raise KeyboardInterrupt
    assert (tmp_path / "a").read_text() == "old" and len(list(tmp_path.iterdir())) == 1
