"""The same factorisation without polyreme: LAPACK's own, and the same kernels on a ThreadPoolExecutor.

What the thread pool lacks stands here in full: dependencies are counted by hand, and a failure must be carried out.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import scipy.linalg.lapack
from cholesky_kernels import gemm, potrf, syrk, trsm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cholesky_kernels import Tile

    Step = tuple[str, int, int, int]


def factorise_with_lapack(a: Tile) -> None:
    """Replace the lower triangle of `a` by its Cholesky factor, in place, with as many threads as BLAS may use."""
    _, info = scipy.linalg.lapack.dpotrf(a, lower=1, clean=0, overwrite_a=1)
    if info != 0:
        raise np.linalg.LinAlgError(f"the matrix is not positive definite: minor {info}")


def _steps(tiles: Mapping[tuple[int, int], Tile], side: int) -> dict[Step, tuple[Callable[[], None], list[Step]]]:
    """Every step of the factorisation, in order, with the steps before it."""
    steps: dict[Step, tuple[Callable[[], None], list[Step]]] = {}

    def add(step: Step, kernel: Callable[[], None], before: list[Step]) -> None:
        steps[step] = kernel, [earlier for earlier in before if earlier in steps]

    for k in range(side):
        add(("potrf", k, k, k), partial(potrf, tiles[k, k]), [("update", k, k, k - 1)])
        for i in range(k + 1, side):
            solve = partial(trsm, tiles[k, k], tiles[i, k])
            add(("trsm", i, k, k), solve, [("potrf", k, k, k), ("update", i, k, k - 1)])
        for j in range(k + 1, side):
            for i in range(j, side):
                if i == j:
                    update = partial(syrk, tiles[j, k], tiles[j, j])
                else:
                    update = partial(gemm, tiles[i, k], tiles[j, k], tiles[i, j])
                add(("update", i, j, k), update, [("trsm", i, k, k), ("trsm", j, k, k), ("update", i, j, k - 1)])
    return steps


def factorise_with_thread_pool(tiles: Mapping[tuple[int, int], Tile], side: int, pool: ThreadPoolExecutor) -> None:
    """Run the steps on a pool; each is submitted when the last step before it has finished."""
    steps = _steps(tiles, side)
    missing: dict[Step, int] = {}
    after: dict[Step, list[Step]] = defaultdict(list)
    for step, (_, before) in steps.items():
        distinct = set(before)
        missing[step] = len(distinct)
        for earlier in distinct:
            after[earlier].append(step)

    lock = threading.Lock()
    finished = threading.Event()
    failures: list[BaseException] = []
    unfinished = len(steps)

    def run(step: Step) -> None:
        nonlocal unfinished
        try:
            steps[step][0]()
        except BaseException as failure:  # noqa: BLE001 - it is raised again by the waiting thread
            failures.append(failure)
            finished.set()
            return
        ready = []
        with lock:
            unfinished -= 1
            if unfinished == 0:
                finished.set()
            for later in after[step]:
                missing[later] -= 1
                if missing[later] == 0:
                    ready.append(later)
        for later in ready:
            pool.submit(run, later)

    for step in [step for step, count in missing.items() if count == 0]:
        pool.submit(run, step)
    finished.wait()
    if failures:
        raise failures[0]
