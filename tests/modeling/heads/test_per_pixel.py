"""lgrseg/modeling/heads/per_pixel.py: the baselines' losses, masks and sizes."""

import math

import pytest
import torch

from lgrseg.modeling.heads import PixelHead, SegViT
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter, UNet, per_pixel_losses
from lgrseg.modeling.heads.pixel_truth import PixelTruth
from lgrseg.structures import Clip, ClipTargets, Geometry


def unet(num_classes=2, **settings):
    torch.manual_seed(0)
    settings.setdefault("head", PixelHead(in_channels=4, num_classes=num_classes))
    return PerPixelSegmenter(
        backbone=UNet(width=4, num_levels=3), num_classes=num_classes, **settings
    )


def clip(*, num_frames=2, size=(32, 32)):
    geometry = Geometry(size, (0, 0, *size), size)
    return Clip(torch.rand(num_frames, 1, *size), torch.arange(num_frames), "v", geometry)


def test_losses_by_hand():
    # Two pixels, all scores 0: three classes at 1/3. Truth: class 1 and background.
    scores, labels = torch.zeros(1, 3, 1, 2), torch.tensor([[[1, 0]]])
    losses = per_pixel_losses(scores, labels, 1)
    assert losses["loss_ce"].item() == pytest.approx(math.log(3))
    first = (2 / 3 + 1) / (2 / 3 + 1 + 1)  # class 1: overlap 1/3, sizes 2/3 and 1
    second = 1 / (2 / 3 + 1)  # class 2: nowhere in the truth
    assert losses["loss_dice"].item() == pytest.approx(1 - (first + second) / 2)


def two_frames(*annotated):
    """One structure over the whole of two frames of 4 x 4, these of them annotated."""
    frames = torch.tensor(annotated, dtype=torch.long)
    labels = torch.ones(len(annotated), 4, 4, dtype=torch.int64)
    return PixelTruth(labels, frames, len(annotated), padded_size=(4, 4))


def test_unannotated_frames_say_nothing():
    scores = torch.zeros(2, 3, 4, 4, requires_grad=True)
    truth = two_frames(1)
    sum(per_pixel_losses(truth.crop(scores), truth.labels, 1).values()).backward()
    assert scores.grad[0].abs().sum() == 0 and scores.grad[1].abs().sum() > 0
    truth = two_frames()
    assert sum(per_pixel_losses(truth.crop(scores), truth.labels, 0).values()) == 0


def left_half(*annotated):
    masks = torch.zeros(1, len(annotated), 32, 32, dtype=torch.bool)
    masks[..., :16] = True
    return ClipTargets(torch.tensor(annotated), torch.tensor([1]), masks)


def test_weights_of_the_losses():
    video, target = clip(), left_half(True, False)
    plain = unet()([video], [target])
    weighted = unet(ce_weight=0.4, dice_weight=0.6)([video], [target])
    assert weighted["loss_ce"].item() == pytest.approx(0.4 * plain["loss_ce"].item())
    assert weighted["loss_dice"].item() == pytest.approx(0.6 * plain["loss_dice"].item())


def segvit(num_classes):
    return SegViT(
        in_channels={"res0": 4}, num_classes=num_classes, dim=16, num_heads=2, num_layers=1
    )


def test_a_head_with_losses_of_its_own():
    model = unet(head=segvit(2))
    losses = model([clip()], [left_half(True, False)])
    assert set(losses) == {"loss_class", "loss_focal", "loss_dice"}
    with pytest.raises(ValueError, match="ce_weight=0.4.* no effect: SegViT has its own losses"):
        unet(head=segvit(2), ce_weight=0.4)


def test_one_class_and_no_annotated_frame():
    for head in (PixelHead(in_channels=4, num_classes=1), segvit(1)):
        model = unet(num_classes=1, head=head)
        nothing = torch.zeros(0, 2, 37, 50, dtype=torch.bool)
        target = ClipTargets(torch.zeros(2, dtype=torch.bool), torch.zeros(0).long(), nothing)
        total = sum(model([clip(size=(37, 50))], [target]).values())
        assert total == 0
        total.backward()  # several processes want a gradient of every parameter
        assert all(p.grad is not None and p.grad.abs().sum() == 0 for p in model.parameters())
        (prediction,) = model.eval()([clip(size=(37, 50))])
        assert prediction.mask_logits.shape == (1, 2, 37, 50)


def test_grey_and_coloured_images_in_one_batch():
    grey = clip(num_frames=1)
    coloured = Clip(grey.frames.repeat(1, 3, 1, 1), grey.frame_indices, "w", grey.geometry)
    first, second = unet().eval()([grey, coloured])
    assert torch.equal(first.mask_logits, second.mask_logits)


def test_training_and_prediction():
    model, video = unet(), clip()
    losses = model([video], [left_half(True, False)])
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.parameters())
    with pytest.raises(ValueError, match="needs targets"):
        model([video])
    (prediction,) = model.eval()([video])
    assert prediction.mask_logits.shape == (2, 2, 32, 32)
    assert prediction.label_maps(video.geometry).max() <= 2


def test_prediction_is_the_argmax():
    model = unet().eval()
    video = clip()
    images = model.normalizer(video.frames.expand(-1, 3, -1, -1)[None])[0]
    wanted = model.head(model.backbone(images)).argmax(dim=1)
    got = model([video])[0].label_maps(video.geometry)
    assert (got == wanted).float().mean() > 0.999


def test_odd_sizes_are_padded_and_cut_back():
    (prediction,) = unet().eval()([clip(size=(37, 50))])
    assert prediction.mask_logits.shape[-2:] == (37, 50)


def test_unet_has_the_size_of_the_published_baseline():
    model = UNet()
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(1.94e6, rel=0.01)
