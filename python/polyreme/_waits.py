"""Waits for several tasks, as `concurrent.futures` has them for futures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from polyreme._core import Arrivals, Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION", "DoneAndNotDone", "as_completed", "wait"]

# The values of concurrent.futures, which costs more to import than this package.
FIRST_COMPLETED = "FIRST_COMPLETED"
FIRST_EXCEPTION = "FIRST_EXCEPTION"
ALL_COMPLETED = "ALL_COMPLETED"

_T = TypeVar("_T")


class DoneAndNotDone(NamedTuple):
    """What wait() returns: two sets of tasks."""

    done: set[Task[Any]]
    not_done: set[Task[Any]]


def wait(tasks: Iterable[Task[Any]], timeout: float | None = None, return_when: str = ALL_COMPLETED) -> DoneAndNotDone:
    """Wait for several tasks, of any runtimes.

    Args:
        tasks: what to wait for; a task that is named twice counts once.
        timeout: seconds; None means as long as it takes. When they are over, what is done by then is returned.
        return_when: FIRST_COMPLETED, FIRST_EXCEPTION (a body has raised; cancelled tasks do not count) or
            ALL_COMPLETED.

    Raises:
        TypeError: something is no Task.
        ValueError: another return_when.
        MissingTaskError, CycleError: the wait can never end.
    """
    if return_when not in (FIRST_COMPLETED, FIRST_EXCEPTION, ALL_COMPLETED):
        message = f'return_when={return_when!r}; it is "FIRST_COMPLETED", "FIRST_EXCEPTION" or "ALL_COMPLETED"'
        raise ValueError(message)
    each, end = _each(tasks), _end(timeout)
    arrivals = Arrivals(each if timeout != 0 else ())  # for a look nothing has to be told of an end
    while (place := arrivals.take(_left(end))) is not None and place >= 0:
        if return_when == FIRST_COMPLETED or (return_when == FIRST_EXCEPTION and _raised(each[place])):
            break
    done = {task for task in each if task.done()}
    return DoneAndNotDone(done, set(each) - done)


def as_completed(tasks: Iterable[Task[_T]], timeout: float | None = None) -> Iterator[Task[_T]]:
    """Return an iterator over tasks, of any runtimes, in the order in which they end.

    Args:
        tasks: those that are done already come first; a task that is named twice comes once.
        timeout: seconds from this call; None means as long as it takes.

    Raises:
        TypeError: something is no Task.
        TimeoutError: when the next one is asked for and is not done in time.
        MissingTaskError, CycleError: the wait can never end.
    """
    each = _each(tasks)
    return _in_order(each, Arrivals(each), _end(timeout), timeout)


def _in_order(
    each: tuple[Task[_T], ...], arrivals: Arrivals, end: float | None, timeout: float | None
) -> Iterator[Task[_T]]:
    left: list[Task[_T] | None] = list(each)
    del each
    taken = 0
    while (place := arrivals.take(_left(end))) != -1:
        if place is None:
            message = f"{len(left) - taken} of {len(left)} tasks are not done after {timeout!r} s"
            raise TimeoutError(message)
        taken += 1
        yield _taken_out(left, place)  # by no name here: whoever drops it frees its result


def _taken_out(left: list[Task[_T] | None], place: int) -> Task[_T]:
    task, left[place] = left[place], None
    assert task is not None
    return task


def _each(tasks: Iterable[Task[_T]]) -> tuple[Task[_T], ...]:
    given: object = tasks
    if isinstance(given, Task):
        message = f"{given!r} is one task; give a list of tasks, or use its result()"
        raise TypeError(message)
    each = tuple(tasks)
    for one in cast("tuple[object, ...]", each):
        if not isinstance(one, Task):
            message = f"{one!r} is no Task; wait for futures with concurrent.futures"
            raise TypeError(message)
    return tuple(dict.fromkeys(each))


def _end(timeout: object) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        message = f"timeout={timeout!r}; it is a number of seconds from 0, or None"
        raise TypeError(message)
    if not timeout >= 0:
        message = f"timeout={timeout!r}; it is a number of seconds from 0, or None"
        raise ValueError(message)
    return time.monotonic() + timeout


def _left(end: float | None) -> float | None:
    return None if end is None else max(0.0, end - time.monotonic())


def _raised(task: Task[Any]) -> bool:
    return not task.cancelled() and task.exception() is not None
