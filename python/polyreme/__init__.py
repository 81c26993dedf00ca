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
    Context,
    CycleError,
    DependencyFailed,
    DuplicateIdError,
    MissingTaskError,
    PolyremeError,
    RuntimeClosedError,
    Slice,
    Space,
    Task,
    TaskCancelled,
    UsageError,
    context,
)
from polyreme._core import version as __version__
from polyreme._runtime import Runtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from polyreme._executor import Executor

__all__ = [
    "Context",
    "CycleError",
    "DependencyFailed",
    "DuplicateIdError",
    "Executor",
    "MissingTaskError",
    "PolyremeError",
    "Runtime",
    "RuntimeClosedError",
    "Slice",
    "Space",
    "Task",
    "TaskCancelled",
    "UsageError",
    "__version__",
    "context",
]


def __getattr__(name: str) -> object:
    # concurrent.futures costs more to import than all of polyreme: only who asks for it pays.
    if name == "Executor":
        from polyreme._executor import Executor

        globals()["Executor"] = Executor
        return Executor
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted(__all__)
