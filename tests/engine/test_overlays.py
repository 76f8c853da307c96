"""lgrseg/engine/overlays.py: what a run draws is read back from its TensorBoard file."""

import io

import matplotlib.image
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lgrseg.engine.trainer import DefaultTrainer
from lgrseg.engine.writers import read_metrics


def drawn(run):
    """Tag -> [(step, picture (H, W, 3) of 0 to 1), ...], and the tags of curves."""
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    pictures = {
        tag: [
            (image.step, matplotlib.image.imread(io.BytesIO(image.encoded_image_string)))
            for image in events.Images(tag)
        ]
        for tag in events.Tags()["images"]
    }
    return pictures, events.Tags()["scalars"]


def test_examples_of_every_evaluation(tiny_cfg, tmp_path):
    tiny_cfg.train.update({"eval_period": 2, "example_overlays": 2})
    trainer = DefaultTrainer(tiny_cfg)
    trainer.train()
    assert trainer.model.training
    pictures, curves = drawn(tmp_path / "run")
    assert set(pictures) == {"examples/tiny/0", "examples/tiny/1"}
    assert {"loss", "loss_ce", "loss_dice", "lr", "eval/tiny/mean_dice"} <= set(curves)
    evaluated = [
        x["iteration"] for x in read_metrics(tmp_path / "run") if "eval/tiny/mean_dice" in x
    ]
    for steps in pictures.values():
        assert [step for step, _ in steps] == evaluated == [2, 4, 6]
        # Three panels 320 high with a heading, a legend; the truth's red disc is in the second.
        (_, picture), width = steps[0], 320
        assert picture.shape[:2] == (22 + 320 + 24, 3 * width + 2 * 4)
        red = (picture[..., 0] > picture[..., 1] + 0.2)[22 : 22 + 320]
        assert not red[:, :width].any() and red[:, width + 4 : 2 * width].mean() > 0.1
    first, second = (steps[0][1] for steps in pictures.values())
    assert not np.array_equal(first, second)


def test_none_unless_asked_for(tiny_cfg, tmp_path):
    tiny_cfg.train.max_iter = 1
    DefaultTrainer(tiny_cfg).train()
    assert drawn(tmp_path / "run")[0] == {}


def test_pictures_change_nothing(tiny_cfg, tmp_path):
    scores = []
    for number in (0, 3):
        tiny_cfg.train.update(
            {
                "eval_period": 2,
                "example_overlays": number,
                "ema_decay": 0.5,
                "output_dir": str(tmp_path / f"run{number}"),
            }
        )
        DefaultTrainer(tiny_cfg).train()
        lines = read_metrics(tmp_path / f"run{number}")
        scores.append([line.get("loss", line.get("eval/tiny/mean_dice")) for line in lines])
    assert scores[0] == scores[1]
