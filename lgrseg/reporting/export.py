"""Predictions of prepared videos as files: side-by-side videos, masks, and what they measure."""

import json
import logging
from pathlib import Path

import numpy as np

from lgrseg.data.catalog import Metadata
from lgrseg.data.io.mask_files import MaskFile, write_masks
from lgrseg.data.mappers.clips import geometry_of
from lgrseg.data.prepare.fan_crop import find_fan
from lgrseg.data.record import VideoRecord
from lgrseg.data.store import open_frames, read_masks, uncropped
from lgrseg.evaluation.clinical.video_measures import measure_video
from lgrseg.evaluation.results import plain
from lgrseg.inference.whole_videos import predict_frames
from lgrseg.visualization.overlays import panel_height, side_by_side, try_write_mp4, write_png

logger = logging.getLogger("lgrseg")


def export_record(
    model, record: VideoRecord, folder: Path, *, metadata: Metadata, input_size, **how
) -> Path:
    """Predict a prepared video, and write it to `folder`.

    NAME.mp4, a still NAME.png, NAME_masks.nii.gz, and NAME.json: what `measure_video` finds, and
    "annotated", the frames that have a truth and the areas in it. The still is of an annotated
    frame where there is one. What lies outside the fan was not kept by the preparation and is
    black. `how` are the other arguments of `predict_frames`.

    Returns:
        The path of the mp4; where it cannot be made, a warning says so and the rest is there.
    """
    name = record.video_id.replace("/", "_")
    frames, truth = open_frames(record), read_masks(record)
    geometry = geometry_of(record, tuple(input_size))
    predicted = predict_frames(model, frames, geometry, video_id=record.video_id, **how)
    masks_path = folder / f"{name}_masks.nii.gz"
    write_masks(
        masks_path,
        (labels for _, labels in predicted),
        shape=(len(frames), *record.original_size),
        spacing_mm=record.spacing_mm,
    )
    still = sorted(truth)[len(truth) // 2] if truth else len(frames) // 2
    path = folder / f"{name}.mp4"
    with MaskFile(masks_path) as masks:

        def pictures():
            for index in range(len(frames)):
                picture = side_by_side(
                    uncropped(frames[index], record),
                    truth.get(index),
                    masks[index],
                    classes=metadata.classes,
                    colors=metadata.colors,
                    caption=f"{name} frame {index}",
                    height=panel_height(record.original_size),
                )
                if index == still:
                    write_png(folder / f"{name}.png", picture)
                yield picture

        # Two frames at thirty a second would be over before one looks.
        fps = (record.fps or 20) if len(frames) > 5 else 1
        if why_not := try_write_mp4(path, pictures(), fps=fps):
            logger.warning(why_not)
        measures = _measures(masks, frames, record, metadata)
    measures["annotated"] = _true_areas(truth, record.spacing_mm, metadata.classes)
    (folder / f"{name}.json").write_text(json.dumps(measures), encoding="utf-8")
    return path


def _true_areas(truth: dict[int, np.ndarray], spacing_mm, classes: tuple[str, ...]) -> dict:
    """Annotated frames, and the area of every class in them, as `measure_video` counts it."""
    frames = sorted(truth)
    rows, columns = spacing_mm or (1.0, 1.0)
    return {
        "frames": frames,
        "areas": {
            name: [int((truth[frame] == k + 1).sum()) * rows * columns for frame in frames]
            for k, name in enumerate(classes)
        },
    }


def _measures(masks: MaskFile, frames: np.ndarray, record: VideoRecord, metadata: Metadata) -> dict:
    fan = find_fan(frames)
    shown = uncropped(fan.mask, record).astype(bool) if fan.found else None
    measures = plain(
        measure_video(
            masks,
            metadata.classes,
            record.spacing_mm,
            fan=shown,
            roles=metadata.roles,
            ed_frame=record.ed_frame,
            es_frame=record.es_frame,
        )
    )
    measures["reference_ejection_fraction"] = record.reference_ejection_fraction
    return measures
