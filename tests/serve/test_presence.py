"""Which supervisors are alive, with real processes."""

import multiprocessing
import os
import signal

from lgrseg.serve.presence import Presence


def _stay(data, pipe):
    pipe.send(Presence(data).id)
    signal.pause()


def test_a_killed_supervisor_has_ended_and_a_living_one_has_not(tmp_path):
    fork = multiprocessing.get_context("fork")
    mine, (receiving, sending) = Presence(tmp_path), fork.Pipe()
    others = {}
    for _ in range(2):
        process = fork.Process(target=_stay, args=(tmp_path, sending))
        process.start()
        others[receiving.recv()] = process
    assert len({mine.id, *others}) == 3 and mine.ended() == []
    killed, alive = others
    os.kill(others[killed].pid, signal.SIGKILL)
    others[killed].join()
    assert mine.ended() == [killed] == mine.ended()
    mine.forget(killed)
    assert mine.ended() == []
    others[alive].kill()
    others[alive].join()
    assert Presence(tmp_path).ended() == [alive]
