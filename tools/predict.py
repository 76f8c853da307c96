r"""Segment clips that have no labels: masks as NIfTI, and a video with the outlines.

    python tools/predict.py --config-file output/demo/config.yaml \\
        --weights output/demo/checkpoints/last.safetensors --input CLIP --output output/predictions

    python tools/predict.py --config-file output/box_sam2/config.yaml --weights ... --input CLIP \\
        --output output/predictions --box 0,120,40,310,290,left_ventricle

CLIP is a .nii.gz, .nii, .mhd, .mha, .dcm, .mp4 or .avi file, a folder of images, or a folder of
such clips. NAME_masks.nii.gz has the axes (x, y, t) and, for NIfTI input, its affine. A BOX-SAM2
follows boxes: by hand (--box frame,x0,y0,x1,y1,class, in pixels of the clip, frames from 0; --boxes
FILE.json), or those of a run that predicts them (--boxes-from-model RUN).
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from lgrseg.box_prompts import BoxPrompt, check_prompts, parse_box, read_boxes
from lgrseg.config import instantiate, load_asked_config, without_weights
from lgrseg.data import MetadataCatalog
from lgrseg.data.clip_files import box_of_clip, find_clips
from lgrseg.data.io import Video, crop_frames, read_video
from lgrseg.distributed import pick_device
from lgrseg.engine.checkpoint import load_weights
from lgrseg.engine.speed import channels_last, hold_on_to_memory
from lgrseg.evaluation.export import write_masks
from lgrseg.inference import predict_frames
from lgrseg.modeling.box_sam2 import BoxSam2
from lgrseg.modeling.classifier import ClipClassifier
from lgrseg.modeling.frozen_run import FrozenRun
from lgrseg.structures import Geometry
from lgrseg.targets import add_import_options
from lgrseg.video import beside_input, write_mp4
from lgrseg.windows import window_of


def main() -> int:
    """Run the command line; the exit status is 1 when no clip could be segmented."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True)
    parser.add_argument("--weights", required=True, type=Path)
    parser.add_argument("--input", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--no-crop", action="store_true", help="use whole frames, not the fan")
    parser.add_argument("--box", action="append", default=[], metavar="frame,x0,y0,x1,y1,class")
    parser.add_argument("--boxes", type=Path, help='[{"frame": 0, "box": [...], "class": NAME}]')
    parser.add_argument("--boxes-from-model", metavar="RUN", help="folder of a run with a box head")
    add_import_options(parser)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    arguments = parser.parse_args()
    try:
        cfg = load_asked_config(arguments)
        if not cfg.dataloader.test:
            raise ValueError(
                f"{arguments.config_file} has no dataloader.test, which says what is predicted and "
                "how: take the config of a run that segments, not of a pre-training"
            )
        clips = find_clips(arguments.input)
        device = pick_device(cfg.train.device)
        if device.type == "cpu":
            hold_on_to_memory()
        model = channels_last(instantiate(without_weights(cfg.model)).to(device)).eval()
        if isinstance(model, ClipClassifier):
            raise ValueError(
                f"{arguments.config_file} is of a classifier, which draws no masks; "
                "tools/train_net.py --eval-only writes its answers into predictions.csv"
            )
        load_weights(model, arguments.weights)
        given = boxes_by_hand(model, cfg, arguments)
    except (KeyError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    failed = {}
    for name, path in clips.items():
        try:
            stem = arguments.output / name
            predict_clip(model, cfg, path, stem, crop=not arguments.no_crop, given=given)
        except (OSError, ValueError) as error:
            failed[path] = error
    for path, error in failed.items():
        print(f"not segmented: {path}: {error}", file=sys.stderr)
    print(f"{len(clips) - len(failed)} of {len(clips)} clips segmented into {arguments.output}")
    return 1 if len(failed) == len(clips) else 0


def boxes_by_hand(model, cfg, arguments: argparse.Namespace) -> list[BoxPrompt] | None:
    """The boxes of the command line; None where a model is to find them.

    Raises:
        ValueError: the model takes no boxes, or one cannot be read.
    """
    asked = arguments.box or arguments.boxes or arguments.boxes_from_model
    if asked and not isinstance(model, BoxSam2):
        raise ValueError(
            f"{arguments.config_file} is of a {type(model).__name__}, which takes no boxes; "
            "take the config of a BOX-SAM2"
        )
    if arguments.boxes_from_model:
        if arguments.box or arguments.boxes:
            raise ValueError("boxes come by hand or from a model, not both")
        model.box_model = FrozenRun(run=arguments.boxes_from_model)
    classes = MetadataCatalog.get(next(iter(cfg.dataloader.test))).classes
    if isinstance(model, BoxSam2) and isinstance(model.box_model, FrozenRun):
        found = model.box_model.classes
        if found != classes:
            raise ValueError(f"the boxes are of {', '.join(found)}, the masks {', '.join(classes)}")
    if not arguments.box and not arguments.boxes:
        return None
    given = [parse_box(text, classes) for text in arguments.box]
    return given + (read_boxes(arguments.boxes, classes) if arguments.boxes else [])


def predict_clip(
    model: torch.nn.Module,
    cfg,
    path: Path,
    stem: Path,
    *,
    crop: bool,
    given: list[BoxPrompt] | None = None,
) -> None:
    """Write STEM_masks.nii.gz and STEM.mp4 for one clip, from boxes where some are given."""
    video = read_video(path)
    for note in video.notes:
        print(f"{path.name}: {note}", file=sys.stderr)
    dataset, loader = next(iter(cfg.dataloader.test.items()))
    metadata = MetadataCatalog.get(dataset)
    geometry = _geometry(video, tuple(loader.mapper.input_size), crop=crop, name=path.name)
    frames = crop_frames(video.frames, geometry.crop_box)
    if given is not None:
        size = video.frames.shape[1:3]
        check_prompts(given, num_frames=len(frames), size=size, classes=metadata.classes)
    window = window_of(loader.mapper)
    predicted = predict_frames(model, frames, geometry, **window, video_id=stem.name, boxes=given)
    stem.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=stem.parent) as file:
        # On the disk, since the masks of a long clip are too large for memory.
        masks = np.memmap(file, np.uint8, "w+", shape=video.frames.shape[:3])
        _write(stem, video, masks, predicted, metadata, path.name)
        if isinstance(model, BoxSam2) and not any(labels.any() for labels in masks):
            print(f"{path.name}: no box was found, so there is nothing in it", file=sys.stderr)


def _write(stem: Path, video: Video, masks, predicted, metadata, name: str) -> None:
    def pictures():
        for index, labels in tqdm(predicted, desc=name, total=len(masks), unit="frame"):
            masks[index] = labels
            yield beside_input(
                video.frames[index],
                labels,
                classes=metadata.classes,
                colors=metadata.colors,
                caption=f"frame {index}",
            )

    write_mp4(stem.with_name(f"{stem.name}.mp4"), pictures(), fps=video.fps or 20)
    write_masks(
        stem.with_name(f"{stem.name}_masks.nii.gz"),
        masks,
        spacing_mm=video.spacing_mm,
        affine=video.affine,
    )


def _geometry(video: Video, input_size: tuple[int, int], *, crop: bool, name: str) -> Geometry:
    box, note = box_of_clip(video, crop=crop)
    if note:
        print(f"{name}: {note}", file=sys.stderr)
    return Geometry(video.frames.shape[1:3], box, input_size, video.spacing_mm)


if __name__ == "__main__":
    sys.exit(main())
