"""That the benchmarks run and reject wrong results, and that their arithmetic is right. Nothing here is timed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from math import nan
from pathlib import Path

import cpp_programs
import pytest

from bench import render
from bench.comparison import cli
from bench.comparison.programs import ROOT, Group, Program, Value, make_groups
from bench.comparison.run import run_group
from bench.comparison.samples import Sample, read_csv, write_csv
from bench.comparison.summary import summarise
from bench.comparison.table import markdown_table
from bench.python.graphs import GRAPH_NAMES, make_graph
from bench.python.harness import WrongOrderError, check_order


@pytest.mark.parametrize("name", GRAPH_NAMES)
def test_graphs_are_in_spawn_order_and_levels_hold_no_edge(name):
    graph = make_graph(name, divide=100)
    level_of = {task: level for level, tasks in enumerate(graph.levels) for task in tasks}
    assert sorted(level_of) == list(range(len(graph)))
    for task, before in enumerate(graph.predecessors):
        assert all(0 <= earlier < task and level_of[earlier] < level_of[task] for earlier in before)


def test_graphs_have_the_shape_of_their_name():
    assert make_graph("independent", divide=100).sinks == list(range(500))
    assert len(make_graph("chain", divide=100).levels) == 200
    assert make_graph("tree", divide=128).predecessors[1:] == [((task - 1) // 2,) for task in range(1, 128)]
    reduction = make_graph("reduction", divide=128)
    assert [len(level) for level in reduction.levels] == [64, 32, 16, 8, 4, 2, 1]
    assert reduction.sinks == [126]
    assert make_graph("wavefront", divide=128 * 128 // 9).predecessors == [
        (), (0,), (1,), (0,), (1, 3), (2, 4), (3,), (4, 6), (5, 7)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("order", "complaint"),
    [
        ([0, 1, 2, 3, 4, 5, 6], "7 bodies ran"),
        ([0, 1, 2, 3, 4, 5, 6, 6], "7 different ones"),
        ([0, 2, 1, 3, 4, 5, 6, 7], "task 2 ran before 1"),
    ],
)
def test_wrong_orders_are_rejected(order, complaint):
    graph = make_graph("chain", divide=10_000)
    check_order(graph, list(range(8)))
    with pytest.raises(WrongOrderError, match=complaint):
        check_order(graph, order)


@pytest.mark.parametrize(
    ("script", "module", "rows"),
    [
        ("spawn_polyreme", "polyreme", {*GRAPH_NAMES, "chain, decorator"}),
        ("spawn_threadpool", "concurrent", set(GRAPH_NAMES)),
        ("spawn_dask", "dask", set(GRAPH_NAMES)),
        ("spawn_joblib", "joblib", set(GRAPH_NAMES) - {"chain"}),
    ],
)
def test_spawn_programs_measure_every_graph(script, module, rows):
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    results = run_program(script, "--repeats", "2", "--divide", "500")
    assert {result["graph"] for result in results} == rows
    assert all(len(result["us_per_task"]) == 2 and min(result["us_per_task"]) > 0 for result in results)


@pytest.fixture(scope="module")
def native_bodies(tmp_path_factory):
    library = tmp_path_factory.mktemp("native") / "libbody.so"
    source = ROOT / "bench/cpp/native_body.cpp"
    compile_it = [*cpp_programs.compiler(), "-std=c++20", "-O1", "-fPIC", "-shared", str(source), "-o", str(library)]
    subprocess.run(compile_it, check=True, timeout=cpp_programs.PATIENCE_S)
    return library


def test_the_native_program_measures_its_rows(native_bodies):
    results = run_program("spawn_native", "--repeats", "2", "--divide", "500", "--library", str(native_bodies))
    assert [(result["runtime"], result["graph"]) for result in results] == [
        ("polyreme", "independent, native"),
        ("polyreme", "chain, native"),
        ("ThreadPoolExecutor", "independent, native"),
    ]


def test_the_replay_program_measures_its_rows(native_bodies):
    results = run_program("replay_polyreme", "--repeats", "2", "--divide", "500", "--library", str(native_bodies))
    (group,) = [group for group in make_groups(ROOT) if group.name == "pyreplay"]
    assert [result["graph"] for result in results] == list(group.rows)
    assert all(len(result["us_per_task"]) == 2 for result in results)


def test_stream_and_startup_programs_run():
    (stream,) = run_program("stream_polyreme", "--divide", "1000")
    assert stream["all_tasks"] == 10 * stream["first_tasks"] == 10_000
    assert min(stream["first_bytes"], stream["all_bytes"]) > 0
    started = run_program("startup", "--repeats", "1")
    assert {("polyreme", "import"), ("polyreme", "first task")} <= {(r["runtime"], r["graph"]) for r in started}


def run_program(script, *arguments):
    command = [sys.executable, "-m", f"bench.python.{script}", *arguments]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in output.splitlines()]


def echo_program(runtime, code):
    """A program that is Python code and prints {"row": …, "values": […]} lines."""

    def parse(result):
        yield Value.of(result["row"], runtime, result["values"])

    return Program(runtime, (sys.executable, "-c", code), parse, takes_row=False)


def test_groups_run_interleaved_and_report_what_is_missing_or_fails():
    fine = 'print(\'{"row": "a", "values": [1, 3, 2]}\')'
    group = Group(
        name="group",
        title="Group",
        unit="ns",
        rows=("a",),
        programs=(
            echo_program("one", fine),
            echo_program("two", fine),
            echo_program("broken", "raise SystemExit('lost a task')"),
            Program("absent", ("/nowhere/at/all",), lambda _: iter(())),
        ),
    )
    steps = []
    outcome = run_group(group, echo_program("ping", fine), rounds=2, quick=False, progress=steps.append)
    assert [step.rsplit(", ", 1)[1] for step in steps] == ["one", "two", "broken", "two", "broken", "one"]
    assert outcome.samples[0] == Sample("a", "one", 0, 2, 1, 3, 2)
    assert len(outcome.samples) == 4
    assert outcome.missing == ["absent is not available: all is not built"]
    assert outcome.failed == ["broken, all rows: exit code 1: lost a task"] * 2


def sample(runtime, turn, median, row="chain"):
    return Sample(row, runtime, turn, median, median - 1, median + 1, 40.0)


GROUP = Group(
    name="group",
    title="Group",
    unit="ns",
    rows=("chain", "tree"),
    programs=(echo_program("polyreme", ""), echo_program("peer", "")),
    budget={"chain": 5},
    best_of={"peer": ("peer, slow", "peer, quick")},
)


def test_ratios_are_taken_within_a_round_and_forms_of_a_peer_are_merged():
    samples = [
        *(sample("peer, slow", turn, 100.0) for turn in range(3)),
        *(sample("peer, quick", turn, median) for turn, median in enumerate([20.0, 60.0, 30.0])),
        *(sample("polyreme", turn, median) for turn, median in enumerate([10.0, 20.0, 2.0])),
    ]
    summary = summarise(GROUP, samples)
    assert summary.runtimes == ["polyreme", "peer"]
    (row,) = summary.rows
    assert (row.name, row.budget, row.pingpong_ns) == ("chain", 5, 40.0)
    own, peer = row.cells["polyreme"], row.cells["peer"]
    assert (own.median, own.low, own.high, own.ratio) == (10.0, 1.0, 21.0, None)
    assert (peer.median, peer.low, peer.high, peer.ratio) == (30.0, 19.0, 61.0, 3.0)


def test_samples_survive_their_file(tmp_path):
    samples = [sample("polyreme", 0, 12.5), Sample("tree", "a, b", 1, 1.0, 0.5, 2.0, nan)]
    machine = {"cpu": "A: B", "date": "2024-02-29"}
    write_csv(tmp_path / "new" / "group.csv", machine, samples)
    assert read_csv(tmp_path / "new" / "group.csv")[0] == machine
    assert repr(read_csv(tmp_path / "new" / "group.csv")[1]) == repr(samples)


def test_markdown_table_has_a_line_a_row():
    machine = {"cpu": "CPU", "cores": "2", "date": "2024-02-29", "commit": "abc"}
    samples = [sample("polyreme", 0, 10.0), sample("peer", 0, 25.0), sample("polyreme", 0, 0.1234, row="tree")]
    assert markdown_table(summarise(GROUP, samples), machine).splitlines() == [
        "| ns | goal | polyreme | peer | ping-pong |",
        "| --- | --- | --- | --- | --- |",
        "| chain | ≤ 5 | 10 (9–11) | 25 (24–26) 2.5× | 40 ns |",
        "| tree | – | 0.123 (-0.877–1.12) | – | 40 ns |",
        "",
        "Taken on CPU, 2 cores, 2024-02-29, commit abc.",
    ]


def test_pages_are_rendered_from_the_committed_samples():
    for page in render.PAGES:
        text = page.read_text(encoding="utf-8")
        assert render.render(text) == text, f"run python -m bench.render for {page.name}"


def test_unknown_rows_are_named(capsys):
    for wanted, known in [("cpq", "cpp, replay"), ("cpp:chian", "independent, chain")]:
        with pytest.raises(SystemExit, match=known):
            cli.main(["--rows", wanted])
    assert cli.main(["--list"]) == 0
    assert "cpp: independent, chain" in capsys.readouterr().out


def test_every_program_of_the_comparison_exists():
    for group in make_groups(Path("build")):
        for program in group.programs:
            if program.command[0] == sys.executable:
                script = program.command[1]
                path = ROOT / f"{program.command[2].replace('.', '/')}.py" if script == "-m" else Path(script)
                assert path.is_file()
