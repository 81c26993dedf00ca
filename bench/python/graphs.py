"""The graphs that every Python runtime is given.

Tasks are numbered in spawn order and depend only on earlier ones. A graph is the list of each task's predecessors,
made before the clock starts, so that no runtime pays for the graph itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Graph:
    """Predecessors a task, and what can be derived from them."""

    name: str
    predecessors: list[tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.predecessors)

    @cached_property
    def successors(self) -> list[list[int]]:
        after: list[list[int]] = [[] for _ in self.predecessors]
        for task, before in enumerate(self.predecessors):
            for earlier in before:
                after[earlier].append(task)
        return after

    @cached_property
    def levels(self) -> list[list[int]]:
        """Tasks by the length of the longest path to them: no edge stays within a level."""
        depth: list[int] = []
        levels: list[list[int]] = []
        for task, before in enumerate(self.predecessors):
            depth.append(1 + max((depth[earlier] for earlier in before), default=-1))
            if depth[task] == len(levels):
                levels.append([])
            levels[depth[task]].append(task)
        return levels

    @property
    def sinks(self) -> list[int]:
        return [task for task, after in enumerate(self.successors) if not after]


def independent(tasks: int = 50_000) -> Graph:
    return Graph("independent", [()] * tasks)


def chain(tasks: int = 20_000) -> Graph:
    return Graph("chain", [(task - 1,) if task else () for task in range(tasks)])


def tree(tasks: int = 1 << 14) -> Graph:
    """A binary tree from its root: two tasks follow each."""
    return Graph("tree", [((task - 1) // 2,) if task else () for task in range(tasks)])


def reduction(tasks: int = (1 << 14) - 1) -> Graph:
    """A binary tree from its leaves to its root: each inner task follows two."""
    last = tasks - 1

    def before(task: int) -> tuple[int, ...]:
        left = 2 * (last - task) + 1  # heap order counted from the end: the root is spawned last
        return (last - left, last - left - 1) if left + 1 < tasks else ()

    return Graph("reduction", [before(task) for task in range(tasks)])


def wavefront(side: int = 128) -> Graph:
    """A square grid, row by row: each task follows its upper and its left neighbour."""

    def before(row: int, column: int) -> tuple[int, ...]:
        task = row * side + column
        return (*((task - side,) if row else ()), *((task - 1,) if column else ()))

    return Graph("wavefront", [before(row, column) for row in range(side) for column in range(side)])


_MAKERS: dict[str, Callable[[int], Graph]] = {
    "independent": lambda divide: independent(max(50_000 // divide, 8)),
    "chain": lambda divide: chain(max(20_000 // divide, 8)),
    "tree": lambda divide: tree(max((1 << 14) // divide, 8)),
    "reduction": lambda divide: reduction(max((1 << 14) // divide, 8) - 1),
    "wavefront": lambda divide: wavefront(max(round(128 / divide**0.5), 3)),
}

GRAPH_NAMES = tuple(_MAKERS)


def make_graph(name: str, *, divide: int = 1) -> Graph:
    """The graph of that name, with about one `divide`-th of its tasks."""
    return _MAKERS[name](divide)
