"""What imports and a first task add to the start of an interpreter.

    python -m bench.python.startup [--repeats R]

starts interpreters that each write one byte when they are there, and prints, a program, the milliseconds to that byte
less those of an empty program that was started just before. The programs take turns. Byte code is cached.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time

_MARK = "import os; os.write(1, b'.')"

_PROGRAMS: dict[tuple[str, str], tuple[str, str]] = {
    ("polyreme", "import"): ("polyreme", f"import polyreme\n{_MARK}"),
    ("polyreme", "first task"): (
        "polyreme",
        f"import polyreme as pr\nwith pr.Runtime(workers=2) as rt:\n    rt.spawn(int).result()\n    {_MARK}",
    ),
    ("ThreadPoolExecutor", "import"): ("concurrent", f"from concurrent.futures import ThreadPoolExecutor\n{_MARK}"),
    ("ThreadPoolExecutor", "first task"): (
        "concurrent",
        "from concurrent.futures import ThreadPoolExecutor\n"
        f"with ThreadPoolExecutor(2) as pool:\n    pool.submit(int).result()\n    {_MARK}",
    ),
    ("Dask threads", "import"): ("dask", f"import dask.threaded\n{_MARK}"),
    ("Dask threads", "first task"): (
        "dask",
        f"import dask.threaded\ndask.threaded.get({{'task': (int,)}}, 'task', num_workers=2)\n{_MARK}",
    ),
    ("joblib threads", "import"): ("joblib", f"import joblib\n{_MARK}"),
    ("joblib threads", "first task"): (
        "joblib",
        f"from joblib import Parallel, delayed\nParallel(n_jobs=2, backend='threading')([delayed(int)()])\n{_MARK}",
    ),
}


def time_to_mark_ms(program: str) -> float:
    """Milliseconds from the start of an interpreter until it has written its byte."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", program]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0, env=environment) as process:
        assert process.stdout is not None
        mark = process.stdout.read(1)
        stopped = time.perf_counter()
        process.stdout.read()
    if mark != b"." or process.returncode != 0:
        raise SystemExit(f"exit code {process.returncode} of: {program}")
    return (stopped - started) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args()

    programs = {
        key: program for key, (module, program) in _PROGRAMS.items() if importlib.util.find_spec(module) is not None
    }
    for program in programs.values():
        time_to_mark_ms(program)
    added: dict[tuple[str, str], list[float]] = {key: [] for key in programs}
    for _ in range(arguments.repeats):
        for key, program in programs.items():
            empty = time_to_mark_ms(_MARK)
            added[key].append(round(time_to_mark_ms(program) - empty, 3))
    for (runtime, row), values in added.items():
        print(json.dumps({"runtime": runtime, "graph": row, "ms": values}), flush=True)


if __name__ == "__main__":
    main()
