"""Native bodies: what `pr.native` makes of a ctypes function, a Numba cfunc, a capsule or an address."""

from __future__ import annotations

import sys
from typing import Any

from polyreme import _core
from polyreme._native_signature import Signature, parse_signature, parse_type

__all__ = ["native"]


def native(function: object, signature: str | None = None, *, name: str | None = None) -> _core.NativeFunction:
    """Make a C function a body that runs without the interpreter.

    Args:
        function: a ctypes function whose argtypes and restype are set, a Numba `cfunc`, a PyCapsule, or an address.
        signature: of a capsule or an address, in C or NumPy names: "double(double, const double *, int64)". A capsule
            of Cython says its own.
        name: for messages and traces; by default what `function` says.

    The function must not touch Python objects, and must not throw or raise.

    Raises:
        TypeError: `function` is none of these, or its signature is missing or has a type that is no number or pointer.
        ValueError: the signature cannot be read, is given beside one that `function` has, or has more than 16
            parameters.
    """
    if name is not None and not isinstance(name, str):
        message = f"name= is a str, not {name!r}"  # type: ignore[unreachable]
        raise TypeError(message)
    if signature is not None and not isinstance(signature, str):
        message = f'signature= is a str such as "double(double, int64)", not {signature!r}'  # type: ignore[unreachable]
        raise TypeError(message)
    if isinstance(function, _core.NativeFunction):
        return function
    address, own_name, own = _look_into(function, signature)
    if own is not None and signature is not None:
        message = f"{function!r} has a signature of its own, {own}; leave signature= out"
        raise ValueError(message)
    if own is None:
        if signature is None:
            message = f'{function!r} does not say its signature; give one: signature="double(double, int64)"'
            raise TypeError(message)
        own = parse_signature(signature)
    if not 0 < address < 2**64:
        message = f"{function!r}: {address} is no address of a function"
        raise ValueError(message)
    return _core.NativeFunction(address, name or own_name, own.result, own.parameters, function)


def _look_into(function: object, signature: str | None) -> tuple[int, str, Signature | None]:
    """Return the address, a name, and the signature if the function knows it."""
    if type(function).__name__ == "PyCapsule":
        return _look_into_capsule(function, signature)
    # An instance of a ctypes class implies that its module is loaded.
    if "_ctypes" in sys.modules:
        from polyreme import _native_ctypes

        if _native_ctypes.is_function(function):
            return _native_ctypes.look_into(function)
    if isinstance(function, int) and not isinstance(function, bool):
        return function, hex(function), None
    numba_signature = getattr(function, "_sig", None)
    address = getattr(function, "address", None)
    if numba_signature is not None and isinstance(address, int):
        name = getattr(function, "__name__", None) or getattr(function, "native_name", "cfunc")
        return address, str(name), _of_numba(numba_signature)
    message = (
        f"native() takes a ctypes function, a Numba cfunc, a PyCapsule or an address, not {function!r}{_hint(function)}"
    )
    raise TypeError(message)


def _hint(function: object) -> str:
    if hasattr(function, "py_func"):  # Numba's @njit
        return "; compile it with numba.cfunc(signature)"
    if callable(function):
        return "; spawn a Python function as it is"
    return ""


def _of_numba(signature: Any) -> Signature:
    return Signature(
        parse_type(str(signature.return_type), result=True),
        tuple(parse_type(str(argument)) for argument in signature.args),
    )


def _look_into_capsule(capsule: object, signature: str | None) -> tuple[int, str, Signature | None]:
    import ctypes

    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    raw = get_name(capsule)
    address = get_pointer(capsule, raw)
    name = "capsule" if raw is None else raw.decode()
    # Cython, and SciPy after it, name a capsule by the signature of what is in it.
    if signature is None and "(" in name:
        return address, "capsule", parse_signature(name)
    return address, name, None
