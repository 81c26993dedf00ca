"""The command `polyreme`: runs, makes, draws and checks task graphs. Each command has a `_cli_*` module of its own."""

from __future__ import annotations

import sys

import click

from polyreme import _core
from polyreme._cli_check import check
from polyreme._cli_generate import generate
from polyreme._cli_plot import plot
from polyreme._cli_run import run

__all__ = ["cli", "main"]

_INTERRUPTED = 130  # what a shell reports for a program that SIGINT ended


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(_core.version, prog_name="polyreme")
def cli() -> None:
    """Task graphs on all cores of this machine.

    Exit status: 0 good, 1 a run or trace that could not be verified, 2 misuse or a file that is wrong.
    """


for _command in (run, generate, plot, check):
    cli.add_command(_command)


def main() -> None:
    """Run the command line of this process, and exit."""
    try:
        # Not click's own handling of what goes wrong: it ends an interrupted program with 1.
        status = cli.main(prog_name="polyreme", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        status = _INTERRUPTED
    sys.exit(status)
