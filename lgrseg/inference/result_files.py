"""Which files belong to a clip, and which may be replaced: none that was not written here."""

import enum
import glob
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from lgrseg.data.io.mask_files import MaskFile

MARK = "lgrseg "
"""How the description of a mask file begins that `tools/predict.py` wrote."""


class Existing(enum.Enum):
    """What happens to results that are there already."""

    KEEP_SAME = "keep those of the same weights, settings and clip; refuse to replace others"
    KEEP = "keep all, whatever they were made with"
    REPLACE = "make them anew"


class ResultFiles:
    """The files of a clip: masks, a film of them, measurements and a preview."""

    def __init__(self, stem: Path):
        """Name the files STEM_masks.nii.gz, STEM_overlay.mp4 and so on.

        Args:
            stem: a path without a suffix.
        """
        self.masks = stem.with_name(f"{stem.name}_masks.nii.gz")
        self.film = stem.with_name(f"{stem.name}_overlay.mp4")
        self.measurements = stem.with_name(f"{stem.name}_measurements.json")
        self.preview = stem.with_name(f"{stem.name}_preview.png")

    @property
    def all(self) -> list[Path]:
        """Every one of them, the masks first."""
        return [self.masks, self.film, self.measurements, self.preview]

    def check_place(self, clip: Path | None) -> None:
        """Make sure that the results do not lie among the frames of their clip.

        Args:
            clip: file or folder of images; None for an array.

        Raises:
            FileExistsError: they would, and the preview would be read as a frame.
        """
        if clip is not None and clip.is_dir() and clip.resolve() == self.masks.parent.resolve():
            raise FileExistsError(
                f"{clip} is a folder of images, and results among them would be read as frames: "
                "choose another folder with --output"
            )

    def read_measurements(self) -> dict | None:
        """The measurements of the masks that are there; None where there are none of them."""
        try:
            facts = json.loads(self.measurements.read_text(encoding="utf-8"))
            return facts if facts["made_by"] == self.made_by() else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def made_by(self) -> str | None:
        """What the masks say they were made with; None where they were not written here."""
        try:
            with MaskFile(self.masks) as masks:
                return masks.made_by if masks.made_by.startswith(MARK) else None
        except Exception:  # no such file, another kind of file, damage: whatever it is, not ours
            return None

    def are_finished(self, made_by: str, existing: Existing) -> bool:
        """Whether there are masks, and they are to be kept."""
        found = self.made_by()
        if found is None or existing is Existing.REPLACE:
            return False
        return existing is Existing.KEEP or found == made_by

    def check_replaceable(self, existing: Existing) -> None:
        """Make sure that what will be replaced was written here, and that this was asked for.

        Raises:
            FileExistsError: it was not.
        """
        for path in self._foreign():
            raise FileExistsError(
                f"{path} is there already and was not written by this tool, so it stays: "
                "choose another folder with --output"
            )
        if self.made_by() is not None and existing is not Existing.REPLACE:
            raise FileExistsError(
                f"{self.masks} was made with other weights or settings, or of another state of the "
                "clip: --overwrite makes it anew, --skip-existing keeps it"
            )

    def _foreign(self) -> list[Path]:
        """Files of these names that were not written here."""
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
    """What masks were made with, in 72 characters: a hash of texts, and of files' contents."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            with part.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        else:
            digest.update(hashlib.sha256(part.encode()).digest())
    return MARK + digest.hexdigest()


def state_of_clip(path: Path) -> str:
    """Sizes and times of a clip's files, which change when it does."""
    files = [path]
    if path.is_dir():
        files = sorted(path.iterdir())
    elif path.suffix.lower() == ".mhd":  # its pixels lie in another file
        files = sorted(path.parent.glob(f"{glob.escape(path.stem)}.*"))
    facts = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return repr(facts)
