"""LGRNet's encoder and its layers: shapes, independence, and what hears of what."""

import pytest
import torch

from lgrseg.modeling.lgrnet.encoder import LGREncoder
from lgrseg.modeling.lgrnet.encoder_layer import DeformableAttention, layout_of, outside_object
from lgrseg.modeling.lgrnet.temporal import CyclicNeighborhoodPropagation

CHANNELS = {"res2": 4, "res3": 6, "res4": 8, "res5": 10}


def encoder(**changes):
    torch.manual_seed(0)
    settings = {"dim": 16, "num_layers": 1, "num_heads": 2, "num_frame_queries": 3}
    settings |= {"pixel_ffn_dim": 16, "query_ffn_dim": 16, "norm_groups": 4, "num_scans": 1}
    return LGREncoder(in_channels=CHANNELS, **(settings | changes)).eval()


def maps(*, num_clips=1, num_frames=3, height=64, width=96):
    torch.manual_seed(1)
    return {
        name: torch.randn(num_clips, num_frames, c, height // 2**i, width // 2**i)
        for (name, c), i in zip(CHANNELS.items(), (2, 3, 4, 5), strict=True)
    }


@pytest.mark.parametrize("num_frames", [1, 2, 7])
def test_shapes_for_any_number_of_frames(num_frames):
    out = encoder()(maps(num_frames=num_frames))
    assert out["mask_features"].shape == (1, num_frames, 16, 16, 24)
    assert out["res5"].shape == (1, num_frames, 16, 2, 3)
    assert out["frame_queries"].shape == (1, num_frames, 3, 16)
    assert (out["mask_features"] >= 0).all()


def test_clips_of_a_batch_do_not_see_each_other():
    model, both = encoder(), maps(num_clips=2)
    alone = model({name: m[:1] for name, m in both.items()})
    together = model(both)
    for name in alone:
        assert torch.allclose(alone[name][0], together[name][0], atol=1e-5), name


def test_frames_hear_of_each_other():
    model, clip = encoder(), maps()
    changed = {name: m.clone() for name, m in clip.items()}
    for m in changed.values():
        m[:, 0] += 1
    before, after = model(clip)["res4"], model(changed)["res4"]
    assert (before[:, 1] - after[:, 1]).abs().max() > 1e-3


def test_every_parameter_learns():
    model = encoder()
    sum(m.square().sum() for m in model(maps()).values()).backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_a_frame_is_projected_alike_in_any_clip():
    """By default; the public GroupNorm runs over all frames of the clip."""
    clip = maps()
    for over_clip in (False, True):
        model = encoder(norm_over_clip=over_clip)
        alone, among = (model._project("res4", clip["res4"][:, :n])[:, 0] for n in (1, 3))
        assert torch.allclose(alone, among, atol=1e-6) is not over_clip


def test_the_public_norm_does_not_mix_clips():
    model, both = encoder(norm_over_clip=True), maps(num_clips=2)
    alone = model._project("res4", both["res4"][:1])
    assert torch.allclose(alone, model._project("res4", both["res4"])[:1], atol=1e-6)


def test_smallest_input():
    """32 x 32 pixels: stride 32 is a single pixel."""
    out = encoder()(maps(num_frames=1, height=32, width=32))
    assert out["res5"].shape == (1, 1, 16, 1, 1)
    assert all(m.isfinite().all() for m in out.values())


def test_pixels_start_by_looking_around_themselves():
    """Deformable DETR's start: head m looks in direction m, point p at p pixels, equal weights."""
    deform = DeformableAttention(dim=16, num_heads=4, num_points=2, num_levels=1)
    offsets = deform.offsets(torch.randn(16)).reshape(4, 2, 2)  # head, point, xy
    right, below, left, above = offsets.round(decimals=5).tolist()
    assert (right, below) == ([[1, 0], [2, 0]], [[0, 1], [0, 2]])
    assert (left, above) == ([[-1, 0], [-2, 0]], [[0, -1], [0, -2]])
    assert not deform.weights(torch.randn(16)).any()


def test_deformable_attention_at_rest_by_hand():
    """One head one pixel to the right on a 1 x 3 map; beyond the last pixel it reads zero."""
    deform = DeformableAttention(dim=1, num_heads=1, num_points=1, num_levels=1)
    deform.norm = torch.nn.Identity()
    with torch.no_grad():
        deform.value.weight.fill_(1)
        deform.output.weight.fill_(1)
    tokens = torch.tensor([10.0, 20.0, 40.0]).reshape(1, 3, 1)
    layout = layout_of([(1, 3)], 1, 1, device=tokens.device)
    heard = deform(tokens, torch.zeros(3, 1), layout) - tokens
    assert heard.flatten().tolist() == pytest.approx([20, 40, 0], abs=1e-4)


def test_queries_find_their_object_on_every_scale():
    """Scales 1 x 2 and 2 x 4: the first query finds the left half, the second nothing at all."""
    fine = torch.tensor([3.0, 3, -1, -1, 3, 3, -1, -1])
    tokens = torch.cat([torch.zeros(2), fine]).reshape(1, 10, 1)
    queries = torch.tensor([1.0, 0.0]).reshape(1, 2, 1)
    outside = outside_object(queries, tokens, [(1, 2), (2, 4)])[0].int().tolist()
    assert outside[0] == [0, 1, 0, 0, 1, 1, 0, 0, 1, 1]
    nowhere = outside_object(-queries.abs(), tokens.abs(), [(1, 2), (2, 4)])
    assert not nowhere.any()


def test_masked_frame_queries_gather_something_else():
    free, masked = encoder(), encoder(mask_frame_queries=True)
    masked.load_state_dict(free.state_dict())
    difference = free(maps())["frame_queries"] - masked(maps())["frame_queries"]
    assert difference.abs().max() > 1e-3


def test_mixed_precision_stays_near():
    model, clip = encoder(), maps()
    exact = model(clip)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(clip)
    for name in exact:
        assert (exact[name] - rough[name].float()).abs().mean() < 0.05, name


def test_trains_after_a_first_call_in_inference_mode():
    model, clip = encoder(), maps(num_frames=2, height=96)
    with torch.inference_mode():
        model(clip)
    model(clip)["res3"].square().sum().backward()
    assert model.level_embed.grad.any()


def test_settings_that_cannot_be():
    with pytest.raises(ValueError, match=r"lacks \['res3'\]"):
        LGREncoder(in_channels={"res2": 4, "res4": 8, "res5": 10})
    with pytest.raises(ValueError, match="dim=20 .* num_heads=8"):
        encoder(dim=20, num_heads=8)


def test_propagation_is_cyclic_in_time():
    """Frame t hears of t - 1 and the first of the last, and of no other."""
    local = CyclicNeighborhoodPropagation(dim=8, num_heads=2, kernel_size=3)
    tokens = torch.randn(1, 4, 25, 8)
    for source, listener in ((0, 1), (3, 0)):
        changed = tokens.clone()
        changed[:, source] += torch.randn(25, 8)
        moved = (local(tokens, [(5, 5)]) - local(changed, [(5, 5)])).abs().amax(dim=(0, 2, 3))
        assert {t for t in range(4) if moved[t] > 1e-5} == {source, listener}


def test_a_single_frame_hears_of_itself():
    local = CyclicNeighborhoodPropagation(dim=8, num_heads=2)
    assert local(torch.randn(2, 1, 6, 8), [(2, 3)]).shape == (2, 1, 6, 8)
