"""lgrseg/inference/precisions.py: which layers are int8, and what the masks lose."""

import pytest
import torch
from torch import nn

from lgrseg.inference.exporting import FramesModel
from lgrseg.inference.precisions import _dice, compare_precisions
from lgrseg.structures import ClipPrediction


class Threshold(nn.Module):
    """Class 0 is where the mean of the channels is above one half; one linear layer."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(3, 1)
        nn.init.constant_(self.mix.weight, 1 / 3)
        nn.init.constant_(self.mix.bias, -0.5)

    def forward(self, clips):
        (clip,) = clips
        logits = self.mix(clip.frames.permute(0, 2, 3, 1))[None, ..., 0]
        return [ClipPrediction(logits, torch.ones(1), torch.ones(1, dtype=torch.bool))]


def test_a_clear_disc_is_the_same_in_every_precision():
    frames = torch.zeros(2, 3, 8, 8)
    frames[..., 2:6, 2:6] = 1
    model = FramesModel(Threshold())
    found = compare_precisions(model, frames)
    assert found["bfloat16"]["dice"] == found["int8"]["dice"] == 1
    assert found["int8"]["layers"] == 1 and all(each["ms"] >= 0 for each in found.values())
    assert isinstance(model.model.mix, nn.Linear) and model.model.mix.weight.dtype == torch.float32


def test_dice_over_the_classes_that_are_there():
    truth = torch.zeros(3, 1, 2, 2, dtype=torch.bool)
    masks = truth.clone()
    truth[0, 0, 0], masks[0, 0, :, 0] = True, True  # half shared
    truth[1], masks[1] = True, True
    assert _dice(masks, truth) == pytest.approx((0.5 + 1) / 2)
    assert _dice(truth[2:], masks[2:]) == 1
