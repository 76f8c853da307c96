"""DINO on single frames: the features, a step, and what is saved."""

import pytest
import torch
from tiny_encoder import TinyEncoder

from lgrseg.engine.probing import frozen_maps
from lgrseg.modeling.foundation import build_encoder
from lgrseg.modeling.pretraining.exporting import published_weights
from lgrseg.modeling.pretraining.frame_encoder import FrameEncoder
from lgrseg.modeling.semi_supervised.model import SemiSupervised
from lgrseg.modeling.semi_supervised.schedules import LinearRamp, SigmoidRamp
from lgrseg.modeling.semi_supervised.self_distillation import LocalGlobalDistillation
from lgrseg.modeling.semi_supervised.view_tokens import tokens_of
from lgrseg.structures import Clip, UnlabelledViews

SMALL = {"embedding_size": 8, "hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]}


def constant(value):
    return LinearRamp(start=value, end=value, num_iterations=0)


def dino(backbone):
    torch.manual_seed(0)
    return SemiSupervised(
        student=FrameEncoder(backbone=backbone),
        objective=LocalGlobalDistillation(
            dim=backbone.token_dim,
            num_frame_queries=1,
            num_prototypes=8,
            hidden_dim=16,
            bottleneck_dim=8,
            teacher_temperature=constant(0.04),
            global_pairs=True,
        ),
        weight=SigmoidRamp(end=1.0, num_iterations=0),
        momentum=constant(0.5),
    )


def views(count):
    def clip(side, n):
        return Clip(torch.rand(1, 1, side, side), torch.zeros(1), f"v{n}", seed=n)

    return [
        UnlabelledViews([clip(32, n) for _ in range(2)], [clip(16, n) for _ in range(3)])
        for n in range(count)
    ]


def test_the_token_takes_the_place_of_queries_and_map():
    student = FrameEncoder(backbone=TinyEncoder())
    clips = [Clip(torch.rand(2, 1, 16, 16), torch.arange(2), name) for name in "abc"]
    images = student.normalizer(
        torch.stack([clip.frames for clip in clips]).expand(3, 2, 3, 16, 16)
    )
    means = student.backbone.forward_token(images.flatten(0, 1)).view(3, 2, 16).mean(dim=1)
    tokens = tokens_of(student, clips, 3)
    assert {kind: each.shape for kind, each in tokens.items()} == dict.fromkeys(
        ("query", "clip"), (1, 3, 1, 16)
    )
    for each in tokens.values():
        torch.testing.assert_close(each[0, :, 0], means)


def test_a_step_changes_the_student_and_then_its_teacher():
    model = dino(TinyEncoder())
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    weight = model.student.backbone.layers[0].weight
    start = weight.detach().clone()
    model.before_update(0)
    losses = model([], [], views(4))
    sum(losses.values()).backward()
    optimizer.step()
    model.after_update()
    assert set(losses) == {"loss_lgsd_query", "loss_lgsd_clip"}
    assert not torch.equal(weight, start)
    followed = model.teacher.backbone.layers[0].weight
    torch.testing.assert_close(followed, (start + weight.detach()) / 2)


def test_frames_differ_for_a_teacher_with_batch_norms_from_the_first_step():
    """With its initial running statistics, the tokens of all frames would be 0 up to 1e-8."""
    model = dino(build_encoder("efficientnet_lite0", weights=None)).train()
    clips = [video.teacher[0] for video in views(4)]
    tokens = {
        name: tokens_of(part, clips, 4)["clip"].detach()
        for name, part in (("student", model.student), ("teacher", model.teacher))
    }
    assert torch.equal(tokens["teacher"], tokens["student"])
    assert tokens["teacher"].std(dim=1).mean() > 0.1


def test_batch_norms_of_the_teacher_have_the_mode_of_the_students():
    backbone = build_encoder("vfm4us_resnet18", **SMALL)
    backbone.model.embedder.requires_grad_(False)  # frozen, so never in training mode
    model = dino(backbone)

    def modes():
        norms = [m for m in model.teacher.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        return [norm.training for norm in norms]

    assert model.train() and modes() == [False] + [True] * (len(modes()) - 1)
    assert model.eval() and not any(modes())


def test_the_encoder_of_the_student_is_probed_and_saved():
    model = dino(build_encoder("vfm4us_resnet18", **SMALL))
    maps = frozen_maps(model, torch.device("cpu"))(torch.rand(1, 1, 32, 32).expand(1, 3, 32, 32))
    assert [each.shape[1] for each in maps] == [8, 8, 16, 16]
    saved = published_weights(model)["module.backbone.conv1.weight"]
    student = model.student.backbone.model.embedder.embedder.convolution.weight
    assert torch.equal(saved, student)


def test_maps_that_cover_more_than_the_frame_are_not_probed():
    """Of 64 px, patches of 14 px cover 70: the last one ends 6 px outside."""
    small = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1}
    maps = frozen_maps(
        FrameEncoder(backbone=build_encoder("dinov2_small", **small)), torch.device("cpu")
    )
    with pytest.raises(ValueError, match=r"64 x 70 px .* strides \[14\]: .* multiples of 14"):
        maps(torch.rand(1, 3, 64, 70))
    assert maps(torch.rand(1, 3, 70, 84))[0].shape == (1, 32, 5, 6)


def test_it_predicts_nothing():
    model = dino(TinyEncoder()).eval()
    with pytest.raises(ValueError, match="tools/export_encoder.py"):
        model([views(1)[0].teacher[0]])
