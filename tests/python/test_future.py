"""A task is its own future: result, exception, done, callbacks, time limits."""

from __future__ import annotations

import gc
import sys
import threading
from functools import partial
from typing import Any

import polyreme as pr
import pytest


class Boom(Exception):
    """What bodies raise here."""


def boom(text: str = "boom") -> None:
    raise Boom(text)


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What went to sys.unraisablehook: exception and object."""
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append((args.exc_value, args.object)))
    return seen


# ---- results


def test_the_result_may_be_asked_for_again(rt: pr.Runtime) -> None:
    value = object()
    task = rt.spawn(lambda: value)
    assert all(task.result() is value for _ in range(5))
    assert task.exception() is None
    assert task.done()


def test_an_exception_is_raised_as_it_is(rt: pr.Runtime) -> None:
    error = Boom("mine")

    def body() -> None:
        raise error

    task = rt.spawn(body)
    with pytest.raises(Boom) as caught:
        task.result()
    assert caught.value is error
    assert task.exception() is error


def test_done(single: pr.Runtime) -> None:
    gate = threading.Event()
    task = single.spawn(gate.wait)
    assert not task.done()
    gate.set()
    task.result()
    assert task.done()
    failed = single.spawn(boom)
    failed.exception()
    assert failed.done()


def test_results_from_many_threads(pair: pr.Runtime) -> None:
    gate = threading.Event()
    task = pair.spawn(lambda: gate.wait() and "value")
    got: list[Any] = []
    threads = [threading.Thread(target=lambda: got.append(task.result())) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert got == ["value"] * 8


# ---- time limits


@pytest.mark.parametrize("timeout", [0, 0.0, 1e-9, False, 0.001])
def test_a_time_limit_that_passes(single: pr.Runtime, timeout: float) -> None:
    gate = threading.Event()
    task = single.spawn(gate.wait, name="slow")
    with pytest.raises(TimeoutError, match=f"slow is not done after {timeout!r} s"):
        task.result(timeout)
    with pytest.raises(TimeoutError, match="slow is not done"):
        task.exception(timeout=timeout)
    with pytest.raises(TimeoutError, match=f"still running after {timeout!r} s"):
        single.wait(timeout)
    gate.set()
    assert task.result() is True


@pytest.mark.parametrize("timeout", [None, 60, 60.0, 1e9, 1e300, float("inf"), 10**400])
def test_a_time_limit_that_is_far_away(rt: pr.Runtime, timeout: float | None) -> None:
    task = rt.spawn(lambda: 3)
    assert task.result(timeout) == 3
    assert task.result(timeout=timeout) == 3
    assert task.exception(timeout) is None
    rt.wait(timeout)


def test_no_time_is_needed_for_what_is_done(rt: pr.Runtime) -> None:
    task = rt.spawn(lambda: 3)
    task.result()
    assert task.result(0) == 3
    rt.wait()
    rt.wait(0)


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan"), float("-inf"), -(10**400)])
def test_times_that_cannot_be(rt: pr.Runtime, timeout: float) -> None:
    task = rt.spawn(lambda: 3)
    for call in (task.result, task.exception, rt.wait):
        with pytest.raises(ValueError, match=r"timeout=.*number of seconds from 0, or None"):
            call(timeout)


@pytest.mark.parametrize("timeout", ["1", [], object(), 1j, b"1"])
def test_times_of_the_wrong_kind(rt: pr.Runtime, timeout: Any) -> None:
    task = rt.spawn(lambda: 3)
    for call in (task.result, task.exception, rt.wait):
        with pytest.raises(TypeError, match=r"timeout is a number of seconds or None, not .*"):
            call(timeout)


def test_what_converting_a_time_raises_goes_through(rt: pr.Runtime) -> None:
    class Odd:
        def __float__(self) -> float:
            raise LookupError("odd")

    with pytest.raises(LookupError, match="odd"):
        rt.spawn(lambda: 3).result(Odd())  # type: ignore[arg-type]


def test_a_limited_wait_in_a_body(pair: pr.Runtime) -> None:
    gate = threading.Event()
    slow = pair.spawn(gate.wait)

    def body() -> str:
        try:
            slow.result(timeout=0)
        except TimeoutError:
            return "too late"
        return "?"

    assert pair.spawn(body).result() == "too late"
    gate.set()
    assert pair.spawn(lambda: slow.result(timeout=60)).result() is True


# ---- callbacks


def test_callbacks_before_and_after_the_end(rt: pr.Runtime) -> None:
    gate = threading.Event()
    task = rt.spawn(lambda: gate.wait() and 5)
    seen: list[Any] = []

    def note(i: int, done: pr.Task[Any]) -> None:
        seen.append((i, done.result()))

    for i in range(10):
        task.add_done_callback(partial(note, i))
    assert seen == []
    gate.set()
    rt.wait()  # waits for callbacks, too
    assert sorted(seen) == [(i, 5) for i in range(10)]
    task.add_done_callback(lambda done: seen.append(done))
    assert seen[-1] == task
    assert seen[-1] is task


def test_callbacks_of_failed_and_cancelled_tasks(rt: pr.Runtime) -> None:
    gate = threading.Event()
    first = rt.spawn(boom, after=rt.spawn(gate.wait))
    second = rt.spawn(lambda x: x, first)
    seen: dict[str, Any] = {}
    first.add_done_callback(lambda task: seen.update(first=task.exception()))
    second.add_done_callback(lambda task: seen.update(second=task.exception()))
    gate.set()
    with pytest.raises(ExceptionGroup):
        rt.wait()
    assert isinstance(seen["first"], Boom)
    assert isinstance(seen["second"], pr.DependencyFailed)


def test_a_callback_of_an_id_that_is_spawned_later(rt: pr.Runtime) -> None:
    space = rt.space("T")
    seen: list[Any] = []
    space[0].add_done_callback(lambda task: seen.append(task.result()))
    rt.spawn(lambda: 9, id=space[0])
    rt.wait()
    assert seen == [9]


def test_a_callback_of_an_id_that_is_never_spawned(rt: pr.Runtime) -> None:
    space = rt.space("T")
    seen: list[Any] = []
    space[0].add_done_callback(lambda task: seen.append(task.exception()))
    with pytest.raises(ExceptionGroup):
        rt.wait()
    assert [type(error) for error in seen] == [pr.MissingTaskError]


def test_a_callback_may_spawn_and_wait(rt: pr.Runtime) -> None:
    seen: list[int] = []
    task = rt.spawn(lambda: 1)
    task.add_done_callback(lambda done: seen.append(rt.spawn(lambda x: x + 1, done).result()))
    rt.wait()
    assert seen == [2]


@pytest.mark.parametrize("error", [Boom, KeyboardInterrupt, SystemExit])
def test_what_a_callback_raises(rt: pr.Runtime, unraisable: list[Any], error: type[BaseException]) -> None:
    def raising(task: pr.Task[Any]) -> None:
        raise error

    gate = threading.Event()
    task = rt.spawn(gate.wait)
    task.add_done_callback(raising)
    gate.set()
    rt.wait()
    task.add_done_callback(raising)
    assert [(type(value), what) for value, what in unraisable] == [(error, raising)] * 2
    assert task.result() is True


def test_callbacks_are_dropped_after_their_call(rt: pr.Runtime) -> None:
    class Callback:
        def __call__(self, task: pr.Task[Any]) -> None:
            pass

    import weakref

    callback = Callback()
    alive = weakref.ref(callback)
    task = rt.spawn(lambda: 1)
    task.add_done_callback(callback)
    rt.wait()
    del callback
    gc.collect()
    rt.spawn(lambda: None).result()
    assert alive() is None


def test_callbacks_run_when_a_block_is_left_by_an_exception() -> None:
    seen: list[Any] = []
    started, gate = threading.Event(), threading.Event()

    def body() -> None:
        started.set()
        gate.wait()

    with pytest.raises(Boom), pr.Runtime(workers=1) as rt:
        running = rt.spawn(body)
        queued = rt.spawn(lambda: None)
        running.add_done_callback(lambda task: seen.append(("running", task.exception())))
        queued.add_done_callback(lambda task: seen.append(("queued", type(task.exception()))))
        started.wait()
        gate.set()
        boom()
    assert ("running", None) in seen
    assert len(seen) == 2
