"""Which programs there are, what they measure, and how their output becomes samples.

A group is one table: its rows (mostly graphs) times its runtimes. Programs print one JSON object a line.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench/results"


@dataclass(frozen=True)
class Value:
    """One figure of one process: the median of its repetitions and their range."""

    row: str
    runtime: str
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, row: str, runtime: str, repetitions: list[float]) -> Value:
        return cls(row, runtime, statistics.median(repetitions), min(repetitions), max(repetitions))


Parser = Callable[[dict[str, Any]], Iterator[Value]]


@dataclass(frozen=True)
class Program:
    """A command, the options that select a row of it, and what must be there for it to run."""

    runtime: str
    command: tuple[str, ...]
    parse: Parser
    takes_row: bool = True
    quick: tuple[str, ...] = ()
    module: str | None = None
    made_by: str | None = None

    def missing(self) -> str | None:
        """Why the program cannot run here, or None."""
        if self.module is not None:
            return None if importlib.util.find_spec(self.module) else f"module {self.module} is not installed"
        if Path(self.command[0]).exists():
            return None
        hint = "" if self.made_by is None else f"; {self.made_by} makes it"
        return f"{Path(self.command[0]).name} is not built{hint}"

    def command_for(self, row: str, *, quick: bool) -> list[str]:
        select = ("--graph", row) if self.takes_row else ()
        return [*self.command, *select, *(self.quick if quick else ())]


@dataclass(frozen=True)
class Group:
    """One table of the comparison.

    `own` is the runtime to which all others are put in ratio. `best_of` merges runtimes into one: what a competent
    user would choose. `budget` is what the project wants to reach, in the unit of the table: at most, or with
    `more_is_better` at least.
    """

    name: str
    title: str
    unit: str
    rows: tuple[str, ...]
    programs: tuple[Program, ...]
    budget: Mapping[str, float] = field(default_factory=dict)
    own: str = "polyreme"
    best_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    more_is_better: bool = False


def _spawn_values(unit: str) -> Parser:
    def parse(result: dict[str, Any]) -> Iterator[Value]:
        yield Value.of(result["graph"], result["runtime"], result[unit])

    return parse


def _live_values(result: dict[str, Any]) -> Iterator[Value]:
    yield Value.of("unfinished task", result["runtime"], [result["bytes_per_task"]])


def _cancel_values(result: dict[str, Any]) -> Iterator[Value]:
    yield Value.of(result["row"], result["runtime"], result["seconds"])


def _stream_values(row: str) -> Parser:
    def parse(result: dict[str, Any]) -> Iterator[Value]:
        yield Value.of(row, result["runtime"], [result["all_bytes"] / result["first_bytes"]])

    return parse


def _cholesky_values(row: str) -> Parser:
    def parse(result: dict[str, Any]) -> Iterator[Value]:
        for runtime, seconds in result["seconds"].items():
            yield Value.of(row, runtime, seconds)

    return parse


def _python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"bench.python.{module}")


def make_groups(build: Path) -> tuple[Group, ...]:
    """All groups, with the C++ programs that were built in `build`."""
    spawn_graphs = ("independent", "chain", "tree", "reduction", "wavefront", "random", "random_far")
    python_rows = ("independent", "chain", "chain, decorator", "tree", "reduction", "wavefront")

    def cpp(runtime: str, name: str, parse: Parser, *, takes_row: bool = True) -> Program:
        quick = ("--repeats", "3", "--divide", "4") if takes_row else ("--divide", "4")
        return Program(runtime, (str(build / "bench/cpp" / name),), parse, takes_row, quick)

    def python(runtime: str, script: str, module: str) -> Program:
        quick = ("--repeats", "2", "--divide", "8")
        return Program(runtime, _python(script), _spawn_values("us_per_task"), True, quick, module)

    def speedup(runtime: str) -> Program:
        return Program(
            runtime,
            (str(ROOT / ".venv-3.13t/bin/python"), "-m", "bench.python.speedup", runtime),
            _spawn_values("speedup"),
            takes_row=False,
            quick=("--repeats", "2", "--divide", "8"),
            made_by="tools/setup.sh freethreaded",
        )

    ns = _spawn_values("ns_per_task")
    return (
        Group(
            name="cpp",
            title="C++: dynamic spawn with dependencies, run and wait",
            unit="ns a task",
            rows=spawn_graphs,
            programs=(
                cpp("polyreme", "bench_polyreme", ns),
                cpp("OpenMP", "bench_openmp", ns),
                cpp("oneTBB flow graph", "bench_onetbb", ns),
                cpp("oneTBB task_group", "bench_onetbb_group", ns),
                cpp("serial loop", "bench_serial", ns),
            ),
            budget={"independent": 70, "chain": 55, "tree": 85, "wavefront": 65, "random": 160},
        ),
        Group(
            name="replay",
            title="C++: a graph that is made once, run again",
            unit="ns a task",
            rows=("independent", "chain", "tree", "wavefront", "random"),
            programs=(
                cpp("polyreme", "bench_polyreme_replay", ns),
                cpp("oneTBB flow graph", "bench_onetbb_replay", ns),
                cpp("serial loop", "bench_serial", ns),
            ),
            budget={"independent": 25, "chain": 12, "tree": 30, "wavefront": 18, "random": 50},
        ),
        Group(
            name="metg",
            title="C++: METG(50 %) of a one-dimensional stencil of width 16",
            unit="ns",
            rows=("stencil",),
            programs=(
                cpp("polyreme", "bench_polyreme_metg", ns),
                cpp("oneTBB flow graph", "bench_onetbb_metg", ns),
                cpp("OpenMP", "bench_openmp_metg", ns),
            ),
            budget={"stencil": 75},
        ),
        Group(
            name="live",
            title="C++: memory of a task that waits",
            unit="bytes",
            rows=("unfinished task",),
            programs=(
                cpp("polyreme", "bench_polyreme_live", _live_values, takes_row=False),
                cpp("oneTBB flow graph", "bench_onetbb_live", _live_values, takes_row=False),
            ),
            budget={"unfinished task": 192},
        ),
        Group(
            name="cancel",
            title="C++: a million tasks that wait for one that runs are cancelled, with",
            unit="s",
            rows=("a scope", "a task before them", "each of them"),
            programs=(cpp("polyreme", "bench_polyreme_cancel", _cancel_values, takes_row=False),),
            budget={"a scope": 0.2, "a task before them": 0.2},
        ),
        Group(
            name="stream",
            title="Resident set after 10 M tasks, over that after 1 M",
            unit="ratio",
            rows=("C++", "Python"),
            programs=(
                cpp("polyreme", "bench_polyreme_stream", _stream_values("C++"), takes_row=False),
                Program(
                    "polyreme",
                    _python("stream_polyreme"),
                    _stream_values("Python"),
                    takes_row=False,
                    quick=("--divide", "10"),
                    module="polyreme",
                ),
            ),
            budget={"C++": 1.1, "Python": 1.1},
        ),
        Group(
            name="python",
            title="Python: spawn with dependencies, run and wait",
            unit="us a task",
            rows=python_rows,
            programs=(
                python("polyreme", "spawn_polyreme", "polyreme"),
                python("ThreadPoolExecutor", "spawn_threadpool", "concurrent"),
                python("Dask threads", "spawn_dask", "dask"),
                python("joblib threads", "spawn_joblib", "joblib"),
            ),
            budget={"independent": 0.30, "chain": 0.45, "chain, decorator": 0.75, "tree": 0.6, "wavefront": 0.7},
            best_of={
                "ThreadPoolExecutor": (
                    "ThreadPoolExecutor",
                    "ThreadPoolExecutor, counting",
                    "ThreadPoolExecutor, waiting",
                )
            },
        ),
        Group(
            name="native",
            title="Python: spawn of C functions, run and wait",
            unit="us a task",
            rows=("independent, native", "chain, native"),
            programs=(
                Program(
                    "polyreme",
                    (*_python("spawn_native"), "--library", str(build / "bench/cpp/libbench_native_body.so")),
                    _spawn_values("us_per_task"),
                    quick=("--repeats", "2", "--divide", "8"),
                    module="polyreme",
                ),
            ),
            budget={"independent, native": 0.15},
        ),
        Group(
            name="pyreplay",
            title="Python: a captured graph, run again",
            unit="us a task",
            rows=("independent", "chain", "tree", "wavefront", "independent, native", "chain, native"),
            programs=(
                Program(
                    "polyreme",
                    (*_python("replay_polyreme"), "--library", str(build / "bench/cpp/libbench_native_body.so")),
                    _spawn_values("us_per_task"),
                    quick=("--repeats", "2", "--divide", "8"),
                    module="polyreme",
                ),
            ),
            budget={"independent": 0.10, "chain": 0.10, "independent, native": 0.05, "chain, native": 0.05},
        ),
        Group(
            name="freethreaded",
            title="Python without the global lock: two slots over one, pure Python bodies without shared objects",
            unit="speed-up",
            rows=("1 ms bodies",),
            programs=(speedup("polyreme"), speedup("ThreadPoolExecutor")),
            budget={"1 ms bodies": 1.9},
            more_is_better=True,
        ),
        Group(
            name="startup",
            title="Python: what an import and a first task add to the start of an interpreter",
            unit="ms",
            rows=("import", "first task"),
            programs=(
                Program(
                    "polyreme",
                    _python("startup"),
                    _spawn_values("ms"),
                    takes_row=False,
                    quick=("--repeats", "3"),
                    module="bench",
                ),
            ),
            budget={"import": 15, "first task": 30},
        ),
        Group(
            name="cholesky",
            title="Blocked Cholesky of a 4096 x 4096 matrix on two cores",
            unit="s",
            rows=("Python", "C++"),
            programs=(
                Program(
                    "polyreme",
                    (sys.executable, str(ROOT / "examples/cholesky.py"), "--json", "--repeats", "5"),
                    _cholesky_values("Python"),
                    takes_row=False,
                    quick=("--size", "2048", "--repeats", "2"),
                    module="polyreme",
                ),
                Program(
                    "polyreme",
                    (str(build / "examples/cholesky_lapack"), "--json", "--repeats", "5"),
                    _cholesky_values("C++"),
                    takes_row=False,
                    quick=("2048", "--repeats", "2"),
                ),
            ),
        ),
    )


def make_pingpong(build: Path) -> Program:
    """The cache-line ping-pong, run beside every row."""
    return Program(
        "ping-pong",
        (str(build / "bench/cpp/bench_pingpong"), "--repeats", "3"),
        _spawn_values("ns_per_task"),
        takes_row=False,
    )
