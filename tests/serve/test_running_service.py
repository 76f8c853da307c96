"""The whole service with its own processes and the package's model: real clips, kill -9, load.

    pytest -m slow tests/serve/test_running_service.py -s

LGRSEG_KILLS, LGRSEG_HOSTILE, LGRSEG_CLIENTS and LGRSEG_SECONDS make it longer; -s shows figures.
"""

import collections
import os
import random
import signal
import statistics
import threading
import time
from pathlib import Path

import httpx2
import nibabel
import numpy as np
import pydicom
import pytest
from server_processes import ServerProcesses
from written_clips import WRITERS

from lgrseg.client import Client, JobFailed
from lgrseg.visualization.overlays import write_mp4

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
DICOM = Path(pydicom.__file__).parent / "data" / "test_files" / "examples_ybr_color.dcm"
KILLS = int(os.environ.get("LGRSEG_KILLS", 3))
HOSTILE = int(os.environ.get("LGRSEG_HOSTILE", 50))
CLIENTS = int(os.environ.get("LGRSEG_CLIENTS", 20))
SECONDS = float(os.environ.get("LGRSEG_SECONDS", 10))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = ServerProcesses(
        tmp_path_factory.mktemp("served") / "data", lease_seconds=10, max_queued=60, max_uploads=100
    )
    made.start()
    made.wait_until_ready()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "small.mp4"
    frames = np.random.default_rng(0).integers(0, 200, (3, 48, 64, 3), np.uint8)
    write_mp4(path, frames, fps=10)
    return path


def test_a_real_clip_gives_what_the_predictor_gives(server, tmp_path):
    if not DICOM.is_file():
        pytest.skip("this pydicom has no ultrasound clip among its test files")
    from lgrseg.inference import Predictor

    with Client(server.url) as client:
        job = client.predict_clip(DICOM, output=tmp_path)
        assert {result.name for result in job.results} == {
            "masks.nii.gz", "masks.json", "overlay.mp4", "preview.png", "measurements.json",
            "measurements.csv", "seg.dcm", "frames.bin", "labels.bin",
        }  # fmt: skip
        labels = client.result(job, "labels.bin")
        beats = client.beats(job.id)
    masks = np.asarray(nibabel.load(tmp_path / "examples_ybr_color_masks.nii.gz").dataobj).T
    result = Predictor.from_pretrained()(DICOM)
    np.testing.assert_array_equal(masks, result.masks)
    from lgrseg.serve.packed import read_labels

    np.testing.assert_array_equal(np.stack(list(read_labels(labels))), masks)
    assert len(beats.original) == len(result.beats)
    assert beats.original_ejection_fraction == result.ejection_fraction
    assert [beat.edv_ml for beat in beats.original] == [beat.edv_ml for beat in result.beats]
    segments = pydicom.dcmread(tmp_path / "examples_ybr_color_seg.dcm")
    assert segments.NumberOfFrames == len(masks) * len(result.metadata.classes)


def hostile(folder, rng):
    """A damaged clip: cut, with changed bytes, or with another's end."""
    path, _, _ = rng.choice(list(WRITERS.values()))(folder, rng)
    content = bytearray(path.read_bytes())
    way = rng.randrange(4)
    if way == 0:
        del content[rng.randrange(len(content)) :]
    elif way == 1:
        for _ in range(rng.randint(1, 30)):
            content[rng.randrange(min(len(content), 2000))] = rng.randrange(256)
    elif way == 2:
        at = rng.randrange(len(content))
        content[at : at + 8] = b"\xff" * 8
    else:
        content += rng.randbytes(rng.randint(1, 5000))
    return bytes(content)


def test_hostile_uploads_are_answered_clearly(server, tmp_path, small):
    rng, statuses, slowest = random.Random(1), collections.Counter(), 0.0
    with httpx2.Client(base_url=server.url, timeout=120) as http:
        for _ in range(HOSTILE):
            start = time.monotonic()
            answer = http.post("/v1/clips", content=hostile(tmp_path, rng) or b"x")
            slowest = max(slowest, time.monotonic() - start)
            statuses[answer.status_code] += 1
            assert answer.status_code < 500, answer.text
            if answer.status_code >= 400:
                assert len(answer.json()["detail"]) > 15 and str(server.data) not in answer.text
            else:
                http.delete(answer.headers["location"])
    print(f"\n{HOSTILE} hostile uploads: {dict(statuses)}, the slowest took {slowest:.1f} s")
    with Client(server.url) as client:
        assert client.predict_clip(small).state == "done"
    assert not list((server.data / "incoming").iterdir())


def test_many_clients(server, small):
    """More clients than the queue holds: nothing is lost, and what is refused says when to come."""
    content, rng = small.read_bytes(), random.Random(2)
    seconds, statuses, accepted, lock = [], collections.Counter(), [], threading.Lock()
    with Client(server.url) as first:
        for _ in range(10):  # the first clips take memory that stays
            first.predict_clip(small)
    end = time.monotonic() + SECONDS

    def client(seed):
        mine = random.Random(seed)
        with httpx2.Client(base_url=server.url, timeout=120) as http:
            while time.monotonic() < end:
                bad = mine.random() < 0.3
                body = mine.randbytes(500) if bad else content
                start = time.monotonic()
                answer = http.post("/v1/clips", content=body)
                took = time.monotonic() - start
                with lock:
                    seconds.append(took)
                    statuses[answer.status_code] += 1
                    if answer.status_code == 202:
                        accepted.append(answer.json()["id"])
                if answer.status_code == 429:
                    time.sleep(mine.uniform(0.5, 1.5))

    threads = [threading.Thread(target=client, args=(rng.random(),)) for _ in range(CLIENTS)]
    memory = {"web": [], "worker": []}
    for thread in threads:
        thread.start()
    while time.monotonic() < end:
        for name, samples in memory.items():
            samples.append(server.memory(name))
        time.sleep(0.5)
    for thread in threads:
        thread.join()
    times = statistics.quantiles(seconds, n=100)
    print(
        f"\n{CLIENTS} clients, {SECONDS:g} s: {dict(statuses)}, upload p50 {times[49]:.2f} s, "
        f"p95 {times[94]:.2f} s"
    )
    for name, samples in memory.items():
        third = -(-len(samples) // 3)
        first, last = (statistics.fmean(part) for part in (samples[:third], samples[-third:]))
        print(f"{name}: first third {first:.1f} MiB, last third {last:.1f} MiB")
        assert last < 1.05 * first
    assert not [status for status in statuses if status >= 500 and status != 503]
    with Client(server.url) as client:
        ended = collections.Counter(client.wait(job).state for job in accepted)
    print(f"{len(accepted)} accepted jobs: {dict(ended)}")
    assert ended == {"done": len(accepted)}


def test_nothing_is_lost_by_kill_9(server, small):
    """Worker, web process or supervisor is killed at random moments; every job has an end."""
    rng, jobs, killed = random.Random(3), [], collections.Counter()
    with Client(server.url, retries=60) as client:
        for number in range(KILLS):
            jobs += [client.submit(small).id for _ in range(3)]
            time.sleep(rng.uniform(0, 2))
            what = ("worker", "web", "supervisor")[number % 3]
            killed[what] += 1
            if what == "supervisor":
                server.process.kill()
                server.process.wait()
                server.start()
            else:
                for pid in server.children()[what]:
                    os.kill(pid, signal.SIGKILL)
            server.wait_until_ready()
        ended = collections.Counter()
        for job_id in jobs:
            try:
                ended[client.wait(job_id).state] += 1
            except JobFailed as error:
                ended[error.job.state] += 1
                assert error.job.error and error.job.error.code == "worker_lost"
        attempts = collections.Counter(client.job(job_id).attempt for job_id in jobs)
    print(f"\nkilled {dict(killed)}: {len(jobs)} jobs {dict(ended)}, attempts {dict(attempts)}")
    assert sum(ended.values()) == len(jobs) and set(ended) <= {"done", "failed"}
    stored = {path.name for path in server.data.glob("jobs/*/*")}
    assert len(set(jobs) - stored) <= ended["failed"]
    for folder in server.data.glob("jobs/*/*"):
        assert len(list(folder.glob("results.*"))) <= 1
