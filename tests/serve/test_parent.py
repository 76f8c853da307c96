"""A process of the service ends with its supervisor, whenever that ends."""

import subprocess
import sys

LIVES = """
import os, signal, sys, time
from lgrseg.serve.parent import end_with_parent
end_with_parent(int(sys.argv[1]) or os.getppid(), signal.SIGKILL)
print("lives", flush=True)
time.sleep(60)
"""
STARTS = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], "0"])
sys.stdin.read()
"""


def test_a_parent_that_is_killed_takes_its_child_along():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", STARTS, LIVES], **pipes) as parent:
        assert parent.stdout.readline() == b"lives\n"
        parent.kill()
        assert parent.stdout.read() == b""  # the child held the other end of it for 60 seconds


def test_a_parent_that_ended_before_the_child_could_ask():
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    words = [sys.executable, "-c", LIVES, str(ended.pid)]
    result = subprocess.run(words, capture_output=True, timeout=20, check=False)
    assert (result.returncode, result.stdout) == (1, b"")
