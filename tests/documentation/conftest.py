"""Folders in which the commands of the documentation run, on simulated data."""

import importlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from documentation.groups import FIRST
from documentation.project_folder import link_project, run, shortened
from three_scans import prepare_three_scans

from lgrseg.data.phantom import raw_layouts
from lgrseg.visualization.overlays import write_mp4


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder like the project's, with a raw CAMUS, a clip, and a run that counts as the demo."""
    # Configs of CAMUS import it, and it imports transformers: once, and not in every fork.
    importlib.import_module("lgrseg.modeling.autoregressive.segmenter")
    folder = tmp_path_factory.mktemp("project")
    link_project(folder)
    raw = folder / "path" / "to"
    raw_layouts.write_raw_camus(raw / "CAMUS", num_patients=3)
    frames = np.repeat(np.arange(3, dtype=np.uint8)[:, None, None, None] * 50, 64, axis=1)
    write_mp4(raw / "clips" / "a.mp4", np.tile(frames, (1, 1, 64, 3)), fps=5)
    shutil.copy(raw / "clips" / "a.mp4", folder / "clip.mp4")
    for command in FIRST:
        result = run(folder, shortened(command))
        assert result.returncode == 0, result.stderr
    for name in ("demo", "first", "second"):
        shutil.copytree(
            folder / "output" / "lgrnet", folder / "output" / name, copy_function=copy_small
        )
    return folder


def copy_small(source, target):
    """Copy a file; a checkpoint, which is never changed, only replaced, is linked."""
    if Path(source).suffix in (".safetensors", ".pt"):
        return os.link(source, target)
    return shutil.copy2(source, target)


@pytest.fixture(scope="module")
def phantom_place(tmp_path_factory):
    """A folder like the project's, with a prepared phantom of three videos and a clip."""
    folder = tmp_path_factory.mktemp("phantom")
    link_project(folder)
    image = prepare_three_scans(folder)
    image.rename(folder / "CLIP.nii.gz")
    box = {"frame": 0, "box": [120, 40, 310, 290], "class": "left_ventricle"}
    (folder / "boxes.json").write_text(json.dumps([box]))
    return folder
