"""MoCo v3: two views of a frame agree, and those of different frames do not.

Source: Chen, Xie and He, "An Empirical Study of Training Self-Supervised Vision Transformers",
ICCV 2021, algorithm 1. An encoder with a projector and a predictor makes a query q of one view. A
second encoder and projector, whose weights are the moving average of the first, make a key k of the
other view. With the cosine s of queries and keys and a temperature t, the loss of frame i is

    - 2 t log( exp(s(q_i, k_i) / t) / sum_j exp(s(q_i, k_j) / t) )

added for both directions. The frames j are those of the batch, of all processes; there is no queue.

Different here: patch projections of a ViT are trained. The publication freezes them, because long
trainings with batches of thousands are then more stable.

Letters: V = 2 views of a frame, B frames of all processes, C channels of a token, D dimensions.
"""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lgrseg.checkpoint.ema import move
from lgrseg.comm.processes import gather_with_gradient
from lgrseg.layers.clip_batch import ImageNormalizer, clip_generators, stack_clips
from lgrseg.layers.drop_path import draw_drop_paths
from lgrseg.layers.numerics import at_least_float32, effective_rank
from lgrseg.modeling.contracts import Losses
from lgrseg.modeling.foundation.encoder import Encoder
from lgrseg.modeling.pretraining.pretraining_model import PretrainingModel, check_several
from lgrseg.structures import Clip, UnlabelledViews


class MomentumContrastModel(PretrainingModel):
    """An encoder that is trained by contrast with a slowly moving copy of itself, without labels.

    Tokens of all processes are gathered before the projectors, so that their batch norms and the
    contrast see all frames. Batch norms of the encoders see those of one process.

    `monitored` has the numbers of the last step, over all processes: `found`, the share of the
    queries that are most similar to the key of their own frame (chance is 1 / B), and
    `effective_rank` of the encoder's tokens.
    """

    follows_updates = True

    def __init__(
        self,
        *,
        backbone: Encoder,
        momentum: Callable[[int], float],
        hidden_dim: int = 4096,
        dim: int = 256,
        temperature: float = 0.2,
        pixel_mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
        pixel_std: tuple[float, float, float] = (0.229, 0.224, 0.225),
    ):
        """Combine an encoder with its heads; the defaults are those of MoCo v3.

        Args:
            backbone: encoder that is trained.
            momentum: function from the iteration to m in average = m average + (1 - m) weights.
            hidden_dim: width of the hidden layers of projector and predictor.
            dim: number D of dimensions of queries and keys.
            temperature: temperature t, above 0; MoCo v3 has 0.2 for a ViT and 1 for a ResNet.
            pixel_mean: mean of each RGB channel (0 to 1), which is subtracted.
            pixel_std: standard deviation of each RGB channel, by which it is divided.

        Raises:
            ValueError: `temperature` is not above 0.
        """
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature={temperature}: it is above 0")
        self.backbone, self.momentum, self.temperature = backbone, momentum, temperature
        self.projector = perceptron([backbone.token_dim, hidden_dim, hidden_dim, dim])
        self.predictor = perceptron([dim, hidden_dim, dim])
        self.average_backbone = copy.deepcopy(backbone).requires_grad_(False)
        self.average_projector = copy.deepcopy(self.projector).requires_grad_(False)
        self.normalizer = ImageNormalizer(mean=pixel_mean, std=pixel_std, divisor=1)
        self.iteration = 0

    def train(self, mode: bool = True) -> "MomentumContrastModel":
        """Set the mode of both encoders: as in MoCo v3, all batch norms normalise by the batch."""
        super().train(mode)
        nn.Module.train(self.average_backbone, mode)  # a frozen `Encoder` would not train
        return self

    def before_update(self, iteration: int) -> None:
        """Set the iteration for the momentum."""
        self.iteration = iteration

    def after_update(self) -> None:
        """Move the averages to the new weights."""
        share = 1 - self.momentum(self.iteration)
        move(self.average_backbone.state_dict(), self.backbone.state_dict(), share)
        move(self.average_projector.state_dict(), self.projector.state_dict(), share)

    def losses_of(self, clips: list[Clip], unlabelled: list[UnlabelledViews]) -> Losses:
        """Return the loss of all frames.

        Args:
            clips: not used; there must be none, as labelled clips have no second view.
            unlabelled: two views of each frame, as views for the teacher. The number of frames is
                the same in all processes.

        Raises:
            ValueError: there are no pairs of views, or only one frame.
        """
        counts = {len(views.teacher) for views in unlabelled}
        if counts != {2} or clips:
            raise ValueError(
                f"{len(clips)} labelled clips, and frames with {sorted(counts)} views: set "
                "dataloader.train.batch_size=0, and num_views=2 of a RandomFrameMapper"
            )
        views = [views.teacher[number] for number in range(2) for views in unlabelled]
        images = rearrange(self.normalizer(stack_clips(views)), "b t c h w -> (b t) c h w")
        generators, num_frames = clip_generators(views), len(views[0].frames)
        draw_drop_paths(self.backbone, generators, num_frames)
        tokens = gathered(self.backbone.forward_token(images))
        queries = self.predictor(self.projector(rearrange(tokens, "b v c -> (v b) c")))
        with torch.no_grad():
            draw_drop_paths(self.average_backbone, generators, num_frames)
            known = gathered(self.average_backbone.forward_token(images))
            keys = self.average_projector(rearrange(known, "b v c -> (v b) c"))
        return self._losses(queries, keys, tokens.detach())

    def _losses(self, queries: Tensor, keys: Tensor, tokens: Tensor) -> Losses:
        """Losses of queries and keys (2 B, D) of both views; tokens are (B, 2, C)."""
        check_several(tokens)
        cosines = similarities(queries, keys)
        own = torch.arange(cosines.shape[1], device=cosines.device)
        self._monitored = {
            "found": (cosines.argmax(dim=2) == own).float().mean(),
            "effective_rank": effective_rank(tokens.flatten(0, 1)),
        }
        return {"loss_contrast": contrast(cosines, self.temperature)}


def perceptron(widths: list[int]) -> nn.Sequential:
    """Linear layers without bias, each with a batch norm; the last batch norm learns nothing."""
    layers: list[nn.Module] = []
    for before, after in zip(widths, widths[1:-1], strict=False):
        layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
    last = nn.Linear(widths[-2], widths[-1], bias=False)
    return nn.Sequential(*layers, last, nn.BatchNorm1d(widths[-1], affine=False))


def gathered(tokens: Tensor) -> Tensor:
    """Tokens (2 b, C) of both views in this process to those of all processes, (B, 2, C)."""
    return gather_with_gradient(
        rearrange(at_least_float32(tokens), "(v b) c -> b v c", v=2).contiguous()
    )


def similarities(queries: Tensor, keys: Tensor) -> Tensor:
    """Cosines (2, B, B) of the queries of each view (rows) and the keys of the other one.

    Args:
        queries: (2 B, D) queries of the first view of all frames, then of the second.
        keys: (2 B, D) keys in the same order.
    """
    queries, keys = (F.normalize(at_least_float32(each), dim=-1) for each in (queries, keys))
    queries, keys = (rearrange(each, "(v b) d -> v b d", v=2) for each in (queries, keys))
    return queries @ keys.flip(0).transpose(1, 2)


def contrast(cosines: Tensor, temperature: float) -> Tensor:
    """The loss, added over both directions, as a mean over frames; cosines are (2, B, B)."""
    own = torch.arange(cosines.shape[1], device=cosines.device).repeat(2)
    return 4 * temperature * F.cross_entropy(cosines.flatten(0, 1) / temperature, own)
