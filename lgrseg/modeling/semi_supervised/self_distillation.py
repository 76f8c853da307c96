r"""LGSD: local-to-global self-distillation of a video model.

A teacher gets global views of an unlabelled video (long in time, large in space). Its student gets
local views (short, small), and learns to predict the teacher's output from them. As in DINO (Caron
et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021, section 3.1), with
g over the G = 2 global and l over the L = 9 local views, so 18 terms:

    P_t(g) = softmax((h_t(z_g) - c) / tau_t)        P_s(l) = softmax(h_s(z_l) / tau_s)
    loss = 1 / (G L) sum_g sum_l  - sum_k P_t(g)_k log P_s(l)_k
    c <- m c + (1 - m) mean of h_t(z) over global views, videos and processes

h are projection heads, z the tokens of a view: its frame queries (each the mean over frames), and a
clip token (the mean of the coarsest map over frames and pixels). With `global_pairs`, the
student also gets the global views, each for the target of the other: 2 more terms.

Differences from DINO:
    * every frame query has its own centre. A query is a learned vector, so all views could agree on
      an output that only depends on the query; subtracting the mean of each query prevents this.
    * besides the entropy, the contrast between videos is monitored. (The entropy over time does not
      show a collapse in which all videos share one changing output.)

Letters: B videos, G L views, Q frame queries, D width, K prototypes, N tokens of one type.
"""

import copy
import math
from collections.abc import Callable, Mapping
from typing import Protocol

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lgrseg.comm import processes as distributed
from lgrseg.layers.clip_batch import clip_generators
from lgrseg.layers.numerics import at_least_float32
from lgrseg.modeling.contracts import Objective
from lgrseg.modeling.semi_supervised.model import follow
from lgrseg.modeling.semi_supervised.projection_head import ProjectionHead
from lgrseg.structures import Clip, UnlabelledViews


class Encoding(Protocol):
    """A model that computes features of clips, such as LGRNet."""

    def encode(
        self, clips: list[Clip], generators: list[torch.Generator] | None = None
    ) -> dict[str, Tensor]:
        """Compute features by name, see `LGREncoder.forward`."""
        ...


class LocalGlobalDistillation(Objective):
    """The objective of LGSD for `SemiSupervised`; students need the method `encode`."""

    def __init__(
        self,
        *,
        dim: int = 64,
        num_frame_queries: int = 20,
        num_prototypes: int = 256,
        hidden_dim: int = 256,
        bottleneck_dim: int = 64,
        student_temperature: float = 0.1,
        teacher_temperature: Callable[[int], float],
        center_momentum: float = 0.9,
        global_pairs: bool = False,
    ):
        """`dim` and `num_frame_queries` must be those of the student's encoder.

        Args:
            dim: width D of the tokens.
            num_frame_queries: number Q of queries per frame.
            num_prototypes: number K of prototypes of every head.
            hidden_dim: width of the hidden layers of the heads.
            bottleneck_dim: width of the normalised output of the heads' layers.
            student_temperature: temperature tau_s.
            teacher_temperature: function from the iteration to tau_t; values below tau_s make the
                targets sharper than the outputs of the student.
            center_momentum: momentum m of the centres.
            global_pairs: True if the student also gets the global views, and learns the teacher's
                output of the other global view.
        """
        super().__init__()
        sizes = {
            "dim": dim,
            "hidden_dim": hidden_dim,
            "bottleneck_dim": bottleneck_dim,
            "num_prototypes": num_prototypes,
        }
        self.heads = nn.ModuleDict({kind: ProjectionHead(**sizes) for kind in ("query", "clip")})
        self.teacher_heads = copy.deepcopy(self.heads).requires_grad_(False)
        for kind, num_tokens in (("query", num_frame_queries), ("clip", 1)):
            self.register_buffer(f"center_{kind}", torch.zeros(num_tokens, num_prototypes))
            uniform = torch.full((num_tokens, num_prototypes), 1 / num_prototypes)
            self.register_buffer(f"previous_{kind}", uniform)
        self.student_temperature = student_temperature
        self.teacher_temperature = teacher_temperature
        self.center_momentum = center_momentum
        self.num_prototypes = num_prototypes
        self.global_pairs = global_pairs
        self.iteration = 0
        self._seen: dict[str, list[tuple[Tensor, Tensor]]] = {"query": [], "clip": []}

    def forward(
        self, student: Encoding, teacher: Encoding, views: list[UnlabelledViews]
    ) -> dict[str, Tensor]:
        """Compute half the loss of each type of token: "loss_lgsd_query", "loss_lgsd_clip".

        Afterwards `monitored` has, for each type and in nats: "entropy" of the teacher's outputs
        (log K if uniform), "kl" divergence of the student's outputs from them, and "contrast": the
        distance to the previous video's output minus the distance to the other view's output of
        the same video (0 or less if all videos have the same output).
        """
        with torch.no_grad():
            global_tokens = tokens_of(teacher, _by_view([v.teacher for v in views]), len(views))
            teacher_logits = {
                kind: self.teacher_heads[kind](z) for kind, z in global_tokens.items()
            }
        local_tokens = tokens_of(
            student, _by_view([v.student for v in views]), len(views), train=True
        )
        student_global = {}
        if self.global_pairs:
            clips = _by_view([v.teacher for v in views])
            student_global = tokens_of(student, clips, len(views), train=True)
        losses, self.monitored = {}, {}
        for kind, logits in teacher_logits.items():
            student_tokens = (
                torch.cat([local_tokens[kind], student_global[kind]])
                if student_global
                else local_tokens[kind]
            )
            log_probs = F.log_softmax(
                self.heads[kind](student_tokens) / self.student_temperature, dim=-1
            )
            targets = self._sharpened(kind, logits)
            terms = pairwise_cross_entropy(targets, log_probs)  # G L
            counted = torch.ones_like(terms)
            if student_global:  # a global view is not compared with itself
                counted[:, len(local_tokens[kind]) :].fill_diagonal_(0)
            losses[f"loss_lgsd_{kind}"] = 0.5 * (terms * counted).sum() / counted.sum()
            self._watch(kind, targets, 2 * losses[f"loss_lgsd_{kind}"].detach())
            if self.training:
                self._seen[kind].append((logits.detach(), targets))
        return losses

    def follow(self, momentum: float) -> None:
        """After an update: average the heads, and update the centres with the teacher's outputs."""
        follow(self.teacher_heads, self.heads, momentum)
        for kind, outputs in self._seen.items():
            if outputs:
                _move(
                    getattr(self, f"center_{kind}"), [z for z, _ in outputs], self.center_momentum
                )
                getattr(self, f"previous_{kind}").copy_(outputs[-1][1][0, -1])
            outputs.clear()

    def _sharpened(self, kind: str, logits: Tensor) -> Tensor:
        temperature = self.teacher_temperature(self.iteration)
        centred = at_least_float32(logits - getattr(self, f"center_{kind}"))
        return (centred / temperature).softmax(dim=-1)

    def _watch(self, kind: str, targets: Tensor, cross_entropy: Tensor) -> None:
        entropy = -torch.xlogy(targets, targets).sum(dim=-1).mean()
        previous = torch.cat([getattr(self, f"previous_{kind}")[None], targets[0, :-1]])
        between, within = _kl(targets[0], previous), _kl(targets[0], targets[-1])
        self.monitored |= {
            f"lgsd_{kind}_entropy": entropy,
            f"lgsd_{kind}_kl": cross_entropy - entropy,
            f"lgsd_{kind}_contrast": between - within,
        }

    def complaint(self, means: Mapping[str, float]) -> str | None:
        """Describe a collapse of the outputs, from means of `monitored`; None if there is none."""
        most = math.log(self.num_prototypes)
        for kind in self.heads:
            if f"lgsd_{kind}_entropy" not in means:  # no unlabelled video so far
                continue
            entropy = means[f"lgsd_{kind}_entropy"]
            if entropy > 0.99 * most:
                return (
                    f"the teacher's outputs for {kind} tokens are uniform (entropy {entropy:.3f} "
                    f"of at most {most:.3f}): a lower teacher_temperature makes them sharper"
                )
            if (contrast := means[f"lgsd_{kind}_contrast"]) < 0.01 * most:
                return (
                    f"the teacher's outputs for {kind} tokens do not distinguish videos "
                    f"(contrast {contrast:.3f}, entropy {entropy:.3f}): a lower center_momentum or "
                    "a higher momentum of the teacher makes them differ"
                )
        return None


def tokens_of(
    model: Encoding, clips: list[Clip], num_videos: int, *, train: bool = False
) -> dict[str, Tensor]:
    """Compute tokens of views: "query" (views, B, Q, D) and "clip" (views, B, 1, D).

    Args:
        model: model with a method `encode`.
        clips: views of one shape; first the first views of all videos, then the second ones, ...
        num_videos: number B of videos.
        train: True to use stochastic depth, with the generators of the clips.
    """
    features = model.encode(clips, clip_generators(clips) if train else None)
    tokens = {
        "query": features["frame_queries"].mean(dim=1),
        "clip": features["res5"].mean(dim=(1, 3, 4))[:, None],
    }
    return {k: rearrange(z, "(v b) q d -> v b q d", b=num_videos) for k, z in tokens.items()}


def pairwise_cross_entropy(targets: Tensor, log_probs: Tensor) -> Tensor:
    """Mean over videos and tokens of - sum_k targets_k log_probs_k, for all pairs of views.

    Args:
        targets: (G, B, N, K) distributions of the teacher.
        log_probs: (L, B, N, K) logarithms of the student's distributions.

    Returns:
        (G, L) cross-entropies.
    """
    num_outputs = targets.shape[1] * targets.shape[2]
    sums = torch.einsum("g b n k, l b n k -> g l", targets, at_least_float32(log_probs))
    return -sums / num_outputs


def _by_view(views: list[list[Clip]]) -> list[Clip]:
    """Reorder views: first the first views of all videos, then the second ones, ..."""
    return [clip for same in zip(*views, strict=True) for clip in same]


def _kl(probs: Tensor, others: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence of `others` from `probs`; a probability is at least 1e-6."""
    return (probs * (probs.clamp(min=1e-6) / others.clamp(min=1e-6)).log()).sum(dim=-1).mean()


def _move(average: Tensor, batches: list[Tensor], momentum: float) -> None:
    """Set average = m average + (1 - m) mean over views and videos of all batches and processes."""
    sums = (at_least_float32(values).sum(dim=(0, 1)) for values in batches)
    total = sum(sums, start=torch.zeros_like(average))
    count = sum(values.shape[0] * values.shape[1] for values in batches)
    summed = torch.cat([total.flatten(), total.new_tensor([float(count)])])
    summed = distributed.all_reduce_sum(summed)
    average.lerp_((summed[:-1] / summed[-1]).view_as(average), 1 - momentum)
