"""What pictures share: figures without a display, colours of tasks, times on an axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from polyreme import _core

__all__ = ["CRITICAL", "EDGE", "PLAIN", "Palette", "legend_below", "new_figure", "palette_of", "save"]

# Told apart by people who see colours differently, on paper too: Okabe and Ito's set, without black.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")

CRITICAL = "#C1121F"
EDGE = "#7A8793"
PLAIN = _COLOURS[0]

_DPI = 150


@dataclass(frozen=True)
class Palette:
    """A colour for each task, and what the colours mean."""

    colours: Sequence[str]
    legend: list[Patch | Line2D] = field(default_factory=list)


def palette_of(graph: _core.Graph) -> Palette:
    """Colour tasks by the space they belong to, or by level if there is one space only."""
    spaces = graph.spaces()
    names = list(dict.fromkeys(spaces))
    if len(names) > 1:
        colour = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}
        shown = names[: len(_COLOURS)]
        legend: list[Patch | Line2D] = [Patch(color=colour[name], label=name) for name in shown]
        if len(names) > len(shown):
            legend.append(Patch(color="none", label=f"and {len(names) - len(shown)} more spaces"))
        return Palette([colour[name] for name in spaces], legend)
    levels = graph.levels()
    last = max(levels, default=0)
    # The ends of the map are too dark and too light for text and thin bars.
    scale = colormaps["viridis"]
    shades = [to_hex(scale(0.12 + 0.8 * level / max(last, 1))) for level in range(last + 1)]
    legend = [Patch(color=shades[level], label=f"level {level}") for level in sorted({0, last // 2, last})]
    return Palette([shades[level] for level in levels], legend)


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of this many inches with one plot, independent of any display."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def legend_below(figure: Figure, handles: Sequence[Patch | Line2D], text: float = 1.0) -> None:
    """A legend under everything, where it covers nothing; `text` enlarges it."""
    if not handles:
        return
    columns = max(1, min(len(handles), int(figure.get_figwidth() / (1.6 * text))))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9 * text)


def save(figure: Figure, path: str) -> None:
    """Write the picture; the suffix says its kind."""
    figure.savefig(path, facecolor="white")
