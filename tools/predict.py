r"""Segment and measure clips without labels, with lgrseg.Predictor.

    python tools/predict.py CLIP
    python tools/predict.py --run output/demo --input CLIP --output output/predictions

    python tools/predict.py --config-file output/demo/config.yaml \\
        --weights output/demo/checkpoints/last.safetensors --input CLIP --output output/predictions

    python tools/predict.py --ensemble output/fold_0 output/fold_1 --tta --input CLIP \\
        --output output/predictions

    python tools/predict.py --ensemble output/mine_folds/fold* --input CLIP \\
        --postprocessing output/mine_folds/cross_validation.json

    python tools/predict.py --run output/box_sam2 --input CLIP --output output/predictions \\
        --box 0,120,40,310,290,left_ventricle

Without a run or a config, the model is the one that comes with lgrseg: apical four-chamber views,
trained on simulated hearts only, for research.

CLIP is a .nii.gz, .nii, .mhd, .mha, .dcm, .mp4 or .avi file, a folder of images, or a folder of
such clips, which is searched with all its subfolders. Files that are not used are listed. Results
are written to the same subfolders of the output:

    NAME_masks.nii.gz        masks with the axes (x, y, t). Viewers can show them over NIfTI,
                             MetaImage and DICOM input. (If the spacing of a DICOM file is in its
                             ultrasound regions, some viewers assume 1 mm per pixel for the clip;
                             the masks have the correct spacing.)
    NAME_overlay.mp4         clip and masks side by side
    NAME_measurements.json   areas in every frame, frames of end-diastole and end-systole, volumes
                             and ejection fraction of every beat, doubts and notes
    NAME_preview.png         end-diastole and end-systole
    measurements.csv         one line for every clip
    NAME_seg.dcm             with --dicom-seg, for DICOM input: the masks as a DICOM segmentation,
                             which belongs to the study of the clip
    NAME_sr.dcm              with --dicom-sr VIEW, for DICOM input: volumes and ejection fraction as
                             a DICOM structured report of the same study

If the spacing is known, from the file or from --spacing-mm, areas are in mm2, and there are
volumes. Otherwise areas are in pixels.

Files that this tool did not write are never replaced. Masks of the same clip with the same weights
and settings are kept, so the same command continues where it was stopped. --skip-existing keeps
all existing masks, --overwrite replaces them.

A BOX-SAM2 needs boxes. They are given by hand (--box frame,x0,y0,x1,y1,class, in pixels of the
clip, frames from 0; or --boxes FILE.json), or predicted by another run (--boxes-from-model RUN).
The weights of a run are its best checkpoint, or its last one if there is no best.

Exit status: 0 if every clip has masks, also if some are doubtful; 1 if a clip failed, or if there
was an error before the first clip.
"""

import argparse
import sys
from pathlib import Path

from lgrseg.config import load_asked_config
from lgrseg.config.targets import add_import_options
from lgrseg.data.prepare.clip_files import find_clips
from lgrseg.failures import message_of
from lgrseg.inference import Existing, FilePredictor, Predictor, predict_clips
from lgrseg.inference.members import Member
from lgrseg.inference.postprocessing import Postprocessing
from lgrseg.inference.pretrained import notes_of, pretrained_run
from lgrseg.inference.run_files import run_files
from lgrseg.structures.box_prompts import BoxPrompt, parse_box, read_boxes


def main() -> int:
    """Run the command line."""
    arguments = parse_arguments()
    try:
        found = find_clips(arguments.input, output=arguments.output)
        predictor = load_predictor(arguments)
        segment = FilePredictor(
            predictor,
            existing=arguments.existing,
            spacing_mm=arguments.spacing_mm,
            boxes=boxes_by_hand(arguments, predictor.metadata.classes),
            dicom_seg=arguments.dicom_seg,
            dicom_sr=arguments.dicom_sr,
        )
        for line in found.describe_left_out():
            print(f"not used: {line}", file=sys.stderr)
        summary = predict_clips(segment, found, arguments.output)
    except (KeyError, OSError, ValueError) as error:
        print(f"error: {message_of(error)}", file=sys.stderr)
        return 1
    details, last = summary.describe(arguments.output)
    for line in details:
        print(line, file=sys.stderr)
    print(last)
    return summary.exit_status


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model_options(parser)
    parser.add_argument("--input", type=Path, help="CLIP, see above")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("output/predictions"),
        help="folder of the results (default: output/predictions)",
    )
    add_result_options(parser)
    parser.add_argument("--box", action="append", default=[], metavar="frame,x0,y0,x1,y1,class")
    parser.add_argument("--boxes", type=Path, help='[{"frame": 0, "box": [...], "class": NAME}]')
    parser.add_argument("--boxes-from-model", metavar="RUN", help="folder of a run with a box head")
    add_import_options(parser)
    parser.add_argument("words", nargs="*", metavar="CLIP | key=value")
    arguments = parser.parse_intermixed_args()
    clips = [Path(word) for word in arguments.words if "=" not in word or Path(word).exists()]
    arguments.overrides = [word for word in arguments.words if Path(word) not in clips]
    if len(clips) + (arguments.input is not None) != 1:
        parser.error("name one clip, or one folder of clips")
    arguments.input = arguments.input or clips[0]
    if arguments.config_file and not arguments.weights:
        parser.error("--config-file needs --weights FILE; --run RUN finds both")
    if arguments.weights and not (arguments.run or arguments.ensemble or arguments.config_file):
        parser.error("--weights needs --run, --ensemble or --config-file")
    return arguments


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Options that choose the models, and how their masks are combined."""
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--run", type=Path, help="folder of a run with its config and weights")
    model.add_argument(
        "--ensemble",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="folders of several runs, such as folds; their class probabilities are averaged",
    )
    model.add_argument("--config-file", help="a config; needs --weights")
    parser.add_argument("--weights", help="a file; for runs also best or last")
    parser.add_argument(
        "--tta",
        action="store_true",
        help="test-time augmentation: the mean over five views of a clip (rotated by 5 degrees and "
        "made smaller, brighter, darker), which takes five times as long",
    )
    parser.add_argument(
        "--postprocessing",
        type=Path,
        metavar="FILE",
        help="cross_validation.json of tools/cross_validate.py --choose-postprocessing, whose "
        "choice is used",
    )


def add_result_options(parser: argparse.ArgumentParser) -> None:
    """Options of how clips are read, and which results are written."""
    parser.add_argument("--no-crop", action="store_true", help="use whole frames, not the fan")
    parser.add_argument(
        "--spacing-mm",
        type=float,
        nargs=2,
        metavar=("ROW", "COLUMN"),
        help="millimetres between rows and between columns, instead of the spacing in the files",
    )
    parser.add_argument(
        "--dicom-seg",
        action="store_true",
        help="write the masks also as DICOM segmentations; every clip must be a DICOM file",
    )
    parser.add_argument(
        "--dicom-sr",
        choices=("A4C", "A2C", "unknown"),
        help="write volumes and ejection fraction also as DICOM structured reports of this view",
    )
    existing = parser.add_mutually_exclusive_group()
    existing.set_defaults(existing=Existing.KEEP_SAME)
    for option, what in (("--skip-existing", Existing.KEEP), ("--overwrite", Existing.REPLACE)):
        existing.add_argument(
            option,
            dest="existing",
            action="store_const",
            const=what,
            help=f"results that exist already: {what.value}",
        )


def load_predictor(arguments: argparse.Namespace) -> Predictor:
    """Load the models, and the run that predicts their boxes.

    Raises:
        ValueError: there are boxes by hand and from a model.
    """
    if not (arguments.run or arguments.ensemble or arguments.config_file):
        arguments.run = pretrained_run()
    if runs := arguments.ensemble or ([arguments.run] if arguments.run else []):
        named_files = [(str(run), *run_files(run, arguments.weights)) for run in runs]
    else:
        named_files = [("", arguments.config_file, Path(arguments.weights))]
    members = []
    for name, arguments.config_file, weights in named_files:
        cfg = load_asked_config(arguments)
        members.append(Member.load(cfg, weights, name=name, tta=arguments.tta))
    file = arguments.postprocessing
    predictor = Predictor(
        members=members,
        crop=not arguments.no_crop,
        progress=True,
        postprocessing=Postprocessing.read(file) if file else Postprocessing(),
    )
    predictor.notes += notes_of(runs)
    if arguments.boxes_from_model:
        if arguments.box or arguments.boxes:
            raise ValueError("give boxes by hand or from a model, not both")
        predictor.find_boxes_with(arguments.boxes_from_model)
    return predictor


def boxes_by_hand(
    arguments: argparse.Namespace, classes: tuple[str, ...]
) -> list[BoxPrompt] | None:
    """Read the boxes of --box and --boxes; None if there are none.

    Raises:
        ValueError: a box cannot be read.
    """
    if not (arguments.box or arguments.boxes):
        return None
    boxes = [parse_box(text, classes) for text in arguments.box]
    return boxes + (read_boxes(arguments.boxes, classes) if arguments.boxes else [])


if __name__ == "__main__":
    sys.exit(main())
