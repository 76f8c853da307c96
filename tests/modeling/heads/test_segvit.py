"""lgrseg/modeling/heads/segvit.py: attention as masks, and the losses by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lgrseg.layers.numerics import soft_dice
from lgrseg.modeling.heads import SegViT
from lgrseg.modeling.heads.pixel_truth import PixelTruth
from lgrseg.modeling.heads.segvit import AttentionToMask, focal_loss

CHANNELS = {"res4": 12, "res5": 20}


def segvit(num_classes=2, **settings):
    torch.manual_seed(0)
    defaults = {"dim": 16, "num_heads": 2, "num_layers": 1}
    return SegViT(in_channels=CHANNELS, num_classes=num_classes, **defaults | settings)


def maps(num_images=2):
    return {
        "res4": torch.randn(num_images, 12, 4, 4, generator=torch.Generator().manual_seed(1)),
        "res5": torch.randn(num_images, 20, 2, 2, generator=torch.Generator().manual_seed(2)),
    }


def truth_of(labels, frames=None):
    """Labels (A, 64, 64) from (A, 4, 4), each pixel a square of 16."""
    labels = labels.repeat_interleave(16, dim=1).repeat_interleave(16, dim=2)
    frames = torch.arange(len(labels)) if frames is None else torch.tensor(frames)
    return PixelTruth(labels, frames.long(), len(labels), padded_size=(64, 64))


def test_attention_is_multi_head_attention():
    torch.manual_seed(0)
    module = AttentionToMask(dim=8, num_heads=2, ffn_dim=16)
    module.self_attention.out_proj.weight.data.zero_()  # so that tokens come through it unchanged
    known = nn.MultiheadAttention(8, 2, batch_first=True)
    parts = (module.query, module.key, module.value)
    known.in_proj_weight.data = torch.cat([part.weight.data for part in parts])
    known.in_proj_bias.data = torch.cat([part.bias.data for part in parts])
    known.out_proj.load_state_dict(module.project.state_dict())
    tokens, places = torch.randn(3, 4, 8), torch.randn(3, 5, 8)
    got, mask = module(tokens, places)

    own = module.norms[0](tokens)
    seen, weights = known(own, places, places, average_attn_weights=False)
    own = module.norms[1](own + seen)
    assert torch.allclose(got, module.norms[2](own + module.ffn(own)), atol=1e-5)
    # Over places, softmax of a head's similarity is its attention.
    query = module.query(module.norms[0](tokens)).unflatten(-1, (2, 4))
    key = module.key(places).unflatten(-1, (2, 4))
    similarity = [query[:, :, m] @ key[:, :, m].mT / 2 for m in range(2)]  # sqrt(4) = 2
    assert torch.allclose(mask, (similarity[0] + similarity[1]) / 2, atol=1e-5)
    for m in range(2):
        assert torch.allclose(similarity[m].softmax(dim=-1), weights[:, m], atol=1e-5)


def test_masks_add_up_from_coarse_to_fine():
    head, features = segvit(), maps()
    (_, coarse), (_, fine) = head.decode(features)
    assert coarse.shape == fine.shape == (2, 3, 4, 4)
    alone = segvit()
    alone.names = ["res5"]
    ((_, own),) = alone.decode(features)
    assert torch.allclose(F.interpolate(own, (4, 4), mode="bilinear"), coarse, atol=1e-6)


def test_scores_are_log_probabilities():
    head, features = segvit(), maps()
    class_logits, mask_logits = head.decode(features)[-1]
    probs = class_logits.softmax(dim=-1)
    for k in range(3):
        wanted = sum(probs[1, q, k] * mask_logits[1, q, 2, 3].sigmoid() for q in range(3))
        assert head(features)[1, k, 2, 3].exp().item() == pytest.approx(wanted.item(), rel=1e-5)


def test_focal_and_dice_by_hand():
    logits, mask = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
    # p = 1/2 everywhere: (0.25 + 0.75) / 2 * (1/2)^2 * ln 2.
    assert focal_loss(logits, mask).item() == pytest.approx(0.125 * math.log(2))
    dice = soft_dice(logits.sigmoid(), mask, (-2, -1))
    assert dice.item() == pytest.approx(2 / 3)  # (1 + 1) / (1 + 1 + 1)
    sure = torch.tensor([[20.0, -20.0]])
    assert focal_loss(sure, mask).item() < 1e-6
    assert soft_dice(sure.sigmoid(), mask, (-2, -1)).item() > 1 - 1e-6


def test_losses_by_hand():
    # All logits 0 and one of three classes in the image: the background.
    head = segvit(num_classes=2, num_layers=1)
    zeros = [(torch.zeros(1, 3, 4), torch.zeros(1, 3, 4, 4))] * 2
    head.decode = lambda features: zeros
    losses = head.losses({}, truth_of(torch.zeros(1, 4, 4, dtype=torch.int64)))
    # Of four outcomes each is as likely; weights do not change a mean of equals.
    assert losses["loss_class"].item() == pytest.approx(math.log(4))
    # The background's mask is true everywhere: 20 * 0.25 * (1/2)^2 * ln 2. Absent classes' count 0.
    assert losses["loss_focal"].item() == pytest.approx(20 * 0.0625 * math.log(2))
    assert losses["loss_dice"].item() == pytest.approx(1 - 4097 / (2048 + 4096 + 1))
    assert losses["aux_loss_dice"].item() == pytest.approx(1 - 17 / (8 + 16 + 1))
    assert set(losses) == {
        f"{stage}loss_{name}" for stage in ("", "aux_") for name in ("class", "focal", "dice")
    }


def test_a_batch_is_the_mean_of_its_images():
    head, features = segvit(), maps(3)
    labels = torch.randint(0, 3, (3, 4, 4), generator=torch.Generator().manual_seed(3))
    labels[1] = 0
    whole = head.losses(features, truth_of(labels))
    parts = [
        head.losses({n: f[i : i + 1] for n, f in features.items()}, truth_of(labels[i : i + 1]))
        for i in range(3)
    ]
    for name, loss in whole.items():
        assert loss.item() == pytest.approx(sum(p[name].item() for p in parts) / 3, rel=1e-4)


def test_only_annotated_images_count():
    head, features = segvit(), maps(2)
    labels = torch.randint(0, 3, (1, 4, 4), generator=torch.Generator().manual_seed(3))
    second = {name: feature[1:] for name, feature in features.items()}
    given, alone = (
        head.losses(features, truth_of(labels, [1])),
        head.losses(second, truth_of(labels)),
    )
    assert all(given[name].item() == pytest.approx(alone[name].item(), rel=1e-4) for name in given)
    nothing = head.losses(features, truth_of(labels[:0], []))
    assert sum(nothing.values()) == 0
    sum(nothing.values()).backward()
    assert all(p.grad is not None for p in head.parameters())


def test_it_learns_a_picture():
    head, features = segvit(dim=32), maps(1)
    labels = torch.tensor([[[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 0, 0], [2, 2, 0, 0]]])
    optimizer = torch.optim.AdamW(head.parameters(), lr=5e-3)
    for _ in range(60):
        optimizer.zero_grad()
        losses = head.losses(features, truth_of(labels))
        sum(losses.values()).backward()
        optimizer.step()
    assert (head(features).argmax(dim=1) == labels).float().mean() > 0.9
