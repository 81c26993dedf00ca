"""wait() and as_completed(): what those of concurrent.futures do with futures."""

from __future__ import annotations

import gc
import os
import threading
import weakref

import polyreme as pr
import pytest
from busy import Busy
from programs import run


class Gates:
    """Tasks that end when they are told to."""

    def __init__(self, rt: pr.Runtime, count: int) -> None:
        self._gates = [threading.Event() for _ in range(count)]
        self.tasks = [rt.spawn(self._run, i) for i in range(count)]

    def _run(self, i: int) -> int:
        self._gates[i].wait()
        return i

    def open(self, *which: int) -> None:
        for i in which:
            self._gates[i].set()


@pytest.fixture
def several() -> pr.Runtime:
    with pr.Runtime(workers=4) as rt:
        yield rt


def fail() -> None:
    raise KeyError("on purpose")


def test_as_completed_gives_the_order_in_which_they_end(several: pr.Runtime) -> None:
    gates = Gates(several, 3)
    ended = pr.as_completed(gates.tasks)
    for i in (2, 0, 1):
        gates.open(i)
        assert next(ended) == gates.tasks[i]
    with pytest.raises(StopIteration):
        next(ended)


def test_what_is_done_comes_first_and_once(several: pr.Runtime) -> None:
    done = several.spawn(int)
    done.result()
    gates = Gates(several, 1)
    ended = pr.as_completed([gates.tasks[0], done, done])
    assert next(ended) is done
    gates.open(0)
    assert list(ended) == gates.tasks


def test_nothing_to_wait_for() -> None:
    assert list(pr.as_completed([])) == []
    assert pr.wait([]) == (set(), set())
    assert pr.wait(iter(()), return_when="FIRST_COMPLETED") == (set(), set())


def test_failed_and_cancelled_tasks_have_ended_too() -> None:
    with Busy() as busy:
        failing = busy.rt.spawn(fail)
        waiting = busy.rt.spawn(int)
        after = busy.rt.spawn(int, after=[failing])
        waiting.cancel()
        busy.open()
        assert set(pr.as_completed([failing, waiting, after])) == {failing, waiting, after}
        with pytest.raises(ExceptionGroup):
            busy.rt.wait()


def test_wait_for_all(several: pr.Runtime) -> None:
    gates = Gates(several, 3)
    assert pr.wait(gates.tasks, timeout=0) == (set(), set(gates.tasks))
    gates.open(1)
    gates.tasks[1].result()
    assert pr.wait(gates.tasks, timeout=0.01) == ({gates.tasks[1]}, {gates.tasks[0], gates.tasks[2]})
    gates.open(0, 2)
    done, not_done = pr.wait(gates.tasks)
    assert done == set(gates.tasks)
    assert not_done == set()


def test_wait_for_the_first(several: pr.Runtime) -> None:
    gates = Gates(several, 3)
    gates.open(1)
    result = pr.wait(gates.tasks, return_when="FIRST_COMPLETED")
    assert result.done == {gates.tasks[1]}
    assert result.not_done == {gates.tasks[0], gates.tasks[2]}
    gates.open(0, 2)


def test_wait_for_the_first_that_raises() -> None:
    with Busy(workers=2) as busy:
        held = busy.rt.spawn(int, after=[busy.body])
        cancelled = busy.rt.spawn(int, after=[busy.body])
        cancelled.cancel()
        good = busy.rt.spawn(int)
        failing = busy.rt.spawn(fail, after=[good])
        result = pr.wait([held, cancelled, good, failing], return_when="FIRST_EXCEPTION")
        assert result.done == {cancelled, good, failing}
        assert result.not_done == {held}
        busy.open()
        # Without one that raises it is a wait for all.
        assert pr.wait([held, cancelled, good], return_when="FIRST_EXCEPTION").not_done == set()
        with pytest.raises(ExceptionGroup):
            busy.rt.wait()


def test_time_limits(several: pr.Runtime) -> None:
    gates = Gates(several, 2)
    gates.open(0)
    gates.tasks[0].result()
    ended = pr.as_completed(gates.tasks, timeout=0)
    assert next(ended) == gates.tasks[0]
    with pytest.raises(TimeoutError, match=r"1 of 2 tasks are not done after 0 s"):
        next(ended)
    gates.open(1)


@pytest.mark.parametrize("workers", [1, 2])
def test_in_a_body_the_slot_is_given_up(workers: int) -> None:
    with pr.Runtime(workers=workers) as rt:

        def body() -> list[int]:
            parts = [rt.spawn(lambda i=i: i) for i in range(20)]
            first = pr.wait(parts, return_when="FIRST_COMPLETED").done
            assert first
            return sorted(task.result() for task in pr.as_completed(parts))

        bodies = [rt.spawn(body) for _ in range(4)]
        assert all(task.result() == list(range(20)) for task in bodies)


def test_tasks_of_several_runtimes() -> None:
    with pr.Runtime(workers=1) as one, pr.Runtime(workers=1) as other:
        tasks = [rt.spawn(lambda i=i: i) for i in range(10) for rt in (one, other)]
        assert sorted(task.result() for task in pr.as_completed(tasks)) == sorted([*range(10), *range(10)])
        inner = one.spawn(lambda: sorted(t.result() for t in pr.as_completed([other.spawn(int), one.spawn(int)])))
        assert inner.result() == [0, 0]


def test_several_threads_wait_for_the_same(several: pr.Runtime) -> None:
    tasks = [several.spawn(int, i) for i in range(200)]
    sums: list[int] = []
    threads = [
        threading.Thread(target=lambda: sums.append(sum(t.result() for t in pr.as_completed(tasks)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == [sum(range(200))] * 4


def test_a_missing_id_ends_the_wait() -> None:
    with pr.Runtime(workers=1) as rt:
        space = rt.space("T")
        done, _ = pr.wait([space[7]], return_when="FIRST_COMPLETED")
        (missing,) = done
        with pytest.raises(pr.MissingTaskError, match=r"T\[7\] was never spawned"):
            missing.result()
        assert list(pr.as_completed([space[8]])) == [space[8]]
        with pytest.raises(ExceptionGroup):
            rt.wait()


def test_a_wait_that_has_timed_out_needs_nothing() -> None:
    with pr.Runtime(workers=1) as rt:
        space = rt.space("T")
        done, not_done = pr.wait([space[0]], timeout=0.01)
        assert not done
        assert not_done == {space[0]}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_tasks_of_the_parent_of_a_fork_are_refused() -> None:
    end = run(
        """
        import os
        import polyreme as pr
        rt = pr.Runtime(workers=1)
        T = rt.space("T")
        child = os.fork()
        if child == 0:
            for wait in (pr.wait, pr.as_completed):
                try: wait([T[0]])
                except pr.RuntimeClosedError as error: print("fork" in str(error), flush=True)
            with pr.Runtime(workers=1) as own:
                print(own.spawn(int).result(), flush=True)
        else:
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        """
    )
    assert (end.code, end.out.split(), end.err) == (0, ["True", "True", "0", "0"], "")


def test_a_body_that_waits_for_what_waits_for_it() -> None:
    with pr.Runtime(workers=1) as rt:
        space = rt.space("T")

        @rt.task(space[0])
        def body() -> None:
            later = rt.spawn(int, after=[space[0]])
            list(pr.as_completed([later]))

        with pytest.raises(pr.CycleError, match=r"the wait for the next of several tasks in the body of T\[0\]"):
            space[0].result()
        with pytest.raises(ExceptionGroup):
            rt.wait()


def test_a_list_that_is_dropped_before_its_tasks_end() -> None:
    with Busy() as busy:
        tasks = [busy.rt.spawn(int) for _ in range(3)]
        ended = pr.as_completed(tasks, timeout=0)
        with pytest.raises(TimeoutError):
            next(ended)
        del ended
        busy.open()
        assert [task.result() for task in tasks] == [0, 0, 0]


def test_results_are_let_go_one_by_one() -> None:
    class Large:
        pass

    with pr.Runtime(workers=1) as rt:
        tasks = [rt.spawn(Large) for _ in range(3)]
        alive = [weakref.ref(task.result()) for task in tasks]
        ended = pr.as_completed(tasks)
        del tasks
        for _ in range(3):
            next(ended)
        gc.collect()
        assert [ref() for ref in alive] == [None, None, None]


def test_wrong_arguments(rt: pr.Runtime) -> None:
    task = rt.spawn(int)
    for function in (pr.wait, pr.as_completed):
        with pytest.raises(TypeError, match=r"is one task; give a list of tasks"):
            function(task)  # type: ignore[operator]
        with pytest.raises(TypeError, match=r"3 is no Task; wait for futures with concurrent.futures"):
            function([task, 3])  # type: ignore[operator]
        with pytest.raises(TypeError, match=r"timeout='1'; it is a number of seconds"):
            function([task], timeout="1")  # type: ignore[operator]
        with pytest.raises(ValueError, match=r"timeout=-1; it is a number of seconds"):
            function([task], timeout=-1)  # type: ignore[operator]
        with pytest.raises(ValueError, match=r"timeout=nan"):
            function([task], timeout=float("nan"))  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"return_when='ANY'"):
        pr.wait([task], return_when="ANY")
