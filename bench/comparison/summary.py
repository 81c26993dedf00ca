"""Medians over rounds, ranges over all repetitions, and ratios taken within each round."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from bench.comparison.programs import Group
from bench.comparison.samples import Sample


@dataclass(frozen=True)
class Cell:
    """What one runtime does in one row. `ratio` is its time over that of polyreme, None where there is none."""

    median: float
    low: float
    high: float
    ratio: float | None


@dataclass(frozen=True)
class Row:
    name: str
    budget: float | None
    pingpong_ns: float
    cells: dict[str, Cell]


@dataclass(frozen=True)
class Summary:
    group: Group
    runtimes: list[str]
    rows: list[Row]


def _merge_best(group: Group, samples: Iterable[Sample]) -> list[Sample]:
    """Replace runtimes that are forms of one by the form with the lowest median in each row."""
    samples = list(samples)
    for merged, forms in group.best_of.items():
        by_row: dict[str, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
        for sample in samples:
            if sample.runtime in forms:
                by_row[sample.row][sample.runtime].append(sample)
        samples = [sample for sample in samples if sample.runtime not in forms]
        for row, candidates in by_row.items():
            best = min(candidates.values(), key=lambda of: statistics.median(sample.median for sample in of))
            samples += [
                Sample(row, merged, sample.round, sample.median, sample.low, sample.high, sample.pingpong_ns)
                for sample in best
            ]
    return samples


def summarise(group: Group, samples: Iterable[Sample]) -> Summary:
    """Reduce the samples of a group to one cell a row and runtime."""
    table: dict[str, dict[str, dict[int, Sample]]] = defaultdict(lambda: defaultdict(dict))
    runtimes: dict[str, None] = {}
    for sample in _merge_best(group, samples):
        table[sample.row][sample.runtime][sample.round] = sample
        runtimes[sample.runtime] = None

    rows = []
    for name in [name for name in group.rows if name in table]:
        own = table[name].get(group.own, {})
        cells = {}
        for runtime, rounds in table[name].items():
            # What a start adds is a difference, which noise can bring to nothing: there is no ratio to that.
            ratios = [
                sample.median / own[turn].median
                for turn, sample in rounds.items()
                if turn in own and own[turn].median > 0
            ]
            cells[runtime] = Cell(
                median=statistics.median(sample.median for sample in rounds.values()),
                low=min(sample.low for sample in rounds.values()),
                high=max(sample.high for sample in rounds.values()),
                ratio=statistics.median(ratios) if ratios and runtime != group.own else None,
            )
        pingpong = [sample.pingpong_ns for rounds in table[name].values() for sample in rounds.values()]
        rows.append(Row(name, group.budget.get(name), statistics.median(pingpong), cells))
    # The project's own runtime first, then in the order in which the programs are listed.
    listed = [program.runtime for program in group.programs]
    order = sorted(runtimes, key=lambda runtime: listed.index(runtime) if runtime in listed else len(listed))
    return Summary(group, order, rows)
