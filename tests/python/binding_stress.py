"""Many threads in the binding at once: what a free-threaded build must stand without a lock.

Needs nothing but the standard library, so that it also runs as a program under an instrumented interpreter:

    python binding_stress.py [SCENARIO]...
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import random
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import polyreme as pr

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS = 4
SCALE = float(os.environ.get("POLYREME_STRESS_SCALE", "1"))

global_number = 7


class Boom(Exception):
    """What bodies here raise."""


def rounds(count: int) -> range:
    """So many rounds, or more if the environment asks for it."""
    return range(max(1, int(count * SCALE)))


def together(work: Callable[[int, random.Random], None], seed: int, threads: int = THREADS) -> None:
    """Run `work` on several threads at once, each with random numbers of its own; raise what one of them raised."""
    begin = threading.Barrier(threads)
    errors: list[BaseException] = []

    def run(index: int) -> None:
        begin.wait()
        try:
            work(index, random.Random(seed + index))
        except BaseException as error:  # noqa: BLE001  # raised by the thread that started this one
            errors.append(error)

    crew = [threading.Thread(target=run, args=(i,)) for i in range(threads)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    if errors:
        raise errors[0]


@contextlib.contextmanager
def collecting() -> Any:
    """Collect garbage all the time, on a thread of its own."""
    over = threading.Event()

    def collect() -> None:
        while not over.is_set():
            gc.collect()
            time.sleep(0)

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def plus(a: int, b: int = 1, *more: int, **named: int) -> int:
    return a + b + sum(more) + sum(named.values())


def fail(text: str) -> None:
    raise Boom(text)


def spawn_and_wait(seed: int) -> None:
    """Values, boxed and keyword arguments and dependencies, from all threads and from bodies, in one runtime."""
    with pr.Runtime(workers=2) as rt, collecting():
        shared = rt.spawn(plus, 1, 1)

        def body(n: int) -> int:
            return n if n == 0 else rt.spawn(body, n - 1).result() + 1

        def work(index: int, random: random.Random) -> None:
            for i in rounds(60):
                first = rt.spawn(plus, i)
                second = rt.spawn(plus, first, shared, after=[first, (shared,)], name=f"t{i}")
                boxed = rt.spawn(plus, 1, 2, 3, 4, 5, first, kwargs={"x": second, "y": random.randrange(9)})
                assert second.result() == i + 3
                assert boxed.result() >= 15 + 2 * i
                assert repr(first).startswith("<Task ")
                assert rt.spawn(body, 3).result(60) == 3
                rt.stats()

        together(work, seed)


def decorate(seed: int) -> None:
    """Captures of the same function's code on all threads, of cells and globals that others set meanwhile."""
    global global_number
    with pr.Runtime(workers=2) as rt, collecting():

        def work(index: int, random: random.Random) -> None:
            global global_number
            for i in rounds(60):
                local = i

                @rt.task(None, index)
                def sums(thread: int) -> int:
                    assert sums.done() is False
                    return thread + local + global_number - global_number

                @rt.task
                def shared() -> int:
                    return global_number

                local = -1
                global_number = random.randrange(1000)
                assert sums.result() == index + i
                assert 0 <= shared.result() < 1000

        together(work, seed)


def one_decorator(seed: int) -> None:
    """One decorator object, and one function with cells that change, on all threads."""
    with pr.Runtime(workers=2) as rt:
        cell = 0

        def body() -> int:
            return cell

        decorator = rt.task(None)

        def work(index: int, random: random.Random) -> None:
            nonlocal cell
            for i in rounds(100):
                cell = i
                assert decorator(body).result() >= 0

        together(work, seed)


def name_ids(seed: int) -> None:
    """Ids of one space that several threads name, spawn, slice, ask and drop."""
    size = 200
    with pr.Runtime(workers=2) as rt, collecting():
        for _ in rounds(3):
            T = rt.space("T")
            sums = rt.space("sums")
            order = [list(range(i, size, THREADS)) for i in range(THREADS)]

            def work(index: int, random: random.Random) -> None:
                random.shuffle(order[index])
                for i in order[index]:
                    rt.spawn(plus, i, id=T[i])
                    rt.spawn(plus, T[(i * 7) % size], id=sums[i], after=T[max(0, i - 3) : i])
                    rt.spawn(plus, i, after=T[i:])
                    T[random.randrange(size)].done()
                    assert sums[i] == sums[i]
                assert rt.spawn(plus, 0, after=sums[:size]).result() == 1

            together(work, seed)
            assert T[5].result() == 6


def change_lists(seed: int) -> None:
    """Lists of dependencies that another thread changes while they are read."""
    with pr.Runtime(workers=2) as rt:
        tasks = [rt.spawn(plus, i) for i in range(8)]
        nested: list[Any] = [tasks, []]

        def work(index: int, random: random.Random) -> None:
            for i in rounds(200):
                if index == 0:
                    tasks[random.randrange(4)] = rt.spawn(plus, i)  # which are always there
                    nested[1] = [rt.spawn(plus, i) for _ in range(3)]
                elif index == 1 and len(tasks) > 4:
                    tasks.pop()
                    tasks.insert(0, rt.spawn(plus, i))
                else:
                    rt.spawn(plus, i, after=nested).result()

        together(work, seed)


def call_back(seed: int) -> None:
    """Callbacks added to the same tasks by all threads, while these end."""
    with pr.Runtime(workers=2) as rt, collecting():
        for _ in rounds(30):
            called: list[int] = []  # by whose callbacks; appending needs no lock
            gate = threading.Event()
            awaited = rt.spawn(gate.wait)

            def work(index: int, random: random.Random) -> None:
                def add(task: pr.Task[bool], index: int = index) -> None:
                    assert task.done()
                    called.append(index)

                for i in range(10):
                    if i == random.randrange(10):
                        gate.set()
                    awaited.add_done_callback(add)
                gate.set()
                assert awaited.result()

            together(work, seed)
            rt.wait()
            assert sorted(called) == sorted(list(range(THREADS)) * 10)


def fail_everywhere(seed: int) -> None:
    """Failures with dependents, asked for and reported on several threads, with circles for the collector."""
    with pr.Runtime(workers=2) as rt, collecting():

        def work(index: int, random: random.Random) -> None:
            for i in rounds(40):
                failed = rt.spawn(fail, f"{index} {i}")
                dependent = rt.spawn(plus, failed)
                for _ in range(2):
                    try:
                        failed.result()
                    except Boom as error:
                        circle = [error, failed]
                        circle.append(circle)
                    try:
                        dependent.result()
                    except pr.DependencyFailed as error:
                        assert isinstance(error.__cause__, Boom)
                if random.random() < 0.2:
                    with contextlib.suppress(BaseExceptionGroup):
                        rt.wait(60)

        together(work, seed)
        with contextlib.suppress(BaseExceptionGroup):
            rt.wait()


def show_failures(seed: int) -> None:
    """Failures that one thread raises while others are shown them: as such, as causes and in groups."""
    with pr.Runtime(workers=2) as rt, collecting():
        for _ in rounds(20):
            failed = rt.spawn(fail, "shown")
            dependent = rt.spawn(plus, failed)

            def work(
                index: int, random: random.Random, failed: pr.Task[None] = failed, dependent: pr.Task[int] = dependent
            ) -> None:
                for _ in range(50):
                    if index == 0:
                        with contextlib.suppress(Boom):
                            failed.result()
                    elif index == 1:
                        assert type(failed.exception()) is Boom
                    elif index == 2:
                        error = dependent.exception()
                        assert error is not None
                        assert error.__cause__ is failed.exception()
                    else:
                        with contextlib.suppress(BaseExceptionGroup):
                            rt.wait(60)

            together(work, seed)


def cancel_and_drop(seed: int) -> None:
    """Tasks that are cancelled by one thread, asked by another and dropped by a third."""
    with pr.Runtime(workers=2) as rt, collecting():
        latest: list[pr.Task[int] | None] = [None] * THREADS

        def work(index: int, random: random.Random) -> None:
            for i in rounds(100):
                first = rt.spawn(plus, i)
                latest[index] = rt.spawn(plus, first, after=latest[(index + 1) % THREADS])
                del first
                other = latest[random.randrange(THREADS)]
                if other is not None:
                    other.cancel()
                    other.running()
                    with contextlib.suppress(pr.TaskCancelled, pr.DependencyFailed):
                        other.result(60)

        together(work, seed)


def leave_under_them(seed: int) -> None:
    """Scopes that one thread leaves, closing the runtime, while others wait for them and use them."""
    for _ in rounds(40):
        rt = pr.Runtime(workers=2)
        scope = rt.scope()
        entered = threading.Event()

        def work(
            index: int,
            random: random.Random,
            rt: pr.Runtime = rt,
            scope: pr.Scope = scope,
            entered: threading.Event = entered,
        ) -> None:
            if index == 0:
                with rt, scope:
                    entered.set()
                    for i in range(random.randrange(20)):
                        rt.spawn(plus, i)
                return
            entered.wait()
            with contextlib.suppress(pr.UsageError, pr.TaskCancelled):  # it was left, or cancelled
                for i in range(20):
                    if index == 1:
                        scope.wait(60)
                    elif index == 2:
                        scope.spawn(plus, i)
                    elif i == random.randrange(50):
                        scope.cancel()
                    else:
                        with contextlib.suppress(TimeoutError):
                            scope.wait(random.random() / 1000)

        together(work, seed)
        assert rt.closed


def execute(seed: int) -> None:
    """Executors that several threads use while one shuts them down."""
    for _ in rounds(5):
        executor = pr.Executor(max_workers=2)

        def work(index: int, random: random.Random, executor: pr.Executor = executor) -> None:
            try:
                for i in range(40):
                    future = executor.submit(plus, i)
                    if random.random() < 0.3:
                        future.cancel()
                    if not future.cancelled():
                        with contextlib.suppress(BaseException):
                            assert future.result(60) == i + 1
                    if index == 0 and i == 30:
                        executor.shutdown(wait=False, cancel_futures=True)
            except RuntimeError as error:
                assert "after shutdown" in str(error)

        together(work, seed)
        executor.shutdown()


def close_under_them(seed: int) -> None:
    """Runtimes that one thread closes while others spawn in them and ask them things."""
    for _ in rounds(20):
        rt = pr.Runtime(workers=2)

        def work(index: int, random: random.Random, rt: pr.Runtime = rt) -> None:
            if index == 0:
                time.sleep(random.random() / 1000)
                rt.close()
                return
            with contextlib.suppress(pr.RuntimeClosedError):
                for _ in range(20):  # the runtime closes once it has nothing to do
                    task = rt.spawn(plus, 1)
                    rt.space("T")
                    assert rt.workers == 2
                    rt.stats()
                    assert task.result() == 2

        together(work, seed)
        assert rt.closed


def open_and_close(seed: int) -> None:
    """A runtime of its own for each thread, again and again."""

    def work(index: int, random: random.Random) -> None:
        for i in rounds(10):
            with pr.Runtime(workers=1 + random.randrange(2)) as rt:
                assert rt.spawn(plus, i).result() == i + 1

    together(work, seed)


def run_native(seed: int) -> None:
    """C functions as bodies, bound on all threads, with arrays that these drop at once."""
    libc = ctypes.CDLL(None)
    libc.labs.argtypes = [ctypes.c_int64]
    libc.labs.restype = ctypes.c_int64
    libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint64]
    libc.memset.restype = None
    absolute = pr.native(libc.labs)
    fill = pr.native(libc.memset)
    with pr.Runtime(workers=2) as rt, collecting():

        def work(index: int, random: random.Random) -> None:
            for i in rounds(60):
                array = bytearray(64)
                filled = rt.spawn(fill, array, i % 256, 64)
                size = rt.spawn(absolute, rt.spawn(absolute, -i))
                filled.result()
                assert size.result() == i
                assert array[63] == i % 256

        together(work, seed)


def run_graphs(seed: int) -> None:
    """Graphs captured by all threads together, then run by all of them, with failures, cancellations and dropped runs."""
    libc = ctypes.CDLL(None)
    libc.labs.argtypes = [ctypes.c_int64]
    libc.labs.restype = ctypes.c_int64
    absolute = pr.native(libc.labs)
    with pr.Runtime(workers=2) as rt, collecting():
        for _ in rounds(4):
            g = rt.capture()
            x = g.argument(0, name="x")
            first = g.spawn(lambda value: [value], x)
            last: list[pr.Node[Any]] = []

            def add(index: int, random: random.Random) -> None:
                node: pr.Node[Any] = first
                for _ in range(10):
                    node = g.spawn(lambda values: [*values, 1], node)
                g.spawn(lambda value: value == 13 and fail("13"), x, after=node)
                g.spawn(absolute, g.spawn(absolute, -index), after=node)
                last.append(node)

            together(add, seed)

            def work(index: int, random: random.Random) -> None:
                for i in rounds(20):
                    run = g.run_async(x=i)
                    if random.random() < 0.2:
                        run.cancel()
                        continue
                    if i == 13:
                        assert isinstance(run.exception(), ExceptionGroup)
                        continue
                    node = random.choice(last)
                    assert run[node] == [i] + 10 * [1]
                    assert g.run({x: -i})[node][0] == -i

            together(work, seed)
            with contextlib.suppress(ExceptionGroup):
                rt.wait()


SCENARIOS = (
    spawn_and_wait,
    decorate,
    one_decorator,
    name_ids,
    change_lists,
    call_back,
    fail_everywhere,
    show_failures,
    cancel_and_drop,
    leave_under_them,
    execute,
    close_under_them,
    open_and_close,
    run_native,
    run_graphs,
)


def main() -> int:
    """Run the scenarios that the command line names, or all."""
    names = sys.argv[1:]
    for scenario in SCENARIOS:
        if names and scenario.__name__ not in names:
            continue
        seed = random.SystemRandom().randrange(2**32)
        print(f"{scenario.__name__}: seed {seed}", end="", flush=True)
        begin = time.perf_counter()
        scenario(seed)
        print(f", {time.perf_counter() - begin:.1f} s", flush=True)
    print(f"{len(names) or len(SCENARIOS)} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
