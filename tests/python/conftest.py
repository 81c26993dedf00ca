"""Fixtures of the Python tests."""

from __future__ import annotations

import gc
import signal
from typing import TYPE_CHECKING

import polyreme as pr
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_configure() -> None:
    """Let Ctrl-C be heard here and in child processes: a shell starts what runs in the background with it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
