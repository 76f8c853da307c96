"""hilbert_scan.py: the scan against itself written out, and what hears of what."""

import math

import pytest
import torch
import torch.nn.functional as F

from lgrseg.modeling.lgrnet.hilbert_scan import HilbertScan, QueryScan
from lgrseg.ops import hilbert_order


def scan_by_loops(scan, grid):
    """HilbertScan for one clip, step by step and state by state."""
    num_frames, num_queries = grid.shape[:2]
    x, gate = (grid @ scan.in_proj.weight.T).chunk(2, dim=-1)
    weight = scan.conv.weight.clone()
    if scan.causal:
        weight[:, :, 2] = 0  # of the next frame
    x = F.conv2d(x.permute(2, 0, 1)[None], weight, scan.conv.bias, padding=1, groups=x.shape[2])[0]
    x = F.silu(x).permute(1, 2, 0).flatten(0, 1)
    y = torch.zeros_like(x)
    order = hilbert_order(num_frames, num_queries).tolist()
    orders = (order, order[::-1])
    if scan.causal:
        ways = (range(num_queries), range(num_queries)[::-1])
        orders = [[t * num_queries + q for t in range(num_frames) for q in way] for way in ways]
    for direction, cells in enumerate(orders):
        A = -scan.A_log[direction].exp()  # D N
        state = torch.zeros_like(A)
        for cell in cells:
            step, B, C = (scan.x_proj[direction] @ x[cell]).split(
                [scan.step_rank, scan.state_dim, scan.state_dim]
            )
            step = F.softplus(scan.step_proj[direction] @ step + scan.step_bias[direction])
            state = (step[:, None] * A).exp() * state + (step * x[cell])[:, None] * B
            y[cell] += state @ C + scan.D[direction] * x[cell]
    y = scan.out_norm(y.unflatten(0, (num_frames, num_queries)))
    return (y * F.silu(gate)) @ scan.out_proj.weight.T


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 4), (5, 2)])
@pytest.mark.parametrize("causal", [False, True])
@torch.no_grad()
def test_the_scan_agrees_with_loops(size, causal):
    scan = HilbertScan(dim=8, state_dim=3, causal=causal).double()
    grids = torch.randn(2, *size, 8, dtype=torch.float64)
    expected = torch.stack([scan_by_loops(scan, grid) for grid in grids])
    assert torch.allclose(scan(grids, hilbert_order(*size)), expected, atol=1e-10)


def test_the_scan_keeps_its_own_initialisation():
    scan = HilbertScan(dim=32)
    assert torch.allclose(-scan.A_log.exp()[0, 0], -torch.arange(1.0, 17.0))
    step = F.softplus(scan.step_bias).detach()
    assert 0.001 - 1e-6 <= step.min() and step.max() <= 0.1 + 1e-6
    assert math.log10(step.max() / step.min()) > 1.5  # spread over the range, not in one place


def test_the_order_of_the_scan_matters():
    """At the public code's initialisation it does not (1e-3 of a standard deviation)."""
    scan = HilbertScan(dim=32).eval()
    grid = torch.randn(1, 4, 5, 32)
    swapped, order = grid[:, [1, 0, 2, 3]], hilbert_order(4, 5)
    seen, otherwise = scan(grid, order), scan(swapped, order)
    assert (seen[:, 3] - otherwise[:, 3]).abs().max() > 1e-3 * seen.std()


def test_a_query_hears_of_all_frames_through_the_scan():
    scan = QueryScan(dim=16, num_layers=1, ffn_dim=16)
    queries, positions, order = torch.randn(1, 4, 3, 16), torch.randn(3, 16), hilbert_order(4, 3)
    for source in (0, 3):
        changed = queries.clone()
        changed[:, source] += torch.randn(3, 16)
        moved = (
            (scan(queries, positions, order) - scan(changed, positions, order))
            .abs()
            .amax(dim=(0, 2, 3))
        )
        assert (moved > 0).all()


def test_through_a_causal_scan_a_query_hears_of_no_later_frame():
    scan = QueryScan(dim=16, num_layers=2, ffn_dim=16, causal=True)
    queries, positions, order = torch.randn(1, 4, 3, 16), torch.randn(3, 16), hilbert_order(4, 3)
    for source in range(4):
        changed = queries.clone()
        changed[:, source] += torch.randn(3, 16)
        moved = scan(queries, positions, order) != scan(changed, positions, order)
        assert moved.flatten(2).any(dim=2)[0].tolist() == [t >= source for t in range(4)]


def test_positions_are_not_carried_in_the_residual():
    """They enter the scan, and nothing else: a scan that is silent leaves them out."""
    scan = QueryScan(dim=16, num_layers=1, ffn_dim=16)
    torch.nn.init.zeros_(scan.scans[0].out_proj.weight)
    queries, order = torch.randn(1, 2, 3, 16), hilbert_order(2, 3)
    silent, placed = (scan(queries, place(3, 16), order) for place in (torch.zeros, torch.randn))
    assert torch.equal(silent, placed)
