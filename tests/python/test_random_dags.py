"""Random graphs with failures, ids in any order, values, waits and callbacks, against running them one after the other."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import polyreme as pr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

ordinary = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Boom(Exception):
    """What bodies raise here; args[0] is the task."""


@dataclass(frozen=True)
class Node:
    """A task of a random graph."""

    values: tuple[int, ...]  # tasks whose values it takes
    orders: tuple[int, ...]  # tasks it only comes after
    fails: bool
    spawned_in: int | None  # the body that spawns it
    waits_for: tuple[int, ...] = ()  # tasks whose results the body asks for
    decorated: bool = False


@dataclass
class Expected:
    """What the graph gives when run one task after the other."""

    values: dict[int, int] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    cancelled: set[int] = field(default_factory=set)


def oracle(nodes: list[Node]) -> Expected:
    expected = Expected()
    for i, node in enumerate(nodes):
        before = (*node.values, *node.orders)
        if any(j in expected.failed or j in expected.cancelled for j in before):
            expected.cancelled.add(i)
        elif node.fails or any(j not in expected.values for j in node.waits_for):
            expected.failed.add(i)
        else:
            expected.values[i] = 1 + sum(expected.values[j] for j in (*node.values, *node.waits_for))
    return expected


@st.composite
def graphs(draw: st.DrawFn, nested: bool = False) -> list[Node]:
    count = draw(st.integers(0, 40))
    nodes: list[Node] = []
    for i in range(count):
        earlier = st.lists(st.integers(0, i - 1), max_size=6) if i else st.just([])
        failing = draw(st.integers(0, 15)) == 0
        nodes.append(
            Node(
                values=tuple(draw(earlier)),
                orders=tuple(draw(earlier)),
                fails=failing,
                spawned_in=None,
                waits_for=tuple(draw(earlier)[:2]) if nested else (),
                decorated=draw(st.booleans()),
            )
        )
    return nodes


class Run:
    """A graph on its way through a runtime."""

    def __init__(self, rt: pr.Runtime, nodes: list[Node]) -> None:
        self.rt = rt
        self.nodes = nodes
        self.space = rt.space("G")
        self.lock = threading.Lock()
        self.started: list[int] = []
        self.ended: list[int] = []
        self.spans: dict[int, tuple[int, int]] = {}
        self.clock = 0

    def tick(self) -> int:
        with self.lock:
            self.clock += 1
            return self.clock

    def body(self, i: int, *values: int) -> int:
        begin = self.tick()
        self.started.append(i)
        node = self.nodes[i]
        more: list[int] = [self.space[j].result() for j in node.waits_for]
        self.spans[i] = begin, self.tick()
        if node.fails:
            raise Boom(i)
        return 1 + sum(values) + sum(more)

    def spawn(self, i: int) -> pr.Task[int]:
        node = self.nodes[i]
        values = [self.space[j] for j in node.values]
        orders = [self.space[j] for j in node.orders]
        if node.decorated:

            @self.rt.task(self.space[i], *values, after=orders)
            def task(*given: int) -> int:
                return self.body(i, *given)

            done: pr.Task[int] = task
            return done
        return self.rt.spawn(self.body, i, *values, after=orders, id=self.space[i])

    def check(self, expected: Expected) -> None:
        nodes = self.nodes
        assert sorted(self.started) == sorted(expected.values.keys() | expected.failed)
        for i, node in enumerate(nodes):
            task = self.space[i]
            assert task.done()
            if i in expected.values:
                assert task.result() == expected.values[i]
            elif i in expected.cancelled:
                error = task.exception()
                assert isinstance(error, pr.DependencyFailed)
                assert isinstance(error.__cause__, Boom | pr.DependencyFailed)
            elif node.fails and not node.waits_for:
                error = task.exception()
                assert isinstance(error, Boom)
                assert error.args == (i,)
            else:
                assert isinstance(task.exception(), Boom | pr.DependencyFailed)
            if i in self.spans:
                for j in (*node.values, *node.orders):
                    assert self.spans[j][1] < self.spans[i][0]


def finish(run: Run, expected: Expected) -> None:
    """Wait for the graph and check what the group says."""
    try:
        run.rt.wait()
    except BaseExceptionGroup as group:
        assert len(group.exceptions) == len(expected.failed)
        assert {error.args[0] for error in group.exceptions if type(error) is Boom} <= expected.failed
        if expected.cancelled:
            assert f"{len(expected.cancelled)} not run because of that" in str(group)
    else:
        assert not expected.failed


def check_in_order(nodes: list[Node], workers: int, order: Sequence[int]) -> None:
    """Spawn the graph in this order and compare its run with the oracle."""
    with pr.Runtime(workers=workers) as rt:
        run = Run(rt, nodes)
        expected = oracle(nodes)
        for i in order:
            run.spawn(i)
        finish(run, expected)
        run.check(expected)


@ordinary
@given(nodes=graphs(), workers=st.integers(1, 4), data=st.data())
def test_graphs_in_any_order_of_spawning(nodes: list[Node], workers: int, data: st.DataObject) -> None:
    check_in_order(nodes, workers, data.draw(st.permutations(range(len(nodes)))))


@ordinary
@given(nodes=graphs(nested=True), workers=st.integers(1, 3), data=st.data())
def test_graphs_whose_bodies_wait(nodes: list[Node], workers: int, data: st.DataObject) -> None:
    check_in_order(nodes, workers, data.draw(st.permutations(range(len(nodes)))))


@ordinary
@given(nodes=graphs(), workers=st.integers(1, 3), threads=st.integers(2, 4))
def test_graphs_spawned_by_many_threads(nodes: list[Node], workers: int, threads: int) -> None:
    with pr.Runtime(workers=workers) as rt:
        run = Run(rt, nodes)
        expected = oracle(nodes)

        def spawn(which: int) -> None:
            for i in range(which, len(nodes), threads):
                run.spawn(i)

        running = [threading.Thread(target=spawn, args=(k,)) for k in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        finish(run, expected)
        run.check(expected)


@ordinary
@given(nodes=graphs(), workers=st.integers(1, 3))
def test_graphs_spawned_by_a_body(nodes: list[Node], workers: int) -> None:
    with pr.Runtime(workers=workers) as rt:
        run = Run(rt, nodes)
        expected = oracle(nodes)
        rt.spawn(lambda: [run.spawn(i) for i in range(len(nodes))]).result()
        finish(run, expected)
        run.check(expected)


@ordinary
@given(nodes=graphs(), workers=st.integers(1, 3), data=st.data())
def test_every_task_gets_its_callback(nodes: list[Node], workers: int, data: st.DataObject) -> None:
    seen: list[int] = []

    def note(i: int, task: pr.Task[Any]) -> None:
        seen.append(i)

    with pr.Runtime(workers=workers) as rt:
        run = Run(rt, nodes)
        expected = oracle(nodes)
        early = data.draw(st.sets(st.integers(0, max(0, len(nodes) - 1))))
        for i in sorted(early & set(range(len(nodes)))):
            run.space[i].add_done_callback(partial(note, i))
        for i in range(len(nodes)):
            task = run.spawn(i)
            if i not in early:
                task.add_done_callback(partial(note, i))
        finish(run, expected)
    assert sorted(seen) == list(range(len(nodes)))


@ordinary
@given(
    nodes=graphs().filter(bool),
    edges=st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), min_size=1, max_size=10),
    workers=st.integers(1, 3),
)
def test_graphs_with_circles_end(nodes: list[Node], edges: list[tuple[int, int]], workers: int) -> None:
    """Whatever the circles: every spawn returns or raises, the wait ends, all handles are done."""
    rt = pr.Runtime(workers=workers)
    space = rt.space("G")
    more: dict[int, list[int]] = {}
    for a, b in edges:
        more.setdefault(a % len(nodes), []).append(b % len(nodes))
    spawned = []
    for i, node in enumerate(nodes):
        after = [space[j] for j in (*node.values, *node.orders, *more.get(i, []))]
        try:
            spawned.append(rt.spawn(lambda: None, id=space[i], after=after))
        except pr.CycleError:
            pass
    # A spawn that was refused leaves an id that others may miss.
    with contextlib.suppress(BaseExceptionGroup):
        rt.close()
    assert rt.closed
    assert all(task.done() for task in spawned)


class RuntimeMachine(RuleBasedStateMachine):
    """A user who spawns, waits and asks in any order; the model runs everything at once."""

    def __init__(self) -> None:
        super().__init__()
        self.rt = pr.Runtime(workers=2)
        self.space = self.rt.space("M")
        self.tasks: list[pr.Task[Any]] = []
        self.model: list[int | None] = []  # None: failed or cancelled
        self.unreported = 0
        self.called: list[int] = []
        self.callbacks = 0

    @initialize(workers=st.integers(1, 3))
    def open(self, workers: int) -> None:
        self.rt.close()
        self.rt = pr.Runtime(workers=workers)
        self.space = self.rt.space("M")

    def pick(self, data: st.DataObject, most: int) -> list[int]:
        if not self.tasks:
            return []
        return data.draw(st.lists(st.integers(0, len(self.tasks) - 1), max_size=most))

    def note(self, task: pr.Task[Any], value: int | None) -> None:
        self.tasks.append(task)
        self.model.append(value)

    @rule(data=st.data(), by_id=st.booleans())
    def spawn(self, data: st.DataObject, by_id: bool) -> None:
        values, after = self.pick(data, 6), self.pick(data, 3)
        entry = self.space[len(self.tasks)] if by_id else None
        task = self.rt.spawn(
            lambda *given: 1 + sum(given),
            *(self.tasks[i] for i in values),
            after=[self.tasks[i] for i in after],
            id=entry,
        )
        known = [self.model[i] for i in values]
        broken = any(self.model[i] is None for i in (*values, *after))
        self.note(task, None if broken else 1 + sum(value for value in known if value is not None))

    @rule()
    def spawn_failing(self) -> None:
        def failing() -> None:
            raise Boom(0)

        self.note(self.rt.spawn(failing), None)
        self.unreported += 1

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        i = data.draw(st.integers(0, len(self.tasks) - 1))
        if self.model[i] is None:
            assert isinstance(self.tasks[i].exception(), Boom | pr.DependencyFailed)
        else:
            assert self.tasks[i].result() == self.model[i]
            assert self.tasks[i].exception() is None
        assert self.tasks[i].done()

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def call_back(self, data: st.DataObject) -> None:
        i = data.draw(st.integers(0, len(self.tasks) - 1))
        self.tasks[i].add_done_callback(lambda task: self.called.append(i))
        self.callbacks += 1

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def wait_in_a_body(self, data: st.DataObject) -> None:
        i = data.draw(st.integers(0, len(self.tasks) - 1))
        target = self.tasks[i]
        error = self.rt.spawn(target.exception).result()
        assert (error is None) == (self.model[i] is not None)

    @rule()
    def wait(self) -> None:
        try:
            self.rt.wait()
        except ExceptionGroup as group:
            assert len(group.exceptions) == self.unreported
        else:
            assert self.unreported == 0
        self.unreported = 0
        assert len(self.called) == self.callbacks
        assert all(task.done() for task in self.tasks)

    @rule()
    def drop_handles(self) -> None:
        self.tasks.clear()
        self.model.clear()
        self.space = self.rt.space("M")

    @invariant()
    def counts_fit(self) -> None:
        stats = self.rt.stats()
        assert stats["completed"] <= stats["spawned"]

    def teardown(self) -> None:
        try:
            self.rt.close()
        except ExceptionGroup as group:
            assert len(group.exceptions) == self.unreported
        assert len(self.called) == self.callbacks


TestRuntimeMachine = RuntimeMachine.TestCase
TestRuntimeMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
