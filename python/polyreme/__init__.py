"""Task-parallel runtime: dynamic graphs of compiled kernels on all cores of a node.

>>> import polyreme as pr
>>> with pr.Runtime(workers=2) as rt:
...     a = rt.spawn(pow, 2, 10)
...     b = rt.spawn(lambda x: x + 1, a)  # runs after a, gets its result
...     b.result()
1025
"""

from __future__ import annotations

from polyreme._core import (
    Argument,
    CapturedGraph,
    Context,
    CycleError,
    DependencyFailed,
    DuplicateIdError,
    GraphRun,
    MissingTaskError,
    NativeFunction,
    Node,
    PolyremeError,
    RuntimeClosedError,
    Slice,
    Space,
    Task,
    TaskCancelled,
    TaskEvent,
    UsageError,
    context,
)
from polyreme._core import version as __version__
from polyreme._runtime import Runtime
from polyreme._scope import Scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from polyreme._executor import Executor
    from polyreme._native import native
    from polyreme._waits import as_completed, wait

__all__ = [
    "Argument",
    "CapturedGraph",
    "Context",
    "CycleError",
    "DependencyFailed",
    "DuplicateIdError",
    "Executor",
    "GraphRun",
    "MissingTaskError",
    "NativeFunction",
    "Node",
    "PolyremeError",
    "Runtime",
    "RuntimeClosedError",
    "Scope",
    "Slice",
    "Space",
    "Task",
    "TaskCancelled",
    "TaskEvent",
    "UsageError",
    "__version__",
    "as_completed",
    "context",
    "native",
    "wait",
]


# What these import costs more than all of polyreme: only who asks for it pays.
_LAZY = {
    "Executor": "polyreme._executor",
    "as_completed": "polyreme._waits",
    "native": "polyreme._native",
    "wait": "polyreme._waits",
}


def __getattr__(name: str) -> object:
    module = _LAZY.get(name)
    if module is not None:
        import importlib

        found = getattr(importlib.import_module(module), name)
        globals()[name] = found
        return found
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted(__all__)
