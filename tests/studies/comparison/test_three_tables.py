"""Three tables from results of runs, whose numbers can be worked out; and the command."""

import json
from pathlib import Path

import pytest
from forked import run_script

from lgrseg.evaluation.results import write_results
from lgrseg.studies.comparison.three_tables import right_answers, three_tables

TOOL = Path(__file__).parents[3] / "tools/pretraining_tables.py"


def write(folder, dataset, results, *, name="results.json"):
    place = folder / "eval" / dataset
    place.mkdir(parents=True)
    if name == "results.json":  # as a run writes it, with predictions.csv of a classifier
        write_results({"dataset": dataset} | results, place)
    else:
        (place / name).write_text(json.dumps({"dataset": dataset} | results))
    return folder


def segmented(dice):
    patients = {f"p{n}": {"disc": dice, "ring": dice - 0.1 * n} for n in range(6)}
    return {"mean": {"dice": dice}, "patients": patients}


def labelled(*right):
    lines = [
        {"patient": f"p{n}", "truth": "a", "predicted": "a" if answer else "b"}
        for n, answer in enumerate(right)
    ]
    mean = {"accuracy": sum(right) / len(right)}
    return {"task": "classification", "mean": mean, "predictions": lines}


@pytest.fixture
def runs(tmp_path):
    seeds = tmp_path / "of seeds"
    for seed, dice in enumerate((0.6, 0.8)):
        write(seeds / f"seed_{seed}", "hearts", segmented(dice))
    mae = write(tmp_path / "mae", "hearts", segmented(0.9))
    labels = write(tmp_path / "labels", "planes", labelled(True, False, True, True))
    (seeds / "labels").mkdir()
    write(seeds / "labels", "planes", labelled(True, False, False, False))
    scores = {"task": "generation", "ssim_back": 0.5}
    cycle = write(tmp_path / "cycle", "hearts", scores, name="translation.json")
    return {"random": [seeds], "mae": [mae, labels, cycle]}


def test_rows_are_methods_and_columns_are_datasets(runs):
    text = three_tables(runs)
    segmentation, classification, generation = text.split("\n## ")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert ["random", "0.7000 ± 0.1414 (2 runs)"] in cells and ["mae", "0.9000"] in cells
    # Patient n has the score dice - 0.05 n in each run: mae is 0.2 better for all six.
    assert "### Paired tests over patients of hearts" in segmentation
    pair, _ = [row for row in cells if row and row[0] == "random - mae"]
    assert pair[1] == "6" and pair[2].startswith("-0.2000") and float(pair[3]) < 0.05
    assert ["mae", "0.7500"] in cells and ["random", "0.2500"] in cells
    assert "Paired tests over patients of planes" in classification
    assert any(row[:3] == ["random - mae", "4", "-0.5000 [not given: 4 patients]"] for row in cells)
    assert "0.5000" in generation and "random" not in generation


def test_a_task_without_a_run_is_said(runs):
    text = three_tables({"mae": runs["mae"][:1]})
    assert text.count("No run.") == 2 and "Paired" not in text


def test_a_run_that_is_named_twice_is_no_second_seed(runs):
    with pytest.raises(ValueError, match="is in the row mae twice: name it once"):
        three_tables({"mae": runs["mae"][:1] * 2})


def test_the_share_of_right_answers_of_each_patient():
    once, again = labelled(True, False), labelled(True, True)
    assert right_answers([once, again]) == {"p0": 1.0, "p1": 0.5}


def test_the_command(runs, tmp_path):
    words = [f"random={runs['random'][0]}", f"mae={runs['mae'][0]}"]
    done = run_script(TOOL, [*words, "--output", str(tmp_path / "new/tables")])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new/tables.md").read_text() == done.stdout[:-1]
    for word, message in (
        (str(runs["mae"][0]), "has no name: NAME=RUN"),
        (f"empty={tmp_path / 'new'}", "has no results"),
    ):
        done = run_script(TOOL, [word])
        assert done.returncode == 1 and message in done.stderr
