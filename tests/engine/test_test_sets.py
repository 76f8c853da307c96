"""Scores stand under the name of the dataset that they are of."""

import json

import pytest
from omegaconf import OmegaConf

from lgrseg.data.catalog import DatasetCatalog, Metadata, MetadataCatalog
from lgrseg.engine.test_sets import name_tests_by_dataset, with_test_sets
from lgrseg.engine.trainer import DefaultTrainer
from lgrseg.engine.writers import read_metrics

if "tiny_first" not in DatasetCatalog.list():
    DatasetCatalog.register("tiny_first", lambda: DatasetCatalog.get("tiny")[:1])
    DatasetCatalog.register("tiny_none", lambda: [])
    for name in ("tiny_first", "tiny_none"):
        MetadataCatalog.register(name, Metadata(classes=("disc",), colors=((255, 0, 0),)))


def test_another_dataset_is_scored_under_its_own_name(tiny_cfg, tmp_path, caplog):
    tiny_cfg.dataloader.test.tiny.dataset = "tiny_first"
    tiny_cfg.train.max_iter = 1
    trainer = DefaultTrainer(tiny_cfg)
    trainer.train()
    assert "dataloader.test.tiny reads tiny_first, so its results have this name" in caplog.text
    run = tmp_path / "run"
    assert [path.name for path in (run / "eval").iterdir()] == ["tiny_first"]
    results = json.loads((run / "eval/tiny_first/results.json").read_text())
    assert results["dataset"] == "tiny_first" and results["num_clips"] == 1
    assert "eval/tiny_first/mean_dice" in read_metrics(run)[-1]
    assert list(OmegaConf.load(run / "config.yaml").dataloader.test) == ["tiny_first"]
    assert list(tiny_cfg.dataloader.test) == ["tiny"]  # the caller's is as it was


def test_names_and_their_order():
    loaders = {"a": {"dataset": "a"}, "b": {"dataset": "c"}, "own": {"_target_": "my.loader"}}
    cfg = OmegaConf.create({"dataloader": {"test": loaders}})
    assert list(name_tests_by_dataset(cfg).dataloader.test) == ["a", "c", "own"]
    cfg.dataloader.test.b.dataset = "b"
    assert name_tests_by_dataset(cfg) is cfg
    cfg.dataloader.test.b.dataset = "a"
    with pytest.raises(ValueError, match="two loaders of dataloader.test read a"):
        name_tests_by_dataset(cfg)


def test_an_empty_test_dataset_is_found_before_training(tiny_cfg, tmp_path):
    tiny_cfg.dataloader.test.tiny.dataset = "tiny_none"
    with pytest.raises(ValueError, match="holds no video") as caught:
        DefaultTrainer(tiny_cfg).train()
    assert "config key: dataloader.test.tiny_none" in caught.value.__notes__[0]
    assert not (tmp_path / "run").exists()


def test_other_datasets_are_read_as_the_first_one_is():
    cfg = OmegaConf.create(
        {
            "dataset": "mine",
            "dataloader": {
                "test": {
                    "val": {"dataset": "${dataset}_val", "mapper": {"input_size": [64, 64]}},
                    "b": {"dataset": "b", "mapper": {"input_size": [32, 32]}},
                }
            },
        }
    )
    asked = with_test_sets(cfg, ["mine_test", "b", "mine_test"]).dataloader.test
    assert list(asked) == ["mine_test", "b"]
    assert asked.mine_test == {"dataset": "mine_test", "mapper": {"input_size": [64, 64]}}
    assert asked.b.mapper.input_size == [32, 32]
    assert list(cfg.dataloader.test) == ["val", "b"]
    with pytest.raises(ValueError, match="could read mine_test"):
        with_test_sets(OmegaConf.create({"dataloader": {"test": {}}}), ["mine_test"])


def test_a_key_that_the_name_ends_in_is_no_surprise(caplog):
    cfg = OmegaConf.create({"dataloader": {"test": {"val": {"dataset": "mine_val"}}}})
    assert list(name_tests_by_dataset(cfg).dataloader.test) == ["mine_val"]
    assert not caplog.text
