r"""Enhance images by a trained enhancer, and measure them against good images of the same scenes.

    python tools/enhance_images.py --run output/enhance --input pairs/val/low \
        --output output/enhanced --target pairs/val/high

Every image of --input is written to --output as PNG, at its size and with its name. With --target,
a folder of good images with equal names, PSNR in dB and SSIM of the poor and of the enhanced images
are printed and written to --output/scores.json. Images are grey if the model is.
"""

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor
from tqdm import tqdm

from lgrseg.comm.processes import show_bars
from lgrseg.config import load_config
from lgrseg.data.frame_sources import Frame
from lgrseg.data.mappers.clips import to_tensor
from lgrseg.data.paired import frames_by_name, paired
from lgrseg.failures import describe_error
from lgrseg.inference.run_files import run_files
from lgrseg.layers.image_similarity import LARGEST_PSNR, psnr, ssim
from lgrseg.modeling import build_model
from lgrseg.modeling.generation.enhancer import Enhancer


def main() -> int:
    """Run the command line."""
    arguments = parsed()
    try:
        config, checkpoint = run_files(arguments.run, arguments.weights)
        model = build_model(load_config(config), weights=checkpoint, device="cpu")
        if not isinstance(model, Enhancer):
            raise ValueError(f"{arguments.run} is a {type(model).__name__}, not an Enhancer")
        for folder in filter(None, (arguments.input, arguments.target)):
            if not folder.is_dir():
                raise NotADirectoryError(f"{folder} is no folder of images")
        pairs: list[tuple[Frame, Frame | None]]
        if arguments.target:
            pairs = [*paired(str(arguments.input), str(arguments.target))]
        else:
            pairs = [(frame, None) for frame in frames_by_name(str(arguments.input)).values()]
        arguments.output.mkdir(parents=True, exist_ok=True)
        if any(arguments.output.iterdir()):
            raise ValueError(f"{arguments.output} is not empty: choose a new folder")
        rows = enhance(model.eval(), pairs, arguments.output)
        if rows:
            scores = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
            text = json.dumps({"images": len(rows)} | scores, indent=1)
            (arguments.output / "scores.json").write_text(text + "\n", encoding="utf-8")
            print(text)
    except (KeyError, OSError, ValueError) as error:
        print(f"error: {describe_error(error)}", file=sys.stderr)
        return 1
    return 0


def parsed() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", required=True, type=Path, help="folder of a run of an enhancer")
    parser.add_argument("--weights", help="last, or a file of the run (default: last)")
    parser.add_argument("--input", required=True, type=Path, help="folder of images")
    parser.add_argument("--output", required=True, type=Path, help="new folder")
    parser.add_argument("--target", type=Path, help="folder of good images with equal names")
    return parser.parse_args()


def enhance(
    model: Enhancer, pairs: list[tuple[Frame, Frame | None]], output: Path
) -> list[dict[str, float]]:
    """Write the enhanced images, and return the scores of each one that has a good partner."""
    rows = []
    for poor, good in tqdm(pairs, unit="image", disable=not show_bars()):
        frames = frames_tensor(poor, model.channels)
        better = model.enhanced(frames)
        if good is not None:
            wanted = frames_tensor(good, model.channels)
            if wanted.shape != frames.shape:
                raise ValueError(
                    f"{poor.name} has {tuple(frames.shape[-2:])} px, and {good.name} "
                    f"{tuple(wanted.shape[-2:])} px: both must show the same scene at one size"
                )
            rows.append(scores_of(frames, better, wanted))
        picture = (255 * better[0]).round().byte().permute(1, 2, 0).numpy()
        file = output / f"{Path(poor.name).stem}.png"
        if not cv2.imwrite(str(file), picture[..., ::-1]):
            raise OSError(f"{file} could not be written")
    return rows


def frames_tensor(frame: Frame, channels: int) -> Tensor:
    """(1, channels, H, W), 0 to 1, of a grey or colour image."""
    picture = frame.read()
    picture = picture[..., None] if picture.ndim == 2 else picture
    images = to_tensor(picture[None].astype(np.float32) / 255)
    return images.mean(dim=1, keepdim=True) if channels == 1 else images.expand(-1, 3, -1, -1)


def scores_of(poor: Tensor, better: Tensor, good: Tensor) -> dict[str, float]:
    """PSNR and SSIM of one image, before and after."""
    return {
        "psnr_input": float(psnr(poor, good).clamp(max=LARGEST_PSNR)),
        "psnr": float(psnr(better, good).clamp(max=LARGEST_PSNR)),
        "ssim_input": float(ssim(poor, good)),
        "ssim": float(ssim(better, good)),
    }


if __name__ == "__main__":
    sys.exit(main())
