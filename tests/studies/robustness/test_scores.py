"""Scores, tables and the command of a robustness study, with a tiny run."""

import csv
import json
from pathlib import Path

import pytest
import torch
from bright_disc import CONFIG, OVERRIDES, ROOT
from conftest import square_video
from forked import run_script
from safetensors.torch import save_file

from lgrseg.config import instantiate, load_config, save_config
from lgrseg.data.catalog import DatasetCatalog, Metadata, MetadataCatalog
from lgrseg.modeling.contracts import ClipModel
from lgrseg.structures import ClipPrediction
from lgrseg.studies.robustness.scores import InClasses, Scores
from lgrseg.studies.robustness.tables import clean_table, strength_table

SQUARES: list = []
if "robust_squares" not in DatasetCatalog:
    DatasetCatalog.register("robust_squares", lambda: list(SQUARES))
    MetadataCatalog.register("robust_squares", Metadata(("aorta", "left_atrium"), ((9, 9, 9),) * 2))


class Fixed(ClipModel):
    """Predicts the same logits (3, 1, 1, 2) for every clip."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.tensor(logits)[:, None, None]

    def forward(self, clips):
        present = torch.tensor([True, True, True])
        return [ClipPrediction(self.logits, torch.tensor([0.7, 0.8, 0.9]), present)]


def test_classes_in_the_order_of_another_dataset():
    model = Fixed([[1.0, 1.0], [2.0, -1.0], [1.5, 3.0]])
    (found,) = InClasses(model, ("lv", "wall", "la"), ("la", "ra", "lv"))([None])
    assert found.class_probs.tolist() == pytest.approx([0.9, 0, 0.7])
    assert found.present.tolist() == [True, False, True]
    # The first pixel belongs to the wall, which the dataset does not have; the second to la.
    labels = found.mask_logits[:, 0, 0]
    assert (labels[:, 0] < 0).all() and labels[:, 1].tolist() == pytest.approx([3, -1e4, 1])


def row(dataset, degradation, strength, lv, la):
    dice = {"lv": lv, "la": la}
    return Scores("r", dataset, degradation, strength, dice, dice, dict.fromkeys(dice, 0), 2, "m")


def test_tables():
    rows = [row("a", "clean", 0, 0.9, 0.8), row("a", "gain", 10, 0.7, None)]
    cells = [cell.strip() for cell in clean_table(rows).splitlines()[-1].split("|")[1:-1]]
    assert cells == ["r", "a (2 patients)", "0.900", "0.800", "0.850"]
    cells = [cell.strip() for cell in strength_table(rows).splitlines()[-1].split("|")[1:-1]]
    assert cells[2:] == ["gain (dB)", "0.850", "-20: -", "-10: -", "10: 0.700", "20: -"]


@pytest.fixture
def run(tmp_path) -> Path:
    """The folder of a U-Net that was not trained."""
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    cfg = load_config(CONFIG, OVERRIDES)
    save_config(cfg, folder / "config.yaml")
    save_file(instantiate(cfg.model).state_dict(), folder / "checkpoints" / "last.safetensors")
    return folder


def test_the_command_scores_shared_structures_and_continues(run, tmp_path):
    SQUARES[:] = [square_video(tmp_path / "data", f"v{k}", patient=f"p{k}") for k in range(2)]
    output = tmp_path / "out"
    tool, words = ROOT / "tools" / "robustness.py", [run, "--output", output, "--datasets"]
    done = run_script(tool, [*words, "robust_squares", "--only", "compression"])
    assert done.returncode == 0, done.stderr
    with open(output / "scores.csv", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["strength"] for line in lines] == ["0", "40", "20", "10", "5"]
    assert {line["structure"] for line in lines} == {"left_atrium"}  # the run knows no aorta
    assert {p.name for p in output.iterdir()} == {
        "robust_squares.png", "scores.json", "scores.csv", "robustness.md", "robustness.png"
    }  # fmt: skip
    assert {line["distance_unit"] for line in lines} == {"mm"}
    rows = json.loads((output / "scores.json").read_text())
    for old in rows:  # as versions wrote them that did not know the unit
        del old["distance_unit"]
    rows[0]["dice"]["left_atrium"] = 0.125  # a kept row is not measured again
    (output / "scores.json").write_text(json.dumps(rows))
    again = run_script(tool, [*words, "robust_squares", "--only", "compression"])
    assert again.returncode == 0 and "0.125" in again.stdout
    with open(output / "scores.csv", encoding="utf-8") as file:
        assert {line["distance_unit"] for line in csv.DictReader(file)} == {""}
    wrong = run_script(tool, [*words, "robust_squares", "--only", "fog"])
    assert wrong.returncode == 1 and "no degradation is called 'fog'" in wrong.stderr
