"""The selective scan for processors: chunk by chunk, so that all it touches stays in the cache.

The reference writes decays, drives and states of the whole sequence, N times as large as the
input, to memory, and autograd does so again for every product. Here a chunk of time is small enough
for the cache; what leaves it is the result and one state a chunk. The backward pass computes the
states of a chunk again from that.

Letters: R sequences x scans, T times of a chunk, L length, D channels, N state width. Time comes
first, so that a step is one contiguous piece.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK_ELEMENTS = 2**18
"""T R D N: a megabyte of float32."""


def chunked_scan(u, delta, A, B, C, D, delta_bias, reverse: list[bool]) -> Tensor:
    """What `selective_scan` says, with a backward pass of its own (not differentiable twice)."""
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
        found = {name: torch.empty_like(getattr(scan, name)) for name in ("u", "step", "B", "C")}
        grad_A, later = torch.zeros_like(scan.A), torch.zeros_like(scan.A)
        for times, start in zip(reversed(scan.chunks), reversed(starts), strict=True):
            decay, states = scan.states(times, start)
            # What the loss says to every state: through its output, and through the next state.
            said = grad[times, :, :, None] * scan.C[times, :, None, :]
            said[-1] += later
            for now, after, fade in _from_the_end(said, decay):
                torch.addcmul(now, fade, after, out=now)
            later = decay[0] * said[0]
            step, u_now = scan.step[times], scan.u[times]
            found["C"][times] = (grad[times, :, None] @ states[1:])[:, :, 0]
            found["B"][times] = ((step * u_now)[:, :, None] @ said)[:, :, 0]
            to_input = (said @ scan.B[times, :, :, None])[..., 0]
            found["u"][times] = to_input * step
            exponent = decay.mul_(states[:-1]).mul_(said)  # gradient of step x A
            found["step"][times] = to_input * u_now + (exponent * scan.A).sum(-1)
            grad_A += exponent.mul_(step[..., None]).sum(0)
        found["u"] += grad * scan.D
        found["step"] *= scan.slope
        grad_u = scan.to_sequence(found["u"]).sum(1)
        by_scan = {"D": (grad * scan.u).sum(0), "bias": found["step"].sum(0), "A": grad_A}
        by_scan = {name: scan.over_sequences(x) for name, x in by_scan.items()}
        to_delta, to_B, to_C = (scan.to_sequence(found[name]) for name in ("step", "B", "C"))
        gradients = (grad_u, to_delta, by_scan["A"], to_B, to_C, by_scan["D"], by_scan["bias"])
        kinds = (t.dtype for t in (u, delta, A, B, C, D, delta_bias))
        return *(g.to(kind) for g, kind in zip(gradients, kinds, strict=True)), None


def _from_the_end(said: Tensor, decay: Tensor):
    """Every time, the one after it and the decay between them, the last pair first."""
    rows = said.unbind(0)
    return list(zip(rows, rows[1:], decay.unbind(0)[1:], strict=False))[::-1]


class _Scan:
    """The inputs with time first, reversed scans turned round: u, step (L, R, D), B, C (L, R, N).

    A (R, D, N) and D (R, D) are repeated for every sequence; `slope` is softplus's derivative.
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
        """Decays (T, R, D, N) of a chunk and its states (T + 1, R, D, N), the first is `start`."""
        step = self.step[times]
        decay = (step[..., None] * self.A).exp_()
        states = start.new_empty(len(decay) + 1, *start.shape)
        states[0] = start
        torch.mul((step * self.u[times])[..., None], self.B[times, :, None], out=states[1:])
        # Views are made at once: by their index they would take as long as the sums.
        rows = states.unbind(0)
        for before, now, fade in zip(rows, rows[1:], decay.unbind(0), strict=False):
            torch.addcmul(now, fade, before, out=now)  # the drive is there already
        return decay, states

    def to_time(self, x: Tensor) -> Tensor:
        """(B, K, L, X) -> (L, R, X), reversed scans turned round."""
        turned = turn(x.to(self.wide), self.reverse)
        return turned.permute(2, 0, 1, 3).flatten(1, 2).contiguous()

    def to_sequence(self, x: Tensor) -> Tensor:
        """(L, R, X) -> (B, K, L, X)."""
        x = x.unflatten(1, (self.num_sequences, self.num_scans)).permute(1, 2, 0, 3)
        return turn(x, self.reverse)

    def over_sequences(self, x: Tensor) -> Tensor:
        """(R, ...) -> (K, ...), summed over sequences."""
        return x.unflatten(0, (self.num_sequences, self.num_scans)).sum(0)


def turn(x: Tensor, reverse: Sequence[bool]) -> Tensor:
    """(B, K, L, ...) with the order of the reversed scans turned round."""
    if not any(reverse):
        return x
    parts = zip(x.unbind(1), reverse, strict=True)
    return torch.stack([part.flip(1) if turned else part for part, turned in parts], dim=1)
