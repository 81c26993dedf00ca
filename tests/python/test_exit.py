"""How programs end that never close their runtime, and that end in the middle."""

from __future__ import annotations

import pytest
from programs import Finished, Program, run


def quiet(end: Finished, code: int = 0) -> str:
    """Expect an end without complaint; returns what was printed."""
    assert end.code == code, end
    assert end.err == "", end
    return end.out


def test_tasks_of_an_open_runtime_finish_at_exit() -> None:
    out = quiet(
        run(
            """
            import polyreme as pr
            rt = pr.Runtime(workers=2)
            done = []
            def body(depth):
                done.append(depth)
                if depth:
                    for _ in range(3): rt.spawn(body, depth - 1)
            import atexit
            rt.spawn(body, 6)
            task = rt.spawn(lambda: print("last", flush=True), after=rt.spawn(lambda: None))
            """
        )
    )
    assert out == "last\n"


def test_failures_that_nobody_asked_for_are_warned_about_at_exit() -> None:
    end = run(
        """
        import polyreme as pr
        rt = pr.Runtime(workers=1)
        def boom(): raise ValueError("lost?")
        rt.spawn(boom)
        """
    )
    assert end.code == 0
    assert (
        "RuntimeWarning: polyreme: a failure that no wait() reported: boom, spawned at <string>:5: ValueError: lost?\n"
    ) in end.err


def test_missing_ids_at_exit() -> None:
    end = run(
        """
        import polyreme as pr
        rt = pr.Runtime(workers=1)
        T = rt.space("T")
        rt.spawn(print, "never", after=T[0])
        """
    )
    assert (end.code, end.out) == (0, "")
    assert "T[0] was never spawned" in end.err


def test_sys_exit_in_the_block() -> None:
    program = Program(
        """
        import sys, threading
        import polyreme as pr
        with pr.Runtime(workers=1) as rt:
            started = threading.Event()
            def body():
                started.set()
                sys.stdin.readline()
                print("finished", flush=True)
            first = rt.spawn(body)
            rt.spawn(print, "must not run", after=first)
            started.wait()
            threading.Thread(target=print, args=("leaving",), kwargs={"flush": True}).start()
            sys.exit(3)
        """
    )
    program.expect("leaving")
    program.say("go on")
    assert quiet(program.finish(), 3) in {"finished\n", "finished\nmust not run\n"}


def test_an_exception_at_the_top_level() -> None:
    end = run(
        """
        import polyreme as pr
        with pr.Runtime(workers=1) as rt:
            rt.spawn(lambda: None)
            raise ValueError("top level")
        """
    )
    assert end.code == 1
    assert end.err.rstrip().endswith("ValueError: top level")


def test_an_exception_at_the_top_level_without_a_block() -> None:
    end = run(
        """
        import polyreme as pr
        rt = pr.Runtime(workers=1)
        rt.spawn(lambda: print("ran", flush=True))
        raise ValueError("top level")
        """
    )
    assert (end.code, end.out) == (1, "ran\n")
    assert end.err.rstrip().endswith("ValueError: top level")


def test_an_unhandled_group_shows_the_bodies() -> None:
    end = run(
        """
        import polyreme as pr
        def boom(): raise ValueError("in a body")
        with pr.Runtime(workers=1) as rt:
            rt.spawn(boom)
        """
    )
    assert end.code == 1
    assert "1 task failed" in end.err
    assert "ValueError: in a body" in end.err
    assert "polyreme: raised by boom, spawned at <string>:5" in end.err


@pytest.mark.parametrize("code", [0, 7])
def test_os_exit(code: int) -> None:
    out = quiet(
        run(
            f"""
            import os, threading
            import polyreme as pr
            rt = pr.Runtime(workers=2)
            started = threading.Event()
            rt.spawn(lambda: (started.set(), threading.Event().wait()))
            for _ in range(100): rt.spawn(lambda: None)
            started.wait()
            os._exit({code})
            """
        ),
        code,
    )
    assert out == ""


def test_os_exit_in_a_body() -> None:
    quiet(
        run(
            """
            import os
            import polyreme as pr
            with pr.Runtime(workers=1) as rt:
                rt.spawn(os._exit, 9)
            """
        ),
        9,
    )


def test_sys_exit_in_a_body_does_not_end_the_program() -> None:
    end = run(
        """
        import sys
        import polyreme as pr
        with pr.Runtime(workers=1) as rt:
            task = rt.spawn(sys.exit, 5)
            print(repr(task.exception()))
            try:
                rt.wait()
            except BaseExceptionGroup as group:
                print(group.exceptions)
        """
    )
    assert (end.code, end.out) == (0, "SystemExit(5)\n(SystemExit(5),)\n"), end


def test_handlers_at_exit_run_around_the_close() -> None:
    out = quiet(
        run(
            """
            import atexit
            def earlier():
                print("closed:", rt.closed)
                try:
                    rt.spawn(print)
                except pr.RuntimeClosedError as error:
                    print("refused")
            atexit.register(earlier)  # before the import, so after the close
            import polyreme as pr
            rt = pr.Runtime(workers=1)
            def later():
                print("closed:", rt.closed, rt.spawn(lambda: 5).result())
            atexit.register(later)
            """
        )
    )
    assert out == "closed: False 5\nclosed: True\nrefused\n"


def test_non_daemon_threads_finish_first() -> None:
    out = quiet(
        run(
            """
            import threading
            import polyreme as pr
            rt = pr.Runtime(workers=1)
            main = threading.main_thread()
            def work():
                main.join()
                print(rt.spawn(lambda: "spawned after main").result(), flush=True)
            threading.Thread(target=work).start()
            """
        )
    )
    assert out == "spawned after main\n"


@pytest.mark.parametrize("opener", ["main", "thread"])
def test_a_non_daemon_thread_waits_for_what_nobody_spawns(opener: str) -> None:
    end = run(
        f"""
            import threading
            import polyreme as pr
            def open_runtime():
                global rt
                rt = pr.Runtime(workers=2)
            if "{opener}" == "main":
                open_runtime()
            else:
                thread = threading.Thread(target=open_runtime)
                thread.start(); thread.join()
            T = rt.space("T")
            main = threading.main_thread()
            def work():
                try:
                    T[0].result()
                except pr.MissingTaskError as error:
                    print(error)
                main.join()
                print(rt.spawn(lambda: "spawned after main").result(), flush=True)
            threading.Thread(target=work).start()
            """
    )
    assert end.code == 0, end
    assert end.out.startswith("polyreme: T[0] was never spawned")
    assert end.out.endswith("\nspawned after main\n")


def test_a_runtime_that_is_opened_at_exit() -> None:
    out = quiet(
        run(
            """
            import atexit
            import polyreme as pr
            @atexit.register
            def late():
                rt = pr.Runtime(workers=1)
                print(rt.spawn(lambda: "ran").result(), flush=True)
            """
        )
    )
    assert out == "ran\n"


@pytest.mark.parametrize(
    "work",
    [
        "while True: rt.spawn(lambda: None)",
        "while True: rt.spawn(lambda: None).result()",
        "while True: rt.spawn(lambda: None); rt.wait()",
        "while True: rt.spawn(lambda: None).result(100)",
        "rt.space('T')[0].result(1000)",
        "rt.space('T')[0].result()",
        "threading.Event().wait()",
        "while True: T = rt.space('T'); rt.spawn(lambda: 1, id=T[0]); T[0].result()",
        "while True: rt.spawn(lambda: rt.spawn(lambda: 1).result())",
    ],
)
@pytest.mark.parametrize("leave", ["", "sys.exit(0)", "rt.close()", "with rt: pass"])
def test_daemon_threads_at_exit(work: str, leave: str) -> None:
    end = run(
        f"""
        import sys, threading
        import polyreme as pr
        rt = pr.Runtime(workers=2)
        started = threading.Barrier(4)
        def loop():
            started.wait()
            try:
                {work}
            except (pr.PolyremeError, AttributeError, TypeError):
                pass
        for _ in range(3):
            threading.Thread(target=loop, daemon=True).start()
        started.wait()
        {leave}
        """
    )
    assert end.code == 0, end
    assert "terminate" not in end.err
    assert "Fatal" not in end.err


def test_a_thread_that_dies_as_a_producer_at_exit() -> None:
    end = run(
        """
        import threading
        import polyreme as pr
        rt = pr.Runtime(workers=1)
        ready = threading.Event()
        def loop():
            with rt.producer():
                ready.set()
                threading.Event().wait()
        threading.Thread(target=loop, daemon=True).start()
        ready.wait()
        rt.spawn(lambda: print("ran", flush=True))
        """
    )
    assert (end.code, end.out) == (0, "ran\n"), end


def test_handles_in_globals_die_with_the_interpreter() -> None:
    quiet(
        run(
            """
            import polyreme as pr
            rt = pr.Runtime(workers=2)
            T = rt.space("T")
            kept = [rt.spawn(lambda i=i: [i], id=T[i]) for i in range(100)]
            kept.append(T[:5]); kept.append(T[200])
            class Cycle: pass
            cycle = Cycle(); cycle.me = cycle; cycle.kept = kept
            def boom(): raise ValueError
            failed = rt.spawn(boom)
            failed.exception()
            try: rt.wait()
            except ExceptionGroup as e: error = e
            import sys
            sys.kept = (kept, failed, error, rt)
            """
        )
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_at_exit_closes_every_runtime(workers: int) -> None:
    program = Program(
        f"""
        import atexit, os, signal, sys, threading
        sys.setswitchinterval(1e6)  # a thread keeps the interpreter until it sleeps
        def last():
            print("closed:", older.closed, newer.closed, "ran:", ran, flush=True)
        atexit.register(last)  # before the import, so after the close
        import polyreme as pr
        ran = []
        class Runtime(pr.Runtime):
            def _close(self, cancel):
                if cancel:
                    self._cancel_unstarted()
                    go_on.set()
                super()._close(cancel)
        older, newer = Runtime(workers=1), Runtime(workers={workers})
        blocked, go_on, started = threading.Event(), threading.Event(), threading.Barrier({workers} + 1)
        # Main has no slot to help with: it sleeps.
        def body(which):
            started.wait()
            at_exit.acquire()
            at_exit.release()
            if which == 0:
                os.kill(os.getpid(), signal.SIGINT)
            go_on.wait()
            ran.append("body")
        at_exit = threading.Lock()
        at_exit.acquire()
        for which in range({workers}):
            behind = newer.spawn(ran.append, "must not run", after=newer.spawn(body, which))
        started.wait()
        atexit.register(at_exit.release)
        """
    )
    end = program.finish()
    assert (end.code, end.out) == (0, f"closed: True True ran: {['body'] * workers}\n"), end
    assert end.err.count("KeyboardInterrupt") == 1, end
    assert "in body" not in end.err  # the interrupt was not raised in a task


def test_bodies_that_hold_everything_at_exit() -> None:
    quiet(
        run(
            """
            import polyreme as pr
            rt = pr.Runtime(workers=1)
            T = rt.space("T")
            class Noisy:
                def __del__(self): pass
            for i in range(50):
                @rt.task(T[i], Noisy(), after=T[i - 1] if i else None)
                def body(noisy):
                    return noisy, T, body, rt
            """
        )
    )


def test_an_executor_that_is_never_shut_down() -> None:
    out = quiet(
        run(
            """
            import sys
            import polyreme as pr
            pool = pr.Executor(2)
            for i in range(5): pool.submit(sys.stdout.write, "x\\n")
            """
        )
    )
    assert out == "x\n" * 5


def test_a_runtime_may_be_opened_in_a_thread_and_left() -> None:
    out = quiet(
        run(
            """
            import threading
            import polyreme as pr
            def work():
                global rt
                rt = pr.Runtime(workers=1)
                rt.spawn(lambda: print("ran", flush=True))
            thread = threading.Thread(target=work)
            thread.start(); thread.join()
            """
        )
    )
    assert out == "ran\n"


def test_a_forked_child_ends_and_may_open_its_own_runtime() -> None:
    out = quiet(
        run(
            """
            import os, sys
            import polyreme as pr
            rt = pr.Runtime(workers=2)
            done = rt.spawn(lambda: "value"); done.result()
            rt.wait()
            sys.stdout.flush()
            child = os.fork()
            if child == 0:
                print(done.result(), rt.closed)
                for call in (lambda: rt.spawn(print), rt.wait, lambda: rt.space("T")):
                    try: call()
                    except pr.RuntimeClosedError as error: print("fork" in str(error))
                with pr.Runtime(workers=2) as own:
                    print(own.spawn(lambda: "own").result(), flush=True)
                sys.exit(0)
            _, status = os.waitpid(child, 0)
            print("child", status, rt.spawn(lambda: "parent").result())
            """
        )
    )
    assert out == "value True\nTrue\nTrue\nTrue\nown\nchild 0 parent\n"


def test_a_child_forked_while_bodies_run() -> None:
    out = quiet(
        run(
            """
            import os, sys, threading
            import polyreme as pr
            rt = pr.Runtime(workers=2)
            gate, started = threading.Event(), threading.Event()
            running = rt.spawn(lambda: (started.set(), gate.wait()))
            behind = rt.spawn(lambda x: x, running)
            started.wait()
            child = os.fork()
            if child == 0:
                for task in (running, behind):
                    try: task.result()
                    except pr.RuntimeClosedError as error: print("fork" in str(error), flush=True)
                # CPython 3.13 without its lock hangs in the last collection of such a child, with any thread that waits.
                end = sys.exit if getattr(sys, '_is_gil_enabled', lambda: True)() else os._exit
                end(0)
            _, status = os.waitpid(child, 0)
            gate.set()
            print("child", status, behind.result()[1])
            """
        )
    )
    assert out == "True\nTrue\nchild 0 True\n"


def test_multiprocessing_with_fork() -> None:
    out = quiet(
        run(
            """
            import multiprocessing
            import polyreme as pr
            def square(x):
                with pr.Runtime(workers=1) as rt:
                    return rt.spawn(pow, x, 2).result()
            if __name__ == "__main__":
                with pr.Runtime(workers=2) as rt:
                    rt.spawn(lambda: None).result()
                    with multiprocessing.get_context("fork").Pool(2) as pool:
                        print(pool.map(square, range(5)))
            """
        )
    )
    assert out == "[0, 1, 4, 9, 16]\n"


def test_a_block_that_ends_meanwhile_is_no_interrupt() -> None:
    out = quiet(
        run(
            """
            import threading
            import polyreme as pr
            opened, exiting, left = threading.Event(), threading.Event(), threading.Event()
            class Last(pr.Runtime):
                def _close_at_exit(self, *, cancel):
                    exiting.set()
                    left.wait()
                    super()._close_at_exit(cancel=cancel)
            def body():
                with pr.Runtime(workers=1):
                    opened.set()
                    exiting.wait()
                left.set()
            outer = pr.Runtime(workers=1)
            outer.spawn(body)
            for i in range(3):
                outer.spawn(print, "ran", i)
            opened.wait()
            last = Last(workers=1)
            """
        )
    )
    assert out == "ran 0\nran 1\nran 2\n"
