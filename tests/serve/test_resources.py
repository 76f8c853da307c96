"""A full disk during a job, and memory over time.

LGRSEG_SECONDS=120 with -s shows the mean memory of the first and of the last minute.
"""

import hashlib
import os
import statistics
import subprocess
import threading
import time

import nibabel
import numpy as np
import pytest
from bright_disc import disc_clip, learnt_run
from server_processes import ServerProcesses

from lgrseg.client import Client, JobFailed, ServiceProblem

pytestmark = pytest.mark.slow
SECONDS = float(os.environ.get("LGRSEG_SECONDS", 20))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return learnt_run(tmp_path_factory.mktemp("run"))


def clip(path, num_frames):
    frames, _ = disc_clip(num_frames, (96, 128))
    nibabel.save(nibabel.Nifti1Image(frames.transpose(2, 1, 0), np.diag([0.5, 0.5, 1, 1])), path)
    return path


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(file):
    """Write until the disk has no byte left."""
    with file.open("wb", buffering=0) as stream:
        for size in (2**16, 2**12, 1):
            try:
                while True:
                    stream.write(b"x" * size)
            except OSError:
                continue


def test_a_disk_that_fills_during_a_job(small_disk, run, tmp_path):
    long, short = clip(tmp_path / "long.nii.gz", 300), clip(tmp_path / "short.nii.gz", 5)
    with (
        ServerProcesses(small_disk, run=run, lease_seconds=5) as server,
        Client(server.url, retries=0) as client,
    ):
        first = client.predict_clip(short)
        job = client.submit(long)
        while client.job(job.id).progress < 0.05:
            time.sleep(0.05)
        fill(small_disk / "filler")
        with pytest.raises(ServiceProblem) as refused:
            client.submit(short)
        assert (refused.value.problem.status, refused.value.problem.code) == (507, "disk_full")
        time.sleep(8)  # longer than the lease
        assert client.models().models and client.job(first.id).state == "done"
        for result in first.results:
            content = client.result(first, result.name)
            assert hashlib.sha256(content).hexdigest() == result.sha256
        before = server.children()
        (small_disk / "filler").unlink()
        with pytest.raises(JobFailed) as caught:
            client.wait(job.id)
        error = caught.value.job.error
        print(f"\n{error.code}: {error.detail}; attempt {caught.value.job.attempt}")
        assert error.code == "disk_full" and "disk" in error.detail
        assert client.predict_clip(short).state == "done"
        assert server.children() == before  # nobody died
        assert not (small_disk / "jobs" / job.id[:2] / job.id).exists()


def test_memory_stays_flat(run, tmp_path):
    path = clip(tmp_path / "short.nii.gz", 5)
    with ServerProcesses(tmp_path / "data", run=run) as server:
        with Client(server.url) as client:
            for _ in range(10):
                client.predict_clip(path)
        end, done, samples = time.monotonic() + SECONDS, [], []

        def work():
            with Client(server.url, retries=60) as client:
                while time.monotonic() < end:
                    done.append(client.predict_clip(path).id)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        while time.monotonic() < end:
            samples.append([server.memory(name) for name in ("web", "worker")])
            time.sleep(0.5)
        for thread in threads:
            thread.join()
    half = len(samples) // 2
    print(f"\n{SECONDS:g} s, 3 clients, {len(done)} clips")
    for name, *values in zip(("web", "worker"), *samples, strict=True):
        first, last = statistics.fmean(values[:half]), statistics.fmean(values[half:])
        print(f"{name}: {first:.1f} -> {last:.1f} MiB ({100 * (last / first - 1):+.1f} %)")
        assert last < 1.05 * first
