"""SegViT: a token per class, whose attention over the image is the mask.

Source: Zhang et al., "SegViT: Semantic Segmentation with Plain Vision Transformers", NeurIPS 2022,
arXiv 2210.05844, sections 3.2 and 3.3, with the same loss weights. Differences:
    * the background is a class with a token, as in all models of this project;
    * there is no dropout, and losses are means over the classes of an image, then over images, so
      they do not depend on the number of processes;
    * masks of earlier modules are compared with the truth at the resolution of the masks, to save
      memory; only the last one is resized to the pixels;
    * maps may differ in stride: masks are summed at the finest resolution.

Letters: N images, A annotated ones, Q = K + 1 class tokens, S positions of a map, M heads, D width.
"""

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor, nn

from lgrseg.layers.convolutions import resized
from lgrseg.layers.map_size import map_size
from lgrseg.layers.numerics import at_least_float32, divide, soft_dice
from lgrseg.modeling.heads.pixel_truth import PixelTruth

FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0
"""Parameters of the focal loss: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017."""
SMALLEST_SCORE = 1e-6
"""Lower bound of scores before the logarithm, because products may round to 0."""


class AttentionToMask(nn.Module):
    """Class tokens attend to each other and to a map; their similarity to the map is the mask.

    similarity of head m = q_m k_m / sqrt(D / M);  mask logits: its mean over the heads
    token += project(softmax over places(similarity) v)
    """

    def __init__(self, *, dim: int, num_heads: int, ffn_dim: int):
        super().__init__()
        self.num_heads = num_heads
        self.self_attention = nn.MultiheadAttention(dim, num_heads, batch_first=True)
        self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))
        self.project = nn.Linear(dim, dim)
        self.ffn = nn.Sequential(nn.Linear(dim, ffn_dim), nn.ReLU(), nn.Linear(ffn_dim, dim))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3))

    def forward(self, tokens: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (N, Q, D) and a map (N, S, D) to new tokens and mask logits (N, Q, S)."""
        tokens = self.norms[0](
            tokens + self.self_attention(tokens, tokens, tokens, need_weights=False)[0]
        )
        query, key, value = (
            rearrange(x, "n s (m d) -> n m s d", m=self.num_heads)
            for x in (self.query(tokens), self.key(places), self.value(places))
        )
        similarity = einsum(query, key, "n m q d, n m s d -> n m q s") / query.shape[-1] ** 0.5
        attended = einsum(similarity.softmax(dim=-1), value, "n m q s, n m s d -> n m q d")
        tokens = self.norms[1](tokens + self.project(rearrange(attended, "n m q d -> n q (m d)")))
        return self.norms[2](tokens + self.ffn(tokens)), similarity.mean(dim=1)


class SegViT(nn.Module):
    """One attention-to-mask module per map, from the coarsest (or deepest) to the finest."""

    def __init__(
        self,
        *,
        in_channels: dict[str, int],
        num_classes: int,
        dim: int = 256,
        num_heads: int = 8,
        num_layers: int = 3,
        class_weight: float = 1.0,
        focal_weight: float = 20.0,
        dice_weight: float = 1.0,
        no_object_weight: float = 0.1,
    ):
        """Make a head on the maps in `in_channels`.

        Args:
            in_channels: number of channels of each map.
            num_classes: number K of classes, without the background.
            dim: width D of tokens, a multiple of `num_heads`.
            num_heads: number M of attention heads.
            num_layers: number of layers of each module; the last layer gives the mask.
            class_weight: weight of the tokens' cross-entropy.
            focal_weight: weight of the masks' focal loss.
            dice_weight: weight of the masks' Dice loss.
            no_object_weight: weight of absent classes in the cross-entropy.
        """
        super().__init__()
        self.in_channels = dict(in_channels)
        self.names = sorted(in_channels, reverse=True)  # res5 first
        self.weights = {"class": class_weight, "focal": focal_weight, "dice": dice_weight}
        self.no_object_weight = no_object_weight
        self.tokens = nn.Embedding(num_classes + 1, dim)
        self.project = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(in_channels[name], dim), nn.LayerNorm(dim))
                for name in self.names
            }
        )
        self.stages = nn.ModuleDict(
            {
                name: nn.ModuleList(
                    AttentionToMask(dim=dim, num_heads=num_heads, ffn_dim=4 * dim)
                    for _ in range(num_layers)
                )
                for name in self.names
            }
        )
        self.classify = nn.Linear(dim, num_classes + 2)  # the last class is "not in the image"

    def decode(self, features: dict[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Outputs of every module: class logits (N, Q, Q + 1) and mask logits (N, Q, h, w).

        Masks of a module are summed with those of all earlier modules, at the finest map's size.
        """
        size = map_size(features[self.names[-1]])
        num_images = len(features[self.names[0]])
        tokens = self.tokens.weight.expand(num_images, -1, -1)
        outputs, masks = [], tokens.new_zeros(())
        for name in self.names:
            height, width = features[name].shape[-2:]
            places = self.project[name](rearrange(features[name], "n c h w -> n (h w) c"))
            for layer in self.stages[name].children():
                tokens, similarity = layer(tokens, places)
            module_mask = rearrange(similarity, "n q (h w) -> n q h w", h=height, w=width)
            masks = masks + resized(module_mask, size)
            outputs.append((self.classify(tokens), masks))
        return outputs

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Compute log scores (N, K + 1, h, w) at the finest map's size.

        score of class k = log sum over tokens q of P(class of q = k) * sigmoid(mask of q)
        """
        class_logits, mask_logits = self.decode(features)[-1]
        probs = at_least_float32(class_logits).softmax(dim=-1)[..., :-1]
        masks = at_least_float32(mask_logits).sigmoid()
        return einsum(probs, masks, "n q k, n q h w -> n k h w").clamp(min=SMALLEST_SCORE).log()

    def losses(self, features: dict[str, Tensor], truth: PixelTruth) -> dict[str, Tensor]:
        """Weighted losses of all modules; token q belongs to class q, without matching.

        Returns:
            "loss_class", "loss_focal" and "loss_dice" of the last module, and the sums over the
            earlier ones as "aux_loss_class" and so on. All are 0 if no image is annotated.
        """
        outputs = self.decode(features)
        classes = torch.arange(outputs[0][0].shape[1], device=truth.labels.device)
        masks = (truth.labels[:, None] == classes[:, None, None]).float()  # A Q H W
        losses: dict[str, Tensor] = {}
        for number, (class_logits, mask_logits) in enumerate(outputs):
            is_last = number == len(outputs) - 1
            predicted = at_least_float32(truth.crop(mask_logits))
            true_masks = masks
            if is_last:
                predicted = resized(predicted, map_size(masks))
            else:
                true_masks = F.adaptive_avg_pool2d(masks, map_size(predicted))
            unweighted = self._losses_of(class_logits[truth.frames], predicted, true_masks)
            for name, per_image in unweighted.items():
                key = f"loss_{name}" if is_last else f"aux_loss_{name}"
                loss = self.weights[name] * divide(per_image.sum(), truth.num_frames)
                losses[key] = losses.get(key, 0.0) + loss
        return losses

    def _losses_of(self, class_logits, mask_logits, masks) -> dict[str, Tensor]:
        """Unweighted losses, (A,) each, of class logits (A, Q, Q + 1) and masks (A, Q, h, w)."""
        present = (masks.amax(dim=(-2, -1)) > 0).to(mask_logits)  # A Q
        num_classes = present.shape[1]
        token_classes = torch.arange(num_classes, device=present.device).expand(len(present), -1)
        true_classes = torch.where(present > 0, token_classes, num_classes)
        entropy = F.cross_entropy(
            at_least_float32(class_logits).movedim(-1, 1), true_classes, reduction="none"
        )
        weights = torch.where(present > 0, 1.0, self.no_object_weight)
        num_present = present.sum(dim=1)  # at least 1: every pixel is of some class
        focal, dice = (
            focal_loss(mask_logits, masks),
            1 - soft_dice(mask_logits.sigmoid(), masks, (-2, -1)),
        )
        return {
            "class": (weights * entropy).sum(dim=1) / weights.sum(dim=1),
            "focal": (present * focal).sum(dim=1) / num_present,
            "dice": (present * dice).sum(dim=1) / num_present,
        }


def focal_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Focal loss: mean over pixels of a (1 - p_t)^2 BCE; p_t is the true class's probability.

    Args:
        logits: (..., h, w) mask logits.
        truth: true masks of the same shape, 0 to 1; a is 0.25 where they are 1, 0.75 for 0.

    Returns:
        (...) losses.
    """
    probs = logits.sigmoid()
    true_probs = probs * truth + (1 - probs) * (1 - truth)
    balance = FOCAL_ALPHA * truth + (1 - FOCAL_ALPHA) * (1 - truth)
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return (balance * (1 - true_probs) ** FOCAL_GAMMA * entropy).mean(dim=(-2, -1))
