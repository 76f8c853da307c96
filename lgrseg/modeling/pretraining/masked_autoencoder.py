"""MAE: the encoder sees only a part of the patches, and a decoder predicts the others.

Source: He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022. The decoder is
that of transformers.

Letters: B clips, T frames, N = B T images, L patches of an image, D width of the encoder.
"""

from typing import cast

import torch
from einops import rearrange
from torch import Tensor, nn

from lgrseg.layers.clip_batch import ImageNormalizer, clip_generators, stack_clips
from lgrseg.layers.drop_path import draw_drop_paths
from lgrseg.layers.numerics import at_least_float32
from lgrseg.layers.position_encoding import sine_patches
from lgrseg.modeling.contracts import Losses
from lgrseg.modeling.foundation.vit import ViTConfig, ViTEncoder
from lgrseg.modeling.pretraining.masking import check_share
from lgrseg.modeling.pretraining.pretraining_model import PretrainingModel, all_clips
from lgrseg.structures import Clip, UnlabelledViews


class MaskedAutoencoder(PretrainingModel):
    """A ViT that encodes the visible patches, and a small ViT that predicts the hidden ones.

    The loss is the mean squared error of the hidden patches, each normalised by its own mean and
    deviation. Visible patches have no influence on it.

    `monitored` has `hidden_patches`, the share of hidden patches of the last step.
    """

    def __init__(
        self,
        *,
        backbone: ViTEncoder,
        ratio: float = 0.75,
        decoder_dim: int = 512,
        decoder_depth: int = 8,
        decoder_heads: int = 16,
        pixel_mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
        pixel_std: tuple[float, float, float] = (0.229, 0.224, 0.225),
    ):
        """Combine an encoder and a decoder; the defaults are those of MAE.

        Args:
            backbone: encoder `mae_*` that is trained. Its positions become sines and cosines, and
                are not trained.
            ratio: share of hidden patches, 0.02 to 0.9; MAE has 0.75.
            decoder_dim: width of the decoder, a multiple of 4 and of `decoder_heads`.
            decoder_depth: number of blocks of the decoder.
            decoder_heads: number of attention heads of the decoder.
            pixel_mean: mean of each RGB channel (0 to 1), which is subtracted.
            pixel_std: standard deviation of each RGB channel, by which it is divided.

        Raises:
            ValueError: `ratio` is out of range, or the encoder is no `mae_*`.
        """
        super().__init__()
        check_share("ratio", ratio)
        if type(backbone.model).__name__ != "ViTModel":
            raise ValueError(
                "a masked autoencoder needs an encoder mae_tiny, mae_small or mae_base, not one "
                f"around a {type(backbone.model).__name__}"
            )
        from transformers import ViTMAEConfig, ViTMAEForPreTraining

        self.backbone, self.ratio = backbone, ratio
        config = cast(ViTConfig, backbone.model.config)
        self.image_size = cast(int, config.image_size)  # ViTEncoder has checked this
        network = ViTMAEForPreTraining(
            ViTMAEConfig(
                image_size=self.image_size,
                patch_size=config.patch_size,
                hidden_size=config.hidden_size,
                num_hidden_layers=0,
                num_attention_heads=1,
                decoder_hidden_size=decoder_dim,
                decoder_num_hidden_layers=decoder_depth,
                decoder_num_attention_heads=decoder_heads,
                decoder_intermediate_size=4 * decoder_dim,
            )
        )
        self.decoder = network.decoder
        # transformers (5.23) leaves these at 0, and then all hidden patches are predicted alike.
        positions = backbone.model.get_parameter("embeddings.position_embeddings")
        side = self.image_size // config.patch_size
        positions.requires_grad_(False).copy_(sine_patches(side, config.hidden_size))
        self.decoder.decoder_pos_embed.data.copy_(sine_patches(side, decoder_dim))
        nn.init.normal_(self.decoder.mask_token, std=0.02)
        self.normalizer = ImageNormalizer(mean=pixel_mean, std=pixel_std, divisor=1)

    def losses_of(self, clips: list[Clip], unlabelled: list[UnlabelledViews]) -> Losses:
        """Return the loss of all frames, a mean over images.

        Args:
            clips: clips of one shape; usually none, as all videos are given without labels.
            unlabelled: unlabelled videos; the first view for the teacher of each is used.

        Raises:
            ValueError: there is no clip, or the frames do not have the `image_size` of the encoder.
        """
        clips = all_clips(clips, unlabelled)
        images = rearrange(self.normalizer(stack_clips(clips)), "b t c h w -> (b t) c h w")
        side = self.image_size
        if images.shape[-2:] != (side, side):
            raise ValueError(
                f"frames of {tuple(images.shape[-2:])} px: the decoder has the positions of "
                f"image_size={side}; set it, or the size of the mapper"
            )
        generators = clip_generators(clips)
        draw_drop_paths(self.backbone, generators, len(clips[0].frames))
        num_patches = (side // self.backbone.patch_size) ** 2
        noise = torch.cat(
            [
                torch.rand(len(clip.frames), num_patches, generator=g, device=g.device)
                for clip, g in zip(clips, generators, strict=True)
            ]
        )
        order = noise.argsort(dim=1)
        hidden = torch.ones_like(noise, dtype=torch.bool)
        visible = order[:, : int(num_patches * (1 - self.ratio) + 1e-9)]
        hidden.scatter_(1, visible, False)
        tokens = self.encode(images, visible)
        predicted = self.decoder(tokens, order.argsort(dim=1)).logits
        self._monitored = {"hidden_patches": hidden.float().mean()}
        return {"loss_patches": hidden_error(predicted, self.patches(images), hidden)}

    def encode(self, images: Tensor, visible: Tensor) -> Tensor:
        """Encode a part of the patches.

        Args:
            images: (N, 3, H, W) normalised images.
            visible: (N, V) indices of the visible patches.

        Returns:
            (N, 1 + V, D) normalised tokens; the first is the class token.
        """
        tokens = self.backbone.model.get_submodule("embeddings")(images)
        patches = tokens[:, 1:].take_along_dim(visible[..., None], dim=1)
        tokens = torch.cat([tokens[:, :1], patches], dim=1)
        for block in self.backbone.blocks:
            tokens = block(tokens)
        return self.backbone.model.get_submodule("layernorm")(tokens)

    def patches(self, images: Tensor) -> Tensor:
        """Cut images (N, 3, H, W) into patches (N, L, P P 3), row by row."""
        side = self.backbone.patch_size
        return rearrange(images, "n c (h p) (w q) -> n (h w) (p q c)", p=side, q=side)


def hidden_error(predicted: Tensor, patches: Tensor, hidden: Tensor) -> Tensor:
    """Mean squared error of the hidden patches, which are normalised by mean and deviation.

    Args:
        predicted: (N, L, P) predicted normalised patches.
        patches: (N, L, P) patches of the images.
        hidden: (N, L) bool, with the same number of hidden patches in all images.
    """
    wanted = at_least_float32(patches)
    variance = wanted.var(dim=-1, keepdim=True)
    wanted = (wanted - wanted.mean(dim=-1, keepdim=True)) / (variance + 1e-6).sqrt()
    errors = (at_least_float32(predicted) - wanted).square().mean(dim=-1)
    return errors[hidden].mean()
