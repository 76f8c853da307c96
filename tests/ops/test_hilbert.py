"""lgrseg/ops/hilbert.py: curves drawn out, their properties, and the public model's own."""

import pytest
import torch
from safetensors import safe_open

from lgrseg.ops import hilbert_order


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
