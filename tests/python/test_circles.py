"""Waits that cannot end are errors: circles of dependencies, of waits, and ids that nobody spawned."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import polyreme as pr
import pytest


def failures_of(group: BaseExceptionGroup[Any]) -> list[type[BaseException]]:
    return [type(error) for error in group.exceptions]


def test_a_task_after_itself(rt: pr.Runtime) -> None:
    space = rt.space("T")
    with pytest.raises(pr.CycleError, match=r"T\[0\] depends on itself"):
        rt.spawn(lambda: None, id=space[0], after=space[0])
    with pytest.raises(pr.CycleError, match=r"T\[1\]"):
        rt.spawn(lambda x: None, space[1], id=space[1])
    with pytest.raises(pr.CycleError, match=r"T\[2\]"):
        rt.task(space[2], after=space[:4])(lambda: None)


@pytest.mark.parametrize("length", [2, 3, 10, 200])
def test_the_spawn_that_closes_a_circle_raises(rt: pr.Runtime, length: int) -> None:
    space = rt.space("T")
    for i in range(length - 1):
        rt.spawn(lambda: None, id=space[i], after=space[i + 1])
    with pytest.raises(
        pr.CycleError, match=rf"T\[{length - 1}\] closes a circle of dependencies: T\[{length - 1}\] ->"
    ):
        rt.spawn(lambda: None, id=space[length - 1], after=space[0])
    rt.spawn(lambda: None, id=space[length - 1])  # the id is still free
    rt.wait()


def test_a_circle_too_long_to_see_at_the_spawn_ends_the_wait(rt: pr.Runtime) -> None:
    space = rt.space("T")
    length = 2000
    for i in range(length):
        rt.spawn(lambda: None, id=space[i], after=space[(i + 1) % length])
    with pytest.raises(ExceptionGroup) as caught:
        rt.wait()
    assert failures_of(caught.value) == [pr.CycleError]
    assert "T[" in str(caught.value.exceptions[0])
    assert "more)" in str(caught.value.exceptions[0])
    assert rt.stats()["completed"] == length


def test_an_id_that_is_never_spawned(rt: pr.Runtime) -> None:
    space = rt.space("T")
    task = rt.spawn(lambda: None, after=space[77], name="needy")
    with pytest.raises(ExceptionGroup) as caught:
        rt.wait()
    assert failures_of(caught.value) == [pr.MissingTaskError]
    text = str(caught.value.exceptions[0])
    assert "T[77]" in text
    assert "needy" in text
    assert "test_circles.py" in text
    assert "1 not run" in str(caught.value)
    assert isinstance(task.exception(), pr.PolyremeError)
    with pytest.raises(pr.MissingTaskError):
        space[77].result()


def test_several_missing_ids_are_all_named(rt: pr.Runtime) -> None:
    space = rt.space("T")
    for i in range(5):
        rt.spawn(lambda: None, after=space[i, i])
    with pytest.raises(ExceptionGroup) as caught:
        rt.wait()
    text = " ".join(map(str, caught.value.exceptions))
    assert all(f"T[{i}, {i}]" in text for i in range(5))
    assert failures_of(caught.value) == [pr.MissingTaskError] * 5


def test_the_result_of_an_id_that_is_never_spawned(rt: pr.Runtime) -> None:
    space = rt.space("T")
    with pytest.raises(pr.MissingTaskError, match=r"T\[3\] was never spawned"):
        space[3].result()
    with pytest.raises(pr.DuplicateIdError, match=r"T\[3\]"):
        rt.spawn(lambda: 1, id=space[3])


def test_a_missing_id_of_a_space_that_is_gone(rt: pr.Runtime) -> None:
    task = rt.spawn(lambda: None, after=rt.space("gone")[5])
    with pytest.raises(ExceptionGroup, match="1 task failed"):
        rt.wait()
    assert task.done()


def test_leaving_the_block_names_missing_ids() -> None:
    with pytest.raises(ExceptionGroup) as caught, pr.Runtime(workers=1) as rt:
        rt.spawn(lambda: None, after=rt.space("T")[0])
    assert failures_of(caught.value) == [pr.MissingTaskError]


def test_a_body_that_waits_for_itself(rt: pr.Runtime) -> None:
    @rt.task
    def body() -> Any:
        return body.result()

    with pytest.raises(pr.UsageError, match="waits for itself"):
        body.result()


def test_two_bodies_that_wait_for_each_other(rt: pr.Runtime) -> None:
    space = rt.space("T")
    first = rt.spawn(lambda: space[1].result(), id=space[0])
    second = rt.spawn(lambda: space[0].result(), id=space[1])
    errors = [first.exception(), second.exception()]
    assert pr.CycleError in map(type, errors)
    assert any("T[0]" in str(error) and "T[1]" in str(error) for error in errors)


def test_a_body_that_waits_for_a_task_after_it(rt: pr.Runtime) -> None:
    space = rt.space("T")
    first = rt.spawn(lambda: space[1].result(), id=space[0])
    second = rt.spawn(lambda: None, id=space[1], after=space[0])
    assert isinstance(first.exception(), pr.CycleError)
    assert isinstance(second.exception(), pr.DependencyFailed)


def test_a_body_that_waits_for_an_id_nobody_spawns(rt: pr.Runtime) -> None:
    space = rt.space("T")
    task = rt.spawn(lambda: space[9].result())
    assert isinstance(task.exception(), pr.MissingTaskError)


def test_a_body_may_catch_the_error_and_go_on(rt: pr.Runtime) -> None:
    space = rt.space("T")

    def body() -> str:
        try:
            space[9].result()
        except pr.MissingTaskError:
            return "went on"
        return "?"

    assert rt.spawn(body).result() == "went on"


def test_an_id_spawned_by_a_running_task_is_not_missing(rt: pr.Runtime) -> None:
    space = rt.space("T")
    last = rt.spawn(lambda x: x + 1, space[1])
    rt.spawn(lambda: rt.spawn(lambda: 41, id=space[1]))
    assert last.result() == 42


def test_a_registered_producer_may_come_later(rt: pr.Runtime) -> None:
    space = rt.space("T")
    waiting = threading.Event()
    registered = threading.Event()

    def produce() -> None:
        with rt.producer():
            registered.set()
            waiting.wait()
            rt.spawn(lambda: 5, id=space[0])

    thread = threading.Thread(target=produce)
    thread.start()
    registered.wait()
    needy = rt.spawn(lambda x: x + 1, space[0])
    with pytest.raises(TimeoutError):
        needy.result(timeout=0)
    waiting.set()
    assert needy.result() == 6
    thread.join()


def test_a_producer_that_leaves_without_spawning(rt: pr.Runtime) -> None:
    space = rt.space("T")
    go, registered = threading.Event(), threading.Event()

    def produce() -> None:
        with rt.producer():
            registered.set()
            go.wait()

    thread = threading.Thread(target=produce)
    thread.start()
    registered.wait()
    needy = rt.spawn(lambda x: x, space[0])
    needy.add_done_callback(lambda task: None)
    go.set()
    with pytest.raises(pr.MissingTaskError):
        space[0].result()
    assert isinstance(needy.exception(), pr.PolyremeError)
    thread.join()


def test_a_waiting_producer_does_not_count(rt: pr.Runtime) -> None:
    space = rt.space("T")
    with rt.producer(), rt.producer(), pytest.raises(pr.MissingTaskError):
        space[0].result()


def test_leaving_a_producer_block_that_was_not_entered(rt: pr.Runtime) -> None:
    errors: list[BaseException] = []

    def leave() -> None:
        try:
            rt.producer().__exit__(None, None, None)
        except pr.UsageError as error:
            errors.append(error)

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
    assert "not registered" in str(errors[0])


def test_a_producer_block_may_outlive_the_runtime() -> None:
    runtime = pr.Runtime(workers=1)
    with pytest.raises(LookupError), runtime.producer():
        runtime.close()
        raise LookupError


def test_a_stalled_wait_is_warned_about_with_names() -> None:
    warned = threading.Event()
    texts: list[str] = []

    class Warned(pr.Runtime):
        def _warn(self, text: str) -> None:
            texts.append(text)
            warned.set()

    with Warned(workers=1, stall_warning=0.001) as rt:
        space = rt.space("T")
        go, registered = threading.Event(), threading.Event()

        def produce() -> None:
            with rt.producer():
                registered.set()
                warned.wait()
                rt.spawn(lambda: None, id=space[0])

        thread = threading.Thread(target=produce)
        thread.start()
        registered.wait()
        rt.spawn(lambda: None, after=space[0], name="needy").result()
        thread.join()
        go.set()
    assert "1 task id was named but is not spawned, and" in texts[0]
    assert "T[0], needed by needy" in texts[0]


def test_a_stalled_wait_for_several_ids_is_warned_about_in_the_plural() -> None:
    texts: list[str] = []

    class Warned(pr.Runtime):
        def _warn(self, text: str) -> None:
            texts.append(text)
            for i in range(2):
                self.spawn(lambda: None, id=space[i])

    with Warned(workers=1, stall_warning=0.001) as rt:
        space = rt.space("T")
        with rt.producer():
            rt.spawn(lambda: None, after=space[:2])
            thread = threading.Thread(target=rt.wait)
            thread.start()
            thread.join()
    assert "2 task ids were named but are not spawned, and" in texts[0]


def test_warnings_are_python_warnings() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        runtime = pr.Runtime(workers=1)
        runtime._warn("some text")
        runtime.close()
    assert [(w.category, str(w.message)) for w in caught] == [(RuntimeWarning, "some text")]


def test_circles_do_not_stop_others(rt: pr.Runtime) -> None:
    space = rt.space("T")
    good = [rt.spawn(lambda i=i: i) for i in range(100)]
    rt.spawn(lambda: None, after=space[0])
    with pytest.raises(ExceptionGroup):
        rt.wait()
    assert [task.result() for task in good] == list(range(100))
    assert rt.spawn(lambda: "still works").result() == "still works"
    rt.wait()
