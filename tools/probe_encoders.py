r"""Compare frozen encoders by probes of their feature maps, one row for each.

    python tools/probe_encoders.py --encoders vfm4us_resnet18 efficientnet_lite0=imagenet \
        --train camus_4ch_train --test camus_4ch_val --output output/probes

An encoder is NAME (random weights) or NAME=FILE, as for tools/compare_backbones.py. The table
begins with a control that knows only the position in the frame. Random ones are
drawn once for each seed, and the table has the mean and the standard deviation. The probes are
those of lgrseg/evaluation/probing.py: nothing of an encoder is trained, and the labels are those of
the first videos of the training set. The table is printed, and written to probes.md and
probes.json, with a picture of the features of each row.
"""

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from lgrseg.engine.probing import feature_picture, frozen_maps
from lgrseg.evaluation.probing import PatchProbe, position_maps
from lgrseg.evaluation.results import plain
from lgrseg.failures import describe_error
from lgrseg.layers.clip_batch import ImageNormalizer
from lgrseg.modeling.foundation import build_encoder
from lgrseg.studies.comparison.rows import Row, parse_rows

COLUMNS = ("linear_dice", "knn_dice", "effective_rank")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def main() -> int:
    """Run the command line."""
    arguments = parsed()
    try:
        rows = parse_rows(arguments.encoders)
        if whole := [row.name for row in rows if row.encoder is None]:
            raise ValueError(f"{whole[0]} is a whole config; only encoders can be probed")
        probe = PatchProbe(
            train=arguments.train,
            test=arguments.test,
            size=(arguments.size, arguments.size),
            num_videos=arguments.videos,
        )
        arguments.output.mkdir(parents=True, exist_ok=True)
        scores = {"position only": [probe(position_maps).scores]}
        for row in rows:
            scores[row.name] = probed(row, probe, arguments)
            dice = np.mean([result["linear_dice"] for result in scores[row.name]])
            print(f"{row.name}: linear_dice {dice:.3f}", flush=True)
    except (KeyError, OSError, ValueError) as error:
        print(f"error: {describe_error(error)}", file=sys.stderr)
        return 1
    text = table(scores, list(arguments.seeds))
    (arguments.output / "probes.json").write_text(json.dumps(plain(scores), indent=1))
    (arguments.output / "probes.md").write_text(text)
    print(text)
    return 0


def parsed() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoders", nargs="+", required=True, help="NAME or NAME=FILE")
    parser.add_argument("--train", required=True, help="dataset that fits the probes")
    parser.add_argument("--test", required=True, help="dataset that scores them")
    parser.add_argument(
        "--size",
        type=int,
        default=64,
        help="side of the frames in pixels, a multiple of all strides; 70 for patches of 14",
    )
    parser.add_argument("--videos", type=int, default=40, help="largest number of each dataset")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of random encoders")
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    arguments = parser.parse_args()
    if arguments.size < 1:
        parser.error("--size must be 1 or more")
    return arguments


def probed(row: Row, probe: PatchProbe, arguments: argparse.Namespace) -> list[dict[str, float]]:
    """Probe an encoder: once if it has weights, otherwise once for each seed."""
    assert row.encoder is not None  # main has checked it
    results = []
    for seed in [0] if row.weights else arguments.seeds:
        torch.manual_seed(seed)
        model = nn.Module()
        model.backbone = build_encoder(row.encoder, weights=row.weights)
        model.normalizer = ImageNormalizer(mean=MEAN, std=STD, divisor=1)
        result = probe(frozen_maps(model, torch.device("cpu")))
        results.append(result.scores)
        cv2.imwrite(
            str(arguments.output / f"{row.name}_{seed}.png"), feature_picture(result)[..., ::-1]
        )
    return results


def table(scores: dict[str, list[dict[str, float]]], seeds: list[int]) -> str:
    """Make a Markdown table with a row for each encoder."""
    lines = [f"| encoder | {' | '.join(COLUMNS)} |", "|---" * (1 + len(COLUMNS)) + "|"]
    for name, results in scores.items():
        cells = []
        for column in COLUMNS:
            values = np.array([result[column] for result in results])
            digits = 1 if column == "effective_rank" else 3
            cell = f"{values.mean():.{digits}f}"
            if len(values) > 1:
                cell += f" ± {values.std(ddof=1):.{digits}f}"
            cells.append(cell)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + f"\n\nSeeds of random encoders: {', '.join(map(str, seeds))}.\n"


if __name__ == "__main__":
    sys.exit(main())
