"""A run of an enhancer: probed on pairs, and used by the tool."""

import json
import os
from pathlib import Path

import pytest
from forked import run_script
from PIL import Image

from lgrseg.config import L
from lgrseg.data import RandomSpeckle, build_paired_loader
from lgrseg.engine.trainer import DefaultTrainer
from lgrseg.evaluation.paired_images import PairedImages
from lgrseg.modeling.generation.enhancer import Enhancer
from lgrseg.modeling.generation.networks import ResNetGenerator

TOOL = Path(__file__).parents[2] / "tools" / "enhance_images.py"


@pytest.fixture
def enhancer_cfg(tiny_cfg):
    """Two steps on speckled frames."""
    degradations = [L(RandomSpeckle)(strength=0.5, prob=1.0)]
    tiny_cfg.model = L(Enhancer)(generator=L(ResNetGenerator)(width=4, num_blocks=1), width=4)
    tiny_cfg.dataloader.train = L(build_paired_loader)(
        dataset="tiny", degradations=degradations, size=[32, 32], batch_size=1
    )
    tiny_cfg.dataloader.test = {}
    tiny_cfg.probe = L(PairedImages)(
        dataset="tiny", degradations=degradations, size=[32, 32], num_images=2
    )
    tiny_cfg.train.update(
        {"clip_norm": None, "log_period": 1, "checkpoint_period": 0, "max_iter": 2}
    )
    return tiny_cfg


def test_a_run_is_probed_and_used(enhancer_cfg, tmp_path):
    DefaultTrainer(enhancer_cfg).train()
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").open()]
    probes = [row for row in rows if "probe/psnr" in row]
    assert probes[0]["probe/psnr"] == pytest.approx(probes[0]["probe/psnr_input"], abs=1e-3)
    assert probes[-1]["probe/psnr_input"] == probes[0]["probe/psnr_input"]  # the same images
    assert probes[-1]["probe/psnr"] != probes[0]["probe/psnr"]
    assert (tmp_path / "run/pictures/probe_000002.png").is_file()
    for name, level in (("low", 100), ("high", 120)):
        (tmp_path / name).mkdir()
        Image.new("L", (30, 21), level).save(tmp_path / name / "a.png")

    def tool(*words):
        folders = ["--run", tmp_path / "run", "--input", tmp_path / "low", "--output", *words]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "LGRSEG_TRUSTED": "tests"}
        return run_script(TOOL, [str(word) for word in folders], environment=environment)

    done = tool(tmp_path / "new", "--target", tmp_path / "high")
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "new/a.png").size == (30, 21)
    scores = json.loads((tmp_path / "new/scores.json").read_text())
    assert scores["images"] == 1
    assert scores["psnr_input"] == pytest.approx(22.11, abs=0.01)  # 10 log10((255 / 20)^2)
    refused = tool(tmp_path / "new")
    assert refused.returncode == 1 and "not empty" in refused.stderr
    (tmp_path / "low/b.png").write_bytes((tmp_path / "low/a.png").read_bytes())
    refused = tool(tmp_path / "newer", "--target", tmp_path / "high")
    assert refused.returncode == 1 and "no partner of the same name" in refused.stderr
