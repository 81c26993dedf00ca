"""C functions as bodies: polyreme without the interpreter, and a ThreadPoolExecutor that calls them by ctypes.

    python -m bench.python.spawn_native [--graph ROW] [--repeats R] [--slots N] [--divide D] [--library FILE]

The bodies write their numbers down in C; the order is checked as in the other benchmarks.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import polyreme as pr

from bench.python.graphs import Graph, make_graph
from bench.python.harness import NATIVE_CHAIN, NATIVE_INDEPENDENT, check_order

LIBRARY = Path(__file__).resolve().parents[2] / "build/release/bench/cpp/libbench_native_body.so"

Run = Callable[[int], None]


def load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    library.begin_run.argtypes, library.begin_run.restype = (ctypes.c_void_p,), None
    library.run_task.argtypes, library.run_task.restype = (ctypes.c_int64,), None
    library.end_run.argtypes, library.end_run.restype = (), ctypes.c_int64
    return library


def time_once(library: ctypes.CDLL, graph: Graph, run: Run) -> float:
    """Microseconds a task of one checked run."""
    order = (ctypes.c_int64 * (len(graph) + 64))()
    library.begin_run(order)
    started = time.perf_counter()
    run(len(graph))
    stopped = time.perf_counter()
    check_order(graph, list(order[: library.end_run()]))
    return (stopped - started) / len(graph) * 1e6


def measure(runtime: str, row: str, run: Run, library: ctypes.CDLL, arguments: argparse.Namespace) -> None:
    if arguments.graph and row not in arguments.graph:
        return
    graph = make_graph(row.partition(",")[0], divide=arguments.divide)
    time_once(library, graph, run)
    times = [time_once(library, graph, run) for _ in range(arguments.repeats)]
    result = {
        "runtime": runtime,
        "graph": row,
        "tasks": len(graph),
        "slots": arguments.slots,
        "us_per_task": [round(value, 4) for value in times],
    }
    print(json.dumps(result), flush=True)


def independent(rt: pr.Runtime, body: Any, tasks: int) -> None:
    spawn = rt.spawn
    for task in range(tasks):
        spawn(body, task)
    rt.wait()


def chain(rt: pr.Runtime, body: Any, tasks: int) -> None:
    spawn = rt.spawn
    previous = spawn(body, 0)
    for task in range(1, tasks):
        previous = spawn(body, task, after=previous)
    rt.wait()


def submit_all(pool: ThreadPoolExecutor, body: Any, tasks: int) -> None:
    wait([pool.submit(body, task) for task in range(tasks)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graph", action="append", help="default: all")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--divide", type=int, default=1, help="divide the number of tasks, for a quick look")
    parser.add_argument("--library", type=Path, default=LIBRARY)
    arguments = parser.parse_args()
    library = load(arguments.library)
    body = pr.native(library.run_task)
    with pr.Runtime(workers=arguments.slots) as rt:
        measure("polyreme", NATIVE_INDEPENDENT, lambda tasks: independent(rt, body, tasks), library, arguments)
        measure("polyreme", NATIVE_CHAIN, lambda tasks: chain(rt, body, tasks), library, arguments)
    with ThreadPoolExecutor(arguments.slots) as pool:
        run = library.run_task
        measure(
            "ThreadPoolExecutor", NATIVE_INDEPENDENT, lambda tasks: submit_all(pool, run, tasks), library, arguments
        )


if __name__ == "__main__":
    main()
