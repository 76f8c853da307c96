"""A dataset in another style: frames change, masks and everything else stay."""

import numpy as np
import pytest
import torch
from torch import nn

from lgrseg.data import DatasetCatalog, MetadataCatalog, register_dataset
from lgrseg.data.store import open_frames, read_masks, write_video
from lgrseg.inference.restyling import part_of, write_restyled
from lgrseg.modeling.generation.cycle_gan import CycleGAN


class Inverted(nn.Module):
    """White becomes black."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(-1.0))

    def forward(self, images):
        return self.factor * images


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """Two datasets of one video of two frames with a mask each."""
    monkeypatch.setenv("LGRSEG_DATASETS", str(tmp_path))
    for number, part in enumerate(("train", "val")):
        frames = np.full((2, 12, 20), 50 * (number + 1), np.uint8)
        frames[:, :, 10:] = 250
        mask = np.zeros((16, 24), np.uint8)
        mask[4:8, 3:9] = 1
        meta = {
            "video_id": f"anna{number}",
            "original_size": [16, 24],
            "crop_box": [2, 2, 14, 22],
            "spacing_mm": [0.5, 0.5],
            "patient": f"anna{number}",
        } | dict.fromkeys(("fps", "site", "view", "sources"))
        write_video(tmp_path / f"raw_{part}", frames, {1: mask}, meta)
        if f"restyling_{part}" not in DatasetCatalog:
            register_dataset(
                f"restyling_{part}",
                lambda part=part: records_below(part),
                classes=["cyst"],
                colors=[(9, 99, 199)],
            )
    return {
        f"restyling_{part}": DatasetCatalog.get(f"restyling_{part}") for part in ("train", "val")
    }


def records_below(part):
    from lgrseg.data.catalog import data_root
    from lgrseg.data.store import read_records

    return read_records(data_root() / f"raw_{part}")


def test_a_dataset_with_the_same_masks(parts, tmp_path):
    model = CycleGAN(
        to_b=Inverted(),
        to_a=Inverted(),
        judge_a=nn.Identity(),
        judge_b=nn.Identity(),
        image_size=(24, 40),
    ).eval()
    store = tmp_path / "negatives"
    written = list(write_restyled(model, parts, store, style="b", facts={"by": "a test"}))
    assert written == ["anna0", "anna1"]
    for part, grey in (("train", 50), ("val", 100)):
        (record,) = DatasetCatalog.get(f"negatives_{part}")
        (original,) = parts[f"restyling_{part}"]
        frames = open_frames(record)
        assert frames.shape == (2, 12, 20) and frames.dtype == np.uint8
        assert (frames[:, :, :9] == 255 - grey).all() and (frames[:, :, 11:] == 5).all()
        assert np.array_equal(read_masks(record)[1], read_masks(original)[1])
        assert record.crop_box == original.crop_box and record.spacing_mm == (0.5, 0.5)
        assert record.facts["restyled_to"] == "b" and record.facts["by"] == "a test"
    assert MetadataCatalog.get("negatives_val").classes == ("cyst",)
    assert MetadataCatalog.get("negatives_val").colors == ((9, 99, 199),)
    with pytest.raises(FileExistsError, match="negatives is not empty"):
        list(write_restyled(model, parts, store, style="b", facts={}))


def test_a_name_without_a_part():
    assert part_of("phantom_apical_train") == "train"
    with pytest.raises(ValueError, match="'mine' has no part"):
        part_of("mine")
