"""Exports a model without Python: torch.export (.pt2), and ONNX for other runtimes.

The exported model takes frames (T, 3, H, W) float32, 0 to 1, as one window of a clip, and gives
`mask_logits` (K, T, h, w), `class_probs` (K,) and `present` (K,), as in `ClipPrediction`. Cropping
the fan, windows and measurements are not part of it. The number of frames and the size of the
frames are free if the model's code allows it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.overrides import TorchFunctionMode

from lgrseg.checkpoint.whole_files import appears_whole
from lgrseg.failures import describe_error
from lgrseg.layers.clip_batch import SIZE_DIVISOR
from lgrseg.layers.map_size import map_size
from lgrseg.structures import Clip

OUTPUTS = ("mask_logits", "class_probs", "present")
MOST_FRAMES = 512
"""Largest number of frames of an exported model whose number of frames is free."""
SMALLEST_SIDE, LARGEST_SIDE = 64, 1024
"""Height and width, in pixels, of frames of an exported model whose size is free."""
TOLERANCE = 1e-3
"""Largest difference to the original model, relative to the largest value of an output."""


class FramesModel(nn.Module):
    """A segmentation model from the frames of one clip to the tensors of its prediction."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model.eval()

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predict one window (T, 3, H, W)."""
        indices = torch.arange(frames.shape[0])
        (prediction,) = self.model([Clip(frames, indices, "exported")])
        return prediction.mask_logits, prediction.class_probs, prediction.present


@dataclass(frozen=True)
class Exported:
    """An exported model, and which axes of its input are free."""

    program: ExportedProgram
    why_fixed: str = ""
    """Reason why only the number of frames of the example works; empty if it is free."""
    why_fixed_size: str = ""
    """Reason why only the height and width of the example work; empty if they are free."""

    @property
    def is_free(self) -> bool:
        """True if clips may have any number of frames up to `MOST_FRAMES`."""
        return not self.why_fixed

    @property
    def has_free_size(self) -> bool:
        """True if height and width may be any multiples of 32 from 64 to 1024."""
        return not self.why_fixed_size


def shapes(*, frames: bool, size: bool) -> tuple:
    """Dynamic shapes of the input, as torch.export takes them.

    Args:
        frames: True if the number of frames is free.
        size: True if height and width are free.
    """
    free: dict[int, Dim] = {}
    if frames:
        free[0] = Dim("frames", min=1, max=MOST_FRAMES)
    if size:
        for axis, name in ((2, "rows"), (3, "columns")):
            steps = Dim(name, min=SMALLEST_SIDE // SIZE_DIVISOR, max=LARGEST_SIDE // SIZE_DIVISOR)
            free[axis] = SIZE_DIVISOR * steps
    return (free,)


class OneSidedPadding(TorchFunctionMode):
    """Pads strided convolutions at the top and left only, while a model is exported.

    A convolution with stride s, padding p < s and kernel 2 p + 1 does not reach the padding at the
    bottom and right if the size is a multiple of s. The result is the same, but its size is n / s,
    not the floor of (n - 1) / s + 1, whose products take torch.export minutes of algebra.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Call `func`, a convolution with the other padding."""
        kwargs = kwargs or {}
        if func is torch.conv2d and len(args) == 7 and isinstance(args[4], tuple):  # of nn.Conv2d
            maps, weight, bias, stride, padding, dilation, groups = args
            sides = zip(map_size(maps), map_size(weight), stride, padding, dilation, strict=True)
            if all(
                0 < p < s and kernel == 2 * p + 1 and d == 1 and size % s == 0
                for size, kernel, s, p, d in sides
            ):
                maps = F.pad(maps, (padding[1], 0, padding[0], 0))
                return func(maps, weight, bias, stride, 0, dilation, groups)
        return func(*args, **kwargs)


@torch.no_grad()
def export_program(model: FramesModel, frames: Tensor) -> Exported:
    """Export a model, with a free number of frames and a free size if its code allows that.

    Args:
        model: model on the CPU.
        frames: (T, 3, H, W) example, T at least 2.

    Raises:
        ValueError: torch.export cannot follow the model's code.
    """
    errors: dict[tuple[bool, bool], str] = {}
    for free in ((True, True), (True, False), (False, True), (False, False)):
        try:
            if free[1]:
                check_size(map_size(frames))
            program = _exported(model, frames, shapes(frames=free[0], size=free[1]))
            # torch.export does not always notice that code fixes a size, so another one is tried.
            count = len(frames) - 1 if free[0] else len(frames)
            size = _another(map_size(frames)) if free[1] else map_size(frames)
            program.module()(frames.new_zeros(count, frames.shape[1], *size))
        except Exception as error:  # of many types, from all depths of torch
            errors[free] = describe_error(error)
            continue
        return Exported(
            program,
            why_fixed="" if free[0] else errors[True, False],
            why_fixed_size="" if free[1] else errors[free[0], True],
        )
    raise ValueError(f"torch.export cannot follow the code of this model: {errors[False, False]}")


def check_size(size: tuple[int, int]) -> None:
    """Check that a size (H, W) is one of those that are free.

    Raises:
        ValueError: a side is not a multiple of 32 from 64 to 1024.
    """
    for side in size:
        if side % SIZE_DIVISOR or not SMALLEST_SIDE <= side <= LARGEST_SIDE:
            raise ValueError(
                f"the example has {size[0]} x {size[1]} pixels; the size is free only if both "
                f"sides are multiples of {SIZE_DIVISOR} from {SMALLEST_SIDE} to {LARGEST_SIDE}"
            )


def _another(size: tuple[int, int]) -> tuple[int, int]:
    """A small size, no side of which is that of `size`."""
    smallest = (SMALLEST_SIDE, SMALLEST_SIDE + SIZE_DIVISOR, SMALLEST_SIDE + 2 * SIZE_DIVISOR)
    height = next(side for side in smallest if side != size[0])
    return height, next(side for side in smallest if side not in (size[1], height))


def _exported(model: FramesModel, frames: Tensor, dynamic_shapes: tuple) -> ExportedProgram:
    with OneSidedPadding():
        return torch.export.export(model, (frames,), dynamic_shapes=dynamic_shapes, strict=False)


def save_program(exported: Exported, file: Path) -> None:
    """Write a .pt2 file; torch.export.load(FILE).module() reads it."""
    with appears_whole(file) as half_done, open(half_done, "wb") as opened:
        torch.export.save(exported.program, opened)


def save_onnx(exported: Exported, file: Path) -> None:
    """Write a model as ONNX, in one file.

    Raises:
        ImportError: onnx or onnxscript is not installed.
        ValueError: an operation of the model has no translation.
    """
    try:
        program = torch.onnx.export(
            exported.program,
            dynamo=True,
            verbose=False,
            input_names=["frames"],
            output_names=list(OUTPUTS),
        )
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(
            f"this model has no translation to ONNX: {describe_error(error)}"
        ) from error
    assert program is not None
    with appears_whole(file) as half_done:
        program.save(half_done, external_data=False)


def onnx_runner(file: Path) -> Callable[[Tensor], list[Tensor]]:
    """Load an ONNX file with onnxruntime, on as many threads as torch has.

    Raises:
        ImportError: onnxruntime is not installed.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def run(frames: Tensor) -> list[Tensor]:
        found = session.run(list(OUTPUTS), {"frames": frames.numpy()})
        return [torch.from_numpy(np.asarray(value)) for value in found]

    return run


@torch.no_grad()
def difference(
    first: Callable[[Tensor], tuple | list],
    second: Callable[[Tensor], tuple | list],
    frames: Tensor,
) -> float:
    """Largest difference of the outputs, relative to the largest absolute value of each output."""
    pairs = zip(first(frames), second(frames), strict=True)
    return max(
        float((a.double() - b.double()).abs().max() / a.double().abs().max().clamp(min=1e-12))
        for a, b in pairs
    )


@torch.no_grad()
def seconds_of(run: Callable[[Tensor], object], frames: Tensor, *, repeats: int = 5) -> float:
    """Median time of a call, after one that is not counted."""
    run(frames)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run(frames)
        times.append(time.perf_counter() - start)
    return float(np.median(times))
