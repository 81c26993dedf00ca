"""Ctrl-C: unstarted tasks are cancelled, running bodies finish, KeyboardInterrupt leaves the block."""

from __future__ import annotations

import signal

import pytest
from programs import Program

# What every program below begins with. `say` is heard by the test; `hear` waits for a line from it. The runtime says when
# it is about to be closed and everything that has not started is cancelled. The main thread does not let go of the
# interpreter by itself, so that it is in its wait before a worker runs Python code.
PRELUDE = """
import sys, threading
import polyreme as pr
sys.setswitchinterval(1e6)
def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\\n")  # one write, so that two threads do not mix
    sys.stdout.flush()
def hear():
    return sys.stdin.readline().strip()
class Runtime(pr.Runtime):
    def _close(self, cancel):
        if cancel:
            self._cancel_unstarted()
            say("closing")
        super()._close(cancel)
def whose():
    return "main" if threading.current_thread() is threading.main_thread() else "worker"
"""


def interrupted(program: Program) -> str:
    """Expect that the program ends as one does that Ctrl-C ended; returns what it printed."""
    end = program.finish()
    assert end.code == -signal.SIGINT, end
    assert end.err.rstrip().endswith("KeyboardInterrupt"), end.err
    assert "terminate" not in end.err
    assert "Fatal" not in end.err
    return end.out


def finish_running(program: Program, who: str) -> None:
    """Let the one running body finish, once it can no longer be that the queue behind it starts."""
    if who == "worker":
        program.expect("closing")
        program.say("go on")
        program.expect("finished")
    else:
        # The main thread has noted the signal before it reads this line, and cannot close before its body has finished.
        # It starts nothing more; a worker may, until the runtime is closed.
        program.say("go on")
        program.expect("finished")
        while (line := program.read_line()) == "next on worker":
            pass
        assert line == "closing"


def nothing_more(program: Program, who: str) -> None:
    """Expect the end; what a worker has started before the main thread closes may say so afterwards."""
    said = set(interrupted(program).splitlines())
    assert said <= ({"next on worker"} if who == "main" else set())


@pytest.mark.parametrize("workers", [1, 2])
def test_while_main_sleeps_in_wait(workers: int) -> None:
    # All slots are taken before main waits, so main cannot help: it sleeps.
    program = Program(
        PRELUDE
        + f"""
with Runtime(workers={workers}) as rt:
    meeting = threading.Barrier({workers} + 1)
    def body():
        meeting.wait()
        hear()
        say("finished")
    running = [rt.spawn(body) for _ in range({workers})]
    meeting.wait()
    queued = [rt.spawn(say, "must not run") for _ in range(50)]
    say("ready")
    rt.wait()
    say("not reached")
"""
    )
    program.expect("ready")
    program.interrupt()
    program.expect("closing")
    for _ in range(workers):
        program.say("go on")
    assert interrupted(program) == "finished\n" * workers


BODY = """
    def body():
        say(whose())
        hear()
        say("finished")
        return 5
"""

# With a second slot the main thread can help.
SLOTS = pytest.mark.parametrize("workers", [1, 2])


@SLOTS
def test_in_wait_while_the_body_may_run_on_main(workers: int) -> None:
    program = Program(f"{PRELUDE}\nwith Runtime(workers={workers}) as rt:{BODY}\n    rt.spawn(body)\n    rt.wait()\n")
    who = program.read_line()
    assert who in {"main", "worker"}
    program.interrupt()
    finish_running(program, who)
    assert interrupted(program) == ""


@SLOTS
def test_in_result_while_the_body_may_run_on_main(workers: int) -> None:
    program = Program(
        f"""{PRELUDE}
with Runtime(workers={workers}) as rt:{BODY}
    task = rt.spawn(body)
    rt.spawn(lambda: say("next on", whose()), after=task)
    task.result()
    say("not reached")
"""
    )
    who = program.read_line()
    assert who in {"main", "worker"}
    program.interrupt()
    finish_running(program, who)
    nothing_more(program, who)


@SLOTS
def test_in_a_chain_that_main_may_run(workers: int) -> None:
    program = Program(
        f"""{PRELUDE}
with Runtime(workers={workers}) as rt:{BODY}
    task = rt.spawn(body)
    for _ in range(1000):
        task = rt.spawn(lambda: say("next on", whose()), after=task)
    rt.wait()
    say("not reached")
"""
    )
    who = program.read_line()
    assert who in {"main", "worker"}
    program.interrupt()
    finish_running(program, who)
    nothing_more(program, who)


@SLOTS
def test_the_main_thread_helps_when_a_slot_is_free(workers: int) -> None:
    program = Program(
        f"{PRELUDE}\nwith Runtime(workers={workers}) as rt:\n    rt.spawn(lambda: say(whose()))\n    rt.wait()\n"
    )
    assert program.finish().out in {"main\n", "worker\n"}


@pytest.mark.parametrize("call", ["task.result(1000)", "task.exception(1000)", "rt.wait(1000)"])
def test_while_main_sleeps_with_a_time_limit(call: str) -> None:
    program = Program(
        PRELUDE
        + f"""
with Runtime(workers=1) as rt:
    started = threading.Event()
    def body():
        started.set()
        hear()
        say("finished")
    task = rt.spawn(body)
    started.wait()
    say("ready")
    {call}
    say("not reached")
"""
    )
    program.expect("ready")
    program.interrupt()
    program.expect("closing")
    program.say("go on")
    assert interrupted(program) == "finished\n"


def test_the_interrupt_may_be_caught_and_work_goes_on() -> None:
    program = Program(
        PRELUDE
        + """
with Runtime(workers=1) as rt:
    started = threading.Event()
    def body():
        started.set()
        hear()
        return "value"
    task = rt.spawn(body)
    started.wait()
    try:
        say("ready")
        rt.wait()
    except KeyboardInterrupt:
        say("caught")
    say(task.result(), rt.spawn(lambda: "more").result())
"""
    )
    program.expect("ready")
    program.interrupt()
    program.expect("caught")
    program.say("go on")
    end = program.finish()
    assert (end.code, end.out) == (0, "value more\n"), end


def test_while_leaving_the_block() -> None:
    program = Program(
        PRELUDE
        + """
with Runtime(workers=1) as rt:
    started = threading.Event()
    def body():
        started.set()
        say("ready")
        hear()
        say("finished")
    rt.spawn(body)
    for _ in range(50):
        rt.spawn(say, "must not run")
    started.wait()
say("not reached")
"""
    )
    program.expect("ready")
    program.interrupt()
    program.expect("closing")
    program.say("go on")
    assert interrupted(program) == "finished\n"


def test_twice() -> None:
    program = Program(
        PRELUDE
        + """
with Runtime(workers=1) as rt:
    started = threading.Event()
    def body():
        started.set()
        hear()
        say("finished")
    rt.spawn(body)
    started.wait()
    try:
        say("ready")
        rt.wait()
    except KeyboardInterrupt:
        say("first")
        raise
"""
    )
    program.expect("ready")
    program.interrupt()
    program.expect("first")
    program.interrupt()
    program.say("go on")
    assert interrupted(program).replace("closing\n", "") == "finished\n"


@pytest.mark.parametrize("wait", ["task.result()", "task.exception()", "rt.wait()"])
def test_twice_in_a_body_on_main(wait: str) -> None:
    program = Program(
        PRELUDE
        + f"""
import signal
with Runtime(workers=2) as rt:
    def body():
        if whose() == "worker":
            return
        signal.raise_signal(signal.SIGINT)
        say("noted")
        try:
            signal.raise_signal(signal.SIGINT)
            threading.Event().wait()
        except KeyboardInterrupt:
            say("stopped")
            raise
    while True:
        task = rt.spawn(body)
        {wait}
"""
    )
    assert interrupted(program) == "noted\nstopped\nclosing\n"


def test_dependents_and_callbacks_after_an_interrupt() -> None:
    program = Program(
        PRELUDE
        + """
try:
    with Runtime(workers=1) as rt:
        started = threading.Event()
        def body():
            started.set()
            hear()
            return 7
        task = rt.spawn(body)
        behind = rt.spawn(lambda x: x, task)
        behind.add_done_callback(lambda task: say("callback", type(task.exception()).__name__))
        started.wait()
        say("ready")
        rt.wait()
except KeyboardInterrupt:
    say(task.result(), type(behind.exception()).__name__)
"""
    )
    program.expect("ready")
    program.interrupt()
    program.expect("closing")
    program.say("go on")
    end = program.finish()
    assert (end.code, end.out) == (0, "callback TaskCancelled\n7 TaskCancelled\n"), end


def test_a_handler_of_the_program_runs_during_waits() -> None:
    program = Program(
        PRELUDE
        + """
import signal
signal.signal(signal.SIGINT, lambda *_: say("handled"))
with Runtime(workers=1) as rt:
    started = threading.Event()
    def body():
        started.set()
        hear()
        return 7
    task = rt.spawn(body)
    started.wait()
    say("ready")
    say(task.result())
"""
    )
    program.expect("ready")
    program.interrupt()
    program.expect("handled")
    program.interrupt()
    program.expect("handled")
    program.say("go on")
    end = program.finish()
    assert (end.code, end.out) == (0, "7\n"), end


def test_a_program_that_ignores_the_interrupt() -> None:
    program = Program(
        PRELUDE
        + """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
with Runtime(workers=1) as rt:
    def body():
        say("ready")
        hear()
        return 7
    say(rt.spawn(body).result())
"""
    )
    program.expect("ready")
    program.interrupt()
    program.say("go on")
    end = program.finish()
    assert (end.code, end.out) == (0, "7\n"), end


def test_the_handler_is_the_same_after_a_wait() -> None:
    program = Program(
        PRELUDE
        + """
import signal
before = signal.getsignal(signal.SIGINT)
with Runtime(workers=1) as rt:
    for _ in range(100):
        rt.spawn(lambda: None).result()
        rt.spawn(lambda: None)
        rt.wait()
assert signal.getsignal(signal.SIGINT) is before
try:
    say("ready")
    hear()
except KeyboardInterrupt:
    say("interrupted")
"""
    )
    program.expect("ready")
    program.interrupt()
    assert program.finish().out == "interrupted\n"


def test_other_signals_raise_from_waits() -> None:
    program = Program(
        PRELUDE
        + """
import signal
class Stop(Exception): pass
def stop(*_): raise Stop
signal.signal(signal.SIGTERM, stop)
with Runtime(workers=1) as rt:
    started = threading.Event()
    def body():
        started.set()
        hear()
        say("finished")
    rt.spawn(body)
    started.wait()
    try:
        say("ready")
        rt.wait()
    except Stop:
        say("stopped")
"""
    )
    program.expect("ready")
    program.process.send_signal(signal.SIGTERM)
    program.expect("stopped")
    program.say("go on")
    assert program.finish().out == "finished\n"


def test_a_wait_of_another_thread_is_not_interrupted() -> None:
    program = Program(
        PRELUDE
        + """
with Runtime(workers=1) as rt:
    started, over = threading.Event(), threading.Event()
    def body():
        started.set()
        hear()
        return 7
    task = rt.spawn(body)
    started.wait()
    threading.Thread(target=lambda: (say("other", task.result()), over.set())).start()
    try:
        say("ready")
        over.wait()
    except KeyboardInterrupt:
        say("interrupted")
    over.wait()
"""
    )
    program.expect("ready")
    program.interrupt()
    program.expect("interrupted")
    program.say("go on")
    assert program.finish().out == "other 7\n"
