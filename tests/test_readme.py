"""Every command of the README runs, as it is written (the two `make` targets aside).

The commands run in a folder laid out like the project, on a simulated CAMUS; what is appended only
makes them short.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from forked import run_script

from lgrseg.data.datasets import phantom
from lgrseg.video import write_mp4

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
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


@pytest.mark.parametrize("command", COMMANDS)
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


def test_all_tools_are_named():
    tools = {path.name for path in (ROOT / "tools").glob("*.py")}
    assert {name for name in tools if any(name in command for command in COMMANDS)} == tools


def test_the_file_tree_is_true():
    tree = README[README.index("## Files") : README.index("## Design")]
    for path in [*ROOT.glob("lgrseg/**/*.py"), *ROOT.glob("tools/*.py")]:
        if path.name != "__init__.py":
            name = path.stem if path.parent.name in ("ops", "datasets", "backbones") else path.name
            assert name in tree, f"{path.relative_to(ROOT)} is missing in the README's file tree"
