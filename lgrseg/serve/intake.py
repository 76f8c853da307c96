"""Decodes one upload in a process of its own, with limits on memory, time and files.

    python -m lgrseg.serve.intake

The process first imports what it needs, then waits for one line of JSON on its standard input: the
upload's folder and the limits. It writes frames.u8 and meta.json there, answers with one line of
JSON, and ends. Whatever a stranger's file does to a decoder ends with this process.
"""

import json
import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2  # noqa: F401  these are loaded before the upload comes
import nibabel  # noqa: F401
import numpy as np
import pydicom  # noqa: F401

import lgrseg.data.io.dicom  # noqa: F401
from lgrseg.data.io import Video, read_video
from lgrseg.data.io.placement import affine_of_file
from lgrseg.data.io.stills import read_still
from lgrseg.serve.formats import UnsupportedFormat, format_of
from lgrseg.serve.intake_limits import Limits, TooLarge, check_header, unpack_images

NAMES = {"mp4": "movie", "avi": "movie", "matroska": "movie", "nifti_gz": "nifti"}
MOVIES = ("mp4", "avi", "matroska")
OPENED_AS = {"mp4": "mov,mp4", "avi": "avi", "matroska": "matroska,webm"}
"""Format -> what FFmpeg must call it: a file of two formats at once is refused."""


def main() -> int:
    """Wait for a request, decode, and answer."""
    request = json.loads(sys.stdin.readline() or "null")
    if request is None:  # the service ends, and this process was not needed
        return 0
    answer = sys.stdout.fileno()
    sys.stdout.flush()
    answer = os.dup(answer)
    os.dup2(2, 1)  # what a library prints is no answer
    confine(request)
    try:
        reply = decode(Path(request["folder"]), request)
    except TooLarge as error:
        reply = {"code": "too_large", "detail": str(error)}
    except MemoryError:
        reply = {"code": "too_large", "detail": "decoding the clip needs more memory than allowed"}
    except OSError as error:
        code = "too_large" if error.errno == 27 else "unreadable"  # EFBIG
        reply = {"code": code, "detail": f"the clip cannot be decoded: {error.strerror or error}"}
    except UnsupportedFormat as error:
        reply = {"code": "unsupported", "detail": str(error)}
    except ValueError as error:
        reply = {"code": "unreadable", "detail": str(error)}
    os.write(answer, json.dumps(reply).encode() + b"\n")
    return 0


def confine(request: dict[str, Any]) -> None:
    """Limit memory, processor time, files and the size of files of this process."""
    memory, seconds = request["memory_bytes"], int(request["seconds"]) + 1
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    size = request["decoded_bytes"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ["TMPDIR"] = tempfile.tempdir = request["folder"]
    os.chdir(request["folder"])
    os.umask(0o077)


def decode(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Decode the file `upload` of a folder to frames.u8 and meta.json.

    Raises:
        TooLarge: the clip exceeds a limit.
        ValueError: the clip cannot be read; the message is the reader's sentence.
    """
    limits = Limits(request["frames"], request["frame_pixels"], request["decoded_bytes"])
    kind, ending = format_of(folder / "upload")
    path = (folder / "upload").rename(folder / f"upload{ending}")
    video = read_upload(path, kind, limits)
    num_frames, height, width = video.frames.shape[:3]
    samples = video.frames.shape[3] if video.frames.ndim == 4 else 1
    limits.check(num_frames, height, width, samples=samples)
    with (folder / "frames.u8").open("wb") as file:
        for frame in video.frames:
            file.write(np.ascontiguousarray(frame, np.uint8).data)
    meta = {
        "format": NAMES.get(kind, kind),
        "shape": list(video.frames.shape),
        "spacing_mm": list(video.spacing_mm) if video.spacing_mm else None,
        "fps": video.fps,
        "affine": affine_of_file(path, video.spacing_mm).tolist(),
        "notes": [note for note in video.notes if note not in video.doubts],
        "doubts": video.doubts,
    }
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    keep_source(path, kind, folder)
    return {"meta": meta}


def read_upload(path: Path, kind: str, limits: Limits) -> Video:
    """Read an upload with the reader of its format, after its header was checked."""
    check_header(path, kind, limits)
    if kind == "zip":
        images = Path(tempfile.mkdtemp(dir=path.parent, prefix="images_"))
        try:
            unpack_images(path, images, limits)
            return read_video(images)
        finally:
            shutil.rmtree(images)
    if kind == "still":
        image = read_still(path)
        return Video(_bytes(image)[None], notes=["a still image: it has no spacing and no beats"])
    if kind in MOVIES:
        _check_container(path, kind)
    return read_video(path)


def _bytes(image: np.ndarray) -> np.ndarray:
    from lgrseg.data.io import to_uint8

    return image if image.dtype == np.uint8 else to_uint8(image)


def _check_container(path: Path, kind: str) -> None:
    import av

    with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
        if not container.format.name.startswith(OPENED_AS[kind]):
            raise ValueError(f"the clip is damaged: it begins like {kind} and is none")


def keep_source(path: Path, kind: str, folder: Path) -> None:
    """Delete an upload; of a DICOM file the header stays, for the DICOM segmentation."""
    if kind == "dicom":
        from lgrseg.data.io.dicom_files import read_header

        header = read_header(path)
        header.save_as(folder / "source.dcm", enforce_file_format=False)
    path.unlink()


if __name__ == "__main__":
    sys.exit(main())
