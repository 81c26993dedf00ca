"""`polyreme run`: a graph file on this machine's cores, every task as busy work, judged by the checker of traces."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from polyreme import _core
from polyreme._cli_common import (
    PICTURE,
    Failure,
    NotVerified,
    OutputFile,
    count_text,
    load_graph,
    number_text,
    refuse_same_file,
)
from polyreme._runtime import Runtime

__all__ = ["run"]

_MAX_WORKERS = 1024
_SHOWN_VIOLATIONS = 20
# How far the check of the calibrated work may be off before the user is told.
_UNTRUSTED = 0.05


@dataclass(frozen=True)
class Setting:
    """What all repetitions of a run share."""

    graph: _core.Graph
    name: str
    bounds: _core.GraphBounds
    workers: int
    verified_us: float  # of the calibration

    @property
    def bound_s(self) -> float:
        """The time below which no run can be."""
        return self.bounds.makespan_us(self.workers) * 1e-6


@dataclass(frozen=True)
class Outcome:
    """One repetition, as the checker saw it in the trace."""

    makespan_s: float
    cpu_s: float  # of the whole process, from the first spawn to the last end
    failures: int
    slots: list[tuple[int, float]]  # tasks and busy seconds
    violation_count: int
    violations: list[tuple[str, str]]

    @classmethod
    def of(cls, trace: _core.CheckedTrace, cpu_s: float) -> Outcome:
        """Keep what is reported of a checked trace."""
        return cls(
            makespan_s=trace.makespan_ns * 1e-9,
            cpu_s=cpu_s,
            failures=trace.failed,
            slots=[(tasks, busy_ns * 1e-9) for tasks, busy_ns in trace.slots],
            violation_count=trace.violation_count,
            violations=trace.violations,
        )


@click.command()
@click.argument("graph", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--workers",
    "-w",
    type=click.IntRange(1, _MAX_WORKERS),
    metavar="N",
    help="Tasks that run at a time. [default: one for each core that this process may use]",
)
@click.option(
    "--repeat", type=click.IntRange(1, 10_000), metavar="R", default=1, help="Runs; the table shows the median."
)
@click.option("--trace", type=OutputFile(), help="Keep the trace of the last run here; Perfetto opens it.")
@click.option("--plot", type=PICTURE, help="Draw the last run here, as .png, .svg or .pdf.")
@click.option("--data-order", is_flag=True, help="Also order tasks by the data blocks that they touch, as spawned.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
def run(
    graph: str,
    workers: int | None,
    repeat: int,
    trace: str | None,
    plot: str | None,
    data_order: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run the task graph in the file GRAPH.

    Every task is busy for the time that the file states for the CPU, with and without Python's lock (the GIL). Then the
    trace of the run is checked: each task ran once, after all it depends on, and never more at a time than there are
    workers. A run that fails this ends with status 1.
    """
    refuse_same_file({"GRAPH": graph, "--trace": trace, "--plot": plot})
    loaded = load_graph(graph, data_order=data_order)
    with Runtime(workers=workers) as runtime, tempfile.TemporaryDirectory(prefix="polyreme-") as folder:
        trace_path = trace if trace is not None else str(Path(folder) / "trace.json")
        setting, plan = _prepare(loaded, graph, runtime.workers)
        outcomes: list[Outcome] = []
        with _progress(loaded.task_count, repeat, show=not quiet and not as_json) as report:
            for _ in range(repeat):
                checked, cpu_s = _run_once(runtime, plan, loaded, trace_path, report(len(outcomes)))
                outcomes.append(Outcome.of(checked, cpu_s))
        if plot is not None:
            from polyreme._plot_run import draw_run

            draw_run(plot, loaded, checked, name=setting.name, bound_s=setting.bound_s)
    summary = _summarise(setting, outcomes)
    if as_json:
        click.echo(json.dumps(summary))
    else:
        from polyreme._cli_tables import print_run

        print_run(summary)
    _judge(outcomes)


def _prepare(graph: _core.Graph, path: str, workers: int) -> tuple[Setting, _core.GraphPlan]:
    try:
        bounds = graph.bounds()
        rate = _core.SpinRate.measure()
        plan = _core.GraphPlan(graph, rate)
    except _core.GraphNotRunnable as error:
        message = f"{path}: {error}"
        raise Failure(message) from error
    if abs(rate.verified_us - 1) > _UNTRUSTED:
        click.echo(
            f"warning: work of 1 us takes {rate.verified_us:.2f} us when measured again; the machine is too busy, or "
            "its clock too unsteady, for the times below to mean much",
            err=True,
        )
    return Setting(graph, Path(path).name, bounds, workers, rate.verified_us), plan


def _run_once(
    runtime: Runtime, plan: _core.GraphPlan, graph: _core.Graph, trace_path: str, progress: Callable[[int], None] | None
) -> tuple[_core.CheckedTrace, float]:
    try:
        with runtime.trace(trace_path):
            begin = time.process_time()
            plan.run(runtime, progress)
            cpu_s = time.process_time() - begin
        return _core.check_trace(trace_path, graph), cpu_s
    except OSError as error:
        raise Failure(f"the trace cannot be written: {error}; choose another place with --trace or TMPDIR") from error
    except _core.TraceFileError as error:
        raise NotVerified(f"not verified: {error}") from error


@contextmanager
def _progress(tasks: int, repeat: int, *, show: bool) -> Iterator[Callable[[int], Callable[[int], None] | None]]:
    """Give for each repetition what to call with the number of its tasks that are done, or None."""
    if not show or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # No thread of its own: it would take the interpreter from the tasks of the graph whenever it likes.
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as bar:
        row = bar.add_task("running", total=tasks * repeat)

        def repetition(number: int) -> Callable[[int], None]:
            def report(done: int) -> None:
                bar.update(row, completed=number * tasks + done, refresh=True)

            return report

        yield repetition


def _summarise(setting: Setting, outcomes: list[Outcome]) -> dict[str, object]:
    """The JSON object; the figures of the run with the median makespan."""
    graph, bounds, bound_s = setting.graph, setting.bounds, setting.bound_s
    makespans = [outcome.makespan_s for outcome in outcomes]
    middle = statistics.median_low(makespans)
    median = outcomes[makespans.index(middle)]
    busy_s = sum(busy for _, busy in median.slots)
    return {
        "graph": setting.name,
        "tasks": graph.task_count,
        "dependencies": graph.dependency_count,
        "workers": setting.workers,
        "repeats": len(outcomes),
        "makespan_s": middle,
        "makespan_min_s": min(makespans),
        "makespan_max_s": max(makespans),
        "bound_s": bound_s,
        "critical_path_s": bounds.critical_path_us * 1e-6,
        "work_s": bounds.work_us * 1e-6,
        "lock_s": bounds.lock_us * 1e-6,
        "efficiency": _efficiency(bound_s, middle),
        "efficiency_min": _efficiency(bound_s, max(makespans)),
        "efficiency_max": _efficiency(bound_s, min(makespans)),
        "overhead_us_per_task": _overhead_us(setting, middle),
        "busy_s": busy_s,
        "cpu_s": median.cpu_s,
        "verified": all(outcome.violation_count == 0 for outcome in outcomes),
        "failures": sum(outcome.failures for outcome in outcomes),
        "violations": sum(outcome.violation_count for outcome in outcomes),
        "calibration": setting.verified_us,
        "slots": [
            {
                "slot": slot,
                "tasks": tasks,
                "busy_s": busy,
                "share": busy / busy_s if busy_s > 0 else 0.0,
                "use": busy / middle if middle > 0 else 0.0,
            }
            for slot, (tasks, busy) in enumerate(median.slots)
        ],
    }


def _efficiency(bound_s: float, makespan_s: float) -> float:
    return bound_s / makespan_s if makespan_s > 0 else 1.0


def _overhead_us(setting: Setting, makespan_s: float) -> float:
    if setting.graph.task_count == 0:
        return 0.0
    return max(0.0, makespan_s - setting.bound_s) * 1e6 * setting.workers / setting.graph.task_count


def _judge(outcomes: list[Outcome]) -> None:
    lines = []
    for number, outcome in enumerate(outcomes, 1):
        if outcome.violation_count == 0:
            continue
        lines.append(f"run {number} is not verified: {count_text(outcome.violation_count, 'violation')}")
        lines += [f"  {rule}: {message}" for rule, message in outcome.violations[:_SHOWN_VIOLATIONS]]
        if outcome.violation_count > _SHOWN_VIOLATIONS:
            lines.append(f"  and {number_text(outcome.violation_count - _SHOWN_VIOLATIONS)} more")
    if lines:
        raise NotVerified("\n".join(lines))
