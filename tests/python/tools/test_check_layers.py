"""The layering check accepts what the design allows and names what it does not."""

from __future__ import annotations

from pathlib import Path

import check_layers
import pytest

ROOT = Path(__file__).resolve().parents[3]


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def test_this_project_keeps_its_layers() -> None:
    assert check_layers.check_tree(ROOT) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("src/base/slab.hpp", "#include <atomic>\n"),
        ("src/sync/deque.hpp", '#include "base/slab.hpp"\n#include "sync/atomic.hpp"\n'),
        ("src/graph/edges.cpp", '#include "task/record.hpp"\n#include "sync/inbox.hpp"\n'),
        ("src/runtime/wiring.cpp", '#include "graph/edges.hpp"\n#include <polyreme/runtime.hpp>\n'),
        ("src/device/opencl/backend.cpp", "#include <CL/cl.h>\n"),
        ("src/gph/reader.cpp", '#include "gph/model.hpp"\n'),
        ("include/polyreme/runtime.hpp", "#include <polyreme/task.hpp>\n#include <vector>\n"),
        ("python/bind/module.cpp", '#include "runtime/wiring.hpp"\n#include <Python.h>\n'),
    ],
)
def test_allowed(tmp_path: Path, path: str, text: str) -> None:
    write(tmp_path, path, text)
    assert check_layers.check_tree(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("src/base/slab.hpp", '"sync/atomic.hpp"'),
        ("src/task/record.hpp", '"graph/edges.hpp"'),
        ("src/graph/edges.hpp", '"launch/slot.hpp"'),
        ("src/trace/ring.cpp", '"runtime/wiring.hpp"'),
        ("src/device/host/backend.cpp", '"task/record.hpp"'),
        ("src/launch/worker.cpp", "<Python.h>"),
        ("src/launch/worker.cpp", "<cuda.h>"),
        ("src/admit/ledger.cpp", "<chrono>"),
        ("src/gph/reader.cpp", '"base/slab.hpp"'),
        ("src/check/checker.cpp", '"trace/event.hpp"'),
        ("src/check/checker.cpp", "<polyreme/runtime.hpp>"),
        ("include/polyreme/runtime.hpp", "<nanobind/nanobind.h>"),
        ("include/polyreme/runtime.hpp", "<hwloc.h>"),
        ("include/polyreme/runtime.hpp", '"base/slab.hpp"'),
        ("python/bind/module.cpp", '"fixtures/fake.hpp"'),
    ],
)
def test_rejected(tmp_path: Path, path: str, header: str) -> None:
    write(tmp_path, path, f"#pragma once\n  #  include {header}\n")
    (found,) = check_layers.check_tree(tmp_path)
    assert found.startswith(f'{path}:2: "{header[1:-1]}": ')


def test_a_folder_of_no_layer_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "src/misc/things.cpp", "")
    with pytest.raises(ValueError, match="src/misc belongs to no layer"):
        check_layers.check_tree(tmp_path)
