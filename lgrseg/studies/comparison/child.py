"""Runs commands in child processes, and forwards stop signals so that they can save."""

import signal
import subprocess
from typing import IO

from lgrseg.engine.stopping import StopRequested
from lgrseg.engine.workers import STOP_SIGNALS


class Children:
    """Child processes that receive SIGTERM, Ctrl-C and SIGHUP (closed terminal) from here.

    Each child has a separate process group, so it receives Ctrl-C only once, from here. A second
    Ctrl-C would end it before it has saved.

    Enter it, `with Children() as children`, in the main thread. `run` may be called in others.
    """

    def __init__(self) -> None:
        self._received: list[int] = []
        self._running: set[subprocess.Popen] = set()

    def __enter__(self) -> "Children":
        listened = [*STOP_SIGNALS]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # under nohup, SIGHUP stays ignored
            listened.append(signal.SIGHUP)
        self._old_handlers = {number: signal.signal(number, self._pass_on) for number in listened}
        return self

    def __exit__(self, *error) -> None:
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)

    def _pass_on(self, number: int, frame) -> None:
        self._received.append(number)
        for child in tuple(self._running):
            child.send_signal(_for_child(number))

    def run(self, command: list[str], output: IO) -> int:
        """Run a command to its end.

        Args:
            command: command and its arguments.
            output: open file for the output of the command.

        Returns:
            The exit status of the command.

        Raises:
            StopRequested: the command or this process received a stop signal; the command has
                ended, or was not started.
        """
        if self._received:
            raise StopRequested(self._received[0])
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0
        )
        self._running.add(child)
        if self._received:  # during the start
            child.send_signal(_for_child(self._received[0]))
        status = child.wait()
        self._running.remove(child)
        stopped = self._received or [n for n in STOP_SIGNALS if status in (128 + n, -n)]
        if stopped:
            raise StopRequested(stopped[0])
        return status


def run_child(command: list[str], output: IO) -> int:
    """Run one command as `Children.run` does; only in the main thread."""
    with Children() as children:
        return children.run(command, output)


def _for_child(number: int) -> int:
    """Signal for the child, because a training run only handles SIGTERM and SIGINT."""
    return signal.SIGTERM if number == signal.SIGHUP else number
