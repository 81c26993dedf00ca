"""The public names that a C++ header of this project declares.

No parser of C++, but enough of one for headers that are formatted as this project's are: types, functions, constants
and members at the scope of namespace polyreme and in the public parts of its classes. Other namespaces do not count.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|^[ \t]*#[^\n]*", re.DOTALL | re.MULTILINE)
_TEXT = re.compile(r'"(?:\\.|[^"\\])*"')
_TYPE = re.compile(r"\b(class|struct|enum class)\s+(\w+)[^()=]*$")
_NAMESPACE = re.compile(r"\bnamespace\s+([\w:]*)\s*$")
_TEMPLATE = re.compile(r"\btemplate\s*<[^<>]*(?:<[^<>]*>[^<>]*)*>")
_ACCESS = re.compile(r"\b(public|private|protected)\s*:(?!:)")
_REQUIRES = re.compile(r"\brequires\s*(?:\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)|[\w:]+<[^;{]*?>(?=\s))")
_ANGLES = re.compile(r"<[^<>]*>")
_FUNCTION = re.compile(r"([~\w]+)\s*\(")
_VARIABLE = re.compile(r"(\w+)\s*$")
_NO_DECLARATIONS = ("friend ", "extern ", "static_assert", "return ", "using ")


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Split at the braces and semicolons outside parentheses: (what stands before, what ends it)."""
    start = depth = 0
    for match in re.finditer(r"[(){};]", text):
        mark = match.group()
        if mark in "()":
            depth += 1 if mark == "(" else -1
        elif depth == 0:
            yield text[start : match.start()], mark
            start = match.end()


def _declared(statement: str) -> str | None:
    """Return the name that a statement declares, None if it declares none or only an operator."""
    plain = _REQUIRES.sub(" ", _TEMPLATE.sub(" ", statement)).strip()
    using = re.match(r"using\s+(\w+)\s*=", plain)
    if using:
        return using.group(1)
    if not plain or plain.startswith(_NO_DECLARATIONS) or "operator" in plain:
        return None
    while (shorter := _ANGLES.sub("", plain)) != plain:
        plain = shorter
    head = re.sub(r"\[\[.*?\]\]", "", plain).split("=")[0]
    found = _FUNCTION.search(head) or _VARIABLE.search(head)
    return found.group(1) if found else None


def public_names(header: str) -> set[str]:
    """Return the public names of a header's text. Constructors, destructors and operators do not count."""
    text = _TEXT.sub('""', _COMMENT.sub("", header))
    names: set[str] = set()
    # Each open brace: what it belongs to, and whether declarations in it are public.
    scopes: list[tuple[str, bool]] = []
    for before, mark in _pieces(text):
        statement = before
        for label in _ACCESS.finditer(before):
            if scopes and scopes[-1][0] == "type":
                scopes[-1] = ("type", label.group(1) == "public")
            statement = before[label.end() :]
        visible = all(public and kind != "body" for kind, public in scopes)
        if mark == "}":
            if scopes:
                scopes.pop()
            continue
        name = _declared(statement)
        if mark == ";":
            if visible and name is not None:
                names.add(name)
            continue
        namespace = _NAMESPACE.search(statement)
        declares = _TYPE.search(_TEMPLATE.sub("", statement))
        if namespace:
            scopes.append(("namespace", namespace.group(1) in ("", "polyreme")))
        elif declares:
            kind, type_name = declares.groups()
            if visible:
                names.add(type_name)
            scopes.append(("type" if kind != "enum class" else "body", kind != "class"))
        else:
            if visible and name is not None:
                names.add(name)
            scopes.append(("body", False))
    return {name for name in names if re.fullmatch(r"[A-Za-z]\w*", name)}
