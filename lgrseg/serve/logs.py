"""Log lines of the service: one JSON object each, without names of files, patients or tokens."""

import json
import sys
import time


def start_logging() -> None:
    """Write every line at once, into a file too."""
    sys.stderr.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def log(event: str, **facts: object) -> None:
    """Write a line to the standard error.

    Args:
        event: what happened.
        facts: what is known of it; only numbers, states and random names of jobs.
    """
    line = {"time": round(time.time(), 3), "event": event, **facts}
    print(json.dumps(line, default=str), file=sys.stderr, flush=True)
