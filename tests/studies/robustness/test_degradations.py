"""lgrseg/studies/robustness/degradations.py, on frames whose grey levels are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from bright_disc import dice, disc_clip

from lgrseg.data.mappers.clips import resize_frames, to_tensor
from lgrseg.structures import Clip, ClipPrediction, Geometry
from lgrseg.studies.robustness.contact_sheet import contact_sheet
from lgrseg.studies.robustness.degradations import DEGRADATIONS, degradations_called

FRAMES, DISCS = disc_clip(2, (96, 128))
BY_NAME = {one.name: one for one in DEGRADATIONS}


def disc(size=(64, 64)) -> Clip:
    """Two frames of a disc of level 240 in a fan of level 30 to 90, in a larger original frame."""
    geometry = Geometry((100, 140), (2, 5, 98, 133), size)
    frames = to_tensor(resize_frames(list(FRAMES), size))
    return Clip(frames, torch.arange(2), "disc", geometry)


@pytest.mark.parametrize("one", DEGRADATIONS, ids=lambda one: one.name)
def test_it_grows_with_the_strength_and_keeps_the_original(one):
    clip = disc()
    before = clip.frames.clone()
    assert one(clip, one.clean) is clip
    strengths = [s for s in one.strengths if s > 0][-2:]
    weak, strong = (one(clip, strength) for strength in strengths)
    assert torch.equal(clip.frames, before) and weak.frames.shape == before.shape
    change = [(changed.frames - before).abs().mean() for changed in (weak, strong)]
    assert 0 < change[0] < change[1]
    assert strong.frames.min() >= 0 and strong.frames.max() <= 1
    assert torch.equal(strong.frames, one(clip, strengths[-1]).frames)  # the same random numbers


def test_gain_moves_grey_levels_inside_the_fan():
    clip = disc((96, 128))
    louder = BY_NAME["gain"](clip, 6).frames  # a tenth of 60 dB
    above_the_disc = (louder - clip.frames)[:, 0, 30:38, 58:70]
    assert above_the_disc.numpy() == pytest.approx(0.1, abs=1e-6)
    assert louder[:, :, -1].max() == 0  # below the fan


def test_haze_adds_powers():
    clip = disc()
    hazy = BY_NAME["haze"](clip, 1).frames
    gained = hazy - clip.frames
    assert gained.min() >= -1e-6  # echoes are never lost
    bright = clip.frames > 0.9
    assert gained[bright].mean() < 0.01 < gained[(clip.frames > 0.1) & ~bright].mean()


def test_a_stronger_shadow_covers_a_weaker_one():
    clip = disc()
    weak, strong = (BY_NAME["shadows"](clip, percent).frames for percent in (20, 40))
    assert (strong <= weak + 1e-6).all() and (weak <= clip.frames).all()


def test_masks_of_smaller_pictures_return_to_their_true_places():
    clip = disc((96, 128))
    truth = np.zeros((2, 100, 140), bool)
    truth[:, 2:98, 5:133] = DISCS
    for factor in (1.25, 2):
        small = BY_NAME["zoom out"](clip, factor)
        logits = (small.frames[:, 0] - 0.6)[None]
        found = ClipPrediction(logits, torch.ones(1), torch.ones(1, dtype=torch.bool))
        masks = found.label_maps(small.geometry).numpy()
        assert masks.shape == truth.shape
        assert dice(masks, truth) > 0.96
        rows = [np.nonzero(m)[1].mean() for m in (masks, truth)]
        columns = [np.nonzero(m)[2].mean() for m in (masks, truth)]
        assert rows[0] == pytest.approx(rows[1], abs=0.3)
        assert columns[0] == pytest.approx(columns[1], abs=0.3)


def test_colour_frames_and_the_contact_sheet():
    clip = disc()
    colour = replace(clip, frames=clip.frames.expand(-1, 3, -1, -1))
    sheet = contact_sheet(colour)
    assert sheet.shape == (len(DEGRADATIONS) * (64 + 20), 5 * (64 + 4), 3)
    assert np.array_equal(sheet, contact_sheet(clip))


def test_what_is_refused():
    with pytest.raises(ValueError, match="boxes of the ground truth"):
        BY_NAME["gain"](replace(disc(), boxes={0: {0: torch.zeros(4)}}), 10)
    with pytest.raises(ValueError, match="no degradation is called 'fog'; there are gain, speckle"):
        degradations_called(["fog"])
    assert [one.name for one in degradations_called(["haze", "gain"])] == ["gain", "haze"]
