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
    UNIFORM_DEVIATION,
    pairwise_cross_entropy,
)
from lgrseg.modeling.semi_supervised.view_tokens import tokens_of


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
    objective.teacher_logits["clip"].mean.uniform_(-0.1, 0.1)
    for statistics in (objective.teacher_tokens["clip"], objective.student_tokens["clip"]):
        statistics.mean.uniform_(-0.1, 0.1)
        statistics.mean_square.uniform_(0.1, 0.2)
    sample = views(0)
    sample.student = sample.student * 3  # nine local views
    losses = objective.eval()(model.eval(), teacher.eval(), [sample])
    terms = []
    for wide in sample.teacher:
        z = tokens_of(teacher, [wide], 1)["clip"]
        z = objective.teacher_heads["clip"](objective.teacher_tokens["clip"].whiten(z))[0, 0, 0]
        wanted = ((z - objective.teacher_logits["clip"].mean[0]) / 0.05).softmax(-1)
        for near in sample.student:
            h = tokens_of(model, [near], 1)["clip"]
            h = objective.heads["clip"](objective.student_tokens["clip"].whiten(h))[0, 0, 0]
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


def test_the_first_centre_is_the_mean_output_and_heads_follow():
    model, objective = student(), lgsd().train()
    with torch.no_grad():
        for p in objective.heads.parameters():
            p.add_(0.1)
    samples = [views(0), views(1)]
    clips = [clip for same in zip(*(v.teacher for v in samples), strict=True) for clip in same]
    tokens = tokens_of(model.eval(), clips, 2)["query"]
    outputs = objective.teacher_heads["query"](tokens)  # not whitened before the first update
    objective(model, model, samples)
    before = {n: p.clone() for n, p in objective.teacher_heads.named_parameters()}
    objective.follow(0.75)
    assert torch.allclose(
        objective.teacher_tokens["query"].mean, tokens.mean(dim=(0, 1)), atol=1e-6
    )
    centre = objective.teacher_logits["query"].mean.clone()
    assert torch.allclose(centre, outputs.mean(dim=(0, 1)), atol=1e-6)  # one centre a query
    for name, p in objective.heads.named_parameters():
        moved = objective.teacher_heads.get_parameter(name)
        assert torch.allclose(moved, 0.75 * before[name] + 0.25 * p, atol=1e-6)
    objective.follow(0.75)  # nothing was seen since
    assert torch.equal(objective.teacher_logits["query"].mean, centre)
    objective.eval()(model, model, [views(2)])
    objective.follow(0.75)  # nothing was seen in training
    assert torch.equal(objective.teacher_logits["query"].mean, centre)


def test_whitening_shows_what_a_constant_part_of_the_tokens_hides():
    """Videos differ by 1% of a token that is otherwise constant."""
    objective = lgsd().train()
    tokens = torch.ones(2, 8, 3, 16) + 0.01 * torch.randn(1, 8, 3, 16).expand(2, -1, -1, -1)

    def step():
        objective._watch("query", objective._targets("query", tokens), torch.tensor(0.0))
        objective.follow(1.0)
        return {name.removeprefix("lgsd_query_"): v for name, v in objective.monitored.items()}

    steps = [step() for _ in range(8)]
    # At first the constant decides: sharp outputs, but the logits hardly deviate between videos.
    # Step 1 shows the deviation of the logits of step 0.
    assert steps[0]["entropy"] < 0.1 and steps[1]["deviation"] < UNIFORM_DEVIATION
    assert steps[-1]["deviation"] > 3 and steps[-1]["contrast"] > 3 and steps[-1]["found"] == 1


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
    ("entropy", "deviation", "contrast", "told"),
    [
        (2.48, 0.1, 0.0, "deviate by 0.100 of the temperature"),
        (0.5, 0.1, 0.0, "deviate by 0.100 of the temperature"),  # the centre is not adapted yet
        (0.001, 2.0, 0.0, "do not distinguish videos"),
        (1.0, 2.0, -0.2, "do not distinguish videos"),
        (1.0, 2.0, 0.4, None),
        (0.001, 5.0, 2.0, None),
    ],
)
def test_collapse_is_told(entropy, deviation, contrast, told):
    values = {"entropy": entropy, "deviation": deviation, "contrast": contrast}
    means = {f"lgsd_{k}_{what}": v for k in ("query", "clip") for what, v in values.items()}
    complaint = lgsd().complaint(means)  # log 12 = 2.485
    assert complaint is None if told is None else told in complaint
    assert lgsd().complaint({}) is None  # no unlabelled video so far


def test_prototypes_are_held_with_a_gradient_of_zero():
    head = ProjectionHead(dim=4, hidden_dim=8, bottleneck_dim=3, num_prototypes=5)
    tokens = torch.randn(2, 6, 4)
    assert torch.equal(head(tokens), head(tokens, hold_prototypes=True))
    for hold in (True, False):
        head.zero_grad()
        head(tokens, hold_prototypes=hold)[..., 0].sum().backward()
        assert (head.prototypes.grad == 0).all() == hold
        assert head.layers[0].weight.grad.abs().sum() > 0


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
        assert objective.monitored["lgsd_clip_found"] == (expected > 0)


def test_the_student_learns_to_tell_videos_apart():
    """Four videos of different brightness: the outputs come to say which one it is."""
    objective = lgsd()
    model, teacher = student().train(), student().eval()
    samples = [views(number) for number in range(4)]
    for number, sample in enumerate(samples):
        for clip in (*sample.teacher, *sample.student):
            clip.frames.mul_(0.2).add_(0.25 * number)
    optimizer = torch.optim.Adam([*model.parameters(), *objective.heads.parameters()], lr=3e-3)
    divergences = []
    for _ in range(30):
        loss = sum(objective(model, teacher, samples).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        objective.follow(0.99)
        follow(teacher, model, 0.99)
        divergences.append(objective.monitored["lgsd_clip_kl"].item())
    assert max(divergences[-5:]) < 0.5 * min(divergences[1:3])
    assert objective.monitored["lgsd_clip_contrast"] > 1
