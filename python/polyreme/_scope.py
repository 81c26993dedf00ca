"""Scopes as Python programs see them. What must be fast is in `_core`."""

from __future__ import annotations

from polyreme import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Scope"]


class Scope(_core.Scope):
    """Tasks that are waited for, fail and are cancelled together; Runtime.scope() makes one.

    In its `with` block, what the calling thread spawns is in the scope, and so is what these tasks spawn. Leaving the
    block waits for all of it and raises an ExceptionGroup of what bodies in it raised. When the block itself raises
    (Ctrl-C included), tasks in it that have not started are cancelled, running bodies finish, and the block's exception
    goes on. Scopes nest: one that is entered in the block of another, or in the body of a task of it, is part of it.

    `async with` is the same where a coroutine must not block: leaving it awaits the end. In a coroutine of asyncio,
    what is to be in the scope is spawned with its spawn(): other coroutines share the thread.
    """

    def __enter__(self) -> Scope:
        if _core._loop_runs_here():
            message = (
                "polyreme: leaving the scope would block the event loop that runs on this thread; use `async with`"
            )
            raise _core.UsageError(message)
        self._enter(True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._check_innermost()
        if kind is not None:
            self.cancel()
            self._leave(_told(error))
            return
        try:
            self._wait(None)
        except BaseException as failure:
            if not isinstance(failure, BaseExceptionGroup):  # Ctrl-C, or a wait that could never end
                self.cancel()
            self._leave(failure)
            raise
        self._leave(None)

    async def __aenter__(self) -> Scope:
        self._enter(not _core._loop_runs_here())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._check_innermost()
        if kind is not None:
            self.cancel()
        interrupt: BaseException | None = None
        while not self._is_over():
            try:
                try:
                    await self._end()
                except _core.RuntimeClosedError:  # it is closing: its tasks go on, but nothing can be spawned any more
                    from polyreme._asyncio import run_in_thread

                    await run_in_thread(lambda: self._wait(None), self.cancel)
            except BaseException as one:  # noqa: BLE001  # raised once the scope is over
                interrupt = one
                self.cancel()
        self._leave(interrupt if error is None else _told(error))
        if interrupt is not None:
            raise interrupt

    def wait(self, timeout: float | None = None) -> None:
        """Wait until every task in the scope is done, and every task that these spawn.

        Raises:
            ExceptionGroup: what bodies in it raised since the last wait, each with a note that says where its task was
                spawned.
            TimeoutError: `timeout` seconds passed first. Nothing is cancelled.
            UsageError: called in the body of one of its tasks or in a coroutine of asyncio, or it is not entered.
            CycleError: the wait could never end.
        """
        if _core._loop_runs_here():
            message = (
                "polyreme: wait() would block the event loop that runs on this thread; leave an `async with` block"
            )
            raise _core.UsageError(message)
        if not self._wait(timeout):
            message = f"tasks of the scope are still running after {timeout!r} s"
            raise TimeoutError(message)


def _told(error: BaseException | None) -> BaseException | None:
    """What of an exception that leaves a block is to be told rather than the failures of its tasks.

    That one of them was cancelled says nothing when another's failure was the reason.
    """
    return None if isinstance(error, _core.TaskCancelled) else error
