"""Bodies that spawn, bodies that wait, many threads, and how many bodies run at once."""

from __future__ import annotations

import threading
from typing import Any

import polyreme as pr
import pytest


def fib(rt: pr.Runtime, n: int) -> int:
    if n < 2:
        return n
    left = rt.spawn(fib, rt, n - 1)
    right = rt.spawn(fib, rt, n - 2)
    return left.result() + right.result()


def test_bodies_that_wait_for_what_they_spawned(rt: pr.Runtime) -> None:
    assert rt.spawn(fib, rt, 12).result() == 144
    assert fib(rt, 10) == 55


def test_bodies_wait_for_tasks_of_others(rt: pr.Runtime) -> None:
    gate = threading.Event()
    first = rt.spawn(lambda: gate.wait() and 3)
    waiting = [rt.spawn(lambda i=i: first.result() + i) for i in range(10)]
    gate.set()
    assert [task.result() for task in waiting] == [3 + i for i in range(10)]


@pytest.mark.parametrize("depth", [1, 10, 60])
def test_nested_waits(rt: pr.Runtime, depth: int) -> None:
    def body(left: int) -> int:
        return 0 if left == 0 else rt.spawn(body, left - 1).result() + 1

    assert rt.spawn(body, depth).result() == depth


def test_blocked_bodies_let_others_run(single: pr.Runtime) -> None:
    space = single.space("T")
    # Each waits for the next one, spawned later: with one slot, all of them are blocked at once.
    tasks = [single.spawn(lambda i=i: space[i + 1].result() + 1, id=space[i]) for i in range(20)]
    single.spawn(lambda: 0, id=space[20])
    assert [task.result() for task in tasks] == list(range(20, 0, -1))


def test_nested_spawns(rt: pr.Runtime) -> None:
    done: list[int] = []

    def body(depth: int) -> None:
        done.append(depth)
        if depth:
            for _ in range(3):
                rt.spawn(body, depth - 1)

    rt.spawn(body, 5)
    rt.wait()
    assert len(done) == (3**6 - 1) // 2


def test_decorated_spawns_in_a_body(rt: pr.Runtime) -> None:
    @rt.task
    def outer() -> list[int]:
        tasks = []
        for i in range(5):

            @rt.task
            def inner() -> int:
                return i * i

            tasks.append(inner)
        return [task.result() for task in tasks]

    assert outer.result() == [0, 1, 4, 9, 16]


def test_two_bodies_meet(pair: pr.Runtime) -> None:
    for _ in range(200):
        meeting = threading.Barrier(2)
        tasks = [pair.spawn(meeting.wait) for _ in range(2)]
        assert sorted(task.result() for task in tasks) == [0, 1]


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_all_slots_are_used(workers: int) -> None:
    with pr.Runtime(workers=workers) as rt:
        meeting = threading.Barrier(workers)
        tasks = [rt.spawn(meeting.wait) for _ in range(workers)]
        assert sorted(task.result() for task in tasks) == list(range(workers))


def test_tasks_that_become_ready_together_meet(pair: pr.Runtime) -> None:
    for _ in range(100):
        meeting = threading.Barrier(2)
        first = pair.spawn(lambda: None)
        tasks = [pair.spawn(meeting.wait, after=first) for _ in range(2)]
        pair.wait()
        assert sorted(task.result() for task in tasks) == [0, 1]


def test_main_helps_as_a_slot_and_not_beside_them(pair: pr.Runtime) -> None:
    for _ in range(100):
        meeting = threading.Barrier(2)
        tasks = [pair.spawn(meeting.wait) for _ in range(2)]
        pair.wait()
        assert all(task.done() for task in tasks)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_never_more_bodies_than_workers(workers: int) -> None:
    lock = threading.Lock()
    running = 0
    most = 0

    def body() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        pause.wait(0)  # lets go of the interpreter
        for _ in range(100):
            pass
        with lock:
            running -= 1

    pause = threading.Event()
    with pr.Runtime(workers=workers) as rt:
        waiters = [threading.Thread(target=rt.wait) for _ in range(3)]
        tasks = [rt.spawn(body) for _ in range(300)]
        for thread in waiters:
            thread.start()
        for task in tasks[::7]:
            task.result()
        rt.wait()
        for thread in waiters:
            thread.join()
    assert running == 0
    assert 1 <= most <= workers


def test_many_threads_spawn_and_wait(rt: pr.Runtime) -> None:
    per_thread, threads = 300, 6
    sums: list[int] = []

    def produce() -> None:
        with rt.producer():
            tasks = [rt.spawn(lambda i=i: i) for i in range(per_thread)]
            total = rt.spawn(lambda *values: sum(values), *tasks)
            sums.append(total.result())

    running = [threading.Thread(target=produce) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    rt.wait()
    assert sums == [per_thread * (per_thread - 1) // 2] * threads
    assert rt.stats()["completed"] == threads * (per_thread + 1)


def test_many_short_threads(rt: pr.Runtime) -> None:
    done: list[int] = []
    for i in range(100):
        thread = threading.Thread(target=lambda i=i: rt.spawn(done.append, i))
        thread.start()
        thread.join()
    rt.wait()
    assert sorted(done) == list(range(100))


def test_bodies_see_thread_locals_and_threads(rt: pr.Runtime) -> None:
    local = threading.local()

    def body(i: int) -> int:
        local.value = i
        assert threading.current_thread().ident == threading.get_ident()
        value: int = local.value
        return value

    assert [rt.spawn(body, i).result() for i in range(20)] == list(range(20))


def test_locks_between_bodies(rt: pr.Runtime) -> None:
    lock = threading.Lock()
    total = 0

    def body() -> None:
        nonlocal total
        with lock:
            seen = total
            total = seen + 1

    for _ in range(500):
        rt.spawn(body)
    rt.wait()
    assert total == 500


def test_a_long_chain(rt: pr.Runtime) -> None:
    task = rt.spawn(lambda: 0)
    for _ in range(20_000):
        task = rt.spawn(int.__add__, task, 1)
    assert task.result() == 20_000


def test_a_wide_graph(rt: pr.Runtime) -> None:
    tasks = [rt.spawn(lambda i=i: i) for i in range(20_000)]
    assert rt.spawn(lambda *values: sum(values), *tasks).result() == sum(range(20_000))


def test_numpy_bodies_run_in_parallel(pair: pr.Runtime) -> None:
    np: Any = pytest.importorskip("numpy")
    a = np.arange(10_000, dtype=np.float64).reshape(100, 100) / 1e4
    tasks = [pair.spawn(np.linalg.matrix_power, a, i % 5) for i in range(40)]
    for i, task in enumerate(tasks):
        assert np.allclose(task.result(), np.linalg.matrix_power(a, i % 5))
