"""lgrseg/ops/hilbert.py: curves drawn out, their properties, and the public model's own."""

import pytest
import torch
from safetensors import safe_open
from torch import nn

from lgrseg.ops import hilbert_order
from lgrseg.ops.hilbert import _cached_order


def test_small_curves_drawn_out():
    assert hilbert_order(1, 4).tolist() == [0, 1, 2, 3]
    #  0 3
    #  1 2
    assert hilbert_order(2, 2).tolist() == [0, 2, 3, 1]


@pytest.mark.parametrize(("height", "width"), [(5, 20), (7, 20), (11, 20), (6, 8), (20, 20)])
def test_every_cell_once_in_steps_of_one(height, width):
    order = hilbert_order(height, width)
    assert sorted(order.tolist()) == list(range(height * width))
    y, x = order // width, order % width
    assert (y.diff().abs() + x.diff().abs()).max() == 1
    assert order[0] == 0 and order[-1] == width - 1


@pytest.mark.parametrize("num_frames", [1, 2, 21, 35])
def test_one_frame_few_and_more_frames_than_queries(num_frames):
    order = hilbert_order(num_frames, 20)
    assert sorted(order.tolist()) == list(range(20 * num_frames))
    y, x = order // 20, order % 20
    assert (y.diff().abs() + x.diff().abs()).max() == 1
    assert order[0] == 0 and order[-1] == 19


def test_one_diagonal_step_where_parity_leaves_no_other_way():
    order = hilbert_order(6, 21)
    y, x = order // 21, order % 21
    steps = (y.diff().abs() + x.diff().abs()).tolist()
    assert steps.count(2) == 1 and max(steps) == 2


def test_a_first_call_in_inference_mode_spoils_nothing():
    """The order is kept; an inference tensor could not index what is trained."""
    _cached_order.cache_clear()
    with torch.inference_mode():
        assert not hilbert_order(2, 3).is_inference()


def test_no_grid():
    with pytest.raises(ValueError, match="not 0 x 20"):
        hilbert_order(0, 20)


def test_agrees_with_the_public_model(shared):
    file = shared / "lgrnet_public" / "fixture" / "output.safetensors"
    if not file.is_file():
        pytest.skip(f"no {file}")
    with safe_open(file, "pt") as expected:
        names = [name for name in expected.keys() if name.startswith("hilbert.")]
        for name in names:
            height, width = map(int, name.split(".")[1].split("x"))
            assert torch.equal(hilbert_order(height, width), expected.get_tensor(name)), name
    assert len(names) > 3


def test_tracing_leaves_no_fake_tensors_behind():
    class Reorder(nn.Module):
        def forward(self, values):
            return values[hilbert_order(3, 7)]

    values = torch.arange(21.0)
    program = torch.export.export(Reorder(), (values,), strict=False)
    order = hilbert_order(3, 7)
    assert type(order) is torch.Tensor
    assert torch.equal(program.module()(values), values[order])
