"""The four tile kernels of a blocked Cholesky factorisation, from SciPy's BLAS and LAPACK, without the GIL.

SciPy's ordinary wrappers hold the GIL as long as a kernel runs, so no two of them overlap. SciPy also offers the plain
function pointers to Cython; called through ctypes, which lets go of the GIL, they run side by side.

All tiles are float64 in Fortran order, views into a larger matrix included, and are changed in place.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.linalg.cython_blas
import scipy.linalg.cython_lapack

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    Tile = NDArray[np.float64]


def _kernel(module: ModuleType, name: str) -> Any:
    """The C function that a Cython module exports under this name; every argument is an address."""
    capsule = module.__pyx_capi__[name]
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address = api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule))
    return ctypes.CFUNCTYPE(None)(address)


_dpotrf = _kernel(scipy.linalg.cython_lapack, "dpotrf")
_dtrsm = _kernel(scipy.linalg.cython_blas, "dtrsm")
_dsyrk = _kernel(scipy.linalg.cython_blas, "dsyrk")
_dgemm = _kernel(scipy.linalg.cython_blas, "dgemm")

_ONE = ctypes.byref(ctypes.c_double(1.0))
_MINUS_ONE = ctypes.byref(ctypes.c_double(-1.0))


def _int(value: int) -> Any:
    return ctypes.byref(ctypes.c_int(value))


def _data(tile: Tile) -> ctypes.c_void_p:
    return ctypes.c_void_p(tile.ctypes.data)


def _leading(tile: Tile) -> Any:
    """The distance between two columns, in elements."""
    return _int(tile.strides[1] // tile.itemsize)


def potrf(a: Tile) -> None:
    """Factorise a diagonal tile: the lower triangle of `a` becomes L with L @ L.T == a.

    Raises numpy.linalg.LinAlgError if `a` is not positive definite.
    """
    info = ctypes.c_int()
    _dpotrf(b"L", _int(a.shape[0]), _data(a), _leading(a), ctypes.byref(info))
    if info.value != 0:
        raise np.linalg.LinAlgError(f"the matrix is not positive definite: minor {info.value} of a diagonal tile")


def trsm(factor: Tile, a: Tile) -> None:
    """Solve for a tile below a factorised one: a = a @ inv(factor).T."""
    rows, columns = a.shape
    _dtrsm(
        b"R", b"L", b"T", b"N", _int(rows), _int(columns), _ONE, _data(factor), _leading(factor), _data(a), _leading(a)
    )  # fmt: skip


def syrk(a: Tile, c: Tile) -> None:
    """Update the lower triangle of a diagonal tile: c -= a @ a.T."""
    rows, inner = a.shape
    _dsyrk(b"L", b"N", _int(rows), _int(inner), _MINUS_ONE, _data(a), _leading(a), _ONE, _data(c), _leading(c))


def gemm(a: Tile, b: Tile, c: Tile) -> None:
    """Update any other tile: c -= a @ b.T."""
    (rows, inner), columns = a.shape, b.shape[0]
    _dgemm(
        b"N", b"T", _int(rows), _int(columns), _int(inner),
        _MINUS_ONE, _data(a), _leading(a), _data(b), _leading(b), _ONE, _data(c), _leading(c),
    )  # fmt: skip
