"""The way between tasks and asyncio's event loops. Imported where a loop runs already: asyncio is slow to import."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from polyreme._core import PolyremeError, RuntimeClosedError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from polyreme._core import Task

__all__ = ["run_in_thread", "wait_for_task"]

_T = TypeVar("_T")


class _Post:
    """Brings the ends of tasks to one event loop: many of them in one wake-up of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self._ended: deque[asyncio.Future[None]] = deque()
        self._on_its_way = False

    def add(self, future: asyncio.Future[None], _task: object = None) -> None:
        """Have `future` set in its loop. From any thread, and without waiting for anything."""
        self._ended.append(future)
        if self._on_its_way:
            return
        self._on_its_way = True
        loop = self._loop()
        try:
            if loop is not None:
                loop.call_soon_threadsafe(self._deliver)
                return
        except RuntimeError:
            pass
        # The loop is gone or closed: nobody waits there any more.
        self._ended.clear()
        self._on_its_way = False

    def _deliver(self) -> None:
        self._on_its_way = False  # first: what is added from now on needs another wake-up, or is found below
        while self._ended:
            future = self._ended.popleft()
            if not future.done():
                future.set_result(None)


_posts: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Post] = weakref.WeakKeyDictionary()
_posts_lock = threading.Lock()


def _post_of(loop: asyncio.AbstractEventLoop) -> _Post:
    with _posts_lock:
        post = _posts.get(loop)
        if post is None:
            post = _posts[loop] = _Post(loop)
        return post


def wait_for_task(task: Task[_T], loop: asyncio.AbstractEventLoop) -> Generator[Any, None, _T]:
    """Wait for `task` in the running `loop`: what `await task` does there.

    Raises:
        asyncio.CancelledError: the waiting asyncio task was cancelled; so is `task` then.
    """
    future = loop.create_future()
    try:
        task.add_done_callback(functools.partial(_post_of(loop).add, future))
    except RuntimeClosedError:  # it is closing: its tasks go on, but nothing can be spawned any more
        return (yield from run_in_thread(task.result, task.cancel).__await__())
    try:
        yield from future
    except asyncio.CancelledError:
        with contextlib.suppress(PolyremeError):  # an id that is not spawned: there is nothing to cancel
            task.cancel()
        raise
    return task.result()


async def run_in_thread(call: Callable[[], _T], on_cancel: Callable[[], object] | None) -> _T:
    """Run a call that blocks in a thread of its own, while the loop goes on.

    Args:
        call: takes nothing; its answer, or what it raises, is passed on.
        on_cancel: the call has to be waited for even if the waiting asyncio task is cancelled; this hurries it up.
            None: the call goes on by itself then, and what it raises is dropped.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    post = _post_of(loop)
    outcome: list[_T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(call())
        except BaseException as error:  # noqa: BLE001  # raised where the call is waited for
            failure.append(error)
        finally:
            post.add(future)

    threading.Thread(target=run, name="polyreme-async-wait").start()
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait((future,))
        except asyncio.CancelledError as error:
            if on_cancel is None:
                raise
            cancelled = error
            on_cancel()
    if cancelled is not None:
        raise cancelled
    if failure:
        try:
            raise failure[0]
        finally:
            failure.clear()  # its traceback holds this frame
    return outcome[0]
