"""MaskMapper: class shares of supervised frames, which move with the masks."""

import numpy as np
import torch

from lgrseg.data import DenseSampler, MaskMapper, RandomAffine, WholeVideoSampler


def test_class_shares_of_the_supervised_frames(make_video):
    record = make_video("a", num_frames=5, annotated=(1, 3))
    mapper = MaskMapper(num_classes=2, frame_sampler=WholeVideoSampler(), input_size=(16, 24))
    clip, targets = mapper(record, 1, np.random.default_rng(0))
    assert clip.frame_indices.tolist() == [1, 3] and clip.frames.shape == (2, 3, 16, 24)
    torch.testing.assert_close(clip.frames.sum(dim=1), torch.ones(2, 16, 24))
    # The square of 12 x 16 pixels at half the size: its top left corner is at (4, 2 + t).
    square = torch.zeros(16, 24)
    square[4:10, 3:11] = 1
    torch.testing.assert_close(clip.frames[0, 1], square)
    assert torch.equal(clip.frames[:, 1] > 0.5, targets.masks[0]) and not clip.frames[:, 2].any()
    assert clip.geometry is not None and targets.annotated.tolist() == [True, True]


def test_a_neighbour_without_annotation_is_left_out(make_video):
    record = make_video("a", num_frames=5, annotated=(2,))
    mapper = MaskMapper(
        num_classes=1, frame_sampler=DenseSampler(num_frames=3), input_size=(32, 48)
    )
    clip, targets = mapper(record, 2, np.random.default_rng(0))
    assert clip.frame_indices.tolist() == [2] and targets.masks.shape == (1, 1, 32, 48)


def test_shares_move_with_the_masks(make_video):
    record = make_video("a", annotated=(2,))
    mapper = MaskMapper(
        num_classes=1,
        frame_sampler=DenseSampler(num_frames=1),
        input_size=(32, 48),
        augmentations=[RandomAffine(rotation=30, shift=0.3)],
    )
    for seed in range(4):
        clip, targets = mapper(record, 2, np.random.default_rng(seed))
        torch.testing.assert_close(clip.frames.sum(dim=1), torch.ones(1, 32, 48))
        assert ((clip.frames[:, 1] > 0.5) == targets.masks[0]).float().mean() > 0.98
        assert clip.geometry is None
