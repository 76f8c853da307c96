"""tools/ablation.py: what is done, what is not done again, and what is said of a failure."""

import importlib.util
import json
import os
import re
import sys
from pathlib import Path

import pytest
from forked import run_script

from lgrseg.config import load_config, save_config

ROOT = Path(__file__).parents[1]
PHANTOM = ROOT / "configs" / "lgrnet" / "demo.py"
LAST = "phantom_demo_test"


def run(*arguments, root):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LGRSEG_DATASETS": str(root)}
    return run_script(ROOT / "tools" / "ablation.py", arguments, environment=environment)


@pytest.fixture
def ablation():
    """The tool as a module."""
    spec = importlib.util.spec_from_file_location("ablation", ROOT / "tools" / "ablation.py")
    module = sys.modules["ablation"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["ablation"]


def write_finished(folder, dice, config, overrides=()):
    results = {
        "dataset": LAST,
        "classes": {},
        "mean": {"dice": dice, "hd95": 3.0},
        "distance_unit": "mm",
    }
    (folder / "eval" / LAST).mkdir(parents=True)
    (folder / "eval" / LAST / "results.json").write_text(json.dumps(results))
    line = {"iteration": 420, "train_seconds": 6.0, f"eval/{LAST}/mean_dice": dice}
    (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    place = f"train.output_dir={folder}"
    save_config(
        load_config(config, [*overrides, f"train.seed={folder.name[-1]}", place]),
        folder / "config.yaml",
    )


@pytest.fixture
def finished(tmp_path):
    """Two configs of which three runs are done, and the folder of the runs."""
    other = tmp_path / "other.yaml"
    save_config(load_config(PHANTOM), other)
    out = tmp_path / "out"
    for seed, dice in ((0, 0.8), (1, 0.9)):
        write_finished(out / "demo" / f"seed_{seed}", dice, PHANTOM)
    write_finished(out / "other" / "seed_0", 0.7, other)
    return [PHANTOM, other], out


def test_what_is_finished_is_not_done_again(finished, tmp_path):
    configs, out = finished
    result = run(*configs, "--seeds", "0", "--output", out, root=tmp_path / "no data")
    assert result.returncode == 0 and not result.stderr
    table = re.sub(" +", " ", (out / "table.md").read_text())
    assert "| demo | 2 | 0.8500 ± 0.0707 |" in table
    assert "| other | 1 | 0.7000 |" in table and "-0.1000" in table


def test_runs_of_other_settings_are_not_taken_for_those_that_are_asked_for(finished, tmp_path):
    configs, out = finished
    before = sorted(out.rglob("*"))
    command = [*configs, "--seeds", "0", "--output", out]
    for change, told in (
        ("train.max_iter=10", "train.max_iter: 420 -> 10"),
        ("optimizer.lr=0.1", "optimizer.lr: 0.002 -> 0.1"),
    ):
        result = run(*command, change, root=tmp_path / "no data")
        assert result.returncode == 1 and "Traceback" not in result.stderr
        assert f"{out / 'demo' / 'seed_0'} has a run with other settings ({told})" in result.stderr
        assert sorted(out.rglob("*")) == before  # no table either
    # A row is of all seeds that lie there, so also those count that are not asked for.
    (out / "demo" / "seed_1" / "config.yaml").unlink()
    result = run(*command, "--seeds", "0", root=tmp_path / "no data")
    assert result.returncode == 1 and "seed_1 has a run without config.yaml" in result.stderr
    # What changes no result may differ.
    save_config(load_config(PHANTOM), out / "demo" / "seed_1" / "config.yaml")
    free = ["train.log_period=1", "dataloader.train.num_workers=2", "train.device=cpu"]
    assert run(*command, *free, root=tmp_path / "no data").returncode == 0


def test_a_config_that_is_not_there_is_one_sentence(tmp_path):
    for words, told in (([tmp_path / "no.py"], "no config file"), ([PHANTOM, "a.b=1"], "'a'")):
        result = run(*words, "--output", tmp_path / "out", root=tmp_path)
        assert result.returncode == 1 and "Traceback" not in result.stderr
        assert told in result.stderr and not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_run_that_fails_is_named(finished, tmp_path):
    configs, out = finished
    # Seed 1 of the other config is not there, and cannot be: there is no data.
    result = run(*configs, "--seeds", "0", "1", "--output", out, root=tmp_path / "no data")
    assert result.returncode == 1
    assert "failed:" in result.stderr and "other/seed_1.log" in result.stderr
    assert "training" in result.stderr and result.stderr.count("training") == 1
    assert "phantom_demo does not exist" in (out / "other" / "seed_1.log").read_text()


def test_configs_of_one_name_are_refused(tmp_path):
    result = run(PHANTOM, PHANTOM, "train.max_iter=2", root=tmp_path)
    assert result.returncode == 2 and "different, not ['demo', 'demo']" in result.stderr


@pytest.mark.parametrize(
    ("word", "name", "overrides"),
    [
        ("a/net.py", "net", ()),
        ("a/net.py,method=hts+lgsd", "net_hts_lgsd", ("method=hts+lgsd",)),
        ("wide=a/net.yaml,x.y=[1,2],z=a/b", "wide", ("x.y=[1,2]", "z=a/b")),
        ("net.py,x.y=[1,2],rate=0.1", "net__1_2__0.1", ("x.y=[1,2]", "rate=0.1")),
    ],
)
def test_a_variant_is_a_config_with_settings(ablation, word, name, overrides):
    variant = ablation.Variant.parse(word)
    assert (variant.name, variant.overrides) == (name, overrides)
    assert variant.config.stem == "net"


def test_a_setting_is_no_variant(ablation):
    assert ablation.Variant.parse("train.max_iter=10") is None


def test_variants_of_one_config_are_apart(tmp_path):
    words = [PHANTOM, f"{PHANTOM},method=boxes", "--seeds", "0"]
    out = tmp_path / "out"
    write_finished(out / "demo" / "seed_0", 0.8, PHANTOM)
    write_finished(out / "demo_boxes" / "seed_0", 0.9, PHANTOM, ["method=boxes"])
    result = run(*words, "--output", out, root=tmp_path / "no data")
    assert result.returncode == 0, result.stderr
    assert "| demo_boxes | 1 | 0.9000 |" in re.sub(" +", " ", (out / "table.md").read_text())


@pytest.mark.slow
def test_two_configs_are_trained_and_evaluated_at_a_lower_rate(tmp_path):
    from test_train_net import write_two_videos

    root = write_two_videos(tmp_path / "datasets")
    hybrid = tmp_path / "hybrid.yaml"
    sampler = "dataloader.train.mapper.frame_sampler._target_=lgrseg.data.HybridSampler"
    save_config(load_config(PHANTOM, [sampler]), hybrid)
    out = tmp_path / "out"
    command = [PHANTOM, hybrid, "--seeds", "0", "--strides", "2", "--jobs", "2", "--output", out]
    changes = ["train.max_iter=2", "train.export_videos=0", "schedule.warmup=1"]
    result = run(*command, *changes, root=root)
    assert result.returncode == 0, result.stderr
    for folder in (out, out / "stride_2"):
        assert "| hybrid | 1 |" in re.sub(" +", " ", (folder / "table.md").read_text())
    assert "training" not in run(*command, *changes, root=root).stderr
