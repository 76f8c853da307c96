"""lgrseg/inference/windows.py: how long the windows are that whole videos are predicted in."""

import pytest

from lgrseg.config import L
from lgrseg.data import AnnotatedMapper, ClipMapper, DenseSampler, HybridSampler, WholeVideoSampler
from lgrseg.inference.windows import WHOLE_VIDEO_WINDOW, window_of


class Silent:
    """A sampler that does not say how many frames its clips have."""


class Wordy:
    num_frames = "many"


def mapper(sampler):
    return L(ClipMapper)(frame_sampler=sampler, input_size=[8, 8])


@pytest.mark.parametrize(
    ("sampler", "window"),
    [
        (L(DenseSampler)(num_frames=5), (5, 0)),
        (L(HybridSampler)(num_frames=6, num_far=2), (6, 2)),
        (L(WholeVideoSampler)(), (WHOLE_VIDEO_WINDOW, 0)),
    ],
)
def test_windows_are_as_test_clips(sampler, window):
    assert tuple(window_of(mapper(sampler)).values()) == window


@pytest.mark.parametrize(("sampler", "value"), [(Silent, "None"), (Wordy, "'many'")])
def test_a_sampler_without_a_number_of_frames_is_refused(sampler, value):
    message = f"{sampler.__name__}.num_frames is {value}: a sampler of test clips needs"
    with pytest.raises(ValueError, match=message):
        window_of(mapper(L(sampler)()))


def test_a_mapper_without_a_sampler_is_refused():
    with pytest.raises(ValueError, match="AnnotatedMapper has no frame_sampler"):
        window_of(L(AnnotatedMapper)(num_frames=3, input_size=[8, 8]))
