"""Fills the tables of the documentation from the committed samples.

    python -m bench.render [--check]

Between `<!-- bench:GROUP -->` and `<!-- /bench:GROUP -->` stands the table of bench/results/GROUP.csv. With --check
nothing is written, and the exit code is 1 if a page is out of date.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from bench.comparison.programs import RESULTS, ROOT, make_groups
from bench.comparison.samples import read_csv
from bench.comparison.summary import summarise
from bench.comparison.table import markdown_table

PAGES = (ROOT / "docs/benchmarks.md", ROOT / "README.md")

_MARKED = re.compile(r"(<!-- bench:(\w+) -->\n).*?(<!-- /bench:\2 -->)", re.DOTALL)


def render(text: str, results: Path = RESULTS) -> str:
    """The text with every marked table made anew. Raises KeyError for a group that does not exist."""
    groups = {group.name: group for group in make_groups(ROOT / "build/release")}

    def table(match: re.Match[str]) -> str:
        opening, name, closing = match.groups()
        machine, samples = read_csv(results / f"{name}.csv")
        return f"{opening}\n{markdown_table(summarise(groups[name], samples), machine)}\n\n{closing}"

    return _MARKED.sub(table, text)


def main() -> int:
    parser = argparse.ArgumentParser(description="Fill the tables of the documentation from bench/results.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is out of date")
    arguments = parser.parse_args()

    stale = []
    for page in PAGES:
        before = page.read_text(encoding="utf-8")
        after = render(before)
        if after != before:
            stale.append(page)
            if not arguments.check:
                page.write_text(after, encoding="utf-8")
    for page in stale:
        print(f"{page.relative_to(ROOT)} {'is out of date' if arguments.check else 'is brought up to date'}")
    return 1 if stale and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
