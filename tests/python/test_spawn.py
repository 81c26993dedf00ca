"""The call form: arguments, values, names and kinds of callables."""

from __future__ import annotations

import functools
import operator
import re
import threading
from typing import Any

import polyreme as pr
import pytest

pytestmark = pytest.mark.shared_runtime


def echo(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return args, kwargs


def test_a_call_without_arguments(rt: pr.Runtime) -> None:
    assert rt.spawn(lambda: 7).result() == 7


@pytest.mark.parametrize("count", [*range(12), 100, 1000])
def test_any_number_of_positional_arguments(rt: pr.Runtime, count: int) -> None:
    arguments = tuple(object() for _ in range(count))
    assert rt.spawn(echo, *arguments).result() == (arguments, {})


@pytest.mark.parametrize("positional", range(7))
@pytest.mark.parametrize("named", range(4))
def test_keyword_arguments(rt: pr.Runtime, positional: int, named: int) -> None:
    arguments = tuple(range(positional))
    keywords = {f"k{i}": object() for i in range(named)}
    assert rt.spawn(echo, *arguments, kwargs=keywords).result() == (arguments, keywords)


def test_the_keyword_arguments_are_those_of_the_spawn(single: pr.Runtime) -> None:
    gate = threading.Event()
    first = single.spawn(gate.wait)
    keywords = {"a": 1}
    task = single.spawn(echo, kwargs=keywords, after=first)
    keywords["a"] = 2
    keywords["b"] = 3
    gate.set()
    assert task.result() == ((), {"a": 1})
    assert keywords == {"a": 2, "b": 3}


def test_keywords_may_have_the_names_of_options(rt: pr.Runtime) -> None:
    keywords = {"after": 1, "id": 2, "name": 3, "kwargs": 4}
    assert rt.spawn(echo, kwargs=keywords).result() == ((), keywords)


def test_every_place_for_a_task_gets_its_value(rt: pr.Runtime) -> None:
    tasks = [rt.spawn(operator.mul, i, 10) for i in range(8)]
    for count in range(9):
        given = tasks[:count]
        named = {f"k{i}": task for i, task in enumerate(given)}
        values = tuple(range(0, 10 * count, 10))
        assert rt.spawn(echo, *given).result() == (values, {})
        assert rt.spawn(echo, kwargs=named).result() == ((), dict(zip(named, values, strict=True)))
        assert rt.spawn(echo, "x", *given, kwargs=named).result()[0] == ("x", *values)


def test_tasks_and_plain_arguments_mixed(rt: pr.Runtime) -> None:
    a = rt.spawn(lambda: "a")
    b = rt.spawn(lambda: "b")
    assert rt.spawn(echo, 1, a, 2, b).result() == ((1, "a", 2, "b"), {})
    assert rt.spawn(echo, a, 1, b, 2, a, 3).result() == (("a", 1, "b", 2, "a", 3), {})
    assert rt.spawn(echo, a, a, a, a).result() == (("a",) * 4, {})


def test_tasks_inside_containers_are_no_arguments(rt: pr.Runtime) -> None:
    a = rt.spawn(lambda: 1)
    (got,), _ = rt.spawn(echo, [a]).result()
    assert got == [a]
    assert isinstance(got[0], pr.Task)


def test_a_task_that_returns_a_task_passes_the_handle_on(rt: pr.Runtime) -> None:
    inner = rt.spawn(lambda: "inner")
    outer = rt.spawn(lambda: inner)
    assert outer.result() is inner
    assert rt.spawn(lambda got: got is inner, outer).result()


class Account:
    """Something with methods."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, amount: int, *, times: int = 1) -> int:
        self.total += amount * times
        return self.total

    @classmethod
    def make(cls) -> Account:
        return cls()

    @staticmethod
    def double(x: int) -> int:
        return 2 * x

    def __call__(self, x: int) -> int:
        return x + 1


def test_kinds_of_callables(rt: pr.Runtime) -> None:
    account = Account()
    assert rt.spawn(account.add, 5).result() == 5
    assert rt.spawn(account.add, 5, kwargs={"times": 3}).result() == 20
    assert isinstance(rt.spawn(Account.make).result(), Account)
    assert rt.spawn(Account.double, 4).result() == 8
    assert rt.spawn(account, 4).result() == 5
    assert isinstance(rt.spawn(Account).result(), Account)
    assert rt.spawn(Account.add, account, 1).result() == 21
    assert rt.spawn(pow, 2, 10).result() == 1024
    assert rt.spawn(pow, 2, 10, 7).result() == 2
    assert rt.spawn(sorted, [3, 1, 2], kwargs={"reverse": True}).result() == [3, 2, 1]
    assert rt.spawn([3, 1].index, 1).result() == 1
    assert rt.spawn(functools.partial(pow, 2), 5).result() == 32
    assert rt.spawn(functools.partial(account.add, times=2), 1).result() == 23
    assert rt.spawn(operator.itemgetter(1), [1, 2]).result() == 2
    assert rt.spawn(int, "12").result() == 12
    assert rt.spawn(dict, kwargs={"a": 1}).result() == {"a": 1}
    assert rt.spawn("{} {}".format, 1, 2).result() == "1 2"
    assert rt.spawn(functools.lru_cache(lambda x: x), 3).result() == 3


BIG = bytes(1 << 20)


@pytest.mark.parametrize(
    "value",
    [None, True, False, 0, -1, 10**400, 1.5, "", "text", b"", BIG, [], (), {}, object(), NotImplemented, ..., len, int],
    ids=lambda value: type(value).__name__,
)
def test_values_arrive_as_they_are(rt: pr.Runtime, value: object) -> None:
    task = rt.spawn(lambda: value)
    assert task.result() is value
    assert task.result() is value
    assert rt.spawn(lambda given: given is value, task).result() is True
    assert rt.spawn(lambda given: given, value).result() is value


def test_exceptions_and_classes_are_values_when_returned(rt: pr.Runtime) -> None:
    error = ValueError("returned, not raised")
    assert rt.spawn(lambda: error).result() is error
    assert rt.spawn(lambda: ValueError).result() is ValueError


def test_generators_are_values(rt: pr.Runtime) -> None:
    def numbers() -> Any:
        yield from range(3)

    assert list(rt.spawn(lambda: numbers()).result()) == [0, 1, 2]
    assert list(rt.spawn(list, numbers()).result()) == [0, 1, 2]


def test_numpy_arrays_are_passed_by_reference(rt: pr.Runtime) -> None:
    np = pytest.importorskip("numpy")
    array = np.zeros(1000)

    def fill(into: Any, value: float) -> Any:
        into[:] = value
        return into

    filled = rt.spawn(fill, array, 3.0)
    assert filled.result() is array
    assert rt.spawn(np.sum, filled).result() == 3000.0


def test_the_call_form_captures_nothing(single: pr.Runtime) -> None:
    gate = threading.Event()
    first = single.spawn(gate.wait)
    value = 1
    task = single.spawn(lambda: value, after=first)
    value = 2
    gate.set()
    assert task.result() == 2


def test_names(rt: pr.Runtime) -> None:
    task = rt.spawn(lambda: 0, name="the answer")
    assert task.name == "the answer"
    assert "the answer" in repr(task)
    assert rt.spawn(lambda: 0, name="größer ≥ 1").name == "größer ≥ 1"
    unnamed = rt.spawn(lambda: 0)
    assert unnamed.name.startswith("task #")
    space = rt.space("Rows")
    assert space.name == "Rows"
    assert rt.spawn(lambda: 0, id=space[3]).name == "Rows[3]"
    assert rt.spawn(lambda: 0, id=space[4], name="middle").name == "Rows[4] (middle)"
    assert rt.spawn(lambda: 0, name="").name


def test_names_keep_every_character(rt: pr.Runtime) -> None:
    assert rt.spawn(lambda: 0, name="a\0b").name == "a\0b"
    assert rt.space("a\0b").name == "a\0b"
    assert rt.space("a\0b")[1].name == "a\0b[1]"


def test_repr_says_how_far_a_task_is(single: pr.Runtime) -> None:
    space = single.space("T")
    entered, gate = threading.Event(), threading.Event()

    def body() -> None:
        entered.set()
        gate.wait()

    running = single.spawn(body, name="r")
    waiting = single.spawn(lambda: 1 // 0, after=running, name="w")
    behind = single.spawn(lambda: 0, after=waiting, name="b")
    entered.wait()
    assert repr(running) == "<Task r running>"
    assert repr(waiting) == "<Task w waiting>"
    assert repr(space[1]) == "<Task T[1] not spawned>"
    gate.set()
    assert isinstance(behind.exception(), pr.DependencyFailed)
    assert repr(running) == "<Task r done>"
    assert repr(waiting) == "<Task w failed>"
    assert repr(behind) == "<Task b cancelled>"
    unnamed = single.spawn(lambda: 0)
    unnamed.result()
    assert re.fullmatch(r"<Task #\d+ done>", repr(unnamed))
    assert unnamed.name == f"task {repr(unnamed).split()[1]}"


def test_handles_of_one_task_are_equal(rt: pr.Runtime) -> None:
    space = rt.space("T")
    task = rt.spawn(lambda: 1, id=space[0])
    other = rt.spawn(lambda: 1)
    assert space[0] == task
    assert hash(space[0]) == hash(task)
    assert task != other
    assert task != 1
    assert {task, space[0], other} == {task, other}


def test_options_may_be_none(rt: pr.Runtime) -> None:
    assert rt.spawn(echo, after=None, id=None, name=None, kwargs=None).result() == ((), {})
    assert rt.spawn(echo, kwargs={}).result() == ((), {})


def test_spawn_order_is_kept_by_chains(rt: pr.Runtime) -> None:
    order: list[int] = []
    previous: pr.Task[None] | None = None
    for i in range(500):
        previous = rt.spawn(order.append, i, after=previous)
    assert previous is not None
    previous.result()
    assert order == list(range(500))


def test_a_subclass_of_the_runtime_works() -> None:
    class Mine(pr.Runtime):
        pass

    with Mine(workers=1) as runtime:
        assert runtime.spawn(lambda: 1).result() == 1
