"""Exports a model without Python: torch.export (.pt2), and ONNX for other runtimes.

The exported model takes frames (T, 3, H, W) float32, 0 to 1, as one window of a clip, and gives
`mask_logits` (K, T, h, w), `class_probs` (K,) and `present` (K,), as in `ClipPrediction`. Cropping
the fan, windows and measurements are not part of it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from lgrseg.checkpoint.whole_files import appears_whole
from lgrseg.failures import describe_error
from lgrseg.structures import Clip

OUTPUTS = ("mask_logits", "class_probs", "present")
MOST_FRAMES = 512
"""Largest number of frames of an exported model whose number of frames is free."""
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
    """An exported model, and whether the number of frames is free."""

    program: ExportedProgram
    why_fixed: str = ""
    """Reason why only the number of frames of the example works; empty if it is free."""

    @property
    def is_free(self) -> bool:
        """True if clips may have any number of frames up to `MOST_FRAMES`."""
        return not self.why_fixed


def shapes(is_free: bool) -> tuple | None:
    """Dynamic shapes of the input, as torch.export and torch.onnx take them."""
    return ({0: Dim("frames", min=1, max=MOST_FRAMES)},) if is_free else None


def export_program(model: FramesModel, frames: Tensor) -> Exported:
    """Export a model, with a free number of frames if its code allows that.

    Args:
        model: model on the CPU.
        frames: (T, 3, H, W) example, T at least 2; the size H x W of exported models is fixed.

    Raises:
        ValueError: torch.export cannot follow the model's code.
    """
    why_fixed = ""
    for is_free in (True, False):
        try:
            with torch.no_grad():
                program = torch.export.export(
                    model, (frames,), dynamic_shapes=shapes(is_free), strict=False
                )
            return Exported(program, why_fixed)
        except Exception as error:  # of many types, from all depths of torch
            why_fixed = describe_error(error)
    raise ValueError(f"torch.export cannot follow the code of this model: {why_fixed}")


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
