"""temporal.py: what hears of what."""

import pytest
import torch

from lgrseg.modeling.lgrnet.temporal import CrossAttention, CyclicNeighborhoodPropagation


def plain_propagation(**settings):
    """One head of width 1 that looks at everything alike and passes on what it sees."""
    local = CyclicNeighborhoodPropagation(dim=1, num_heads=1, **settings)
    local.norm = torch.nn.Identity()
    with torch.no_grad():
        local.query.weight.zero_()
        local.key_value.weight.fill_(1)
        local.project.weight.fill_(1)
        local.project.bias.zero_()
    return local


def test_propagation_by_hand():
    """Frame t gains the mean of t - 1: the map is smaller than the window, and is seen whole."""
    clip = torch.tensor([[1.0, 2.0, 3.0, 6.0], [0.0, 0.0, 4.0, 4.0], [8.0, 8.0, 8.0, 8.0]])
    heard = plain_propagation(kernel_size=3)(clip[None, :, :, None], [(2, 2)]) - clip[..., None]
    assert heard[0, :, :, 0].tolist() == [[8] * 4, [3] * 4, [2] * 4]


def test_an_open_ring_by_hand():
    """The first frame hears of itself: the mean of 1, 2, 3 and 6 is 3."""
    clip = torch.tensor([[1.0, 2.0, 3.0, 6.0], [0.0, 0.0, 4.0, 4.0], [8.0, 8.0, 8.0, 8.0]])
    local = plain_propagation(kernel_size=3, cyclic=False)
    heard = local(clip[None, :, :, None], [(2, 2)]) - clip[..., None]
    assert heard[0, :, :, 0].tolist() == [[3] * 4, [3] * 4, [2] * 4]


def test_padding_that_takes_part_thins_the_mean():
    """The 2 x 2 map lies in a 3 x 3 window, whose other five are zeros: 12 / 9, not 12 / 4."""
    clip = torch.tensor([1.0, 2.0, 3.0, 6.0]).reshape(1, 1, 4, 1)
    public = plain_propagation(kernel_size=3, zero_padded_keys=True)
    assert (public(clip, [(2, 2)]) - clip).flatten().tolist() == pytest.approx([12 / 9] * 4)


def test_padding_changes_nothing_on_maps_that_hold_the_window():
    right = CyclicNeighborhoodPropagation(dim=8, num_heads=2, kernel_size=3)
    public = CyclicNeighborhoodPropagation(dim=8, num_heads=2, kernel_size=3, zero_padded_keys=True)
    public.load_state_dict(right.state_dict())
    tokens = torch.randn(1, 2, 12, 8)
    assert torch.equal(right(tokens, [(3, 4)]), public(tokens, [(3, 4)]))


def test_scales_do_not_hear_of_each_other():
    local = CyclicNeighborhoodPropagation(dim=8, num_heads=2)
    tokens = torch.randn(1, 2, 4 + 16, 8)
    changed = tokens.clone()
    changed[:, :, :4] += 1
    shapes = [(2, 2), (4, 4)]
    assert torch.equal(local(tokens, shapes)[:, :, 4:], local(changed, shapes)[:, :, 4:])


def test_blocked_sources_are_not_seen():
    attention = CrossAttention(dim=8, num_heads=2)
    target, source = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    blocked = torch.zeros(2, 3, 5, dtype=torch.bool)
    blocked[1, 2, 4] = True
    changed = source.clone()
    changed[:, 4] += 1
    none = torch.zeros(8)
    before, after = (attention(target, none, s, none, blocked) for s in (source, changed))
    moved = ((before - after).abs().amax(dim=-1) > 1e-6).tolist()
    assert moved == [[True, True, True], [True, True, False]]
