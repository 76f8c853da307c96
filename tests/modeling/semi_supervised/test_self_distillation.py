"""lgrseg/modeling/semi_supervised/self_distillation.py."""

import math

import pytest
import torch
from in_processes import lgsd, small_lgrnet, views

from lgrseg.modeling.backbones import MetaFormer
from lgrseg.modeling.semi_supervised.model import follow
from lgrseg.modeling.semi_supervised.projection_head import ProjectionHead
from lgrseg.modeling.semi_supervised.schedules import LinearRamp
from lgrseg.modeling.semi_supervised.self_distillation import (
    pairwise_cross_entropy,
    tokens_of,
)


def student():
    torch.manual_seed(0)
    return small_lgrnet(MetaFormer(depths=(1, 1, 1, 1), dims=(8, 8, 16, 32), drop_path_rate=0.0))


def test_cross_entropy_of_every_pair_by_hand():
    # Two teacher views, three of the student; one video, one token, two prototypes.
    wanted = torch.tensor([[1.0, 0.0], [0.5, 0.5]])[:, None, None]
    said = torch.tensor([[0.5, 0.5], [0.25, 0.75], [0.1, 0.9]])[:, None, None].log()
    terms = pairwise_cross_entropy(wanted, said)
    assert terms[0].tolist() == pytest.approx([-math.log(p) for p in (0.5, 0.25, 0.1)])
    expected = [-0.5 * (math.log(a) + math.log(b)) for a, b in ((0.5, 0.5), (0.25, 0.75))]
    assert terms[1, :2].tolist() == pytest.approx(expected)


def test_the_loss_is_the_mean_of_eighteen_terms_written_out():
    model, objective = student(), lgsd()
    teacher = student()
    objective.center_clip.uniform_(-0.1, 0.1)
    sample = views(0)
    sample.student = sample.student * 3  # nine local views
    losses = objective.eval()(model.eval(), teacher.eval(), [sample])
    terms = []
    for wide in sample.teacher:
        z = objective.teacher_heads["clip"](tokens_of(teacher, [wide], 1)["clip"])[0, 0, 0]
        wanted = ((z - objective.center_clip[0]) / 0.05).softmax(-1)
        for near in sample.student:
            h = objective.heads["clip"](tokens_of(model, [near], 1)["clip"])[0, 0, 0]
            terms.append(-(wanted * (h / 0.1).softmax(-1).log()).sum())
    assert len(terms) == 18
    mean = sum(terms) / 18
    assert losses["loss_lgsd_clip"].item() == pytest.approx(0.5 * float(mean.detach()), rel=1e-5)


def test_global_pairs_are_two_terms_more_and_never_of_a_view_with_itself():
    model, objective = student().eval(), lgsd().eval()
    objective.global_pairs = True
    sample = views(0)
    # One and the same global view twice: what is compared is then known to be equal.
    losses = objective(model, model, [sample])
    wide = tokens_of(model, sample.teacher, 1)["clip"]
    near = tokens_of(model, sample.student, 1)["clip"]
    wanted = ((objective.teacher_heads["clip"](wide)) / 0.05).softmax(-1)
    said = (objective.heads["clip"](torch.cat([near, wide])) / 0.1).log_softmax(-1)
    terms = pairwise_cross_entropy(wanted, said)
    kept = [terms[g, v] for g in range(2) for v in range(5) if v - 3 != g]
    assert len(kept) == 2 * 3 + 2
    assert losses["loss_lgsd_clip"].item() == pytest.approx(
        float(sum(kept).detach()) / 16, rel=1e-5
    )


def test_only_the_student_and_its_heads_get_a_gradient():
    model, teacher, objective = student().train(), student().eval(), lgsd()
    sum(objective(model, teacher, [views(0), views(1)]).values()).backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert all(p.grad is None for p in objective.teacher_heads.parameters())
    for part in (objective.heads, model.backbone, model.encoder.layers):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())


def test_centres_take_in_the_mean_answer_and_heads_follow():
    model, objective = student(), lgsd().train()
    with torch.no_grad():
        for p in objective.heads.parameters():
            p.add_(0.1)
    samples = [views(0), views(1)]
    clips = [clip for same in zip(*(v.teacher for v in samples), strict=True) for clip in same]
    answers = objective.teacher_heads["query"](tokens_of(model.eval(), clips, 2)["query"])
    objective(model, model, samples)
    before = {n: p.clone() for n, p in objective.teacher_heads.named_parameters()}
    objective.follow(0.75)
    expected = 0.1 * answers.mean(dim=(0, 1))  # momentum 0.9, from zero; one centre a query
    assert torch.allclose(objective.center_query, expected, atol=1e-6)
    for name, p in objective.heads.named_parameters():
        moved = objective.teacher_heads.get_parameter(name)
        assert torch.allclose(moved, 0.75 * before[name] + 0.25 * p, atol=1e-6)
    centre = objective.center_query.clone()
    objective.follow(0.75)  # nothing was seen since
    assert torch.equal(objective.center_query, centre)


def test_the_temperature_follows_its_schedule():
    objective = lgsd()
    objective.teacher_temperature = LinearRamp(start=0.02, end=0.2, num_iterations=10)
    model, entropies = student().eval(), []
    for iteration in (0, 10):
        objective.iteration = iteration
        objective.eval()(model, model, [views(0)])
        entropies.append(float(objective.monitored["lgsd_query_entropy"]))
    assert entropies[0] < entropies[1] <= math.log(12)


@pytest.mark.parametrize(
    ("entropy", "contrast", "told"),
    [
        (2.48, 0.0, "uniform"),
        (0.001, 0.0, "do not distinguish videos"),
        (1.0, -0.2, "do not distinguish videos"),
        (1.0, 0.4, None),
        (0.001, 2.0, None),
    ],
)
def test_collapse_is_told(entropy, contrast, told):
    means = {
        f"lgsd_{kind}_{what}": value
        for kind in ("query", "clip")
        for what, value in (("entropy", entropy), ("contrast", contrast))
    }
    complaint = lgsd().complaint(means)  # log 12 = 2.485
    assert complaint is None if told is None else told in complaint


def test_a_head_gives_cosines():
    head = ProjectionHead(dim=4, hidden_dim=8, bottleneck_dim=3, num_prototypes=5)
    answer = head(torch.randn(2, 6, 4))
    assert answer.shape == (2, 6, 5) and answer.abs().max() <= 1 + 1e-6
    with torch.autocast("cpu", torch.bfloat16):
        assert head(torch.randn(2, 6, 4)).dtype == torch.float32


def test_contrast_by_hand():
    """Views of one video agree and videos differ, or the other way round."""
    objective = lgsd()
    sure, other = torch.full((1, 12), 1e-6), torch.full((1, 12), 1e-6)
    sure[:, 0] = other[:, 1] = 1 - 11e-6
    for video, view, expected in ((other, sure, 13.8), (sure, other, -13.8), (sure, sure, 0)):
        objective.previous_clip.copy_(video)
        # Of this video: what the first view says, and the second.
        objective._watch("clip", torch.stack([sure, view])[:, None], torch.tensor(0.0))
        contrast = objective.monitored["lgsd_clip_contrast"].item()
        assert contrast == pytest.approx(expected, abs=0.1)


def test_it_learns_to_tell_videos_apart():
    """Four videos of different brightness: the answers come to say which one it is."""
    objective = lgsd()
    model, teacher = student().train(), student().eval()
    samples = [views(number) for number in range(4)]
    for number, sample in enumerate(samples):
        for clip in (*sample.teacher, *sample.student):
            clip.frames.mul_(0.2).add_(0.25 * number)
    optimizer = torch.optim.Adam([*model.parameters(), *objective.heads.parameters()], lr=3e-3)
    contrasts = []
    for _ in range(30):
        loss = sum(objective(model, teacher, samples).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        objective.follow(0.99)
        follow(teacher, model, 0.99)
        contrasts.append(objective.monitored["lgsd_clip_contrast"].item())
    assert max(contrasts[1:3]) < 0.3 and min(contrasts[-5:]) > 1
