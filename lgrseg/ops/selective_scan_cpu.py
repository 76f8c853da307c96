"""The selective scan for CPUs, in chunks that fit into the cache.

The reference writes decays, drives and states of the whole sequence to memory. They are N times as
large as the input, and autograd saves more of them for every product. Here a chunk of time steps is
small enough for the cache; only the result and one state per chunk are stored. The backward pass
recomputes the states of a chunk from its first state.

Letters: R sequences x scans, T time steps of a chunk, L length, D channels, N state width.
Time is the first axis, so a step is contiguous in memory.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK_ELEMENTS = 2**18
"""Number of elements T R D N of a chunk: one megabyte in float32."""


def chunked_scan(u, delta, A, B, C, D, delta_bias, reverse: list[bool]) -> Tensor:
    """Compute `selective_scan` with a special backward pass (no second derivatives)."""
    return _ChunkedScan.apply(u, delta, A, B, C, D, delta_bias, tuple(reverse))


class _ChunkedScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u, delta, A, B, C, D, delta_bias, reverse):
        scan = _Scan(u, delta, A, B, C, D, delta_bias, reverse)
        y = torch.empty_like(scan.u)
        starts, state = [], scan.A.new_zeros(scan.A.shape)
        for times in scan.chunks:
            starts.append(state)
            _, states = scan.states(times, state)
            y[times] = (states[1:] @ scan.C[times, :, :, None])[..., 0]
            state = states[-1].clone()
        y += scan.D * scan.u
        ctx.save_for_backward(u, delta, A, B, C, D, delta_bias, *starts)
        ctx.reverse = reverse
        return scan.to_sequence(y).to(u.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        u, delta, A, B, C, D, delta_bias, *starts = ctx.saved_tensors
        scan = _Scan(u, delta, A, B, C, D, delta_bias, ctx.reverse)
        grad = scan.to_time(grad)
        grads = {name: torch.empty_like(getattr(scan, name)) for name in ("u", "step", "B", "C")}
        grad_A, later = torch.zeros_like(scan.A), torch.zeros_like(scan.A)
        for times, start in zip(reversed(scan.chunks), reversed(starts), strict=True):
            decay, states = scan.states(times, start)
            # Gradient of every state: through its output, and through the next state.
            grad_states = grad[times, :, :, None] * scan.C[times, :, None, :]
            grad_states[-1] += later
            for now, after, fade in _from_the_end(grad_states, decay):
                torch.addcmul(now, fade, after, out=now)
            later = decay[0] * grad_states[0]
            step, u_now = scan.step[times], scan.u[times]
            grads["C"][times] = (grad[times, :, None] @ states[1:])[:, :, 0]
            grads["B"][times] = ((step * u_now)[:, :, None] @ grad_states)[:, :, 0]
            to_input = (grad_states @ scan.B[times, :, :, None])[..., 0]
            grads["u"][times] = to_input * step
            exponent = decay.mul_(states[:-1]).mul_(grad_states)  # gradient of step x A
            grads["step"][times] = to_input * u_now + (exponent * scan.A).sum(-1)
            grad_A += exponent.mul_(step[..., None]).sum(0)
        grads["u"] += grad * scan.D
        grads["step"] *= scan.slope
        grad_u = scan.to_sequence(grads["u"]).sum(1)
        by_scan = {"D": (grad * scan.u).sum(0), "bias": grads["step"].sum(0), "A": grad_A}
        by_scan = {name: scan.over_sequences(x) for name, x in by_scan.items()}
        to_delta, to_B, to_C = (scan.to_sequence(grads[name]) for name in ("step", "B", "C"))
        gradients = (grad_u, to_delta, by_scan["A"], to_B, to_C, by_scan["D"], by_scan["bias"])
        kinds = (t.dtype for t in (u, delta, A, B, C, D, delta_bias))
        return *(g.to(dtype) for g, dtype in zip(gradients, kinds, strict=True)), None


def _from_the_end(grad_states: Tensor, decay: Tensor):
    """Yield every time step, the step after it and the decay between them, the last pair first."""
    rows = grad_states.unbind(0)
    return list(zip(rows, rows[1:], decay.unbind(0)[1:], strict=False))[::-1]


class _Scan:
    """Inputs with time first and reversed scans flipped: u, step (L, R, D), B, C (L, R, N).

    A (R, D, N) and D (R, D) are repeated for every sequence; `slope` is the softplus derivative.
    """

    def __init__(self, u, delta, A, B, C, D, delta_bias, reverse):
        self.reverse = reverse
        self.num_sequences, self.num_scans, length = delta.shape[:3]
        wide = torch.promote_types(u.dtype, A.dtype)
        self.wide = wide
        self.A, self.D = (x.repeat(self.num_sequences, *[1] * (x.dim() - 1)) for x in (A, D))
        raw = self.to_time(delta.to(wide) + delta_bias[:, None])
        self.u = self.to_time(u[:, None].expand(-1, self.num_scans, -1, -1))
        self.step, self.slope = F.softplus(raw), raw.sigmoid()
        self.B, self.C = self.to_time(B), self.to_time(C)
        size = max(1, CHUNK_ELEMENTS // max(1, self.A.numel()))
        self.chunks = [slice(begin, begin + size) for begin in range(0, length, size)]

    def states(self, times: slice, start: Tensor) -> tuple[Tensor, Tensor]:
        """Decays (T, R, D, N) of a chunk and its states (T + 1, R, D, N); the first is `start`."""
        step = self.step[times]
        decay = (step[..., None] * self.A).exp_()
        states = start.new_empty(len(decay) + 1, *start.shape)
        states[0] = start
        torch.mul((step * self.u[times])[..., None], self.B[times, :, None], out=states[1:])
        # All views are made at once: indexing one by one would take as long as the sums.
        rows = states.unbind(0)
        for previous, now, fade in zip(rows, rows[1:], decay.unbind(0), strict=False):
            torch.addcmul(now, fade, previous, out=now)  # `now` already has the drive
        return decay, states

    def to_time(self, x: Tensor) -> Tensor:
        """Convert (B, K, L, X) to (L, R, X), with reversed scans flipped."""
        turned = turn(x.to(self.wide), self.reverse)
        return turned.permute(2, 0, 1, 3).flatten(1, 2).contiguous()

    def to_sequence(self, x: Tensor) -> Tensor:
        """Convert (L, R, X) to (B, K, L, X)."""
        x = x.unflatten(1, (self.num_sequences, self.num_scans)).permute(1, 2, 0, 3)
        return turn(x, self.reverse)

    def over_sequences(self, x: Tensor) -> Tensor:
        """Sum over sequences: (R, ...) -> (K, ...)."""
        return x.unflatten(0, (self.num_sequences, self.num_scans)).sum(0)


def turn(x: Tensor, reverse: Sequence[bool]) -> Tensor:
    """Flip the time axis of the reversed scans of (B, K, L, ...)."""
    if not any(reverse):
        return x
    parts = zip(x.unbind(1), reverse, strict=True)
    return torch.stack([part.flip(1) if turned else part for part, turned in parts], dim=1)
