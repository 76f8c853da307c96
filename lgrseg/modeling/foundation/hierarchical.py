"""Encoders with four stages: maps at strides 4, 8, 16 and 32, from transformers' models.

Hiera (Ryali et al., ICML 2023), SAM 2's Hiera (Ravi et al., arXiv 2408.00714), Swin (Liu et al.,
ICCV 2021), DINOv3's ConvNeXt (arXiv 2508.10104) and ResNet (He et al., CVPR 2016).

Images are continued to multiples of 32, and the maps cut to what covers the image. The last map
goes through the model's final norm where it has one; the others are as the stages leave them.
"""

from abc import abstractmethod
from typing import Any

from einops import rearrange
from torch import Tensor, nn

from lgrseg.modeling.foundation.encoder import Encoder, covering, with_own_drop_paths

DIVISOR = 32
"""The coarsest stride; also Hiera's mask unit and the first window of SAM 2's, in pixels."""


class HierarchicalEncoder(Encoder):
    """What the five have in common; a subclass gives the stages' maps."""

    norm: str | None = None
    """Where in the model the final norm is."""
    norms_the_mean = False
    """Whether the authors' global token is the norm of the map's mean, not the mean of its norm."""

    def __init__(self, *, model: nn.Module, channels: list[int]):
        """`model` is one of transformers; `channels` are those of its four stages."""
        super().__init__(
            channels=channels,
            strides=[4, 8, 16, 32],
            token_dim=channels[-1],
            least_size=DIVISOR,
        )
        self.model = with_own_drop_paths(model)

    @abstractmethod
    def stages(self, padded: Tensor) -> list[Tensor]:
        """Images of a multiple of 32 -> four maps (N, C, h, w), none of them normed."""

    def forward(self, images: Tensor) -> list[Tensor]:
        """See `Encoder.forward`: four maps."""
        *maps, last = self.stages(self.padded(images, DIVISOR))
        normed = self._normed(rearrange(last, "n c h w -> n h w c"))
        maps.append(rearrange(normed, "n h w c -> n c h w"))
        return [
            covering(found, stride, images).contiguous()
            for found, stride in zip(maps, self.strides, strict=True)
        ]

    def forward_token(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, C): the mean of the last map, normed."""
        last = self.stages(self.padded(images, DIVISOR))[-1]
        positions = rearrange(covering(last, DIVISOR, images), "n c h w -> n (h w) c")
        if self.norms_the_mean:
            return self._normed(positions.mean(dim=1))
        return self._normed(positions).mean(dim=1)

    def _normed(self, features: Tensor) -> Tensor:
        return features if self.norm is None else self.model.get_submodule(self.norm)(features)


class HieraEncoder(HierarchicalEncoder):
    """Hiera at any size.

    transformers' model puts the tokens back into a map by a schedule for the one size of its
    config; here they are ordered, and put back, for the size at hand. Positions are interpolated.
    """

    norm, norms_the_mean = "pooler.layernorm", True

    def __init__(self, **config: Any):
        """The settings of a HieraConfig.

        Raises:
            ValueError: stages that are not pooled by two three times, or positions of no square.
        """
        from transformers import HieraConfig, HieraModel

        model = HieraModel(HieraConfig(**config))
        config = model.config
        pooling = (config.num_query_pool, *config.query_stride, *config.masked_unit_size)
        if pooling != (3, 2, 2, 8, 8):
            raise ValueError(
                "Hiera pools by 2 x 2 three times, in units of 8 x 8 tokens; num_query_pool, "
                f"query_stride and masked_unit_size cannot be {pooling}"
            )
        if len(set(config.image_size)) != 1:
            raise ValueError(
                f"image_size is twice the same number, not {config.image_size}: it is the square "
                "that positions were learnt on; images themselves may have any size"
            )
        super().__init__(model=model, channels=[config.embed_dim * 2**i for i in range(4)])

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks of all stages."""
        return [block for stage in self.model.encoder.stages for block in stage.layers]

    def stages(self, padded: Tensor) -> list[Tensor]:
        """See `HierarchicalEncoder.stages`."""
        units = padded.shape[-2] // DIVISOR, padded.shape[-1] // DIVISOR
        tokens = self.model.embeddings(padded, interpolate_pos_encoding=True)[0]
        tokens, maps = in_mask_units(tokens, units), []
        for number, stage in enumerate(self.model.encoder.stages):
            tokens = stage(tokens, False)[0]
            maps.append(from_mask_units(tokens, units, times=3 - number))
        return maps


def in_mask_units(tokens: Tensor, units: tuple[int, int]) -> Tensor:
    """Order tokens so that neighbours come to be apart by a fixed step, as Hiera's pooling needs.

    Every halving of the map takes the four tokens of a 2 x 2 square into four parts, one after the
    other. After three the last part is the grid of units, and a unit's 64 tokens lie apart by
    their number.

    Args:
        tokens: (N, 8h * 8w, C), row by row.
        units: (h, w), of 8 x 8 tokens.
    """
    maps = rearrange(tokens, "n (h w) c -> n c h w", h=8 * units[0])
    for _ in range(3):
        maps = rearrange(maps, "n c (h y) (w x) -> (n y x) c h w", y=2, x=2)
    return rearrange(maps, "(n r) c h w -> n (r h w) c", n=len(tokens))


def from_mask_units(tokens: Tensor, units: tuple[int, int], *, times: int) -> Tensor:
    """The map of tokens ordered by `in_mask_units`, of which `times` halvings are left.

    Args:
        tokens: (N, 4 ** times * h * w, C).
        units: (h, w).
        times: 3 before pooling, one less after each.

    Returns:
        (N, C, 2 ** times * h, 2 ** times * w).
    """
    height, width = units
    maps = rearrange(tokens, "n (r h w) c -> (n r) c h w", h=height, w=width)
    for _ in range(times):
        maps = rearrange(maps, "(n y x) c h w -> n c (h y) (w x)", y=2, x=2)
    return maps


class Sam2HieraEncoder(HierarchicalEncoder):
    """SAM 2's Hiera: windows, a few blocks with global attention, tiled position embeddings."""

    def __init__(self, **config: Any):
        """The settings of a Sam2HieraDetConfig.

        Raises:
            ValueError: a first window that does not divide 8 tokens.
        """
        from transformers import Sam2HieraDetConfig, Sam2HieraDetModel

        model = Sam2HieraDetModel(Sam2HieraDetConfig(**config))
        config = model.config
        if 8 % config.window_size_per_stage[0]:
            raise ValueError(
                "the first of window_size_per_stage is tiled over maps of a multiple of 8 tokens: "
                f"it is 8, 4, 2 or 1, not {config.window_size_per_stage[0]}"
            )
        super().__init__(model=model, channels=list(config.embed_dim_per_stage))

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks of all stages."""
        return list(self.model.blocks)

    def stages(self, padded: Tensor) -> list[Tensor]:
        """See `HierarchicalEncoder.stages`."""
        maps = self.model(padded).intermediate_hidden_states
        return [rearrange(found, "n h w c -> n c h w") for found in maps]


class SwinEncoder(HierarchicalEncoder):
    """Swin; the maps are those before a stage's patches are merged."""

    norm = "layernorm"

    def __init__(self, **config: Any):
        """The settings of a SwinConfig."""
        from transformers import SwinConfig, SwinModel

        model = SwinModel(SwinConfig(**config), add_pooling_layer=False)
        width = model.config.embed_dim
        super().__init__(model=model, channels=[width * 2**i for i in range(4)])

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks of all stages."""
        return [block for stage in self.model.encoder.layers for block in stage.blocks]

    def stages(self, padded: Tensor) -> list[Tensor]:
        """See `HierarchicalEncoder.stages`."""
        outputs = self.model(
            padded,
            output_hidden_states=True,
            output_hidden_states_before_downsampling=True,
            # Without it a map smaller than a window would shrink the window for good.
            always_partition=True,
            interpolate_pos_encoding=True,
        )
        return list(outputs.reshaped_hidden_states[1:])  # 0: the embeddings


class ConvNextEncoder(HierarchicalEncoder):
    """DINOv3's ConvNeXt."""

    norm, norms_the_mean = "layer_norm", True

    def __init__(self, **config: Any):
        """The settings of a DINOv3ConvNextConfig."""
        from transformers import DINOv3ConvNextConfig, DINOv3ConvNextModel

        model = DINOv3ConvNextModel(DINOv3ConvNextConfig(**config))
        super().__init__(model=model, channels=list(model.config.hidden_sizes))

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks of all stages."""
        return [block for stage in self._stages for block in stage.layers]

    @property
    def _stages(self) -> nn.ModuleList:
        return getattr(self.model, "model", self.model).stages  # 5.x moved them

    def stages(self, padded: Tensor) -> list[Tensor]:
        """See `HierarchicalEncoder.stages`."""
        maps = []
        for stage in self._stages:
            padded = stage(padded)
            maps.append(padded)
        return maps


class ResNetEncoder(HierarchicalEncoder):
    """ResNet as torchvision and transformers have it (stride in the 3 x 3 convolution)."""

    def __init__(self, **config: Any):
        """The settings of a ResNetConfig."""
        from transformers import ResNetConfig, ResNetModel

        model = ResNetModel(ResNetConfig(**config))
        super().__init__(model=model, channels=list(model.config.hidden_sizes))

    @property
    def blocks(self) -> list[nn.Module]:
        """The residual blocks of all stages."""
        return [block for stage in self.model.encoder.stages for block in stage.layers]

    def stages(self, padded: Tensor) -> list[Tensor]:
        """See `HierarchicalEncoder.stages`."""
        return list(self.model(padded, output_hidden_states=True).hidden_states[1:])  # 0: the stem
