"""The tables that commands print."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from polyreme._cli_common import number_text, percent_text, time_text

__all__ = ["print_run"]


def print_run(summary: dict[str, Any]) -> None:
    """Print what `polyreme run` found, as its JSON object says it."""
    console = Console(highlight=False)
    title = f"{summary['graph']}: {number_text(summary['tasks'])} tasks on {summary['workers']} workers"
    if summary["repeats"] > 1:
        title += f", median of {summary['repeats']} runs"
    console.print()
    console.print(title, style="bold")
    console.print()
    console.print(_figures(summary))
    console.print()
    console.print(_slots(summary))


def _figures(summary: dict[str, Any]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    several = summary["repeats"] > 1
    shortest, longest = time_text(summary["makespan_min_s"]), time_text(summary["makespan_max_s"])
    worst, best = percent_text(summary["efficiency_min"]), percent_text(summary["efficiency_max"])
    table.add_row("makespan", time_text(summary["makespan_s"]), f"{shortest} to {longest}" if several else "")
    table.add_row("lower bound", time_text(summary["bound_s"]), f"the largest of these: {_binding(summary)}")
    for name, seconds in _bounds(summary).items():
        table.add_row(f"  {name}", time_text(seconds), "")
    table.add_row(
        "efficiency",
        percent_text(summary["efficiency"]),
        f"{worst} to {best}" if several else "lower bound / makespan",
    )
    table.add_row("overhead a task", f"{summary['overhead_us_per_task']:.2f} us", "slot time over the bound")
    # What the tasks got of the cores; the rest they waited, for the GIL or for cores that other programs used.
    used = summary["cpu_s"] / summary["busy_s"] if summary["busy_s"] > 0 else 1.0
    table.add_row("processor time", time_text(summary["cpu_s"]), f"{percent_text(used)} of the time slots were busy")
    if summary["failures"]:
        table.add_row("failed tasks", number_text(summary["failures"]), "")
    if summary["verified"]:
        table.add_row("verified", "[green]yes[/]", "each task once, in order, on a slot of its own")
    else:
        table.add_row("verified", "[bold red]NO[/]", f"{number_text(summary['violations'])} violations")
    return table


def _bounds(summary: dict[str, Any]) -> dict[str, float]:
    return {
        "critical path": summary["critical_path_s"],
        f"work / {summary['workers']}": summary["work_s"] / summary["workers"],
        "with the GIL": summary["lock_s"],
    }


def _binding(summary: dict[str, Any]) -> str:
    bounds = _bounds(summary)
    return max(bounds, key=bounds.__getitem__)


def _slots(summary: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("slot", "tasks", "busy", "share", "of makespan"):
        table.add_column(heading, justify="right")
    for slot in summary["slots"]:
        table.add_row(
            str(slot["slot"]),
            number_text(slot["tasks"]),
            time_text(slot["busy_s"]),
            percent_text(slot["share"]),
            percent_text(slot["use"]),
        )
    return table
