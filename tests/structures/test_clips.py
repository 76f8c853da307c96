"""lgrseg/structures/clips.py: pasting back, and label maps."""

import torch

from lgrseg.structures import ClipPrediction, Geometry


def test_paste_by_hand():
    geometry = Geometry((4, 5), (1, 2, 3, 4), (2, 2))
    pasted = geometry.paste(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), outside=-9.0)
    assert pasted.tolist() == [
        [-9, -9, -9, -9, -9],
        [-9, -9, 1, 2, -9],
        [-9, -9, 3, 4, -9],
        [-9, -9, -9, -9, -9],
    ]


def test_label_maps_take_the_largest_logit_above_zero():
    logits = torch.tensor([[[[2.0, 1.0, -1.0]]], [[[1.0, 3.0, -2.0]]], [[[9.0, 9.0, 9.0]]]])
    prediction = ClipPrediction(
        mask_logits=logits,
        class_probs=torch.tensor([0.9, 0.9, 0.2]),
        present=torch.tensor([True, True, False]),  # the third class is not there at all
    )
    labels = prediction.label_maps(Geometry((1, 3), (0, 0, 1, 3), (1, 3)))
    assert labels.dtype == torch.uint8 and labels.tolist() == [[[1, 2, 0]]]


def test_nothing_present_is_all_background():
    prediction = ClipPrediction(torch.ones(1, 2, 2, 2), torch.zeros(1), torch.tensor([False]))
    assert not prediction.label_maps(Geometry((5, 5), (1, 1, 3, 3), (8, 8))).any()


def test_the_scale_of_a_geometry():
    # A crop of 6 x 8 pixels is the input of 3 x 2: two and four original pixels on one of it.
    assert Geometry((9, 9), (1, 0, 7, 8), (3, 2)).scale == 8**0.5
