"""lgrseg/engine/run_record.py: run.json, and what the report says of it."""

import subprocess
import sys

import pytest

from lgrseg import command, typed_command
from lgrseg.engine.run_record import command_line, commit_of, read_commands, record_command
from lgrseg.reporting.run_facts import Fact, facts_of_run


def record(folder, task):
    record_command(folder, task, device="cpu", num_parameters=4_200_000)


def test_training_begins_the_list_anew(tmp_path):
    assert read_commands(tmp_path) == []
    for task in ("train", "evaluate", "train", "resume", "evaluate"):
        record(tmp_path, task)
    assert [entry["task"] for entry in read_commands(tmp_path)] == ["train", "resume", "evaluate"]


def test_the_command_can_be_given_to_a_shell(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tools/train_net.py", "--overwrite", "train.output_dir=a b"])
    monkeypatch.setattr(sys, "executable", "/somewhere/bin/python")
    assert command_line() == "python tools/train_net.py --overwrite 'train.output_dir=a b'"
    assert command_line(without=("--overwrite",)).endswith("train_net.py 'train.output_dir=a b'")
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/lgrseg", "train"])
    assert command_line() == "/somewhere/bin/lgrseg train"


@pytest.mark.parametrize(
    ("started", "expected"),
    [
        ("/somewhere/bin/lgrseg", "lgrseg train-net a=1"),
        ("/somewhere/lgrseg/__main__.py", "python -m lgrseg train-net a=1"),
    ],
)
def test_the_console_command_is_named_as_it_was_typed(monkeypatch, tmp_path, started, expected):
    (tmp_path / "train_net.py").touch()
    monkeypatch.setattr(command, "tool_files", lambda: {"train_net": tmp_path / "train_net.py"})
    monkeypatch.setattr(typed_command, "words", [])
    monkeypatch.setattr(sys, "executable", "/somewhere/bin/python")
    monkeypatch.setattr(sys, "argv", [started, "train-net", "a=1", "--resume"])
    assert command.main() == 0
    assert command_line(without=("--resume",)) == expected


def test_a_commit_says_whether_files_were_changed(tmp_path):
    def git(*words):
        subprocess.run(["git", "-C", tmp_path, *words], check=True, capture_output=True)

    assert commit_of(tmp_path) is None
    git("init", "-q")
    (tmp_path / "a.txt").write_text("1")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "first")
    clean = commit_of(tmp_path)
    assert len(clean) == 10
    (tmp_path / "new.txt").write_text("not tracked")
    assert commit_of(tmp_path) == clean
    (tmp_path / "a.txt").write_text("2")
    assert commit_of(tmp_path) == clean + "+"
    (tmp_path / "inside").mkdir()
    assert commit_of(tmp_path / "inside") is None  # such as site-packages within a checkout


def test_facts_of_a_run(tmp_path):
    (tmp_path / "config.yaml").write_text(
        "model: {_target_: a.b.LGRNet, backbone: {_target_: a.PVTv2}}\n"
        "dataloader: {train: {dataset: squares, batch_size: 2}}\ntrain: {seed: 7}\n"
    )
    (tmp_path / "log.txt").write_text("2026-11-25 14:01:06 96 clips to train on\n")
    lines = [{"iteration": 420, "train_seconds": 90}]
    facts = {fact.name: fact.value for fact in facts_of_run(tmp_path, lines)}
    assert facts["Model"] == "LGRNet with PVTv2" and facts["Seed"] == "7"
    assert facts["Training"] == "2026-11-25 14:01, 420 iterations, 1.5 minutes"
    assert facts["Commit and command"].startswith("not recorded")
    record(tmp_path, "train")
    record(tmp_path, "evaluate")
    facts = {fact.name: fact.value for fact in facts_of_run(tmp_path, lines)}
    assert facts["Model"] == "LGRNet with PVTv2, 4.2 million parameters"
    assert facts["Command"] == command_line() == facts["Evaluation command"]
    assert "1 x cpu" in facts["Training"]


@pytest.mark.parametrize(
    "encoder", ["{name: dinov2_small}", "{_target_: a.frozen, encoder: {name: dinov2_small}}"]
)
def test_a_pretrained_encoder_is_named(tmp_path, encoder):
    (tmp_path / "config.yaml").write_text(
        "model: {_target_: a.b.LGRNet, backbone: {_target_: a.FoundationBackbone, encoder: "
        f"{encoder}}}}}\n"
    )
    assert Fact("Model", "LGRNet with dinov2_small") in facts_of_run(tmp_path, [])
