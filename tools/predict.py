r"""Segment clips that have no labels: masks as NIfTI, and a video with the outlines.

    python tools/predict.py --config-file output/demo/config.yaml \\
        --weights output/demo/checkpoints/last.safetensors --input CLIP --output output/predictions

    python tools/predict.py --config-file output/box_sam2/config.yaml --weights ... --input CLIP \\
        --output output/predictions --box 0,120,40,310,290,left_ventricle

CLIP is a .nii.gz, .nii, .mhd, .mha, .dcm, .mp4 or .avi file, a folder of images, or a folder of
such clips, which is searched with the folders within it; what is not taken is listed. Results keep
the folders of the input. NAME_masks.nii.gz has the axes (x, y, t), and lies over NIfTI, MetaImage
and DICOM input in a viewer (some show DICOM whose spacing stands in ultrasound regions at 1 mm a
pixel; the masks have the true one). NAME_overlay.mp4 shows clip and masks side by side.

Nothing is replaced that this tool did not write. Masks that were made with the same weights and
settings of the same clip are kept, so that the same command goes on where it was stopped;
--skip-existing keeps all that are there, --overwrite makes them anew.

A BOX-SAM2 follows boxes: by hand (--box frame,x0,y0,x1,y1,class, in pixels of the clip, frames from
0; --boxes FILE.json), or those of a run that predicts them (--boxes-from-model RUN).

Exit status: 0 where every clip has masks, also where some are doubtful; 1 where a clip failed, or
nothing could begin.
"""

import argparse
import sys
from pathlib import Path

from lgrseg.config import load_asked_config
from lgrseg.config.targets import add_import_options
from lgrseg.data.prepare.clip_files import find_clips
from lgrseg.inference import Existing, Predictor, predict_clips
from lgrseg.inference.frozen_run import FrozenRun
from lgrseg.modeling.sam2.box_sam2 import BoxSam2
from lgrseg.structures.box_prompts import parse_box, read_boxes


def main() -> int:
    """Run the command line."""
    arguments = parse_arguments()
    try:
        cfg = load_asked_config(arguments)
        found = find_clips(arguments.input, output=arguments.output)
        predictor = Predictor(
            cfg=cfg,
            weights=arguments.weights,
            crop=not arguments.no_crop,
            existing=arguments.existing,
        )
        take_boxes(predictor, arguments)
    except (KeyError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for line in found.describe_left_out():
        print(f"not taken: {line}", file=sys.stderr)
    summary = predict_clips(predictor, found, arguments.output)
    details, last = summary.describe(arguments.output)
    for line in details:
        print(line, file=sys.stderr)
    print(last)
    return summary.exit_status


def parse_arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True)
    parser.add_argument("--weights", required=True, type=Path)
    parser.add_argument("--input", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--no-crop", action="store_true", help="use whole frames, not the fan")
    existing = parser.add_mutually_exclusive_group()
    existing.set_defaults(existing=Existing.KEEP_SAME)
    for option, what in (("--skip-existing", Existing.KEEP), ("--overwrite", Existing.REPLACE)):
        existing.add_argument(
            option,
            dest="existing",
            action="store_const",
            const=what,
            help=f"results that are there already: {what.value}",
        )
    parser.add_argument("--box", action="append", default=[], metavar="frame,x0,y0,x1,y1,class")
    parser.add_argument("--boxes", type=Path, help='[{"frame": 0, "box": [...], "class": NAME}]')
    parser.add_argument("--boxes-from-model", metavar="RUN", help="folder of a run with a box head")
    add_import_options(parser)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    return parser.parse_args()


def take_boxes(predictor: Predictor, arguments: argparse.Namespace) -> None:
    """Give a BOX-SAM2 the boxes of the command line, or the run that finds them.

    Raises:
        ValueError: the model takes no boxes, one cannot be read, or there are none to start from.
    """
    by_hand, model = arguments.box or arguments.boxes, predictor.model
    asked = by_hand or arguments.boxes_from_model
    if not isinstance(model, BoxSam2):
        if asked:
            raise ValueError(
                f"{arguments.config_file} is of a {type(model).__name__}, which takes no boxes; "
                "take the config of a BOX-SAM2"
            )
        return
    if arguments.boxes_from_model:
        if by_hand:
            raise ValueError("boxes come by hand or from a model, not both")
        model.box_model = FrozenRun(run=arguments.boxes_from_model)
    classes = predictor.metadata.classes
    if isinstance(model.box_model, FrozenRun) and model.box_model.classes != classes:
        theirs = ", ".join(model.box_model.classes)
        raise ValueError(f"the boxes are of {theirs}, the masks {', '.join(classes)}")
    if by_hand:
        boxes = [parse_box(text, classes) for text in arguments.box]
        boxes += read_boxes(arguments.boxes, classes) if arguments.boxes else []
        predictor.take_boxes(boxes, made_with=[repr(boxes)])
    elif isinstance(model.box_model, FrozenRun):
        predictor.take_boxes(
            None, made_with=[model.box_model.run / "checkpoints" / "last.safetensors"]
        )
    elif model.box_model is None:
        raise ValueError(
            "there is no box to start from: give boxes, with --box, --boxes or --boxes-from-model"
        )


if __name__ == "__main__":
    sys.exit(main())
