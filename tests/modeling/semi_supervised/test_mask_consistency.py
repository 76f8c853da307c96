"""lgrseg/modeling/semi_supervised/mask_consistency.py."""

import math

import pytest
import torch
from in_processes import small_lgrnet, views

from lgrseg.modeling.backbones import MetaFormer
from lgrseg.modeling.lgrnet.decoder import DecoderOutput
from lgrseg.modeling.semi_supervised.mask_consistency import MaskConsistency, class_probabilities


def logit(p):
    return math.log(p / (1 - p))


def output(*queries):
    """One clip of one frame and one pixel: (P(class 0), P(pixel)) of every query, one class."""
    classes = torch.tensor([[logit(of_class), 0.0] for of_class, _ in queries])[None]
    masks = torch.tensor([logit(pixel) for _, pixel in queries])[None, :, None, None, None]
    return DecoderOutput(classes, masks)


class Says:
    """A model that says what it is told, whatever it sees."""

    def __init__(self, of_class, pixel):
        self.output = output((of_class, pixel))

    def decode(self, clips, generators=None):
        return [self.output]


def test_probabilities_are_summed_over_queries():
    probs = class_probabilities(output((0.8, 0.5), (0.2, 0.25)))
    assert probs.shape == (1, 1, 1, 1, 1)
    assert float(probs) == pytest.approx(0.8 * 0.5 + 0.2 * 0.25)
    assert float(class_probabilities(output((0.9, 0.9), (0.9, 0.9)))) == 1


@pytest.mark.parametrize(("teacher", "sure"), [(0.95, 1), (0.05, 1), (0.7, 0), (0.3, 0)])
def test_only_sure_pixels_count(teacher, sure):
    sample = views(0, same_pixels=True)
    sample.teacher[0].frames = torch.zeros(1, 1, 4, 4)  # one pixel at stride 4
    sample.student[0].frames = torch.zeros(1, 1, 4, 4)
    objective = MaskConsistency(threshold=0.9)
    # The class is all but certain, so the pixel's probability is the mask's.
    losses = objective(Says(1 - 1e-7, 0.6), Says(1 - 1e-7, teacher), [sample])
    entropy = -teacher * math.log(0.6) - (1 - teacher) * math.log(0.4)
    assert float(losses["loss_consistency"]) == pytest.approx(sure * entropy, abs=1e-4)
    assert float(objective.monitored["sure_share"]) == sure


def test_the_gradient_is_the_students():
    def model():
        torch.manual_seed(0)
        backbone = MetaFormer(depths=(1, 1, 1, 1), dims=(8, 8, 16, 32), drop_path_rate=0.0)
        return small_lgrnet(backbone)

    student, teacher = model().train(), model().eval()
    sample = views(0, same_pixels=True)
    MaskConsistency(threshold=0.5)(student, teacher, [sample])["loss_consistency"].backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert student.decoder.mask_head[0].weight.grad.abs().sum() > 0


def test_a_threshold_out_of_range_is_named():
    with pytest.raises(ValueError, match="not 0.3"):
        MaskConsistency(threshold=0.3)
