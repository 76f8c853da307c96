"""Packed frames and masks, as a player reads them."""

import cv2
import numpy as np
import pytest

from lgrseg.serve.packed import BLOCK, read_labels, read_packed, write_frames, write_labels


def test_frames_are_found_by_number(tmp_path):
    frames = np.arange(5, dtype=np.uint8)[:, None, None] * 50 * np.ones((1, 24, 32), np.uint8)
    write_frames(tmp_path / "f", frames, fps=12.5)
    index, data = read_packed((tmp_path / "f").read_bytes())
    assert (index["height"], index["width"], index["fps"]) == (24, 32, 12.5)
    assert sum(length for _, length in index["frames"]) == len(data)
    for number, (start, length) in enumerate(index["frames"]):
        picture = cv2.imdecode(np.frombuffer(data[start : start + length], np.uint8), 0)
        assert abs(picture.mean() - 50 * number) < 3


def test_colours_are_rgb(tmp_path):
    write_frames(tmp_path / "f", np.full((1, 16, 16, 3), (200, 30, 30), np.uint8), fps=None)
    _, data = read_packed((tmp_path / "f").read_bytes())
    blue, green, red = cv2.imdecode(np.frombuffer(data, np.uint8), 1).mean(axis=(0, 1))
    assert red > 180 and blue < 60 and green < 60


@pytest.mark.parametrize("length", [1, BLOCK, 2 * BLOCK + 1])
def test_masks_come_back(tmp_path, length):
    masks = np.random.default_rng(0).integers(0, 3, (length, 6, 8), np.uint8)
    write_labels(tmp_path / "l", masks, classes=("a", "b"), colors=((1, 2, 3), (4, 5, 6)))
    content = (tmp_path / "l").read_bytes()
    np.testing.assert_array_equal(np.stack(list(read_labels(content))), masks)
    index, _ = read_packed(content)
    assert index["classes"][1] == {"label": 2, "name": "b", "color": [4, 5, 6]}
    assert [block[2] for block in index["blocks"]] == list(range(0, length, BLOCK))


def test_another_file_is_refused():
    with pytest.raises(ValueError, match="LGF1"):
        read_packed(b"PK\x03\x04")
