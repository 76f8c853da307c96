"""Recognises the format of an upload by its content; its name and its declared type do not count.

A playlist (HLS, concat) or a header that names another file (.mhd) is never a format: it could make
a decoder read files of the server.
"""

import gzip
import zlib
from pathlib import Path

START = 2**16
"""Bytes that are looked at."""
MOVIE_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
STILLS = {
    b"\x89PNG\r\n\x1a\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"BM": ".bmp",
}
ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
"""Of a zip file with a file in it, and of an empty one."""
TIFFS = (b"II*\0", b"MM\0*")
ENDINGS = {
    "dicom": ".dcm",
    "nifti": ".nii",
    "nifti_gz": ".nii.gz",
    "metaimage": ".mha",
    "mp4": ".mp4",
    "avi": ".avi",
    "matroska": ".mkv",
    "tiff": ".tif",
    "gif": ".gif",
    "webp": ".webp",
    "zip": ".zip",
}
"""Format -> ending of the file, by which a reader is chosen."""
SUPPORTED = (
    "DICOM, NIfTI (.nii, .nii.gz), MetaImage (.mha), mp4, mov, avi, mkv, gif, webp, TIFF, zip of "
    "images; for stills also png, jpg, bmp"
)


class UnsupportedFormat(ValueError):
    """The content is none of the formats."""


def format_of(path: Path) -> tuple[str, str]:
    """Recognise a file by its first bytes.

    Returns:
        Format, and the ending by which our readers choose it: ("mp4", ".mp4"), ("still", ".png").

    Raises:
        UnsupportedFormat: it is none of them.
    """
    with path.open("rb") as file:
        start = file.read(START)
    name = _name(start, path)
    if name is None:
        for mark, ending in STILLS.items():
            if start.startswith(mark):
                return "still", ending
        what = "is empty" if not start else "has none of the supported formats"
        raise UnsupportedFormat(f"the upload {what}; supported are {SUPPORTED}")
    return name, ENDINGS[name]


def _name(start: bytes, path: Path) -> str | None:
    if start[128:132] == b"DICM" or start[:4] == b"DICM":
        return "dicom"
    if start[4:8] in MOVIE_BOXES:
        return "mp4"
    if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
        return "avi"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "webp"
    if start[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if start[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    if start[:2] == b"\x1f\x8b":
        return "nifti_gz" if _is_nifti(_unpacked(path)) else None
    if start[:4] in ZIPS:
        return "zip"
    if start[:4] in TIFFS:
        return "tiff"
    if _is_nifti(start):
        return "nifti"
    if _is_metaimage(start):
        return "metaimage"
    from lgrseg.data.io.dicom_files import is_dicom

    return "dicom" if is_dicom(path) else None


def _is_nifti(start: bytes) -> bool:
    return start[344:348] in (b"n+1\0", b"ni1\0") or start[4:8] in (b"n+2\0", b"ni2\0")


def _is_metaimage(start: bytes) -> bool:
    """True if the header is followed by its own pixels; one that names a file is refused."""
    for line in start.splitlines():
        name, sign, value = line.decode("latin-1").partition("=")
        if not sign:
            return False
        if name.strip().lower() == "elementdatafile":
            if value.strip() != "LOCAL":
                raise UnsupportedFormat(
                    "this MetaImage header names other files as its pixels; send one .mha file "
                    "with ElementDataFile = LOCAL"
                )
            return True
    return False


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(600)
    except (OSError, EOFError, zlib.error):
        return b""
