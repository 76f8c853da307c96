"""Plain vision transformers: one map at the patch's stride, from transformers' models.

DINOv2 (Oquab et al., arXiv 2304.07193), with registers (Darcet et al., arXiv 2309.16588), DINOv3
(Simeoni et al., arXiv 2508.10104), MAE (He et al., CVPR 2022) and USFM (Jiao et al., Medical Image
Analysis 2024), whose ViT is BEiT's (Bao et al., ICLR 2022).

Any size of image: learnt positions and BEiT's tables of relative positions are interpolated to the
grid of patches at run time, DINOv3's rotary positions are computed for it. transformers alone would
cut off what does not fill a patch; here the image is continued to whole patches.
"""

from typing import Any

from einops import rearrange
from torch import Tensor, nn

from lgrseg.modeling.foundation.encoder import Encoder, covering, with_own_drop_paths


class ViTEncoder(Encoder):
    """Maps of one transformer's patches, after its last block or after several.

    Every map has gone through the model's final norm, as in DINOv2's own evaluation.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        blocks: str,
        norm: str,
        num_prefix: int,
        layers: tuple[int, ...] | None = None,
        mean_token: bool = False,
        arguments: dict[str, Any] | None = None,
    ):
        """Wrap a model of transformers.

        Args:
            model: gives `last_hidden_state`, normed.
            blocks: where in it the list of blocks is.
            norm: where in it the final norm is.
            num_prefix: tokens before the patches: the class token and registers.
            layers: blocks (counted from 0, -1 the last) after which a map is taken; None is one
                map, after the last.
            mean_token: the token is the patches' mean, not the class token.
            arguments: of the model's forward.

        Raises:
            ValueError: a layer that the model does not have, or an `image_size` with two sides.
        """
        config = model.config
        if not isinstance(config.image_size, int):
            raise ValueError(
                f"image_size is one number, not {config.image_size}: it is the square that "
                "positions were learnt on; images themselves may have any size"
            )
        depth = config.num_hidden_layers
        for layer in layers or ():
            if not -depth <= layer < depth:
                raise ValueError(f"layers are from 0 to {depth - 1} in this encoder, not {layer}")
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
            if name.endswith("mask_token"):  # of pretraining; no image ever meets it
                parameter.requires_grad_(False)

    @property
    def blocks(self) -> list[nn.Module]:
        """The transformer's blocks in order."""
        return list(self.model.get_submodule(self._blocks))

    def forward(self, images: Tensor) -> list[Tensor]:
        """See `Encoder.forward`: one map, or one after each of `layers`."""
        padded = self.padded(images, self.patch_size)
        height = padded.shape[-2] // self.patch_size
        maps = []
        for tokens in self._tokens(padded):
            patches = tokens[:, self.num_prefix :]
            maps.append(rearrange(patches, "n (h w) c -> n c h w", h=height).contiguous())
        return [covering(found, self.patch_size, images) for found in maps]

    def forward_token(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, C): the class token, or the patches' mean; normed."""
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

    The random rescaling of positions that transformers does in training mode belongs to the
    pretraining, and it would draw for the whole batch: it is off unless asked for.
    """
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    model = DINOv3ViTModel(DINOv3ViTConfig(**{"pos_embed_rescale": None} | config))
    return ViTEncoder(
        model=model,
        blocks="model.layer" if hasattr(model, "model") else "layer",  # 5.x moved it
        norm="norm",
        num_prefix=1 + model.config.num_register_tokens,
        layers=layers,
    )


def mae(*, layers: tuple[int, ...] | None = None, **config: Any) -> ViTEncoder:
    """MAE's encoder with the settings of a ViTConfig: no patch is masked."""
    from transformers import ViTConfig, ViTModel

    model = ViTModel(ViTConfig(**config), add_pooling_layer=False)
    return ViTEncoder(
        model=model,
        blocks=_place_of_blocks(model),
        norm="layernorm",
        num_prefix=1,
        layers=layers,
        arguments={"interpolate_pos_encoding": True},
    )


def usfm(*, layers: tuple[int, ...] | None = None, **config: Any) -> ViTEncoder:
    """USFM's BEiT-style encoder with the settings of a BeitConfig.

    Its pretraining never trains the class token, so its global token is the patches' mean.
    """
    from transformers import BeitConfig, BeitModel

    model = BeitModel(BeitConfig(**config), add_pooling_layer=False)
    return ViTEncoder(
        model=model,
        blocks=_place_of_blocks(model),
        norm="layernorm",
        num_prefix=1,
        layers=layers,
        mean_token=True,
    )


def _place_of_blocks(model: nn.Module) -> str:
    return "layers" if hasattr(model, "layers") else "encoder.layer"  # 5.x moved them
