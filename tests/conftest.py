"""What several test files use: where the real data is, and small videos to work on."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

# Tiny tensors gain nothing from more threads, and a fork does not survive their pool (forked.py).
torch.set_num_threads(1)

if not torch.cuda.is_available():
    # Triton's kernels then run step by step on the CPU; read when triton is imported.
    os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.fixture(autouse=True)
def _repeatable():
    """Every test starts from one seed, and on one thread."""
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real data and reference outputs beside the project; tests skip without it."""
    place = Path(os.environ.get("LGRSEG_SHARED", Path(__file__).parents[2] / "shared"))
    if not place.is_dir():
        pytest.skip(f"no real data in {place}; name another folder with LGRSEG_SHARED")
    return place


@pytest.fixture(scope="session")
def shared_data(shared) -> Path:
    """Folder of real ultrasound files."""
    if not (shared / "data").is_dir():
        pytest.skip(f"no folder data in {shared}")
    return shared / "data"


def square_video(
    root: Path, video_id: str, *, num_frames=5, annotated=(2,), patient="p1", masks=None
):
    """A prepared 40 x 60 video, cropped to 32 x 48: class 1 is a bright square that moves right.

    `masks` (frame -> label map) replaces the masks of the square.
    """
    from lgrseg.data.store import read_record, write_video

    frames = np.zeros((num_frames, 32, 48), np.uint8)
    squares = {}
    for t in range(num_frames):
        frames[t, 8:20, 4 + 2 * t : 20 + 2 * t] = 200
        if t in annotated:
            squares[t] = np.zeros((40, 60), np.uint8)
            squares[t][4 + 8 : 4 + 20, 6 + 4 + 2 * t : 6 + 20 + 2 * t] = 1
    meta = {
        "video_id": video_id,
        "original_size": [40, 60],
        "crop_box": [4, 6, 36, 54],
        "spacing_mm": [0.5, 0.5],
        "fps": 20,
        "site": "Site_A",
        "patient": patient,
        "view": "4",
        "sources": [],
    }
    return read_record(write_video(root, frames, masks or squares, meta))


def made_up_record(video_id: str = "v", **known):
    """The record of a video that is not on disk; `known` are fields to set."""
    from lgrseg.data import VideoRecord

    usual = {
        "folder": Path("nowhere"),
        "patient": video_id,
        "num_frames": 10,
        "original_size": (40, 60),
        "crop_box": (0, 0, 40, 60),
    }
    return VideoRecord(video_id=video_id, **usual | known)


@pytest.fixture
def make_video(tmp_path):
    """`make_video("name", num_frames=5, annotated=(2,))` -> record, in a folder of this test."""
    return lambda video_id, **facts: square_video(tmp_path, video_id, **facts)


@pytest.fixture
def bucket(monkeypatch):
    """An S3 bucket of moto's server on this machine."""
    server = pytest.importorskip("moto.server", reason="pip install '.[test-service]'")
    import boto3

    thread = server.ThreadedMotoServer(port=0)
    thread.start()
    host, port = thread.get_host_and_port()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="archive")
    yield boto3.client("s3")
    thread.stop()
