"""A child is asked to stop once, and is waited for; what it was stopped by is told."""

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lgrseg.engine.stopping import StopRequested
from lgrseg.studies.comparison.child import Children, run_child

SAVES = """
import os, signal, sys, time
asked = []
def save(number, frame):
    asked.append(number)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, save)
open(sys.argv[1], "w").close()
while not asked:
    time.sleep(0.01)
time.sleep(0.1)  # a second signal would be seen here
open(sys.argv[1], "w").write(f"saved {asked}")
sys.exit(128 + asked[0])
"""
"""A training that saves when it is asked to stop."""


def child_of(text, *words):
    return [sys.executable, "-S", "-c", text, *map(str, words)]


def when_it_listens(file, act):
    def wait():
        while not file.exists():
            time.sleep(0.01)
        act()

    threading.Thread(target=wait).start()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_parent_stops_the_child_once(tmp_path, number, request):
    if signal.getsignal(number) == signal.SIG_IGN:  # SIGHUP is below nohup, and stays so for runs
        request.addfinalizer(lambda: signal.signal(number, signal.SIG_IGN))
        signal.signal(number, signal.SIG_DFL)
    file, before = tmp_path / "state", signal.getsignal(number)
    when_it_listens(file, lambda: os.kill(os.getpid(), number))
    with open(tmp_path / "log", "w") as log, pytest.raises(StopRequested) as stopped:
        run_child(child_of(SAVES, file), log)
    assert stopped.value.number == number and signal.getsignal(number) == before
    passed_on = signal.SIGTERM if number == signal.SIGHUP else number
    assert file.read_text() == f"saved [{int(passed_on)}]", (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("end", "stopped_by"),
    [
        ("sys.exit(0)", None),
        ("sys.exit(1)", None),
        ("os.kill(os.getpid(), 9)", None),  # as where memory is short: a failure
        ("sys.exit(143)", signal.SIGTERM),
        ("sys.exit(130)", signal.SIGINT),
        ("os.kill(os.getpid(), 15)", signal.SIGTERM),  # before it listened
    ],
)
def test_a_child_that_was_stopped_has_not_failed(tmp_path, end, stopped_by):
    command = child_of(f"import os, sys; print('hello', flush=True); {end}")
    with open(tmp_path / "log", "w") as log:
        if stopped_by is None:
            assert run_child(command, log) == {"0)": 0, "1)": 1}.get(end[-2:], -9)
        else:
            with pytest.raises(StopRequested, match=stopped_by.name):
                run_child(command, log)
    assert (tmp_path / "log").read_text() == "hello\n"


def test_a_signal_stops_the_children_of_all_threads_and_those_that_wait_are_not_started(tmp_path):
    files = [tmp_path / str(number) for number in range(3)]

    def stop():
        when_it_listens(files[1], lambda: os.kill(os.getpid(), signal.SIGTERM))

    when_it_listens(files[0], stop)
    with open(tmp_path / "log", "w") as log, Children() as children:
        with ThreadPoolExecutor(2) as pool:
            ends = [pool.submit(children.run, child_of(SAVES, file), log) for file in files]
        assert all(isinstance(end.exception(), StopRequested) for end in ends)
    assert [file.read_text() for file in files[:2]] == ["saved [15]"] * 2
    assert not files[2].exists()
