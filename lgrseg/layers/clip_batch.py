"""From clips to one tensor and its random numbers, and from padded maps to the input's area."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lgrseg.structures import Clip

SIZE_DIVISOR = 32
"""The coarsest stride of every backbone."""


def stack_clips(clips: list[Clip]) -> Tensor:
    """Clips of one batch as (B, T, 3, H, W), grey repeated to three channels.

    Still images of one dataset may be grey or coloured, each stored as it is.

    Raises:
        ValueError: there is no clip, or their shapes differ.
    """
    frames = [clip.frames for clip in clips]
    if {clip.shape[1] for clip in frames} == {1, 3}:
        frames = [clip.expand(-1, 3, -1, -1) for clip in frames]
    shapes = {tuple(clip.shape) for clip in frames}
    if len(shapes) != 1:
        raise ValueError(
            f"the clips of a batch must share one shape (T, C, H, W), not {sorted(shapes)}; "
            "give the mapper one input_size and one number of frames, or a batch of one clip"
        )
    frames = torch.stack(frames)
    return frames.expand(-1, -1, 3, -1, -1) if frames.shape[2] == 1 else frames


def clip_generators(clips: list[Clip]) -> list[torch.Generator]:
    """A generator for every clip, on its device: what is drawn for a clip is its own.

    So it does not matter which clips share a batch, and in which process.
    """
    generators = []
    for clip in clips:
        seed = int(torch.randint(2**62, ())) if clip.seed is None else clip.seed
        generators.append(torch.Generator(clip.frames.device).manual_seed(seed))
    return generators


def to_device(numbers: Tensor, device: torch.device) -> Tensor:
    """A few numbers from the CPU; on CUDA through pinned memory, so that neither side waits."""
    if device.type == "cuda":
        numbers = numbers.pin_memory()
    return numbers.to(device, non_blocking=True)


class ImageNormalizer(nn.Module):
    """Frames of 0 to 1 to zero mean and unit deviation, padded to multiples of `divisor`.

    Padding comes before normalisation, so it looks to the model like the black outside the fan.
    """

    def __init__(
        self, *, mean: tuple[float, ...], std: tuple[float, ...], divisor: int = SIZE_DIVISOR
    ):
        """A `divisor` of 1 pads nothing."""
        super().__init__()
        self.divisor = divisor
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> (B, T, 3, H', W') with H' and W' multiples of `divisor`."""
        height, width = frames.shape[-2:]
        padded = F.pad(frames, (0, -width % self.divisor, 0, -height % self.divisor))
        return (padded - self.mean) / self.std


def crop_to_input(maps: Tensor, size: tuple[int, int], *, stride: int = 4) -> Tensor:
    """The part of padded stride-4 maps (..., h, w) that covers an input of `size`.

    Where the input is no multiple of the stride, no part of the maps covers it exactly: the maps
    are then brought to full resolution first.
    """
    height, width = size
    if height % stride == 0 and width % stride == 0:
        return maps[..., : height // stride, : width // stride]
    full = F.interpolate(
        maps.reshape(1, -1, *maps.shape[-2:]),
        scale_factor=stride,
        mode="bilinear",
        align_corners=False,
    )
    return full[0, :, :height, :width].reshape(*maps.shape[:-2], height, width)
