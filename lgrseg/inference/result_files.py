"""The result files of a clip; only files that lgrseg wrote may be replaced."""

import enum
import glob
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from lgrseg.data.io.mask_files import MaskFile

MARK = "lgrseg "
"""Beginning of the description in every mask file that lgrseg writes."""


class Existing(enum.Enum):
    """Rule for results that exist already; the values are texts for --help."""

    KEEP_SAME = "keep those of the same weights, settings and clip; do not replace others"
    KEEP = "keep all, also those of other weights or settings"
    REPLACE = "replace them"


class ResultFiles:
    """The files of a clip: masks, a film, measurements, a preview, and DICOM objects."""

    def __init__(self, stem: Path, *, dicom_seg: bool = False, dicom_sr: str | None = None):
        """Name the files STEM_masks.nii.gz, STEM_overlay.mp4 and so on.

        Args:
            stem: path of the files without `_masks.nii.gz` and so on.
            dicom_seg: True if the masks are also written as a DICOM segmentation.
            dicom_sr: view of the DICOM report of the measurements (`VIEWS` in dicom_sr.py); None if
                there is none.

        Raises:
            ValueError: there is no such view.
        """
        self.masks = stem.with_name(f"{stem.name}_masks.nii.gz")
        self.film = stem.with_name(f"{stem.name}_overlay.mp4")
        self.measurements = stem.with_name(f"{stem.name}_measurements.json")
        self.preview = stem.with_name(f"{stem.name}_preview.png")
        self.dicom_seg = stem.with_name(f"{stem.name}_seg.dcm")
        self.dicom_sr = stem.with_name(f"{stem.name}_sr.dcm")
        self.with_dicom_seg, self.view = dicom_seg, dicom_sr
        if dicom_sr is not None:
            from lgrseg.inference.dicom_sr import check_view

            check_view(dicom_sr)

    @property
    def all(self) -> list[Path]:
        """All files of every clip, the masks first."""
        return [self.masks, self.film, self.measurements, self.preview]

    def check_place(self, clip: Path | None) -> None:
        """Check that the results are not written into the folder of the clip's images.

        Args:
            clip: file or folder of images; None for an array.

        Raises:
            FileExistsError: they would be, and the preview would later be read as a frame.
        """
        if clip is not None and clip.is_dir() and clip.resolve() == self.masks.parent.resolve():
            raise FileExistsError(
                f"{clip} is a folder of images, and results among them would be read as frames: "
                "choose another folder with --output"
            )

    def check_clip(self, clip: Path | None) -> None:
        """Check that the clip can have the files, and that they have a place.

        Args:
            clip: file or folder of images; None for an array.

        Raises:
            FileExistsError: the results would be among the images of the clip.
            ValueError: a DICOM object is wanted, and the clip cannot have one.
        """
        self.check_place(clip)
        if self.with_dicom_seg or self.view is not None:
            from lgrseg.inference.dicom_source import read_source

            read_source(clip)

    def read_measurements(self) -> dict | None:
        """Read the measurements of the existing masks; None if there are none."""
        try:
            facts = json.loads(self.measurements.read_text(encoding="utf-8"))
            return facts if facts["made_by"] == self.made_by() else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def made_by(self) -> str | None:
        """Read the hash (`mark_of`) in the masks; None if lgrseg did not write them."""
        try:
            with MaskFile(self.masks) as masks:
                return masks.made_by if masks.made_by.startswith(MARK) else None
        except Exception:  # no such file, another kind of file, or a damaged one
            return None

    def dicom_seg_made_by(self) -> str | None:
        """Read the hash in the DICOM segmentation; None if lgrseg did not write it."""
        if not self.dicom_seg.exists():
            return None
        from lgrseg.inference.dicom_seg import made_by_of

        return made_by_of(self.dicom_seg)

    def has_own_report(self) -> bool:
        """True if there is a DICOM report that lgrseg wrote."""
        if not self.dicom_sr.exists():
            return False
        from lgrseg.inference.dicom_sr import is_own_report

        return is_own_report(self.dicom_sr)

    def are_finished(self, made_by: str, existing: Existing) -> bool:
        """True if there are masks that are kept."""
        found = self.made_by()
        if found is None or existing is Existing.REPLACE:
            return False
        return existing is Existing.KEEP or found == made_by

    def are_incomplete(self) -> bool:
        """True if files beside the existing masks are missing, or belong to other masks."""
        if not (self.film.exists() and self.preview.exists()):
            return True
        if self.view is not None:  # written anew, as it may be of another view
            return True
        return self.with_dicom_seg and self.dicom_seg_made_by() != self.made_by()

    def check_replaceable(self, existing: Existing) -> None:
        """Check that the existing files may be replaced.

        Raises:
            FileExistsError: lgrseg did not write them, or they must be kept.
        """
        self.check_dicom()
        for path in self._foreign():
            raise FileExistsError(
                f"{path} exists and was not written by this tool, so it is not replaced: "
                "choose another folder with --output"
            )
        if self.made_by() is not None and existing is not Existing.REPLACE:
            raise FileExistsError(
                f"{self.masks} was made with other weights or settings, or the clip has changed: "
                "--overwrite replaces it, --skip-existing keeps it"
            )

    def check_dicom(self) -> None:
        """Check that no other DICOM object is where one shall be written.

        Raises:
            FileExistsError: there is one.
        """
        foreign = []
        if self.with_dicom_seg and self.dicom_seg.exists() and self.dicom_seg_made_by() is None:
            foreign.append(self.dicom_seg)
        if self.view is not None and self.dicom_sr.exists() and not self.has_own_report():
            foreign.append(self.dicom_sr)
        for path in foreign:
            raise FileExistsError(
                f"{path} exists and was not written by this tool, so it is not replaced: choose "
                "another folder with --output"
            )

    def _foreign(self) -> list[Path]:
        """Existing files of these names that lgrseg did not write."""
        if self.made_by() is None:
            return [path for path in self.all if path.exists()]
        try:
            facts = json.loads(self.measurements.read_text(encoding="utf-8"))
            ours = str(facts["made_by"]).startswith(MARK)
        except (OSError, ValueError, KeyError, TypeError):
            ours = False  # masks of an earlier version had neither measurements nor a preview
        new = (self.measurements, self.preview)
        return [] if ours else [path for path in new if path.exists()]


def mark_of(parts: Iterable[str | Path]) -> str:
    """Hash of texts and of the contents of files, in 72 characters."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            with part.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        else:
            digest.update(hashlib.sha256(part.encode()).digest())
    return MARK + digest.hexdigest()


def state_of_clip(path: Path) -> str:
    """Sizes and times of a clip's files, which change with the clip."""
    files = [path]
    if path.is_dir():
        files = sorted(path.iterdir())
    elif path.suffix.lower() == ".mhd":  # its pixels are in another file
        files = sorted(path.parent.glob(f"{glob.escape(path.stem)}.*"))
    facts = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return repr(facts)
