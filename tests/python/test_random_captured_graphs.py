"""Random captured graphs, run several times with random failures, beside a sequential reading of them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polyreme as pr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Shape:
    """What a node takes: results of earlier nodes, and nodes that only come first."""

    values: tuple[int, ...]
    after: tuple[int, ...]
    takes_argument: bool


class Failed(Exception):
    """What a node raises, with its number."""


@st.composite
def shapes(draw: st.DrawFn) -> list[Shape]:
    count = draw(st.integers(1, 24))
    earlier = [st.lists(st.integers(0, max(i - 1, 0)), max_size=3 if i else 0) for i in range(count)]
    return [Shape(tuple(draw(one)), tuple(draw(one)), draw(st.booleans())) for one in earlier]


@dataclass(frozen=True)
class Run:
    """One run: the nodes that fail in it, and its argument."""

    failing: frozenset[int]
    argument: int


RUNS = st.lists(
    st.builds(Run, st.frozensets(st.integers(0, 23), max_size=3), st.integers(0, 9)), min_size=3, max_size=3
)


def body(number: int, failing: frozenset[int], *values: int) -> int | None:
    if number in failing:
        raise Failed(number)
    total = number + sum(values)
    return total if number % 5 else None


def expected(graph: list[Shape], run: Run) -> list[int | str | None]:
    """Return the result of each node, "failed" or "not run"."""
    outcome: list[int | str | None] = []
    for number, shape in enumerate(graph):
        needed = [outcome[i] for i in (*shape.values, *shape.after)]
        if any(isinstance(one, str) for one in needed):
            outcome.append("not run")
        elif number in run.failing:
            outcome.append("failed")
        else:
            values = [outcome[i] or 0 for i in shape.values]
            assert all(isinstance(value, int) for value in values)
            argument = [run.argument] if shape.takes_argument else []
            outcome.append(body(number, frozenset(), *values, *argument))  # type: ignore[arg-type]
    return outcome


def none_is_zero(number: int, failing: frozenset[int], *values: int | None) -> int | None:
    return body(number, failing, *(value or 0 for value in values))


def capture(rt: pr.Runtime, graph: list[Shape]) -> tuple[pr.CapturedGraph, list[pr.Node[int | None]]]:
    nodes: list[pr.Node[int | None]] = []
    with rt.capture("random") as g:
        failing = g.argument(frozenset(), name="failing")
        argument = g.argument(0, name="argument")
        for number, shape in enumerate(graph):
            values = [*(nodes[i] for i in shape.values), *([argument] if shape.takes_argument else [])]
            after = [nodes[i] for i in shape.after]
            nodes.append(g.spawn(none_is_zero, number, failing, *values, after=after))
    return g, nodes


def outcome_of(run: pr.GraphRun, nodes: list[pr.Node[int | None]]) -> list[int | str | None]:
    outcome: list[int | str | None] = []
    for number, node in enumerate(nodes):
        try:
            outcome.append(run[node])
        except Failed as error:
            assert error.args == (number,)
            outcome.append("failed")
        except pr.DependencyFailed:
            outcome.append("not run")
    return outcome


@pytest.fixture(scope="module", params=[1, 3], ids=lambda workers: f"workers={workers}")
def shared(request: pytest.FixtureRequest) -> Iterator[pr.Runtime]:
    runtime = pr.Runtime(workers=request.param)
    yield runtime
    runtime.close()


@settings(max_examples=60, deadline=None)
@given(graph=shapes(), runs=RUNS, together=st.booleans())
def test_runs_are_as_the_sequential_reading(
    shared: pr.Runtime, graph: list[Shape], runs: list[Run], *, together: bool
) -> None:
    g, nodes = capture(shared, graph)
    started: list[pr.GraphRun] = []
    for one in runs:
        run = g.run_async(failing=one.failing, argument=one.argument)
        started.append(run)
        if not together:
            run.exception()
    for one, run in zip(runs, started, strict=True):
        outcome = expected(graph, one)
        assert outcome_of(run, nodes) == outcome
        failed = {number for number, result in enumerate(outcome) if result == "failed"}
        error = run.exception()
        if not failed:
            assert error is None
            continue
        assert isinstance(error, ExceptionGroup)
        assert {inner.args[0] for inner in error.exceptions} == failed
        assert f"{outcome.count('not run')} not run because of that" in str(error)
    any_failed = any(run.exception() is not None for run in started)
    with pytest.raises(ExceptionGroup) if any_failed else contextlib.nullcontext():
        shared.wait()
