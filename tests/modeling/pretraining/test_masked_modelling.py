"""Masked image modelling on clips, with a small ViT of USFM's form and another encoder."""

import pytest
import torch
from small_usfm import small_usfm
from tiny_encoder import TinyEncoder
from torch.nn import functional

from lgrseg.layers.clip_batch import clip_generators
from lgrseg.modeling.pretraining.masked_modelling import MaskedModel
from lgrseg.modeling.pretraining.masking import FrequencyMasking, SpatialMasking
from lgrseg.structures import Clip, UnlabelledViews


def model(*, share=0.5, backbone=None):
    return MaskedModel(
        backbone=backbone or small_usfm(),
        spatial=SpatialMasking(),
        frequency=FrequencyMasking(),
        spatial_share=share,
    )


def views(count, *, size=64):
    clips = [
        Clip(torch.rand(1, 1, size, size), torch.zeros(1), f"v{n}", seed=n) for n in range(count)
    ]
    return [UnlabelledViews([clip], []) for clip in clips]


def hidden_of(built, count):
    clips = [view.teacher[0] for view in views(count)]
    return built.hide(clips, clip_generators(clips))


@pytest.mark.parametrize(("share", "kinds"), [(1, {True}), (0, {False}), (0.5, {True, False})])
def test_a_coin_decides_for_each_image_what_is_hidden(share, kinds):
    hidden = hidden_of(model(share=share), 16)
    assert set(hidden.is_spatial.tolist()) == kinds
    for row, spatial in enumerate(hidden.is_spatial.tolist()):
        share_of_mask = float(hidden.masks[row].float().mean())
        if spatial:
            assert share_of_mask == 0.75  # ceil(.6 * 4) of 4 blocks
        changed = hidden.visible[row] != hidden.images[row]
        assert bool(changed[:, hidden.masks[row]].any()) if spatial else bool(changed.any())


@pytest.mark.parametrize("share", [1, 0])
def test_only_the_kinds_that_are_used_have_a_loss(share):
    built = model(share=share)
    losses = built([], [], views(3))
    used, unused = ("spatial", "frequency") if share else ("frequency", "spatial")
    assert losses[f"loss_{used}"] > 0 and losses[f"loss_{unused}"] == 0
    assert set(built.monitored) == {f"hidden_{used}", f"relative_{used}"}


def test_losses_are_means_over_images_so_that_batches_add_up():
    built, videos = model(), views(4)
    whole = built([], [], videos)
    halves = [built([], [], part) for part in (videos[:2], videos[2:])]
    for name, loss in whole.items():
        mean = sum(half[name] for half in halves) / 2
        torch.testing.assert_close(mean, loss)


def test_every_parameter_has_a_gradient():
    built = model(share=0)
    sum(built([], [], views(2)).values()).backward()
    without = [n for n, p in built.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


@pytest.mark.parametrize(("share", "kind"), [(1, "spatial"), (0, "frequency")])
def test_the_loss_falls_on_two_images(share, kind):
    built, videos = model(share=share), views(2)
    for view, squares in zip(videos, torch.rand(2, 1, 4, 4), strict=True):
        view.teacher[0].frames = functional.interpolate(squares[None], (64, 64))
    optimizer = torch.optim.AdamW(built.parameters(), lr=1e-2)
    losses = []
    for _ in range(12):
        loss = sum(built([], [], videos).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.75 * losses[0]
    assert built.monitored[f"relative_{kind}"] < 0.95  # better than what it sees


def test_an_encoder_may_be_of_another_kind():
    losses = model(backbone=TinyEncoder())([], [], views(2))
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_images_need_not_be_whole_patches():
    built = model()
    assert built.predict(torch.rand(1, 3, 50, 70)).shape == (1, 3, 50, 70)


def test_frames_of_clips_count_like_those_of_views():
    built, videos = model(), views(2)
    from_views = built([], [], videos)
    from_clips = built([view.teacher[0] for view in videos], None)
    assert all(torch.equal(from_views[name], from_clips[name]) for name in from_views)


def test_what_it_cannot_do_is_said():
    with pytest.raises(ValueError, match="tools/export_encoder.py"):
        model().eval()([view.teacher[0] for view in views(1)])
    with pytest.raises(ValueError, match="spatial_share=2: it is a probability"):
        model(share=2)
