"""`polyreme check`: judges the trace of a run."""

from __future__ import annotations

import json

import click

from polyreme import _core
from polyreme._cli_common import Failure, NotVerified, count_text, load_graph, number_text, time_text

__all__ = ["check"]

_SHOWN_VIOLATIONS = 20


@click.command()
@click.argument("trace", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--graph",
    type=click.Path(exists=True, dir_okay=False),
    help="Also compare with this graph file: the same tasks, every dependency respected.",
)
@click.option("--data-order", is_flag=True, help="The graph was run with --data-order.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def check(trace: str, graph: str | None, data_order: bool, as_json: bool) -> None:
    """Judge the TRACE of a run.

    Every task must have run exactly once, or have been cancelled with a cause, after all it depends on, on a slot of
    its own, and never more at a time than there are workers. Ends with status 1 if something is against that.
    """
    if data_order and graph is None:
        raise click.UsageError("--data-order says how to read a graph; name it with --graph")
    loaded = None if graph is None else load_graph(graph, data_order=data_order)
    try:
        checked = _core.check_trace(trace, loaded)
    except _core.TraceFileError as error:
        raise Failure(str(error)) from error
    if as_json:
        click.echo(json.dumps(_summary(checked)))
    elif checked.verified:
        click.echo(_verdict(checked, with_graph=graph is not None))
    if not checked.verified:
        raise NotVerified(_complaint(checked))


def _summary(checked: _core.CheckedTrace) -> dict[str, object]:
    return {
        "verified": checked.verified,
        "tasks": checked.tasks,
        "failed": checked.failed,
        "cancelled": checked.cancelled,
        "workers": checked.workers,
        "makespan_s": checked.makespan_ns * 1e-9,
        "violation_count": checked.violation_count,
        "violations": [{"rule": rule, "message": message} for rule, message in checked.violations],
    }


def _verdict(checked: _core.CheckedTrace, *, with_graph: bool) -> str:
    text = (
        f"verified: {count_text(checked.tasks, 'task')} on {count_text(checked.workers, 'worker')} in "
        f"{time_text(checked.makespan_ns * 1e-9)}; each ran once, in order, on a slot of its own"
    )
    if with_graph:
        text += ", as in the graph"
    if checked.failed or checked.cancelled:
        text += f"; {number_text(checked.failed)} failed, {number_text(checked.cancelled)} cancelled"
    return text


def _complaint(checked: _core.CheckedTrace) -> str:
    found, tasks = count_text(checked.violation_count, "violation"), count_text(checked.tasks, "task")
    lines = [f"violated: {found} in {tasks}"]
    lines += [f"  {rule}: {message}" for rule, message in checked.violations[:_SHOWN_VIOLATIONS]]
    if checked.violation_count > _SHOWN_VIOLATIONS:
        lines.append(f"  and {number_text(checked.violation_count - _SHOWN_VIOLATIONS)} more")
    return "\n".join(lines)
