"""The weakenings fit the sources, whatever their layout, and the tool refuses those that do not."""

from __future__ import annotations

from pathlib import Path

import check_weakenings
import pytest
from check_weakenings import Weakening

ROOT = Path(__file__).resolve().parents[3]


def weakening(*changes: tuple[str, str]) -> Weakening:
    return Weakening("model", "name", "file.hpp", "something", changes)


@pytest.mark.parametrize("known", check_weakenings.read_all(), ids=lambda known: known.title)
def test_each_weakening_fits_the_sources_and_has_a_model(known: Weakening) -> None:
    assert (ROOT / "tests" / "model" / f"{known.model}.cpp").is_file()
    source = (ROOT / known.file).read_text()
    assert check_weakenings.weaken(source, known) != source


def test_every_model_has_weakenings() -> None:
    models = {path.stem for path in (ROOT / "tests" / "model").glob("*.cpp")}
    assert {known.model for known in check_weakenings.read_all()} == models


def test_the_layout_of_the_code_does_not_matter() -> None:
    change = ("head.store(1, release); return left;", "head.store(1, relaxed);")
    for source in ("head.store(1, release); return left;", "head.store(\n        1,release);\n    return\tleft ;"):
        assert check_weakenings.weaken(f"a; {source} b;", weakening(change)) == "a; head.store(1, relaxed); b;"


@pytest.mark.parametrize("source", ["nothing", "f(1); f( 1 );", "returnleft; f(11);", "ff(1);"])
def test_what_does_not_fit_in_one_place_is_refused(source: str) -> None:
    with pytest.raises(check_weakenings.NotApplicable, match=r"file\.hpp has \d places"):
        check_weakenings.weaken(source, weakening(("f(1)", "g")))


def test_all_changes_of_a_weakening_are_made() -> None:
    assert check_weakenings.weaken("a(); b();", weakening(("a()", "x()"), ("b()", "y()"))) == "x(); y();"


def test_a_replacement_is_taken_literally() -> None:
    assert check_weakenings.weaken("a();", weakening(("a()", r"\1\g<0>"))) == r"\1\g<0>;"


def test_the_command_line_names_models_and_weakenings() -> None:
    known = [Weakening(model, name, "", "", ()) for model, name in (("a", "x"), ("a", "y"), ("b", "x"))]
    assert check_weakenings.chosen(known, []) == known
    assert check_weakenings.chosen(known, ["a"]) == known[:2]
    assert check_weakenings.chosen(known, ["b", "a.y"]) == known[1:]
    with pytest.raises(SystemExit, match="no weakening or model 'c'; the models are: a, b"):
        check_weakenings.chosen(known, ["c"])
