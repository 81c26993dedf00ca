"""How much faster two slots run pure Python bodies than one does, on an interpreter without the global lock.

    python -m bench.python.speedup RUNTIME [--repeats R] [--divide D]

runs bodies of about one millisecond each, which share no objects, on one slot and on two in turns, and prints the ratio
of the two times, one JSON object with that of each repetition. The work of a body is counted, not timed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import polyreme as pr

_BODIES = 400


def body(steps: int) -> int:
    """Pure Python that touches its own numbers only."""
    total = 0
    for step in range(steps):
        total += step & 3
    return total


def steps_of_a_millisecond() -> int:
    """The shortest of several looks, as whatever disturbs one makes it longer."""
    steps = 20_000
    seconds = []
    for _ in range(20):
        started = time.perf_counter()
        body(steps)
        seconds.append(time.perf_counter() - started)
    return max(1, round(steps * 1e-3 / min(seconds)))


def run_polyreme(slots: int, bodies: int, steps: int) -> float:
    with pr.Runtime(workers=slots) as rt:
        rt.spawn(body, 1).result()
        started = time.perf_counter()
        for _ in range(bodies):
            rt.spawn(body, steps)
        rt.wait()
        return time.perf_counter() - started


def run_pool(slots: int, bodies: int, steps: int) -> float:
    with ThreadPoolExecutor(slots) as pool:
        pool.submit(body, 1).result()
        started = time.perf_counter()
        futures = [pool.submit(body, steps) for _ in range(bodies)]
        for future in futures:
            future.result()
        return time.perf_counter() - started


_RUNTIMES = {"polyreme": run_polyreme, "ThreadPoolExecutor": run_pool}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runtime", choices=_RUNTIMES)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--divide", type=int, default=1, help="divide the number of bodies, for a quick look")
    arguments = parser.parse_args()
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        raise SystemExit("this interpreter has the global lock on, so that two slots run no faster than one")

    run = partial(_RUNTIMES[arguments.runtime], bodies=_BODIES // arguments.divide, steps=steps_of_a_millisecond())
    run(2)
    ratios = [round(run(1) / run(2), 3) for _ in range(arguments.repeats)]
    print(json.dumps({"runtime": arguments.runtime, "graph": "1 ms bodies", "speedup": ratios}))


if __name__ == "__main__":
    main()
