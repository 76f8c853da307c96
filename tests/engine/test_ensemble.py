"""lgrseg/engine/ensemble.py and its tool: runs of different models, averaged and scored."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from lgrseg.config import L, instantiate, load_config, save_config
from lgrseg.data import DatasetCatalog, DenseSampler, MetadataCatalog
from lgrseg.data.catalog import Metadata
from lgrseg.data.store import read_masks
from lgrseg.engine.ensemble import evaluate_ensemble
from lgrseg.engine.loaded_run import LoadedRun
from lgrseg.evaluation.evaluator import inference_on_dataset
from lgrseg.modeling.backbones import MetaFormer
from lgrseg.modeling.heads import FPNHead

TOOL = Path(__file__).parents[2] / "tools" / "evaluate_ensemble.py"


def write_run(cfg, folder, *, num_steps=15):
    """A run's config and checkpoint, as a short training leaves them."""
    torch.manual_seed(0)
    model = instantiate(cfg.model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    batches = iter(instantiate(cfg.dataloader.train, seed=0))
    for _ in range(num_steps):
        clips, targets = next(batches)
        optimizer.zero_grad()
        sum(model(clips, targets).values()).backward()
        optimizer.step()
    (folder / "checkpoints").mkdir(parents=True)
    save_config(cfg, folder / "config.yaml")
    save_file(model.state_dict(), folder / "checkpoints" / "last.safetensors")
    return folder


@pytest.fixture
def runs(tiny_cfg, tmp_path):
    """A U-Net at stride 1, and a pyramid at stride 4 with a larger input."""
    unet = write_run(tiny_cfg, tmp_path / "unet")
    tiny_cfg.model.backbone = L(MetaFormer)(depths=[1] * 4, dims=[8, 8, 16, 32])
    channels = dict(zip(("res2", "res3", "res4", "res5"), (8, 8, 16, 32), strict=True))
    tiny_cfg.model.head = L(FPNHead)(in_channels=channels, num_classes=1, dim=8)
    tiny_cfg.dataloader.test.tiny.mapper.input_size = [64, 64]
    return [unet, write_run(tiny_cfg, tmp_path / "pyramid")]


def disc_probability(run, index):
    """(T, 32, 32) probabilities of one clip, from the model itself."""
    ((_, _, clip, _),) = list(instantiate(run.cfg.dataloader.test.tiny))[index]
    with torch.no_grad():
        (prediction,) = run.member.model([clip])
    # The maps of the U-Net have 32 pixels already, those of the pyramid are 16 x 16.
    logits = F.interpolate(prediction.mask_logits, (32, 32), mode="bilinear")
    return logits[0].sigmoid().numpy()


def test_the_mean_of_two_models_by_hand(runs):
    loaded = [LoadedRun(run, device="cpu") for run in runs]
    results = evaluate_ensemble(loaded, "tiny")
    assert results["runs"] == [str(run) for run in runs]
    assert results["protocol"] == "discs; mean of 2 runs"
    dice = []
    for index, record in enumerate(DatasetCatalog.get("tiny")):
        mean = (disc_probability(loaded[0], index) + disc_probability(loaded[1], index)) / 2
        for frame, truth in read_masks(record).items():
            mask = mean[frame] > 0.5
            dice.append(2 * (mask & (truth == 1)).sum() / (mask.sum() + (truth == 1).sum()))
    assert 0.3 < np.mean(dice) < 0.99  # all pixels give 0.25
    # Logits are interpolated after averaging, so single pixels of the border may differ.
    assert results["mean"]["dice"] == pytest.approx(np.mean(dice), abs=0.01)


def test_one_run_and_a_run_twice_have_the_scores_of_the_run(runs):
    run = LoadedRun(runs[0], device="cpu")
    loader = instantiate(run.cfg.dataloader.test.tiny)
    evaluator = instantiate(run.cfg.evaluator)(dataset="tiny")
    expected = inference_on_dataset(run.member.model, loader, evaluator)
    alone, twice = (evaluate_ensemble([run] * number, "tiny") for number in (1, 2))
    assert alone["classes"] == twice["classes"] == expected["classes"]
    assert alone["protocol"] == expected["protocol"]
    averaged = LoadedRun(runs[0], device="cpu", tta=True)
    with_views = evaluate_ensemble([averaged], "tiny")
    assert with_views["classes"] != expected["classes"]
    assert with_views["runs"] == [f"{runs[0]} (test-time augmentation)"]


def test_a_dataset_with_the_classes_in_another_order_is_refused(tiny_cfg, tmp_path, monkeypatch):
    order, colors = ("ring", "disc"), ((1, 2, 3),) * 2
    for name, classes in (("ringed", order), ("turned", order[::-1])):
        monkeypatch.setitem(MetadataCatalog._entries, name, Metadata(classes, colors))
        monkeypatch.setitem(DatasetCatalog._entries, name, DatasetCatalog._entries["tiny"])
    tiny_cfg.model.num_classes = tiny_cfg.model.head.num_classes = 2
    tiny_cfg.dataloader.test.tiny.dataset = "ringed"
    run = LoadedRun(write_run(tiny_cfg, tmp_path / "two", num_steps=0), device="cpu")
    assert evaluate_ensemble([run], "ringed")["num_clips"] == 6
    with pytest.raises(ValueError, match="in another order.*turned has disc, ring"):
        evaluate_ensemble([run], "turned")


def test_the_command_and_its_mistakes(runs, tmp_path, monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", [str(TOOL), *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(TOOL), run_name="__main__")
        return ended.value.code

    output = tmp_path / "both"
    assert call(*runs, "--datasets", "tiny", "--output", output, "--device", "cpu") == 0
    results = json.loads((output / "eval" / "tiny" / "results.json").read_text())
    assert results["num_clips"] == 6 and len(results["runs"]) == 2
    cfg = load_config(runs[1] / "config.yaml")
    cfg.dataloader.test.tiny.mapper.frame_sampler = L(DenseSampler)(num_frames=1)
    dense = write_run(cfg, tmp_path / "dense", num_steps=0)
    assert call(runs[0], dense) == 1
    assert "is tested on frames [0, 1] of patient0000_4CH" in capsys.readouterr().err
    assert call(runs[0], tmp_path / "none") == 1
    assert "is no run" in capsys.readouterr().err
