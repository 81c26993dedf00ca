"""Signatures of C functions in text: in C, as Cython names capsules by them, and in Numba's and NumPy's names."""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

__all__ = ["Signature", "parse_signature", "parse_type"]


class Signature(NamedTuple):
    """Types as the compiled half names them: "float64", "void", "const float64*"."""

    result: str
    parameters: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.result}({', '.join(self.parameters)})"


def integer(code: str) -> str:
    """Return the name of the integer with this code of the struct module: "int64" for "q"."""
    return ("int" if code.islower() else "uint") + str(8 * struct.calcsize(code))


_EXACT = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
_PLAIN = {"short": "h", "int": "i", "long": "l", "long long": "q"}
_KNOWN = {
    **{name: name for name in ("void", *_EXACT)},
    **{f"{name}_t": name for name in _EXACT},
    **{f"npy_{name}": name for name in _EXACT},
    **{name: integer(code) for name, code in _PLAIN.items()},
    **{f"signed {name}": integer(code) for name, code in _PLAIN.items()},
    **{f"unsigned {name}": integer(code.upper()) for name, code in _PLAIN.items()},
    "none": "void",
    "_Bool": "bool",
    "boolean": "bool",
    "bint": integer("i"),  # Cython's
    "char": "int8",
    "signed char": "int8",
    "unsigned char": "uint8",
    "signed": integer("i"),
    "unsigned": integer("I"),
    "float": "float32",
    "double": "float64",
    "size_t": integer("N"),
    "ssize_t": integer("n"),
    "Py_ssize_t": integer("n"),
    **dict.fromkeys(("intptr_t", "ptrdiff_t", "intp", "npy_intp"), integer("n")),
    **dict.fromkeys(("uintptr_t", "uintp", "npy_uintp"), integer("N")),
}
_IGNORED = {"volatile", "restrict", "__restrict", "struct"}
_TOKEN = re.compile(r"\s*([A-Za-z_]\w*|\*|\[\d*\]|\S)")
_NUMPY_IN_CYTHON = re.compile(r"__pyx_t_\d+numpy_(\w+)")


def parse_type(text: str, *, result: bool = False) -> str:
    """Read one type, with or without the name of a parameter: "const double *x".

    Raises:
        TypeError: a type that a native function cannot have.
        ValueError: the text is no type.
    """
    tokens = [token for token in _TOKEN.findall(text) if token not in _IGNORED]
    words, rest = _split(tokens)
    stars = sum(token == "*" or token.startswith("[") for token in rest)
    left = [token for token in rest if token != "*" and token != "const" and not token.startswith("[")]
    named = len(left) == 1 and not result and left[0].isidentifier() and left[0] not in _WORDS
    if not words or not (named or not left):
        message = f"{text!r} is no type of C; examples are double, int64, const float *"
        raise ValueError(message)
    base = _base(words, text, pointer=stars > 0, named=named)
    if stars == 0:
        if base == "void" and not result:
            message = f"{text!r} is no type of a parameter"
            raise ValueError(message)
        return base
    if stars > 1:
        return "void*"
    return f"{'const ' if 'const' in tokens and not result else ''}{base}*"


def _split(tokens: list[str]) -> tuple[list[str], list[str]]:
    """Split into the words of the type and what follows them."""
    words: list[str] = []
    for position, token in enumerate(tokens):
        if token == "const":
            continue
        if not token.isidentifier() or (words and " ".join([*words, token]) not in _BEGINNINGS):
            return words, tokens[position:]
        words.append(token)
    return words, []


def _base(words: list[str], text: str, *, pointer: bool, named: bool) -> str:
    name = " ".join(words)
    in_cython = _NUMPY_IN_CYTHON.fullmatch(name)
    known = _KNOWN.get(in_cython[1] if in_cython else name)
    if known is not None:
        return known
    if "Object" in name or not (pointer or named):
        message = f"{text!r} in the signature: a native function takes and returns numbers, bool and pointers to data"
        raise TypeError(message)
    if pointer:
        return "void"  # to something that only C knows
    message = f"{text!r} in the signature: unknown type {name!r}; examples are double, int64, const float *"
    raise TypeError(message)


# "unsigned int" may go on as "long int" may: every beginning of a known name, and the forms with "int" at the end.
for _name in ("short", "long", "long long"):
    for _sign in ("", "signed ", "unsigned "):
        _KNOWN[f"{_sign}{_name} int"] = _KNOWN[f"{_sign}{_name}"]
_WORDS = {word for name in _KNOWN for word in name.split(" ")} | {"complex"}
_BEGINNINGS = {" ".join(_name.split(" ")[:_end]) for _name in _KNOWN for _end in range(1, 5)}


def parse_signature(text: str) -> Signature:
    """Read "double(double, int64)" or "double (double *, size_t n)".

    Raises:
        TypeError: a type that a native function cannot have.
        ValueError: the text is no signature.
    """
    match = re.fullmatch(r"\s*([^()]+)\(([^()]*)\)\s*(?:noexcept|nogil|\s)*", text)
    if match is None:
        message = (
            f'{text!r} is no signature of a C function; examples are "double(double, int64)", "void(float *, size_t)"'
        )
        raise ValueError(message)
    result, inside = match[1], match[2].strip()
    parameters = [] if inside in {"", "void"} else inside.split(",")
    if any("..." in parameter for parameter in parameters):
        message = f"{text!r}: functions with any number of arguments are not supported"
        raise TypeError(message)
    return Signature(parse_type(result, result=True), tuple(parse_type(parameter) for parameter in parameters))
