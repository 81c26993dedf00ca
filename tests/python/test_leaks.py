"""Nothing is kept once nobody can ask for it: blocks, objects, references, threads."""

from __future__ import annotations

import gc
import sys
import threading
import time
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import polyreme as pr
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


class Boom(Exception):
    """What bodies raise here."""


class Counted:
    """Counts its living objects."""

    alive = 0
    _lock = threading.RLock()  # a collection may come while it is held

    def __init__(self) -> None:
        with self._lock:
            type(self).alive += 1

    def __del__(self) -> None:
        with self._lock:
            type(self).alive -= 1


@pytest.fixture(autouse=True)
def _count_from_zero() -> None:
    gc.collect()
    Counted.alive = 0


def settle(rt: pr.Runtime) -> None:
    """Let references that a worker has put aside be dropped."""
    rt.wait()
    rt.spawn(lambda: None).result()
    rt.wait()
    gc.collect()


def settle_empty(rt: pr.Runtime) -> None:
    """The same where nobody holds a task any more."""
    # Without a lock a worker may still be dropping the last task, and then have put its result aside. What one thread
    # made and another one dropped is freed by the collector if the first sleeps.
    for _ in range(2):
        settle(rt)
        while rt.stats()["live_blocks"] != 0:
            gc.collect()
    gc.collect()


def raising(*args: Any) -> None:
    raise Boom


def raising_not(*args: Any) -> None:
    """Take anything and do nothing."""


SCENES: dict[str, Any] = {}


def scene(function: Any) -> Any:
    SCENES[function.__name__] = function
    return function


@scene
def plain(rt: pr.Runtime) -> None:
    for _ in range(50):
        rt.spawn(lambda x: x, Counted())


@scene
def boxed(rt: pr.Runtime) -> None:
    for _ in range(50):
        rt.spawn(lambda *x, **k: (x, k), *(Counted() for _ in range(6)), kwargs={"k": Counted()})


@scene
def chains(rt: pr.Runtime) -> None:
    task = rt.spawn(Counted)
    for _ in range(200):
        task = rt.spawn(lambda x, y: x, task, Counted())
    task.result()


@scene
def many_dependencies(rt: pr.Runtime) -> None:
    tasks = [rt.spawn(Counted) for _ in range(100)]
    rt.spawn(lambda *x: len(x), *tasks, after=tasks).result()


@scene
def failures(rt: pr.Runtime) -> None:
    for _ in range(30):
        failed = rt.spawn(raising, Counted(), Counted())
        cancelled = rt.spawn(lambda *x: x, failed, Counted(), Counted(), Counted(), Counted(), Counted())
        assert isinstance(cancelled.exception(), pr.DependencyFailed)
    with pytest.raises(ExceptionGroup):
        rt.wait()


@scene
def decorated(rt: pr.Runtime) -> None:
    for i in range(30):
        captured = Counted()

        @rt.task(None, Counted())
        def body(x: Counted) -> Any:
            return i, captured, x

        del captured
    del body
    rt.wait()


@scene
def self_references(rt: pr.Runtime) -> None:
    for _ in range(30):
        captured = Counted()

        @rt.task
        def body() -> Any:
            return body.name, captured

        del captured
    del body


@scene
def spaces(rt: pr.Runtime) -> None:
    space = rt.space("T")
    for i in reversed(range(50)):
        rt.spawn(lambda x=None: Counted(), id=space[i, i], after=space[i - 1, i - 1] if i else None)
    rt.wait()
    assert isinstance(space[3, 3].result(), Counted)


@scene
def slices(rt: pr.Runtime) -> None:
    space = rt.space("T")
    for i in range(20):
        rt.spawn(Counted, id=space[i])
    rt.spawn(Counted, after=[space[:20], space, space[3:], space[:20:3]])


@scene
def missing(rt: pr.Runtime) -> None:
    for i in range(10):
        rt.spawn(lambda x: x, Counted(), after=rt.space("T")[i])
    with pytest.raises(ExceptionGroup):
        rt.wait()


@scene
def refused(rt: pr.Runtime) -> None:
    space = rt.space("T")
    rt.spawn(Counted, id=space[0])
    for _ in range(10):
        with pytest.raises(pr.DuplicateIdError):
            rt.spawn(lambda *x: x, Counted(), id=space[0], kwargs={"a": Counted()})
        with pytest.raises(pr.CycleError):
            rt.spawn(lambda *x: x, *(Counted() for _ in range(9)), id=space[1], after=space[1])
        with pytest.raises(TypeError):
            rt.spawn(lambda *x: x, Counted(), after=[space[0], 5])  # type: ignore[list-item]
        with pytest.raises(TypeError):
            rt.spawn(Counted(), Counted())  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            rt.spawn(print, Counted(), name=Counted())  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            rt.task(Counted(), nope=Counted())  # type: ignore[call-overload]
        with pytest.raises(pr.CycleError):
            rt.task(space[2], Counted(), after=space[2])(lambda x: (x, space))


@scene
def callbacks(rt: pr.Runtime) -> None:
    for _ in range(20):
        task = rt.spawn(lambda x: x, Counted())
        task.add_done_callback(partial(raising_not, Counted()))
        task.add_done_callback(lambda task: task)
    rt.wait()
    task.add_done_callback(lambda task: None)


@scene
def nested(rt: pr.Runtime) -> None:
    def body(depth: int, counted: Counted) -> Any:
        return counted if depth == 0 else rt.spawn(body, depth - 1, Counted()).result()

    rt.spawn(body, 20, Counted()).result()


@scene
def timeouts(rt: pr.Runtime) -> None:
    gate = threading.Event()
    task = rt.spawn(lambda x: gate.wait() and x, Counted())
    for _ in range(20):
        with pytest.raises(TimeoutError):
            task.result(0)
    gate.set()


@scene
def cancelled(rt: pr.Runtime) -> None:
    with pytest.raises(Boom), pr.Runtime(workers=1) as inner:
        gate = threading.Event()
        first = inner.spawn(gate.wait)
        for _ in range(20):
            inner.spawn(lambda *x: x, Counted(), *(Counted() for _ in range(9)), after=first)
        inner._cancel_unstarted()
        gate.set()
        raise Boom


@scene
def generators(rt: pr.Runtime) -> None:
    rt.spawn(Counted, after=(rt.spawn(Counted) for _ in range(20)))
    rt.spawn(Counted, after=[{rt.spawn(Counted) for _ in range(20)}, (rt.spawn(Counted),)])


@pytest.mark.parametrize("name", SCENES)
def test_nothing_is_left(rt: pr.Runtime, name: str) -> None:
    SCENES[name](rt)
    settle_empty(rt)
    assert Counted.alive == 0
    assert rt.stats()["live_blocks"] == 0


@pytest.mark.parametrize("name", SCENES)
def test_reference_counts_are_even(single: pr.Runtime, name: str) -> None:
    SCENES[name](single)  # whatever is made once is made now
    settle_empty(single)
    watched: list[Any] = [None, True, False, (), "", 0, 1, pr.Task, pr.Space, pr.Slice, pr.Runtime, SCENES, raising]
    before = [sys.getrefcount(one) for one in watched]
    for _ in range(20):
        SCENES[name](single)
    settle_empty(single)
    after = [sys.getrefcount(one) for one in watched]
    # Caches of the interpreter and of pytest move a few; a leak of one a call moves hundreds.
    assert all(abs(x - y) < 20 for x, y in zip(before, after, strict=True)), list(
        zip(watched, before, after, strict=True)
    )


def test_references_of_none_do_not_drift(single: pr.Runtime) -> None:
    def spawn_all() -> None:
        for _ in range(1000):
            single.spawn(lambda: None, after=None, name=None, kwargs=None)
        single.wait()

    spawn_all()
    settle_empty(single)
    before = sys.getrefcount(None)
    spawn_all()
    settle_empty(single)
    assert abs(sys.getrefcount(None) - before) < 50


def test_objects_do_not_pile_up(rt: pr.Runtime) -> None:
    def count() -> int:
        settle_empty(rt)
        return len(gc.get_objects())

    for function in SCENES.values():
        function(rt)
    before = count()
    for _ in range(5):
        for function in SCENES.values():
            function(rt)
    assert count() - before < 100


def test_threads_end_with_the_runtime() -> None:
    def count() -> int:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("Threads:"))

    before = count()
    for _ in range(5):
        with pr.Runtime(workers=4) as rt:
            space = rt.space("T")
            tasks = [rt.spawn(lambda i=i: space[i + 1].result(), id=space[i]) for i in range(10)]
            rt.spawn(lambda: 0, id=space[10])
            assert tasks[0].result() == 0
        del rt, space, tasks
    assert count() == before


def test_a_destructor_that_spawns_and_raises(rt: pr.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append(args.exc_value))
    ended: list[int] = []

    class Odd:
        def __del__(self) -> None:
            rt.spawn(ended.append, 1)
            raise Boom

    for _ in range(20):
        rt.spawn(lambda x: x, Odd())
        rt.spawn(lambda *x: x, *(Odd() for _ in range(5)))
    settle(rt)
    settle(rt)
    assert len(ended) == 20 * 6
    assert {type(error) for error in seen} == {Boom}


def leave_by_result(rt: pr.Runtime, counted: Counted) -> None:
    task = rt.spawn(raising, counted)
    try:
        task.result()
    except Boom as error:
        saved = error
    assert saved is not None


def leave_by_reraise(rt: pr.Runtime, counted: Counted) -> None:
    task = rt.spawn(raising, counted)
    error = task.exception()
    assert error is not None
    try:
        raise error
    except Boom:
        pass


def leave_with_a_dependent(rt: pr.Runtime, counted: Counted) -> None:
    task = rt.spawn(raising, counted)
    dependent = rt.spawn(lambda x: x, task)
    for one in (dependent, task):
        try:
            one.result()
        except Exception as error:  # noqa: BLE001
            saved = error
    assert saved is not None


@pytest.mark.parametrize("leave", [leave_by_result, leave_by_reraise, leave_with_a_dependent])
def test_frames_that_hold_a_failed_task_are_collected(rt: pr.Runtime, leave: Any) -> None:
    counted = Counted()
    leave(rt, counted)
    del counted
    gc.collect()
    # Not reported yet: the runtime still holds the error, whole.
    with pytest.raises(ExceptionGroup) as caught:
        rt.wait()
    assert isinstance(caught.value.exceptions[0], Boom)
    assert caught.value.exceptions[0].__traceback__ is not None
    del caught
    settle_empty(rt)
    assert Counted.alive == 0
    assert rt.stats()["live_blocks"] == 0


def test_the_collector_spares_errors_that_dependents_hold(rt: pr.Runtime) -> None:
    def spawn() -> pr.Task[Any]:
        task = rt.spawn(raising, Counted())
        dependent: pr.Task[Any] = rt.spawn(lambda x: x, task)
        try:
            task.result()
        except Boom:
            pass
        return dependent

    dependent = spawn()
    with pytest.raises(ExceptionGroup):
        rt.wait()
    for _ in range(3):
        gc.collect()
    cause = dependent.exception().__cause__  # type: ignore[union-attr]
    assert isinstance(cause, Boom)
    assert cause.__traceback__ is not None
    assert cause.__traceback__.tb_frame.f_code.co_name == "raising"
    del dependent, cause
    settle(rt)
    gc.collect()
    assert Counted.alive == 0


def test_a_failing_task_that_names_itself_is_collected(rt: pr.Runtime) -> None:
    counted = Counted()
    alive = weakref.ref(counted)

    @rt.task(None, counted)
    def body(x: Counted) -> None:
        assert not body.done()
        raise Boom

    with pytest.raises(ExceptionGroup):
        rt.wait()
    del body, counted
    settle(rt)
    assert alive() is None


# ---- results that hold their task


def collect_until(rt: pr.Runtime, gone: Callable[[], bool]) -> None:
    """Collect until it is gone: a worker may be on its way from ending a task to letting go of it."""
    deadline = time.monotonic() + 60.0
    while not gone():
        assert time.monotonic() < deadline
        settle(rt)


class Holder:
    """Holds whatever is put into it."""

    def __init__(self) -> None:
        self.held: object = None


def test_a_result_that_holds_its_task_is_collected(rt: pr.Runtime) -> None:
    task = rt.spawn(Holder)
    result = task.result()
    result.held = task
    alive = weakref.ref(result)
    settle(rt)
    assert task.result() is result  # in reach, and spared
    del task, result
    collect_until(rt, lambda: alive() is None and rt.stats()["live_blocks"] == 0)


def test_results_that_hold_each_others_tasks_are_collected(rt: pr.Runtime) -> None:
    tasks = [rt.spawn(Holder) for _ in range(10)]
    results = [task.result() for task in tasks]
    for result, task in zip(results, tasks[1:] + tasks[:1], strict=True):
        result.held = [task, task]
    alive = [weakref.ref(result) for result in results]
    one = tasks[3]
    del result, task, tasks, results
    settle(rt)
    assert all(ref() is not None for ref in alive)  # one handle leads to all
    del one
    collect_until(rt, lambda: all(ref() is None for ref in alive))


def test_a_result_that_others_can_reach_is_spared(rt: pr.Runtime) -> None:
    T = rt.space("T")
    rt.spawn(Holder, id=T[0])
    result = T[0].result()
    result.held = T[0]
    del result
    settle(rt)
    assert isinstance(T[0].result().held, pr.Task)  # the space has it still


def test_a_collected_result_may_look_at_its_task(rt: pr.Runtime) -> None:
    seen: list[object] = []

    class Looks(Holder):
        def __del__(self) -> None:
            seen.append(self.held.result() is self)  # type: ignore[attr-defined]

    task = rt.spawn(Looks)
    task.result().held = task
    del task
    collect_until(rt, lambda: bool(seen))
    assert seen == [True]
