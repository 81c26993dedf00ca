"""The code blocks of a Markdown page, each with the output that the page states for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block. `line` is that of its first line of code, from 1."""

    page: Path
    line: int
    language: str
    code: str
    expected: str | None

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page in order. A `text` block right after another one is that one's expected output."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end_of_last = -1
    for match in _FENCED.finditer(text):
        language, code = match.groups()
        between = text[end_of_last : match.start()] if end_of_last >= 0 else "no block before"
        end_of_last = match.end()
        if language == "text":
            if found and not between.strip() and found[-1].expected is None:
                last = found[-1]
                found[-1] = Block(last.page, last.line, last.language, last.code, code)
            continue
        line = text.count("\n", 0, match.start()) + 2
        found.append(Block(page, line, language, code, None))
    return found
