"""The selective scan of Mamba (real, diagonal state), in one or several directions.

Source: Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", 2023,
section 3 and Algorithm 2.

Letters: B sequences, K scans over each of them, L length, D channels, N state width.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lgrseg.ops.dispatch import KernelOp
from lgrseg.ops.selective_scan_cpu import chunked_scan, turn

CHUNK = 64
"""Number of time steps between the states that the kernel saves for its backward pass."""


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    *,
    delta_bias: Tensor,
    reverse: Sequence[bool] = (False,),
    kernels: str | None = None,
) -> Tensor:
    """Linear recurrence along a sequence; its step sizes and gates depend on the input.

        d[t] = softplus(delta[t] + delta_bias)
        h[t] = exp(d[t] A) h[t - 1] + d[t] B[t] u[t],   h[-1] = 0
        y[t] = C[t] . h[t] + D u[t]

    A reversed scan runs from t = L - 1 to 0, so t - 1 above becomes t + 1.

    Args:
        u: (B, L, D) input, the same for all K scans.
        delta: (B, K, L, D) step sizes, before bias and softplus.
        A: (K, D, N) decay rates, negative.
        B: (B, K, L, N) input gates.
        C: (B, K, L, N) output gates.
        D: (K, D) weight of the direct path.
        delta_bias: (K, D) bias of the step sizes.
        reverse: K booleans, true for scans that start at the end.
        kernels: version that computes (see `lgrseg.ops.dispatch`).

    Returns:
        (B, K, L, D) in the type of `u`; the state has float32 or a wider type.

    Raises:
        ValueError: the number of directions is not the number of scans.
    """
    if len(reverse) != delta.shape[1]:
        raise ValueError(
            f"delta (B, K, L, D) has shape {tuple(delta.shape)}, so {delta.shape[1]} scans, but "
            f"reverse has {len(reverse)} directions"
        )
    return _OP(u, delta, A, B, C, D, delta_bias, list(reverse), kernels=kernels)


def _reference(u, delta, A, B, C, D, delta_bias, reverse: list[bool]) -> Tensor:
    wide = torch.promote_types(u.dtype, A.dtype)
    u_wide = u.to(wide)[:, None].expand(-1, len(reverse), -1, -1)  # B K L D
    step = F.softplus(delta.to(wide) + delta_bias[:, None])
    inputs, step, gate_in, gate_out = (turn(x.to(wide), reverse) for x in (u_wide, step, B, C))
    decay = torch.exp(step[..., None] * A[:, None])  # B K L D N
    drive = (step * inputs)[..., None] * gate_in[..., None, :]
    state, states = torch.zeros_like(decay[:, :, 0]) if decay.numel() else 0, []
    # unbind, not x[:, :, t]: indexing in a loop makes the backward pass quadratic in L.
    for decay_t, drive_t in zip(decay.unbind(2), drive.unbind(2), strict=True):
        state = decay_t * state + drive_t
        states.append(state)
    y = torch.einsum("bkldn,bkln->bkld", torch.stack(states, dim=2), gate_out)
    return (turn(y, reverse) + D[:, None] * u_wide).to(u.dtype)


def _fake(u, delta, A, B, C, D, delta_bias, reverse) -> tuple[Tensor, Tensor]:
    clips, scans, length, channels = delta.shape
    starts = (clips, scans, -(-length // CHUNK), channels, A.shape[-1])
    return u.new_empty(delta.shape), u.new_empty(starts, dtype=torch.float32)


_OP = KernelOp(
    "selective_scan",
    "Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor D, Tensor delta_bias, "
    "bool[] reverse",
    reference=_reference,
    faster=chunked_scan,
    kernel="lgrseg.ops.selective_scan_kernel",
    fake=_fake,
)
