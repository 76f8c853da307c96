"""lgrseg/data/datasets/video_folders.py: SUN-SEG's and UFUV's own layout."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from lgrseg.data.catalog import DatasetCatalog
from lgrseg.data.datasets import RAW
from lgrseg.data.datasets.video_folders import split_name
from lgrseg.data.prepare import prepare
from lgrseg.data.store import open_frames, read_masks, read_record

SIZE = (24, 32)


def write(part, video, frames, masks):
    for name in frames:
        file = part / "Frame" / video / f"{name}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), np.full((*SIZE, 3), 10 * int(name), np.uint8))
    for name, value in masks.items():
        file = part / "GT" / video / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        mask = np.zeros(SIZE, np.uint8)
        mask[2:6, 3:9] = value
        cv2.imwrite(str(file), mask)


@pytest.fixture
def raw(tmp_path):
    root = tmp_path / "raw" / "SUN-SEG"
    write(root / "TrainDataset", "case1_1", ["2", "10", "1"], {"2": 255, "10": 1})
    write(root / "TestEasyDataset" / "Unseen", "case9", ["1"], {"1": 0})
    return root.parent


def test_prepare_and_list(raw, tmp_path, monkeypatch):
    write(raw / "SUN-SEG" / "TrainDataset", "odd", ["1"], {"7": 255})
    (raw / "SUN-SEG" / "TrainDataset" / "GT" / "lonely").mkdir()
    videos, problems = RAW["sun_seg"].find_videos(raw)
    assert problems == {"train/GT/lonely": "has no folder of this name in Frame"}
    report = prepare(videos, problems, tmp_path / "store" / "sun_seg")
    assert "GT/odd/7.png has no image of this name" in report.unusable["train/odd"]
    monkeypatch.setenv("LGRSEG_DATASETS", str(tmp_path / "store"))
    (record,) = DatasetCatalog.get("sun_seg_train")
    assert (record.num_frames, record.annotated_frames) == (3, (1, 2))  # 1, 2, 10
    assert open_frames(record)[:, 0, 0].tolist() == [10, 20, 100]
    masks = read_masks(record)
    for frame in (1, 2):  # 255 and 1 both mean the structure
        assert masks[frame].sum() == 4 * 6 and set(np.unique(masks[frame])) == {0, 1}
    (empty,) = DatasetCatalog.get("sun_seg_test_easy_unseen")
    assert read_masks(empty)[0].sum() == 0
    with pytest.raises(FileNotFoundError, match="no video of part 'test_hard_seen'"):
        DatasetCatalog.get("sun_seg_test_hard_seen")


def test_a_mask_of_another_size(raw, tmp_path):
    file = raw / "SUN-SEG/TrainDataset/GT/case1_1/2.png"
    cv2.imwrite(str(file), np.zeros((9, 9), np.uint8))
    report = prepare(*RAW["sun_seg"].find_videos(raw), tmp_path / "store")
    assert "(9, 9), its image (24, 32)" in report.unusable["train/case1_1"]


def test_palettes_of_youtube_vos(tmp_path, monkeypatch):
    from PIL import Image

    part = tmp_path / "raw" / "train"
    write(part, "0a1b", ["00000", "00005"], {})
    (part / "Frame").rename(part / "JPEGImages")
    indices = np.zeros(SIZE, np.uint8)
    indices[2:6, 3:9], indices[10:12, 3:9] = 1, 2
    image = Image.fromarray(indices, mode="P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])  # dark colours: grey values below 127
    (part / "Annotations" / "0a1b").mkdir(parents=True)
    image.save(part / "Annotations" / "0a1b" / "00005.png")
    report = prepare(*RAW["youtube_vos"].find_videos(tmp_path / "raw"), tmp_path / "s/youtube_vos")
    assert not report.unusable
    monkeypatch.setenv("LGRSEG_DATASETS", str(tmp_path / "s"))
    (record,) = DatasetCatalog.get("youtube_vos_train")
    assert record.annotated_frames == (1,)
    assert np.array_equal(read_masks(record)[1], (indices > 0).astype(np.uint8))


def test_coloured_masks_and_masks_of_several_images(raw, tmp_path):
    part = raw / "SUN-SEG" / "TrainDataset"
    red = np.zeros((*SIZE, 3), np.uint8)
    red[2:6, 3:9] = (0, 0, 76)  # as OpenCV orders colours; grey value 23
    cv2.imwrite(str(part / "GT" / "case1_1" / "2.png"), red)
    write(part, "twice", ["1"], {"1": 255})
    (part / "GT" / "twice" / "1.bmp").write_bytes((part / "GT" / "twice" / "1.png").read_bytes())
    (part / "Frame" / "none").mkdir()
    write(part, "silent", ["1"], {})
    (part / "GT" / "silent").mkdir()
    videos, problems = RAW["sun_seg"].find_videos(raw)
    assert problems["train/GT/silent"] == "holds no image: nothing is labelled"
    report = prepare(videos, problems, tmp_path / "store")
    assert (
        "GT/twice/1.png has several images or masks of this name" in report.unusable["train/twice"]
    )
    record = read_record(tmp_path / "store" / "train" / "case1_1")
    assert read_masks(record)[1].sum() == 4 * 6 and record.annotated_frames == (1, 2)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder Frame.*Get it from"):
        RAW["ufuv"].find_videos(tmp_path)


def test_names_of_parts():
    names = ("SUN-SEG/TrainDataset", "TestHardDataset/Seen", "test", ".")
    assert [split_name(Path(name)) for name in names] == ["train", "test_hard_seen", "test", "all"]
