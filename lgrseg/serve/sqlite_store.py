"""The table of jobs in SQLite: durable, for one machine (SQLite on a network disk is not safe)."""

import json
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from lgrseg.serve.job_store import (
    CANCELLED,
    DONE,
    EXPIRED,
    FAILED,
    RUNNING,
    WAITING,
    Event,
    KeyReused,
    NewJob,
    QueueFull,
    StoredJob,
    Worker,
)
from lgrseg.serve.sqlite_file import SqliteFile
from lgrseg.serve.sqlite_rows import (
    AS_JSON,
    LOST,
    ORDER,
    SCHEMA,
    add_event,
    change_own,
    find_one,
    job_of,
    return_job,
)


class SqliteStore:
    """The table of jobs (`JobStore`) in one file, for any number of processes and threads."""

    def __init__(self, file: Path):
        """Open the file, and make it if it is missing."""
        self.file = file
        sqlite = SqliteFile(file, SCHEMA)
        self._connection, self._writing = sqlite.connection, sqlite.writing

    def add(self, job: NewJob, *, max_queued: int) -> StoredJob:
        """Add a job, see `JobStore.add`."""
        with self._writing() as connection:
            if job.key is not None:
                found = find_one(
                    connection, "SELECT * FROM jobs WHERE owner = ? AND key = ?", job.owner, job.key
                )
                if found is not None:
                    if found.fingerprint != job.fingerprint:
                        raise KeyReused(found.id)
                    return found
            (waiting,) = connection.execute(
                "SELECT count(*) FROM jobs WHERE state = ?", (WAITING,)
            ).fetchone()
            if waiting >= max_queued:
                raise QueueFull(f"{waiting} jobs wait")
            values = {f.name: getattr(job, f.name) for f in fields(NewJob)}
            values |= {name: json.dumps(values[name]) for name in AS_JSON if name in values}
            values |= {"created": time.time()}
            connection.execute(
                f"INSERT INTO jobs ({', '.join(values)}) "
                f"VALUES ({', '.join(':' + name for name in values)})",
                values,
            )
            add_event(connection, job.id)
            added = find_one(connection, "SELECT * FROM jobs WHERE id = ?", job.id)
        assert added is not None
        return added

    def find_key(self, owner: str, key: str) -> StoredJob | None:
        """Find the job of an idempotency key."""
        query = "SELECT * FROM jobs WHERE owner = ? AND key = ?"
        return find_one(self._connection(), query, owner, key)

    def get(self, job_id: str, *, owner: str | None = None) -> StoredJob | None:
        """Get a job, see `JobStore.get`."""
        job = find_one(self._connection(), "SELECT * FROM jobs WHERE id = ?", job_id)
        return None if job is None or owner not in (None, job.owner) else job

    def jobs(self, *, owner: str, after: str | None, limit: int) -> list[StoredJob]:
        """List jobs, see `JobStore.jobs`."""
        query = "SELECT * FROM jobs WHERE owner = ?"
        values: list[Any] = [owner]
        if after is not None:
            query += " AND number < (SELECT number FROM jobs WHERE id = ?)"
            values.append(after)
        rows = self._connection().execute(f"{query} ORDER BY number DESC LIMIT ?", (*values, limit))
        return [job_of(row) for row in rows]

    def position(self, job: StoredJob) -> int:
        """Count the waiting jobs before a job, see `JobStore.position`."""
        query = f"""
            SELECT count(*) FROM jobs WHERE state = ? AND ({ORDER}) < (
                SELECT {ORDER} FROM jobs WHERE id = ?)
        """
        (count,) = self._connection().execute(query, (WAITING, job.id)).fetchone()
        return count

    def counts(self) -> dict[str, int]:
        """Count the jobs of every state."""
        query = "SELECT state, count(*) FROM jobs GROUP BY state"
        return {state: count for state, count in self._connection().execute(query)}

    def claim(
        self,
        worker: str,
        *,
        kinds: tuple[str, ...],
        lease: float,
        max_attempts: int,
        max_frames: int | None = None,
    ) -> StoredJob | None:
        """Claim the next job, see `JobStore.claim`."""
        now = time.time()
        with self._writing() as connection:
            late = connection.execute(
                "SELECT * FROM jobs WHERE state = ? AND lease_until < ?", (RUNNING, now)
            ).fetchall()
            for row in late:
                return_job(connection, job_of(row), LOST, max_attempts)
            marks = ", ".join("?" * len(kinds))
            row = connection.execute(
                f"""UPDATE jobs SET state = ?, stage = 'segmenting', progress = 0, worker = ?,
                    lease_until = ?, attempt = attempt + 1, started = coalesce(started, ?)
                WHERE id = (SELECT id FROM jobs WHERE state = ? AND model IN ({marks})
                    AND (? IS NULL OR json_extract(meta, '$.shape[0]') <= ?)
                    ORDER BY {ORDER} LIMIT 1) RETURNING *""",
                (RUNNING, worker, now + lease, now, WAITING, *kinds, max_frames, max_frames),
            ).fetchone()
            if row is None:
                return None
            add_event(connection, row["id"])
        return job_of(row)

    def waits(self, kinds: tuple[str, ...], max_frames: int) -> bool:
        """True if so short a job waits, see `JobStore.waits`."""
        query = f"""SELECT 1 FROM jobs WHERE state = ? AND model IN ({", ".join("?" * len(kinds))})
            AND json_extract(meta, '$.shape[0]') <= ? LIMIT 1"""
        rows = self._connection().execute(query, (WAITING, *kinds, max_frames))
        return rows.fetchone() is not None

    def renew(self, job: StoredJob, *, lease: float) -> bool:
        """Extend a lease, see `JobStore.renew`."""
        with self._writing() as connection:
            row = change_own(connection, job, "lease_until = ?", time.time() + lease)
        return bool(row["cancel"])

    def progress(self, job: StoredJob, stage: str, progress: float) -> None:
        """Write the progress, see `JobStore.progress`."""
        with self._writing() as connection:
            change_own(connection, job, "stage = ?, progress = ?", stage, progress)
            add_event(connection, job.id)

    def finish(self, job: StoredJob, results: list[dict], summary: dict) -> None:
        """End a job as done, see `JobStore.finish`."""
        with self._writing() as connection:
            change_own(
                connection,
                job,
                "state = ?, stage = '', progress = 1, finished = ?, results = ?, summary = ?",
                DONE,
                time.time(),
                json.dumps(results),
                json.dumps(summary),
            )
            add_event(connection, job.id)

    def fail(self, job: StoredJob, problem: dict, *, max_attempts: int) -> bool:
        """End a job as failed or return it, see `JobStore.fail`."""
        with self._writing() as connection:
            row = change_own(connection, job, "lease_until = 0")
            return return_job(connection, job_of(row), problem, max_attempts)

    def end_cancelled(self, job: StoredJob) -> None:
        """End a claimed job as cancelled, see `JobStore.end_cancelled`."""
        with self._writing() as connection:
            change_own(
                connection, job, "state = ?, stage = '', finished = ?", CANCELLED, time.time()
            )
            add_event(connection, job.id)

    def return_jobs_of(self, workers: str, reason: str, *, max_attempts: int | None) -> int:
        """Return jobs of dead workers, see `JobStore.return_jobs_of`."""
        names = f"{workers}*"
        with self._writing() as connection:
            rows = connection.execute(
                "SELECT * FROM jobs WHERE state = ? AND worker GLOB ?", (RUNNING, names)
            ).fetchall()
            problem = LOST | {"detail": f"{LOST['detail']}: {reason}"}
            for row in rows:
                return_job(connection, job_of(row), problem, max_attempts)
            connection.execute("DELETE FROM workers WHERE name GLOB ?", (names,))
        return len(rows)

    def cancel(self, job_id: str) -> str | None:
        """Cancel a job, see `JobStore.cancel`."""
        with self._writing() as connection:
            row = connection.execute(
                """UPDATE jobs SET cancel = 1,
                    state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END,
                    stage = CASE state WHEN 'queued' THEN '' ELSE stage END,
                    finished = CASE state WHEN 'queued' THEN ? ELSE finished END
                WHERE id = ? RETURNING state""",
                (time.time(), job_id),
            ).fetchone()
            if row is None:
                return None
            add_event(connection, job_id)
        return row["state"]

    def correct(self, job_id: str, beats: list[dict] | None) -> None:
        """Store corrected beats, see `JobStore.correct`."""
        text = None if beats is None else json.dumps(beats)
        with self._writing() as connection:
            connection.execute("UPDATE jobs SET corrections = ? WHERE id = ?", (text, job_id))

    def delete(self, job_id: str) -> None:
        """Remove a job and its events."""
        with self._writing() as connection:
            connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
            connection.execute("DELETE FROM events WHERE job = ?", (job_id,))

    def expire(self, before: float) -> list[str]:
        """Mark old jobs as expired, and forget what they were called."""
        with self._writing() as connection:
            rows = connection.execute(
                """UPDATE jobs SET state = ?, name = '', results = '[]', summary = '{}',
                    corrections = NULL
                WHERE state IN (?, ?, ?) AND finished < ? RETURNING id""",
                (EXPIRED, DONE, FAILED, CANCELLED, before),
            ).fetchall()
            for row in rows:
                add_event(connection, row["id"])
        return [row["id"] for row in rows]

    def ids(self) -> set[str]:
        """Names of the jobs that have files: they wait, run, or are done."""
        query = "SELECT id FROM jobs WHERE state IN (?, ?, ?)"
        rows = self._connection().execute(query, (WAITING, RUNNING, DONE))
        return {row["id"] for row in rows}

    def events(self, job_id: str, after: int) -> list[Event]:
        """Changes of a job after a number, in order."""
        rows = self._connection().execute(
            "SELECT number, state, stage, progress FROM events WHERE job = ? AND number > ? "
            "ORDER BY number",
            (job_id, after),
        )
        return [Event(*row) for row in rows]

    def sign_of_life(self, worker: str, state: str, models: list[dict]) -> None:
        """Write that a worker lives."""
        with self._writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO workers VALUES (?, ?, ?, ?)",
                (worker, state, time.time(), json.dumps(models)),
            )

    def workers(self, *, within: float) -> list[Worker]:
        """Workers that gave a sign of life within so many seconds."""
        rows = self._connection().execute(
            "SELECT name, state, seen, models FROM workers WHERE seen > ? ORDER BY name",
            (time.time() - within,),
        )
        return [
            Worker(row["name"], row["state"], row["seen"], json.loads(row["models"]))
            for row in rows
        ]
