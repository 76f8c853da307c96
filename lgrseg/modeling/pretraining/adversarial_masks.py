"""Masks that are trained against an encoder, so that they hide what it needs most.

Source: Shi et al., "Adversarial Masking for Self-Supervised Learning" (ADIOS), ICML 2022; the
variant ADIOS-s, in which one random mask of N hides a part of an image.

The encoder (parameters a) minimises a loss L(a, b), which the mask network (parameters b) maximises
while a penalty P(b) keeps its masks away from nothing and all:

    min over a  L(a, b)          min over b  P(b) - strength * L(a, b)

ADIOS updates both in turn, with two forward passes. Here the gradient of the masks is reversed
between the image and the mask network (Ganin and Lempitsky, ICML 2015). Then one backward pass
of L + P gives dL/da to the encoder and dP/db - strength dL/db to the mask network, which are the
gradients of both problems at the same point. The game and its equilibria are the same; the players
move at the same time instead of in turn. AdamW treats every parameter separately, so one optimiser
whose mask network has its own learning rate (`lr_factors` of `build_adamw`) is two optimisers.

Letters: M images, N masks, H and W pixels.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lgrseg.comm import processes
from lgrseg.layers.convolutions import conv_norm_relu, resized
from lgrseg.layers.map_size import map_size
from lgrseg.layers.numerics import at_least_float32

LEAST, MOST = 0.02, 0.9
"""Range of the shares of masks. Outside it a mask hides nothing or nearly all."""


class CollapsedMasksError(ValueError):
    """A mask covers nearly nothing, or nearly all of the images."""


class MaskNetwork(nn.Module):
    """A small U-Net from images to N masks that add up to 1 at every pixel (softmax)."""

    def __init__(self, *, num_masks: int = 4, width: int = 8, num_levels: int = 4):
        """Set the size; width and number of masks are those of ADIOS-s.

        Args:
            num_masks: number N of masks, at least 2.
            width: number of channels at full resolution, a multiple of 8; doubled at each level.
            num_levels: number of resolutions.

        Raises:
            ValueError: there are fewer than 2 masks.
        """
        super().__init__()
        if num_masks < 2:
            raise ValueError(
                f"num_masks={num_masks}: masks divide the image, so one alone would hide all of it"
            )
        widths = [width * 2**level for level in range(num_levels)]
        self.down = nn.ModuleList(
            conv_norm_relu(a, b) for a, b in zip([3, *widths], widths, strict=False)
        )
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(conv_norm_relu(a + b, b) for a, b in pairs)
        self.last = nn.Conv2d(width, num_masks, kernel_size=1)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (M, 3, H, W) to masks (M, N, H, W), 0 to 1."""
        skipped, maps = [], images
        for level, block in enumerate(self.down):
            maps = block(F.max_pool2d(maps, 2, ceil_mode=True) if level else maps)
            skipped.append(maps)
        maps = skipped.pop()
        for block in self.up:
            finer = skipped.pop()
            maps = block(torch.cat([finer, resized(maps, map_size(finer))], dim=1))
        return at_least_float32(self.last(maps)).softmax(dim=1)


class AdversarialMasks(nn.Module):
    """Hides a part of images by masks of a network that is trained against the encoder."""

    def __init__(
        self, *, network: MaskNetwork, strength: float = 0.025, penalty_weight: float = 0.75
    ):
        """Combine a mask network and its weights.

        Args:
            network: mask network.
            strength: weight of the encoder's loss in the loss of the mask network, 0 or above. The
                default makes it as large as in ADIOS, whose loss has 5 times the similarity (the
                temperature is 0.2), where EMP-SSL has 200 times.
            penalty_weight: weight of the sum over masks of 1 / sin(pi share); ADIOS-s has 0.75.

        Raises:
            ValueError: a weight is below 0.
        """
        super().__init__()
        if strength < 0 or penalty_weight < 0:
            raise ValueError(
                f"strength={strength}, penalty_weight={penalty_weight}: weights are 0 or above"
            )
        self.network = network
        self.strength, self.penalty_weight = strength, penalty_weight
        self.monitored: dict[str, Tensor] = {}
        """Share of each mask and mean entropy (0 hard, 1 uniform) of the last step."""
        self.pictures: dict[str, Tensor] = {}
        """One picture of the last step: an image, its masks, and the image without each."""

    def hide(
        self, images: Tensor, generators: list[torch.Generator], *, first: int
    ) -> tuple[Tensor, Tensor]:
        """Hide a random one of the N masks in each image, except for the first ones.

        Args:
            images: (M, 3, H, W) normalised images; hidden pixels become 0, the mean colour.
            generators: one generator for each image, which chooses the mask.
            first: number of the images that stay whole.

        Returns:
            All images, and the penalty of the masks, a mean over the hidden images.

        Raises:
            CollapsedMasksError: the share of a mask, over the images of all processes, is below 2%
                or above 90%.
        """
        whole, seen = images[:first], images[first:]
        masks = self.network(seen)
        chosen = [
            int(torch.randint(masks.shape[1], (), generator=g, device=g.device))
            for g in generators[first:]
        ]
        rows = torch.arange(len(seen), device=images.device)
        mask = masks[rows, torch.tensor(chosen, device=images.device)][:, None]
        hidden = seen * (1 - reversed_gradient(mask, self.strength)).to(seen.dtype)
        self._record(seen, masks)
        penalty = (1 / torch.sin(math.pi * masks.mean(dim=(-2, -1))).clamp(min=1e-3)).sum(dim=1)
        return torch.cat([whole, hidden]), self.penalty_weight * penalty.mean()

    def _record(self, images: Tensor, masks: Tensor) -> None:
        """Keep shares, entropy and a picture; stop if a share is out of range."""
        masks = masks.detach()
        entropy = torch.special.entr(masks).sum(dim=1).mean() / math.log(masks.shape[1])
        numbers = torch.stack([*masks.mean(dim=(0, 2, 3)), entropy])
        numbers = processes.all_reduce_sum(numbers) / processes.get_world_size()
        *shares, entropy = numbers
        self.monitored = {f"mask_share_{n}": share for n, share in enumerate(shares)}
        self.monitored["mask_entropy"] = entropy
        self.pictures = {"masks": mask_picture(images[0].detach(), masks[0])}
        check_shares([float(share) for share in shares])


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reversed_gradient(values: Tensor, strength: float) -> Tensor:
    """Return the values unchanged; their gradient is multiplied by -strength."""
    return _Reversed.apply(values, strength)


def check_shares(shares: list[float]) -> None:
    """Raise CollapsedMasksError if the share of a mask is below 2% or above 90%."""
    for number, share in enumerate(shares):
        if not LEAST <= share <= MOST:
            raise CollapsedMasksError(
                f"mask {number} covers {share:.1%} of the images, and a share of {LEAST:.0%} to "
                f"{MOST:.0%} is useful (shares of all masks: "
                f"{', '.join(f'{value:.1%}' for value in shares)}). The masks have collapsed: "
                "increase model.masks.penalty_weight, or decrease optimizer.lr_factors.masks"
            )


def mask_picture(image: Tensor, masks: Tensor) -> Tensor:
    """Draw an image (3, H, W) and its masks (N, H, W) in two rows of N + 1 tiles, 0 to 1.

    Each channel of the image is stretched to 0 to 1, so that a normalised grey frame is grey.

    The upper row has the image and the masks, the lower one the image again and without each mask.
    """
    low, high = (bound(image, (-2, -1), keepdim=True) for bound in (torch.amin, torch.amax))
    shown = (image - low) / (high - low).clamp(min=1e-6)
    grey = masks[:, None].expand(-1, 3, -1, -1)
    upper = torch.cat([shown, *grey], dim=-1)
    lower = torch.cat([shown, *(shown * (1 - grey))], dim=-1)
    return torch.cat([upper, lower], dim=-2)
