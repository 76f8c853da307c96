"""What is read of the table of jobs: the same SQL for SQLite and PostgreSQL."""

import json
import time
from typing import Any

from lgrseg.serve.database import Database
from lgrseg.serve.job_store import DONE, RUNNING, WAITING, Event, StoredJob, Worker
from lgrseg.serve.sql_rows import ORDER, find_one, job_of


class SqlReads:
    """The part of `JobStore` that changes nothing."""

    def __init__(self, database: Database):
        """Use a database, whose tables exist."""
        self.database = database

    def find_key(self, owner: str, key: str) -> StoredJob | None:
        """Find the job of an idempotency key."""
        query = "SELECT * FROM jobs WHERE owner = ? AND key = ?"
        return find_one(self.database.reading(), query, owner, key)

    def get(self, job_id: str, *, owner: str | None = None) -> StoredJob | None:
        """Get a job, see `JobStore.get`."""
        job = find_one(self.database.reading(), "SELECT * FROM jobs WHERE id = ?", job_id)
        return None if job is None or owner not in (None, job.owner) else job

    def jobs(self, *, owner: str, after: str | None, limit: int) -> list[StoredJob]:
        """List jobs, see `JobStore.jobs`."""
        query = "SELECT * FROM jobs WHERE owner = ?"
        values: list[Any] = [owner]
        if after is not None:
            query += " AND number < (SELECT number FROM jobs WHERE id = ?)"
            values.append(after)
        query = f"{query} ORDER BY number DESC LIMIT ?"
        rows = self.database.reading().execute(query, (*values, limit))
        return [job_of(row) for row in rows.fetchall()]

    def position(self, job: StoredJob) -> int:
        """Count the waiting jobs before a job, see `JobStore.position`."""
        query = f"""
            SELECT count(*) AS count FROM jobs WHERE state = ? AND ({ORDER}) < (
                SELECT {ORDER} FROM jobs WHERE id = ?)
        """
        row = self.database.reading().execute(query, (WAITING, job.id)).fetchone()
        return 0 if row is None else row["count"]

    def counts(self) -> dict[str, int]:
        """Count the jobs of every state."""
        query = "SELECT state, count(*) AS count FROM jobs GROUP BY state"
        rows = self.database.reading().execute(query).fetchall()
        return {row["state"]: row["count"] for row in rows}

    def counts_by_model(self) -> dict[tuple[str, str], int]:
        """Count the jobs of every state and model."""
        query = "SELECT state, model, count(*) AS count FROM jobs GROUP BY state, model"
        rows = self.database.reading().execute(query).fetchall()
        return {(row["state"], row["model"]): row["count"] for row in rows}

    def waits(self, models: tuple[str, ...], max_frames: int) -> bool:
        """True if so short a job waits, see `JobStore.waits`."""
        query = f"""SELECT 1 FROM jobs WHERE state = ? AND model IN ({", ".join("?" * len(models))})
            AND {self.database.frames} <= ? LIMIT 1"""
        rows = self.database.reading().execute(query, (WAITING, *models, max_frames))
        return rows.fetchone() is not None

    def ids(self) -> set[str]:
        """Names of the jobs that have files: they wait, run, or are done."""
        query = "SELECT id FROM jobs WHERE state IN (?, ?, ?)"
        rows = self.database.reading().execute(query, (WAITING, RUNNING, DONE))
        return {row["id"] for row in rows.fetchall()}

    def events(self, job_id: str, after: int) -> list[Event]:
        """Changes of a job after a number, in order."""
        rows = self.database.reading().execute(
            "SELECT number, state, stage, progress FROM events WHERE job = ? AND number > ? "
            "ORDER BY number",
            (job_id, after),
        )
        names = ("number", "state", "stage", "progress")
        return [Event(*(row[name] for name in names)) for row in rows.fetchall()]

    def workers(self, *, within: float) -> list[Worker]:
        """Workers that gave a sign of life within so many seconds."""
        rows = self.database.reading().execute(
            "SELECT name, state, seen, models FROM workers WHERE seen > ? ORDER BY name",
            (time.time() - within,),
        )
        return [
            Worker(row["name"], row["state"], row["seen"], json.loads(row["models"]))
            for row in rows.fetchall()
        ]
