"""When a job gives way to shorter ones."""

import time

import pytest

from lgrseg.serve import pauses
from lgrseg.serve.pauses import Pauses


def test_after_a_pause_the_job_runs_as_long_as_the_pause(monkeypatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    job = Pauses(2000)
    assert job.max_frames == 500 and not job.is_due()
    now += pauses.LOOK_SECONDS
    assert job.is_due()
    with pytest.raises(KeyError), job.measured():
        now += 7
        raise KeyError
    now += 6.9
    assert not job.is_due()
    now += 0.2
    assert job.is_due()
    with job.measured():  # nothing was there
        pass
    now += pauses.LOOK_SECONDS
    assert job.is_due()


def test_a_very_short_job_is_never_paused(monkeypatch):
    job = Pauses(3)
    now = time.monotonic() + 1000
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert not job.is_due()
