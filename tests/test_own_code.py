"""A run on one's own dataset, with one's own class: evaluated, resumed, predicted from its config.

The module lies in the folder that commands are started in, and is trusted by its name.
"""

import os
import shutil
import textwrap
from pathlib import Path

import numpy as np
import pytest
from forked import run_script
from omegaconf import OmegaConf

from lgrseg.visualization.overlays import write_mp4

ROOT = Path(__file__).parents[1]
WEIGHTS = "run/checkpoints/last.safetensors"
MODULE = """
    import functools

    from lgrseg.data.catalog import DatasetCatalog, Metadata, MetadataCatalog, data_root
    from lgrseg.data.store import read_records
    from lgrseg.modeling.heads.per_pixel import UNet


    class OwnUNet(UNet):
        pass


    def records(split):
        return [r for r in read_records(data_root() / "own") if r.video_id.startswith(split)]


    for split in ("train", "val"):
        DatasetCatalog.register(f"own_{split}", functools.partial(records, split))
        MetadataCatalog.register(f"own_{split}", Metadata(("square",), ((9, 99, 199),)))
"""
CONFIG = """
    from lgrseg.config import L
    from lgrseg.data import ClipMapper, DenseSampler, build_test_loader, build_train_loader
    from lgrseg.engine.solver import CosineSchedule, build_adamw
    from lgrseg.evaluation import SegmentationEvaluator
    from lgrseg.modeling.heads import PixelHead
    from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter

    from own_project import OwnUNet

    train = dict(output_dir="run", max_iter=1, device="cpu")
    model = L(PerPixelSegmenter)(
        backbone=L(OwnUNet)(width=4, num_levels=2),
        head=L(PixelHead)(in_channels=4, num_classes=1),
        num_classes=1,
    )
    optimizer = L(build_adamw, partial=True)(lr=1e-2)
    schedule = L(CosineSchedule)(max_iter="${train.max_iter}")
    mapper = L(ClipMapper)(frame_sampler=L(DenseSampler)(num_frames=1), input_size=[32, 32])
    dataloader = dict(
        train=L(build_train_loader)(dataset="own_train", mapper=mapper, batch_size=1),
        test={"own_val": L(build_test_loader)(dataset="own_val", mapper=mapper)},
    )
    evaluator = L(SegmentationEvaluator, partial=True)(protocol="squares")
"""


@pytest.fixture
def project(make_video, tmp_path):
    """A folder with a module, a config, and two prepared videos."""
    (tmp_path / "datasets" / "own").mkdir(parents=True)
    for video in ("train_a", "val_b"):
        make_video(video)
        shutil.move(tmp_path / video, tmp_path / "datasets" / "own" / video)
    (tmp_path / "own_project.py").write_text(textwrap.dedent(MODULE))
    (tmp_path / "own_config.py").write_text(textwrap.dedent(CONFIG))
    return tmp_path


def run(project, tool, *words, trusted=None):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LGRSEG_DATASETS": "datasets"}
    environment.pop("LGRSEG_TRUSTED", None)
    if trusted:
        environment["LGRSEG_TRUSTED"] = trusted
    return run_script(ROOT / "tools" / tool, words, cwd=project, environment=environment)


def test_a_run_with_code_of_ones_own_goes_on_from_its_config(project):
    trained = run(project, "train_net.py", "--config-file", "own_config.py")
    assert trained.returncode == 0, trained.stderr
    saved = OmegaConf.load(project / "run" / "config.yaml")
    assert saved.imports == ["own_project"]
    assert saved.datasets.own_val == {"classes": ["square"], "colors": [[9, 99, 199]]}

    config = ("--config-file", "run/config.yaml")
    refused = run(project, "train_net.py", *config, "--eval-only")
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert "imports names 'own_project'" in refused.stderr
    assert "add --trust own_project to the command" in refused.stderr

    for words in (["--eval-only"], ["--resume", "train.max_iter=2"]):
        done = run(project, "train_net.py", *config, "--trust", "own_project", *words)
        assert done.returncode == 0, done.stderr
    assert "config changed" not in done.stderr.replace("config changed, train.max_iter", "")
    predict = (
        "--weights",
        "run/checkpoints/last.safetensors",
        "--input",
        "clips",
        "--output",
        "out",
    )
    (project / "clips").mkdir()
    write_clip(project / "clips" / "a.mp4")
    done = run(project, "predict.py", *config, *predict, trusted="own_project")
    assert done.returncode == 0, done.stderr


def write_clip(path):
    frames = np.zeros((3, 64, 64, 3), np.uint8)
    frames[:, 20:40, 20:40] = 200
    write_mp4(path, frames, fps=5)


def test_a_module_is_imported_by_name_and_remembered(project):
    config = (project / "own_config.py").read_text()
    config = config.replace("from own_project import OwnUNet", "").replace("OwnUNet", "UNet")
    config = config.replace("import PerPixelSegmenter", "import PerPixelSegmenter, UNet")
    (project / "own_config.py").write_text(config)
    unknown = run(project, "train_net.py", "--config-file", "own_config.py")
    assert unknown.returncode == 1 and "--import MODULE" in unknown.stderr
    named = ("--config-file", "own_config.py", "--import", "own_project")
    done = run(project, "train_net.py", *named)
    assert done.returncode == 0, done.stderr
    assert OmegaConf.load(project / "run" / "config.yaml").imports == ["own_project"]
    missing = run(project, "train_net.py", *named[:2], "--import", "own_projekt")
    assert "there is no module 'own_projekt'" in missing.stderr
    # Where the module is gone the classes are still known, so that one can predict.
    (project / "own_project.py").unlink()
    described = OmegaConf.load(project / "run" / "config.yaml")
    del described["imports"]
    OmegaConf.save(described, project / "run" / "config.yaml")
    write_clip(project / "a.mp4")
    done = run(
        project, "predict.py", "--config-file", "run/config.yaml",
        "--weights", WEIGHTS, "--input", "a.mp4", "--output", "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
