"""The command `polyreme`: runs, makes, draws and checks task graphs. Each command has a `_cli_*` module of its own."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import click

from polyreme import _core
from polyreme._cli_check import check
from polyreme._cli_generate import generate
from polyreme._cli_plot import plot
from polyreme._cli_run import run

__all__ = ["cli", "main"]

_INTERRUPTED = 130  # what a shell reports for a program that SIGINT ended
_BROKEN_PIPE = 1  # what click ends with if it finds out first
_UNWRITABLE = 2


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
        # Written out here: at exit it is too late to say what is wrong. Unlike flush(), this takes a closed output.
        print(end="", flush=True)
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        status = error.exit_code
    except click.Abort:
        with suppress(OSError):
            click.echo("interrupted", err=True)
        status = _INTERRUPTED
    except BrokenPipeError:  # who reads the output, such as `head`, has enough
        _drop_output()
        status = _BROKEN_PIPE
    except OSError as error:
        # Commands say themselves what is wrong with files that they were told of.
        _drop_output()
        with suppress(OSError):
            click.echo(f"the output cannot be written: {error.strerror or error}", err=True)
        status = _UNWRITABLE
    sys.exit(status)


def _drop_output() -> None:
    """Give up what standard output still holds, so that Python does not try to write it again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
