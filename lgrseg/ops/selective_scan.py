"""The selective scan of Mamba (real, diagonal state), in plain torch.

Source: Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", 2023,
section 3 and Algorithm 2.

Letters: B sequences, L length, D channels, N state width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def selective_scan(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, *, delta_bias: Tensor
) -> Tensor:
    """A linear recurrence along the sequence whose step sizes and gates depend on the input.

        d[t] = softplus(delta[t] + delta_bias)
        h[t] = exp(d[t] A) h[t - 1] + d[t] B[t] u[t],   h[-1] = 0
        y[t] = C[t] . h[t] + D u[t]

    Args:
        u: (..., L, D) input.
        delta: (..., L, D) step sizes, before bias and softplus.
        A: (..., D, N) negative, so that the state decays.
        B: (..., L, N) input gates.
        C: (..., L, N) output gates.
        D: (..., D) weight of the direct path.
        delta_bias: (..., D).

    Returns:
        (..., L, D). Leading dimensions broadcast (batch, direction).
    """
    step = F.softplus(delta + delta_bias[..., None, :])  # ... L D
    decay = torch.exp(step[..., None] * A[..., None, :, :])  # ... L D N
    drive = (step * u)[..., None] * B[..., None, :]  # ... L D N
    state, states = 0, []
    # unbind, not x[..., t, :, :]: indexing in a loop makes the backward pass quadratic in L.
    for decay_t, drive_t in zip(decay.unbind(-3), drive.unbind(-3), strict=True):
        state = decay_t * state + drive_t
        states.append(state)
    y = torch.einsum("...ldn,...ln->...ld", torch.stack(states, dim=-3), C)
    return y + D[..., None, :] * u
