"""EMP-SSL: the coding rate by hand, the two losses, and what collapse looks like."""

import math

import pytest
import torch
from tiny_encoder import TinyEncoder
from torch.nn import functional

from lgrseg.layers.numerics import effective_rank
from lgrseg.modeling.pretraining.many_crops import ManyCropsModel, coding_rate, largest_rate
from lgrseg.structures import Clip, UnlabelledViews


def model(**more):
    return ManyCropsModel(backbone=TinyEncoder(), hidden_dim=16, dim=8, **more)


def crops(count, *, num_views=4, same=False):
    """Crops of images: each has its own brightness, and a crop little noise."""
    result = []
    for number in range(count):
        grey = 0.5 if same else number / count
        views = [
            Clip(grey + 0.1 * torch.rand(1, 1, 32, 32), torch.zeros(1), f"v{number}", seed=n)
            for n in range(num_views)
        ]
        result.append(UnlabelledViews(views, []))
    return result


def test_the_coding_rate_by_hand():
    # Two orthogonal vectors in 2 dimensions: I + 2 / (2 * 0.5) I = 3 I, so 1/2 log 9 = log 3.
    assert float(coding_rate(torch.eye(2), 0.5)) == pytest.approx(math.log(3))
    # Two equal ones: eigenvalues 1 and 1 + 2 * 2 = 5.
    equal = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert float(coding_rate(equal, 0.5)) == pytest.approx(math.log(5) / 2)


@pytest.mark.parametrize("shape", [(3, 7), (7, 3)])
def test_the_rate_is_computed_from_either_product(shape):
    vectors = torch.rand(2, *shape, dtype=torch.float64)
    count, dim = shape
    for rate, z in zip(coding_rate(vectors, 0.2), vectors, strict=True):
        large = torch.eye(dim, dtype=torch.float64) + dim / (count * 0.2) * z.T @ z
        assert float(rate) == pytest.approx(float(torch.linalg.slogdet(large)[1]) / 2)


@pytest.mark.parametrize("shape", [(3, 7), (7, 3)])
def test_no_vectors_have_a_larger_rate_than_the_largest(shape):
    count, dim = shape
    basis = torch.linalg.qr(torch.rand(max(shape), max(shape))).Q[:, : min(shape)]
    best = functional.normalize(basis.T if count < dim else basis, dim=-1)
    random = functional.normalize(torch.randn(50, *shape), dim=-1)
    assert float(coding_rate(random, 0.2).max()) < largest_rate(random, 0.2)
    if count < dim:  # orthogonal vectors
        assert float(coding_rate(best, 0.2)) == pytest.approx(largest_rate(best, 0.2), rel=1e-5)


def test_the_effective_rank_counts_directions():
    corners = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    assert float(effective_rank(corners)) == pytest.approx(2)
    assert float(effective_rank(corners[:2])) == pytest.approx(1)
    assert float(effective_rank(torch.ones(4, 3))) == pytest.approx(1)  # no difference at all


def test_equal_crops_are_similar_and_only_the_rate_has_a_gradient():
    built = model()
    views = [UnlabelledViews([view.teacher[0]] * 3, []) for view in crops(4)]
    losses = built([], [], views)
    assert losses["loss_similarity"].item() == pytest.approx(-200)
    assert float(built.monitored["similarity"]) == pytest.approx(1)
    assert losses["loss_rate"].item() < 0


def test_the_loss_is_that_of_the_paper():
    built, views = model(similarity_weight=7.0, epsilon=0.3), crops(5, num_views=3)
    losses = built([], [], views)
    # Token by token, in plain loops.
    frames = [clip.frames for view in views for clip in view.teacher]
    images = built.normalizer(torch.stack(frames).expand(-1, -1, 3, -1, -1))[:, 0]
    z = functional.normalize(built.projector(built.backbone.forward_token(images)), dim=-1)
    z = z.view(5, 3, 8)
    cosines, rates = [], []
    for image in z:
        mean = image.mean(dim=0)
        cosines += [float(mean @ crop / mean.norm()) for crop in image]
    for number in range(3):
        of_crop = z[:, number]
        inner = torch.eye(8) + 8 / (5 * 0.3) * of_crop.T @ of_crop
        rates.append(float(torch.logdet(inner)) / 2)
    assert float(losses["loss_similarity"]) == pytest.approx(-7 * sum(cosines) / 15, rel=1e-4)
    assert float(losses["loss_rate"]) == pytest.approx(-sum(rates) / 3, rel=1e-4)


def test_training_pulls_crops_together_and_images_apart():
    built, views = model(), crops(8)
    optimizer = torch.optim.AdamW(built.parameters(), lr=3e-3)
    for _ in range(20):
        loss = sum(built([], [], views).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        first = locals().get("first") or dict(built.monitored)
    assert built.monitored["similarity"] > first["similarity"]
    assert built.monitored["similarity"] > 0.95 and built.monitored["relative_rate"] > 0.4


def test_what_it_needs_is_said():
    with pytest.raises(ValueError, match=r"frames with \[1\] crops: .*num_views=2 or more"):
        model()([], [], crops(2, num_views=1))
    with pytest.raises(ValueError, match="tools/export_encoder.py"):
        model().eval()([], [], crops(2))
    with pytest.raises(ValueError, match="a batch of 1 frame .* nothing would be learnt"):
        model()([], [], crops(1))
    with pytest.raises(ValueError, match="epsilon=0: "):
        model(epsilon=0)
