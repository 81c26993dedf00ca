"""The picture of a run: a row for each slot, a bar for each task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from polyreme import _core
from polyreme._cli_common import number_text, percent_text, time_text
from polyreme._plot_style import CRITICAL, Palette, legend_below, new_figure, palette_of, save

__all__ = ["draw_run"]

Slices = Sequence[tuple[int, int, int, str]]  # slot, start and duration in ns, name of the task
Numbers = npt.NDArray[np.float64]

# More bars than this have no pixel each; then the picture shows how busy slots were.
_MAX_BARS = 20_000
_PARTED = 400  # bars a row
_BINS = 1200
_BAR = 0.8
_MARK = 0.14


def draw_run(path: str, graph: _core.Graph, trace: _core.CheckedTrace, *, name: str, bound_s: float) -> None:
    """Draw a run of a graph.

    Args:
        path: file to write; the suffix says its kind.
        graph: what was run.
        trace: its trace.
        name: of the graph, for the title.
        bound_s: the time below which no run could have been.
    """
    makespan_s = trace.makespan_ns * 1e-9
    rows = trace.workers
    unit, scale = _unit(max(makespan_s, bound_s))
    figure, axes = new_figure(12.0, min(1.9 + 0.55 * rows, 24.0))
    slices = trace.slices()
    if len(slices) <= _MAX_BARS:
        handles = _draw_bars(axes, graph, slices, scale)
    else:
        handles = _draw_use(axes, slices, rows, makespan_s, scale)
    handles.append(_draw_line(axes, bound_s * scale, f"lower bound {time_text(bound_s)}", dashed=True))
    handles.append(_draw_line(axes, makespan_s * scale, f"makespan {time_text(makespan_s)}"))

    efficiency = f", efficiency {percent_text(bound_s / makespan_s)}" if makespan_s > 0 else ""
    axes.set_title(f"{name}: {number_text(trace.tasks)} tasks on {rows} workers{efficiency}", loc="left", fontsize=11)
    axes.set_xlabel(f"time since the first spawn, {unit}")
    axes.set_xlim(0, max(makespan_s, bound_s) * scale * 1.01 or 1)
    axes.set_ylim(rows - 0.45, -0.55)
    axes.set_ylabel("slot")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=24, integer=True, min_n_ticks=1))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    legend_below(figure, handles)
    save(figure, path)


def _unit(longest_s: float) -> tuple[str, float]:
    return ("s", 1.0) if longest_s >= 2 else ("ms", 1e3) if longest_s >= 2e-3 else ("us", 1e6)


def _draw_line(axes: Axes, x: float, label: str, *, dashed: bool = False) -> Line2D:
    style: Literal["--", "-"] = "--" if dashed else "-"
    axes.axvline(x, color="black", linestyle=style, linewidth=1.2, zorder=4)
    return Line2D([], [], color="black", linestyle=style, linewidth=1.2, label=label)


def _boxes(left: Numbers, right: Numbers, top: Numbers, bottom: Numbers) -> Numbers:
    return np.stack(
        [np.stack(corner, axis=-1) for corner in ((left, top), (right, top), (right, bottom), (left, bottom))], axis=1
    )


def _draw_bars(axes: Axes, graph: _core.Graph, slices: Slices, scale: float) -> list[Patch | Line2D]:
    palette: Palette = palette_of(graph)
    number = {task: i for i, task in enumerate(graph.names())}
    tasks = np.array([number.get(task, -1) for *_, task in slices], dtype=int)
    slot, left, right = _columns(slices, scale)
    colours = [palette.colours[task] if task >= 0 else "black" for task in tasks]
    # Neighbours are kept apart by a line as long as it does not hide them.
    thin = 0.4 if len(slices) <= _PARTED * (slot.max(initial=0) + 1) else 0.0
    boxes = _boxes(left, right, slot - _BAR / 2, slot + _BAR / 2)
    axes.add_collection(PolyCollection(list(boxes), facecolors=colours, edgecolors="white", linewidths=thin))
    marked = np.isin(tasks, graph.critical_path())
    strip = slot[marked] + _BAR / 2
    marks = _boxes(left[marked], right[marked], strip - _MARK, strip)
    axes.add_collection(PolyCollection(list(marks), facecolors=CRITICAL, edgecolors="none", zorder=3))
    return [*palette.legend, Patch(color=CRITICAL, label="on the critical path")]


def _columns(slices: Slices, scale: float) -> tuple[Numbers, Numbers, Numbers]:
    """Slots, starts and ends, the times in seconds times the scale."""
    table = np.array([row[:3] for row in slices], dtype=float).reshape(-1, 3)
    start = table[:, 1] * 1e-9 * scale
    return table[:, 0], start, start + table[:, 2] * 1e-9 * scale


def _draw_use(axes: Axes, slices: Slices, rows: int, makespan_s: float, scale: float) -> list[Patch | Line2D]:
    slots, starts, ends = _columns(slices, scale)
    edges = np.linspace(0, makespan_s * scale, _BINS + 1)
    use = np.stack([_use(starts[slots == row], ends[slots == row], edges) for row in range(rows)])
    image = axes.imshow(
        use,
        aspect="auto",
        cmap="cividis",
        vmin=0,
        vmax=1,
        extent=(0, makespan_s * scale, rows - 0.5, -0.5),
        interpolation="nearest",
    )
    bar = axes.figure.colorbar(image, ax=axes, pad=0.01, ticks=[0, 0.5, 1])
    bar.set_label("busy")
    bar.ax.set_yticklabels(["0 %", "50 %", "100 %"])
    return []


def _use(starts: Numbers, ends: Numbers, edges: Numbers) -> Numbers:
    """The fraction of each bin in which one of these times, which do not overlap, ran."""
    order = np.argsort(starts)
    starts, ends = starts[order], ends[order]
    total = np.concatenate([[0.0], np.cumsum(ends - starts)])
    begun = np.searchsorted(starts, edges, side="right")
    # Busy time before each edge: what has begun, less what the last of it still runs.
    still = np.maximum(np.concatenate([[0.0], ends])[begun] - edges, 0.0)
    return np.clip(np.diff(total[begun] - still) / np.diff(edges), 0.0, 1.0)
