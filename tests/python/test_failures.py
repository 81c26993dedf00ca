"""What bodies raise reaches the user, once, with the place of the spawn, and keeps nothing alive for longer."""

from __future__ import annotations

import gc
import traceback
import weakref
from typing import Any

import polyreme as pr
import pytest


class Boom(Exception):
    """What bodies raise here."""


def boom(text: str = "boom") -> None:
    raise Boom(text)


def line_of(marker: str) -> int:
    """The line of this file that ends with `# marker`."""
    with open(__file__, encoding="utf-8") as file:
        return next(number for number, line in enumerate(file, 1) if line.rstrip().endswith("# " + marker))


# ---- groups


def test_wait_raises_a_group_of_what_bodies_raised(rt: pr.Runtime) -> None:
    rt.spawn(boom, "one", name="first")  # first spawn
    rt.spawn(boom, "two")  # second spawn
    with pytest.raises(ExceptionGroup) as caught:
        rt.wait()
    assert str(caught.value) == "2 tasks failed (2 sub-exceptions)"
    notes = {str(error): error.__notes__ for error in caught.value.exceptions}
    assert notes == {
        "one": [f"polyreme: raised by first, spawned at {__file__}:{line_of('first spawn')}"],
        "two": [f"polyreme: raised by boom, spawned at {__file__}:{line_of('second spawn')}"],
    }
    rt.wait()  # reported once


def test_leaving_the_block_raises_a_group() -> None:
    with pytest.raises(ExceptionGroup, match=r"1 task failed, 2 not run because of that") as caught:
        with pr.Runtime(workers=2) as rt:
            first = rt.spawn(boom)
            second = rt.spawn(lambda x: x, first)
            rt.spawn(lambda x: x, second)
    (error,) = caught.value.exceptions
    assert isinstance(error, Boom)
    assert rt.closed


def test_the_place_of_a_decorated_spawn(rt: pr.Runtime) -> None:
    @rt.task
    def failing() -> None:
        raise Boom

    with pytest.raises(ExceptionGroup) as caught:
        rt.wait()
    (note,) = caught.value.exceptions[0].__notes__
    assert "raised by " in note
    assert "failing" in note
    assert f"{__file__}:" in note


def test_places_of_one_line_in_a_loop(rt: pr.Runtime) -> None:
    for _ in range(5):
        rt.spawn(boom)
    with pytest.raises(ExceptionGroup) as caught:
        rt.wait()
    assert len({error.__notes__[0] for error in caught.value.exceptions}) == 1


def test_an_id_is_named_in_the_note(rt: pr.Runtime) -> None:
    rt.spawn(boom, id=rt.space("T")[3, 4])
    with pytest.raises(ExceptionGroup) as caught:
        rt.wait()
    assert "raised by T[3, 4] (boom), spawned at" in caught.value.exceptions[0].__notes__[0]


def test_a_result_that_was_asked_for_is_reported_again_by_wait(rt: pr.Runtime) -> None:
    task = rt.spawn(boom)
    with pytest.raises(Boom):
        task.result()
    with pytest.raises(ExceptionGroup):
        rt.wait()


def test_subgroups_can_be_handled_by_kind(rt: pr.Runtime) -> None:
    def other() -> None:
        raise LookupError("other")

    rt.spawn(boom)
    rt.spawn(other)
    kinds = []
    try:
        rt.wait()
    except* Boom:
        kinds.append("boom")
    except* LookupError:
        kinds.append("lookup")
    assert kinds == ["boom", "lookup"]


def test_a_body_that_raises_a_group(rt: pr.Runtime) -> None:
    def body() -> None:
        raise ExceptionGroup("inner", [Boom("a"), Boom("b")])

    task = rt.spawn(body)
    with pytest.raises(ExceptionGroup, match="inner"):
        task.result()
    with pytest.raises(ExceptionGroup, match="1 task failed") as caught:
        rt.wait()
    assert str(caught.value.exceptions[0]).startswith("inner")


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_base_exceptions_of_bodies(rt: pr.Runtime, error: type[BaseException]) -> None:
    def body() -> None:
        raise error("from a body")

    task = rt.spawn(body)
    dependent = rt.spawn(lambda x: x, task)
    with pytest.raises(error, match="from a body"):
        task.result()
    assert isinstance(dependent.exception(), pr.DependencyFailed)
    with pytest.raises(BaseExceptionGroup) as caught:
        rt.wait()
    assert not isinstance(caught.value, ExceptionGroup)
    assert [type(one) for one in caught.value.exceptions] == [error]
    assert rt.spawn(lambda: "goes on").result() == "goes on"


def test_exceptions_with_odd_classes(rt: pr.Runtime) -> None:
    class Needy(Exception):
        def __init__(self, one: int, two: int) -> None:
            super().__init__(one, two)

    class NoNotes(Exception):
        add_note = None  # type: ignore[assignment]

    class Raising(Exception):
        def __init__(self) -> None:
            raise LookupError("while it is made")

    def body(kind: Any, *args: Any) -> None:
        raise kind(*args)

    assert rt.spawn(body, Needy, 1, 2).exception().args == (1, 2)  # type: ignore[union-attr]
    assert isinstance(rt.spawn(body, NoNotes).exception(), NoNotes)
    assert isinstance(rt.spawn(body, Raising).exception(), LookupError)
    with pytest.raises(ExceptionGroup) as caught:
        rt.wait()
    assert {type(error) for error in caught.value.exceptions} == {Needy, NoNotes, LookupError}


def test_a_call_that_does_not_fit_the_function(rt: pr.Runtime) -> None:
    task = rt.spawn(lambda x: x)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        task.result()
    with pytest.raises(TypeError, match="unexpected keyword argument 'nope'"):
        rt.spawn(lambda: 0, kwargs={"nope": 1}).result()
    with pytest.raises(TypeError, match="must be str"):
        rt.spawn(lambda: 0, kwargs={1: 1}).result()  # type: ignore[dict-item]


def test_recursion_errors(rt: pr.Runtime) -> None:
    def endless() -> Any:
        return endless()

    assert isinstance(rt.spawn(endless).exception(), RecursionError)


# ---- dependents


def test_dependents_fail_from_the_original(rt: pr.Runtime) -> None:
    error = Boom("the original")

    def body() -> None:
        raise error

    first = rt.spawn(body, name="culprit")
    dependents = [
        rt.spawn(lambda x: x, first),
        rt.spawn(lambda: None, after=first),
        rt.spawn(lambda: None, after=[[first]]),
        rt.spawn(lambda x=None: x, kwargs={"x": first}),
    ]
    dependents.append(rt.spawn(lambda *x: x, *dependents))
    for task in dependents:
        with pytest.raises(pr.DependencyFailed, match="not run, because culprit failed") as caught:
            task.result()
        assert caught.value.__cause__ is error
        assert isinstance(task.exception(), pr.DependencyFailed)
    with pytest.raises(ExceptionGroup, match="1 task failed, 5 not run because of that"):
        rt.wait()


def test_dependents_spawned_after_the_failure(rt: pr.Runtime) -> None:
    first = rt.spawn(boom)
    first.exception()
    assert isinstance(rt.spawn(lambda x: x, first).exception(), pr.DependencyFailed)
    with pytest.raises(ExceptionGroup):
        rt.wait()
    assert isinstance(rt.spawn(lambda x: x, first).exception(), pr.DependencyFailed)


def test_the_bodies_of_dependents_never_run(rt: pr.Runtime) -> None:
    ran: list[int] = []
    first = rt.spawn(boom)
    for i in range(50):
        rt.spawn(ran.append, i, after=first)
    with pytest.raises(ExceptionGroup, match="50 not run"):
        rt.wait()
    assert ran == []


def test_a_body_that_handles_the_failure_of_another(rt: pr.Runtime) -> None:
    def body() -> str:
        try:
            rt.spawn(boom).result()
        except Boom as error:
            return str(error)
        return "?"

    assert rt.spawn(body).result() == "boom"


# ---- tracebacks


def test_the_traceback_shows_the_body(rt: pr.Runtime) -> None:
    task = rt.spawn(boom)
    with pytest.raises(Boom) as caught:
        task.result()
    text = "".join(traceback.format_exception(caught.value))
    assert "in boom" in text
    assert "raise Boom(text)" in text


def test_the_traceback_does_not_grow(rt: pr.Runtime) -> None:
    task = rt.spawn(boom)
    lengths = []
    for _ in range(20):
        try:
            task.result()
        except Boom as error:
            lengths.append(len(traceback.extract_tb(error.__traceback__)))
    assert len(set(lengths)) == 1
    kept = task.exception()
    assert kept is not None
    assert len(traceback.extract_tb(kept.__traceback__)) == lengths[0] - 1


class Array:
    """Stands for a large array: its end can be watched."""


def raise_with(array: Array) -> None:
    local = array  # noqa: F841  kept by the frame
    raise Boom


def test_an_error_keeps_arrays_only_as_long_as_it_lives(rt: pr.Runtime) -> None:
    array = Array()
    alive = weakref.ref(array)
    task = rt.spawn(raise_with, array)
    dependent = rt.spawn(lambda x: x, task)
    del array
    with pytest.raises(ExceptionGroup):
        rt.wait()
    with pytest.raises(pr.DependencyFailed):
        dependent.result()
    del task, dependent
    rt.spawn(lambda: None).result()
    gc.collect()
    rt.spawn(lambda: None).result()
    assert alive() is None


def test_arguments_are_dropped_when_the_body_returns(rt: pr.Runtime) -> None:
    array = Array()
    alive = weakref.ref(array)
    task = rt.spawn(lambda given: None, array)
    kept = rt.spawn(lambda given=None: given, kwargs={"given": array})
    del array
    task.result()
    assert isinstance(kept.result(), Array)
    del kept
    while alive() is not None:  # without a lock a worker may still be dropping its part of the task
        rt.spawn(lambda: None).result()
        gc.collect()
    assert task.result() is None


def test_arguments_of_cancelled_tasks_are_dropped(rt: pr.Runtime) -> None:
    array = Array()
    alive = weakref.ref(array)
    failed = rt.spawn(boom)
    cancelled = rt.spawn(lambda *given: given, failed, array, after=failed, kwargs={})
    del array
    with pytest.raises(ExceptionGroup):
        rt.wait()
    assert cancelled.done()
    gc.collect()
    rt.spawn(lambda: None).result()
    assert alive() is None


def test_results_are_dropped_with_the_last_handle(rt: pr.Runtime) -> None:
    task = rt.spawn(Array)
    alive = weakref.ref(task.result())
    rt.wait()
    assert alive() is not None
    del task
    gc.collect()
    rt.spawn(lambda: None).result()
    assert alive() is None
