"""Runs a command in a child process, and forwards stop signals so that it can save."""

import signal
import subprocess
from typing import IO

from lgrseg.engine.stopping import StopRequested
from lgrseg.engine.workers import STOP_SIGNALS


def run_child(command: list[str], output: IO) -> int:
    """Run a command, and forward SIGTERM, Ctrl-C and SIGHUP (closed terminal) to it.

    The child has a separate process group, so it receives Ctrl-C only once, from here. A second
    Ctrl-C would end it before it has saved.

    Args:
        command: command and its arguments.
        output: open file for the output of the command.

    Returns:
        The exit status of the command.

    Raises:
        StopRequested: the command or this process received a stop signal; the command has ended.
    """
    received: list[int] = []
    child = None

    def pass_on(number: int, frame) -> None:
        received.append(number)
        if child is not None:
            child.send_signal(_for_child(number))

    listened = [*STOP_SIGNALS]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # under nohup, SIGHUP stays ignored
        listened.append(signal.SIGHUP)
    old_handlers = {number: signal.signal(number, pass_on) for number in listened}
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0
        )
        if received:  # during the start
            child.send_signal(_for_child(received[0]))
        status = child.wait()
    finally:
        for number, handler in old_handlers.items():
            signal.signal(number, handler)
    stopped = received or [n for n in STOP_SIGNALS if status in (128 + n, -n)]
    if stopped:
        raise StopRequested(stopped[0])
    return status


def _for_child(number: int) -> int:
    """Signal for the child, because a training run only handles SIGTERM and SIGINT."""
    return signal.SIGTERM if number == signal.SIGHUP else number
