"""Small libraries of C functions, compiled for the tests and loaded with ctypes."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import pytest

# Far beyond what a compiler takes on a machine that is not overloaded.
PATIENCE_S = 300.0

FUNCTIONS = """
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void axpy(int64_t n, double a, const double *x, double *y) { for (int64_t i = 0; i < n; ++i) y[i] += a * x[i]; }
double dot(int64_t n, const double *x, const double *y) {
  double sum = 0.0;
  for (int64_t i = 0; i < n; ++i) sum += x[i] * y[i];
  return sum;
}
int64_t sum8(const uint8_t *bytes, size_t n) {
  int64_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += bytes[i];
  return sum;
}
double half(double x) { return x / 2; }
float half_float(float x) { return x / 2; }
double as_double(int64_t x) { return (double)x; }
int64_t increment(int64_t x) { return x + 1; }
bool negate(bool x) { return !x; }
void *itself(void *p) { return p; }
void nothing(void) {}
void add_one(int64_t *p) { *p += 1; }

#define SAME(name, type) type same_##name(type x) { return x; }
SAME(int8, int8_t) SAME(uint8, uint8_t) SAME(int16, int16_t) SAME(uint16, uint16_t)
SAME(int32, int32_t) SAME(uint32, uint32_t) SAME(int64, int64_t) SAME(uint64, uint64_t)

/* Waits until the other side has written a 1, then writes the answer. */
int64_t answer(int64_t *cells) {
  while (__atomic_load_n(&cells[0], __ATOMIC_ACQUIRE) == 0) {}
  __atomic_store_n(&cells[1], 42, __ATOMIC_RELEASE);
  return 42;
}
"""


def compile_library(source: str, folder: Path, name: str = "functions") -> ctypes.CDLL:
    """Compile C source to a shared library and load it. Skips the test if there is no compiler."""
    compiler = shutil.which(os.environ.get("CC") or "cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    unit, library = folder / f"{name}.c", folder / f"lib{name}.so"
    unit.write_text(source, encoding="utf-8")
    step = [compiler, "-std=gnu11", "-O1", "-fPIC", "-shared", str(unit), "-o", str(library)]
    done = subprocess.run(step, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(library))


def declare(library: ctypes.CDLL, name: str, restype: object, *argtypes: object) -> ctypes._CFuncPtr:
    """Return a function of the library, with its types set."""
    function = getattr(library, name)
    function.restype, function.argtypes = restype, argtypes
    return function
