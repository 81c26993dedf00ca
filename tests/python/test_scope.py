"""Runtime.scope(): its tasks are waited for, fail and are cancelled together."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import weakref
from typing import TYPE_CHECKING

import polyreme as pr
import pytest
from busy import Busy

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize("workers", [1, 2])
def test_it_waits_for_its_tasks_and_what_they_spawn(workers: int) -> None:
    with pr.Runtime(workers=workers) as rt:
        done = []

        def body(depth: int) -> None:
            if depth > 0:
                rt.spawn(body, depth - 1)
            done.append(depth)

        with rt.scope() as scope:
            for _ in range(5):
                rt.spawn(body, 3)
            scope.wait()
            assert len(done) == 20

            @rt.task()
            def last() -> None:
                done.append(-1)

        assert len(done) == 21


def test_it_does_not_wait_for_others() -> None:
    with Busy(workers=2) as busy:
        with busy.rt.scope():
            busy.rt.spawn(int)
        assert busy.body.running()


def test_it_raises_what_failed_in_it_only() -> None:
    with pr.Runtime(workers=2) as rt:
        with pytest.raises(ExceptionGroup) as caught:
            with rt.scope() as scope:
                rt.spawn(divmod, 1, 0, name="fails")
                with pytest.raises(ExceptionGroup):
                    scope.wait()
                failing = rt.spawn(int, "x")
                rt.spawn(int, after=failing)
        assert "1 not run because of that" in str(caught.value)
        assert [type(error) for error in caught.value.exceptions] == [ValueError]
        assert any("spawned at" in note for note in caught.value.exceptions[0].__notes__)
        rt.wait()


def test_a_block_that_raises_cancels_it() -> None:
    with Busy() as busy:
        with pytest.raises(LookupError):
            with busy.rt.scope() as scope:
                never = busy.rt.spawn(pytest.fail, after=busy.body)
                raise LookupError
        assert never.cancelled()
        assert not scope.cancelled


def test_the_failure_that_leaves_the_block_is_reported_once() -> None:
    with pr.Runtime(workers=2) as rt:
        with pytest.raises(ZeroDivisionError):
            with rt.scope():
                rt.spawn(divmod, 1, 0).result()
        rt.wait()
        with pytest.raises(ZeroDivisionError):
            with rt.scope():
                first = rt.spawn(divmod, 1, 0)
                second = rt.spawn(int, "x")
                second.exception()
                first.result()
        with pytest.raises(ExceptionGroup) as caught:
            rt.wait()
        assert [type(error) for error in caught.value.exceptions] == [ValueError]


def test_cancel() -> None:
    with Busy() as busy:
        rt = busy.rt
        with rt.scope() as scope:
            tasks = [rt.spawn(pytest.fail, after=busy.body) for _ in range(100)]
            with rt.scope() as inner:
                tasks.append(rt.spawn(pytest.fail))
                scope.cancel()
                assert inner.cancelled
            assert scope.cancelled
            tasks.append(rt.spawn(pytest.fail))
            assert all(task.cancelled() for task in tasks)
            scope.cancel()
        assert not busy.body.done()


def test_cancel_on_error() -> None:
    with Busy() as busy:
        rt = busy.rt
        with pytest.raises(ExceptionGroup) as caught:
            with rt.scope(cancel_on_error=True):
                fails = rt.spawn(divmod, 1, 0)
                rest = [rt.spawn(pytest.fail, after=[fails, busy.body]) for _ in range(10)]
                busy.open()
        assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError]
        assert all(isinstance(task.exception(), (pr.TaskCancelled, pr.DependencyFailed)) for task in rest)


def test_bodies_are_asked_to_stop() -> None:
    with pr.Runtime(workers=2) as rt:
        started = threading.Event()

        def endless() -> None:
            context = pr.context()
            started.set()
            while True:
                context.raise_if_cancelled()

        with rt.scope() as scope:
            task = rt.spawn(endless)
            started.wait()
            scope.cancel()
        assert task.cancelled()


def test_in_a_body() -> None:
    with pr.Runtime(workers=1) as rt:

        def tree(depth: int) -> int:
            if depth == 0:
                return 1
            with rt.scope():
                left = rt.spawn(tree, depth - 1)
                right = rt.spawn(tree, depth - 1)
            return left.result() + right.result()

        assert rt.spawn(tree, 6).result() == 64


def test_from_other_threads() -> None:
    with pr.Runtime(workers=2) as rt, rt.scope() as scope:
        results: list[pr.Task[int]] = []

        def spawner(number: int) -> None:
            results.extend(scope.spawn(pow, number, 2, name="square") for _ in range(50))

        threads = [threading.Thread(target=spawner, args=[i]) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        scope.wait()
        assert len(results) == 150
        assert all(task.done() for task in results)


def test_a_timed_wait() -> None:
    with Busy() as busy, busy.rt.scope() as scope:
        task = busy.rt.spawn(int, after=busy.body)
        with pytest.raises(TimeoutError, match="still running after 0 s"):
            scope.wait(timeout=0)
        assert not task.cancelled()
        busy.open()
        scope.wait(timeout=100)


def test_misuse() -> None:
    with pr.Runtime(workers=2) as rt:
        scope = rt.scope()
        with pytest.raises(pr.UsageError, match="is not entered; use it in a with statement"):
            scope.wait()
        with pytest.raises(pr.UsageError, match="is not entered"):
            scope.spawn(int)
        with pytest.raises(pr.UsageError, match="is not entered"):
            scope.cancel()
        with scope:
            with pytest.raises(pr.UsageError, match="entered once"), scope:
                pass
            with pytest.raises(TypeError, match="must be callable"):
                scope.spawn(3)  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="timeout=-1"):
                scope.wait(-1)
            with pytest.raises(pr.UsageError, match="waits for the scope that it belongs to"):
                rt.spawn(scope.wait).result()
            with pytest.raises(ExceptionGroup):
                scope.wait()
        with pytest.raises(pr.UsageError, match="was left"):
            scope.spawn(int)
        with pytest.raises(pr.UsageError, match="entered once"), scope:
            pass
        with pytest.raises(TypeError, match="cancel_on_error=1"):
            rt.scope(cancel_on_error=1)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="is no polyreme"):
            pr.Scope(3)  # type: ignore[arg-type]
        other = rt.scope()
    with pytest.raises(pr.RuntimeClosedError), other:
        pass


def test_left_by_another_thread() -> None:
    with pr.Runtime(workers=1) as rt:
        scope = rt.scope()
        caught: list[BaseException] = []

        def enter() -> None:
            scope.__enter__()

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        try:
            scope.__exit__(None, None, None)
        except pr.UsageError as error:
            caught.append(error)
        assert "left by the thread" in str(caught[0])
        scope.spawn(int).result()


def test_it_keeps_no_results() -> None:
    class Result:
        pass

    with pr.Runtime(workers=2) as rt, rt.scope() as scope:
        results = [weakref.ref(rt.spawn(Result).result()) for _ in range(10)]
        scope.wait()
        while any(one() is not None for one in results):  # without a lock a worker may still be dropping its part
            rt.spawn(int).result()
            gc.collect()


def test_async_in_asyncio() -> None:
    async def main() -> None:
        async with pr.Runtime(workers=2) as rt:
            async with rt.scope() as scope:
                inside = [scope.spawn(pow, 2, i) for i in range(10)]
                outside = rt.spawn(int)
                gate = rt.spawn(int)
                scope.spawn(int, after=gate)
            assert all(task.done() for task in inside)
            with pytest.raises(ExceptionGroup) as caught:
                async with rt.scope() as scope:
                    scope.spawn(divmod, 1, 0)
            assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError]
            with pytest.raises(LookupError):
                async with rt.scope() as scope:
                    raise LookupError
            with pytest.raises(pr.UsageError, match="use `async with`"), rt.scope():
                pass
            await outside

    asyncio.run(main())


def test_async_leaves_the_loop_free_and_is_cancelled_with_its_asyncio_task() -> None:
    async def main() -> None:
        hold = threading.Event()
        async with pr.Runtime(workers=1) as rt:
            entered = asyncio.Event()

            async def use() -> None:
                async with rt.scope() as scope:
                    busy = scope.spawn(hold.wait)
                    tasks.append(scope.spawn(pytest.fail, after=busy))
                    entered.set()

            tasks: list[pr.Task[object]] = []
            user = asyncio.create_task(use())
            await entered.wait()
            await asyncio.sleep(0)
            user.cancel()
            while not tasks[0].cancelled():
                await asyncio.sleep(0)
            hold.set()
            with pytest.raises(asyncio.CancelledError):
                await user

    asyncio.run(main())


def test_async_in_a_body() -> None:
    with pr.Runtime(workers=1) as rt:

        async def tree(depth: int) -> int:
            if depth == 0:
                return 1
            async with rt.scope():
                left = rt.spawn(tree, depth - 1)
                right = rt.spawn(tree, depth - 1)
            return left.result() + right.result()

        assert rt.spawn(tree, 8).result() == 256
        assert rt.stats()["threads"] <= 3

        async def fails() -> str:
            try:
                async with rt.scope():
                    rt.spawn(divmod, 1, 0)
            except* ZeroDivisionError:
                pass
            return "caught"

        assert rt.spawn(fails).result() == "caught"


def test_async_in_a_body_that_is_cancelled() -> None:
    with Busy(workers=2) as busy:
        rt = busy.rt
        entered = threading.Event()
        inner: list[pr.Task[object]] = []

        async def body() -> None:
            async with rt.scope():
                inner.append(rt.spawn(pytest.fail, after=busy.body))
                entered.set()

        task = rt.spawn(body)
        entered.wait()
        task.cancel()
        with pytest.raises(pr.TaskCancelled):
            task.result()
        assert inner[0].cancelled()


def test_a_scope_that_is_left_before_one_inside_it(rt: pr.Runtime) -> None:
    outer, inner = rt.scope(), rt.scope()
    outer.__enter__()
    inner.__enter__()
    task = inner.spawn(int)
    with pytest.raises(pr.UsageError, match=r"leave the inner one first"):
        outer.__exit__(None, None, None)
    with pytest.raises(pr.UsageError, match=r"the scope was left"):
        outer.spawn(int)
    inner.__exit__(None, None, None)
    assert task.done()
    outside = rt.spawn(int)
    assert outside.result() == 0


def test_a_generator_that_keeps_a_scope_open_inside_another(rt: pr.Runtime) -> None:
    def tasks() -> Iterator[pr.Task[int]]:
        with rt.scope():
            yield rt.spawn(int)

    with pytest.raises(pr.UsageError, match=r"leave the inner one first"), rt.scope():
        inside = tasks()
        assert next(inside).result() == 0
    inside.close()
    assert rt.spawn(int).result() == 0


def test_the_failure_is_told_rather_than_the_cancellation_that_it_caused(rt: pr.Runtime) -> None:
    gate = threading.Event()

    def fail() -> None:
        gate.wait()
        raise KeyError("the reason")

    def use(scope: pr.Scope) -> pr.Task[int]:
        failing = scope.spawn(fail)
        with contextlib.suppress(pr.DependencyFailed):
            scope.spawn(int, after=[failing]).cancel()
        waits = scope.spawn(int, after=[scope.spawn(stop_when_asked)])
        gate.set()
        return waits

    def stop_when_asked() -> None:
        while not pr.context().cancelled:
            gate.wait(0.001)

    with pytest.raises(ExceptionGroup) as raised, rt.scope(cancel_on_error=True) as scope:
        use(scope).result()
    assert [str(error) for error in raised.value.exceptions] == ["'the reason'"]
    gate.clear()

    async def main() -> None:
        async with rt.scope(cancel_on_error=True) as scope:
            await use(scope)

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(main())
    assert [str(error) for error in raised.value.exceptions] == ["'the reason'"]


def test_a_cancellation_without_a_failure_leaves_the_block(rt: pr.Runtime) -> None:
    with pytest.raises(pr.TaskCancelled), rt.scope() as scope:
        gate = threading.Event()
        task = scope.spawn(int, after=[scope.spawn(gate.wait)])
        task.cancel()
        gate.set()
        task.result()


def test_an_async_scope_that_is_left_before_one_inside_it(rt: pr.Runtime) -> None:
    async def body() -> None:
        outer, inner = rt.scope(), rt.scope()
        await outer.__aenter__()
        await inner.__aenter__()
        with pytest.raises(pr.UsageError, match=r"leave the inner one first"):
            await outer.__aexit__(None, None, None)
        await inner.__aexit__(None, None, None)

    rt.spawn(body).result()
