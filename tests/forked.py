"""Running a tool as a command does, in a fork of the test's process: nothing is imported anew."""

import os
import runpy
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Ended:
    returncode: int
    stdout: str
    stderr: str


def run_script(script, arguments, *, cwd=None, environment=None, timeout=300) -> Ended:
    """`python script arguments...`: exit status and output; killed, with status -9, when late."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = os.fork()
        if child == 0:
            _become(script, arguments, cwd, environment, out, err)
        end = time.monotonic() + timeout
        while (status := os.waitpid(child, os.WNOHANG))[0] == 0:
            if time.monotonic() > end:
                os.kill(child, signal.SIGKILL)
                end = float("inf")
            time.sleep(0.01)
        out.seek(0)
        err.seek(0)
        return Ended(os.waitstatus_to_exitcode(status[1]), out.read(), err.read())


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
