"""lgrseg/modeling/heads/deeplab.py: what a position sees, and a disc is learnt."""

import pytest
import torch
from disc_clips import disc_clip

from lgrseg.modeling.foundation import FoundationBackbone, at_stride_16, build_encoder
from lgrseg.modeling.heads import DeepLabV3Plus
from lgrseg.modeling.heads.deeplab import AtrousPyramid
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter


def small_resnet(name="resnet18", **settings):
    sizes = {"embedding_size": 8, "hidden_sizes": [8, 8, 8, 16], "depths": [1, 1, 1, 2]}
    return build_encoder(name, **(sizes | settings))


def test_a_position_sees_those_at_the_rates_distance():
    """Without norm, ReLU and the image's mean, row 20 gets a gradient only from -r, 0 and +r."""
    pyramid = AtrousPyramid(in_channels=1, dim=8, rates=(3, 7))
    seen = []
    for branch in pyramid.branches:
        maps = torch.zeros(1, 1, 41, 41, requires_grad=True)
        branch[0](maps)[0, 0, 20, 20].backward()
        seen.append(maps.grad[0, 0].nonzero().tolist())
    assert seen[0] == [[20, 20]]
    for places, rate in zip(seen[1:], (3, 7), strict=True):
        steps = (20 - rate, 20, 20 + rate)
        assert places == [[row, column] for row in steps for column in steps]


def test_the_mean_of_the_image_reaches_every_position():
    pyramid = AtrousPyramid(in_channels=2, dim=16, rates=(1,))
    maps = torch.rand(1, 2, 20, 20)
    changed = maps.clone()
    changed[..., 19, 19] += 5
    before, after = pyramid.image(maps.mean((-2, -1), True)), pyramid(changed) - pyramid(maps)
    assert before.shape == (1, 16, 1, 1)
    assert after[0, :, 0, 0].abs().max() > 0 and pyramid(maps).shape == (1, 16, 20, 20)


@pytest.mark.parametrize("layer_type", ["basic", "bottleneck"])
def test_a_dilated_resnet_has_the_old_map_at_every_second_position(layer_type):
    settings = {"layer_type": layer_type}
    encoder = small_resnet(**settings).eval()
    images = torch.rand(1, 3, 64, 96)
    before = encoder(images)
    dilated = at_stride_16(encoder=encoder)
    after = dilated(images)
    assert dilated.strides == [4, 8, 16, 16] and after[-1].shape == (1, 16, 4, 6)
    assert torch.allclose(after[-1][..., ::2, ::2], before[-1], atol=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(before[:-1], after[:-1], strict=True))
    with pytest.raises(ValueError, match=r"at strides \[4, 8, 16, 16\] cannot be dilated"):
        at_stride_16(encoder=dilated)


def test_a_disc_is_learnt():
    torch.manual_seed(0)
    backbone = FoundationBackbone(encoder=at_stride_16(encoder=small_resnet()))
    assert backbone.strides == {"res2": 4, "res3": 8, "res4": 16, "res5": 16}
    head = DeepLabV3Plus(in_channels={"res2": 8, "res5": 16}, num_classes=1, dim=16, low_dim=8)
    model = PerPixelSegmenter(backbone=backbone, head=head, num_classes=1)
    clip, targets = disc_clip(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(20):
        optimizer.zero_grad()
        sum(model([clip], [targets]).values()).backward()
        optimizer.step()
    assert all(p.grad is not None for p in model.parameters())  # also those of all four stages
    (prediction,) = model.eval()([clip])
    assert prediction.mask_logits.shape == (1, 1, 16, 16)
    wanted = targets.masks[0, 0, 2::4, 2::4]
    masks = prediction.mask_logits[0, 0] > 0
    assert 2 * (masks & wanted).sum() / (masks.sum() + wanted.sum()) > 0.9


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match="has res2; DeepLabV3. uses two maps"):
        DeepLabV3Plus(in_channels={"res2": 8}, num_classes=1)
    with pytest.raises(ValueError, match=r"at least 1 position, not \[0\]"):
        AtrousPyramid(in_channels=8, dim=8, rates=[0])
