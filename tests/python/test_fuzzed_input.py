"""Whatever objects a program passes, and wherever: nothing crashes, nothing hangs, and the runtime closes."""

from __future__ import annotations

import contextlib
from typing import Any

import polyreme as pr
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def body(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
    return args, kwargs


def fail() -> None:
    raise ArithmeticError


class Odd:
    """Raises for almost everything that C code asks of an object."""

    def __index__(self) -> int:
        raise LookupError

    def __float__(self) -> float:
        raise LookupError

    def __iter__(self) -> Any:
        raise LookupError

    def __getattr__(self, name: str) -> Any:
        raise LookupError(name)

    def __bool__(self) -> bool:
        raise LookupError

    def __repr__(self) -> str:
        raise LookupError


class Text(str):
    """A str that is not quite one."""


class Keys(dict[str, Any]):
    """A dict that is not quite one."""


class Items(list[Any]):
    """A list with other items than it has."""

    def __iter__(self) -> Any:
        yield 5


class Live:
    """Stands, until the example runs, for an object of its runtime."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Live({self.name!r})"


LIVE = ("task", "done", "failed", "id", "unspawned", "slice", "space", "runtime", "odd", "other")
SPECIAL = [Text("x"), Keys(a=1), Items([1]), body, len, int, NotImplemented, ..., 1j, range(3)]

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.integers(),
    st.floats(0, 0.01) | st.floats(max_value=-1) | st.just(float("nan")),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.sampled_from(SPECIAL),
    st.sampled_from(LIVE).map(Live),
    st.slices(5),
)
anything = st.recursive(values, lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner), max_leaves=5)
names = st.sampled_from(["after", "id", "name", "kwargs", "capture", "timeout", "x"])


class Subject:
    """A runtime with something of everything in it."""

    def __init__(self, rt: pr.Runtime, other: pr.Runtime) -> None:
        self.rt = rt
        self.space = rt.space("T")
        self.task = rt.spawn(body, id=self.space[99])
        failed = rt.spawn(fail)
        failed.exception()
        things = (self.task, self.task, failed, self.space[99], self.space[7], self.space[:2], self.space, rt, Odd())
        self.things: dict[str, Any] = dict(zip(LIVE, (*things, other.spawn(body)), strict=True))
        for i in range(3):
            rt.spawn(body, id=self.space[i])

    def filled(self, value: Any) -> Any:
        """The value with the objects of this runtime in the places that were kept for them."""
        if isinstance(value, Live):
            return self.things[value.name]
        if type(value) in (list, tuple):
            return type(value)(self.filled(one) for one in value)
        return value

    def call(self, what: str, arguments: list[Any], keywords: dict[str, Any]) -> object:
        match what:
            case "spawn":
                return self.rt.spawn(body, *arguments, **keywords)
            case "spawn anything":
                return self.rt.spawn(*arguments, **keywords)
            case "task":
                return self.rt.task(*arguments, **keywords)(body)
            case "space":
                return self.rt.space(*arguments)
            case "index":
                return self.space[tuple(arguments)], self.space[arguments[0]]
            case "result":
                return self.task.result(*arguments, **keywords)
            case "callback":
                self.task.add_done_callback(*arguments)
            case _:
                self.rt.wait(*arguments, **keywords)
        return None


CALLS = ("spawn", "spawn anything", "task", "space", "index", "result", "callback", "wait")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what odd callbacks raise
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    calls=st.lists(
        st.tuples(st.sampled_from(CALLS), st.lists(anything, max_size=6), st.dictionaries(names, anything, max_size=4)),
        max_size=8,
    )
)
def test_any_input(calls: list[tuple[str, list[Any], dict[str, Any]]]) -> None:
    with pr.Runtime(workers=1) as other:
        rt = pr.Runtime(workers=2)
        subject = Subject(rt, other)
        for what, arguments, keywords in calls:
            with contextlib.suppress(Exception):
                subject.call(
                    what,
                    [subject.filled(one) for one in arguments],
                    {name: subject.filled(value) for name, value in keywords.items()},
                )
        assert rt.spawn(lambda: "goes on").result() == "goes on"
        with contextlib.suppress(ExceptionGroup):
            rt.close()
        assert rt.closed
