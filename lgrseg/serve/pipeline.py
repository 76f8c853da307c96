"""From decoded frames to the result files of a job; this runs in a worker."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lgrseg.checkpoint.whole_files import appears_whole
from lgrseg.data.io import LazyFrames, Video
from lgrseg.data.io.dicom_deidentified import header_of_pixels, write_deidentified
from lgrseg.data.io.mask_files import write_masks
from lgrseg.evaluation.clinical.chambers import chambers_of
from lgrseg.evaluation.frame_scores import measure_heart
from lgrseg.inference.film import write_film
from lgrseg.inference.predictor import Predictor
from lgrseg.inference.result import Result
from lgrseg.inference.result_files import mark_of
from lgrseg.inference.saving import facts_of
from lgrseg.inference.table import row_of, update_table
from lgrseg.serve.job_store import StoredJob
from lgrseg.serve.packed import write_frames, write_labels
from lgrseg.serve.reasons import DISK_FULL
from lgrseg.serve.run_length import masks_as_json
from lgrseg.structures.box_prompts import BoxPrompt
from lgrseg.visualization.overlays import write_png

NOT_FOR_DIAGNOSIS = "for research, not for diagnosis"
MOST_OF_A_FRAME = 0.95
"""A fan that is a larger part of the frame hides nothing; it may be that none was drawn."""
FAN_NOT_FOUND = (
    "the fan was not found, or fills the frame: pictures are black outside the masks, since text "
    "can be anywhere"
)
LOOK = (
    "personal data was removed, but text within the fan stays: look at the pictures before you "
    "give them away"
)
Report = Callable[[str, float], None]
"""Called with the stage and the progress (0 to 1); an error that it raises ends the job."""


def load_video(folder: Path, meta: dict[str, Any], options: dict[str, Any]) -> Video:
    """Open the decoded frames of a job; they stay on the disk."""
    frames = np.memmap(folder / "frames.u8", np.uint8, "r", shape=tuple(meta["shape"]))
    spacing = options.get("spacing_mm") or meta["spacing_mm"]
    return Video(
        frames,
        (float(spacing[0]), float(spacing[1])) if spacing else None,
        options.get("fps") or meta["fps"],
        notes=[*meta["notes"], *meta["doubts"]],
        doubts=list(meta["doubts"]),
    )


def run_job(
    predictor: Predictor,
    digest: str,
    job: StoredJob,
    folder: Path,
    output: Path,
    report: Report,
) -> dict[str, Any]:
    """Segment and measure the clip of a job, and write its result files.

    Args:
        predictor: the loaded model.
        digest: SHA-256 of its weights.
        job: the claimed job.
        folder: its folder, with frames.u8.
        output: an empty folder for the results.
        report: function that gets the progress, and raises an error to stop.

    Returns:
        What a list of jobs shows: ejection_fraction, model_sha256, notes, doubts.
    """
    boxes = [
        BoxPrompt(box["frame"], tuple(box["box"]), predictor.metadata.classes.index(box["class"]))
        for box in job.options.get("boxes") or ()
    ] or None
    result = predictor.prepare(load_video(folder, job.meta, job.options), boxes=boxes)
    result.name = job.name or "clip"
    wish = json.dumps([job.options, job.meta.get("sha256")], sort_keys=True)
    result.made_by = mark_of([predictor.mark, wish])
    total = len(result.video.frames)
    predictor.draw_masks(
        result, boxes=boxes, on_frame=lambda index: report("segmenting", 0.9 * (index + 1) / total)
    )
    report("measuring", 0.9)
    ventricle = left_ventricle(result, on_frame=lambda _: report("measuring", 0.9))
    facts = facts_of(result) | ventricle | {"use": NOT_FOR_DIAGNOSIS}
    facts["file"], facts["model"], facts["model_sha256"] = None, job.model, digest
    report("writing", 0.93)
    write_results(result, job, folder, output)
    facts["notes"] = result.notes
    content = json.dumps(facts, indent=1, allow_nan=False)
    (output / "measurements.json").write_text(content, encoding="utf-8")
    update_table(output / "measurements.csv", {result.name: row_of(facts)})
    report("writing", 0.99)
    return {
        "ejection_fraction": facts["ejection_fraction"],
        "model_sha256": digest,
        "notes": facts["notes"],
        "doubts": facts["doubts"],
    }


def left_ventricle(
    result: Result, on_frame: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """Volume of the left ventricle in every frame, so that beats can be moved without a model.

    Args:
        result: a segmented clip.
        on_frame: function that is called with the index of every frame.
    """
    metadata, spacing = result.metadata, result.video.spacing_mm
    if "left_ventricle" not in chambers_of(metadata.classes, metadata.roles):
        return {"left_ventricle": None}
    volumes: list[float | None] = []
    problems = []
    for index, labels in enumerate(result.masks):
        on_frame(index)
        chamber = measure_heart(labels, metadata.classes, spacing, metadata.roles)["left_ventricle"]
        known = np.isfinite(chamber.volume_ml)
        volumes.append(round(float(chamber.volume_ml), 4) if known else None)
        problems.append(list(chamber.problems))
    unit = "ml" if spacing else "1000 cubic pixels"
    return {"left_ventricle": {"volume_unit": unit, "volumes": volumes, "problems": problems}}


def write_results(result: Result, job: StoredJob, folder: Path, output: Path) -> None:
    """Write every file but the measurements."""
    hidden = job.options.get("deidentify", False)
    video, metadata = result.video, result.metadata
    write_masks(
        output / "masks.nii.gz",
        result.masks,
        shape=result.masks.shape,
        affine=affine_of(job, video),
        made_by=result.made_by,
    )
    text = masks_as_json(result.masks, metadata.classes)
    (output / "masks.json").write_text(text, encoding="ascii")
    frames = video.frames
    if hidden:
        frames = result.video.frames = only_inside(frames, shown_area(result))
        result.clip_notes += [FAN_NOT_FOUND, LOOK] if part_fan(result) is None else [LOOK]
    write_frames(output / "frames.bin", frames, fps=video.fps)
    colors, classes = metadata.colors, metadata.classes
    write_labels(output / "labels.bin", result.masks, classes=classes, colors=colors)
    if job.kind == "clip":
        film = output / "overlay.mp4"
        why_not = write_film(film, frames, result.masks, metadata=metadata, fps=video.fps)
        result.clip_notes += [why_not] if why_not else []
    write_png(output / "preview.png", result.preview())
    source = folder / "source.dcm"
    header: Path | None = source if source.exists() else None
    if header and hidden:
        header = write_clip_without_patient(result, source, output / "clip.dcm")
    if header:
        write_seg(result, header, output / "seg.dcm")
        view = job.options.get("view", "unknown")
        write_dicom_report(result, header, output / "report.dcm", view)


def affine_of(job: StoredJob, video: Video) -> np.ndarray:
    """The affine of the upload, or one of the spacing that the client gave."""
    if job.options.get("spacing_mm"):
        from lgrseg.data.io.placement import affine_without_place

        return affine_without_place(video.spacing_mm)
    return np.array(job.meta["affine"])


def part_fan(result: Result) -> np.ndarray | None:
    """The fan (H, W) bool if it was found, and has something outside of it."""
    fan = result.fan
    return None if fan is None or float(fan.mean()) > MOST_OF_A_FRAME else fan


def shown_area(result: Result) -> np.ndarray:
    """The fan (H, W) bool; without one, what belongs to a class in any frame."""
    if (fan := part_fan(result)) is not None:
        return fan
    area = np.zeros(result.masks.shape[1:], bool)
    for labels in result.masks:
        area |= labels > 0
    return area


def only_inside(frames: np.ndarray | LazyFrames, area: np.ndarray) -> LazyFrames:
    """Frames that are black outside an area; scanners write names outside the fan."""
    inside = area if frames.ndim == 3 else area[..., None]
    return LazyFrames(lambda index: np.where(inside, frames[index], np.uint8(0)), frames.shape)


def write_clip_without_patient(result: Result, source: Path, path: Path) -> Path | None:
    """Write the clip that de-identified DICOM results refer to; without it there are none.

    Args:
        result: the result, whose frames are black where text may be.
        source: header of the clip, without personal data.
        path: file to write.

    Returns:
        The header of the written clip; None, with a note, if it cannot be written.

    Raises:
        OSError: the disk is full, so no other result could be written either.
    """
    shown = "masks" if part_fan(result) is None else "fan"
    video = result.video
    try:
        header = header_of_pixels(source, source.with_name("header.dcm"), shown=shown)
        with appears_whole(path) as half_done:
            write_deidentified(half_done, video.frames, header=header, fps=video.fps)
    except (AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise
        # Not the error's own words, which may be those of the header, or a path of this machine.
        reason = getattr(error, "strerror", None) or type(error).__name__
        result.clip_notes.append(
            f"there are no DICOM results: the clip without personal data, {path.name}, cannot be "
            f"written ({reason})"
        )
        return None
    return header


def write_seg(result: Result, source: Path, path: Path) -> None:
    """Write the DICOM segmentation; without it the other results are still right."""
    from lgrseg.inference.dicom_seg import write_dicom_seg

    try:
        write_dicom_seg(
            path, result.masks, clip=source, metadata=result.metadata, made_by=result.made_by
        )
    except ValueError as error:
        result.clip_notes.append(f"there is no DICOM segmentation: {error}")


def write_dicom_report(result: Result, source: Path, path: Path, view: str) -> None:
    """Write the measurements of whole beats as a DICOM report, or note why there is none."""
    from lgrseg.inference.dicom_sr import write_dicom_sr

    try:
        why_not = write_dicom_sr(
            path,
            result.measurements,
            clip=source,
            view=view,
            made_by=result.made_by,
            doubts=result.doubts,
        )
    except (ImportError, ValueError) as error:
        why_not = f"there is no DICOM report: {error}"
    result.clip_notes += [why_not] if why_not else []
