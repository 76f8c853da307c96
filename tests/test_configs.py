"""Every config in configs/ loads, survives the YAML round trip, builds, and takes a step."""

from pathlib import Path

import pytest
import torch

from lgrseg.config import instantiate, load_config, save_config
from lgrseg.data import DatasetCatalog, MetadataCatalog
from lgrseg.data.own_store import write_facts
from lgrseg.engine.test_sets import name_tests_by_dataset
from lgrseg.modeling.heads.classifier import ClipClassifier
from lgrseg.modeling.sam2.box_sam2 import BoxSam2
from lgrseg.structures import Clip, ClipTargets, LabelTarget, UnlabelledViews

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(
    path.relative_to(ROOT) for path in ROOT.glob("configs/*/*.py") if "common" not in path.parts
)


def _config(path):
    """A parameter of the test: models of hundreds of millions of parameters are built as slow."""
    large = path.name in ("hiera_dinov2_camus.py", "hiera_dinov2_lgrnet_camus.py")
    return pytest.param(path, marks=pytest.mark.slow if large else (), id=str(path))


@pytest.mark.parametrize("path", map(_config, CONFIGS))
def test_config(path, tmp_path, monkeypatch):
    write_facts(tmp_path / "mine", classes=["cyst"], colors=[(9, 99, 199)], roles={})
    monkeypatch.setenv("LGRSEG_DATASETS", str(tmp_path))  # configs/lgrnet/folder.py trains on it
    cfg = name_tests_by_dataset(load_config(ROOT / path))
    save_config(cfg, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == cfg
    num_classes = {len(MetadataCatalog.get(name).classes) for name in cfg.dataloader.test}
    assert cfg.dataloader.train.dataset in DatasetCatalog
    if "lora" in str(cfg.model):
        pytest.importorskip("peft", reason="adapters need the extra peft")
    if "sam" in cfg.model:  # frames of 64 px are enough to see that it is built and takes a step
        cfg.model.sam.get("sam", cfg.model.sam).size = 64
    model = instantiate(cfg.model)
    if cfg.dataloader.train.batch_size:  # else it trains without labels, so there is no test
        assert num_classes == {model.num_classes}
    instantiate(cfg.optimizer)(model)
    schedule = instantiate(cfg.schedule)
    assert 0 < schedule(cfg.train.max_iter - 1) <= schedule(cfg.train.max_iter // 2) <= 1
    instantiate(cfg.dataloader.train.mapper)
    for name in cfg.dataloader.test:
        instantiate(cfg.evaluator)(dataset=name)
    unlabelled = cfg.dataloader.train.get("unlabelled")
    if unlabelled:
        instantiate(unlabelled)
        assert set(unlabelled.datasets) <= set(DatasetCatalog.list())
    size = model.tracker.size if isinstance(model, BoxSam2) else 64
    clips, targets, *views = _sample(size, unlabelled=bool(unlabelled))
    if isinstance(model, ClipClassifier):
        targets = [LabelTarget(0)]
    losses = model(clips, targets, *views)
    assert torch.isfinite(sum(losses.values()))


def _sample(size, *, unlabelled):
    """A clip of three frames, one annotated, with one object; and views where asked for."""
    masks = torch.zeros(1, 3, size, size, dtype=torch.bool)
    masks[:, 1, 16:48, 16:48] = True
    clip = Clip(torch.rand(3, 1, size, size), torch.arange(3), "example")
    targets = ClipTargets(torch.tensor([False, True, False]), torch.tensor([0]), masks)
    views = [[UnlabelledViews([clip], [clip])]] if unlabelled else []
    return [clip], [targets], *views


def test_there_are_configs():
    assert Path("configs/lgrnet/phantom.py") in CONFIGS and len(CONFIGS) >= 5
