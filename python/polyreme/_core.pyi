"""The compiled half of polyreme, as type checkers see it. Written by hand; `tools/check_stubs.py` compares it."""

import os
from collections.abc import Callable, Iterable, Mapping
from types import GenericAlias
from typing import Any, Generic, Literal, TypeAlias, TypedDict, TypeVar, final, overload

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)

# What `after=` takes: one of these, or any nesting of iterables of them.
_After: TypeAlias = Task[Any] | Space | Slice | Iterable[_After]

class _Stats(TypedDict):
    spawned: int
    completed: int
    steals: int
    live_blocks: int
    workers: int
    threads: int

# ---- errors

class PolyremeError(RuntimeError): ...
class UsageError(PolyremeError): ...
class DuplicateIdError(UsageError, ValueError): ...
class RuntimeClosedError(UsageError): ...
class CycleError(PolyremeError): ...
class MissingTaskError(PolyremeError): ...
class DependencyFailed(PolyremeError): ...
class TaskCancelled(PolyremeError): ...

# ---- tasks and their ids

@final
class Task(Generic[_T_co]):
    @property
    def name(self) -> str: ...
    def result(self, timeout: float | None = None) -> _T_co: ...
    def exception(self, timeout: float | None = None) -> BaseException | None: ...
    def done(self) -> bool: ...
    def add_done_callback(self, callback: Callable[[Task[_T_co]], object], /) -> None: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    @classmethod
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...

# A type that a program may subscribe with, index by index.
_Index: TypeAlias = int | slice[int | None, int | None, int | None]

@final
class Space:
    @property
    def name(self) -> str: ...
    @overload
    def __getitem__(self, index: int | tuple[int, ...], /) -> Task[Any]: ...
    @overload
    def __getitem__(self, index: slice[Any, Any, Any] | tuple[_Index, ...], /) -> Slice: ...

@final
class Slice: ...

# ---- the runtime

class Runtime:
    @property
    def closed(self) -> bool: ...
    @property
    def workers(self) -> int: ...
    def spawn(
        self,
        fn: Callable[..., _T],
        /,
        *args: object,
        after: _After | None = None,
        id: Task[Any] | None = None,
        name: str | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> Task[_T]: ...
    @overload
    def task(self, fn: Callable[..., _T], /) -> Task[_T]: ...
    @overload
    def task(
        self,
        id: Task[Any] | None = None,
        /,
        *args: object,
        after: _After | None = None,
        name: str | None = None,
        kwargs: dict[str, Any] | None = None,
        capture: Literal["value", "reference"] | None = "value",
    ) -> _Spawn: ...
    @overload
    def task(
        self,
        argument: object,
        /,
        *args: object,
        after: _After | None = None,
        name: str | None = None,
        kwargs: dict[str, Any] | None = None,
        capture: Literal["value", "reference"] | None = "value",
    ) -> _Spawn: ...
    def space(self, name: str, /) -> Space: ...
    def stats(self) -> _Stats: ...
    def _open(self, workers: int, pin: bool, stall_warning: float, /) -> None: ...
    def _close(self, cancel: bool, /) -> None: ...
    def _wait(self, timeout: float | None, report: bool, /) -> bool: ...
    def _producer(self, enter: bool, /) -> None: ...
    def _trace(self, path: str | None, /) -> None: ...
    def _cancel_unstarted(self) -> None: ...
    def _disown(self) -> None: ...

class _Spawn:
    def __call__(self, fn: Callable[..., _T], /) -> Task[_T]: ...

# ---- graphs, and runs of them

class GraphFileError(ValueError): ...

class GraphNotRunnable(ValueError): ...

class GraphBounds:
    """Bounds on the time of a run on CPU cores."""

    @property
    def critical_path_us(self) -> float:
        """The longest chain of dependent tasks."""

    @property
    def work_us(self) -> float:
        """The time of all tasks."""

    @property
    def core_us(self) -> float:
        """The same, each task times the cores it holds."""

    @property
    def lock_us(self) -> float:
        """The time with the GIL of all tasks."""def makespan_us(self, workers: int) -> float:"""Return the time below which no run on this many cores can be."""class Graph:"""A task graph. Tasks are numbered as in their file, from 0."""

    @property
    def format(self) -> int:
        """Format of the file, 1 or 2."""

    @property
    def task_count(self) -> int: ...

    @property
    def dependency_count(self) -> int: ...

    def names(self) -> list[str]:
        """Return the name of each task, such as 'T[3]'."""def spaces(self) -> list[str]:"""Return the name of the space of each task."""def indices(self) -> list[list[int]]:"""Return the indices of each task in its space."""def dependencies(self) -> list[list[int]]:"""
        Return for each task the numbers of those that must end before it starts.
        """def levels(self) -> list[int]:"""
        Return for each task the length in tasks of the longest chain before it.
        """def times_us(self) -> list[float]:"""
        Return the time of each task on the CPU.

        Raises:
            GraphNotRunnable: a task has none.
        """def critical_path(self) -> list[int]:"""
        Return the tasks of a chain that takes longest on the CPU, first to last.

        Raises:
            GraphNotRunnable: a task has no alternative for the CPU.
        """def bounds(self) -> GraphBounds:"""
        Return how fast the graph could run on CPU cores.

        Raises:
            GraphNotRunnable: a task has no alternative for the CPU.
        """def to_text(self) -> str:"""
        Return the text of the graph as a file of its format.

        Raises:
            ValueError: the format cannot state some task.
        """def write(self, path: str | os.PathLike[str]) -> None:"""
        Write the graph as a file of its format.

        Raises:
            ValueError: the format cannot state some task.
            OSError: the file cannot be written.
        """class GraphOption:"""An option of a kind of graph."""

    @property
    def name(self) -> str: ...

    @property
    def help(self) -> str: ...

    @property
    def default(self) -> float: ...

    @property
    def low(self) -> float:
        """The smallest value allowed."""

    @property
    def high(self) -> float:
        """The largest value allowed."""

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are allowed."""class GraphKind:"""A shape of graphs that can be generated."""

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str: ...

    @property
    def options(self) -> list[GraphOption]:
        """Its own options first, then those of every kind."""def read_graph(path: str | os.PathLike[str], data_order: bool = False) -> Graph:"""
    Read a graph file of either format.

    Args:
        path: the file.
        data_order: add the dependencies that follow from the data that tasks touch, in spawn order.

    Raises:
        GraphFileError: the text is wrong; the message begins with file:line:column.
        OSError: the file cannot be read.
    """def generate_graph(kind: str, options: Mapping[str, str] = {}, format: int = 2) -> Graph:"""
    Make a graph of a well-known shape. Options are given as text.

    Raises:
        ValueError: there is no such kind, option or format, or a value is out of range.
    """def graph_kinds() -> list[GraphKind]:"""Return the kinds of graphs that can be generated."""

class TaskNotRunnable(GraphNotRunnable): ...

class SpinRate:
    """How fast this machine runs the busy work of graph tasks."""

    @staticmethod
    def measure() -> SpinRate:
        """Measure it, for some 10 to 40 ms."""

    @property
    def steps_per_us(self) -> float: ...

    @property
    def verified_us(self) -> float:
        """What a spin took that was to take 1 us, measured afterwards: near 1 if the rate is to be trusted."""

    def spin(self, time_us: float, hold_gil: bool) -> None:
        """Be busy on the calling thread, with the GIL or without."""class GraphPlan:"""A graph made ready to run, again and again."""def __init__(self, graph: Graph, rate: SpinRate) -> None:"""
        Raises:
            GraphNotRunnable: a task has no alternative for the CPU, or one of several cores.
        """def run(self, runtime: Runtime, progress: Callable[[int], object] | None = None, interval_s: float = 0.1) -> None:"""
        Spawn all tasks on the runtime and wait until they are done.

        Args:
            runtime: an open polyreme.Runtime without tasks of its own.
            progress: called about every interval_s with the number of tasks that are done.
            interval_s: seconds between looks at signals; Ctrl-C ends the run.

        Raises:
            RuntimeClosedError: the runtime is closed.
            BaseException: what a signal handler or `progress` raised; the run was stopped.
        """

class TraceFileError(ValueError): ...

class CheckedTrace:
    """The trace of a run, and what the checker found in it."""

    @property
    def verified(self) -> bool: ...

    @property
    def tasks(self) -> int: ...

    @property
    def failed(self) -> int: ...

    @property
    def cancelled(self) -> int: ...

    @property
    def workers(self) -> int: ...

    @property
    def makespan_ns(self) -> int:
        """From the first spawn to the last end."""

    @property
    def violation_count(self) -> int: ...

    @property
    def violations(self) -> list[tuple[str, str]]:
        """The first of them: the rule, and what is against it."""

    @property
    def slots(self) -> list[tuple[int, int]]:
        """For each slot the tasks that ended there and its busy time in ns."""def slices(self) -> list[tuple[int, int, int, str]]:"""
        Return slot, start and duration in ns, and task name of each time that a slot was busy.

        Times count from the first spawn.
        """def check_trace(path: str | os.PathLike[str], graph: Graph | None = None) -> CheckedTrace:"""
    Judge the trace of a run, and compare it with a graph if there is one.

    Raises:
        TraceFileError: the file is no trace, or cannot be read.
    """

version: str
