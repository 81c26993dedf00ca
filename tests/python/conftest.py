"""Fixtures of the Python tests."""

from __future__ import annotations

import gc
import signal
import sys
import sysconfig
from typing import TYPE_CHECKING

import polyreme as pr
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


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
