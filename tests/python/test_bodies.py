"""What may be the body of a task, and what is refused where it is spawned or decorated."""

from __future__ import annotations

import asyncio
import functools
import gc
import threading
import types
import warnings
from typing import TYPE_CHECKING, Any

import polyreme as pr
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


async def fetch(x: int = 1) -> int:
    return x


def numbers(n: int = 3) -> Iterator[int]:
    yield from range(n)


async def stream(n: int = 3) -> AsyncIterator[int]:
    for i in range(n):
        yield i


@types.coroutine
def old_style(x: int = 1) -> Iterator[None]:
    yield


class Service:
    def numbers(self) -> Iterator[int]:
        yield 1


REFUSED = [
    (old_style, "old_style is a generator made a coroutine by types.coroutine", "async def"),
    (numbers, "numbers is a generator function, of which a call runs nothing", "list(numbers(...))"),
    (stream, "stream is an async generator function", "ordinary function"),
    (Service().numbers, "Service.numbers is a generator function", "list("),
    (functools.partial(numbers, n=2), "numbers is a generator function", "list("),
]


@pytest.mark.parametrize(("fn", "what", "advice"), REFUSED)
def test_bodies_that_would_not_run(rt: pr.Runtime, fn: Any, what: str, advice: str) -> None:
    space = rt.space("T")
    spawns: list[Any] = [
        lambda: rt.spawn(fn),
        lambda: rt.spawn(fn, 1, 2, id=space[0], kwargs={"n": 3}),
        lambda: rt.task(fn),
        lambda: rt.task()(fn),
        lambda: rt.task(space[0], capture="reference")(fn),
    ]
    for spawn in spawns:
        with pytest.raises(TypeError) as caught:
            spawn()
        assert str(caught.value).startswith(what)
        assert advice in str(caught.value)
    assert rt.stats()["spawned"] == 0
    assert rt.spawn(lambda: "the id is still free", id=space[0]).result()


def test_bodies_may_use_what_cannot_be_a_body(rt: pr.Runtime) -> None:
    assert rt.spawn(lambda: asyncio.run(fetch(7))).result() == 7
    assert rt.spawn(lambda: list(numbers(4))).result() == [0, 1, 2, 3]
    assert list(rt.spawn(lambda: (x for x in range(3))).result()) == [0, 1, 2]


def test_the_executor_returns_coroutines_as_that_of_the_library_does() -> None:
    with pr.Executor(max_workers=1) as executor:
        assert list(executor.submit(numbers, 2).result()) == [0, 1]


# ---- @rt.task with and without parentheses


class Callable:
    def __call__(self) -> str:
        return "called"

    def method(self) -> str:
        return "method"


@pytest.mark.parametrize(
    ("fn", "value"),
    [
        (dict, {}),
        (threading.active_count, None),
        (Callable(), "called"),
        (Callable().method, "method"),
        (functools.partial(pow, 2, 3), 8),
        (functools.lru_cache(lambda: 5), 5),
        ("".join.__call__, TypeError),
    ],
)
def test_a_plain_decorator_spawns_any_callable(rt: pr.Runtime, fn: Any, value: Any) -> None:
    task = rt.task(fn)
    assert isinstance(task, pr.Task)
    if value is TypeError:
        assert isinstance(task.exception(), TypeError)
    else:
        assert value is None or task.result() == value
    assert rt.stats()["spawned"] == 1


def test_a_plain_decorator_over_another_one(rt: pr.Runtime) -> None:
    @rt.task
    @functools.lru_cache
    def body() -> int:
        return 5

    assert body.result() == 5


@pytest.mark.parametrize("fn", [lambda x: x, print, int, Callable(), functools.partial(print, 1)])
def test_a_callable_with_more_arguments_is_no_decorator(rt: pr.Runtime, fn: Any) -> None:
    calls: list[Any] = [
        lambda: rt.task(fn, 1),
        lambda: rt.task(fn, after=rt.space("T")),
        lambda: rt.task(fn, name="x"),
        lambda: rt.task(fn, fn),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=r"first argument is an id, not the callable .* use rt\.spawn\(fn, \*args"):
            call()
    assert rt.stats()["spawned"] == 0


def test_a_callable_as_the_first_argument_of_the_body(rt: pr.Runtime) -> None:
    space = rt.space("T")

    @rt.task(None, print)
    def first(fn: Any) -> Any:
        return fn

    @rt.task(space[0], print)
    def second(fn: Any) -> Any:
        return fn

    assert first.result() is second.result() is print


@pytest.mark.parametrize("arguments", [(), (None,), (5,), (None, print)])
def test_a_decorator_that_meets_no_function_is_warned_about(rt: pr.Runtime, arguments: Any) -> None:
    with pytest.warns(RuntimeWarning, match=r"rt\.task\(\.\.\.\) decorated nothing, so that nothing") as seen:
        rt.task(*arguments)
        gc.collect()
    assert [one.filename for one in seen] == [__file__]
    with pytest.warns(RuntimeWarning, match=r"use rt\.spawn\(fn, \*args\)"):
        rt.task(rt.space("T")[0], after=None)
    assert rt.stats()["spawned"] == 0


def test_a_decorator_that_raised_is_not_warned_about(rt: pr.Runtime) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TypeError):
            rt.task()(5)  # type: ignore[arg-type]
        with pytest.raises(LookupError):

            @rt.task()
            def body(x: Any = {}[0]) -> None:  # type: ignore[index]
                pass
