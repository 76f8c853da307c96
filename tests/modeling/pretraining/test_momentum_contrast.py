"""MoCo v3: the loss by hand, the moving average, and what it needs."""

import math

import pytest
import torch
from tiny_encoder import TinyEncoder

from lgrseg.modeling.pretraining.momentum_contrast import (
    MomentumContrastModel,
    contrast,
    similarities,
)
from lgrseg.structures import Clip, UnlabelledViews


def model(momentum=0.9, **more):
    torch.manual_seed(0)
    more = {"hidden_dim": 16, "dim": 8, "momentum": lambda iteration: momentum} | more
    return MomentumContrastModel(backbone=TinyEncoder(), **more)


def pairs(count, *, num_views=2):
    """Two views of frames: each frame has its own brightness, and a view little noise."""
    torch.manual_seed(1)
    return [
        UnlabelledViews(
            [
                Clip(n / count + 0.05 * torch.rand(1, 1, 16, 16), torch.zeros(1), f"v{n}", seed=n)
                for _ in range(num_views)
            ],
            [],
        )
        for n in range(count)
    ]


def test_queries_of_a_view_meet_the_keys_of_the_other_one():
    queries = torch.tensor([[2.0, 0], [0, 1], [1, 0], [0, 3]])  # two frames in view 1, and 2
    keys = torch.tensor([[0.0, 1], [1, 0], [1, 0], [0, 1]])  # wrong in view 1, right in view 2
    first, second = similarities(queries, keys)
    assert first.tolist() == [[1, 0], [0, 1]] and second.tolist() == [[0, 1], [1, 0]]


def test_the_loss_by_hand():
    # Each frame: -2 t log(e^(1/t) / (e^(1/t) + 1)) with t = 1/2, in both directions.
    cosines = torch.eye(2).expand(2, 2, 2)
    expected = 2 * -math.log(math.e**2 / (math.e**2 + 1))
    assert float(contrast(cosines, 0.5)) == pytest.approx(expected)
    assert float(contrast(torch.zeros(2, 5, 5), 0.5)) == pytest.approx(2 * math.log(5))


def test_only_the_first_encoder_is_trained_and_the_other_one_follows():
    built = model()
    built([], [], pairs(4))["loss_contrast"].backward()
    trained = [p for name, p in built.named_parameters() if not name.startswith("average_")]
    averages = [p for name, p in built.named_parameters() if name.startswith("average_")]
    assert all(p.grad is not None for p in trained) and all(p.grad is None for p in averages)
    before = built.average_projector[0].weight.clone()
    with torch.no_grad():
        built.projector[0].weight += 1
        built.backbone.layers[0].bias += 2
    old = built.average_backbone.layers[0].bias.clone()
    built.after_update()
    torch.testing.assert_close(built.average_projector[0].weight, before + 0.1)
    torch.testing.assert_close(built.average_backbone.layers[0].bias, old + 0.2)


def test_training_finds_the_other_view():
    built, views = model(), pairs(8)
    optimizer = torch.optim.AdamW(built.parameters(), lr=3e-3)
    first = float(built([], [], views)["loss_contrast"].detach())
    for iteration in range(25):
        built.before_update(iteration)
        loss = built([], [], views)["loss_contrast"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        built.after_update()
    assert float(loss.detach()) < 0.5 * first
    assert built.monitored["found"] > 0.5  # chance is 1/8
    assert 1 < built.monitored["effective_rank"] <= 16


def test_both_encoders_normalise_by_the_batch():
    built = model()
    built.average_backbone.add_module("norm", torch.nn.BatchNorm2d(3))
    assert built.train().average_backbone.norm.training
    assert not built.eval().average_backbone.norm.training


def test_what_it_needs_is_said():
    with pytest.raises(ValueError, match=r"frames with \[3\] views: .*num_views=2"):
        model()([], [], pairs(2, num_views=3))
    with pytest.raises(ValueError, match="tools/export_encoder.py"):
        model().eval()([], [], pairs(2))
    with pytest.raises(ValueError, match="a batch of 1 frame .* nothing would be learnt"):
        model()([], [], pairs(1))
    with pytest.raises(ValueError, match="temperature=0: "):
        model(temperature=0)
