"""C functions as bodies: arguments, results, dependencies, and what they keep alive."""

from __future__ import annotations

import array
import ctypes
import gc
import sys
import threading
import weakref
from collections.abc import Callable
from ctypes import POINTER, c_bool, c_double, c_float, c_int64, c_size_t, c_uint8, c_void_p
from types import SimpleNamespace
from typing import Any

import numpy as np
import polyreme as pr
import pytest
from native_library import FUNCTIONS, compile_library, declare

INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return compile_library(FUNCTIONS, tmp_path_factory.mktemp("native"))


@pytest.fixture(scope="module")
def native(library: ctypes.CDLL) -> Callable[..., Any]:
    """native("half", c_double, c_double): a function of the library as a body."""
    return lambda name, restype, *argtypes: pr.native(declare(library, name, restype, *argtypes))


@pytest.fixture(scope="module")
def half(native: Callable[..., Any]) -> Any:
    return native("half", c_double, c_double)


@pytest.fixture(scope="module")
def increment(native: Callable[..., Any]) -> Any:
    return native("increment", c_int64, c_int64)


@pytest.fixture(scope="module")
def add_one(native: Callable[..., Any]) -> Any:
    return native("add_one", None, POINTER(c_int64))


@pytest.fixture(scope="module")
def axpy(native: Callable[..., Any]) -> Any:
    return native("axpy", None, c_int64, c_double, POINTER(c_double), POINTER(c_double))


# ---- calls and spawns


def test_a_call_runs_at_once(half: Any) -> None:
    assert half(3.0) == 1.5
    assert half(3) == 1.5


def test_a_spawn_runs_as_a_task(rt: pr.Runtime, half: Any) -> None:
    task = rt.spawn(half, 3.0)
    assert task.result() == 1.5
    assert task.exception() is None


def test_a_task_without_a_result_returns_none(rt: pr.Runtime, native: Callable[..., Any]) -> None:
    assert rt.spawn(native("nothing", None)).result() is None


def test_arrays_are_written_in_place(rt: pr.Runtime, axpy: Any, native: Callable[..., Any]) -> None:
    x, y = np.arange(5.0), np.ones(5)
    first = rt.spawn(axpy, 5, 2.0, x, y)
    second = rt.spawn(axpy, 5, 1.0, x, y, after=first)
    dot = native("dot", c_double, c_int64, POINTER(c_double), POINTER(c_double))
    assert rt.spawn(dot, 5, x, y, after=second).result() == float(x @ (1 + 3 * x))
    assert y.tolist() == (1 + 3 * x).tolist()


def test_keywords_of_a_spawn_work(single: pr.Runtime, increment: Any) -> None:
    T = single.space("T")
    first = single.spawn(increment, 1, id=T[0], name="first")
    assert first.name == "T[0] (first)"
    assert single.spawn(increment, T[0], after=T[:1]).result() == 3
    decorated = single.task(T[1], 5)(increment)
    assert decorated.result() == 6


def test_a_chain_of_ten_thousand(pair: pr.Runtime, increment: Any) -> None:
    task = pair.spawn(increment, 0)
    for _ in range(9_999):
        task = pair.spawn(increment, task)
    assert task.result() == 10_000


def test_native_bodies_run_in_traces_by_name(pair: pr.Runtime, half: Any, tmp_path: Any) -> None:
    with pair.trace(tmp_path / "run.json"):
        pair.spawn(half, 1.0)
    assert '"half"' in (tmp_path / "run.json").read_text()


def test_no_interpreter_from_spawn_to_completion(native: Callable[..., Any], increment: Any) -> None:
    answer = native("answer", c_int64, POINTER(c_int64))
    cells = np.zeros(2, dtype=np.int64)
    with pr.Runtime(workers=1) as rt:
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1000.0)  # nobody else gets the interpreter while this thread runs Python code
        try:
            first = rt.spawn(answer, cells)
            last = rt.spawn(increment, first)
            cells[0] = 1
            while not last.done():
                pass
        finally:
            sys.setswitchinterval(interval)
        assert last.result() == 43


def test_a_waiting_thread_helps_outside_the_interpreter(native: Callable[..., Any]) -> None:
    # The only slot's body needs another thread of Python to go on, while the main thread runs or awaits it.
    answer = native("answer", c_int64, POINTER(c_int64))
    cells = np.zeros(2, dtype=np.int64)
    thread = threading.Thread(target=lambda: cells.__setitem__(0, 1))
    with pr.Runtime(workers=1) as rt:
        task = rt.spawn(answer, cells)
        thread.start()
        assert task.result() == 42
    thread.join()


# ---- results as arguments


def test_results_of_python_tasks_are_converted(rt: pr.Runtime, half: Any, axpy: Any) -> None:
    assert rt.spawn(half, rt.spawn(lambda: 3)).result() == 1.5
    y = np.ones(3)
    made = rt.spawn(np.arange, 3.0)
    rt.spawn(axpy, rt.spawn(len, made), 2.0, made, y).result()
    assert y.tolist() == [1.0, 3.0, 5.0]


def test_results_of_ids_are_converted(rt: pr.Runtime, half: Any, increment: Any) -> None:
    T = rt.space("T")
    waiting = rt.spawn(half, T[0])
    rt.spawn(half, 6.0, id=T[0])
    assert waiting.result() == 1.5
    other = rt.spawn(increment, T[1])
    rt.spawn(lambda: 41, id=T[1])
    assert other.result() == 42


def test_python_bodies_get_native_results(rt: pr.Runtime, half: Any, native: Callable[..., Any]) -> None:
    given = rt.spawn(half, 5.0)
    assert rt.spawn(lambda x, *more, y: (x, more, y), given, 1, kwargs={"y": given}).result() == (2.5, (1,), 2.5)
    assert rt.spawn(lambda *values: values, given, given, given, given, given).result() == (2.5,) * 5
    nothing = rt.spawn(native("nothing", None))
    assert rt.spawn(lambda x: x, nothing).result() is None


def test_scalars_change_their_type_on_the_way(rt: pr.Runtime, native: Callable[..., Any], half: Any) -> None:
    narrow = native("half_float", c_float, c_float)
    assert rt.spawn(half, rt.spawn(narrow, 3.0)).result() == 0.75
    assert rt.spawn(narrow, rt.spawn(half, 3.0)).result() == 0.75
    wide = native("as_double", c_double, c_int64)
    for name in INTEGERS:
        same = native(f"same_{name}", getattr(ctypes, f"c_{name}"), getattr(ctypes, f"c_{name}"))
        assert rt.spawn(half, rt.spawn(same, 7)).result() == 3.5
        assert rt.spawn(same, rt.spawn(same, 100)).result() == 100
        assert rt.spawn(wide, rt.spawn(same, 100)).result() == 100.0
    pointer = native("itself", c_void_p, c_void_p)
    assert rt.spawn(pointer, rt.spawn(pointer, 64)).result() == 64


def test_a_scalar_that_does_not_fit_fails_the_task(rt: pr.Runtime, native: Callable[..., Any], half: Any) -> None:
    same = native("same_int8", ctypes.c_int8, ctypes.c_int8)
    wide = native("same_int64", c_int64, c_int64)
    large = rt.spawn(wide, 200, name="large")
    with pytest.raises(
        ValueError, match=r"argument 1 \(int8\) of same_int8 cannot be the result of large, a int64 that"
    ):
        rt.spawn(same, large).result()
    with pytest.raises(ValueError, match=r"argument 1 \(int8\) of same_int8 cannot be the result of .*, a float64$"):
        rt.spawn(same, rt.spawn(half, 2.0)).result()
    with pytest.raises(TypeError, match=r"argument 1 \(int8\) of same_int8 is an int, not 'word'"):
        rt.spawn(same, rt.spawn(lambda: "word")).result()
    with pytest.raises(TypeError, match=r"argument 1 \(float64\) of half is a number, not None"):
        rt.spawn(half, rt.spawn(native("nothing", None))).result()
    with pytest.raises(ExceptionGroup) as caught:
        rt.wait()
    assert len(caught.value.exceptions) == 4
    assert "same_int8" in caught.value.exceptions[0].__notes__[0]


def test_a_failed_predecessor_cancels_a_native_task(rt: pr.Runtime, half: Any, increment: Any) -> None:
    failed = rt.spawn(lambda: 1 // 0)
    dependent = rt.spawn(half, 1.0, after=failed)
    last = rt.spawn(increment, rt.spawn(increment, failed))
    for task in (dependent, last):
        with pytest.raises(pr.DependencyFailed):
            task.result()
    with pytest.raises(ExceptionGroup, match="3 not run"):
        rt.wait()


# ---- values


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_of_all_widths(name: str, pair: pr.Runtime, native: Callable[..., Any]) -> None:
    kind = getattr(ctypes, f"c_{name}")
    same = native(f"same_{name}", kind, kind)
    limits = np.iinfo(name)
    low, high = int(limits.min), int(limits.max)
    for value in {low, high, 0, 1, max(low, -1), np.dtype(name).type(high)}:
        assert same(value) == value
        assert pair.spawn(same, value).result() == value
    for value in (low - 1, high + 1, 2**70, -(2**70)):
        with pytest.raises(OverflowError, match=rf"argument 1 \({name}\) of same_{name} is out of range: {value}"):
            pair.spawn(same, value)
    for value in (1.0, "1", None, b"1"):
        with pytest.raises(TypeError, match=rf"argument 1 \({name}\) of same_{name} is an int, not "):
            pair.spawn(same, value)


def test_numbers(native: Callable[..., Any], half: Any) -> None:
    narrow = native("half_float", c_float, c_float)
    for value in (1, 1.0, True, np.float32(1), np.float64(1), np.int16(1)):
        assert half(value) == 0.5
        assert narrow(value) == 0.5
    assert half(float("inf")) == float("inf")
    assert narrow(float("-inf")) == float("-inf")
    assert np.isnan(narrow(float("nan")))
    with pytest.raises(OverflowError, match=r"argument 1 \(float32\) of half_float is out of range: 1e\+300"):
        narrow(1e300)
    with pytest.raises(TypeError, match=r"argument 1 \(float64\) of half is a number, not 'x'"):
        half("x")
    with pytest.raises(TypeError, match="is a number, not array"):
        half(np.ones(2))


def test_truth(native: Callable[..., Any]) -> None:
    negate = native("negate", c_bool, c_bool)
    assert negate(True) is False
    assert negate(False) is True
    assert negate(np.bool_(True)) is False
    with pytest.raises(TypeError, match=r"argument 1 \(bool\) of negate is True or False, not 1"):
        negate(1)


def test_a_wrong_number_of_arguments(pair: pr.Runtime, half: Any, axpy: Any) -> None:
    with pytest.raises(TypeError, match="half takes 1 argument, not 2"):
        pair.spawn(half, 1.0, 2.0)
    with pytest.raises(TypeError, match="axpy takes 4 arguments, not 0"):
        axpy()
    with pytest.raises(TypeError, match="half takes its arguments by position"):
        half(x=1.0)
    with pytest.raises(TypeError, match="takes its arguments by position, not as kwargs="):
        pair.spawn(half, kwargs={"x": 1.0})
    with pytest.raises(TypeError, match="one of its arguments a task"):
        half(pair.spawn(half, 1.0))
    assert pair.stats()["spawned"] == 1


# ---- arrays


def test_everything_with_a_buffer_is_an_array(add_one: Any) -> None:
    numpy_array = np.zeros(1, dtype=np.int64)
    for target in (
        numpy_array,
        array.array("q", [0]),
        (c_int64 * 1)(),
        c_int64(),
        memoryview(numpy_array),
        np.array(0),
    ):
        add_one(target)
    assert numpy_array.tolist() == [2]


def test_bytes(native: Callable[..., Any]) -> None:
    total = native("sum8", c_int64, np.ctypeslib.ndpointer(np.uint8), c_size_t)
    for data in (b"\x01\x02", bytearray(b"\x01\x02"), memoryview(b"\x01\x02"), np.array([1, 2], dtype=np.uint8)):
        assert total(data, 2) == 3


def test_pointers(native: Callable[..., Any], add_one: Any) -> None:
    itself = native("itself", c_void_p, c_void_p)
    cell = c_int64(5)
    address = ctypes.addressof(cell)
    assert itself(None) == 0
    assert itself(address) == address
    assert itself(cell) == address
    assert itself(ctypes.pointer(cell)) == address
    assert itself(ctypes.cast(ctypes.pointer(cell), c_void_p)) == address
    add_one(ctypes.pointer(cell))
    add_one(address)
    assert cell.value == 7
    with pytest.raises(TypeError, match="which points to something else"):
        add_one(ctypes.pointer(c_double()))
    with pytest.raises(TypeError, match=r"argument 1 \(int64\*\) of add_one is an array .*, an address or None, not "):
        add_one(ctypes.byref(cell))
    with pytest.raises(OverflowError, match="out of range: -1"):
        itself(-1)


def test_arrays_that_do_not_fit(pair: pr.Runtime, axpy: Any) -> None:
    x = np.arange(4.0)
    frozen = np.ones(4)
    frozen.flags.writeable = False
    for bad, error, message in (
        (
            np.ones(4, dtype=np.float32),
            TypeError,
            r"argument 4 \(float64\*\) of axpy is an array of float64, not float32",
        ),
        (np.ones(4, dtype=">f8"), TypeError, "array of float64, not format '>d'"),
        (np.ones(4, dtype=complex), TypeError, "array of float64, not format 'Zd'"),
        (np.ones(8)[::2], ValueError, r"argument 4 \(float64\*\) of axpy is an array that is not contiguous"),
        (
            frozen,
            ValueError,
            r"argument 4 \(float64\*\) of axpy is written by the function, but the array is read-only",
        ),
        ([1.0], TypeError, r"an address or None, not \[1.0\]"),
        ("text", TypeError, "an address or None, not 'text'"),
        (True, TypeError, "an address or None, not True"),
    ):
        with pytest.raises(error, match=message):
            pair.spawn(axpy, 4, 1.0, x, bad)
    assert pair.stats()["spawned"] == 0


def test_an_array_lives_until_its_task_is_done(pair: pr.Runtime, add_one: Any) -> None:
    gate = threading.Event()
    first = pair.spawn(gate.wait)
    target = np.zeros(1, dtype=np.int64)
    seen = weakref.ref(target)
    task = pair.spawn(add_one, target, after=first)
    del target
    gc.collect()
    assert seen() is not None
    gate.set()
    task.result()
    pair.wait()
    assert seen() is None


def test_a_buffer_cannot_be_resized_meanwhile(pair: pr.Runtime, native: Callable[..., Any]) -> None:
    total = native("sum8", c_int64, POINTER(c_uint8), c_size_t)
    gate = threading.Event()
    data = bytearray(b"\x01\x02")
    task = pair.spawn(total, data, 2, after=pair.spawn(gate.wait))
    with pytest.raises(BufferError):
        data.append(0)
    gate.set()
    assert task.result() == 3
    pair.wait()
    data.append(0)


def test_cancelled_tasks_let_go(pair: pr.Runtime, add_one: Any, axpy: Any) -> None:
    gate = threading.Event()

    def fail() -> None:
        gate.wait()
        raise ValueError

    failing = pair.spawn(fail)
    target = np.zeros(4)
    count = np.zeros(1, dtype=np.int64)
    seen = [weakref.ref(target), weakref.ref(count)]
    pair.spawn(axpy, 4, 1.0, target, target, after=failing)
    pair.spawn(add_one, count, after=failing)
    del target, count
    gate.set()
    with pytest.raises(ExceptionGroup):
        pair.wait()
    gc.collect()
    assert [one() for one in seen] == [None, None]


def test_failed_spawns_let_go(pair: pr.Runtime, axpy: Any) -> None:
    x = np.zeros(4)
    seen = weakref.ref(x)
    before = pair.stats()["live_blocks"]
    with pytest.raises(TypeError):
        pair.spawn(axpy, 4, 1.0, x, "no array")
    with pytest.raises(TypeError):
        pair.spawn(axpy, 4, 1.0, x, x, after=5)
    del x
    assert seen() is None
    assert pair.stats()["live_blocks"] == before


class FakeCfunc:
    """What pr.native looks at in a Numba cfunc."""

    def __init__(self, address: int) -> None:
        self.address = address
        self._sig = SimpleNamespace(return_type="int64", args=("int64",))


def test_the_function_lives_until_its_tasks_are_done(pair: pr.Runtime, increment: Any) -> None:
    gate = threading.Event()
    first = pair.spawn(gate.wait)
    owner = FakeCfunc(increment.address)
    seen = weakref.ref(owner)
    function = pr.native(owner)
    tasks = [pair.spawn(function, 1, after=first) for _ in range(3000)]  # more than one stock of references
    del owner, function
    gc.collect()
    assert seen() is not None
    gate.set()
    assert {task.result() for task in tasks} == {2}
    pair.wait()
    gc.collect()
    assert seen() is None


def test_conversions_may_run_any_code(pair: pr.Runtime, increment: Any) -> None:
    class Busy:
        def __index__(self) -> int:
            return pair.spawn(increment, 4).result()

    class Broken:
        def __index__(self) -> int:
            raise LookupError

    assert pair.spawn(increment, Busy()).result() == 6
    with pytest.raises(LookupError):
        pair.spawn(increment, Broken())
