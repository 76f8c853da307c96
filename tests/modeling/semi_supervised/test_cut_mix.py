"""lgrseg/modeling/semi_supervised/cut_mix.py."""

import torch

from lgrseg.modeling.semi_supervised.cut_mix import CutMix, fan_of
from lgrseg.structures import Clip


def clip(value, *, seed=0, rows=slice(None), columns=slice(None)):
    """Two frames of 16 x 16, black except for a rectangle."""
    frames = torch.zeros(2, 1, 16, 16)
    frames[:, :, rows, columns] = value
    return Clip(frames, torch.arange(2), f"v{value}", seed=seed)


def test_a_fan_has_its_dark_chambers_and_nothing_outside():
    one = clip(0.5, rows=slice(4, 12), columns=slice(0, 12))
    one.frames[:, :, 4:8, 4:8] = 0  # blood
    expected = torch.zeros(4, 4, dtype=torch.bool)
    expected[1:3, :3] = True
    assert torch.equal(fan_of(one.frames, (4, 4)), expected)
    assert not fan_of(torch.zeros(1, 1, 8, 8), (2, 2)).any()


def test_pixels_and_maps_come_from_the_clip_before():
    clips = [clip(0.2, seed=1), clip(0.4, seed=2), clip(0.6, seed=3)]
    maps = torch.tensor([0.2, 0.4, 0.6])[:, None, None, None, None].expand(3, 1, 2, 4, 4)
    mixed, mixed_maps = CutMix(area=(0.3, 0.3), prob=1.0)(clips, maps)
    for number, (one, own, before) in enumerate(
        zip(mixed, (0.2, 0.4, 0.6), (0.6, 0.2, 0.4), strict=True)
    ):
        values = mixed_maps[number].unique()
        assert torch.equal(values, torch.tensor(sorted((own, before))))
        # At stride 4: each value of the map is that of its 4 x 4 pixels.
        pixels = mixed_maps[number, 0].repeat_interleave(4, -1).repeat_interleave(4, -2)
        assert torch.equal(one.frames[:, 0], pixels)
    again, _ = CutMix(area=(0.3, 0.3), prob=1.0)(clips, maps)
    assert all(torch.equal(a.frames, b.frames) for a, b in zip(mixed, again, strict=True))


def test_nothing_is_pasted_outside_either_fan():
    left = clip(0.2, seed=1, columns=slice(0, 12))
    right = clip(0.4, seed=2, columns=slice(4, 16))
    maps = torch.tensor([0.2, 0.4])[:, None, None, None, None].expand(2, 1, 2, 4, 4)
    mixed, mixed_maps = CutMix(area=(1.0, 1.0), prob=1.0)([left, right], maps)
    assert torch.equal(mixed[0].frames[0, 0, 0], torch.tensor([0.2] * 4 + [0.4] * 8 + [0.0] * 4))
    assert torch.equal(mixed_maps[0, 0, 0, 0], torch.tensor([0.2, 0.4, 0.4, 0.2]))


def test_what_stays_as_it_is():
    one, other, black = clip(0.2, seed=1), clip(0.4, seed=2), clip(0.0)
    for mix, clips in (
        (CutMix(prob=0.0), [one, other]),
        (CutMix(prob=1.0), [one]),
        (CutMix(prob=1.0), [one, black]),
    ):
        maps = torch.rand(len(clips), 1, 2, 4, 4)
        mixed, mixed_maps = mix(clips, maps)
        assert torch.equal(mixed_maps, maps)
        assert all(torch.equal(a.frames, b.frames) for a, b in zip(mixed, clips, strict=True))
