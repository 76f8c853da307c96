"""lgrseg/reporting/seed_table.py."""

import json

import pytest

from lgrseg.reporting.seed_table import mean_and_spread, rows_over_seeds


def write_run(folder, dice, *, minutes=8.0):
    results = {
        "dataset": "d",
        "classes": {"left_ventricle": {"dice": dice + 0.1}, "wall": {"dice": None}},
        "mean": {"dice": dice, "hd95": 10 * dice, "missed": 3},
        "distance_unit": "mm",
    }
    (folder / "eval" / "d").mkdir(parents=True)
    (folder / "eval" / "d" / "results.json").write_text(json.dumps(results))
    line = {"iteration": 700, "train_seconds": 60 * minutes}
    (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    return folder


def test_mean_and_spread_by_hand():
    assert mean_and_spread([0.1, 0.2, 0.3]) == "0.2000 ± 0.1000"
    assert mean_and_spread([0.5]) == "0.5000"
    assert mean_and_spread([0.1, None]) == mean_and_spread([]) == "-"
    assert mean_and_spread([0.5, 0.7], sign="+", digits=2) == "+0.60 ± 0.14"


@pytest.fixture
def runs(tmp_path):
    basic = [write_run(tmp_path / "basic" / f"seed_{s}", d) for s, d in enumerate((0.6, 0.7, 0.8))]
    # Seed 2 is missing, and both others gain a tenth and a fifth.
    more = [write_run(tmp_path / "more" / f"seed_{s}", d) for s, d in enumerate((0.7, 0.9))]
    return basic + more


def test_one_row_a_folder_and_the_gain_is_of_pairs(runs):
    basic, more = rows_over_seeds(runs)
    assert (basic.dataset, basic.run, more.run) == ("d", "basic", "more")
    basic, more = basic.cells, more.cells
    assert (basic["seeds"], more["seeds"]) == ("3", "2")
    assert basic["Dice"] == "0.7000 ± 0.1000" and basic["HD95 (mm)"] == "7.00 ± 1.00"
    assert basic["missed"] == "3.0 ± 0.0"
    assert basic["Dice left ventricle"] == "0.8000 ± 0.1000" and basic["Dice wall"] == "-"
    assert basic["gain"] == "-" and more["gain"] == "+0.1500 ± 0.0707"
    assert basic["steps"] == "700" and basic["minutes"] == "8.0 ± 0.0"


def test_a_run_without_a_score_has_no_gain(runs):
    file = runs[-1] / "eval" / "d" / "results.json"
    results = json.loads(file.read_text())
    results["mean"]["dice"] = None
    file.write_text(json.dumps(results))
    assert rows_over_seeds(runs)[1].cells["gain"] == "-"


def test_the_columns_and_their_order(runs):
    assert list(rows_over_seeds(runs)[0].cells) == [
        "seeds", "Dice", "Dice left ventricle", "Dice wall", "HD95 (mm)", "missed", "gain",
        "steps", "minutes",
    ]  # fmt: skip


def test_folders_of_one_name_are_two_rows(tmp_path):
    runs = [write_run(tmp_path / a / "basic" / "seed_0", d) for a, d in (("x", 0.6), ("y", 0.8))]
    x, y = rows_over_seeds(runs)
    assert (x.run, x.cells["Dice"]) == ("x/basic", "0.6000")
    assert (y.run, y.cells["Dice"], y.cells["gain"]) == ("y/basic", "0.8000", "+0.2000")


def test_runs_without_results_have_no_row(tmp_path):
    assert rows_over_seeds([tmp_path]) == []
