"""Uses that programs come to by accident: forks in bodies, deep recursion, many runtimes, errors nobody can take."""

from __future__ import annotations

import os
import threading
from typing import Any

import polyreme as pr
import pytest
from programs import run

# ---- forks


def test_a_child_of_a_body_ends_with_it() -> None:
    # A child that went on would run the bodies behind it a second time.
    done = run(
        """
        import os, sys
        import polyreme as pr

        def say(text):
            os.write(1, text.encode() + b"\\n")

        def forks():
            child = os.fork()
            if child == 0:
                try:
                    rt.spawn(say, "refused").result()
                except pr.RuntimeClosedError:
                    say("child")
                return
            os.waitpid(child, 0)
            say("parent")

        with pr.Runtime(workers=1) as rt:
            task = rt.spawn(forks)
            for i in range(3):
                task = rt.spawn(say, str(i), after=task)
        say("end")
        """
    )
    assert (done.code, done.out, done.err) == (0, "child\nparent\n0\n1\n2\nend\n", "")


def test_handles_and_runtimes_of_the_parent_in_a_child() -> None:
    done = run(
        """
        import os, sys, threading
        import polyreme as pr

        rt = pr.Runtime(workers=2)
        T = rt.space("T")
        gate = threading.Event()
        finished = rt.spawn(pow, 2, 5)
        finished.result()
        running = rt.spawn(gate.wait)
        child = os.fork()
        if child == 0:
            print(finished.result(), rt.closed)
            for call in (
                running.result,
                lambda: running.result(timeout=1),
                lambda: rt.spawn(int),
                lambda: rt.spawn(int, id=T[0]),
                lambda: rt.task(lambda: None),
                lambda: running.add_done_callback(print),
                lambda: running.cancel(),
                rt.wait,
                lambda: rt.space("U"),
                rt.stats,
            ):
                try:
                    call()
                    print("not refused")
                except pr.RuntimeClosedError as error:
                    assert "forked" in str(error), error
            rt.close()
            with pr.Runtime(workers=2) as fresh:
                print(fresh.spawn(pow, 2, 6).result())
            sys.exit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        gate.set()
        print(rt.spawn(pow, 2, 7, after=running).result())
        """
    )
    assert (done.code, done.out, done.err) == (0, "32 True\n64\n3\n128\n", "")


def test_a_fork_while_workers_end_native_tasks(pair: pr.Runtime) -> None:
    # Their references are put aside under a lock that a child must not find taken.
    import ctypes

    libc = ctypes.CDLL(None)
    libc.memset.argtypes, libc.memset.restype = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t), None
    fill = pr.native(libc.memset)
    for _ in range(20):
        for _ in range(500):
            pair.spawn(fill, bytearray(8), 1, 8)
        child = os.fork()
        if child == 0:
            with pr.Runtime(workers=1) as fresh:
                fresh.spawn(fill, bytearray(8), 1, 8).result()
            os._exit(5)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5


# ---- depth


DEPTH = 100_000


def test_each_body_spawns_the_next(rt: pr.Runtime) -> None:
    reached: list[int] = []

    def body(depth: int) -> None:
        if depth == DEPTH:
            reached.append(depth)
        else:
            rt.spawn(body, depth + 1)

    rt.spawn(body, 0)
    rt.wait()
    assert reached == [DEPTH]


def test_each_body_returns_the_task_that_it_spawned(rt: pr.Runtime) -> None:
    def body(depth: int) -> Any:
        return rt.spawn(body, depth + 1) if depth < DEPTH else "end"

    first = rt.spawn(body, 0)
    rt.wait()
    task: Any = first
    for _ in range(DEPTH + 1):
        task = task.result()
    assert task == "end"
    del first, task  # the whole chain of results goes


def test_bodies_that_wait_for_what_they_spawn_go_as_deep_as_calls(pair: pr.Runtime) -> None:
    # Beyond the depth that the interpreter allows for calls, other threads take over.
    def body(depth: int) -> int:
        return 1 + int(pair.spawn(body, depth - 1).result()) if depth else 0

    assert pair.spawn(body, 3000).result() == 3000


# ---- many runtimes


def test_a_thousand_runtimes_leave_nothing() -> None:
    done = run(
        """
        import gc, os, threading
        import polyreme as pr

        def measure():
            gc.collect()
            pages = int(open("/proc/self/statm").read().split()[1])
            return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

        def use():
            with pr.Runtime(workers=2) as rt:
                T = rt.space("T")
                rt.spawn(int, id=T[0])
                assert rt.spawn(lambda x: x + 1, 1, after=T[0]).result() == 2

        for _ in range(300):
            use()
        before = measure()
        for _ in range(1000):
            use()
        after = measure()
        assert after[1:] == before[1:], (before, after)
        assert after[0] - before[0] < 4 << 20, (before, after)
        """
    )
    assert (done.code, done.err) == (0, "")


def test_bodies_wait_for_tasks_of_another_runtime() -> None:
    with pr.Runtime(workers=2) as one, pr.Runtime(workers=2) as other:

        def ask(number: int) -> int:
            return 1 + other.spawn(abs, number).result()

        assert [task.result() for task in [one.spawn(ask, i) for i in range(200)]] == [i + 1 for i in range(200)]
        with pytest.raises(pr.UsageError, match="another runtime"):
            one.spawn(int, after=other.spawn(int))


def test_tasks_of_two_runtimes_wait_for_each_other() -> None:
    # Each runtime has one slot, which the bodies that wait must not keep.
    with pr.Runtime(workers=1) as one, pr.Runtime(workers=1) as other:

        def bounce(left: int) -> int:
            if left == 0:
                return 0
            rt = one if left % 2 else other
            return 1 + int(rt.spawn(bounce, left - 1).result())

        for _ in range(5):
            assert one.spawn(bounce, 100).result() == 100


def test_a_body_may_wait_for_all_of_another_runtime() -> None:
    with pr.Runtime(workers=1) as one, pr.Runtime(workers=1) as other:
        done: list[int] = []

        def ask() -> None:
            other.spawn(lambda: one.spawn(done.append, 1).result())
            other.wait()
            done.append(2)

        one.spawn(ask).result()
        assert done == [1, 2]


# ---- errors that have nowhere to go


def test_what_destructors_and_callbacks_raise_is_reported(rt: pr.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    caught: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda hook: caught.append(str(hook.exc_value)))

    class Raises:
        def __init__(self, where: str) -> None:
            self.where = where

        def __del__(self) -> None:
            raise ValueError(self.where)

    def call_back(task: object) -> None:
        raise LookupError("callback")

    rt.spawn(lambda x: None, Raises("argument"))
    rt.spawn(Raises, "result")
    gate = threading.Event()
    held = rt.spawn(gate.wait)
    held.add_done_callback(call_back)
    gate.set()
    del held
    rt.wait()
    assert rt.spawn(int).result() == 0  # and drops what was put aside
    assert sorted(caught) == ["argument", "callback", "result"]
