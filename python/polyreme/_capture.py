"""What a function's code names, for captures by value.

Imported by the extension at the first decorated task; `dis` is too slow to import for programs that never decorate.
"""

from __future__ import annotations

import dis
from types import CodeType
from typing import Any

_READS = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_GLOBAL_WRITES = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
_CELL_WRITES = frozenset({"STORE_DEREF", "DELETE_DEREF"})


class Overlay(dict[str, Any]):
    """A function's globals with some values fixed; every other name is looked up live."""

    __slots__ = ("_live",)

    def __init__(self, live: dict[str, Any]) -> None:
        super().__init__()
        self._live = live

    def __missing__(self, key: str) -> object:
        """Look the name up where the function was defined."""
        return self._live[key]


def analyse(code: CodeType) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the globals that `code` reads, the free variables that it assigns, and the globals that it assigns.

    Functions and comprehensions inside it count as part of it.
    """
    reads: dict[str, None] = {}
    cells: dict[str, None] = {}
    writes: dict[str, None] = {}
    _collect(code, frozenset(code.co_freevars), reads, cells, writes)
    return tuple(reads), tuple(cells), tuple(writes)


def _collect(
    code: CodeType,
    free: frozenset[str],
    reads: dict[str, None],
    cells: dict[str, None],
    writes: dict[str, None],
) -> None:
    for instruction in dis.get_instructions(code):
        name = instruction.argval
        if instruction.opname in _READS:
            reads[name] = None
        elif instruction.opname in _GLOBAL_WRITES:
            writes[name] = None
        elif instruction.opname in _CELL_WRITES and name in free:
            cells[name] = None
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _collect(constant, free & frozenset(constant.co_freevars), reads, cells, writes)
