"""Probes of features whose classes are known."""

import numpy as np
import pytest
import torch

from lgrseg.data import register_dataset
from lgrseg.evaluation.position_classifiers import linear_scores, neighbour_scores
from lgrseg.evaluation.probing import (
    PatchProbe,
    joined,
    label_maps,
    position_labels,
    position_maps,
)
from lgrseg.structures import ClipTargets

KNOWN = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
LABELS = torch.tensor([0, 0, 1, 1])


def test_a_linear_probe_finds_a_plane():
    scores = linear_scores(KNOWN, LABELS, torch.tensor([[2.0, 0.0], [0.0, 2.0]]), 2, penalty=1e-3)
    assert scores.argmax(dim=1).tolist() == [0, 1]
    torch.testing.assert_close(scores.exp().sum(dim=1), torch.ones(2))
    # With a large penalty only the bias is left, which knows how frequent the labels are.
    frequent = linear_scores(KNOWN[:3], LABELS[:3], KNOWN[:1], 2, penalty=1e6)
    assert frequent.exp()[0].tolist() == pytest.approx([2 / 3, 1 / 3], abs=1e-3)


def test_votes_of_neighbours_by_hand():
    points = {"neighbours": 3, "temperature": 1.0}
    (scores,) = neighbour_scores(KNOWN, LABELS, torch.tensor([[5.0, 0.0]]), 2, **points)
    cosines = [1, 0.9 / np.hypot(0.9, 0.1), 0.1 / np.hypot(0.1, 0.9)]
    weights = np.exp(cosines)
    assert float(scores[1]) == pytest.approx(weights[2] / weights.sum(), rel=1e-5)


def test_positions_have_the_label_that_covers_most():
    labels = torch.zeros(1, 4, 4, dtype=torch.int64)
    labels[0, :2, :2] = torch.tensor([[2, 2], [1, 2]])
    labels[0, 2:, 2:] = 1
    assert position_labels(labels, 2, (2, 2))[0].tolist() == [[2, 0], [0, 1]]


def test_label_maps():
    masks = torch.zeros(2, 1, 1, 3, dtype=torch.bool)
    masks[0, ..., 0], masks[1, ..., 1] = True, True
    targets = ClipTargets(torch.tensor([True]), torch.tensor([0, 2]), masks)
    assert label_maps(targets).tolist() == [[[1, 3, 0]]]
    none = ClipTargets(torch.tensor([True]), torch.tensor([], dtype=torch.int64), masks[:0])
    assert label_maps(none).tolist() == [[[0, 0, 0]]]


def test_maps_are_joined_at_the_finest():
    def maps(frames):
        return [frames[:, :1, ::4, ::4], torch.ones(len(frames), 2, 1, 1)]

    result = joined(maps, torch.rand(3, 3, 8, 8), batch_size=2)
    assert result.shape == (3, 3, 2, 2) and (result[:, 1:] == 1).all()


def test_a_class_that_no_frame_has(make_video):
    """Its Dice is no number, and no part of the mean."""
    records = [make_video("a")]
    register_dataset("probed_squares", lambda: records, classes=("square", "absent"))
    probe = PatchProbe(train="probed_squares", test="probed_squares", size=(32, 48))
    scores = probe(position_maps).scores
    assert np.isnan(scores["linear_dice/absent"])
    assert scores["linear_dice"] == scores["linear_dice/square"] > 0.8


def test_settings_are_checked():
    with pytest.raises(ValueError, match="num_videos=0, neighbours=20: both"):
        PatchProbe(train="a", test="b", num_videos=0)
    with pytest.raises(ValueError, match="camus_4ch_train has the classes .* on the same classes"):
        PatchProbe(train="camus_4ch_train", test="sun_seg_train")(position_maps)


def test_the_control_knows_only_the_position():
    (maps,) = position_maps(torch.rand(2, 3, 32, 48))
    assert maps.shape == (2, 64, 8, 12) and torch.equal(maps[0], maps[1])
    assert (maps[0, 0] == 1).all()  # the first cosine is constant
    flat = maps[0].flatten(1)
    products = flat @ flat.T
    assert (products - products.diag().diag()).abs().max() < 1e-4  # orthogonal
