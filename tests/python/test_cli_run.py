"""`polyreme run`, end to end."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_support import GRAPHS, corrupt, png_size, polyreme, reported, write_graph
from polyreme import _cli_run, _core

PROMISED = {
    "tasks",
    "makespan_s",
    "bound_s",
    "efficiency",
    "overhead_us_per_task",
    "verified",
    "failures",
    "slots",
}


@pytest.mark.parametrize(
    ("name", "tasks", "bound_s"),
    [("stencil_1d.v1", 80, 0.082), ("reduction_7", 255, 0.06375), ("cholesky_12", 364, 0.2732)],
)
def test_samples_run_and_are_verified(name: str, tasks: int, bound_s: float) -> None:
    found = reported("run", GRAPHS / f"{name}.gph", "--workers", 2)
    assert found.keys() >= PROMISED
    assert found["verified"] is True
    assert found["failures"] == 0
    assert found["tasks"] == tasks
    assert found["bound_s"] == pytest.approx(bound_s)
    assert found["efficiency"] == pytest.approx(found["bound_s"] / found["makespan_s"])
    # The bound holds for whatever machine this is, but for what its clock speed varies.
    assert found["efficiency"] < 1.1
    assert [slot["slot"] for slot in found["slots"]] == [0, 1]
    assert sum(slot["tasks"] for slot in found["slots"]) == tasks
    assert sum(slot["share"] for slot in found["slots"]) == pytest.approx(1)


def test_overhead_is_slot_time_over_the_bound(tmp_path: Path) -> None:
    found = reported("run", write_graph(tmp_path), "-w", 3)
    over_s = max(0.0, found["makespan_s"] - found["bound_s"])
    assert found["overhead_us_per_task"] == pytest.approx(over_s * 1e6 * 3 / 3)


def test_repeat_reports_the_median_and_the_range(tmp_path: Path) -> None:
    found = reported("run", write_graph(tmp_path), "--repeat", 5)
    assert found["repeats"] == 5
    assert found["makespan_min_s"] <= found["makespan_s"] <= found["makespan_max_s"]
    assert found["efficiency_min"] <= found["efficiency"] <= found["efficiency_max"]
    assert found["verified"] is True


def test_the_table(tmp_path: Path) -> None:
    result = polyreme("run", write_graph(tmp_path), "--workers", 2, "--repeat", 2)
    assert result.exit_code == 0
    for words in ("graph.gph: 3 tasks on 2 workers, median of 2 runs", "makespan", "critical path", "work / 2", "yes"):
        assert words in result.stdout
    assert result.stderr == ""


def test_the_table_of_one_task(tmp_path: Path) -> None:
    path = write_graph(tmp_path, "{0 : -1}\n0 | {-1 : 0, 1, 0, 0, 0} | |\n")
    result = polyreme("run", path, "--workers", 1)
    assert "graph.gph: 1 task on 1 worker\n" in result.stdout


SUMMARY: dict[str, Any] = {
    "graph": "graph.gph",
    "tasks": 3,
    "workers": 1,
    "repeats": 1,
    **dict.fromkeys(("makespan_s", "makespan_min_s", "makespan_max_s", "busy_s", "cpu_s"), 1.0),
    **dict.fromkeys(("bound_s", "critical_path_s", "work_s"), 0.9),
    "lock_s": 0.0,
    **dict.fromkeys(("efficiency", "efficiency_min", "efficiency_max"), 0.9),
    "overhead_us_per_task": 33_333.3,
    "verified": True,
    "failures": 0,
    "violations": 0,
    "slots": [{"slot": 0, "tasks": 3, "busy_s": 1.0, "share": 1.0, "use": 1.0}],
}


def table(capsys: pytest.CaptureFixture[str], **changes: object) -> str:
    """What is printed of a run with these figures."""
    from polyreme._cli_tables import print_run

    print_run({**SUMMARY, **changes})
    return capsys.readouterr().out


def test_no_line_of_the_table_ends_in_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    lines = table(capsys).splitlines()
    assert "slot  tasks     busy    share  of makespan" in lines
    assert lines == [line.rstrip() for line in lines]


def test_processor_time_is_compared_with_busy_time_if_that_means_something(capsys: pytest.CaptureFixture[str]) -> None:
    assert "99.0 % of the time slots were busy" in table(capsys, cpu_s=0.99)
    for changes in ({"cpu_s": 40.0}, {"busy_s": 0.0}):
        text = table(capsys, **changes)
        assert "processor time" in text
        assert "of the time slots were busy" not in text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cpu_s": 0.71}, None),
        ({"cpu_s": 0.69}, "other programs had the processors"),
        ({"cpu_s": 0.69, "workers": 1024}, "there are fewer processors than workers"),
        ({"cpu_s": 0.5, "workers": 2, "lock_s": 0.4}, None),  # one waits for the GIL while the other has it
        ({"busy_s": 0.0, "cpu_s": 0.0}, None),
    ],
)
def test_a_starved_run_is_told_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], told: str | None
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    last = table(capsys, **changes).splitlines()[-1]
    if told is None:
        assert "say little about the runtime" not in last
    else:
        assert last.startswith(told)
        assert last.endswith("efficiency and overhead say little about the runtime")


def test_a_graph_without_tasks(tmp_path: Path) -> None:
    found = reported("run", write_graph(tmp_path, "{0 : -1}\n"))
    assert (found["tasks"], found["verified"], found["efficiency"]) == (0, True, 1.0)


def test_data_order_is_part_of_what_is_verified(tmp_path: Path) -> None:
    lines = [f"{task} | {{-1 : 10, 1, 0, 0, 0}} | | : : 0" for task in range(10)]
    path = write_graph(tmp_path, "{1 : -1}\n" + "\n".join(lines) + "\n")
    assert reported("run", path)["critical_path_s"] == pytest.approx(10e-6)
    ordered = reported("run", path, "--data-order")
    assert (ordered["dependencies"], ordered["critical_path_s"]) == (9, pytest.approx(100e-6))


def test_the_trace_is_what_trace_viewers_read(tmp_path: Path) -> None:
    path, trace = write_graph(tmp_path), tmp_path / "trace.json"
    reported("run", path, "--trace", trace)
    events: list[dict[str, Any]] = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    assert {"ph", "pid", "tid"} <= set.intersection(*(set(event) for event in events))
    bodies = [event for event in events if event["ph"] == "X"]
    assert sorted(body["name"] for body in bodies) == ["T[0]", "T[1]", "T[2]"]
    assert all(body["dur"] > 0 for body in bodies)
    assert polyreme("check", trace, "--graph", path).exit_code == 0


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_picture_of_a_run(tmp_path: Path, workers: int) -> None:
    picture = tmp_path / "run.png"
    reported("run", write_graph(tmp_path), "--plot", picture, "--workers", workers)
    width, height = png_size(picture)
    assert width == 1800
    assert height >= 300


def test_the_picture_of_a_run_with_too_many_bars(tmp_path: Path) -> None:
    graph, picture = tmp_path / "many.gph", tmp_path / "run.svg"
    assert polyreme("generate", "independent", "--tasks", 21_000, "--time-us", 0, "-o", graph).exit_code == 0
    reported("run", graph, "--plot", picture)
    assert "<svg" in picture.read_text(encoding="utf-8")


def test_a_run_that_is_not_verified_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = _core.check_trace

    def check_corrupted(path: str, graph: _core.Graph) -> _core.CheckedTrace:
        corrupt(Path(path))
        return check(path, graph)

    monkeypatch.setattr(_cli_run._core, "check_trace", check_corrupted)
    result = polyreme("run", write_graph(tmp_path), "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["verified"] is False
    assert "run 1 is not verified" in result.stderr
    assert "exactly-once: T[" in result.stderr
    assert "NO" in polyreme("run", write_graph(tmp_path)).stdout


def test_a_trace_that_cannot_be_read_back_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = _core.check_trace

    def check_cut(path: str, graph: _core.Graph) -> _core.CheckedTrace:
        os.truncate(path, 100)
        return check(path, graph)

    monkeypatch.setattr(_cli_run._core, "check_trace", check_cut)
    result = polyreme("run", write_graph(tmp_path))
    assert result.exit_code == 1
    assert "not verified: " in result.stderr


def test_a_busy_machine_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unsteady:
        @staticmethod
        def measure() -> _core.SpinRate:
            return rate

    class Rate:
        verified_us = 1.5

    rate: Any = Rate()
    plan = _core.GraphPlan
    real = _core.SpinRate.measure()
    monkeypatch.setattr(_cli_run._core, "SpinRate", Unsteady)
    monkeypatch.setattr(_cli_run._core, "GraphPlan", lambda graph, _: plan(graph, real))
    result = polyreme("run", write_graph(tmp_path), "--json")
    assert result.exit_code == 0
    assert "1.50 us when measured again" in result.stderr
    assert json.loads(result.stdout)["calibration"] == 1.5


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{0 : -1}\n0 | {0 : 5, 1, 1, 0, 0} | |\n", r"T[0] on line 2 cannot run on the CPU: it accepts only any GPU"),
        (
            "{0 : -1}\n0 | {(-1, 2) : 5, 1, 1, 0, 0} | |\n",
            r"T[0] on line 2 cannot run on the CPU: it accepts only CPU + GPU 1",
        ),
        ("{0 : -1}\n\n0 | {-1 : 5, 3, 1, 0, 0} | |\n", r"T[0] on line 3 holds 3 cores"),
        ("{0 : -1}\n0 | {-1 : 5, 1, 1, 0, 0} | 4 |\n", "graph.gph:2:"),
        ("{0 : -1}\n0 | {-1 : 5, 1, 1, 0, 0} | 1 |\n1 | {-1 : 5, 1, 1, 0, 0} | 0 |\n", "graph.gph:"),
        ("0\n0 | 5, 1, 0, 0, 0 | |\n0 | 5, 1, 0, 0, 0 | |\n", "graph.gph:3:1:"),
    ],
)
def test_graphs_that_cannot_run(tmp_path: Path, text: str, complaint: str) -> None:
    path = write_graph(tmp_path, text)
    result = polyreme("run", path, "--json")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert complaint in result.stderr
    assert result.stderr.startswith(str(path))


def test_the_sample_for_accelerators_is_refused_by_line_and_devices() -> None:
    result = polyreme("run", GRAPHS / "gangs_300.gph")
    assert result.exit_code == 2
    assert "T[3] on line 5 cannot run on the CPU: it accepts only any GPU" in result.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--workers", "0"), "0 is not in the range 1<=x<=1024"),
        (("--workers", "two"), "'two' is not a valid integer"),
        (("--repeat", "0"), "--repeat"),
        (("--plot", "run.gif"), "'run.gif' must end in .png or .svg or .pdf"),
        (("--plot", "none/run.png"), "there is no directory 'none'"),
        (("--trace", "."), "'.' is a directory"),
        (("--trace", ""), "the name of the file is empty"),
        (("--plot", ""), "the name of the file is empty"),
        (("--frobnicate",), "--frobnicate"),
    ],
)
def test_misuse(tmp_path: Path, words: tuple[str, ...], complaint: str) -> None:
    result = polyreme("run", write_graph(tmp_path), *words)
    assert result.exit_code == 2
    assert complaint in result.stderr


@pytest.mark.parametrize(
    ("trace", "plot", "complaint"),
    [
        ("graph.svg", None, "GRAPH and --trace are the same file"),
        ("link.gph", None, "GRAPH and --trace are the same file"),
        (None, "graph.svg", "GRAPH and --plot are the same file"),
        ("new.svg", "../{folder}/new.svg", "--trace and --plot are the same file"),
    ],
)
def test_files_that_would_overwrite_each_other(
    tmp_path: Path, trace: str | None, plot: str | None, complaint: str
) -> None:
    graph = write_graph(tmp_path, name="graph.svg")
    text = graph.read_text(encoding="utf-8")
    (tmp_path / "link.gph").hardlink_to(graph)
    named = {"--trace": trace, "--plot": plot}
    words = [
        word
        for option, name in named.items()
        if name is not None
        for word in (option, tmp_path / name.format(folder=tmp_path.name))
    ]
    result = polyreme("run", graph, *words)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert graph.read_text(encoding="utf-8") == text
    assert not (tmp_path / "new.svg").exists()


def test_a_missing_graph() -> None:
    result = polyreme("run", "none.gph")
    assert result.exit_code == 2
    assert "none.gph" in result.stderr


def program(source: str, *words: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run Python code that calls the command's main(), with these words."""
    return subprocess.run([sys.executable, "-c", source, *map(str, words)], check=False, timeout=100, **options)


MAIN = "from polyreme._cli import main; main()"

# Ctrl-C as soon as the tasks run.
INTERRUPTED = """
import contextlib, signal
from polyreme import _cli, _cli_run

@contextlib.contextmanager
def progress(*_, **__):
    yield lambda _: lambda done: signal.raise_signal(signal.SIGINT)

_cli_run._progress = progress
_cli.main()
"""


def test_ctrl_c_ends_the_run(tmp_path: Path) -> None:
    # An hour of work: the test ends because the run does.
    graph = tmp_path / "long.gph"
    assert polyreme("generate", "serial", "--time-us", "1e9", "-o", graph).exit_code == 0
    result = program(INTERRUPTED, "run", graph, capture_output=True)
    assert result.returncode == 130
    assert result.stdout == b""
    assert result.stderr.strip() == b"interrupted"


def test_progress_is_shown_on_a_terminal_only(tmp_path: Path) -> None:
    graph = tmp_path / "graph.gph"
    assert (
        polyreme("generate", "serial", "--time-us", "300000", "--steps", 1, "--chains", 2, "-o", graph).exit_code == 0
    )

    def shown(*words: str) -> bytes:
        try:
            terminal, other = pty.openpty()
        except OSError as error:
            pytest.skip(f"this system gives no terminals: {error}")
        try:
            result = program(MAIN, "run", graph, *words, stdout=subprocess.PIPE, stderr=other)
            os.write(other, b"$")  # so that there is something to read
            assert result.returncode == 0
            return os.read(terminal, 65536)
        finally:
            os.close(terminal)
            os.close(other)

    assert b"running" in shown()
    assert shown("--quiet") == b"$"
    assert shown("--json") == b"$"
