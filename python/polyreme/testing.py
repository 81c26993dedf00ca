"""For tests of programs that use polyreme: runtimes whose schedule is decided by a seed.

from polyreme.testing import explore

def test_my_algorithm():
    def program(rt):
        assert my_algorithm(rt) == 42

    explore(program, seeds=range(200))     # fails under some order? Then the seed stands in a note of the error
"""

from __future__ import annotations

import inspect

from polyreme._runtime import Runtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["SteppedRuntime", "explore"]


class SteppedRuntime(Runtime):
    """A runtime with one slot, on which nothing runs until the thread that made it steps or waits.

    Whenever a body begins, ends or waits, the seed picks what goes on next, with equal chances: each ready task, each
    suspended body that may go on and each body whose wait is over. One seed is one schedule, on any machine, as long as
    the program itself does the same when it runs in the same order, and only bodies and the thread that made the
    runtime use it.

    All else is as on any runtime. Time is virtual: a wait with a timeout times out when nothing else can go on, at
    once, the earliest first. So a body must not loop until another task has done something, but wait for it.

    Args:
        seed: what decides, an int from 0 to 2**64 - 1.

    Raises:
        TypeError, ValueError: the seed is none.
    """

    def __init__(self, seed: int = 0) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int):
            message = f"seed={seed!r}; it is an int from 0 to 2**64 - 1"
            raise TypeError(message)
        if not 0 <= seed < 2**64:
            message = f"seed={seed!r}; it is an int from 0 to 2**64 - 1"
            raise ValueError(message)
        self._seed = seed
        super().__init__(workers=1)

    @property
    def seed(self) -> int:
        """The seed that it was made with."""
        assert self._seed is not None
        return self._seed

    def step(self) -> bool:
        """Let one task, or one body that waited, run until its next wait or its end. False: nothing could.

        Raises:
            UsageError: called in a body.
        """
        return self._step()

    def run(self) -> int:
        """Step until nothing can go on; return how often.

        Raises:
            UsageError: called in a body.
        """
        steps = 0
        while self._step():
            steps += 1
        return steps

    def __repr__(self) -> str:
        return f"<SteppedRuntime closed seed={self._seed}>" if self.closed else f"<SteppedRuntime seed={self._seed}>"


def explore(program: Callable[[SteppedRuntime], object], seeds: Iterable[int] = range(100)) -> None:
    """Run a program under many schedules.

    Calls `program(rt)` with a new runtime for each seed, and then waits for all that it has spawned. The first failure
    goes on to the caller, with the seed in a note.

    Args:
        program: what to run; it must not depend on anything that another run has left behind.
        seeds: one for each schedule.

    Raises:
        TypeError: the program is a coroutine function or a generator function.
        ValueError: there is no seed, so that nothing would be tested.
    """
    if inspect.iscoroutinefunction(program) or inspect.isgeneratorfunction(program):
        message = f"{program!r} would not run when it is called; give a plain function, whose bodies may be coroutines"
        raise TypeError(message)
    explored = False
    for seed in seeds:
        explored = True
        try:
            with SteppedRuntime(seed) as rt:
                program(rt)
        except Exception as error:
            error.add_note(f"polyreme: under the schedule of seed {seed}; explore(program, seeds=[{seed}]) repeats it")
            raise
    if not explored:
        message = "explore() without seeds tests nothing; say for example seeds=range(100)"
        raise ValueError(message)
