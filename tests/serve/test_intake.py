"""Decoding of uploads in a fork with limits."""

import gzip
import io
import json
import struct
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from dicom_clips import dicom_clip

from lgrseg.serve import intake
from lgrseg.visualization.overlays import write_mp4

LIMITS = {
    "seconds": 30,
    "memory_bytes": 2**36,  # this process has torch loaded, the real one has not
    "decoded_bytes": 2**22,
    "frames": 100,
    "frame_pixels": 2**20,
}


@pytest.fixture
def decode(tmp_path):
    def run(content, **limits):
        (tmp_path / "upload").write_bytes(content)
        return intake.in_child(LIMITS | {"folder": str(tmp_path)} | limits)

    return run


def zip_of(entries):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def png(picture):
    return cv2.imencode(".png", picture)[1].tobytes()


def nifti_header(shape):
    import nibabel

    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(shape)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    return header.binaryblock + bytes(4)


def test_a_clip_becomes_frames_and_the_upload_is_deleted(decode, tmp_path):
    frames = np.full((3, 32, 48, 3), 90, np.uint8)
    write_mp4(tmp_path / "a.mp4", frames, fps=10)
    reply = decode((tmp_path / "a.mp4").read_bytes())
    (tmp_path / "a.mp4").unlink()
    assert reply["meta"]["shape"] == [3, 32, 48] and reply["meta"]["fps"] == 10
    assert json.loads((tmp_path / "meta.json").read_text()) == reply["meta"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["frames.u8", "meta.json"]
    stored = np.fromfile(tmp_path / "frames.u8", np.uint8)
    assert len(stored) == 3 * 32 * 48 and abs(stored.mean() - 90) < 3


def test_a_dicom_keeps_its_header_and_not_its_pixels(decode, tmp_path):
    import pydicom

    file = Path(pydicom.__file__).parent / "data" / "test_files" / "examples_ybr_color.dcm"
    if not file.is_file():
        pytest.skip("this pydicom has no ultrasound clip among its test files")
    reply = decode(file.read_bytes(), decoded_bytes=2**24)
    assert reply["meta"]["format"] == "dicom"
    header = pydicom.dcmread(tmp_path / "source.dcm", force=True)
    assert "PixelData" not in header and header.SOPInstanceUID


def test_a_deidentified_header_or_none(decode, tmp_path):
    import pydicom
    from pydicom.uid import MRImageStorage

    frames = np.arange(4 * 32 * 48).reshape(4, 32, 48) % 251
    clip = dicom_clip(tmp_path / "a.dcm", frames, PatientName="CANARY")
    decode(clip.read_bytes(), deidentify=True)
    header = pydicom.dcmread(tmp_path / "source.dcm", force=True)
    assert header.PatientIdentityRemoved == "YES" and "CANARY" not in str(header)
    (tmp_path / "source.dcm").unlink()
    other = dicom_clip(tmp_path / "a.dcm", frames, SOPClassUID=MRImageStorage)
    reply = decode(other.read_bytes(), deidentify=True)
    assert "there are no DICOM results: only ultrasound" in reply["meta"]["notes"][-1]
    assert not (tmp_path / "source.dcm").exists()


def test_images_of_a_zip_are_in_natural_order_whatever_their_names(decode, tmp_path):
    pictures = {
        name: png(np.full((8, 8), value, np.uint8))
        for name, value in (("../f10.png", 30), ("/abs/f2.png", 20), ("f1.png", 10))
    }
    reply = decode(zip_of(pictures | {"readme.txt": b"no", "__MACOSX/._f1.png": b"no"}))
    assert reply["meta"]["shape"] == [3, 8, 8]
    frames = np.fromfile(tmp_path / "frames.u8", np.uint8).reshape(3, 64)
    # Folders sort before names: what counts is that none was written outside.
    assert sorted(frames[:, 0]) == [10, 20, 30]
    assert not (tmp_path.parent / "f10.png").exists()


def test_why_a_zip_is_refused(decode):
    empty = decode(zip_of({}))
    assert empty["code"] == "unreadable" and "the zip file has no images" in empty["detail"]
    pictures = {f"{rows}.png": png(np.full((rows, 8), 9, np.uint8)) for rows in (8, 9)}
    assert decode(zip_of(pictures))["detail"].startswith("the images of the zip file differ")


def test_what_is_too_large_is_refused_by_its_header(decode):
    too_many = decode(nifti_header((64, 64, 1000)))
    assert too_many["code"] == "too_large" and "1000 frames" in too_many["detail"]
    wide = struct.pack(">II", 65000, 65000)
    picture = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + wide + b"\x08\0\0\0\0" * 2
    assert decode(picture)["code"] in ("too_large", "unreadable")
    bomb = gzip.compress(nifti_header((1000, 1000, 90)) + bytes(90_000_000), 1)
    assert decode(bomb)["code"] == "too_large"
    pictures = {f"{n}.png": png(np.zeros((2, 2), np.uint8)) for n in range(101)}
    assert "101 frames" in decode(zip_of(pictures))["detail"]
    assert decode(zip_of({"a.png": bytes(2**23)}))["code"] == "too_large"


def animation(kind, count, size=(8, 6)):
    """Frames that differ, each shown for 50 ms."""
    from PIL import Image

    first, *rest = (Image.new("L", size, 10 + number) for number in range(count))
    file = io.BytesIO()
    first.save(file, kind, save_all=True, append_images=rest, duration=50, lossless=True)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_animations_and_their_bombs(decode, kind):
    reply = decode(animation(kind, 3))
    assert reply["meta"]["shape"][:3] == [3, 6, 8] and reply["meta"]["fps"] == 20
    assert reply["meta"]["format"] == kind
    assert "101 frames" in decode(animation(kind, 101))["detail"]
    assert "when it is decoded" in decode(animation(kind, 5, (1000, 1000)))["detail"]
    small = animation(kind, 2)
    if kind == "gif":
        screen = small[:6] + b"\xff" * 4 + small[10:]
        at = small.rindex(b",\0\0\0\0", 0, -9)  # the last frame says that it is larger
        frame = small[: at + 5] + b"\xff" * 4 + small[at + 9 :]
        bombs = screen, frame
    else:
        bombs = (small[:24] + b"\xff\x3f\0\xff\x3f\0" + small[30:],)
    for bomb in bombs:
        reply = decode(bomb)
        assert reply["code"] == "too_large" and "pixels" in reply["detail"]


@pytest.mark.parametrize(
    "content",
    [
        b"\0\0\0\x18ftypmp42" + bytes(100),
        b"\0\0\0\x18ftyp#EXTM3U\n#EXTINF:1,\n/etc/passwd\n",
        b"RIFF\0\0\0\0AVI LIST" + bytes(100),
        b"RIFF\0\0\0\0WEBPVP8X" + bytes(100),
        b"GIF89a" + bytes(100),
        bytes(128) + b"DICM" + bytes(50),
        b"PK\x03\x04" + bytes(60),
        nifti_header((4, 4, 4)),
        b"NDims = 2\nDimSize = 4 4\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n",
    ],
)
def test_damaged_files_are_refused_with_a_sentence(decode, content):
    reply = decode(content)
    assert reply["code"] == "unreadable" and len(reply["detail"]) > 20
    assert "Traceback" not in reply["detail"] and "root:" not in reply["detail"]


def test_a_child_that_dies_or_hangs_is_only_a_status(decode, monkeypatch):
    monkeypatch.setattr(intake, "reply_to", lambda request: intake.os.kill(intake.os.getpid(), 15))
    assert decode(b"x") == {"status": -15}
    monkeypatch.setattr(intake, "reply_to", lambda request: intake.time.sleep(60))
    assert decode(b"x", seconds=0.1) == {"status": -9}


def test_the_child_has_no_network(decode, monkeypatch):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:

        def reach(request):
            with socket.create_connection(server.getsockname(), timeout=5):
                return {"reached": True}

        monkeypatch.setattr(intake, "reply_to", reach)
        reply = decode(b"x")
    if "reached" in reply:
        pytest.skip("this system lets no process give up its network")
    assert reply == {"status": 0}  # an error of the connection


def test_a_damaged_still_is_refused_without_names_of_folders(decode):
    whole = png(np.zeros((32, 48), np.uint8))
    reply = decode(whole[:40])
    assert reply == {"code": "unreadable", "detail": "the clip is not an image"}
    reply = decode(zip_of({"a.png": whole, "b.png": whole[:40]}))
    assert reply == {"code": "unreadable", "detail": "00001.png is not an image"}
