"""lgrseg/modeling/semi_supervised/moving_statistics.py."""

import pytest
import torch

from lgrseg.modeling.semi_supervised.moving_statistics import MovingStatistics


def tokens(*videos):
    """Tokens of one view and one entry."""
    return torch.tensor(videos, dtype=torch.float32)[None, :, None, None]


def test_the_first_update_replaces_and_later_ones_average():
    statistics = MovingStatistics(num_tokens=1, dim=1, num_videos=4)
    assert torch.equal(statistics.whiten(tokens(1, 3)), tokens(1, 3))  # nothing is known yet
    statistics.see(tokens(1, 3))
    statistics.update()
    assert (statistics.mean.item(), statistics.deviation.item()) == (2, 1)
    assert torch.equal(statistics.whiten(tokens(1, 3)), tokens(-1, 1))
    statistics.see(tokens(5, 7))  # 1, 3, 5, 7: mean 4, squares 84 / 4 = 21
    statistics.update()
    assert statistics.mean.item() == 4 and statistics.mean_square.item() == 21
    assert statistics.deviation.item() == pytest.approx(5**0.5)
    statistics.see(tokens(0, 0))  # six videos, so these two are 2 of 4
    statistics.update()
    assert statistics.mean.item() == 2 and statistics.num_seen == 6
    statistics.update()  # nothing was seen
    assert statistics.mean.item() == 2 and statistics.num_seen == 6


def test_a_step_with_more_videos_than_are_averaged_replaces_everything():
    statistics = MovingStatistics(num_tokens=1, dim=1, num_videos=2)
    for values in ((1, 1, 1, 1), (4, 5, 6)):
        statistics.see(tokens(*values))
        statistics.update()
    assert statistics.mean.item() == 5


def test_views_count_once_and_batches_of_a_step_together():
    whole, parts = (MovingStatistics(num_tokens=2, dim=3, num_videos=8) for _ in range(2))
    values = torch.randn(2, 4, 2, 3)
    whole.see(values)
    parts.see(values[:, :1])
    parts.see(values[:, 1:])
    for statistics in (whole, parts):
        statistics.update()
        assert statistics.num_seen == 4
    assert torch.allclose(whole.mean, parts.mean) and torch.allclose(
        whole.mean, values.mean((0, 1))
    )
    assert torch.allclose(whole.deviation, values.std((0, 1), correction=0))


def test_an_entry_that_never_changes_is_not_divided_by_zero():
    statistics = MovingStatistics(num_tokens=1, dim=1, num_videos=4)
    statistics.see(tokens(3, 3))
    statistics.update()
    assert torch.equal(statistics.whiten(tokens(3)), tokens(0))


def test_no_video_is_refused():
    with pytest.raises(ValueError, match="num_videos must be 1 or more, not 0"):
        MovingStatistics(num_tokens=1, dim=1, num_videos=0)


def test_tokens_of_another_width_name_the_setting():
    # A student of 320 channels with the setting for 192.
    statistics = MovingStatistics(num_tokens=1, dim=192, num_videos=4)
    with pytest.raises(ValueError, match=r"\(1, 320\) .* not \(1, 192\): set model.objective.dim"):
        statistics.whiten(torch.zeros(2, 4, 1, 320))
