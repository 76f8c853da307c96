"""The networks of CycleGAN: a generator of residual blocks, and a judge of patches.

Source: Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks", ICCV 2017, section 7.2 (appendix). Instance norm uses the statistics of each image alone,
so images of a batch do not influence each other.
"""

import torch
from torch import Tensor, nn

from lgrseg.layers.convolutions import resized
from lgrseg.layers.map_size import map_size
from lgrseg.modeling.foundation.encoder import Encoder

STRIDE = 4
"""Stride of the generator's inner map; sides of images are multiples of it."""
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ResNetGenerator(nn.Module):
    """Images to images: an encoder to stride 4, residual blocks, and a decoder.

    A second, pretrained encoder may look at the images too, as in VFM4US: its last map is resized
    to stride 4, joined with the map of the residual blocks, and projected by a 1 x 1 convolution.
    Only the other layers get CycleGAN's random weights; those of the second encoder stay as loaded.

    The decoder enlarges maps by repeating pixels, and then convolves them. The paper's transposed
    convolutions draw a regular pattern into the images (Odena et al., "Deconvolution and
    Checkerboard Artifacts", Distill 2016).
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        channels: int = 1,
        width: int = 32,
        num_blocks: int = 6,
        branch: Encoder | None = None,
    ):
        """Make a generator with random weights.

        Args:
            channels: number C of channels of the images, 1 (grey) or 3 (RGB).
            width: number of channels at full resolution; 4 times as many at stride 4. The paper
                has 64.
            num_blocks: number of residual blocks; the paper has 6 for 128 px.
            branch: pretrained encoder, `frozen` or not; None for none.

        Raises:
            ValueError: there are neither 1 nor 3 channels.
        """
        super().__init__()
        if channels not in (1, 3):
            raise ValueError(f"channels={channels}: images are grey (1) or RGB (3)")
        inner = STRIDE * width
        self.encode = nn.Sequential(
            nn.ReflectionPad2d(3),
            *_conv(nn.Conv2d(channels, width, 7)),
            *_conv(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)),
            *_conv(nn.Conv2d(2 * width, inner, 3, stride=2, padding=1)),
            *[ResidualBlock(inner) for _ in range(num_blocks)],
        )
        self.decode = nn.Sequential(
            nn.Upsample(scale_factor=2),
            *_conv(nn.Conv2d(inner, 2 * width, 3, padding=1)),
            nn.Upsample(scale_factor=2),
            *_conv(nn.Conv2d(2 * width, width, 3, padding=1)),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, channels, 7),
            nn.Tanh(),
        )
        joined = inner + branch.channels[-1] if branch else inner
        self.join = nn.Conv2d(joined, inner, 1) if branch else None
        self.apply(draw_weights)  # before the branch is a part: its weights are loaded
        self.branch = branch
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W), -1 to 1 -> the same, in the other style.

        Raises:
            ValueError: a side is not a multiple of 4.
        """
        height, width = map_size(images)
        if height % STRIDE or width % STRIDE:
            raise ValueError(
                f"images have {height} x {width} px; sides must be multiples of {STRIDE}: set "
                "the size of dataloader.train"
            )
        maps = self.encode(images)
        if self.branch is not None:
            assert self.join is not None
            normalised = ((images.expand(-1, 3, -1, -1) + 1) / 2 - self.mean) / self.std
            seen = resized(self.branch(normalised)[-1], map_size(maps))
            maps = self.join(torch.cat([maps, seen], dim=1))
        return self.decode(maps)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with instance norm, added to the input."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            *_conv(nn.Conv2d(width, width, 3)),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            nn.InstanceNorm2d(width),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(N, width, h, w) -> the same shape."""
        return maps + self.layers(maps)


class PatchJudge(nn.Module):
    """Discriminator: one score for every patch of an image, near 1 for real patches.

    With three strides a patch has 70 x 70 px, with two 34 x 34, with one 16 x 16.
    """

    def __init__(self, *, channels: int = 1, width: int = 32, num_strides: int = 3):
        """Make a discriminator with random weights.

        Args:
            channels: number C of channels of the images.
            width: number of channels of the first layer, doubled at each of the next ones; the
                paper has 64.
            num_strides: number of convolutions with stride 2, at least 1.
        """
        super().__init__()
        widths = [width * min(2**level, 8) for level in range(num_strides + 1)]
        layers: list[nn.Module] = [
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
        ]
        for level, (before, after) in enumerate(zip(widths, widths[1:], strict=False), start=1):
            stride = 2 if level < num_strides else 1
            layers += [
                nn.Conv2d(before, after, 4, stride=stride, padding=1),
                nn.InstanceNorm2d(after),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, padding=1))
        self.apply(draw_weights)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W), -1 to 1 -> scores (N, 1, h, w)."""
        return self.layers(images)


def draw_weights(module: nn.Module) -> None:
    """Draw the weights of a convolution from N(0, 0.02), as in CycleGAN, and set its bias to 0."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _conv(convolution: nn.Conv2d) -> list[nn.Module]:
    return [convolution, nn.InstanceNorm2d(convolution.out_channels), nn.ReLU()]
