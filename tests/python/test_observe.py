"""Observers in Python: rt.observe(), and what rt.stats() says besides."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from typing import Any

import polyreme as pr
import pytest
from programs import run


def kinds_of(events: list[pr.TaskEvent], name: str) -> list[str]:
    [task] = [event.task for event in events if event.name == name]
    return [event.kind for event in events if event.task == task]


def test_the_life_of_tasks() -> None:
    events: list[pr.TaskEvent] = []
    with pr.Runtime(workers=2) as rt:
        with rt.observe(events.append):
            first = rt.spawn(int, name="first")
            rt.spawn(lambda _: None, first, name="second")
    assert kinds_of(events, "first") == ["spawned", "started", "finished"]
    assert kinds_of(events, "second") == ["spawned", "dependency", "started", "finished"]
    for event in events:
        assert (event.slot is not None) == (event.kind in ("started", "finished"))
        assert (event.other is not None) == (event.kind == "dependency")
        assert event.time_ns > 0


def test_a_body_that_awaits() -> None:
    events: list[pr.TaskEvent] = []
    with pr.Runtime(workers=1) as rt, rt.observe(events.append):

        async def body() -> int:
            return await rt.spawn(int)  # which has to wait for the only slot

        rt.spawn(body, name="awaits")
    assert kinds_of(events, "awaits") == ["spawned", "started", "suspended", "resumed", "finished"]


def test_failures_and_what_they_cancel() -> None:
    events: list[pr.TaskEvent] = []
    with pytest.raises(ExceptionGroup), pr.Runtime(workers=1) as rt, rt.observe(events.append):
        bad = rt.spawn(lambda: 1 // 0, name="bad")
        rt.spawn(print, bad, name="never")
    assert kinds_of(events, "bad") == ["spawned", "started", "failed"]
    assert kinds_of(events, "never") == ["spawned", "dependency", "cancelled"]


def test_all_events_come_before_the_block_is_left() -> None:
    counts: Counter[str] = Counter()

    def callback(event: pr.TaskEvent) -> None:
        counts[event.kind] += 1

    with pr.Runtime(workers=2) as rt:
        with rt.observe(callback):
            for _ in range(500):
                rt.spawn(int)
        assert counts == {"spawned": 500, "started": 500, "finished": 500}
        rt.spawn(int).result()
    assert counts.total() == 1500


def test_the_calls_come_from_one_other_thread() -> None:
    threads: set[int] = set()
    with pr.Runtime(workers=2) as rt, rt.observe(lambda _: threads.add(threading.get_ident())):
        mine = threading.get_ident()
        for _ in range(20):
            rt.spawn(int)
    assert len(threads) == 1
    assert mine not in threads


def test_what_a_callback_raises_is_unraisable(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append(args.exc_type))
    with pr.Runtime(workers=1) as rt, rt.observe(lambda _: 1 // 0):
        rt.spawn(int)
    assert seen == [ZeroDivisionError] * 3


def test_a_callback_may_use_the_runtime() -> None:
    results: list[int] = []
    with pr.Runtime(workers=1) as rt:

        def callback(event: pr.TaskEvent) -> None:
            if event.name == "watched" and event.kind == "spawned":
                rt.spawn(results.append, 1)

        with rt.observe(callback):
            rt.spawn(int, name="watched")
    assert results == [1]


def test_misuse() -> None:
    with pr.Runtime(workers=1) as rt:
        with pytest.raises(TypeError, match="cannot be called"), rt.observe(None):  # type: ignore[arg-type]
            pass
        with rt.observe(print), pytest.raises(pr.UsageError, match="observed already"), rt.observe(print):
            pass
        T = rt.space("T")
        waits = rt.spawn(int, after=T[0])
        with pytest.raises(pr.UsageError, match="while no task runs"), rt.observe(print):
            pass
        rt.spawn(int, id=T[0])
        waits.result()


def test_the_runtime_may_be_closed_in_the_block() -> None:
    events: list[pr.TaskEvent] = []
    rt = pr.Runtime(workers=1)
    with rt.observe(events.append):
        rt.spawn(int)
        rt.close()
    assert [event.kind for event in events] == ["spawned", "started", "finished"]


def test_events_are_immutable_and_readable() -> None:
    events: list[pr.TaskEvent] = []
    with pr.Runtime(workers=1) as rt, rt.observe(events.append):
        rt.spawn(int, name="one")
    with pytest.raises(AttributeError):
        events[0].kind = "other"  # type: ignore[misc, assignment]
    assert repr(events[0]).startswith("polyreme.TaskEvent(kind='spawned'")


def test_stats() -> None:
    with pr.Runtime(workers=2) as rt:
        for _ in range(100):
            rt.spawn(int)
        rt.wait()
        stats = rt.stats()
    assert stats["ready"] == 0
    assert stats["ready_by_slot"] == (0, 0)
    assert stats["completed"] == 100
    assert stats["wakes"] <= stats["parks"]
    assert stats["interpreter_wait_ns"] >= 0
    assert stats["free_slots"] <= 2


def test_stats_count_entries_into_the_interpreter() -> None:
    with pr.Runtime(workers=1) as rt:
        rt.spawn(int).result(timeout=60)  # with a timeout, a worker runs it
        assert rt.stats()["interpreter_enters"] >= 1


LOGGED = """
import sys
import polyreme as pr
assert "logging" not in sys.modules
import logging
logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(name)s %(message)s", stream=sys.stdout)
with pr.Runtime(workers=1):
    pass
rt = pr.Runtime(workers=1)
rt.close(cancel=True)
"""


def test_logging() -> None:
    assert run(LOGGED).out.splitlines() == [
        "DEBUG polyreme opened <Runtime workers=1>",
        "DEBUG polyreme closed a runtime",
        "DEBUG polyreme opened <Runtime workers=1>",
        "DEBUG polyreme closed a runtime, tasks that had not started were cancelled",
    ]


WARNED = """
import logging, sys, warnings
import polyreme as pr
logging.basicConfig(format="%(levelname)s %(name)s", stream=sys.stdout)
logging.captureWarnings(True)
rt = pr.Runtime(workers=1)
rt._warn("something")
"""


def test_warnings_reach_the_log_once_if_the_program_captures_them() -> None:
    assert run(WARNED).out.splitlines() == ["WARNING py.warnings"]
