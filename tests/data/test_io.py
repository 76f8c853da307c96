"""lgrseg/data/io: every format, written here or real, and files that are broken."""

import gzip
import re

import av
import cv2
import nibabel
import numpy as np
import pytest

from lgrseg.data.io import UnreadableFile, is_readable, read_nifti, read_video, to_uint8
from lgrseg.data.io.lazy_frames import FramesInOrder, LazyFrames, crop_frames
from lgrseg.visualization.overlays import write_mp4


def ramp(num_frames=3, height=20, width=30):
    """(T, H, W): every pixel tells its frame, row and column."""
    t, y, x = np.mgrid[:num_frames, :height, :width]
    return (40 * t + 3 * y + 2 * x).astype(np.uint8)


def test_nifti(tmp_path):
    file = tmp_path / "a.nii.gz"
    affine = np.diag([0.3, 0.4, 1, 1])
    nibabel.save(nibabel.Nifti1Image(ramp().transpose(2, 1, 0), affine), file)
    video = read_video(file)
    assert np.array_equal(video.frames, ramp())
    assert video.spacing_mm == pytest.approx((0.4, 0.3)) and np.allclose(video.affine, affine)


@pytest.mark.parametrize(
    ("step", "unit", "fps"),
    [
        (20, "msec", 50),
        (0.04, "sec", 25),
        (1, "sec", None),
        (20, "unknown", None),
        (0, "sec", None),
    ],
)
def test_the_rate_of_a_nifti_with_a_time_axis(tmp_path, step, unit, fps):
    image = nibabel.Nifti1Image(ramp().transpose(2, 1, 0)[:, :, None], np.eye(4))
    image.header["pixdim"][4] = step
    image.header.set_xyzt_units("mm", unit)
    nibabel.save(image, tmp_path / "a.nii")
    assert read_video(tmp_path / "a.nii").fps == (fps and pytest.approx(fps))


def test_a_nifti_with_the_time_first_is_noted(tmp_path):
    def axes_notes(*shape):
        nibabel.save(nibabel.Nifti1Image(np.zeros(shape, np.uint8), np.eye(4)), tmp_path / "a.nii")
        return [note for note in read_video(tmp_path / "a.nii").notes if "axes" in note]

    for shape in ((90, 60, 8), (60, 8, 90), (56, 56, 15)):
        assert not axes_notes(*shape)
    (note,) = axes_notes(8, 60, 90)
    assert "(8, 60, 90) are read as 90 frames 8 px wide" in note and "(x, y, t)" in note
    (note,) = axes_notes(15, 56, 56)  # a square picture is common
    assert "(15, 56, 56) are read as 56 frames 15 px wide" in note


def test_the_step_of_the_axis_of_colours_is_no_time(tmp_path):
    for shape, fps in (((30, 20, 3, 3), None), ((30, 20, 1, 3, 3), pytest.approx(50))):
        image = nibabel.Nifti1Image(np.zeros(shape, np.uint8), np.eye(4))
        image.header["pixdim"][4] = 20
        image.header.set_xyzt_units("mm", "msec")
        nibabel.save(image, tmp_path / "a.nii")
        assert read_video(tmp_path / "a.nii").fps == fps


def test_mhd(tmp_path):
    import SimpleITK

    image = SimpleITK.GetImageFromArray(ramp())
    image.SetSpacing((0.3, 0.4, 1))
    SimpleITK.WriteImage(image, str(tmp_path / "a.mhd"))
    video = read_video(tmp_path / "a.mhd")
    assert np.array_equal(video.frames, ramp()) and video.spacing_mm == pytest.approx((0.4, 0.3))


def test_mp4(tmp_path):
    pictures = np.repeat(ramp()[..., None], 3, axis=-1)
    write_mp4(tmp_path / "a.mp4", pictures, fps=25)
    video = read_video(tmp_path / "a.mp4")
    assert video.frames.shape[:3] == (3, 20, 30) and video.fps == 25
    assert np.abs(video.frames.reshape(3, 20, 30, -1)[..., 0].astype(int) - ramp()).mean() < 4


def test_a_movie_that_is_cut_short_says_how_much_is_left(tmp_path):
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=25, width=48, height=32, pix_fmt="yuvj420p")
        for picture in np.random.default_rng(0).integers(0, 255, (6, 32, 48, 3), dtype=np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    whole = (tmp_path / "a.avi").read_bytes()
    assert len(read_video(tmp_path / "a.avi").frames) == 6
    fifth = [match.start() for match in re.finditer(b"00dc", whole)][4]
    (tmp_path / "a.avi").write_bytes(whole[:fifth])
    video = read_video(tmp_path / "a.avi")
    assert len(video.frames) == 3  # the container drops the one before a cut
    assert video.notes[0].startswith("damaged: 3 of the 6 frames")


def test_a_flipped_bit_in_a_packed_nifti_is_noticed(tmp_path):
    file = tmp_path / "a.nii.gz"
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), file)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(UnreadableFile, match="cut short or not a NIfTI file"):
        read_nifti(file)


def test_nifti_2(tmp_path):
    nibabel.save(nibabel.Nifti2Image(ramp().transpose(2, 1, 0), np.eye(4)), tmp_path / "a.nii.gz")
    assert np.array_equal(read_video(tmp_path / "a.nii.gz").frames, ramp())


def test_dicom(tmp_path):
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("a.dcm", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 20, 30, 3
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData, dataset.FrameTime = ramp().tobytes(), 40
    dataset.PixelSpacing = [0.4, 0.3]
    dataset.save_as(tmp_path / "a.dcm")
    video = read_video(tmp_path / "a.dcm")
    assert np.array_equal(video.frames, ramp())
    assert video.fps == 25 and video.spacing_mm == (0.4, 0.3)


def test_folder_in_natural_order(tmp_path):
    for name, frame in zip(("f1", "f2", "f10"), ramp(), strict=True):
        cv2.imwrite(str(tmp_path / f"{name}.png"), frame)
    assert np.array_equal(read_video(tmp_path).frames, ramp())
    assert is_readable(tmp_path) and not is_readable(tmp_path / "f1.png")


def test_colour_stays_and_grey_is_one_channel(tmp_path):
    colour = np.zeros((8, 8, 3), np.uint8)
    colour[..., 2] = 200  # OpenCV writes blue first: this is red
    cv2.imwrite(str(tmp_path / "a.png"), colour)
    video = read_video(tmp_path)
    assert video.frames.shape == (1, 8, 8, 3) and video.frames[0, 0, 0].tolist() == [200, 0, 0]


def test_other_numbers_become_bytes():
    assert to_uint8(np.array([-1000.0, 0, 1000])).tolist() == [0, 128, 255]
    assert to_uint8(np.array([0, 7, 255], np.int16)).tolist() == [0, 7, 255]
    assert to_uint8(np.array([0.0, 0.5, 1.0])).tolist() == [0, 128, 255]


def test_broken_and_unknown_files(tmp_path):
    for name in ("a.nii.gz", "a.mp4", "a.dcm", "a.mhd", "a.txt"):
        (tmp_path / name).write_bytes(b"nothing of use")
        with pytest.raises(UnreadableFile, match=f"^{name}"):
            read_video(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnreadableFile, match="has no image"):
        read_video(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_video(tmp_path / "b.nii")


@pytest.mark.parametrize(
    ("name", "shape", "spacing", "fps"),
    [
        ("apical_a_1024x768.mp4", (45, 768, 1024), None, 20),
        ("examples_ybr_color.dcm", (30, 240, 320), 1.021, 30),
        ("JPGLosslessP14SV1_1s_1f_8b.dcm", (1, 768, 1024), 0.2548, None),
    ],
)
def test_real_clips(shared_data, name, shape, spacing, fps):
    file = shared_data / "echo_clips" / name
    if not file.is_file():
        pytest.skip(f"no {file}")
    video = read_video(file)
    assert video.frames.shape[:3] == shape and video.frames.dtype == np.uint8
    assert video.fps is None if fps is None else video.fps == pytest.approx(fps, rel=1e-3)
    found = video.spacing_mm and video.spacing_mm[0]
    assert found is None if spacing is None else found == pytest.approx(spacing, rel=1e-2)


def test_headers_that_lie(tmp_path):
    """Whatever nibabel raises for them, the caller gets one kind of error."""
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 3), np.uint8), np.eye(4)), tmp_path / "a.nii")
    whole = (tmp_path / "a.nii").read_bytes()
    for name, at, wrong in (
        ("type.nii.gz", 70, b"\xff\x7f"),  # an unknown data type
        ("size.nii.gz", 42, b"\xff\x7f" * 3),  # 32767 in every direction
        ("axes.nii.gz", 40, b"\xff\x7f"),  # 32767 axes
    ):
        header = whole[:at] + wrong + whole[at + len(wrong) :]
        (tmp_path / name).write_bytes(gzip.compress(header))
        with pytest.raises(UnreadableFile, match=f"^{name} is cut short or not a NIfTI file"):
            read_nifti(tmp_path / name)


def dicom(file, pixels, **facts):
    """Write (T, H, W) indices or grey values as an uncompressed cine."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(file), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = pixels.tobytes()
    for name, value in facts.items():
        setattr(dataset, name, value)
    dataset.save_as(file)


@pytest.mark.parametrize("shift", [0, 8])
def test_dicom_palette(tmp_path, shift):
    """Value 2 of the palette is pure red, in 16-bit entries with the byte high or low."""
    palette = np.array([0, 100, 255, 50], np.uint16)
    facts = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour, entries in (("Red", palette), ("Green", palette * 0), ("Blue", palette * 0)):
        facts[f"{colour}PaletteColorLookupTableDescriptor"] = [4, 0, 16]
        facts[f"{colour}PaletteColorLookupTableData"] = (entries << shift).tobytes()
    indices = np.tile(np.array([0, 1, 2, 3], np.uint8), (2, 4, 1))
    dicom(tmp_path / "a.dcm", indices, **facts)
    video = read_video(tmp_path / "a.dcm")
    assert video.frames.shape == (2, 4, 4, 3)
    assert video.frames[1, 0, :, 0].tolist() == [0, 100, 255, 50]
    assert not video.frames[..., 1:].any()


def test_dicom_frame_time_vector(tmp_path):
    dicom(tmp_path / "a.dcm", ramp(), FrameTimeVector=[0, 50, 50])
    assert read_video(tmp_path / "a.dcm").fps == 20
    dicom(tmp_path / "b.dcm", ramp())
    assert read_video(tmp_path / "b.dcm").fps is None


def test_dicom_spacing_is_of_the_picture_not_of_a_trace(tmp_path):
    from pydicom.dataset import Dataset

    trace, picture = Dataset(), Dataset()
    for region, unit, step in ((trace, 4, 0.01), (picture, 3, 0.05)):  # 4 seconds, 3 centimetres
        region.PhysicalUnitsXDirection, region.PhysicalUnitsYDirection = unit, 3
        region.PhysicalDeltaX, region.PhysicalDeltaY = step, 0.04
    dicom(tmp_path / "a.dcm", ramp(), SequenceOfUltrasoundRegions=[trace, picture])
    assert read_video(tmp_path / "a.dcm").spacing_mm == pytest.approx((0.4, 0.5))


def test_hidden_files_are_no_frames(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), ramp()[0])
    (tmp_path / "._a.png").write_bytes(b"left by macOS")
    assert len(read_video(tmp_path).frames) == 1


def test_what_is_not_finite_becomes_0():
    assert to_uint8(np.array([np.nan, 0, 7, 255, np.inf])).tolist() == [0, 0, 7, 255, 0]


def movie(path, pictures, *, times=None):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25, width=48, height=32, pix_fmt="yuvj420p")
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times:
                frame.pts = times[number]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def grey_pictures(count):
    pictures = [np.full((32, 48, 3), 5 * (number % 50), np.uint8) for number in range(count)]
    for picture in pictures:
        picture[16:] = 60
    return pictures


def test_a_long_movie_is_read_when_it_is_asked_for(tmp_path, monkeypatch):
    movie(tmp_path / "a.avi", grey_pictures(200))
    whole = read_video(tmp_path / "a.avi")
    monkeypatch.setattr("lgrseg.data.io.lazy_frames.WHOLE_BYTES", 1000)
    lazy = read_video(tmp_path / "a.avi")
    assert isinstance(lazy.frames, LazyFrames) and lazy.frames.shape == whole.frames.shape
    colour = lazy.frames.shape[3:]
    assert lazy.fps == whole.fps and lazy.meta == whole.meta == {"codec": "mjpeg"}
    for index in (0, 150, 149, 10, -1):  # forwards, remembered, back again, the end
        assert np.abs(lazy.frames[index].astype(int) - whole.frames[index]).max() <= 1
    assert lazy.frames[20:24].shape == (4, 32, 48, *colour)
    assert crop_frames(lazy.frames, (2, 3, 10, 20))[5].shape == (8, 17, *colour)
    assert len(lazy.frames._kept) <= 64


def test_a_long_movie_against_time_is_not_decoded_anew_for_every_frame(tmp_path, monkeypatch):
    movie(tmp_path / "a.avi", grey_pictures(200))
    opened = []
    monkeypatch.setattr("lgrseg.data.io.lazy_frames.WHOLE_BYTES", 1000)
    monkeypatch.setattr(av, "open", lambda *a, _open=av.open, **k: opened.append(a) or _open(*a))
    frames = read_video(tmp_path / "a.avi").frames
    assert isinstance(frames, LazyFrames)
    opened.clear()
    expected = [picture[0, 0, 0] for picture in grey_pictures(200)]
    for index in [*range(199, -1, -1), 150]:
        assert abs(int(frames[index][0, 0].max()) - expected[index]) <= 2, index
    assert len(opened) <= 200 / 64 + 2


def test_a_large_folder_is_read_when_it_is_asked_for(tmp_path, monkeypatch):
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((8, 9, 3), number, np.uint8))
    monkeypatch.setattr("lgrseg.data.io.lazy_frames.WHOLE_BYTES", 10)
    frames = read_video(tmp_path).frames
    assert isinstance(frames, LazyFrames) and frames.shape == (3, 8, 9)
    assert frames[2].max() == 2 and np.asarray(frames).shape == (3, 8, 9)
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(UnreadableFile, match="differ in size or depth: .* image 2 is"):
        read_video(tmp_path)


def test_colour_doppler_is_told_and_text_is_not(tmp_path):
    pictures = grey_pictures(8)
    for picture in pictures:
        picture[:, :, 1] = np.maximum(picture[:, :, 1], 1)
    pictures[4][8:20, 10:30] = (220, 30, 20)
    movie(tmp_path / "a.avi", pictures)
    assert any("colour Doppler" in note for note in read_video(tmp_path / "a.avi").notes)
    pictures = grey_pictures(8)
    for picture in pictures:
        picture[-3:] = (20, 220, 60)  # as the line of an ECG
    movie(tmp_path / "b.avi", pictures)
    assert read_video(tmp_path / "b.avi").notes == []


def test_why_a_movie_cannot_be_read_is_told_without_numbers(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"hello")
    with pytest.raises(UnreadableFile) as error:
        read_video(tmp_path / "a.mp4")
    assert str(error.value) == "a.mp4 cannot be read: Invalid data found when processing input"


def test_an_uneven_frame_rate_is_told(tmp_path):
    movie(tmp_path / "a.mkv", grey_pictures(8), times=[0, 1, 2, 5, 6, 9, 10, 11])
    assert "frame rate varies" in " ".join(read_video(tmp_path / "a.mkv").notes)


def test_a_dicom_without_spacing_and_with_an_uneven_rate(tmp_path):
    import pydicom

    test_dicom(tmp_path)
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    del dataset.PixelSpacing, dataset.FrameTime
    dataset.FrameTimeVector = [0, 20, 60]
    dataset.save_as(tmp_path / "b.dcm")
    video = read_video(tmp_path / "b.dcm")
    assert video.spacing_mm is None and video.meta["PhotometricInterpretation"] == "MONOCHROME2"
    assert video.notes == [
        "the file gives no spacing: sizes are in pixels",
        "the frame rate varies: 20 to 60 ms",
    ]


def test_no_frame_at_all(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((8, 9, 0), np.uint8), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(UnreadableFile, match="a.nii"):
        read_video(tmp_path / "a.nii")


def test_frames_in_order_know_where_they_end():
    frames = FramesInOrder(lambda: iter(ramp(5)))
    assert np.array_equal(frames(3), ramp(5)[3]) and np.array_equal(frames(1), ramp(5)[1])
    with pytest.raises(IndexError, match="no frame 5"):
        frames(5)
    assert np.array_equal(frames(4), ramp(5)[4])
