"""The CPU time of training steps, and what fits into a budget."""

from pathlib import Path

import pytest
from tiny_comparison import FAST, write_datasets

from lgrseg.config import load_config
from lgrseg.studies.benchmarks.steps import StepTime, time_steps

UNET = Path(__file__).parents[3] / "configs" / "baselines" / "unet.py"
TINY = ["model.backbone.width=2", "model.backbone.num_levels=2", "model.head.in_channels=2"]


def test_the_number_of_steps_in_a_budget():
    assert StepTime(num_parameters=1, seconds=0.5, num_frames=8).steps_in(2) == 240


@pytest.mark.slow
def test_a_step_is_measured_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("LGRSEG_DATASETS", str(write_datasets(tmp_path)))
    monkeypatch.chdir(tmp_path)
    found = time_steps(load_config(UNET, [*FAST, *TINY]), 1)
    assert 0 < found.seconds < 60 and found.num_frames == 2  # ED and ES of one clip
    assert found.num_parameters < 1000
    assert not (tmp_path / "output").exists()
