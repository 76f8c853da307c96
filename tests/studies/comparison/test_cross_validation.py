"""Folds pooled: every patient counts once."""

import json
import re
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from lgrseg.data import DatasetCatalog
from lgrseg.studies.comparison.cross_validation import (
    FoldOfDataset,
    check_run_is_of_fold,
    pooled,
    table_of,
)


def write(file, dice, *, classes=("lv", "la"), cases=()):
    """Results of a fold; `dice` is patient -> (lv, la)."""
    patients = {name: dict(zip(classes, row, strict=True)) for name, row in dice.items()}
    means = [sum(column) / len(column) for column in zip(*dice.values(), strict=True)]
    results = {
        "classes": {name: {"dice": mean} for name, mean in zip(classes, means, strict=True)},
        "mean": {"dice": sum(means) / len(means)},
        "patients": patients,
        "heart": {"cases": list(cases)} if cases else None,
    }
    file.write_text(json.dumps(results))
    return file


def case(patient, measured, truth):
    sources = {"prediction": measured, "truth": truth}
    return {"patient": patient} | {k: {"ejection_fraction": v} for k, v in sources.items()}


def test_patients_of_uneven_folds_weigh_the_same(tmp_path):
    files = [
        write(tmp_path / "0", {"a": (0.9, 0.5)}, cases=[case("a", 50, 60)]),
        write(tmp_path / "1", {"b": (0.6, 0.7), "c": (0.6, 0.9)}, cases=[case("b", 44, 40)]),
    ]
    found = pooled(files)
    assert found["num_patients"] == 3
    assert found["classes"]["lv"]["dice"] == pytest.approx(0.7)  # (0.9 + 0.6 + 0.6) / 3
    assert found["classes"]["lv"]["folds"] == pytest.approx([0.9, 0.6])
    assert found["mean"]["dice"] == pytest.approx((0.7 + 0.7) / 2)
    assert found["ejection_fraction"]["mae"] == pytest.approx(7)
    table = table_of(found)
    assert "| lv | 0.700 | - | 0.900 | 0.600 |" in re.sub(" +", " ", table)
    assert "mean absolute error 7.0%, bias -3.0% (2 videos" in table


def test_a_fold_whose_patients_show_no_structure(tmp_path):
    files = [write(tmp_path / str(k), {name: (dice, 0.5)}) for k, (name, dice) in enumerate(
        {"a": 0.9, "b": 0.7, "c": 0.5}.items())]  # fmt: skip
    empty = json.loads(files[2].read_text())
    empty["mean"]["dice"] = None
    files[2].write_text(json.dumps(empty))
    table = table_of(pooled(files))
    # Means of 0.7 and 0.6 in the other two folds.
    assert "Standard deviation of the folds' means: 0.0707." in table


def test_no_measured_ejection_fraction_is_said(tmp_path):
    files = [
        write(tmp_path / str(k), {name: (0.9, 0.5)}, cases=[case(name, None, 60)])
        for k, name in enumerate("ab")
    ]
    assert "Ejection fraction: measured in none of 2 videos." in table_of(pooled(files))


def test_a_patient_of_two_folds_and_other_classes_are_refused(tmp_path):
    first = write(tmp_path / "0", {"a": (0.9, 0.5)})
    with pytest.raises(ValueError, match="patient a is in another fold"):
        pooled([first, write(tmp_path / "1", {"a": (0.9, 0.5)})])
    with pytest.raises(ValueError, match=r"has the classes \['lv', 'ra'\]"):
        pooled([first, write(tmp_path / "2", {"b": (0.9, 0.5)}, classes=("lv", "ra"))])


@pytest.mark.parametrize(
    ("scored", "trained", "message"),
    [
        ("ab", "cd", None),
        ("ab", "acd", "fold0 was trained on patient a, but two_val has other patients"),
        ("a", "cd", "fold0 was not scored on patient b"),
        ("abc", "d", "fold0 was also scored on patient c"),
    ],
)
def test_a_run_of_other_patients_than_its_fold_is_refused(
    tmp_path, monkeypatch, scored, trained, message
):
    """As after a dataset was divided anew: its present fold has the patients a and b."""
    records = [SimpleNamespace(patient=name, annotated_frames=(0,)) for name in "ab"]
    monkeypatch.setattr(DatasetCatalog, "get", {"two_val": records}.get)
    fold = FoldOfDataset(0, "two_train", ("two_val",))
    fold.results(tmp_path).parent.mkdir(parents=True)
    write(fold.results(tmp_path), {name: (0.9, 0.5) for name in scored})
    labels = {"labelled": {"patients": list(trained)}}
    (fold.run(tmp_path) / "labels.json").write_text(json.dumps(labels))
    with pytest.raises(ValueError, match=message) if message else nullcontext():
        check_run_is_of_fold(fold, tmp_path)
