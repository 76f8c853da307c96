"""lgrseg/modeling/semi_supervised/model.py."""

import pytest
import torch
from in_processes import lgsd, sample, small_lgrnet, views

from lgrseg.checkpoint.files import CheckpointError, save_checkpoint
from lgrseg.checkpoint.loading import load_weights
from lgrseg.engine.solver import build_adamw
from lgrseg.modeling.backbones import MetaFormer
from lgrseg.modeling.semi_supervised.mask_consistency import MaskConsistency
from lgrseg.modeling.semi_supervised.model import SemiSupervised, student_of
from lgrseg.modeling.semi_supervised.schedules import LinearRamp


def basic(seed=0):
    torch.manual_seed(seed)
    return small_lgrnet(MetaFormer(depths=(1, 1, 1, 1), dims=(8, 8, 16, 32), drop_path_rate=0.0))


def semi(seed=0, objective=None, weight=2.0):
    return SemiSupervised(
        student=basic(seed),
        objective=objective or lgsd(),
        weight=LinearRamp(start=0, end=weight, num_iterations=10),
        momentum=LinearRamp(start=0.5, end=1.0, num_iterations=10),
    )


def saved(model, folder):
    save_checkpoint(folder, "last", model.state_dict(), {"iteration": 0})
    return folder / "last.safetensors"


def test_labelled_and_unlabelled_losses_in_one_step():
    model = semi().train()
    clips, targets = zip(*map(sample, range(2)), strict=True)
    model.before_update(5)
    losses = model(list(clips), list(targets), [views(0)])
    alone = model.student(list(clips), list(targets))
    unlabelled = model.objective(model.student, model.teacher, [views(0)])
    assert set(losses) == set(alone) | set(unlabelled)
    for name, loss in alone.items():
        assert torch.allclose(losses[name], loss)
    for name, loss in unlabelled.items():
        assert torch.allclose(losses[name], loss)  # the weight is 1 half-way to 2
    assert float(model.monitored["unlabelled_weight"]) == 1
    model.before_update(0)
    unasked = model(list(clips), list(targets), [views(0)])  # the weight is 0
    assert set(unasked) == {*alone, "loss_unlabelled"} and unasked["loss_unlabelled"].item() == 0
    sum(unasked.values()).backward()
    assert all(p.grad is not None for p in model.objective.heads.parameters())
    assert float(model([], [], [views(0)])["loss_lgsd_clip"]) == 0
    assert set(model([], [], [views(0)])) == set(unlabelled)  # training without labels


def test_training_without_videos_is_refused():
    with pytest.raises(ValueError, match="dataloader.train.unlabelled"):
        semi().train()([], [], [])


def test_the_student_predicts():
    model = semi().eval()
    clip, _ = sample(0)
    (ours,), (theirs,) = model([clip]), model.student([clip])
    assert torch.equal(ours.mask_logits, theirs.mask_logits)


def test_the_teacher_starts_equal_follows_and_is_never_trained():
    model = semi().train()
    assert not model.teacher.training and model.student.training
    assert not any(p.requires_grad for p in model.teacher.parameters())
    name = "encoder.layers.0.ffn.expand.weight"
    before = model.student.get_parameter(name).detach().clone()
    assert torch.equal(model.teacher.get_parameter(name), before)
    with torch.no_grad():
        model.student.get_parameter(name).add_(1)
    model.before_update(5)
    model.after_update()  # momentum 0.75
    assert torch.allclose(model.teacher.get_parameter(name), before + 0.25)
    model.before_update(10)
    model.after_update()  # momentum 1: stays
    assert torch.allclose(model.teacher.get_parameter(name), before + 0.25)


def test_the_rate_of_the_backbone_is_the_students_backbone_rate():
    model = semi()
    optimizer = build_adamw(model, lr=1.0, backbone_lr_factor=0.1)
    found = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    rates = {n: found[id(p)] for n, p in model.named_parameters() if id(p) in found}
    assert {rate for n, rate in rates.items() if n.startswith("student.backbone")} == {0.1}
    assert {rate for n, rate in rates.items() if not n.startswith("student.backbone")} == {1.0}
    assert not any(name.startswith("teacher") for name in rates)


def test_a_basic_model_takes_the_student(tmp_path):
    trained, fresh = semi(seed=1), basic(seed=2)
    load_weights(fresh, saved(trained, tmp_path))
    for name, value in trained.student.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], value)
    assert student_of({"a": torch.ones(1)}).keys() == {"a"}


def test_student_and_teacher_start_from_a_basic_model(tmp_path):
    trained, fresh = basic(seed=1), semi(seed=2)
    head = fresh.objective.heads["clip"].prototypes.clone()
    load_weights(fresh, saved(trained, tmp_path))
    for part in (fresh.student, fresh.teacher):
        assert torch.equal(part.decoder.class_head.weight, trained.decoder.class_head.weight)
    assert torch.equal(fresh.objective.heads["clip"].prototypes, head)  # as it was


def test_a_run_goes_into_the_same_objective_and_a_teacher_without_its_head_is_refused(tmp_path):
    trained = semi(seed=1)
    trained.objective.teacher_logits["clip"].mean.fill_(0.5)
    again = semi(seed=2)
    load_weights(again, saved(trained, tmp_path))
    assert again.objective.teacher_logits["clip"].mean.unique() == 0.5
    headless = semi(objective=MaskConsistency())
    with pytest.raises(CheckpointError, match="lacks objective.*a teacher is useless without"):
        load_weights(again, saved(headless, tmp_path / "other"), strict=False)
