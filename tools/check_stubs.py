"""Checks that the stubs of the installed package say what its extension module has.

Run it with an interpreter that has polyreme installed. Every public name of `polyreme._core`, and every public member
of its classes, has to be in `_core.pyi` and the other way round, and the package has to be marked as typed.
"""

from __future__ import annotations

import ast
import importlib
import sys
from importlib.resources import files
from types import ModuleType


def is_public(name: str) -> bool:
    """Tells whether users may rely on a name."""
    return not name.startswith("_")


def declared(body: list[ast.stmt]) -> set[str]:
    """The public names that the statements of a stub declare."""
    names: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(statement.name)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            names.add(statement.target.id)
        elif isinstance(statement, ast.Assign):
            names.update(target.id for target in statement.targets if isinstance(target, ast.Name))
    return {name for name in names if is_public(name)}


def differences(where: str, stub: set[str], runtime: set[str]) -> list[str]:
    """Says which names only one side has."""
    return [f"{where}.{name} is missing in the stub" for name in sorted(runtime - stub)] + [
        f"{where}.{name} is in the stub only" for name in sorted(stub - runtime)
    ]


def public_members(owner: type) -> set[str]:
    """The public names a class defines itself."""
    return {name for name in vars(owner) if is_public(name)}


def compare(module: ModuleType, stub: ast.Module) -> list[str]:
    """Compares an extension module with its parsed stub, and its classes member by member."""
    where = module.__name__
    runtime = {name for name in dir(module) if is_public(name) and not isinstance(getattr(module, name), ModuleType)}
    found = differences(where, declared(stub.body), runtime)
    for statement in stub.body:
        owner = getattr(module, statement.name, None) if isinstance(statement, ast.ClassDef) else None
        if isinstance(statement, ast.ClassDef) and isinstance(owner, type):
            found += differences(f"{where}.{statement.name}", declared(statement.body), public_members(owner))
    return found


def main() -> int:
    """Checks the installed package and prints what is wrong with it."""
    package = files("polyreme")
    missing = [name for name in ("py.typed", "_core.pyi") if not package.joinpath(name).is_file()]
    found = [f"the installed package has no {name}" for name in missing]
    if "_core.pyi" not in missing:
        stub = ast.parse(package.joinpath("_core.pyi").read_text(encoding="utf-8"))
        found += compare(importlib.import_module("polyreme._core"), stub)
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
