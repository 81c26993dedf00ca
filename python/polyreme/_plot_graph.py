"""The picture of a graph: tasks in levels, or, of a large graph, how many tasks each level has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from statistics import fmean

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from polyreme import _core
from polyreme._cli_common import number_text
from polyreme._plot_style import CRITICAL, EDGE, PLAIN, Palette, legend_below, new_figure, palette_of, save

__all__ = ["draw_graph"]

# A picture of every task can be read up to about these.
_MAX_TASKS = 700
_MAX_DEPENDENCIES = 6_000
_MANY_EDGES = 400
_SWEEPS = 12
_LABELLED = 15.0  # points across, for a label inside a task
_DARK = 0.55

Points = npt.NDArray[np.float64]


def draw_graph(path: str, graph: _core.Graph, *, name: str) -> None:
    """Draw a graph.

    Args:
        path: file to write; the suffix says its kind.
        graph: what to draw.
        name: of the graph, for the title.
    """
    levels = graph.levels()
    if not levels:
        message = "the graph has no tasks to draw"
        raise ValueError(message)
    rows: dict[int, list[int]] = defaultdict(list)
    for task, level in enumerate(levels):
        rows[level].append(task)
    depth = len(rows)
    title = (
        f"{name}: {number_text(graph.task_count)} tasks, {number_text(graph.dependency_count)} dependencies, "
        f"{number_text(depth)} levels"
    )
    if graph.task_count <= _MAX_TASKS and graph.dependency_count <= _MAX_DEPENDENCIES:
        _draw_tasks(path, graph, [rows[level] for level in range(depth)], title)
    else:
        _draw_levels(path, graph, levels, title)


def _critical(graph: _core.Graph) -> list[int]:
    try:
        return graph.critical_path()
    except _core.GraphNotRunnable:  # times on the CPU are unknown
        return []


def _placed(rows: list[list[int]], dependencies: list[list[int]]) -> dict[int, float]:
    """Place tasks along their levels, near what they are connected to and at least 1 apart.

    Levels are swept down and up in turn. Each orders its tasks by the mean place of their neighbours in the other
    levels (the barycentre method of Sugiyama et al., 1981) and moves them as close to it as the distance allows. At
    last all levels align themselves with the widest, which has no room to move: so trees open towards their leaves.
    """
    dependents: dict[int, list[int]] = defaultdict(list)
    for task, others in enumerate(dependencies):
        for other in others:
            dependents[other].append(task)
    place = {task: i - (len(row) - 1) / 2 for row in rows for i, task in enumerate(row)}

    def arrange(chosen: Iterable[list[int]], near: Mapping[int, list[int]]) -> None:
        for row in chosen:
            wish = {task: fmean(place[other] for other in near[task]) if near[task] else place[task] for task in row}
            row.sort(key=wish.__getitem__)
            place.update(zip(row, _apart([wish[task] for task in row]), strict=True))

    above = dict(enumerate(dependencies))
    for _ in range(_SWEEPS):
        arrange(rows, above)
        arrange(reversed(rows), dependents)
    widest = max(range(len(rows)), key=lambda level: len(rows[level]))
    place.update({task: i - (len(rows[widest]) - 1) / 2 for i, task in enumerate(rows[widest])})
    arrange(rows[widest + 1 :], above)
    arrange(reversed(rows[:widest]), dependents)
    return place


def _apart(wishes: list[float]) -> list[float]:
    """The places nearest to ascending wishes (least squares) that are 1 apart: isotonic regression by pooling."""
    pools: list[tuple[float, int]] = []  # mean and length of what must stand side by side
    for i, wish in enumerate(wishes):
        mean, length = wish - i, 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean = (mean * length + before * count) / (length + count)
            length += count
        pools.append((mean, length))
    means = [mean for mean, length in pools for _ in range(length)]
    return [mean + i for i, mean in enumerate(means)]


def _draw_tasks(path: str, graph: _core.Graph, rows: list[list[int]], title: str) -> None:
    dependencies = graph.dependencies()
    # The longer side lies across the page.
    across = len(rows) >= max(map(len, rows))
    level = {task: float(depth) for depth, row in enumerate(rows) for task in row}
    place = _placed(rows, dependencies)
    at = {task: (level[task], place[task]) if across else (place[task], level[task]) for task in level}
    points = np.array([at[task] for task in range(graph.task_count)])
    low, high = points.min(axis=0), points.max(axis=0)
    columns, lines = high - low + 1
    width, height = min(max(6.5, 0.62 * columns + 1), 18), min(max(4.0, 0.5 * lines + 1.4), 13)
    figure, axes = new_figure(width, height)
    size = min(34.0, 0.66 * 72 * min((width - 0.8) / (columns + 0.4), (height - 1.4) / (lines + 0.4)))

    chain = _critical(graph)
    _draw_edges(axes, at, dependencies, chain, across=across)
    palette = palette_of(graph)
    on_chain = set(chain)
    outline = [(CRITICAL, 1.6) if task in on_chain else ("white", 0.6) for task in range(graph.task_count)]
    axes.scatter(
        points[:, 0],
        points[:, 1],
        s=size**2,
        c=palette.colours,
        edgecolors=[colour for colour, _ in outline],
        linewidths=[thickness for _, thickness in outline],
        zorder=3,
    )
    if size >= _LABELLED:
        _label(axes, graph, points, palette, size)
    text = max(1.0, width / 12)
    _frame(axes, across=across, text=text)
    axes.set_xlim(low[0] - 0.7, high[0] + 0.7)
    axes.set_ylim(high[1] + 0.7, low[1] - 0.7)
    axes.set_title(title, loc="left", fontsize=11 * text)
    handles: list[Patch | Line2D] = list(palette.legend) if len(set(graph.spaces())) > 1 else []
    if chain:
        handles.append(Line2D([], [], color=CRITICAL, linewidth=1.8, label="critical path on the CPU"))
    legend_below(figure, handles, text)
    save(figure, path)


def _draw_edges(
    axes: Axes, at: dict[int, tuple[float, float]], dependencies: list[list[int]], chain: list[int], *, across: bool
) -> None:
    edges = {(other, task) for task, others in enumerate(dependencies) for other in others}
    marked = set(pairwise(chain))
    thin = 1.0 if len(edges) < _MANY_EDGES else 0.6
    for group, colour, width, order in ((edges - marked, EDGE, 0.9 * thin, 1), (marked, CRITICAL, 1.8, 2)):
        lines = [_curve(at[start], at[end], across=across) for start, end in sorted(group)]
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=width, alpha=0.8, zorder=order))


def _curve(start: tuple[float, float], end: tuple[float, float], *, across: bool) -> Points:
    """A line that leaves and arrives along the levels, so that those past other tasks can be followed."""
    t = np.linspace(0, 1, 16)
    ease = t * t * (3 - 2 * t)
    main, side = (t, ease) if across else (ease, t)
    return np.column_stack([start[0] + (end[0] - start[0]) * main, start[1] + (end[1] - start[1]) * side])


def _label(axes: Axes, graph: _core.Graph, points: Points, palette: Palette, size: float) -> None:
    spaces = graph.spaces()
    named = len(set(spaces)) > 1
    for point, space, index, colour in zip(points, spaces, graph.indices(), palette.colours, strict=True):
        lines = [*([space] if named else []), ",".join(map(str, index))]
        fit = size / (0.62 * max(map(len, lines)) + 0.5)
        axes.annotate(
            "\n".join(lines), point, ha="center", va="center", fontsize=min(9.0, fit), color=_ink(colour), zorder=4
        )


def _ink(colour: str) -> str:
    red, green, blue = to_rgb(colour)
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < _DARK else "black"


def _frame(axes: Axes, *, across: bool, text: float) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    main, side = (axes.xaxis, axes.yaxis) if across else (axes.yaxis, axes.xaxis)
    main.set_major_locator(MaxNLocator(nbins=20, integer=True, min_n_ticks=1))
    main.set_label_text("level", fontsize=10 * text)
    main.set_tick_params(length=0, labelsize=9 * text)
    side.set_ticks([])


def _draw_levels(path: str, graph: _core.Graph, levels: list[int], title: str) -> None:
    figure, axes = new_figure(12.0, 5.0)
    depth = max(levels) + 1
    spaces = np.array(graph.spaces())
    names = list(dict.fromkeys(spaces.tolist()))
    colour = dict(zip(spaces.tolist(), palette_of(graph).colours, strict=True)) if len(names) > 1 else {}
    below = np.zeros(depth)
    at = np.arange(depth + 1) - 0.5
    for space in names:
        counts = np.bincount(np.asarray(levels)[spaces == space], minlength=depth)
        # As steps in two lines: stairs() looks at every edge of a deep graph in Python.
        low, high = (np.append(side, side[-1]) for side in (below, below + counts))
        axes.fill_between(at, low, high, step="post", color=colour.get(space, PLAIN), linewidth=0)
        below = below + counts
    axes.set_title(f"{title} (too many to draw each)", loc="left", fontsize=11)
    axes.set_xlabel("level")
    axes.set_ylabel("tasks of the level")
    axes.set_xlim(-0.5, depth - 0.5)
    axes.set_ylim(0, None)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if len(names) > 1:
        legend_below(figure, palette_of(graph).legend)
    save(figure, path)
