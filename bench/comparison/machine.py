"""What a reader must know of the machine to judge a figure."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.comparison.programs import ROOT

_PACKAGES = ("polyreme", "numpy", "scipy", "dask", "joblib")


def _field(path: str, key: str) -> str:
    """The value of the first `key : value` line of a file under /proc, or "unknown"."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "unknown")


def _output(*command: str) -> str:
    """The first line that a command prints, or "unknown"."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return (run.stdout.splitlines() or ["unknown"])[0]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not available"


def describe_machine() -> dict[str, str]:
    """Keys and values in the order in which they are shown."""
    memory_kib = _field("/proc/meminfo", "MemTotal").split()[0]
    memory = f"{int(memory_kib) / 2**20:.0f} GiB" if memory_kib.isdigit() else "unknown"
    return {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "commit": _output("git", "describe", "--always", "--dirty"),
        "cpu": _field("/proc/cpuinfo", "model name"),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": memory,
        "kernel": platform.release(),
        "compiler": _output("c++", "--version"),
        "python": platform.python_version(),
        **{package: _version(package) for package in _PACKAGES},
    }
