"""lgrseg/config/lazy.py: what a config may say, what it may not, and that nothing leaks."""

import re
import textwrap
from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

import pytest
from omegaconf import OmegaConf

from lgrseg.config import (
    ConfigError,
    L,
    instantiate,
    load_config,
    locate,
    save_config,
    without_weights,
)
from lgrseg.config.setting_types import SettingError
from lgrseg.config.targets import UnknownNameError, UntrustedTargetError


class Box:
    def __init__(self, *, width=1, inside=None, sizes=()):
        self.width, self.inside, self.sizes = width, inside, sizes


@pytest.fixture
def configs(tmp_path):
    """A tree of three configs: common/part.py, edited differently by a.py and b.py."""
    write(
        tmp_path / "common" / "part.py",
        """
        from collections import Counter
        from lgrseg.config import L
        from omegaconf import OmegaConf
        train = OmegaConf.create(dict(steps=10, list=[dict(prob=0.5), dict(prob=0.1)]))
        box = L(Counter)(a=1)
        """,
    )
    write(tmp_path / "a.py", "from .common.part import train\ntrain.steps = 20\n")
    write(tmp_path / "b.py", "from .common.part import train\ntrain.list[0].prob = 0.9\n")
    write(
        tmp_path / "both.py",
        """
        from .a import train
        from .b import train as other
        from .common import part
        part.train.steps = 30
        third = part.train
        """,
    )
    return tmp_path


def write(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(text))


def test_nothing_is_built_until_instantiate():
    cfg = L(Box)(width=2, inside=L(Box)(sizes=[1, 2]))
    cfg.inside.width = 5
    box = instantiate(cfg)
    assert (box.width, box.inside.width, box.inside.sizes) == (2, 5, [1, 2])


def test_partial_waits_for_the_rest():
    build = instantiate(L(Box, partial=True)(width=3))
    assert build(inside="x").width == 3
    assert instantiate(L(Box)(width=3), inside="y").inside == "y"


def test_wrong_argument_suggests_the_right_one():
    with pytest.raises(TypeError, match="no argument 'witdh'; did you mean 'width'"):
        L(Box)(witdh=2)


def test_an_error_while_building_names_the_key():
    cfg = OmegaConf.create({"model": {"inside": L(OrderedDict.fromkeys)(iterable=3)}})
    cfg.model.inside._target_ = "builtins.int"
    message = r"^model.inside \(builtins.int\) cannot be built with iterable=3: .*argument"
    with pytest.raises(ConfigError, match=message):
        instantiate(cfg.model)


class Typed:
    def __init__(
        self,
        *,
        count: int = 1,
        rate: float = 0.1,
        flag: bool = False,
        name: str | None = None,
        size: tuple[int, int] = (1, 1),
        many: Sequence[float] = (),
        mode: Literal["a", "b"] = "a",
        part: Box = None,
        other: "Missing" = None,  # noqa: F821  an annotation that cannot be read
    ):
        self.given = locals()


class Known(Typed):
    def __init__(
        self,
        *,
        count: int = 1,
        rate: float = 0.1,
        flag: bool = False,
        name: str | None = None,
        size: tuple[int, int] = (1, 1),
        many: Sequence[float] = (),
        mode: Literal["a", "b"] = "a",
        part: Box = None,
    ):
        self.given = locals()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 2.5}, "model.count is a whole number, not 2.5"),
        ({"count": True}, "model.count is a whole number, not True"),
        ({"rate": "fast"}, "model.rate is a finite number, not 'fast'"),
        ({"rate": float("nan")}, "model.rate is a finite number, not nan"),
        ({"rate": float("inf")}, "model.rate is a finite number, not inf"),
        ({"rate": [0.1]}, "model.rate is a finite number, not "),
        ({"flag": "flase"}, "model.flag is true or false, not 'flase'"),
        ({"flag": 1}, "model.flag is true or false, not 1"),
        ({"name": 5}, "model.name is text, or null, not 5; for text, quote it"),
        ({"size": [1, 2, 3]}, "model.size is a list of 2: a whole number, a whole number, not "),
        ({"size": 4}, "model.size is a list of 2"),
        ({"many": [1, "x"]}, "model.many is a list, each item a finite number, not "),
        ({"many": "0.5"}, "model.many is a list"),
        ({"mode": "c"}, "model.mode is one of a, b, not 'c'"),
        ({"part": "unet"}, "model.part is a Box, not 'unet'"),
    ],
)
def test_a_setting_of_another_kind_is_refused(settings, message):
    cfg = OmegaConf.create({"model": L(Known)(**settings)})
    with pytest.raises(SettingError, match=re.escape(message)):
        instantiate(cfg.model)


def test_settings_that_fit_reach_the_constructor():
    settings = {"count": 1e3, "rate": 1, "flag": True, "name": "x", "size": [2, 3], "many": [1, 2]}
    given = instantiate(L(Known)(**settings, mode="b", part=L(Box)())).given
    assert {key: given[key] for key in settings} == settings
    assert isinstance(given["count"], int) and given["mode"] == "b"
    assert isinstance(given["part"], Box)
    assert instantiate(L(Known)(part=None, name=None)).given["part"] is None  # the default
    # Where one annotation cannot be read none is, and the constructor judges.
    assert instantiate(L(Typed)(count="many")).given["count"] == "many"


def test_a_target_that_does_not_exist_is_named_with_its_key():
    cfg = OmegaConf.create({"model": {"head": L(Box)()}})
    cfg.model.head._target_ = "collections.OrderdDict"
    with pytest.raises(UnknownNameError, match="did you mean 'OrderedDict'") as caught:
        instantiate(cfg.model)
    assert caught.value.__notes__ == [
        "while building collections.OrderdDict (config key: model.head)"
    ]
    cfg.model.head._target_ = 5
    with pytest.raises(UnknownNameError, match="import path like torch.optim.AdamW, not 5"):
        instantiate(cfg.model)


def test_a_target_with_free_keywords_judges_overrides_itself(tmp_path):
    write(
        tmp_path / "free.py",
        "from lgrseg.config import L\nfrom lgrseg.modeling.foundation import build_encoder\n"
        "e = L(build_encoder)(name='resnet18')\n",
    )
    cfg = load_config(tmp_path / "free.py", ["e.depths=[1,1,1,1]"])
    assert cfg.e.depths == [1, 1, 1, 1]
    with pytest.raises(ValueError, match="no setting 'depth'; did you mean 'depths'"):
        instantiate(load_config(tmp_path / "free.py", ["e.depth=[1,1,1,1]"]).e)


def test_a_part_written_as_a_plain_dict_is_a_part(tmp_path):
    write(tmp_path / "plain.py", "train = dict(max_iter=5)\nhelper = dict(a=object())\n")
    cfg = load_config(tmp_path / "plain.py", ["train.max_iter=6"])
    assert cfg == {"train": {"max_iter": 6}}


def test_the_projects_configs_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config("configs/common/train.py").train.max_iter == 1000
    with pytest.raises(FileNotFoundError, match="the configs of lgrseg are in .*configs"):
        load_config("configs/common/trian.py")


def test_a_lambda_has_no_name():
    with pytest.raises(ValueError, match="no importable name"):
        L(lambda: 1)


def test_two_configs_that_edit_one_part_stay_apart(configs):
    both = load_config(configs / "both.py")
    assert (both.train.steps, both.train.list[0].prob) == (20, 0.5)
    assert (both.other.steps, both.other.list[0].prob) == (10, 0.9)
    assert both.third.steps == 30
    assert load_config(configs / "b.py").train.steps == 10  # and two loads stay apart


def test_overrides(configs):
    cfg = load_config(
        configs / "a.py", ["train.steps=1e2", "train.list.1.prob=0.7", "train.list.0={prob: 1}"]
    )
    assert cfg.train.steps == 100.0
    assert [item.prob for item in cfg.train.list] == [1, 0.7]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.step=1", "no config key 'train.step'; did you mean 'steps'"),
        ("trian.steps=1", "did you mean 'train'"),
        ("train.list.2.prob=1", "a list of 2, counted from 0"),
        ("train.list.first=1", "a list of 2"),
        ("train.steps.x=1", "'train.steps' is 20"),
    ],
)
def test_unknown_keys_are_errors(configs, override, message):
    with pytest.raises(KeyError, match=message):
        load_config(configs / "a.py", [override])


def test_an_argument_the_config_does_not_name_may_be_set(tmp_path):
    write(
        tmp_path / "c.py",
        "from lgrseg.config import L\nfrom collections import namedtuple\n"
        "from lgrseg.structures import Geometry\n"
        "g = L(Geometry)(original_size=[4, 4], crop_box=[0, 0, 4, 4], input_size=[4, 4])\n",
    )
    cfg = load_config(tmp_path / "c.py", ["g.spacing_mm=[1, 2]"])
    assert instantiate(cfg.g).spacing_mm == [1, 2]
    with pytest.raises(KeyError, match="did you mean 'spacing_mm'"):
        load_config(tmp_path / "c.py", ["g.spacing=[1, 2]"])


def test_yaml_round_trip(configs, tmp_path):
    cfg = load_config(configs / "both.py")
    save_config(cfg, tmp_path / "run.yaml")
    again = load_config(tmp_path / "run.yaml", ["train.steps=21"])
    assert again.train.steps == 21
    again.train.steps = 20
    assert again == cfg


def test_missing_files_and_parts(configs, tmp_path):
    with pytest.raises(FileNotFoundError, match="no config file"):
        load_config(tmp_path / "nothing.py")
    write(tmp_path / "d.py", "from .common import prat\n")
    with pytest.raises(ImportError, match="did you mean 'part'"):
        load_config(tmp_path / "d.py")
    with pytest.raises(ValueError, match="key=value"):
        load_config(configs / "a.py", ["train.steps"])
    with pytest.raises(ImportError, match="did you mean 'Geometry'"):
        locate("lgrseg.structures.Geometrie")


def yaml(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    return tmp_path / "config.yaml"


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.exec",
        "subprocess.run",
        "torch.hub.load",
        "torch.nn.modules.module.torch.load",  # through the names that a trusted module imports
        "lgrseg.data.streams.np.load",
        "lgrseg.config.builtins.exec",
        "lgrseg.engine.run_folder.clear_run",
        "lgrseg.data_of_somebody_else.Thing",
    ],
)
def test_a_yaml_config_cannot_call_anything(tmp_path, target):
    file = yaml(tmp_path, f"model:\n  parts:\n  - _target_: {target}\n    command: touch bomb\n")
    with pytest.raises(UntrustedTargetError, match=rf"model.parts.0._target_ names '{target}'"):
        load_config(file)


def test_a_package_of_ones_own_can_be_trusted(tmp_path, monkeypatch):
    file = yaml(tmp_path, "model:\n  _target_: fractions.Fraction\n  numerator: 3\n")
    with pytest.raises(UntrustedTargetError, match="--trust fractions to .*=fractions$"):
        load_config(file)
    monkeypatch.setenv("LGRSEG_TRUSTED", "somebody, fractions")
    assert instantiate(load_config(file).model) == 3


@pytest.mark.parametrize("text", ["a: [1", "- 1\n- 2\n", "!!python/object:os.system {}", "\0"])
def test_what_is_no_yaml_config_is_told(tmp_path, text):
    with pytest.raises(ValueError, match="config.yaml (is not a YAML config|has a list)"):
        load_config(yaml(tmp_path, text))


def test_a_model_without_the_weights_it_starts_from():
    inside = {"width": "${..width}", "weights": "facebook/somewhere"}
    parts = [{"weights": "a.pth"}, 3]
    cfg = OmegaConf.create({"model": {"width": 2, "inside": inside, "parts": parts}})
    cfg.model.unknown = "???"
    cleared = without_weights(cfg.model)
    assert cleared.inside.weights is None and cleared.parts[0].weights is None
    assert cleared.inside.width == 2 and cleared.parts[1] == 3
    assert cfg.model.inside.weights == "facebook/somewhere"
