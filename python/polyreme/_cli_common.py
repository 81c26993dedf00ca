"""What the commands share: errors, graphs, output files and the wording of numbers."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path
from typing import IO, Any

import click

from polyreme import _core

__all__ = [
    "PICTURE",
    "Failure",
    "NotVerified",
    "OutputFile",
    "count_text",
    "load_graph",
    "number_text",
    "percent_text",
    "refuse_same_file",
    "time_text",
]


class Failure(click.ClickException):
    """Ends the command with a message as it is, without a prefix, so that editors find `file:line:column:`."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message, by default to standard error."""
        click.echo(self.message, file=file, err=file is None)


class NotVerified(Failure):
    """Ends the command because a run or a trace does not hold what it must."""

    exit_code = 1


def load_graph(path: str, *, data_order: bool = False) -> _core.Graph:
    """Read a graph file.

    Raises:
        Failure: it cannot be read, or is wrong; the message says where.
    """
    try:
        return _core.read_graph(path, data_order)
    except (_core.GraphFileError, OSError) as error:
        raise Failure(str(error)) from error


class OutputFile(click.ParamType[str, str]):
    """A file that can be written, found out before long work rather than after it."""

    name = "file"

    def __init__(self, *suffixes: str) -> None:
        self._suffixes = suffixes

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the path, or fail with what is wrong with it."""
        path = Path(value)
        if not value:
            self.fail("the name of the file is empty", param, ctx)
        if self._suffixes and path.suffix.lower() not in self._suffixes:
            self.fail(
                f"{value!r} must end in {' or '.join(self._suffixes)}, which says the kind of picture", param, ctx
            )
        if path.is_dir():
            self.fail(f"{value!r} is a directory; name a file in it", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"there is no directory {str(path.parent)!r}; make it first", param, ctx)
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            self.fail(f"{value!r} cannot be written; choose another place", param, ctx)
        return value


PICTURE = OutputFile(".png", ".svg", ".pdf")


def refuse_same_file(files: dict[str, str | None]) -> None:
    """Refuse files of which one would overwrite another.

    Args:
        files: what each is for, as the user knows it, and its path if there is one.

    Raises:
        click.UsageError: two are the same file.
    """
    named = [(purpose, path) for purpose, path in files.items() if path is not None]
    for (purpose, path), (other, other_path) in combinations(named, 2):
        if _same_file(path, other_path):
            raise click.UsageError(f"{purpose} and {other} are the same file {path!r}; name another, or one is lost")


def _same_file(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)  # also by another name, through a link
    except OSError:  # one is not there yet
        return Path(one).resolve() == Path(other).resolve()


def time_text(seconds: float) -> str:
    """A time in the unit that suits it, such as '273.2 ms'."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{_digits(seconds / scale)} {unit}"
    return f"{_digits(seconds * 1e6)} us"


def _digits(value: float) -> str:
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}" if value >= 10 else f"{value:.3f}"


def percent_text(fraction: float) -> str:
    """A fraction as percent, such as '98.6 %'."""
    return f"{100 * fraction:.1f} %"


def count_text(value: int, noun: str) -> str:
    """A count of things, such as '1 task' or '2 000 tasks'."""
    return f"{number_text(value)} {noun if value == 1 else noun + 's'}"


def number_text(value: int) -> str:
    """A count with its thousands apart, such as '1 000 000'."""
    return f"{value:,}".replace(",", " ")
