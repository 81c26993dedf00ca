"""The closing line of the test runs counts what the reports of ctest and pytest say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import run_tests
from run_tests import Tally

CTEST = """<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="dev" tests="4" failures="1" disabled="1" skipped="1">
  <testcase name="Graph.cycle" status="run"/>
  <testcase name="Graph.missing" status="fail"><failure message="Failed"/></testcase>
  <testcase name="Graph.later" status="notrun"><skipped message="SKIP_RETURN_CODE=4"/></testcase>
  <testcase name="Graph.off" status="disabled"/>
</testsuite>
"""

PYTEST = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest">
  <testcase name="test_a"/>
  <testcase name="test_b"/>
  <testcase name="test_c"><error message="fixture"/></testcase>
  <testcase name="test_d"><skipped/></testcase>
</testsuite></testsuites>
"""


@pytest.mark.parametrize(
    ("text", "tally"),
    [(CTEST, Tally(passed=1, failed=1, skipped=2)), (PYTEST, Tally(passed=2, failed=1, skipped=1))],
)
def test_reads_junit_reports(tmp_path: Path, text: str, tally: Tally) -> None:
    report = tmp_path / "report.xml"
    report.write_text(text, encoding="utf-8")
    assert run_tests.read_junit(report) == tally


def test_tallies_add_up_to_a_closing_line() -> None:
    total = Tally(passed=3, failed=1) + Tally(passed=4, skipped=2)
    assert str(total) == "7 passed, 1 failed, 2 skipped"
    assert str(Tally(passed=7)) == "7 passed, 0 failed"


def test_a_runner_that_dies_is_a_failure(tmp_path: Path) -> None:
    dies = [sys.executable, "-c", "raise SystemExit(3)"]
    assert run_tests.run("dies", dies, tmp_path / "report.xml") == Tally(failed=1)


def test_a_report_of_an_earlier_run_is_not_counted(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(PYTEST, encoding="utf-8")
    assert run_tests.run("silent", [sys.executable, "-c", ""], report) == Tally()
