"""Means, spreads and tables of made-up runs, by hand."""

import csv
import json
import re

import pytest

from lgrseg.studies.comparison.results import BackboneComparison, Section
from lgrseg.studies.comparison.summary import MACHINERY, RESULTS, summarise
from lgrseg.studies.comparison.tables import markdown, write_tables

COSTS = {
    "parameters": 22_000_000,
    "trained": 500_000,
    "gflops": 5.5,
    "images_per_second": 20.0,
    "memory_mib": 700,
    "images": [2, 1, 224, 224],
}


def write_run(folder, patients, *, row="a", seed=0, random=False, cached=True, volumes=None):
    """A finished run: Dice of patients (one class), and ED volumes if any, 10 ml in truth."""
    (folder / "eval" / "d").mkdir(parents=True)
    record = {
        "row": row, "weights": None if random else "w.pth", "steps": 10,
        "config": None if cached else "c.py", "overrides": ["model.a=1"],
        "blocks": "after 4, 12 of 12 blocks" if cached else None,
        "encoder_sha256": "ab", "random_frozen": random, "cached": cached, "copies": 0,
        "precision": "float32", "label_fraction": 1.0, "seed": seed, "train_seconds": 3.0,
        "costs": COSTS | {"images_per_second": 20.0 + seed},
    }  # fmt: skip
    (folder / "comparison.json").write_text(json.dumps(record))
    heart = None
    if volumes:
        nothing = dict.fromkeys(
            ["ejection_fraction", "area_change", "esv", "stroke_volume", "left_atrial_volume"]
        )
        cases = [
            {"video_id": p, "patient": p, "prediction": nothing | {"edv": v},
             "truth": nothing | {"edv": 10.0}}
            for p, v in volumes.items()
        ]  # fmt: skip
        heart = {"cases": cases}
    results = {
        "dataset": "d",
        "patients": {name: {"disc": dice} for name, dice in patients.items()},
        "mean": {
            "dice": sum(patients.values()) / len(patients),
            "hd95": 2.0 + seed,
            "missed": 1 + seed,
        },
        "distance_unit": "mm",
        "heart": heart,
    }
    (folder / "eval" / "d" / "results.json").write_text(json.dumps(results))
    return folder


def test_means_over_patients_and_seeds(tmp_path):
    runs = {
        "a": [
            write_run(tmp_path / "a0", {"p": 0.8, "q": 0.6}),
            write_run(tmp_path / "a1", {"p": 0.6, "q": 0.6}, seed=1),
        ]
    }
    (table,) = summarise(runs, "d")
    (row,) = table.rows
    assert (table.title, table.machinery_check, table.paired) == (RESULTS, False, [])
    assert row.dice == pytest.approx(0.65)  # of 0.7 and 0.6
    assert row.dice_sd_seeds == pytest.approx(0.1 / 2**0.5)
    assert row.patients == pytest.approx({"p": 0.7, "q": 0.6})
    assert row.dice_sd_patients == pytest.approx(0.1 / 2**0.5)
    assert row.missed == 1.5
    assert row.hd95 == 2.5 and row.images_per_second == 20.5 and row.seeds == [0, 1]
    assert table.agreement is None


def test_random_frozen_weights_are_never_among_the_results(tmp_path):
    runs = {
        "random": [write_run(tmp_path / "r", {"p": 0.2, "q": 0.1}, random=True)],
        "loaded": [write_run(tmp_path / "l", {"p": 0.9, "q": 0.8})],
        "other": [write_run(tmp_path / "o", {"p": 0.9, "q": 0.9})],
        "not done": [],
    }
    results, machinery = summarise(runs, "d")
    assert [row.row for row in results.rows] == ["loaded", "other"]
    assert [(p.one, p.other) for p in results.paired] == [("loaded", "other")]
    assert machinery.title == MACHINERY and machinery.machinery_check is True
    assert [row.row for row in machinery.rows] == ["random"]
    pairs = [(p.one, p.other) for p in machinery.paired]
    assert pairs == [("random", "loaded"), ("random", "other")]
    assert results.paired[0].difference == pytest.approx(-0.05)
    # The correction among the results does not depend on what was checked beside them.
    assert results.paired[0].p == results.paired[0].p_holm


def test_agreement_against_the_truth_and_between_rows(tmp_path):
    runs = {
        "a": [
            write_run(tmp_path / "a0", {"p": 0.8, "q": 0.6}, volumes={"p": 11.0, "q": 14.0}),
            write_run(tmp_path / "a1", {"p": 0.8, "q": 0.6}, volumes={"p": 13.0, "q": 14.0}),
        ],
        "b": [write_run(tmp_path / "b", {"p": 0.8, "q": 0.6}, volumes={"p": 9.0, "q": 9.0})],
    }
    (table,) = summarise(runs, "d")
    found = {(line["one"], line["other"]): line for line in table.agreement}
    assert list(found) == [("a", "truth"), ("b", "truth"), ("a", "b")]
    # a: 12 and 14 against 10 and 10, so 2 and 4.
    against = found["a", "truth"]
    assert against["quantity"] == "edv" and against["bias"] == pytest.approx(3.0)
    half = 1.96 * 2**0.5
    assert against["limits"] == pytest.approx([3 - half, 3 + half])
    assert found["b", "truth"]["bias"] == -1.0 and found["a", "b"]["bias"] == 4.0


def test_a_video_that_either_row_could_not_measure_is_missing(tmp_path):
    measured = {"a": {"p": 11.0, "q": 12.0, "r": None}, "b": {"p": None, "q": 9.0, "r": None}}
    dice = {"p": 0.8, "q": 0.6, "r": 0.7}
    runs = {row: [write_run(tmp_path / row, dice, volumes=v)] for row, v in measured.items()}
    (table,) = summarise(runs, "d")
    found = {(line["one"], line["other"]): line for line in table.agreement}
    assert (found["a", "truth"]["missing"], found["b", "truth"]["missing"]) == (1, 2)
    assert found["a", "b"]["num"] == 1 and found["a", "b"]["missing"] == 1


COLUMNS = (
    "dataset,label_fraction,table,machinery_check,row,weights,blocks,seeds,num_patients,num_scored,"
    "dice,dice_sd_patients,dice_sd_seeds,dice_by_seed,hd95,hd95_sd_seeds,missed,distance_unit,"
    "parameters,trained,gflops,images_per_second,memory_mib,steps,train_seconds,whole_config,"
    "cached,copies,precision,encoder_sha256"
)
PAIRED_COLUMNS = (
    "dataset,label_fraction,table,machinery_check,one,other,num,difference,difference_ci95,p,p_holm"
)


def cells(text):
    """The text of a Markdown table without the spaces that pad its columns."""
    return re.sub(" +", " ", text)


def test_files(tmp_path):
    runs = {
        "a": [write_run(tmp_path / "a", {"p": 0.8, "q": 0.6}, volumes={"p": 11.0, "q": 14.0})],
        "b": [write_run(tmp_path / "b", {"p": 0.7, "q": 0.6}, random=True)],
        "c": [write_run(tmp_path / "c", {"p": 0.7, "q": 0.7}, cached=False)],
    }
    comparison = BackboneComparison(
        config="c.py",
        overrides=[],
        machine={"threads": 1},
        sections=[Section("d", 0.1, ["x"], ["x_4CH"], summarise(runs, "d"))],
        failed=["out/z, see out/z.log"],
    )
    write_tables(comparison, tmp_path / "out")
    text = (tmp_path / "out" / "comparison.md").read_text()
    assert text == markdown(comparison)
    assert "## d, 10% of the labels (1 patients): Results" in text
    assert "## d, 10% of the labels (1 patients): Machinery check" in text
    assert (
        "| a | w.pth | 1 | 2 of 2 | 0.7000 ± 0.1414 | - | 2.00 | 1.0 | 22.000 | 0.500 | 5.50 |"
        in cells(text)
    )
    assert "| c (whole config) | w.pth |" in cells(text)
    assert "Feature maps are taken: a after 4, 12 of 12 blocks." in text
    assert "Trained on unaugmented clips, the encoder's features cached as float32." in text
    assert "| a - truth | edv, ml | 2 | 0 | 2.5 [not given: 2 patients] |" in cells(text)
    assert "none: no volumes" in text
    assert "Fewer than six patients" in text and "- out/z, see out/z.log" in text


def test_csv_and_json_have_a_column_or_key_for_every_field(tmp_path):
    runs = {
        "a": [write_run(tmp_path / "a", {"p": 0.8, "q": 0.6}, volumes={"p": 11.0, "q": 14.0})],
        "b": [write_run(tmp_path / "b", {"p": 0.7, "q": 0.6}, random=True)],
        "c": [write_run(tmp_path / "c", {"p": 0.7, "q": 0.7}, cached=False)],
    }
    section = Section("d", 0.1, ["x"], ["x_4CH"], summarise(runs, "d"))
    write_tables(BackboneComparison("c.py", [], {}, [section], []), tmp_path)
    with open(tmp_path / "comparison.csv") as file:
        assert file.readline() == COLUMNS + "\n"
        rows = list(csv.DictReader(file, COLUMNS.split(",")))
    assert [(row["row"], row["machinery_check"]) for row in rows] == [
        ("a", "False"), ("c", "False"), ("b", "True"),
    ]  # fmt: skip
    assert rows[0]["label_fraction"] == "0.1" and float(rows[0]["dice"]) == pytest.approx(0.7)
    assert rows[0]["dice_sd_seeds"] == ""  # of one seed
    with open(tmp_path / "comparison_paired.csv") as file:
        assert file.readline() == PAIRED_COLUMNS + "\n"
        pairs = list(csv.DictReader(file, PAIRED_COLUMNS.split(",")))
    assert [pair["one"] + pair["other"] for pair in pairs] == ["ac", "ab", "bc"]
    written = json.loads((tmp_path / "comparison.json").read_text())
    assert list(written) == ["config", "overrides", "machine", "sections", "failed"]
    (section,) = written["sections"]
    assert list(section) == [
        "dataset", "label_fraction", "labelled_patients", "labelled_videos", "tables",
    ]  # fmt: skip
    table = section["tables"][0]
    assert list(table) == ["title", "machinery_check", "rows", "paired", "agreement"]
    assert list(table["rows"][0]) == [*COLUMNS.split(",")[4:], "patients"]
    assert list(table["paired"][0]) == PAIRED_COLUMNS.split(",")[4:]
