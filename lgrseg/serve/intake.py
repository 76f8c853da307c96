"""Decodes uploads, each in a process of its own with limits on memory, time and files.

    python -m lgrseg.serve.intake

The process imports what decoding needs, and waits for lines of JSON on its standard input: the
folder of an upload, and the limits. For each it forks a child. The child writes frames.u8 and
meta.json into the folder, and its answer is one line of JSON on the standard output. Whatever a
stranger's file does to a decoder ends with the child.
"""

import contextlib
import ctypes
import errno
import json
import os
import re
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import cv2
import nibabel  # noqa: F401  everything is loaded once, before the first upload
import numpy as np
import pydicom.pixels  # noqa: F401
import SimpleITK  # noqa: F401
from PIL import Image

from lgrseg.data.io import UnreadableFile, Video, read_video, to_uint8
from lgrseg.data.io.dicom_deidentified import deidentified_header
from lgrseg.data.io.dicom_files import read_header
from lgrseg.data.io.placement import affine_of_file
from lgrseg.data.io.stills import read_still
from lgrseg.serve.formats import UnsupportedFormat, format_of
from lgrseg.serve.intake_limits import Limits, TooLarge, check_header, unpack_images
from lgrseg.serve.reasons import DISK_FULL

NAMES = {"mp4": "movie", "avi": "movie", "matroska": "movie", "nifti_gz": "nifti"}
OPENED_AS = {"mp4": "mov,mp4", "avi": "avi", "matroska": "matroska,webm"}
"""Format -> what FFmpeg must call it: a file of two formats at once is refused."""
PR_SET_PDEATHSIG, CLONE_NEWNET, CLONE_NEWUSER = 1, 0x40000000, 0x10000000


def main() -> int:
    """Answer requests until the standard input ends."""
    cv2.setNumThreads(1)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(in_child(request)), flush=True)
    return 0


def in_child(request: dict[str, Any]) -> dict[str, Any]:
    """Decode in a fork, and return its answer, or {"status": S} of a child that gave none."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiving)
        _answer(request, sending)
    os.close(sending)
    answer, end = b"", time.monotonic() + request["seconds"]
    with os.fdopen(receiving, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0, end - time.monotonic()))[0]:
            chunk = pipe.read(2**16)
            if not chunk:
                break
            answer += chunk
        else:
            os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return json.loads(answer) if answer.endswith(b"\n") else {"status": status}


def _answer(request: dict[str, Any], pipe: int) -> None:
    """Be the child: decode, write the answer, and end."""
    try:
        confine(request)
        reply = reply_to(request)
        os.write(pipe, json.dumps(reply).encode() + b"\n")
    finally:
        os._exit(0)


def confine(request: dict[str, Any]) -> None:
    """Limit memory, processor time, open files and the size of files of this process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _leave_the_network()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # libraries print names and contents of files
        os.dup2(nowhere, stream)
    os.chdir(request["folder"])
    tempfile.tempdir = request["folder"]
    os.umask(0o077)
    seconds, size = int(request["seconds"]) + 1, request["decoded_bytes"]
    for limit, value in (
        (resource.RLIMIT_AS, request["memory_bytes"]),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, size),
        (resource.RLIMIT_NOFILE, 128),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    with contextlib.suppress(OSError):
        os.nice(5)


def _leave_the_network() -> None:
    """Get a network of its own, which has no connections, where the system allows it."""
    unshare = ctypes.CDLL(None).unshare
    if unshare(CLONE_NEWNET) != 0:
        unshare(CLONE_NEWUSER | CLONE_NEWNET)


def reply_to(request: dict[str, Any]) -> dict[str, Any]:
    """Decode an upload: {"meta": ...}, or {"code": ..., "detail": ...} if it is refused.

    No sentence has a path of this machine.
    """
    reply = _decode_or_refuse(request)
    if "detail" in reply:
        folder = Path(request["folder"])
        plain = reply["detail"].replace(f"{folder}/", "").replace(f"{folder.name}/", "")
        plain = re.sub(r"\bimages_\w+/", "", plain)
        plain = re.sub(r"\bimages_\w+", "the zip file", plain)
        reply["detail"] = re.sub(r"\bupload(\.\w+)+", "the clip", plain)
    return reply


def _decode_or_refuse(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"meta": decode(Path(request["folder"]), request)}
    except TooLarge as error:
        return {"code": "too_large", "detail": str(error)}
    except MemoryError:
        return {"code": "too_large", "detail": "decoding the clip needs more memory than allowed"}
    except UnsupportedFormat as error:
        return {"code": "unsupported", "detail": str(error)}
    except ValueError as error:
        large = isinstance(error.__cause__, MemoryError | Image.DecompressionBombError)
        return {"code": "too_large" if large else "unreadable", "detail": str(error)}
    except OSError as error:
        if error.errno in DISK_FULL:
            return {"code": "disk_full", "detail": "the disk is full"}
        code = "too_large" if error.errno == errno.EFBIG else "unreadable"
        return {"code": code, "detail": f"the clip cannot be decoded ({error.strerror})"}


def decode(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Decode the file `upload` of a folder to frames.u8 and meta.json, and delete it.

    Returns:
        The content of meta.json.

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
    if kind == "dicom":
        meta["notes"] += keep_header(path, folder, hidden=request.get("deidentify", False))
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    path.unlink()
    return meta


def keep_header(path: Path, folder: Path, *, hidden: bool) -> list[str]:
    """Write source.dcm, the header to which DICOM results refer; why there is none, as notes."""
    header = read_header(path)
    if hidden:
        try:
            header = deidentified_header(header)
        except UnreadableFile as error:
            return [f"there are no DICOM results: {error}"]
    header.save_as(folder / "source.dcm", enforce_file_format=False)
    return []


def read_upload(path: Path, kind: str, limits: Limits) -> Video:
    """Read an upload with the reader of its format, after its header was checked."""
    check_header(path, kind, limits)
    Image.MAX_IMAGE_PIXELS = limits.frame_pixels // 2  # Pillow raises an error above twice of it
    if kind == "zip":
        images = Path(tempfile.mkdtemp(dir=path.parent, prefix="images_"))
        try:
            unpack_images(path, images, limits)
            return read_video(images)
        finally:
            shutil.rmtree(images)
    if kind == "still":
        image = read_still(path)
        return Video((image if image.dtype == np.uint8 else to_uint8(image))[None])
    if kind in OPENED_AS:
        _check_container(path, kind)
    return read_video(path)


def _check_container(path: Path, kind: str) -> None:
    try:
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            name = container.format.name
    except av.error.FFmpegError as error:
        raise ValueError(f"the clip cannot be read: {error.strerror}") from error
    if not name.startswith(OPENED_AS[kind]):
        raise ValueError(f"the clip is damaged: it begins like {kind} and is {name}")


if __name__ == "__main__":
    sys.exit(main())
