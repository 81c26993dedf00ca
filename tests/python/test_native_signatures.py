"""Where the signature of a native body comes from, and that every one is called as C does."""

from __future__ import annotations

import ctypes
import random
from ctypes import POINTER, c_char_p, c_double, c_int, c_int64, c_void_p
from typing import Any

import numpy as np
import polyreme as pr
import pytest
from native_library import FUNCTIONS, compile_library, declare
from polyreme._native_signature import parse_signature, parse_type

new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype, new_capsule.argtypes = ctypes.py_object, [c_void_p, c_char_p, c_void_p]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return compile_library(FUNCTIONS, tmp_path_factory.mktemp("native"))


def address_of(function: Any) -> int:
    return ctypes.cast(function, c_void_p).value or 0


# ---- every shape of a call

C_TYPES = {
    "bool": "bool",
    **{f"{sign}int{bits}": f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float32": "float",
    "float64": "double",
    "void*": "void *",
}


def test_random_signatures(tmp_path: Any, pair: pr.Runtime) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    kinds = list(C_TYPES)
    signatures = [[rng.choice(kinds) for _ in range(count)] for count in range(17) for _ in range(4)]
    signatures += [["float64"] * 16, ["float32"] * 16, ["int64"] * 16, ["int8"] * 16, ["float64", "int32"] * 8]
    results = [rng.choice([kind for kind in kinds if kind != "void*"]) for _ in signatures]
    source = ["#include <stdbool.h>", "#include <stdint.h>"]
    for number, (kind, signature) in enumerate(zip(results, signatures, strict=True)):
        parameters = ", ".join(f"{C_TYPES[one]} a{i}" for i, one in enumerate(signature)) or "void"
        total = " + ".join(f"{i + 1} * (double){cast(one)}a{i}" for i, one in enumerate(signature)) or "0"
        source.append(f"double total{number}({parameters}) {{ return {total}; }}")
        source.append(f"{C_TYPES[kind]} last{number}({parameters}) {{ return ({C_TYPES[kind]})({total}); }}")
    library = compile_library("\n".join(source), tmp_path, "random")
    for number, (kind, signature) in enumerate(zip(results, signatures, strict=True)):
        arguments = [value_of(one, rng) for one in signature]
        expected = float(sum((i + 1) * argument for i, argument in enumerate(arguments)))
        text = f"({', '.join(signature)})"
        total = pr.native(address_of(library[f"total{number}"]), "double" + text, name=f"total{number}")
        assert total(*arguments) == expected, (total, arguments)
        assert pair.spawn(total, *arguments).result() == expected
        last = pr.native(address_of(library[f"last{number}"]), kind + text)
        if kind.startswith("float"):
            assert last(*arguments) == np.dtype(kind).type(expected)
        elif kind != "bool" and 0 <= expected <= np.iinfo(kind).max:
            assert last(*arguments) == int(expected)
    function = pr.native(address_of(library["total0"]), "double()")
    assert repr(function).startswith("<NativeFunction 0x")
    assert repr(function).endswith(": float64()>")


def cast(kind: str) -> str:
    return "(uintptr_t)" if kind == "void*" else ""


def value_of(kind: str, rng: random.Random) -> Any:
    if kind == "bool":
        return rng.random() < 0.5
    if kind.startswith("float"):
        return rng.randrange(-1000, 1000) / 4
    limits = np.iinfo("uint32" if kind == "void*" else kind)
    return rng.randrange(max(int(limits.min), -(2**40)), min(int(limits.max), 2**40) + 1)


def test_too_many_parameters(library: ctypes.CDLL) -> None:
    with pytest.raises(ValueError, match="has 17 parameters; native functions have at most 16"):
        pr.native(address_of(library.half), f"void({', '.join(['int'] * 17)})")


# ---- text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("double(double, int64)", "float64(float64, int64)"),
        ("double (double *, size_t n)", "float64(float64*, uint64)"),
        ("void (void)", "void()"),
        ("void()", "void()"),
        ("int(const double *x, double const *y)", "int32(const float64*, const float64*)"),
        (
            "unsigned long long int (unsigned char, long int, short, signed char, char)",
            "uint64(uint8, int64, int16, int8, int8)",
        ),
        ("float32(float64*, void*, boolean)", "float32(float64*, void*, bool)"),
        ("none(intp)", "void(int64)"),
        ("char *(char **, int[], double x[3], struct point *p)", "int8*(void*, int32*, float64*, void*)"),
        ("__pyx_t_5numpy_float64_t (__pyx_t_5numpy_int32_t, npy_intp)", "float64(int32, int64)"),
        ("double (double, int __pyx_skip_dispatch)", "float64(float64, int32)"),
        ("double (double) noexcept nogil", "float64(float64)"),
    ],
)
def test_signatures(text: str, expected: str) -> None:
    assert str(parse_signature(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "double",
        "double(",
        "(double)",
        "double(double,)",
        "double(double double)",
        "1(2)",
        "double(void)(int)",
        "double(int, void)",
        "int(int (*)(int))",
    ],
)
def test_texts_that_are_no_signatures(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no (signature|type)"):
        pr.native(4096, text)


@pytest.mark.parametrize(
    "text", ["PyObject *(int)", "void(PyObject *)", "float complex(int)", "void(point p)", "int(int, ...)"]
)
def test_types_that_native_functions_do_not_have(text: str) -> None:
    with pytest.raises((TypeError, ValueError), match=r"signature|type|number of arguments"):
        pr.native(4096, text)


def test_names_of_numpy_types_are_types() -> None:
    for name in ("int8", "uint16", "float32", "float64", "bool"):
        assert parse_type(name) == name


# ---- ctypes


def test_what_ctypes_says(library: ctypes.CDLL) -> None:
    pointer = np.ctypeslib.ndpointer
    axpy = declare(
        library, "axpy", None, c_int64, c_double, pointer(np.float64), pointer(np.float64, flags="C,WRITEABLE")
    )
    function = pr.native(axpy)
    assert repr(function) == "<NativeFunction axpy: void(int64, float64, const float64*, float64*)>"
    assert function.signature == "void(int64, float64, const float64*, float64*)"
    assert function.__name__ == "axpy"
    assert function.address == address_of(axpy)
    assert pr.native(function) is function
    assert repr(pr.native(axpy, name="mine")).startswith("<NativeFunction mine: ")


def test_what_ctypes_does_not_say(library: ctypes.CDLL) -> None:
    other = ctypes.CDLL(library._name)
    with pytest.raises(TypeError, match=r"half has no argtypes; set them, and restype: lib.half.argtypes = "):
        pr.native(other.half)
    with pytest.raises(TypeError, match=r"argtypes\[0\] of half is <class 'ctypes.py_object'>"):
        pr.native(declare(other, "half", None, ctypes.py_object))
    with pytest.raises(TypeError, match="restype of half is <function"):
        pr.native(declare(other, "half", lambda x: x, c_double))

    class Point(ctypes.Structure):
        _fields_ = (("x", c_double),)

    with pytest.raises(TypeError, match=r"argtypes\[0\] of half is .*Point"):
        pr.native(declare(other, "half", None, Point))
    assert pr.native(declare(other, "half", None, POINTER(Point))).signature == "void(void*)"
    half = declare(other, "half", c_double, c_double)
    half.errcheck = lambda *_: None
    with pytest.raises(ValueError, match="half has an errcheck"):
        pr.native(half)
    del half.errcheck
    with pytest.raises(ValueError, match="has a signature of its own"):
        pr.native(half, "double(double)")
    held = ctypes.PyDLL(library._name)
    with pytest.raises(ValueError, match="with the interpreter held"):
        pr.native(declare(held, "half", c_double, c_double))


def test_callbacks_of_ctypes_take_the_interpreter_themselves(pair: pr.Runtime) -> None:
    prototype = ctypes.CFUNCTYPE(c_int, c_int, c_int)
    add = pr.native(prototype(lambda x, y: x + y))
    assert pair.spawn(add, pair.spawn(add, 1, 2), 3).result() == 6
    assert add(4, 5) == 9


# ---- capsules, addresses, others


def test_capsules(library: ctypes.CDLL) -> None:
    named = b"double (double)"
    assert pr.native(new_capsule(address_of(library.half), named, None))(3.0) == 1.5
    plain = new_capsule(address_of(library.half), None, None)
    assert pr.native(plain, "double(double)")(3.0) == 1.5
    with pytest.raises(TypeError, match="does not say its signature; give one"):
        pr.native(plain)
    other = b"some.module.name"
    capsule = new_capsule(address_of(library.half), other, None)
    assert pr.native(capsule, "double(double)").__name__ == "some.module.name"
    assert pr.native(capsule, "double(double)", name="half").__name__ == "half"


def test_addresses(library: ctypes.CDLL) -> None:
    address = address_of(library.half)
    assert pr.native(address, "double(double)")(3.0) == 1.5
    with pytest.raises(TypeError, match="does not say its signature"):
        pr.native(address)
    for bad in (0, -1, 2**64):
        with pytest.raises(ValueError, match=f"{bad} is no address of a function"):
            pr.native(bad, "double(double)")


@pytest.mark.parametrize("thing", [None, "name", 1.5, object(), True, int, print])
def test_what_is_no_native_function(thing: Any) -> None:
    with pytest.raises(TypeError, match="takes a ctypes function, a Numba cfunc, a PyCapsule or an address"):
        pr.native(thing, "void()")


def test_bad_options(library: ctypes.CDLL) -> None:
    with pytest.raises(TypeError, match="name= is a str, not 5"):
        pr.native(address_of(library.half), "void()", name=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="signature= is a str"):
        pr.native(address_of(library.half), 5)  # type: ignore[arg-type]


def test_numba(pair: pr.Runtime) -> None:
    numba = pytest.importorskip("numba")
    types = numba.types

    @numba.cfunc(types.float64(types.float64, types.int64))
    def power(x: float, n: int) -> float:
        return x**n

    @numba.cfunc(types.void(types.CPointer(types.float64), types.intp))
    def fill(out: Any, n: int) -> None:
        for i in range(n):
            out[i] = i

    function = pr.native(power)
    assert repr(function) == "<NativeFunction power: float64(float64, int64)>"
    assert pair.spawn(function, pair.spawn(function, 2.0, 3), 2).result() == 64.0
    data = np.zeros(4)
    pair.spawn(pr.native(fill), data, 4).result()
    assert data.tolist() == [0.0, 1.0, 2.0, 3.0]

    with pytest.raises(TypeError, match=r"compile it with numba.cfunc\(signature\)"):
        pr.native(numba.njit(lambda x: x))


def test_scipy(pair: pr.Runtime) -> None:
    special = pytest.importorskip("scipy.special.cython_special")
    j1 = pr.native(special.__pyx_capi__["j1"])
    assert pair.spawn(j1, 0.5, 0).result() == special.j1(0.5)
