"""lgrseg/data/io/nifti.py, metaimage.py, axes.py: which axes are time, and headers that lie."""

import zlib

import nibabel
import numpy as np
import pytest

from lgrseg.data.io import UnreadableFile, read_video
from lgrseg.data.io.axes import clip_axes


def clip(*shape, dtype=np.uint8):
    """An array of (x, y, ...) of which every value is another one, as far as there are."""
    return (np.arange(np.prod(shape)) * 7 % 251).reshape(shape).astype(dtype)


def nifti(file, array, *, unit="mm", size=0.3, kind=None):
    image = nibabel.Nifti1Image(array, np.diag([size, size, 1, 1]), dtype=kind)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, file)


@pytest.mark.parametrize(
    ("shape", "num_frames", "coloured"),
    [
        ((8, 6), 1, False),
        ((8, 6, 3), 3, False),
        ((8, 6, 1), 1, False),
        ((8, 6, 1, 3), 3, False),
        ((8, 6, 1, 5), 5, False),
        ((8, 6, 5, 1), 5, False),
        ((8, 6, 1, 1, 5), 5, False),
        ((8, 6, 5, 3), 5, True),
        ((8, 6, 5, 1, 3), 5, True),
        ((8, 6, 1, 1, 3), 1, True),
    ],
)
@pytest.mark.parametrize("whole", [2**29, 1])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_axes(tmp_path, shape, num_frames, coloured, whole, name, monkeypatch):
    monkeypatch.setattr("lgrseg.data.io.lazy_frames.WHOLE_BYTES", whole)
    array = clip(*shape)
    nifti(tmp_path / name, array)
    frames = np.asarray(read_video(tmp_path / name).frames)
    last = (3,) if coloured else ()
    right = array.reshape(8, 6, num_frames, *last).transpose(2, 1, 0, *([3] if coloured else []))
    assert np.array_equal(frames, right)


@pytest.mark.parametrize("shape", [(8,), (8, 6, 5, 4), (8, 6, 2, 2, 3), (8, 6, 3, 2)])
def test_volumes_over_time_are_refused(tmp_path, shape):
    with pytest.raises(UnreadableFile, match="a clip has the axes"):
        clip_axes(shape, name="a.nii")
    if len(shape) > 1:
        nifti(tmp_path / "a.nii", clip(*shape))
        with pytest.raises(UnreadableFile, match=r"^a.nii has an array of shape \(8, 6"):
            read_video(tmp_path / "a.nii")


@pytest.mark.parametrize("samples", [3, 4])
def test_rgb24_and_rgba32(tmp_path, samples):
    values = np.random.default_rng(0).integers(0, 255, (8, 6, 5, samples), dtype=np.uint8)
    kind = np.dtype([(name, "u1") for name in "RGBA"[:samples]])
    nifti(tmp_path / "a.nii.gz", values.view(kind)[..., 0])
    frames = read_video(tmp_path / "a.nii.gz").frames
    assert np.array_equal(frames, values[..., :3].transpose(2, 1, 0, 3))


def test_complex_numbers_are_refused(tmp_path):
    nifti(tmp_path / "a.nii", clip(8, 6, 5).astype(np.complex64))
    with pytest.raises(UnreadableFile, match="has complex numbers"):
        read_video(tmp_path / "a.nii")


def test_scaled_numbers(tmp_path):
    image = nibabel.Nifti1Image(clip(8, 6, 5, dtype=np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    nibabel.save(image, tmp_path / "a.nii.gz")
    loaded = np.asarray(nibabel.load(tmp_path / "a.nii.gz").dataobj)
    frames = read_video(tmp_path / "a.nii.gz").frames.astype(int)
    right = loaded.T if loaded.max() >= 64 else loaded.T * 255 / loaded.max()
    assert np.abs(frames - right).max() <= 1


@pytest.mark.parametrize(
    ("unit", "size", "right"),
    [
        ("mm", 0.3, 0.3),
        ("meter", 0.0003, 0.3),
        ("micron", 300, 0.3),
        ("unknown", 0.3, 0.3),
        ("mm", 0.0003, None),
        ("unknown", 300, None),
    ],
)
def test_units(tmp_path, unit, size, right):
    nifti(tmp_path / "a.nii", clip(8, 6, 3), unit=unit, size=size)
    video = read_video(tmp_path / "a.nii")
    assert video.spacing_mm == (right and pytest.approx((right, right)))
    assert bool(video.notes) == (right is None)


@pytest.mark.parametrize("size", [0, np.nan, -0.3])
def test_pixdim_that_cannot_be(tmp_path, size):
    nifti(tmp_path / "a.nii", clip(8, 6, 3))
    content = bytearray((tmp_path / "a.nii").read_bytes())
    content[80:84] = np.float32(size).tobytes()  # pixdim[1]
    (tmp_path / "a.nii").write_bytes(content)
    video = read_video(tmp_path / "a.nii")
    assert video.frames.shape == (3, 6, 8)
    assert video.spacing_mm is None and "pixdim" in " ".join(video.notes)


def metaimage(file, array, *, channels=1, compressed=False, **items):
    """Write (x, y, ...[, channels]) with a header of our own."""
    dims = array.shape[:-1] if channels > 1 else array.shape
    axes = (*range(array.ndim - 2 if channels > 1 else array.ndim - 1, -1, -1),)
    data = array.transpose(*axes, *([array.ndim - 1] if channels > 1 else [])).tobytes()
    if compressed:
        data = zlib.compress(data)
        items = {"CompressedData": "True", "CompressedDataSize": len(data), **items}
    header = {
        "ObjectType": "Image",
        "NDims": len(dims),
        "BinaryData": "True",
        "ElementSpacing": " ".join(["0.3"] * len(dims)),
        "DimSize": " ".join(map(str, dims)),
        **items,
        "ElementNumberOfChannels": channels,
        "ElementType": {"uint8": "MET_UCHAR", "int16": "MET_SHORT"}[str(array.dtype)],
        "ElementDataFile": "LOCAL",
    }
    text = "".join(f"{name} = {value}\n" for name, value in header.items())
    file.write_bytes(text.encode() + data)


@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 3), (8, 6, 1, 3), (8, 6, 5, 1), (8, 6, 5, 3)])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("whole", [2**29, 1])
def test_axes_of_metaimages(tmp_path, shape, compressed, whole, monkeypatch):
    monkeypatch.setattr("lgrseg.data.io.lazy_frames.WHOLE_BYTES", whole)
    metaimage(tmp_path / "a.mha", clip(*shape), compressed=compressed)
    video = read_video(tmp_path / "a.mha")
    num_frames, coloured = clip_axes(shape, name="a")
    last = (3,) if coloured else ()
    array = clip(*shape).reshape(8, 6, num_frames, *last)
    right = array.transpose(2, 1, 0, *([3] if coloured else []))
    assert np.array_equal(np.asarray(video.frames), right)
    assert video.spacing_mm == (0.3, 0.3)


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("whole", [2**29, 1])
def test_channels_of_metaimages(tmp_path, channels, whole, monkeypatch):
    monkeypatch.setattr("lgrseg.data.io.lazy_frames.WHOLE_BYTES", whole)
    array = clip(8, 6, 5, channels)
    metaimage(tmp_path / "a.mha", array, channels=channels)
    if channels == 2:
        with pytest.raises(UnreadableFile, match="and 2 channels; a clip has"):
            read_video(tmp_path / "a.mha")
        return
    frames = np.asarray(read_video(tmp_path / "a.mha").frames)
    assert np.array_equal(frames, array[..., :3].transpose(2, 1, 0, 3))


@pytest.mark.parametrize("sizes", ["0 0 1", "nan 2 1", "1e-310 2 1", "-0.3 -0.3 1", "a b c", "1"])
def test_spacing_of_metaimages_that_cannot_be(tmp_path, sizes):
    metaimage(tmp_path / "a.mha", clip(8, 6, 3), ElementSpacing=sizes)
    video = read_video(tmp_path / "a.mha")
    assert np.array_equal(video.frames, clip(8, 6, 3).T)
    assert video.spacing_mm is None and "ElementSpacing" in video.notes[0]


def test_a_direction_that_cannot_be(tmp_path):
    metaimage(tmp_path / "a.mha", clip(8, 6, 3), TransformMatrix="1 0 0 0 1 0 0 0 0")
    assert np.array_equal(read_video(tmp_path / "a.mha").frames, clip(8, 6, 3).T)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_metaimage_that_is_cut_short(tmp_path, compressed):
    metaimage(tmp_path / "a.mha", clip(80, 60, 3), compressed=compressed)
    whole = (tmp_path / "a.mha").read_bytes()
    (tmp_path / "a.mha").write_bytes(whole[:-100])
    with pytest.raises(UnreadableFile, match=r"^a\.mha"):
        read_video(tmp_path / "a.mha")
