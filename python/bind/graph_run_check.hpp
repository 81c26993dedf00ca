// The checker of traces for Python, and what a picture shows of a trace.
#pragma once

#include <nanobind/nanobind.h>

namespace polyreme::python {

void add_graph_run_check(nanobind::module_& module);

}  // namespace polyreme::python
