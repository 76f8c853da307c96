"""lgrseg/data/described.py: what a run's config says of its datasets, and who registered them."""

import sys
import textwrap

import pytest
from omegaconf import OmegaConf

from lgrseg.data.catalog import DatasetCatalog, MetadataCatalog
from lgrseg.data.described import dataset_names, describe_datasets, know_datasets

OWN = """
    from lgrseg.data.catalog import Metadata
    from lgrseg.data.splits import register_splits

    METADATA = Metadata(classes=("cyst",), colors=((1, 2, 3),))
    register_splits("own_described", ("train", "val"), METADATA, how_to_get="Ask.")
"""


def config(train, test, **more):
    loaders = {"train": {"dataset": train}, "test": {name: {"dataset": name} for name in test}}
    return OmegaConf.create({"dataloader": loaders, **more})


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "own_described_data.py").write_text(textwrap.dedent(OWN))
    monkeypatch.syspath_prepend(tmp_path)
    import own_described_data  # noqa: F401

    yield "own_described_data"
    del sys.modules["own_described_data"]
    for catalog in (DatasetCatalog, MetadataCatalog):
        for name in ("own_described_train", "own_described_val"):
            del catalog._entries[name]


def test_the_module_that_registered_a_dataset_is_listed(own_module):
    assert DatasetCatalog.home("own_described_val") == own_module
    assert DatasetCatalog.home("camus_train") is None  # the project's own
    cfg = config("camus_train", ["own_described_val"], imports=["first"])
    described = describe_datasets(cfg)
    assert described.imports == ["first", own_module]
    assert described.datasets.own_described_val == {"classes": ["cyst"], "colors": [[1, 2, 3]]}
    assert described.datasets.camus_train.classes[0] == "left_ventricle"
    assert "datasets" not in cfg and describe_datasets(described) == described


def test_all_names_of_a_config():
    cfg = config(["a", "b"], ["b", "c"])
    cfg.dataloader.train.unlabelled = {"datasets": ["d"]}
    assert dataset_names(cfg) == ["a", "b", "d", "c"]


def test_a_described_dataset_has_classes_but_no_videos(tmp_path):
    facts = {"classes": ["cyst"], "colors": [[1, 2, 3]]}
    know_datasets({"known_by_its_classes": facts}, tmp_path / "config.yaml")
    assert MetadataCatalog.get("known_by_its_classes").classes == ("cyst",)
    with pytest.raises(ValueError, match="To use a dataset of your own, import the module"):
        DatasetCatalog.get("known_by_its_classes")
    # What code says goes before what a file says.
    know_datasets({"camus_train": facts}, tmp_path / "config.yaml")
    assert MetadataCatalog.get("camus_train").classes[0] == "left_ventricle"


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"classes": ["a"]}, "datasets.x must have classes"),
        ({"classes": ["a"], "colors": [[1, 2]]}, "datasets.x must have classes"),
        ("a", "datasets.x must have classes"),
        ({"classes": ["a", "b"], "colors": [[1, 2, 3]]}, "has 2 classes and 1 colors"),
    ],
)
def test_a_description_of_another_form_is_refused(tmp_path, facts, message):
    with pytest.raises(ValueError, match=message):
        know_datasets({"x": facts}, tmp_path / "config.yaml")
