"""What ctypes knows of its functions. Loaded only once ctypes is."""

from __future__ import annotations

import ctypes
from typing import Any

from polyreme._native_signature import Signature, integer

__all__ = ["is_function", "look_into"]

# The bases of all functions, numbers and pointers; ctypes has no public names for them.
_Function: type = ctypes.CFUNCTYPE(None).__mro__[1]
_Number: type = ctypes.c_int.__mro__[1]
_Pointer: type = ctypes.POINTER(ctypes.c_int).__mro__[1]

_FUNCFLAG_PYTHONAPI = 4  # of ctypes.pythonapi and PyDLL
_NPY_ARRAY_WRITEABLE = 0x400


def is_function(function: object) -> bool:
    """Whether this is a function of ctypes, of a library or made of a prototype."""
    return isinstance(function, _Function)


def look_into(function: Any) -> tuple[int, str, Signature]:
    """Return the address, the name and the signature of a ctypes function.

    Raises:
        TypeError: argtypes is not set, or a type is neither a number nor a pointer to data.
        ValueError: the function needs the interpreter.
    """
    name = getattr(function, "__name__", "function")
    address = ctypes.cast(function, ctypes.c_void_p).value or 0
    if function._flags_ & _FUNCFLAG_PYTHONAPI:
        message = f"{name} is called with the interpreter held (PyDLL), which a native body is not; load it with CDLL"
        raise ValueError(message)
    if function.errcheck is not None:
        message = (
            f"{name} has an errcheck, a Python function that nobody would call; delete it: del lib.{name}.errcheck"
        )
        raise ValueError(message)
    argtypes = function.argtypes
    if argtypes is None:
        message = f"{name} has no argtypes; set them, and restype: lib.{name}.argtypes = [ctypes.c_double, ...]"
        raise TypeError(message)
    restype = function.restype
    result = "void" if restype is None else _name_of(restype, f"restype of {name}")
    parameters = tuple(_name_of(one, f"argtypes[{index}] of {name}") for index, one in enumerate(argtypes))
    return address, name, Signature("void*" if result.endswith("*") else result, parameters)


def _name_of(kind: Any, where: str) -> str:
    if hasattr(kind, "_dtype_"):  # numpy.ctypeslib.ndpointer
        return _of_ndpointer(kind)
    if _is_kind_of(kind, _Number):
        if (name := _simple(kind._type_)) is not None:
            return name
    elif _is_kind_of(kind, _Pointer) or _is_kind_of(kind, ctypes.Array):
        return f"{_element(kind._type_)}*"
    elif _is_kind_of(kind, _Function):
        return "void*"
    message = f"{where} is {kind!r}; a native function takes and returns numbers, bool and pointers to data"
    raise TypeError(message)


def _is_kind_of(kind: object, base: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)


def _simple(code: str) -> str | None:
    if code in "bBhHiIlLqQ":
        return integer(code)
    return {"?": "bool", "c": "int8", "f": "float32", "d": "float64", "P": "void*", "z": "const void*"}.get(code)


def _element(kind: Any) -> str:
    """Name what a pointer points to; "void" is anything, pointers and structures too."""
    name = _simple(kind._type_) if _is_kind_of(kind, _Number) else None
    return "void" if name is None or name.endswith("*") else name


def _of_ndpointer(kind: Any) -> str:
    writable = bool((kind._flags_ or 0) & _NPY_ARRAY_WRITEABLE)
    dtype = kind._dtype_
    name = "void" if dtype is None or not dtype.isnative or dtype.kind not in "?biuf" else str(dtype.name)
    if name in {"float16", "longdouble", "float128", "float96"}:
        name = "void"
    return f"{'' if writable else 'const '}{name}*"
