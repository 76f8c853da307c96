"""lgrseg/data/prepare/check.py: what is there, what is odd, who is in two splits."""

import json
import os
import signal
from pathlib import Path

import cv2
import numpy as np

from lgrseg.data.datasets import RAW, phantom
from lgrseg.data.phantom import presets, raw_layouts
from lgrseg.data.prepare.check import check, print_check, write_check
from lgrseg.data.raw_video import LoadedVideo, RawVideo, UnusableVideo

CLASSES = ("left", "right")


def _load(video):
    if video.facts["masks"] == "broken":
        raise UnusableVideo("the file is cut short")
    frames = np.full((3, 40, 50), 60, np.uint8)
    return LoadedVideo(
        frames=frames, masks=video.facts["masks"], spacing_mm=video.facts.get("spacing")
    )


def raw_video(tmp_path, name, masks, *, content=None, patient=None, **facts):
    file = tmp_path / f"{name}.bin"
    file.write_text(content or name)
    return RawVideo(
        video_id=name, sources=[file], patient=patient or name, load=_load, site="A", view="4",
        facts={"masks": masks} | facts,
    )  # fmt: skip


def box(value=1):
    mask = np.zeros((40, 50), np.uint8)
    mask[10:30, 10:30] = value
    return mask


def test_counts_and_suspicions(tmp_path, capsys):
    outline = cv2.rectangle(np.zeros((40, 50), np.uint8), (5, 5), (35, 35), 2, 1)
    speck = box()
    speck[2, 2] = 1
    torn = box()
    torn[32:38, 10:30] = 1
    videos = [
        raw_video(tmp_path, "a", {0: box(), 2: box(2)}, split="train", spacing=(0.5, 0.25)),
        raw_video(tmp_path, "b", {1: outline}, split="train"),
        raw_video(tmp_path, "c", {0: speck, 1: torn, 2: 0 * box()}, split="val", patient="a"),
        raw_video(tmp_path, "d", "broken", split="val"),
        raw_video(tmp_path, "e", None, split="test", content="b"),
    ]
    found = check(videos, {"stray.txt": "is no video"}, CLASSES)
    assert (found["videos"], found["annotated_frames"]) == (4, 6)
    assert found["classes"] == {"left": 3, "right": 2}
    assert found["splits"] == {"test": 1, "train": 2, "val": 1}
    assert found["spacings"] == {"(0.5, 0.25)": 1, "not stated": 3}
    assert found["shapes"] == {"40 x 50": 4} and found["sites"] == {"A": 4}
    assert found["unusable"] == {"stray.txt": "is no video", "d": "the file is cut short"}
    assert found["suspicious"] == {
        "b": ["frame 1, right: an outline, not filled"],
        "c": [
            "frame 2: the mask is empty",
            "frame 0, left: 1 tiny parts, of 1 pixels",
            "frame 1, left: 2 separate parts",
        ],
    }
    assert found["leaks"] == [
        "patient a is in train, val",
        "the same file under several names: b, e",
    ]
    write_check(found, tmp_path / "out" / "check_report.json")
    assert json.loads((tmp_path / "out" / "check_report.json").read_text()) == found
    print_check(found)
    assert "4 videos, 6 masks" in capsys.readouterr().out


def test_a_phantom_in_cardiac_udcs_layout(tmp_path):
    (name, scan), (other, second) = list(presets.scans("demo").items())[:2]
    scan.num_frames = second.num_frames = 6
    raw_layouts.write_scan(tmp_path, name, scan, annotated=[2, 4])
    raw_layouts.write_scan(tmp_path, other, second, annotated=[3], outlines_only=True)
    file = Path(tmp_path, "cardiacUDC_dataset", "Site_P_1", "patient9-4_image.nii.gz")
    file.write_bytes(b"no nifti")
    dataset = RAW["phantom_demo"]
    found = check(*dataset.find_videos(tmp_path), phantom.METADATA.classes)
    assert found["annotated_frames"] == 3 and found["sites"] == {"Site_P_1": 2}
    assert "patient9-4_image.nii.gz is cut short" in found["unusable"]["Site_P_1/patient9-4"]
    assert "filled" in str(found["suspicious"][other])


def _die(video):
    if video.video_id == "b":
        os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when memory is short
    return _load(video)


def test_a_video_that_kills_its_process_takes_no_other_with_it(tmp_path):
    videos = [raw_video(tmp_path, name, {0: box()}) for name in "abcd"]
    for video in videos:
        video.load = _die
    found = check(videos, {}, CLASSES, num_workers=2)
    assert found["videos"] == 3
    assert list(found["unusable"]) == ["b"] and "was killed" in found["unusable"]["b"]
