"""The runtime as Python programs see it: lifetime, waits and reports. What must be fast is in `_core`."""

from __future__ import annotations

import atexit
import os
import sys

from polyreme import _core
from polyreme._scope import Scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Literal, Self

__all__ = ["Runtime"]

_MAX_WORKERS = 1024

# The largest max_ready, which no thread ever reaches.
MAX_READY = 2**31 - 1

# Open runtimes, kept alive until they are closed: their workers run Python code and must be joined before the
# interpreter goes away. Insertion order; the latest is closed first.
_open: dict[int, Runtime] = {}


class Runtime(_core.Runtime):
    """Runs tasks on a fixed number of worker slots.

    Args:
        workers: bodies that run at a time; None means one for each core that the process may use.
        pin: bind each worker thread to a core. Libraries that start threads of their own in a body inherit the binding.
        stall_warning: seconds before a wait that seems unable to end is warned about.
        max_ready: a thread outside the runtime with more tasks than this ready and not started sleeps in spawn() until
            half of them have started; None means 32768.
        on_full: "block" does so; "grow" never sleeps, and lets memory grow with the tasks that are ready.

    As a context manager, a runtime waits for its tasks on leaving the block and raises an ExceptionGroup of what their
    bodies raised. When the block itself raises (Ctrl-C included), tasks that have not started are cancelled, running
    bodies finish, and the block's exception goes on.

    Raises:
        TypeError, ValueError: an argument is not of the kind, or outside the range, that it must be.
    """

    _seed: int | None = None  # polyreme.testing

    def __init__(
        self,
        workers: int | None = None,
        *,
        pin: bool = False,
        stall_warning: float = 10.0,
        max_ready: int | None = None,
        on_full: Literal["block", "grow"] = "block",
    ) -> None:
        if workers is None:
            workers = 0
        elif isinstance(workers, bool) or not isinstance(workers, int):
            message = f"workers={workers!r}; it is an int from 1 to {_MAX_WORKERS}, or None for one a core"
            raise TypeError(message)
        elif not 1 <= workers <= _MAX_WORKERS:
            message = f"workers={workers!r}; it is an int from 1 to {_MAX_WORKERS}, or None for one a core"
            raise ValueError(message)
        if not isinstance(pin, bool):
            message = f"pin={pin!r}; it is True or False"  # type: ignore[unreachable]
            raise TypeError(message)
        if isinstance(stall_warning, bool) or not isinstance(stall_warning, int | float):
            message = f"stall_warning={stall_warning!r}; it is a number of seconds above 0"
            raise TypeError(message)
        if not 0 < stall_warning < 1e9:
            message = f"stall_warning={stall_warning!r}; it is a number of seconds above 0"
            raise ValueError(message)
        if max_ready is None:
            max_ready = 0
        elif isinstance(max_ready, bool) or not isinstance(max_ready, int):
            message = f"max_ready={max_ready!r}; it is an int from 1 to {MAX_READY}, or None for 32768"
            raise TypeError(message)
        elif not 1 <= max_ready <= MAX_READY:
            message = f"max_ready={max_ready!r}; it is an int from 1 to {MAX_READY}, or None for 32768"
            raise ValueError(message)
        if on_full not in ("block", "grow"):
            message = f'on_full={on_full!r}; it is "block" or "grow"'
            raise ValueError(message)
        _watch_the_end_of_main()
        self._open(workers, pin, float(stall_warning), max_ready, on_full == "grow", self._seed)
        _open[id(self)] = self
        _log("opened %r", self)

    def __enter__(self) -> Self:
        if self.closed:
            message = "polyreme: the runtime is closed; open another one"
            raise _core.RuntimeClosedError(message)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.closed:
            return
        if kind is not None:
            self._shut(cancel=True)
            return
        try:
            self._wait_and_report(None)
        except KeyboardInterrupt:
            self._shut(cancel=True)
            raise
        finally:
            self._shut(cancel=False)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until every task is done, and every task that these spawn; help meanwhile.

        Raises:
            ExceptionGroup: what bodies raised since the last wait, each with a note that says where its task was
                spawned.
            TimeoutError: `timeout` seconds passed first. Nothing is cancelled.
            UsageError: called in a body, which would wait for itself; or in a coroutine of asyncio, whose event loop
                would stand still.
        """
        if _core._loop_runs_here():
            message = (
                "polyreme: wait() would block the event loop that runs on this thread; use `await rt.wait_async()`, or "
                "`async with` for the runtime"
            )
            raise _core.UsageError(message)
        self._wait_and_report(timeout)

    async def wait_async(self, timeout: float | None = None) -> None:
        """Wait as wait() does, in asyncio, while the event loop goes on. Nothing is cancelled if this is.

        Raises:
            ExceptionGroup: what bodies raised since the last wait.
            TimeoutError: `timeout` seconds passed first.
            UsageError: no event loop of asyncio runs here.
        """
        _check_loop("wait_async()")
        from polyreme._asyncio import run_in_thread

        if not await run_in_thread(lambda: self._wait(timeout, False), None):
            message = f"tasks are still running after {timeout!r} s"
            raise TimeoutError(message)
        self._report()

    def close(self, *, cancel: bool = False) -> None:
        """Wait for all tasks, end the workers and report failures as wait() does. Again: nothing.

        Args:
            cancel: cancel tasks that have not started; running bodies finish.

        Raises:
            ExceptionGroup: what bodies raised since the last wait.
        """
        if self.closed:
            return
        if cancel:
            self._cancel_unstarted()
        try:
            self._wait_and_report(None)
        finally:
            self._shut(cancel=cancel)

    async def aclose(self, *, cancel: bool = False) -> None:
        """Close as close() does, in asyncio, while the event loop goes on.

        When this is cancelled, so are tasks that have not started; it then goes on when the runtime is closed.

        Raises:
            ExceptionGroup: what bodies raised since the last wait.
            UsageError: no event loop of asyncio runs here.
        """
        if not self.closed:
            _check_loop("aclose()")
            await self._leave(cancel=cancel, report=True)

    async def __aenter__(self) -> Runtime:
        _check_loop("`async with` for a runtime")
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self.closed:
            await self._leave(cancel=kind is not None, report=kind is None)

    def scope(self, *, cancel_on_error: bool = False) -> Scope:
        """Make a scope, for a `with` block: its tasks are waited for, fail and are cancelled together.

        Args:
            cancel_on_error: the first failure of a task in it cancels the scope.
        """
        if not isinstance(cancel_on_error, bool):
            message = f"cancel_on_error={cancel_on_error!r}; it is True or False"  # type: ignore[unreachable]
            raise TypeError(message)
        return Scope(self, cancel_on_error=cancel_on_error)

    def producer(self) -> AbstractContextManager[None]:
        """Register the calling thread, for a `with` block, as one that may still spawn tasks.

        While such a thread is not itself in a wait without a time limit, a wait for ids that nobody has spawned yet is
        no error: it goes on, with a warning after a while.
        """
        return _Producer(self)

    def trace(self, path: str | os.PathLike[str]) -> AbstractContextManager[None]:
        """Record a trace of a `with` block, which ends by waiting for all tasks; Perfetto opens the file.

        Raises:
            UsageError: tasks are running, or another trace is.
            OSError: the file cannot be written.
        """
        return _Trace(self, path)

    def observe(self, callback: Callable[[_core.TaskEvent], object]) -> AbstractContextManager[None]:
        """Call `callback(event)` for all that happens to tasks in a `with` block, which ends by waiting for all tasks.

        The calls come one after the other from a thread of their own, some time after what they tell of, but all of
        them before the block is left. Events of one task come in their order. What the callback raises goes to
        sys.unraisablehook.

        Raises:
            UsageError: tasks are running, or somebody observes the runtime already.
            TypeError: the callback cannot be called.
        """
        return _Observe(self, callback)

    def __repr__(self) -> str:
        return "<Runtime closed>" if self.closed else f"<Runtime workers={self.workers}>"

    def _wait_and_report(self, timeout: float | None) -> None:
        if not self._wait(timeout, True):
            message = f"tasks are still running after {timeout!r} s"
            raise TimeoutError(message)

    async def _leave(self, *, cancel: bool, report: bool) -> None:
        from polyreme._asyncio import run_in_thread

        def leave() -> None:
            try:
                if report:
                    self._wait(None, True)
            finally:
                self._shut(cancel=cancel)

        def hurry() -> None:
            try:  # noqa: SIM105  # as elsewhere here
                self._cancel_unstarted()
            except _core.PolyremeError:  # it is closed just now
                pass

        if cancel:
            hurry()
        try:  # noqa: SIM105
            # This thread, which the one that waits does not see waiting, spawns nothing more.
            self._producer(False)
        except _core.PolyremeError:  # it never was a producer
            pass
        await run_in_thread(leave, hurry)

    def _shut(self, *, cancel: bool) -> None:
        try:
            self._close(cancel)
        finally:
            if self.closed and _open.pop(id(self), None) is not None:
                _log("closed a runtime%s", ", tasks that had not started were cancelled" if cancel else "")

    def _close_at_exit(self, *, cancel: bool) -> None:
        try:
            if not cancel:
                self._wait(None, False)  # unlike _close(), it ends when Ctrl-C comes
        except _core.RuntimeClosedError:  # by a block of its own, since the list of open ones was read
            pass
        except BaseException:
            cancel = True
            raise
        finally:
            self._shut(cancel=cancel)

    def _warn(self, text: str) -> None:
        import warnings

        warnings.warn(text, RuntimeWarning, stacklevel=2)


def _check_loop(what: str) -> None:
    if not _core._loop_runs_here():
        message = (
            f"polyreme: {what} is for coroutines of asyncio, and no event loop runs on this thread; elsewhere, also in "
            "the bodies of tasks, the call without `async` does the same"
        )
        raise _core.UsageError(message)


class _Producer:
    __slots__ = ("_runtime",)

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def __enter__(self) -> None:
        self._runtime._producer(True)

    def __exit__(self, *_: object) -> None:
        if not self._runtime.closed:
            self._runtime._producer(False)


class _Trace:
    __slots__ = ("_path", "_runtime")

    def __init__(self, runtime: Runtime, path: str | os.PathLike[str]) -> None:
        self._runtime = runtime
        self._path = os.fsdecode(os.fspath(path))

    def __enter__(self) -> None:
        self._runtime._trace(None)

    def __exit__(self, *_: object) -> None:
        self._runtime._trace(self._path)


class _Observe:
    __slots__ = ("_callback", "_observation", "_runtime")

    def __init__(self, runtime: Runtime, callback: Callable[[_core.TaskEvent], object]) -> None:
        self._runtime = runtime
        self._callback = callback

    def __enter__(self) -> None:
        self._observation = _core._observe(self._runtime, self._callback)

    def __exit__(self, *_: object) -> None:
        lost = _core._stop_observing(self._runtime, self._observation)
        if lost:
            self._runtime._warn(f"polyreme: observe() had no memory for {lost} events, which were not delivered")


def _log(message: str, *arguments: object) -> None:
    # Who has not imported logging reads no log.
    logging = sys.modules.get("logging")
    if logging is not None and hasattr(logging, "getLogger"):
        logging.getLogger("polyreme").debug(message, *arguments)


_watching = False


def _watch_the_end_of_main() -> None:
    # Not imported for this: without the module there are no threads that the interpreter would join.
    global _watching
    threading = sys.modules.get("threading")
    register = getattr(threading, "_register_atexit", None)  # concurrent.futures builds on it as well
    if _watching or register is None:
        return
    _watching = True
    try:  # noqa: SIM105  # contextlib would have to be loaded
        register(_main_has_ended)
    except RuntimeError:  # the main thread has ended already
        pass


def _main_has_ended() -> None:
    # The main thread now joins the others, long before it closes runtimes. One of them may wait for an id that only the
    # main thread would have spawned, and has to hear that it will not: else each would wait for the other.
    for runtime in list(_open.values()):
        try:  # noqa: SIM105  # nothing is imported at exit, where Ctrl-C would break the import
            runtime._producer(False)
        except _core.PolyremeError:  # closed meanwhile, or opened by another thread
            pass


def _close_all() -> None:
    # Tasks of programs that never closed their runtime still run; their failures are warned about. Ctrl-C does to these
    # runtimes what it does to nested blocks: each is closed, and the interrupt goes on.
    interrupt: BaseException | None = None
    for runtime in reversed(list(_open.values())):
        try:
            runtime._close_at_exit(cancel=interrupt is not None)
        except BaseException as error:  # noqa: BLE001  # raised below
            interrupt = error
    if interrupt is not None:
        raise interrupt


def _log_fork() -> None:
    if _open:
        _log("forked: the child process cannot use the %d open runtimes of this one", len(_open))


atexit.register(_close_all)
# The workers stayed in the parent process: the child can neither use nor close what it inherited.
os.register_at_fork(after_in_child=_open.clear, after_in_parent=_log_fork)
