r"""LGSD: local-to-global self-distillation of a video model.

A teacher sees global views of an unlabelled video (long in time, large in space), its student local
ones (short, small), and learns to say of them what the teacher says of the whole. As in DINO (Caron
et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021, section 3.1), with
g over the G = 2 global and l over the L = 9 local views, so 18 terms:

    P_t(g) = softmax((h_t(z_g) - c) / tau_t)        P_s(l) = softmax(h_s(z_l) / tau_s)
    loss = 1 / (G L) sum_g sum_l  - sum_k P_t(g)_k log P_s(l)_k
    c <- m c + (1 - m) mean of h_t(z) over global views, videos and processes

h are projection heads, z the tokens of a view: its frame queries (each the mean over frames), and a
clip token (the mean of the coarsest map over frames and pixels). `global_pairs` adds the terms of
the other global view seen by the student: 2 more.

What is different from DINO:
    * every frame query has a centre of its own. A query is a learned vector, so its number alone
      would be an answer that all views share; taking each query's mean away leaves what a video
      says.
    * beside the entropy, it is watched whether answers tell one video from another. (The entropy of
      answers over time does not show it: all videos can share one answer that wanders.)

Letters: B videos, G L views, Q frame queries, D width, K prototypes, N tokens of a kind.
"""

import copy
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lgrseg.comm import processes as distributed
from lgrseg.layers.clip_batch import clip_generators
from lgrseg.layers.numerics import at_least_float32
from lgrseg.modeling.contracts import Objective
from lgrseg.modeling.semi_supervised.model import follow
from lgrseg.structures import Clip, UnlabelledViews


class ProjectionHead(nn.Module):
    """Three linear layers, a unit vector, and its product with K unit vectors, the prototypes."""

    def __init__(self, *, dim: int, hidden_dim: int, bottleneck_dim: int, num_prototypes: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(dim),
            nn.Linear(dim, hidden_dim),
            nn.GELU(),
            nn.Linear(hidden_dim, hidden_dim),
            nn.GELU(),
            nn.Linear(hidden_dim, bottleneck_dim),
        )
        self.prototypes = nn.Parameter(torch.randn(num_prototypes, bottleneck_dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., D) -> (..., K), cosines."""
        found = at_least_float32(self.layers(tokens))
        # In bfloat16 cosines would have three digits, of which a temperature leaves one.
        with torch.autocast(tokens.device.type, enabled=False):
            return F.normalize(found, dim=-1) @ F.normalize(self.prototypes, dim=-1).T


class LocalGlobalDistillation(Objective):
    """The objective of LGSD for `SemiSupervised`; students have `encode`, as LGRNet has."""

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
        """`dim` and `num_frame_queries` are the student's encoder's.

        Args:
            dim: D.
            num_frame_queries: Q.
            num_prototypes: K of every head.
            hidden_dim: of the heads.
            bottleneck_dim: of the heads.
            student_temperature: tau_s.
            teacher_temperature: tau_t at an iteration; below tau_s it sharpens.
            center_momentum: m.
            global_pairs: the student sees the global views too, and learns of each what the teacher
                says of the others.
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
        self.global_pairs = global_pairs
        self.iteration = 0
        self._seen: dict[str, list[tuple[Tensor, Tensor]]] = {"query": [], "clip": []}

    def forward(
        self, student: nn.Module, teacher: nn.Module, views: list[UnlabelledViews]
    ) -> dict[str, Tensor]:
        """Half the loss of each kind of token: "loss_lgsd_query", "loss_lgsd_clip".

        `monitored` then holds, of each kind and in nats: "entropy" of the teacher's answers (log K
        where they are uniform), "kl" of the student's from the teacher's, and "contrast", how much
        farther an answer is from that of the video before than from that of the same video's other
        view (0 or less where all videos get one answer).
        """
        with torch.no_grad():
            wide = tokens_of(teacher, _by_view([v.teacher for v in views]), len(views))
            answers = {kind: self.teacher_heads[kind](z) for kind, z in wide.items()}
        near = tokens_of(student, _by_view([v.student for v in views]), len(views), train=True)
        again = {}
        if self.global_pairs:
            clips = _by_view([v.teacher for v in views])
            again = tokens_of(student, clips, len(views), train=True)
        losses, self.monitored = {}, {}
        for kind, logits in answers.items():
            seen = torch.cat([near[kind], again[kind]]) if again else near[kind]
            said = F.log_softmax(self.heads[kind](seen) / self.student_temperature, dim=-1)
            wanted = self._sharpened(kind, logits)
            terms = pairwise_cross_entropy(wanted, said)  # G L
            counted = torch.ones_like(terms)
            if again:  # a global view is not compared with itself
                counted[:, len(near[kind]) :].fill_diagonal_(0)
            losses[f"loss_lgsd_{kind}"] = 0.5 * (terms * counted).sum() / counted.sum()
            self._watch(kind, wanted, 2 * losses[f"loss_lgsd_{kind}"].detach())
            if self.training:
                self._seen[kind].append((logits.detach(), wanted))
        return losses

    def follow(self, momentum: float) -> None:
        """After an update: the heads follow, and centres take in what the teacher said in it."""
        follow(self.teacher_heads, self.heads, momentum)
        for kind, seen in self._seen.items():
            if seen:
                _move(getattr(self, f"center_{kind}"), [z for z, _ in seen], self.center_momentum)
                getattr(self, f"previous_{kind}").copy_(seen[-1][1][0, -1])
            seen.clear()

    def _sharpened(self, kind: str, logits: Tensor) -> Tensor:
        temperature = self.teacher_temperature(self.iteration)
        centred = at_least_float32(logits - getattr(self, f"center_{kind}"))
        return (centred / temperature).softmax(dim=-1)

    def _watch(self, kind: str, wanted: Tensor, cross_entropy: Tensor) -> None:
        entropy = -torch.xlogy(wanted, wanted).sum(dim=-1).mean()
        before = torch.cat([getattr(self, f"previous_{kind}")[None], wanted[0, :-1]])
        between, within = _kl(wanted[0], before), _kl(wanted[0], wanted[-1])
        self.monitored |= {
            f"lgsd_{kind}_entropy": entropy,
            f"lgsd_{kind}_kl": cross_entropy - entropy,
            f"lgsd_{kind}_contrast": between - within,
        }

    def complaint(self, means: dict[str, float]) -> str | None:
        """What is wrong where the answers have collapsed, from means of `monitored`; else None."""
        for kind, head in self.heads.items():
            if f"lgsd_{kind}_entropy" not in means:  # nothing was asked yet
                continue
            most = math.log(len(head.prototypes))
            entropy = means[f"lgsd_{kind}_entropy"]
            if entropy > 0.99 * most:
                return (
                    f"the teacher's answers for {kind} tokens are uniform (entropy {entropy:.3f} "
                    f"of at most {most:.3f}): a lower teacher_temperature sharpens them"
                )
            if (contrast := means[f"lgsd_{kind}_contrast"]) < 0.01 * most:
                return (
                    f"the teacher's answers for {kind} tokens do not tell one video from another "
                    f"(contrast {contrast:.3f}, entropy {entropy:.3f}): a lower center_momentum or "
                    "a higher momentum of the teacher spreads them"
                )
        return None


def tokens_of(
    model: nn.Module, clips: list[Clip], num_videos: int, *, train: bool = False
) -> dict[str, Tensor]:
    """Tokens of views, view by view: "query" (views, B, Q, D) and "clip" (views, B, 1, D).

    Args:
        model: has `encode`.
        clips: of one shape, the first view of all videos first.
        num_videos: B.
        train: let the model drop branches, by the clips' own generators.
    """
    features = model.encode(clips, clip_generators(clips) if train else None)
    tokens = {
        "query": features["frame_queries"].mean(dim=1),
        "clip": features["res5"].mean(dim=(1, 3, 4))[:, None],
    }
    return {k: rearrange(z, "(v b) q d -> v b q d", b=num_videos) for k, z in tokens.items()}


def pairwise_cross_entropy(wanted: Tensor, said: Tensor) -> Tensor:
    """Mean over videos and tokens of - sum_k wanted_k said_k, for every pair of views.

    Args:
        wanted: (G, B, N, K), distributions of the teacher.
        said: (L, B, N, K), logarithms of the student's.

    Returns:
        (G, L).
    """
    num_answers = wanted.shape[1] * wanted.shape[2]
    return -torch.einsum("g b n k, l b n k -> g l", wanted, at_least_float32(said)) / num_answers


def _by_view(views: list[list[Clip]]) -> list[Clip]:
    """Views of every video -> the first view of all videos, then the second, ..."""
    return [clip for same in zip(*views, strict=True) for clip in same]


def _kl(probs: Tensor, others: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence of `others` from `probs`; a probability is at least 1e-6."""
    return (probs * (probs.clamp(min=1e-6) / others.clamp(min=1e-6)).log()).sum(dim=-1).mean()


def _move(average: Tensor, seen: list[Tensor], momentum: float) -> None:
    """Average <- m average + (1 - m) mean over views and videos of all batches and processes."""
    total = sum(at_least_float32(values).sum(dim=(0, 1)) for values in seen)
    count = sum(values.shape[0] * values.shape[1] for values in seen)
    summed = torch.cat([total.flatten(), total.new_tensor([float(count)])])
    summed = distributed.all_reduce_sum(summed)
    average.lerp_((summed[:-1] / summed[-1]).view_as(average), 1 - momentum)
