"""`polyreme generate`, `plot` and `check`, and what holds for every command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_support import GRAPHS, corrupt, png_size, polyreme, reported, write_graph
from polyreme import _core

KINDS = [kind.name for kind in _core.graph_kinds()]


def test_version() -> None:
    assert polyreme("--version").stdout == f"polyreme, version {_core.version}\n"


def test_help_names_every_command() -> None:
    text = polyreme("--help").stdout
    assert all(command in text for command in ("run", "generate", "plot", "check"))


def test_an_unknown_command_is_misuse() -> None:
    result = polyreme("frobnicate")
    assert result.exit_code == 2
    assert "frobnicate" in result.stderr


# ---- generate


@pytest.mark.parametrize("kind", KINDS)
def test_help_tells_the_options_of_a_kind(kind: str) -> None:
    text = polyreme("generate", kind, "--help").stdout
    (info,) = (one for one in _core.graph_kinds() if one.name == kind)
    for option in info.options:
        assert f"--{option.name.replace('_', '-')}" in text
    assert "default:" in text


@pytest.mark.parametrize("kind", KINDS)
def test_a_generated_graph_is_written(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "made.gph"
    found = reported("generate", kind, "--time-us", "12.5", "-o", path)
    graph = _core.read_graph(path)
    assert (found["tasks"], found["dependencies"]) == (graph.task_count, graph.dependency_count)
    assert (found["file"], found["kind"], found["format"]) == (str(path), kind, 2)


def test_a_generated_graph_goes_to_standard_output() -> None:
    result = polyreme("generate", "stencil-1d", "--width", 3, "--steps", 2)
    assert result.exit_code == 0
    assert result.stdout == _core.generate_graph("stencil-1d", {"width": "3", "steps": "2"}).to_text()
    assert result.stderr == ""


def test_a_written_graph_is_told_of_on_standard_error(tmp_path: Path) -> None:
    path = tmp_path / "made.gph"
    result = polyreme("generate", "independent", "--tasks", 1500, "-o", path)
    assert result.stdout == ""
    assert result.stderr == f"{path}: 1 500 tasks, 0 dependencies\n"


def test_format_1(tmp_path: Path) -> None:
    path = tmp_path / "made.gph"
    assert reported("generate", "reduction", "--format", 1, "-o", path)["format"] == 1
    assert _core.read_graph(path).format == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("spiral",), "spiral"),
        (("stencil-1d", "--width", "0"), "width is '0'; it must be a whole number between"),
        (("stencil-1d", "--width", "1.5"), "width is '1.5'"),
        (("stencil-1d", "--time-us", "nan"), "time_us is 'nan'"),
        (("stencil-1d", "--gil-fraction", "2"), "gil_fraction is '2'"),
        (("stencil-1d", "--format", "3"), "--format"),
        (("cholesky", "--format", "1"), "format 1 has no named spaces"),
        (("independent", "--tasks", "1e15"), "between"),
        (("stencil-1d", "--json"), "name one with -o FILE"),
        (("stencil-1d", "-o", "none/made.gph"), "none/made.gph"),
    ],
)
def test_what_cannot_be_generated(words: tuple[str, ...], complaint: str) -> None:
    result = polyreme("generate", *words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert complaint in result.stderr


# ---- plot


@pytest.mark.parametrize("name", ["stencil_1d.v1", "reduction_7", "cholesky_12", "gangs_300", "mixed_locations.v1"])
def test_the_picture_of_a_sample(tmp_path: Path, name: str) -> None:
    picture = tmp_path / "graph.png"
    assert polyreme("plot", GRAPHS / f"{name}.gph", "-o", picture).exit_code == 0
    width, height = png_size(picture)
    assert 900 <= width <= 2700
    assert 600 <= height <= 1950


@pytest.mark.parametrize("kind", KINDS)
def test_the_picture_of_each_kind(tmp_path: Path, kind: str) -> None:
    graph, picture = tmp_path / "made.gph", tmp_path / "graph.svg"
    assert polyreme("generate", kind, "-o", graph).exit_code == 0
    assert polyreme("plot", graph, "-o", picture).exit_code == 0
    assert "<svg" in picture.read_text(encoding="utf-8")


def test_a_large_graph_is_drawn_by_levels(tmp_path: Path) -> None:
    graph, picture = tmp_path / "large.gph", tmp_path / "graph.png"
    assert polyreme("generate", "cholesky", "--blocks", 24, "-o", graph).exit_code == 0
    assert polyreme("plot", graph, "-o", picture).exit_code == 0
    assert png_size(picture) == (1800, 750)


def test_what_cannot_be_drawn(tmp_path: Path) -> None:
    empty = write_graph(tmp_path, "{0 : -1}\n")
    for words, complaint in (
        ((empty, "-o", tmp_path / "graph.png"), "no tasks to draw"),
        ((empty,), "--output"),
        ((empty, "-o", tmp_path / "graph.bmp"), "must end in .png"),
        ((write_graph(tmp_path, "x", "bad.gph"), "-o", tmp_path / "graph.png"), "bad.gph:1:"),
    ):
        result = polyreme("plot", *words)
        assert result.exit_code == 2
        assert complaint in result.stderr


def test_a_picture_does_not_replace_its_graph(tmp_path: Path) -> None:
    graph = write_graph(tmp_path, name="graph.svg")
    text = graph.read_text(encoding="utf-8")
    result = polyreme("plot", graph, "-o", tmp_path / "." / "graph.svg")
    assert result.exit_code == 2
    assert "GRAPH and --output are the same file" in result.stderr
    assert graph.read_text(encoding="utf-8") == text


# ---- check


@pytest.fixture(name="run")
def _run(tmp_path: Path) -> tuple[Path, Path]:
    """A graph, and the trace of a run of it."""
    graph, trace = write_graph(tmp_path), tmp_path / "trace.json"
    assert polyreme("run", graph, "--trace", trace, "--workers", 2, "--quiet").exit_code == 0
    return graph, trace


def test_a_good_trace(run: tuple[Path, Path]) -> None:
    graph, trace = run
    result = polyreme("check", trace, "--graph", graph)
    assert result.exit_code == 0
    assert result.stdout.startswith("verified: 3 tasks on 2 workers in ")
    assert result.stdout.endswith("as in the graph\n")
    found = reported("check", trace, "--graph", graph)
    assert (found["verified"], found["tasks"], found["failed"], found["violations"]) == (True, 3, 0, [])


@pytest.mark.parametrize("event", ["X", "i"])
def test_a_corrupted_trace(run: tuple[Path, Path], event: str) -> None:
    graph, trace = run
    corrupt(trace, event)
    result = polyreme("check", trace, "--graph", graph, "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["verified"] is False
    assert found["violation_count"] == len(found["violations"]) > 0
    assert result.stderr.startswith("violated: ")


def test_the_trace_of_another_graph(run: tuple[Path, Path], tmp_path: Path) -> None:
    _, trace = run
    other = write_graph(tmp_path, "{0 : -1}\n9 | {-1 : 1, 1, 0, 0, 0} | |\n", "other.gph")
    result = polyreme("check", trace, "--graph", other)
    assert result.exit_code == 1
    assert "T[9] (line 2 of the graph) is not in the trace" in result.stderr


@pytest.mark.parametrize("text", ["", "{", "[]", '{"traceEvents": []}', "\x00"])
def test_what_is_no_trace(tmp_path: Path, text: str) -> None:
    path = write_graph(tmp_path, text, "trace.json")
    result = polyreme("check", path)
    assert result.exit_code == 2
    assert "trace.json" in result.stderr


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\x00\x00", '{"traceEvents": []}'.encode("utf-16")])
def test_what_is_no_text(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "trace.json"
    path.write_bytes(content)
    result = polyreme("check", path)
    assert result.exit_code == 2
    assert f"cannot read trace '{path}': not valid JSON, or cut off, at byte 1: " in result.stderr
    assert f"\\x{content[0]:02x}" in result.stderr
    assert result.stderr.strip().isprintable()


def test_misuse_of_check(run: tuple[Path, Path]) -> None:
    result = polyreme("check", run[1], "--data-order")
    assert result.exit_code == 2
    assert "name it with --graph" in result.stderr


# ---- the program

PROGRAM = (sys.executable, "-c", "from polyreme._cli import main; main()")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize(
    "words", [("generate", "serial", "--steps", "2"), ("run",), ("run", "--json"), ("check",), ("--version",)]
)
def test_output_that_cannot_be_written(run: tuple[Path, Path], words: tuple[str, ...]) -> None:
    graph, trace = run
    files = {"run": [graph, "--quiet"], "check": [trace]}.get(words[0], [])
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [*PROGRAM, *words, *files], check=False, stdout=full, stderr=subprocess.PIPE, text=True, timeout=100
        )
    assert result.returncode == 2
    assert result.stderr == "the output cannot be written: No space left on device\n"


def test_a_reader_that_has_enough() -> None:
    taken, given = os.pipe()
    os.close(taken)
    try:
        result = subprocess.run(
            [*PROGRAM, "generate", "serial"], check=False, stdout=given, stderr=subprocess.PIPE, timeout=100
        )
    finally:
        os.close(given)
    assert (result.returncode, result.stderr) == (1, b"")


def test_commands_load_neither_pictures_nor_tables_before_they_need_them() -> None:
    source = (
        "import sys; from polyreme import _cli; print([m for m in ('matplotlib', 'numpy', 'rich') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
