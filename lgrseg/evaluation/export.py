"""Predictions as files: side-by-side videos, and masks as NIfTI with the input's geometry."""

import json
from pathlib import Path

import numpy as np

from lgrseg.data.catalog import Metadata
from lgrseg.data.fan_crop import find_fan
from lgrseg.data.mapper import geometry_of
from lgrseg.data.store import open_frames, read_masks
from lgrseg.evaluation.results import plain
from lgrseg.evaluation.video_measures import measure_video
from lgrseg.inference import predict_frames
from lgrseg.video import side_by_side, write_mp4, write_png


def export_record(
    model, record: dict, folder: Path, *, metadata: Metadata, input_size, **how
) -> Path:
    """Predict a prepared video, and write it to `folder`.

    NAME.mp4, a still NAME.png, NAME_masks.nii.gz, and NAME.json: what `measure_video` finds. The
    still is of an annotated frame where there is one. What lies outside the fan was not kept by
    the preparation and is black. `how` are the other arguments of `predict_frames`.

    Returns:
        The path of the mp4.
    """
    name = record["video_id"].replace("/", "_")
    frames, truth = open_frames(record), read_masks(record)
    geometry = geometry_of(record, tuple(input_size))
    predicted = predict_frames(model, frames, geometry, video_id=record["video_id"], **how)
    masks, still = [], sorted(truth)[len(truth) // 2] if truth else len(frames) // 2

    def pictures():
        for index, labels in predicted:
            masks.append(labels)
            picture = side_by_side(
                uncropped(frames[index], record),
                truth.get(index),
                labels,
                classes=metadata.classes,
                colors=metadata.colors,
                caption=f"{name} frame {index}",
            )
            if index == still:
                write_png(folder / f"{name}.png", picture)
            yield picture

    # Two frames at thirty a second would be over before one looks.
    fps = record["fps"] or 20
    path = folder / f"{name}.mp4"
    write_mp4(path, pictures(), fps=fps if len(frames) > 5 else 1)
    masks = np.stack(masks)
    write_masks(folder / f"{name}_masks.nii.gz", masks, spacing_mm=record["spacing_mm"])
    fan = find_fan(frames)
    shown = uncropped(fan.mask, record).astype(bool) if fan.found else None
    labelled = {key: record.get(key) for key in ("ed_frame", "es_frame")}
    measures = plain(
        measure_video(masks, metadata.classes, record["spacing_mm"], fan=shown, **labelled)
    )
    measures["reference_ejection_fraction"] = record.get("reference_ejection_fraction")
    (folder / f"{name}.json").write_text(json.dumps(measures), encoding="utf-8")
    return path


def uncropped(frame: np.ndarray, record: dict) -> np.ndarray:
    """A cropped frame at its place in the original, black around."""
    top, left, bottom, right = record["crop_box"]
    whole = np.zeros((*record["original_size"], *frame.shape[2:]), np.uint8)
    whole[top:bottom, left:right] = frame
    return whole


def write_masks(
    path: Path, masks: np.ndarray, *, spacing_mm=None, affine: np.ndarray | None = None
) -> None:
    """Masks (T, H, W) uint8 as NIfTI with axes (x, y, t), as CardiacUDC has them.

    Args:
        path: ends in .nii.gz.
        masks: 0 background, k + 1 for class k.
        spacing_mm: (row, column), used where there is no affine.
        affine: (4, 4) of the input file.
    """
    import nibabel

    if affine is None:
        row, column = spacing_mm or (1.0, 1.0)
        affine = np.diag([column, row, 1.0, 1.0])
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(masks.transpose(2, 1, 0), affine), path)
