"""Ids of tasks that are done: what they cost, and what they still answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polyreme as pr
import pytest
from polyreme import _core

if TYPE_CHECKING:
    from pathlib import Path


def nothing(*args: Any, **kwargs: Any) -> None:
    """Take anything, return None."""


def settle(rt: pr.Runtime) -> None:
    """Wait until all blocks that can be free are."""
    rt.wait()
    rt.spawn(nothing)  # whoever runs it drops what others have put aside
    rt.wait()


def test_an_id_without_a_result_keeps_no_record(rt: pr.Runtime) -> None:
    space = rt.space("T")
    for i in range(5000):
        rt.spawn(nothing, id=space[i], after=space[i - 1] if i else None)
    settle(rt)
    assert rt.stats()["live_blocks"] == 0


def test_a_decorated_id_without_a_result_keeps_no_record(rt: pr.Runtime) -> None:
    space = rt.space("T")
    for i in range(200):

        @rt.task(space[i, i], *range(i % 7), after=[space[i - 1, i - 1]] if i else None, kwargs={"i": i})
        def body(*args: int, i: int) -> None:
            pass

    del body
    settle(rt)
    assert rt.stats()["live_blocks"] == 0


def test_an_id_with_a_result_keeps_it(rt: pr.Runtime) -> None:
    space = rt.space("T")
    for i in range(100):
        rt.spawn(lambda i=i: i if i % 2 else None, id=space[i])
    settle(rt)
    assert rt.stats()["live_blocks"] == 50
    assert [space[i].result() for i in range(4)] == [None, 1, None, 3]


def test_an_id_of_a_failure_keeps_it(rt: pr.Runtime) -> None:
    space = rt.space("T")
    rt.spawn(lambda: 1 // 0, id=space[0])
    rt.spawn(nothing, id=space[1], after=space[0])
    with pytest.raises(ExceptionGroup):
        rt.wait()
    assert isinstance(space[0].exception(), ZeroDivisionError)
    assert isinstance(space[1].exception(), pr.DependencyFailed)


def check_finished(space: pr.Space, task: pr.Task[Any], kept: pr.Task[Any]) -> None:
    """A task that returned None, by its id, by the handle of its spawn and by one of before the spawn."""
    for one in (space[3], task, kept):
        assert one.done()
        assert one.result() is None
        assert one.result(timeout=0) is None
        assert one.exception() is None
        assert one.name.startswith("T[3]")
        assert one == space[3] == task == kept
        assert one != space[4]
        assert hash(one) == hash(space[3]) == hash(task)
        called: list[Any] = []
        one.add_done_callback(called.append)
        assert called == [one]
    assert len({space[3], task, kept, space[4], space[4]}) == 2
    assert repr(space[3]) == "<Task T[3] done>"


def test_what_a_finished_id_answers(rt: pr.Runtime) -> None:
    space = rt.space("T")
    kept = space[3]
    task = rt.spawn(nothing, id=space[3], name="third")
    rt.spawn(nothing, id=space[4])
    settle(rt)
    check_finished(space, task, kept)
    assert repr(task) == "<Task T[3] (third) done>"
    with pytest.raises(pr.DuplicateIdError, match=r"T\[3\] was spawned before"):
        rt.spawn(nothing, id=space[3])
    assert rt.spawn(lambda x, y: (x, y), space[3], task, after=[space[4], space, space[3:5]]).result() == (None, None)


def test_what_a_finished_id_answers_after_the_close() -> None:
    rt = pr.Runtime(workers=2)
    space = rt.space("T")
    kept = space[3]
    task = rt.spawn(nothing, id=space[3])
    rt.spawn(nothing, id=space[4])
    rt.close()
    check_finished(space, task, kept)
    del kept, task
    assert space[3].result() is None
    with pytest.raises(pr.RuntimeClosedError):
        space[5]


def test_a_closed_runtime_with_finished_ids_goes_away() -> None:
    for _ in range(30):
        with pr.Runtime(workers=1) as rt:
            spaces = [rt.space("T") for _ in range(10)]
            for space in spaces:
                rt.spawn(nothing, id=space[0])
        del rt
        last = spaces[-1][0]
        del spaces, space
        assert last.result() is None


def test_handles_of_different_runtimes_are_different() -> None:
    with pr.Runtime(workers=1) as one, pr.Runtime(workers=1) as other:
        for rt in (one, other):
            rt.spawn(nothing).result()
        first, second = one.spawn(nothing), other.spawn(nothing)
        assert first != second
        a, b = one.space("T"), other.space("T")
        one.spawn(nothing, id=a[0])
        other.spawn(nothing, id=b[0])
        one.wait()
        other.wait()
        assert a[0] != b[0]
        assert a[0] == a[0]


def test_none_for_dependents_that_wait_already(single: pr.Runtime) -> None:
    space = single.space("T")
    last = single.spawn(lambda *x, **k: (x, k), space[0], 1, 2, 3, 4, kwargs={"y": space[0]})
    short = single.spawn(lambda x: x, space[0])
    single.spawn(nothing, id=space[0])
    assert last.result() == ((None, 1, 2, 3, 4), {"y": None})
    assert short.result() is None


def test_a_trace_knows_dependencies_on_finished_ids(rt: pr.Runtime, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    with rt.trace(file):
        space = rt.space("T")
        for i in range(50):
            rt.spawn(nothing, id=space[i], after=space[i - 1] if i else None).result()
    checked = _core.check_trace(file)
    assert checked.violations == []
    assert checked.verified
    assert checked.tasks == 50
    assert json.loads(file.read_text(encoding="utf-8"))
