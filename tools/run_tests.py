"""Runs ctest presets and pytest one after the other and adds up what they counted.

The last line is `N passed, N failed`, with `, N skipped` behind it if any were; the exit status is 0 only if tests ran
and none failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "build" / "reports"


@dataclass
class Tally:
    """How the tests of one or several runners ended."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        text = f"{self.passed} passed, {self.failed} failed"
        return f"{text}, {self.skipped} skipped" if self.skipped else text


def read_junit(path: Path) -> Tally:
    """Counts the test cases of a JUnit report, as both ctest and pytest write it."""
    tally = Tally()
    for case in ElementTree.parse(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
            tally.failed += 1
        elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
            tally.skipped += 1
        else:
            tally.passed += 1
    return tally


def run(name: str, command: list[str], report: Path) -> Tally:
    """Runs one runner, which writes its JUnit report, and returns its tally.

    A runner that fails without reporting a failed test (it crashed, or found no test) counts as one failure.
    """
    print(f"==> {name}: {' '.join(command)}", flush=True)
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    started = time.monotonic()
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    tally = read_junit(report) if report.exists() else Tally()
    if status != 0 and tally.failed == 0:
        print(f"{name} ended with status {status} and no failed test", file=sys.stderr)
        tally.failed = 1
    print(f"==> {name}: {tally} in {time.monotonic() - started:.1f} s", flush=True)
    return tally


def run_ctest(preset: str, label: str | None, jobs: int) -> Tally:
    """Runs the tests of build/<preset> whose label matches."""
    report = REPORTS / f"ctest-{preset}.xml"
    command = ["ctest", "--preset", preset, "--parallel", str(jobs), "--output-junit", str(report)]
    if label:
        command += ["--label-regex", label]
    # Address-space randomisation with many bits keeps ThreadSanitizer from mapping its shadow memory.
    without_aslr = ["setarch", "--addr-no-randomize"]
    if preset == "tsan" and subprocess.run([*without_aslr, "true"], check=False).returncode == 0:
        command = without_aslr + command
    return run(f"ctest {preset}", command, report)


def run_pytest(arguments: list[str]) -> Tally:
    """Runs the Python tests against the package that is installed beside this interpreter."""
    report = REPORTS / "pytest.xml"
    command = [sys.executable, "-m", "pytest", f"--junit-xml={report}", *arguments]
    return run("pytest", command, report)


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--ctest", metavar="PRESET", action="append", default=[], help="run the tests of a preset")
    parser.add_argument("--label", metavar="REGEX", help="only the ctest tests with such a label")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="ctest tests at a time")
    parser.add_argument("--pytest", action="store_true", help="run the Python tests")
    parser.add_argument("pytest_arguments", nargs="*", help="handed to pytest")
    options = parser.parse_args()

    total = Tally()
    for preset in options.ctest:
        total += run_ctest(preset, options.label, options.jobs)
    if options.pytest:
        total += run_pytest(options.pytest_arguments)
    print(total)
    return 0 if total.failed == 0 and total.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
