"""The selective scan as Triton kernels, forward and backward; all directions in one launch.

A program processes one sequence and a few channels, chunk by chunk. Within a chunk the recurrence
is a parallel scan of pairs (decay, drive). The forward pass saves the state at the start of every
chunk; the backward pass recomputes the other states. Partial sums over channels and sequences are
written separately and added by torch, so results are the same in every run.

Letters: B sequences, K scans over each, L length, D channels, N state width.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lgrseg.ops.selective_scan import CHUNK

ELEMENTS = 2048
"""Time steps x channels x states in the registers of a program. The assembler reports for sm_90: 96
registers per thread forward, 181 backward with twice the warps; with 4096 they spill backward."""


def forward(u, delta, A, B, C, D, delta_bias, reverse: list[bool]) -> tuple[Tensor, Tensor]:
    """The result (B, K, L, D) and the states (B, K, chunks, D, N) before every chunk."""
    inputs = [x.contiguous() for x in (u, delta, A, B, C, D, delta_bias)]
    sizes = _Sizes(delta, A, reverse)
    y = torch.empty_like(inputs[1], dtype=u.dtype)
    starts = u.new_empty(sizes.starts, dtype=torch.float32)
    if y.numel():
        _forward[sizes.grid](
            *inputs, sizes.turned, y, starts, *sizes.numbers, **sizes.constants, num_warps=4
        )
    return y, starts


def backward(
    grad: Tensor, _y: Tensor, starts: Tensor, u, delta, A, B, C, D, delta_bias, reverse: list[bool]
) -> tuple[Tensor, ...]:
    """Gradients of the seven tensors."""
    inputs = [x.contiguous() for x in (u, delta, A, B, C, D, delta_bias)]
    if not grad.numel():
        return tuple(torch.zeros_like(x) for x in inputs)
    sizes = _Sizes(delta, A, reverse)
    blocks, clips = sizes.grid[0], len(u)
    parts = {
        "u": inputs[1].shape, "delta": inputs[1].shape, "A": (clips, *A.shape),
        "B": (blocks, *B.shape), "C": (blocks, *C.shape),
        "D": (clips, *D.shape), "delta_bias": (clips, *D.shape),
    }  # fmt: skip
    parts = {name: u.new_empty(shape, dtype=torch.float32) for name, shape in parts.items()}
    _backward[sizes.grid](
        grad,
        *inputs,
        sizes.turned,
        starts,
        *parts.values(),
        *sizes.numbers,
        **sizes.constants,
        num_warps=8,
    )
    parts["u"] = parts["u"].sum(1)
    for name in ("A", "B", "C", "D", "delta_bias"):
        parts[name] = parts[name].sum(0)
    return tuple(part.to(x.dtype) for part, x in zip(parts.values(), inputs, strict=True))


class _Sizes:
    def __init__(self, delta: Tensor, A: Tensor, reverse: list[bool]):
        clips, scans, length, channels = delta.shape
        state = A.shape[-1]
        columns = triton.next_power_of_2(state)
        wide = max(1, ELEMENTS // (CHUNK * columns))
        self.grid = (triton.cdiv(channels, wide), clips * scans)
        self.starts = (clips, scans, triton.cdiv(length, CHUNK), channels, state)
        # One bit per scan, so no tensor has to be copied to the device.
        self.turned = sum(1 << k for k, turned in enumerate(reverse) if turned)
        self.numbers = (length, scans)
        self.constants = {
            "D": channels, "N": state, "TIMES": CHUNK, "CHANNELS": wide, "STATES": columns,
        }  # fmt: skip


@triton.jit
def _then(decay, state, next_decay, next_state):
    """Combine two steps of the recurrence."""
    return decay * next_decay, state * next_decay + next_state


@triton.jit
def _then_apart(decay, past, drive, next_decay, next_past, next_drive):
    """Combine two steps; the state is the sum of the part before the last step and its drive."""
    return decay * next_decay, next_past + (past + drive) * next_decay, next_drive


@triton.jit
def _softplus(x):
    """log(1 + exp(x)) with full precision: for tiny exp(x), 1 + exp(x) would be rounded to 1."""
    small = tl.exp(-tl.abs(x))
    above = 1.0 + small
    log1p = tl.log(above) + (small - (above - 1.0)) / above
    return tl.maximum(x, 0.0) + log1p


@triton.jit
def _exp(x):
    """exp(x) with full precision near 1, where errors of the GPU's exp would accumulate."""
    series = x / 40320.0 + 1.0 / 5040.0
    series = series * x + 1.0 / 720.0
    series = series * x + 1.0 / 120.0
    series = series * x + 1.0 / 24.0
    series = series * x + 1.0 / 6.0
    series = series * x + 0.5
    series = series * x * x + x
    return tl.where(tl.abs(x) < 0.5, 1.0 + series, tl.exp(x))


@triton.jit
def _place(time, length, turned, scan):
    """Position of the scan's time step in the sequence."""
    return tl.where(((turned >> scan) & 1) == 1, length - 1 - time, time)


@triton.jit
def _steps(delta, bias, channel, row, exists, D: tl.constexpr):
    """Raw and positive step sizes (times, channels); 0 (no effect) beyond the sequence."""
    raw = tl.load(delta + row[:, None] * D + channel[None, :], mask=exists, other=0)
    raw = raw.to(tl.float32) + bias[None, :]
    return raw, tl.where(exists, _softplus(raw), 0.0)


@triton.jit
def _part(scans, D: tl.constexpr, N: tl.constexpr, CHANNELS: tl.constexpr, STATES: tl.constexpr):
    """The scan and the channels of this program, and their offsets in tables (scans, D, N)."""
    sequence = tl.program_id(1).to(tl.int64)
    scan = sequence % scans
    channel = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    column = tl.arange(0, STATES)
    in_range = channel < D
    both = in_range[:, None] & (column < N)[None, :]
    table = (scan * D + channel)[:, None] * N + column[None, :]
    return sequence, sequence // scans, scan, channel, column, in_range, both, table


@triton.jit
def _parameters(rates, delta_bias, skip, table, scan, channel, in_range, both, D: tl.constexpr):
    """A, the bias of the steps and the weight of the direct path."""
    A = tl.load(rates + table, mask=both, other=0).to(tl.float32)
    bias = tl.load(delta_bias + scan * D + channel, mask=in_range, other=0).to(tl.float32)
    direct = tl.load(skip + scan * D + channel, mask=in_range, other=0).to(tl.float32)
    return A, bias, direct


@triton.jit
def _inputs(u, delta, bias, now, length, row, input_row, channel, in_range, D: tl.constexpr):
    """Mask of existing (times, channels), raw and positive step sizes, and the input."""
    exists = (now < length)[:, None] & in_range[None, :]
    raw, step = _steps(delta, bias, channel, row, exists, D)
    at = input_row[:, None] * D + channel[None, :]
    return exists, raw, step, tl.load(u + at, mask=exists, other=0).to(tl.float32)


@triton.jit
def _gates(gate_in, gate_out, now, length, row, column, N: tl.constexpr):
    """Mask of existing (times, states), and the gates."""
    exists = (now < length)[:, None] & (column < N)[None, :]
    at = row[:, None] * N + column[None, :]
    entry = tl.load(gate_in + at, mask=exists, other=0).to(tl.float32)
    leave = tl.load(gate_out + at, mask=exists, other=0).to(tl.float32)
    return exists, entry, leave


@triton.jit
def _forward(
    u, delta, rates, gate_in, gate_out, skip, delta_bias, turned, y, starts, length, scans,
    D: tl.constexpr, N: tl.constexpr,
    TIMES: tl.constexpr, CHANNELS: tl.constexpr, STATES: tl.constexpr,
):  # fmt: skip
    sequence, clip, scan, channel, column, in_range, both, table = _part(
        scans, D, N, CHANNELS, STATES
    )
    A, bias, direct = _parameters(rates, delta_bias, skip, table, scan, channel, in_range, both, D)
    state = tl.zeros((CHANNELS, STATES), tl.float32)
    time = tl.arange(0, TIMES)
    chunks = tl.cdiv(length, TIMES)
    for chunk in range(chunks):
        saved = (sequence * chunks + chunk) * (D * N) + channel[:, None] * N + column[None, :]
        tl.store(starts + saved, state, mask=both)
        now = chunk * TIMES + time
        position = _place(now, length, turned, scan)
        row = sequence * length + position
        exists, _, step, x = _inputs(
            u, delta, bias, now, length, row, clip * length + position, channel, in_range, D
        )
        gated, entry, leave = _gates(gate_in, gate_out, now, length, row, column, N)
        decay = _exp(step[:, :, None] * A[None, :, :])
        drive = (step * x)[:, :, None] * entry[:, None, :]
        decays, states = tl.associative_scan((decay, drive), 0, _then)
        states += decays * state[None, :, :]
        result = tl.sum(states * leave[:, None, :], axis=2) + direct[None, :] * x
        target = row[:, None] * D + channel[None, :]
        tl.store(y + target, result.to(y.dtype.element_ty), mask=exists)
        state = tl.sum(tl.where((time == TIMES - 1)[:, None, None], states, 0.0), axis=0)


@triton.jit
def _backward(
    grad, u, delta, rates, gate_in, gate_out, skip, delta_bias, turned, starts,
    to_u, to_delta, to_A, to_B, to_C, to_D, to_bias, length, scans,
    D: tl.constexpr, N: tl.constexpr,
    TIMES: tl.constexpr, CHANNELS: tl.constexpr, STATES: tl.constexpr,
):  # fmt: skip
    sequence, clip, scan, channel, column, in_range, both, table = _part(
        scans, D, N, CHANNELS, STATES
    )
    A, bias, direct = _parameters(rates, delta_bias, skip, table, scan, channel, in_range, both, D)
    # Sums over time, and the gradient of the state after the chunk.
    sum_A = tl.zeros((CHANNELS, STATES), tl.float32)
    later = tl.zeros((CHANNELS, STATES), tl.float32)
    sum_D = tl.zeros((CHANNELS,), tl.float32)
    sum_bias = tl.zeros((CHANNELS,), tl.float32)
    time = tl.arange(0, TIMES)
    chunks = tl.cdiv(length, TIMES)
    part = tl.program_id(0).to(tl.int64) * tl.num_programs(1) * length
    for back in range(chunks):
        chunk = chunks - 1 - back
        now = chunk * TIMES + time
        position = _place(now, length, turned, scan)
        row = sequence * length + position
        exists, raw, step, x = _inputs(
            u, delta, bias, now, length, row, clip * length + position, channel, in_range, D
        )
        gated, entry, leave = _gates(gate_in, gate_out, now, length, row, column, N)
        target = row[:, None] * D + channel[None, :]
        incoming = tl.load(grad + target, mask=exists, other=0).to(tl.float32)

        saved = (sequence * chunks + chunk) * (D * N) + channel[:, None] * N + column[None, :]
        start = tl.load(starts + saved, mask=both, other=0)
        decay = _exp(step[:, :, None] * A[None, :, :])
        drive = (step * x)[:, :, None] * entry[:, None, :]
        decays, past, drive = tl.associative_scan(
            (decay, tl.zeros_like(drive), drive), 0, _then_apart
        )
        past += decays * start[None, :, :]

        # The same recurrence backwards, with the decay of the next time step.
        after = now + 1
        exists_after = (after < length)[:, None] & in_range[None, :]
        next_row = sequence * length + _place(after, length, turned, scan)
        _, next_step = _steps(delta, bias, channel, next_row, exists_after, D)
        next_decay = _exp(next_step[:, :, None] * A[None, :, :])
        grad_states = incoming[:, :, None] * leave[:, None, :]
        decays, grad_states = tl.associative_scan((next_decay, grad_states), 0, _then, reverse=True)
        grad_states += decays * later[None, :, :]

        part_gate = (part + row)[:, None] * N + column[None, :]
        tl.store(
            to_C + part_gate, tl.sum(incoming[:, :, None] * (past + drive), axis=1), mask=gated
        )
        tl.store(to_B + part_gate, tl.sum((step * x)[:, :, None] * grad_states, axis=1), mask=gated)
        to_input = tl.sum(grad_states * entry[:, None, :], axis=2)
        tl.store(to_u + target, to_input * step + direct[None, :] * incoming, mask=exists)
        exponent = grad_states * past  # gradient of step x A
        to_step = to_input * x + tl.sum(exponent * A[None, :, :], axis=2)
        to_raw = tl.where(exists, to_step * tl.sigmoid(raw), 0.0)
        tl.store(to_delta + target, to_raw, mask=exists)
        sum_A += tl.sum(exponent * step[:, :, None], axis=0)
        sum_D += tl.sum(incoming * x, axis=0)
        sum_bias += tl.sum(to_raw, axis=0)
        later = tl.sum(tl.where((time == 0)[:, None, None], grad_states, 0.0), axis=0)
    tl.store(to_A + clip * scans * D * N + table, sum_A, mask=both)
    tl.store(to_D + sequence * D + channel, sum_D, mask=in_range)
    tl.store(to_bias + sequence * D + channel, sum_bias, mask=in_range)
