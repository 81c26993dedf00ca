"""Blocked Cholesky factorisation of a symmetric positive definite matrix: a task a tile and step.

    python examples/cholesky.py [--size 4096] [--tile 512] [--workers 2] [--no-compare]

The matrix is cut into square tiles. Step k factorises the diagonal tile k, solves for the tiles below it, and updates
every tile to the right. The loops below are those of the textbook; a task says which earlier ones it follows, and
polyreme runs whatever is ready. The result is compared with LAPACK's.
"""

# ruff: noqa: B023 - a body may name loop variables: the decorator captures their values

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import polyreme as pr
from cholesky_kernels import gemm, potrf, syrk, trsm
from cholesky_peers import factorise_with_lapack, factorise_with_thread_pool
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cholesky_kernels import Tile

    Tiles = Mapping[tuple[int, int], Tile]


def factorise(tiles: Tiles, side: int, rt: pr.Runtime) -> None:
    """Replace the lower triangle, given as side * (side + 1) / 2 tiles, by its Cholesky factor."""
    factored = rt.space("factored")  # factored[k]: the diagonal tile k is final
    solved = rt.space("solved")  # solved[i, k]: tile (i, k) is final
    updated = rt.space("updated")  # updated[i, j, k]: tile (i, j) has seen the columns up to k

    for k in range(side):

        def before(i: int, j: int) -> list[pr.Task[None]]:
            return [updated[i, j, k - 1]] if k > 0 else []

        @rt.task(factored[k], after=before(k, k))
        def factor() -> None:
            potrf(tiles[k, k])

        for i in range(k + 1, side):

            @rt.task(solved[i, k], after=[factored[k], before(i, k)])
            def solve() -> None:
                trsm(tiles[k, k], tiles[i, k])

        for j in range(k + 1, side):

            @rt.task(updated[j, j, k], after=[solved[j, k], before(j, j)])
            def update_diagonal() -> None:
                syrk(tiles[j, k], tiles[j, j])

            for i in range(j + 1, side):

                @rt.task(updated[i, j, k], after=[solved[i, k], solved[j, k], before(i, j)])
                def update() -> None:
                    gemm(tiles[i, k], tiles[j, k], tiles[i, j])

    rt.wait()


def cut(a: Tile, tile: int) -> tuple[Tiles, int]:
    """Views of the lower tiles of a square matrix, and how many of them there are on a side."""
    side = -(-len(a) // tile)
    part = [slice(k * tile, (k + 1) * tile) for k in range(side)]
    return {(i, j): a[part[i], part[j]] for i in range(side) for j in range(i + 1)}, side


def make_matrix(size: int) -> Tile:
    """A symmetric matrix that is positive definite because its diagonal dominates, in Fortran order."""
    random = np.random.default_rng(0).random((size, size))
    return np.asfortranarray(random + random.T + 2 * size * np.eye(size))


def relative_error(factor: Tile, reference: Tile) -> float:
    """Of the lower triangles, in the Frobenius norm."""
    lower = np.tril(reference)
    return float(np.linalg.norm(np.tril(factor) - lower) / np.linalg.norm(lower))


def measure(
    ways: Mapping[str, tuple[Callable[[Tile], None], int]], matrix: Tile, repeats: int
) -> tuple[dict[str, list[float]], dict[str, Tile]]:
    """Seconds of every repetition, and the factor, of each way; the ways take turns.

    A way comes with the number of threads that a BLAS call may use: one inside tasks, or both would want every core.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    factors: dict[str, Tile] = {}
    for repeat in range(repeats + 1):
        for name, (way, blas_threads) in ways.items():
            factors[name] = matrix.copy(order="F")
            with threadpool_limits(limits=blas_threads, user_api="blas"):
                time.sleep(0.1)  # BLAS threads spin for a while after their last call
                started = time.perf_counter()
                way(factors[name])
                if repeat > 0:  # the first turn warms up
                    seconds[name].append(time.perf_counter() - started)
    return seconds, factors


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Blocked Cholesky factorisation with polyreme")
    parser.add_argument("--size", type=int, default=4096, help="rows of the matrix (default 4096)")
    parser.add_argument("--tile", type=int, default=512, help="rows of a tile (default 512)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="default: every core")
    parser.add_argument("--repeats", type=int, default=3, help="timed runs after one that warms up (default 3)")
    parser.add_argument(
        "--compare",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also time a ThreadPoolExecutor with the same kernels",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()
    for name in ("size", "tile", "workers", "repeats"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} is {getattr(arguments, name)}; it must be at least 1")
    return arguments


def main() -> None:
    arguments = parse_arguments()
    matrix = make_matrix(arguments.size)

    with pr.Runtime(workers=arguments.workers) as rt, ThreadPoolExecutor(arguments.workers) as pool:

        def with_polyreme(a: Tile) -> None:
            factorise(*cut(a, arguments.tile), rt)

        def with_thread_pool(a: Tile) -> None:
            factorise_with_thread_pool(*cut(a, arguments.tile), pool)

        ways = {"polyreme": (with_polyreme, 1), "LAPACK": (factorise_with_lapack, arguments.workers)}
        if arguments.compare:
            ways["ThreadPoolExecutor"] = (with_thread_pool, 1)
        seconds, factors = measure(ways, matrix, arguments.repeats)

    errors = {name: relative_error(factor, factors["LAPACK"]) for name, factor in factors.items()}
    if errors["polyreme"] > 1e-12:
        raise SystemExit(f"the factor differs from LAPACK's: relative error {errors['polyreme']:.1e}")
    report(arguments, seconds, errors["polyreme"])


def report(arguments: argparse.Namespace, seconds: Mapping[str, list[float]], error: float) -> None:
    size, tile, workers = arguments.size, arguments.tile, arguments.workers
    if arguments.json:
        print(json.dumps({"size": size, "tile": tile, "workers": workers, "seconds": seconds, "error": error}))
        return
    print(f"{size} x {size}, tiles of {tile}, {workers} workers; relative to LAPACK's factor: error {error:.1e}")
    reference = statistics.median(seconds["LAPACK"])
    for name, times in seconds.items():
        median = statistics.median(times)
        print(
            f"  {name:<20}{median:8.3f} s ({min(times):.3f}-{max(times):.3f})"
            f"{size**3 / 3 / median / 1e9:8.1f} GFLOP/s{reference / median:7.2f} x LAPACK"
        )


if __name__ == "__main__":
    main()
