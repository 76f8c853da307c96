"""The service with PostgreSQL: a server that ends and starts again, and a clip from end to end."""

import os
import signal

import numpy as np
import pytest
from postgres_server import PostgresServer
from server_processes import ServerProcesses

from lgrseg.client import Client
from lgrseg.serve.job_store import CannotWrite, NewJob
from lgrseg.serve.settings import Settings
from lgrseg.serve.stores import open_store
from lgrseg.visualization.overlays import write_mp4

pytestmark = pytest.mark.slow


@pytest.fixture
def postgres():
    with PostgresServer() as server:
        yield server


def test_a_server_that_starts_again(postgres, tmp_path):
    store = open_store(Settings(data=tmp_path, store=postgres.url))
    new = NewJob("0" * 32, "me", "clip", "clips", "a", {"shape": [3, 4, 6]})
    store.add(new, max_queued=9)
    store.add_worker("w1")
    job = store.claim("w1", models=("clips",), lease=30, max_attempts=2)
    postgres.stop()
    try:
        for call in (lambda: store.get(job.id), lambda: store.progress(job, "writing", 0.5)):
            with pytest.raises(CannotWrite):
                call()
    finally:
        postgres.start()
    store.progress(job, "writing", 0.5)
    assert store.get(job.id).progress == 0.5


def test_a_clip_from_end_to_end_while_the_worker_and_the_database_end(postgres, tmp_path):
    write_mp4(tmp_path / "clip.mp4", np.full((20, 96, 128, 3), 90, np.uint8), fps=10)
    with ServerProcesses(tmp_path / "data", store=postgres.url) as server:
        with Client(server.url, retries=8) as client:
            jobs = [client.submit(tmp_path / "clip.mp4") for _ in range(3)]
            (worker,) = server.children()["worker"]
            os.kill(worker, signal.SIGKILL)
            postgres.stop()
            postgres.start()
            ended = [client.wait(job.id) for job in jobs]
            assert {job.state for job in ended} == {"done"}
        assert not (tmp_path / "data" / "jobs.sqlite3").exists()
        assert postgres.url not in (tmp_path / "serve.log").read_text()
