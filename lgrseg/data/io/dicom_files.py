"""Which files are DICOM, with any name: headers, files without preamble, and DICOMDIR."""

from pathlib import Path

from lgrseg.data.io.video import UnreadableFile

MARK = b"DICM"
PREAMBLE = 128
FIRST_GROUPS = (b"\x02\0", b"\x08\0")
"""Of the first item of a file without preamble: how it is stored, or what it shows."""
FIRST_TYPES = (b"UL", b"OB", b"UI", b"CS", b"DA")
FIRST_ELEMENTS = (0x00, 0x01, 0x02, 0x05, 0x08, 0x12, 0x16, 0x18)
"""Of the first item where the file does not name types."""
LONGEST_FIRST = 80
"""Bytes of such an item."""
DIRECTORY = "1.2.840.10008.1.3.10"
"""The class of DICOMDIR, the index on a disc of a hospital."""


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does, with or without preamble; a DICOMDIR does too."""
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
    """Whether a file is the index of other DICOM files."""
    return path.name.upper() == "DICOMDIR" and is_dicom(path)


def read_header(path: Path):
    """Everything before the pixels, with a transfer syntax, as a pydicom dataset.

    Raises:
        UnreadableFile: no DICOM file, one without pictures, or a DICOMDIR.
    """
    import pydicom

    dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    if str(dataset.file_meta.get("MediaStorageSOPClassUID", "")) == DIRECTORY:
        files = dicomdir_files(path)
        raise UnreadableFile(
            f"{path.name} is an index of {len(files)} DICOM files and no clip itself: give one of "
            f"them, as {files[0].relative_to(path.parent)}, or the folder"
            if files
            else f"{path.name} is an index of DICOM files, none of which lies beside it"
        )
    if dataset.get("Rows") is None or dataset.get("Columns") is None:
        kind = getattr(dataset.get("SOPClassUID"), "name", None)
        raise UnreadableFile(
            f"{path.name} holds no picture: it is DICOM of the kind {kind}"
            if kind
            else f"{path.name} cannot be read: it is no DICOM file, or one without a picture"
        )
    if not dataset.file_meta.get("TransferSyntaxUID"):
        dataset.file_meta.TransferSyntaxUID = _likely_syntax(dataset)
    return dataset


def _likely_syntax(dataset):
    """How a file without the item is stored, which then is not compressed."""
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def dicomdir_files(path: Path) -> list[Path]:
    """The files that a DICOMDIR names and that are there, in its order.

    Discs are copied by systems that write names in small letters, so both are looked for.
    """
    import pydicom

    found = []
    for record in pydicom.dcmread(path, force=True).get("DirectoryRecordSequence") or ():
        parts = record.get("ReferencedFileID")
        if not parts:
            continue
        parts = [parts] if isinstance(parts, str) else list(parts)
        for names in (parts, [part.lower() for part in parts]):
            if (file := path.parent.joinpath(*names)).is_file():
                found.append(file)
                break
    return found
