"""Dask's threaded scheduler, given the whole graph as a dictionary."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from dask.threaded import get

from bench.python.graphs import GRAPH_NAMES, Graph
from bench.python.harness import Body, measure, parse_arguments


def main() -> None:
    arguments = parse_arguments(__doc__)

    with ThreadPoolExecutor(arguments.slots) as pool:

        def run(graph: Graph, body: Body) -> None:
            def run_task(task: int, *_before: object) -> None:
                body(task)

            # A key is a tuple with a name, or Dask would take the task's number for a key.
            tasks = {
                ("task", task): (run_task, task, *(("task", earlier) for earlier in before))
                for task, before in enumerate(graph.predecessors)
            }
            get(tasks, [("task", task) for task in graph.sinks], pool=pool)

        measure("Dask threads", dict.fromkeys(GRAPH_NAMES, run), arguments)


if __name__ == "__main__":
    main()
