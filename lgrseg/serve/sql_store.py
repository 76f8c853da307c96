"""Changes of the table of jobs: the same SQL for SQLite and PostgreSQL."""

import json
import time
from dataclasses import fields

from lgrseg.serve.database import Transaction
from lgrseg.serve.job_store import (
    CANCELLED,
    DONE,
    EXPIRED,
    FAILED,
    RUNNING,
    WAITING,
    KeyReused,
    NewJob,
    QueueFull,
    StoredJob,
    WorkerUnknown,
)
from lgrseg.serve.sql_reads import SqlReads
from lgrseg.serve.sql_rows import (
    AS_JSON,
    LOST,
    ORDER,
    add_event,
    change_own,
    find_one,
    job_of,
    return_job,
)


class SqlStore(SqlReads):
    """The table of jobs (`JobStore`) in a database, for any number of processes and threads."""

    def add(self, job: NewJob, *, max_queued: int) -> StoredJob:
        """Add a job, see `JobStore.add`."""
        with self.database.writing() as connection:
            if self.database.lock_adding:
                connection.execute(self.database.lock_adding)
            if job.key is not None:
                found = find_one(
                    connection, "SELECT * FROM jobs WHERE owner = ? AND key = ?", job.owner, job.key
                )
                if found is not None:
                    if found.fingerprint != job.fingerprint:
                        raise KeyReused(found.id)
                    return found
            row = connection.execute(
                "SELECT count(*) AS count FROM jobs WHERE state = ?", (WAITING,)
            ).fetchone()
            if row is not None and row["count"] >= max_queued:
                raise QueueFull(f"{max_queued} jobs wait")
            values = {f.name: getattr(job, f.name) for f in fields(NewJob)}
            values |= {name: json.dumps(values[name]) for name in AS_JSON if name in values}
            values |= {"created": time.time()}
            connection.execute(
                f"INSERT INTO jobs ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
                tuple(values.values()),
            )
            add_event(connection, job.id)
            added = find_one(connection, "SELECT * FROM jobs WHERE id = ?", job.id)
        assert added is not None
        return added

    def claim(
        self,
        worker: str,
        *,
        models: tuple[str, ...],
        lease: float,
        max_attempts: int,
        max_frames: int | None = None,
    ) -> StoredJob | None:
        """Claim the next job, see `JobStore.claim`."""
        now, database = time.time(), self.database
        lock = f"{database.for_update} {database.skip_locked}"
        marks = ", ".join("?" * len(models))
        short, most = "", []
        if max_frames is not None:
            short, most = f"AND {database.frames} <= ?", [max_frames]
        with database.writing() as connection:
            _check_worker(connection, worker, database.for_update)
            late = connection.execute(
                f"SELECT * FROM jobs WHERE state = ? AND lease_until < ? {lock}", (RUNNING, now)
            ).fetchall()
            for row in late:
                return_job(connection, job_of(row), LOST, max_attempts)
            row = connection.execute(
                f"""UPDATE jobs SET state = ?, stage = 'segmenting', progress = 0, worker = ?,
                    lease_until = ?, attempt = attempt + 1, started = coalesce(started, ?)
                WHERE id = (SELECT id FROM jobs WHERE state = ? AND model IN ({marks}) {short}
                    ORDER BY {ORDER} LIMIT 1 {lock}) RETURNING *""",
                (RUNNING, worker, now + lease, now, WAITING, *models, *most),
            ).fetchone()
            if row is None:
                return None
            add_event(connection, row["id"])
        return job_of(row)

    def renew(self, job: StoredJob, *, lease: float) -> bool:
        """Extend a lease, see `JobStore.renew`."""
        with self.database.writing() as connection:
            row = change_own(connection, job, "lease_until = ?", time.time() + lease)
        return bool(row["cancel"])

    def progress(self, job: StoredJob, stage: str, progress: float) -> None:
        """Write the progress, see `JobStore.progress`."""
        with self.database.writing() as connection:
            change_own(connection, job, "stage = ?, progress = ?", stage, progress)
            add_event(connection, job.id)

    def finish(self, job: StoredJob, results: list[dict], summary: dict) -> None:
        """End a job as done, see `JobStore.finish`."""
        with self.database.writing() as connection:
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
        with self.database.writing() as connection:
            row = change_own(connection, job, "lease_until = 0")
            return return_job(connection, job_of(row), problem, max_attempts)

    def end_cancelled(self, job: StoredJob) -> None:
        """End a claimed job as cancelled, see `JobStore.end_cancelled`."""
        with self.database.writing() as connection:
            change_own(
                connection, job, "state = ?, stage = '', finished = ?", CANCELLED, time.time()
            )
            add_event(connection, job.id)

    def return_jobs_of(self, workers: str, reason: str, *, max_attempts: int | None) -> int:
        """Return jobs of dead workers, see `JobStore.return_jobs_of`."""
        begin = (len(workers), workers)
        with self.database.writing() as connection:
            # First of all, so that a worker which claims at this moment is seen, or refused.
            connection.execute("DELETE FROM workers WHERE substr(name, 1, ?) = ?", begin)
            rows = connection.execute(
                "SELECT * FROM jobs WHERE state = ? AND substr(worker, 1, ?) = ? ORDER BY number "
                + self.database.for_update,
                (RUNNING, *begin),
            ).fetchall()
            problem = LOST | {"detail": f"{LOST['detail']}: {reason}"}
            for row in rows:
                return_job(connection, job_of(row), problem, max_attempts)
        return len(rows)

    def cancel(self, job_id: str) -> str | None:
        """Cancel a job, see `JobStore.cancel`."""
        with self.database.writing() as connection:
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
        with self.database.writing() as connection:
            connection.execute("UPDATE jobs SET corrections = ? WHERE id = ?", (text, job_id))

    def delete(self, job_id: str) -> None:
        """Remove a job and its events."""
        with self.database.writing() as connection:
            connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
            connection.execute("DELETE FROM events WHERE job = ?", (job_id,))

    def expire(self, before: float) -> list[str]:
        """Mark old jobs as expired, and forget what they were called."""
        with self.database.writing() as connection:
            rows = connection.execute(
                """UPDATE jobs SET state = ?, name = '', results = '[]', summary = '{}',
                    corrections = NULL
                WHERE state IN (?, ?, ?) AND finished < ? RETURNING id""",
                (EXPIRED, DONE, FAILED, CANCELLED, before),
            ).fetchall()
            for row in rows:
                add_event(connection, row["id"])
        return [row["id"] for row in rows]

    def add_worker(self, worker: str) -> None:
        """Add a worker, see `JobStore.add_worker`."""
        with self.database.writing() as connection:
            connection.execute(
                "INSERT INTO workers (name, state, seen, models) VALUES (?, 'loading', ?, '[]')",
                (worker, time.time()),
            )

    def sign_of_life(self, worker: str, state: str, models: list[dict]) -> None:
        """Write that a worker lives, see `JobStore.sign_of_life`."""
        with self.database.writing() as connection:
            _check_worker(connection, worker, self.database.for_update)
            connection.execute(
                "UPDATE workers SET state = ?, seen = ?, models = ? WHERE name = ?",
                (state, time.time(), json.dumps(models), worker),
            )


def _check_worker(connection: Transaction, worker: str, for_update: str) -> None:
    """Check that a worker is in the table, and keep it there until the transaction ends."""
    query = f"SELECT name FROM workers WHERE name = ? {for_update}"
    if connection.execute(query, (worker,)).fetchone() is None:
        raise WorkerUnknown(f"worker {worker} is not in the table: it was found dead")
