"""`polyreme generate`: graphs of well-known shapes. Kinds and options are what the generators say of themselves."""

from __future__ import annotations

import json
from typing import Any

import click

from polyreme import _core
from polyreme._cli_common import Failure, number_text

__all__ = ["generate"]


@click.group()
def generate() -> None:
    """Make a task graph of a well-known shape.

    `polyreme generate KIND --help` lists the options of a kind.
    """


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e6 else f"{value:g}"


def _option(info: _core.GraphOption) -> click.Option:
    # Values stay text: the generator checks them and says what it allows.
    limits = f"{_number(info.low)} to {_number(info.high)}"
    return click.Option(
        [f"--{info.name.replace('_', '-')}", info.name],
        metavar="N" if info.whole else "X",
        help=f"{info.help[0].upper()}{info.help[1:]}. [default: {_number(info.default)}; {limits}]",
    )


def _write(kind: str, output: str, file_format: int, as_json: bool, options: dict[str, Any]) -> None:
    if as_json and output == "-":
        raise click.UsageError("--json reports on a file that is written; name one with -o FILE")
    given = {name: value for name, value in options.items() if value is not None}
    try:
        graph = _core.generate_graph(kind, given, file_format)
        text = graph.to_text() if output == "-" else None
        if text is None:
            graph.write(output)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise Failure(str(error)) from error
    if text is not None:
        click.echo(text, nl=False)
        return
    tasks, dependencies = graph.task_count, graph.dependency_count
    if as_json:
        report = {"file": output, "kind": kind, "format": file_format, "tasks": tasks, "dependencies": dependencies}
        click.echo(json.dumps(report))
    else:
        click.echo(f"{output}: {number_text(tasks)} tasks, {number_text(dependencies)} dependencies", err=True)


def _command(info: _core.GraphKind) -> click.Command:
    def callback(output: str, file_format: int, as_json: bool, **options: Any) -> None:
        _write(info.name, output, file_format, as_json, options)

    return click.Command(
        info.name,
        callback=callback,
        help=f"{info.summary[0].upper()}{info.summary[1:]}.",
        short_help=info.summary,
        params=[
            *map(_option, info.options),
            click.Option(
                ["--output", "-o", "output"],
                type=click.Path(dir_okay=False, allow_dash=True),
                default="-",
                help="File to write. [default: standard output]",
            ),
            click.Option(
                ["--format", "file_format"],
                type=click.Choice([1, 2]),
                default=2,
                show_default=True,
                help="Format of the file; docs/reference/graph-files.md describes both.",
            ),
            click.Option(["--json", "as_json"], is_flag=True, help="Report on the written file as one JSON object."),
        ],
    )


for _info in _core.graph_kinds():
    generate.add_command(_command(_info))
