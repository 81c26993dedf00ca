"""retries= and backoff=: a body that raises runs again, after a pause that holds no slot."""

from __future__ import annotations

import threading

import polyreme as pr
import pytest


class Fails:
    """A body that raises until it was called often enough."""

    def __init__(self, times: int, error: BaseException | None = None) -> None:
        self.left = times
        self.calls: list[tuple[object, ...]] = []
        self.failed = threading.Event()
        self._error = error

    def __call__(self, *args: object, **kwargs: object) -> object:
        self.calls.append((args, kwargs))
        if self.left > 0:
            self.left -= 1
            self.failed.set()
            raise self._error or ValueError(f"attempt {len(self.calls)}")
        return len(self.calls)


@pytest.mark.parametrize("backoff", [None, 0, 0.001])
def test_a_body_runs_again_until_it_returns(backoff: float | None) -> None:
    with pr.Runtime(workers=1) as rt:
        body = Fails(3)
        assert rt.spawn(body, retries=3, backoff=backoff).result() == 4
        value = rt.spawn(int, "7")
        body = Fails(2)
        assert rt.spawn(body, value, 1, 2, 3, 4, 5, kwargs={"of": value, "x": 1}, retries=2).result() == 3
        assert body.calls == [((7, 1, 2, 3, 4, 5), {"of": 7, "x": 1})] * 3
        body = Fails(2)
        assert rt.spawn(body, value, "x", retries=5).result() == 3
        assert body.calls == [((7, "x"), {})] * 3


def test_the_last_exception_is_the_failure() -> None:
    with pr.Runtime(workers=2) as rt:
        body = Fails(9)
        with pytest.raises(ValueError, match="attempt 3"):
            rt.spawn(body, retries=2).result()
        with pytest.raises(ExceptionGroup) as caught:
            rt.wait()
        assert len(caught.value.exceptions) == 1


def test_the_decorator_takes_them() -> None:
    with pr.Runtime(workers=1) as rt:
        body = Fails(1)

        @rt.task(retries=1, backoff=0)
        def task() -> object:
            return body()

        assert task.result() == 2


def test_only_exceptions_are_repeated() -> None:
    with pr.Runtime(workers=1) as rt:
        body = Fails(1, SystemExit(3))
        with pytest.raises(SystemExit):
            rt.spawn(body, retries=5).result()
        assert len(body.calls) == 1
        with pytest.raises(BaseExceptionGroup):
            rt.wait()


def test_a_pause_holds_no_slot_and_is_cancelled_at_once() -> None:
    with pr.Runtime(workers=1) as rt:
        body = Fails(1)
        task = rt.spawn(body, retries=1, backoff=3600)
        body.failed.wait()
        assert rt.spawn(int).result() == 0
        assert task.cancel() is False
        with pytest.raises(pr.TaskCancelled):
            task.result()
        assert task.cancelled()
        assert len(body.calls) == 1


def test_leaving_with_an_exception_ends_a_pause() -> None:
    with pytest.warns(RuntimeWarning, match="attempt 1"), pytest.raises(LookupError):
        with pr.Runtime(workers=1) as rt:
            body = Fails(1)
            rt.spawn(body, retries=1, backoff=3600)
            body.failed.wait()
            raise LookupError


@pytest.mark.parametrize("retries", [-1, 1.5, "2", True, 2**80])
def test_wrong_retries(retries: object) -> None:
    with pr.Runtime(workers=1) as rt, pytest.raises(ValueError, match="retries="):
        rt.spawn(int, retries=retries)  # type: ignore[arg-type]


@pytest.mark.parametrize("backoff", [-1, "2", float("nan"), float("inf"), 1e9])
def test_wrong_backoffs(backoff: object) -> None:
    with pr.Runtime(workers=1) as rt, pytest.raises(ValueError, match="backoff="):
        rt.spawn(int, retries=1, backoff=backoff)  # type: ignore[arg-type]
