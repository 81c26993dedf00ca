"""Whether a long stream of polyreme tasks makes a Python process grow.

    python -m bench.python.stream_polyreme [--slots N] [--divide D]

spawns a million tasks in pairs, the second after the first, then nine million more, and prints the resident set
after each part as one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
from itertools import count
from pathlib import Path

import polyreme as pr


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--divide", type=int, default=1, help="divide the number of tasks, for a quick look")
    arguments = parser.parse_args()
    first = 1_000_000 // arguments.divide
    ran = count()

    def body() -> None:
        next(ran)

    def spawn_stream(rt: pr.Runtime, tasks: int) -> int:
        for _ in range(tasks // 2):
            rt.spawn(body, after=rt.spawn(body))
        rt.wait()
        return resident_bytes()

    with pr.Runtime(workers=arguments.slots) as rt:
        first_bytes = spawn_stream(rt, first)
        all_bytes = spawn_stream(rt, 9 * first)
    if (total := next(ran)) != 10 * first:
        raise SystemExit(f"{total} of {10 * first} tasks ran")
    result = {
        "runtime": "polyreme",
        "first_tasks": first,
        "first_bytes": first_bytes,
        "all_tasks": 10 * first,
        "all_bytes": all_bytes,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
