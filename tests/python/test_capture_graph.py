"""Captured graphs: nodes that are made once and run again and again."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import threading
import weakref
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import polyreme as pr
import pytest
from busy import Busy
from native_library import compile_library, declare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Thing:
    """Something that can be watched and compared by identity."""


# ---- values and order


def test_values_go_from_node_to_node(rt: pr.Runtime) -> None:
    with rt.capture("values") as g:
        a = g.spawn(lambda: 20)
        b = g.spawn(lambda x, y: x + y, a, 1)
        c = g.spawn(lambda x, *, scale: scale * x, b, kwargs={"scale": a})
        d = g.spawn(lambda *args: args, a, b, c, 1, 2, 3, 4, 5, 6, 7)
    run = g.run()
    assert [run[node] for node in (a, b, c)] == [20, 21, 420]
    assert run[d] == (20, 21, 420, 1, 2, 3, 4, 5, 6, 7)
    assert run.done()
    assert run.result() is None


def test_nodes_without_a_value_give_none(rt: pr.Runtime) -> None:
    with rt.capture() as g:
        nothing = g.spawn(lambda: None)
        seen = g.spawn(lambda x: [x], nothing)
    run = g.run()
    assert run[nothing] is None
    assert run[seen] == [None]


def test_results_are_those_of_their_run(rt: pr.Runtime) -> None:
    with rt.capture() as g:
        node = g.spawn(Thing)
        same = g.spawn(lambda x: x, node)
    first, second = g.run(), g.run()
    assert first[node] is first[same]
    assert second[node] is second[same]
    assert first[node] is not second[node]


def test_after_orders(rt: pr.Runtime) -> None:
    order: list[int] = []
    with rt.capture() as g:
        nodes = [g.spawn(order.append, 0)]
        for i in range(1, 50):
            nodes.append(g.spawn(order.append, i, after=nodes[-1]))
        g.spawn(order.append, 50, after=[iter(nodes), (nodes[0], [nodes[-1]])])
    for _ in range(3):
        g.run()
        assert order == list(range(51))
        order.clear()


def test_wide_graphs_run_every_node_once(rt: pr.Runtime) -> None:
    counts = [0] * 500

    def count(i: int) -> int:
        counts[i] += 1
        return i

    with rt.capture() as g:
        sources = [g.spawn(count, i) for i in range(499)]
        total = g.spawn(lambda *values: count(499) and sum(values), *sources)
    for times in range(1, 4):
        assert g.run()[total] == sum(range(499))
        assert counts == [times] * 500


def test_an_empty_graph_runs(rt: pr.Runtime) -> None:
    with rt.capture() as g:
        pass
    assert g.size == 0
    run = g.run()
    assert run.result() is None
    assert "empty" in repr(run)
    other = rt.capture()
    node = other.spawn(int)
    with pytest.raises(pr.UsageError, match="empty"):
        run[node]


def test_bodies_of_every_kind(rt: pr.Runtime) -> None:
    class Adder:
        def __call__(self, x: int = 1) -> int:
            return x + 1

        def method(self, x: int) -> int:
            return x + 2

    import functools

    with rt.capture() as g:
        nodes = [
            g.spawn(Adder()),
            g.spawn(Adder().method, 1),
            g.spawn(functools.partial(pow, 2), 5),
            g.spawn(max, 1, 2, kwargs={"key": lambda x: -x}),
            g.spawn(str.upper, "a"),
            g.spawn(dict, kwargs={"a": 1}),
        ]
    run = g.run()
    assert [run[node] for node in nodes] == [2, 3, 32, 1, "A", {"a": 1}]


def test_kwargs_are_as_they_were_at_the_capture(single: pr.Runtime) -> None:
    keywords: dict[str, Any] = {"a": 1}
    g = single.capture()
    node = g.spawn(dict, kwargs=keywords)
    keywords["a"] = 2
    assert g.run()[node] == {"a": 1}


# ---- the decorator


def test_the_decorator_captures_by_value(rt: pr.Runtime) -> None:
    nodes = []
    with rt.capture() as g:
        x = g.argument(10, name="x")
        for i in range(5):

            @g.task
            def plain() -> int:
                return i

            @g.task(x, plain, after=nodes, name=f"sum {i}", kwargs={"more": 1000})
            def total(value: int, one: int, *, more: int) -> int:
                return value + one + 100 * i + more

            nodes.append(total)
    run = g.run()
    assert [run[node] for node in nodes] == [1010 + 101 * i for i in range(5)]
    assert nodes[3].name == "sum 3"
    assert g.size == 10


def test_the_decorators_body_knows_its_node(single: pr.Runtime) -> None:
    g = single.capture()

    @g.task()
    def body() -> object:
        return body

    assert g.run()[body] is body
    assert body.graph is g


def test_the_decorator_takes_any_callable(single: pr.Runtime) -> None:
    g = single.capture()
    node = g.task("ab")(str.upper)
    assert g.run()[node] == "AB"
    with pytest.raises(TypeError, match="callable, not 3"):
        single.capture().task()(3)  # type: ignore[type-var]


# ---- arguments


def test_arguments_have_defaults_and_can_be_set(rt: pr.Runtime) -> None:
    with rt.capture() as g:
        x = g.argument(1, name="x")
        y = g.argument([2])
        node = g.spawn(lambda a, b, c: (a, b, c), x, y, x)
    assert g.run()[node] == (1, [2], 1)
    assert g.run(x=5)[node] == (5, [2], 5)
    assert g.run({x: 6, y: 7})[node] == (6, 7, 6)
    assert g.run(MappingProxyType({"x": 8}))[node] == (8, [2], 8)
    assert g.run({y: None}, x=9)[node] == (9, None, 9)
    assert g.run(None)[node] == (1, [2], 1)


def test_a_default_is_no_copy(single: pr.Runtime) -> None:
    thing = Thing()
    g = single.capture()
    node = g.spawn(lambda value: value, g.argument(thing))
    assert g.run()[node] is thing


def test_wrong_arguments_of_a_run(single: pr.Runtime) -> None:
    g = single.capture("step")
    x = g.argument(1, name="x")
    other = single.capture().argument(1, name="x")
    for call, error, text in [
        (lambda: g.run(z=1), TypeError, r"no argument 'z'; it has \['x'\]"),
        (lambda: g.run({x: 1}, x=2), TypeError, "'x' is given twice"),
        (lambda: g.run({other: 1}), pr.UsageError, "another graph"),
        (lambda: g.run({1: 1}), TypeError, "not 1"),
        (lambda: g.run([1]), TypeError, "a mapping"),
        (lambda: g.run({}, {}), TypeError, "one mapping"),
    ]:
        with pytest.raises(error, match=text):
            call()  # type: ignore[no-untyped-call]
    assert g.run(x=2).done()


def test_wrong_arguments_of_a_graph(single: pr.Runtime) -> None:
    g = single.capture()
    g.argument(1, name="x")
    with pytest.raises(ValueError, match="has an argument 'x' already"):
        g.argument(2, name="x")
    for bad in ("not one", 3):
        with pytest.raises(ValueError, match="identifier"):
            g.argument(1, name=bad)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        g.argument()  # type: ignore[call-arg]


# ---- bad input


def test_wrong_nodes(single: pr.Runtime) -> None:
    async def coroutine() -> None: ...

    def generator() -> Any:
        yield

    g = single.capture("g")
    node = g.spawn(int)
    other = single.capture("other").spawn(int)
    task = single.spawn(int)
    cases: list[tuple[Callable[[], object], type[Exception], str]] = [
        (lambda: g.spawn(), TypeError, "needs a callable"),  # type: ignore[call-overload]
        (lambda: g.spawn(3), TypeError, "callable, not 3"),  # type: ignore[call-overload]
        (lambda: g.spawn(coroutine), TypeError, "coroutine function.*spawn it as a task"),
        (lambda: g.spawn(generator), TypeError, "generator function"),
        (lambda: g.spawn(int, task), TypeError, "a task, which is done once"),
        (lambda: g.spawn(int, after=task), TypeError, "takes nodes"),
        (lambda: g.spawn(int, after="abc"), TypeError, "takes nodes"),
        (lambda: g.spawn(int, after=[[3]]), TypeError, "takes nodes.*not 3"),
        (lambda: g.spawn(int, other), pr.UsageError, "another graph"),
        (lambda: g.spawn(int, after=[node, other]), pr.UsageError, "another graph"),
        (lambda: g.spawn(int, retries=1), TypeError, "'retries'; a node takes after, name and kwargs"),  # type: ignore[call-overload]
        (lambda: g.spawn(int, priority=1), TypeError, "'priority'"),  # type: ignore[call-overload]
        (lambda: g.spawn(int, name=3), TypeError, "name= is a str"),  # type: ignore[call-overload]
        (lambda: g.spawn(int, kwargs=3), TypeError, "kwargs= is a dict"),  # type: ignore[call-overload]
        (lambda: g.spawn(int, kwargs={1: 2}), TypeError, "names of parameters"),  # type: ignore[dict-item]
        (lambda: single.capture(name=3), TypeError, "is a str"),  # type: ignore[arg-type]
    ]
    for call, error, text in cases:
        with pytest.raises(error, match=text):
            call()
    assert g.size == 1
    run = g.run()
    with pytest.raises(pr.UsageError, match="another graph"):
        run[other]
    with pytest.raises(TypeError, match="result of a node"):
        run[0]  # type: ignore[index]


def test_the_capture_ends(single: pr.Runtime) -> None:
    with single.capture("block") as block:
        block.spawn(int)
    ran = single.capture("ran")
    ran.spawn(int)
    ran.run()
    for g in (block, ran):
        with pytest.raises(pr.UsageError, match="is over"):
            g.spawn(int)
        with pytest.raises(pr.UsageError, match="is over"):
            g.argument(1)
        with pytest.raises(pr.UsageError, match="is over"):
            g.__enter__()


def test_a_callable_that_gives_a_coroutine_fails(rt: pr.Runtime) -> None:
    async def coroutine() -> None: ...

    g = rt.capture()
    node = g.spawn(lambda: coroutine())
    with pytest.raises(ExceptionGroup) as caught:
        g.run()
    assert caught.group_contains(TypeError, match="returned a coroutine")
    assert node.name is not None


def test_a_closed_runtime(single: pr.Runtime) -> None:
    g = single.capture()
    node = g.spawn(lambda: 3)
    run = g.run()
    single.close()
    for call in (single.capture, g.run, g.run_async, lambda: g.spawn(int), lambda: g.argument(1)):
        with pytest.raises(pr.RuntimeClosedError):
            call()
    assert run[node] == 3
    assert g.size == 1


# ---- failure and cancellation


def test_failures_are_raised_together_and_leave_the_graph_runnable(rt: pr.Runtime) -> None:
    def fail_if(bad: object, text: str) -> str:
        if bad:
            raise ValueError(text)
        return text

    with rt.capture("step") as g:
        bad = g.argument(False, name="bad")
        one = g.spawn(fail_if, bad, "one", name="first")
        two = g.spawn(fail_if, bad, "two")
        after = g.spawn(lambda x: x + "!", one)
        good = g.spawn(lambda: "good")
    for _ in range(2):
        with pytest.raises(ExceptionGroup, match="2 nodes of a captured graph step failed, 1 not run") as caught:
            g.run(bad=True)
        assert sorted(str(error) for error in caught.value.exceptions) == ["one", "two"]
        (named,) = [error for error in caught.value.exceptions if str(error) == "one"]
        assert any(
            "raised by first, spawned at" in note and "test_capture_graph.py" in note for note in named.__notes__
        )
        run = g.run()
        assert [run[node] for node in (one, two, after, good)] == ["one", "two", "one!", "good"]


def test_results_of_a_failed_run(rt: pr.Runtime) -> None:
    error = KeyError("mine")

    def fail() -> int:
        raise error

    with rt.capture() as g:
        failed = g.spawn(fail)
        after = g.spawn(lambda x: x, failed)
        last = g.spawn(int, after=after)
        good = g.spawn(lambda: "good")
    run = g.run_async()
    for _ in range(2):
        with pytest.raises(ExceptionGroup) as group:
            run.result()
        assert group.value.exceptions == (error,)
        assert len(error.__notes__) == 1
    with pytest.raises(KeyError) as caught:
        run[failed]
    assert caught.value is error
    for node in (after, last):
        with pytest.raises(pr.DependencyFailed) as dependent:
            run[node]
        assert dependent.value.__cause__ is error
    assert run[good] == "good"
    with pytest.raises(ExceptionGroup) as reported:
        rt.wait()
    (inner,) = reported.value.exceptions
    assert isinstance(inner, ExceptionGroup)
    assert inner.exceptions == (error,)


def test_a_cancelled_run_leaves_the_graph_runnable(single: pr.Runtime) -> None:
    started, go_on = threading.Event(), threading.Event()

    def wait_once() -> int:
        started.set()
        go_on.wait()
        return 1

    with single.capture() as g:
        first = g.spawn(wait_once)
        rest = g.spawn(lambda x: x + 1, first)
    run = g.run_async()
    started.wait()
    run.cancel()
    go_on.set()
    with pytest.raises(pr.TaskCancelled):
        run.result()
    assert run.cancelled()
    assert run[first] == 1
    with pytest.raises(pr.TaskCancelled):
        run[rest]
    assert g.run()[rest] == 2


def test_a_body_may_see_that_it_is_to_stop(pair: pr.Runtime) -> None:
    started = threading.Event()

    def spin() -> None:
        started.set()
        while True:
            pr.context().raise_if_cancelled()

    g = pair.capture()
    g.spawn(spin)
    run = g.run_async()
    started.wait()
    run.cancel()
    assert isinstance(run.exception(), pr.TaskCancelled)


def test_scopes_wait_for_runs(rt: pr.Runtime) -> None:
    g = rt.capture()
    g.spawn(lambda: 1 / 0)
    with pytest.raises(ExceptionGroup), rt.scope():
        g.run_async()
    rt.wait()


# ---- several at once, and everywhere


def test_several_runs_in_flight(pair: pr.Runtime) -> None:
    with pair.capture() as g:
        x = g.argument(0, name="x")
        node = g.spawn(lambda value: value, x)
        for _ in range(20):
            node = g.spawn(lambda value: value + 1, node)
    runs = [g.run_async(x=i) for i in range(100)]
    assert [run[node] for run in runs] == [i + 20 for i in range(100)]


def test_runs_from_several_threads(pair: pr.Runtime) -> None:
    with pair.capture() as g:
        x = g.argument(0, name="x")
        node = g.spawn(lambda value: value * 2, g.spawn(lambda value: value + 1, x))
    wrong: list[int] = []

    def run_many(base: int) -> None:
        wrong.extend(i for i in range(base, base + 100) if g.run(x=i)[node] != 2 * (i + 1))

    threads = [threading.Thread(target=run_many, args=(1000 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_captures_from_several_threads(pair: pr.Runtime) -> None:
    g = pair.capture()
    threads = [threading.Thread(target=lambda: [g.spawn(Thing) for _ in range(100)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert g.size == 400
    g.run()


def test_a_body_runs_a_graph(rt: pr.Runtime) -> None:
    with rt.capture() as g:
        node = g.spawn(lambda value: value + 1, g.argument(0, name="x"))

    def body(i: int) -> int:
        return g.run(x=i)[node] + g.run_async(x=i)[node]

    tasks = [rt.spawn(body, i) for i in range(20)]
    assert [task.result() for task in tasks] == [2 * (i + 1) for i in range(20)]


def test_runs_are_tasks(rt: pr.Runtime) -> None:
    g = rt.capture()
    done: list[int] = []
    node = g.spawn(done.append, 1)
    run = g.run_async()
    assert isinstance(run, pr.Task)
    assert rt.spawn(lambda value: (value, list(done)), run).result() == (None, [1])
    assert rt.spawn(len, done, after=[run]).result() == 1
    called = threading.Event()
    run.add_done_callback(lambda task: task is run and called.set())
    assert called.wait(30)
    assert run[node] is None


def test_nodes_spawn_tasks(rt: pr.Runtime) -> None:
    g = rt.capture()
    node = g.spawn(lambda: rt.spawn(lambda: 7).result())
    assert g.run()[node] == 7


def test_graphs_in_graphs(rt: pr.Runtime) -> None:
    order: list[str] = []
    with rt.capture("inner") as inner:
        a = inner.spawn(order.append, "a")
        inner.spawn(order.append, "b", after=a)
        inner.spawn(lambda value: order.append(value), inner.argument("default", name="value"), after=a)
    with rt.capture("outer") as outer:
        before = outer.spawn(order.append, "before")
        middle = outer.spawn(inner, after=before)
        again = outer.spawn(inner, after=middle, name="again")
        last = outer.spawn(lambda nothing: order.append("last") or nothing, middle, after=again)
    for _ in range(3):
        run = outer.run()
        assert order[0] == "before"
        assert order[-1] == "last"
        assert sorted(order[1:4]) == sorted(order[4:7]) == ["a", "b", "default"]
        assert run[middle] is None
        assert run[last] is None
        order.clear()
    assert middle.name == "inner"
    assert again.name == "again"


def test_a_failure_in_an_inner_graph_is_its_nodes(rt: pr.Runtime) -> None:
    inner = rt.capture("inner")
    inner.spawn(lambda: 1 / 0)
    with rt.capture("outer") as outer:
        node = outer.spawn(inner)
        after = outer.spawn(int, after=node)
    run = outer.run_async()
    error = run.exception()
    assert isinstance(error, ExceptionGroup)
    assert error.subgroup(ZeroDivisionError) is not None
    with pytest.raises(ExceptionGroup):
        run[node]
    with pytest.raises(pr.DependencyFailed):
        run[after]
    with pytest.raises(ExceptionGroup):
        rt.wait()


def test_wrong_graphs_in_graphs(single: pr.Runtime) -> None:
    inner, outer = single.capture("inner"), single.capture("outer")
    with pytest.raises(pr.UsageError, match="a node of itself"):
        outer.spawn(outer)
    with pytest.raises(TypeError, match="takes no arguments"):
        outer.spawn(inner, 1)  # type: ignore[call-overload]
    with pr.Runtime(workers=1) as other, pytest.raises(pr.UsageError, match="another runtime"):
        outer.spawn(other.capture())
    outer.spawn(inner)
    with pytest.raises(pr.UsageError, match="is over"):
        inner.spawn(int)
    outer.run()


# ---- asyncio


def test_runs_are_awaited_in_asyncio() -> None:
    async def main() -> list[int]:
        async with pr.Runtime(workers=2) as rt:
            with rt.capture() as g:
                node = g.spawn(lambda value: value + 1, g.argument(0, name="x"))
            with pytest.raises(pr.UsageError, match="run_async"):
                g.run()
            runs = [g.run_async(x=i) for i in range(10)]
            for run in runs:
                assert await run is None  # type: ignore[func-returns-value]
            return [run[node] for run in runs]

    assert asyncio.run(main()) == list(range(1, 11))


def test_runs_are_awaited_in_bodies(rt: pr.Runtime) -> None:
    with rt.capture() as g:
        node = g.spawn(lambda value: value + 1, g.argument(0, name="x"))

    async def body(i: int) -> int:
        run = g.run_async(x=i)
        await run
        return run[node]

    tasks = [rt.spawn(body, i) for i in range(20)]
    assert [task.result() for task in tasks] == list(range(1, 21))


# ---- lifetime


def test_everything_is_dropped(rt: pr.Runtime) -> None:
    def make() -> list[weakref.ref[Thing]]:
        things = [Thing() for _ in range(4)]
        with rt.capture() as g:
            x = g.argument(things[0])
            node = g.spawn(lambda *_: Thing(), x, things[1], kwargs=None)
            g.spawn(lambda *_: things[2] and g and None, node)
        run = g.run({x: things[3]})
        return [*(weakref.ref(thing) for thing in things), weakref.ref(run[node])]

    watched = make()
    gc.collect()
    assert [thing() for thing in watched] == [None] * len(watched)


def test_circles_through_results_and_failures_are_found(single: pr.Runtime) -> None:
    def make() -> weakref.ref[Thing]:
        thing = Thing()

        def fail() -> None:
            raise ValueError(thing)

        g = single.capture()
        box: list[object] = [thing]
        node = g.spawn(lambda: box)
        failed = g.spawn(fail)
        run = g.run_async()
        box.append(run)
        box.append(g)
        assert run[node] is box
        with pytest.raises(ValueError, match="Thing"):
            run[failed]
        with pytest.raises(ExceptionGroup):
            single.wait()
        return weakref.ref(thing)

    thing = make()
    for _ in range(2):
        gc.collect()
    assert thing() is None


def test_a_graph_that_is_dropped_in_flight_goes_on(single: pr.Runtime) -> None:
    started, go_on = threading.Event(), threading.Event()
    ran: list[int] = []

    def begin() -> None:
        started.set()
        go_on.wait()

    g = single.capture()
    first = g.spawn(begin)
    thing = Thing()
    watched = weakref.ref(thing)
    g.spawn(lambda value: ran.append(1) or value, thing, after=first)
    g.run_async()
    del g, first, thing
    started.wait()
    gc.collect()
    assert watched() is not None
    go_on.set()
    single.wait()
    assert ran == [1]
    single.spawn(int).result()  # drops what was put aside
    gc.collect()
    assert watched() is None


def test_handles_outlive_the_runtime() -> None:
    with pr.Runtime(workers=1) as rt:
        g = rt.capture("step")
        node = g.spawn(lambda: [1], name="first")
        run = g.run()
    assert run[node] == [1]
    assert repr(g) == "<CapturedGraph step>"
    assert repr(node) == "<Node first of <CapturedGraph step>>"
    assert "captured graph step done" in repr(run)
    assert (node.graph, node.name, g.name) == (g, "first", "step")


def test_closing_waits_for_runs() -> None:
    ran: list[int] = []
    with pr.Runtime(workers=2) as rt:
        g = rt.capture()
        for i in range(100):
            g.spawn(ran.append, i)
        g.run_async()
    assert sorted(ran) == list(range(100))


def test_closing_with_cancel_ends_runs() -> None:
    with Busy() as busy:
        g = busy.rt.capture()
        node = g.spawn(int)
        run = g.run_async()
        busy.rt._cancel_unstarted()
        busy.open()
        assert isinstance(run.exception(), pr.TaskCancelled)
        with pytest.raises(pr.TaskCancelled):
            run[node]


# ---- native bodies


@pytest.fixture(scope="module")
def natives(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    source: Path = tmp_path_factory.mktemp("natives")
    return compile_library(
        """
        #include <stdint.h>
        double half(double x) { return x / 2; }
        int64_t add(int64_t a, int64_t b) { return a + b; }
        int64_t add4(int64_t a, int64_t b, int64_t c, int64_t d) { return a + b + c + d; }
        int8_t small(int8_t x) { return x; }
        void add_to(int64_t *cell, int64_t x) { *cell += x; }
        int64_t read(const int64_t *cell) { return *cell; }
        """,
        source,
    )


def native(library: ctypes.CDLL, name: str, restype: object, *argtypes: object) -> pr.NativeFunction:
    return pr.native(declare(library, name, restype, *argtypes))


def test_native_nodes(rt: pr.Runtime, natives: ctypes.CDLL) -> None:
    i64, f64 = ctypes.c_int64, ctypes.c_double
    add = native(natives, "add", i64, i64, i64)
    add4 = native(natives, "add4", i64, i64, i64, i64, i64)
    half = native(natives, "half", f64, f64)
    with rt.capture() as g:
        x = g.argument(10, name="x")
        constant = g.spawn(add, 1, 2)
        chained = g.spawn(add, constant, 4)
        four = g.spawn(add4, 1, 2, 3, 4)
        converted = g.spawn(half, chained)
        python = g.spawn(lambda value: int(value) + 1, converted)
        from_python = g.spawn(add, python, constant)
        from_argument = g.spawn(add4, x, x, constant, 1)
    for value in (10, 20):
        run = g.run(x=value)
        assert run[constant] == 3
        assert run[chained] == 7
        assert run[four] == 10
        assert run[converted] == 3.5
        assert run[python] == 4
        assert run[from_python] == 7
        assert run[from_argument] == 2 * value + 4


def test_native_nodes_with_arrays(rt: pr.Runtime, natives: ctypes.CDLL) -> None:
    pointer = ctypes.POINTER(ctypes.c_int64)
    add_to = native(natives, "add_to", None, pointer, ctypes.c_int64)
    read = native(natives, "read", ctypes.c_int64, pointer)
    cell = (ctypes.c_int64 * 1)(5)
    with rt.capture() as g:
        array = g.argument(cell, name="array")
        node = g.spawn(add_to, cell, 1)
        node = g.spawn(add_to, array, 10, after=node)
        value = g.spawn(read, cell, after=node)
    assert g.run()[value] == 16
    other = (ctypes.c_int64 * 1)(0)
    assert g.run(array=other)[value] == 17
    assert other[0] == 10
    assert g.run()[node] is None


def test_a_native_node_whose_argument_does_not_fit(rt: pr.Runtime, natives: ctypes.CDLL) -> None:
    add = native(natives, "add", ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    small = native(natives, "small", ctypes.c_int8, ctypes.c_int8)
    with rt.capture() as g:
        x = g.argument(1, name="x")
        total = g.spawn(add, 500, 1, name="total")
        g.spawn(small, total)
        g.spawn(small, x)
    with pytest.raises(ExceptionGroup) as caught:
        g.run(x=1000)
    texts = sorted(str(error) for error in caught.value.exceptions)
    assert len(texts) == 2
    assert any("cannot be the result of total, a int64 that is out of range" in text for text in texts)
    g2 = rt.capture()
    with pytest.raises(TypeError, match="takes 2 arguments, not 1"):
        g2.spawn(add, 1)
    with pytest.raises((TypeError, OverflowError, ValueError)):
        g2.spawn(small, 1000)
    with pytest.raises(TypeError, match="by position"):
        g2.spawn(add, 1, 2, kwargs={"a": 1})
    assert g2.size == 0


def test_arguments_get_values_only(rt: pr.Runtime) -> None:
    with rt.capture() as g:
        x = g.argument(1, name="x")
        node = g.spawn(int, x)
    for wrong in (rt.spawn(int), node, x):
        with pytest.raises(TypeError, match=r"pass (its result|a value)"):
            g.run(x=wrong)
        with pytest.raises(TypeError, match=r"pass (its result|a value)"):
            g.run_async({x: wrong})
    assert g.run(x=3)[node] == 3


def test_a_refused_node_leaves_the_other_graph_open(rt: pr.Runtime) -> None:
    over, open_ = rt.capture(), rt.capture()
    over.run()
    with pytest.raises(pr.UsageError):
        over.spawn(open_)
    node = open_.spawn(int)
    assert open_.run()[node] == 0
