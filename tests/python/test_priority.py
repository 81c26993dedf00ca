"""`priority=`: which ready task of a slot starts first."""

from __future__ import annotations

from typing import Literal

import polyreme as pr
import pytest


def test_the_highest_first_and_the_newest_of_it() -> None:
    order: list[int] = []
    with pr.Runtime(workers=1) as rt:

        def outer() -> None:
            rt.spawn(order.append, -1, priority=-1)
            rt.spawn(order.append, 1, priority=1)
            rt.spawn(order.append, 0, priority=None)
            rt.spawn(order.append, 2, priority=1)
            rt.spawn(order.append, 3)

        rt.spawn(outer)
    assert order == [2, 1, 3, 0, -1]


def test_the_decorator_takes_one() -> None:
    order: list[str] = []
    with pr.Runtime(workers=1) as rt:
        space = rt.space("T")

        @rt.task
        def outer() -> None:
            low = rt.task(space[0], priority=-1)
            low(lambda: order.append("low"))

            @rt.task(priority=1, name="high")
            def high() -> None:
                order.append("high")

            rt.spawn(order.append, "plain")

    assert order == ["high", "plain", "low"]


@pytest.mark.parametrize("priority", [-1, 0, 1])
def test_results_and_failures_arrive_whatever_it_is(rt: pr.Runtime, priority: Literal[-1, 0, 1]) -> None:
    assert rt.spawn(lambda: 7, priority=priority).result() == 7
    first = rt.spawn(int, "x", priority=priority)
    second = rt.spawn(str, first, priority=priority)
    assert isinstance(first.exception(), ValueError)
    assert isinstance(second.exception(), pr.DependencyFailed)
    with pytest.raises(ExceptionGroup):
        rt.wait()
