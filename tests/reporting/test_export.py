"""lgrseg/reporting/export.py: files of a prepared video, frame by frame."""

import json
import tracemalloc

import nibabel
import numpy as np
import pytest
import torch

from lgrseg.data.catalog import Metadata
from lgrseg.data.store import read_record, write_video
from lgrseg.evaluation.clinical.video_measures import measure_video
from lgrseg.modeling.contracts import ClipModel
from lgrseg.reporting.export import export_record
from lgrseg.structures import ClipPrediction

METADATA = Metadata(("left_ventricle", "left_atrium"), ((255, 0, 0), (0, 255, 0)))


class Bright(ClipModel):
    """Class 0 is what is brighter than half."""

    def __init__(self):
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(1))

    def forward(self, clips):
        bright = clips[0].frames[:, 0] - 0.5
        logits = torch.stack([bright, torch.full_like(bright, -1)])
        return [ClipPrediction(logits, torch.ones(2), torch.ones(2, dtype=torch.bool))]


def beating(root, num_frames, size=(160, 200), fps=29.97):
    """A prepared video of a square whose height beats every 20 frames."""
    frames = np.full((num_frames, *size), 40, np.uint8)
    for t in range(num_frames):
        frames[t, 60 : 100 + round(20 * np.cos(np.pi * t / 10)), 80:120] = 220
    meta = {
        "video_id": f"v{num_frames}", "original_size": list(size), "crop_box": [0, 0, *size],
        "spacing_mm": [0.5, 0.5], "fps": fps, "site": "", "patient": "p", "view": "4",
        "sources": [],
    }  # fmt: skip
    return read_record(write_video(root, frames, {}, meta))


def export(record, folder):
    return export_record(Bright(), record, folder, metadata=METADATA, input_size=(160, 200))


def test_measures_are_those_of_the_masks_in_the_file(tmp_path):
    record = beating(tmp_path, 45)
    path = export(record, tmp_path / "out")
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "v45.json",
        "v45.mp4",
        "v45.png",
        "v45_masks.nii.gz",
    ]
    masks = np.asarray(nibabel.load(tmp_path / "out" / "v45_masks.nii.gz").dataobj)
    masks = masks.transpose(2, 1, 0)
    assert masks[0, 60:120, 80:120].all() and masks.sum(axis=(1, 2))[[0, 10]].tolist() == [
        2400,
        800,
    ]
    found = json.loads(path.with_suffix(".json").read_text())
    whole = measure_video(masks, METADATA.classes, (0.5, 0.5), fps=record.fps)
    assert found["areas"] == whole["areas"]
    assert found["steadiness"]["left_ventricle"] == pytest.approx(
        whole["steadiness"]["left_ventricle"]
    )
    assert found["fps"] == 29.97
    assert found["areas"]["left_ventricle"][0] == 600  # 2400 pixels of a quarter mm2


@pytest.mark.parametrize("fps", [float("inf"), 1e9])
def test_without_a_film_the_rest_is_there(tmp_path, fps, caplog):
    path = export(beating(tmp_path, 8, fps=fps), tmp_path / "out")
    assert sorted(p.suffix for p in path.parent.iterdir()) == [".gz", ".json", ".png"]
    assert "v8.mp4 could not be written" in caplog.text


def test_memory_does_not_grow_with_the_video(tmp_path):
    def peak(num_frames):
        record = beating(tmp_path, num_frames, (240, 320))
        tracemalloc.start()
        export(record, tmp_path / "out")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(6)  # what is loaded once
    grown = peak(45) - peak(20)
    assert grown < 0.3 * 25 * 240 * 320  # the masks of the other 25 frames are 2 MB
