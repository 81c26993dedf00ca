"""joblib's threads, which know no dependencies: the graph runs level by level, with a barrier after each.

A chain has one task a level, so it is left out.
"""

from __future__ import annotations

from joblib import Parallel, delayed

from bench.python.graphs import GRAPH_NAMES, Graph
from bench.python.harness import Body, measure, parse_arguments


def main() -> None:
    arguments = parse_arguments(__doc__)

    with Parallel(n_jobs=arguments.slots, backend="threading") as parallel:

        def run(graph: Graph, body: Body) -> None:
            for level in graph.levels:
                parallel(delayed(body)(task) for task in level)

        measure("joblib threads", {name: run for name in GRAPH_NAMES if name != "chain"}, arguments)


if __name__ == "__main__":
    main()
