"""Damaged files of every kind that users hand in: a message or a result, never a crash or a hang.

The cases are seeded: a failure names its kind and number. 50 of them run by default, 1,000 with
-m slow. Clips of every layout that is valid are in test_fuzz_readers.py.
"""

import multiprocessing
import random
import resource

import nibabel
import numpy as np
import pytest
import torch

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.checkpoint.loading import load_weights
from lgrseg.checkpoint.reading import read_state
from lgrseg.config import instantiate, load_config, save_config
from lgrseg.data.io import UnreadableFile, read_video
from lgrseg.visualization.overlays import write_mp4

SECONDS = 30
"""For one case; most take milliseconds."""
MEMORY = 8 * 2**30


def nifti(path):
    frames = np.random.default_rng(0).integers(0, 255, (24, 20, 3), dtype=np.uint8)
    nibabel.save(nibabel.Nifti1Image(frames, np.eye(4)), path)


def movie(path):
    frames = np.random.default_rng(0).integers(0, 255, (5, 32, 48, 3), dtype=np.uint8)
    write_mp4(path, iter(frames), fps=20)


def dicom(path):
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 20, 24, 3
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.FrameTime = "50"
    dataset.PixelSpacing = [0.5, 0.4]
    dataset.PixelData = np.random.default_rng(0).integers(0, 255, 1440, dtype=np.uint8).tobytes()
    dataset.save_as(path, enforce_file_format=True)


def weights(path):
    torch.manual_seed(0)
    torch.save({"model": torch.nn.Linear(20, 10).state_dict(), "iteration": 3}, path)


def safe_weights(path):
    from safetensors.torch import save_file

    save_file(torch.nn.Linear(20, 10).state_dict(), path)


def config(path):
    save_config(load_config("configs/lgrnet/demo.py"), path)


def open_video(path):
    video = read_video(path)
    assert video.frames.dtype == np.uint8 and video.frames.ndim in (3, 4) and len(video.frames)


def open_weights(path):
    load_weights(torch.nn.Linear(20, 10), path)
    if path.suffix == ".pt":
        read_state(path)


def open_config(path):
    cfg = load_config(path)
    for part in ("model", "schedule"):
        if part in cfg:
            instantiate(cfg[part])


KINDS = {
    "clip.nii": (nifti, open_video, (UnreadableFile,)),
    "clip.nii.gz": (nifti, open_video, (UnreadableFile,)),
    "clip.mp4": (movie, open_video, (UnreadableFile,)),
    "clip.dcm": (dicom, open_video, (UnreadableFile,)),
    "weights.pt": (weights, open_weights, (CheckpointError,)),
    "weights.safetensors": (safe_weights, open_weights, (CheckpointError,)),
    # What a config describes may be wrong in any way; its parts say so by these.
    "config.yaml": (config, open_config, (ValueError, KeyError, TypeError, ImportError)),
}
"""File name -> how to write it, how to open it, and the errors that are messages to the user."""


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Up to eight changes: a bit, other bytes, a piece cut out, doubled or blanked, the end cut."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        # Half of the time near the beginning, where headers are.
        reach = min(len(data), 512) if rng.random() < 0.5 else len(data)
        start = rng.randrange(max(1, reach))
        stop = min(len(data), start + rng.choice((1, 2, 4, 16, 200)))
        change = rng.randrange(6)
        if change == 0 and data:
            data[start] ^= 1 << rng.randrange(8)
        elif change == 1:
            data[start:stop] = rng.randbytes(stop - start)
        elif change == 2:
            del data[start:stop]
        elif change == 3:
            data[start:start] = data[start:stop]
        elif change == 4:
            data[start:stop] = rng.choice((b"\0", b"\xff")) * (stop - start)
        elif rng.random() < 0.3:
            del data[start:]
    return bytes(data) if data != content else mutate(content, rng)


def serve(connection, folder):
    """In a process of its own: open what is sent, and tell how it went."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    torch.set_num_threads(1)
    while True:
        kind, content = connection.recv()
        path = folder / kind
        path.write_bytes(content)
        _, reader, errors = KINDS[kind]
        try:
            reader(path)
            connection.send(("read", ""))
        except errors as error:
            connection.send(("told", str(error)))
        except BaseException as error:
            connection.send(("wrong", repr(error)))


class Reader:
    """The process that opens files; started anew when a case has killed it."""

    def __init__(self, folder):
        self.folder = folder
        self.start()

    def start(self):
        self.connection, other = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        self.process = context.Process(target=serve, args=(other, self.folder), daemon=True)
        self.process.start()
        other.close()

    def open(self, kind, content):
        self.connection.send((kind, content))
        try:
            if self.connection.poll(SECONDS):
                return self.connection.recv()
            outcome = "hang"
        except EOFError:
            self.process.join()
            outcome = f"crash, status {self.process.exitcode}"
        self.stop()
        self.start()
        return outcome, ""

    def stop(self):
        self.process.kill()
        self.process.join()


@pytest.fixture
def reader(tmp_path):
    (tmp_path / "damaged").mkdir()
    found = Reader(tmp_path / "damaged")
    yield found
    found.stop()


@pytest.mark.parametrize("total", [50, pytest.param(1000, marks=pytest.mark.slow)])
def test_damaged_files(reader, tmp_path, total):
    failures, outcomes = {}, {kind: [] for kind in KINDS}
    for kind, (write, _, _) in KINDS.items():
        write(tmp_path / kind)
        content = (tmp_path / kind).read_bytes()
        assert (kind, *reader.open(kind, content)) == (kind, "read", "")
        for number in range(-(-total // len(KINDS))):
            outcome, message = reader.open(kind, mutate(content, random.Random(f"{kind}{number}")))
            outcomes[kind].append(outcome)
            if outcome not in ("read", "told") or (outcome == "told" and len(message) < 15):
                failures[kind, number] = (outcome, message)
    print({kind: (found.count("read"), found.count("told")) for kind, found in outcomes.items()})
    assert not failures
    assert all("told" in found for found in outcomes.values())
