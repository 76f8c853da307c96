"""lgrseg/ops/selective_scan.py: against the recurrence written step by step."""

import functools
import math

import pytest
import torch

from lgrseg.ops import selective_scan


def example(*, length=6, dtype=torch.float64):
    """Two sequences, three scans over each, the second one from its end."""
    shape = {"u": (2, length, 4), "delta": (2, 3, length, 4)}
    given = {name: torch.randn(size, dtype=dtype) for name, size in shape.items()}
    given["A"] = -torch.rand(3, 4, 5, dtype=dtype) - 0.1
    given["B"], given["C"] = torch.randn(2, 2, 3, length, 5, dtype=dtype)
    given["D"], given["delta_bias"] = torch.randn(2, 3, 4, dtype=dtype)
    return given


REVERSE = (False, True, False)
scan = functools.partial(selective_scan, reverse=REVERSE)
both_versions = pytest.mark.parametrize("kernels", ["reference", "auto"])


@pytest.fixture(autouse=True)
def _several_chunks(monkeypatch):
    """Short sequences, and still more than one chunk of the version for processors."""
    monkeypatch.setattr("lgrseg.ops.selective_scan_cpu.CHUNK_ELEMENTS", 2 * 3 * 4 * 5 * 4)


@both_versions
def test_by_hand(kernels):
    """One channel, one state: A = -1, B = C = 1, D = 0, step 1 (its softplus undone)."""
    one = torch.ones(1, 2, 3, 1)
    raw = math.log(math.e - 1)
    y = selective_scan(
        torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1),
        raw * one,
        torch.full((2, 1, 1), -1.0),
        one,
        one,
        torch.zeros(2, 1),
        delta_bias=torch.zeros(2, 1),
        reverse=(False, True),
        kernels=kernels,
    )
    expected = torch.tensor([[1, math.exp(-1), math.exp(-2)], [1, 0, 0]])
    assert torch.allclose(y[0, :, :, 0], expected, atol=1e-6)


@both_versions
def test_agrees_with_the_recurrence(kernels):
    given = example()
    step = torch.log1p((given["delta"] + given["delta_bias"][:, None]).exp())
    expected = torch.empty(2, 3, 6, 4, dtype=torch.float64)
    for k, reverse in enumerate(REVERSE):
        state = torch.zeros(2, 4, 5, dtype=torch.float64)
        for t in reversed(range(6)) if reverse else range(6):
            d, u = step[:, k, t], given["u"][:, t]
            state = torch.exp(d[..., None] * given["A"][k]) * state
            state = state + d[..., None] * given["B"][:, k, t, None] * u[..., None]
            y = (state * given["C"][:, k, t, None]).sum(-1) + given["D"][k] * u
            expected[:, k, t] = y
    assert torch.allclose(scan(**given, kernels=kernels), expected, atol=1e-12)


@both_versions
def test_gradients(kernels):
    given = {name: tensor.requires_grad_() for name, tensor in example(length=3).items()}
    names = list(given)

    def by_position(*tensors):
        return scan(**dict(zip(names, tensors, strict=True)), kernels=kernels)

    assert torch.autograd.gradcheck(by_position, list(given.values()), fast_mode=True)


def test_both_versions_have_the_same_gradients():
    """Over several chunks, whose states hand on what the loss says to them."""
    found = []
    for kernels in ("reference", "auto"):
        torch.manual_seed(1)
        given = {name: t.requires_grad_() for name, t in example(length=11).items()}
        y = scan(**given, kernels=kernels)
        (y * torch.arange(y.numel()).reshape(y.shape).cos()).sum().backward()
        found.append({name: t.grad for name, t in given.items()})
    for name, gradient in found[0].items():
        assert torch.allclose(gradient, found[1][name], atol=1e-12)


def test_one_step_has_no_past():
    """The decay does not show: y = C . B d u + D u."""
    given = example(length=1)
    step = torch.log1p((given["delta"] + given["delta_bias"][:, None]).exp())
    gates = (given["B"] * given["C"]).sum(-1, keepdim=True)
    expected = (step * gates + given["D"][:, None]) * given["u"][:, None]
    assert torch.allclose(scan(**given), expected, atol=1e-12)


def test_the_future_is_not_seen():
    given = example()
    changed = given | {"u": given["u"].clone()}
    changed["u"][:, 4:] += 1
    moved = (scan(**given) != scan(**changed)).any(dim=3).any(dim=0)  # K L
    assert moved.tolist() == [
        [True] * 6 if turned else [False] * 4 + [True] * 2 for turned in REVERSE
    ]


def test_backward_does_not_grow_with_the_square_of_the_length():
    """Selecting one time in a loop gives each step a gradient as large as the whole sequence's."""
    given = {name: tensor.requires_grad_() for name, tensor in example(length=9).items()}
    nodes, names = [scan(**given, kernels="reference").grad_fn], set()
    while nodes:
        node = nodes.pop()
        names.add(node.name())
        nodes += [child for child, _ in node.next_functions if child is not None]
    assert "SelectBackward0" not in names


@both_versions
@pytest.mark.parametrize("raw", [-60.0, 60.0])
def test_extreme_steps_stay_finite(raw, kernels):
    given = example(dtype=torch.float32) | {"delta": torch.full((2, 3, 6, 4), raw)}
    given = {name: tensor.requires_grad_() for name, tensor in given.items()}
    y = scan(**given, kernels=kernels)
    y.sum().backward()
    assert y.isfinite().all() and all(t.grad.isfinite().all() for t in given.values())
