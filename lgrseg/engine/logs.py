"""Log of a run on the console and in log.txt."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from lgrseg.comm import processes as distributed

logger = logging.getLogger("lgrseg")
progress = logging.getLogger("lgrseg.progress")
"""Logger of periodic lines, which are not printed if there is a progress bar."""


class _Console(logging.Handler):
    """Prints lines on stderr, above the progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        if not distributed.show_bars():
            print(self.format(record), file=sys.stderr, flush=True)
        elif record.name != progress.name:
            from tqdm import tqdm

            tqdm.write(self.format(record), file=sys.stderr)


def log_to_console(level: int = logging.INFO) -> None:
    """Let the main process log to stderr; repeated calls have no effect."""
    if not distributed.is_main_process():
        return
    logger.setLevel(level)
    if not any(isinstance(handler, _Console) for handler in logger.handlers):
        _add_handler(_Console())


@contextlib.contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Context in which the main process also logs to a file."""
    if not distributed.is_main_process():
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = _add_handler(logging.FileHandler(path, encoding="utf-8"))
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def _add_handler(handler: logging.Handler) -> logging.Handler:
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logger.addHandler(handler)
    return handler
