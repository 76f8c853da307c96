"""Pixel sizes of files in mm, and their plausibility."""

import math

from lgrseg.data.io.video import Spacing

SMALLEST_MM, LARGEST_MM = 0.005, 10.0
"""Smallest and largest plausible pixel size of a heart ultrasound picture."""
CENTIMETRES = 3
"""DICOM code of a region whose axes are lengths (C.8.5.5.1.15)."""
SCREENS = (
    (640, 480),
    (720, 576),
    (800, 600),
    (1024, 768),
    (1280, 720),
    (1280, 960),
    (1280, 1024),
    (1600, 1200),
    (1920, 1080),
)
"""Usual picture sizes of machines, to detect files that were made smaller later."""
NO_SPACING = "the file gives no spacing: sizes are in pixels"
EQUAL = 0.02
"""Two spacings with a smaller relative difference count as equal."""


def checked_spacing(row, column, *, source: str, notes: list[str]) -> Spacing | None:
    """Return (row, column) in mm if it is plausible; otherwise add a note and return None.

    Args:
        row: distance between two rows in mm, of any type.
        column: distance between two columns in mm, of any type.
        source: name of the item of the file, for the note.
        notes: list to which a note is added.
    """
    try:
        sizes = float(row), float(column)
    except (TypeError, ValueError):
        notes.append(f"{source} {row!r}, {column!r} is not a number: it is not used")
        return None
    if all(math.isfinite(size) and SMALLEST_MM <= size <= LARGEST_MM for size in sizes):
        return sizes
    notes.append(
        f"{source} of {sizes[0]:g} x {sizes[1]:g} mm per pixel is not plausible (allowed are "
        f"{SMALLEST_MM:g} to {LARGEST_MM:g} mm): it is not used"
    )
    return None


def dicom_spacing(dataset, notes: list[str]) -> Spacing | None:
    """Spacing of the region that shows the heart, or PixelSpacing; None without both.

    Args:
        dataset: header of the file, with Rows and Columns.
        notes: list to which notes about corrected and ignored values are added.
    """
    general = _pixel_spacing(dataset, notes)
    calibrated = _region_spacing(dataset, notes)
    if general and calibrated and not _agree(general, calibrated):
        notes.append(
            f"PixelSpacing is {general[0]:.4g} x {general[1]:.4g} mm, but the ultrasound region "
            f"has {calibrated[0]:.4g} x {calibrated[1]:.4g} mm, which is used"
        )
    if not (general or calibrated):
        notes.append(NO_SPACING)
    return calibrated or general


def _pixel_spacing(dataset, notes: list[str]) -> Spacing | None:
    value = dataset.get("PixelSpacing")
    if value in (None, "", []):
        return None
    try:
        row, column = value
    except (TypeError, ValueError):
        notes.append(f"PixelSpacing {value!r} is not a pair of numbers: it is not used")
        return None
    return checked_spacing(row, column, source="PixelSpacing", notes=notes)


def _region_spacing(dataset, notes: list[str]) -> Spacing | None:
    """Spacing of the largest region whose axes are lengths; insets and traces are smaller."""
    regions = [
        region for region in dataset.get("SequenceOfUltrasoundRegions") or () if _is_picture(region)
    ]
    if not regions:
        return None
    areas = [_area(region) for region in regions]
    if not any(areas) and len({_deltas(region) for region in regions}) > 1:
        notes.append("the ultrasound regions differ in spacing and have no position: none is used")
        return None
    region = regions[areas.index(max(areas))]
    try:
        row, column = (abs(float(delta)) * 10 for delta in _deltas(region))
    except (TypeError, ValueError):
        row, column = _deltas(region)
    spacing = checked_spacing(row, column, source="the ultrasound region's delta", notes=notes)
    return spacing and _rescaled(spacing, region, dataset, notes)


def _is_picture(region) -> bool:
    """True if both axes are lengths and the region is not a spectrum, trace or M-mode."""
    units = region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")
    return units == (CENTIMETRES, CENTIMETRES) and region.get("RegionSpatialFormat", 1) in (0, 1)


def _deltas(region) -> tuple:
    return region.get("PhysicalDeltaY"), region.get("PhysicalDeltaX")


def _bounds(region) -> tuple[float, float, float, float] | None:
    """First column, first row, last column and last row of a region."""
    names = ("MinX0", "MinY0", "MaxX1", "MaxY1")
    try:
        left, top, right, bottom = (float(region.get(f"RegionLocation{name}")) for name in names)
    except (TypeError, ValueError):
        return None
    return left, top, right, bottom


def _area(region) -> float:
    if not (bounds := _bounds(region)):
        return 0
    left, top, right, bottom = bounds
    return max(right - left + 1, 0) * max(bottom - top + 1, 0)


def _rescaled(spacing: Spacing, region, dataset, notes: list[str]) -> Spacing | None:
    """Adapt `spacing` if the picture was made smaller after the region was stored."""
    width, height = int(dataset.Columns), int(dataset.Rows)
    _, _, right, bottom = _bounds(region) or (0, 0, 0, 0)
    across, down = (right + 1) / width, (bottom + 1) / height
    if max(across, down) <= 1 + EQUAL:
        return spacing
    where = (
        f"the ultrasound region reaches to column {right:.0f}, row {bottom:.0f} of a picture of "
        f"{width} x {height}"
    )
    factor = _factor(across, down, width, height)
    if factor is None:
        notes.append(f"{where}: its spacing does not belong to the picture, and is not used")
        return None
    corrected = spacing[0] * factor, spacing[1] * factor
    notes.append(
        f"{where}, which was made smaller by {factor:.3g}: the spacing is corrected to "
        f"{corrected[0]:.4g} x {corrected[1]:.4g} mm"
    )
    return corrected


def _factor(across: float, down: float, width: int, height: int) -> float | None:
    """Factor by which a picture was made smaller: the smallest usual factor for which it fits.

    None if the region is larger in one direction only, because the picture may have been cropped.
    """
    least, most = sorted((across, down))
    if least <= 1 + EQUAL:
        return None
    usual = [2, 3, 4, 6, 8] + [
        columns / width
        for columns, rows in SCREENS
        if abs(columns * height / (rows * width) - 1) < EQUAL / 2
    ]
    factor = min((factor for factor in usual if factor >= most * (1 - EQUAL / 2)), default=None)
    fills = most / least - 1 < EQUAL
    return most if fills and (factor is None or factor > 1.1 * most) else factor


def _agree(first: Spacing, second: Spacing) -> bool:
    return all(abs(a / b - 1) < EQUAL for a, b in zip(first, second, strict=True))
