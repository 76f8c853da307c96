"""lgrseg/ops/selective_scan.py: against the recurrence written step by step."""

import math

import pytest
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


def test_one_step_has_no_past():
    """The decay does not show: y = C . B d u + D u."""
    given = example(length=1)
    step = torch.log1p((given["delta"] + given["delta_bias"][:, None]).exp())
    gates = (given["B"] * given["C"]).sum(-1, keepdim=True)
    expected = (step * gates + given["D"][:, None]) * given["u"]
    assert torch.allclose(selective_scan(**given), expected, atol=1e-12)


def test_the_future_is_not_seen():
    given = example()
    changed = given | {"u": given["u"].clone()}
    changed["u"][:, :, 4:] += 1
    moved = (selective_scan(**given) != selective_scan(**changed)).any(dim=(0, 1, 3))
    assert moved.tolist() == [False] * 4 + [True] * 2


def test_backward_does_not_grow_with_the_square_of_the_length():
    """Selecting one time in a loop gives each step a gradient as large as the whole sequence's."""
    given = {name: tensor.requires_grad_() for name, tensor in example(length=9).items()}
    nodes, names = [selective_scan(**given).grad_fn], set()
    while nodes:
        node = nodes.pop()
        names.add(node.name())
        nodes += [child for child, _ in node.next_functions if child is not None]
    assert "SelectBackward0" not in names


@pytest.mark.parametrize("raw", [-60.0, 60.0])
def test_extreme_steps_stay_finite(raw):
    given = example(dtype=torch.float32) | {"delta": torch.full((2, 3, 6, 4), raw)}
    given = {name: tensor.requires_grad_() for name, tensor in given.items()}
    y = selective_scan(**given)
    y.sum().backward()
    assert y.isfinite().all() and all(t.grad.isfinite().all() for t in given.values())
