"""lgrseg/modeling/lgrnet/model.py: any clip in, losses or masks out."""

import pytest
import torch
from in_processes import small_lgrnet

from lgrseg.modeling.backbones import MetaFormer
from lgrseg.structures import Clip, ClipTargets


@pytest.fixture
def model():
    backbone = MetaFormer(depths=(1, 1, 1, 1), dims=(8, 8, 16, 32), drop_path_rate=0.0)
    return small_lgrnet(backbone, num_classes=2, num_queries=4)


def clip(*, num_frames=2, size=(64, 64), channels=1):
    return Clip(torch.rand(num_frames, channels, *size), torch.arange(num_frames), "v")


def target(*, num_frames=2, size=(64, 64), labels=(1,)):
    masks = torch.zeros(len(labels), num_frames, *size, dtype=torch.bool)
    masks[..., :32] = True
    return ClipTargets(torch.ones(num_frames, dtype=torch.bool), torch.tensor(labels).long(), masks)


@pytest.mark.parametrize("num_frames", [1, 2, 5])
@pytest.mark.parametrize("size", [(64, 96), (50, 37), (33, 32)])
def test_prediction_covers_the_input(model, num_frames, size):
    (prediction,) = model.eval()([clip(num_frames=num_frames, size=size)])
    classes, frames, height, width = prediction.mask_logits.shape
    assert (classes, frames) == (2, num_frames)
    # At stride 4, or at full size where 4 does not divide the input.
    assert (height, width) in {(size[0] / 4, size[1] / 4), size}
    assert prediction.class_probs.shape == prediction.present.shape == (2,)


def test_padding_changes_nothing_where_the_picture_was_black(model):
    """A clip and the same clip with the black border that padding would give."""
    small = clip(size=(64, 48))
    large = Clip(torch.nn.functional.pad(small.frames, (0, 16)), small.frame_indices, "v")
    a, b = (model.eval()([c])[0].mask_logits for c in (small, large))
    assert torch.allclose(a, b[..., :12], atol=1e-5)


def test_clips_of_a_batch_do_not_see_each_other(model):
    first, second = clip(), clip()
    both = model.eval()([first, second])
    for alone, together in ((model([first])[0], both[0]), (model([second])[0], both[1])):
        assert torch.allclose(alone.mask_logits, together.mask_logits, atol=1e-5)


def test_grey_is_colour_with_equal_channels(model):
    grey = clip()
    colour = Clip(grey.frames.expand(-1, 3, -1, -1), grey.frame_indices, "v")
    a, b = (model.eval()([c])[0].mask_logits for c in (grey, colour))
    assert torch.equal(a, b)


@pytest.mark.parametrize("labels", [((0, 1), (1,)), ((), (1,)), ((), ())])
def test_every_parameter_learns_whatever_the_objects(model, labels):
    losses = model([clip(), clip()], [target(labels=found) for found in labels])
    total = sum(losses.values())
    total.backward()
    assert torch.isfinite(total)
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_odd_sizes_train(model):
    losses = model([clip(size=(50, 37))], [target(size=(50, 37))])
    assert torch.isfinite(sum(losses.values()))


def test_what_cannot_be_is_said(model):
    with pytest.raises(ValueError, match="needs targets"):
        model([clip()])
    with pytest.raises(ValueError, match=r"share one shape .*\(1, 1, 64, 64\)"):
        model([clip(), clip(num_frames=1)], [target(), target(num_frames=1)])
