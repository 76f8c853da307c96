"""Quantizers: replace each vector of a map by the nearest of a finite set of codes.

`VectorQuantizer` learns its codes, `ScalarQuantizer` has the codes of a fixed grid, `ClassIndices`
one code per class. All have the same attributes, so that a tokenizer can use each of them.

Letters: N patches, C codes, D size of a code.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lgrseg.comm.processes import all_gather_object, all_reduce_sum, get_world_size


class VectorQuantizer(nn.Module):
    """Codes that follow the mean of the vectors assigned to them (VQ with a moving average).

    Source: van den Oord et al., "Neural Discrete Representation Learning", NeurIPS 2017,
    appendix A.1. Different here: codes start from vectors of the first batch, and codes that are no
    longer used are replaced by vectors of boundary patches only. If plain patches could replace
    them too, a plain background would get many codes with one meaning.
    """

    codebook: Tensor
    counts: Tensor
    sums: Tensor
    is_started: Tensor

    def __init__(
        self,
        *,
        num_codes: int = 1024,
        dim: int = 8,
        decay: float = 0.98,
        commitment: float = 0.25,
        least_count: float = 0.05,
    ):
        """Set up the codes.

        Args:
            num_codes: number C of codes.
            dim: size D of a code.
            decay: decay of the moving averages per step.
            commitment: weight of the loss that pulls vectors to their codes.
            least_count: average number of patches per step, below which a code is replaced.
        """
        super().__init__()
        self.num_codes, self.dim = num_codes, dim
        self.decay, self.commitment, self.least_count = decay, commitment, least_count
        codes = torch.randn(num_codes, dim)
        self.register_buffer("codebook", codes)
        self.register_buffer("counts", torch.ones(num_codes))
        self.register_buffer("sums", codes.clone())
        self.register_buffer("is_started", torch.zeros((), dtype=torch.bool))

    def bound(self, vectors: Tensor) -> Tensor:
        """Return the vectors; these codes have no fixed range."""
        return vectors

    def indices(self, vectors: Tensor) -> Tensor:
        """(..., D) -> (...) int64: index of the nearest code."""
        # The squared length of a vector is the same for all codes, so it is left out.
        distance = self.codebook.square().sum(dim=1) - 2 * vectors @ self.codebook.T
        return distance.argmin(dim=-1)

    def forward(self, vectors: Tensor, is_boundary: Tensor) -> tuple[Tensor, Tensor]:
        """Assign vectors to codes; in training mode the codes move too.

        Args:
            vectors: (N, D) vectors of patches.
            is_boundary: (N,) bool: true for patches that show more than one class.

        Returns:
            indices: (N,) int64 indices of the codes.
            loss: scalar, the weighted commitment loss.
        """
        if self.training and not self.is_started:
            self._start(vectors.detach(), is_boundary)
        indices = self.indices(vectors.detach())
        loss = self.commitment * F.mse_loss(vectors, self.codebook[indices])
        if self.training:
            self._follow(vectors.detach(), indices, is_boundary)
        return indices, loss

    @torch.no_grad()
    def _start(self, vectors: Tensor, is_boundary: Tensor) -> None:
        vectors = _shuffled_from_all(vectors, is_boundary)
        chosen = torch.arange(self.num_codes, device=vectors.device) % len(vectors)
        noise = 1e-3 * torch.randn(self.num_codes, self.dim, device=vectors.device)
        self.codebook.copy_(vectors[chosen] + noise)
        self.sums.copy_(self.codebook)
        self.counts.fill_(1.0)
        self.is_started.fill_(True)

    @torch.no_grad()
    def _follow(self, vectors: Tensor, indices: Tensor, is_boundary: Tensor) -> None:
        counts = torch.bincount(indices, minlength=self.num_codes).to(vectors)
        sums = torch.zeros_like(self.sums).index_add_(0, indices, vectors)
        self.counts.lerp_(all_reduce_sum(counts), 1 - self.decay)
        self.sums.lerp_(all_reduce_sum(sums), 1 - self.decay)
        is_unused = (self.counts < self.least_count).nonzero().flatten()
        if get_world_size() > 1 or len(is_unused):
            fresh = _shuffled_from_all(vectors[is_boundary], is_boundary[is_boundary])
            revived = is_unused[: len(fresh)]
            self.sums[revived] = fresh[: len(revived)]
            self.counts[revived] = 1.0
        is_used = self.counts >= self.least_count
        self.codebook[is_used] = self.sums[is_used] / self.counts[is_used, None]


def _shuffled_from_all(vectors: Tensor, is_boundary: Tensor) -> Tensor:
    """The vectors of all processes: those of boundary patches first, each part in random order."""
    order = torch.randperm(len(vectors), device=vectors.device)
    order = order[(~is_boundary[order]).long().argsort(stable=True)]
    vectors = vectors[order]
    if get_world_size() == 1:
        return vectors
    return torch.cat([part.to(vectors.device) for part in all_gather_object(vectors.cpu())])


class ScalarQuantizer(nn.Module):
    """Codes on a grid: each of the D numbers of a vector is rounded to one of a few levels (FSQ).

    Source: Mentzer et al., "Finite Scalar Quantization", ICLR 2024, sections 3 and 3.1.
    """

    codebook: Tensor

    def __init__(self, *, levels: tuple[int, ...] = (8, 8, 8)):
        """`levels` has the number of levels of each of the D numbers, 2 or more.

        Raises:
            ValueError: a number of levels is below 2, or there is none.
        """
        super().__init__()
        if not levels or min(levels) < 2:
            raise ValueError(f"levels={tuple(levels)}: each number needs 2 levels or more")
        self.levels = tuple(int(count) for count in levels)
        self.dim, self.num_codes = len(self.levels), math.prod(self.levels)
        axes = [torch.linspace(-1, 1, count) for count in self.levels]
        self.register_buffer("codebook", torch.cartesian_prod(*axes).reshape(-1, self.dim))

    def bound(self, vectors: Tensor) -> Tensor:
        """Limit vectors to the range of the codes, -1 to 1."""
        return vectors.tanh()

    def indices(self, vectors: Tensor) -> Tensor:
        """(..., D) in -1 to 1 -> (...) int64: index of the nearest code."""
        indices = torch.zeros(vectors.shape[:-1], dtype=torch.int64, device=vectors.device)
        for number, count in enumerate(self.levels):
            level = ((vectors[..., number] + 1) / 2 * (count - 1)).round().long()
            indices = indices * count + level.clamp(0, count - 1)
        return indices

    def forward(self, vectors: Tensor, is_boundary: Tensor) -> tuple[Tensor, Tensor]:
        """As `VectorQuantizer`; the codes are fixed, so the loss is 0."""
        return self.indices(vectors.detach()), 0 * vectors.sum()


class ClassIndices(nn.Module):
    """The token of a patch is its largest class, so nothing is learned."""

    codebook: Tensor

    def __init__(self, *, num_classes: int):
        """`num_classes` is K; code 0 is the background."""
        super().__init__()
        self.dim = self.num_codes = num_classes + 1
        self.register_buffer("codebook", torch.eye(num_classes + 1))

    def bound(self, vectors: Tensor) -> Tensor:
        """Return the vectors, which are class shares."""
        return vectors

    def indices(self, vectors: Tensor) -> Tensor:
        """Class shares (..., K + 1) -> (...) int64: index of the largest one."""
        return vectors.argmax(dim=-1)

    def forward(self, vectors: Tensor, is_boundary: Tensor) -> tuple[Tensor, Tensor]:
        """As `VectorQuantizer`; the codes are fixed, so the loss is 0."""
        return self.indices(vectors.detach()), 0 * vectors.sum()
