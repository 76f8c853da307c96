"""Every config in configs/ loads, survives the YAML round trip, builds, and takes a step."""

import re
from pathlib import Path

import pytest
import torch

from lgrseg.config import instantiate, load_config, save_config
from lgrseg.data import DatasetCatalog, MetadataCatalog
from lgrseg.data.own_store import write_facts
from lgrseg.engine.test_sets import name_tests_by_dataset
from lgrseg.modeling.autoregressive.tokenizer import MaskTokenizer, shares_of_labels
from lgrseg.modeling.generation.cycle_gan import CycleGAN
from lgrseg.modeling.generation.enhancer import Enhancer
from lgrseg.modeling.heads.classifier import ClipClassifier
from lgrseg.modeling.pretraining.frame_encoder import FrameEncoder
from lgrseg.modeling.pretraining.many_crops import ManyCropsModel
from lgrseg.modeling.pretraining.momentum_contrast import MomentumContrastModel
from lgrseg.modeling.sam2.box_sam2 import BoxSam2
from lgrseg.structures import Clip, ClipTargets, LabelTarget, UnlabelledViews

ROOT = Path(__file__).parents[1]
PARTS = ("common", "datasets", "methods")
WITH_METHOD = [
    f"ar_seg/next_scale.py method={name}"
    for name in ("annealed_corruption", "class_indices", "scalar_codes")
]
WITH_METHOD += ["ar_seg/tokenizer.py method=scalar_codes"]
CONFIGS = sorted(
    str(path.relative_to(ROOT / "configs"))
    for path in ROOT.glob("configs/*/*.py")
    if path.parent.name not in PARTS
)
EARLIER = [
    command
    for line in (ROOT / "docs/configs.md").read_text().split("## Earlier names")[1].splitlines()
    for command in re.findall(r"`([^`]+)`", line.rpartition(" | ")[2])
    if " " in command  # the others are configs without a choice
]
REAL_WITHOUT_LABELS = (
    "baselines/apical_simulated.py method=mean_teacher dataloader.train.mapper.input_size=[64,64] "
    "dataloader.train.unlabelled.datasets=[camus_4ch_train] "
    "dataloader.train.unlabelled.training_videos=False"
)
LARGE = ("hiera_dinov2.py", "hiera_dinov2_lgrnet.py", "full_size.py", "lora.py")


def _config(command):
    """A parameter of the test: models of hundreds of millions of parameters are built as slow."""
    large = Path(command.split()[0]).name in LARGE
    return pytest.param(command, marks=pytest.mark.slow if large else (), id=command)


@pytest.mark.parametrize(
    "command", map(_config, [*CONFIGS, *WITH_METHOD, *EARLIER, REAL_WITHOUT_LABELS])
)
def test_config(command, tmp_path, monkeypatch):
    write_facts(tmp_path / "mine", classes=["cyst"], colors=[(9, 99, 199)], roles={})
    monkeypatch.setenv("LGRSEG_DATASETS", str(tmp_path))  # of dataset=mine
    file, *overrides = command.split()
    cfg = name_tests_by_dataset(load_config(ROOT / "configs" / file, overrides))
    save_config(cfg, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == cfg
    num_classes = {len(MetadataCatalog.get(name).classes) for name in cfg.dataloader.test}
    assert cfg.dataloader.train.dataset in DatasetCatalog and cfg.dataset
    if "lora" in str(cfg.model):
        pytest.importorskip("peft", reason="adapters need the extra peft")
    if "sam" in cfg.model:  # frames of 64 px are enough to see that it is built and takes a step
        cfg.model.sam.get("sam", cfg.model.sam).size = 64
    if "tokenizer" in cfg.model:  # it is trained first; a random one is enough here
        cfg.model.tokenizer.weights = None
    if "image_size" in cfg.model:
        cfg.model.image_size = [64, 64]
    model = instantiate(cfg.model)
    if num_classes:  # else it trains without labels, so there is no test
        assert num_classes == {model.num_classes}
    instantiate(cfg.optimizer)(model)
    schedule = instantiate(cfg.schedule)
    assert 0 < schedule(cfg.train.max_iter - 1) <= schedule(cfg.train.max_iter // 2) <= 1
    instantiate(cfg.dataloader.train.get("mapper"))
    for name in cfg.dataloader.test:
        instantiate(cfg.evaluator)(dataset=name)
    unlabelled = cfg.dataloader.train.get("unlabelled")
    if unlabelled:
        mapper = instantiate(unlabelled).mapper
        if hasattr(mapper, "input_size"):
            assert mapper.input_size == tuple(cfg.dataloader.train.mapper.input_size)
        assert set(unlabelled.datasets) <= set(DatasetCatalog.list())
    size = model.tracker.size if isinstance(model, BoxSam2) else getattr(model, "image_size", 64)
    if isinstance(model, CycleGAN):
        size, _ = size
    clips, targets, *views = _sample(size, unlabelled=bool(unlabelled))
    if isinstance(model, ClipClassifier):
        targets = [LabelTarget(0)]
    if isinstance(model, MaskTokenizer):
        labels = targets[0].masks[0].long()
        clips[0].frames = shares_of_labels(labels, model.num_classes)
    if isinstance(model, ManyCropsModel | MomentumContrastModel):
        clips, targets, views = [], [], [[UnlabelledViews([clips[0]] * 2, [])]]
    if isinstance(getattr(model, "student", None), FrameEncoder):
        clips, targets = [], []
    if isinstance(model, CycleGAN):
        assert cfg.dataloader.train.size == [64, 64]
        clips, targets, views = [], [], [[UnlabelledViews(clips, clips)]]
    if isinstance(model, Enhancer):
        clips, targets, views = [], [], [[UnlabelledViews(clips, clips)]]
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
    assert "lgrnet/demo.py" in CONFIGS and len(CONFIGS) >= 20 and len(EARLIER) >= 15


def test_every_file_of_configs_is_in_the_documentation():
    page = (ROOT / "docs/configs.md").read_text()
    names = [Path(name).name for name in CONFIGS]
    assert [name for name in names if name not in page] == []
    methods = [path.stem for path in ROOT.glob("configs/methods/*.py")]
    assert [name for name in methods if f"| `{name}` |" not in page] == []


def test_the_models_of_equal_size_have_equally_many_parameters():
    """The frozen tokenizer of AR-SEG counts, because it was trained for it."""
    sizes = {}
    for file in (ROOT / "configs/equal_size").glob("*.py"):
        cfg = load_config(file)
        if "tokenizer" in cfg.model:
            cfg.model.tokenizer.weights = None
        sizes[file.stem] = sum(p.numel() for p in instantiate(cfg.model).parameters())
    assert len(sizes) == 5
    assert max(sizes.values()) < 1.05 * min(sizes.values()), sizes


SYSTEMS = [
    "lgrnet/base.py",
    "baselines/unet.py",
    "foundation/usfm_segvit.py",
    "box_sam2/base.py",
    "ar_seg/tokenizer.py",
    "ar_seg/next_scale.py",
]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(
    "dataset", ["phantom_study", "phantom_apical", "cardiac_udc", "brain_tumor", "camus"]
)
def test_every_system_is_for_every_dataset(system, dataset):
    cfg = load_config(ROOT / "configs" / system, [f"dataset={dataset}"])
    assert cfg.dataset == dataset and cfg.train.output_dir.endswith(f"_{dataset}")
    assert cfg.dataloader.train.dataset.startswith(dataset)
    tests = cfg.dataloader.test.values()
    (num_classes,) = {len(MetadataCatalog.get(test.dataset).classes) for test in tests}
    count = cfg.model.num_classes if "num_classes" in cfg.model else cfg.model.decoder.num_classes
    assert count == num_classes
