"""`polyreme plot`: a picture of a graph."""

from __future__ import annotations

from pathlib import Path

import click

from polyreme._cli_common import PICTURE, Failure, load_graph, refuse_same_file

__all__ = ["plot"]


@click.command()
@click.argument("graph", type=click.Path(exists=True, dir_okay=False))
@click.option("--output", "-o", type=PICTURE, required=True, help="Picture to write, as .png, .svg or .pdf.")
@click.option("--data-order", is_flag=True, help="Also show the order that follows from the data blocks.")
def plot(graph: str, output: str, data_order: bool) -> None:
    """Draw the task graph in the file GRAPH.

    Tasks stand in levels, each one level after the last of those it depends on. Of a graph too large to show every
    task, the picture shows how many tasks each level has.
    """
    refuse_same_file({"GRAPH": graph, "--output": output})
    from polyreme._plot_graph import draw_graph

    loaded = load_graph(graph, data_order=data_order)
    try:
        draw_graph(output, loaded, name=Path(graph).name)
    except ValueError as error:
        message = f"{graph}: {error}"
        raise Failure(message) from error
    except OSError as error:
        raise Failure(f"the picture cannot be written: {error}") from error
