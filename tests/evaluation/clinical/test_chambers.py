"""Chambers of other names than usual: told by roles, or said to be unknown."""

import json

import numpy as np
import pytest
from conftest import made_up_record
from omegaconf import OmegaConf

from lgrseg.config import load_config
from lgrseg.data.catalog import Metadata, MetadataCatalog
from lgrseg.engine.test_sets import with_test_sets
from lgrseg.evaluation.clinical.chambers import chambers_of, why_no_ejection_fraction
from lgrseg.evaluation.clinical.video_measures import measure_video
from lgrseg.evaluation.frame_scores import measure_heart, score_frame
from lgrseg.evaluation.summary import summarise

USUAL = ("left_ventricle", "myocardium", "left_atrium")
OWN = ("lv_cavity", "wall", "la")
ROLES = {"left_ventricle": "lv_cavity", "left_atrium": "la"}


def heart(length):
    """A ventricle of 40 columns and `length` rows that ends at row 90, an atrium below it."""
    labels = np.zeros((120, 100), np.uint8)
    labels[90 - length : 90, 30:70] = 1
    labels[90:110, 35:65] = 3
    return labels


def test_a_role_gives_the_measures_of_the_usual_name():
    told = measure_heart(heart(60), OWN, (1.0, 1.0), ROLES)
    assert told == measure_heart(heart(60), USUAL, (1.0, 1.0))
    assert set(told) == {"left_ventricle", "left_atrium"}
    for chamber in told.values():
        assert min(chamber.volume_ml, chamber.length_mm, chamber.area_mm2) > 0
    assert measure_heart(heart(60), OWN, (1.0, 1.0)) == {}


def test_a_video_has_an_ejection_fraction_by_its_role():
    lengths = 52.5 + 7.5 * np.cos(np.arange(61) / 20 * 2 * np.pi)  # 60 to 45, three beats
    masks = np.stack([heart(round(length)) for length in lengths])
    usual = measure_video(masks, USUAL, (1.0, 1.0))
    told = measure_video(masks, OWN, (1.0, 1.0), roles=ROLES)
    assert told["beats"] == usual["beats"]
    assert told["beats"][0]["ejection_fraction"] == pytest.approx(25, abs=3)
    keys = ["ed", "es", "edv", "esv", "ejection_fraction", "problems"]
    assert list(told["beats"][0]) == keys
    assert told["ventricle"] == "lv_cavity" and set(told["areas"]) == set(OWN)
    assert "ejection_fraction" not in measure_video(masks, OWN, (1.0, 1.0))


def test_frames_of_end_diastole_and_end_systole_are_compared_by_role():
    record = made_up_record("a", spacing_mm=(1.0, 1.0), ed_frame=0, es_frame=7)
    rows = [
        score_frame(heart(length), heart(length), record, frame, OWN, tolerance=1, roles=ROLES)
        for frame, length in ((0, 60), (7, 45))
    ]
    results = summarise(rows, OWN, tolerance=1)
    truth = results["heart"]["cases"][0]["truth"]
    assert truth["area_change"] == pytest.approx(25)  # 60 rows to 45, of one width
    assert truth["ejection_fraction"] == pytest.approx(25, abs=3)
    silent = [score_frame(heart(60), heart(60), record, 0, OWN, tolerance=1)]
    assert summarise(silent, OWN, tolerance=1)["heart"] is None


def test_a_role_goes_before_a_name():
    assert chambers_of(USUAL, {}) == {
        "left_ventricle": "left_ventricle",
        "left_atrium": "left_atrium",
    }
    assert chambers_of(("left_ventricle", "lv2"), {"left_ventricle": "lv2"}) == {
        "left_ventricle": "lv2"
    }


def test_what_is_lacking_is_said():
    reason = why_no_ejection_fraction(OWN, {}, "mine_val")
    assert "classes of mine_val (lv_cavity, wall, la)" in reason
    assert "roles.left_ventricle=NAME" in reason and "classes.yaml" in reason
    assert "end-diastole" in why_no_ejection_fraction(OWN, ROLES, "mine_val")


@pytest.fixture
def run_config(tmp_path, monkeypatch):
    """The config of a run whose dataset is known by its description alone."""
    facts = {"classes": list(OWN), "colors": [[1, 2, 3]] * 3}
    cfg = {
        "dataloader": {"train": {"dataset": "told_val"}, "test": {"told_val": {}}},
        "datasets": {"told_val": facts},
    }
    monkeypatch.setattr(MetadataCatalog, "_described", {})
    OmegaConf.save(OmegaConf.create(cfg), tmp_path / "config.yaml")
    return tmp_path / "config.yaml"


@pytest.mark.parametrize(
    "override", ["roles.left_ventricle=lv_cavity", "roles={left_ventricle: lv_cavity}"]
)
def test_a_role_can_be_told_on_the_command_line(run_config, override):
    load_config(run_config)
    assert MetadataCatalog.get("told_val").roles == {}
    load_config(run_config, [override])
    assert MetadataCatalog.get("told_val").roles == {"left_ventricle": "lv_cavity"}


def test_a_role_is_also_that_of_datasets_that_are_asked_for(run_config, monkeypatch):
    other = Metadata(OWN, ((1, 2, 3),) * 3)
    monkeypatch.setattr(MetadataCatalog, "_described", {"told_test": other})
    cfg = load_config(run_config, ["roles.left_ventricle=lv_cavity"])
    assert MetadataCatalog.get("told_test").roles == {}
    with_test_sets(cfg, ["told_test"])
    assert MetadataCatalog.get("told_test").roles == {"left_ventricle": "lv_cavity"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("roles.left_ventrikel=lv_cavity", "the roles are left_ventricle, left_atrium"),
        ("roles.left_ventricle=lv", "the classes are lv_cavity, wall, la"),
        ("roles=lv_cavity", "roles must be {left_ventricle: NAME OF A CLASS}"),
    ],
)
def test_an_unknown_role_or_class_is_refused(run_config, override, message):
    with pytest.raises(ValueError, match=message):
        load_config(run_config, [override])


def test_results_without_ejection_fraction_say_so_in_the_report(tmp_path, monkeypatch, caplog):
    from lgrseg.data.catalog import MetadataCatalog
    from lgrseg.evaluation.evaluator import SegmentationEvaluator

    monkeypatch.setattr(
        MetadataCatalog, "_described", {"told_val": Metadata(OWN, ((1, 2, 3),) * 3)}
    )
    evaluator = SegmentationEvaluator(dataset="told_val", protocol="test")
    record = made_up_record("a")
    evaluator._rows = [score_frame(heart(60), heart(60), record, 0, OWN, tolerance=2)]
    with caplog.at_level("INFO", logger="lgrseg"):
        results = evaluator.evaluate()
    assert results["no_ejection_fraction"] in caplog.text
    assert "roles.left_ventricle=NAME" in json.dumps(results)
