"""lgrseg/modeling/semi_supervised/mask_consistency.py."""

import math

import pytest
import torch
from in_processes import small_lgrnet, views

from lgrseg.modeling.backbones import MetaFormer
from lgrseg.modeling.heads import PixelHead
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter, UNet
from lgrseg.modeling.semi_supervised.mask_consistency import (
    MaskConsistency,
    confident_shares,
    consistency,
)
from lgrseg.structures import Clip, UnlabelledViews


def maps(*pixels):
    """One clip, one class, one frame, one row of pixels."""
    return torch.tensor(pixels)[None, None, None, None]


def test_losses_by_hand():
    # In the mask: a confident pixel and one that is not. Outside: the same.
    teacher, student = maps(0.95, 0.6, 0.4, 0.02), maps(0.8, 0.1, 0.9, 0.3)
    losses = consistency(student, teacher, 0.9)
    entropy = -math.log(0.8) - math.log(0.7)
    assert float(losses["loss_consistency"]) == pytest.approx(entropy / 4)
    dice = (2 * 0.8 + 1) / (0.8 + 0.3 + 1 + 1)
    assert float(losses["loss_consistency_dice"]) == pytest.approx((1 - dice) / 2)
    shares = {name: float(share) for name, share in confident_shares(teacher, 0.9).items()}
    assert shares == {"sure_inside": 0.5, "sure_outside": 0.5, "inside": 0.5}


def test_the_background_alone_gives_no_dice():
    student = maps(0.8, 0.1, 0.9, 0.3)
    for teacher in (maps(0.01, 0.01, 0.01, 0.01), maps(0.7, 0.7, 0.01, 0.01)):
        assert float(consistency(student, teacher, 0.9)["loss_consistency_dice"]) == 0
        assert float(confident_shares(teacher, 0.9)["sure_inside"]) == 0
    everything = consistency(student, maps(0.6, 0.6, 0.6, 0.6), 0.5)
    assert float(everything["loss_consistency_dice"]) > 0


def test_a_class_counts_whatever_its_size():
    """A class of one pixel and one of eight, both missed: the Dice losses are nearly equal."""
    teacher = torch.full((1, 2, 1, 4, 4), 0.01)
    teacher[0, 0, 0, 0, 0] = teacher[0, 1, 0, 2:] = 0.99
    losses = []
    for of_class in (0, 1):
        student = teacher.clone()
        student[0, of_class] = 0.01
        losses.append(consistency(student, teacher, 0.9))
    small, large = (float(loss["loss_consistency_dice"]) for loss in losses)
    assert 0.4 < large / small / 2 < 1  # (1 - 1 / 9) / (1 - 1 / 2) = 1.8 with the smoothing of 1
    small, large = (float(loss["loss_consistency"]) for loss in losses)
    assert large / small > 6


class Fixed:
    """A model with the same probabilities for all clips; it keeps the clips."""

    def __init__(self, probs):
        self.probs = probs

    def class_probabilities(self, clips, generators=None):
        self.clips = clips
        return self.probs.expand(len(clips), -1, -1, -1, -1)


def two_strong_views(number):
    frames = torch.rand(1, 1, 4, 4)
    clips = [Clip(frames, torch.arange(1), f"v{number}", seed=seed) for seed in range(3)]
    return UnlabelledViews(clips[:1], clips[1:])


def test_every_strong_view_is_mixed_with_those_of_the_same_number():
    calls = []

    def mix(clips, teacher_maps):
        calls.append([(clip.video_id, clip.seed) for clip in clips])
        return clips, 1 - teacher_maps

    student, teacher = Fixed(maps(0.2)), Fixed(maps(0.95))
    losses = MaskConsistency(mix=mix)(student, teacher, [two_strong_views(n) for n in range(2)])
    assert calls == [[("v0", 1), ("v1", 1)], [("v0", 2), ("v1", 2)]]
    assert len(teacher.clips) == 2 and len(student.clips) == 4
    # The mixed masks are the truth: 0.05 is a confident "no".
    assert float(losses["loss_consistency"]) == pytest.approx(-math.log(0.8))


def lgrnet():
    return small_lgrnet(MetaFormer(depths=(1, 1, 1, 1), dims=(8, 8, 16, 32), drop_path_rate=0.0))


def unet():
    head = PixelHead(in_channels=4, num_classes=3)
    return PerPixelSegmenter(backbone=UNet(width=4, num_levels=2), head=head, num_classes=3)


@pytest.mark.parametrize(("build", "stride"), [(lgrnet, 4), (unet, 1)])
def test_the_gradient_is_the_students(build, stride):
    torch.manual_seed(0)
    student, teacher = build().train(), build().eval()
    sample = views(0, same_pixels=True)
    side = sample.teacher[0].frames.shape[-1] // stride
    probs = teacher.class_probabilities(sample.teacher)
    assert probs.shape == (1, 3, 3, side, side) and 0 <= probs.min() and probs.max() <= 1
    losses = MaskConsistency(threshold=0.5)(student, teacher, [sample])
    sum(losses.values()).backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert sum(float(p.grad.abs().sum()) for p in student.parameters() if p.grad is not None) > 0


def test_a_threshold_out_of_range_is_named():
    with pytest.raises(ValueError, match="not 0.3"):
        MaskConsistency(threshold=0.3)
