"""Shows that the model tests see what they are for.

Each table in tests/model/weakenings/<model>.toml takes one ordering, one look or one step away from the production
code. The model of that name has to fail with it, tests/model/<model>.cpp. Works on copies of the sources in
build/weakenings and closes with `N passed, N failed`.

    tools/check_weakenings.py [MODEL | MODEL.WEAKENING]...      all by default
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "weakenings"
TABLES = ROOT / "tests" / "model" / "weakenings"
COPIED = ("CMakeLists.txt", "CMakePresets.json", "cmake", "include", "src", "tests")
RUN_LIMIT_S = 600

# With less optimisation the programs are built sooner by more than they run longer. What is left after a weakening may
# well be unused.
CONFIGURE = ("--preset", "model", "-DCMAKE_CXX_FLAGS_RELEASE=-O1", "-DPOLYREME_WERROR=OFF")


class NotApplicable(Exception):  # noqa: N818  says what it is
    """A weakening does not fit the sources any more."""


@dataclass(frozen=True)
class Weakening:
    """One change to the production code that a model has to notice."""

    model: str
    name: str
    file: str
    breaks: str
    changes: tuple[tuple[str, str], ...]

    @property
    def title(self) -> str:
        """How the command line and the closing table name it."""
        return f"{self.model}.{self.name}"


def read_table(path: Path) -> list[Weakening]:
    """Reads the weakenings of one model."""
    with path.open("rb") as stream:
        tables = tomllib.load(stream)
    weakenings = []
    for name, table in tables.items():
        changes = tuple((change["from"], change["to"]) for change in table["changes"])
        weakenings.append(Weakening(path.stem, name, table["file"], table["breaks"], changes))
    return weakenings


def read_all() -> list[Weakening]:
    """Reads the weakenings of all models."""
    return [weakening for path in sorted(TABLES.glob("*.toml")) for weakening in read_table(path)]


def pattern_of(text: str) -> re.Pattern[str]:
    """Matches the same C++ tokens however they are laid out, so that formatting does not part it from its code."""
    tokens = re.findall(r"\w+|[^\w\s]", text)
    # A boundary where a word begins or ends: `f` is not found in `ff`.
    parts = [rf"\b{token}\b" if re.match(r"\w", token) else re.escape(token) for token in tokens]
    return re.compile(r"\s*".join(parts))


def weaken(source: str, weakening: Weakening) -> str:
    """Returns the source with the weakening's changes. Each has to fit in exactly one place."""
    for old, new in weakening.changes:
        source, count = pattern_of(old).subn(new.replace("\\", r"\\"), source)
        if count != 1:
            raise NotApplicable(f"{weakening.file} has {count} places, not one, that read: {old}")
    return source


@dataclass(frozen=True)
class Verdict:
    """What became of a model with a weakening."""

    red: bool
    why: str


@dataclass(frozen=True)
class Workshop:
    """A copy of the sources and its build folder, for one weakening at a time."""

    folder: Path

    @property
    def tree(self) -> Path:
        """Where the weakened sources are."""
        return self.folder / "tree"

    @property
    def build(self) -> Path:
        """Where they are built."""
        return self.folder / "build"

    def open(self) -> None:
        """Copies the sources, with their times, so that the build folder of the last run stays good."""
        shutil.rmtree(self.tree, ignore_errors=True)
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *COPIED],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for name in filter(None, listing.split("\0")):
            if not (ROOT / name).is_file():
                continue
            target = self.tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        self._call(["cmake", "-S", str(self.tree), *CONFIGURE, "-B", str(self.build)], self.folder / "configure.log")

    def check(self, weakening: Weakening) -> Verdict:
        """Builds the model with the weakening and runs it."""
        file = self.tree / weakening.file
        source = file.read_text()
        log = self.folder.parent / f"{weakening.title}.log"
        try:
            file.write_text(weaken(source, weakening))
            program = f"polyreme_model_{weakening.model}"
            self._call(["cmake", "--build", str(self.build), "--parallel", "1", "--target", program], log)
            return self._run(self.build / "tests" / program, log)
        except NotApplicable as error:
            return Verdict(False, f"it does not apply: {error}")
        except subprocess.CalledProcessError:
            return Verdict(False, f"it does not compile; see {log}")
        finally:
            file.write_text(source)

    def _call(self, command: list[str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        # What one workshop has compiled, the others find in the cache, if there is one.
        environment = os.environ | {"CCACHE_BASEDIR": str(self.folder), "CCACHE_NOHASHDIR": "true"}
        with log.open("w") as stream:
            subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=stream, stderr=subprocess.STDOUT)

    @staticmethod
    def _run(program: Path, log: Path) -> Verdict:
        with log.open("w") as stream:
            try:
                status = subprocess.run(
                    [str(program)], check=False, timeout=RUN_LIMIT_S, stdout=stream, stderr=subprocess.STDOUT
                ).returncode
            except subprocess.TimeoutExpired:
                return Verdict(False, f"the model found nothing within {RUN_LIMIT_S} s")
        if status == 0:
            return Verdict(False, "the model still passes")
        # A broken structure may well lead the model itself into memory that is not there.
        if status < 0:
            return Verdict(True, signal.Signals(-status).name)
        found = re.search(r"^(.+)\niteration: \d+$", log.read_text(), re.MULTILINE)
        return Verdict(True, found[1]) if found else Verdict(False, f"the model failed without a finding; see {log}")


def chosen(weakenings: list[Weakening], names: list[str]) -> list[Weakening]:
    """Those that the command line names, or all. A name that fits none is an error."""
    for name in names:
        if not any(name in (weakening.model, weakening.title) for weakening in weakenings):
            known = ", ".join(sorted({weakening.model for weakening in weakenings}))
            raise SystemExit(f"there is no weakening or model '{name}'; the models are: {known}")
    return [weakening for weakening in weakenings if not names or {weakening.model, weakening.title} & set(names)]


def main() -> int:
    """Runs the weakenings that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="MODEL[.WEAKENING]", help="what to check; all by default")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many to check at a time")
    arguments = parser.parse_args()
    weakenings = chosen(read_all(), arguments.names)

    jobs = max(1, min(arguments.jobs, len(weakenings)))
    workshops: queue.SimpleQueue[Workshop] = queue.SimpleQueue()
    for number in range(jobs):
        workshop = Workshop(WORK / str(number))
        workshop.open()
        workshops.put(workshop)

    def check(weakening: Weakening) -> tuple[Verdict, float]:
        workshop = workshops.get()
        started = time.monotonic()
        try:
            return workshop.check(weakening), time.monotonic() - started
        finally:
            workshops.put(workshop)

    failed = 0
    with ThreadPoolExecutor(jobs) as pool:
        for weakening, (verdict, seconds) in zip(weakenings, pool.map(check, weakenings), strict=True):
            color = "red" if verdict.red else "NOT CAUGHT"
            print(f"{weakening.title:<45} {seconds:6.1f} s  {color}: {verdict.why}", flush=True)
            failed += not verdict.red
    print(f"{len(weakenings) - failed} passed, {failed} failed")
    return 1 if failed or not weakenings else 0


if __name__ == "__main__":
    sys.exit(main())
