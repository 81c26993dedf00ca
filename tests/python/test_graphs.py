"""Graph files from Python: read, generate, write, and the facts about them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from cli_support import GRAPHS, SMALL, write_graph
from polyreme import _core

SAMPLES = {
    "cholesky_12.gph": (364, 2),
    "gangs_300.gph": (300, 2),
    "mixed_locations.v1.gph": (60, 1),
    "reduction_7.gph": (255, 2),
    "stencil_1d.v1.gph": (80, 1),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_read(name: str) -> None:
    graph = _core.read_graph(GRAPHS / name)
    tasks, file_format = SAMPLES[name]
    assert (graph.task_count, graph.format) == (tasks, file_format)
    assert len(graph.names()) == len(graph.spaces()) == len(graph.indices()) == tasks
    assert sum(map(len, graph.dependencies())) == graph.dependency_count


@pytest.mark.parametrize("name", SAMPLES)
def test_every_task_is_one_level_after_the_last_of_its_dependencies(name: str) -> None:
    graph = _core.read_graph(GRAPHS / name)
    levels = graph.levels()
    for task, others in enumerate(graph.dependencies()):
        assert levels[task] == max((levels[other] + 1 for other in others), default=0)


def test_names_spaces_and_indices(tmp_path: Path) -> None:
    text = "{0 : -1}\n('G', (2, 1)) | {-1 : 1, 1, 0, 0, 0} | |\n7 | {-1 : 1, 1, 0, 0, 0} | ('G', (2, 1)) |\n"
    graph = _core.read_graph(write_graph(tmp_path, text))
    assert graph.names() == ["G[2, 1]", "T[7]"]
    assert graph.spaces() == ["G", "T"]
    assert graph.indices() == [[2, 1], [7]]
    assert graph.dependencies() == [[], [0]]


def test_an_id_may_be_named_before_its_line(tmp_path: Path) -> None:
    text = "{0 : -1}\n1 | {-1 : 1, 1, 0, 0, 0} | 0 |\n0 | {-1 : 1, 1, 0, 0, 0} | |\n"
    graph = _core.read_graph(write_graph(tmp_path, text))
    assert graph.dependencies() == [[1], []]
    assert graph.levels() == [1, 0]


@pytest.mark.parametrize("name", ["cholesky_12.gph", "reduction_7.gph", "stencil_1d.v1.gph"])
def test_the_critical_path_is_a_chain_and_as_long_as_its_bound(name: str) -> None:
    graph = _core.read_graph(GRAPHS / name)
    path, times, dependencies = graph.critical_path(), graph.times_us(), graph.dependencies()
    assert all(before in dependencies[task] for before, task in pairwise(path))
    bounds = graph.bounds()
    assert sum(times[task] for task in path) == pytest.approx(bounds.critical_path_us)
    assert sum(times) == pytest.approx(bounds.work_us)


def test_bounds_of_the_stencil() -> None:
    bounds = _core.read_graph(GRAPHS / "stencil_1d.v1.gph").bounds()
    assert bounds.critical_path_us == 10 * 2050
    assert bounds.work_us == bounds.core_us == 80 * 2050
    assert bounds.makespan_us(2) == 40 * 2050
    assert bounds.makespan_us(80) == 10 * 2050


def test_data_order_adds_dependencies(tmp_path: Path) -> None:
    text = "{1 : -1}\n0 | {-1 : 1, 1, 0, 0, 0} | | : 0\n1 | {-1 : 1, 1, 0, 0, 0} | | 0\n"
    path = write_graph(tmp_path, text)
    assert _core.read_graph(path).dependencies() == [[], []]
    assert _core.read_graph(path, data_order=True).dependencies() == [[], [0]]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{0 : -1}\n0 | {-1 : x, 1, 0, 0, 0} | |\n", "2:11:"),
        ("{0 : -1}\n0 | {-1 : 1, 1, 0, 0, 0} | 5 |\n", "2:28:"),
        ("{0 : -1}\n0 | {-1 : 1, 1, 0, 0, 0} | 0 |\n", "2:"),
        ("", "1:1:"),
    ],
)
def test_errors_name_file_line_and_column(tmp_path: Path, text: str, place: str) -> None:
    path = write_graph(tmp_path, text)
    with pytest.raises(_core.GraphFileError) as caught:
        _core.read_graph(path)
    assert str(caught.value).startswith(f"{path}:{place}")


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"none\.gph"):
        _core.read_graph(tmp_path / "none.gph")


def test_a_task_without_the_cpu_is_named_with_its_line_and_devices() -> None:
    graph = _core.read_graph(GRAPHS / "gangs_300.gph")
    for ask in (graph.bounds, graph.times_us, graph.critical_path):
        with pytest.raises(_core.GraphNotRunnable, match=r"T\[3\] on line 5 .*any GPU"):
            ask()


@pytest.mark.parametrize("kind", [kind.name for kind in _core.graph_kinds()])
def test_every_kind_is_generated_and_read_back(tmp_path: Path, kind: str) -> None:
    graph = _core.generate_graph(kind)
    path = tmp_path / "made.gph"
    graph.write(path)
    again = _core.read_graph(path)
    assert path.read_text(encoding="utf-8") == graph.to_text()
    assert again.names() == graph.names()
    assert again.dependencies() == graph.dependencies()
    assert again.times_us() == graph.times_us()


def test_kinds_tell_their_options() -> None:
    kinds = {kind.name: kind for kind in _core.graph_kinds()}
    options = {option.name: option for option in kinds["stencil-1d"].options}
    assert {"width", "steps", "time_us", "gil_fraction", "seed"} <= options.keys()
    assert options["time_us"].low <= options["time_us"].default <= options["time_us"].high
    assert options["width"].whole
    assert not options["gil_fraction"].whole
    assert all(option.help for option in options.values())


def test_format_1_states_the_same_work(tmp_path: Path) -> None:
    options = {"width": "5", "steps": "4", "time_us": "120", "gil_accesses": "3", "gil_fraction": "0.25"}
    two = _core.generate_graph("stencil-1d", options)
    one = _core.generate_graph("stencil-1d", options, format=1)
    path = tmp_path / "one.gph"
    one.write(path)
    again = _core.read_graph(path)
    assert (two.format, again.format) == (2, 1)
    assert again.names() == two.names()
    assert again.dependencies() == two.dependencies()
    assert again.times_us() == pytest.approx(two.times_us())
    assert again.bounds().lock_us == pytest.approx(two.bounds().lock_us)


def test_what_format_1_cannot_state_is_refused() -> None:
    with pytest.raises(ValueError, match="format 1 has no named spaces"):
        _core.generate_graph("cholesky", format=1).to_text()


@pytest.mark.parametrize(
    ("kind", "options", "file_format", "complaint"),
    [
        ("spiral", {}, 2, "spiral.*choose one of.*cholesky"),
        ("serial", {"depth": "3"}, 2, "no option 'depth'"),
        ("stencil-1d", {"width": "-1"}, 2, "width is '-1'.*between"),
        ("stencil-1d", {}, 3, "format=3"),
    ],
)
def test_what_cannot_be_generated(kind: str, options: dict[str, str], file_format: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        _core.generate_graph(kind, options, file_format)


def test_a_graph_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    graph = _core.read_graph(write_graph(tmp_path, SMALL))
    with pytest.raises(OSError, match="missing"):
        graph.write(tmp_path / "missing" / "graph.gph")
