"""The public API is exactly what is meant, documented, typed, and light to import."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import check_stubs
import polyreme as pr
import pytest
from polyreme import _core, testing
from programs import run

PUBLIC = {
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
}

# What users may rely on, class by class.
MEMBERS = {
    "Runtime": {
        "aclose",
        "capture",
        "close",
        "closed",
        "observe",
        "producer",
        "scope",
        "space",
        "spawn",
        "stats",
        "task",
        "trace",
        "wait",
        "wait_async",
        "workers",
    },
    "Task": {"add_done_callback", "cancel", "cancelled", "done", "exception", "name", "result", "running"},
    "Context": {"cancelled", "name", "raise_if_cancelled"},
    "Space": {"name"},
    "Scope": {"cancel", "cancelled", "spawn", "wait"},
    "Slice": set(),
    "NativeFunction": {"address", "signature"},
    "CapturedGraph": {"argument", "name", "run", "run_async", "size", "spawn", "task"},
    "Node": {"graph", "name"},
    "Argument": {"graph", "name"},
    "Executor": {"map", "shutdown", "submit"},
}


def test_the_public_names() -> None:
    assert set(pr.__all__) == PUBLIC
    assert len(pr.__all__) == len(PUBLIC)
    assert set(dir(pr)) == PUBLIC
    for name in PUBLIC:
        assert getattr(pr, name) is getattr(pr, name)


def test_nothing_else_is_public() -> None:
    pr.Executor, pr.native  # noqa: B018  made when first asked for
    modules = {name for name in vars(pr) if not name.startswith("_")} - PUBLIC
    assert modules <= {"annotations", "TYPE_CHECKING", "testing"}  # the last once somebody has imported it


def test_the_names_for_tests() -> None:
    assert set(testing.__all__) == {"SteppedRuntime", "explore"}
    added = {name for name in dir(testing.SteppedRuntime) if not name.startswith("_")} - MEMBERS["Runtime"]
    assert added == {"run", "seed", "step"}
    for name in testing.__all__:
        assert inspect.getdoc(getattr(testing, name)), name


@pytest.mark.parametrize("name", MEMBERS)
def test_the_public_members(name: str) -> None:
    owner = getattr(pr, name)
    assert {member for member in dir(owner) if not member.startswith("_")} == MEMBERS[name]


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'polyreme' has no attribute 'Nothing'"):
        pr.Nothing  # noqa: B018
    with pytest.raises(ImportError, match="Nothing"):
        exec("from polyreme import Nothing")


@pytest.mark.parametrize("name", sorted(PUBLIC - {"__version__"}))
def test_everything_is_documented(name: str) -> None:
    thing = getattr(pr, name)
    assert inspect.getdoc(thing), name
    for member in MEMBERS.get(name, set()):
        text = inspect.getdoc(getattr(thing, member))
        assert text, f"{name}.{member}"
        assert text.split("\n")[0].endswith((".", ":")), f"{name}.{member}: {text}"


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (
            pr.Runtime.spawn,
            "(self, fn, /, *args, after=None, id=None, name=None, priority=0, cores=1, retries=0, backoff=0.0, kwargs=None)",
        ),
        (
            pr.Runtime.task,
            "(self, id=None, /, *args, after=None, name=None, priority=0, cores=1, retries=0, backoff=0.0, kwargs=None, capture='value')",
        ),
        (pr.Runtime.space, "(self, name, /)"),
        (pr.Runtime.stats, "(self, /)"),
        (pr.CapturedGraph.spawn, "(self, fn, /, *args, after=None, name=None, kwargs=None)"),
        (pr.CapturedGraph.task, "(self, /, *args, after=None, name=None, kwargs=None)"),
        (pr.CapturedGraph.argument, "(self, default, /, name=None)"),
        (pr.CapturedGraph.run, "(self, values=None, /, **arguments)"),
        (pr.Task.result, "(self, /, timeout=None)"),
        (pr.Task.exception, "(self, /, timeout=None)"),
        (pr.Task.done, "(self, /)"),
        (pr.Task.add_done_callback, "(self, callback, /)"),
    ],
)
def test_signatures_of_compiled_functions(function: Any, signature: str) -> None:
    assert str(inspect.signature(function)) == signature


def test_errors_are_kinds_of_what_python_programs_expect() -> None:
    assert issubclass(pr.PolyremeError, RuntimeError)
    assert issubclass(pr.UsageError, pr.PolyremeError)
    assert issubclass(pr.DuplicateIdError, pr.UsageError)
    assert issubclass(pr.DuplicateIdError, ValueError)
    assert issubclass(pr.RuntimeClosedError, pr.UsageError)
    for name in ("CycleError", "DependencyFailed", "MissingTaskError", "TaskCancelled"):
        assert getattr(pr, name).__bases__ == (pr.PolyremeError,)
    for name in PUBLIC:
        thing = getattr(pr, name)
        if isinstance(thing, type) and issubclass(thing, Exception):
            assert thing.__module__ == "polyreme"
            assert thing.__name__ == name


def test_types_name_their_module() -> None:
    for thing in (pr.Task, pr.Space, pr.Slice, pr.CapturedGraph, pr.Node, pr.Argument, pr.GraphRun):
        assert thing.__module__ == "polyreme"
    assert repr(pr.Task[int]) == "polyreme.Task[int]"


def test_the_version_is_that_of_the_package() -> None:
    assert pr.__version__ == _core.version
    assert pr.__version__.count(".") == 2


def stub_file() -> Path:
    return Path(_core.__file__).parent / "_core.pyi"


def test_the_stub_has_the_names_of_the_module() -> None:
    stub = ast.parse(stub_file().read_text(encoding="utf-8"))
    assert check_stubs.compare(_core, stub) == []
    assert (stub_file().parent / "py.typed").exists()


def test_the_stub_has_the_parameters_of_the_module() -> None:
    stub = ast.parse(stub_file().read_text(encoding="utf-8"))
    for statement in stub.body:
        if not isinstance(statement, ast.ClassDef) or statement.name not in {
            "Runtime",
            "Task",
            "Space",
            "CapturedGraph",
        }:
            continue
        owner = getattr(_core, statement.name)
        for function in statement.body:
            if not isinstance(function, ast.FunctionDef) or function.name.startswith("_"):
                continue
            if any(isinstance(one, ast.Name) and one.id in {"overload", "property"} for one in function.decorator_list):
                continue
            declared = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
            declared += [function.args.vararg.arg] if function.args.vararg else []
            declared += [one.arg for one in function.args.kwonlyargs]
            declared += [function.args.kwarg.arg] if function.args.kwarg else []
            assert list(inspect.signature(getattr(owner, function.name)).parameters) == declared, function.name


# ---- what an import costs


def imported(statement: str) -> set[str]:
    """The modules that a statement adds to a fresh interpreter."""
    end = run(f"import sys\nbefore = set(sys.modules)\n{statement}\nprint(*sorted(set(sys.modules) - before))")
    assert end.code == 0, end.err
    return set(end.out.split())


def test_importing_takes_no_other_module() -> None:
    added = imported("import polyreme")
    ours = {name for name in added if name == "polyreme" or name.startswith("polyreme.")}
    assert ours == {"polyreme", "polyreme._core", "polyreme._runtime", "polyreme._scope"}
    assert added - ours <= {"atexit", "__future__"}


def test_a_first_task_takes_no_other_module() -> None:
    added = imported(
        "import polyreme as pr\nwith pr.Runtime(1) as rt:\n    rt.spawn(int).result()\n    T = rt.space('T')\n"
        "    rt.spawn(int, id=T[0], after=T[:0]).result()"
    )
    assert {name for name in added if not name.startswith("polyreme")} <= {"atexit", "__future__"}


def test_only_the_executor_needs_concurrent_futures() -> None:
    assert "concurrent.futures" not in imported("import polyreme")
    assert "concurrent.futures" in imported("import polyreme; polyreme.Executor")


def test_everything_can_be_imported_by_star() -> None:
    end = run("from polyreme import *\nprint(*sorted(name for name in dir() if name[0] != '_'))")
    assert set(end.out.split()) == PUBLIC - {"__version__"}


def test_the_documented_example_runs() -> None:
    import doctest

    failed, tried = doctest.testmod(pr)
    assert (failed, tried > 0) == (0, True)


def test_the_package_runs_without_site_packages() -> None:
    # -S: no site, so nothing that an environment adds.
    folder = Path(pr.__file__).parent.parent
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import polyreme; print(polyreme.__version__)"
    end = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert end.stdout.strip() == pr.__version__, end.stderr
