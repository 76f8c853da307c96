"""run.json of a run: the commands that trained and evaluated it, when, and with which code."""

import hashlib
import json
import os
import shlex
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import torch
from omegaconf import DictConfig

from lgrseg import typed_command
from lgrseg.checkpoint.files import replace_file
from lgrseg.comm import processes
from lgrseg.config import weights_of
from lgrseg.inference.pretrained import weight_file

FILE = "run.json"
ROOT = Path(__file__).parents[2]
"""Folder of the checkout, unless the package is installed from a wheel."""


def command_line(*, without: tuple[str, ...] = ()) -> str:
    """The command of this process, quoted for a shell.

    Args:
        without: arguments to leave out.
    """
    python = [Path(sys.executable).name] if sys.argv[0].endswith(".py") else []
    words = typed_command.words or [*python, *sys.argv]
    if local := os.environ.get("LOCAL_WORLD_SIZE"):  # set by torchrun, and by no other launcher
        words = ["torchrun", "--nproc-per-node", local, *sys.argv]
    return shlex.join(word for word in words if word not in without)


def commit_of(checkout: Path = ROOT) -> str | None:
    """The short hash of a checkout's commit, with "+" if tracked files have changed since.

    Returns:
        The hash, or None if the folder is no checkout or git is not installed.
    """
    if not (
        checkout / ".git"
    ).exists():  # the package may be installed in a folder of another checkout
        return None

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(checkout), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def hashes_of_weights(cfg: DictConfig) -> dict[str, str]:
    """The SHA-256 of every local weight file from which a run starts, by the file's path.

    Raises:
        FileNotFoundError: the package was installed without the weights that the config names.
    """
    files = weights_of(cfg.model)
    if init_weights := cfg.train.get("init_weights"):
        files.append(str(weight_file(init_weights)))
    hashes = {}
    for name in sorted(filter(os.path.isfile, files)):
        with open(name, "rb") as file:
            hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes


def record_command(
    folder: Path,
    task: str,
    *,
    device: str,
    num_parameters: int,
    started_from: dict[str, str] | None = None,
) -> None:
    """Add an entry about this process to run.json.

    Args:
        folder: folder of the run.
        task: "train", which starts a new list, "resume" or "evaluate".
        device: device of the computation, such as "cuda".
        num_parameters: number of all parameters of the model.
        started_from: hashes of weight files, see `hashes_of_weights`.
    """
    entry = {
        "task": task,
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": command_line(),
        "commit": commit_of(),
        "device": device,
        "num_processes": processes.get_world_size(),
        "num_parameters": num_parameters,
        "torch": torch.__version__,
        "started_from": started_from or {},
    }
    before = [] if task == "train" else read_commands(folder)
    text = json.dumps([*before, entry], indent=1)
    replace_file(folder / FILE, lambda path: path.write_text(text, encoding="utf-8"))


def read_commands(folder: Path) -> list[dict]:
    """The entries of run.json in order of time; an empty list if the file is missing."""
    file = folder / FILE
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
