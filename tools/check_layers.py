"""Checks that every C++ source includes only what its layer may know.

The engine's folders form layers; a folder may include itself and the folders of lower layers, never one beside it:

    base <- sync <- task <- graph place admit data launch complete trace <- runtime sim <- python/bind

`device` knows no tasks, so it stands beside `task`. `gph` and `check` include nothing of the engine. The installed
headers include each other and the standard library, and only `python/bind` knows Python.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"base"}),
    frozenset({"sync"}),
    frozenset({"task", "device"}),
    frozenset({"graph", "place", "admit", "data", "launch", "complete", "trace"}),
    frozenset({"runtime", "sim"}),
)
# Steps sideways: completion walks the successor lists of the graph; the checker reads graph files.
SIDEWAYS = {"complete": frozenset({"graph"}), "check": frozenset({"gph"})}
ENGINE = frozenset().union(*LAYERS)
INDEPENDENT = frozenset({"gph", "check"})

# Folders that only decide: what they do must be the same in simulated time.
PURE = frozenset({"place", "admit"})
CLOCKS_AND_THREADS = frozenset(
    {"chrono", "condition_variable", "ctime", "future", "mutex", "pthread.h", "semaphore", "thread", "time.h"}
)

PYTHON_HEADER = re.compile(r"^(Python\.h|nanobind/|pybind11/)")
DEVICE_HEADER = re.compile(r"^(cuda|CL/|hip/)")
SYSTEM_LIBRARY_HEADER = re.compile(r"^(hwloc|pthread\.h|sched\.h|unistd\.h|sys/|linux/)")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
SUFFIXES = frozenset({".cpp", ".hpp", ".h"})


@dataclass(frozen=True)
class Include:
    """One include directive: where it stands and what it names."""

    line: int
    header: str
    quoted: bool

    @property
    def folder(self) -> str:
        """The first folder of a path in quotes, which names the layer; empty without one."""
        head, _, rest = self.header.partition("/")
        return head if self.quoted and rest else ""


def includes_of(text: str) -> Iterator[Include]:
    """Yields the include directives of a source text."""
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Include(line, match.group(2), match.group(1) == '"')


def allowed_folders(folder: str) -> frozenset[str]:
    """The folders of src/ that a source in src/<folder> may include."""
    beside = SIDEWAYS.get(folder, frozenset())
    if folder in INDEPENDENT:
        return beside | {folder}
    for level, layer in enumerate(LAYERS):
        if folder in layer:
            return frozenset({folder}).union(beside, *LAYERS[:level])
    raise ValueError(f"src/{folder} belongs to no layer; add it to LAYERS or INDEPENDENT in tools/check_layers.py")


def complaint_in_engine(folder: str, include: Include) -> str | None:
    """Says what is wrong with an include in src/<folder>, or nothing."""
    header = include.header
    if PYTHON_HEADER.match(header):
        return "only python/bind may include Python"
    if DEVICE_HEADER.match(header) and folder != "device":
        return "only src/device may include a device's headers"
    if folder in PURE and header in CLOCKS_AND_THREADS:
        return f"{folder} only decides; it may not touch a clock or a thread"
    if folder in INDEPENDENT and header.startswith("polyreme/"):
        return f"{folder} is independent of the engine"
    if include.folder and include.folder not in allowed_folders(folder):
        return f"{folder} may include only {', '.join(sorted(allowed_folders(folder)))}"
    return None


def complaint_in_public(include: Include) -> str | None:
    """Says what is wrong with an include in an installed header, or nothing."""
    header = include.header
    if PYTHON_HEADER.match(header) or DEVICE_HEADER.match(header) or SYSTEM_LIBRARY_HEADER.match(header):
        return "an installed header may need nothing but the standard library"
    if include.quoted:
        return "an installed header names others as <polyreme/...>; headers of src/ are not installed"
    return None


def complaint_in_bindings(include: Include) -> str | None:
    """Says what is wrong with an include in python/bind, or nothing."""
    known = ENGINE | INDEPENDENT | {"bind"}
    if include.folder and include.folder not in known:
        return f"the bindings may include only {', '.join(sorted(known))}"
    return None


def sources(folder: Path) -> Iterator[Path]:
    """Yields the C++ sources under a folder, sorted; none if it does not exist."""
    return (path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES)


def check_tree(root: Path) -> list[str]:
    """Checks all C++ sources of a source tree.

    Args:
        root: The folder that holds `include`, `src` and `python`.

    Returns:
        One line `path:line: "header": reason` for each include that breaks a rule.

    Raises:
        ValueError: A folder of `src` belongs to no layer.
    """
    found: list[str] = []

    def report(path: Path, include: Include, reason: str | None) -> None:
        if reason:
            found.append(f'{path.relative_to(root)}:{include.line}: "{include.header}": {reason}')

    for path in sources(root / "include" / "polyreme"):
        for include in includes_of(path.read_text(encoding="utf-8")):
            report(path, include, complaint_in_public(include))
    for path in sources(root / "src"):
        folder = path.relative_to(root / "src").parts[0]
        allowed_folders(folder)
        for include in includes_of(path.read_text(encoding="utf-8")):
            report(path, include, complaint_in_engine(folder, include))
    for path in sources(root / "python" / "bind"):
        for include in includes_of(path.read_text(encoding="utf-8")):
            report(path, include, complaint_in_bindings(include))
    return found


def main() -> int:
    """Checks the tree that the command line names; this project's own by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    root: Path = parser.parse_args().root
    if not (root / "src").is_dir():
        parser.error(f"{root} has no src folder; name the root of a source tree")
    try:
        found = check_tree(root)
    except ValueError as error:
        found = [str(error)]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
