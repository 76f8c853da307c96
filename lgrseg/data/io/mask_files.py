"""Writes and reads masks as NIfTI files frame by frame, so long videos need little memory.

The axes are (x, y, t), as in CardiacUDC, so frames are consecutive in the file.
"""

import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from lgrseg.checkpoint.whole_files import appears_whole
from lgrseg.data.io.nifti import array_in_file, open_nifti

LARGEST_NIFTI1 = 2**15 - 1
"""Longest axis of NIfTI-1, whose sizes are 16-bit numbers; longer videos are NIfTI-2."""


def write_masks(
    path: Path,
    masks: Iterable[np.ndarray],
    *,
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float] | None = None,
    affine: np.ndarray | None = None,
    made_by: str = "",
) -> None:
    """Write the masks of a video; the file appears only when it is complete.

    Args:
        path: file to write; its name ends in .nii.gz.
        masks: (H, W) uint8 for each frame, 0 background, k + 1 for class k.
        shape: (T, H, W) of all masks together.
        spacing_mm: millimetres per pixel, (row, column), used without an affine; None means 1.
        affine: (4, 4) matrix from voxels to millimetres.
        made_by: description in the header, up to 79 characters.

    Raises:
        ValueError: number or size of the masks differ from `shape`.
    """
    if affine is None:
        row, column = spacing_mm or (1.0, 1.0)
        affine = np.diag([column, row, 1.0, 1.0])
    header = _header(shape, affine, made_by)
    with appears_whole(path) as half_done, open(half_done, "wb") as raw:
        with gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as file:
            header.write_to(file)
            count = 0
            for count, labels in enumerate(masks, start=1):
                if labels.shape != tuple(shape[1:]) or count > shape[0]:
                    raise ValueError(
                        f"mask {count} has shape {labels.shape}, the video {tuple(shape)}"
                    )
                file.write(np.ascontiguousarray(labels, np.uint8).data)
            if count != shape[0]:
                raise ValueError(f"there are only {count} masks for {shape[0]} frames")


def _header(shape: tuple[int, int, int], affine: np.ndarray, made_by: str):
    import nibabel

    image_class = nibabel.Nifti1Image if max(shape) <= LARGEST_NIFTI1 else nibabel.Nifti2Image
    empty = np.broadcast_to(np.uint8(0), shape[::-1])  # one byte in memory for any length
    header = image_class(empty, affine).header
    header.set_xyzt_units(xyz="mm")
    header["descrip"] = made_by.encode()
    return header


class MaskFile(Sequence[np.ndarray]):
    """Masks of a file that `write_masks` wrote: (H, W) uint8 per frame, read when accessed.

    Access in increasing order is fast; an earlier frame reads the file from its beginning.
    """

    def __init__(self, path: Path):
        """Raises an error of nibabel, or OSError, if `path` is not a NIfTI file."""
        image = open_nifti(path)
        self.shape = tuple(image.shape[::-1])
        self.made_by = bytes(image.header["descrip"]).rstrip(b"\0").decode(errors="replace")
        self._start = array_in_file(image).offset
        self._file = gzip.open(path)

    def __len__(self) -> int:
        return self.shape[0]

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: slice) -> list[np.ndarray]: ...

    def __getitem__(self, index: int | slice) -> np.ndarray | list[np.ndarray]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        size = self.shape[1] * self.shape[2]
        self._file.seek(self._start + range(len(self))[index] * size)
        return np.frombuffer(self._file.read(size), np.uint8).reshape(self.shape[1:])

    def __enter__(self) -> "MaskFile":
        return self

    def __exit__(self, *error) -> None:
        self._file.close()
