"""A causal LGRNet: what it says of a frame does not depend on later frames, and it trains."""

import pytest
import torch

from lgrseg.modeling.backbones import MetaFormer
from lgrseg.modeling.lgrnet.box_head import BoxHead
from lgrseg.modeling.lgrnet.decoder import BoxDecoder, MaskedDecoder
from lgrseg.modeling.lgrnet.encoder import LGREncoder
from lgrseg.modeling.lgrnet.model import LGRNet
from lgrseg.modeling.losses.criterion import SetCriterion
from lgrseg.structures import Clip, ClipTargets, Geometry

NUM_FRAMES, SIZE = 5, 64


def model(*, kind=MaskedDecoder, box_head=False, causal=True, time_period=10.0, **settings):
    torch.manual_seed(0)
    small = {"dim": 16, "num_heads": 2, "causal": causal}
    head = {"box_head": BoxHead(dim=16)} if box_head else {}
    net = LGRNet(
        backbone=MetaFormer(depths=(1, 1, 1, 1), dims=(8, 8, 16, 32), drop_path_rate=0.0),
        encoder=LGREncoder(num_layers=2, norm_groups=4, num_scans=2, **small, **settings),
        decoder=kind(num_classes=3, num_queries=6, ffn_dim=16, **small, **head),
        criterion=SetCriterion(num_classes=3, num_points=64),
        presence_threshold=0.25,  # random weights are sure of nothing
        time_period=time_period,
    )
    with torch.no_grad():
        for parameter in net.decoder.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))  # answers that differ by frame
    return net


def clip(frames):
    return Clip(frames, 3 * torch.arange(len(frames)), "v", seed=1)


def frames_of_prediction(net, frames):
    """All that is said of each frame: logits, labels and boxes."""
    (said,) = net.eval()([clip(frames)])
    geometry = Geometry((SIZE, SIZE), (0, 0, SIZE, SIZE), (SIZE, SIZE))
    parts = [said.mask_logits.transpose(0, 1), said.label_maps(geometry)]
    if said.boxes is not None:
        parts += [said.boxes.transpose(0, 1), said.box_scores.T]
    return [[part[t] for part in parts] for t in range(len(frames))]


def moved(before, after):
    """Frames of which something else is said."""

    def same(one, other):
        return all(
            torch.allclose(a.float(), b.float(), atol=1e-4) for a, b in zip(one, other, strict=True)
        )

    return [t for t in range(len(before)) if not same(before[t], after[t])]


VARIANTS = {
    "masks": {},
    "frame queries masked": {"mask_frame_queries": True},
    "masks and boxes": {"box_head": True},
    "boxes alone": {"kind": BoxDecoder, "box_head": True},
}


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_noise_in_later_frames_changes_nothing_before(variant):
    net, frames = model(**VARIANTS[variant]), torch.rand(NUM_FRAMES, 1, SIZE, SIZE)
    before = frames_of_prediction(net, frames)
    for source in (1, 3, 4):
        noisy = frames.clone()
        noisy[source:] = torch.rand(NUM_FRAMES - source, 1, SIZE, SIZE)
        changed = moved(before, frames_of_prediction(net, noisy))
        assert changed == [*range(source, NUM_FRAMES)]


@torch.no_grad()
def test_a_clip_that_is_still_coming_is_seen_as_it_will_be():
    net, frames = model(), torch.rand(NUM_FRAMES, 1, SIZE, SIZE)
    whole = frames_of_prediction(net, frames)
    for length in range(1, NUM_FRAMES):
        assert moved(frames_of_prediction(net, frames[:length]), whole) == []


@pytest.mark.parametrize("cyclic", [False, True])
@torch.no_grad()
def test_a_model_that_is_not_causal_hears_of_later_frames(cyclic):
    net, frames = model(causal=False, cyclic=cyclic), torch.rand(NUM_FRAMES, 1, SIZE, SIZE)
    noisy = frames.clone()
    noisy[-1] = torch.rand(1, SIZE, SIZE)
    before = frames_of_prediction(net, frames)
    assert moved(before, frames_of_prediction(net, noisy)) == [*range(NUM_FRAMES)]


def test_weights_have_the_same_names_and_shapes_and_all_learn():
    net = model(box_head=True).train()
    shapes = {name: value.shape for name, value in net.state_dict().items()}
    plain = model(box_head=True, causal=False).state_dict()
    assert shapes == {name: value.shape for name, value in plain.items()}
    masks = torch.zeros(2, NUM_FRAMES, SIZE, SIZE, dtype=torch.bool)
    masks[:, :, :32] = True
    annotated = torch.tensor([True, False, True, False, True])
    target = ClipTargets(annotated, torch.tensor([0, 2]), masks)
    losses = net([clip(torch.rand(NUM_FRAMES, 1, SIZE, SIZE))] * 2, [target] * 2)
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert [name for name, p in net.named_parameters() if p.grad is None] == []


def test_what_cannot_be_causal_is_refused():
    with pytest.raises(ValueError, match="a causal model needs time_period"):
        model(time_period=None)
    with pytest.raises(ValueError, match="norm_over_clip=True normalises"):
        model(norm_over_clip=True)
    causal = model()
    with pytest.raises(ValueError, match="encoder.causal is True, but decoder.causal is False"):
        LGRNet(
            backbone=causal.backbone,
            encoder=causal.encoder,
            decoder=MaskedDecoder(num_classes=3, dim=16),
            criterion=causal.criterion,
            time_period=10.0,
        )
