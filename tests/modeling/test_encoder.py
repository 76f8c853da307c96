"""lgrseg/modeling/encoder.py and temporal.py: shapes, independence, and what hears of what."""

import math

import pytest
import torch

from lgrseg.modeling.encoder import LGREncoder
from lgrseg.modeling.temporal import CyclicNeighborhoodPropagation, HilbertScan

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


def test_padded_keys_of_a_small_map_count_only_where_asked():
    tokens = torch.randn(1, 2, 4, 8)
    right = CyclicNeighborhoodPropagation(dim=8, num_heads=2, kernel_size=5)
    public = CyclicNeighborhoodPropagation(dim=8, num_heads=2, kernel_size=5, zero_padded_keys=True)
    public.load_state_dict(right.state_dict())
    difference = right(tokens, [(2, 2)]) - public(tokens, [(2, 2)])
    assert difference.abs().max() > 1e-3


def test_the_scan_keeps_its_own_initialisation():
    scan = HilbertScan(dim=32)
    assert torch.allclose(-scan.A_log.exp()[0, 0], -torch.arange(1.0, 17.0))
    step = torch.nn.functional.softplus(scan.step_bias)
    assert 0.001 <= step.min() and step.max() <= 0.1 + 1e-6
    assert math.log10(step.max() / step.min()) > 1.5  # spread over the range, not in one place


def test_the_order_of_the_scan_matters():
    """At the public code's initialisation it does not (1e-3 of a standard deviation)."""
    scan = HilbertScan(dim=32).eval()
    grid = torch.randn(1, 4, 5, 32)
    swapped = grid[:, [1, 0, 2, 3]]
    difference = (scan(grid)[:, 3] - scan(swapped)[:, 3]).abs().max()
    assert difference > 1e-3 * scan(grid).std()
