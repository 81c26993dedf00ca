// Task graphs of .gph files for Python: read, generate, write, and the facts that tables and pictures need.
#pragma once

#include <nanobind/nanobind.h>

namespace polyreme::python {

void add_graphs(nanobind::module_& module);

}  // namespace polyreme::python
