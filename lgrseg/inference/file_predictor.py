"""From clip files to result files; finished results are kept, and other files are not replaced."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from lgrseg.data.io.mask_files import MaskFile
from lgrseg.inference.mask_array import empty_masks
from lgrseg.inference.predictor import Predictor
from lgrseg.inference.result_files import Existing, ResultFiles
from lgrseg.inference.saving import complete_files, save_result
from lgrseg.structures.box_prompts import BoxPrompt


@dataclass
class Outcome:
    """What is known about a clip after its prediction."""

    notes: list[str] = field(default_factory=list)
    """What a user should know about the clip."""
    doubts: list[str] = field(default_factory=list)
    """Reasons why its masks may be wrong."""
    was_there: bool = False
    """True if the masks existed already and were kept."""
    facts: dict | None = None
    """Content of the clip's measurements file."""


class FilePredictor:
    """Segments files one at a time: `segment(Path("clip.mp4"), Path("out/clip"))`."""

    def __init__(
        self,
        predictor: Predictor,
        *,
        existing: Existing = Existing.KEEP_SAME,
        spacing_mm: tuple[float, float] | None = None,
        boxes: list[BoxPrompt] | None = None,
        dicom_seg: bool = False,
        dicom_sr: str | None = None,
    ):
        """Set up the prediction.

        Args:
            predictor: predictor of the masks.
            existing: rule for results that exist already.
            spacing_mm: millimetres between rows and between columns, instead of the spacing in the
                files.
            boxes: prompts of a BOX-SAM2, the same for every clip.
            dicom_seg: True to write the masks also as DICOM segmentations; then every clip must be
                a DICOM file.
            dicom_sr: view of the clips, "A4C", "A2C" or "unknown", to write the measurements also
                as DICOM structured reports; then, too, every clip must be a DICOM file.

        Raises:
            ValueError: the model takes no boxes, or needs some.
        """
        for member in predictor.members:
            member.check_boxes(boxes)
        self.predictor, self.existing = predictor, existing
        self.spacing_mm, self.boxes = spacing_mm, boxes
        self.dicom_seg, self.dicom_sr = dicom_seg, dicom_sr

    def __call__(self, path: Path, stem: Path) -> Outcome:
        """Write the results of a clip beside `stem`, a path without a suffix.

        Raises:
            FileExistsError: a file of this name exists and may not be replaced.
            Exception: any error of reading or predicting; then nothing is written.
        """
        files = ResultFiles(stem, dicom_seg=self.dicom_seg, dicom_sr=self.dicom_sr)
        files.check_clip(path)
        mark = self.predictor.made_with_clip(path, spacing_mm=self.spacing_mm, boxes=self.boxes)
        if files.are_finished(mark, self.existing):
            return self._finished(files, path)
        result = self.predictor.prepare(path, spacing_mm=self.spacing_mm, boxes=self.boxes)
        files.check_replaceable(self.existing)
        _say(path, result.clip_notes + result.doubts)
        self.predictor.draw_masks(result, boxes=self.boxes)
        num_notes = len(result.clip_notes)
        facts = save_result(result, files)
        _say(path, result.clip_notes[num_notes:])
        return Outcome(result.notes, result.doubts, facts=facts)

    def _finished(self, files: ResultFiles, path: Path) -> Outcome:
        """Write the missing files of masks that are kept."""
        files.check_dicom()
        facts = files.read_measurements()
        if facts is None or files.are_incomplete():
            result = self.predictor.prepare(path, spacing_mm=self.spacing_mm, boxes=self.boxes)
            with MaskFile(files.masks) as stored:
                if stored.shape != tuple(result.video.frames.shape[:3]):
                    note = "the clip has changed, but its masks have not: --overwrite replaces them"
                    return Outcome([note], was_there=True)
                num_frames, height, width = stored.shape
                result.masks = empty_masks((num_frames, height, width))
                for index, labels in enumerate(stored):
                    result.masks[index] = labels
                result.made_by = stored.made_by
            facts = complete_files(result, files)
        return Outcome(facts["notes"], facts["doubts"], was_there=True, facts=facts)


def _say(path: Path, texts: list[str]) -> None:
    for text in texts:
        print(f"{path.name}: {text}", file=sys.stderr)
