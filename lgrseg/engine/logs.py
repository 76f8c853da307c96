"""Log of a run on the console and in log.txt."""

import contextlib
import logging
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from lgrseg.comm import processes as distributed

logger = logging.getLogger("lgrseg")
progress = logging.getLogger("lgrseg.progress")
"""Logger of periodic lines, which are not printed if there is a progress bar."""


class _Console(logging.Handler):
    """Prints lines on stderr, above the progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        if not distributed.is_main_process():
            return
        if not distributed.show_bars():
            print(self.format(record), file=sys.stderr, flush=True)
        elif record.name != progress.name:
            from tqdm import tqdm

            tqdm.write(self.format(record), file=sys.stderr)


class _Earlier(logging.Handler):
    """Keeps lines until there is a file for them, such as the report of loaded weights."""

    def __init__(self) -> None:
        super().__init__()
        self.records: deque[logging.LogRecord] = deque(maxlen=100)

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def log_to_console(level: int = logging.INFO) -> None:
    """Let the main process log to stderr; repeated calls have no effect.

    It may be called before the processes know of each other.
    """
    logger.setLevel(level)
    if not any(isinstance(handler, _Console) for handler in logger.handlers):
        _add_handler(_Console())
        _add_handler(_Earlier())


@contextlib.contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Context in which the main process also logs to a file.

    The first file of a process also gets the last lines from before it was opened.
    """
    if not distributed.is_main_process():
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = _add_handler(logging.FileHandler(path, encoding="utf-8"))
    for earlier in [other for other in logger.handlers if isinstance(other, _Earlier)]:
        logger.removeHandler(earlier)
        for record in earlier.records:
            handler.handle(record)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def _add_handler(handler: logging.Handler) -> logging.Handler:
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logger.addHandler(handler)
    return handler
