"""Hiera (Ryali et al., ICML 2023) at any image size, from transformers' model.

Letters: N images, C channels.
"""

from typing import Any

from einops import rearrange
from torch import Tensor, nn

from lgrseg.modeling.foundation.hierarchical import DIVISOR, HierarchicalEncoder, blocks_of


class HieraEncoder(HierarchicalEncoder):
    """Hiera at any size.

    The model of transformers only reorders tokens for the image size of its config. Here they are
    reordered for the actual size, and positions are interpolated.
    """

    norm, norms_the_mean = "pooler.layernorm", True

    def __init__(self, **config: Any):
        """Take the settings of a HieraConfig.

        Raises:
            ValueError: the stages are not pooled by 2 x 2 three times, or positions are not square.
        """
        from transformers import HieraConfig, HieraModel

        model = HieraModel(HieraConfig(**config))
        settings = model.config
        pooling = (settings.num_query_pool, *settings.query_stride, *settings.masked_unit_size)
        if pooling != (3, 2, 2, 8, 8):
            raise ValueError(
                "Hiera pools by 2 x 2 three times, in units of 8 x 8 tokens; num_query_pool, "
                f"query_stride and masked_unit_size cannot be {pooling}"
            )
        if len(set(settings.image_size)) != 1:
            raise ValueError(
                f"image_size must be two equal numbers, not {settings.image_size}: it is the "
                "square on which positions were trained; images themselves may have any size"
            )
        super().__init__(model=model, channels=[settings.embed_dim * 2**i for i in range(4)])

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks of all stages."""
        return blocks_of(self.model.get_submodule("encoder.stages"), "layers")

    def stages(self, padded: Tensor) -> list[Tensor]:
        """See `HierarchicalEncoder.stages`."""
        units = padded.shape[-2] // DIVISOR, padded.shape[-1] // DIVISOR
        embeddings = self.model.get_submodule("embeddings")
        tokens = embeddings(padded, interpolate_pos_encoding=True)[0]
        tokens, maps = in_mask_units(tokens, units), []
        for number, stage in enumerate(self.model.get_submodule("encoder.stages").children()):
            tokens = stage(tokens, False)[0]
            maps.append(from_mask_units(tokens, units, times=3 - number))
        return maps


def in_mask_units(tokens: Tensor, units: tuple[int, int]) -> Tensor:
    """Reorder tokens so that tokens to be pooled have a fixed distance, as Hiera requires.

    Each of three halvings moves the four tokens of every 2 x 2 square into four separate parts.
    Afterwards the innermost axis is the grid of units. So the distance between the 64 tokens of a
    unit is the number of units.

    Args:
        tokens: (N, 8h * 8w, C) tokens, row by row.
        units: (h, w) numbers of units of 8 x 8 tokens.
    """
    maps = rearrange(tokens, "n (h w) c -> n c h w", h=8 * units[0])
    for _ in range(3):
        maps = rearrange(maps, "n c (h y) (w x) -> (n y x) c h w", y=2, x=2)
    return rearrange(maps, "(n r) c h w -> n (r h w) c", n=len(tokens))


def from_mask_units(tokens: Tensor, units: tuple[int, int], *, times: int) -> Tensor:
    """Restore the map of tokens in the order of `in_mask_units`, with `times` halvings left.

    Args:
        tokens: (N, 4 ** times * h * w, C) tokens.
        units: (h, w) numbers of units.
        times: number of halvings: 3 before pooling, one less after each pooling.

    Returns:
        (N, C, 2 ** times * h, 2 ** times * w).
    """
    height, width = units
    maps = rearrange(tokens, "n (r h w) c -> (n r) c h w", h=height, w=width)
    for _ in range(times):
        maps = rearrange(maps, "(n y x) c h w -> n c (h y) (w x)", y=2, x=2)
    return maps
