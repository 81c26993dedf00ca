"""Task.cancel() and context(): what has not started ends at once, bodies are asked to stop."""

from __future__ import annotations

import gc
import threading
import weakref

import polyreme as pr
import pytest
from busy import Busy


def test_a_ready_task_ends_at_once() -> None:
    class Argument:
        pass

    with Busy() as busy:
        argument = Argument()
        alive = weakref.ref(argument)
        ran = []
        task = busy.rt.spawn(ran.append, argument, name="ready")
        del argument
        assert not task.cancelled()
        assert not task.running()
        assert task.cancel() is True
        assert task.done()
        assert task.cancelled()
        assert not task.running()
        gc.collect()
        assert alive() is None
        with pytest.raises(pr.TaskCancelled, match="ready was cancelled before it started"):
            task.result()
        assert isinstance(task.exception(), pr.TaskCancelled)
        assert task.cancel() is True
        assert repr(task) == "<Task ready cancelled>"
    assert ran == []


def test_a_waiting_task_ends_while_its_predecessor_runs() -> None:
    with Busy() as busy:
        ran: list[str] = []
        waiting = busy.rt.spawn(ran.append, "waiting", after=busy.body)
        dependent = busy.rt.spawn(ran.append, "dependent", after=waiting)
        other = busy.rt.spawn(ran.append, "other", after=busy.body)
        called: list[bool] = []
        waiting.add_done_callback(lambda task: called.append(task.cancelled()))
        assert waiting.cancel()
        assert waiting.done()
        assert busy.body.running()
        busy.open()
        busy.rt.wait()
        assert ran == ["other"]
        assert called == [True]
        assert not other.cancelled()
        assert dependent.cancelled()
        with pytest.raises(pr.TaskCancelled, match="as was a task that it depends on"):
            dependent.result()


def test_a_body_sees_the_request() -> None:
    with pr.Runtime(workers=2) as rt:
        started = threading.Event()

        def body() -> str:
            started.set()
            context = pr.context()
            while not context.cancelled:
                pass
            return context.name

        task = rt.spawn(body, name="patient")
        started.wait()
        assert task.running()
        assert task.cancel() is False
        assert task.result() == "patient"
        assert not task.cancelled()
        assert task.cancel() is False


def test_a_body_that_gives_up_counts_as_cancelled() -> None:
    with pr.Runtime(workers=2) as rt:
        started = threading.Event()

        def body() -> None:
            context = pr.context()
            context.raise_if_cancelled()
            started.set()
            while True:
                context.raise_if_cancelled()

        task = rt.spawn(body)
        dependent = rt.spawn(print, "never", after=task)
        started.wait()
        assert task.cancel() is False
        with pytest.raises(pr.TaskCancelled, match="was cancelled while it ran"):
            task.result()
        assert task.cancelled()
        rt.wait()
        assert dependent.cancelled()


def test_the_exception_of_another_task_is_a_failure() -> None:
    with Busy() as busy:
        gone = busy.rt.spawn(int)
        assert gone.cancel()
        asks = busy.rt.spawn(gone.result)
        wants = busy.rt.spawn(repr, gone)
        busy.open()
        with pytest.raises(ExceptionGroup) as caught:
            busy.rt.wait()
        assert [type(error) for error in caught.value.exceptions] == [pr.TaskCancelled]
        assert not asks.cancelled()
        assert wants.cancelled()


def test_a_request_before_the_predecessor_fails() -> None:
    with Busy() as busy:
        fails = busy.rt.spawn(divmod, 1, 0, after=busy.body)
        both = busy.rt.spawn(int, after=fails)
        assert both.cancel()
        busy.open()
        with pytest.raises(ExceptionGroup) as caught:
            busy.rt.wait()
        assert "not run" not in str(caught.value)
        with pytest.raises(pr.TaskCancelled):
            both.result()


def test_misuse() -> None:
    with pytest.raises(pr.UsageError, match="outside the body of a task"):
        pr.context()
    with pr.Runtime(workers=1) as rt:
        T = rt.space("T")
        with pytest.raises(pr.UsageError, match=r"T\[3\] is not spawned"):
            T[3].cancel()
        rt.spawn(int, id=T[3])
        rt.wait()
        assert T[3].cancel() is False
        with pytest.raises(TypeError):
            T[3].cancel(1)  # type: ignore[call-arg]
        with pytest.raises(TypeError):
            pr.Context()


def test_a_context_outlives_its_body() -> None:
    with pr.Runtime(workers=1) as rt:
        context = rt.spawn(pr.context, name="past").result()
        assert context.name == "past"
        assert not context.cancelled
        assert repr(context) == "<Context of past>"
        context.raise_if_cancelled()


def test_a_closed_runtime() -> None:
    rt = pr.Runtime(workers=1)
    task = rt.spawn(int)
    rt.close()
    assert task.cancel() is False
