"""One worker shared by long and short jobs, and what is left of a killed supervisor's jobs."""

import os
import signal
import time

import nibabel
import numpy as np
import pytest
from bright_disc import disc_clip, learnt_run
from server_processes import ServerProcesses

from lgrseg.client import Client, JobFailed
from lgrseg.inference import Predictor

pytestmark = pytest.mark.slow
LONG = int(os.environ.get("LGRSEG_LONG", 300))
"""Frames of the long clip; with -s the waiting times are shown."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return learnt_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def server(tmp_path_factory, run):
    options = {"run": run, "max_attempts": 1}
    with ServerProcesses(tmp_path_factory.mktemp("shared") / "data", **options) as made:
        yield made


@pytest.fixture
def client(server):
    with Client(server.url, retries=60) as made:
        yield made


def clip(path, num_frames):
    frames, _ = disc_clip(num_frames, (96, 128))
    nibabel.save(nibabel.Nifti1Image(frames.transpose(2, 1, 0), np.diag([0.5, 0.5, 1, 1])), path)
    return path


def wait_for_attempt(client, job, attempt):
    """Wait until an attempt has segmented frames; the attempt before it may look the same."""
    end = time.monotonic() + 120
    while (found := client.job(job.id)).attempt != attempt or not is_segmenting(found):
        assert time.monotonic() < end and not found.has_ended, found
        time.sleep(0.05)


def is_segmenting(job):
    return job.stage == "segmenting" and job.progress >= 0.01


def test_a_short_job_is_done_before_a_long_one_and_changes_nothing_in_it(client, tmp_path, run):
    path = clip(tmp_path / "long.nii.gz", LONG)
    long = client.submit(path)
    wait_for_attempt(client, long, 1)
    start = time.monotonic()
    client.predict_clip(clip(tmp_path / "short.nii.gz", 5))
    waited, during = time.monotonic() - start, client.job(long.id)
    assert during.state == "running", during
    long = client.wait(long.id)
    took = long.finished - long.started
    print(f"\n{LONG} frames took {took:.1f} s; 5 frames were done after {waited:.1f} s")
    assert long.attempt == 1
    client.save_results(long, tmp_path, names=["masks.nii.gz"])
    masks = np.asarray(nibabel.load(tmp_path / "long_masks.nii.gz").dataobj).T
    np.testing.assert_array_equal(masks, Predictor.from_run(run)(path).masks)


def test_a_killed_supervisor_costs_no_attempt_and_a_killed_worker_does(server, client, tmp_path):
    path = clip(tmp_path / "long.nii.gz", LONG)
    job = client.submit(path)
    for attempt in (1, 2):
        wait_for_attempt(client, job, attempt)
        server.process.kill()
        server.process.wait()
        server.start()
        server.wait_until_ready()
    done = client.wait(job.id)
    assert (done.state, done.attempt) == ("done", 3)
    guilty = client.submit(path)
    wait_for_attempt(client, guilty, 1)
    for pid in server.children()["worker"]:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(JobFailed) as caught:
        client.wait(guilty.id)
    assert caught.value.job.error.code == "worker_lost" and caught.value.job.attempt == 1
    assert "SIGKILL" in caught.value.job.error.detail


def test_a_stopped_service_costs_no_attempt(server, client, tmp_path):
    job = client.submit(clip(tmp_path / "long.nii.gz", LONG))
    wait_for_attempt(client, job, 1)
    server.stop()
    server.start()
    server.wait_until_ready()
    assert client.wait(job.id).attempt == 2
