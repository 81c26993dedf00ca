"""`cores=`: tasks that hold several slots while they run."""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Any

import polyreme as pr
import pytest


class Occupancy:
    """How many slots bodies hold, and held at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = 0
        self.most = 0

    def hold(self, cores: int) -> None:
        with self._lock:
            self._held += cores
            self.most = max(self.most, self._held)
        with self._lock:
            self._held -= cores


def test_results_arrive_and_slots_suffice() -> None:
    occupancy = Occupancy()
    with pr.Runtime(workers=4) as rt:

        def body(cores: int) -> int:
            occupancy.hold(cores)
            return cores

        tasks = [rt.spawn(body, i % 4 + 1, cores=i % 4 + 1) for i in range(100)]
        assert [task.result() for task in tasks] == [i % 4 + 1 for i in range(100)]
    assert occupancy.most <= 4


def test_the_decorator_takes_cores(pair: pr.Runtime) -> None:
    @pair.task(cores=2)
    def both() -> int:
        return pair.spawn(lambda: 3, cores=2).result() + pair.spawn(lambda: 4).result()

    assert both.result() == 7


def test_failures_give_the_slots_back(pair: pr.Runtime) -> None:
    for _ in range(10):
        assert isinstance(pair.spawn(int, "x", cores=2).exception(), ValueError)
    assert pair.spawn(lambda: 1, cores=2).result() == 1
    with pytest.raises(ExceptionGroup):
        pair.wait()


def test_one_that_waits_for_slots_can_be_cancelled(pair: pr.Runtime) -> None:
    entered, leave = threading.Event(), threading.Event()
    pair.spawn(lambda: (entered.set(), leave.wait()))
    entered.wait()
    waiting = pair.spawn(lambda: 1, cores=2)
    assert waiting.cancel()
    leave.set()
    assert pair.spawn(lambda: 2, cores=2).result() == 2
    with pytest.raises(pr.TaskCancelled):
        waiting.result()


@pytest.mark.parametrize("cores", [None, 1])
def test_none_is_one_core(single: pr.Runtime, cores: int | None) -> None:
    assert single.spawn(lambda: 5, cores=cores).result() == 5


def test_openmp_may_use_as_many_threads(pair: pr.Runtime) -> None:
    try:
        openmp = ctypes.CDLL("libgomp.so.1")
    except OSError:
        pytest.skip("there is no OpenMP library")
    assert pair.spawn(openmp.omp_get_max_threads, cores=2).result() == 2


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core is all there is")
def test_a_bound_worker_may_use_all_its_cores() -> None:
    seen: list[Any] = []
    with pr.Runtime(workers=2, pin=True) as rt:
        rt.spawn(lambda: seen.append(os.sched_getaffinity(0)), cores=2)
    assert len(seen[0]) > 1
