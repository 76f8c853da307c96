"""A run of a CycleGAN that is stopped and resumed ends as one that was not stopped."""

import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from forked import run_script
from PIL import Image
from stopped_runs import assert_equal_runs, resumed_run

from lgrseg.config import L
from lgrseg.data import DatasetCatalog, build_unpaired_loader
from lgrseg.data.own_store import write_facts
from lgrseg.data.store import open_frames, read_masks
from lgrseg.engine.solver import LinearSchedule, build_adamw
from lgrseg.engine.trainer import DefaultTrainer
from lgrseg.modeling.generation.cycle_gan import CycleGAN
from lgrseg.modeling.generation.networks import PatchJudge, ResNetGenerator
from lgrseg.studies.comparison.three_tables import three_tables

TOOL = Path(__file__).parents[2] / "tools" / "translate_dataset.py"


@pytest.fixture
def gan_cfg(tiny_cfg, tmp_path):
    """Six steps with a frame of each of two styles; the pools are full after two."""
    for number in range(3):
        (tmp_path / "b").mkdir(exist_ok=True)
        Image.new("L", (50, 40), 60 * number).save(tmp_path / "b" / f"{number}.png")
    generator = L(ResNetGenerator)(width=4, num_blocks=1)
    judge = L(PatchJudge)(width=4, num_strides=1)
    tiny_cfg.model = L(CycleGAN)(
        to_b=generator,
        to_a=generator,
        judge_a=judge,
        judge_b=judge,
        image_size=[32, 32],
        pool_size=2,
    )
    tiny_cfg.dataloader.train = L(build_unpaired_loader)(
        dataset="tiny", other=str(tmp_path / "b"), size=[32, 32]
    )
    tiny_cfg.dataloader.test = {}
    tiny_cfg.optimizer = L(build_adamw, partial=True)(
        lr=1e-3, weight_decay=0.0, betas=[0.5, 0.999], lr_factors={"judge_a": 0.5, "judge_b": 0.5}
    )
    tiny_cfg.schedule = L(LinearSchedule)(max_iter=6)
    tiny_cfg.train.update({"clip_norm": None, "log_period": 1, "checkpoint_period": 3})
    return tiny_cfg


def test_a_resumed_run_ends_as_one_that_was_not_stopped(gan_cfg, tmp_path):
    whole = DefaultTrainer(gan_cfg)
    whole.train()
    resumed = resumed_run(gan_cfg, tmp_path / "other", stop_before=4, resume_at=3)
    assert_equal_runs(whole, resumed)
    state = whole.model.state_dict()
    assert state["pool_a.count"] == 2 and state["pool_b.images"].abs().sum() > 0
    assert {group["initial_lr"] for group in whole.optimizer.param_groups} == {1e-3, 5e-4}
    pictures = [path.name for path in sorted((tmp_path / "run/pictures").iterdir())]
    assert pictures == ["translated_000001.png", "translated_000006.png"]
    assert Image.open(tmp_path / "run/pictures" / pictures[0]).size == (3 * 32, 2 * 32)


def test_both_styles_may_be_folders(gan_cfg, tmp_path):
    gan_cfg.dataloader.train.dataset = str(tmp_path / "b")
    trainer = DefaultTrainer(gan_cfg)  # a folder has no classes
    assert len(trainer.build_data().dataset) == len(list((tmp_path / "b").iterdir()))


def translate(run, *words):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LGRSEG_TRUSTED": "tests"}
    return run_script(TOOL, ["--run", str(run), *words], environment=environment)


def test_a_run_on_two_folders_translates_a_folder_and_measures_itself(gan_cfg, tmp_path):
    folder = tmp_path / "low quality ü"  # images of several kinds and sizes, another number than B
    folder.mkdir()
    Image.new("RGB", (31, 45), (90, 60, 30)).save(folder / "größe.jpg")
    Image.new("L", (64, 33), 200).save(folder / "b.png")
    gan_cfg.dataloader.train.dataset = str(folder)
    gan_cfg.train.max_iter = 1
    DefaultTrainer(gan_cfg).train()
    words = ("--compare", str(tmp_path / "b"), "--encoder", "vfm4us_resnet18")
    output = tmp_path / "better"
    done = translate(
        tmp_path / "run", "--dataset", str(folder), "--output", str(output), *words, "--videos", "3"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{output}: 2 images")
    assert {file.name: Image.open(file).size for file in output.iterdir()} == {
        "größe.png": (31, 45), "b.png": (64, 33),
    }  # fmt: skip
    written = json.loads((tmp_path / "run/eval" / folder.name / "translation.json").read_text())
    assert written["frames"] == 2 and written["frames_compared_with"] == 3
    assert -1 <= written["ssim_back"] < 1 and written["psnr_back"] > 0


def test_a_run_translates_a_dataset_and_measures_itself(gan_cfg, tmp_path):
    gan_cfg.train.max_iter = 1
    DefaultTrainer(gan_cfg).train()
    store = tmp_path / "data" / "tiny"
    names = [f"patient{number:04d}" for number in range(6)]
    splits = ["train"] * 4 + ["val"] * 2
    write_facts(store, classes=["disc"], colors=[(255, 0, 0)], roles={})
    lines = [f"{name}_4CH,{name},{split}" for name, split in zip(names, splits, strict=True)]
    (store / "splits.csv").write_text("\n".join(["clip,patient,split", *lines]))

    tool = partial(translate, tmp_path / "run")
    output = tmp_path / "data" / "translated"
    done = tool("--dataset", "tiny_train", "tiny_val", "--output", str(output))
    assert done.returncode == 0, done.stderr
    for split, count in (("train", 4), ("val", 2)):
        for new, old in zip(
            DatasetCatalog.get(f"translated_{split}"),
            DatasetCatalog.get(f"tiny_{split}"),
            strict=True,
        ):
            assert not np.array_equal(open_frames(new), open_frames(old))
            assert np.array_equal(read_masks(new)[1], read_masks(old)[1])
        assert len(DatasetCatalog.get(f"translated_{split}")) == count
    words = ("--compare", "tiny_val", "--encoder", "vfm4us_resnet18")
    done = tool("--dataset", "tiny_val", *words)
    assert done.returncode == 0, done.stderr
    assert "random weights: its distances mean nothing" in done.stderr
    scores = json.loads(done.stdout)
    assert scores["frames"] == scores["frames_compared_with"] == 4
    assert scores["frechet_original"] == pytest.approx(0, abs=1e-3)
    assert scores["frechet_translated"] > 0.01
    assert -1 <= scores["ssim_back"] < 1 and scores["psnr_back"] > 0
    written = json.loads((tmp_path / "run/eval/tiny_val/translation.json").read_text())
    assert written == scores | {
        "task": "generation", "dataset": "tiny_val", "compared_with": "tiny_val",
        "encoder": "vfm4us_resnet18",
    }  # fmt: skip
    assert f"| {scores['ssim_back']:.4f}" in three_tables({"random": [tmp_path / "run"]})
    refused = tool("--dataset", "tiny_val", "--output", str(output))
    assert refused.returncode == 1 and "translated is not empty" in refused.stderr
