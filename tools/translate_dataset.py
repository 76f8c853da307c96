r"""Translate a prepared dataset by a trained CycleGAN, or measure how good its translations are.

    python tools/translate_dataset.py --run output/cyclegan --dataset phantom_apical_train \
        phantom_apical_val --output datasets/translated
    python tools/translate_dataset.py --run output/cyclegan --dataset phantom_apical_val \
        --compare camus_4ch_val --encoder efficientnet_lite0=imagenet

The first command writes a dataset with the masks of the original one: translated_train and
translated_val, named by the folder and the last word of each --dataset. Any config trains on it:
dataset=translated. --style b (default) is the style of dataloader.train.other.

The second command prints scores of at most --videos videos, and writes them into the run's folder
(eval/DATASET/translation.json, for tools/pretraining_tables.py): the Frechet distance to the frames
of --compare, of the original frames and of the translated ones; and SSIM and PSNR between a frame
and its translation back, which show how much of the content is still there. Distances depend on the
encoder and on the number of frames, so only those of one command can be compared.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from lgrseg.comm.processes import show_bars
from lgrseg.config import load_config
from lgrseg.data.catalog import DatasetCatalog
from lgrseg.data.record import VideoRecord
from lgrseg.evaluation.metrics.frechet import frechet_distance
from lgrseg.failures import describe_error
from lgrseg.inference.restyling import hash_of, model_frames, write_restyled
from lgrseg.inference.run_files import run_files
from lgrseg.layers.clip_batch import ImageNormalizer
from lgrseg.layers.image_similarity import psnr, ssim
from lgrseg.modeling import build_model
from lgrseg.modeling.foundation import Encoder, build_encoder
from lgrseg.modeling.generation.cycle_gan import CycleGAN, as_input

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
        parts = {name: DatasetCatalog.get(name) for name in arguments.dataset}
        if arguments.output:
            facts = {"restyled_by_weights": hash_of(checkpoint)}
            written = write_restyled(
                model, parts, arguments.output, style=arguments.style, facts=facts
            )
            total = sum(map(len, parts.values()))
            for _ in tqdm(written, total=total, unit="video", disable=not show_bars()):
                pass
            print(f"{arguments.output}: {total} videos")
        if arguments.compare:
            originals = [record for records in parts.values() for record in records]
            found = scores(model, originals, arguments)
            text = json.dumps(found, indent=1)
            print(text)
            name = "_".join(arguments.dataset)
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
    parser.add_argument("--dataset", required=True, nargs="+", help="datasets to translate")
    parser.add_argument("--style", choices=("a", "b"), default="b", help="style of the result")
    parser.add_argument("--output", type=Path, help="folder of the new dataset")
    parser.add_argument("--compare", help="dataset of the style of the result, for scores")
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


@torch.no_grad()
def scores(
    model: CycleGAN, originals: list[VideoRecord], arguments: argparse.Namespace
) -> dict[str, float]:
    """Measure translations of the first videos, each at the size of the model.

    Args:
        model: model in evaluation mode.
        originals: videos to translate.
        arguments: `--style`, `--compare`, `--encoder` and `--videos`.
    """
    name, _, weights = arguments.encoder.partition("=")
    encoder = build_encoder(name, weights=weights or None).eval()
    if not weights:
        print(f"{name} has random weights: its distances mean nothing", file=sys.stderr)
    wanted = DatasetCatalog.get(arguments.compare)
    before, real = (
        torch.cat([model_frames(record, model.image_size) for record in some[: arguments.videos]])
        for some in (originals, wanted)
    )
    before = (as_input(before, model.channels) + 1) / 2
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
