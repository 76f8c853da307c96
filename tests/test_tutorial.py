"""docs/tutorial.ipynb runs from top to bottom, with fewer steps of training."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOK = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text(encoding="utf-8"))
PROGRAM = "\n\n".join(
    "".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"
)


def test_it_is_stored_without_outputs():
    assert not any(cell.get("outputs") for cell in NOTEBOOK["cells"])
    compile(PROGRAM, "tutorial.ipynb", "exec")


@pytest.mark.slow
def test_it_runs(tmp_path):
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    assert "STEPS = 60" in PROGRAM
    environment = {k: v for k, v in os.environ.items() if k != "LGRSEG_DATASETS"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("STEPS = 60", "STEPS = 2")],
        cwd=tmp_path,
        env=environment | {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    run = tmp_path / "output" / "tutorial"
    assert "left_ventricle" in done.stdout and "masks (36, " in done.stdout
    for name in ("areas.png", "features.png", "prediction/measurements.csv"):
        assert (run / name).stat().st_size > 0
