r"""Export a model for other runtimes: torch.export, and ONNX; each is compared with the original.

    python tools/export_model.py --output output/exported
    python tools/export_model.py --run output/demo --input clip.mp4 --onnx --output output/exported

Writes model.pt2 (torch.export.load(FILE).module()), with --onnx also model.onnx (needs pip install
"lgrseg[onnx]"), and model.json: classes, input size, differences and times.

The model takes frames (T, 3, H, W) float32, 0 to 1, cropped to the fan and resized, and gives
mask_logits (K, T, h, w), class_probs (K,) and present (K,). The number of frames, and the size (H
and W, multiples of 32 from 64 to 1024), are free if the code of the model allows it; otherwise they
are those of the example, and a warning and model.json give the reason. The comparison uses frames
of --input, or of a simulated heart, with other numbers and sizes where these are free. An export
that differs by more than 0.001 of the largest value is an error, and is not written. --precisions
adds the times of the original with bfloat16 and int8 numbers, and the Dice of their masks with the
usual ones.
"""

import argparse
import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from lgrseg.data.io import read_video
from lgrseg.data.mappers.clips import resize_frames, to_tensor
from lgrseg.data.prepare.fan_crop import find_fan
from lgrseg.inference import Predictor
from lgrseg.inference import exporting as ex
from lgrseg.inference.precisions import compare_precisions
from lgrseg.inference.pretrained import pretrained_run

ONNX = ("onnx", "onnxscript", "onnxruntime")
"""Packages of --onnx."""
OTHER_SIZES = ((192, 320), (352, 224))
"""Sizes (H, W) that are compared too, if the size is free."""


def main() -> int:
    """Run the command line."""
    arguments = parse_arguments()
    try:
        export(arguments)
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, help="folder of a run (default: the model of lgrseg)")
    parser.add_argument("--weights", help="best, last, or a file (default: best if there is one)")
    parser.add_argument("--output", type=Path, required=True, help="folder of the files")
    parser.add_argument("--input", type=Path, metavar="CLIP", help="clip for the comparison")
    parser.add_argument("--frames", type=int, default=4, help="frames of the example (default: 4)")
    parser.add_argument("--onnx", action="store_true", help="write ONNX too")
    parser.add_argument(
        "--precisions", action="store_true", help="also time bfloat16 and int8 (not exported)"
    )
    arguments = parser.parse_args()
    if arguments.frames < 2:
        parser.error("--frames must be 2 or more: one frame cannot show that the number is free")
    return arguments


def export(arguments: argparse.Namespace) -> None:
    """Export, compare and describe a model.

    Raises:
        ValueError: the model cannot be exported, or the export differs from it.
        ImportError: a package for ONNX is missing.
    """
    if missing := [name for name in ONNX if arguments.onnx and find_spec(name) is None]:
        raise ImportError(f"--onnx needs {', '.join(missing)}: pip install 'lgrseg[onnx]'")
    run = arguments.run or pretrained_run()
    member = Predictor.from_run(run, weights=arguments.weights, device="cpu").members[0]
    model = ex.FramesModel(member.model)
    frames = example_frames(arguments.input, tuple(member.mapper.input_size))
    example = frames[: arguments.frames]
    exported = ex.export_program(model, example)
    for axis, reason in (
        ("number of frames", exported.why_fixed),
        ("size", exported.why_fixed_size),
    ):
        if reason:
            print(f"warning: the {axis} is fixed, that of the example: {reason}", file=sys.stderr)
    others = [frames, frames[:1]] if exported.is_free else []
    if exported.has_free_size:
        count = len(example) - 1 if exported.is_free else len(example)
        others += [example_frames(arguments.input, size)[:count] for size in OTHER_SIZES]
    facts = {
        "run": str(run),
        "classes": list(member.metadata.classes),
        "input": ["frames", 3, *member.mapper.input_size],
        "free_number_of_frames": exported.is_free,
        "why_fixed": exported.why_fixed,
        "free_size": exported.has_free_size,
        "why_fixed_size": exported.why_fixed_size,
        "compared_with": str(arguments.input or "a simulated heart"),
        "eager_ms": round(1000 * ex.seconds_of(model, example), 1),
    }
    file = arguments.output / "model.pt2"
    runner = exported.program.module()
    facts["pt2"] = compare(model, runner, [example, *others])
    ex.save_program(exported, file)
    if arguments.onnx:
        file = arguments.output / "model.onnx"
        ex.save_onnx(exported, file)
        try:
            facts["onnx"] = compare(model, ex.onnx_runner(file), [example, *others])
        except ValueError:
            file.unlink()
            raise
    if arguments.precisions:
        facts["precisions"] = compare_precisions(model, example)
    text = json.dumps(facts, indent=1)
    (arguments.output / "model.json").write_text(text + "\n", encoding="utf-8")
    print(text)


def example_frames(clip: Path | None, size: tuple[int, int]) -> torch.Tensor:
    """Up to eight frames (T, 3, H, W) of a clip, cropped to its fan and resized.

    Raises:
        ValueError: the clip has fewer than two frames, or cannot be read.
    """
    if clip is None:
        from lgrseg.data.phantom.heart import Heart
        from lgrseg.data.phantom.scan import Scan, Scanner

        pictures = list(Scan(Heart(), Scanner(), 8, seed=0).frames())
    else:
        video = read_video(clip)
        if len(video.frames) < 2:
            raise ValueError(f"{clip} has one frame; an export needs two or more")
        top, left, bottom, right = find_fan(video.frames).box
        last = min(8, len(video.frames))
        pictures = [np.asarray(video.frames[n])[top:bottom, left:right] for n in range(last)]
    frames = to_tensor(resize_frames(pictures, size))
    return frames.expand(-1, 3, -1, -1).contiguous()


def compare(model, runner, examples: list[torch.Tensor]) -> dict:
    """Largest difference to the original over several windows, and the time of the first.

    Raises:
        ValueError: the difference is too large.
    """
    worst = max(ex.difference(model, runner, frames) for frames in examples)
    if not worst <= ex.TOLERANCE:
        raise ValueError(f"the export differs from the model by {worst:g} of the largest value")
    seconds = ex.seconds_of(runner, examples[0])
    return {"difference": worst, "ms": round(1000 * seconds, 1)}


if __name__ == "__main__":
    sys.exit(main())
