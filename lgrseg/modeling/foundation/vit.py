"""Plain vision transformers of transformers, with one map at the stride of the patches.

DINOv2 (Oquab et al., arXiv 2304.07193), with registers (Darcet et al., arXiv 2309.16588), DINOv3
(Simeoni et al., arXiv 2508.10104), MAE (He et al., CVPR 2022) and USFM (Jiao et al., Medical Image
Analysis 2024), whose ViT is BEiT's (Bao et al., ICLR 2022).

Images may have any size: learned positions and BEiT's tables of relative positions are interpolated
to the grid of patches at run time, and DINOv3's rotary positions are computed for it. transformers
would cut off incomplete patches; here the image is padded to whole patches.
"""

from typing import TYPE_CHECKING, Any, Protocol, cast

from einops import rearrange
from torch import Tensor, nn

from lgrseg.modeling.foundation.encoder import (
    TransformersEncoder,
    covering,
    with_own_drop_paths,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class ViTConfig(Protocol):
    """Settings that the configs of all plain transformers have."""

    image_size: int | list[int] | tuple[int, ...]
    patch_size: int
    hidden_size: int
    num_hidden_layers: int


class ViTEncoder(TransformersEncoder):
    """Encoder of a plain transformer; its maps are the outputs of the last block or of several.

    The model's final norm is applied to every map, as in the evaluation of DINOv2.
    """

    def __init__(
        self,
        *,
        model: "PreTrainedModel",
        blocks: str,
        norm: str,
        num_prefix: int,
        layers: tuple[int, ...] | None = None,
        mean_token: bool = False,
        arguments: dict[str, Any] | None = None,
    ):
        """Wrap a model of transformers as an encoder.

        Args:
            model: model whose `last_hidden_state` is normalised.
            blocks: path of the list of blocks in the model.
            norm: path of the final norm in the model.
            num_prefix: number of tokens before the patches (class token and registers).
            layers: indices of the blocks whose outputs are the maps (from 0, -1 is the last); None
                means one map, from the last block.
            mean_token: True if the global token is the mean of the patches, not the class token.
            arguments: additional arguments of the model's forward.

        Raises:
            ValueError: a layer does not exist, or `image_size` is not one number.
        """
        config = cast(ViTConfig, model.config)
        if not isinstance(config.image_size, int):
            raise ValueError(
                f"image_size must be one number, not {config.image_size}: it is the square on "
                "which positions were trained; images themselves may have any size"
            )
        depth = config.num_hidden_layers
        for layer in layers or ():
            if not -depth <= layer < depth:
                raise ValueError(f"layers must be 0 to {depth - 1} in this encoder, not {layer}")
        num_maps = len(layers) if layers else 1
        super().__init__(
            channels=[config.hidden_size] * num_maps,
            strides=[config.patch_size] * num_maps,
            token_dim=config.hidden_size,
            least_size=config.patch_size,
        )
        self.model = with_own_drop_paths(model)
        self.patch_size, self.num_prefix = config.patch_size, num_prefix
        self.layers = [layer % depth for layer in layers] if layers else None
        self.mean_token, self.arguments = mean_token, arguments or {}
        self._blocks, self._norm = blocks, norm
        for name, parameter in model.named_parameters():
            if name.endswith("mask_token"):  # used only in pretraining
                parameter.requires_grad_(False)

    @property
    def blocks(self) -> list[nn.Module]:
        """The transformer's blocks in order."""
        return list(self.model.get_submodule(self._blocks).children())

    def forward(self, images: Tensor) -> list[Tensor]:
        """See `Encoder.forward`: one map, or one after each of `layers`."""
        padded = self.padded(images, self.patch_size)
        height = padded.shape[-2] // self.patch_size
        maps = []
        for tokens in self._tokens(padded):
            patches = tokens[:, self.num_prefix :]
            maps.append(rearrange(patches, "n (h w) c -> n c h w", h=height).contiguous())
        return [covering(features, self.patch_size, images) for features in maps]

    def forward_token(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) to (N, C): the normalised class token, or mean of the patches."""
        (tokens,) = self._tokens(self.padded(images, self.patch_size), last_only=True)
        return tokens[:, self.num_prefix :].mean(dim=1) if self.mean_token else tokens[:, 0]

    def _tokens(self, padded: Tensor, *, last_only: bool = False) -> list[Tensor]:
        if self.layers is None or last_only:
            return [self.model(padded, **self.arguments).last_hidden_state]
        outputs = self.model(padded, output_hidden_states=True, **self.arguments)
        norm = self.model.get_submodule(self._norm)
        return [norm(outputs.hidden_states[layer + 1]) for layer in self.layers]  # 0: embeddings


def dinov2(*, layers: tuple[int, ...] | None = None, **config: Any) -> ViTEncoder:
    """DINOv2 with the settings of a Dinov2Config."""
    from transformers import Dinov2Config, Dinov2Model

    return ViTEncoder(
        model=Dinov2Model(Dinov2Config(**config)),
        blocks="encoder.layer",
        norm="layernorm",
        num_prefix=1,
        layers=layers,
    )


def dinov2_registers(*, layers: tuple[int, ...] | None = None, **config: Any) -> ViTEncoder:
    """DINOv2 with registers, with the settings of a Dinov2WithRegistersConfig."""
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    model = Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**config))
    return ViTEncoder(
        model=model,
        blocks="encoder.layer",
        norm="layernorm",
        num_prefix=1 + model.config.num_register_tokens,
        layers=layers,
    )


def dinov3(*, layers: tuple[int, ...] | None = None, **config: Any) -> ViTEncoder:
    """DINOv3's ViT with the settings of a DINOv3ViTConfig.

    In training mode transformers rescales positions randomly, which belongs to the pretraining and
    uses one random number for the whole batch. Here this is disabled by default.
    """
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    model = DINOv3ViTModel(DINOv3ViTConfig(**{"pos_embed_rescale": None} | config))
    return ViTEncoder(
        model=model,
        blocks="model.layer" if hasattr(model, "model") else "layer",  # moved in transformers 5
        norm="norm",
        num_prefix=1 + model.config.num_register_tokens,
        layers=layers,
    )


def mae(*, layers: tuple[int, ...] | None = None, **config: Any) -> ViTEncoder:
    """MAE's encoder with the settings of a ViTConfig, without masking."""
    from transformers import ViTConfig, ViTModel

    model = ViTModel(ViTConfig(**config), add_pooling_layer=False)
    return ViTEncoder(
        model=model,
        blocks=_path_of_blocks(model),
        norm="layernorm",
        num_prefix=1,
        layers=layers,
        arguments={"interpolate_pos_encoding": True},
    )


def usfm(*, layers: tuple[int, ...] | None = None, **config: Any) -> ViTEncoder:
    """USFM's BEiT-style encoder with the settings of a BeitConfig.

    Its pretraining does not train the class token, so the global token is the patches' mean.
    """
    from transformers import BeitConfig, BeitModel

    model = BeitModel(BeitConfig(**config), add_pooling_layer=False)
    return ViTEncoder(
        model=model,
        blocks=_path_of_blocks(model),
        norm="layernorm",
        num_prefix=1,
        layers=layers,
        mean_token=True,
    )


def _path_of_blocks(model: nn.Module) -> str:
    return "layers" if hasattr(model, "layers") else "encoder.layer"  # moved in transformers 5
