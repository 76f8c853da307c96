"""AR-SEG: cached decoding, sizes and lengths, requests, refusals, and that it learns."""

from dataclasses import replace

import pytest
import torch
from disc_clips import disc_clip, empty_clip, learn_discs

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.modeling.autoregressive.codec import CellShares, CellUpsampler
from lgrseg.modeling.autoregressive.decoding import decode_masks
from lgrseg.modeling.autoregressive.image_tokens import ImageTokens
from lgrseg.modeling.autoregressive.orders import Hilbert, NextScale, Raster
from lgrseg.modeling.autoregressive.quantizers import ClassIndices
from lgrseg.modeling.autoregressive.teaching import Teacher, draw_requests, without_classes
from lgrseg.modeling.autoregressive.tokenizer import (
    MaskTokenizer,
    share_losses,
    shares_of_labels,
)
from lgrseg.modeling.semi_supervised.schedules import LinearRamp

ORDERS = pytest.mark.parametrize(
    "order", [Raster(), Hilbert(), NextScale()], ids=["raster", "hilbert", "next scale"]
)


def prefix_of(model, num_masks=2):
    image = torch.randn(num_masks, 32, 4, 4)
    return model.sequence.prefix(image, torch.ones(num_masks, 2, dtype=torch.bool))


@ORDERS
@pytest.mark.parametrize("aligned", [True, False])
def test_cached_and_uncached_decoding_agree(build, order, aligned):
    model = build(order=order, aligned=aligned).eval()
    with torch.no_grad():  # large weights, so that predicted tokens differ
        model.sequence.content[0].weight *= 30
        model.sequence.tokenizer.decoder[-2].weight *= 30
    with torch.inference_mode():
        prefix = prefix_of(model)
        cached, uncached = (decode_masks(model.sequence, prefix, cached=c) for c in (True, False))
    assert len(cached.tokens.unique()) > 1
    assert torch.equal(cached.tokens, uncached.tokens)
    torch.testing.assert_close(cached.codes, uncached.codes)


@ORDERS
def test_training_sees_what_decoding_sees(build, order):
    """With its own tokens as input, one pass of training gives the logits of the decoding."""
    model = build(order=order).eval()
    tokenizer = model.sequence.tokenizer
    with torch.inference_mode():
        prefix = prefix_of(model, num_masks=1)
        scales = order.scales(prefix.grid)
        known = [torch.zeros(1, h, w, dtype=torch.int64) for h, w in scales]
        # Tokens depend on earlier tokens only, so each pass makes one more block right.
        for _ in order.block_sizes(prefix.grid):
            chosen = model.sequence(prefix, known).argmax(dim=-1)
            parts = chosen.split([h * w for h, w in scales], dim=1)
            known = [p.view(1, h, w) for p, (h, w) in zip(parts, scales, strict=True)]
        decoded = decode_masks(model.sequence, prefix)
    assert torch.equal(known[-1], decoded.tokens)
    assert decoded.codes.shape == (1, 4, 4, tokenizer.codebook.shape[1])


@pytest.mark.parametrize("num_frames", [1, 11])
def test_any_number_of_frames(build, num_frames):
    model = build().eval()
    clip, _ = disc_clip(num_frames)
    with torch.inference_mode():
        (prediction,) = model([clip])
        (alone,) = model([disc_clip(1)[0]])
    assert prediction.mask_logits.shape == (2, num_frames, 64, 64)
    assert prediction.tokens.shape == (num_frames, 4, 4)
    # Frames are segmented separately, and these are equal.
    torch.testing.assert_close(prediction.mask_logits[:, -1:], alone.mask_logits)


def test_a_size_that_is_no_multiple_of_a_patch(build):
    model = build()
    clip, targets = disc_clip(1, size=72)
    losses = model([clip], [targets])
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert model.eval()([clip])[0].mask_logits.shape == (2, 1, 72, 72)


def test_masks_without_any_structure(build):
    model = build()
    clip, targets = empty_clip(2)
    losses = model([clip], [targets])
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert model.eval()([clip])[0].mask_logits.isfinite().all()


def test_no_annotated_frame_has_no_loss(build):
    model = build()
    clip, targets = disc_clip(2, annotated=[])
    losses = model([clip], [targets])
    assert sum(losses.values()) == 0
    sum(losses.values()).backward()


def test_frames_without_annotation_have_no_effect(build):
    model = build()
    clip, targets = disc_clip(3, annotated=[1])
    other, _ = disc_clip(3, annotated=[1])
    other.frames = other.frames.clone()
    other.frames[0] = 0.0
    model.backbone.eval()  # its batch normalisation sees all frames
    losses = [sum(model([c], [targets]).values()) for c in (clip, other)]
    assert losses[0] == losses[1]


@ORDERS
def test_more_tokens_than_the_model_was_built_for(build, order):
    model = build(order=order, max_tokens=40).eval()
    with pytest.raises(ValueError, match="max_tokens=40"), torch.inference_mode():
        model([disc_clip(1, size=96)[0]])


@pytest.mark.parametrize("classes", [[2], [-1], []])
def test_a_class_that_does_not_exist(build, classes):
    with pytest.raises(ValueError, match="there are the classes 0 to 1"):
        build(classes=classes)


@ORDERS
def test_the_entropy_of_tokens(build, order):
    """Equal logits of all 32 codes have 5 bits; one code with all of the mass has none."""
    model = build(order=order).eval()
    last = model.sequence.codes
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()
        (unknown,) = model([disc_clip(2)[0]])
        last.bias[3] = 1000
        (known,) = model([disc_clip(2)[0]])
    torch.testing.assert_close(unknown.token_entropy, torch.full((2, 4, 4), 5.0))
    assert not known.token_entropy.any() and (known.tokens == 3).all()


def test_the_loss_through_the_tokenizer(build):
    """It is an option, it can be left out, and right tokens have the loss of the tokenizer."""
    clip, targets = disc_clip(1)
    names = set(build(teacher=Teacher(dice_weight=0))([clip], [targets]))
    assert names == {"loss_token"}
    model = build(teacher=Teacher(dice_weight=2.0, subset_share=0.0, moved_share=0.0))
    tokenizer = model.sequence.tokenizer
    shares = shares_of_labels(targets.masks[0].long(), 2)
    right = tokenizer.tokens(shares)
    expected = share_losses(tokenizer.decode(tokenizer.codebook[right]), shares, 1.0)

    def certain(prefix, inputs):
        scales = [torch.zeros(1, tokens[0].numel(), dtype=torch.int64) for tokens in inputs[:-1]]
        codes = torch.cat([*scales, right.flatten(1)], dim=1)
        return 100.0 * torch.nn.functional.one_hot(codes, 32)

    model.sequence.forward = certain
    losses = model([clip], [targets])
    for name in ("loss_ce", "loss_dice"):
        torch.testing.assert_close(losses[name], 2 * expected[name])


def test_only_requested_classes_are_predicted(build):
    model = build(classes=[1]).eval()
    assert model([disc_clip(1)[0]])[0].present.tolist() == [False, True]


def test_probabilities_and_masks_agree(build):
    model = build(classes=[1]).eval()
    clip, _ = disc_clip(2, size=72)
    with torch.inference_mode():
        probs = model.class_probabilities([clip])[0]
        (prediction,) = model([clip])
    assert probs.shape == prediction.mask_logits.shape == (2, 2, 72, 72)
    assert not probs[0].any()
    # A class is the likeliest where it has more than half of the mass, and is not where less than
    # a third.
    logits = prediction.mask_logits[1]
    assert (logits[probs[1] > 0.5] > 0).all() and (logits[probs[1] < 1 / 3] < 0).all()


def test_tokens_of_class_indices(build):
    """Mask tokens at stride 8 need image tokens at stride 8."""
    grid = {
        "quantizer": ClassIndices(num_classes=2),
        "encoder": CellShares(stride=8),
        "decoder": CellUpsampler(num_classes=2, stride=8),
    }
    tokenizer = MaskTokenizer(num_classes=2, **grid)
    with pytest.raises(ValueError, match=r"stride=16 must be that of the mask tokens, 8"):
        build(tokenizer=tokenizer)
    image_tokens = ImageTokens(channels={"res0": 4}, strides={"res0": 1}, width=32, stride=8)
    model = build(tokenizer=tokenizer, image_tokens=image_tokens)
    clip, targets = disc_clip(1)
    sum(model([clip], [targets]).values()).backward()
    assert model.eval()([clip])[0].tokens.shape == (1, 8, 8)


def test_corruption_follows_its_schedule(build):
    """Only wrong tokens are random here, and from iteration 5 on there are none."""
    ramp = LinearRamp(start=1.0, end=0.0, num_iterations=5)
    model = build(
        teacher=Teacher(corruption=ramp, moved_share=0.0, subset_share=0.0), order=Raster()
    )
    clip, targets = disc_clip(1)

    def losses(iteration):
        model.before_update(iteration)
        clips = [replace(clip, seed=seed) for seed in range(4)]
        return {float(model([each], [targets])["loss_token"].detach()) for each in clips}

    assert len(losses(0)) == 4 and len(losses(5)) == 1


def test_requests_are_not_empty():
    generators = [torch.Generator().manual_seed(seed) for seed in range(200)]
    requested = draw_requests(0.5, 3, generators)
    assert requested.any(dim=1).all()
    share = requested.all(dim=1).float().mean()
    # Half of the masks, and those subsets that happen to be complete (one class always, 1/4).
    assert 0.5 < share < 0.75
    assert draw_requests(0.0, 3, generators).all()


def test_classes_that_are_not_requested_become_background():
    shares = torch.tensor([0.2, 0.3, 0.5]).view(1, 3, 1, 1)
    left = without_classes(shares, torch.tensor([[True, False]]))
    torch.testing.assert_close(left.flatten(), torch.tensor([0.5, 0.0, 0.5]))


def test_samples_need_a_temperature(build):
    with pytest.raises(ValueError, match="temperature above 0"):
        build(num_samples=4)
    model = build(num_samples=2, temperature=1.0).eval()
    first, second = (model([disc_clip(1)[0]])[0].mask_logits for _ in range(2))
    assert torch.equal(first, second)  # sampled, but always with the same random numbers


def test_another_tokenizer_is_refused(build):
    saved = {name: value.clone() for name, value in build().state_dict().items()}
    model = build()
    model.sequence.tokenizer.source = "tokenizer.safetensors"
    model.load_state_dict(saved)
    saved["tokenizer_sha"] = saved["tokenizer_sha"].flip(0)
    with pytest.raises(CheckpointError, match=r"another tokenizer than tokenizer\.safetensors"):
        model.load_state_dict(saved)
    model.sequence.tokenizer.source = None  # the checkpoint's tokenizer replaces a random one
    model.load_state_dict(saved)


def test_the_tokenizer_stays_frozen(build):
    model = build().train()
    before = {k: v.clone() for k, v in model.sequence.tokenizer.state_dict().items()}
    clip, targets = disc_clip(1)
    sum(model([clip], [targets]).values()).backward()
    assert not model.sequence.tokenizer.training
    after = model.sequence.tokenizer.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(p.grad is None for p in model.sequence.tokenizer.parameters())


@pytest.mark.slow
@ORDERS
def test_it_learns_two_clips(build, order):
    """A tokenizer learns discs, then the model learns which of two pictures shows which disc."""
    tokenizer = learn_discs(build(num_classes=1).sequence.tokenizer)
    parts = {"order": order, "tokenizer": tokenizer, "teacher": Teacher(subset_share=0.0)}
    model = build(num_classes=1, **parts)
    clips, targets = zip(disc_clip(1, radius=12), disc_clip(1, radius=24), strict=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        sum(model(list(clips), list(targets)).values()).backward()
        optimizer.step()
    model.eval()
    with torch.inference_mode():
        predictions = model(list(clips))
    for prediction, target in zip(predictions, targets, strict=True):
        true_tokens = tokenizer.tokens(shares_of_labels(target.masks[0].long(), 1))
        assert torch.equal(prediction.tokens, true_tokens)
        assert dice(prediction.mask_logits[0] > 0, target.masks[0]) > 0.95


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())
