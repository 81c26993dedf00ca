"""How a graph runs: the length of its busy work, and who holds the interpreter when."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import polyreme as pr
import pytest
from cli_support import GRAPHS, SMALL, plan_of, write_graph
from polyreme import _core
from programs import run

gil_only = pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="this interpreter has no lock to hold"
)


@pytest.fixture(name="rate", scope="module")
def _rate() -> _core.SpinRate:
    return _core.SpinRate.measure()


@contextmanager
def no_switches() -> Iterator[None]:
    """The thread that has the GIL keeps it until it lets it go by itself."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


class Counter(threading.Thread):
    """Counts whenever it gets the GIL, and lets it go after each count."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.count = 0
        self.stopped = False

    def run(self) -> None:
        while not self.stopped:
            self.count += 1
            os.stat(os.curdir)  # lets the GIL go  # noqa: PTH116

    def __enter__(self) -> Counter:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped = True
        self.join()


def test_the_rate_is_verified(rate: _core.SpinRate) -> None:
    assert rate.steps_per_us > 1
    assert 0.5 < rate.verified_us < 2


def test_work_takes_the_processor_time_it_says(rate: _core.SpinRate) -> None:
    def used(time_us: float) -> float:
        begin = time.thread_time()
        rate.spin(time_us, hold_gil=True)
        return time.thread_time() - begin

    shortest = min(used(10_000) for _ in range(5))
    assert 0.005 < shortest < 0.030


@gil_only
def test_work_with_the_gil_lets_nobody_in(rate: _core.SpinRate) -> None:
    # A switch that was asked for before no_switches() may still come after the first spin; it comes once.
    stood_still = False
    with Counter() as counter, no_switches():
        for _ in range(5):
            before = counter.count
            rate.spin(20_000, hold_gil=True)
            stood_still = stood_still or counter.count == before
    assert stood_still


def test_work_without_the_gil_lets_others_in(rate: _core.SpinRate) -> None:
    with Counter() as counter, no_switches():
        before = counter.count
        # Nothing else here lets the GIL go, so this ends only if the work does.
        while counter.count == before:
            rate.spin(100, hold_gil=False)


@gil_only
def test_free_parts_run_without_the_gil_and_held_parts_wait_for_it(tmp_path: Path, rate: _core.SpinRate) -> None:
    free = 20
    lines = [f"{task} | {{-1 : 100, 1, 0, 0, 0}} | |" for task in range(free)]
    lines.append(f"{free} | {{-1 : 400000, 1, 1, 0.01, 0}} | |")
    graph = _core.read_graph(write_graph(tmp_path, "{0 : -1}\n" + "\n".join(lines) + "\n"))
    looked = []

    def look(_: int) -> None:
        """Hold the GIL from here to the end of the look."""
        if looked:
            return
        with no_switches():
            while rt.stats()["completed"] < free:
                pass
            begun = rt.stats()["completed"]
            rate.spin(500_000, hold_gil=True)
            looked.append((begun, rt.stats()["completed"]))

    with pr.Runtime(workers=2) as rt:
        plan_of(graph).run(rt, look, interval_s=0.001)
    # The last task needs the GIL before it can end, so it ended either before the look or after it.
    assert looked[0][0] == looked[0][1]


@gil_only
def test_held_parts_exclude_each_other(tmp_path: Path) -> None:
    graph = _core.generate_graph(
        "independent", {"tasks": "40", "time_us": "1000", "gil_fraction": "0.9", "gil_accesses": "2"}
    )
    trace = tmp_path / "trace.json"
    with pr.Runtime(workers=4) as rt, rt.trace(trace):
        plan_of(graph).run(rt)
    checked = _core.check_trace(trace, graph)
    assert checked.verified
    # Whatever the machine does, the parts with the GIL take at least their time one after the other.
    assert checked.makespan_ns * 1e-3 > 0.9 * graph.bounds().lock_us


@gil_only
def test_tasks_that_always_need_the_gil_run_one_at_a_time(tmp_path: Path) -> None:
    graph = _core.generate_graph("independent", {"tasks": "60", "time_us": "100", "gil_fraction": "1"})
    trace = tmp_path / "trace.json"
    with pr.Runtime(workers=3) as rt, rt.trace(trace):
        plan_of(graph).run(rt)
    checked = _core.check_trace(trace, graph)
    assert checked.verified
    times = sorted((start, start + length) for _, start, length, _ in checked.slices())
    assert len(times) == 60
    assert all(end <= start for (_, end), (start, _) in pairwise(times))


@pytest.mark.parametrize("workers", [1, 3])
def test_a_plan_runs_again_and_again(tmp_path: Path, workers: int) -> None:
    graph = _core.read_graph(write_graph(tmp_path))
    plan = plan_of(graph)
    with pr.Runtime(workers=workers) as rt:
        for _ in range(5):
            with rt.trace(tmp_path / "trace.json"):
                plan.run(rt)
            checked = _core.check_trace(tmp_path / "trace.json", graph)
            assert checked.verified, checked.violations
            assert checked.tasks == graph.task_count
            assert sum(tasks for tasks, _ in checked.slots) == graph.task_count


def test_a_graph_without_tasks_runs(tmp_path: Path) -> None:
    graph = _core.read_graph(write_graph(tmp_path, "{0 : -1}\n"))
    with pr.Runtime(workers=1) as rt, rt.trace(tmp_path / "trace.json"):
        plan_of(graph).run(rt)
    assert _core.check_trace(tmp_path / "trace.json", graph).verified


def test_an_exception_in_progress_stops_the_run(tmp_path: Path) -> None:
    # An hour of work: the test ends because the run does.
    graph = _core.generate_graph("serial", {"time_us": "1e9"})

    class StopError(Exception):
        pass

    def stop(done: int) -> None:
        assert done == 0
        raise StopError

    with pr.Runtime(workers=2) as rt:
        with pytest.raises(StopError):
            plan_of(graph).run(rt, stop, interval_s=0.001)
        # The runtime is as good as before.
        plan_of(_core.read_graph(write_graph(tmp_path))).run(rt)
        assert rt.spawn(int).result() == 0


def test_a_run_in_a_body_is_refused(tmp_path: Path) -> None:
    plan = plan_of(_core.read_graph(write_graph(tmp_path)))
    with pr.Runtime(workers=2) as rt, pr.Runtime(workers=1) as other:
        error = rt.spawn(plan.run, rt).exception()
        assert isinstance(error, pr.UsageError)
        assert "return, and run it outside" in str(error)
        assert rt.stats()["spawned"] == 1
        with pytest.raises(ExceptionGroup):
            rt.wait()
        rt.spawn(plan.run, other).result()


@pytest.mark.parametrize(
    "close",
    [
        "rt.close()",
        "rt.close(cancel=True)",
        "closer = threading.Thread(target=rt.close); closer.start(); closer.join()",
    ],
)
def test_the_runtime_is_closed_while_a_run_is_in_it(close: str) -> None:
    end = run(
        f"""
        import threading
        import polyreme as pr
        from polyreme import _core
        plan = _core.GraphPlan(
            _core.generate_graph("independent", {{"tasks": "30", "time_us": "5000"}}), _core.SpinRate.measure()
        )
        rt = pr.Runtime(workers=1)
        calls = []
        def progress(done):
            calls.append(done)
            {close}
            for _ in range(50):
                pr.Runtime(workers=1).close()  # a closed engine goes away when others come and go
        plan.run(rt, progress, 0.001)
        print(len(calls), rt.closed)
        try:
            plan.run(rt)
        except pr.RuntimeClosedError:
            print("closed")
        """
    )
    assert (end.code, end.out) == (0, "1 True\nclosed\n"), end


def test_tasks_that_cannot_run_are_named(tmp_path: Path, rate: _core.SpinRate) -> None:
    wide = _core.read_graph(write_graph(tmp_path, SMALL + "3 | {-1 : 1, 2, 0, 0, 0} | |\n"))
    with pytest.raises(_core.TaskNotRunnable, match=r"T\[3\] on line 5 holds 2 cores"):
        _core.GraphPlan(wide, rate)
    with pytest.raises(_core.GraphNotRunnable, match=r"T\[3\] on line 5 .*any GPU"):
        _core.GraphPlan(_core.read_graph(GRAPHS / "gangs_300.gph"), rate)


def test_misuse_of_run(tmp_path: Path) -> None:
    plan = plan_of(_core.read_graph(write_graph(tmp_path)))
    with pytest.raises(TypeError, match=r"'rt' is no polyreme\.Runtime"):
        plan.run("rt")  # type: ignore[arg-type]
    with pr.Runtime(workers=1) as rt, pytest.raises(ValueError, match="interval_s=0"):
        plan.run(rt, interval_s=0)
    with pytest.raises(pr.RuntimeClosedError):
        plan.run(rt)


def test_a_trace_starts_while_idle_threads_look_for_work(tmp_path: Path) -> None:
    for _ in range(50):
        with pr.Runtime(workers=2) as rt:
            for _ in range(3):
                with rt.trace(tmp_path / "trace.json"):
                    rt.spawn(int)


def test_a_trace_does_not_start_while_a_task_runs(tmp_path: Path) -> None:
    started, end = threading.Event(), threading.Event()

    def body() -> None:
        started.set()
        end.wait()

    with pr.Runtime(workers=1) as rt:
        rt.spawn(body)
        started.wait()
        with pytest.raises(pr.UsageError, match="while no task runs"), rt.trace(tmp_path / "trace.json"):
            pass
        end.set()
