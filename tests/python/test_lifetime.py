"""Opening, closing, leaving by an exception, several runtimes, handles that outlive theirs."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from typing import Any

import polyreme as pr
import pytest
from programs import run

CLOSED = "runtime is closed"


class Boom(Exception):
    """What bodies and blocks raise here."""


def boom() -> None:
    raise Boom


def start_and_wait(started: threading.Event, gate: threading.Event) -> bool:
    started.set()
    return gate.wait()


# ---- opening


def test_options() -> None:
    with pr.Runtime() as rt:
        assert rt.workers == len(os.sched_getaffinity(0))
    with pr.Runtime(3, pin=True, stall_warning=1) as rt:
        assert rt.workers == 3
        assert rt.spawn(lambda: 1).result() == 1
    with pr.Runtime(None) as rt:
        assert rt.spawn(lambda: 1).result() == 1


def test_a_runtime_is_opened_once() -> None:
    with pr.Runtime(workers=1) as rt, pytest.raises(RuntimeError, match="opened before"):
        rt.__init__(workers=1)  # type: ignore[misc]


def test_a_runtime_that_was_never_opened() -> None:
    rt = pr.Runtime.__new__(pr.Runtime)
    assert rt.closed
    with pytest.raises(pr.RuntimeClosedError, match="not open"):
        rt.spawn(lambda: 1)
    with pytest.raises(pr.RuntimeClosedError, match="not open"):
        rt.wait()
    rt.close()
    assert repr(rt) == "<Runtime closed>"


def test_repr() -> None:
    with pr.Runtime(workers=2) as rt:
        assert repr(rt) == "<Runtime workers=2>"
    assert repr(rt) == "<Runtime closed>"


# ---- closing


def test_leaving_the_block_waits() -> None:
    done: list[int] = []
    with pr.Runtime(workers=2) as rt:
        for i in range(100):
            rt.spawn(lambda i=i: rt.spawn(done.append, i))
    assert sorted(done) == list(range(100))
    assert rt.closed


def test_closing_again_does_nothing() -> None:
    rt = pr.Runtime(workers=1)
    rt.close()
    rt.close()
    rt.close(cancel=True)
    assert rt.closed


def test_entering_twice() -> None:
    rt = pr.Runtime(workers=1)
    with rt as inner:
        assert inner is rt
        with rt:
            assert rt.spawn(lambda: 1).result() == 1
        assert rt.closed
    with pytest.raises(pr.RuntimeClosedError, match=CLOSED), rt:
        pass


def test_the_name_of_the_block_may_be_closed_inside() -> None:
    with pr.Runtime(workers=1) as rt:
        rt.close()
    with pytest.raises(Boom), pr.Runtime(workers=1) as rt:
        rt.close()
        raise Boom


@pytest.mark.parametrize(
    "call",
    [
        lambda rt: rt.spawn(lambda: 1),
        lambda rt: rt.task(lambda: 1),
        lambda rt: rt.task(),
        lambda rt: rt.space("T"),
        lambda rt: rt.wait(),
        lambda rt: rt.wait(0),
        lambda rt: rt.stats(),
        lambda rt: rt.workers,
        lambda rt: rt.producer().__enter__(),
        lambda rt: rt.trace("unused.json").__enter__(),
        lambda rt: rt.__enter__(),
    ],
)
def test_use_after_close(call: Any) -> None:
    rt = pr.Runtime(workers=1)
    rt.close()
    with pytest.raises(pr.RuntimeClosedError, match=CLOSED):
        call(rt)


def test_a_decorator_made_before_the_close() -> None:
    rt = pr.Runtime(workers=1)
    decorate = rt.task()
    rt.close()
    with pytest.raises(pr.RuntimeClosedError, match=CLOSED):
        decorate(lambda: 1)


def test_spaces_and_handles_after_the_close() -> None:
    rt = pr.Runtime(workers=1)
    space = rt.space("T")
    task = rt.spawn(lambda: 5, id=space[0])
    failed = rt.spawn(boom)
    unspawned = space[1]
    with pytest.raises(ExceptionGroup):
        rt.close()
    assert task.result() == space[0].result() == 5
    assert task.done()
    assert isinstance(failed.exception(), Boom)
    assert task.name == "T[0]"
    assert "T" in repr(space)
    assert "T" in repr(space[:3])
    with pytest.raises(pr.RuntimeClosedError, match="T"):
        space[2]
    with pytest.raises(pr.PolyremeError):
        unspawned.result(timeout=0)
    seen: list[Any] = []
    task.add_done_callback(seen.append)
    assert seen == [task]
    with pr.Runtime(workers=1) as other, pytest.raises(pr.UsageError, match="another runtime"):
        other.spawn(lambda x: x, task)


def test_handles_outlive_many_runtimes() -> None:
    tasks = []
    for i in range(20):
        with pr.Runtime(workers=1) as rt:
            tasks.append(rt.spawn(lambda i=i: [i]))
        del rt
    gc.collect()
    assert [task.result() for task in tasks] == [[i] for i in range(20)]


def test_a_closed_runtime_goes_away_with_its_handles() -> None:
    rt = pr.Runtime(workers=1)
    task = rt.spawn(lambda: 1)
    rt.close()
    alive = weakref.ref(rt)
    del rt, task
    pr.Runtime(workers=1).close()
    gc.collect()
    assert alive() is None


def test_closing_reports_failures() -> None:
    rt = pr.Runtime(workers=1)
    rt.spawn(boom)
    with pytest.raises(ExceptionGroup, match="1 task failed"):
        rt.close()
    assert rt.closed


def test_closing_with_cancel() -> None:
    rt = pr.Runtime(workers=1)
    started, gate = threading.Event(), threading.Event()
    running = rt.spawn(start_and_wait, started, gate)
    queued = [rt.spawn(lambda: "ran") for _ in range(10)]
    started.wait()
    closer = threading.Thread(target=rt.close, kwargs={"cancel": True})
    closer.start()
    # The queue is cancelled while the first body runs; nothing of it starts afterwards.
    gate.set()
    closer.join()
    assert running.result() is True
    assert all(isinstance(task.exception(), pr.TaskCancelled | type(None)) for task in queued)
    assert rt.closed


def test_many_threads_close_at_once() -> None:
    for _ in range(30):
        rt = pr.Runtime(workers=2)
        for _ in range(20):
            rt.spawn(lambda: None)
        start = threading.Barrier(4)

        def close(rt: pr.Runtime = rt, start: threading.Barrier = start) -> None:
            start.wait()
            rt.close()

        threads = [threading.Thread(target=close) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert rt.closed


def test_waits_on_other_threads_end_when_the_runtime_is_closed() -> None:
    for _ in range(30):
        rt = pr.Runtime(workers=1)
        gate = threading.Event()
        task = rt.spawn(gate.wait)
        waiting = threading.Barrier(4)

        def wait(call: Any, waiting: threading.Barrier = waiting) -> None:
            waiting.wait()
            try:
                call()
            except pr.RuntimeClosedError:
                pass

        threads = [threading.Thread(target=wait, args=(call,)) for call in (rt.wait, task.result, rt.close)]
        for thread in threads:
            thread.start()
        waiting.wait()
        gate.set()
        rt.close()
        for thread in threads:
            thread.join()
        del rt, task, threads, thread, wait


def test_closing_while_others_spawn() -> None:
    for _ in range(20):
        rt = pr.Runtime(workers=2)
        started = threading.Barrier(3)
        spawned: list[pr.Task[int]] = []

        def spawn(
            rt: pr.Runtime = rt, started: threading.Barrier = started, spawned: list[pr.Task[int]] = spawned
        ) -> None:
            started.wait()
            try:
                while True:
                    spawned.append(rt.spawn(lambda: 1))
            except pr.RuntimeClosedError:
                pass

        threads = [threading.Thread(target=spawn) for _ in range(2)]
        for thread in threads:
            thread.start()
        started.wait()
        rt.close()
        for thread in threads:
            thread.join()
        assert all(task.result() == 1 for task in spawned)


def test_the_runtime_is_closed_by_what_a_spawn_calls() -> None:
    rt = pr.Runtime(workers=1)

    def closing() -> Any:
        rt.close()
        return iter(())

    class Closing:
        def __iter__(self) -> Any:
            return closing()

    with pytest.raises(pr.RuntimeClosedError, match="closed"):
        rt.spawn(lambda: 1, after=Closing())


def test_the_runtime_is_closed_by_what_its_close_drops() -> None:
    end = run(
        """
        import polyreme as pr
        class Closing:
            def __init__(self, runtime): self.runtime = runtime
            def __del__(self):
                try: self.runtime.close()
                except pr.UsageError as error: print(error)
        class Failure(Exception):
            def __init__(self): self.kept = Closing(rt)
        def body(): raise Failure
        try:
            with pr.Runtime(workers=1) as rt:
                assert rt.spawn(body).exception()
                raise ValueError  # so that close() warns about the failure, and drops it
        except ValueError:
            print("closed:", rt.closed)
        """,
        "-Wignore",
    )
    message = "polyreme: this thread is closing the runtime already, and cannot wait for itself to do so"
    assert (end.code, end.out, end.err) == (0, f"{message}\nclosed: True\n", ""), end


def test_a_body_cannot_close_or_wait_for_its_runtime(rt: pr.Runtime) -> None:
    def body(call: Any) -> str:
        try:
            call()
        except pr.UsageError as error:
            return str(error)
        return "?"

    assert "would wait for the body itself" in rt.spawn(body, rt.wait).result()
    assert "body" in rt.spawn(body, rt.close).result()
    assert "body" in rt.spawn(body, lambda: rt._close(False)).result()
    assert "body" in rt.spawn(body, lambda: rt.__exit__(None, None, None)).result()
    assert "body" in rt.spawn(body, lambda: rt.__exit__(Boom, Boom(), None)).result()
    assert not rt.closed


def test_a_body_that_cannot_close_its_runtime_cancels_nothing(single: pr.Runtime) -> None:
    def body() -> pr.Task[str]:
        task = single.spawn(lambda: "ran")
        with pytest.raises(pr.UsageError, match="a body cannot close the runtime that runs it"):
            single.close(cancel=True)
        return task

    assert single.spawn(body).result().result() == "ran"


# ---- exceptions in the block


def test_an_exception_cancels_what_has_not_started() -> None:
    started, gate = threading.Event(), threading.Event()
    finished: list[str] = []

    def running() -> None:
        started.set()
        gate.wait()
        finished.append("running")

    with pytest.raises(Boom), pr.Runtime(workers=1) as rt:
        first = rt.spawn(running)
        behind = rt.spawn(finished.append, "behind", after=first)
        queued = [rt.spawn(finished.append, "queued") for _ in range(5)]
        started.wait()
        opener = threading.Thread(target=gate.set)
        opener.start()
        raise Boom
    opener.join()
    assert rt.closed
    assert finished[0] == "running"
    assert first.exception() is None
    # All of them were cancelled, or the gate opened before the block was left.
    for task in (behind, *queued):
        assert isinstance(task.exception(), pr.TaskCancelled | type(None))


def test_an_exception_cancels_a_long_queue() -> None:
    ran: list[int] = []
    with pytest.raises(Boom), pr.Runtime(workers=1) as rt:
        gate = threading.Event()
        first = rt.spawn(gate.wait)
        tasks = [rt.spawn(ran.append, i, after=first) for i in range(100)]
        rt._cancel_unstarted()
        gate.set()
        raise Boom
    assert ran == []
    assert all(isinstance(task.exception(), pr.TaskCancelled) for task in tasks)
    with pytest.raises(pr.TaskCancelled, match="was cancelled"):
        tasks[0].result()


def test_the_exception_of_the_block_wins_over_those_of_bodies() -> None:
    with pytest.warns(RuntimeWarning, match="a failure that no wait"), pytest.raises(Boom):
        with pr.Runtime(workers=1) as rt:
            rt.spawn(lambda: 1 // 0).exception()
            raise Boom


class Needy(Exception):
    """Says something of its own when it is shown."""

    def __str__(self) -> str:
        return f"needs {self.args[0]}"


class Unprintable(Exception):
    """Cannot be shown."""

    def __str__(self) -> str:
        raise Boom


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("größer"), "ValueError: größer"),
        (ValueError(), "ValueError"),
        (KeyError("x"), "KeyError: 'x'"),
        (Needy(5), f"{__name__}.Needy: needs 5"),
        (Unprintable(), f"{__name__}.Unprintable: <exception str() failed>"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no"), "UnicodeEncodeError: "),
        (ValueError("\ud800"), "ValueError"),
        (SystemExit(3), "SystemExit: 3"),
        (ExceptionGroup("some", [ValueError(1)]), "ExceptionGroup: some (1 sub-exception)"),
    ],
)
def test_a_failure_that_nobody_asked_for_is_described(error: BaseException, text: str) -> None:
    def body() -> None:
        raise error

    with pytest.warns(RuntimeWarning) as caught, pytest.raises(Boom), pr.Runtime(workers=1) as rt:
        rt.spawn(body, name="b")
        rt._wait(None, False)
        raise Boom
    (warning,) = (str(one.message) for one in caught)
    assert warning.startswith(f"polyreme: a failure that no wait() reported: b, spawned at {__file__}:")
    assert warning.split(": ", 3)[3].startswith(text)


def test_missing_ids_do_not_hinder_leaving_by_an_exception() -> None:
    with pytest.warns(RuntimeWarning, match="never spawned"), pytest.raises(Boom), pr.Runtime(workers=1) as rt:
        rt.spawn(lambda: 1, after=rt.space("T")[0])
        raise Boom


# ---- several runtimes


def test_two_runtimes_at_once() -> None:
    with pr.Runtime(workers=1) as one, pr.Runtime(workers=2) as two:
        a = one.spawn(lambda: 1)
        b = two.spawn(lambda: 2)
        assert (a.result(), b.result()) == (1, 2)
        for call in (
            lambda: two.spawn(lambda x: x, a),
            lambda: two.spawn(lambda: 0, after=a),
            lambda: two.spawn(lambda: 0, id=one.space("T")[0]),
        ):
            with pytest.raises(pr.UsageError, match="another runtime"):
                call()
        assert two.stats()["spawned"] == 1


def test_a_body_may_use_another_runtime() -> None:
    with pr.Runtime(workers=1) as one, pr.Runtime(workers=1) as two:

        def body() -> int:
            tasks = [two.spawn(lambda i=i: i) for i in range(5)]
            return sum(task.result() for task in tasks)

        assert sum(one.spawn(body).result() for _ in range(20)) == 200


def test_a_body_may_open_a_runtime(rt: pr.Runtime) -> None:
    def body() -> int:
        with pr.Runtime(workers=2) as inner:
            tasks = [inner.spawn(lambda i=i: i) for i in range(10)]
            return sum(task.result() for task in tasks)

    assert [rt.spawn(body).result() for _ in range(5)] == [45] * 5


def test_runtimes_in_a_row() -> None:
    for i in range(50):
        with pr.Runtime(workers=1 + i % 3) as rt:
            assert rt.spawn(lambda i=i: i).result() == i


# ---- reports


def test_stats(rt: pr.Runtime) -> None:
    before = rt.stats()
    assert set(before) == {
        "completed",
        "free_slots",
        "interpreter_enters",
        "interpreter_wait_ns",
        "live_blocks",
        "parks",
        "ready",
        "ready_by_slot",
        "spawned",
        "steals",
        "threads",
        "wakes",
        "workers",
    }
    assert before["workers"] == rt.workers
    tasks = [rt.spawn(lambda: None) for _ in range(100)]
    rt.wait()
    after = rt.stats()
    assert after["spawned"] == after["completed"] == 100
    assert after["live_blocks"] == 100
    tasks.clear()
    rt.spawn(lambda: None)
    rt.wait()
    assert rt.stats()["live_blocks"] == 0


def test_trace(rt: pr.Runtime, tmp_path: Any) -> None:
    import json

    file = tmp_path / "run é.json"
    with rt.trace(file):
        first = rt.spawn(lambda: 1, name="first")
        rt.spawn(lambda x: x, first)
    text = json.loads(file.read_text(encoding="utf-8"))
    assert "first" in str(text)
    with rt.trace(str(file)):
        pass
    assert file.exists()


def test_traces_that_cannot_be(rt: pr.Runtime, tmp_path: Any) -> None:
    with pytest.raises(TypeError):
        rt.trace(5)  # type: ignore[arg-type]
    with pytest.raises(OSError, match="missing"), rt.trace(tmp_path / "missing" / "run.json"):
        pass
    with rt.trace(tmp_path / "run.json"), pytest.raises(pr.UsageError), rt.trace(tmp_path / "other.json"):
        pass


def test_a_trace_of_a_block_that_raises_is_written(rt: pr.Runtime, tmp_path: Any) -> None:
    with pytest.raises(Boom), rt.trace(tmp_path / "run.json"):
        raise Boom
    assert (tmp_path / "run.json").exists()
