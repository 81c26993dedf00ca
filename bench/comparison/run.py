"""Runs the programs of a group in turns, so that a change of the machine's mood meets all of them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from math import nan

from bench.comparison.programs import ROOT, Group, Program, Value
from bench.comparison.samples import Sample

_TIME_LIMIT_S = 900


class ProgramFailedError(Exception):
    """A benchmark program found a wrong order, crashed or did not end."""


@dataclass
class Outcome:
    """Samples of a group, and what could not be had, with the reason."""

    samples: list[Sample] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def run_program(program: Program, row: str, *, quick: bool) -> list[Value]:
    """The figures that one process prints. Raises ProgramFailedError with its last words."""
    command = program.command_for(row, quick=quick)
    try:
        process = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=_TIME_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise ProgramFailedError(f"did not end within {_TIME_LIMIT_S} s: {' '.join(command)}") from error
    except subprocess.CalledProcessError as error:
        words = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise ProgramFailedError(f"exit code {error.returncode}: {words}") from error
    lines = [json.loads(line) for line in process.stdout.splitlines() if line.startswith("{")]
    return [value for line in lines for value in program.parse(line)]


def _pingpong_ns(pingpong: Program) -> float:
    """One way of a cache line between two cores, or NaN where there are not two or the program is not built."""
    if pingpong.missing() is not None:
        return nan
    try:
        return run_program(pingpong, "", quick=False)[0].median
    except ProgramFailedError:
        return nan


def run_group(
    group: Group,
    pingpong: Program,
    *,
    rounds: int,
    quick: bool,
    rows: tuple[str, ...] | None = None,
    progress: Callable[[str], None],
) -> Outcome:
    """Run every program of a group once a round and row. Programs that cannot run or fail are left out and reported."""
    outcome = Outcome()
    runnable: list[Program] = []
    for program in group.programs:
        reason = program.missing()
        if reason is None:
            runnable.append(program)
        else:
            outcome.missing.append(f"{program.runtime} is not available: {reason}")

    takes_rows = any(program.takes_row for program in runnable)
    steps = (rows or group.rows) if takes_rows else ("all rows",)
    for turn in range(rounds):
        for row in steps:
            pingpong_ns = _pingpong_ns(pingpong)
            # A different program goes first each round.
            shift = turn % max(len(runnable), 1)
            for program in runnable[shift:] + runnable[:shift]:
                progress(f"{group.name}: round {turn + 1} of {rounds}, {row}, {program.runtime}")
                try:
                    values = run_program(program, row, quick=quick)
                except ProgramFailedError as error:
                    outcome.failed.append(f"{program.runtime}, {row}: {error}")
                    continue
                outcome.samples += [
                    Sample(value.row, value.runtime, turn, value.median, value.low, value.high, pingpong_ns)
                    for value in values
                ]
    return outcome
