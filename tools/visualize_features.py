r"""Draw the features of a backbone for clips, as colours and as similarity to a point.

    python tools/visualize_features.py --backbone dinov2_small --weights dinov2_vits14.pth \
        --input CLIP --output output/features
    python tools/visualize_features.py --run output/lgrnet --input CLIP \
        --output output/features --point 0,410,300

CLIP is the same as for tools/predict.py. NAME_features.png shows a few frames, NAME_features.mp4
the whole clip, and NAME_features.json has the share of the variance that the colours explain. The
three colours are principal components of the foreground. All frames of a clip have the same
components, so a colour means the same in all of them. --point frame,x,y (in pixels of the clip,
frames from 0) adds the cosine similarity of every place in every frame to this point. The weights
of a run are its best checkpoint, or its last one if there is no best.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lgrseg.comm.processes import pick_device
from lgrseg.data.io import Video, crop_frames, read_video
from lgrseg.data.prepare.clip_files import box_of_clip, find_clips
from lgrseg.failures import describe_error, message_of
from lgrseg.inference.frozen_run import FrozenRun
from lgrseg.inference.run_files import run_files
from lgrseg.layers.clip_batch import ImageNormalizer
from lgrseg.layers.speed import hold_on_to_memory
from lgrseg.modeling.foundation import build_encoder
from lgrseg.visualization.colour_basis import colour_basis
from lgrseg.visualization.feature_maps import DenseFeatures, backbone_of, place_of
from lgrseg.visualization.feature_pictures import FeatureDrawer, Point
from lgrseg.visualization.overlays import try_write_mp4, write_png

SHEET_FRAMES = 6
"""Number of frames in NAME_features.png."""


def main() -> int:
    """Run the command line; the exit status is 1 if a clip could not be drawn."""
    arguments = parse_arguments()
    try:
        point = parse_point(arguments.point) if arguments.point else None
        found = find_clips(arguments.input, output=arguments.output)
        check_output(arguments)
        dense = build_features(arguments)
    except (FileNotFoundError, KeyError, ValueError) as error:
        print(f"error: {message_of(error)}", file=sys.stderr)
        return 1
    for line in found.describe_left_out():
        print(f"not used: {line}", file=sys.stderr)
    failed = {}
    for name, path in found.clips.items():
        try:
            draw_clip(dense, path, arguments.output / name, point=point, arguments=arguments)
        except Exception as error:  # the other clips continue after any error
            failed[path] = describe_error(error)
    for path, why in failed.items():
        print(f"not drawn: {path}: {why}", file=sys.stderr)
    drawn = len(found.clips) - len(failed)
    print(f"{drawn} of {len(found.clips)} clips drawn into {arguments.output}")
    return 1 if failed else 0


def check_output(arguments: argparse.Namespace) -> None:
    """Raise ValueError if a result could replace an input file."""
    source = arguments.input if arguments.input.is_dir() else arguments.input.parent
    if source.resolve() == arguments.output.resolve():
        raise ValueError(f"--output {arguments.output} is the folder of the input: choose another")


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--backbone", help="an encoder by name, such as dinov2_small")
    source.add_argument("--run", help="folder of a run, whose backbone is used")
    parser.add_argument("--weights", help="weights of --backbone; by default random")
    parser.add_argument("--input", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--point", metavar="frame,x,y", help="draw the similarity to this point")
    parser.add_argument("--size", type=int, default=448, help="longer side of the input, in pixels")
    parser.add_argument("--stride", type=int, help="stride of the map; by default nearest to 16")
    parser.add_argument("--basis-frames", type=int, default=32, help="frames for the basis")
    parser.add_argument(
        "--threshold", type=float, default=0.0, help="first component above which is foreground"
    )
    parser.add_argument("--no-foreground", action="store_true", help="draw every place in colour")
    parser.add_argument("--no-crop", action="store_true", help="use whole frames, not the fan")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    return parser.parse_args()


def parse_point(text: str) -> tuple[int, float, float]:
    """Parse 'frame,x,y'.

    Raises:
        ValueError: the text has another form.
    """
    try:
        frame, x, y = (float(word) for word in text.split(","))
        if frame % 1 or not all(map(math.isfinite, (x, y))):
            raise ValueError
    except ValueError:
        raise ValueError(
            f"--point is frame,x,y such as 0,410,300 (frames from 0, pixels), not {text!r}"
        ) from None
    return int(frame), x, y


def build_features(arguments: argparse.Namespace) -> DenseFeatures:
    """Load the backbone on its device.

    Raises:
        FileNotFoundError: there is no such run, or there are no such weights.
        ValueError: there is no such backbone, or a setting does not fit it.
    """
    if arguments.basis_frames < 1:
        raise ValueError(f"--basis-frames must be 1 or more, not {arguments.basis_frames}")
    device = pick_device(arguments.device)
    if device.type == "cpu":
        hold_on_to_memory()
    if arguments.run:
        if arguments.weights:
            raise ValueError("--weights is for --backbone; --run has its own weights")
        model = FrozenRun(run=arguments.run).model
        normalizer = getattr(model.deployed(), "normalizer", None)
        if not isinstance(normalizer, ImageNormalizer):
            raise ValueError(f"a {type(model).__name__} has no ImageNormalizer called normalizer")
        return DenseFeatures(
            backbone=backbone_of(model).to(device),
            size=arguments.size,
            stride=arguments.stride,
            pixel_mean=normalizer.mean.flatten().tolist(),
            pixel_std=normalizer.std.flatten().tolist(),
        )
    backbone = build_encoder(arguments.backbone, weights=arguments.weights)
    if not arguments.weights:
        print(
            f"{arguments.backbone} has random weights: the pictures show what its architecture "
            "does with an image, not what it has learnt (--weights FILE)",
            file=sys.stderr,
        )
    return DenseFeatures(backbone=backbone.to(device), size=arguments.size, stride=arguments.stride)


def draw_clip(
    dense: DenseFeatures,
    path: Path,
    stem: Path,
    *,
    point: tuple[int, float, float] | None,
    arguments: argparse.Namespace,
) -> None:
    """Write STEM_features.png, .mp4 and .json for one clip.

    Raises:
        ValueError: the clip cannot be read, the point is not in it, or there is nothing to show.
    """
    video = read_video(path)
    box, note = box_of_clip(video, crop=not arguments.no_crop)
    for text in filter(None, [*video.notes, note]):
        print(f"{path.name}: {text}", file=sys.stderr)
    if point is not None:
        check_point(point, video, box)
    frames = crop_frames(video.frames, box)
    maps = dense.sample(frames, arguments.basis_frames)
    basis = colour_basis(maps, threshold=None if arguments.no_foreground else arguments.threshold)
    compared = None if point is None else Point.at(point, dense, frames, maps, box)
    name = arguments.backbone or Path(arguments.run).name
    random = arguments.backbone and not arguments.weights
    drawer = FeatureDrawer(basis, f"{name}, random weights" if random else name, compared)
    picked = set(np.linspace(0, len(frames) - 1, SHEET_FRAMES).round().astype(int).tolist())
    picked |= {point[0]} if point else set()
    chosen = {}

    def pictures():
        for index, frame, features in tqdm(
            dense.stream(frames), desc=path.name, total=len(frames), unit="frame", disable=None
        ):
            panels = drawer.panels(index, frame, features)
            if index in picked:
                chosen[index] = panels
            yield drawer.row(index, panels)

    film = stem.with_name(f"{stem.name}_features.mp4")
    if why_not := try_write_mp4(film, pictures(), fps=video.fps or 20):
        print(f"{path.name}: {why_not}", file=sys.stderr)
    write_png(stem.with_name(f"{stem.name}_features.png"), drawer.contact_sheet(chosen))
    facts = describe(dense, basis, compared, maps, frames, arguments)
    text = json.dumps(facts, indent=1)
    stem.with_name(f"{stem.name}_features.json").write_text(text, encoding="utf-8")
    first, *shares = (f"{share:.1%}" for share in facts["explained_variance"])
    print(
        f"{path.name}: the first component explains {first} of the variance; foreground "
        f"{basis.foreground:.0%}; the colours explain {', '.join(shares)} of its variance"
    )


def check_point(point: tuple[int, float, float], video: Video, box) -> None:
    """Raise ValueError if the point is outside the clip or its fan."""
    frame, x, y = point
    num_frames, height, width = video.frames.shape[:3]
    if not 0 <= frame < num_frames:
        raise ValueError(f"the point is on frame {frame}; the clip has 0 to {num_frames - 1}")
    if not (0 <= x < width and 0 <= y < height):
        raise ValueError(f"the point ({x:g}, {y:g}) is outside the frame of {width} x {height} px")
    place_of((x, y), box, (1, 1))


def describe(dense, basis, compared, maps, frames, arguments) -> dict:
    """Content of NAME_features.json."""
    explained = [*basis.first.explained, *basis.colours.explained]
    weights = arguments.weights or "random"
    if arguments.run:
        weights = f"{run_files(Path(arguments.run))[1].stem} checkpoint"
    facts = {
        "backbone": arguments.backbone or arguments.run,
        "weights": weights,
        "explained_variance": [float(share) for share in explained],
        "explained_variance_of": ["first component, all places", *["colour, foreground"] * 3],
        "foreground": basis.foreground,
        "threshold": basis.threshold,
        "input_size": list(dense.input_size(frames.shape[1:3])),
        "stride": dense.stride,
        "map_size": list(maps.shape[1:3]),
        "frames": len(frames),
        "frames_of_the_basis": len(maps),
    }
    if compared is not None:
        facts |= {"point": arguments.point, "lowest_similarity_drawn": compared.low}
    return facts


if __name__ == "__main__":
    sys.exit(main())
