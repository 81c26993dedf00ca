"""polyreme.Executor behaves as concurrent.futures promises."""

from __future__ import annotations

import concurrent.futures
import gc
import threading
import time
import weakref
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, CancelledError, Future
from typing import TYPE_CHECKING, Any

import polyreme as pr
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


class Boom(Exception):
    """What calls raise here."""


def boom() -> None:
    raise Boom("boom")


def multiply(x: int, y: int) -> int:
    return x * y


@pytest.fixture(params=[1, 2, 4])
def pool(request: pytest.FixtureRequest) -> Iterator[pr.Executor]:
    with pr.Executor(request.param) as executor:
        yield executor


class Gated:
    """Calls that run until they are let go."""

    def __init__(self, pool: pr.Executor) -> None:
        self.started, self.gate = threading.Event(), threading.Event()
        self.future = pool.submit(self.run)
        self.started.wait()

    def run(self) -> str:
        self.started.set()
        self.gate.wait()
        return "gated"


def both(held: Gated, other: Future[Any]) -> list[Future[Any]]:
    return [held.future, other]


def test_it_is_an_executor(pool: pr.Executor) -> None:
    assert isinstance(pool, concurrent.futures.Executor)
    future = pool.submit(pow, 2, 8)
    assert isinstance(future, concurrent.futures.Future)
    assert future.result() == 256


def test_keywords(pool: pr.Executor) -> None:
    assert pool.submit(multiply, 16, y=2).result() == 32
    captured: Any = pool.submit(lambda *a, **k: (a, k), 1, self=2, fn=3)
    assert captured.result() == ((1,), {"self": 2, "fn": 3})
    with pytest.raises(TypeError):
        pool.submit()  # type: ignore[call-arg]


def test_map(pool: pr.Executor) -> None:
    assert list(pool.map(pow, range(10), range(10))) == [i**i for i in range(10)]
    assert list(pool.map(pow, range(10), range(10), chunksize=3)) == [i**i for i in range(10)]
    results = pool.map(divmod, [1, 1, 1], [2, 3, 0])
    assert next(results) == (0, 1)
    assert next(results) == (0, 1)
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_map_with_a_time_limit() -> None:
    with pr.Executor(2) as pool:
        gate = threading.Event()
        results = pool.map(lambda wait: wait and gate.wait(), [0, 1], timeout=0.05)
        assert next(results) == 0
        with pytest.raises(TimeoutError):
            next(results)
        gate.set()


def test_calls_start_in_the_order_of_their_submission() -> None:
    order: list[int] = []
    with pr.Executor(1) as pool:
        held = Gated(pool)
        for i in range(100):
            pool.submit(order.append, i)
        held.gate.set()
    assert order == list(range(100))


# ---- wait and as_completed


def test_any_number_of_calls_may_wait_to_start() -> None:
    with pr.Executor(1) as pool:
        held = Gated(pool)
        futures = [pool.submit(int) for _ in range(50_000)]
        held.gate.set()
        assert {future.result() for future in futures} == {0}


def test_a_destructor_may_submit() -> None:
    ended: list[int] = []

    class Submits:
        def __del__(self) -> None:
            pool.submit(ended.append, 1)

    with pr.Executor(2) as pool:
        for _ in range(300):
            pool.submit(lambda x: None, Submits())
            pool.submit(gc.collect, 0)
        while len(ended) < 300:
            pool.submit(gc.collect, 0).result()


def test_wait_for_all(pool: pr.Executor) -> None:
    futures = [pool.submit(multiply, i, 2) for i in range(20)]
    futures.append(pool.submit(boom))  # type: ignore[arg-type]
    done, pending = concurrent.futures.wait(futures)
    assert (len(done), pending) == (21, set())


def test_wait_for_the_first() -> None:
    with pr.Executor(2) as pool:
        held = Gated(pool)
        quick = pool.submit(multiply, 3, 4)
        done, pending = concurrent.futures.wait(both(held, quick), return_when=FIRST_COMPLETED)
        assert (done, pending) == ({quick}, {held.future})
        held.gate.set()


def test_wait_for_the_first_exception() -> None:
    with pr.Executor(2) as pool:
        held = Gated(pool)
        failing = pool.submit(boom)
        done, pending = concurrent.futures.wait(both(held, failing), return_when=FIRST_EXCEPTION)
        assert (done, pending) == ({failing}, {held.future})
        held.gate.set()


def test_wait_with_a_time_limit() -> None:
    with pr.Executor(2) as pool:
        held = Gated(pool)
        quick = pool.submit(multiply, 3, 4)
        quick.result()
        done, pending = concurrent.futures.wait(both(held, quick), timeout=0)
        assert (done, pending) == ({quick}, {held.future})
        held.gate.set()


def test_as_completed(pool: pr.Executor) -> None:
    futures = {pool.submit(multiply, i, 1): i for i in range(50)}
    seen = {future: future.result() for future in concurrent.futures.as_completed(futures)}
    assert seen == futures


def test_as_completed_with_a_time_limit() -> None:
    with pr.Executor(2) as pool:
        held = Gated(pool)
        quick = pool.submit(multiply, 3, 4)
        completed = concurrent.futures.as_completed(both(held, quick), timeout=0.05)
        assert next(completed) is quick
        with pytest.raises(TimeoutError):
            next(completed)
        held.gate.set()


# ---- states, exceptions, callbacks, cancelling


def test_states_of_a_future() -> None:
    with pr.Executor(1) as pool:
        held = Gated(pool)
        waiting = pool.submit(multiply, 2, 3)
        assert held.future.running()
        assert not held.future.cancel()
        assert not waiting.running()
        assert not waiting.done()
        held.gate.set()
        assert waiting.result() == 6
        assert waiting.done()


def test_cancelling_a_call_that_has_not_started() -> None:
    with pr.Executor(1) as pool:
        held = Gated(pool)
        ran: list[int] = []
        waiting = pool.submit(ran.append, 1)
        assert waiting.cancel()
        assert waiting.cancel()
        assert waiting.cancelled()
        with pytest.raises(CancelledError):
            waiting.result()
        held.gate.set()
        concurrent.futures.wait(both(held, waiting))
    assert ran == []
    assert held.future.result() == "gated"


def test_cancelled_calls_are_reported_by_as_completed() -> None:
    with pr.Executor(1) as pool:
        held = Gated(pool)
        futures = [pool.submit(multiply, i, 1) for i in range(10)]
        for future in futures[::2]:
            future.cancel()
        held.gate.set()
        done = list(concurrent.futures.as_completed(futures))
    assert sorted(future.cancelled() for future in done) == [False] * 5 + [True] * 5


@pytest.mark.parametrize("error", [Boom, SystemExit, KeyboardInterrupt])
def test_exceptions_belong_to_their_future(pool: pr.Executor, error: type[BaseException]) -> None:
    def raising() -> None:
        raise error("mine")

    future = pool.submit(raising)
    with pytest.raises(error, match="mine"):
        future.result()
    assert isinstance(future.exception(), error)
    assert pool.submit(multiply, 2, 2).result() == 4


def test_done_callbacks(pool: pr.Executor, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []

    def raising(future: Any) -> None:
        raise Boom("in a callback")

    future = pool.submit(multiply, 5, 6)
    future.add_done_callback(raising)
    future.add_done_callback(lambda done: seen.append(done.result()))
    concurrent.futures.wait([future])
    pool.shutdown()
    future.add_done_callback(lambda done: seen.append("after"))
    assert seen == [30, "after"]
    assert "exception calling callback" in caplog.text


def test_calls_may_submit_calls() -> None:
    with pr.Executor(1) as pool:

        def outer() -> Any:
            return pool.submit(multiply, 6, 7)

        assert pool.submit(outer).result().result() == 42


# ---- shutdown


def test_submitting_after_shutdown(pool: pr.Executor) -> None:
    pool.shutdown()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        pool.submit(pow, 2, 5)
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        pool.map(pow, [1], [2])


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_shutting_down_twice(first: bool, second: bool) -> None:
    pool = pr.Executor(2)
    futures = [pool.submit(multiply, i, 1) for i in range(20)]
    pool.shutdown(wait=first)
    pool.shutdown(wait=second)
    pool.shutdown(wait=True, cancel_futures=True)
    assert [future.result() for future in futures if not future.cancelled()] == [
        i for i, future in enumerate(futures) if not future.cancelled()
    ]


def test_leaving_the_block_waits_for_calls() -> None:
    done: list[int] = []
    with pr.Executor(2) as pool:
        for i in range(100):
            pool.submit(done.append, i)
    assert sorted(done) == list(range(100))


def test_an_exception_in_the_block_still_waits() -> None:
    done: list[int] = []
    with pytest.raises(Boom), pr.Executor(2) as pool:
        for i in range(20):
            pool.submit(done.append, i)
        boom()
    assert sorted(done) == list(range(20))


def test_shutdown_without_waiting() -> None:
    pool = pr.Executor(1)
    held = Gated(pool)
    after = pool.submit(multiply, 2, 3)
    pool.shutdown(wait=False)
    assert not held.future.done()
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(pow, 1, 1)
    held.gate.set()
    assert after.result() == 6
    pool.shutdown()


def test_shutdown_that_cancels() -> None:
    pool = pr.Executor(1)
    held = Gated(pool)
    waiting = [pool.submit(multiply, i, 1) for i in range(50)]
    pool.shutdown(wait=False, cancel_futures=True)
    assert all(future.cancelled() for future in waiting)
    held.gate.set()
    pool.shutdown()
    assert held.future.result() == "gated"


def test_submitting_from_many_threads_while_it_shuts_down() -> None:
    for _ in range(10):
        pool = pr.Executor(2)
        futures: list[Any] = []
        started = threading.Barrier(4)

        def submit(
            pool: pr.Executor = pool, futures: list[Any] = futures, started: threading.Barrier = started
        ) -> None:
            started.wait()
            try:
                while True:
                    futures.append(pool.submit(multiply, 1, 1))
            except RuntimeError:
                pass

        threads = [threading.Thread(target=submit) for _ in range(3)]
        for thread in threads:
            thread.start()
        started.wait()
        pool.shutdown()
        for thread in threads:
            thread.join()
        assert all(future.result() == 1 for future in futures)


def test_a_call_cannot_shut_its_executor_down_and_wait(pool: pr.Executor) -> None:
    with pytest.raises(RuntimeError, match="body"):
        pool.submit(pool.shutdown).result()


def test_a_call_may_shut_its_executor_down_without_waiting() -> None:
    pool = pr.Executor(1)
    pool.submit(pool.shutdown, wait=False).result()
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(pow, 1, 1)
    pool.shutdown()


def test_an_executor_that_is_dropped_ends_its_threads() -> None:
    pool = pr.Executor(2)
    futures = [pool.submit(multiply, i, 1) for i in range(10)]
    runtime = weakref.ref(pool._runtime)
    alive = weakref.ref(pool)
    del pool
    assert [future.result() for future in futures] == list(range(10))
    deadline = time.monotonic() + 60
    while alive() is not None or runtime() is not None:
        gc.collect()
        pr.Runtime(workers=1).close()  # forgets closed runtimes whose tasks are gone
        assert time.monotonic() < deadline


# ---- arguments


@pytest.mark.parametrize("workers", [0, -1, 5000])
def test_impossible_counts_of_workers(workers: int) -> None:
    with pytest.raises(ValueError, match=f"max_workers={workers}"):
        pr.Executor(workers)


@pytest.mark.parametrize("workers", ["2", 2.0, True, [2]])
def test_workers_of_the_wrong_kind(workers: Any) -> None:
    with pytest.raises(TypeError, match="max_workers="):
        pr.Executor(workers)


def test_workers_by_name_and_by_default() -> None:
    with pr.Executor(max_workers=2) as pool, pr.Executor() as other, pr.Executor(None) as third:
        assert [one.submit(multiply, 2, 2).result() for one in (pool, other, third)] == [4, 4, 4]


@pytest.mark.parametrize("fn", [None, 5, "print", []])
def test_what_cannot_be_called(pool: pr.Executor, fn: Any) -> None:
    with pytest.raises(TypeError, match="callable"):
        pool.submit(fn)


def test_references_are_dropped(pool: pr.Executor) -> None:
    class Big:
        pass

    big = Big()
    alive = weakref.ref(big)
    future: Any = pool.submit(lambda given: None, big)
    del big
    future.result()
    pool.submit(multiply, 1, 1).result()
    pool.shutdown()
    gc.collect()
    assert alive() is None
