"""Running a tool as a command does, in a fork of the test's process: little is imported anew."""

import functools
import importlib
import os
import runpy
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf

LATE = (
    "lgrseg.engine.trainer",
    "lgrseg.reporting.report",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "torch._dynamo",
    "torch.utils.tensorboard",
)
"""What tools import where they need it, and torch when it makes an optimiser."""


@functools.cache
def import_once() -> None:
    """Let this process import what else each fork would import for itself."""
    for name in LATE:
        importlib.import_module(name)
    assert OmegaConf.create({"one": 1, "same": "${one}"}).same == 1  # the parser is built


@dataclass
class Ended:
    returncode: int
    stdout: str
    stderr: str


class Script:
    """`python script arguments...` in a fork that runs beside the test."""

    def __init__(self, script, arguments, *, cwd=None, environment=None):
        import_once()
        self._out, self._err = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        self.pid = os.fork()
        if self.pid == 0:
            _become(script, arguments, cwd, environment, self._out, self._err)

    def is_running(self) -> bool:
        """Look, without waiting; `ended` still has the exit status."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def ended(self, timeout=300) -> Ended:
        """Wait for exit status and output; killed, with status -9, when late."""
        end = time.monotonic() + timeout
        while (status := os.waitpid(self.pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                end = float("inf")
            time.sleep(0.01)
        with self._out as out, self._err as err:
            out.seek(0)
            err.seek(0)
            return Ended(os.waitstatus_to_exitcode(status[1]), out.read(), err.read())


def run_script(script, arguments, *, cwd=None, environment=None, timeout=300) -> Ended:
    """`python script arguments...`: exit status and output; killed, with status -9, when late."""
    return Script(script, arguments, cwd=cwd, environment=environment).ended(timeout)


def _become(script, arguments, cwd, environment, out, err) -> None:
    code = 1
    try:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
        if environment is not None:
            os.environ.clear()
            os.environ.update(environment)
        if cwd is not None:
            os.chdir(cwd)
        sys.argv = [str(script), *map(str, arguments)]
        sys.path.insert(0, str(Path(script).parent))
        runpy.run_path(str(script), run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
