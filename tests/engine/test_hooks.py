"""What a run leaves behind: metrics, logs, checkpoints; averaged weights; rates."""

import json
import logging

import pytest
import torch
from torch import nn

from lgrseg.checkpoint.ema import WeightAverage
from lgrseg.checkpoint.reading import read_state
from lgrseg.engine.hook_base import HookBase
from lgrseg.engine.hooks import is_due
from lgrseg.engine.logs import log_to_file
from lgrseg.engine.trainer import DefaultTrainer
from lgrseg.engine.writers import clock, forget_metrics_after, read_metrics


def test_when_something_is_due():
    assert [i for i in range(7) if is_due(i, 3)] == [3, 6]
    assert not any(is_due(i, 0) for i in range(7))


def test_clock():
    assert (clock(59.6), clock(3723)) == ("0:01:00", "1:02:03")


def test_average_by_hand():
    model = nn.BatchNorm1d(1)  # weight, bias, running mean and variance, and a count
    average = WeightAverage(model, decay=0.15)
    with torch.no_grad():
        model.weight.fill_(2.0)
        model.num_batches_tracked.fill_(3)
    average.update()  # d = min(0.15, 1 / 10): 0.1 * 1 + 0.9 * 2
    assert average.weights["weight"].item() == pytest.approx(1.9)
    average.update()  # d = min(0.15, 2 / 11): 0.15 * 1.9 + 0.85 * 2
    assert average.weights["weight"].item() == pytest.approx(1.985)
    assert average.weights["num_batches_tracked"].item() == 3
    assert average.weights["bias"].item() == 0.0


def test_files_of_a_run(tiny_cfg, tmp_path):
    tiny_cfg.train.update({"checkpoint_period": 2, "keep_checkpoints": 2, "eval_period": 3})
    logging.getLogger("lgrseg").setLevel(logging.INFO)
    with log_to_file(tmp_path / "run" / "log.txt"):
        trainer = DefaultTrainer(tiny_cfg)
        trainer.train()
    run = tmp_path / "run"
    names = ["best", "iter_4", "iter_6", "last"]
    expected = sorted(f"{n}{suffix}" for n in names for suffix in (".safetensors", ".state.pt"))
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == expected
    assert len(list((run / "tensorboard").iterdir())) == 1

    lines = read_metrics(run)
    assert [line["iteration"] for line in lines] == [2, 3, 4, 6, 6]
    first = lines[0]
    assert first["loss"] == pytest.approx(first["loss_ce"] + first["loss_dice"], rel=1e-5)
    assert {"lr", "grad_norm", "step_seconds", "data_seconds", "eta_seconds"} <= first.keys()
    assert first["peak_memory_mib"] > 10
    assert 0 <= lines[1]["eval/tiny/mean_dice"] <= 1
    scores = [line["eval/tiny/mean_dice"] for line in lines if "eval/tiny/mean_dice" in line]
    assert trainer.best_score == max(scores)
    assert read_state(run / "checkpoints/best.state.pt")["best_score"] == max(scores)
    results = json.loads((run / "eval/tiny/results.json").read_text())
    assert results["mean"]["dice"] == scores[-1]

    log = (run / "log.txt").read_text()
    assert "iteration 2/6, left 0:00:" in log and "s/step" in log and "MiB" in log


def test_rates_of_every_step(tiny_cfg):
    # Warm-up of 2 to max_iter 6, half a cosine to 1%: by hand at the middle, (1 + 0.01) / 2.
    rates = []

    class Keep(HookBase):
        def after_step(self):
            rates.append(max(group["lr"] for group in self.trainer.optimizer.param_groups))

    trainer = DefaultTrainer(tiny_cfg)
    trainer.register_hooks([Keep()])
    trainer.train()
    assert rates[:3] == pytest.approx([0.01 / 3, 0.02 / 3, 0.01])
    assert rates[4] == pytest.approx(0.01 * 0.505)


def test_autocast_trains(tiny_cfg):
    tiny_cfg.train.amp = True
    trainer = DefaultTrainer(tiny_cfg)
    trainer.train()
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}
    assert float(trainer.metrics["loss"]) > 0


def test_metrics_of_steps_that_are_done_again_are_forgotten(tmp_path):
    text = '{"iteration": 2, "loss": 1}\n{"iteration": 4, "loss": 2}\n{"iteration": 6, "lo'
    (tmp_path / "metrics.jsonl").write_text(text)
    assert [line["iteration"] for line in read_metrics(tmp_path)] == [2, 4]
    forget_metrics_after(tmp_path, 3)
    assert (tmp_path / "metrics.jsonl").read_text() == '{"iteration": 2, "loss": 1}\n'


def test_an_unknown_device_is_refused(tiny_cfg):
    tiny_cfg.train.device = "gpu"
    with pytest.raises(ValueError, match="auto, cpu or cuda, not 'gpu'"):
        DefaultTrainer(tiny_cfg)


def test_there_must_be_something_to_evaluate(tiny_cfg):
    with pytest.raises(FileNotFoundError, match="nothing to evaluate.*train first"):
        DefaultTrainer(tiny_cfg).load_for_evaluation()


def test_the_best_weights_are_evaluated_if_the_last_are_missing(tiny_cfg, caplog):
    tiny_cfg.train.init_weights = "weights from which the run started"
    trainer = DefaultTrainer(tiny_cfg)
    trainer.save("best")
    with caplog.at_level("INFO", logger="lgrseg"):
        trainer.load_for_evaluation()
    assert f"weights from {trainer.checkpoints / 'best.safetensors'}" in caplog.text
