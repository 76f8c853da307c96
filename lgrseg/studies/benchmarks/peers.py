"""Implementations of the same operations by other packages, if they are installed.

The "plain loop" is the computation of mamba_ssm without its kernel: states one after the other,
each step selected by its index. If mamba_ssm is installed, its own function is used.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def deformable_attention() -> dict[str, Callable[..., Tensor]]:
    """Functions of (value, shapes, locations, weights), by package."""
    functions = {}
    try:
        from transformers.models.mask2former import modeling_mask2former

        functions["transformers"] = modeling_mask2former.multi_scale_deformable_attention
    except ImportError:
        pass
    try:
        import MultiScaleDeformableAttention  # built from Deformable DETR's or Mask2Former's source

        functions["original CUDA op"] = _original(MultiScaleDeformableAttention)
    except ImportError:
        pass
    return functions


def _original(module) -> Callable[..., Tensor]:
    class Original(torch.autograd.Function):
        @staticmethod
        def forward(ctx, value, shapes, starts, locations, weights):
            ctx.save_for_backward(value, shapes, starts, locations, weights)
            return module.ms_deform_attn_forward(value, shapes, starts, locations, weights, 128)

        @staticmethod
        def backward(ctx, grad):
            to_value, to_locations, to_weights = module.ms_deform_attn_backward(
                *ctx.saved_tensors, grad.contiguous(), 128
            )
            return to_value, None, None, to_locations, to_weights

    def call(value, shapes, locations, weights):
        sizes = torch.tensor(shapes, device=value.device)
        starts = torch.cat([sizes.new_zeros(1), sizes.prod(1).cumsum(0)[:-1]])
        return Original.apply(value, sizes, starts, locations, weights)

    return call


def scans() -> dict[str, Callable[..., Tensor]]:
    """Functions of (u, delta, A, B, C, D, delta_bias) in one direction, by package."""
    functions = {}
    try:
        from mambapy.pscan import pscan

        functions["mambapy"] = lambda *inputs: _expanded_scan(pscan, *inputs)
    except ImportError:
        pass
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn, selective_scan_ref

        functions["mamba_ssm, its reference"] = lambda *inputs: _mamba(selective_scan_ref, *inputs)
        if torch.cuda.is_available():
            functions["mamba_ssm"] = lambda *inputs: _mamba(selective_scan_fn, *inputs)
    except ImportError:
        functions["plain loop"] = lambda *inputs: _expanded_scan(_indexed_loop, *inputs)
    return functions


def _expanded_scan(states_of, u, delta, A, B, C, D, delta_bias) -> Tensor:
    """Compute the scan with a function of decays and drives (B, L, D, N)."""
    step = F.softplus(delta + delta_bias)
    decay = torch.exp(step[..., None] * A)
    states = states_of(decay, (step * u)[..., None] * B[:, :, None])
    return (states @ C[..., None])[..., 0] + D * u


def _indexed_loop(decay: Tensor, drive: Tensor) -> Tensor:
    state, states = torch.zeros_like(drive[:, 0]), []
    for t in range(decay.shape[1]):
        state = decay[:, t] * state + drive[:, t]
        states.append(state)
    return torch.stack(states, dim=1)


def _mamba(function, u, delta, A, B, C, D, delta_bias) -> Tensor:
    u, delta, B, C = (x.transpose(1, 2).contiguous() for x in (u, delta, B, C))
    y = function(u, delta, A, B, C, D, delta_bias=delta_bias, delta_softplus=True)
    return y.transpose(1, 2)


def neighborhood_attention() -> dict[str, Callable[..., Tensor]]:
    """Functions of (query, key, value, kernel_size), each map (N, H, W, M, C)."""
    try:
        from natten.functional import na2d
    except ImportError:
        return {}
    return {"natten": lambda q, k, v, size: na2d(q, k, v, kernel_size=(size, size))}
