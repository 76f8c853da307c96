"""What every encoder promises: any size, nothing cut off, frozen parts that stay still."""

import pytest
import torch

from lgrseg.layers.drop_path import DropPath, draw_drop_paths


@pytest.mark.parametrize("size", [(64, 64), (70, 101), (33, 224)])
def test_maps_cover_images_of_any_size(tiny, kind, size):
    encoder = tiny(kind)
    images = torch.rand(2, 3, *size)
    maps = encoder(images)
    for found, channels, stride in zip(maps, encoder.channels, encoder.strides, strict=True):
        assert found.shape == (2, channels, -(-size[0] // stride), -(-size[1] // stride))
    assert encoder.forward_token(images).shape == (2, encoder.token_dim)


def test_what_does_not_fill_a_patch_is_seen(tiny, kind):
    """101 px are 7 patches of 14 and 3 px: the 3 px change the last column of the last map."""
    encoder = tiny(kind)
    images = torch.rand(1, 3, 70, 101)
    changed = images.clone()
    changed[..., -1] += 1.0
    before, after = encoder(images)[-1], encoder(changed)[-1]
    assert (before - after)[..., -1].abs().max() > 1e-5


def test_padding_repeats_the_border(tiny, kind):
    """An image whose last row and column are repeated by hand gives the same maps."""
    encoder = tiny(kind)
    images = torch.rand(1, 3, 90, 90)
    rows, columns = [*range(90), *[89] * 6], [*range(90), *[89] * 6]
    by_hand = images[:, :, rows][..., columns]  # 96 x 96
    if encoder.strides[-1] == 14:
        by_hand = images[:, :, rows + [89] * 2][..., columns + [89] * 2]  # 98 x 98
    for found, wanted in zip(encoder(images), encoder(by_hand), strict=True):
        assert torch.allclose(found, wanted[..., : found.shape[-2], : found.shape[-1]], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "size", "least"), [("dinov2_small", (13, 64), 14), ("hiera_tiny", (64, 31), 32)]
)
def test_less_than_a_patch_is_refused(tiny, name, size, least):
    message = f"images have {size[0]} x {size[1]} px, less than one patch of {least} px: resize"
    with pytest.raises(ValueError, match=message):
        tiny(name)(torch.rand(1, 3, *size))
    with pytest.raises(ValueError, match=message):
        tiny(name).forward_token(torch.rand(1, 3, *size))
    assert tiny(name)(torch.rand(1, 3, least, least))[-1].shape[-2:] == (1, 1)


def test_images_of_a_batch_do_not_touch(tiny, kind):
    encoder = tiny(kind)
    images = torch.rand(3, 3, 64, 96)
    together = encoder(images)
    alone = encoder(images[1:2])
    for found, wanted in zip(together, alone, strict=True):
        assert torch.allclose(found[1:2], wanted, atol=1e-5)


def test_blocks_are_in_order_and_hold_most_of_the_weights(tiny, kind):
    encoder = tiny(kind)
    names = {module: name for name, module in encoder.named_modules()}
    order = [names[block] for block in encoder.blocks]
    assert order == [name for name in names.values() if name in order]
    assert len(order) == 2 if encoder.strides[-1] in (14, 16) else len(order) >= 4
    inside = sum(p.numel() for block in encoder.blocks for p in block.parameters())
    assert inside > 0.3 * sum(p.numel() for p in encoder.parameters())


def test_every_trained_weight_gets_a_gradient(tiny, kind):
    """DistributedDataParallel stops at a parameter without one."""
    encoder = tiny(kind).train()
    for layer in encoder.modules():  # a gradient of exactly 0 would say nothing
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.eval()
    sum(found.square().sum() for found in encoder(torch.rand(1, 3, 64, 96))).backward()
    unused = [n for n, p in encoder.named_parameters() if p.requires_grad and p.grad is None]
    assert not unused


def test_training_mode_draws_nothing(tiny, kind):
    """Stochastic depth and DINOv3's shifted positions are off unless asked for."""
    encoder = tiny(kind).train()
    images = torch.rand(2, 3, 64, 64)
    first, second = encoder(images), encoder(images)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", ["dinov2_small", "swin_tiny", "usfm_base"])
def test_stochastic_depth_draws_of_the_clips(tiny, name):
    encoder = tiny(name, drop_path_rate=0.5).train()
    assert any(isinstance(module, DropPath) for module in encoder.modules())
    theirs = {type(module).__name__ for module in encoder.modules()} - {"DropPath"}
    assert not any(kind.endswith("DropPath") for kind in theirs)
    images, maps = torch.rand(1, 3, 64, 64), []
    for seed in (3, 3, 4, 5, 6):
        draw_drop_paths(encoder, [torch.Generator().manual_seed(seed)], num_frames=1)
        maps.append(encoder(images)[-1])
    assert torch.equal(maps[0], maps[1])
    assert any(not torch.equal(maps[0], other) for other in maps[2:])
