"""lgrseg/data/transforms/style.py: histograms and amplitudes of unlabelled frames."""

import cv2
import numpy as np
import pytest

from lgrseg.config import instantiate, load_config
from lgrseg.data import RandomFourierStyle, RandomHistogramStyle

RNG = np.random.default_rng
BOTH = [RandomHistogramStyle, RandomFourierStyle]


@pytest.fixture
def bright(tmp_path):
    """A folder with one colour picture whose grey levels are 153 (0.6) to 204 (0.8)."""
    levels = np.linspace(153, 204, 40).round().astype(np.uint8)
    picture = np.broadcast_to(levels[None, :, None], (30, 40, 3))
    cv2.imwrite(str(tmp_path / "frame.png"), picture)
    return str(tmp_path)


def clip(channels=1):
    """Three equal frames of grey levels 0.2 to 0.4, with black columns at the left."""
    frame = np.linspace(0.2, 0.4, 24 * 32, dtype=np.float32).reshape(24, 32, 1)
    frame[:, :6] = 0
    return np.broadcast_to(frame, (3, 24, 32, channels)).copy()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("style", BOTH)
def test_frames_change_alike_and_masks_do_not(style, channels, bright):
    frames, masks = clip(channels), np.ones((2, 24, 32), np.uint8)
    changed, same = style(source=bright, prob=1.0)(frames, masks, RNG(1))
    assert changed.shape == frames.shape and changed.dtype == np.float32
    assert same is masks and np.array_equal(frames, clip(channels))
    assert np.allclose(changed[0], changed[2], atol=1e-6) and not np.allclose(changed, frames)
    assert not changed[:, :, :6].any() and 0 <= changed.min() and changed.max() <= 1
    assert style(source="no_such_dataset", prob=0.0)(frames, masks, RNG(1))[0] is frames


def test_grey_levels_become_those_of_the_style_in_part(bright):
    # The strength s of every draw moves the mean from 0.3 to 0.3 + 0.4 s, and the order stays.
    augment, means = RandomHistogramStyle(source=bright, prob=1.0), []
    for seed in range(20):
        changed = augment(clip(), None, RNG(seed))[0][0, :, 6:, 0]
        assert (np.diff(changed.ravel()) > -1e-6).all()
        means.append(changed.mean())
    assert 0.3 < min(means) < 0.4 and 0.64 < max(means) < 0.705


def test_high_frequencies_stay_and_the_mean_becomes_that_of_the_style(tmp_path):
    cv2.imwrite(str(tmp_path / "frame.png"), np.full((32, 32), 153, np.uint8))  # 0.6 everywhere
    chessboard = (0.02 * (-1.0) ** np.indices((32, 32)).sum(0)).astype(np.float32)
    frames = (0.2 + chessboard)[None, ..., None]
    augment, means = RandomFourierStyle(source=str(tmp_path), prob=1.0), []
    for seed in range(20):
        changed = augment(frames, None, RNG(seed))[0][0, ..., 0]
        assert np.allclose(changed - changed.mean(), chessboard, atol=1e-5)
        means.append(changed.mean())
    assert 0.2 < min(means) < 0.3 and 0.5 < max(means) < 0.6


@pytest.mark.parametrize("style", BOTH)
def test_black_clips_black_styles_and_unknown_sources(style, tmp_path, bright):
    black = np.zeros((1, 8, 8, 1), np.float32)
    assert not style(source=bright, prob=1.0)(black, None, RNG(0))[0].any()
    cv2.imwrite(str(tmp_path / "frame.png"), np.zeros((8, 8), np.uint8))
    changed = style(source=str(tmp_path), prob=1.0)(clip(), None, RNG(0))[0]
    assert np.isfinite(changed).all()
    with pytest.raises((KeyError, ValueError), match="no_such_dataset"):
        style(source="no_such_dataset", prob=1.0)(clip(), None, RNG(0))


def test_the_method_changes_the_style_first():
    cfg = load_config("configs/baselines/apical_simulated.py", ["method=unlabelled_styles"])
    chosen = [type(a).__name__ for a in instantiate(cfg.dataloader.train.mapper).augmentations]
    assert chosen[:3] == ["RandomHistogramStyle", "RandomFourierStyle", "RandomAffine"]
