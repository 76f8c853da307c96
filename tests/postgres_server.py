"""A PostgreSQL server of its own on a Unix socket, for slow tests."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


def _program(name):
    found = [*Path("/usr/lib/postgresql").glob(f"*/bin/{name}")]
    return str(max(found)) if found else shutil.which(name)


class PostgresServer:
    """A server with an empty database; its test is skipped where it cannot run."""

    def __enter__(self):
        pytest.importorskip("psycopg", reason="pip install '.[postgres]'")
        if _program("initdb") is None:
            pytest.skip("there is no PostgreSQL server: apt-get install postgresql")
        # A socket's path has 107 characters at most, so it is not in pytest's folder.
        self.folder = tempfile.TemporaryDirectory()
        self.home = self.folder.name
        os.chmod(self.home, 0o777)
        self.url = f"postgresql://tests@/postgres?host={self.home}"
        self._run("initdb", "-U", "tests", "-A", "trust", "--no-sync")
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        self.folder.cleanup()

    def start(self):
        options = f"-c listen_addresses= -c unix_socket_directories={self.home}"
        self._run("pg_ctl", "-l", f"{self.home}/log", "-w", "-o", options, "start")

    def stop(self):
        self._run("pg_ctl", "-m", "immediate", "-w", "stop")

    def _run(self, program, *words):
        as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []  # never as root
        words = [*as_user, _program(program), "-D", f"{self.home}/data", *words]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd=self.home)

    def clear(self):
        """Remove the tables."""
        import psycopg

        with psycopg.connect(self.url) as connection:
            connection.execute("DROP TABLE IF EXISTS jobs, events, workers")
