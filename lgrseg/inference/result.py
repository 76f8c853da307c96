"""Result: a measured clip that can be saved."""

from pathlib import Path

from lgrseg.inference.measured_clip import MeasuredClip
from lgrseg.inference.result_files import Existing, ResultFiles
from lgrseg.inference.saving import save_result
from lgrseg.inference.table import TABLE, read_table, row_of, update_table


class Result(MeasuredClip):
    """One segmented clip. Measurements are computed at their first use."""

    def save(
        self, folder: str | Path, *, name: str | None = None, dicom_seg: bool = False
    ) -> list[Path]:
        """Write masks, film, measurements and preview, and a line of measurements.csv.

        Args:
            folder: folder of the files; it is created if it is missing.
            name: first part of the names of the files; by default the name of the clip.
            dicom_seg: True to write the masks of a DICOM clip also as a DICOM segmentation.

        Returns:
            The files: NAME_masks.nii.gz (can be shown over the clip in a viewer), NAME_overlay.mp4,
            NAME_measurements.json, NAME_preview.png, measurements.csv, and NAME_seg.dcm if it is
            wanted.

        Raises:
            FileExistsError: a file of this name exists and was not written by lgrseg, or the folder
                has the images of the clip.
            ValueError: a DICOM segmentation is wanted of a clip that is not DICOM, or that has no
                identifiers.
        """
        name = self.name if name is None else name
        files = ResultFiles(Path(folder) / name, dicom_seg=dicom_seg)
        table = Path(folder) / TABLE
        files.check_clip(self.path)
        files.check_replaceable(Existing.REPLACE)
        read_table(table)  # before anything is written
        facts = save_result(self, files)
        update_table(table, {name: row_of(facts)})
        written = [*files.all, table, *([files.dicom_seg] if dicom_seg else [])]
        return [path for path in written if path.exists()]
