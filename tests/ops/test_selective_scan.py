"""lgrseg/ops/selective_scan.py: against the recurrence written step by step."""

import math

import torch

from lgrseg.ops import selective_scan


def example(*, length=6, dtype=torch.float64):
    shape = {"u": (2, 3, length, 4), "delta": (2, 3, length, 4)}
    given = {name: torch.randn(size, dtype=dtype) for name, size in shape.items()}
    given["A"] = -torch.rand(3, 4, 5, dtype=dtype) - 0.1
    given["B"], given["C"] = torch.randn(2, 2, 3, length, 5, dtype=dtype)
    given["D"], given["delta_bias"] = torch.randn(2, 3, 4, dtype=dtype)
    return given


def test_by_hand():
    """One channel, one state: A = -1, B = C = 1, D = 0, step 1 (its softplus undone)."""
    one = torch.ones(3, 1)
    raw = math.log(math.e - 1)
    y = selective_scan(
        torch.tensor([[1.0], [0.0], [0.0]]),
        raw * one,
        torch.tensor([[-1.0]]),
        one,
        one,
        torch.zeros(1),
        delta_bias=torch.zeros(1),
    )
    expected = torch.tensor([1, math.exp(-1), math.exp(-2)])
    assert torch.allclose(y.flatten(), expected, atol=1e-6)


def test_agrees_with_the_recurrence():
    given = example()
    step = torch.log1p((given["delta"] + given["delta_bias"][:, None]).exp())
    state = torch.zeros(2, 3, 4, 5, dtype=torch.float64)
    expected = []
    for t in range(6):
        d, u = step[:, :, t], given["u"][:, :, t]
        state = torch.exp(d[..., None] * given["A"]) * state
        state = state + d[..., None] * given["B"][:, :, t, None] * u[..., None]
        y = (state * given["C"][:, :, t, None]).sum(-1) + given["D"] * u
        expected.append(y)
    assert torch.allclose(selective_scan(**given), torch.stack(expected, dim=2), atol=1e-12)


def test_gradients():
    given = {name: tensor.requires_grad_() for name, tensor in example(length=3).items()}
    names = list(given)

    def scan(*tensors):
        return selective_scan(**dict(zip(names, tensors, strict=True)))

    assert torch.autograd.gradcheck(scan, list(given.values()), fast_mode=True)


def test_one_step():
    given = example(length=1)
    assert selective_scan(**given).shape == (2, 3, 1, 4)
