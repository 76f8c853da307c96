"""Errors of the client, with what the service says."""

import json

import httpx2

from lgrseg.client.records import Job, Problem, record_of


class ServiceProblem(RuntimeError):
    """The service refused a call; `problem` has its code and its sentence."""

    def __init__(self, problem: Problem):
        """Keep the problem."""
        super().__init__(f"{problem.detail or problem.title} ({problem.status} {problem.code})")
        self.problem = problem


class JobFailed(RuntimeError):
    """A job ended without results."""

    def __init__(self, job: Job):
        """Keep the job."""
        reason = f": {job.error.detail} ({job.error.code})" if job.error else ""
        super().__init__(f"the job {job.id} is {job.state}{reason}")
        self.job = job


def problem_of(status: int, content: bytes, retry_after: str | None = None) -> ServiceProblem:
    """Make the error of an answer, which may also come from a proxy."""
    try:
        problem = record_of(Problem, json.loads(content))
    except (ValueError, TypeError, AttributeError):
        text = content[:200].decode("utf-8", "replace").strip()
        problem = Problem("http_error", detail=text or "no explanation")
    problem.status = status
    if problem.retry_after is None and (retry_after or "").isdecimal():
        problem.retry_after = float(retry_after or 0)
    return ServiceProblem(problem)


def unreachable(error: httpx2.TransportError, url: httpx2.URL) -> httpx2.TransportError:
    """The same kind of error, with the address that does not answer."""
    reason = str(error) or type(error).__name__
    return type(error)(
        f"{url} does not answer ({reason}): is the service running there (lgrseg serve), and is "
        "the address right?"
    )


def check_done(job: Job) -> Job:
    """Return a job that is done.

    Raises:
        JobFailed: it has ended otherwise.
    """
    if job.state != "done":
        raise JobFailed(job)
    return job
