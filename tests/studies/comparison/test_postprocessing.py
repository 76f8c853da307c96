"""Which post-processing is chosen, and that truth and prediction meet on their frames."""

import json

import pytest
import torch
from bright_disc import CONFIG, OVERRIDES
from conftest import square_video
from safetensors.torch import save_file

from lgrseg.config import instantiate, load_config, save_config
from lgrseg.data.catalog import DatasetCatalog, Metadata, MetadataCatalog
from lgrseg.inference.postprocessing import WAYS
from lgrseg.studies.comparison.postprocessing import (
    best_way,
    choose_postprocessing,
    describe_choice,
    keep_choice,
)

SQUARES: list = []
CLASSES = ("left_ventricle", "myocardium", "left_atrium")
if "fold_squares" not in DatasetCatalog:
    DatasetCatalog.register("fold_squares", lambda: list(SQUARES))
    MetadataCatalog.register("fold_squares", Metadata(CLASSES, ((9, 9, 9),) * 3))


@pytest.mark.parametrize(
    ("dice", "hd95", "best"),
    [
        ((0.9, 0.9, 0.91, 0.91), (5, 5, 4, 4), 2),  # holes gain nothing: the simpler way
        ((0.9, 0.9, 0.89, 0.89), (5, 5, 4, 4), 0),  # nearer, but Dice falls
        ((0.9, 0.92, 0.91, 0.93), (5, 4, 4, 3), 3),
        ((0.9, 0.9, 0.9, 0.9), (5, 5, 5, 5), 0),
    ],
)
def test_the_lowest_distance_without_a_loss_of_dice(dice, hd95, best):
    scores = zip(WAYS, dice, hd95, strict=True)
    assert best_way({way: {"dice": d, "hd95": h} for way, d, h in scores}) == WAYS[best]


def test_a_fold_is_predicted_and_scored_in_every_way(tmp_path):
    SQUARES[:] = [square_video(tmp_path / "data", "v")]
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    cfg = load_config(CONFIG, OVERRIDES)
    save_config(cfg, tmp_path / "run" / "config.yaml")
    torch.manual_seed(1)
    weights = tmp_path / "run" / "checkpoints" / "last.safetensors"
    save_file(instantiate(cfg.model).state_dict(), weights)
    found = choose_postprocessing([(tmp_path / "run", "fold_squares")])
    assert found["num_patients"] == 1 and len(found["tried"]) == 4
    assert found["chosen"].keys() == {"largest_component", "fill_holes"}
    assert "chosen on 1 patients out of fold" in describe_choice(found)


def test_the_choice_in_words():
    tried = [
        {"largest_component": largest, "fill_holes": False, "dice": dice, "hd95": hd95}
        for largest, dice, hd95 in ((False, 0.9, 5.0), (True, 0.91, 4.0))
    ]
    chosen = {"largest_component": True, "fill_holes": False}
    text = describe_choice({"chosen": chosen, "tried": tried, "num_patients": 7})
    assert text == (
        "Post-processing (chosen on 7 patients out of fold): largest component; "
        "Dice 0.9000 to 0.9100, HD95 5.00 to 4.00."
    )
    none = dict.fromkeys(chosen, False)
    assert "none" in describe_choice({"chosen": none, "tried": tried, "num_patients": 7})


def test_an_earlier_choice_is_kept_as_long_as_the_scores_are_the_same(tmp_path):
    file, scores = tmp_path / "cross_validation.json", {"anna": {"lv": 0.9}, "ben": {"lv": None}}
    found = {"patients": scores}
    assert keep_choice(found, file) == "" and found == {"patients": scores}
    file.write_text(json.dumps({"patients": scores}))
    assert keep_choice(found, file) == "" and found == {"patients": scores}
    choice = {"chosen": {"largest_component": True}}
    file.write_text(json.dumps({"patients": scores, "postprocessing": choice}))
    assert "keeps the post-processing" in keep_choice(found, file)
    assert found == {"patients": scores, "postprocessing": choice}
    trained_anew = {"patients": scores | {"ben": {"lv": 0.8}}}
    assert "choose again with --choose" in keep_choice(trained_anew, file)
    assert "postprocessing" not in trained_anew
    file.write_text("{")
    with pytest.raises(ValueError, match=r"cross_validation.json is damaged .*delete it"):
        keep_choice(found, file)
