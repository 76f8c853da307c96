"""Prepared videos on disk: one folder per video, lossless, with random access to frames.

    <root>/<video_id>/frames.npy   (T, H, W) or (T, H, W, 3) uint8, cropped to the fan
    <root>/<video_id>/masks.npz    frame_indices (N,), masks (N, H0, W0) uint8 at the original size:
                                   0 background, k + 1 for class k; absent without
                                   annotations
    <root>/<video_id>/meta.json    sizes, crop box, spacing, rate, site, patient, view, sources

The catalog lists a `VideoRecord` (record.py) for every video, made from its meta.json.
"""

import json
import shutil
import uuid
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from lgrseg.data.record import VideoRecord

FILES = ("frames.npy", "masks.npz", "meta.json")
"""Files of a prepared video, in the order in which they are written."""
REQUIRED = (
    "video_id",
    "original_size",
    "crop_box",
    "spacing_mm",
    "fps",
    "site",
    "patient",
    "view",
    "sources",
)
"""Required entries of meta.json besides those of the arrays; None if the source lacks them."""


def write_video(
    root: Path, frames: np.ndarray, masks: dict[int, np.ndarray] | None, meta: dict
) -> Path:
    """Write one video; its meta.json appears only when it is complete.

    Other videos may be prepared in folders below it: `anna/rest` below `anna`.

    Args:
        root: folder of the dataset.
        frames: (T, H, W) or (T, H, W, 3) uint8, cropped to meta["crop_box"].
        masks: frame index -> (H0, W0) uint8 at meta["original_size"]; None if the source has no
            mask file.
        meta: all entries in REQUIRED, and optional ones.

    Returns:
        The folder, `root / video_id`.
    """
    missing = [key for key in REQUIRED if key not in meta]
    assert not missing, f"meta of {meta.get('video_id')} lacks {missing}"
    folder = Path(root, meta["video_id"])
    folder.parent.mkdir(parents=True, exist_ok=True)
    half_done = folder.parent / f".{folder.name}.{uuid.uuid4().hex}"
    half_done.mkdir()
    try:
        np.save(half_done / "frames.npy", np.ascontiguousarray(frames))
        if masks:
            indices = np.array(sorted(masks), dtype=np.int64)
            stacked = np.stack([masks[index] for index in indices]).astype(np.uint8)
            np.savez_compressed(half_done / "masks.npz", frame_indices=indices, masks=stacked)
        frame_entries = {
            "num_frames": len(frames),
            "annotated_frames": sorted(map(int, masks or {})),
        }
        text = json.dumps(meta | frame_entries, indent=1)
        (half_done / "meta.json").write_text(text, encoding="utf-8")
        remove_video(folder)
        folder.mkdir(exist_ok=True)
        for name in FILES:  # the last one, meta.json, makes it a video
            if (half_done / name).exists():
                (half_done / name).rename(folder / name)
    finally:
        shutil.rmtree(half_done, ignore_errors=True)
    return folder


def remove_video(folder: Path) -> None:
    """Delete the files of one prepared video, and its folder unless other videos are below it."""
    for name in reversed(FILES):
        Path(folder, name).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def read_meta(folder: Path) -> dict[str, Any]:
    """Read meta.json of one prepared video.

    Raises:
        FileNotFoundError: `folder` has no meta.json.
        ValueError: meta.json is damaged.
    """
    file = Path(folder, "meta.json")
    try:
        meta = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error}): delete {folder}, prepare again") from error
    if not isinstance(meta, dict):
        raise ValueError(f"{file} holds no JSON object: delete {folder}, prepare again")
    return meta


def read_record(folder: Path) -> VideoRecord:
    """Read the record of one prepared video.

    Raises:
        FileNotFoundError: `folder` has no meta.json.
        ValueError: meta.json is damaged, or lacks an entry.
    """
    folder = Path(folder)
    meta = read_meta(folder)
    try:
        return VideoRecord.from_meta(meta, folder)
    except KeyError as error:
        fault = f"has no entry {error}"
    except (TypeError, ValueError) as error:
        fault = f"is damaged ({error})"
    raise ValueError(f"{folder / 'meta.json'} {fault}: delete {folder}, prepare again")


def read_records(root: Path, *, how_to_get: str = "") -> list[VideoRecord]:
    """Read all records of a prepared dataset, sorted by video_id.

    Raises:
        FileNotFoundError: the folder is missing or has no video; the message ends with
            `how_to_get`.
    """
    root = Path(root)
    files = sorted(p for p in root.glob("**/meta.json") if not p.parent.name.startswith("."))
    if not files:
        state = "holds no prepared video" if root.is_dir() else "does not exist"
        raise FileNotFoundError(f"{root} {state}. {how_to_get}".strip())
    return sorted((read_record(file.parent) for file in files), key=lambda r: r.video_id)


class DamagedVideoError(ValueError):
    """Files of a prepared video are missing, truncated or changed."""

    @classmethod
    def of(cls, file: Path, error: Exception) -> "DamagedVideoError":
        """Make an error with the remedy in its message."""
        state = "is gone" if isinstance(error, FileNotFoundError) else f"is damaged ({error})"
        return cls(f"{file} {state}: delete {file.parent} and run tools/prepare_dataset.py again")


def open_frames(record: VideoRecord) -> np.ndarray:
    """Open the cropped frames as a memory map: (T, H, W) or (T, H, W, 3) uint8.

    Raises:
        DamagedVideoError: the file is missing or truncated, or its shape differs from the record.
    """
    file = Path(record.folder, "frames.npy")
    try:
        frames = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DamagedVideoError.of(file, error) from error
    if len(frames) != record.num_frames:
        difference = f"{len(frames)} frames, but meta.json states {record.num_frames}"
        raise DamagedVideoError.of(file, ValueError(difference))
    return frames


def read_masks(record: VideoRecord) -> dict[int, np.ndarray]:
    """Read masks: frame index -> (H0, W0) uint8 at the original size; empty without annotations.

    Raises:
        DamagedVideoError: the file is missing or truncated, or lacks a frame of the record.
    """
    if not record.annotated_frames:
        return {}
    file = Path(record.folder, "masks.npz")
    try:
        with np.load(file, allow_pickle=False) as arrays:
            masks = dict(zip(arrays["frame_indices"].tolist(), arrays["masks"], strict=True))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DamagedVideoError.of(file, error) from error
    if missing := set(record.annotated_frames) - set(masks):
        raise DamagedVideoError.of(file, ValueError(f"no mask of frames {sorted(missing)}"))
    return masks


def uncropped(frame: np.ndarray, record: VideoRecord) -> np.ndarray:
    """Paste a cropped frame into a black frame of the original size."""
    top, left, bottom, right = record.crop_box
    pasted = np.zeros((*record.original_size, *frame.shape[2:]), np.uint8)
    pasted[top:bottom, left:right] = frame
    return pasted
