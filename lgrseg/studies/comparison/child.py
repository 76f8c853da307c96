"""A run in a process of its own, which is stopped, and saves, when the parent is asked to stop."""

import signal
import subprocess
from typing import IO

from lgrseg.engine.hooks import StopRequested
from lgrseg.engine.workers import STOP_SIGNALS


def run_child(command: list[str], output: IO) -> int:
    """Run a command to its end, passing SIGTERM, Ctrl-C and a closed terminal on to it.

    The child has a process group of its own, so that Ctrl-C reaches it once, from here: a second
    one would end it before it has saved.

    Args:
        command: words.
        output: open file for all that it says.

    Returns:
        Its exit status.

    Raises:
        StopRequested: it or this process was asked to stop; it has ended.
    """
    received: list[int] = []
    child = None

    def pass_on(number: int, frame) -> None:
        received.append(number)
        if child is not None:
            child.send_signal(_for_child(number))

    listened = [*STOP_SIGNALS]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup goes on
        listened.append(signal.SIGHUP)
    before = {number: signal.signal(number, pass_on) for number in listened}
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0
        )
        if received:  # while it started
            child.send_signal(_for_child(received[0]))
        status = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    stopped = received or [n for n in STOP_SIGNALS if status in (128 + n, -n)]
    if stopped:
        raise StopRequested(stopped[0])
    return status


def _for_child(number: int) -> int:
    """A training listens to SIGTERM and SIGINT alone."""
    return signal.SIGTERM if number == signal.SIGHUP else number
