"""What a user imports: every name is there, light where it must be, and every example runs."""

import importlib
import inspect
import os
import textwrap

import numpy as np
import pytest
import torch
from conftest import square_video
from forked import run_script
from loaded_modules import modules_after
from safetensors.torch import save_file

from lgrseg.config import load_config, save_config
from lgrseg.data.datasets import phantom
from lgrseg.data.phantom import presets, raw_layouts
from lgrseg.data.prepare import prepare
from lgrseg.visualization.overlays import write_mp4

PHANTOM = "configs/lgrnet/demo.py"
EXPECTED = {
    "lgrseg": ["Predictor", "Result", "read_video", "__version__"],
    "lgrseg.config": ["L", "LazyCall", "instantiate", "load_config", "save_config"],
    "lgrseg.data": [
        "DatasetCatalog",
        "MetadataCatalog",
        "VideoRecord",
        "build_test_loader",
        "build_train_loader",
        "register_dataset",
    ],
    "lgrseg.engine": ["DefaultTrainer", "HookBase", "SimpleTrainer", "EvalHook"],
    "lgrseg.modeling": ["BoxSam2", "LGRNet", "PerPixelSegmenter", "build_model", "SetCriterion"],
}
LIGHT = {
    "lgrseg": ("torch", "numpy", "cv2"),
    "lgrseg.engine": ("torch", "triton", "transformers"),
    "lgrseg.modeling": ("torch", "triton", "transformers"),
}
"""Package -> what importing it does not load; tests/data/test_imports.py looks at the data."""
SHORT = [
    "train.max_iter=1",
    "train.eval_period=0",
    "train.export_videos=0",
    "train.output_dir=output/short",
    "dataloader.train.mapper.input_size=[32,32]",
    "dataloader.test.phantom_demo_val.mapper.input_size=[32,32]",
    "dataloader.test.phantom_demo_test.mapper.input_size=[32,32]",
]


@pytest.mark.parametrize("package", EXPECTED)
def test_names_are_there(package):
    module = importlib.import_module(package)
    for name in EXPECTED[package]:
        assert getattr(module, name) is not None and name in dir(module)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        module.nothing  # noqa: B018
    with pytest.raises(ImportError):
        importlib.import_module(f"{package}.nothing")


@pytest.mark.parametrize("package", LIGHT)
def test_importing_a_package_is_light(package):
    loaded = modules_after(package)
    assert package in loaded
    heavy = LIGHT[package]
    assert not [name for name in loaded if name in heavy or name.startswith(tuple(heavy))]


def examples(thing) -> list[str]:
    """The programs in a docstring: indented blocks that begin with an import."""
    blocks, lines = [], []
    for line in [*inspect.getdoc(thing).splitlines(), "end"]:
        if line.startswith("    ") or (not line and lines):
            lines.append(line)
        elif lines:
            blocks.append(textwrap.dedent("\n".join(lines)))
            lines = []
    return [block for block in blocks if block.startswith(("import ", "from "))]


def _all_examples():
    things = [importlib.import_module(package) for package in EXPECTED]
    things.append(importlib.import_module("lgrseg.data").register_dataset)
    things.append(importlib.import_module("lgrseg.modeling").build_model)
    for thing in things:
        found = examples(thing)
        assert found, f"{thing.__name__} has no example"
        yield from (pytest.param(text, id=f"{thing.__name__}-{n}") for n, text in enumerate(found))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run, a clip, a prepared dataset of one's own and a small phantom."""
    folder = tmp_path_factory.mktemp("place")
    torch.manual_seed(0)
    cfg = load_config(PHANTOM)
    checkpoints = folder / "output" / "demo" / "checkpoints"
    checkpoints.mkdir(parents=True)
    save_config(cfg, folder / "output" / "demo" / "config.yaml")
    model = importlib.import_module("lgrseg.modeling").build_model(cfg, device="cpu")
    save_file(model.state_dict(), checkpoints / "best.safetensors")
    frames = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)
    write_mp4(folder / "clip.mp4", frames, fps=10)
    for name in ("mine", "mine_val"):
        for number in (1, 2):
            square_video(folder / "datasets" / name, f"v{number}", patient=f"p{number}")
    scan = presets.scans("demo")["Site_P_1/patient1-4"]
    scan.num_frames = 3
    for site in ("Site_P_1", "Site_P_3", "Site_P_4"):
        raw_layouts.write_scan(folder / "raw", f"{site}/patient1-4", scan, annotated=[1])
    videos, problems = phantom.PhantomSource("demo").find_videos(folder / "raw")
    prepare(videos, problems, folder / "datasets" / "phantom_demo")
    return folder


@pytest.mark.parametrize("text", _all_examples())
def test_the_examples_of_docstrings_run(place, tmp_path, text):
    program = tmp_path / "example.py"
    program.write_text(text.replace('["train.max_iter=20"]', repr(SHORT)))
    environment = {k: v for k, v in os.environ.items() if k != "LGRSEG_DATASETS"}
    done = run_script(program, [], cwd=place, environment=environment)
    assert done.returncode == 0, f"{text}\n{done.stderr}"
    if "result.save" in text:
        assert (place / "output" / "predictions" / "clip_measurements.json").is_file()
