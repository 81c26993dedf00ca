"""Wrong arguments get an exception that names the value and says what to do."""

from __future__ import annotations

from typing import Any

import polyreme as pr
import pytest


def body(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
    return args, kwargs


class Unprintable:
    """An object whose repr raises."""

    def __repr__(self) -> str:
        raise LookupError("no repr")


# What is called, the exception, and what its text must hold.
RUNTIME = [
    (lambda: pr.Runtime(0), ValueError, "workers=0; it is an int from 1 to 1024, or None"),
    (lambda: pr.Runtime(-3), ValueError, "workers=-3; it is an int from 1 to 1024"),
    (lambda: pr.Runtime(1025), ValueError, "workers=1025; it is an int from 1 to 1024"),
    (lambda: pr.Runtime(10**30), ValueError, "workers=1" + "0" * 30),
    (lambda: pr.Runtime("2"), TypeError, "workers='2'; it is an int"),  # type: ignore[arg-type]
    (lambda: pr.Runtime(2.0), TypeError, "workers=2.0; it is an int"),  # type: ignore[arg-type]
    (lambda: pr.Runtime(True), TypeError, "workers=True; it is an int"),
    (lambda: pr.Runtime(1, True), TypeError, "positional argument"),  # type: ignore[call-arg]
    (lambda: pr.Runtime(threads=2), TypeError, "threads"),  # type: ignore[call-arg]
    (lambda: pr.Runtime(1, pin="yes"), TypeError, "pin='yes'; it is True or False"),  # type: ignore[arg-type]
    (lambda: pr.Runtime(1, pin=None), TypeError, "pin=None; it is True or False"),  # type: ignore[arg-type]
    (lambda: pr.Runtime(1, stall_warning=0), ValueError, "stall_warning=0; it is a number of seconds above 0"),
    (lambda: pr.Runtime(1, stall_warning=-1), ValueError, "stall_warning=-1; it is a number"),
    (lambda: pr.Runtime(1, stall_warning=float("nan")), ValueError, "stall_warning=nan"),
    (lambda: pr.Runtime(1, stall_warning=1e10), ValueError, "stall_warning=10000000000.0"),
    (lambda: pr.Runtime(1, stall_warning="1"), TypeError, "stall_warning='1'"),  # type: ignore[arg-type]
    (lambda: pr.Runtime(1, stall_warning=None), TypeError, "stall_warning=None"),  # type: ignore[arg-type]
    (
        lambda: pr.Runtime(1, max_ready=0),
        ValueError,
        "max_ready=0; it is an int from 1 to 2147483647, or None for 32768",
    ),
    (lambda: pr.Runtime(1, max_ready=-5), ValueError, "max_ready=-5; it is an int from 1"),
    (lambda: pr.Runtime(1, max_ready=2**31), ValueError, "max_ready=2147483648; it is an int from 1"),
    (lambda: pr.Runtime(1, max_ready="5"), TypeError, "max_ready='5'; it is an int from 1"),  # type: ignore[arg-type]
    (lambda: pr.Runtime(1, max_ready=5.0), TypeError, "max_ready=5.0; it is an int"),  # type: ignore[arg-type]
    (lambda: pr.Runtime(1, max_ready=True), TypeError, "max_ready=True; it is an int"),
    (lambda: pr.Task(), TypeError, "cannot create 'polyreme.Task'"),
    (lambda: pr.Space(), TypeError, "cannot create 'polyreme.Space'"),
    (lambda: pr.Slice(), TypeError, "cannot create 'polyreme.Slice'"),
    (lambda: type("Mine", (pr.Task,), {}), TypeError, "not an acceptable base type"),
    (lambda: type("Mine", (pr.Space,), {}), TypeError, "not an acceptable base type"),
    (lambda: setattr(pr.Task, "result", None), TypeError, "immutable type"),
    (lambda: pr.nothing, AttributeError, "nothing"),
]


@pytest.mark.parametrize(("call", "error", "text"), RUNTIME)
def test_making_things(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert text in str(caught.value)


CALLS: list[tuple[Any, Any, str]] = [
    # spawn
    (lambda rt, T: rt.spawn(), TypeError, "spawn() needs a callable: rt.spawn(fn, *args"),
    (lambda rt, T: rt.spawn(after=None), TypeError, "spawn() needs a callable"),
    (lambda rt, T: rt.spawn(fn=body), TypeError, "spawn() needs a callable"),
    (lambda rt, T: rt.spawn(5), TypeError, "must be callable, not 5"),
    (lambda rt, T: rt.spawn(None), TypeError, "must be callable, not None"),
    (lambda rt, T: rt.spawn("body"), TypeError, "must be callable, not 'body'"),
    (lambda rt, T: rt.spawn(T[0]), TypeError, "must be callable, not <Task T[0]"),
    (lambda rt, T: rt.spawn(T), TypeError, "must be callable, not <Space 'T'>"),
    (
        lambda rt, T: rt.spawn(body, x=1),
        TypeError,
        "unexpected keyword argument 'x'; it takes after, name, priority, cores, retries, backoff, kwargs and id",
    ),
    (lambda rt, T: rt.spawn(body, priority=2), ValueError, "priority=2; it is -1, 0 or 1"),
    (lambda rt, T: rt.spawn(body, priority=-(2**70)), ValueError, "priority=-1180591620717411303424; it is"),
    (lambda rt, T: rt.spawn(body, priority="high"), ValueError, "priority='high'; it is -1, 0 or 1"),
    (lambda rt, T: rt.spawn(body, priority=True), ValueError, "priority=True"),
    (lambda rt, T: rt.spawn(body, priority=1.0), ValueError, "priority=1.0"),
    (lambda rt, T: rt.spawn(body, cores=0), ValueError, "cores=0; it is an int from 1 to"),
    (lambda rt, T: rt.spawn(body, cores=-1), ValueError, "cores=-1"),
    (lambda rt, T: rt.spawn(body, cores=2**40), ValueError, "cores=1099511627776"),
    (lambda rt, T: rt.spawn(body, cores=1000), ValueError, "cores=1000 on a runtime with workers="),
    (lambda rt, T: rt.spawn(body, cores="all"), TypeError, "cores='all'; it is an int"),
    (lambda rt, T: rt.spawn(body, cores=True), TypeError, "cores=True"),
    (lambda rt, T: rt.spawn(body, cores=2.0), TypeError, "cores=2.0"),
    (lambda rt, T: rt.task(cores=0), ValueError, "cores=0"),
    (lambda rt, T: rt.task(cores=1000)(body), ValueError, "cores=1000 on a runtime with workers="),
    (lambda rt, T: rt.task(priority=3), ValueError, "priority=3"),
    (lambda rt, T: rt.spawn(body, capture="value"), TypeError, "'capture'"),
    (lambda rt, T: rt.spawn(body, id=3), TypeError, "id= is an entry of a space, such as T[3], not 3"),
    (lambda rt, T: rt.spawn(body, id="T[3]"), TypeError, "id= is an entry of a space, such as T[3], not 'T[3]'"),
    (lambda rt, T: rt.spawn(body, id=T), TypeError, "not <Space 'T'>"),
    (lambda rt, T: rt.spawn(body, id=T[:3]), TypeError, "not <slice T[:3]>"),
    (lambda rt, T: rt.spawn(body, id=rt.spawn(body)), TypeError, "id= is an entry of a space"),
    (
        lambda rt, T: rt.spawn(body, after=5),
        TypeError,
        "after= takes tasks, slices, spaces and sequences of these, not 5",
    ),
    (lambda rt, T: rt.spawn(body, after="T"), TypeError, "not 'T'"),
    (lambda rt, T: rt.spawn(body, after=b"T"), TypeError, "not b'T'"),
    (lambda rt, T: rt.spawn(body, after=[T[0], 5]), TypeError, "not 5"),
    (lambda rt, T: rt.spawn(body, after=[[["T"]]]), TypeError, "not 'T'"),
    (lambda rt, T: rt.spawn(body, after=[None]), TypeError, "not None"),
    (lambda rt, T: rt.spawn(body, after={"T": 1}), TypeError, "not 'T'"),
    (lambda rt, T: rt.spawn(body, after=range(3)), TypeError, "not 0"),
    (lambda rt, T: rt.spawn(body, after=rt), TypeError, "not <Runtime workers="),
    (lambda rt, T: rt.spawn(body, after=body), TypeError, "not <function body"),
    (lambda rt, T: rt.spawn(body, after=True), TypeError, "not True"),
    (lambda rt, T: rt.spawn(body, after=T[: 10**12]), pr.UsageError, "names more than"),
    (lambda rt, T: rt.spawn(body, name=5), TypeError, "name= is a str, not 5"),
    (lambda rt, T: rt.spawn(body, name=b"x"), TypeError, "name= is a str, not b'x'"),
    (lambda rt, T: rt.spawn(body, name="\ud800"), UnicodeEncodeError, "surrogates not allowed"),
    (lambda rt, T: rt.spawn(body, kwargs=5), TypeError, "kwargs= is a dict of keyword arguments for the body, not 5"),
    (lambda rt, T: rt.spawn(body, kwargs=[("a", 1)]), TypeError, "kwargs= is a dict"),
    (lambda rt, T: rt.spawn(body, **{"after ": 1}), TypeError, "'after '"),
    (lambda rt, T: rt.spawn(Unprintable()), (LookupError, TypeError), ""),
    (lambda rt, T: rt.spawn(body, after=Unprintable()), (LookupError, TypeError), ""),
    # task
    (lambda rt, T: rt.task(id=T[0]), TypeError, "unexpected keyword argument 'id'"),
    (lambda rt, T: rt.task(capture="copy"), ValueError, 'capture=\'copy\'; it is "value" (the default) or "reference"'),
    (lambda rt, T: rt.task(capture=1), ValueError, "capture=1"),
    (lambda rt, T: rt.task(nope=1), TypeError, "'nope'"),
    (lambda rt, T: rt.task(kwargs=3), TypeError, "kwargs= is a dict"),
    (lambda rt, T: rt.task(name=3)(body), TypeError, "name= is a str, not 3"),
    (lambda rt, T: rt.task(after=3)(body), TypeError, "after= takes tasks"),
    (lambda rt, T: rt.task()(5), TypeError, "must be callable, not 5"),
    (lambda rt, T: rt.task()(), TypeError, "decorates one function; to call one, use rt.spawn"),
    (lambda rt, T: rt.task()(body, body), TypeError, "decorates one function"),
    (lambda rt, T: rt.task()(fn=body), TypeError, "decorates one function"),
    # spaces
    (lambda rt, T: rt.space(), TypeError, "space()"),
    (lambda rt, T: rt.space(5), TypeError, "the name of a space is a str, not 5"),
    (lambda rt, T: rt.space(None), TypeError, "the name of a space is a str, not None"),
    (lambda rt, T: rt.space("a", "b"), TypeError, "space()"),
    (lambda rt, T: T["a"], TypeError, "an index of space 'T' is an int or a slice of ints, not 'a'"),
    (lambda rt, T: T[1.0], TypeError, "not 1.0"),
    (lambda rt, T: T[None], TypeError, "not None"),
    (lambda rt, T: T[...], TypeError, "not Ellipsis"),
    (lambda rt, T: T[[1]], TypeError, "not [1]"),
    (lambda rt, T: T[1, "a"], TypeError, "not 'a'"),
    (lambda rt, T: T["a":], TypeError, "not 'a'"),
    (lambda rt, T: T[:"a"], TypeError, "not 'a'"),
    (lambda rt, T: T[::"a"], TypeError, "not 'a'"),
    (lambda rt, T: T[::0], ValueError, "step 0 in a slice of space 'T'; steps are positive"),
    (lambda rt, T: T[::-1], ValueError, "step -1"),
    (lambda rt, T: T[2**70 :], OverflowError, str(2**70)),
    (lambda rt, T: T[2**70], OverflowError, f"index {2**70} of space 'T' does not fit into 64 bits"),
    (lambda rt, T: T[()], IndexError, "has 1 to 6 indices, not 0"),
    (lambda rt, T: T[(0,) * 7], IndexError, "has 1 to 6 indices, not 7"),
    (lambda rt, T: list(T), TypeError, "has no end to iterate to; write [T[i] for i in range(n)] or use T[:n]"),
    (lambda rt, T: T[0] in T, TypeError, "is not iterable"),
    (lambda rt, T: len(T), TypeError, "len()"),
    (lambda rt, T: T.__setitem__(0, 1), AttributeError, "__setitem__"),
    (lambda rt, T: list(T[:3]), TypeError, "not iterable"),
    # tasks
    (lambda rt, T: rt.spawn(body).result(1, 2), TypeError, "result() takes at most one argument, timeout"),
    (lambda rt, T: rt.spawn(body).result(1, timeout=2), TypeError, "at most one argument"),
    (lambda rt, T: rt.spawn(body).result(limit=2), TypeError, "result() got an unexpected keyword argument 'limit'"),
    (lambda rt, T: rt.spawn(body).exception(limit=2), TypeError, "exception() got an unexpected keyword argument"),
    (lambda rt, T: rt.spawn(body).done(1), TypeError, "done()"),
    (lambda rt, T: rt.spawn(body).add_done_callback(), TypeError, "add_done_callback()"),
    (lambda rt, T: rt.spawn(body).add_done_callback(5), TypeError, "needs a callable that takes the task, not 5"),
    (lambda rt, T: rt.spawn(body).add_done_callback(None), TypeError, "not None"),
    (lambda rt, T: rt.spawn(body) < rt.spawn(body), TypeError, "not supported"),
    (lambda rt, T: setattr(rt.spawn(body), "name", "x"), AttributeError, "name"),
    (lambda rt, T: setattr(rt.spawn(body), "other", "x"), AttributeError, "other"),
    (lambda rt, T: __import__("pickle").dumps(rt.spawn(body)), TypeError, "cannot pickle"),
    (lambda rt, T: __import__("copy").copy(rt.spawn(body)), TypeError, "cannot pickle"),
    (lambda rt, T: __import__("pickle").dumps(T), TypeError, "cannot pickle"),
    # runtime
    (lambda rt, T: rt.wait("1"), TypeError, "timeout is a number of seconds or None, not '1'"),
    (lambda rt, T: rt.wait(1, 2), TypeError, "wait()"),
    (lambda rt, T: rt.wait(limit=2), TypeError, "limit"),
    (lambda rt, T: rt.close(True), TypeError, "close()"),
    (lambda rt, T: rt.stats(1), TypeError, "stats()"),
    (lambda rt, T: setattr(rt, "workers", 3), AttributeError, "workers"),
    (lambda rt, T: rt.trace(), TypeError, "trace()"),
    (lambda rt, T: rt.trace(5), TypeError, "int"),
]


@pytest.mark.parametrize(("call", "error", "text"), CALLS)
def test_calls(pair: pr.Runtime, call: Any, error: type[Exception], text: str) -> None:
    space = pair.space("T")
    with pytest.raises(error) as caught:
        call(pair, space)
    assert text in str(caught.value)
    assert pair.spawn(lambda: "goes on").result() == "goes on"


def test_keywords_as_subclasses_of_dict(pair: pr.Runtime) -> None:
    class Mine(dict[str, Any]):
        pass

    assert pair.spawn(body, kwargs=Mine(a=1)).result() == ((), {"a": 1})


def test_deeply_nested_after(pair: pr.Runtime) -> None:
    task = pair.spawn(body)
    nest: Any = task
    for _ in range(30):
        nest = [nest]
    pair.spawn(body, after=nest).result()
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(TypeError, match="after= takes tasks"):
        pair.spawn(body, after=endless)
