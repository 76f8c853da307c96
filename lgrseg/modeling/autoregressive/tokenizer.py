"""Mask tokenizer: label map -> grid of discrete tokens -> label map.

It is trained on masks alone, by the same commands as a segmentation model: `MaskMapper` makes clips
whose frames are class shares instead of grey values.

Letters: B clips, T frames, N masks, K classes, C codes, D size of a code, h w grid of tokens. The
height H and width W of class shares are h and w times the stride.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lgrseg.comm.processes import mean_over_processes
from lgrseg.layers.clip_batch import crop_to_input, stack_clips
from lgrseg.layers.map_size import map_size
from lgrseg.layers.numerics import at_least_float32, divide, soft_dice
from lgrseg.modeling.autoregressive.codec import (
    STRIDE,
    CellShares,
    ContextDecoder,
    PatchEncoder,
)
from lgrseg.modeling.autoregressive.quantizers import (
    ClassIndices,
    ScalarQuantizer,
    VectorQuantizer,
)
from lgrseg.modeling.contracts import ClipModel
from lgrseg.modeling.heads.per_pixel import clip_prediction
from lgrseg.structures import Clip, ClipPrediction, ClipTargets


class MaskTokenizer(ClipModel):
    """An encoder, a quantizer and a decoder of label maps; any number of classes, any size.

    It is trained by cross-entropy and Dice between the decoded and the true label map, also at a
    random coarser size, so that small label maps can be tokenized for next-scale prediction. The
    learned codes follow whole batches, so results depend on the number of processes.
    """

    num_classes: int
    source: str | None = None
    """File of the loaded checkpoint; None if none was loaded."""

    def __init__(
        self,
        *,
        num_classes: int,
        quantizer: VectorQuantizer | ScalarQuantizer | ClassIndices,
        encoder: PatchEncoder | CellShares | None = None,
        decoder: nn.Module | None = None,
        wrong_share: float = 0.05,
        coarse_weight: float = 0.25,
    ):
        """Build the networks.

        Args:
            num_classes: number K of classes.
            quantizer: codes of the tokens.
            encoder: network from class shares to a vector for each patch; None for a
                `PatchEncoder`.
            decoder: network from codes to scores; None for a `ContextDecoder`.
            wrong_share: share of codes, 0 to 1, that are replaced by random ones in training, so
                that the decoder tolerates wrong tokens.
            coarse_weight: weight of the losses at the coarser size.
        """
        super().__init__()
        self.num_classes = num_classes
        self.wrong_share, self.coarse_weight = wrong_share, coarse_weight
        self.encoder = encoder or PatchEncoder(num_classes=num_classes, dim=quantizer.dim)
        self.quantizer = quantizer
        self.decoder = decoder or ContextDecoder(num_classes=num_classes, dim=quantizer.dim)
        self.stride = self.encoder.stride

    @property
    def num_codes(self) -> int:
        """Number C of codes."""
        return self.quantizer.num_codes

    @property
    def codebook(self) -> Tensor:
        """(C, D) codes."""
        return self.quantizer.codebook

    def encode(self, shares: Tensor) -> Tensor:
        """Class shares (N, K + 1, H, W) -> vectors (N, h, w, D), not yet quantized."""
        with torch.autocast(shares.device.type, enabled=False):  # else near codes are confused
            return self.quantizer.bound(self.encoder(shares.float()).permute(0, 2, 3, 1))

    def tokens(self, shares: Tensor) -> Tensor:
        """Class shares (N, K + 1, H, W) -> tokens (N, h, w) int64, 0 to C - 1."""
        return self.quantizer.indices(self.encode(shares))

    def decode(self, codes: Tensor) -> Tensor:
        """Codes, or means of codes, (N, h, w, D) -> scores (N, K + 1, H, W)."""
        return self.decoder(codes.permute(0, 3, 1, 2))

    def loss_totals(self, targets: Sequence[ClipTargets]) -> dict[str, float]:
        """Normaliser of the losses of these clips: "frames", the number of annotated frames."""
        return {"frames": float(sum(len(target.annotated_frames) for target in targets))}

    def forward(
        self,
        clips: list[Clip],
        targets: list[ClipTargets] | None = None,
        totals: Mapping[str, float | Tensor] | None = None,
    ) -> dict[str, Tensor] | list[ClipPrediction]:
        """Return losses in training mode, otherwise the reconstruction of each clip.

        Frames of clips are class shares (T, K + 1, H, W), as `MaskMapper` makes them.

        Raises:
            ValueError: frames are no class shares, or targets are missing in training.
        """
        for clip in clips:
            self._check(clip.frames)
        frames = stack_clips(clips)
        if not self.training:
            return [self._reconstruct(clip) for clip in frames]
        if targets is None:
            raise ValueError("a model in training mode needs targets; call .eval() to predict")
        totals = totals or mean_over_processes(self.loss_totals(targets), frames.device)
        annotated = torch.stack([target.annotated for target in targets]).to(frames.device)
        shares = padded_shares(frames[annotated], self.stride)
        losses = self._losses(shares, totals["frames"])
        num_halvings = (min(map_size(shares)) // self.stride).bit_length() - 1
        if self.coarse_weight and num_halvings:
            factor = 2 ** int(torch.randint(num_halvings, ()) + 1)
            smaller = padded_shares(F.avg_pool2d(shares, factor), self.stride)
            coarse = self._losses(smaller, totals["frames"])
            losses |= {f"{name}_coarse": self.coarse_weight * coarse[name] for name in coarse}
        return losses

    def _check(self, frames: Tensor) -> None:
        channels = self.num_classes + 1
        if frames.shape[1] != channels or (frames.sum(dim=1) - 1).abs().max() > 1e-3:
            raise ValueError(
                f"a mask tokenizer with {self.num_classes} classes reads class shares, "
                f"{channels} channels that sum to 1, and not pictures: use "
                "MaskMapper in all loaders, as configs/ar_seg/tokenizer.py does. To segment "
                "pictures, train another config of configs/ar_seg with this tokenizer"
            )

    def _losses(self, shares: Tensor, num_frames: float | Tensor) -> dict[str, Tensor]:
        vectors = self.encode(shares)
        flat = rearrange(vectors, "n h w d -> (n h w) d")
        is_boundary = ~pure_patches(shares, self.stride).flatten()
        indices, commitment = self.quantizer(flat, is_boundary)
        codes = flat + (self.codebook[indices] - flat).detach()  # straight-through gradient
        is_wrong = torch.rand(len(flat), device=flat.device) < self.wrong_share
        other = torch.randint(self.num_codes, indices.shape, device=flat.device)
        codes = torch.where(is_wrong[:, None], self.codebook[other], codes)
        scores = at_least_float32(self.decode(codes.view_as(vectors)))
        losses = share_losses(scores, shares, num_frames)
        return losses | {"loss_commitment": commitment}

    def _reconstruct(self, frames: Tensor) -> ClipPrediction:
        tokens = self.tokens(padded_shares(frames, self.stride))
        scores = crop_to_input(self.decode(self.codebook[tokens]), map_size(frames), stride=1)
        prediction = clip_prediction(rearrange(scores.float(), "t k h w -> k t h w"))
        prediction.tokens = tokens
        return prediction


def share_losses(scores: Tensor, shares: Tensor, num_frames: float | Tensor) -> dict[str, Tensor]:
    """Cross-entropy and soft Dice against class shares; sums over masks / `num_frames`.

    Args:
        scores: (N, K + 1, H, W) logits.
        shares: (N, K + 1, H, W) true class shares, 0 to 1, that sum to 1 over the classes.
        num_frames: divisor of the sums over masks.
    """
    entropy = F.cross_entropy(scores, shares, reduction="none").mean(dim=(-2, -1))
    dice = soft_dice(scores.softmax(dim=1)[:, 1:], shares[:, 1:], (-2, -1))
    return {
        "loss_ce": divide(entropy.sum(), num_frames),
        "loss_dice": divide((1 - dice).mean(dim=1).sum(), num_frames),
    }


def shares_of_labels(labels: Tensor, num_classes: int) -> Tensor:
    """Label maps (N, H, W), 0 background -> class shares (N, K + 1, H, W), each 0 or 1."""
    return F.one_hot(labels, num_classes + 1).permute(0, 3, 1, 2).float()


def padded_shares(shares: Tensor, divisor: int) -> Tensor:
    """Pad class shares (N, K + 1, H, W) with background to multiples of `divisor`."""
    height, width = map_size(shares)
    padding = (0, -width % divisor, 0, -height % divisor)
    background = F.pad(shares[:, :1], padding, value=1.0)
    return torch.cat([background, F.pad(shares[:, 1:], padding)], dim=1)


def pure_patches(shares: Tensor, stride: int = STRIDE) -> Tensor:
    """(N, K + 1, H, W) -> (N, h, w) bool: true for patches that show one class only."""
    return (-F.max_pool2d(-shares, stride)).amax(dim=1) > 0.999
