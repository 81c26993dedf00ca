"""What a function's code names, for captures by value.

Imported by the extension at the first decorated task; `dis` is too slow to import for programs that never decorate.
"""

from __future__ import annotations

import dis
from types import CodeType
from typing import Any

_CLASS_READS = frozenset({"LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_READS = _CLASS_READS | {"LOAD_GLOBAL"}
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


def analyse(code: CodeType) -> tuple[tuple[str, ...], ...]:
    """Say what `code` does with variables that are not its own.

    Functions, comprehensions and classes inside it count as part of it.

    Returns:
        The globals that it reads; those of them that class bodies read; the free variables that it assigns; the globals
        that it assigns; all its free variables, in the order of its closure. The others in order of appearance.
    """
    found = _Names()
    found.collect(code, frozenset(code.co_freevars))
    return tuple(found.reads), tuple(found.class_reads), tuple(found.cells), tuple(found.writes), code.co_freevars


class _Names:
    """Names found so far; the dicts are ordered sets."""

    def __init__(self) -> None:
        self.reads: dict[str, None] = {}
        self.class_reads: dict[str, None] = {}
        self.cells: dict[str, None] = {}
        self.writes: dict[str, None] = {}

    def collect(self, code: CodeType, free: frozenset[str]) -> None:
        """Add what `code` names; `free` are its variables that belong to the code around the body."""
        for instruction in dis.get_instructions(code):
            name = instruction.argval
            if instruction.opname in _READS:
                self.reads[name] = None
                if instruction.opname in _CLASS_READS:
                    self.class_reads[name] = None
            elif instruction.opname in _GLOBAL_WRITES:
                self.writes[name] = None
            elif instruction.opname in _CELL_WRITES and name in free:
                self.cells[name] = None
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self.collect(constant, free & frozenset(constant.co_freevars))
