"""What is wrong with a config is found before a model is built."""

import pytest

from lgrseg.config import L
from lgrseg.data import AnnotatedMapper
from lgrseg.data.catalog import DatasetCatalog, Metadata, MetadataCatalog
from lgrseg.engine.trainer import DefaultTrainer

if "nobody" not in DatasetCatalog.list():
    DatasetCatalog.register("nobody", list)
    MetadataCatalog.register("nobody", Metadata(classes=("disc",), colors=((255, 0, 0),)))


@pytest.fixture
def cfg(tiny_cfg):
    """A config whose model cannot be built, so that whatever is found was found before."""
    tiny_cfg.model._target_ = "lgrseg.nothing.Here"
    return tiny_cfg


@pytest.mark.parametrize("dataset", ["nobody", "tiyn"])
def test_an_empty_or_misspelt_test_dataset(cfg, dataset):
    cfg.dataloader.test.tiny.dataset = dataset
    message = "holds no video" if dataset == "nobody" else "the nearest are tiny, "
    with pytest.raises(ValueError, match=message) as caught:
        DefaultTrainer(cfg)
    assert f"config key: dataloader.test.{dataset}" in caught.value.__notes__[0]


def test_videos_whose_windows_nothing_tells(cfg):
    cfg.dataloader.test.tiny.mapper = L(AnnotatedMapper)(num_frames=1, input_size=[32, 32])
    with pytest.raises(ValueError, match="nothing.Here"):
        DefaultTrainer(cfg)
    cfg.train.export_videos = 1
    with pytest.raises(ValueError, match="AnnotatedMapper has no frame_sampler"):
        DefaultTrainer(cfg)


def test_a_missing_part(cfg):
    del cfg["schedule"]
    with pytest.raises(ValueError, match="train, model, .*; there is no schedule"):
        DefaultTrainer(cfg)


@pytest.mark.parametrize("part", ["train", "test"])
def test_no_data(cfg, part):
    del cfg.dataloader[part]
    with pytest.raises(ValueError, match=rf"dataloader.{part} is None; it describes a loader"):
        DefaultTrainer(cfg)


def test_settings_that_were_left_out_are_saved_too(tiny_cfg):
    del tiny_cfg.train["seed"]
    trainer = DefaultTrainer(tiny_cfg)
    assert (trainer.cfg.train.seed, trainer.cfg.train.accumulate) == (0, 1)
    assert trainer.cfg.datasets.tiny.classes == ["disc"]
    assert "datasets" not in tiny_cfg
