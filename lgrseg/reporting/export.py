"""Predictions of prepared videos as files: side-by-side videos, masks and measures."""

import json
import logging
from pathlib import Path

import numpy as np

from lgrseg.data.catalog import Metadata
from lgrseg.data.io.mask_files import MaskFile, write_masks
from lgrseg.data.mappers.clips import geometry_of
from lgrseg.data.prepare.fan_crop import fan_of_record
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
    """Predict a prepared video, and write the results to `folder`.

    The files are NAME.mp4, NAME.png (one frame of it, annotated if possible), NAME_masks.nii.gz and
    NAME.json. The last one has the results of `measure_video`, the video's "fps" and
    "reference_ejection_fraction", and "annotated": the frames with ground truth and the true areas.
    Pixels outside the fan are black, because prepared videos do not contain them. `how` are the
    other arguments of `predict_frames`.

    Returns:
        The path of the mp4. If it cannot be written, this is logged as a warning; the other files
        are written all the same.
    """
    name = record.video_id.replace("/", "_")
    frames = list(open_frames(record))  # views of the file; each is read when it is used
    truth = read_masks(record)
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
                    colors=list(metadata.colors),
                    caption=f"{name} frame {index}",
                    height=panel_height(record.original_size),
                )
                if index == still:
                    write_png(folder / f"{name}.png", picture)
                yield picture

        # Two frames at thirty per second would be over before anyone sees them.
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


def _measures(
    masks: MaskFile, frames: list[np.ndarray], record: VideoRecord, metadata: Metadata
) -> dict:
    measures = measure_video(
        masks,
        metadata.classes,
        record.spacing_mm,
        fps=record.fps,
        fan=fan_of_record(record),
        roles=metadata.roles,
        ed_frame=record.ed_frame,
        es_frame=record.es_frame,
    )
    measures["reference_ejection_fraction"] = record.reference_ejection_fraction
    measures["fps"] = record.fps
    return plain(measures)
