"""A folder that looks like the project's, and commands that run in it as they are written."""

import os
import shlex
import subprocess
import sys

from documentation.pages import ROOT
from forked import run_script

SHORT = [
    "train.eval_period=0",
    "train.log_period=1",
    "dataloader.train.mapper.input_size=[64,64]",
    "dataloader.test.camus_4ch_val.mapper.input_size=[64,64]",
]


def link_project(folder):
    """Let a folder have the tools and configs of the project."""
    for name in ("tools", "configs"):
        (folder / name).symlink_to(ROOT / name)


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


def shortened(command):
    """The command with fewer steps, seeds and smaller images."""
    if "train_net.py" in command and "--eval-only" not in command:
        iterations = 2 if "--resume" in command else 1
        command = f"{command} train.max_iter={iterations} {' '.join(SHORT)}"
        if "configs/lgrnet/" in command:
            model = "model.student" if "lgsd" in command else "model"
            command += f" {model}.encoder.num_layers=1"
    if "ablation.py" in command:  # one variant, one seed
        command = command.replace("configs/lgrnet/base.py ", "")
        command = command.replace("--seeds 0 1 2", "--seeds 0")
        command = f"{command} train.max_iter=1 {' '.join(SHORT)}"
    if "compare_backbones.py" in command:  # one backbone, which stands for the others
        command = command.replace(" dinov3_convnext_tiny", "")
        command = f"{command} train.max_iter=1 {' '.join(SHORT)}"
    if "lgsd" in command:
        command += " dataloader.train.unlabelled.mapper.global_size=[64,64]"
        command += " dataloader.train.unlabelled.mapper.local_size=[32,32]"
    # The demo's datasets are the phantom's; here the demo is a run on the simulated CAMUS.
    return command.replace("phantom_demo_val", "camus_4ch_val").replace("--workers 4", "")
