"""What the tests of the command line share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from polyreme import _core
from polyreme._cli import cli

GRAPHS = Path(__file__).parents[2] / "examples" / "graphs"

# Three tasks of some microseconds: T[0], and T[1] and T[2] after it.
SMALL = "{0 : -1}\n0 | {-1 : 20, 1, 1, 0, 0} | |\n1 | {-1 : 30, 1, 1, 0.5, 0} | 0 |\n2 | {-1 : 30, 1, 0, 0, 0} | 0 |\n"


def polyreme(*words: object) -> Result:
    """Run the command with these words, in this process."""
    return CliRunner().invoke(cli, [str(word) for word in words])


def reported(*words: object) -> dict[str, Any]:
    """Run the command, which must succeed and print one JSON object and nothing else; return that."""
    result = polyreme(*words, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def write_graph(folder: Path, text: str = SMALL, name: str = "graph.gph") -> Path:
    """Write a graph file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def corrupt(path: Path, event: str = "X") -> None:
    """Drop the first event of this phase from a trace."""
    trace = json.loads(path.read_text(encoding="utf-8"))
    first = next(i for i, one in enumerate(trace["traceEvents"]) if one["ph"] == event)
    del trace["traceEvents"][first]
    path.write_text(json.dumps(trace), encoding="utf-8")


def plan_of(graph: _core.Graph) -> _core.GraphPlan:
    """Make a graph ready to run."""
    return _core.GraphPlan(graph, _core.SpinRate.measure())


def png_size(path: Path) -> tuple[int, int]:
    """The width and height that the header of a PNG file states."""
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
