"""What programs rely on in executors beyond their documentation: states, callbacks, cycles, asyncio, forks, exit."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import weakref
from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    CancelledError,
    Future,
    InvalidStateError,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from typing import Any

import polyreme as pr
import pytest
from programs import Program, run

FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()


class Boom(Exception):
    """What calls raise here."""


def boom() -> None:
    raise Boom("boom")


class Hold:
    """Occupies one worker of a pool until let go."""

    def __init__(self, pool: pr.Executor) -> None:
        started, self._gate = threading.Event(), threading.Event()

        def run() -> str:
            started.set()
            self._gate.wait()
            return "held"

        self.future = pool.submit(run)
        started.wait()

    def __enter__(self) -> Future[str]:
        return self.future

    def __exit__(self, *_: object) -> None:
        self._gate.set()


# ---- states


def test_every_state_in_turn() -> None:
    with pr.Executor(1) as pool:
        with Hold(pool) as held:
            assert (held.running(), held.done(), held.cancelled(), held.cancel()) == (True, False, False, False)
            later = pool.submit(pow, 2, 3)
            assert (later.running(), later.done(), later.cancelled()) == (False, False, False)
            dropped = pool.submit(boom)
            assert (dropped.cancel(), dropped.cancel()) == (True, True)
            assert (dropped.running(), dropped.done(), dropped.cancelled()) == (False, True, True)
            with pytest.raises(TimeoutError):
                later.result(timeout=0)
            with pytest.raises(TimeoutError):
                later.exception(timeout=0.001)
            with pytest.raises(CancelledError):
                dropped.exception()
        assert later.result(timeout=60) == 8
        assert later.exception() is None
        assert (later.running(), later.done(), later.cancelled(), later.cancel()) == (False, True, False, False)
        with pytest.raises(InvalidStateError):
            later.set_result(9)


def test_a_cancelled_call_is_reported_to_waits_that_began_before() -> None:
    with pr.Executor(1) as pool:
        ended = []
        with Hold(pool):
            dropped = pool.submit(boom)
            waiter = threading.Thread(target=lambda: ended.append(wait([dropped])))
            waiter.start()
            dropped.cancel()
        waiter.join()
    assert ended == [({dropped}, set())]


def test_a_future_that_others_finish_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with pr.Executor(1) as pool:
        with Hold(pool):
            touched: Future[Any] = pool.submit(int)
            touched.set_result("mine")
        assert pool.submit(pow, 2, 2).result() == 4
    assert touched.result() == "mine"
    assert "Exception in worker" in caplog.text


# ---- callbacks


def test_callbacks_run_once_in_order_and_with_the_future() -> None:
    seen: list[tuple[int, object]] = []
    with pr.Executor(1) as pool:
        with Hold(pool):
            future = pool.submit(int)
            for i in range(5):
                future.add_done_callback(lambda done, i=i: seen.append((i, done)))  # type: ignore[misc]
        future.result()
    assert seen == [(i, future) for i in range(5)]


def test_callbacks_of_cancelled_calls_run_at_the_cancel() -> None:
    seen = []
    with pr.Executor(1) as pool, Hold(pool):
        future = pool.submit(int)
        future.add_done_callback(lambda done: seen.append((done.cancelled(), threading.get_ident())))
        future.cancel()
        assert seen == [(True, threading.get_ident())]


@pytest.mark.parametrize("error", [Boom, SystemExit, KeyboardInterrupt])
def test_what_callbacks_raise_is_logged(caplog: pytest.LogCaptureFixture, error: type[BaseException]) -> None:
    def raising(_: object) -> None:
        raise error("in a callback")

    with pr.Executor(1) as pool:
        with Hold(pool):
            future = pool.submit(int)
            future.add_done_callback(raising)
        assert future.result() == 0
        assert pool.submit(pow, 2, 2).result() == 4
    assert "in a callback" in caplog.text


def test_a_callback_may_submit() -> None:
    with pr.Executor(1) as pool:
        second: list[Future[int]] = []
        done = threading.Event()

        def go_on(_: object) -> None:
            second.append(pool.submit(pow, 2, 5))
            done.set()

        pool.submit(int).add_done_callback(go_on)
        done.wait()
        assert second[0].result() == 32


# ---- wait and as_completed


def test_waits_for_futures_of_several_kinds() -> None:
    own: Future[str] = Future()
    with pr.Executor(2) as pool, ThreadPoolExecutor(1) as other:
        mixed = [pool.submit(pow, 2, 2), other.submit(pow, 3, 2)]
        _, pending = wait([*mixed, own], return_when=FIRST_COMPLETED)
        assert own in pending
        own.set_result("own")
        assert wait([*mixed, own], return_when=ALL_COMPLETED) == ({*mixed, own}, set())
        assert {future.result() for future in as_completed([*mixed, own])} == {4, 9, "own"}


def test_duplicates_count_once() -> None:
    with pr.Executor(2) as pool:
        future = pool.submit(pow, 2, 2)
        assert wait([future, future]) == ({future}, set())
        assert list(as_completed([future, future, future])) == [future]
    assert wait([]) == (set(), set())
    assert list(as_completed([])) == []


def test_the_first_exception_may_be_there_already() -> None:
    with pr.Executor(2) as pool, Hold(pool) as held:
        failed = pool.submit(boom)
        wait([failed])
        assert wait([failed, held], return_when=FIRST_EXCEPTION) == ({failed}, {held})
        assert wait([failed, held], return_when=FIRST_COMPLETED) == ({failed}, {held})


def test_without_an_exception_the_first_means_all() -> None:
    with pr.Executor(2) as pool:
        futures = {pool.submit(pow, i, 2) for i in range(20)}
        assert wait(futures, return_when=FIRST_EXCEPTION) == (futures, set())


def test_time_limits_of_waits() -> None:
    with pr.Executor(2) as pool, Hold(pool) as held:
        quick = pool.submit(pow, 2, 2)
        wait([quick])
        for when in (ALL_COMPLETED, FIRST_EXCEPTION):
            assert wait([held, quick], timeout=0.01, return_when=when) == ({quick}, {held})
        with pytest.raises(TimeoutError, match="1 \\(of 2\\) futures unfinished"):
            list(as_completed([held, quick], timeout=0))


# ---- map


def test_map_is_ordered_eager_and_stops_with_the_shortest() -> None:
    taken: list[int] = []

    def numbers() -> Any:
        for i in range(5):
            taken.append(i)
            yield i

    with pr.Executor(2) as pool, Hold(pool):
        results = pool.map(lambda x, y: (x, y), numbers(), range(3))
        assert len(taken) >= 3
        assert list(results) == [(0, 0), (1, 1), (2, 2)]


def test_map_that_is_given_up_cancels_the_rest() -> None:
    ran: list[int] = []
    with pr.Executor(1) as pool:
        with Hold(pool):
            results = pool.map(ran.append, range(100), timeout=0.01)
            with pytest.raises(TimeoutError):
                next(results)
    assert ran == []


def test_map_raises_what_the_iterable_raises() -> None:
    def broken() -> Any:
        yield 1
        raise Boom("iterable")

    with pr.Executor(1) as pool, pytest.raises(Boom, match="iterable"):
        pool.map(int, broken())


def test_map_lets_go_of_results_one_by_one() -> None:
    class Result:
        pass

    with pr.Executor(1) as pool:
        for result in pool.map(lambda _: Result(), range(5)):
            seen = weakref.ref(result)
            del result
            pool.submit(lambda: None).result()  # whoever ran the call has let go of it by then
            while FREE_THREADED and seen() is not None:  # its thread frees it between two steps of Python code
                pool.submit(lambda: None).result()
            assert seen() is None


# ---- references


@pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(),
    reason="without a lock, what one thread made and another one dropped is freed by the first, or by the collector",
)
def test_a_failed_call_leaves_no_cycle() -> None:
    class Witness:
        pass

    def fail(witness: Witness) -> None:
        raise Boom("boom")

    gc.disable()
    try:
        with pr.Executor(1) as pool:
            witness = Witness()
            seen = weakref.ref(witness)
            future = pool.submit(fail, witness)
            del witness
            wait([future])
            assert seen() is not None  # in the traceback
            gone = weakref.ref(future)
            pool.submit(int).result()
            del future
            assert gone() is None
            assert seen() is None
    finally:
        gc.enable()


@pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(),
    reason="without a lock, what one thread made and another one dropped is freed by the first, or by the collector",
)
def test_a_raised_exception_leaves_no_cycle() -> None:
    gc.disable()
    try:
        with pr.Executor(1) as pool:
            future = pool.submit(boom)
            seen = weakref.ref(future)
            try:
                future.result()
            except Boom as error:
                caught = weakref.ref(error)
            pool.submit(int).result()
            del future
            assert seen() is None
            assert caught() is None
    finally:
        gc.enable()


def test_a_failed_spawn_keeps_no_future() -> None:
    pool = pr.Executor(1)
    pool._runtime.close()
    with pytest.raises(RuntimeError, match="cannot schedule new futures"):
        pool.submit(int)
    assert not pool._pending
    pool.shutdown()


def test_shutdown_is_no_error_when_another_thread_does_it() -> None:
    for _ in range(20):
        pool = pr.Executor(2)
        for _ in range(20):
            pool.submit(int)
        errors: list[BaseException] = []

        def shut(pool: pr.Executor = pool, errors: list[BaseException] = errors) -> None:
            try:
                pool.shutdown()
            except BaseException as error:  # noqa: BLE001
                errors.append(error)

        threads = [threading.Thread(target=shut) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []


# ---- asyncio


def test_a_loop_runs_calls_in_it() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pr.Executor(2) as pool:
            assert await loop.run_in_executor(pool, pow, 2, 10) == 1024
            with pytest.raises(Boom):
                await loop.run_in_executor(pool, boom)
            many = await asyncio.gather(*(loop.run_in_executor(pool, pow, i, 2) for i in range(50)))
            assert many == [i * i for i in range(50)]
            assert await asyncio.wrap_future(pool.submit(pow, 3, 3)) == 27

    asyncio.run(main())


def test_cancelling_in_a_loop_cancels_the_call() -> None:
    async def main() -> None:
        with pr.Executor(1) as pool:
            with Hold(pool) as held:
                waiting = pool.submit(boom)
                wrapped = asyncio.wrap_future(waiting)
                wrapped.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await wrapped
                await asyncio.sleep(0)  # the loop passes it on
                assert waiting.cancelled()
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(held)), 0.01)
            assert await asyncio.wrap_future(held) == "held"

    asyncio.run(main())


# ---- processes


def test_a_forked_child_cannot_use_it() -> None:
    pool = pr.Executor(2)
    assert pool.submit(pow, 2, 2).result() == 4
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        answer = b"nothing"
        try:
            try:
                pool.submit(pow, 2, 2)
            except RuntimeError as error:
                answer = str(error).encode()
            pool.shutdown()
            with pr.Executor(2) as fresh:
                answer += b"; " + str(fresh.submit(pow, 2, 3).result()).encode()
        finally:
            os.write(writer, answer)
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    assert answer == "cannot schedule new futures after interpreter shutdown, nor in the child of a fork; 8"
    pool.shutdown()


def test_pending_calls_run_when_the_interpreter_ends() -> None:
    done = run(
        """
        import polyreme as pr, sys
        pool = pr.Executor(1)
        for i in range(5):
            pool.submit(print, i)
        pool.submit(print, "last")
        """
    )
    assert (done.code, done.out, done.err) == (0, "0\n1\n2\n3\n4\nlast\n", "")


def test_calls_that_nobody_waits_for_run_when_the_interpreter_ends() -> None:
    done = run(
        """
        import polyreme as pr
        pool = pr.Executor(2)
        for i in range(50):
            pool.submit(int)
        pool.submit(print, "ran")
        pool.shutdown(wait=False)
        del pool
        """
    )
    assert (done.code, done.out, done.err) == (0, "ran\n", "")


def test_submitting_at_exit_is_refused() -> None:
    done = run(
        """
        import atexit

        @atexit.register
        def late():
            try:
                pool.submit(int)
            except RuntimeError as error:
                print(error)

        import polyreme as pr
        pool = pr.Executor(1)
        print(pool.submit(pow, 2, 2).result())
        """
    )
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("4\ncannot schedule new futures after interpreter shutdown")


def test_an_unseen_exception_is_not_warned_about() -> None:
    done = run(
        """
        import polyreme as pr
        with pr.Executor(1) as pool:
            pool.submit(lambda: 1 / 0)
        """
    )
    assert (done.code, done.out, done.err) == (0, "", "")


def test_ctrl_c_cancels_what_has_not_started() -> None:
    program = Program(
        """
        import polyreme as pr, sys
        pool = pr.Executor(1)
        def first():
            sys.stdin.readline()
            return "finished"
        running = pool.submit(first)
        waiting = [pool.submit(print, "never") for _ in range(1000)]
        waiting[-1].add_done_callback(lambda future: print("cancelled", flush=True))
        wait = pool._runtime._wait_and_report
        said = []
        def announce(timeout):
            if not said:
                said.append("waiting")
                print(*said, flush=True)  # which may be where Ctrl-C is heard
            return wait(timeout)
        pool._runtime._wait_and_report = announce
        try:
            pool.shutdown()
        except KeyboardInterrupt:
            print(running.result(), all(future.cancelled() for future in waiting))
        """
    )
    program.expect("waiting")
    program.interrupt()
    program.expect("cancelled")
    program.say("")
    done = program.finish()
    assert (done.code, done.out, done.err) == (0, "finished True\n", "")
