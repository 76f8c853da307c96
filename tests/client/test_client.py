"""The client against a running service."""

import asyncio
import threading
import time
from pathlib import Path

import httpx2
import numpy as np
import pytest
from forked import run_script
from loaded_modules import modules_after
from running_service import running

from lgrseg.client import AsyncClient, Client, JobFailed, ServiceProblem
from lgrseg.client.calls import EventReader, wishes_of
from lgrseg.client.records import Beats, Job, record_of
from lgrseg.client.result_files import target_of
from lgrseg.visualization.overlays import write_mp4

BOXES = [{"frame": 0, "box": [1, 1, 9, 9], "class": "left_ventricle"}]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service")) as played:
        stop = threading.Event()

        def work():
            while not stop.wait(0.02):
                played.live()
                if (job := played.claim()) is not None:
                    if job.name == "fails":
                        problem = {"code": "internal", "detail": "it broke"}
                        played.store.fail(job, problem, max_attempts=0)
                    else:
                        played.finish(job)

        thread = threading.Thread(target=work)
        thread.start()
        yield played
        stop.set()
        thread.join()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_mp4(path, np.full((3, 32, 48, 3), 90, np.uint8), fps=10)
    return path


def test_predict_a_clip(service, clip, tmp_path):
    states = []
    with Client(service.url) as client:
        job = client.predict_clip(clip, output=tmp_path, watch=lambda job: states.append(job.state))
        assert states[-1] == "done" and job.fps == 10 and job.results[0].sha256
        assert (tmp_path / "clip_masks.nii.gz").read_bytes() == bytes(range(200))
        assert client.correct_beats(job.id, [(0, 2)]).ejection_fraction == 60.0
        assert client.job(job.id).corrected and client.jobs(limit=1).jobs[0].id == job.id
        again = client.wait(client.segment_again(job.id, model="apical_simulated").id)
        assert (again.parent, again.model) == (job.id, job.model)
        for call in (client.predict_clip, client.predict_image):
            with pytest.raises(ServiceProblem, match="no model 'b'; there are: apical_simulated"):
                call(clip, model="b")
        with pytest.raises(ServiceProblem, match="the service has no model for boxes"):
            client.prompts(job.id, BOXES)
        with pytest.raises(ServiceProblem, match="the service has no streams") as refused:
            with client.stream(96, 128):
                pass
        assert refused.value.problem.status == 1008
        assert client.models().models[0].classes == ["left_ventricle"]
        client.delete(job.id)
        with pytest.raises(ServiceProblem, match="there is no such job"):
            client.job(job.id)


def test_what_goes_wrong_is_said(service, clip, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    with Client(service.url, retries=0) as client:
        with pytest.raises(
            ServiceProblem, match="the clip cannot be read: Invalid data"
        ) as refused:
            client.submit(tmp_path / "a.mp4")
        assert refused.value.problem.code == "unreadable" and refused.value.problem.status == 422
        with pytest.raises(JobFailed, match="it broke"):
            client.predict_clip(clip, name="fails")
    reached = pytest.raises(httpx2.ConnectError, match=r"127.0.0.1:9/? does not answer .*address")
    with Client("http://127.0.0.1:9", retries=0) as client, reached:
        client.jobs()


def test_the_command(service, clip, tmp_path):
    words = ("predict", clip, clip.with_name("none.mp4"), "--url", service.url, "--view", "A2C")
    done = run_script(ROOT / "tools" / "remote.py", [*words, "--output", tmp_path])
    assert "clip.mp4: no ejection fraction, results in" in done.stdout, done.stderr
    assert done.returncode == 1 and "none.mp4" in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "clip_measurements.json").is_file()
    (stored,) = service.store.jobs(owner="local", after=None, limit=1)
    assert stored.options["view"] == "A2C"
    unknown = run_script(ROOT / "tools" / "remote.py", [*words, "--model", "b"])
    assert "no model 'b'; there are: apical_simulated" in unknown.stderr
    twice = run_script(ROOT / "tools" / "remote.py", ["predict", "a/b.mp4", "b.mov"])
    assert twice.returncode == 2 and "2 files have the name b" in twice.stderr
    listed = run_script(ROOT / "tools" / "remote.py", ["jobs", "--url", service.url])
    assert "done      100%  clip.mp4" in listed.stdout


def test_asyncio(service, clip, tmp_path):
    async def run():
        async with AsyncClient(service.url) as client:
            job = await client.predict_clip(clip, output=tmp_path)
            beats = await client.correct_beats(job.id, [(0, 1)])
            with pytest.raises(ServiceProblem, match="no model 'b'"):
                await client.predict_clip(clip, model="b")
            with pytest.raises(ServiceProblem, match="no model 'b'"):
                await client.segment_again(job.id, model="b")
            with pytest.raises(ServiceProblem, match="the service has no model for boxes"):
                await client.prompts(job.id, BOXES)
            with pytest.raises(ServiceProblem, match="the service has no streams"):
                async with client.stream(96, 128):
                    pass
            return job, beats

    job, beats = asyncio.run(run())
    assert job.state == "done" and beats.ejection_fraction == 20.0
    assert (tmp_path / "clip_masks.json").is_file()


def test_a_call_is_tried_again_with_the_same_key(clip, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: pauses.append(seconds))
    pauses, keys, bodies = [], [], []

    def answer(request):
        keys.append(request.headers["Idempotency-Key"])
        bodies.append(request.read())
        if len(keys) == 1:
            raise httpx2.ReadError("lost")
        if len(keys) == 2:
            problem = {"code": "queue_full", "detail": "full", "retry_after": 3}
            return httpx2.Response(429, json=problem)
        return httpx2.Response(
            202, json={"id": "a", "state": "queued", "kind": "clip", "model": ""}
        )

    with Client(transport=httpx2.MockTransport(answer)) as client:
        assert client.submit(clip).id == "a"
    assert len(set(keys)) == 1 and bodies == [clip.read_bytes()] * 3
    assert pauses[0] < 1 and 3 <= pauses[1] < 4


def test_events_are_read_line_by_line():
    reader = EventReader()
    lines = ["retry: 2000", "", ": quiet", "", "id: 7", "event: job"]
    data = 'data: {"id": "a", "state": "done", "kind": "clip", "model": "m", "new": 1}'
    found = [reader.read(line) for line in [*lines, data, ""]]
    assert [job.id for job in found if job] == ["a"] and reader.last_id == "7"
    with pytest.raises(LookupError):
        [reader.read(line) for line in ("event: deleted", "data: {}", "")]


def test_records_of_json():
    values = {"original": [{"ed_frame": 1, "es_frame": 2}], "original_ejection_fraction": None}
    beats = record_of(Beats, values | {"corrected": [{"ed_frame": 3, "es_frame": 4}]})
    assert beats.original[0].es_frame == 2 and beats.corrected[0].ed_frame == 3


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.b.mp4", "a.b"),
        ("a.nii.gz", "a"),
        ("../../x", "x"),
        ("", "0f"),
        ("..", ".."),
        ("心" * 80 + ".mp4", "心" * 60),  # 240 bytes: a file system allows 255
    ],
)
def test_names_of_results(tmp_path, name, stem):
    job = Job("0f", "done", "clip", "m", name=name)
    assert target_of(tmp_path, job, "masks.json") == tmp_path / f"{stem}_masks.json"


def test_an_address_without_http():
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError, match="'127.0.0.1:8321' is no address .* begins with http"):
            kind("127.0.0.1:8321")


def test_one_number_is_the_spacing_of_rows_and_columns():
    how = {"name": "a", "fps": None, "deidentify": False}
    both = wishes_of(Path("a"), spacing_mm=0.5, **how)
    assert both == wishes_of(Path("a"), spacing_mm=(0.5, 0.5), **how)
    assert (both["row_mm"], both["column_mm"]) == (0.5, 0.5)


def test_a_name_is_sent_only_if_the_service_shall_know_it():
    how = {"name": None, "spacing_mm": None, "fps": None}
    assert wishes_of(Path("Jane.mp4"), deidentify=False, **how) == {"name": "Jane.mp4"}
    assert wishes_of(Path("Jane.mp4"), deidentify=True, **how) == {"deidentify": "true"}


def test_the_client_is_light():
    loaded = modules_after("lgrseg.client, lgrseg.client.client, lgrseg.client.async_client")
    assert "httpx2" in loaded
    assert not {"torch", "numpy", "fastapi", "pydantic", "cv2"} & loaded
