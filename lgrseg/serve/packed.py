"""Frames and masks in one file each, with an index, for a player that draws by frame number.

Both files begin with four bytes (LGF1: frames, LGL1: masks), the length of the index as an unsigned
32-bit little-endian number, and the index as JSON; the data follow. Positions in the index count
from the first byte after it.

Frames are WebP pictures, "frames": [[start, length], ...]. Masks are gzip'd blocks of whole uint8
label maps, "blocks": [[start, length, first frame, number of frames], ...].
"""

import gzip
import json
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

FRAMES, LABELS = b"LGF1", b"LGL1"
QUALITY = 80
"""Of WebP: 1.4 MB for 45 frames of 1024 x 768."""
BLOCK = 16
"""Frames in a block of masks."""


def write_frames(path: Path, frames: Iterable[np.ndarray], *, fps: float | None) -> None:
    """Write frames (H, W) or (H, W, 3) uint8 as WebP pictures."""
    pictures = []
    size = (0, 0)
    for frame in frames:
        size = frame.shape[0], frame.shape[1]
        colours = frame if frame.ndim == 2 else frame[..., ::-1]
        coded, picture = cv2.imencode(".webp", colours, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
        if not coded:
            raise ValueError(f"a frame of {size} pixels cannot be written as WebP")
        pictures.append(picture.tobytes())
    index: dict[str, Any] = {
        "height": size[0],
        "width": size[1],
        "fps": fps,
        "media_type": "image/webp",
    }
    index["frames"] = _positions(pictures)
    _write(path, FRAMES, index, pictures)


def write_labels(
    path: Path, masks: np.ndarray, *, classes: tuple[str, ...], colors: Iterable[Iterable[int]]
) -> None:
    """Write masks (T, H, W) uint8 in blocks of `BLOCK` frames."""
    starts = range(0, len(masks), BLOCK)
    blocks = [
        gzip.compress(np.ascontiguousarray(masks[s : s + BLOCK]).tobytes(), 6, mtime=0)
        for s in starts
    ]
    index: dict[str, Any] = {"height": masks.shape[1], "width": masks.shape[2]}
    index["num_frames"] = len(masks)
    index["classes"] = [
        {"label": label, "name": name, "color": list(color)}
        for label, (name, color) in enumerate(zip(classes, colors, strict=True), start=1)
    ]
    index["blocks"] = [
        [*position, start, min(BLOCK, len(masks) - start)]
        for position, start in zip(_positions(blocks), starts, strict=True)
    ]
    _write(path, LABELS, index, blocks)


def _positions(parts: list[bytes]) -> list[list[int]]:
    found, start = [], 0
    for part in parts:
        found.append([start, len(part)])
        start += len(part)
    return found


def _write(path: Path, mark: bytes, index: dict[str, Any], parts: list[bytes]) -> None:
    text = json.dumps(index).encode()
    with path.open("wb") as file:
        file.write(mark + struct.pack("<I", len(text)) + text)
        for part in parts:
            file.write(part)


def read_packed(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Split a packed file into its index and its data.

    Raises:
        ValueError: the content is no packed file.
    """
    if content[:4] not in (FRAMES, LABELS):
        raise ValueError(f"a packed file begins with {FRAMES!r} or {LABELS!r}")
    (length,) = struct.unpack("<I", content[4:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def read_labels(content: bytes) -> Iterator[np.ndarray]:
    """Yield the label maps (H, W) uint8 of a packed file."""
    index, data = read_packed(content)
    for start, length, _, number in index["blocks"]:
        block = gzip.decompress(data[start : start + length])
        yield from np.frombuffer(block, np.uint8).reshape(number, index["height"], index["width"])
