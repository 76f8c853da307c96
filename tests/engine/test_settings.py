"""The `train` part of a config: what is refused, and that the shipped file is complete."""

import dataclasses
from pathlib import Path

import pytest

from lgrseg.config import load_config
from lgrseg.engine.settings import TrainSettings

COMMON = Path(__file__).parents[2] / "configs" / "common" / "train.py"


def test_the_shipped_settings_are_all_there_are():
    shipped = load_config(COMMON).train
    fields = [field.name for field in dataclasses.fields(TrainSettings)]
    assert sorted(shipped) == sorted(fields)
    TrainSettings.parse(shipped)


def test_a_float_that_means_a_whole_number_is_one():
    settings = TrainSettings.parse({"max_iter": 1e3})
    assert settings.max_iter == 1000 and isinstance(settings.max_iter, int)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_iter": 0}, "train.max_iter is 1 or more, not 0"),
        ({"max_iter": 2.5}, "whole number, not 2.5"),
        ({"accumulate": True}, "whole number, not True"),
        ({"eval_period": -1}, "0 or more, not -1"),
        ({"log_period": "often"}, "whole number, not 'often'"),
        ({"ema_decay": 1.0}, "below 1, not 1.0"),
        ({"clip_norm": 0}, "null for none, not 0"),
        ({"clip_norm": "none"}, "train.clip_norm is a finite number, or null, not 'none'"),
        ({"clip_norm": float("inf")}, "train.clip_norm is a finite number, or null, not inf"),
        ({"recompute_activations": "flase"}, "recompute_activations is true or false, not 'flase'"),
        ({"amp": "banana"}, "train.amp is true or false, not 'banana'"),
        ({"output_dir": 2024}, "train.output_dir is text, not 2024; for text, quote it"),
        ({"ema_decay": "half"}, "train.ema_decay is a finite number, not 'half'"),
    ],
)
def test_what_cannot_be_meant_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        TrainSettings.parse(values)


def test_a_setting_nobody_reads_is_refused():
    with pytest.raises(KeyError, match="no setting train.max_iters; did you mean 'max_iter'"):
        TrainSettings.parse({"max_iters": 5})
