"""lgrseg/inference/averaging.py, augmented_views.py: hand-worked means, views there and back."""

import math

import numpy as np
import pytest
import torch

from lgrseg.inference.augmented_views import VIEWS, AveragedViews, View
from lgrseg.inference.averaging import average_predictions
from lgrseg.modeling.contracts import ClipModel
from lgrseg.structures import Clip, ClipPrediction, Geometry

GEOMETRY = Geometry((4, 4), (0, 0, 4, 4), (4, 4))


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def prediction(probs, present=(True, True), side=4):
    """Two classes whose probabilities are the same at every pixel of one frame."""
    maps = torch.tensor([logit(p) for p in probs]).reshape(2, 1, 1, 1).expand(2, 1, side, side)
    return ClipPrediction(maps, torch.tensor(probs), torch.tensor(present))


def test_the_mean_of_probabilities_by_hand():
    mean = average_predictions([prediction((0.9, 0.2)), prediction((0.3, 0.8))])
    assert mean.mask_logits.sigmoid().mean(dim=(1, 2, 3)).tolist() == pytest.approx([0.6, 0.5])
    assert mean.class_probs.tolist() == pytest.approx([0.6, 0.5])
    assert (mean.label_maps(GEOMETRY) == 1).all()  # 0.6 is above one half
    # A mean of logits would say 0.66, and class 2 would win where it is surer of being right.
    sure = average_predictions([prediction((0.6, 0.999)), prediction((0.6, 0.1))])
    assert (sure.label_maps(GEOMETRY) == 1).all()


def test_a_class_that_a_member_does_not_find_counts_as_zero():
    absent = prediction((0.9, 0.2), present=(False, True))
    mean = average_predictions([prediction((0.9, 0.2)), absent])
    assert mean.mask_logits.sigmoid()[0].mean().item() == pytest.approx(0.45)
    assert mean.present.tolist() == [True, True] and not mean.label_maps(GEOMETRY).any()
    third = average_predictions([prediction((0.9, 0.2))] * 2 + [absent])  # 0.6: two of three
    assert (third.label_maps(GEOMETRY) == 1).all()
    nobody = average_predictions([absent, absent])
    assert nobody.present.tolist() == [False, True]


def test_maps_of_two_strides_are_brought_to_the_larger_size():
    mean = average_predictions([prediction((0.9, 0.2), side=2), prediction((0.5, 0.2), side=4)])
    assert mean.mask_logits.shape == (2, 1, 4, 4)
    assert mean.mask_logits.sigmoid()[0].mean().item() == pytest.approx(0.7)


def test_the_same_member_twice_draws_the_same_masks():
    logits = 8 * torch.randn(3, 2, 16, 16)
    one = ClipPrediction(logits, torch.ones(3), torch.tensor([True, True, False]))
    geometry = Geometry((40, 50), (4, 6, 36, 46), (64, 64))
    twice = average_predictions([one, one, one])
    assert torch.equal(one.label_maps(geometry), twice.label_maps(geometry))


def test_a_view_turns_clockwise_and_shrinks():
    picture = torch.zeros(1, 1, 9, 9)
    picture[..., 0, 4] = 1  # top middle
    turned = View(degrees=90).change(picture)
    assert turned[0, 0, 4, 8] == pytest.approx(1, abs=1e-4)  # right middle
    # Angles are those of the picture, also where it is twice as wide as high.
    wide = torch.zeros(1, 1, 101, 201)
    wide[..., 50, 48:53] = wide[..., 48:53, 50] = 1  # fifty pixels to the left of the middle
    spot = View(degrees=30).change(wide)[0, 0]
    row, column = (np.argwhere(spot.numpy() > 0.5).mean(axis=0) - (50, 100)).tolist()
    assert (row, column) == pytest.approx((-25, -50 * math.cos(math.pi / 6)), abs=0.5)
    half = View(scale=0.5).change(torch.ones(1, 1, 100, 100))
    assert half.mean().item() == pytest.approx(0.25, abs=0.01) and half[0, 0, 0, 0] == 0
    assert View(gamma=2).change(torch.full((1, 1, 2, 2), 0.5))[0, 0, 0, 0] == 0.25


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("size", [(64, 64), (48, 72)])
def test_views_come_back_to_where_they_were(view, size):
    rows, columns = np.mgrid[: size[0], : size[1]]
    smooth = np.sin(rows / 7.0) + np.cos(columns / 9.0)
    maps = torch.tensor(smooth, dtype=torch.float32)[None, None]
    there_and_back = view.undo(View(view.degrees, view.scale).change(maps))
    inside = (..., slice(3, -3), slice(3, -3))  # the frame's edge is mixed with what is outside
    assert (there_and_back - maps)[inside].abs().max() < 0.03


class Bright(ClipModel):
    """Finds class 0 where a pixel is bright; counts the clips it sees."""

    seen = 0

    def forward(self, clips):
        self.seen += len(clips)
        logits = 40 * (clips[0].frames[None, :, 0] - 0.5)
        return [ClipPrediction(logits, torch.ones(1), torch.ones(1, dtype=torch.bool))]


def test_averaged_views_of_a_disc_are_the_disc():
    rows, columns = np.mgrid[:64, :80]
    disc = (rows - 30.0) ** 2 + (columns - 50.0) ** 2 < 12**2
    frames = torch.tensor(disc, dtype=torch.float32)[None, None].expand(2, 1, 64, 80)
    model = Bright()
    (mean,) = AveragedViews(model)([Clip(frames, torch.arange(2), "")])
    assert model.seen == len(VIEWS) == 5 and mean.mask_logits.shape == (1, 2, 64, 80)
    masks = mean.label_maps(Geometry((64, 80), (0, 0, 64, 80), (64, 80))).numpy() == 1
    assert (masks != disc).mean() < 0.005  # of 9% that the disc takes
    middle = np.argwhere(masks[1]).mean(axis=0)
    assert middle == pytest.approx((30, 50), abs=0.2)
