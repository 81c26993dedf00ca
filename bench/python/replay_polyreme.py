"""Captured graphs of polyreme, run again: bodies that are empty Python functions, and C functions.

    python -m bench.python.replay_polyreme [--graph ROW] [--repeats R] [--slots N] [--divide D] [--library FILE]

The clock runs for one `g.run()`. Before, a graph of the same shape whose bodies write their numbers down is run and
checked; the C bodies do so in every run.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polyreme as pr

from bench.python.graphs import Graph, make_graph
from bench.python.harness import NATIVE_CHAIN, NATIVE_INDEPENDENT, check_order
from bench.python.spawn_native import LIBRARY, load

PYTHON_ROWS = ("independent", "chain", "tree", "wavefront")
NATIVE_ROWS = (NATIVE_INDEPENDENT, NATIVE_CHAIN)

Add = Callable[[pr.CapturedGraph, int, list[pr.Node[Any]]], pr.Node[Any]]


def nothing() -> None:
    """The body of a Python row."""


def capture(rt: pr.Runtime, graph: Graph, add: Add) -> pr.CapturedGraph:
    nodes: list[pr.Node[Any]] = []
    with rt.capture(graph.name) as g:
        for task, before in enumerate(graph.predecessors):
            nodes.append(add(g, task, [nodes[earlier] for earlier in before]))
    return g


def time_once(g: pr.CapturedGraph, tasks: int) -> float:
    """Microseconds a task of one run."""
    started = time.perf_counter()
    g.run()
    return (time.perf_counter() - started) / tasks * 1e6


def python_times(rt: pr.Runtime, graph: Graph, repeats: int) -> list[float]:
    order: list[int] = []
    capture(rt, graph, lambda g, task, before: g.spawn(order.append, task, after=before)).run()
    check_order(graph, order)
    g = capture(rt, graph, lambda g, _, before: g.spawn(nothing, after=before))
    time_once(g, len(graph))
    return [time_once(g, len(graph)) for _ in range(repeats)]


def native_times(rt: pr.Runtime, graph: Graph, repeats: int, library: ctypes.CDLL) -> list[float]:
    body = pr.native(library.run_task)
    g = capture(rt, graph, lambda g, task, before: g.spawn(body, task, after=before))
    times = []
    for _ in range(repeats + 1):
        order = (ctypes.c_int64 * (len(graph) + 64))()
        library.begin_run(order)
        times.append(time_once(g, len(graph)))
        check_order(graph, list(order[: library.end_run()]))
    return times[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graph", action="append", help="default: all")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--divide", type=int, default=1, help="divide the number of tasks, for a quick look")
    parser.add_argument("--library", type=Path, default=LIBRARY)
    arguments = parser.parse_args()
    for row in arguments.graph or (*PYTHON_ROWS, *NATIVE_ROWS):
        graph = make_graph(row.partition(",")[0], divide=arguments.divide)
        with pr.Runtime(workers=arguments.slots) as rt:
            if row in NATIVE_ROWS:
                times = native_times(rt, graph, arguments.repeats, load(arguments.library))
            else:
                times = python_times(rt, graph, arguments.repeats)
        result = {
            "runtime": "polyreme",
            "graph": row,
            "tasks": len(graph),
            "slots": arguments.slots,
            "us_per_task": [round(value, 4) for value in times],
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
