"""The table of jobs: leases, attempts, fencing, order, keys."""

import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from postgres_server import PostgresServer

from lgrseg.serve.job_store import PAUSED, KeyReused, LeaseLost, NewJob, QueueFull
from lgrseg.serve.settings import Settings
from lgrseg.serve.sql_rows import MOST_STARTS
from lgrseg.serve.stores import open_store


@pytest.fixture(scope="module")
def postgres():
    with PostgresServer() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def settings(request, tmp_path):
    if request.param == "sqlite":
        return Settings(data=tmp_path)
    server = request.getfixturevalue("postgres")
    server.clear()
    return Settings(data=tmp_path, store=server.url)


@pytest.fixture
def store(settings):
    return open_store(settings)


def new(number, **how):
    meta = {"shape": [3, 4, 6], "format": "movie"}
    values = {"owner": "me", "kind": "clip", "model": "clips", "name": f"clip {number}"}
    return NewJob(id=f"{number:032x}", **(values | {"meta": meta} | how))


def add(store, number, **how):
    return store.add(new(number, **how), max_queued=100)


def enter(store, worker):
    if worker not in [found.name for found in store.workers(within=1e9)]:
        store.add_worker(worker)


def claim(store, worker="w1", lease=30.0):
    enter(store, worker)
    return store.claim(worker, models=("clips",), lease=lease, max_attempts=2)


def test_jobs_are_claimed_in_order_and_stills_first(store):
    add(store, 1)
    second = add(store, 2)
    still = add(store, 3, kind="image")
    assert store.position(second) == 2 and store.position(still) == 0
    assert [claim(store).id for _ in range(3)] == [f"{n:032x}" for n in (3, 1, 2)]
    assert claim(store) is None and store.counts() == {"running": 3}


def test_a_worker_gets_only_jobs_of_its_models(store):
    add(store, 1, model="prompts")
    assert claim(store, "w") is None
    assert store.claim("w", models=("clips", "prompts"), lease=9, max_attempts=2).attempt == 1


def test_a_lease_that_ended_is_claimed_again_once_and_the_first_worker_is_shut_out(store):
    add(store, 1)
    slow = claim(store, "slow", lease=-1)
    again = claim(store, "quick", lease=-1)
    assert again.id == slow.id and again.attempt == 2
    for write in (
        lambda: store.renew(slow, lease=30),
        lambda: store.progress(slow, "writing", 0.5),
        lambda: store.finish(slow, [], {}),
        lambda: store.fail(slow, {"code": "internal"}, max_attempts=2),
        lambda: store.end_cancelled(slow),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert store.get(slow.id).worker == "quick"
    assert claim(store, "third") is None  # the second attempt was the last
    lost = store.get(slow.id)
    assert lost.state == "failed" and lost.problem["code"] == "worker_lost"
    with pytest.raises(LeaseLost):
        store.finish(again, [], {})


def test_a_renewed_lease_holds(store):
    add(store, 1)
    job = claim(store, lease=-1)
    assert store.renew(job, lease=30) is False
    assert claim(store, "other") is None
    store.finish(job, [{"name": "masks.json"}], {"ejection_fraction": 55.0})
    done = store.get(job.id)
    assert done.state == "done" and done.progress == 1 and done.results[0]["name"] == "masks.json"
    states = [(event.state, event.stage) for event in store.events(job.id, 0)]
    assert states == [("queued", "waiting"), ("running", "segmenting"), ("done", "")]


def test_jobs_of_a_dead_worker_return(store):
    add(store, 1)
    claim(store, "dead")
    assert store.return_jobs_of("dead", "ended by SIGKILL", max_attempts=2) == 1
    assert store.get(f"{1:032x}").state == "queued"
    claim(store, "dead")
    store.return_jobs_of("dead", "ended by SIGKILL", max_attempts=2)
    failed = store.get(f"{1:032x}")
    assert failed.state == "failed" and "SIGKILL" in failed.problem["detail"]


def test_a_worker_that_was_found_dead_gets_no_job_even_if_it_still_runs(store):
    add(store, 1)
    orphan = claim(store, "a-1")
    store.return_jobs_of("a-", "the service was stopped", max_attempts=None)
    for call in (
        lambda: store.claim("a-1", models=("clips",), lease=30, max_attempts=1),
        lambda: store.sign_of_life("a-1", "ready", []),
        lambda: store.renew(orphan, lease=30),
    ):
        with pytest.raises(LeaseLost):
            call()
    assert store.workers(within=9) == [] and store.counts() == {"queued": 1}
    assert claim(store, "b-1").counted == 0


def test_only_what_a_job_is_guilty_of_counts(store):
    add(store, 1)
    for attempt in range(1, 4):
        assert claim(store, "a-1").attempt == attempt
        assert store.return_jobs_of("a-", "the service was stopped", max_attempts=None) == 1
    job = claim(store, "b-1")
    store.progress(job, PAUSED, 0.2)
    store.return_jobs_of("b-1", "ended by SIGKILL", max_attempts=1)
    late = claim(store, "c-1", lease=-1)
    store.progress(late, PAUSED, 0.2)
    again = claim(store, "d-1")
    assert (again.attempt, again.counted) == (6, 0)
    assert store.fail(again, {"code": "out_of_memory"}, max_attempts=2) is False
    last = claim(store, "d-1")
    assert last.counted == 1 and store.return_jobs_of("a-", "gone", max_attempts=2) == 0
    store.return_jobs_of("d-1", "ended by SIGKILL", max_attempts=2)
    assert store.get(last.id).state == "failed"


def test_a_job_that_stops_the_machine_is_not_started_for_ever(store):
    add(store, 1)
    for _ in range(MOST_STARTS):
        claim(store, "a-1")
        store.return_jobs_of("a-", "the service was stopped", max_attempts=None)
    assert claim(store) is None and store.counts() == {"failed": 1}


def test_short_jobs_are_found_before_long_ones(store):
    for number, frames in enumerate((2000, 30, 20)):
        add(store, number, meta={"shape": [frames, 4, 6]})
    add(store, 3, model="prompts", meta={"shape": [1, 4, 6]})
    assert store.waits(("clips",), 20) and not store.waits(("clips",), 19)
    how = {"models": ("clips",), "lease": 30, "max_attempts": 2}
    enter(store, "w")
    assert store.claim("w", max_frames=25, **how).id == f"{2:032x}"
    assert store.claim("w", max_frames=25, **how) is None
    assert claim(store).id == f"{0:032x}"


def test_cancelling(store):
    waiting, running = add(store, 1), add(store, 2)
    assert store.cancel(waiting.id) == "cancelled"
    job = claim(store)
    assert job.id == running.id and store.cancel(job.id) == "running"
    assert store.renew(job, lease=30) is True
    store.end_cancelled(job)
    assert store.counts() == {"cancelled": 2} and store.cancel("0" * 32) is None
    # A cancelled job of a dead worker is not run again.
    add(store, 3)
    store.cancel(claim(store, "dead").id)
    store.return_jobs_of("dead", "gone", max_attempts=2)
    assert store.counts() == {"cancelled": 3}


def test_keys(store):
    first = add(store, 1, key="k", fingerprint="a")
    assert add(store, 2, key="k", fingerprint="a").id == first.id
    with pytest.raises(KeyReused):
        add(store, 3, key="k", fingerprint="b")
    assert add(store, 4, key="k", owner="other", fingerprint="b").id == f"{4:032x}"


def test_the_queue_has_an_end(store):
    add(store, 1)
    with pytest.raises(QueueFull):
        store.add(new(2), max_queued=1)
    claim(store)
    assert store.add(new(2), max_queued=1).state == "queued"


def test_many_that_add_at_once_do_not_exceed_the_end(store):
    def attempt(number):
        try:
            return store.add(new(number), max_queued=3).id
        except QueueFull:
            return None

    with ThreadPoolExecutor(6) as pool:
        added = [found for found in pool.map(attempt, range(12)) if found]
    assert len(added) == 3 and store.counts() == {"queued": 3}


def test_signs_of_life(store):
    store.add_worker("w1")
    assert [worker.state for worker in store.workers(within=9)] == ["loading"]
    store.sign_of_life("w1", "ready", [{"name": "a"}])
    (worker,) = store.workers(within=9)
    assert (worker.state, worker.models) == ("ready", [{"name": "a"}])
    store.return_jobs_of("w", "gone", max_attempts=2)
    assert store.workers(within=9) == []


def test_owners_and_pages(store):
    for number in range(5):
        add(store, number, owner="me" if number != 2 else "other")
    page = store.jobs(owner="me", after=None, limit=2)
    rest = store.jobs(owner="me", after=page[-1].id, limit=9)
    assert [job.name for job in page + rest] == ["clip 4", "clip 3", "clip 1", "clip 0"]
    assert store.get(f"{2:032x}", owner="me") is None and store.get(f"{2:032x}") is not None


def test_expiry_forgets_the_name(store):
    add(store, 1, name="Doe_Jane.dcm")
    store.finish(claim(store), [{"name": "x"}], {})
    assert store.expire(time.time() - 10) == []
    assert store.expire(time.time() + 10) == [f"{1:032x}"]
    gone = store.get(f"{1:032x}")
    assert (gone.state, gone.name, gone.results, store.ids()) == ("expired", "", [], set())


def _claim_all(settings, worker, results):
    store, mine = open_store(settings), []
    while (job := claim(store, worker)) is not None:
        mine.append(job.id)
    results.put(mine)


def test_no_two_processes_get_one_job(store, settings):
    for number in range(40):
        add(store, number)
    fork = multiprocessing.get_context("fork")
    results = fork.Queue()
    workers = [fork.Process(target=_claim_all, args=(settings, f"w{n}", results)) for n in range(3)]
    for worker in workers:
        worker.start()
    claimed = sum((results.get(timeout=30) for _ in workers), [])
    assert sorted(claimed) == [f"{number:032x}" for number in range(40)]
    for worker in workers:
        worker.join()
