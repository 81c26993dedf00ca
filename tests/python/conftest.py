"""Fixtures of the Python tests.

pytest-run-parallel runs one test on several threads at a time, which share its fixtures. Most tests here say something
about all tasks of a runtime, so each thread gets runtimes of its own; a test that is marked with `shared_runtime` is
one that several threads may run in the same runtime.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import signal
import sys
import sysconfig
from typing import TYPE_CHECKING

import polyreme as pr
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


def pytest_configure() -> None:
    """Let Ctrl-C be heard here and in child processes: a shell starts what runs in the background with it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    check_lock_is_off("once polyreme is imported")


def pytest_sessionfinish() -> None:
    """Look again: any module that a test has imported may have turned the lock on."""
    check_lock_is_off("after the tests")


def check_lock_is_off(when: str) -> None:
    """On a free-threaded interpreter the tests mean nothing with the global lock on."""
    if sysconfig.get_config_var("Py_GIL_DISABLED") and sys._is_gil_enabled():
        message = f"this interpreter is a free-threaded one, and its lock is on {when}"
        raise pytest.UsageError(message)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each thread that runs a test runtimes of its own."""
    if config.getoption("parallel_threads", 1) in (1, "1"):
        return
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("shared_runtime") is None:
            item.obj = with_own_runtimes(item.obj)


def with_own_runtimes(test: Callable[..., None]) -> Callable[..., None]:
    """A test that makes runtimes like those that it is given, and uses these."""

    @functools.wraps(test)
    def run(*arguments: Any, **fixtures: Any) -> None:
        with contextlib.ExitStack() as stack:
            for name in ("rt", "pair", "single"):
                if isinstance(given := fixtures.get(name), pr.Runtime):
                    fixtures[name] = pr.Runtime(workers=given.workers)
                    stack.callback(close_quietly, fixtures[name])
            test(*arguments, **fixtures)

    return run


@pytest.fixture(params=[1, 2, 4], ids=lambda workers: f"workers={workers}")
def rt(request: pytest.FixtureRequest) -> Iterator[pr.Runtime]:
    """An open runtime. Failures that a test leaves behind are its own business."""
    runtime = pr.Runtime(workers=request.param)
    yield runtime
    close_quietly(runtime)


@pytest.fixture
def pair() -> Iterator[pr.Runtime]:
    """An open runtime with two workers."""
    runtime = pr.Runtime(workers=2)
    yield runtime
    close_quietly(runtime)


@pytest.fixture
def single() -> Iterator[pr.Runtime]:
    """An open runtime with one worker."""
    runtime = pr.Runtime(workers=1)
    yield runtime
    close_quietly(runtime)


def close_quietly(runtime: pr.Runtime) -> None:
    """Close a runtime whose failures nobody asked for."""
    try:
        runtime.close()
    except BaseExceptionGroup:
        gc.collect()
