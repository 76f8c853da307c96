"""Prepares a folder of your own clips with masks beside them; no code is needed.

    python tools/prepare_dataset.py folder --raw my_clips --out datasets/mine --classes classes.yaml
    python tools/train_net.py --config-file configs/lgrnet/base.py dataset=mine

A clip is a file or folder that `read_video` can read. lgrseg/data/annotations lists the kinds of
masks, and lgrseg/data/class_list.py describes classes.yaml. A clip without masks is prepared as
unlabelled.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from lgrseg.data.annotations import AnnotatedClip, ClipAndLabels, find_annotations, read_annotation
from lgrseg.data.class_list import ClassList
from lgrseg.data.datasets.folder_table import rows_of_clips
from lgrseg.data.io import image_files, read_video
from lgrseg.data.own_store import TABLE, write_facts
from lgrseg.data.patient_splits import (
    ClipRow,
    check_patients,
    patients_of,
    read_table,
    with_folds,
    with_splits,
    write_table,
)
from lgrseg.data.raw_video import LoadedVideo, RawVideo, UnusableVideo, refused


class ClipFolder:
    """A folder of clips, with the options of a command."""

    def __init__(
        self,
        *,
        classes: ClassList,
        table: Path | None = None,
        earlier: Path | None = None,
        patient_pattern: str | None = None,
        num_folds: int | None = None,
        seed: int = 0,
        first_number: int = 0,
        crop_to_fan: bool = True,
    ):
        """Store the options; no file is read yet.

        Args:
            classes: structures, with their values and names in masks.
            table: CSV file with columns clip, patient, split; None draws the splits.
            earlier: table of an earlier preparation, used for the clips that it names.
            patient_pattern: regular expression for the patient in a clip's name.
            num_folds: number of folds of the patients; None divides into train, val and test.
            seed: seed of the random split.
            first_number: number of a clip's first frame in names of mask files.
            crop_to_fan: True cuts away the part of the picture around the fan.
        """
        self.classes = classes
        self.table, self.earlier = table, earlier
        self.patient_pattern = patient_pattern
        self.num_folds, self.seed = num_folds, seed
        self.first_number, self.crop_to_fan = first_number, crop_to_fan
        self._found: list[ClipRow] = []
        self._labelled: set[str] = set()
        self._rows: list[ClipRow] = []

    def find_videos(self, raw: Path) -> tuple[list[RawVideo], dict[str, str]]:
        """List all clips of the folder, and files that are not used with the reason.

        Raises:
            FileNotFoundError: there is no clip.
            ValueError: the table of splits cannot be used.
        """
        content = find_annotations(raw)
        rows, problems = self._rows_of(list(content.clips))
        self._found = rows
        self._labelled = {name for name, clip in content.clips.items() if clip.annotation}
        expected = {name for name, clip in content.clips.items() if not clip.refused}
        splits = self.draw_splits(expected)
        videos = [self._video(row, content.clips[row.clip], splits[row.clip]) for row in rows]
        return videos, content.problems | problems

    def draw_splits(self, usable: set[str]) -> dict[str, str]:
        """Draw the splits, in which only usable clips count.

        A patient without a usable clip keeps an earlier split. Otherwise the split is empty, and
        the patient is drawn by a later preparation that can use a clip.

        Args:
            usable: names of the clips that can be used.

        Returns:
            Name of every clip -> its split or fold.

        Raises:
            ValueError: a patient is in two parts, or there are too few patients for the folds.
        """
        labelled, found = self._labelled & usable, self._found
        if self.num_folds is not None:
            rows = with_folds(found, labelled, num_folds=self.num_folds, seed=self.seed)
        else:
            rows = with_splits(found, labelled, seed=self.seed)
        known = {row.patient for row in found if row.clip in usable or row.split or row.fold}
        rows = [row if row.patient in known else replace(row, split="") for row in rows]
        check_patients(rows, source=str(self.table or "the splits"))
        self._rows = rows
        return {row.clip: f"fold {row.fold}" if row.fold else row.split for row in rows}

    def finish(self, raw: Path, out: Path) -> None:
        """Write the description of the store, and the table of splits."""
        write_facts(
            out, classes=self.classes.names, colors=self.classes.colors, roles=self.classes.roles
        )
        write_table(self._rows, out / TABLE)
        labelled = sum((out / row.clip / "masks.npz").is_file() for row in self._rows)
        present = sum((out / row.clip / "meta.json").is_file() for row in self._rows)
        unlabelled = present - labelled
        rest = f", {unlabelled} without, which are kept as unlabelled" if unlabelled else ""
        print(
            f"{labelled} clips with masks{rest}. {out / TABLE} lists the split of each clip; you "
            "may edit it"
        )

    def _rows_of(self, clips: list[str]) -> tuple[list[ClipRow], dict[str, str]]:
        """Rows of usable clips, with their patients; and the reason for each other clip."""
        problems = {
            clip: r"has a \ in its name, which separates folders on Windows: rename it"
            for clip in clips
            if "\\" in clip
        }
        table = self.table
        if table is None:
            rows = read_table(self.earlier) if self.earlier else []
            listed = {row.clip: row for row in rows}
        else:
            listed = rows_of_clips(table, clips)
            problems |= {
                clip: f"{table.name} does not list it: it has no split, and is not used"
                for clip in clips
                if clip not in listed
            }
        rows = [listed.get(clip, ClipRow(clip)) for clip in clips if clip not in problems]
        nameless = [row.clip for row in rows if not row.patient]
        patients, unclear = patients_of(nameless, self.patient_pattern)
        rows = [
            row if row.patient else replace(row, patient=patients[row.clip])
            for row in rows
            if row.clip not in unclear
        ]
        return rows, problems | unclear

    def _video(self, row: ClipRow, clip: ClipAndLabels, split: str) -> RawVideo:
        pictures = image_files(clip.path) if clip.path.is_dir() else [clip.path]
        annotation = clip.annotation
        labels = {
            "classes": self.classes,
            "kind": annotation and annotation.kind,
            "content": annotation and annotation.content,
            "first_number": self.first_number,
            "row": replace(row, split="", fold=""),  # the clip does not depend on these
            "is_folder": clip.path.is_dir(),
        }
        return RawVideo(
            video_id=row.clip,
            sources=[*pictures, *(annotation.files if annotation else ())],
            num_pictures=len(pictures),
            patient=row.patient,
            load=refused if clip.refused else load_clip,
            crop_to_fan=self.crop_to_fan,
            labels=clip.refused or labels,
            split=split,
        )


def load_clip(video: RawVideo) -> LoadedVideo:
    """Read a clip and its masks."""
    from lgrseg.data.annotations import Annotation

    labels = video.labels
    pictures = video.sources[: video.num_pictures]
    path = pictures[0].parent if labels["is_folder"] else pictures[0]
    read = read_video(path)
    frames, notes = np.asarray(read.frames), list(read.notes)
    masks = None
    if labels["kind"]:
        annotation = Annotation(
            labels["kind"], tuple(video.sources[video.num_pictures :]), labels["content"]
        )
        clip = AnnotatedClip(
            path=path,
            num_frames=len(frames),
            size=frames.shape[1:3],
            frame_files=tuple(pictures) if labels["is_folder"] else (),
            first_number=labels["first_number"],
        )
        masks = read_annotation(annotation, clip, labels["classes"], notes)
    else:
        notes.append("has no masks: kept as unlabelled")
    return LoadedVideo(
        frames=frames,
        masks=masks,
        spacing_mm=read.spacing_mm,
        fps=read.fps,
        notes=notes,
        extra=_phases(masks, labels["classes"], labels["row"], len(frames), notes),
    )


def _phases(
    masks: dict[int, np.ndarray] | None,
    classes: ClassList,
    row: ClipRow,
    num_frames: int,
    notes: list[str],
) -> dict[str, int]:
    """The frames of end-diastole and end-systole, from the table or from the left ventricle.

    If two frames are annotated, or all between the first and the last annotated one, end-diastole
    is the frame with the largest left ventricle, and end-systole the one with the smallest.

    Raises:
        UnusableVideo: the table has a frame that the clip does not have.
    """
    stated = {name: row.phase(name) for name in ("ed_frame", "es_frame")}
    phases = {name: frame for name, frame in stated.items() if frame is not None}
    for name, frame in phases.items():
        if frame >= num_frames:
            raise UnusableVideo(
                f"the table of splits has {name} {frame}, but the clip has the frames 0 to "
                f"{num_frames - 1}: correct the number, or leave it empty"
            )
    ventricle = classes.roles.get("left_ventricle")
    if phases or not masks or ventricle is None or len(masks) < 2:
        return phases
    value = classes.names.index(ventricle) + 1
    areas = {frame: int((mask == value).sum()) for frame, mask in masks.items()}
    smallest, largest = min(areas.values()), max(areas.values())
    has_gaps = len(areas) > 2 and len(areas) < max(masks) - min(masks) + 1
    if smallest in (0, largest) or has_gaps:
        return {}
    area_of = areas.__getitem__
    phases = {"ed_frame": max(areas, key=area_of), "es_frame": min(areas, key=area_of)}
    notes.append(
        f"frame {phases['ed_frame']} counts as end-diastole and frame {phases['es_frame']} as "
        "end-systole, because the left ventricle is largest and smallest there"
    )
    return phases
