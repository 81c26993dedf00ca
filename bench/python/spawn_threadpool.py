"""`concurrent.futures.ThreadPoolExecutor`, which has no dependencies, in the two ways to have them all the same.

*counting*: count each task's predecessors and submit it when the last of them has run. *waiting*: submit everything in
spawn order and wait in the body for the futures before; this cannot deadlock, as the queue is first in, first out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from bench.python.graphs import GRAPH_NAMES, Graph
from bench.python.harness import Body, Run, measure, parse_arguments


def run_counting(pool: ThreadPoolExecutor, graph: Graph, body: Body) -> None:
    successors: list[list[int]] = [[] for _ in range(len(graph))]
    missing: list[int] = []
    for task, before in enumerate(graph.predecessors):
        missing.append(len(before))
        for earlier in before:
            successors[earlier].append(task)

    lock = threading.Lock()
    finished = threading.Event()
    unfinished = len(graph)

    def run_task(task: int) -> None:
        nonlocal unfinished
        body(task)
        with lock:
            unfinished -= 1
            if unfinished == 0:
                finished.set()
            ready = []
            for later in successors[task]:
                missing[later] -= 1
                if missing[later] == 0:
                    ready.append(later)
        for later in ready:
            pool.submit(run_task, later)

    for source in [task for task, before in enumerate(graph.predecessors) if not before]:
        pool.submit(run_task, source)
    finished.wait()


def run_waiting(pool: ThreadPoolExecutor, graph: Graph, body: Body) -> None:
    def run_task(task: int, before: list[Future[None]]) -> None:
        for future in before:
            future.result()
        body(task)

    futures: list[Future[None]] = []
    for task, before in enumerate(graph.predecessors):
        futures.append(pool.submit(run_task, task, [futures[earlier] for earlier in before]))
    for future in futures:
        future.result()


def run_independent(pool: ThreadPoolExecutor, graph: Graph, body: Body) -> None:
    futures = [pool.submit(body, task) for task in range(len(graph))]
    for future in futures:
        future.result()


def main() -> None:
    arguments = parse_arguments(__doc__)
    dependent = [name for name in GRAPH_NAMES if name != "independent"]

    def forms(pool: ThreadPoolExecutor, run: Callable[..., None]) -> dict[str, Run]:
        return {name: partial(run, pool) for name in dependent}

    with ThreadPoolExecutor(arguments.slots) as pool:
        measure("ThreadPoolExecutor", {"independent": partial(run_independent, pool)}, arguments)
        measure("ThreadPoolExecutor, counting", forms(pool, run_counting), arguments)
        measure("ThreadPoolExecutor, waiting", forms(pool, run_waiting), arguments)


if __name__ == "__main__":
    main()
