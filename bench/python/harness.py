"""Command line, repetition, clock, order check and output of the Python spawn benchmarks.

    python -m bench.python.spawn_NAME [--graph ROW]... [--repeats R] [--slots N] [--divide D]

prints one JSON object a row: the tasks, and the microseconds a task of each repetition, from the first
spawn to the end of the wait. One untimed run comes first. Each body appends its number to one list, which is checked
after the clock has stopped: every task once, and after all its predecessors.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping

from bench.python.graphs import GRAPH_NAMES, Graph, make_graph

Body = Callable[[int], None]
Run = Callable[[Graph, Body], None]

# A row is a graph, or a graph and the form in which it is spawned.
DECORATED_CHAIN = "chain, decorator"
ROW_NAMES = (*GRAPH_NAMES, DECORATED_CHAIN)

# Rows of bench.python.spawn_native.
NATIVE_INDEPENDENT = "independent, native"
NATIVE_CHAIN = "chain, native"


class WrongOrderError(Exception):
    """A runtime lost a task, repeated one, or ran one too early."""


def check_order(graph: Graph, order: list[int]) -> None:
    """Raise WrongOrderError unless `order` has every task once, each after its predecessors."""
    if len(order) != len(graph) or len(set(order)) != len(graph):
        raise WrongOrderError(
            f"{graph.name}: {len(order)} bodies ran, {len(set(order))} different ones, of {len(graph)} tasks"
        )
    position = [0] * len(order)
    for place, task in enumerate(order):
        position[task] = place
    for task, before in enumerate(graph.predecessors):
        for earlier in before:
            if position[earlier] > position[task]:
                raise WrongOrderError(f"{graph.name}: task {task} ran before {earlier}, on which it depends")


def time_once(graph: Graph, run: Run) -> float:
    """Microseconds a task of one checked run."""
    order: list[int] = []
    record = order.append

    def body(task: int) -> None:
        record(task)

    started = time.perf_counter()
    run(graph, body)
    stopped = time.perf_counter()
    check_order(graph, order)
    return (stopped - started) / len(graph) * 1e6


def parse_arguments(description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--graph", action="append", choices=ROW_NAMES, help="default: all that make sense")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--divide", type=int, default=1, help="divide the number of tasks, for a quick look")
    return parser.parse_args()


def measure(runtime: str, forms: Mapping[str, Run], arguments: argparse.Namespace) -> None:
    """Measure and print every row that was asked for. `forms` maps the names of rows to what runs them."""
    for row, run in forms.items():
        if arguments.graph and row not in arguments.graph:
            continue
        graph = make_graph(row.partition(",")[0], divide=arguments.divide)
        time_once(graph, run)
        times = [time_once(graph, run) for _ in range(arguments.repeats)]
        result = {
            "runtime": runtime,
            "graph": row,
            "tasks": len(graph),
            "slots": arguments.slots,
            "us_per_task": [round(value, 4) for value in times],
        }
        print(json.dumps(result), flush=True)
