"""Rows of the table of jobs: its columns, and changes within a transaction."""

import json
import time
from dataclasses import fields
from typing import Any

from lgrseg.serve.database import Row, Transaction
from lgrseg.serve.job_store import (
    CANCELLED,
    FAILED,
    PAUSED,
    RUNNING,
    WAITING,
    LeaseLost,
    StoredJob,
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number {number},
    id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, kind TEXT NOT NULL, model TEXT NOT NULL,
    name TEXT NOT NULL, meta TEXT NOT NULL, options TEXT NOT NULL, parent TEXT, key TEXT,
    fingerprint TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'queued',
    stage TEXT NOT NULL DEFAULT 'waiting', progress DOUBLE PRECISION NOT NULL DEFAULT 0,
    attempt INTEGER NOT NULL DEFAULT 0, counted INTEGER NOT NULL DEFAULT 0,
    worker TEXT, lease_until DOUBLE PRECISION NOT NULL DEFAULT 0,
    cancel INTEGER NOT NULL DEFAULT 0, created DOUBLE PRECISION NOT NULL,
    started DOUBLE PRECISION, finished DOUBLE PRECISION,
    problem TEXT, results TEXT NOT NULL DEFAULT '[]', summary TEXT NOT NULL DEFAULT '{{}}',
    corrections TEXT, UNIQUE (owner, key)
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, kind, number);
CREATE TABLE IF NOT EXISTS events (
    number {number}, job TEXT NOT NULL, state TEXT NOT NULL,
    stage TEXT NOT NULL, progress DOUBLE PRECISION NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_job ON events (job, number);
CREATE TABLE IF NOT EXISTS workers (
    name TEXT PRIMARY KEY, state TEXT NOT NULL, seen DOUBLE PRECISION NOT NULL, models TEXT NOT NULL
);
"""
AS_JSON = ("meta", "options", "problem", "results", "summary", "corrections")
COLUMNS = [field.name for field in fields(StoredJob)]
ORDER = "(kind = 'clip'), number"
"""Stills come first, because they take less than a second."""
MOST_STARTS = 20
"""A job fails after so many starts even if none counts: it may be what stops the machine."""
LOST = {
    "code": "worker_lost",
    "title": "The worker was lost",
    "detail": "the worker process ended without a result in every attempt",
}


def schema_of(number: str) -> list[str]:
    """Statements that make the tables if they are missing.

    Args:
        number: type of a column that counts the rows by itself.
    """
    return [part for part in _SCHEMA.format(number=number).split(";") if part.strip()]


def job_of(row: Row) -> StoredJob:
    """Make a job of its row."""
    values = {name: row[name] for name in COLUMNS}
    for name in AS_JSON:
        values[name] = None if values[name] is None else json.loads(values[name])
    values["cancel"] = bool(values["cancel"])
    return StoredJob(**values)


def find_one(connection: Transaction, query: str, *values: Any) -> StoredJob | None:
    """Get the job that a query finds; None if there is none."""
    row = connection.execute(query, values).fetchone()
    return None if row is None else job_of(row)


def change_own(connection: Transaction, job: StoredJob, change: str, *values: Any) -> Row:
    """Change a job that still belongs to this attempt.

    Raises:
        LeaseLost: it does not.
    """
    row = connection.execute(
        f"UPDATE jobs SET {change} WHERE id = ? AND worker = ? AND attempt = ? AND state = ? "
        "RETURNING *",
        (*values, job.id, job.worker, job.attempt, RUNNING),
    ).fetchone()
    if row is None:
        raise LeaseLost(f"attempt {job.attempt} of job {job.id} is over")
    return row


def return_job(connection: Transaction, job: StoredJob, problem: dict, most: int | None) -> bool:
    """Return a job to the queue, or end it after its last attempt.

    Args:
        connection: connection within a transaction.
        job: the job.
        problem: why its attempt has ended.
        most: attempts that it has; None if this one does not count.

    Returns:
        True if it has ended.
    """
    now, counts = time.time(), most is not None and job.stage != PAUSED
    counted = job.counted + counts
    again = job.attempt < MOST_STARTS and (not counts or counted < (most or 0))
    if job.cancel:
        change, values = "state = ?, finished = ?, stage = ''", (CANCELLED, now)
    elif again:
        change, values = "state = ?, lease_until = ?, stage = 'waiting'", (WAITING, 0.0)
    else:
        change, values = "state = ?, finished = ?, stage = ''", (FAILED, now)
    text = json.dumps(problem)
    connection.execute(
        f"UPDATE jobs SET {change}, worker = NULL, progress = 0, problem = ?, counted = ? "
        "WHERE id = ?",
        (*values, text, counted, job.id),
    )
    add_event(connection, job.id)
    return job.cancel or not again


def add_event(connection: Transaction, job_id: str) -> None:
    """Add the present state of a job to its events."""
    connection.execute(
        "INSERT INTO events (job, state, stage, progress) "
        "SELECT id, state, stage, progress FROM jobs WHERE id = ?",
        (job_id,),
    )
