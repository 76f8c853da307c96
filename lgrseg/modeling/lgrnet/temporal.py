"""LGRNet's local module, between neighbouring frames; and attention between pixels and queries.

Source: Xu et al., "LGRNet", MICCAI 2024, section 2.2 (cyclic neighbourhood propagation). Different
from the public code by default: on a map smaller than the window, there is no attention to padding
(`zero_padded_keys=True` restores the public behaviour).

Letters: B clips, T frames, D width, Q frame queries, S pixels of all scales, M heads.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lgrseg.ops import neighborhood_attention


class CyclicNeighborhoodPropagation(nn.Module):
    """A pixel of frame t attends to the k x k pixels around its position in frame t - 1.

    Time is cyclic: the first frame attends to the last one, and a single frame to itself. With
    `cyclic=False` the first frame attends to itself.
    """

    def __init__(
        self,
        *,
        dim: int,
        num_heads: int = 8,
        kernel_size: int = 5,
        dilation: int = 1,
        zero_padded_keys: bool = False,
        cyclic: bool = True,
    ):
        super().__init__()
        self.cyclic = cyclic
        self.num_heads = num_heads
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.zero_padded_keys = zero_padded_keys
        self.query = nn.Linear(dim, dim, bias=False)
        self.key_value = nn.Linear(dim, 2 * dim, bias=False)
        self.project = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor, shapes: list[tuple[int, int]]) -> Tensor:
        """Update tokens (B, T, S, D), whose scales are joined as in `shapes`."""
        sizes = [height * width for height, width in shapes]
        query = self.query(tokens)
        key, value = self._previous(self.key_value(tokens)).chunk(2, dim=-1)
        updates = []
        parts = zip(*(x.split(sizes, dim=2) for x in (query, key, value)), shapes, strict=True)
        for *maps, (height, width) in parts:
            maps = [rearrange(m, "b t (h w) d -> (b t) h w d", h=height, w=width) for m in maps]
            attended = self._attend(*maps)
            updates.append(rearrange(attended, "(b t) h w m c -> b t (h w) (m c)", b=len(tokens)))
        return self.norm(tokens + self.project(torch.cat(updates, dim=2)))

    def _previous(self, frames: Tensor) -> Tensor:
        """The previous frame of each frame: shifts (B, T, ...) by one frame."""
        if self.cyclic:
            return frames.roll(1, dims=1)
        return torch.cat([frames[:, :1], frames[:, :-1]], dim=1)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        height, width = query.shape[1:3]
        if self.zero_padded_keys:
            smallest = self.kernel_size * self.dilation
            padding = (0, 0, 0, max(0, smallest - width), 0, max(0, smallest - height))
            query, key, value = (F.pad(x, padding) for x in (query, key, value))
        attended = neighborhood_attention(
            *(
                rearrange(x, "n h w (m c) -> n h w m c", m=self.num_heads)
                for x in (query, key, value)
            ),
            kernel_size=self.kernel_size,
            dilation=self.dilation,
        )
        return attended[:, :height, :width]


class CrossAttention(nn.Module):
    """Residual multi-head attention, then norm; positions are not added to the values."""

    def __init__(self, *, dim: int, num_heads: int):
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, num_heads, batch_first=True)
        self.norm = nn.LayerNorm(dim)

    def forward(
        self,
        target: Tensor,
        target_position: Tensor,
        source: Tensor,
        source_position: Tensor,
        blocked: Tensor | None = None,
    ) -> Tensor:
        """Target (N, Q, D) attends to source (N, S, D); positions broadcast; result (N, Q, D).

        `blocked` (N, Q, S) bool is true where the target must not attend; no row may be all true.
        """
        if blocked is not None:
            blocked = blocked.repeat_interleave(self.attention.num_heads, dim=0)
        attended, _ = self.attention(
            target + target_position,
            source + source_position,
            source,
            attn_mask=blocked,
            need_weights=False,
        )
        return self.norm(target + attended)


class FeedForward(nn.Module):
    """Linear, ReLU and linear layer, with residual and norm."""

    def __init__(self, *, dim: int, hidden_dim: int):
        super().__init__()
        self.expand = nn.Linear(dim, hidden_dim)
        self.reduce = nn.Linear(hidden_dim, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return self.norm(x + self.reduce(F.relu(self.expand(x))))
