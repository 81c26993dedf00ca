"""A summary as a table for the terminal and as one for a Markdown page."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan

from rich.table import Table

from bench.comparison.summary import Cell, Row, Summary


def _number(value: float) -> str:
    """Three significant figures, without an exponent."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    text = f"{_number(cell.median)} ({_number(cell.low)}–{_number(cell.high)})"
    return text if cell.ratio is None else f"{text} {_number(cell.ratio)}×"


def _fields(summary: Summary, row: Row) -> list[str]:
    sign = "≥" if summary.group.more_is_better else "≤"
    budget = "–" if row.budget is None else f"{sign} {_number(row.budget)}"
    cells = [_cell(row.cells.get(runtime)) for runtime in summary.runtimes]
    return [row.name, budget, *cells, "–" if isnan(row.pingpong_ns) else f"{row.pingpong_ns:.0f} ns"]


def _heads(summary: Summary) -> list[str]:
    return [summary.group.unit, "goal", *summary.runtimes, "ping-pong"]


def terminal_table(summary: Summary) -> Table:
    table = Table(title=f"{summary.group.title}: median (lowest–highest), as a multiple of {summary.group.own}")
    for head in _heads(summary):
        table.add_column(head, overflow="fold")
    for row in summary.rows:
        table.add_row(*_fields(summary, row))
    return table


def markdown_table(summary: Summary, machine: Mapping[str, str]) -> str:
    heads = _heads(summary)
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join("---" for _ in heads) + " |"]
    lines += ["| " + " | ".join(_fields(summary, row)) + " |" for row in summary.rows]
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['date']}, commit {machine['commit']}"
    return "\n".join([*lines, "", f"Taken on {where}."])
