"""Recognises DICOM files of any name: headers, files without preamble, and DICOMDIR."""

from pathlib import Path

from lgrseg.data.io.video import UnreadableFile

MARK = b"DICM"
PREAMBLE = 128
FIRST_GROUPS = (b"\x02\0", b"\x08\0")
"""Group numbers of the first item of a file without preamble (storage or identification)."""
FIRST_TYPES = (b"UL", b"OB", b"UI", b"CS", b"DA")
FIRST_ELEMENTS = (0x00, 0x01, 0x02, 0x05, 0x08, 0x12, 0x16, 0x18)
"""Element numbers of the first item if the file has implicit types."""
LONGEST_FIRST = 80
"""Largest length of such an item in bytes."""
DIRECTORY = "1.2.840.10008.1.3.10"
"""SOP class of a DICOMDIR, the index on a hospital's disc."""


def is_dicom(path: Path) -> bool:
    """True if a file begins like DICOM, with or without preamble; also true for a DICOMDIR."""
    try:
        with path.open("rb") as file:
            start = file.read(PREAMBLE + len(MARK))
    except OSError:
        return False
    if start[PREAMBLE:] == MARK or start[: len(MARK)] == MARK:
        return True
    if start[:2] not in FIRST_GROUPS or len(start) <= 16 or start[3]:
        return False
    length = int.from_bytes(start[4:8], "little")
    return start[4:6] in FIRST_TYPES or (start[2] in FIRST_ELEMENTS and length < LONGEST_FIRST)


def is_dicomdir(path: Path) -> bool:
    """True if a file is an index of other DICOM files."""
    return path.name.upper() == "DICOMDIR" and is_dicom(path)


def read_header(path: Path):
    """Read everything before the pixels as a pydicom dataset, with a transfer syntax.

    Raises:
        UnreadableFile: not a DICOM file, a DICOM file without pictures, or a DICOMDIR.
    """
    import pydicom

    dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    if str(dataset.file_meta.get("MediaStorageSOPClassUID", "")) == DIRECTORY:
        files = dicomdir_files(path)
        raise UnreadableFile(
            f"{path.name} is an index of {len(files)} DICOM files and not a clip: give one of "
            f"them, such as {files[0].relative_to(path.parent)}, or the folder"
            if files
            else f"{path.name} is an index of DICOM files, but none of them is beside it"
        )
    if dataset.get("Rows") is None or dataset.get("Columns") is None:
        sop_class = getattr(dataset.get("SOPClassUID"), "name", None)
        raise UnreadableFile(
            f"{path.name} has no picture: it is a DICOM file of class {sop_class}"
            if sop_class
            else f"{path.name} cannot be read: it is not a DICOM file, or has no picture"
        )
    if not dataset.file_meta.get("TransferSyntaxUID"):
        dataset.file_meta.TransferSyntaxUID = _likely_syntax(dataset)
    return dataset


def _likely_syntax(dataset):
    """Guess the transfer syntax of a file without that item; it is not compressed."""
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def dicomdir_files(path: Path) -> list[Path]:
    """The existing files that a DICOMDIR lists, in its order.

    Some systems write names in lower case when they copy a disc, so both cases are tried.
    """
    import pydicom

    files = []
    for record in pydicom.dcmread(path, force=True).get("DirectoryRecordSequence") or ():
        parts = record.get("ReferencedFileID")
        if not parts:
            continue
        parts = [parts] if isinstance(parts, str) else list(parts)
        for names in (parts, [part.lower() for part in parts]):
            if (file := path.parent.joinpath(*names)).is_file():
                files.append(file)
                break
    return files
