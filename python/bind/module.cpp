// The extension module polyreme._core. What every spawn and wait goes through is written against the C API; the rest is
// bound with nanobind.
#include "arrivals_object.hpp"
#include "await_object.hpp"
#include "capture.hpp"
#include "captured_graph.hpp"
#include "captured_handles.hpp"
#include "captured_run.hpp"
#include "context_object.hpp"
#include "errors.hpp"
#include "graph_run.hpp"
#include "graph_run_check.hpp"
#include "graphs.hpp"
#include "native_function.hpp"
#include "observing.hpp"
#include "runtime_object.hpp"
#include "scope_object.hpp"
#include "space_object.hpp"
#include "task_object.hpp"

#include <nanobind/nanobind.h>

NB_MODULE(_core, m) {
  namespace python = polyreme::python;
  if (!python::add_error_types(m.ptr()) || !python::add_task_type(m.ptr()) || !python::add_await_type(m.ptr()) ||
      !python::add_space_types(m.ptr()) || !python::add_runtime_type(m.ptr()) || !python::add_context_type(m.ptr()) ||
      !python::add_arrivals_type(m.ptr()) || !python::add_handle_types(m.ptr()) ||
      !python::add_captured_graph_type(m.ptr()) || !python::add_graph_run_type(m.ptr()) ||
      !python::add_scope_type(m.ptr()) || !python::add_native_function_type(m.ptr()) ||
      !python::add_observing(m.ptr()) || !python::prepare_captures()) {
    throw nanobind::python_error();
  }
  python::add_graphs(m);
  python::add_graph_run(m);
  python::add_graph_run_check(m);
  m.attr("version") = POLYREME_VERSION;
}
