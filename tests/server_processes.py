"""`lgrseg serve` with its own processes, for slow tests."""

import collections
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2

ROOT = Path(__file__).parents[1]


class ServerProcesses:
    """`lgrseg serve` as a user starts it."""

    def __init__(self, data, *, token=None, **options):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url, self.data = f"http://127.0.0.1:{self.port}", data
        options |= {"data": data, "port": self.port, "rate_per_minute": 0, "min_free_mb": 0}
        self.words = [
            f"--{name.replace('_', '-')}={value}"
            for name, values in options.items()
            for value in (values if isinstance(values, tuple) else (values,))
        ]
        self.process, self.token = None, token

    def __enter__(self):
        self.start()
        self.wait_until_ready()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        if self.token:
            environment["LGRSEG_SERVE_TOKEN"] = self.token
        self.log = (self.data.parent / "serve.log").open("a")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lgrseg", "serve", *self.words],
            stdout=self.log,
            stderr=self.log,
            env=environment,
        )

    def wait_until_ready(self, seconds=180):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if httpx2.get(f"{self.url}/readyz", timeout=10).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.3)
        raise AssertionError(Path(self.log.name).read_text()[-3000:])

    def children(self):
        """Process numbers of the supervisor's children by the last part of their module."""
        found = collections.defaultdict(list)
        pid = self.process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            found[words[2].decode().rpartition(".")[2] if len(words) > 2 else "?"].append(
                int(child)
            )
        return found

    def memory(self, name="web"):
        """Resident memory of a process in MiB."""
        (pid,) = self.children()[name]
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
