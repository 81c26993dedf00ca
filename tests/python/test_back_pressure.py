"""`max_ready`: a thread that spawns far ahead of the slots sleeps."""

from __future__ import annotations

import re
import threading
from typing import Any

import polyreme as pr
import pytest


class Warned(pr.Runtime):
    """Opens a gate at the first warning."""

    def __init__(self, **options: Any) -> None:
        self.gate = threading.Event()
        self.texts: list[str] = []
        super().__init__(workers=1, stall_warning=0.001, **options)

    def _warn(self, text: str) -> None:
        self.texts.append(text)
        self.gate.set()


def test_a_thread_that_is_far_ahead_sleeps() -> None:
    with Warned(max_ready=2) as rt:
        entered = threading.Event()
        rt.spawn(lambda: entered.set() or rt.gate.wait())  # type: ignore[func-returns-value]
        entered.wait()
        # The slot is taken until the gate opens, and that happens when this thread has slept for long.
        tasks = [rt.spawn(lambda i=i: i) for i in range(10)]
        assert rt.gate.is_set()
        assert [task.result() for task in tasks] == list(range(10))
    assert "more than 2 ready tasks" in rt.texts[0]
    assert "raise max_ready" in rt.texts[0]


@pytest.mark.parametrize("max_ready", [None, 100, 2**31 - 1])
def test_a_thread_that_is_not_far_ahead_does_not_sleep(max_ready: int | None) -> None:
    with Warned(max_ready=max_ready) as rt:
        entered = threading.Event()
        rt.spawn(lambda: entered.set() or rt.gate.wait())  # type: ignore[func-returns-value]
        entered.wait()
        for _ in range(100):
            rt.spawn(int)
        assert rt.texts == []
        rt.gate.set()


@pytest.mark.parametrize("max_ready", [1, 2, 5])
def test_all_tasks_run_whatever_the_limit(max_ready: int) -> None:
    with pr.Runtime(workers=2, max_ready=max_ready) as rt:
        counted: list[int] = []
        for i in range(2000):
            rt.spawn(counted.append, i)
        rt.wait()
    assert sorted(counted) == list(range(2000))


def test_with_grow_nobody_sleeps() -> None:
    with Warned(max_ready=1, on_full="grow") as rt:
        entered = threading.Event()
        rt.spawn(lambda: entered.set() or rt.gate.wait())  # type: ignore[func-returns-value]
        entered.wait()
        for _ in range(100):
            rt.spawn(int)
        assert rt.texts == []
        rt.gate.set()


@pytest.mark.parametrize("wrong", ["Block", "", None, True, 1, ["grow"]])
def test_on_full_is_one_of_two_words(wrong: Any) -> None:
    with pytest.raises(ValueError, match=f"on_full={re.escape(repr(wrong))}; it is"):
        pr.Runtime(on_full=wrong)
