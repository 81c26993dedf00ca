"""Small programs run in an interpreter of their own, spoken to through pipes instead of sleeping."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import dataclass
from typing import IO

# Far beyond what anything here takes; reached only if something hangs.
PATIENCE_S = 60.0

# From 3.12 on Python warns of every fork of a process that has threads; programs here fork all the same.
FORKS = "ignore:This process:DeprecationWarning"


@dataclass(frozen=True)
class Finished:
    """How a program ended and what it printed."""

    code: int
    out: str
    err: str


class Program:
    """A running program. Its standard output says how far it is; lines written to it let it go on."""

    def __init__(self, source: str, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", *options, "-W", FORKS, "-c", textwrap.dedent(source)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def read_line(self) -> str:
        """Wait for the program's next line; end of output is ''."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def expect(self, line: str) -> None:
        """Wait until the program says `line`."""
        said = self.read_line()
        if said != line:
            rest = self.finish()
            message = f"the program said {said!r} and not {line!r}; its errors:\n{rest.err}"
            raise AssertionError(message)

    def say(self, line: str) -> None:
        """Write a line to the program's standard input."""
        stdin: IO[str] | None = self.process.stdin
        assert stdin is not None
        stdin.write(line + "\n")
        stdin.flush()

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        import signal

        self.process.send_signal(signal.SIGINT)

    def finish(self) -> Finished:
        """Wait for the end; a program that hangs is killed and fails the test."""
        try:
            out, err = self.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            message = f"the program hangs; it said {out!r}; its errors:\n{err}"
            raise AssertionError(message) from None
        return Finished(self.process.returncode, out, err)


def run(source: str, *options: str) -> Finished:
    """Run a program that needs no conversation."""
    return Program(source, *options).finish()
