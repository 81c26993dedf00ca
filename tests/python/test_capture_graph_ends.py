"""Captured graphs where programs end, are interrupted or forked; and what runs leave behind."""

from __future__ import annotations

import gc
import signal
import weakref

import polyreme as pr
import pytest
from programs import Program, run

INTERRUPTED = """
    import sys, threading
    import polyreme as pr
    sys.setswitchinterval(1e6)  # the main thread does not let go of the interpreter by itself
    def say(*words):
        sys.stdout.write(" ".join(words) + "\\n")
        sys.stdout.flush()
    def body():
        say("running on", "main" if threading.current_thread() is threading.main_thread() else "worker")
        sys.stdin.readline()
        say("finished")
    with pr.Runtime(workers=WORKERS) as rt:
        with rt.capture() as g:
            g.spawn(say, "next", after=g.spawn(body))
        try:
            g.run()
        except KeyboardInterrupt:
            say("interrupted")
        rt.wait()
        say("waited")
        g.run()
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_cancels_the_run_and_leaves_the_graph_runnable(workers: int) -> None:
    program = Program(INTERRUPTED.replace("WORKERS", str(workers)))
    where = program.read_line()
    program.interrupt()
    if where == "running on main":  # that body ends first
        program.say("go on")
        program.expect("finished")
        said = program.read_line()
        assert said in ("next", "interrupted")  # the worker may be sooner
        if said == "next":
            program.expect("interrupted")
    else:
        assert where == "running on worker"
        program.expect("interrupted")
        program.say("go on")
        program.expect("finished")
    program.expect("waited")
    assert program.read_line().startswith("running on")
    program.say("go on")
    program.expect("finished")
    program.expect("next")
    end = program.finish()
    assert end.code == 0, end.err


def test_a_forked_child_cannot_run_it() -> None:
    end = run(
        """
        import os
        import polyreme as pr
        with pr.Runtime(workers=2) as rt:
            with rt.capture() as g:
                node = g.spawn(lambda: "result")
            run = g.run()
            child = os.fork()
            if child == 0:
                for call in (g.run, g.run_async, lambda: g.spawn(int), rt.capture):
                    try: call()
                    except pr.RuntimeClosedError as error: print("fork" in str(error))
                print(run[node], repr(g)[:14], flush=True)
                with pr.Runtime(workers=1) as own:
                    with own.capture() as g:
                        node = g.spawn(lambda: "of its own")
                    print(g.run()[node], flush=True)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            assert g.run()[node] == "result"
        """
    )
    assert end.code == 0, end.err
    assert end.out.split("\n")[:6] == ["True"] * 4 + ["result <CapturedGraph", "of its own"]


def test_handles_in_globals_die_with_the_interpreter() -> None:
    end = run(
        """
        import polyreme as pr
        rt = pr.Runtime(workers=2)
        g = rt.capture("g")
        node = g.spawn(lambda: g)
        x = g.argument([g])
        run = g.run()
        late = g.run_async()
        """
    )
    assert (end.code, end.err) == (0, "")


def test_runs_that_are_waited_for_use_one_memory(single: pr.Runtime) -> None:
    with single.capture() as g:
        node = g.spawn(lambda value: value, g.argument(0, name="x"))
        g.spawn(lambda value: None, node)
    for i in range(10):
        g.run(x=i)
    before = single.stats()["live_blocks"]
    for i in range(1000):
        assert g.run(x=i)[node] == i
    assert single.stats()["live_blocks"] <= before


def test_results_live_as_long_as_their_run(single: pr.Runtime) -> None:
    class Thing:
        pass

    with single.capture() as g:
        node = g.spawn(Thing)
    run_ = g.run()
    thing = weakref.ref(run_[node])
    gc.collect()
    assert thing() is run_[node]
    del run_
    gc.collect()
    assert thing() is None


def test_failures_are_freed(single: pr.Runtime) -> None:
    class Thing(Exception):
        pass

    def fail() -> None:
        raise Thing

    with single.capture() as g:
        g.spawn(fail)
    with pytest.raises(ExceptionGroup) as caught:
        g.run()
    thing = weakref.ref(caught.value.exceptions[0])
    del caught
    gc.collect()
    single.spawn(int).result()  # drops what was put aside
    gc.collect()
    assert thing() is None


def test_what_an_interrupt_raises_in_a_body_is_its_failure(single: pr.Runtime) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with single.capture() as g:
        g.spawn(interrupt)
    with pytest.raises(BaseExceptionGroup) as caught:
        g.run()
    assert isinstance(caught.value.exceptions[0], KeyboardInterrupt)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
