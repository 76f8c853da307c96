"""Every command of the README: those in bash blocks run, as they are written, the long as slow.

The others need what is not here: they are parsed by their tools, and their configs loaded.

The commands run in a folder laid out like the project, on simulated data; what is appended only
makes them short.
"""

import argparse
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from forked import run_script

from lgrseg.config import load_config
from lgrseg.data.datasets import phantom
from lgrseg.data.prepare import prepare
from lgrseg.visualization.overlays import write_mp4

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
LINES = [
    (language, line.partition(" # ")[0].strip())
    for language, block in BLOCKS
    for line in block.splitlines()
    if re.match(r"(\w+=\S+ )?(python|torchrun|pip|make) ", line)
]
COMMANDS = [line for language, line in LINES if language == "bash"]
BOXES = [line for _, line in LINES if "box" in line]
TAKE_LONG = (
    "torchrun",
    "ablation.py",
    "visualize_features.py",
    "compare_backbones.py",
    "benchmark.py metrics",
)
PARSED = {
    "benchmark.py all": "measures for a quarter of an hour",
    "dinov2_small=weights": "needs published weights, and images of brain tumours",
    "visualize_features.py --run": "needs the run of that config",
    "model.backbone.weights=weights/USFM": "needs USFM's weights",
}
ELSEWHERE = {
    "make demo": "installs, and trains for minutes",
    "make test": "runs these tests",
    "pip wheel": "needs a network",
    "pip install": "installs what the line before fetched",
}
SHORT = [
    "train.eval_period=0",
    "train.log_period=1",
    "dataloader.train.mapper.input_size=[64,64]",
    "dataloader.test.camus_4ch_val.mapper.input_size=[64,64]",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder like the project's, with a raw CAMUS, a clip and a run in output/demo."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("tools", "configs"):
        (folder / name).symlink_to(ROOT / name)
    raw = folder / "path" / "to"
    phantom.write_raw_camus(raw / "CAMUS", num_patients=3)
    frames = np.repeat(np.arange(3, dtype=np.uint8)[:, None, None, None] * 50, 64, axis=1)
    write_mp4(raw / "clips" / "a.mp4", np.tile(frames, (1, 1, 64, 3)), fps=5)
    run(folder, "python tools/prepare_dataset.py camus --raw path/to/CAMUS --out datasets/camus")
    train = "python tools/train_net.py --config-file configs/lgrnet/camus.py"
    run(folder, f"{train} train.output_dir=output/demo train.max_iter=1 {' '.join(SHORT)}")
    return folder


def run(folder, command):
    """The command's status and output; tools run in a fork of this process."""
    program, *words = shlex.split(command)
    environment = {k: v for k, v in os.environ.items() if k != "LGRSEG_DATASETS"}
    environment["OMP_NUM_THREADS"] = "1"
    if program == "python":
        return run_script(folder / words[0], words[1:], cwd=folder, environment=environment)
    assert program == "torchrun"
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


def _command(command: str):
    """A parameter of the test, slow where it takes long; test files of these tools run always."""
    slow = any(part in command for part in TAKE_LONG)
    return pytest.param(command, marks=pytest.mark.slow if slow else ())


@pytest.mark.parametrize("command", map(_command, COMMANDS))
def test_command(place, command):
    if "train_net.py" in command and "--eval-only" not in command:
        iterations = 2 if "--resume" in command else 1
        command = f"{command} train.max_iter={iterations} {' '.join(SHORT)}"
    if "ablation.py" in command:  # one config, one seed
        command = command.replace("configs/lgrnet/camus.py ", "")
        command = command.replace("--seeds 0 1 2", "--seeds 0")
        command = f"{command} train.max_iter=1 {' '.join(SHORT)}"
    if "compare_backbones.py" in command:  # one backbone, which stands for the others
        command = command.replace(" dinov3_convnext_tiny", "")
        command = f"{command} train.max_iter=1 {' '.join(SHORT)}"
    if "_lgsd.py" in command:
        command += " dataloader.train.unlabelled.mapper.global_size=[64,64]"
        command += " dataloader.train.unlabelled.mapper.local_size=[32,32]"
    # The demo's datasets are the phantom's; here it was trained on the simulated CAMUS.
    command = command.replace("phantom_demo_test", "camus_4ch_val")
    command = command.replace("phantom_demo_val", "camus_4ch_val")
    result = run(place, command)
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def phantom_place(tmp_path_factory):
    """A folder like the project's, with a prepared phantom of three videos and a clip."""
    folder = tmp_path_factory.mktemp("phantom")
    for name in ("tools", "configs"):
        (folder / name).symlink_to(ROOT / name)
    scan = phantom.scans("demo")["Site_P_1/patient1-4"]
    scan.num_frames = 3
    for site in ("Site_P_1", "Site_P_3", "Site_P_4"):
        phantom.write_scan(folder / "raw", f"{site}/patient1-4", scan, annotated=[1])
    videos, problems = phantom.PhantomSource("demo").find_videos(folder / "raw")
    assert prepare(videos, problems, folder / "datasets" / "phantom_demo").num_usable == 3
    image = folder / "raw" / "cardiacUDC_dataset" / "Site_P_1" / "patient1-4_image.nii.gz"
    image.rename(folder / "CLIP.nii.gz")
    box = {"frame": 0, "box": [120, 40, 310, 290], "class": "left_ventricle"}
    (folder / "boxes.json").write_text(json.dumps([box]))
    return folder


@pytest.mark.slow
def test_boxes(phantom_place):
    """BOX-SAM2 is trained and predicts: each command builds on what those before have written."""
    short = "train.max_iter=1 train.eval_period=0 train.export_videos=0"
    train = "python tools/train_net.py --config-file configs/lgrnet"
    assert run(phantom_place, f"{train}/phantom_boxes.py {short}").returncode == 0
    whole = next(line for line in BOXES if "predict.py --config-file" in line)
    for line in BOXES:
        # "..." stands for what the command before it says.
        command = line.replace("tools/predict.py ...", whole.partition(" --box ")[0][7:])
        command = command.replace("--input CLIP", "--input CLIP.nii.gz")
        result = run(phantom_place, f"{command} {short if 'train_net' in command else ''}")
        assert result.returncode == 0, f"{command}\n{result.stderr}"
    assert len(BOXES) == 5


class Parsed(Exception):
    """Raised in a tool as soon as its words are parsed."""


@pytest.mark.parametrize(
    "command", [line for _, line in LINES if any(part in line for part in PARSED)]
)
def test_command_is_parsed(command, monkeypatch):
    words = shlex.split(command)
    words = words[words.index("python") + 1 :]
    for name in ("parse_args", "parse_intermixed_args"):
        monkeypatch.setattr(argparse.ArgumentParser, name, _stopping(name))
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])
    with pytest.raises(Parsed) as caught:
        runpy.run_path(str(ROOT / words[0]), run_name="__main__")
    (parsed,) = caught.value.args
    if hasattr(parsed, "config_file"):
        load_config(ROOT / parsed.config_file, parsed.overrides)  # each key is known


def _stopping(name):
    parse = getattr(argparse.ArgumentParser, name)

    def stop(*arguments, **settings):
        raise Parsed(parse(*arguments, **settings))

    return stop


def test_no_command_is_left_out():
    apart = {**PARSED, **ELSEWHERE}
    left = [line for language, line in LINES if language != "bash" and line not in BOXES]
    assert left and not [line for line in left if not any(part in line for part in apart)]
    for part in apart:
        assert any(part in line for line in left), f"{part!r} is no longer in the README"


def test_all_tools_are_named():
    tools = {path.name for path in (ROOT / "tools").glob("*.py")}
    assert {name for name in tools if any(name in command for command in COMMANDS)} == tools
