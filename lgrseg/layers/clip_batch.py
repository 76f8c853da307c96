"""Stacks and normalises clips, makes their random generators, and crops padded maps."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lgrseg.structures import Clip

SIZE_DIVISOR = 32
"""The coarsest stride of every backbone."""


def stack_clips(clips: list[Clip]) -> Tensor:
    """Stack the clips of a batch to (B, T, 3, H, W); grey frames are repeated to three channels.

    One dataset may contain both grey and colour still images.

    Raises:
        ValueError: there is no clip, or their shapes differ.
    """
    of_clips = [clip.frames for clip in clips]
    if {frames.shape[1] for frames in of_clips} == {1, 3}:
        of_clips = [frames.expand(-1, 3, -1, -1) for frames in of_clips]
    # The sizes of an exported model are symbols, which can be compared, but not be in a set.
    if not clips or any(frames.shape != of_clips[0].shape for frames in of_clips[1:]):
        shapes = sorted({tuple(frames.shape) for frames in of_clips})
        raise ValueError(
            f"the clips of a batch must share one shape (T, C, H, W), not {shapes}; "
            "set one input_size and one number of frames in the mapper, or use batches of one clip"
        )
    stacked = torch.stack(of_clips)
    return stacked.expand(-1, -1, 3, -1, -1) if stacked.shape[2] == 1 else stacked


def clip_generators(clips: list[Clip]) -> list[torch.Generator]:
    """Make one random generator per clip, on its device and with its seed.

    So random numbers of a clip do not depend on its batch or on the number of processes.
    """
    generators = []
    for clip in clips:
        seed = int(torch.randint(2**62, ())) if clip.seed is None else clip.seed
        generators.append(torch.Generator(clip.frames.device).manual_seed(seed))
    return generators


def to_device(numbers: Tensor, device: torch.device) -> Tensor:
    """Copy a small CPU tensor; to CUDA via pinned memory, so that neither CPU nor GPU waits."""
    if device.type == "cuda":
        numbers = numbers.pin_memory()
    return numbers.to(device, non_blocking=True)


class ImageNormalizer(nn.Module):
    """Normalises frames (0 to 1) by mean and deviation, and pads them to multiples of `divisor`.

    Padding is done before normalisation, so it has the same value as the black area around the fan.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, *, mean: tuple[float, ...], std: tuple[float, ...], divisor: int = SIZE_DIVISOR
    ):
        """`mean` and `std` have one value per channel. With `divisor` 1 there is no padding."""
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
    """Crop padded maps (..., h, w) to the part that covers an input of `size`.

    If the input size is not a multiple of the stride, no crop fits exactly. The maps are then
    interpolated to full resolution first.
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
