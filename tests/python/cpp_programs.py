"""Compiles single-file C++ programs against the engine that was built from this source tree."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Far beyond what a compiler takes on a machine that is not overloaded.
PATIENCE_S = 300.0


def engine_library() -> Path:
    """Return the static library of the engine: POLYREME_LIBRARY, or that of a build folder of this tree."""
    named = os.environ.get("POLYREME_LIBRARY")
    places = [Path(named)] if named else [ROOT / f"build/{preset}/src/libpolyreme.a" for preset in ("release", "dev")]
    for place in places:
        if place.is_file():
            return place
    message = f"no engine in {', '.join(map(str, places))}; build it with `make setup`"
    raise FileNotFoundError(message)


def compiler() -> list[str]:
    """Return the command that compiles C++: the variable CXX, or g++, through ccache where there is one."""
    command = os.environ.get("CXX") or "g++"
    path = shutil.which(command)
    if path is None:
        message = f"there is no compiler {command!r}; install g++ or name another one in CXX"
        raise FileNotFoundError(message)
    cache = shutil.which("ccache")
    return [cache, path] if cache else [path]


def build(source: Path, program: Path) -> None:
    """Compile and link one program, with every warning an error. Raises AssertionError with what the compiler said."""
    unit = program.with_suffix(".o")
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wno-missing-field-initializers"]
    steps = (
        [*compiler(), "-std=c++20", "-O0", *warnings, f"-I{ROOT / 'include'}", "-c", str(source), "-o", str(unit)],
        [compiler()[-1], str(unit), str(engine_library()), "-lhwloc", "-pthread", "-o", str(program)],
    )
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == 0, f"{' '.join(step)}\n{done.stderr}"


def run(program: Path, cwd: Path) -> str:
    """Run a program and return what it printed. Raises AssertionError unless it ends with 0."""
    done = subprocess.run([str(program)], cwd=cwd, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, f"{program.name} ended with {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout
