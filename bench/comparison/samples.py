"""Samples, and the CSV files that keep them: one line a process and figure, under a head that describes the machine."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """One figure of one process.

    `median`, `low` and `high` are over the repetitions in the process, in the unit of the group; `pingpong_ns` is one
    way of a cache line between two cores, measured just before the row in the same round.
    """

    row: str
    runtime: str
    round: int
    median: float
    low: float
    high: float
    pingpong_ns: float


def write_csv(path: Path, machine: Mapping[str, str], samples: Iterable[Sample]) -> None:
    """Write samples below `# key: value` lines that tell where they were taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"# {key}: {value}\n" for key, value in machine.items())
        writer = csv.DictWriter(file, [column.name for column in fields(Sample)], lineterminator="\n")
        writer.writeheader()
        for sample in samples:
            row = asdict(sample)
            writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()})


def read_csv(path: Path) -> tuple[dict[str, str], list[Sample]]:
    """The machine and the samples of a file that write_csv wrote."""
    lines = path.read_text(encoding="utf-8").splitlines()
    head = (line[2:].partition(": ") for line in lines if line.startswith("# "))
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    samples = [
        Sample(
            row=row["row"],
            runtime=row["runtime"],
            round=int(row["round"]),
            median=float(row["median"]),
            low=float(row["low"]),
            high=float(row["high"]),
            pingpong_ns=float(row["pingpong_ns"]),
        )
        for row in rows
    ]
    return {key: value for key, _, value in head}, samples
