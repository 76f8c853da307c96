"""lgrseg/inference/whole_videos.py: windows drawn out, every frame once, bounded memory."""

import numpy as np
import pytest
import torch

from lgrseg.inference.whole_videos import predict_frames
from lgrseg.inference.windows import windows
from lgrseg.modeling.contracts import ClipModel
from lgrseg.structures import ClipPrediction, Geometry


def spans(length, num_frames):
    return [
        (w.near.start, w.near.stop, w.kept.start, w.kept.stop) for w in windows(length, num_frames)
    ]


def test_windows_drawn_out():
    assert spans(3, 5) == [(0, 3, 0, 3)]
    assert spans(5, 5) == [(0, 5, 0, 5)]
    # 0 1 2 3 4 . .    middle 2 keeps 0..2 (frame 3 is as near to both, and goes to the first)
    # . . 2 3 4 5 6    middle 4 keeps the rest
    assert spans(7, 5) == [(0, 5, 0, 3), (2, 7, 3, 7)]


@pytest.mark.parametrize("length", [1, 2, 11, 12, 57, 100])
@pytest.mark.parametrize(("num_frames", "num_far"), [(1, 0), (2, 0), (7, 0), (11, 0), (7, 2)])
def test_every_frame_once_and_inside_its_window(length, num_frames, num_far):
    kept = []
    for window in windows(length, num_frames, num_far):
        assert set(window.kept) <= set(window.near) and len(window.kept) > 0
        assert len(set(window.indices)) == min(num_frames, length)
        assert 0 <= window.indices[0] and window.indices[-1] < length
        assert not set(window.near) & set(window.far)
        kept += window.kept
    assert kept == list(range(length))


def test_hybrid_windows_look_far():
    # Of 25 frames 5 are near: the others in two halves of 10, whose middles are the far ones.
    first, *_, last = windows(25, 7, 2)
    assert list(first.near) == [0, 1, 2, 3, 4] and first.far == [10, 20]
    assert list(last.near) == [20, 21, 22, 23, 24] and last.far == [5, 15]
    assert first.indices == [0, 1, 2, 3, 4, 10, 20]
    with pytest.raises(ValueError, match="num_far=7 must be 0 to 6"):
        windows(25, 7, 7)


class Seen(ClipModel):
    """Says class 0 where a pixel is bright; keeps the frames it was shown."""

    def __init__(self):
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(1))
        self.clips = []

    def forward(self, clips):
        self.clips += [clip.frame_indices.tolist() for clip in clips]
        logits = clips[0].frames[None, :, 0] - 0.5
        return [ClipPrediction(logits, torch.ones(1), torch.ones(1, dtype=torch.bool))]


class Lazy:
    """A video of any length that counts how many of its frames are held at once."""

    def __init__(self, length):
        self.length, self.most = length, 0

    def __len__(self):
        return self.length

    def __getitem__(self, part):
        self.most = max(self.most, part.stop - part.start)
        frames = np.zeros((part.stop - part.start, 8, 8), np.uint8)
        for row, index in enumerate(range(part.start, part.stop)):
            frames[row, index % 8] = 255
        return frames


def test_masks_belong_to_their_frames_and_only_a_window_is_held():
    video, model = Lazy(200), Seen().train()
    geometry = Geometry((12, 10), (2, 1, 10, 9), (8, 8))
    for index, labels in predict_frames(model, video, geometry, num_frames=7):
        assert labels.shape == (12, 10)
        assert np.flatnonzero(labels.any(axis=1)).tolist() == [2 + index % 8]
    assert index == 199 and video.most == 7
    assert model.training and model.clips[0] == list(range(7))
    hybrid = predict_frames(model, video, geometry, num_frames=7, num_far=2)
    for index, labels in hybrid:
        assert np.flatnonzero(labels.any(axis=1)).tolist() == [2 + index % 8]
    assert index == 199 and model.clips[-1][:2] == [48, 146] and video.most == 7


def test_a_single_colour_frame():
    frames = np.zeros((1, 8, 8, 3), np.uint8)
    geometry = Geometry((8, 8), (0, 0, 8, 8), (16, 16))
    ((index, labels),) = predict_frames(Seen(), frames, geometry)
    assert index == 0 and not labels.any()
