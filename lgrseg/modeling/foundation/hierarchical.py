"""Encoders with four stages: maps at strides 4, 8, 16 and 32, from transformers' models.

SAM 2's Hiera (Ravi et al., arXiv 2408.00714), Swin (Liu et al., ICCV 2021), DINOv3's ConvNeXt
(arXiv 2508.10104) and ResNet (He et al., CVPR 2016); Hiera is in hiera.py.

Images are padded to multiples of 32, and the maps are cropped to the image. The model's final norm,
if it has one, is applied to the last map only.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from einops import rearrange
from torch import Tensor, nn

from lgrseg.modeling.foundation.encoder import (
    TransformersEncoder,
    covering,
    with_own_drop_paths,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DIVISOR = 32
"""The coarsest stride in pixels; also the size of Hiera's mask unit and of SAM 2's first window."""


class HierarchicalEncoder(TransformersEncoder):
    """Base class of the five encoders; a subclass computes the stages' maps."""

    norm: str | None = None
    """Path of the final norm in the model; None without a norm."""
    norms_the_mean = False
    """True if the global token is norm(mean(map)), False if it is mean(norm(map))."""

    def __init__(self, *, model: "PreTrainedModel", channels: list[int]):
        """`model` is a model of transformers; `channels` are the widths of its four stages."""
        super().__init__(
            channels=channels,
            strides=[4, 8, 16, 32],
            token_dim=channels[-1],
            least_size=DIVISOR,
        )
        self.model = with_own_drop_paths(model)

    @abstractmethod
    def stages(self, padded: Tensor) -> list[Tensor]:
        """Images padded to multiples of 32 to four maps (N, C, h, w), without the final norm."""

    def forward(self, images: Tensor) -> list[Tensor]:
        """See `Encoder.forward`: four maps."""
        *maps, last = self.stages(self.padded(images, DIVISOR))
        normed = self._normed(rearrange(last, "n c h w -> n h w c"))
        maps.append(rearrange(normed, "n h w c -> n c h w"))
        return [
            covering(features, stride, images).contiguous()
            for features, stride in zip(maps, self.strides, strict=True)
        ]

    def forward_token(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) to global tokens (N, C): the normalised mean of the last map."""
        last = self.stages(self.padded(images, DIVISOR))[-1]
        positions = rearrange(covering(last, self.strides[-1], images), "n c h w -> n (h w) c")
        if self.norms_the_mean:
            return self._normed(positions.mean(dim=1))
        return self._normed(positions).mean(dim=1)

    def _normed(self, features: Tensor) -> Tensor:
        return features if self.norm is None else self.model.get_submodule(self.norm)(features)


def blocks_of(stages: nn.Module, name: str) -> list[nn.Module]:
    """The blocks of all stages in order; `name` is the name of the block list in a stage."""
    return [block for stage in stages.children() for block in stage.get_submodule(name).children()]


class Sam2HieraEncoder(HierarchicalEncoder):
    """SAM 2's Hiera: windows, a few blocks with global attention, tiled position embeddings."""

    def __init__(self, **config: Any):
        """Take the settings of a Sam2HieraDetConfig.

        Raises:
            ValueError: the first window size does not divide 8 tokens.
        """
        from transformers import Sam2HieraDetConfig, Sam2HieraDetModel

        model = Sam2HieraDetModel(Sam2HieraDetConfig(**config))
        windows, widths = model.config.window_size_per_stage, model.config.embed_dim_per_stage
        assert windows and widths  # transformers fills in its defaults
        if 8 % windows[0]:
            raise ValueError(
                "the first window_size_per_stage must divide maps of a multiple of 8 tokens, so it "
                f"must be 8, 4, 2 or 1, not {windows[0]}"
            )
        super().__init__(model=model, channels=list(widths))

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks of all stages."""
        return list(self.model.get_submodule("blocks").children())

    def stages(self, padded: Tensor) -> list[Tensor]:
        """See `HierarchicalEncoder.stages`."""
        maps = self.model(padded).intermediate_hidden_states
        return [rearrange(features, "n h w c -> n c h w") for features in maps]


class SwinEncoder(HierarchicalEncoder):
    """Swin; its maps are those before the patches of a stage are merged."""

    norm = "layernorm"

    def __init__(self, **config: Any):
        """Take the settings of a SwinConfig."""
        from transformers import SwinConfig, SwinModel

        model = SwinModel(SwinConfig(**config), add_pooling_layer=False)
        width = model.config.embed_dim
        super().__init__(model=model, channels=[width * 2**i for i in range(4)])

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks of all stages."""
        return blocks_of(self.model.get_submodule("encoder.layers"), "blocks")

    def stages(self, padded: Tensor) -> list[Tensor]:
        """See `HierarchicalEncoder.stages`."""
        outputs = self.model(
            padded,
            output_hidden_states=True,
            output_hidden_states_before_downsampling=True,
            # Otherwise a map smaller than a window would shrink the window permanently.
            always_partition=True,
            interpolate_pos_encoding=True,
        )
        return list(outputs.reshaped_hidden_states[1:])  # 0: the embeddings


class ConvNextEncoder(HierarchicalEncoder):
    """DINOv3's ConvNeXt."""

    norm, norms_the_mean = "layer_norm", True

    def __init__(self, **config: Any):
        """Take the settings of a DINOv3ConvNextConfig."""
        from transformers import DINOv3ConvNextConfig, DINOv3ConvNextModel

        model = DINOv3ConvNextModel(DINOv3ConvNextConfig(**config))
        widths = model.config.hidden_sizes
        assert widths  # transformers fills in its defaults
        super().__init__(model=model, channels=list(widths))

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks of all stages."""
        return blocks_of(self._stages, "layers")

    @property
    def _stages(self) -> nn.Module:
        inner = hasattr(self.model, "model")  # moved in transformers 5
        return self.model.get_submodule("model.stages" if inner else "stages")

    def stages(self, padded: Tensor) -> list[Tensor]:
        """See `HierarchicalEncoder.stages`."""
        maps = []
        for stage in self._stages.children():
            padded = stage(padded)
            maps.append(padded)
        return maps


class ResNetEncoder(HierarchicalEncoder):
    """ResNet as in torchvision and transformers (stride in the 3 x 3 convolution)."""

    def __init__(self, **config: Any):
        """Take the settings of a ResNetConfig."""
        from transformers import ResNetConfig, ResNetModel

        model = ResNetModel(ResNetConfig(**config))
        widths = model.config.hidden_sizes
        assert widths  # transformers fills in its defaults
        super().__init__(model=model, channels=list(widths))

    @property
    def blocks(self) -> list[nn.Module]:
        """The residual blocks of all stages."""
        return blocks_of(self.model.get_submodule("encoder.stages"), "layers")

    def stages(self, padded: Tensor) -> list[Tensor]:
        """See `HierarchicalEncoder.stages`."""
        return list(self.model(padded, output_hidden_states=True).hidden_states[1:])  # 0: the stem
