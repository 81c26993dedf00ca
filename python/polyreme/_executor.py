"""A concurrent.futures executor on top of a runtime."""

from __future__ import annotations

import contextlib
import logging
import threading
import weakref
from concurrent.futures import Executor as _Base
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from polyreme._core import RuntimeClosedError
from polyreme._runtime import MAX_READY, Runtime

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Executor"]

# Where the standard library's executors tell of errors that have no future to go to.
_logger = logging.getLogger("concurrent.futures")

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Executor(_Base):
    """A `concurrent.futures.Executor` whose calls run as tasks.

    Futures are those of the standard library: `wait`, `as_completed`, `cancel` and callbacks behave as with a
    ThreadPoolExecutor. Calls start in the order of their submission.

    Args:
        max_workers: calls that run at a time; None means one for each core that the process may use.

    Raises:
        TypeError, ValueError: max_workers is no int, or not from 1 to 1024.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        try:
            # Nobody expects submit() to wait until calls have started: what opens their way may come after it.
            self._runtime = Runtime(workers=max_workers, max_ready=MAX_READY)
        except (TypeError, ValueError) as error:
            raise type(error)(f"max_{error}") from None
        # Reentrant: a spawn drops references that were put aside, and what is dropped may submit.
        self._lock = threading.RLock()
        self._shut_down = False
        self._pending: dict[Future[Any], None] = {}  # in the order of submission
        # Calls hold the executor, so when it is dropped without shutdown() none is left: only threads are to be ended.
        self._dropped = weakref.finalize(self, _close_soon, self._runtime)
        self._dropped.atexit = False

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Schedule fn(*args, **kwargs) and return its future.

        Raises:
            TypeError: fn is not callable.
            RuntimeError: the executor was shut down.
        """
        if not callable(fn):
            message = f"submit() needs a callable, not {fn!r}"  # type: ignore[unreachable]
            raise TypeError(message)
        future: Future[_T] = Future()
        self._check_open()  # not under the lock, which a thread of the parent process may have held for ever
        with self._lock:
            self._check_open()
            self._pending[future] = None
            try:
                self._runtime.spawn(self._run, future, fn, args, kwargs)
            except BaseException:
                self._pending.pop(future, None)
                raise
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; wait for those that are there unless told not to.

        Ctrl-C meanwhile cancels calls that have not started; the others finish.

        Args:
            wait: return only when all calls have finished.
            cancel_futures: cancel calls that have not started.

        Raises:
            RuntimeError: one of the calls would wait for itself.
        """
        if self._runtime.closed:
            return
        with self._lock:
            self._shut_down = True
        if cancel_futures:
            self._cancel_pending()
        if not wait:
            _close_soon(self._runtime)
            return
        try:
            # Also in a coroutine, where Runtime.wait() refuses: programs leave executors there as they always did.
            self._runtime._wait_and_report(None)  # noqa: SLF001
        except RuntimeClosedError:  # by another thread's shutdown, which has waited
            pass
        except KeyboardInterrupt:
            self._cancel_pending()
            raise
        finally:
            self._runtime.close()

    def _check_open(self) -> None:
        if self._shut_down:
            message = "cannot schedule new futures after shutdown"
            raise RuntimeError(message)
        if self._runtime.closed:
            message = "cannot schedule new futures after interpreter shutdown, nor in the child of a fork"
            raise RuntimeError(message)

    def _cancel_pending(self) -> None:
        with self._lock:
            pending = list(self._pending)
        for future in pending:
            future.cancel()

    def _run(self, future: Future[Any], fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        with self._lock:
            self._pending.pop(future, None)
        try:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001  whatever the call raised belongs to its future
                future.set_exception(error)
                # The traceback holds this frame, which must not hold the future that holds the traceback.
                del self, future, fn, args, kwargs
            else:
                future.set_result(result)
        except BaseException:  # of a callback that ends threads, or of a future that others have touched
            _logger.critical("Exception in worker", exc_info=True)


def _close_soon(runtime: Runtime) -> None:
    """Close a runtime from a thread of its own: the caller may be a body, which cannot wait for itself."""
    if runtime.closed:
        return
    with contextlib.suppress(RuntimeError):  # the interpreter is ending, and closes what is open
        threading.Thread(target=runtime.close, name="polyreme-shutdown").start()
