"""Result: a measured clip that can be saved."""

from pathlib import Path

from lgrseg.inference.measured_clip import MeasuredClip
from lgrseg.inference.result_files import Existing, ResultFiles
from lgrseg.inference.saving import save_result
from lgrseg.inference.table import TABLE, read_table, row_of, update_table


class Result(MeasuredClip):
    """One segmented clip. Measurements are computed at their first use."""

    def save(
        self,
        folder: str | Path,
        *,
        name: str | None = None,
        dicom_seg: bool = False,
        dicom_sr: str | None = None,
    ) -> list[Path]:
        """Write masks, film, measurements and preview, and a line of measurements.csv.

        Args:
            folder: folder of the files; it is created if it is missing.
            name: first part of the names of the files; by default the name of the clip.
            dicom_seg: True to write the masks of a DICOM clip also as a DICOM segmentation.
            dicom_sr: view of a DICOM clip, "A4C", "A2C" or "unknown", to write its volumes and
                ejection fraction also as a DICOM structured report.

        Returns:
            The files: NAME_masks.nii.gz (can be shown over the clip in a viewer), NAME_overlay.mp4,
            NAME_measurements.json, NAME_preview.png, measurements.csv, and NAME_seg.dcm and
            NAME_sr.dcm if they are wanted. Without a volume or an ejection fraction, a note says
            why there is no report.

        Raises:
            FileExistsError: a file of this name exists and was not written by lgrseg, or the folder
                has the images of the clip.
            ValueError: a DICOM object is wanted of a clip that is not DICOM, or that has no
                identifiers; or there is no such view.
        """
        name = self.name if name is None else name
        files = ResultFiles(Path(folder) / name, dicom_seg=dicom_seg, dicom_sr=dicom_sr)
        table = Path(folder) / TABLE
        files.check_clip(self.path)
        files.check_replaceable(Existing.REPLACE)
        read_table(table)  # before anything is written
        facts = save_result(self, files)
        update_table(table, {name: row_of(facts)})
        written = [*files.all, table]
        written += [files.dicom_seg] if dicom_seg else []
        written += [files.dicom_sr] if dicom_sr else []
        return [path for path in written if path.exists()]
