"""EMP-SSL: many crops of an image are pulled to their mean, and a coding rate prevents collapse.

Source: Tong et al., "EMP-SSL: Towards Self-Supervised Learning in One Training Epoch", arXiv
2304.03977. VFM4US is based on it. There is no teacher, no queue and no temperature.

Letters: V crops of an image, B images in all processes, C channels of the encoder's token, D
dimensions of the projection.
"""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lgrseg.comm.processes import gather_with_gradient
from lgrseg.layers.clip_batch import ImageNormalizer, clip_generators, stack_clips
from lgrseg.layers.drop_path import draw_drop_paths
from lgrseg.layers.numerics import at_least_float32, effective_rank
from lgrseg.modeling.contracts import Losses
from lgrseg.modeling.foundation.encoder import Encoder
from lgrseg.modeling.pretraining.adversarial_masks import AdversarialMasks
from lgrseg.modeling.pretraining.pretraining_model import PretrainingModel, check_several
from lgrseg.structures import Clip, UnlabelledViews


class ManyCropsModel(PretrainingModel):
    """An encoder and a projector, which are trained on crops of frames without labels.

        loss = - similarity_weight * similarity - rate

    The similarity is the mean cosine between the projection of a crop and the mean projection of
    all crops of its image. The rate is large if the projections of different images fill the space
    (`coding_rate`), averaged over the V crops.

    Both are computed from the crops of all processes: tokens are gathered before the projector, so
    that also its batch norms see all of them. Batch norms of the encoder see those of one process.

    `monitored` has the numbers of the last step, over all processes: `similarity` (-1 to 1),
    `relative_rate`, the coding rate as a share of the largest possible one, and `effective_rank` of
    the encoder's tokens of all crops.
    """

    def __init__(
        self,
        *,
        backbone: Encoder,
        hidden_dim: int = 4096,
        dim: int = 1024,
        similarity_weight: float = 200.0,
        epsilon: float = 0.2,
        masks: AdversarialMasks | None = None,
        pixel_mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
        pixel_std: tuple[float, float, float] = (0.229, 0.224, 0.225),
    ):
        """Combine an encoder and a projector; the defaults are those of EMP-SSL.

        Args:
            backbone: encoder that is trained.
            hidden_dim: width of the two hidden layers of the projector.
            dim: number D of dimensions of a projection.
            similarity_weight: weight of the similarity.
            epsilon: precision of the coding rate, above 0; a smaller one gives more weight to
                directions with little variance.
            masks: masks that hide a part of half of the crops; None hides nothing.
            pixel_mean: mean of each RGB channel (0 to 1), which is subtracted.
            pixel_std: standard deviation of each RGB channel, by which it is divided.

        Raises:
            ValueError: `epsilon` is not above 0.
        """
        super().__init__()
        if epsilon <= 0:
            raise ValueError(f"epsilon={epsilon}: the precision of the coding rate is above 0")
        self.backbone, self.masks = backbone, masks
        self.similarity_weight, self.epsilon = similarity_weight, epsilon
        widths = [backbone.token_dim, hidden_dim, hidden_dim]
        hidden = [
            nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU())
            for a, b in zip(widths, widths[1:], strict=False)
        ]
        self.projector = nn.Sequential(*hidden, nn.Linear(hidden_dim, dim))
        self.normalizer = ImageNormalizer(mean=pixel_mean, std=pixel_std, divisor=1)

    @property
    def pictures(self) -> Mapping[str, Tensor]:
        """Pictures of the masks of the last step."""
        return self.masks.pictures if self.masks else {}

    def losses_of(self, clips: list[Clip], unlabelled: list[UnlabelledViews]) -> Losses:
        """Return the losses of all crops.

        Args:
            clips: not used; there must be none, as labelled clips have no crops.
            unlabelled: crops of frames, as views for the teacher: at least 2 of each, and the same
                number of all. The number of frames is the same in all processes.

        Raises:
            ValueError: there are no crops, or only one frame.
            CollapsedMasksError: a mask is nearly empty or full.
        """
        counts = {len(views.teacher) for views in unlabelled}
        if len(counts) != 1 or min(counts) < 2 or clips:
            raise ValueError(
                f"{len(clips)} labelled clips, and frames with {sorted(counts)} crops: set "
                "dataloader.train.batch_size=0, and num_views=2 or more of a RandomFrameMapper"
            )
        (num_views,) = counts
        crops = [views.teacher[number] for number in range(num_views) for views in unlabelled]
        images = rearrange(self.normalizer(stack_clips(crops)), "b t c h w -> (b t) c h w")
        generators, num_frames = clip_generators(crops), len(crops[0].frames)
        losses: Losses = {}
        if self.masks:
            whole = len(unlabelled) * (num_views - num_views // 2) * num_frames
            of_images = [generator for generator in generators for _ in range(num_frames)]
            images, losses["loss_mask_shares"] = self.masks.hide(images, of_images, first=whole)
        draw_drop_paths(self.backbone, generators, num_frames)
        tokens = rearrange(self.backbone.forward_token(images), "(v b) c -> b v c", v=num_views)
        return losses | self._losses(gather_with_gradient(at_least_float32(tokens)))

    def _losses(self, tokens: Tensor) -> Losses:
        """Compute the losses from the tokens of all processes (B, V, C)."""
        check_several(tokens)
        num_views = tokens.shape[1]
        with torch.autocast(tokens.device.type, enabled=False):
            flat = rearrange(tokens, "b v c -> (b v) c")
            projections = F.normalize(self.projector(flat), dim=-1)
            projections = rearrange(projections, "(b v) d -> v b d", v=num_views)
            means = projections.mean(dim=0, keepdim=True)
            similarity = F.cosine_similarity(projections, means, dim=-1).mean()
            rate = coding_rate(projections, self.epsilon).mean()
        self._monitored = {
            "similarity": similarity.detach(),
            "relative_rate": rate.detach() / largest_rate(projections, self.epsilon),
            "effective_rank": effective_rank(flat.detach()),
            **(self.masks.monitored if self.masks else {}),
        }
        return {"loss_similarity": -self.similarity_weight * similarity, "loss_rate": -rate}


def coding_rate(vectors: Tensor, epsilon: float) -> Tensor:
    """Total coding rate 1/2 log det(I + D / (M epsilon) Z'Z) of M vectors Z in D dimensions.

    Args:
        vectors: (..., M, D) vectors, usually of length 1.
        epsilon: precision, above 0.

    Returns:
        (...) rates, computed from the smaller of Z'Z and ZZ', whose determinants are equal.
    """
    count, dim = vectors.shape[-2:]
    if dim > count:
        vectors = vectors.transpose(-1, -2)
    products = vectors.transpose(-1, -2) @ vectors
    identity = torch.eye(products.shape[-1], dtype=vectors.dtype, device=vectors.device)
    return torch.logdet(identity + dim / (count * epsilon) * products) / 2


def largest_rate(vectors: Tensor, epsilon: float) -> float:
    """The largest coding rate of M vectors of length 1 in D dimensions, for (..., M, D)."""
    count, dim = vectors.shape[-2:]
    rank = min(count, dim)
    return rank / 2 * math.log(1 + dim / (rank * epsilon))
