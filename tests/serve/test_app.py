"""Uploads, errors and operation of the service over HTTP; the test plays the worker."""

import json
import socket

import numpy as np
from running_service import upload

from lgrseg.client.records import Beats, ImageResult, Job, JobList, ModelList, record_of


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
    assert (
        "&lt;b&gt;a note" in report.text and "sandbox" in report.headers["content-security-policy"]
    )
    listed = http.get("/v1/jobs", params={"limit": 1}).json()
    assert listed["jobs"][0]["id"] == job["id"]


def test_refused_uploads(http, clip, service):
    assert upload(http, b"").json()["code"] == "empty"
    answer = upload(http, b"not a clip")
    assert (
        answer.status_code == 415 and answer.headers["content-type"] == "application/problem+json"
    )
    answer = upload(http, b"\0\0\0\x18ftypmp42" + bytes(100))
    assert answer.status_code == 422 and answer.json()["code"] == "unreadable"
    assert answer.json()["detail"] == (
        "the clip cannot be read: Invalid data found when processing input"
    )
    with socket.create_connection((http.base_url.host, http.base_url.port)) as connection:
        start = b"POST /v1/clips HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
        connection.sendall(start + b"%d\r\n\r\n" % 10**15)  # more than the disk holds
        assert connection.recv(12) == b"HTTP/1.1 413"
    large = bytes(2**20 + 1)
    assert upload(http, large).status_code == 413
    assert http.post("/v1/clips", content=iter([large])).status_code == 413  # no Content-Length
    assert http.post("/v1/clips", files={"file": ("a", large)}).status_code == 413
    form = http.post("/v1/clips", data={"a": "b"}, files={"x": (None, "y")})
    assert form.status_code == 400 and "filename" in form.json()["detail"]
    assert upload(http, clip, row_mm=0.3).json()["code"] == "bad_settings"
    assert upload(http, clip, fps="nan").status_code == 422
    assert upload(http, clip, view="PLAX").status_code == 422
    assert not list(service.blobs.incoming.iterdir())  # nothing of them is kept


def test_a_setting_that_is_not_honoured_is_refused(http, clip, done):
    again = f"/v1/jobs/{done['id']}/again"
    for answer in (upload(http, clip, deidentifi=True), http.post(again, params={"modell": "x"})):
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
    assert "/v1/images" in upload(http, picture).json()["detail"]
    waiting = http.post("/v1/images", content=picture, params={"wait": 0})
    assert waiting.status_code == 202 and waiting.json()["kind"] == "image"
    service.finish(service.claim())


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
        answer = upload(http, clip)
        assert answer.status_code == 503 and answer.headers["retry-after"] == "5"
        assert http.get("/readyz").status_code == 503
    settings = service.service.settings
    monkeypatch.setattr(service.service, "settings", settings.model_copy(update={"max_queued": 0}))
    answer = upload(http, clip)
    assert answer.status_code == 429 and answer.json()["code"] == "queue_full"
    full = settings.model_copy()
    monkeypatch.setattr(service.service, "settings", full)
    monkeypatch.setattr(service.blobs, "min_free", 2**60)
    assert upload(http, clip).status_code == 507
