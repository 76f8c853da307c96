"""Classification of images and clips: a small head on the global token of an encoder.

Letters: B clips, T frames, D width of the token, K classes.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lgrseg.comm.processes import mean_over_processes
from lgrseg.layers.channel_dropout import ChannelDropout, draw_channel_dropout
from lgrseg.layers.clip_batch import ImageNormalizer, clip_generators, stack_clips, to_device
from lgrseg.layers.drop_path import draw_drop_paths
from lgrseg.layers.numerics import at_least_float32, divide
from lgrseg.modeling.contracts import ClipModel, TokenEncoder
from lgrseg.modeling.fitting import fitted
from lgrseg.structures import Clip, LabelPrediction, LabelTarget


class ClipClassifier(ClipModel):
    """Predicts a class for every clip: a head on the mean of the tokens of its frames.

    An image is a clip of one frame. The mean is computed before the head, so a head with hidden
    layers gets the whole clip, not single frames. The encoder gets frames without padding, so a
    token does not depend on black borders.
    """

    predicts_masks = False
    num_classes: int

    def __init__(
        self,
        *,
        backbone: nn.Module,
        head: nn.Module | Callable[..., nn.Module],
        num_classes: int,
        pixel_mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
        pixel_std: tuple[float, float, float] = (0.229, 0.224, 0.225),
    ):
        """Combine an encoder and a head from (B, D) to (B, K).

        Args:
            backbone: an encoder of `lgrseg.modeling.foundation`, or another module with
                `forward_token(images)`, (N, 3, H, W) of any size -> (N, D), and `token_dim` D.
            head: `LinearHead`, `ThreeLayerHead`, or another module; or a function that makes it
                for the `in_channels` D.
            num_classes: number K of classes of the dataset.
            pixel_mean: mean of each RGB channel (0 to 1), which is subtracted.
            pixel_std: standard deviation of each RGB channel, by which it is divided.

        Raises:
            ValueError: the backbone has no global token, or the head was made for tokens of
                another width (its `in_channels`).
        """
        super().__init__()
        if not isinstance(backbone, TokenEncoder):
            raise ValueError(
                f"a {type(backbone).__name__} has no global token (forward_token); use an "
                "encoder of lgrseg.modeling.foundation: build_encoder(...), without a neck"
            )
        self.backbone = backbone
        self.head = fitted(head, in_channels=backbone.token_dim)
        width = getattr(self.head, "in_channels", backbone.token_dim)
        if width != backbone.token_dim:
            raise ValueError(
                f"head.in_channels is {width}, but the token of {type(backbone).__name__} has "
                f"{backbone.token_dim}: set model.head.in_channels={backbone.token_dim}"
            )
        self.num_classes = num_classes
        self.normalizer = ImageNormalizer(mean=pixel_mean, std=pixel_std, divisor=1)

    def loss_totals(self, targets: Sequence[LabelTarget]) -> dict[str, float]:
        """Normaliser of the loss of these clips: their number."""
        return {"clips": float(len(targets))}

    def tokens(self, clips: list[Clip]) -> Tensor:
        """Mean token of each clip, (B, D), the input of the head."""
        frames = stack_clips(clips)
        if self.training:
            generators = clip_generators(clips)
            draw_drop_paths(self.backbone, generators, frames.shape[1])
            draw_channel_dropout(self.head, generators, 1)
        images = rearrange(self.normalizer(frames), "b t c h w -> (b t) c h w")
        tokens = self.backbone.forward_token(images)
        return rearrange(tokens, "(b t) d -> b t d", b=len(clips)).mean(dim=1)

    def forward(
        self,
        clips: list[Clip],
        targets: list[LabelTarget] | None = None,
        totals: Mapping[str, float | Tensor] | None = None,
    ) -> dict[str, Tensor] | list[LabelPrediction]:
        """Return losses in training mode, otherwise one prediction per clip.

        `totals` is as in LGRNet.forward.

        Raises:
            ValueError: clips of a batch differ in shape, targets are missing in training, a label
                is not one of the K classes, or frames are smaller than one patch of the encoder.
        """
        if not self.training:
            scores = at_least_float32(self.head(self.tokens(clips)))
            return [LabelPrediction(of_clip) for of_clip in scores]
        if targets is None:
            raise ValueError("a model in training mode needs targets; call .eval() to predict")
        labels = torch.tensor([target.label for target in targets])
        for clip, label in zip(clips, labels.tolist(), strict=True):
            if not 0 <= label < self.num_classes:
                raise ValueError(
                    f"{clip.video_id} has label {label}; the model has {self.num_classes} classes, "
                    "counted from 0: set num_classes in the config"
                )
        scores = at_least_float32(self.head(self.tokens(clips)))
        totals = totals or mean_over_processes(self.loss_totals(targets), scores.device)
        loss = F.cross_entropy(scores, to_device(labels, scores.device), reduction="sum")
        return {"loss_ce": divide(loss, totals["clips"])}


class LinearHead(nn.Module):
    """Linear classifier of tokens."""

    def __init__(self, *, in_channels: int, num_classes: int):
        """`in_channels` is the encoder's `token_dim`."""
        super().__init__()
        self.in_channels = in_channels
        self.classify = nn.Linear(in_channels, num_classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Compute class logits (B, K) of tokens (B, D)."""
        return self.classify(tokens)


class ThreeLayerHead(nn.Module):
    """Three linear layers with GELU and dropout (random numbers per clip) between them."""

    def __init__(self, *, in_channels: int, num_classes: int, dim: int = 256, dropout: float = 0.1):
        """`in_channels` is the encoder's `token_dim`, `dim` the width of both hidden layers."""
        super().__init__()
        self.in_channels = in_channels
        self.layers = nn.Sequential(
            nn.Linear(in_channels, dim), nn.GELU(), ChannelDropout(dim, dropout),
            nn.Linear(dim, dim), nn.GELU(), ChannelDropout(dim, dropout),
            nn.Linear(dim, num_classes),
        )  # fmt: skip

    def forward(self, tokens: Tensor) -> Tensor:
        """Compute class logits (B, K) of tokens (B, D)."""
        return self.layers(tokens)
