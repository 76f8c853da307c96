"""Translates frames by a CycleGAN.

Those of a dataset are written as a dataset with its masks, those of a folder as a folder.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from lgrseg.data.catalog import MetadataCatalog
from lgrseg.data.mappers.clips import resize_frames, to_tensor
from lgrseg.data.own_store import TABLE, write_facts
from lgrseg.data.paired import frames_by_name
from lgrseg.data.patient_splits import ClipRow, write_table
from lgrseg.data.record import VideoRecord
from lgrseg.data.store import open_frames, read_masks, read_meta, write_video
from lgrseg.data.transforms.resizing import resize_image
from lgrseg.modeling.generation.cycle_gan import CycleGAN


def model_frames(frames: Sequence[np.ndarray], size: tuple[int, int]) -> Tensor:
    """Frames of one size as (T, C, height, width), 0 to 1, resized to the size of a model."""
    return to_tensor(resize_frames(frames, size))


def restyled_frames(model: CycleGAN, frames: Sequence[np.ndarray], *, style: str) -> np.ndarray:
    """Translate frames, at the size of the model, and resize them back.

    Args:
        model: model in evaluation mode.
        frames: T frames (H, W) or (H, W, 3) uint8, all of one size.
        style: style of the result, "a" or "b".

    Returns:
        (T, H, W) or (T, H, W, 3) uint8 frames.
    """
    device = next(model.parameters()).device
    small = model_frames(frames, model.image_size).to(device)
    results = torch.cat([model.restyled(frame[None], style=style) for frame in small])
    levels = (255 * results.clamp(0, 1)).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    height, width = frames[0].shape[:2]
    levels = levels[..., 0] if levels.shape[-1] == 1 else levels
    return np.stack([resize_image(frame, (height, width)) for frame in levels])


def write_restyled_images(
    model: CycleGAN, folder: Path, output: Path, *, style: str
) -> Iterator[str]:
    """Write the translated images of a folder as PNG, with their names and sizes.

    Args:
        model: model in evaluation mode.
        folder: folder of images.
        output: folder of the new images; it must not exist, or be empty.
        style: style of the result, "a" or "b".

    Yields:
        The path of each image when it is translated.

    Raises:
        FileExistsError: the new folder is not empty.
        ValueError: the folder has no image, two images have one name, or one cannot be read.
    """
    images = frames_by_name(str(folder)).values()
    _check_empty(output)
    output.mkdir(parents=True, exist_ok=True)
    for image in images:
        (picture,) = restyled_frames(model, [image.read()], style=style)
        file = output / f"{Path(image.name).stem}.png"
        if not cv2.imwrite(str(file), picture[..., ::-1] if picture.ndim == 3 else picture):
            raise OSError(f"{file} could not be written")
        yield image.name


def write_restyled(
    model: CycleGAN,
    parts: dict[str, list[VideoRecord]],
    store: Path,
    *,
    style: str,
    facts: dict[str, str],
) -> Iterator[str]:
    """Write translated videos with their masks as a prepared dataset of its own.

    The names in the catalog are those of the folder with the parts, such as translated_train.
    Frames change their style and not their geometry, so masks, boxes and pixel sizes stay.

    Args:
        model: model in evaluation mode.
        parts: records of each part by the name of their dataset, such as phantom_apical_train; the
            last word is the name of the part.
        store: folder of the new dataset; it must not exist, or be empty.
        style: style of the result, "a" or "b".
        facts: entries that are added to meta.json of every video.

    Yields:
        The identifier of each video when it is written.

    Raises:
        FileExistsError: the folder is not empty.
        ValueError: the datasets have different classes, a video is in several of them, or a name
            has no part.
    """
    _check_empty(store)
    descriptions = [MetadataCatalog.get(name) for name in parts]
    if len({description.classes for description in descriptions}) != 1:
        raise ValueError(f"{', '.join(parts)} have different classes; translate them one by one")
    rows = [
        ClipRow(clip=record.video_id, patient=record.patient, split=part_of(name))
        for name, records in parts.items()
        for record in records
    ]
    if len({row.clip for row in rows}) != len(rows):
        raise ValueError(f"{', '.join(parts)} have videos in common; each is written once")
    for record in (record for records in parts.values() for record in records):
        meta = read_meta(record.folder) | {"restyled_to": style} | facts
        frames = restyled_frames(model, list(open_frames(record)), style=style)
        write_video(store, frames, read_masks(record), meta)
        yield record.video_id
    write_table(rows, store / TABLE)
    first = descriptions[0]
    write_facts(store, classes=first.classes, colors=first.colors, roles=dict(first.roles))


def _check_empty(output: Path) -> None:
    if output.is_dir() and any(output.iterdir()):
        raise FileExistsError(f"{output} is not empty: delete it, or choose another --output")


def part_of(name: str) -> str:
    """The part that the name of a dataset ends with, such as train for phantom_apical_train.

    Raises:
        ValueError: the name has no part.
    """
    if "_" not in name:
        raise ValueError(f"the dataset {name!r} has no part such as _train at the end of its name")
    return name.rpartition("_")[2]


def hash_of(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
