"""Calls of the service over HTTP; the test plays the worker, everything else is real."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import numpy as np
import pytest
from running_service import MODEL, running

from lgrseg.client.records import Beats, ImageResult, Job, JobList, ModelList, record_of
from lgrseg.serve.service import NOT_CORRECTED
from lgrseg.visualization.overlays import write_mp4

TOKEN = "a token of some length"
CANARY = "CANARY^JANE"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service"), max_upload_mb=1, chunk_seconds=0.5) as played:
        yield played


@pytest.fixture
def http(service):
    service.live()
    with httpx2.Client(base_url=service.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_mp4(path, np.full((3, 32, 48, 3), 90, np.uint8), fps=10)
    return path.read_bytes()


def post(http, content, **parameters):
    return http.post("/v1/clips", content=content, params=parameters)


@pytest.fixture
def done(service, http, clip):
    """A job with results."""
    job = post(http, clip, name="clip.mp4").json()
    service.finish(service.claim())
    return job


def test_from_upload_to_results(service, http, clip):
    answer = http.post("/v1/clips", files={"file": ("C:\\a\\Jane\u202e.mp4", clip)})
    assert answer.status_code == 202 and answer.json()["position"] == 0
    job = answer.json()
    assert answer.headers["location"] == job["links"]["self"] and job["name"] == "Jane.mp4"
    assert http.get(job["links"]["self"] + "/results/masks.json").status_code == 409
    claimed = service.claim()
    service.store.progress(claimed, "segmenting", 0.4)
    assert http.get(job["links"]["self"]).json()["progress"] == 0.4
    service.finish(claimed)
    found = http.get(job["links"]["self"]).json()
    assert found["state"] == "done" and found["frames"] == 3 and found["size"] == [32, 48]
    for result in found["results"]:
        content = http.get(result["href"])
        assert len(content.content) == result["bytes"]
        assert content.headers["etag"] == f'"{result["sha256"]}"'
    report = http.get(found["links"]["report.html"])
    assert "&lt;b&gt;a note" in report.text and "sandbox" in report.headers[CSP]
    listed = http.get("/v1/jobs", params={"limit": 1}).json()
    assert listed["jobs"][0]["id"] == job["id"]


CSP = "content-security-policy"


def test_ranges_and_tags(http, done):
    address = f"/v1/jobs/{done['id']}/results/masks.nii.gz"
    part = http.get(address, headers={"Range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == bytes(range(10, 20))
    assert http.get(address, headers={"Range": "bytes=900-"}).status_code == 416
    head = http.head(address)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "200", b"")
    same = http.get(address, headers={"If-None-Match": part.headers["etag"]})
    assert same.status_code == 304 and not same.content
    for name in ("seg.dcm", "..%2f..%2fjobs.sqlite3", "%2fetc%2fpasswd", "frames.u8"):
        assert http.get(f"/v1/jobs/{done['id']}/results/{name}").status_code == 404


def test_refused_uploads(http, clip, service):
    assert post(http, b"").json()["code"] == "empty"
    answer = post(http, b"not a clip")
    assert (
        answer.status_code == 415 and answer.headers["content-type"] == "application/problem+json"
    )
    answer = post(http, b"\0\0\0\x18ftypmp42" + bytes(100))
    assert answer.status_code == 422 and answer.json()["code"] == "unreadable"
    assert answer.json()["detail"] == (
        "the clip cannot be read: Invalid data found when processing input"
    )
    with socket.create_connection((http.base_url.host, http.base_url.port)) as connection:
        start = b"POST /v1/clips HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
        connection.sendall(start + b"%d\r\n\r\n" % 10**15)  # more than the disk holds
        assert connection.recv(12) == b"HTTP/1.1 413"
    large = bytes(2**20 + 1)
    assert post(http, large).status_code == 413
    assert http.post("/v1/clips", content=iter([large])).status_code == 413  # no Content-Length
    assert http.post("/v1/clips", files={"file": ("a", large)}).status_code == 413
    form = http.post("/v1/clips", data={"a": "b"}, files={"x": (None, "y")})
    assert form.status_code == 400 and "filename" in form.json()["detail"]
    assert post(http, clip, row_mm=0.3).json()["code"] == "bad_settings"
    assert post(http, clip, fps="nan").status_code == 422
    assert post(http, clip, view="PLAX").status_code == 422
    assert not list(service.blobs.incoming.iterdir())  # nothing of them is kept


def test_a_setting_that_is_not_honoured_is_refused(http, clip, done):
    again = f"/v1/jobs/{done['id']}/again"
    for answer in (post(http, clip, deidentifi=True), http.post(again, params={"modell": "x"})):
        assert answer.status_code == 422 and "; there are: " in answer.json()["detail"]
    form = http.post("/v1/clips", data={"deidentify": "true"}, files={"file": ("a", clip)})
    assert form.status_code == 400
    assert "'deidentify' beside its file: settings are part of" in form.json()["detail"]
    two = http.post("/v1/clips", files=[("file", ("a", clip)), ("file", ("b", clip))])
    assert two.status_code == 400 and "several files" in two.json()["detail"]


def test_wrong_calls_are_told_what_is_right(http, done):
    assert "/openapi.json" in http.get("/v1/clip").json()["detail"]
    for method in ("GET", "PUT"):
        answer = http.request(method, "/v1/clips", headers={"Content-Length": "0"})
        assert answer.json()["detail"] == f"{method} is not allowed here, but POST"
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    beats = http.delete(f"/v1/jobs/{done['id']}/beats")
    assert beats.status_code == 405 and beats.headers["allow"] == "GET, PATCH"
    beats = http.patch(f"/v1/jobs/{done['id']}/beats", content='{"beats": null}')
    assert beats.status_code == 422 and "Content-Type: application/json" in beats.json()["detail"]


def test_stills(service, http):
    import cv2

    picture = cv2.imencode(".png", np.full((4, 6), 9, np.uint8))[1].tobytes()
    assert "/v1/images" in post(http, picture).json()["detail"]
    waiting = http.post("/v1/images", content=picture, params={"wait": 0})
    assert waiting.status_code == 202 and waiting.json()["kind"] == "image"
    service.finish(service.claim())


def test_keys(http, clip):
    headers = {"Idempotency-Key": "k1"}
    first, again = (http.post("/v1/clips", content=clip, headers=headers) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    other = http.post("/v1/clips", content=clip, headers=headers, params={"fps": 9})
    assert other.status_code == 422 and other.json()["code"] == "key_reused"
    assert http.delete(first.json()["links"]["self"]).status_code == 204


def test_events(service, http, clip):
    job = post(http, clip).json()
    seen = []
    with http.stream("GET", job["links"]["events"]) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                seen.append(json.loads(line[5:]))
                if seen[-1]["state"] == "queued":
                    service.finish(service.claim())
    assert [entry["state"] for entry in seen] == ["queued", "done"]


def test_deleting(service, http, clip):
    job = post(http, clip).json()
    address, folder = job["links"]["self"], service.blobs.folder(job["id"])
    claimed = service.claim()
    assert http.delete(address).status_code == 202
    assert service.store.renew(claimed, lease=9) is True
    service.store.end_cancelled(claimed)
    assert http.get(address + "/results/masks.json").json()["code"] == "not_done"
    assert folder.exists() and http.delete(address).status_code == 204
    assert not folder.exists() and http.get(address).status_code == 404
    assert http.delete(address).status_code == 404


def test_beats(http, done):
    address = f"/v1/jobs/{done['id']}/beats"
    beats = http.patch(address, json={"beats": [{"ed_frame": 0, "es_frame": 2}]}).json()
    assert beats["ejection_fraction"] == 60.0 and beats["corrected"][0]["edv_ml"] == 100.0
    assert beats["original"] == [] and beats["original_ejection_fraction"] is None
    assert http.get(f"/v1/jobs/{done['id']}").json()["ejection_fraction"] == 60.0
    wrong = http.patch(address, json={"beats": [{"ed_frame": 0, "es_frame": 3}]})
    assert wrong.status_code == 422 and "0 to 2" in wrong.json()["detail"]
    upside = http.patch(address, json={"beats": [{"ed_frame": 2, "es_frame": 0}]}).json()
    assert upside["ejection_fraction"] is None and upside["corrected"][0]["problems"]
    assert http.patch(address, json={"beats": None}).json()["corrected"] is None


def test_a_dicom_report_has_the_measured_beats(service, http):
    job = service.add("clip.dcm")
    service.finish(service.claim(), **{"report.dcm": b"DICM"})
    address = f"/v1/jobs/{job.id}"
    assert http.get(address).json()["notes"] == []
    http.patch(f"{address}/beats", json={"beats": [{"ed_frame": 0, "es_frame": 2}]})
    assert http.get(address).json()["notes"] == [NOT_CORRECTED]
    assert http.patch(address, content=bytes(2**20 + 1)).status_code == 413
    assert http.patch(address, content=iter([b"{}"])).status_code == 411


def test_boxes_need_a_model_for_them(http, done):
    boxes = {"boxes": [{"frame": 0, "box": [1, 1, 9, 9], "class": "left_ventricle"}]}
    answer = http.post(f"/v1/jobs/{done['id']}/prompts", json=boxes)
    assert answer.status_code == 501 and "--box-run" in answer.json()["detail"]


def test_boxes_become_a_job(tmp_path):
    with running(tmp_path, box_run="output/box") as service:
        service.live([MODEL, MODEL | {"name": "box", "purpose": "prompts"}])
        with httpx2.Client(base_url=service.url, timeout=30) as http:
            job = service.add("clip.mp4")
            service.finish(service.claim())
            address = f"/v1/jobs/{job.id}/prompts"
            box = {"frame": 0, "box": [1, 1, 9, 9], "class": "left_ventricle"}
            for wrong in ({"class": "liver"}, {"frame": 3}, {"box": [5, 5, 5, 9]}):
                answer = http.post(address, json={"boxes": [box | wrong]})
                assert answer.status_code == 422 and answer.json()["code"] == "bad_boxes"
            new = http.post(address, json={"boxes": [box]}).json()
            assert new["parent"] == job.id and (new["model"], new["boxes"]) == ("box", 1)
            http.delete(f"/v1/jobs/{job.id}")  # the new job has its own frames
            assert (service.blobs.folder(new["id"]) / "frames.u8").stat().st_size == 3 * 32 * 48
            assert service.claim("box").options["boxes"] == [box]


def test_several_models(tmp_path, clip):
    with running(tmp_path, run=("runs/a/seed_0", "runs/b/seed_0")) as service:
        first, second = "a/seed_0", "b/seed_0"
        models = [MODEL | {"name": name, "sha256": name[0] * 64} for name in (first, second)]
        service.live(models)
        with httpx2.Client(base_url=service.url, timeout=30) as http:
            for kind in ("clips", "images"):
                answer = http.post(f"/v1/{kind}?model=seed_0", content=clip)
                assert answer.status_code == 422 and answer.json()["code"] == "no_such_model"
                assert answer.json()["detail"] == "no model 'seed_0'; there are: a/seed_0, b/seed_0"
            key = {"Idempotency-Key": "k"}
            job = http.post("/v1/clips", content=clip, headers=key).json()
            assert job["model"] == first and job["model_sha256"] is None
            service.live(models)  # the first upload may take longer than a worker's silence
            same = http.post(f"/v1/clips?model={first}", content=clip, headers=key)
            other = http.post(f"/v1/clips?model={second}", content=clip, headers=key)
            assert same.json()["id"] == job["id"] and other.json()["code"] == "key_reused"
            assert service.claim(second) is None
            service.finish(service.claim(first))
            again = http.post(f"/v1/jobs/{job['id']}/again?model={second}").json()
            assert (again["model"], again["parent"], again["boxes"]) == (second, job["id"], 0)
            refused = http.post(f"/v1/jobs/{job['id']}/again?model=c")
            assert refused.status_code == 422 and "there are: a/seed_0, b/seed_0" in refused.text
            text = http.get("/metrics").text
            assert f'lgrseg_jobs{{model="{second}",state="queued"}} 1.0' in text
            assert f'lgrseg_jobs{{model="{first}",state="queued"}} 0.0' in text
            sha256 = "b" * 64
            line = f'lgrseg_model{{model="{second}",purpose="clips",sha256="{sha256}"}} 1.0'
            assert line in text
    with running(tmp_path, run=("runs/a/seed_0",)) as service:  # its only model is "seed_0"
        view = httpx2.get(f"{service.url}/v1/jobs/{again['id']}").json()
        assert view["stage"] == "no_model" and view["state"] == "queued"


def test_operation(service, http):
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").status_code == http.head("/readyz").status_code == 200
    answer = http.get("/v1/models")
    assert '"max_upload_bytes":1048576,' in answer.text  # a whole number, not 1048576.0
    models = answer.json()
    assert models["models"][0]["sha256"] == "0" * 64
    assert models["limits"]["max_upload_bytes"] == 2**20
    text = http.get("/metrics").text
    assert 'lgrseg_requests_total{method="GET",route="/readyz",status="200"}' in text
    assert {"/v1/clips", "/v1/jobs/{job_id}/events"} <= set(
        http.get("/openapi.json").json()["paths"]
    )
    assert http.get("/nothing").json()["code"] == "not_found"


def test_examples_of_openapi_are_answers(http):
    described = http.get("/openapi.json").json()
    models = {kind.__name__: kind for kind in (Beats, ImageResult, Job, JobList, ModelList)}
    seen = set()
    for path, calls in described["paths"].items():
        for method, call in calls.items():
            for status, answer in call["responses"].items():
                for kind, content in answer.get("content", {}).items():
                    shown = content.get("example")
                    if kind == "application/problem+json":
                        assert str(shown["status"]) == status and shown["detail"], (path, status)
                        assert ("retry_after" in shown) == (status in ("429", "503", "507"))
                    elif shown:
                        seen.add((method, path, status))
                        name = content["schema"].get("$ref", "ImageResult").rpartition("/")[2]
                        record_of(models[name], shown)  # fails if an entry is missing
                    assert "HTTPValidationError" not in json.dumps(content)  # errors are problems
    jobs = "/v1/jobs/{job_id}"
    assert {("post", "/v1/clips", "202"), ("patch", f"{jobs}/beats", "200")} < seen
    assert {("get", jobs, "200"), ("get", "/v1/models", "200")} < seen


def test_no_worker_and_a_full_queue(service, http, clip, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(service.store, "workers", lambda within: [])
        answer = post(http, clip)
        assert answer.status_code == 503 and answer.headers["retry-after"] == "5"
        assert http.get("/readyz").status_code == 503
    settings = service.service.settings
    monkeypatch.setattr(service.service, "settings", settings.model_copy(update={"max_queued": 0}))
    answer = post(http, clip)
    assert answer.status_code == 429 and answer.json()["code"] == "queue_full"
    full = settings.model_copy()
    monkeypatch.setattr(service.service, "settings", full)
    monkeypatch.setattr(service.blobs, "min_free", 2**60)
    assert post(http, clip).status_code == 507


def test_headers_and_hosts(service, http):
    answer = http.get("/healthz")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in answer.headers[CSP]
    assert "access-control-allow-origin" not in answer.headers
    evil = http.get("/v1/jobs", headers={"Host": "evil.example"})
    assert evil.status_code == 400 and evil.json()["code"] == "bad_host"


def test_tokens_and_owners(tmp_path, capfd):
    from lgrseg.serve.settings import hash_of

    hashes = (hash_of(TOKEN), hash_of("another token, also long"))
    with running(tmp_path, token_hashes=hashes) as service:
        with httpx2.Client(base_url=service.url, timeout=30) as http:
            assert http.get("/healthz").status_code == 200
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
                answer = http.get("/v1/jobs", headers=headers)
                assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
            mine = {"Authorization": f"Bearer {TOKEN}"}
            theirs = {"Authorization": "Bearer another token, also long"}
            address = f"/v1/jobs/{service.add('JaneDoe.mp4', owner=hashes[0][:16]).id}"
            assert http.get(address, headers=mine).json()["name"] == "JaneDoe.mp4"
            assert http.get(address, headers=theirs).status_code == 404
            assert http.get("/v1/jobs", headers=theirs).json()["jobs"] == []
            tries = [http.get("/v1/jobs", headers={"Authorization": "Bearer x"}) for _ in range(12)]
            assert tries[-1].status_code == 429
    logged = capfd.readouterr().err
    assert '"status": 404' in logged and "JaneDoe" not in logged and TOKEN not in logged


def test_slow_clients_are_ended(tmp_path, service):
    port = int(service.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"POST /v1/clips HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nabc")
        slow.settimeout(10)
        assert b"408" in slow.recv(4096).split(b"\r\n")[0]


def test_slow_headers_are_ended_and_others_served_meanwhile(tmp_path):
    with running(tmp_path, header_seconds=0.4) as service:
        port = int(service.url.rpartition(":")[2])
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
        for connection in slow:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: lo")
        assert httpx2.get(f"{service.url}/healthz", timeout=10).status_code == 200
        for connection in slow:
            connection.settimeout(10)
            assert connection.recv(100) == b""  # closed without an answer
            connection.close()


@pytest.mark.parametrize("way", ["kept", "damaged", "deidentified"])
def test_a_patients_name_is_nowhere_but_in_the_header_for_the_segmentation(
    service, http, capfd, way
):
    import io

    import pydicom

    file = Path(pydicom.__file__).parent / "data" / "test_files" / "examples_ybr_color.dcm"
    if not file.is_file():
        pytest.skip("this pydicom has no ultrasound clip among its test files")
    dataset = pydicom.dcmread(file)
    dataset.PatientName = CANARY
    written = io.BytesIO()
    dataset.save_as(written)
    content = written.getvalue()[: 20_000 if way == "damaged" else None]
    answer = http.post(
        "/v1/clips", content=content, params={"deidentify": way == "deidentified", "name": CANARY}
    )
    assert answer.status_code == (422 if way == "damaged" else 202)
    data = service.blobs.home.parent
    table = {path.name for path in data.glob("jobs.sqlite3*")}  # it has the name for display

    def holders():
        files = [path for path in data.rglob("*") if path.is_file()]
        return {path.name for path in files if CANARY.encode() in path.read_bytes()} - table

    assert holders() == ({"source.dcm"} if way == "kept" else set())
    assert CANARY not in capfd.readouterr().err
    if way != "damaged":
        assert answer.json()["name"] == (CANARY if way == "kept" else "")
        http.delete(answer.headers["location"])
    assert holders() == set()


def test_the_web_process_loads_no_models_and_no_decoders():
    program = (
        "import sys, lgrseg.serve.web, lgrseg.serve.report, lgrseg.structures.box_prompts;"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = done.stdout.split()
    assert "fastapi" in loaded, done.stderr
    assert not {"torch", "numpy", "cv2", "av", "pydicom", "transformers"} & set(loaded)
