"""Runs with unlabelled videos: the hooks around a teacher, and what a run writes of its labels."""

import json
import logging
import types

import pytest
import torch

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.checkpoint.loading import load_weights
from lgrseg.config import instantiate
from lgrseg.engine.hooks import WatchCollapse
from lgrseg.engine.trainer import DefaultTrainer


def run(cfg, *, resume=False):
    trainer = DefaultTrainer(cfg)
    trainer.resume_or_load(resume=resume)
    trainer.train()
    return trainer


def test_a_run_with_labelled_and_unlabelled_videos(lgsd_cfg, tmp_path):
    trainer = run(lgsd_cfg)
    assert trainer.results["tiny"]["num_clips"] == 6
    labels = json.loads((tmp_path / "run/labels.json").read_text())
    assert labels["label_fraction"] == 0.5 and labels["label_seed"] == 0
    assert labels["labelled"]["num_videos"] == 3 and labels["unlabelled"]["num_videos"] == 6
    assert len(trainer.loader.dataset) == 3
    student, teacher = (
        part.state_dict() for part in (trainer.model.student, trainer.model.teacher)
    )
    name = "encoder.layers.0.ffn.expand.weight"
    assert not torch.equal(student[name], teacher[name])


def test_pre_training_without_labels_starts_a_basic_model(lgsd_cfg, tmp_path):
    lgsd_cfg.dataloader.train.batch_size = 0
    lgsd_cfg.dataloader.test = {}
    pretrained = run(lgsd_cfg).model.student
    basic = instantiate(lgsd_cfg.model.student)
    load_weights(basic, tmp_path / "run/checkpoints/last.safetensors")
    for part in ("backbone", "encoder"):
        for name, value in getattr(pretrained, part).state_dict().items():
            assert torch.equal(getattr(basic, part).state_dict()[name], value)


def test_another_objective_does_not_resume_the_run(lgsd_cfg):
    run(lgsd_cfg)
    lgsd_cfg.model.objective.num_prototypes = 16
    with pytest.raises(CheckpointError, match="another config(.|\n)*previous_query"):
        run(lgsd_cfg, resume=True)


def test_a_collapse_is_told_once_it_has_lasted(caplog):
    hook = WatchCollapse(period=2, patience=3)
    said = iter(["x", None, "x", "x", "all the same", "x"])
    model = types.SimpleNamespace(
        monitored={"a": torch.tensor(2.0)}, complaint=lambda means: next(said)
    )
    hook.trainer = types.SimpleNamespace(model=model, iteration=0)
    hook.before_train()
    with caplog.at_level(logging.WARNING):
        for iteration in range(1, 13):
            hook.trainer.iteration = iteration
            hook.after_step()
    assert [record.getMessage() for record in caplog.records] == ["iteration 10: all the same"]
