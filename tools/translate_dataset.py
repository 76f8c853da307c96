r"""Translate datasets or a folder by a trained CycleGAN, or measure how good translations are.

    python tools/translate_dataset.py --run output/cyclegan --dataset phantom_apical_train \
        phantom_apical_val --output datasets/translated
    python tools/translate_dataset.py --run output/cyclegan --dataset phantom_apical_val \
        --compare camus_4ch_val --encoder efficientnet_lite0=imagenet
    python tools/translate_dataset.py --run output/cyclegan --dataset low --output better \
        --compare high --encoder efficientnet_lite0=imagenet

The first command writes a dataset with the masks of the original one: translated_train and
translated_val, named by the folder and the last word of each --dataset. Any config trains on it:
dataset=translated. --style b (default) is the style of dataloader.train.other.

The second command prints scores of at most --videos videos or images, and writes them into the
run's folder (eval/DATASET/translation.json, for tools/pretraining_tables.py): the Frechet distance
to the frames of --compare, of the original frames and of the translated ones; and SSIM and PSNR
between a frame and its translation back, which show how much of the content is still there.
Distances depend on the encoder and on the number of frames, so only those of one command can be
compared.

--dataset and --compare may also be folders of images, as in the third command. Then the new folder
has the translated images as PNG, with their names and sizes.
"""

import argparse
import json
import sys
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from lgrseg.comm.processes import show_bars
from lgrseg.config import load_config
from lgrseg.data.catalog import DatasetCatalog
from lgrseg.data.frame_sources import frames_of
from lgrseg.evaluation.metrics.frechet import frechet_distance
from lgrseg.failures import describe_error
from lgrseg.inference.restyling import (
    hash_of,
    model_frames,
    write_restyled,
    write_restyled_images,
)
from lgrseg.inference.run_files import run_files
from lgrseg.layers.clip_batch import ImageNormalizer
from lgrseg.layers.image_similarity import psnr, ssim
from lgrseg.modeling import build_model
from lgrseg.modeling.foundation import Encoder, build_encoder
from lgrseg.modeling.generation.cycle_gan import CycleGAN, as_input, as_shown

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def main() -> int:
    """Run the command line."""
    arguments = parsed()
    try:
        config, checkpoint = run_files(arguments.run, arguments.weights)
        model = build_model(load_config(config), weights=checkpoint, device="cpu")
        if not isinstance(model, CycleGAN):
            raise ValueError(f"{arguments.run} is a {type(model).__name__}, not a CycleGAN")
        model.eval()
        if arguments.output:
            written = translated(
                model, arguments, facts={"restyled_by_weights": hash_of(checkpoint)}
            )
            print(f"{arguments.output}: {written}")
        if arguments.compare:
            found = scores(model, arguments)
            text = json.dumps(found, indent=1)
            print(text)
            name = "_".join(Path(name).name for name in arguments.dataset)
            folder = arguments.run / "eval" / name
            folder.mkdir(parents=True, exist_ok=True)
            facts = {"task": "generation", "dataset": name, "compared_with": arguments.compare}
            facts["encoder"] = arguments.encoder
            content = json.dumps(facts | found, indent=1) + "\n"
            (folder / "translation.json").write_text(content, encoding="utf-8")
    except (KeyError, OSError, ValueError) as error:
        print(f"error: {describe_error(error)}", file=sys.stderr)
        return 1
    return 0


def parsed() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", required=True, type=Path, help="folder of a run of a CycleGAN")
    parser.add_argument("--weights", help="last, or a file of the run (default: last)")
    parser.add_argument(
        "--dataset", required=True, nargs="+", help="datasets, or a folder of images"
    )
    parser.add_argument("--style", choices=("a", "b"), default="b", help="style of the result")
    parser.add_argument("--output", type=Path, help="folder of the new dataset or images")
    parser.add_argument(
        "--compare", help="dataset or folder of the style of the result, for scores"
    )
    parser.add_argument("--encoder", help="NAME=FILE of the encoder for the Frechet distance")
    parser.add_argument("--videos", type=int, default=100, help="largest number for scores")
    arguments = parser.parse_args()
    if not (arguments.output or arguments.compare):
        parser.error("give --output to write a dataset, --compare to measure, or both")
    if arguments.compare and not arguments.encoder:
        parser.error("--compare needs --encoder NAME=FILE, such as efficientnet_lite0=imagenet")
    if arguments.videos < 1:
        parser.error("--videos must be 1 or more")
    return arguments


def translated(model: CycleGAN, arguments: argparse.Namespace, *, facts: dict[str, str]) -> str:
    """Write the translations, and say how many there are.

    Args:
        model: model in evaluation mode.
        arguments: `--dataset`, `--output` and `--style`.
        facts: entries that are added to meta.json of every video.

    Raises:
        ValueError: a folder of images is given with other sources, or see `write_restyled`.
    """
    sources, output, style = arguments.dataset, arguments.output, arguments.style
    if folders := [name for name in sources if is_folder(name)]:
        if len(sources) > 1:
            raise ValueError(f"{folders[0]} is a folder of images: translate it alone")
        written, unit = write_restyled_images(model, Path(folders[0]), output, style=style), "image"
        total = len(frames_of(folders[0]))
    else:
        parts = {name: DatasetCatalog.get(name) for name in sources}
        written, unit = write_restyled(model, parts, output, style=style, facts=facts), "video"
        total = sum(map(len, parts.values()))
    for _ in tqdm(written, total=total, unit=unit, disable=not show_bars()):
        pass
    return f"{total} {unit}s"


def is_folder(source: str) -> bool:
    """True for the path of a folder; a dataset of the catalog comes first, as in training."""
    return source not in DatasetCatalog and Path(source).is_dir()


def frames_for_scores(model: CycleGAN, sources: list[str], most: int) -> Tensor:
    """Frames (N, C, height, width), 0 to 1, of the first videos or images, as the model sees them.

    Args:
        model: model whose size and channels the frames get.
        sources: names of datasets, or folders of images.
        most: largest number of videos or images.
    """
    clips = [
        list(frames)
        for source in sources
        for _, frames in groupby(frames_of(source), key=attrgetter("name"))
    ]
    frames = [
        model_frames([frame.read() for frame in clip], model.image_size) for clip in clips[:most]
    ]
    return torch.cat([as_shown(as_input(each, model.channels)) for each in frames])


@torch.no_grad()
def scores(model: CycleGAN, arguments: argparse.Namespace) -> dict[str, float]:
    """Measure translations of the first videos or images, each at the size of the model.

    Args:
        model: model in evaluation mode.
        arguments: `--dataset`, `--style`, `--compare`, `--encoder` and `--videos`.
    """
    name, _, weights = arguments.encoder.partition("=")
    encoder = build_encoder(name, weights=weights or None).eval()
    if not weights:
        print(f"{name} has random weights: its distances mean nothing", file=sys.stderr)
    before, real = (
        frames_for_scores(model, sources, arguments.videos)
        for sources in (arguments.dataset, [arguments.compare])
    )
    after = torch.cat([model.restyled(frame[None], style=arguments.style) for frame in before])
    other = "a" if arguments.style == "b" else "b"
    back = torch.cat([model.restyled(frame[None], style=other) for frame in after])
    of_real = tokens(encoder, real)
    return {
        "frames": len(before),
        "frames_compared_with": len(real),
        "frechet_original": frechet_distance(tokens(encoder, before), of_real),
        "frechet_translated": frechet_distance(tokens(encoder, after), of_real),
        "ssim_back": float(ssim(back, before).mean()),
        "psnr_back": float(psnr(back, before).mean()),
        "ssim_translated": float(ssim(after, before).mean()),
    }


def tokens(encoder: Encoder, frames: Tensor) -> Tensor:
    """Global tokens (N, D) of grey or RGB frames, 0 to 1."""
    normalise = ImageNormalizer(mean=MEAN, std=STD, divisor=1)
    images = normalise(frames.expand(-1, 3, -1, -1)[:, None])[:, 0]
    return torch.cat([encoder.forward_token(image[None]) for image in images])


if __name__ == "__main__":
    sys.exit(main())
