"""A service that answers on a port of this machine, with a worker that the test plays."""

import contextlib
import json
import threading
import time

import uvicorn

from lgrseg.serve.app import create_app
from lgrseg.serve.blobs import describe_files
from lgrseg.serve.job_store import NewJob
from lgrseg.serve.settings import Settings
from lgrseg.serve.web import protocol_with_deadline

MODEL = {
    "name": "apical_simulated",
    "purpose": "clips",
    "sha256": "0" * 64,
    "classes": ["left_ventricle"],
    "colors": [[230, 60, 60]],
    "version": "0",
    "notes": [],
}
VOLUMES = [100.0, 80.0, 40.0]
"""Of the left ventricle in the three frames of a clip."""


class Played:
    """The service, and the part of its worker."""

    def __init__(self, app, url):
        self.app, self.url, self.service = app, url, app.state.service
        self.store, self.blobs = self.service.store, self.service.blobs

    def live(self, models=(MODEL,)):
        self._enter()
        self.store.sign_of_life("w1", "ready", list(models))

    def _enter(self):
        if not self.store.workers(within=1e9):
            self.store.add_worker("w1")

    def add(self, name, owner="local"):
        """Add a decoded clip without an upload."""
        upload = self.blobs.new_upload()
        (upload / "frames.u8").write_bytes(bytes(3 * 32 * 48))
        meta = {"shape": [3, 32, 48], "format": "movie", "notes": [], "doubts": []}
        self.blobs.accept(upload)
        new = NewJob(upload.name, owner, "clip", MODEL["name"], name, meta)
        return self.store.add(new, max_queued=100)

    def claim(self, *models):
        self._enter()
        return self.store.claim("w1", models=models or (MODEL["name"],), lease=30, max_attempts=2)

    def finish(self, job, **more):
        """Write small results and further files, and end the job as done."""
        folder = self.blobs.new_results(job.id, job.attempt)
        (folder / "masks.nii.gz").write_bytes(bytes(range(200)))
        (folder / "preview.png").write_bytes(b"\x89PNG")
        for name, content in more.items():
            (folder / name).write_bytes(content)
        masks = {"size": [4, 6], "classes": ["left_ventricle"], "frames": [{}]}
        (folder / "masks.json").write_text(json.dumps(masks))
        frames = job.meta["shape"][0]
        facts = {
            "frames": frames,
            "size": [4, 6],
            "fps": None,
            "spacing_mm": None,
            "areas": {"left_ventricle": VOLUMES[:frames]},
            "area_unit": "pixels",
            "beats": [],
            "ejection_fraction": None,
            "doubts": [],
            "notes": ["<b>a note</b>"],
            "model": "a_run",
            "made_by": "lgrseg 0",
            "left_ventricle": {
                "volume_unit": "ml",
                "volumes": VOLUMES[:frames],
                "problems": [[] for _ in range(frames)],
            },
        }
        (folder / "measurements.json").write_text(json.dumps(facts))
        self.store.finish(job, describe_files(folder), {"ejection_fraction": None})


async def _later():
    pass


@contextlib.contextmanager
def running(data, **settings):
    """Start the web part in a thread, as the web process runs it."""
    settings = {"min_free_mb": 0, "intakes": 1, "rate_per_minute": 0} | settings
    app = create_app(Settings(data=data, port=0, **settings))
    app.state.service.intake.warm = _later  # it starts with the first upload
    protocol = protocol_with_deadline(settings.get("header_seconds", 10))
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, http=protocol, log_level="critical", access_log=False)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]
    played = Played(app, f"http://127.0.0.1:{port}")
    played.live()
    try:
        yield played
    finally:
        server.should_exit = True
        thread.join(10)


def upload(http, content, **parameters):
    """Send a clip as the body of a request, with its settings."""
    return http.post("/v1/clips", content=content, params=parameters)
