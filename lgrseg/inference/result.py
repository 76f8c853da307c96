"""Result: a measured clip that can be saved."""

from pathlib import Path

from lgrseg.inference.measured_clip import MeasuredClip
from lgrseg.inference.result_files import Existing, ResultFiles
from lgrseg.inference.saving import save_result
from lgrseg.inference.table import TABLE, read_table, row_of, update_table


class Result(MeasuredClip):
    """One segmented clip. Measurements are computed at their first use."""

    def save(self, folder: str | Path, *, name: str | None = None) -> list[Path]:
        """Write masks, film, measurements and preview, and a line of measurements.csv.

        Args:
            folder: folder of the files; it is created if it is missing.
            name: first part of the names of the files; by default the name of the clip.

        Returns:
            The files: NAME_masks.nii.gz (can be shown over the clip in a viewer), NAME_overlay.mp4,
            NAME_measurements.json, NAME_preview.png and measurements.csv.

        Raises:
            FileExistsError: a file of this name exists and was not written by lgrseg, or the folder
                has the images of the clip.
        """
        name = self.name if name is None else name
        files = ResultFiles(Path(folder) / name)
        table = Path(folder) / TABLE
        files.check_place(self.path)
        files.check_replaceable(Existing.REPLACE)
        read_table(table)  # before anything is written
        facts = save_result(self, files)
        update_table(table, {name: row_of(facts)})
        return [path for path in (*files.all, table) if path.exists()]
