"""Affine of a file in a viewer; masks with the same affine are shown on top of it.

An affine maps (column, row, frame) to millimetres. In NIfTI they increase to the right, to the
front and upwards (RAS); in DICOM and MetaImage to the left, to the back and upwards (LPS). A
picture without a position is placed at the origin.
"""

from pathlib import Path

import numpy as np

from lgrseg.data.io.nifti import open_nifti

FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
MILLIMETRES = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}


def affine_of_file(path: Path, spacing_mm: tuple[float, float] | None) -> np.ndarray:
    """The affine that a viewer uses for a file.

    Args:
        path: file or folder of a clip, of any format.
        spacing_mm: millimetres per pixel (row, column) from our reader, which also uses DICOM
            regions; None keeps the viewer's spacing.

    Returns:
        (4, 4) invertible affine; wrong entries of the file are ignored.
    """
    if spacing_mm is not None and not 0 < min(spacing_mm) <= max(spacing_mm) < float("inf"):
        spacing_mm = None
    affine = None
    if path.name.lower().endswith((".nii", ".nii.gz")):
        affine = _affine_of_nifti(path)
    elif path.is_file():
        affine = _affine_of_image(path, spacing_mm)
    if affine is None or not _is_usable(affine):
        affine = affine_without_place(spacing_mm)
    return affine


def affine_without_place(spacing_mm: tuple[float, float] | None) -> np.ndarray:
    """The affine of a picture at the origin; an unknown spacing counts as 1 mm."""
    row, column = spacing_mm or (1.0, 1.0)
    return FROM_LPS @ np.diag([column, row, 1.0, 1.0])


def _is_usable(affine: np.ndarray) -> bool:
    return bool(np.isfinite(affine).all() and abs(np.linalg.det(affine)) > 1e-12)


def _affine_of_nifti(path: Path) -> np.ndarray | None:
    image = open_nifti(path)
    if image.affine is None:
        return None
    to_mm = MILLIMETRES.get(image.header.get_xyzt_units()[0], 1.0)
    return np.diag([to_mm, to_mm, to_mm, 1.0]) @ image.affine


def _affine_of_image(path: Path, spacing_mm: tuple[float, float] | None) -> np.ndarray | None:
    """Affine of MetaImage and DICOM; None for formats that SimpleITK cannot read."""
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return None
    axes = min(reader.GetDimension(), 3)
    direction, spacing, origin = np.eye(3), np.ones(3), np.zeros(3)
    directions = np.reshape(reader.GetDirection(), (reader.GetDimension(),) * 2)
    direction[:axes, :axes] = directions[:axes, :axes]
    spacing[:axes] = reader.GetSpacing()[:axes]
    origin[:axes] = reader.GetOrigin()[:axes]
    if spacing_mm is not None:
        spacing[:2] = spacing_mm[::-1]
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = direction * spacing, origin
    return FROM_LPS @ affine
