"""Raw still images and masks, written and prepared in a test's folder."""

import cv2
import numpy as np

from lgrseg.data.datasets import RAW
from lgrseg.data.prepare import prepare


def picture(path, value=90, size=(40, 60)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size, 3), value, np.uint8))


def box_mask(path, value, size=(40, 60)):
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(size, np.uint8)
    mask[10:20, 30:50] = value
    cv2.imwrite(str(path), mask)


def prepared(name, raw, tmp_path, monkeypatch):
    report = again(name, raw, tmp_path)
    monkeypatch.setenv("LGRSEG_DATASETS", str(tmp_path / "store"))
    return report


def again(name, raw, tmp_path):
    """What comes of preparing a dataset below tmp_path/store."""
    return prepare(*RAW[name].find_videos(raw), tmp_path / "store" / name)
