"""The command line of `bench/compare`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.comparison.machine import describe_machine
from bench.comparison.programs import RESULTS, ROOT, Group, make_groups, make_pingpong
from bench.comparison.run import Outcome, run_group
from bench.comparison.samples import write_csv
from bench.comparison.summary import summarise
from bench.comparison.table import terminal_table


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/compare",
        description="Measure polyreme and its peers in turns and print medians, ranges and ratios.",
    )
    parser.add_argument(
        "--rows", action="append", metavar="GROUP[:ROW]", help="only this, for example python or cpp:chain; may repeat"
    )
    parser.add_argument("--rounds", type=int, help="processes a program and row (default 5; 1 with --quick)")
    parser.add_argument("--quick", action="store_true", help="smaller graphs and fewer repetitions, under two minutes")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="where the C++ programs are built")
    parser.add_argument(
        "--output",
        type=Path,
        help="folder for the CSV files (default bench/results, or none for a part or a quick look)",
    )
    parser.add_argument("--list", action="store_true", help="list the groups and rows and stop")
    return parser.parse_args(arguments)


def _select(groups: Sequence[Group], wanted: Sequence[str] | None) -> dict[str, tuple[str, ...] | None]:
    """Group names to the rows that are wanted of them, None for all. Raises SystemExit for an unknown name."""
    rows = {group.name: group.rows for group in groups}
    if not wanted:
        return dict.fromkeys(rows)
    selected: dict[str, tuple[str, ...] | None] = {}
    for name in wanted:
        group, _, row = name.partition(":")
        if group not in rows or (row and row not in rows[group]):
            known = ", ".join(rows.get(group, rows))
            raise SystemExit(f"bench/compare: there is no row '{name}'; there are: {known}")
        selected[group] = (*(selected.get(group) or ()), row) if row else None
    return selected


def _report(console: Console, group: Group, outcome: Outcome) -> None:
    if outcome.samples:
        console.print(terminal_table(summarise(group, outcome.samples)))
    for message in outcome.missing:
        console.print(f"{group.name}: {message}")
    for message in outcome.failed:
        console.print(f"{group.name}: FAILED: {message}", style="bold red")
    console.print()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for. Returns 1 if a program failed, 2 for misuse."""
    options = _parse(arguments)
    console = Console(width=None if sys.stdout.isatty() else 160)
    groups = make_groups(options.build)
    if options.list:
        for group in groups:
            console.print(f"{group.name}: {', '.join(group.rows)}")
        return 0
    selected = _select(groups, options.rows)
    rounds = options.rounds or (1 if options.quick else 5)
    output = options.output or (None if options.quick or options.rows else RESULTS)
    machine = describe_machine()
    console.print(", ".join(f"{key} {value}" for key, value in machine.items()), highlight=False)

    failed = False
    for group in groups:
        if group.name not in selected:
            continue
        with console.status(group.title) as status:
            outcome = run_group(
                group,
                make_pingpong(options.build),
                rounds=rounds,
                quick=options.quick,
                rows=selected[group.name],
                progress=status.update,
            )
        _report(console, group, outcome)
        failed |= bool(outcome.failed)
        if output is not None and outcome.samples:
            write_csv(output / f"{group.name}.csv", machine, outcome.samples)
            console.print(f"Samples are in {output / f'{group.name}.csv'}")
    return 1 if failed else 0
