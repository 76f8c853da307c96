"""MAE: hidden patches never reach the encoder, visible ones never the loss; names round-trip."""

import pytest
import torch
from small_usfm import small_usfm
from tiny_encoder import TinyEncoder

from lgrseg.modeling.pretraining.exporting import published_weights
from lgrseg.modeling.pretraining.masked_autoencoder import MaskedAutoencoder, hidden_error
from lgrseg.structures import Clip, UnlabelledViews


def model(**more):
    return MaskedAutoencoder(
        backbone=small_usfm("mae_tiny"), decoder_dim=16, decoder_depth=1, decoder_heads=2, **more
    )


def views(count, *, size=64):
    return [
        UnlabelledViews([Clip(torch.rand(1, 1, size, size), torch.zeros(1), "v", seed=n)], [])
        for n in range(count)
    ]


@pytest.mark.parametrize(("ratio", "share"), [(0.25, 4 / 16), (0.5, 8 / 16), (0.75, 12 / 16)])
def test_the_share_of_hidden_patches(ratio, share):
    built = model(ratio=ratio)
    losses = built([], [], views(2))
    assert float(built.monitored["hidden_patches"]) == share and losses["loss_patches"] > 0


def test_the_error_of_visible_patches_is_exactly_zero():
    patches, hidden = torch.rand(1, 4, 12), torch.tensor([[True, False, True, False]])
    predicted = torch.zeros(1, 4, 12, requires_grad=True)
    error = hidden_error(predicted, patches, hidden)
    # Normalised patches have the variance 1 with 11 degrees of freedom, so 11 / 12 per pixel.
    assert error.item() == pytest.approx(11 / 12, abs=1e-3)
    error.backward()
    assert predicted.grad[~hidden].abs().max() == 0 and predicted.grad[hidden].abs().min() > 0


def test_hidden_patches_do_not_reach_the_encoder():
    built, images = model().eval(), torch.rand(1, 3, 64, 64)
    visible = torch.tensor([[5, 0]])
    other = images.clone()
    other[..., 32:, :] += 1  # patches 8 to 15
    assert torch.equal(built.encode(images, visible), built.encode(other, visible))
    other[..., :16, :16] += 1  # patch 0
    assert not torch.equal(built.encode(images, visible), built.encode(other, visible))


def test_equal_patches_differ_by_their_position():
    built, images = model().eval(), torch.full((1, 3, 64, 64), 0.5)
    one, other = (built.encode(images, torch.tensor([[patch]])) for patch in (0, 5))
    assert (one - other).abs().max() > 0.01
    order = torch.arange(16)[None]  # only patch 0 is visible, so 1 to 15 are mask tokens
    predicted = built.decoder(one, order).logits[0, 1:]
    assert torch.pdist(predicted).min() > 0.01


def test_with_all_patches_visible_it_is_the_encoder():
    built, images = model().eval(), torch.rand(1, 3, 64, 64)
    tokens = built.encode(images, torch.arange(16)[None])
    whole = built.backbone(images)[0].flatten(2).transpose(1, 2)
    torch.testing.assert_close(tokens[:, 1:], whole)


def test_patches_are_those_of_the_convolution():
    built, images = model(), torch.rand(1, 3, 64, 64)
    patches = built.patches(images)
    assert torch.equal(patches[0, 6].view(16, 16, 3), images[0, :, 16:32, 32:48].permute(1, 2, 0))


def test_the_loss_falls():
    built, videos = model(ratio=0.5), views(2)
    for view in videos:
        view.teacher[0].frames = torch.rand(1, 1, 64, 1).expand(1, 1, 64, 64)
    optimizer = torch.optim.AdamW([p for p in built.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(12):
        loss = sum(built([], [], videos).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_saved_weights_load_with_nothing_missing(tmp_path, caplog):
    built = model()
    weights = published_weights(built)
    assert weights["blocks.1.attn.qkv.weight"].shape == (96, 32)
    assert weights["pos_embed"].shape == (1, 17, 32) and len(weights) == 6 + 2 * 12
    torch.save(weights, tmp_path / "mine.pth")
    with caplog.at_level("INFO", logger="lgrseg"):
        loaded = small_usfm("mae_tiny", weights=str(tmp_path / "mine.pth"))
    table = dict(line.split()[:2] for line in caplog.text.splitlines() if line[:2] == "  ")
    assert (table["missing"], table["unexpected"], table["reshaped"]) == ("0", "0", "0")
    for name, tensor in built.backbone.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_what_it_cannot_do_is_said():
    with pytest.raises(
        ValueError, match="mae_tiny, mae_small or mae_base, not one around a BeitModel"
    ):
        MaskedAutoencoder(backbone=small_usfm())
    with pytest.raises(ValueError, match="ratio=0.95: a share of"):
        model(ratio=0.95)
    with pytest.raises(ValueError, match=r"\(32, 32\) px: .* image_size=64"):
        model()([], [], views(1, size=32))
    with pytest.raises(ValueError, match="tools/export_encoder.py"):
        model().eval()([], [], views(1))
    with pytest.raises(ValueError, match="a Linear has no encoder of build_encoder"):
        published_weights(torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="only these can be saved"):
        published_weights(torch.nn.ModuleDict({"backbone": TinyEncoder()}))
