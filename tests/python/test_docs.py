"""The documentation tells the truth: its examples run and print what it says, and its references are complete."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cpp_programs
import polyreme
import pytest
from cpp_names import public_names
from markdown_blocks import Block, blocks_of

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

# Pages whose Python and C++ blocks are programs; in those of the tutorial the shell blocks are, too.
TUTORIAL = sorted((DOCS / "tutorial").glob("*.md"))
PAGES = [ROOT / "README.md", DOCS / "index.md", *TUTORIAL, DOCS / "reference/python.md", DOCS / "reference/cpp.md"]
PYTHON_EXAMPLES = [
    ROOT / "examples" / name for name in ("hello.py", "edit_distance.py", "word_count.py", "failures.py")
]
CPP_EXAMPLES = [ROOT / "examples/cpp" / name for name in ("hello.cpp", "wavefront.cpp", "failures.cpp")]

# Far beyond what anything here takes; reached only if something hangs.
PATIENCE_S = 300.0

# Compilers and many small programs take their time on a busy machine.
pytestmark = pytest.mark.timeout(900)

# Runs the blocks of a page one after the other in one namespace and prints what each of them printed. A block in the
# shell speaks of the files of those before it, so all share a folder.
DRIVER = """
import contextlib, io, json, subprocess, sys
namespace = {"__name__": "__main__"}
outputs = []
for page, line, language, code in json.load(sys.stdin):
    printed = io.StringIO()
    if language == "python":
        with contextlib.redirect_stdout(printed):
            exec(compile("\\n" * (line - 1) + code, page, "exec"), namespace)
    else:
        shell = ["bash", "-euo", "pipefail", "-c", code]
        printed.write(subprocess.run(shell, stdout=subprocess.PIPE, text=True, check=True).stdout)
    outputs.append(printed.getvalue())
json.dump(outputs, sys.stdout)
"""


def lacks_library(block: Block) -> bool:
    """Whether a block shows how to use a library that the tests do without."""
    return "import numba" in block.code and importlib.util.find_spec("numba") is None


def cpp_blocks() -> list[Block]:
    return [block for page in PAGES for block in blocks_of(page) if block.language == "cpp"]


def run_python(arguments: list[str], cwd: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a fresh interpreter that treats warnings as a user sees them, with this one's programs on PATH."""
    scripts = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": os.pathsep.join([scripts, os.environ["PATH"]])}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        input=given,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_run_and_print_what_the_page_says(page: Path, tmp_path: Path) -> None:
    languages = ("python", "sh") if page in TUTORIAL else ("python",)
    blocks = [block for block in blocks_of(page) if block.language in languages and not lacks_library(block)]
    if not blocks:
        return  # a page in prose, or one of C++ only
    given = json.dumps([[str(page), block.line, block.language, block.code] for block in blocks])
    done = run_python(["-c", DRIVER], tmp_path, given)
    assert done.returncode == 0, done.stderr
    for block, printed in zip(blocks, json.loads(done.stdout), strict=True):
        if block.expected is not None:
            assert printed == block.expected, str(block)


@pytest.mark.parametrize("block", cpp_blocks(), ids=str)
def test_cpp_blocks_compile_and_print_what_the_page_says(block: Block, tmp_path: Path) -> None:
    source = tmp_path / "block.cpp"
    source.write_text(block.code, encoding="utf-8")
    cpp_programs.build(source, tmp_path / "block")
    printed = cpp_programs.run(tmp_path / "block", tmp_path)
    if block.expected is not None:
        assert printed == block.expected, str(block)


def stated_output(text: str) -> str:
    """The lines after `Prints:` in the head of an example."""
    match = re.search(r"Prints:\n(?://)?\n((?:(?://)?    .*\n)+)", text)
    assert match, "an example says in its head what it prints"
    return "".join(line.removeprefix("//").removeprefix("    ") for line in match.group(1).splitlines(keepends=True))


@pytest.mark.parametrize("example", PYTHON_EXAMPLES, ids=lambda path: path.name)
def test_python_examples_print_what_they_say(example: Path, tmp_path: Path) -> None:
    done = run_python([str(example)], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == stated_output(example.read_text(encoding="utf-8"))


@pytest.mark.parametrize("example", CPP_EXAMPLES, ids=lambda path: path.name)
def test_cpp_examples_print_what_they_say(example: Path, tmp_path: Path) -> None:
    cpp_programs.build(example, tmp_path / "example")
    printed = cpp_programs.run(tmp_path / "example", tmp_path)
    assert printed == stated_output(example.read_text(encoding="utf-8"))


def code_words(page: Path) -> set[str]:
    """Every identifier that a page shows as code."""
    text = page.read_text(encoding="utf-8")
    code = re.findall(r"^```\w*\n(.*?)^```$|`([^`\n]+)`", text, re.MULTILINE | re.DOTALL)
    return set(re.findall(r"\w+", " ".join(fenced + inline for fenced, inline in code)))


def test_the_python_reference_has_every_public_name() -> None:
    known = code_words(DOCS / "reference/python.md")
    names = set(polyreme.__all__)
    for public_class in (polyreme.Runtime, polyreme.Task, polyreme.Space, polyreme.Slice):
        names |= {name for name in dir(public_class) if not name.startswith("_")}
    assert sorted(names - known) == []


def test_the_cpp_reference_has_every_public_name() -> None:
    known = code_words(DOCS / "reference/cpp.md")
    headers = sorted((ROOT / "include/polyreme").glob("*.hpp"))
    names = set().union(*(public_names(header.read_text(encoding="utf-8")) for header in headers))
    assert {"Runtime", "spawn", "TaskErrors", "kMaxIndices", "stall_warning_s"} <= names, "the headers were misread"
    assert sorted(names - known) == []


LINK = re.compile(r"\[[^\]]*\]\((?!https?://)([^)#\s]*)(#[^)\s]*)?\)")


def anchors(page: Path) -> set[str]:
    """The anchors that forges make of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *sorted(DOCS.rglob("*.md"))], ids=lambda page: str(page.relative_to(ROOT))
)
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for path, anchor in LINK.findall(prose):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{path} of {page.name} is not there"
        if anchor and target.suffix == ".md":
            assert anchor[1:] in anchors(target), f"{path}{anchor} of {page.name} names no heading"


def test_the_tools_of_these_tests_are_there() -> None:
    assert shutil.which("bash")
    assert cpp_programs.compiler()
    assert cpp_programs.engine_library()
