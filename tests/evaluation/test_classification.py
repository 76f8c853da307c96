"""lgrseg/evaluation/classification.py, label_scores.py: measures by hand; what is written."""

import csv
import json

import numpy as np
import pytest
import torch
from conftest import made_up_record

from lgrseg.data.catalog import Metadata, MetadataCatalog
from lgrseg.evaluation import ClassificationEvaluator
from lgrseg.evaluation.metrics.label_scores import (
    auc,
    confusion_matrix,
    from_confusion,
    intervals,
    measure,
)
from lgrseg.evaluation.results import write_results
from lgrseg.reporting.label_tables import label_cells, label_tables, print_label_results
from lgrseg.structures import Clip, ClipPrediction, Geometry, LabelPrediction, LabelTarget

if "three_shapes" not in MetadataCatalog.list():
    colors = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
    MetadataCatalog.register("three_shapes", Metadata(("disc", "square", "nothing"), colors))


def test_measures_by_hand():
    # Class 0: two right, one called 1. Class 1: one right. Class 2: one called 0, one right.
    confusion = confusion_matrix([0, 0, 0, 1, 2, 2], [0, 0, 1, 1, 0, 2], 3)
    assert confusion.tolist() == [[2, 1, 0], [0, 1, 0], [1, 0, 1]]
    scores = from_confusion(confusion)
    assert scores["sensitivity"].tolist() == pytest.approx([2 / 3, 1, 1 / 2])
    assert scores["specificity"].tolist() == pytest.approx([2 / 3, 4 / 5, 1])
    assert scores["precision"].tolist() == pytest.approx([2 / 3, 1 / 2, 1])
    assert scores["f1"].tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3])


def test_auc_by_hand():
    positive = np.array([True, True, False, False])
    assert auc(np.array([0.9, 0.8, 0.2, 0.1]), positive) == 1
    # Pairs: 0.9 beats both; 0.4 loses to 0.6 and ties with 0.4: (2 + 0 + 1/2) of 4.
    assert auc(np.array([0.9, 0.4, 0.6, 0.4]), positive) == pytest.approx(2.5 / 4)
    assert auc(np.full(4, 0.5), positive) == 0.5  # all tied
    assert np.isnan(auc(np.full(4, 0.5), np.zeros(4, bool)))
    # A weight of 2 is the clip twice, one of 0 is without it.
    weights = np.array([2.0, 1.0, 1.0, 0.0])
    assert auc(np.array([0.9, 0.4, 0.6, 0.4]), positive, weights) == pytest.approx(2 / 3)


def test_auc_is_the_mann_whitney_statistic():
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(0)
    scores, positive = rng.integers(0, 12, 80) / 12, rng.random(80) < 0.3  # many ties
    statistic = mannwhitneyu(scores[positive], scores[~positive]).statistic
    pairs = positive.sum() * (~positive).sum()
    assert auc(scores, positive) == pytest.approx(statistic / pairs, abs=1e-12)


def test_auc_is_that_of_scikit_learn():
    from sklearn import metrics

    rng = np.random.default_rng(1)
    scores, positive = rng.integers(0, 12, 80) / 12, rng.random(80) < 0.5
    assert auc(scores, positive) == pytest.approx(metrics.roc_auc_score(positive, scores))


def test_a_class_that_no_clip_has_is_left_out_of_the_means():
    probs = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.3, 0.6, 0.1]])
    by_class, means, _ = measure(np.array([0, 1, 0]), probs)
    assert np.isnan(by_class["sensitivity"][2]) and np.isnan(by_class["auc"][2])
    assert means["balanced_accuracy"] == pytest.approx((1 / 2 + 1) / 2)
    assert means["accuracy"] == pytest.approx(2 / 3)


def test_intervals_are_over_patients():
    # Three patients with ten wrong clips, three with ten right ones. Of six draws none is right in
    # 1.6%, one at most in 10.9%: the interval is 1/6 to 5/6. Of 60 clips it would be far narrower.
    labels, patients = np.zeros(60, int), np.repeat(list("abcdef"), 10).tolist()
    probs = np.repeat([[0.1, 0.9], [0.9, 0.1]], 30, axis=0)
    found, by_class = intervals(labels, probs, patients)
    assert found["accuracy"] == pytest.approx([1 / 6, 5 / 6])
    assert by_class["sensitivity"][0] == pytest.approx([1 / 6, 5 / 6])
    assert by_class["sensitivity"][1] is None and found["auc"] is None  # no clip is of that class
    again, _ = intervals(labels, probs, patients)
    assert found == again


def test_an_interval_needs_patients_of_the_class():
    labels, patients = np.array([0] * 6 + [1] * 6), list("abcdefgghhii")
    probs = np.repeat([[0.9, 0.1], [0.1, 0.9]], 6, axis=0)
    found, by_class = intervals(labels, probs, patients, num_resamples=50)
    assert found["accuracy"] == [1, 1]
    # Three patients have class 1: no interval of its sensitivity, nor of the other's specificity.
    assert by_class["sensitivity"] == [[1, 1], None]
    assert by_class["specificity"] == [None, [1, 1]]
    few, _ = intervals(labels[:4], probs[:4], patients[:4], num_resamples=5)
    assert few["accuracy"] is None


def clip(*, geometry=True):
    where = Geometry((8, 8), (0, 0, 8, 8), (8, 8)) if geometry else None
    return Clip(torch.zeros(1, 1, 8, 8), torch.tensor([0]), "v", where)


def evaluated():
    evaluator = ClassificationEvaluator(dataset="three_shapes", protocol="one frame")
    answers = {"d1": (0, 0), "d2": (0, 1), "s1": (1, 1), "n1": (2, 2)}
    for name, (truth, answer) in [*answers.items(), *list(answers.items())[:1]]:  # one comes twice
        prediction = LabelPrediction(torch.nn.functional.one_hot(torch.tensor(answer), 3) * 5.0)
        target = LabelTarget(truth)
        evaluator.process(made_up_record(name), 0, clip(), target, prediction, seconds=0.5)
    return evaluator.evaluate()


def test_results(tmp_path, capsys):
    results = evaluated()
    assert results["confusion"] == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert results["mean"]["accuracy"] == 0.75
    assert results["mean"]["balanced_accuracy"] == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert results["classes"]["disc"]["num_clips"] == 2 and results["num_patients"] == 4
    assert results["headline"] == {"mean": "balanced_accuracy", "class": "sensitivity"}
    write_results(results, tmp_path)
    written = json.loads((tmp_path / "results.json").read_text())
    assert written == {key: value for key, value in results.items() if key != "predictions"}
    table = (tmp_path / "predictions.csv").read_text()
    assert table.splitlines()[0] == "video_id,patient,truth,predicted," + ",".join(
        f"p_{name}" for name in results["classes"]
    )
    rows = list(csv.DictReader(table.splitlines()))
    assert [row["video_id"] for row in rows] == ["d1", "d2", "n1", "s1"]
    assert (rows[1]["truth"], rows[1]["predicted"]) == ("disc", "square")
    e = np.exp(5.0)
    assert float(rows[1]["p_square"]) == pytest.approx(e / (e + 2))
    print_label_results(results)
    shown = capsys.readouterr().out
    assert "0.7500" in shown and "[not" in shown
    assert label_cells(results)["accuracy"] == "0.7500"
    assert label_cells(results)["calibration error"] != "-"
    del results["calibration_error"]  # as in results of earlier versions
    assert label_cells(results)["calibration error"] == "-"
    results = evaluated()
    (_, _, overall), (_, head, by_class), (_, _, confusion) = label_tables(results)
    assert overall[1][0] == "accuracy" and len(by_class) == 4
    assert all(len(row) == len(head) for row in by_class)
    assert confusion[0] == ["disc", "1", "1", "0"]


def test_bad_input():
    evaluator = ClassificationEvaluator(dataset="three_shapes", protocol="one frame")
    with pytest.raises(ValueError, match="three_shapes has no clip to evaluate"):
        evaluator.evaluate()
    two = LabelPrediction(torch.zeros(2))
    with pytest.raises(ValueError, match="predicts 2 classes, three_shapes has 3: disc"):
        evaluator.process(made_up_record("v"), 0, clip(), LabelTarget(0), two)
    three = LabelPrediction(torch.zeros(3))
    with pytest.raises(ValueError, match="v was augmented"):
        evaluator.process(made_up_record("v"), 0, clip(geometry=False), LabelTarget(0), three)
    with pytest.raises(ValueError, match="v has label 7"):
        evaluator.process(made_up_record("v"), 0, clip(), LabelTarget(7), three)
    masks = ClipPrediction(torch.zeros(3, 1, 8, 8), torch.zeros(3), torch.ones(3, dtype=bool))
    with pytest.raises(ValueError, match="predicts a ClipPrediction.*SegmentationEvaluator"):
        evaluator.process(made_up_record("v"), 0, clip(), LabelTarget(0), masks)
