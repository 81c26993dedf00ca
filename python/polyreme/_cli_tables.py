"""The tables that commands print."""

from __future__ import annotations

import os
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from polyreme._cli_common import count_text, number_text, percent_text, time_text

__all__ = ["print_run"]

# With less than this part of the busy time on a processor, tasks waited too much for the other figures to mean much.
_FED = 0.7


def print_run(summary: dict[str, Any]) -> None:
    """Print what `polyreme run` found, as its JSON object says it."""
    console = Console(highlight=False)
    title = f"{summary['graph']}: {count_text(summary['tasks'], 'task')} on {count_text(summary['workers'], 'worker')}"
    if summary["repeats"] > 1:
        title += f", median of {summary['repeats']} runs"
    console.print()
    console.print(title, style="bold")
    console.print()
    _print_trimmed(console, _figures(summary))
    console.print()
    _print_trimmed(console, _slots(summary))
    if _starved(summary):
        console.print()
        console.print(_starvation(summary), style="yellow", soft_wrap=True)


def _print_trimmed(console: Console, content: RenderableType) -> None:
    """Print without the blanks that rich fills lines with."""
    for line in console.render_lines(content, pad=False):
        text = Text.assemble(*((segment.text, segment.style or "") for segment in line))
        text.rstrip()
        console.print(text, soft_wrap=True)


def _used(summary: dict[str, Any]) -> float | None:
    """Processor time as a part of the time that slots were busy.

    The rest they waited, for the GIL or for cores that other programs used. None if the process spent more outside of
    bodies than inside: then the part says nothing about the bodies.
    """
    busy_s, cpu_s = summary["busy_s"], summary["cpu_s"]
    return cpu_s / busy_s if 0 < cpu_s <= 2 * busy_s else None


def _starved(summary: dict[str, Any]) -> bool:
    """Whether slots waited for processors, and not only for the GIL, which the lower bound knows of."""
    workers, busy_s = summary["workers"], summary["busy_s"]
    # While one slot holds the GIL all others may wait for it.
    waited_s: float = busy_s - summary["cpu_s"] - (workers - 1) * summary["lock_s"]
    return waited_s > (1 - _FED) * float(busy_s)


def _starvation(summary: dict[str, Any]) -> str:
    few = summary["workers"] > len(os.sched_getaffinity(0))
    why = "there are fewer processors than workers" if few else "other programs had the processors"
    return f"{why}: the slots waited while busy, so efficiency and overhead say little about the runtime"


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
    used = _used(summary)
    note = "" if used is None else f"{percent_text(used)} of the time slots were busy"
    table.add_row("processor time", time_text(summary["cpu_s"]), note)
    if summary["failures"]:
        table.add_row("failed tasks", number_text(summary["failures"]), "")
    if summary["verified"]:
        table.add_row("verified", "[green]yes[/]", "each task once, in order, on a slot of its own")
    else:
        table.add_row("verified", "[bold red]NO[/]", count_text(summary["violations"], "violation"))
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
