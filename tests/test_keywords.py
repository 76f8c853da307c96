"""A config's keys are checked against arguments, so nothing that it names may hide its own."""

import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import lgrseg
from lgrseg.config import L, instantiate, load_config
from lgrseg.config.targets import TARGET, TRUSTED, locate
from lgrseg.data import FixedCopies, PromptedMapper
from lgrseg.modeling.foundation import build_encoder
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter
from lgrseg.modeling.lgrnet.decoder import BoxDecoder, MaskedDecoder

ROOT = Path(__file__).parents[1]
PARTS = ("common", "datasets", "methods")
CHECK_THEMSELVES = {f"{build_encoder.__module__}.build_encoder"}
"""It takes the settings of any class of transformers, and refuses those that the class has not."""
BUILT_BY_IT = "lgrseg.modeling.foundation."


def hides_keywords(target) -> bool:
    parameters = inspect.signature(target).parameters.values()
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def targets(node) -> set[str]:
    """Import paths of all that a config calls."""
    if isinstance(node, list):
        return set().union(*map(targets, node))
    if not isinstance(node, dict):
        return set()
    own = {node[TARGET]} if TARGET in node else set()
    return own.union(*map(targets, node.values()))


def test_no_config_names_what_hides_its_keywords():
    files = [path for path in ROOT.glob("configs/*/*.py") if path.parent.name not in PARTS]
    methods = ["hts+lgsd", "mean_teacher", "boxes+box_only"]
    configs = [load_config(path) for path in files] + [
        load_config(ROOT / "configs/lgrnet/base.py", [f"method={method}"]) for method in methods
    ]
    named = targets([OmegaConf.to_container(cfg) for cfg in configs])
    assert len(named) > 50
    assert {path for path in named if hides_keywords(locate(path))} <= CHECK_THEMSELVES


def test_no_class_that_a_config_may_name_hides_its_keywords():
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(lgrseg.__path__, "lgrseg.")
        if module.name.startswith((*TRUSTED, "lgrseg.studies.comparison"))
    ]
    classes = {
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value)
        and value.__module__.startswith("lgrseg.")
        and not getattr(value, "_is_protocol", False)
    }
    assert len(classes) > 100
    hiding = {
        f"{kind.__module__}.{kind.__qualname__}"
        for kind in classes
        if "__init__" in vars(kind) and hides_keywords(kind.__init__)
    }
    assert not {name for name in hiding if not name.startswith(BUILT_BY_IT)}


CONFIG = """
from lgrseg.config import L
from lgrseg.data import DenseSampler, FixedCopies, PromptedMapper
from lgrseg.modeling.lgrnet.decoder import BoxDecoder
prompted = L(PromptedMapper)(frame_sampler=L(DenseSampler)(num_frames=1), input_size=[8, 8])
fixed = L(FixedCopies)(frame_sampler=L(DenseSampler)(num_frames=1), input_size=[8, 8])
decoder = L(BoxDecoder)(num_classes=1, box_head=None)
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "parts.py").write_text(CONFIG)
    return tmp_path / "parts.py"


def test_valid_overrides_are_accepted(file):
    given = ["prompted.every=3", "prompted.augmentations=[]", "fixed.copies=0"]
    cfg = load_config(file, [*given, "decoder.dim=32", "decoder.num_queries=4"])
    assert (instantiate(cfg.prompted).every, instantiate(cfg.fixed).input_size) == (3, (8, 8))
    assert (cfg.decoder.dim, cfg.decoder.num_queries) == (32, 4)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("prompted.evry", "every"),
        ("prompted.augmentation", "augmentations"),
        ("fixed.copy", "copies"),
        ("decoder.num_querys", "num_queries"),
        ("decoder.settings", "?"),
    ],
)
def test_misspelt_overrides_are_refused(file, key, meant):
    with pytest.raises(KeyError, match=f"no config key '{key}'") as caught:
        load_config(file, [f"{key}=1"])
    assert meant == "?" or f"did you mean '{meant}'" in str(caught.value)


@pytest.mark.parametrize("target", [PromptedMapper, FixedCopies, BoxDecoder])
def test_misspelt_arguments_are_refused(target):
    with pytest.raises(TypeError, match="has no argument 'spelt_wrong'"):
        L(target)(spelt_wrong=1)


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (BoxDecoder, MaskedDecoder),
        ("lgrseg.studies.comparison.cached.CachedSegmenter", PerPixelSegmenter),
    ],
)
def test_what_a_subclass_passes_on_has_the_defaults_of_its_base(kind, base):
    own = inspect.signature(locate(kind) if isinstance(kind, str) else kind).parameters
    for name, parameter in inspect.signature(base).parameters.items():
        assert own[name].default == parameter.default or name == "box_head"
