"""LGRNet's global module: selective scans of the frame queries of a clip.

Source: Xu et al., "LGRNet", MICCAI 2024, section 2.3 (Hilbert selective scan). Different from the
public code: the scan is initialised as in Mamba. The public code then overwrites this with Xavier's
initialisation, so that the order of the scan has no effect.

Letters: B clips, T frames, D width, Q frame queries.
"""

import math

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor, nn

from lgrseg.layers.position_encoding import sine_position_1d
from lgrseg.modeling.lgrnet.temporal import FeedForward
from lgrseg.ops import selective_scan


class HilbertScan(nn.Module):
    """Selective scan of the (T, Q) grid of frame queries along a Hilbert curve, in both directions.

    A causal scan does not depend on later frames; names and shapes of its weights are the same. Its
    order is frame by frame, and its two directions have opposite orders of the queries in a frame.
    Its convolution uses the current frame and earlier ones.
    """

    def __init__(
        self,
        *,
        dim: int,
        expand: int = 2,
        state_dim: int = 16,
        kernel_size: int = 3,
        step_min: float = 0.001,
        step_max: float = 0.1,
        causal: bool = False,
    ):
        """`step_min` and `step_max` are the bounds of the initial step sizes of the scan."""
        super().__init__()
        self.causal = causal
        inner = expand * dim
        self.step_rank = math.ceil(dim / 16)
        self.state_dim = state_dim
        self.in_proj = nn.Linear(dim, 2 * inner, bias=False)
        self.conv = nn.Conv2d(inner, inner, kernel_size, padding=kernel_size // 2, groups=inner)
        # Two directions; the first is forward.
        self.x_proj = nn.Parameter(torch.empty(2, self.step_rank + 2 * state_dim, inner))
        self.step_proj = nn.Parameter(torch.empty(2, inner, self.step_rank))
        self.step_bias = nn.Parameter(torch.empty(2, inner))
        self.A_log = nn.Parameter(torch.empty(2, inner, state_dim))
        self.D = nn.Parameter(torch.ones(2, inner))
        self.out_norm = nn.LayerNorm(inner)
        self.out_proj = nn.Linear(inner, dim, bias=False)
        self._initialise(step_min, step_max)

    @torch.no_grad()
    def _initialise(self, step_min: float, step_max: float) -> None:
        """Mamba, section 3.6: A = -(1 .. N), step sizes log-uniform between their bounds."""
        nn.init.uniform_(
            self.x_proj, -(self.x_proj.shape[-1] ** -0.5), self.x_proj.shape[-1] ** -0.5
        )
        nn.init.uniform_(self.step_proj, -(self.step_rank**-0.5), self.step_rank**-0.5)
        low, high = math.log(step_min), math.log(step_max)
        step = (torch.rand_like(self.step_bias) * (high - low) + low).exp()
        self.step_bias.copy_(step + torch.log(-torch.expm1(-step)))  # inverse of softplus
        self.A_log.copy_(torch.arange(1, self.state_dim + 1).log().expand_as(self.A_log))

    def forward(self, grid: Tensor, order: Tensor) -> Tensor:
        """Scan (B, T, Q, D) in the order (T Q,) of its cells; the result has the same shape.

        A causal scan ignores `order`.
        """
        num_queries = grid.shape[2]
        x, gate = self.in_proj(grid).chunk(2, dim=-1)
        x = F.silu(self._convolve(rearrange(x, "b t q d -> b d t q")))
        if self.causal:
            y = self._scan_by_frame(rearrange(x, "b d t q -> b t q d"))
        else:
            u = rearrange(x, "b d t q -> b (t q) d")[:, order]
            y = self._scan(u, slice(None), reverse=(False, True))[:, order.argsort()]
            y = rearrange(y, "b (t q) d -> b t q d", q=num_queries)
        return self.out_proj(self.out_norm(y) * F.silu(gate))

    def _convolve(self, x: Tensor) -> Tensor:
        """(B, D, T, Q) -> the same shape."""
        if not self.causal:
            return self.conv(x)
        side = self.conv.kernel_size[0] // 2
        past = self.conv.weight[:, :, : side + 1]  # rows of this frame and earlier frames
        x = F.pad(x, (side, side, side, 0))
        return F.conv2d(x, past, self.conv.bias, groups=self.conv.groups)

    def _scan_by_frame(self, x: Tensor) -> Tensor:
        """Scan (B, T, Q, D) so that no frame depends on a later one; same shape."""
        sequences = (rearrange(grid, "b t q d -> b (t q) d") for grid in (x, x.flip(2)))
        first, second = (
            rearrange(
                self._scan(u, slice(k, k + 1), reverse=(False,)),
                "b (t q) d -> b t q d",
                q=x.shape[2],
            )
            for k, u in enumerate(sequences)
        )
        return first + second.flip(2)

    def _scan(self, u: Tensor, scans: slice, *, reverse: tuple[bool, ...]) -> Tensor:
        """Sum of the selected scans over sequences (B, L, D); the result is (B, L, D)."""
        split = [self.step_rank, self.state_dim, self.state_dim]
        projected = einsum(u, self.x_proj[scans], "b l d, k r d -> b k l r")
        step, gate_in, gate_out = projected.split(split, -1)
        step = einsum(step, self.step_proj[scans], "b k l r, k d r -> b k l d")
        return selective_scan(
            u,
            step,
            -self.A_log[scans].exp(),
            gate_in,
            gate_out,
            self.D[scans],
            delta_bias=self.step_bias[scans],
            reverse=reverse,
        ).sum(dim=1)


class QueryScan(nn.Module):
    """Several Hilbert scans of the frame queries, then an FFN, each with residual and norm."""

    def __init__(
        self,
        *,
        dim: int,
        num_layers: int = 3,
        state_dim: int = 16,
        ffn_dim: int = 2048,
        causal: bool = False,
    ):
        super().__init__()
        self.scans = nn.ModuleList(
            HilbertScan(dim=dim, state_dim=state_dim, causal=causal) for _ in range(num_layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(num_layers))
        self.ffn = FeedForward(dim=dim, hidden_dim=ffn_dim)

    def forward(
        self, queries: Tensor, positions: Tensor, order: Tensor, time: Tensor | None = None
    ) -> Tensor:
        """Scan queries (B, T, Q, D) with positions (Q, D) in `order` (T Q,); same shape.

        `time` (B or 1, T, D) encodes the frames' times, so that the steps of the scan can depend on
        the time between frames; by default it encodes their index in the clip.
        """
        if time is None:
            time = sine_position_1d(queries.shape[1], queries.shape[-1], queries.device)[None]
        position = positions + time.to(queries)[:, :, None]  # B T Q D
        for scan, norm in zip(self.scans, self.norms, strict=True):
            queries = norm(queries + scan(queries + position, order))
        return self.ffn(queries)
