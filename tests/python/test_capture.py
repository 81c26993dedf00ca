"""The decorator form: what a body sees of the variables around it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import polyreme as pr

if TYPE_CHECKING:
    from collections.abc import Iterator
import pytest

pytestmark = pytest.mark.shared_runtime


class Held:
    """A runtime with a task that ends only when it is told to; others are spawned after it."""

    def __init__(self, rt: pr.Runtime) -> None:
        self.gate = threading.Event()
        self.rt = rt
        self.first = rt.spawn(self.gate.wait)

    def go(self) -> None:
        self.gate.set()


@pytest.fixture
def held(single: pr.Runtime) -> Iterator[Held]:
    """Tasks after `held.first` start once `held.go()` was called."""
    holder = Held(single)
    yield holder
    holder.go()


def module(source: str, **names: Any) -> dict[str, Any]:
    """Run source as a module or a notebook cell does: its variables are globals."""
    namespace: dict[str, Any] = {"__name__": "cell", "__builtins__": __builtins__, **names}
    exec(compile(source, "<cell>", "exec"), namespace)
    return namespace


def test_the_name_becomes_the_task(rt: pr.Runtime) -> None:
    @rt.task
    def bare() -> int:
        return 1

    @rt.task()
    def called() -> int:
        return 2

    assert isinstance(bare, pr.Task)
    assert (bare.result(), called.result()) == (1, 2)


def test_arguments_of_the_decorator(rt: pr.Runtime) -> None:
    space = rt.space("T")
    before = rt.spawn(lambda: 10)

    @rt.task(space[0], before, 5, name="sum", kwargs={"c": before})
    def total(a: int, b: int, *, c: int) -> int:
        return a + b + c

    assert total.result() == 25
    assert total == space[0]

    @rt.task(None, space[0], after=[before])
    def plus_one(a: int) -> int:
        return a + 1

    assert plus_one.result() == 26

    @rt.task(before)  # a spawned task is an argument and no id
    def value_of(a: int) -> int:
        return a

    assert value_of.result() == 10


@pytest.mark.parametrize("count", range(8))
def test_any_number_of_arguments_of_the_decorator(rt: pr.Runtime, count: int) -> None:
    @rt.task(None, *range(count))
    def got(*args: int) -> tuple[int, ...]:
        return args

    assert got.result() == tuple(range(count))


def test_loop_variables_in_a_function(held: Held) -> None:
    tasks = []
    for i in range(5):
        total = i * i

        @held.rt.task(after=held.first)
        def body() -> tuple[int, int]:
            return i, total

        tasks.append(body)
    held.go()
    assert [task.result() for task in tasks] == [(i, i * i) for i in range(5)]


def test_loop_variables_of_a_notebook_cell(held: Held) -> None:
    cell = module(
        """
tasks = []
for i in range(5):
    word = str(i)
    pair = (i, (word, 1.5, b"x", True))
    @rt.task(after=first)
    def body():
        return i, word, pair
    tasks.append(body)
i = word = pair = None
""",
        rt=held.rt,
        first=held.first,
    )
    held.go()
    got = [task.result() for task in cell["tasks"]]
    assert got == [(i, str(i), (i, (str(i), 1.5, b"x", True))) for i in range(5)]


@pytest.mark.thread_unsafe(reason="sets a global of this module")
@pytest.mark.parametrize(
    ("before", "later", "captured"),
    [
        ("1", "2", True),
        ("1.5", "2.5", True),
        ("True", "False", True),
        ("'a'", "'b'", True),
        ("b'a'", "b'b'", True),
        ("()", "(1,)", True),
        ("(1, 'a', (2.0, b'c'))", "0", True),
        ("([],)", "0", False),
        ("[1]", "[2]", False),
        ("{'a': 1}", "{}", False),
        ("{1}", "set()", False),
        ("None", "1", False),
        ("1j", "2j", False),
        ("object", "int", False),
        ("Sub(1)", "2", False),
    ],
)
def test_which_globals_are_captured(held: Held, before: str, later: str, captured: bool) -> None:
    cell = module(
        f"""
class Sub(int): pass
x = {before}
was = x
@rt.task(after=first)
def body():
    return x
x = {later}
""",
        rt=held.rt,
        first=held.first,
    )
    held.go()
    assert cell["body"].result() is (cell["was"] if captured else cell["x"])


def test_closure_cells_of_every_kind_are_captured(held: Held) -> None:
    items: Any = [1]
    other: Any = {"a": 1}

    @held.rt.task(after=held.first)
    def body() -> Any:
        return items, other

    captured = items, other
    items, other = None, None
    captured[0].append(2)  # the variable is captured, its object is shared
    held.go()
    assert body.result() == ([1, 2], {"a": 1})


@pytest.mark.thread_unsafe(reason="opens a gate that all threads share")
def test_globals_that_appear_later_are_found(held: Held) -> None:
    cell = module(
        """
n = 3
@rt.task(after=first)
def body():
    return n, later(n)
def later(x): return x + 1
n = 100
""",
        rt=held.rt,
        first=held.first,
    )
    held.go()
    assert cell["body"].result() == (3, 4)


def test_builtins_and_shadowed_builtins(held: Held) -> None:
    cell = module(
        """
n = 3
sum = 17
@rt.task(after=first)
def body():
    return n, sum, len([1, 2]), max(1, 2), __name__
sum = 18
""",
        rt=held.rt,
        first=held.first,
    )
    held.go()
    assert cell["body"].result() == (3, 17, 2, 2, "cell")


def test_a_missing_name_is_a_name_error(held: Held) -> None:
    cell = module("n = 3\n@rt.task\ndef body():\n    return n, nowhere\n", rt=held.rt)
    held.go()
    with pytest.raises(NameError, match="nowhere"):
        cell["body"].result()


@pytest.mark.thread_unsafe(reason="opens a gate that all threads share")
def test_a_deleted_global_is_still_captured(held: Held) -> None:
    cell = module(
        "n = 3\nlive = []\n@rt.task(after=first)\ndef body():\n    return n, live\ndel n, live\n",
        rt=held.rt,
        first=held.first,
    )
    held.go()
    with pytest.raises(NameError, match="live"):
        cell["body"].result()
    cell = module("n = 3\n@rt.task\ndef body():\n    return n\ndel n\n", rt=held.rt)
    assert cell["body"].result() == 3


@pytest.mark.thread_unsafe(reason="opens a gate that all threads share")
def test_a_variable_without_a_value_yet_stays_shared(held: Held) -> None:
    def outer() -> pr.Task[int]:
        @held.rt.task(after=held.first)
        def body() -> int:
            return value

        value = 5
        task: pr.Task[int] = body
        return task

    task = outer()
    held.go()
    assert task.result() == 5


def test_a_variable_that_never_gets_a_value(held: Held) -> None:
    def outer() -> pr.Task[int]:
        @held.rt.task
        def body() -> int:
            return value

        if not held.rt.workers:
            value = 1
        task: pr.Task[int] = body
        return task

    held.go()
    with pytest.raises(NameError, match="value"):
        outer().result()


def test_nested_functions_lambdas_and_comprehensions(held: Held) -> None:
    cell = module(
        """
k = 2
def make(j):
    @rt.task(after=first)
    def body():
        def nested(x):
            return (lambda y: y * k + j)(x)
        return [nested(i) + k for i in range(3)], {k: j for _ in "a"}, sum(k for _ in range(j))
    j = None
    return body
body = make(10)
k = None
""",
        rt=held.rt,
        first=held.first,
    )
    held.go()
    assert cell["body"].result() == ([12, 14, 16], {2: 10}, 20)


def test_classes_in_a_body_see_globals_and_captures(held: Held) -> None:
    cell = module(
        """
n = 3
live = ["here"]
@rt.task(after=first)
def body():
    class Inner:
        number = n
        things = live
        size = len(live)
        __slots__ = ()
    return Inner.number, Inner.things, Inner.size, Inner.__module__
n = 4
""",
        rt=held.rt,
        first=held.first,
    )
    held.go()
    assert cell["body"].result() == (3, ["here"], 1, "cell")


def test_defaults_and_keyword_defaults_and_attributes(held: Held) -> None:
    n = 1

    def body(a: int = n, *, b: int = n + 1) -> tuple[int, int, int]:
        return a, b, n

    body.mark = "kept"  # type: ignore[attr-defined]
    body.__kwdefaults__ = {"b": 7}
    task = held.rt.task(after=held.first)(body)
    body.__defaults__ = (50,)
    n = 2
    held.go()
    assert task.result() == (1, 7, 1)


def test_the_copy_is_named_like_the_function(held: Held) -> None:
    import sys

    n = 1

    @held.rt.task
    def body() -> tuple[int, str]:
        return n, sys._getframe().f_code.co_qualname

    held.go()
    assert body.result()[1].endswith("<locals>.body")


def test_a_self_reference_is_the_task(rt: pr.Runtime) -> None:
    @rt.task
    def body() -> Any:
        return body

    assert body.result() == body
    cell = module("@rt.task\ndef body():\n    return body, body.done()\n", rt=rt)
    task, done = cell["body"].result()
    assert task == cell["body"]
    assert done is False


def test_a_self_reference_in_a_loop_is_the_own_task(held: Held) -> None:
    cell = module(
        """
tasks = []
for i in range(4):
    @rt.task(after=first, name=str(i))
    def body():
        return body.name
    tasks.append(body)
""",
        rt=held.rt,
        first=held.first,
    )
    held.go()
    assert [task.result() for task in cell["tasks"]] == ["0", "1", "2", "3"]


def test_an_earlier_task_of_another_name_is_a_live_global(held: Held) -> None:
    cell = module(
        "@rt.task(after=first)\ndef one(): return 1\n@rt.task(None, one)\ndef two(x): return x + one.result()\n",
        rt=held.rt,
        first=held.first,
    )
    held.go()
    assert cell["two"].result() == 2


def test_recursion_through_a_helper(rt: pr.Runtime) -> None:
    def factorial(n: int) -> int:
        return 1 if n == 0 else n * factorial(n - 1)

    @rt.task
    def body() -> int:
        return factorial(20)

    assert body.result() == 2432902008176640000


# ---- assignments


@pytest.mark.parametrize(
    "statement",
    ["total += 1", "total = 1", "del total", "for total in (): pass", "import os as total", "(total := 1)"],
)
def test_assigning_a_closure_variable_is_an_error(rt: pr.Runtime, statement: str) -> None:
    source = f"""
def outer(rt):
    total = 0
    @rt.task
    def body():
        nonlocal total
        {statement}
    return total
"""
    cell = module(source)
    with pytest.raises(ValueError, match=r"body.* assigns 'total'.*capture=\"reference\""):
        cell["outer"](rt)
    assert rt.stats()["spawned"] == 0


@pytest.mark.parametrize("statement", ["total += 1", "total = total + 1", "del total", "print(total); total = 1"])
def test_assigning_a_captured_global_is_an_error(rt: pr.Runtime, statement: str) -> None:
    source = f"total = 0\n@rt.task\ndef body():\n    global total\n    {statement}\n"
    with pytest.raises(ValueError, match=r"assigns .*'total'.*capture=\"reference\""):
        module(source, rt=rt)


def test_assigning_in_a_nested_function_counts(rt: pr.Runtime) -> None:
    total = 0
    with pytest.raises(ValueError, match="'total'"):

        @rt.task
        def body() -> None:
            def inner() -> None:
                nonlocal total
                total = 1

            inner()

    assert total == 0


def test_assigning_own_variables_is_fine(rt: pr.Runtime) -> None:
    n = 2

    @rt.task
    def body() -> int:
        own = 1

        def inner() -> None:
            nonlocal own
            own += n

        inner()
        return own

    assert body.result() == 3


def test_assigning_a_global_that_is_not_captured(rt: pr.Runtime) -> None:
    cell = module("result = None\n@rt.task\ndef body():\n    global result\n    result = [1]\nbody.result()\n", rt=rt)
    assert cell["result"] == [1]


@pytest.mark.thread_unsafe(reason="opens a gate that all threads share")
def test_capture_by_reference_shares_variables(held: Held) -> None:
    total = 0

    @held.rt.task(after=held.first, capture="reference")
    def body() -> int:
        nonlocal total
        total += 1
        return total

    total = 10
    held.go()
    assert body.result() == 11
    assert total == 11
    cell = module(
        "n = 1\n@rt.task(capture='reference')\ndef body():\n    global n\n    n += 1\nbody.result()\n", rt=held.rt
    )
    assert cell["n"] == 2


def test_capture_by_value_may_be_said(rt: pr.Runtime) -> None:
    @rt.task(capture="value")
    def body() -> int:
        return 1

    @rt.task(capture=None)
    def other() -> int:
        return 2

    assert (body.result(), other.result()) == (1, 2)


def test_the_original_function_is_untouched(rt: pr.Runtime) -> None:
    n = 1

    def body() -> tuple[int, Any]:
        return n, body

    task = rt.task(body)
    task.result()
    n = 2
    assert body() == (2, body)


# ---- what else a body may do


def test_imports_in_a_captured_body(rt: pr.Runtime) -> None:
    cell = module(
        """
n = 3
@rt.task
def body():
    import os.path as path
    from math import floor, pi
    from collections import OrderedDict
    return n, path.basename("/a/b"), floor(pi), OrderedDict.__name__
""",
        rt=rt,
    )
    assert cell["body"].result() == (3, "b", 3, "OrderedDict")


def test_relative_imports_in_a_captured_body(rt: pr.Runtime) -> None:
    import collections

    cell = module(
        "n = 3\n@rt.task\ndef body():\n    from . import abc\n    return n, abc.__name__\n",
        rt=rt,
        __package__="collections",
        __spec__=collections.__spec__,
        __path__=collections.__path__,
    )
    assert cell["body"].result() == (3, "collections.abc")


def test_super_and_class_cells(rt: pr.Runtime) -> None:
    class Base:
        def value(self) -> int:
            return 20

    class Derived(Base):
        def value(self) -> int:
            n = 1

            @rt.task
            def body() -> tuple[int, type]:
                return super(__class__, self).value() + n, __class__  # type: ignore[name-defined]

            result: int = body.result()[0]
            assert body.result()[1] is Derived
            return result

        def zero_argument(self) -> int:
            @rt.task(None, self)
            def body(this: Derived) -> int:
                return super().value()

            result: int = body.result()
            return result

    assert Derived().value() == 21
    assert Derived().zero_argument() == 20


def test_generators_in_a_captured_body(rt: pr.Runtime) -> None:
    n = 3

    @rt.task
    def body() -> list[int]:
        def numbers() -> Any:
            yield from range(n)

        return list(numbers())

    assert body.result() == [0, 1, 2]


def test_other_callables_are_run_as_they_are(rt: pr.Runtime) -> None:
    class Adder:
        def __init__(self, n: int) -> None:
            self.n = n

        def add(self) -> int:
            return self.n + 1

        __call__ = add

    assert rt.task()(Adder(1).add).result() == 2
    assert rt.task()(Adder(2)).result() == 3
    assert rt.task()(dict).result() == {}


def test_lambdas_are_captured_too(held: Held) -> None:
    tasks = [held.rt.task(after=held.first)(lambda: i) for i in range(3)]
    held.go()
    assert [task.result() for task in tasks] == [0, 1, 2]


def test_a_decorator_spawns_again_each_time_it_is_called(rt: pr.Runtime) -> None:
    decorate = rt.task(None, 5)
    first = decorate(lambda x: x + 1)
    second = decorate(lambda x: x + 2)
    assert (first.result(), second.result()) == (6, 7)


def test_many_functions_with_the_same_code(held: Held) -> None:
    tasks = []
    for i in range(200):

        @held.rt.task(after=held.first)
        def body() -> int:
            return i

        tasks.append(body)
    held.go()
    assert [task.result() for task in tasks] == list(range(200))


def test_equal_code_with_other_captures(held: Held) -> None:
    source = "@rt.task(after=first)\ndef body():\n    return x\n"
    cells = [module(f"x = {i}\n{source}x = None\n", rt=held.rt, first=held.first) for i in range(5)]
    held.go()
    assert [cell["body"].result() for cell in cells] == list(range(5))
