"""Tasks in asyncio: `await task`, `async with Runtime()`, waits that leave the event loop alone."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import polyreme as pr
import pytest


def run(main: Any) -> Any:
    return asyncio.run(main(), debug=False)


def test_await_gives_the_result(rt: pr.Runtime) -> None:
    async def main() -> int:
        task = rt.spawn(lambda: 20)
        later = rt.spawn(lambda x: x + 1, task)
        first: int = await task
        second: int = await later
        return first + second

    assert run(main) == 41


def test_await_raises_the_failure() -> None:
    async def main() -> None:
        async with pr.Runtime(workers=1) as rt:
            task = rt.spawn(lambda: 1 // 0)
            with pytest.raises(ZeroDivisionError):
                await task
            dependent = rt.spawn(lambda x: x, task)
            with pytest.raises(pr.DependencyFailed):
                await dependent

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert caught.group_contains(ZeroDivisionError)


def test_the_loop_goes_on_while_a_task_runs(rt: pr.Runtime) -> None:
    go_on = threading.Event()

    async def main() -> list[str]:
        events: list[str] = []
        task = rt.spawn(go_on.wait)

        async def other() -> None:
            events.append("other")
            await asyncio.sleep(0)
            go_on.set()

        helper = asyncio.create_task(other())
        await task
        events.append("task")
        await helper
        return events

    assert run(main) == ["other", "task"]


def test_gather_and_many_waiters(rt: pr.Runtime) -> None:
    async def main() -> list[int]:
        tasks = [rt.spawn(lambda i=i: i) for i in range(300)]
        shared = tasks[7]

        async def wait_for(task: Any) -> int:
            return int(await task)

        values = await asyncio.gather(*map(wait_for, tasks))
        assert await asyncio.gather(*(wait_for(shared) for _ in range(20))) == [7] * 20
        return values

    assert run(main) == list(range(300))


def test_many_ends_come_in_few_wakes() -> None:
    count = 500
    wakes = 0

    async def main() -> None:
        nonlocal wakes
        loop = asyncio.get_running_loop()
        post = loop.call_soon_threadsafe

        def counted(*args: Any, **options: Any) -> Any:
            nonlocal wakes
            wakes += 1
            return post(*args, **options)

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign, assignment]
        ended = threading.Event()
        with pr.Runtime(workers=1) as rt:
            gate = rt.space("gate")[0]
            tasks = [rt.spawn(int, after=gate) for _ in range(count)]

            async def wait_for(task: Any) -> None:
                await task

            waiters = [asyncio.create_task(wait_for(task)) for task in tasks]
            await asyncio.sleep(0)
            rt.spawn(int, id=gate)
            # The loop stands still until all have ended, so that their ends must share one wake-up.
            rt.spawn(ended.set, after=tasks)
            ended.wait()
            rt._wait(None, False)
            await asyncio.gather(*waiters)

    run(main)
    assert 1 <= wakes <= 3


def test_cancelling_the_waiter_cancels_the_task() -> None:
    async def main() -> None:
        async with pr.Runtime(workers=1) as rt:
            space = rt.space("T")
            task = rt.spawn(int, after=space[0])

            async def wait_for() -> None:
                await task

            waiter = asyncio.create_task(wait_for())
            await asyncio.sleep(0)
            waiter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiter
            with pytest.raises(pr.TaskCancelled):
                await task
            rt.spawn(int, id=space[0])

    run(main)


def test_a_time_limit_of_asyncio_cancels_too() -> None:
    async def main() -> None:
        async with pr.Runtime(workers=1) as rt:
            space = rt.space("T")

            async def body() -> str:
                try:
                    await space[0]
                except pr.TaskCancelled:
                    return "cancelled"
                return ""

            task = rt.spawn(body)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await task
            while not task.done():
                await asyncio.sleep(0)
            assert task.exception() is None or isinstance(task.exception(), pr.TaskCancelled)
            rt.spawn(int, id=space[0])

    run(main)


def test_cancelling_the_wait_for_an_unspawned_id(rt: pr.Runtime) -> None:
    async def main() -> None:
        missing = rt.space("T")[0]

        async def wait_for() -> None:
            await missing

        waiter = asyncio.create_task(wait_for())
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        rt.spawn(int, id=missing)
        assert await missing == 0

    run(main)


def test_async_with_reports_failures_as_with_does() -> None:
    async def main() -> None:
        async with pr.Runtime(workers=2) as rt:
            rt.spawn(lambda: 1 // 0)
            rt.spawn(lambda: [][0])

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert {type(error) for error in caught.value.exceptions} == {ZeroDivisionError, IndexError}


def test_the_loop_goes_on_while_a_runtime_is_left() -> None:
    go_on = threading.Event()

    async def main() -> bool:
        async def other() -> None:
            go_on.set()

        async with pr.Runtime(workers=1) as rt:
            task = rt.spawn(go_on.wait)
            helper = asyncio.create_task(other())
        await helper
        return rt.closed and task.result()

    assert run(main) is True


def test_an_exception_in_async_with_cancels_what_has_not_started() -> None:
    ran: list[int] = []
    go_on = threading.Event()

    async def main() -> None:
        async with pr.Runtime(workers=1) as rt:
            first = rt.spawn(go_on.wait)
            rt.spawn(ran.append, 1, after=first)
            rt.spawn(ran.append, 2, after=first)
            asyncio.get_running_loop().call_soon(go_on.set)  # once the block is being left
            raise LookupError

    with pytest.raises(LookupError):
        run(main)
    assert not ran


def test_missing_ids_are_reported_when_the_runtime_is_left() -> None:
    async def main() -> None:
        async with pr.Runtime(workers=1) as rt:
            rt.spawn(int, after=rt.space("never")[0])

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert caught.group_contains(pr.MissingTaskError)


def test_cancelling_what_leaves_a_runtime_hurries_it() -> None:
    go_on = threading.Event()
    started = threading.Event()
    ran: list[int] = []

    async def main() -> None:
        async def use() -> None:
            async with pr.Runtime(workers=1) as rt:

                def first() -> None:
                    started.set()
                    go_on.wait()

                task = rt.spawn(first)
                rt.spawn(ran.append, 1, after=task)

        user = asyncio.create_task(use())
        while not started.is_set():
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        user.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await user

    run(main)
    assert not ran


def test_wait_async_waits_and_reports() -> None:
    async def main() -> None:
        with pr.Runtime(workers=1) as rt:
            done: list[int] = []
            rt.spawn(done.append, 1)
            await rt.wait_async()
            assert done == [1]
            rt.spawn(lambda: 1 // 0)
            with pytest.raises(ExceptionGroup):
                await rt.wait_async()
            await rt.wait_async(timeout=10)
            gate = rt.space("gate")[0]
            rt.spawn(int, after=gate)
            with pytest.raises(TimeoutError, match="still running after 0 s"):
                await rt.wait_async(timeout=0)
            with pytest.raises(ValueError, match="timeout"):
                await rt.wait_async(timeout=-1)
            rt.spawn(int, id=gate)

    run(main)


def test_a_cancelled_wait_async_cancels_nothing() -> None:
    async def main() -> None:
        async with pr.Runtime(workers=1) as rt:
            gate = rt.space("gate")[0]
            task = rt.spawn(lambda: "ran", after=gate)
            waiter = asyncio.create_task(rt.wait_async())
            await asyncio.sleep(0)
            waiter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiter
            rt.spawn(int, id=gate)
            assert await task == "ran"

    run(main)


def test_aclose_closes_once_and_for_all() -> None:
    async def main() -> None:
        rt = pr.Runtime(workers=1)
        rt.spawn(lambda: 1 // 0)
        with pytest.raises(ExceptionGroup):
            await rt.aclose()
        assert rt.closed
        await rt.aclose()
        with pytest.raises(pr.RuntimeClosedError):
            async with rt:
                pass
        other = pr.Runtime(workers=1)
        other.spawn(int)
        await other.aclose(cancel=True)

    run(main)


def test_waits_that_would_block_the_loop_say_what_to_do(rt: pr.Runtime) -> None:
    async def main() -> None:
        with pytest.raises(pr.UsageError, match=r"await rt\.wait_async"):
            rt.wait()
        with pytest.raises(pr.UsageError, match="async with"):
            rt.wait(timeout=1)

    run(main)
    rt.wait()


def test_the_async_half_needs_a_loop(rt: pr.Runtime) -> None:
    with pytest.raises(pr.UsageError, match="no event loop"):
        rt.wait_async().send(None)
    with pytest.raises(pr.UsageError, match="no event loop"):
        rt.aclose().send(None)

    async def body() -> str:
        try:
            await rt.wait_async()
        except pr.UsageError as error:
            return str(error)
        return ""

    assert "no event loop" in rt.spawn(body).result()


def test_blocking_waits_beside_a_loop_run_no_bodies_in_it() -> None:
    async def main() -> None:
        with pr.Runtime(workers=1) as rt:

            def body() -> int:
                async def nested() -> int:
                    return 3

                return asyncio.run(nested())  # refused on a thread with a running loop

            assert rt.spawn(body).result() == 3
            rt.spawn(body)

    run(main)


def test_a_body_may_run_a_loop_that_awaits_tasks() -> None:
    with pr.Runtime(workers=2) as rt:  # the body keeps its slot, as nobody knows that it waits

        def body() -> int:
            async def main() -> int:
                return await rt.spawn(lambda: 1) + await rt.spawn(lambda: 2)

            return asyncio.run(main())

        assert rt.spawn(body).result() == 3


def test_loops_in_several_threads(rt: pr.Runtime) -> None:
    shared = rt.spawn(lambda: 100)
    answers: list[int] = []

    def thread(k: int) -> None:
        async def main() -> int:
            tasks = [rt.spawn(lambda i=i: i) for i in range(50)]
            total: int = sum([await task for task in tasks]) + await shared + k
            return total

        answers.append(asyncio.run(main()))

    threads = [threading.Thread(target=thread, args=(k,)) for k in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(answers) == [1325 + k for k in range(4)]


def test_a_loop_that_is_closed_before_the_task_ends(rt: pr.Runtime, capfd: pytest.CaptureFixture[str]) -> None:
    gate = rt.space("gate")[0]
    task = rt.spawn(lambda: "value", after=gate)

    kept: list[object] = []

    async def main() -> None:
        waiting = task.__await__()
        next(waiting)  # waits in this loop, and nobody cancels it
        kept.append(waiting)

    run(main)
    gc.collect()
    rt.spawn(int, id=gate)
    assert task.result() == "value"
    rt.wait()
    assert capfd.readouterr().err == ""


def test_async_bodies_and_asyncio_side_by_side(rt: pr.Runtime) -> None:
    async def body(n: int) -> int:
        values: list[int] = [await rt.spawn(int, i) for i in range(n)]
        return sum(values)

    async def main() -> list[int]:
        return [await rt.spawn(body, n) for n in range(10)]

    assert run(main) == [sum(range(n)) for n in range(10)]


def test_leaving_a_scope_while_the_runtime_closes_leaves_the_loop_free() -> None:
    rt = pr.Runtime(workers=1)
    started = threading.Event()
    passes: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def count() -> int:
            passes.append(1)
            return len(passes)

        def body() -> int:
            started.set()
            closing.wait()
            return asyncio.run_coroutine_threadsafe(count(), loop).result()

        closing = threading.Event()
        async with rt.scope() as scope:
            task = scope.spawn(body)
            await loop.run_in_executor(None, started.wait)
            closer = threading.Thread(target=rt.__exit__, args=(ValueError, ValueError(), None))
            closer.start()
            while True:  # until it has begun
                try:
                    rt.spawn(int, after=[task])
                except pr.RuntimeClosedError:
                    break
            closing.set()
        assert passes == [1]
        assert await task == 1
        await loop.run_in_executor(None, closer.join)

    asyncio.run(main())
