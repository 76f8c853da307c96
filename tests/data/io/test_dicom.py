"""lgrseg/data/io/dicom*.py: any name, any number of frames, any kind of grey and colour."""

import shutil
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG4HP41,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from lgrseg.data.io import UnreadableFile, is_readable, read_video
from lgrseg.data.io.dicom_files import dicomdir_files
from lgrseg.visualization.overlays import write_mp4

TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def pictures(num_frames=6, dtype=np.uint8, high=255):
    """(T, 20, 30): a slanted ramp that brightens with time, from 0 to `high`."""
    t, y, x = np.mgrid[:num_frames, :20, :30]
    values = t * 7 + y * 4 + x * 3
    return (values * (high / values.max())).astype(dtype)


def cine(file, pixels, *, syntax=ExplicitVRLittleEndian, compress=None, **facts):
    """Write (T, H, W) or (T, H, W, 3); `facts` set or, where None, leave out items."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax if compress is None else ExplicitVRLittleEndian
    dataset = FileDataset(str(file), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.3.1", "1.2.3"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = pixels.shape[:3]
    dataset.SamplesPerPixel = 3 if pixels.ndim == 4 else 1
    dataset.PhotometricInterpretation = "RGB" if pixels.ndim == 4 else "MONOCHROME2"
    if pixels.ndim == 4:
        dataset.PlanarConfiguration = 0
    bits = 8 * pixels.itemsize
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"
    if compress:
        dataset.compress(compress, generate_instance_uid=False)
    for name, value in facts.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    dataset.save_as(file)


def jpeg_ls(file, pixels, **facts):
    """Frames compressed by FFmpeg, one fragment each, without a table of offsets."""
    kind = {1: "gray", 2: "gray16le"}[pixels.itemsize]
    fragments = []
    for picture in pixels:
        coder = av.CodecContext.create("jpegls", "w")
        coder.height, coder.width = picture.shape
        coder.pix_fmt, coder.time_base = kind, Fraction(1, 25)
        frame = av.VideoFrame.from_ndarray(picture, format=kind)
        fragments += [bytes(packet) for packet in (*coder.encode(frame), *coder.encode())]
    data = encapsulate(fragments, has_bot=False)
    cine(file, pixels, syntax=JPEGLSLossless, PixelData=data, **facts)


def test_signed_and_12_bit_are_stretched(tmp_path):
    for dtype, low, high in ((np.int16, -32768, 32767), (np.uint16, 0, 4095)):
        given = pictures(dtype=float, high=high - low) // 1 + low
        cine(tmp_path / "a.dcm", given.astype(dtype))
        right = np.rint((given - low) / (high - low) * 255)
        assert np.abs(read_video(tmp_path / "a.dcm").frames - right).max() <= 1


@pytest.mark.parametrize("write", [cine, jpeg_ls])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_monochrome1_is_turned_round_once(tmp_path, write, dtype):
    given = pictures(dtype=dtype, high=255 if dtype == np.uint8 else 65535)
    write(tmp_path / "a.dcm", given, PhotometricInterpretation="MONOCHROME1")
    right = 255 - np.rint(given / given.max() * 255)
    assert np.abs(read_video(tmp_path / "a.dcm").frames - right).max() <= 1


@pytest.mark.parametrize("write", [cine, jpeg_ls])
def test_a_palette(tmp_path, write):
    indices, facts = pictures(3, high=3), {"PhotometricInterpretation": "PALETTE COLOR"}
    entries = {"Red": [0, 100, 255, 50], "Green": [0, 0, 9, 0], "Blue": [0, 0, 0, 7]}
    for colour, values in entries.items():
        facts[f"{colour}PaletteColorLookupTableDescriptor"] = [4, 0, 16]
        facts[f"{colour}PaletteColorLookupTableData"] = (np.array(values, "u2") << 8).tobytes()
    write(tmp_path / "a.dcm", indices, **facts)
    frames = read_video(tmp_path / "a.dcm").frames
    assert np.array_equal(frames, np.array(list(entries.values())).T[indices])


@pytest.mark.parametrize(
    "write",
    [cine, jpeg_ls, lambda *a, **k: cine(*a, compress=RLELossless, **k)],
    ids=["plain", "jpeg_ls", "rle"],
)
@pytest.mark.parametrize("announced", [None, 2, 9])
def test_as_many_frames_as_there_are(tmp_path, write, announced):
    write(tmp_path / "a.dcm", pictures(6), NumberOfFrames=announced)
    video = read_video(tmp_path / "a.dcm")
    assert np.array_equal(video.frames, pictures(6))
    assert any(f"{announced or 1} frames" in n or "announces" in n for n in video.notes)
    assert bool(video.doubts) == (announced == 9)


def test_a_cut_cine_keeps_whole_frames(tmp_path):
    cine(tmp_path / "a.dcm", pictures(6))
    whole = (tmp_path / "a.dcm").read_bytes()
    (tmp_path / "a.dcm").write_bytes(whole[: -600 - 5])
    video = read_video(tmp_path / "a.dcm")
    assert np.array_equal(video.frames, pictures(6)[:4])
    assert video.doubts == ["damaged: the file announces 6 frames and holds 4"]
    (tmp_path / "a.dcm").write_bytes(whole[: -6 * 600 + 100])
    with pytest.raises(UnreadableFile, match="^a.dcm ends within its first frame$"):
        read_video(tmp_path / "a.dcm")


def test_a_cut_jpeg_ls_cine_keeps_whole_frames_and_its_last_is_not_tried(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (3, 96, 128), dtype=np.uint8)
    jpeg_ls(tmp_path / "a.dcm", noise)
    (tmp_path / "a.dcm").write_bytes((tmp_path / "a.dcm").read_bytes()[:-8000])
    start = time.process_time()
    video = read_video(tmp_path / "a.dcm")
    assert time.process_time() - start < 2  # the cut frame of one file took CharLS 8 s
    np.testing.assert_array_equal(video.frames, noise[:2])
    assert video.doubts == ["damaged: the file announces 3 frames and holds 2"]


def test_colours_of_every_compression(tmp_path):
    """The same test picture in 13 files: uncompressed, RLE, JPEG 2000, JPEG, JPEG-LS, lossless."""
    right = read_video(TEST_FILES / "SC_rgb_rle.dcm").frames.astype(int)
    for name in (
        "SC_rgb_gdcm_KY.dcm",
        "SC_rgb_jpeg_gdcm.dcm",  # lossless JPEG
        "SC_rgb_jls_lossy_line.dcm",
        "SC_rgb_jls_lossy_sample.dcm",
        "SC_rgb_rle_16bit.dcm",
        "SC_rgb_rle_32bit.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
        *(f"SC_rgb_dcmtk_+eb+c{kind}.dcm" for kind in ("r", "y+n1", "y+n2", "y+np", "y+s4")),
    ):
        frames = read_video(TEST_FILES / name).frames
        assert frames.shape == right.shape, name
        assert np.median(np.abs(frames - right)) <= 2, name


def test_uncompressed_colours_of_half_width(tmp_path):
    """Several frames of YBR_FULL_422: each pair of neighbours is stored as Y, Y, Cb, Cr."""
    grey = pictures()[..., :24]
    neutral = np.full((*grey.shape[:2], 12, 2), 128, np.uint8)
    stored = np.concatenate([grey.reshape(*grey.shape[:2], 12, 2), neutral], axis=-1)
    cine(
        tmp_path / "a.dcm",
        np.stack([grey] * 3, axis=-1),
        PhotometricInterpretation="YBR_FULL_422",
        PixelData=stored.tobytes(),
    )
    video = read_video(tmp_path / "a.dcm")
    np.testing.assert_array_equal(video.frames, grey)
    assert not video.doubts


def test_a_film_in_dicom(tmp_path):
    film = np.repeat(pictures(8)[..., None], 3, axis=-1).repeat(4, 1).repeat(4, 2)
    write_mp4(tmp_path / "a.mp4", film, fps=25)
    content = (tmp_path / "a.mp4").read_bytes()
    cine(
        tmp_path / "a.dcm",
        film,
        syntax=MPEG4HP41,
        PixelData=encapsulate([content[:1000], content[1000:]], has_bot=False),
    )
    frames = read_video(tmp_path / "a.dcm").frames
    assert len(frames) == 8 and np.abs(frames.astype(int) - film[..., 0]).mean() < 8


def test_dicom_of_any_name(tmp_path):
    cine(tmp_path / "IM0001", pictures())
    whole = (tmp_path / "IM0001").read_bytes()
    (tmp_path / "1.2.840.113").write_bytes(whole[132:])  # no preamble
    dataset = pydicom.dcmread(tmp_path / "IM0001")
    dataset.file_meta = FileMetaDataset()
    dataset.preamble = None
    for name, implicit in (("bare", True), ("bare.explicit", False)):  # nor a file meta group
        dataset.save_as(tmp_path / name, implicit_vr=implicit, little_endian=True)
    for name in ("IM0001", "1.2.840.113", "bare", "bare.explicit"):
        assert is_readable(tmp_path / name), name
        assert np.array_equal(read_video(tmp_path / name).frames, pictures()), name
    (tmp_path / "notes.txt").write_text("no picture, but rather more than 132 characters " * 9)
    (tmp_path / "._IM0001").write_bytes(whole)
    assert not is_readable(tmp_path / "notes.txt") and not is_readable(tmp_path / "._IM0001")


def test_dicomdir_names_its_files():
    index = TEST_FILES / "dicomdirtests" / "DICOMDIR"
    files = dicomdir_files(index)
    assert len(files) == 31 and all(file.is_file() for file in files)
    assert not is_readable(index) and is_readable(files[0])
    with pytest.raises(UnreadableFile, match="is an index of 31 DICOM files.*77654033/CR1/6154"):
        read_video(index)


def test_dicomdir_of_a_disc_with_small_letters(tmp_path):
    index = TEST_FILES / "dicomdirtests" / "DICOMDIR"
    shutil.copy(index, tmp_path / "DICOMDIR")
    assert dicomdir_files(tmp_path / "DICOMDIR") == []
    with pytest.raises(UnreadableFile, match="but none of them is beside it"):
        read_video(tmp_path / "DICOMDIR")
    source = TEST_FILES / "dicomdirtests" / "77654033" / "CR1" / "6154"
    (tmp_path / "77654033" / "cr1").mkdir(parents=True)
    shutil.copy(source, tmp_path / "77654033" / "cr1" / "6154")
    assert len(dicomdir_files(tmp_path / "DICOMDIR")) == 1


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("rtplan.dcm", "has no picture: it is a DICOM file of class RT Plan Storage"),
        ("waveform_ecg.dcm", "12-lead ECG"),
        ("MR_truncated.dcm", "ends within its first frame"),
        ("badVR.dcm", "invalid literal"),
    ],
)
def test_what_holds_no_clip_says_so(name, why):
    with pytest.raises(UnreadableFile, match=why):
        read_video(TEST_FILES / name)


def test_a_wrong_transfer_syntax_is_told(tmp_path):
    cine(tmp_path / "a.dcm", pictures(), compress=RLELossless)
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(tmp_path / "b.dcm")
    with pytest.raises(UnreadableFile, match="has compressed pixels, but its transfer syntax"):
        read_video(tmp_path / "b.dcm")


def test_few_bits_are_not_black(tmp_path):
    cine(tmp_path / "a.dcm", pictures(high=15), BitsStored=4, HighBit=3)
    assert np.array_equal(read_video(tmp_path / "a.dcm").frames, pictures(high=15) * 17)


def test_black_frames_are_doubtful(tmp_path):
    cine(tmp_path / "a.dcm", np.zeros((3, 20, 30), np.uint8))
    assert read_video(tmp_path / "a.dcm").doubts[0].startswith("every frame is black")
    cine(tmp_path / "b.dcm", pictures())
    assert not read_video(tmp_path / "b.dcm").doubts


@pytest.mark.slow
def test_a_long_cine_is_never_whole_in_memory(tmp_path):
    """2,000 frames of 1024 x 768, which are 1.5 GiB, take less than 200 MiB."""
    cine(tmp_path / "a.dcm", np.full((1, 768, 1024), 9, np.uint8), NumberOfFrames=2000)
    content = (tmp_path / "a.dcm").read_bytes()
    at = content.index(b"\xe0\x7f\x10\x00OW\0\0") + 8
    with (tmp_path / "a.dcm").open("r+b") as file:
        file.seek(at)
        file.write((2000 * 768 * 1024).to_bytes(4, "little"))
        file.truncate(at + 4 + 2000 * 768 * 1024)  # a hole in the file, which takes no disk
    program = (
        "import resource, sys, pydicom.pixels, lgrseg.data.io as io\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak()\n"
        "frames = io.read_video(sys.argv[1]).frames\n"
        "print(sum(1 for _ in frames), peak() - before)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.dcm")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    num_frames, mebibytes = result.stdout.split()
    assert num_frames == "2000" and float(mebibytes) < 200
