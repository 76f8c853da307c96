"""renamed.py: configs that earlier versions saved."""

import importlib
import importlib.util

import pytest

from lgrseg.config import instantiate, load_config
from lgrseg.config.renamed import CLASSES, MODULES, with_present_names
from lgrseg.data import ClipMapper
from lgrseg.modeling.lgrnet.decoder import MaskedDecoder

EARLIER = """
model: {_target_: lgrseg.modeling.decoder.MaskedDecoder, num_classes: 2, dim: 16, num_heads: 2}
dataloader:
  test:
    mine:
      mapper:
        _target_: lgrseg.data.mapper.ClipMapper
        frame_sampler: {_target_: lgrseg.data.frame_sampling.WholeVideoSampler}
        augmentations: [{_target_: lgrseg.data.transforms.RandomGamma}]
        input_size: [32, 32]
"""


def test_a_config_of_an_earlier_version_is_built(tmp_path):
    (tmp_path / "config.yaml").write_text(EARLIER)
    cfg = load_config(tmp_path / "config.yaml", ["model.num_layers=1"])
    assert isinstance(instantiate(cfg.model), MaskedDecoder)
    assert isinstance(instantiate(cfg.dataloader.test.mine.mapper), ClipMapper)


@pytest.mark.parametrize("old", MODULES)
def test_every_new_name_is_a_module_and_no_new_name_is_renamed_again(old):
    assert importlib.util.find_spec(MODULES[old])
    once = with_present_names([{"_target_": f"{old}.Name"}])
    assert once == [{"_target_": f"{MODULES[old]}.Name"}] == with_present_names(once)


@pytest.mark.parametrize("old", CLASSES)
def test_a_class_that_left_its_module_is_where_the_table_says(old):
    (node,) = with_present_names([{"_target_": old}])
    module, _, name = node["_target_"].rpartition(".")
    assert module == CLASSES[old] and hasattr(importlib.import_module(module), name)
    assert with_present_names(node) == node


def test_a_class_that_left_a_renamed_module():
    node = with_present_names({"_target_": "lgrseg.modeling.encoder.EncoderLayer"})
    assert node == {"_target_": "lgrseg.modeling.lgrnet.encoder_layer.EncoderLayer"}
    assert with_present_names({"_target_": "EncoderLayer"}) == {"_target_": "EncoderLayer"}
