"""Calls about one job over HTTP: results, beats, boxes, models; the test plays the worker."""

import json

import httpx2
from running_service import MODEL, running, upload

from lgrseg.serve.service import NOT_CORRECTED


def test_keys(http, clip):
    headers = {"Idempotency-Key": "k1"}
    first, again = (http.post("/v1/clips", content=clip, headers=headers) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    other = http.post("/v1/clips", content=clip, headers=headers, params={"fps": 9})
    assert other.status_code == 422 and other.json()["code"] == "key_reused"
    assert http.delete(first.json()["links"]["self"]).status_code == 204


def test_events(service, http, clip):
    job = upload(http, clip).json()
    seen = []
    with http.stream("GET", job["links"]["events"]) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                seen.append(json.loads(line[5:]))
                if seen[-1]["state"] == "queued":
                    service.finish(service.claim())
    assert [entry["state"] for entry in seen] == ["queued", "done"]


def test_deleting(service, http, clip):
    job = upload(http, clip).json()
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
