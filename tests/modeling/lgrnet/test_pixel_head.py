"""lgrseg/modeling/lgrnet/pixel_head.py: a head of whole masks beside the queries."""

import math

import pytest
import torch
from in_processes import sample, small_lgrnet

from lgrseg.config import instantiate, load_config
from lgrseg.modeling.backbones import MetaFormer
from lgrseg.modeling.lgrnet.model import LGRNet
from lgrseg.modeling.lgrnet.pixel_head import AuxiliaryPixelHead, class_log_odds
from lgrseg.structures import ClipPrediction


def model_with(**settings):
    torch.manual_seed(0)
    backbone = MetaFormer(depths=(1, 1, 1, 1), dims=(8, 8, 16, 32), drop_path_rate=0.0)
    model = small_lgrnet(backbone)
    plain = set(model.state_dict())
    model.pixel_head = AuxiliaryPixelHead(dim=16, num_classes=3, **settings)
    return model, plain


@pytest.mark.parametrize("numbers", [(0, 1), (2, 3), (3,)])
def test_the_losses_reach_head_and_encoder_whatever_the_objects(numbers):
    model, plain = model_with()
    assert plain == {n for n in model.state_dict() if not n.startswith("pixel_head.")}
    clips, targets = map(list, zip(*map(sample, numbers), strict=True))
    losses = model(clips, targets)
    (losses["loss_pixel_ce"] + losses["loss_pixel_dice"]).backward()
    assert all(p.grad is not None for p in model.pixel_head.parameters())
    reached = model.encoder.smooth.weight.grad
    assert reached is not None and bool(reached.any()) == (numbers != (3,))
    assert all(p.grad is None for p in model.decoder.parameters())
    assert (model.loss_totals(targets)["frames"]) == {(0, 1): 3, (2, 3): 3, (3,): 0}[numbers]


def test_losses_are_those_of_whole_masks_by_hand():
    head = AuxiliaryPixelHead(dim=8, num_classes=2, ce_weight=2.0, dice_weight=3.0)
    torch.nn.init.zeros_(head.classify.weight)
    torch.nn.init.zeros_(head.classify.bias)
    clip, target = sample(1)  # one frame of three is annotated, with one object of class 1
    height, width = clip.frames.shape[-2:]
    features = torch.rand(1, 3, 8, height // 4, width // 4)
    losses = head.losses(features, [target], num_frames=1.0)
    # Every class has probability 1/3 everywhere.
    assert losses["loss_pixel_ce"].item() == pytest.approx(2 * math.log(3), rel=1e-5)
    pixels, inside = height * width, int(target.masks.sum())
    absent = 1 / (pixels / 3 + 1)
    present = (2 * inside / 3 + 1) / (pixels / 3 + inside + 1)
    classes = [present if k in target.labels else absent for k in range(2)]
    dice = 3 * (1 - sum(classes) / 2)
    assert losses["loss_pixel_dice"].item() == pytest.approx(dice, rel=1e-5)


def test_log_odds_by_hand():
    probs = torch.tensor([0.5, 0.3, 0.2]).reshape(3, 1, 1)
    odds = class_log_odds(probs.log()).flatten().tolist()
    assert odds == pytest.approx([math.log(3 / 7), math.log(2 / 8)], rel=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_mean_at_test_by_hand(share):
    head = AuxiliaryPixelHead(dim=8, num_classes=2, share=share)
    torch.nn.init.zeros_(head.classify.weight)
    head.classify.bias.data = torch.tensor([0.1, 0.6, 0.3]).log()
    queries = ClipPrediction(
        mask_logits=torch.full((2, 3, 8, 8), -1.0),
        class_probs=torch.tensor([0.9, 0.2]),
        present=torch.tensor([True, False]),
    )
    (mean,) = head.average([queries], torch.rand(1, 3, 8, 16, 16), (32, 32))  # padded to 64 px
    assert mean.mask_logits.shape == (2, 3, 8, 8)
    expected = [(share - 1) + share * math.log(p / (1 - p)) for p in (0.6, 0.3)]
    for maps, logit in zip(mean.mask_logits, expected, strict=True):
        assert torch.allclose(maps, torch.tensor(logit), atol=1e-5)
    assert mean.present.tolist() == [True, False]  # the queries decide


def test_predictions_of_the_model_are_the_mean_of_both():
    model, _ = model_with(share=0.0)
    clips = [sample(0)[0], sample(1)[0]]
    results = {}
    with torch.no_grad():
        for share in (0.0, 0.5, 1.0):
            model.pixel_head.share = share
            results[share] = torch.stack([p.mask_logits for p in model.eval()(clips)])
        model.pixel_head = None
        queries = torch.stack([p.mask_logits for p in model(clips)])
    assert torch.equal(results[0.0], queries)
    assert not torch.allclose(results[1.0], queries)
    assert torch.allclose(results[0.5], (queries + results[1.0]) / 2, atol=1e-5)


def test_odd_sizes_are_covered():
    model, _ = model_with()
    clip, target = sample(0)
    clip.frames, target.masks = clip.frames[..., :50, :37], target.masks[..., :50, :37]
    assert torch.isfinite(sum(model([clip], [target]).values()))
    (prediction,) = model.eval()([clip])
    assert prediction.mask_logits.shape[-2:] == (50, 37)


def test_the_method_and_its_mistakes():
    with pytest.raises(ValueError, match=r"share must be 0 to 1, not 2"):
        AuxiliaryPixelHead(dim=8, num_classes=2, share=2)
    model, _ = model_with()
    parts = {name: getattr(model, name) for name in ("backbone", "encoder", "decoder", "criterion")}
    with pytest.raises(ValueError, match=r"pixel_head\.num_classes is 7"):
        LGRNet(**parts, pixel_head=AuxiliaryPixelHead(dim=16, num_classes=7))
    cfg = load_config("configs/lgrnet/base.py", ["method=pixel_head", "model.pixel_head.share=0"])
    head = instantiate(cfg.model.pixel_head)
    assert (head.num_classes, head.share) == (cfg.model.decoder.num_classes, 0)
    assert head.smooth[0].in_channels == cfg.model.encoder.dim
    with pytest.raises(ValueError, match="use a config of lgrnet/"):
        load_config("configs/baselines/unet.py", ["method=pixel_head"])
