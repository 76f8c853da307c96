"""What the service keeps out and keeps secret: hosts, tokens, slow clients, names."""

import socket
from pathlib import Path

import httpx2
import pytest
from loaded_modules import modules_after
from running_service import running

TOKEN = "a token of some length"
CANARY = "CANARY^JANE"


def test_headers_and_hosts(service, http):
    answer = http.get("/healthz")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
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
    loaded = modules_after("lgrseg.serve.web, lgrseg.serve.report, lgrseg.structures.box_prompts")
    assert "fastapi" in loaded
    assert not {"torch", "numpy", "cv2", "av", "pydicom", "transformers"} & loaded
