"""The stub check sees a name that only one side has."""

from __future__ import annotations

import ast
from types import ModuleType

import check_stubs


class Runtime:
    """Stands for a class of the extension module."""

    def spawn(self) -> None:
        """A public method."""

    def _wake(self) -> None:
        """A private method."""


def fake_module() -> ModuleType:
    module = ModuleType("core")
    vars(module).update(Runtime=Runtime, version="0.1.0", _hidden=1, sys=ast)
    return module


def test_a_complete_stub_is_accepted() -> None:
    stub = ast.parse("import sys\nversion: str\nclass Runtime:\n    def spawn(self) -> None: ...\n")
    assert check_stubs.compare(fake_module(), stub) == []


def test_names_of_one_side_are_found() -> None:
    stub = ast.parse("class Runtime:\n    def steal(self) -> None: ...\ndef run() -> None: ...\n")
    assert check_stubs.compare(fake_module(), stub) == [
        "core.version is missing in the stub",
        "core.run is in the stub only",
        "core.Runtime.spawn is missing in the stub",
        "core.Runtime.steal is in the stub only",
    ]
