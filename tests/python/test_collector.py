"""The collector of a free-threaded build stops all threads that are attached: none may keep it waiting."""

from __future__ import annotations

import ctypes
import gc
import sys
import sysconfig
import threading
import weakref

import polyreme as pr
import pytest


def test_collections_do_not_wait_for_idle_workers(pair: pr.Runtime) -> None:
    pair.spawn(int).result()
    for _ in range(5):
        gc.collect()


def test_collections_do_not_wait_for_a_native_body_that_does_not_end(pair: pr.Runtime) -> None:
    libc = ctypes.CDLL(None)
    libc.sem_wait.argtypes = [ctypes.c_void_p]
    libc.sem_wait.restype = ctypes.c_int
    libc.sem_post.argtypes = [ctypes.c_void_p]
    semaphore = ctypes.create_string_buffer(128)
    assert libc.sem_init(semaphore, 0, 0) == 0
    blocked = pair.spawn(pr.native(libc.sem_wait), semaphore)
    for _ in range(3):
        gc.collect()
    assert not blocked.done()
    libc.sem_post(semaphore)
    assert blocked.result() == 0


def test_collections_do_not_wait_for_bodies_and_threads_that_wait(pair: pr.Runtime) -> None:
    T = pair.space("T")
    waits_in_body = pair.spawn(T[0].result)
    waits = threading.Thread(target=lambda: T[1].result(60))
    waits.start()
    for _ in range(3):
        gc.collect()
    pair.spawn(int, id=T[0])
    pair.spawn(int, id=T[1])
    assert waits_in_body.result() == 0
    waits.join()


def test_collections_do_not_wait_for_workers_that_spin(pair: pr.Runtime) -> None:
    # After each task the workers search for a while.
    for _ in range(10):
        pair.spawn(int).result()
        gc.collect(0)


def test_bodies_collect(rt: pr.Runtime) -> None:
    tasks = [rt.spawn(gc.collect) for _ in range(4)]
    assert all(task.result() >= 0 for task in tasks)


def test_what_an_idle_worker_returned_is_freed(pair: pr.Runtime) -> None:
    class Thing:
        pass

    task = pair.spawn(Thing)
    thing = weakref.ref(task.result())
    del task
    while pair.stats()["live_blocks"] != 0:  # the worker may be about to drop it
        pass
    pair.spawn(int).result()  # a spawn drops what was put aside
    # Where each object belongs to the thread that made it, the collector hands in what that thread sleeps over.
    gc.collect()
    assert thing() is None


@pytest.mark.skipif(not hasattr(sys, "_is_gil_enabled"), reason="a Python that always has its lock")
def test_the_module_leaves_the_lock_as_it_was() -> None:
    assert sys._is_gil_enabled() == (not sysconfig.get_config_var("Py_GIL_DISABLED"))


@pytest.mark.skipif(getattr(sys, "_is_gil_enabled", lambda: True)(), reason="one body at a time has the lock")
def test_bodies_that_never_let_go_run_side_by_side(pair: pr.Runtime) -> None:
    """Two bodies that can only end together, and call nothing that would let others in with a lock."""
    arrived = [False, False]

    def meet(mine: int) -> bool:
        arrived[mine] = True
        while not arrived[1 - mine]:
            pass
        return True

    first = pair.spawn(meet, 0)
    assert pair.spawn(meet, 1).result(60)
    assert first.result(60)
