r"""LGSD: local-to-global self-distillation of a video model.

A teacher gets global views of an unlabelled video (long in time, large in space). Its student gets
local views (short, small), and learns to predict the teacher's output from them. As in DINO (Caron
et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021, section 3.1), with
g over the G global and l over the L local views:

    P_t(g) = softmax((h_t(w_t(z_g)) - c) / tau_t)        P_s(l) = softmax(h_s(w_s(z_l)) / tau_s)
    loss = 1 / (G L) sum_g sum_l  - sum_k P_t(g)_k log P_s(l)_k

h are projection heads, z the tokens of a view: its frame queries (each the mean over frames), and a
clip token (the mean of the coarsest map over frames and pixels). With `global_pairs`, the student
also gets the global views, each for the target of the other: G (G - 1) more terms.

w is whitening: each entry of each token minus its mean, divided by its deviation, both over the
last videos. c is the mean of h_t over the last videos. See `MovingStatistics`.

Differences from DINO:
    * tokens are whitened. A frame query is nearly a learned constant. Its deviation between videos
      is a twentieth of it, so without whitening the head's outputs are nearly equal for all videos.
    * every frame query has its own centre. A query is a learned vector, so all views could agree on
      an output that only depends on the query; subtracting the mean of each query prevents this.
    * the centre begins at the mean of the first videos. A centre of 0 would hide equal outputs.
    * deviation and contrast between videos are monitored. (The entropy over time does not show a
      collapse in which all videos share one changing output.)

Letters: B videos, G L views, Q frame queries, D width, K prototypes, N tokens of one type.
"""

import copy
import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lgrseg.layers.numerics import at_least_float32
from lgrseg.modeling.contracts import Objective
from lgrseg.modeling.semi_supervised.model import follow
from lgrseg.modeling.semi_supervised.moving_statistics import MovingStatistics
from lgrseg.modeling.semi_supervised.projection_head import ProjectionHead
from lgrseg.modeling.semi_supervised.view_tokens import Encoding, by_view, tokens_of
from lgrseg.structures import UnlabelledViews

UNIFORM_DEVIATION = 1 / 3
"""Logits that deviate by s temperatures have an entropy of about s^2 / 2 nats below the largest."""


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
        num_videos: int = 64,
        hold_prototypes: int = 0,
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
            num_videos: number of videos over which tokens are whitened and outputs are centred.
            hold_prototypes: number of iterations in which the prototypes do not change.
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
        num_tokens = {"query": num_frame_queries, "clip": 1}
        self.heads = nn.ModuleDict({kind: ProjectionHead(**sizes) for kind in num_tokens})
        self.teacher_heads = copy.deepcopy(self.heads).requires_grad_(False)

        def statistics(width: int) -> nn.ModuleDict:
            return nn.ModuleDict(
                {
                    kind: MovingStatistics(num_tokens=number, dim=width, num_videos=num_videos)
                    for kind, number in num_tokens.items()
                }
            )

        self.student_tokens, self.teacher_tokens = statistics(dim), statistics(dim)
        self.teacher_logits = statistics(num_prototypes)
        for kind, number in num_tokens.items():
            uniform = torch.full((number, num_prototypes), 1 / num_prototypes)
            self.register_buffer(f"previous_{kind}", uniform)
        self.student_temperature = student_temperature
        self.teacher_temperature = teacher_temperature
        self.hold_prototypes = hold_prototypes
        self.num_prototypes = num_prototypes
        self.global_pairs = global_pairs
        self.iteration = 0
        self._last: dict[str, Tensor] = {}

    def forward(
        self, student: Encoding, teacher: Encoding, views: list[UnlabelledViews]
    ) -> dict[str, Tensor]:
        """Compute half the loss of each type of token: "loss_lgsd_query", "loss_lgsd_clip".

        Afterwards `monitored` has, for each type:

            * "entropy" of the teacher's outputs, in nats (log K if uniform).
            * "kl" divergence of the student's outputs from them, in nats.
            * "deviation" of the teacher's logits over the last videos, divided by its temperature.
              Below 1/3 the outputs are uniform, or depend on the centre only.
            * "contrast" in nats: the distance to the output of other videos minus the distance to
              the other view of the same video (0 or less if all videos have the same output).
            * "found": share of the videos whose other view is nearer than any other video of the
              batch, and the last one of the batch before; chance is 1 / (B + 1).
        """
        global_clips = by_view([v.teacher for v in views])
        with torch.no_grad():
            teacher_tokens = tokens_of(teacher, global_clips, len(views))
        local_clips = by_view([v.student for v in views])
        student_tokens = tokens_of(student, local_clips, len(views), train=True)
        num_local = len(views[0].student)
        if self.global_pairs:
            more = tokens_of(student, global_clips, len(views), train=True)
            student_tokens = {k: torch.cat([z, more[k]]) for k, z in student_tokens.items()}
        losses, self.monitored = {}, {}
        for kind, tokens in student_tokens.items():
            targets = self._targets(kind, teacher_tokens[kind])
            terms = pairwise_cross_entropy(targets, self._log_probs(kind, tokens))  # G L
            counted = torch.ones_like(terms)
            counted[:, num_local:].fill_diagonal_(0)  # a global view is not its own target
            cross_entropy = (terms * counted).sum() / counted.sum()
            losses[f"loss_lgsd_{kind}"] = 0.5 * cross_entropy
            self._watch(kind, targets, cross_entropy.detach())
        return losses

    def follow(self, momentum: float) -> None:
        """After an update: average the heads, and update all statistics."""
        follow(self.teacher_heads, self.heads, momentum)
        for module in self.modules():
            if isinstance(module, MovingStatistics):
                module.update()
        for kind, output in self._last.items():
            getattr(self, f"previous_{kind}").copy_(output)
        self._last.clear()

    def _log_probs(self, kind: str, tokens: Tensor) -> Tensor:
        """Logarithms of the student's distributions."""
        hold = self.iteration < self.hold_prototypes
        whitened = self._whitened(_of(self.student_tokens, kind), tokens)
        logits = self.heads[kind](whitened, hold_prototypes=hold)
        return F.log_softmax(logits / self.student_temperature, dim=-1)

    @torch.no_grad()
    def _targets(self, kind: str, tokens: Tensor) -> Tensor:
        """The teacher's distributions."""
        logits = self.teacher_heads[kind](self._whitened(_of(self.teacher_tokens, kind), tokens))
        statistics = _of(self.teacher_logits, kind)
        if self.training:
            statistics.see(logits)
        temperature = self.teacher_temperature(self.iteration)
        return ((logits - statistics.mean) / temperature).softmax(dim=-1)

    def _whitened(self, statistics: MovingStatistics, tokens: Tensor) -> Tensor:
        if self.training:
            statistics.see(tokens)
        return statistics.whiten(tokens)

    @torch.no_grad()
    def _watch(self, kind: str, targets: Tensor, cross_entropy: Tensor) -> None:
        entropy = -torch.xlogy(targets, targets).sum(dim=-1).mean()
        one, other = targets[0], targets[-1]  # B N K
        distances = _distances(one, torch.cat([other, getattr(self, f"previous_{kind}")[None]]))
        own = distances.diagonal()
        between = (distances.sum() - own.sum()) / (distances.numel() - own.numel())
        nearest = distances.clone().fill_diagonal_(math.inf).min(dim=1).values
        deviation = _of(self.teacher_logits, kind).deviation.square().mean().sqrt()
        self.monitored |= {
            f"lgsd_{kind}_entropy": entropy,
            f"lgsd_{kind}_kl": cross_entropy - entropy,
            f"lgsd_{kind}_deviation": deviation / self.teacher_temperature(self.iteration),
            f"lgsd_{kind}_contrast": between - own.mean(),
            f"lgsd_{kind}_found": (own < nearest).float().mean(),
        }
        if self.training:
            self._last[kind] = other[-1]

    def complaint(self, means: Mapping[str, float]) -> str | None:
        """Describe a collapse of the outputs, from means of `monitored`; None if there is none."""
        for kind in self.heads:
            if f"lgsd_{kind}_deviation" not in means:  # no unlabelled video so far
                continue
            deviation, contrast, entropy = (
                means[f"lgsd_{kind}_{name}"] for name in ("deviation", "contrast", "entropy")
            )
            if deviation < UNIFORM_DEVIATION:
                return (
                    f"the teacher's outputs for {kind} tokens are nearly the same for all videos: "
                    f"its logits deviate by {deviation:.3f} of the temperature, and should by 1 or "
                    "more; a lower teacher_temperature makes outputs differ"
                )
            if contrast < 0.01 * math.log(self.num_prototypes):
                return (
                    f"the teacher's outputs for {kind} tokens do not distinguish videos "
                    f"(contrast {contrast:.3f}, entropy {entropy:.3f}, deviation {deviation:.3f} "
                    "of the temperature): more videos in a step, fewer num_videos or a higher "
                    "momentum of the teacher make them differ"
                )
        return None


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


def _of(statistics: nn.ModuleDict, kind: str) -> MovingStatistics:
    module = statistics[kind]
    assert isinstance(module, MovingStatistics)
    return module


def _distances(probs: Tensor, others: Tensor) -> Tensor:
    """Divergences (B, C) of `others` (C, N, K) from `probs` (B, N, K), as means over tokens."""
    logs, other_logs = probs.clamp(min=1e-6).log(), others.clamp(min=1e-6).log()
    cross = torch.einsum("b n k, c n k -> b c", probs, other_logs)
    return ((probs * logs).sum(dim=(1, 2))[:, None] - cross) / probs.shape[1]
