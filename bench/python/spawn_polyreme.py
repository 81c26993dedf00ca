"""polyreme, in the call form on every graph, and with the decorator and a space on the chain."""

from __future__ import annotations

from functools import partial

import polyreme as pr

from bench.python.graphs import Graph
from bench.python.harness import DECORATED_CHAIN, Body, measure, parse_arguments


def run_independent(rt: pr.Runtime, graph: Graph, body: Body) -> None:
    spawn = rt.spawn
    for task in range(len(graph)):
        spawn(body, task)
    rt.wait()


def run_chain(rt: pr.Runtime, graph: Graph, body: Body) -> None:
    spawn = rt.spawn
    previous = spawn(body, 0)
    for task in range(1, len(graph)):
        previous = spawn(body, task, after=previous)
    rt.wait()


def run_chain_in_space(rt: pr.Runtime, graph: Graph, body: Body) -> None:
    T = rt.space("T")  # noqa: N806 - the name that the documentation gives a space

    @rt.task(T[0])
    def first() -> None:
        body(0)

    for task in range(1, len(graph)):

        @rt.task(T[task], after=T[task - 1])
        def step() -> None:
            body(task)  # noqa: B023 - the decorator captures by value

    rt.wait()


def run_tree(rt: pr.Runtime, graph: Graph, body: Body) -> None:
    spawn = rt.spawn
    handles = [spawn(body, 0)]
    for task in range(1, len(graph)):
        handles.append(spawn(body, task, after=handles[(task - 1) >> 1]))
    rt.wait()


def run_reduction(rt: pr.Runtime, graph: Graph, body: Body) -> None:
    spawn = rt.spawn
    last = len(graph) - 1
    leaves = len(graph) // 2 + 1
    handles = [spawn(body, task) for task in range(leaves)]
    for task in range(leaves, len(graph)):
        left = last - 2 * (last - task) - 1
        handles.append(spawn(body, task, after=(handles[left], handles[left - 1])))
    rt.wait()


def run_wavefront(rt: pr.Runtime, graph: Graph, body: Body) -> None:
    spawn = rt.spawn
    side = round(len(graph) ** 0.5)
    above = [spawn(body, 0)]
    for column in range(1, side):
        above.append(spawn(body, column, after=above[-1]))
    for start in range(side, len(graph), side):
        row = [spawn(body, start, after=above[0])]
        for column in range(1, side):
            row.append(spawn(body, start + column, after=(above[column], row[-1])))
        above = row
    rt.wait()


def main() -> None:
    arguments = parse_arguments(__doc__)
    forms = {
        "independent": run_independent,
        "chain": run_chain,
        "tree": run_tree,
        "reduction": run_reduction,
        "wavefront": run_wavefront,
        DECORATED_CHAIN: run_chain_in_space,
    }
    with pr.Runtime(workers=arguments.slots) as rt:
        measure("polyreme", {row: partial(run, rt) for row, run in forms.items()}, arguments)


if __name__ == "__main__":
    main()
