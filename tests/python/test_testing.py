"""Runtimes whose schedule a seed decides."""

from __future__ import annotations

import asyncio
from itertools import permutations
from typing import TYPE_CHECKING, Any

import polyreme as pr
import pytest
from polyreme.testing import SteppedRuntime, explore

if TYPE_CHECKING:
    from collections.abc import Iterator


def order_of_three(seed: int) -> str:
    seen: list[str] = []
    with SteppedRuntime(seed) as rt:
        for name in "abc":
            rt.spawn(seen.append, name)
    return "".join(seen)


def test_all_orders_are_reached_and_one_seed_is_one_schedule() -> None:
    orders = [order_of_three(seed) for seed in range(100)]
    assert set(orders) == {"abc", "acb", "bac", "bca", "cab", "cba"}
    assert orders == [order_of_three(seed) for seed in range(100)]


def test_seeds_mean_the_same_everywhere() -> None:
    assert [order_of_three(seed) for seed in range(6)] == ["bac", "cba", "bac", "acb", "bac", "cab"]


def test_nothing_runs_until_it_is_asked_for() -> None:
    seen: list[int] = []
    with SteppedRuntime(3) as rt:
        first = rt.spawn(seen.append, 1)
        rt.spawn(seen.append, 2, after=first)
        assert not first.done()
        assert rt.step()
        assert seen == [1]
        assert rt.run() == 1
        assert seen == [1, 2]
        assert not rt.step()


def waiting_body(seed: int) -> str:
    seen: list[str] = []
    with SteppedRuntime(seed) as rt:
        awaited = rt.spawn(seen.append, "x")

        def body() -> None:
            seen.append("[")
            awaited.result()
            seen.append("]")

        rt.spawn(body)
        rt.spawn(seen.append, "o")
    return "".join(seen)


def test_bodies_that_wait_are_scheduled_too() -> None:
    orders = [waiting_body(seed) for seed in range(200)]
    assert set(orders) == {"x[]o", "xo[]", "ox[]", "[x]o", "[xo]", "[ox]", "o[x]"}
    assert orders == [waiting_body(seed) for seed in range(200)]


def test_time_is_virtual() -> None:
    with SteppedRuntime(1) as rt:
        T = rt.space("T")
        stuck = rt.spawn(int, after=T[0])
        with pytest.raises(TimeoutError):
            stuck.result(timeout=3600)

        def body() -> bool:
            try:
                stuck.result(timeout=7200)
            except TimeoutError:
                return True
            return False

        assert rt.spawn(body).result()
        rt.spawn(int, id=T[0])
        assert stuck.result() == 0


def test_explore_says_the_seed() -> None:
    def program(rt: SteppedRuntime) -> None:
        seen: list[int] = []
        for i in range(2):
            rt.spawn(seen.append, i)
        rt.wait()
        assert seen == [0, 1]

    with pytest.raises(AssertionError) as caught:
        explore(program, seeds=range(50))
    [note] = caught.value.__notes__
    seed = int(note.split("seed ")[1].split(";")[0])
    with pytest.raises(AssertionError):
        explore(program, seeds=[seed])


def test_explore_reports_what_bodies_raise() -> None:
    def program(rt: SteppedRuntime) -> None:
        rt.spawn(lambda: 1 // 0)

    with pytest.raises(ExceptionGroup) as caught:
        explore(program)
    assert "seed 0" in caught.value.__notes__[0]


def test_explore_runs_each_seed_once() -> None:
    seeds: list[int] = []
    explore(lambda rt: seeds.append(rt.seed), seeds=[5, 2, 9])
    assert seeds == [5, 2, 9]
    with pytest.raises(ValueError, match="without seeds tests nothing"):
        explore(lambda _: None, seeds=[])


@pytest.mark.parametrize("seed", ["1", 1.0, True, None])
def test_a_seed_of_another_kind(seed: Any) -> None:
    with pytest.raises(TypeError, match="seed="):
        SteppedRuntime(seed)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range(seed: int) -> None:
    with pytest.raises(ValueError, match="seed="):
        SteppedRuntime(seed)


def test_the_largest_seed() -> None:
    with SteppedRuntime(2**64 - 1) as rt:
        assert rt.seed == 2**64 - 1
        assert repr(rt) == f"<SteppedRuntime seed={2**64 - 1}>"
    assert "closed" in repr(rt)


def test_steps_in_a_body_are_refused() -> None:
    with SteppedRuntime() as rt:

        def body() -> None:
            with pytest.raises(pr.UsageError, match="step"):
                rt.step()

        rt.spawn(body).result()


def test_event_loops_do_not_step() -> None:
    async def main(rt: SteppedRuntime) -> int:
        task = rt.spawn(int)
        with pytest.raises(pr.UsageError, match="use a Runtime"):
            await task
        assert rt.run() == 1
        value: int = await task
        return value

    with SteppedRuntime() as rt:
        assert asyncio.run(main(rt)) == 0


def test_bodies_that_await_are_stepped() -> None:
    with SteppedRuntime(4) as rt:
        first = rt.spawn(int)

        async def body() -> int:
            return await first + 1

        assert rt.spawn(body).result() == 1


def captured(seed: int) -> str:
    seen: list[str] = []
    with SteppedRuntime(seed) as rt:
        with rt.capture() as g:
            first = g.spawn(seen.append, "a")
            g.spawn(seen.append, "b", after=first)
            g.spawn(seen.append, "c")
        rt.spawn(g.run)
        rt.spawn(seen.append, ".")
    return "".join(seen)


def test_the_nodes_of_captured_graphs_are_scheduled_too() -> None:
    orders = [captured(seed) for seed in range(200)]
    assert set(orders) == {order for order in map("".join, permutations("abc.")) if order.index("a") < order.index("b")}
    assert orders == [captured(seed) for seed in range(200)]


def test_missing_ids_and_circles_are_found() -> None:
    with SteppedRuntime() as rt:
        T = rt.space("T")
        stuck = rt.spawn(int, after=T[0])
        with pytest.raises(pr.DependencyFailed):
            stuck.result()
        with pytest.raises(ExceptionGroup):
            rt.wait()


def test_other_runtimes_do_not_step() -> None:
    with pr.Runtime(workers=1) as rt, pytest.raises(pr.UsageError, match="seed"):
        rt._step()


def test_programs_that_would_not_run_are_refused() -> None:
    async def coroutine(_rt: pr.Runtime) -> None: ...

    def generator(_rt: pr.Runtime) -> Iterator[None]:
        yield

    for program in (coroutine, generator):
        with pytest.raises(TypeError, match=r"would not run when it is called; give a plain function"):
            explore(program)
