"""What the interpreter does to the runtime: sub-interpreters, destructors and collections at odd moments, forks."""

from __future__ import annotations

import gc
import sys
import threading
from typing import TYPE_CHECKING, Any

import polyreme as pr
import pytest
from programs import Program, run

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_warning_from_a_sleeping_thread_after_a_sub_interpreter_was_made() -> None:
    end = run(
        """
        import threading
        try:
            import _xxsubinterpreters as interpreters
        except ImportError:
            import _interpreters as interpreters
        import polyreme as pr
        interpreters.create()
        warned = threading.Event()
        class Runtime(pr.Runtime):
            def _warn(self, text):
                print("T[0]" in text, flush=True)
                warned.set()
        with Runtime(workers=1, stall_warning=0.001) as rt:
            T = rt.space("T")
            waiting = threading.Thread(target=T[0].result)
            waiting.start()
            warned.wait()
            rt.spawn(int, id=T[0])
            waiting.join()
        """
    )
    assert (end.code, set(end.out.split())) == (0, {"True"}), end


def test_a_destructor_that_needs_another_worker() -> None:
    # What is destroyed by a thread that sleeps in a wait, here the argument of a task in a circle that is too long to be
    # found by the spawn that closes it, is left to the next worker that enters the interpreter.
    length = 600
    first, met = [True], threading.Event()

    class Meeting:
        def __del__(self) -> None:
            if first.pop() if first else False:
                rt.spawn(met.set)
                met.wait()

    def body(meeting: Meeting) -> None:
        raise AssertionError

    with pytest.raises(ExceptionGroup) as caught, pr.Runtime(workers=2) as rt:
        space = rt.space("T")
        for i in range(length):
            rt.spawn(body, Meeting(), id=space[i], after=space[(i - 1) % length])
    assert [type(error) for error in caught.value.exceptions] == [pr.CycleError]
    assert met.is_set()


@pytest.mark.parametrize(
    "spawn",
    [
        lambda rt, after: rt.spawn(lambda *_: None, 1, 2, 3, 4, 5, after=after),
        lambda rt, after: rt.spawn(lambda **_: None, kwargs={"a": 1}, after=after),
        lambda rt, after: rt.spawn(lambda: None, after=after),
        lambda rt, after: rt.task(after=after)(lambda: None),
    ],
    ids=["positional", "keywords", "plain", "decorator"],
)
def test_a_collection_in_spawn_that_drops_what_after_lists(
    spawn: Callable[[pr.Runtime, list[Any]], pr.Task[Any]],
) -> None:
    seen = 0
    with pr.Runtime(workers=1) as rt:
        held = [rt.spawn(int) for _ in range(1000)]  # more than the handles that are kept for the next spawn
        never = rt.space("never")
        for delay in range(24):
            dropped: list[int] = []
            waiting: list[pr.Task[Any]] = []
            after = [rt.spawn(int) for _ in range(200)]
            after[-1].result()

            class Dropping:
                def __init__(self) -> None:
                    self.circle = self

                def __del__(self) -> None:
                    dropped.append(len(after))
                    after.clear()
                    # These take the places of the records that are gone.
                    waiting.extend(rt.spawn(int, after=never[delay]) for _ in range(300))

            thresholds = gc.get_threshold()
            gc.collect()
            gc.disable()
            Dropping()
            try:
                gc.set_threshold(gc.get_count()[0] + delay, 1000, 1000)
                gc.enable()
                task = spawn(rt, after)
                gc.disable()
            finally:
                gc.set_threshold(*thresholds)
                gc.enable()
            # A task behind one of `waiting` could not run: nobody else spawns what they wait for.
            assert task.exception() is None
            seen += dropped == [200]
            gc.collect()
            rt.spawn(int, id=never[delay])
        assert len(held) == 1000
    # Newer versions collect between bytecodes only: not in the middle of a spawn.
    assert seen > 0 or sys.version_info >= (3, 12)


def test_ctrl_c_in_a_child_that_a_second_thread_forked() -> None:
    program = Program(
        """
        import os, signal, sys, threading
        import polyreme as pr
        sys.setswitchinterval(1e6)  # a thread keeps the interpreter until it sleeps
        rt = pr.Runtime(workers=1)

        def interrupted_in_wait():
            started, waits, heard = threading.Event(), threading.Lock(), threading.Event()
            waits.acquire()
            def body():
                started.set()
                waits.acquire()
                os.kill(os.getpid(), signal.SIGINT)
                heard.wait()
            with pr.Runtime(workers=1) as own:
                task = own.spawn(body)
                started.wait()
                waits.release()
                try:
                    task.result()
                except KeyboardInterrupt:
                    print("heard", flush=True)
                heard.set()

        def work():
            busy, end = threading.Event(), threading.Event()
            task = rt.spawn(lambda: (busy.set(), end.wait(0.001)))
            busy.wait()
            task.result()  # this thread learns that it is not the main one
            child = os.fork()
            if child == 0:
                interrupted_in_wait()
                os._exit(0)
            print("child", os.waitpid(child, 0)[1], flush=True)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        """
    )
    end = program.finish()
    assert (end.code, end.out) == (0, "heard\nchild 0\n"), end
